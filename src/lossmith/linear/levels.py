"""Thresholds of ordered levels, learned with the coefficients: a loss of levels is convex in both together.

Newton's steps on thresholds and coefficients at once, shortened where thresholds would cross or the objective not fall,
until the objective is proven to lie as near the optimum as that of any other fit. The score has no intercept of its
own: the thresholds are its intercepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from lossmith.thresholds import Ends, first_cuts

from .design import Design
from .direction import DENSE, conjugate_gradients, solve, sparse_step
from .directions import RIDGE, WORKING_SET
from .goal import NOTHING
from .penalty import Bound, Penalty
from .proof import Proof
from .reach import Reach, moves, rounding

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

_HALVINGS = 40
_FALL = 1e-4  # of what the slope promises: so much the objective has to fall for a step to count (Armijo 1966)


@dataclass(frozen=True)
class Learned:
    """The best point found."""

    cuts: Array  # for the features as they were given
    coefficients: Array
    proof: Proof  # of how far the optimum is, among all thresholds and coefficients within reach
    n_iter: int
    converged: bool


def learn(
    loss: Loss, design: Design, y: NDArray[Any], weight: Array | None, offset: Array | None,
    penalties: tuple[float, float], begin: tuple[Array, Array], tol: float, max_iter: int,
) -> Learned:  # fmt: skip
    """``begin``: thresholds and coefficients, (features,), for the features as they are given."""
    problem = _Levels(loss, design, y, weight, offset, penalties)
    cuts, w = begin
    u = np.concatenate([cuts - w @ design.centre, np.where(design.constant, 0.0, w * design.spread)])
    constant = problem.at(np.concatenate([first_cuts(y, weight), np.zeros(design.p)])).value
    point, proof, n_iter, converged = problem.at(u), Proof(), 0, False
    while True:
        proof.learn(problem.bound(point))
        height = point.value + problem.penalty.of(point.u[:, None])
        size = max(point.value, NOTHING * constant)
        converged = proof.gap(height, size) <= tol * size
        moved = None if converged or n_iter >= max_iter else problem.further(point, height)
        if moved is None:
            break
        point, n_iter = moved, n_iter + 1
    w = np.where(design.constant, 0.0, point.u[problem.k :] / design.spread)
    return Learned(point.u[: problem.k] + w @ design.centre, w, proof, n_iter, converged)


@dataclass(frozen=True)
class _Point:
    u: Array  # thresholds of the centred score, then coefficients of the scaled features
    value: float  # the weighted mean of the loss
    v: Array  # its derivative
    each: dict[str, Array]  # derivatives of each sample's loss


class _Levels:
    def __init__(
        self, loss: Loss, design: Design, y: NDArray[Any], weight: Array | None, offset: Array | None,
        penalties: tuple[float, float],
    ) -> None:  # fmt: skip
        self.design, self.offset, self.ends = design, offset, Ends(loss, y, weight)
        self.k, self.share = self.ends.k, self.ends.share
        l2, l1 = penalties
        none = np.zeros(self.k)
        self.penalty = Penalty(
            np.concatenate([none, l2 / design.spread**2]), np.concatenate([none, l1 / design.spread])
        )
        how = moves(design, weight)
        thresholds = np.eye(self.k)  # each is a score
        self.reach = Reach(None if how is None else block_diag(thresholds, how[:, 1:]), rounding(design), 1.0)

    def at(self, u: Array) -> _Point:
        f = self._scores(u[self.k :])
        each = self.ends.at(u[: self.k], f if self.offset is None else f + self.offset)
        v = np.concatenate([self.ends.slope(each), self._pull(each["f"])])
        return _Point(u, float(self.share @ each["value"]), v, each)

    def bound(self, point: _Point) -> Bound:
        return self.penalty.bound(point.value, point.u[:, None], point.v[:, None], self.reach)

    def further(self, point: _Point, height: float) -> _Point | None:
        """A step down; None where there is none that numbers can say."""
        d = self._direction(point)
        before, after = np.abs(point.u), np.abs(point.u + d)
        promised = float(
            (point.v + self.penalty.l2 * point.u) @ d + self.penalty.l1 @ (after - before)
        )
        for length in 0.5 ** np.arange(_HALVINGS):
            u = point.u + length * d
            if np.array_equal(u, point.u):
                return None
            if (np.diff(u[: self.k]) <= 0).any():
                continue
            there = self.at(u)
            if there.value + self.penalty.of(u[:, None]) <= height + _FALL * length * promised:
                return there
        return None

    # second derivatives -----------------------------------------------------------------------------------------------

    def _direction(self, point: _Point) -> Array:
        g, (k, p) = point.v + self.penalty.l2 * point.u, (self.k, self.design.p)
        among = self.ends.bend(point.each)
        crossed = self.design.pull(self.ends.crossed(point.each))[1:]
        ridge = RIDGE * max(float(np.diag(among).mean()), float(np.abs(g).max()), np.finfo(float).tiny)
        if not self.penalty.l1.any() and p > DENSE:
            return self._conjugate(point, g, among, crossed, ridge)
        columns = self._columns(point)
        chosen = np.concatenate([np.arange(k), k + columns])
        H = np.empty((len(chosen), len(chosen)))
        H[:k, :k], H[k:, :k], H[:k, k:] = among, crossed[columns], crossed[columns].T
        bend = self.share * point.each["f f"]
        H[k:, k:] = self.design.gram(lambda part: bend[part], 1 + columns)
        H[np.diag_indices_from(H)] += self.penalty.l2[chosen] + ridge
        d = np.zeros_like(g)
        if self.penalty.l1.any():
            d[chosen] = sparse_step(H, point.v[chosen] + (self.penalty.l2 * point.u)[chosen], point.u[chosen],
                                    self.penalty.l1[chosen])  # fmt: skip
        else:
            d[chosen] = solve(H, g[chosen], 0.0)
        return d

    def _columns(self, point: _Point) -> NDArray[np.intp]:
        """Of few features all; of many, under an l1 penalty, those at work and those that most want to be."""
        w, pull = point.u[self.k :], np.abs(point.v[self.k :]) - self.penalty.l1[self.k :]
        if self.design.p <= DENSE:
            return np.arange(self.design.p)
        wish = np.where(w != 0, np.inf, pull)
        best = np.argsort(-wish, kind="stable")[: np.count_nonzero(w) + WORKING_SET]
        return np.sort(best[wish[best] > 0])

    def _conjugate(self, point: _Point, g: Array, among: Array, crossed: Array, ridge: float) -> Array:
        k, bend, l2 = self.k, point.each["f f"], self.penalty.l2
        diagonal = np.concatenate([np.diag(among), self.design.squares(self.share * bend)[1:]]) + l2 + ridge

        def product(d: Array) -> Array:
            cuts = among @ d[:k] + crossed.T @ d[k:]
            return np.concatenate([cuts, self._pull(bend * self._scores(d[k:])) + crossed @ d[:k]]) + (l2 + ridge) * d

        return conjugate_gradients(product, g, lambda r: r / diagonal, min(0.1, np.sqrt(np.abs(g).max())), 200)

    # between samples and coefficients ---------------------------------------------------------------------------------

    def _scores(self, w: Array) -> Array:
        return self.design.scores(np.concatenate([[0.0], w])[:, None])[:, 0]

    def _pull(self, each: Array) -> Array:
        return self.design.pull((self.share * each)[:, None])[1:, 0]
