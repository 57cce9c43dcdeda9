"""From what the user hands over to columns, target, weight and exposure that a race can use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.errors import ChoiceError, plain, quoted
from lossmith.choosing.exposure import find_exposure
from lossmith.choosing.leaks import leaks
from lossmith.choosing.tables import Column, Floats, Table, column_from_any, from_any
from lossmith.choosing.targets import FEWEST_ROWS, Target, make_target

MOST_ROWS = 100_000


@dataclass(frozen=True, eq=False)
class Prepared:
    table: Table  # the explaining columns, the exposure among them
    target: Target
    weight: Floats | None
    exposure: str | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    groups: Any = None
    time: Any = None


def prepare(X: Any, y: Any, aim: Aim | None, weight: Any, exposure: Any, seed: int) -> Prepared:
    table = from_any(X)
    if not table.rows:
        raise ChoiceError("the table has no rows")
    table, column = _split(table, y)
    table, weights = _weights(table, weight)
    if exposure is not None and not isinstance(exposure, str):
        taken = _same_length(column_from_any(exposure, "exposure"), table, "exposure")
        table = replace(table, columns=(*table.without("exposure").columns, taken))
        exposure = "exposure"
    target = make_target(column, aim)
    notes = []
    if target.aim.assumed:
        notes.append(
            f"no aim was given: {target.aim} was assumed, because {quoted(target.name)} holds "
            f"{'classes' if target.classes else 'numbers'}"
        )
    target, weights = _keep(target, weights, seed, notes)
    table = table.take(target.rows)
    weights = None if weights is None else weights[target.rows]
    usable, dropped = _usable(table)
    suspects, table = leaks(table, target), usable
    found, note = find_exposure(table, target, exposure)
    notes += [note] if note else []
    if not [c for c in table.columns if c.name != found]:
        raise ChoiceError("no column is left to predict from")
    return Prepared(
        table, target, weights, found, tuple(notes), (*suspects, *table.warnings, *dropped, *target.warnings)
    )


def _split(table: Table, y: Any) -> tuple[Table, Column]:
    if isinstance(y, str):
        if y in table.repeated:
            raise ChoiceError(f"two columns are named {quoted(y)}, the target; rename one of them or leave it out")
        return table.without(y), table.column(y)
    name = str(getattr(y, "name", None) or "y")
    return table, _same_length(column_from_any(y, name), table, "y")


def _same_length(column: Column, table: Table, what: str) -> Column:
    if len(column.values) != table.rows:
        raise ChoiceError(f"{what} has {len(column.values)} rows, X has {table.rows}")
    return column


def _weights(table: Table, weight: Any) -> tuple[Table, Floats | None]:
    if weight is None:
        return table, None
    if isinstance(weight, str):
        column, table = table.column(weight), table.without(weight)
    else:
        column = _same_length(column_from_any(weight, "weight"), table, "weight")
    values = column.values
    if column.kind not in ("number", "boolean") or not np.isfinite(values).all() or (values < 0).any():
        raise ChoiceError(f"the weights in {quoted(column.name)} must be numbers of zero or more, without gaps")
    if not values.any():
        raise ChoiceError(f"the weights in {quoted(column.name)} are all zero")
    return table, values


def _keep(target: Target, weights: Floats | None, seed: int, notes: list[str]) -> tuple[Target, Floats | None]:
    """Rows that count: those with a weight, and no more than a race needs."""
    keep = np.arange(len(target.rows))
    if weights is not None:
        keep = keep[weights[target.rows] > 0]
        if len(keep) < FEWEST_ROWS:
            raise ChoiceError(f"only {len(keep)} rows have a weight above zero; at least {FEWEST_ROWS} are needed")
    if len(keep) > MOST_ROWS:
        notes.append(f"the race runs on {MOST_ROWS:,} rows drawn at random from {len(keep):,}")
        keep = np.sort(np.random.default_rng(seed).permutation(keep)[:MOST_ROWS])
    return replace(target, rows=target.rows[keep], y=target.y[keep]), weights


def _usable(table: Table) -> tuple[Table, list[str]]:
    kept, warnings = [], []
    for column in table.columns:
        gaps = np.isnan(column.values)
        if column.strays:
            warnings.append(f"column {quoted(column.name)} holds numbers, but {column.strays}; read as missing")
        if np.isinf(column.values).any():
            raise ChoiceError(
                f"column {quoted(column.name)} has {np.isinf(column.values).sum()} infinite value(s); "
                "correct them or leave the column out"
            )
        if gaps.all():
            warnings.append(f"column {quoted(column.name)} is empty; it was left out")
        elif not gaps.any() and np.ptp(column.values) == 0:
            warnings.append(f"column {quoted(column.name)} is constant; it was left out")
        elif column.kind == "category" and len(column.levels) > max(50, 0.5 * table.rows):
            warnings.append(
                f"column {quoted(column.name)} has a different text in most rows, like a "
                "name or a record number; it was left out"
            )
        else:
            kept.append(column)
    warnings += [
        f"column {quoted(c.name)} looks like a row number; if it is, leave it out of the table"
        for c in kept
        if plain(c.name).lower() in ("id", "index", "rownames", "unnamed: 0", "")
        and c.whole
        and len(np.unique(c.values)) == table.rows
    ]
    return replace(table, columns=tuple(kept)), warnings
