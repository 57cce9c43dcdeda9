"""Rows whose columns lie far out: they pull a linear model towards themselves, and no convex loss resists that."""

from __future__ import annotations

import numpy as np

from lossmith.choosing.tables import Floats, Rows


def leverages(X: Floats) -> Floats:
    """The diagonal of the hat matrix of a linear model with an intercept; its sum is the rank."""
    design = np.column_stack([np.ones(len(X)), X])
    left, size, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray((left[:, size > 1e-10 * size.max()] ** 2).sum(axis=1))


def bad_leverage(X: Floats, residual: Floats, scale: float, times: float, outlying: float) -> Rows:
    """Rows of more than `times` the mean leverage that the model also misses by far. Of columns with two values neither
    is far out: it is a rare level, or a gap. Residuals are counted from the median one."""
    X = X[:, [len(np.unique(column)) > 2 for column in X.T]]
    if X.shape[1] == 0 or 3 * X.shape[1] > len(X):
        return np.arange(0)
    h = leverages(X)
    return np.flatnonzero((h > times * h.mean()) & (np.abs(residual - np.median(residual)) > outlying * scale))
