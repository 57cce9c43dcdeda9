"""Rows that stand in the table more than once: a model that is judged on a copy of what it was trained on proves
nothing, as if rows of one group stood on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossmith.choosing.tables import Floats, Rows, Table

SHARE = 0.01  # of the rows: fewer copies move no score by what counts as a difference
FEWEST = 30  # different rows; of fewer, every kind of row comes again
AGREES = 0.9  # of two rows that are alike in all other columns, beyond what any two rows agree


def copies(table: Table, y: Floats) -> Rows | None:
    """A code for each row, one for all rows that are equal in every column and the target; None where hardly any are,
    or where they may be equal by chance.

    Rows of a few categories or of rounded numbers are equal by chance. Copies agree in the target, and in the column
    of most values, too, whenever they agree in all the others.
    """
    if not table.columns:
        return None
    labels, *features = (np.unique(x, return_inverse=True)[1] for x in (y, *(c.values for c in table.columns)))
    codes = _alike([labels, *features])
    different, rows = int(codes.max()) + 1, len(y)
    if different < FEWEST or rows - different < SHARE * rows:
        return None
    telling = int(np.argmax([each.max() for each in features]))
    others = [labels, *features[:telling], *features[telling + 1 :]]
    surely = _follows(labels, codes, _alike(features)) and _follows(features[telling], codes, _alike(others))
    return codes if surely else None


def _follows(column: Rows, codes: Rows, without: Rows) -> bool:
    """Whether rows that are alike without this column are alike with it."""
    by_chance = _pairs(column) / _pairs(np.zeros_like(codes))
    found = _pairs(codes) / _pairs(without)
    return by_chance < 1 and found - by_chance >= AGREES * (1 - by_chance)


def _pairs(codes: Rows) -> float:
    """The pairs of rows that have the same code."""
    counts = np.bincount(codes).astype(np.float64)
    return float(counts @ (counts - 1)) / 2


def _alike(columns: Sequence[Rows]) -> Rows:
    """A code for each row, one for all that are equal in columns of codes."""
    codes = np.zeros(len(columns[0]), dtype=np.intp)
    for level in columns:
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
