"""Rows that stand in the table more than once: a model that is judged on a copy of what it was trained on proves
nothing, as if rows of one group stood on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossmith.choosing.tables import Floats, Rows, Table

SHARE = 0.01  # of the rows: fewer copies move no score by what counts as a difference
FEWEST = 30  # different rows; of fewer, every kind of row comes again
MANY_VALUES = 0.5  # times the different rows: a column of so many values tells rows apart
AGREES = 0.9  # of the rows that are alike in all other columns


def copies(table: Table, y: Floats) -> Rows | None:
    """A code for each row, one for all rows that are equal in every column and the target; None where hardly any are,
    or where they may be equal by chance.

    Rows of a few categories are equal by chance, and so are values that were rounded. Copies agree in the column of
    most values, too, whenever they agree in the others.
    """
    if not table.columns:
        return None
    every = [y, *(column.values for column in table.columns)]
    codes = _alike(every)
    different, rows = int(codes.max()) + 1, len(y)
    if different < FEWEST or rows - different < SHARE * rows:
        return None
    values = [len(np.unique(each)) for each in every]
    telling = int(np.argmax(values))
    without = int(_alike(every[:telling] + every[telling + 1 :]).max()) + 1
    tell = values[telling] >= MANY_VALUES * different
    return codes if tell and rows - different >= AGREES * (rows - without) else None


def _alike(columns: Sequence[Floats]) -> Rows:
    codes = np.zeros(len(columns[0]), dtype=np.intp)
    for values in columns:
        level = np.unique(values, return_inverse=True)[1]
        codes = np.unique(codes * (int(level.max()) + 1) + level, return_inverse=True)[1]
        if int(codes.max()) + 1 == len(codes):
            break
    return codes


def told(codes: Rows, rows: Rows) -> str:
    """How many rows are copies of which; rows: where in the table of the user they stand, counted from 0."""
    first = np.unique(codes, return_index=True)[1]
    again = np.setdiff1d(np.arange(len(codes)), first)
    one, other = int(rows[first[codes[again[0]]]]) + 1, int(rows[again[0]]) + 1
    share = f"{len(again):,} of {len(codes):,} rows ({len(again) / len(codes):.0%})"
    return (
        f"{share} are copies of earlier ones, as data row {other} of data row {one}: copies stay together in every "
        "fold, or models would be judged on rows that they were trained on; drop them if they are mistakes (say groups "
        "none if each is a case of its own)"
    )
