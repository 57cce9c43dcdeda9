"""How far models may lie from the present one for a bound to speak of them: told by their scores, not coefficients.

Where no penalty holds coefficients, a gradient that is not exactly 0 promises a fall without end to models without end,
so a proof speaks of models within reach. Coefficients do not say how far a model is: of columns that are nearly the
same, large ones that almost cancel each other move scores by little. So reach is told by the scores of the samples, of
many by those of some of them. Only along directions in which these are rounding, as of collinear columns, and where
features are too many to take apart, it is told by the coefficients of the scaled features.
"""

from __future__ import annotations

import copy

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .design import Design, chosen
from .direction import DENSE

Array = NDArray[np.float64]

REACH = 10.0
"""A bound speaks of models whose scores lie, in the root of the mean square, within this many times (the size of the
present ones + unit) of the present ones. The unit is the root of the mean square of the targets' deviations: one far
too small would let a bound prove what is not true, one too large by a factor asks for a gradient that much smaller."""

_LEAST = 1024  # samples that tell how far scores move,
_PER_COEFFICIENT = 4  # and more for many coefficients
_REGULAR = 1e-3  # of the largest pivot: from here on squares keep enough digits
_ROUNDING = 100.0  # times that of one number


def moves(design: Design, weight: Array | None) -> Array | None:
    """A row per sample, or of many for some: that of the design, times the root of its share. None where columns are
    too many."""
    if design.p > DENSE:
        return None
    rows = chosen(design.n, min(design.n, max(_LEAST, _PER_COEFFICIENT * (1 + design.p))))
    share = np.ones(len(rows)) if weight is None else weight[rows]
    found = design.rows(rows)
    found *= np.sqrt(share / share.sum())[:, None]
    return found


def rounding(design: Design) -> float:
    """What is none of the largest move: what is left of features that are told from their centres by rounding."""
    away = np.where(design.constant, 0.0, np.abs(design.centre) / design.spread)
    return _ROUNDING * float(np.finfo(float).eps) * max(1.0, float(away.max(initial=0.0)))


class Reach:
    """``moves``: how each coefficient moves each score, see there; ``rounding``: of the largest move, what is none."""

    def __init__(self, moves: Array | None, rounding: float, unit: float) -> None:
        self.unit = unit
        self._factor: Array | None = None  # the size of factor @ a change is that of the scores' change
        self._triangle: Array | None = None  # the same, where it is a triangle
        self._axes, self._sizes = np.empty((0, 0)), np.empty(0)  # else directions, and how far each moves scores
        if moves is None:
            return
        try:
            triangle = np.asarray(np.linalg.cholesky(moves.T @ moves), dtype=np.float64)
        except np.linalg.LinAlgError:
            triangle = np.zeros((1, 1))
        pivots = np.diag(triangle)
        if pivots.min() > _REGULAR * pivots.max():
            self._triangle, self._factor = triangle, triangle.T
            return
        _, sizes, self._axes = np.linalg.svd(np.linalg.qr(moves, mode="r"), full_matrices=True)
        self._sizes = sizes[sizes > rounding * sizes.max()]
        self._factor = self._sizes[:, None] * self._axes[: len(self._sizes)]

    def of(self, unit: float) -> Reach:
        """The same in other units."""
        found = copy.copy(self)
        found.unit = unit
        return found

    def size(self, theta: Array) -> float:
        """Of the scores at theta, beside a common one; at least the unit."""
        if self._factor is None:
            return self.unit + float(np.abs(theta[1:]).max(initial=0.0))
        return self.unit + float(np.linalg.norm(self._factor[:, 1:] @ theta[1:]))

    def worth(self, gradient: Array, theta: Array) -> float:
        """How far the objective could fall within reach of theta, if it fell along this gradient all the way."""
        if not gradient.any():
            return 0.0
        if not np.isfinite(gradient).all():
            return np.inf
        along = REACH * self.size(theta)
        if self._triangle is not None:
            return along * float(np.linalg.norm(solve_triangular(self._triangle, gradient, lower=True)))
        beyond = REACH * (self.unit + float(np.abs(theta[1:]).max(initial=0.0)))
        if self._factor is None:
            return beyond * float(np.abs(gradient).sum())
        parts, count = self._axes @ gradient, len(self._sizes)
        moved = float(np.linalg.norm(parts[:count] / self._sizes[:, None]))
        return along * moved + beyond * float(np.linalg.norm(parts[count:]))
