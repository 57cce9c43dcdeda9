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
MISTAKES = 0.1  # of those that calling all rows the commonest class would make
MISTAKES_OF_MANY = 0.03  # with three classes and more: one measure alone all but parts the species of iris, with 6%
FEWEST_MISTAKES = 15  # that calling all rows the commonest class makes
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
    gaps = np.isnan(column.values)
    x, known = column.values[~gaps], y[~gaps]
    said = ""
    if len(x) >= max(FEWEST, 0.5 * len(gaps)) and np.ptp(known) > 0 and np.ptp(x) > 0:
        said = (_of_classes if classes else _of_numbers)(column, x, known)
    if not said and classes and _tells(gaps.astype(np.intp), y):
        return "by its gaps alone all but determines"
    return said


def _of_numbers(column: Column, x: Floats, y: Floats) -> str:
    if column.kind == "category":
        numbers = np.array([_first_number(level) for level in column.levels])[x.astype(np.intp)]
        if np.isfinite(numbers).all() and np.ptp(numbers) > 0 and _same_order(numbers, y):
            return "holds, inside its texts,"
        return "determines" if _determines(x, y) else ""
    if np.array_equal(x, y):
        return "is a copy of"
    if _determines(x, y) or _same_order(x, y):
        return "determines"
    return "all but determines" if _nearly_same_order(x, y) else ""


def _of_classes(column: Column, x: Floats, y: Floats) -> str:
    if _determines(x, y):
        return "determines"
    groups = x.astype(np.intp) if column.kind == "category" else _stretches(x, y)
    return "all but determines" if _tells(groups, y) else ""


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


def _stretches(x: Floats, y: Floats) -> Rows:
    """Which of as many stretches of x as there are classes, cut where they part the classes best."""
    from sklearn.tree import DecisionTreeClassifier

    rank = _ranks(x)[:, None]  # trees read float32, which not every number fits
    tree = DecisionTreeClassifier(max_leaf_nodes=len(np.unique(y)), random_state=0)
    return np.asarray(tree.fit(rank, y).apply(rank), dtype=np.intp)


def _tells(groups: Rows, y: Floats) -> bool:
    """The commonest class of each group of rows is the class of nearly all of them."""
    classes, sizes = np.unique(y, return_counts=True)
    usual = len(y) - int(sizes.max())
    pairs, counts = np.unique(np.column_stack([groups, y]), axis=0, return_counts=True)
    _, first = np.unique(pairs[:, 0], return_index=True)
    wrong = len(y) - int(np.maximum.reduceat(counts, first).sum())
    share = MISTAKES if len(classes) == 2 else MISTAKES_OF_MANY
    return usual >= FEWEST_MISTAKES and len(first) * REPEATS <= len(y) and wrong <= share * usual


def _centred(x: Floats) -> Floats:
    """In units that keep squares of huge numbers finite."""
    x = x / np.abs(x).max()
    return np.asarray(x - x.mean())


def _ranks(x: Floats) -> Rows:
    return np.asarray(np.unique(x, return_inverse=True)[1], dtype=np.intp)
