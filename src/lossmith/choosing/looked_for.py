"""Which of two classes a metric of one class is about: the one that people look for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossmith.choosing.tables import number

OF_ONE_CLASS = {"f1": "F1", "average_precision": "average precision"}  # of two; of more, each class's, averaged
NO_AND_YES = (
    ("0", "1"), ("false", "true"), ("f", "t"), ("no", "yes"), ("n", "y"), ("off", "on"), ("-", "+"),
    ("negative", "positive"), ("neg", "pos"), ("absent", "present"),
)  # fmt: skip


def looked_for(classes: Sequence[str], rows: Sequence[int]) -> int:
    """The place of the yes of a known pair; else of the larger number; else of the class with fewer rows (of as many,
    the second)."""
    said = [name.strip().lower() for name in classes]
    for pair in NO_AND_YES:
        if set(said) == set(pair):
            return said.index(pair[1])
    numbers = [number(text) for text in said]
    return int(np.argmax(numbers)) if np.isfinite(numbers).all() else int(rows[1] <= rows[0])
