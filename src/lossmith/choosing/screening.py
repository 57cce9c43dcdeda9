"""Which columns alone tell most about the target; of more than a race can carry, those stay.

They are chosen on the training rows of each model: chosen on all rows, columns of noise would look as if they told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossmith.choosing.tables import Column, Floats, Rows, Table

MOST_COLUMNS = 300
FEWEST_KEPT = 50
SLICES = 20  # of a column of numbers, of equally many rows
CELLS = 2_000_000  # looked at at once


def strongest(table: Table, y: Floats, classes: bool, exposure: str | None = None) -> Table:
    """At most 300 columns, and no more than half as many as rows, of a table that has more; and the exposure."""
    if len(table.columns) <= MOST_COLUMNS:
        return table
    kept = {*closest(table, y, classes, min(MOST_COLUMNS, max(FEWEST_KEPT, table.rows // 2))), exposure}
    return replace(table, columns=tuple(column for column in table.columns if column.name in kept))


def screened(table: Table) -> list[str]:
    """What to say of a table that is too wide."""
    if len(table.columns) <= MOST_COLUMNS:
        return []
    said = (
        f"the table has {len(table.columns):,} columns; each model is trained on at most {MOST_COLUMNS}, and half as "
        "many as its rows: those that alone tell most about the target, chosen on the same rows"
    )
    return [said]


def closest(table: Table, y: Floats, classes: bool, count: int = 2) -> list[str]:
    """The columns that alone tell most about y, or about one of its classes."""
    parts = (y == np.unique(y)[:, None]).astype(np.float64) if classes else y[None, :]
    size = max(1, CELLS // table.rows)
    blocks = [table.columns[start : start + size] for start in range(0, len(table.columns), size)]
    told = np.concatenate([_explained(_groups(block), parts) for block in blocks])
    return [table.columns[int(i)].name for i in np.argsort(-told, kind="stable")[:count]]


def _groups(columns: tuple[Column, ...]) -> Rows:
    """(columns, rows): the level of a category, the slice of a number; gaps are a group of their own."""
    values = np.stack([column.values for column in columns])
    numbers = np.array([column.kind != "category" for column in columns])
    groups = np.where(np.isnan(values), np.array([len(column.levels) for column in columns])[:, None], values)
    groups[numbers] = _slices(values[numbers])
    return groups.astype(np.intp)


def _slices(values: Floats) -> Floats:
    present = np.sum(~np.isnan(values), axis=1, keepdims=True)
    cuts = ((present - 1) * (np.arange(1, SLICES) / SLICES)).astype(np.intp)
    edges = np.take_along_axis(np.sort(values, axis=1), cuts, axis=1)  # gaps stand last
    place = np.zeros(values.shape)
    for edge in edges.T:
        place += values > edge[:, None]
    return np.where(np.isnan(values), float(SLICES), place)


def _explained(groups: Rows, parts: Floats) -> Floats:
    """For each column the share of a part's variance that lies between its groups, less what as many groups explain by
    chance (the adjusted R²); of several parts the largest."""
    columns, rows = groups.shape
    counts = groups.max(axis=1) + 1
    first = np.append(0, np.cumsum(counts)[:-1])
    place = (groups + first[:, None]).ravel()
    sizes = np.bincount(place, minlength=int(counts.sum()))
    filled = np.add.reduceat((sizes > 0).astype(np.intp), first)
    best = np.full(columns, -np.inf)
    for part in parts:
        centred = part - part.mean()
        total = float(centred @ centred)
        if total == 0.0:
            continue
        sums = np.bincount(place, weights=np.tile(centred, columns), minlength=len(sizes))
        share = np.add.reduceat(np.square(sums) / np.maximum(sizes, 1), first) / total
        best = np.maximum(best, 1.0 - (1.0 - share) * (rows - 1) / np.maximum(rows - filled, 0.5))
    return best
