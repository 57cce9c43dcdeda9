"""Recalibration: what a prediction should have been, judged by what came."""

from __future__ import annotations

import numpy as np

from lossmith.choosing.tables import Floats


def recalibrated(y: Floats, prediction: Floats, weight: Floats | None = None) -> Floats:
    """For each row the value, rising with the prediction, that is nearest to y in mean square; all of shape (rows,).

    Rows of equal predictions are pooled first: a function of the prediction cannot tell them apart, and a sort that
    orders them by y would. Pooling adjacent violators (Dimitriadis, Gneiting & Jordan 2021).
    """
    from scipy.optimize import isotonic_regression

    w = np.ones(len(y)) if weight is None else weight
    _, place = np.unique(prediction, return_inverse=True)
    whole = np.bincount(place, weights=w)
    return np.asarray(isotonic_regression(np.bincount(place, weights=w * y) / whole, weights=whole).x[place])
