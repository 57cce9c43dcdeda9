"""Columns that hold the target under another name: a race on them proves nothing about losses."""

from __future__ import annotations

import re

import numpy as np

from lossmith.choosing.errors import quoted
from lossmith.choosing.tables import Column, Floats, Rows, Table
from lossmith.choosing.targets import Target

MOST_ROWS = 100_000  # that are looked at
FEWEST = 30  # fewer rows agree by chance
REPEATS = 5  # rows a value needs, on average, before "it always comes with the same target" says anything
GROUPS = 20
NEARLY = 0.9999  # rank correlation
MISTAKES = 0.1  # of those that calling all rows the commoner class would make
FEWEST_OF_A_CLASS = 15
AFFINE = 1e-10  # what rounding may leave of a straight line, as a share of the variance
FIRST_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


def leaks(table: Table, target: Target, copied: Rows | None = None) -> list[str]:
    """One warning for every column that equals or determines the target; table holds the target's rows. Of copies, rows
    of one code, the first counts: in all of them any value would always come with the same target."""
    found, y = [], target.y
    if copied is not None:
        first = np.unique(copied, return_index=True)[1]
        table, y = table.take(first), y[first]
    if len(y) > MOST_ROWS:
        rows = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
        table, y = table.take(rows), y[rows]
    for column in table.columns:
        how = _how(column, y, bool(target.classes))
        if how:
            found.append(
                f"column {quoted(column.name)} {how} the target {quoted(target.name)}: "
                "leave it out if it is not known when predicting"
            )
    return found


def _how(column: Column, y: Floats, classes: bool) -> str:
    present = ~np.isnan(column.values)
    x, y = column.values[present], y[present]
    if len(x) < max(FEWEST, 0.5 * len(present)) or np.ptp(y) == 0 or np.ptp(x) == 0:
        return ""
    if column.kind != "category":
        if not classes and np.array_equal(x, y):
            return "is a copy of"
        if _determines(x, y) or (not classes and _same_order(x, y)):
            return "determines"
        return "all but determines" if (_splits if classes else _nearly_same_order)(x, y) else ""
    if not classes:
        numbers = np.array([_first_number(level) for level in column.levels])[x.astype(np.intp)]
        if np.isfinite(numbers).all() and np.ptp(numbers) > 0 and _same_order(numbers, y):
            return "holds, inside its texts,"
    return "determines" if _determines(x, y) else ""


def _first_number(text: str) -> float:
    found = FIRST_NUMBER.search(text.replace(",", ""))
    return float(found.group()) if found else float("nan")


def _determines(x: Floats, y: Floats) -> bool:
    """Every value of x comes with one value of y only, again and again."""
    kinds = len(np.unique(x))
    return kinds * REPEATS <= len(x) and len(np.unique(np.column_stack([x, y]), axis=0)) == kinds


def _same_order(x: Floats, y: Floats) -> bool:
    """A straight line, or any other function that only rises or only falls."""
    if len(np.unique(y)) < GROUPS:
        return False  # few values are in order by chance
    dx, dy = _centred(x), _centred(y)
    if 1 - float(dx @ dy) ** 2 / float((dx @ dx) * (dy @ dy)) < AFFINE:
        return True
    ranks, judge = _ranks(x), _ranks(y)
    return np.array_equal(ranks, judge) or np.array_equal(ranks.max() - ranks, judge)


def _nearly_same_order(x: Floats, y: Floats) -> bool:
    if len(np.unique(y)) < GROUPS:
        return False
    dx, dy = _centred(_ranks(x).astype(np.float64)), _centred(_ranks(y).astype(np.float64))
    return bool(abs(dx @ dy) > NEARLY * np.sqrt((dx @ dx) * (dy @ dy)))


def _splits(x: Floats, y: Floats) -> bool:
    """One cut through x tells two classes apart with hardly a mistake."""
    classes, sizes = np.unique(y, return_counts=True)
    if len(classes) != 2 or sizes.min() < FEWEST_OF_A_CLASS:
        return False
    order = np.argsort(x, kind="stable")
    first = np.append(0, np.cumsum(y[order] == classes[0]))  # of the first class, below each cut
    place = np.append(np.append(True, np.diff(x[order]) > 0), True)  # no cut inside equal values
    below = np.arange(len(x) + 1)
    wrong = np.minimum(sizes[0] - first + below - first, first + sizes[1] - (below - first))
    return bool(wrong[place].min() <= MISTAKES * sizes.min())


def _centred(x: Floats) -> Floats:
    """In units that keep squares of huge numbers finite."""
    x = x / np.abs(x).max()
    return np.asarray(x - x.mean())


def _ranks(x: Floats) -> Rows:
    return np.asarray(np.unique(x, return_inverse=True)[1], dtype=np.intp)
