"""Where a kinked loss ends: coefficients that put samples on their kinks, and slopes there that prove it the end. With
an l1 penalty coefficients have kinks too, at 0, on which some of them are.

Descent on the averaged loss finds which samples these can be: those whose window holds a kink, all others being taken
to stay on their side. A walk from kink to kink finds which of them are, exactly: the coefficients, and for every sample
on its kink the slope, between those on either side, with which the gradient vanishes. Such slopes make supporting lines
as good as any others, so the certificate does not depend on how narrow a window rounding allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .exchange import Walk
from .problem import Point, Problem

Array = NDArray[np.float64]

_LARGEST = 1500  # coefficients and samples
_FEW = 64  # coefficients, for each of which a walk
_ALL = 200  # features, of which also those may take part that l1 holds at 0
_SEEN = 1 << 17  # samples that may be asked whether their kinks were passed: of more answers take too much room
_WALKED = 20  # may pass so many samples; it takes longer where they are more


def vertices(problem: Problem, point: Point) -> Iterator[tuple[Array, Point | None]]:
    """(theta with the samples in the window on their kinks, the point with the slopes that this asks for); then, for
    whom that is not good enough, (theta, None) with those samples too whose kinks were passed on the way.

    A coefficient that next to no penalty holds, but for a few samples, goes far, and these may be far from their kinks.
    Nothing where there are no such samples, or far too many.
    """
    kink = problem.kinks(point)
    if kink is None:
        return
    columns = np.flatnonzero((point.theta[:, 0] != 0) | (problem.l1 == 0) | (problem.design.p <= _ALL))
    penalised = np.flatnonzero(problem.l1[columns])
    at_zero, l1 = np.eye(len(columns))[penalised], problem.l1[columns][penalised]
    most = _WALKED * len(columns) + 200 if len(columns) <= _FEW else 3 * len(columns) + 10
    on, wide = np.flatnonzero(np.isfinite(kink)), point
    kink = kink[on]  # the others are in the way: there may be many
    while 0 < len(on) <= min(most, _LARGEST - len(columns)):
        Z, share, (slope, *ends) = problem.design.rows(on, columns), problem.share(on), problem.slopes(point, on)
        below, above = ends if wide is point else problem.slopes(wide, on)[1:]
        c = _gradient(problem, point, columns) - Z.T @ (share * slope)
        walk = Walk(
            np.vstack([Z, at_zero]), np.append(kink, -point.theta[columns, 0][penalised]),
            np.append(share * below, -l1), np.append(share * above, l1), c, problem.l2[columns],
        )  # fmt: skip
        walk.run()
        step = np.zeros_like(point.theta)
        step[columns, 0] = walk.d
        proof = _pulled(problem, point, on, walk.pulls[: len(on)] - share * slope, kink) if wide is point else None
        yield point.theta + step, proof
        if problem.design.n > _SEEN or not step.any():
            return
        wide, passed = _passed(problem, point, step)
        passed[on] = kink
        before, on = len(on), np.flatnonzero(np.isfinite(passed))
        if len(on) == before:
            return
        kink = passed[on]


def _passed(problem: Problem, point: Point, step: Array) -> tuple[Point, Array]:
    """The point with windows as wide as the step, and how far each sample's kink is if it lies on the way, else NaN."""
    way = problem.changes(step)
    wide = replace(point, mu=max(point.mu, float(np.abs(way).max())))
    kinks = problem.kinks(wide)
    assert kinks is not None
    return wide, np.where((kinks * way > 0) & (np.abs(kinks) < np.abs(way)), kinks, np.nan)


def _gradient(problem: Problem, point: Point, columns: NDArray[np.intp]) -> Array:
    return np.asarray(point.v[columns, 0] + problem.l2[columns] * point.theta[columns, 0])


def _pulled(problem: Problem, point: Point, on: NDArray[np.intp], pull: Array, kink: Array) -> Point:
    """The point, the samples on their kinks pulling that much more, as far as the slopes beside the kinks let them."""
    share, (slope, below, above) = problem.share(on), problem.slopes(point, on)
    pull = share * np.clip(pull / share, below - slope, above - slope)
    v = point.v + problem.design.part(on).pull(pull[:, None])
    return replace(point, v=v, support=point.support - float(pull @ kink))
