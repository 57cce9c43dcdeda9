"""Where a kinked loss ends: coefficients that put samples on their kinks, and slopes there that prove it the end.

Descent on the averaged loss finds which samples these can be: those whose window holds a kink, all others being taken
to stay on their side. A walk from kink to kink finds which of them are, exactly: the coefficients, and for every sample
on its kink the slope, between those on either side, with which the gradient vanishes. Such slopes make supporting lines
as good as any others, so the certificate does not depend on how narrow a window rounding allows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .exchange import Walk
from .problem import Point, Problem

Array = NDArray[np.float64]

_LARGEST = 1500  # coefficients and samples
_FEW = 64  # coefficients, for each of which a walk
_WALKED = 20  # may pass so many samples; it takes longer where they are more


def vertex(problem: Problem, point: Point) -> tuple[Array, Point] | None:
    """(theta with the samples in the window on their kinks, the point with the slopes that this asks for); None where
    there are no such samples, or far too many."""
    kink = problem.kinks(point)
    if kink is None:
        return None
    on = np.flatnonzero(np.isfinite(kink))
    kink = kink[on]  # the others are in the way: there may be many
    columns = np.flatnonzero((point.theta[:, 0] != 0) | (problem.l1 == 0))
    most = _WALKED * len(columns) + 200 if len(columns) <= _FEW else 3 * len(columns) + 10
    if not 0 < len(on) <= min(most, _LARGEST - len(columns)):
        return None
    Z, (slope, below, above) = problem.design.rows(on, columns), problem.slopes(point, on)
    share, c = problem.share(on), _gradient(problem, point, columns)
    walk = Walk(Z, kink, share * below, share * above, c - Z.T @ (share * slope), problem.l2[columns])
    walk.run()
    theta = point.theta.copy()
    theta[columns, 0] += walk.d
    return theta, _pulled(problem, point, on, walk.pulls - share * slope, kink)


def _gradient(problem: Problem, point: Point, columns: NDArray[np.intp]) -> Array:
    used = point.theta[columns, 0]
    return np.asarray(point.v[columns, 0] + problem.l2[columns] * used + problem.l1[columns] * np.sign(used))


def _pulled(problem: Problem, point: Point, on: NDArray[np.intp], pull: Array, kink: Array) -> Point:
    """The point, the samples on their kinks pulling that much more, as far as the slopes beside the kinks let them."""
    share, (slope, below, above) = problem.share(on), problem.slopes(point, on)
    pull = share * np.clip(pull / share, below - slope, above - slope)
    v = point.v + problem.design.part(on).pull(pull[:, None])
    return replace(point, v=v, support=point.support - float(pull @ kink))
