"""Who trains and who judges: the same repeated folds for every loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.choosing.tables import Floats, Rows

SPLITS = 5


@dataclass(frozen=True, eq=False)
class Fold:
    repeat: int
    train: Rows
    test: Rows


def repeats_for(n: int) -> int:
    """Small tables are split more often: 10 x 5 below 500 rows, 5 x 5 up to 5,000, 2 x 5 above."""
    return 10 if n < 500 else 5 if n <= 5000 else 2


def folds(n: int, seed: int, labels: Floats | None = None) -> list[Fold]:
    """Repeated five-fold cross-validation; with labels, every fold has each class in its share."""
    from sklearn.model_selection import RepeatedKFold, RepeatedStratifiedKFold

    kind = RepeatedKFold if labels is None else RepeatedStratifiedKFold
    splitter = kind(n_splits=SPLITS, n_repeats=repeats_for(n), random_state=seed)
    pairs = splitter.split(np.zeros((n, 1)), labels)
    return [Fold(i // SPLITS, np.asarray(train), np.asarray(test)) for i, (train, test) in enumerate(pairs)]
