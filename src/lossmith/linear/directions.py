"""Where to go from a point: Newton's direction by whatever is cheapest for the size of the problem."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError

from lossmith.lazy import cached_property

from .design import chosen, parts
from .direction import DENSE, Cholesky, Shortest, conjugate_gradients, solve, sparse_step
from .features import is_sparse
from .penalty import Bound
from .problem import NOISE, Point, Problem
from .several import hessian_products
from .sketch import COLLINEAR, MOST, Apart, Memory, Sketch, enough, matrix_rows
from .wide import Wide

Array = NDArray[np.float64]

RIDGE = 1e-12
"""Least damping of a Newton step, relative to the mean curvature: decides between collinear features."""

WORKING_SET = 300
"""With an l1 penalty and many features, this many that want to leave zero join those that have left it."""

_SHORT = 0.3  # of the subgradient per unit of scores: damping that keeps a step over flat ground to a few units
_QUICK = 1e7  # multiplications that take no longer than a few steps
_MUCH = 1e10  # multiplications that take longer than finding a step without a matrix
_ROUNDS = 200  # of conjugate gradients
_PATIENCE = 10  # slow steps after which some of the samples are no guide: what matters may be in the others
_SLOW = 0.3  # what is left of the stationarity after a step with a matrix that is good enough


class Directions:
    """What a solver remembers of second derivatives from step to step."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.damping = 0.0  # relative to the mean curvature
        self._sketch: Sketch | None = None
        self._memory: Memory | None = None
        self._stationarity, self._upwards, self._slow = np.inf, True, 0
        self._stiff = False  # conjugate gradients once did not come to an end

    def at(self, point: Point, bound: Bound) -> tuple[Array, bool]:
        """(a direction in which the objective falls, whether the loss curves upwards at every sample)."""
        size, outputs = point.theta.size, point.theta.shape[1]
        if size <= MOST and (self.problem.sharp or (outputs > 1 and self.problem.l1.any())):
            return self._whole(point)
        if point.mu > 0 or self.problem.l1.any() or self._slow >= _PATIENCE or point.theta.size > MOST:
            return self.newton(point)
        few = self.problem.design.n <= 2 * enough(self.problem, point.theta.shape[1])
        if few and self.problem.samples is not None:
            return self.newton(point)
        return self._mended(point, bound, few=few)

    def newton(self, point: Point) -> tuple[Array, bool]:
        """The same, from the second derivatives of all samples."""
        problem, outputs = self.problem, point.theta.shape[1]
        f, g = problem.scores_at(point), self._gradient(point)
        if outputs == 1 and len(g) <= DENSE + 1 and not problem.l1.any():
            H, upwards = problem.curved(f, point.mu)
            ridge = self._ridge(point, float(H[0, 0]))
            H += np.diag(problem.l2)
            return (-Shortest(H, ridge, _noise(point))(g) if point.mu == 0 else solve(H, g, ridge)), upwards
        bend, upwards = problem.bends(f, point.mu)
        ridge = self._ridge(point, problem.mean(bend if outputs == 1 else bend.sum(axis=1)) / outputs)
        if problem.l1.any():
            return self._sparse(point, g, bend, ridge), upwards
        # Of sparse features steps without a matrix cost little, and as a rule are few.
        if outputs == 1 and (self._stiff or not is_sparse(problem.design.X)) and Wide.suits(problem):
            try:
                return self._wide.direction(bend, g[:, 0], ridge)[:, None], upwards
            except LinAlgError:
                pass
        return self._conjugate(point, f, g, bend, ridge), upwards

    @cached_property
    def _wide(self) -> Wide:
        return Wide(self.problem)

    def _whole(self, point: Point) -> tuple[Array, bool]:
        """The same, by the matrix of all outputs at once of those samples that bend: where kinks were rounded the few
        that are near one. Under an l1 penalty an output at a time would need steps by the hundred: what one class gains
        another one loses."""
        problem, g = self.problem, self._gradient(point).ravel("F")
        bends = np.concatenate([self._most(point, rows) for rows in parts(problem.design.n, problem.design.p)])
        rows = np.flatnonzero(bends > NOISE * bends.max())
        if not len(rows):  # straight down, until some are
            return -self._gradient(point) * problem.unit / max(float(np.abs(g).max()), np.finfo(float).tiny), True
        if len(rows) * len(g) ** 2 > _MUCH:
            return self.newton(point)
        H, upwards = Sketch(problem, rows).matrix(point, floor=0.0)
        H *= np.broadcast_to(problem.share(rows), len(rows)).sum()
        least = self._ridge(point, float(np.diag(H).mean()))
        l2, l1 = (np.tile(each, point.theta.shape[1]) for each in (problem.l2, problem.l1))
        H[np.diag_indices_from(H)] += l2
        if l1.any():
            d = sparse_step(H + least * np.eye(len(H)), g, point.theta.ravel("F"), l1)
        else:
            d = solve(H, g, least)
        return d.reshape(point.theta.shape, order="F"), upwards

    def _most(self, point: Point, part: slice) -> Array:
        """How much each of some samples bends in the score in which it bends most."""
        rows = np.arange(part.start, part.stop)
        bends, _ = self.problem.bends(self.problem.scores_of(rows, point.theta), rows=rows)
        return np.asarray(bends.max(axis=1))

    def _ridge(self, point: Point, mean_bend: float) -> float:
        least = 1e-9 * float(np.abs(point.v).max()) / self.problem.unit
        ridge = max(self.damping, RIDGE) * max(mean_bend, least, float(np.finfo(float).tiny))
        if point.mu == 0:
            return ridge
        # Samples outside their windows bend nothing: of where they would turn the loss, its second derivatives do not
        # know. Damping in proportion to the gradient leaves Newton's steps as quick as they are near the optimum
        # (Yamashita and Fukushima 2001, doi:10.1007/978-3-7091-6217-0_18).
        return max(ridge, _SHORT * self.problem.steepest(point) / self.problem.unit)

    def judge(self, length: float) -> bool:
        """Learn from how far the last direction led; whether there is hope."""
        if length <= 0:
            self._memory = None
            if self.damping >= 1e6:
                return False
            self.damping = max(1e3 * self.damping, 1.0)
        elif length < 0.3:
            self.damping = max(10 * self.damping, 1e-3)
        elif length > 0.7:
            self.damping = self.damping / 10 if self.damping > 1e-9 else 0.0
        return True

    def learn(self, old: Point, new: Point) -> None:
        if self._memory is not None:
            change = self._gradient(new) - self._gradient(old)
            self._memory.add((new.theta - old.theta).ravel("F"), change.ravel("F"))

    def _gradient(self, point: Point) -> Array:
        return point.v + self.problem.l2[:, None] * point.theta

    # mended from step to step -----------------------------------------------------------------------------------------

    def _mended(self, point: Point, bound: Bound, *, few: bool) -> tuple[Array, bool]:
        """By a matrix that is kept, mended by what gradients change, as long as it leads somewhere.

        Of few samples (with several scores) the first one is that of `Apart`, which where all samples have the same
        scores, as at the best constant, is the true one. The next ones are not made where that takes many steps' time.
        """
        problem, first, before = self.problem, self._memory is None, self._stationarity
        costly = few and problem.design.n * point.theta.size**2 > _QUICK
        slow, self._stationarity = bound.stationarity > (1.0 if costly else _SLOW) * before, bound.stationarity
        self._slow += slow
        if first and few and (costly or before == np.inf):
            apart = Apart(problem, point.theta)
            self._upwards = apart.upwards
            if not apart.is_regular:
                self._slow = _PATIENCE
                return self.newton(point)
            self._memory = Memory(apart)
        elif first or (slow and not costly):
            try:
                self._memory = Memory(self._matrix(point))
            except LinAlgError:  # of several scores, where the loss is not convex
                self._slow = _PATIENCE
                return self.newton(point)
        assert self._memory is not None
        g = self._gradient(point)
        return self._memory.direction(g.ravel("F")).reshape(g.shape, order="F"), self._upwards

    def _matrix(self, point: Point) -> Callable[[Array], Array]:
        """The inverse of second derivatives from some of the samples."""
        problem, outputs = self.problem, point.theta.shape[1]
        if self._sketch is None:
            n = problem.design.n
            self._sketch = Sketch(problem, chosen(n, min(n, matrix_rows(problem, outputs))))
        H, self._upwards = self._sketch.matrix(point)
        ridge = max(self.damping, COLLINEAR) * max(float(np.diag(H).mean()), np.finfo(float).tiny)
        H[np.diag_indices_from(H)] += np.tile(problem.l2, outputs) + ridge
        return Cholesky(H)

    # with an l1 penalty -----------------------------------------------------------------------------------------------

    def _sparse(self, point: Point, g: Array, bend: Array, ridge: float) -> Array:
        problem, d = self.problem, np.zeros_like(g)
        bend = bend.reshape(problem.design.n, -1)
        for k in range(g.shape[1]):
            working = self._working_set(g[:, k], point.theta[:, k])
            H = problem.gram(bend[:, k], working) + np.diag(problem.l2[working] + ridge)
            d[working, k] = sparse_step(H, g[working, k], point.theta[working, k], problem.l1[working])
        return d

    def _working_set(self, g: Array, u: Array) -> NDArray[np.intp]:
        if len(g) <= DENSE + 1:
            return np.arange(len(g))
        wish = np.where(u != 0, np.inf, np.abs(g) - self.problem.l1)
        wish[0] = np.inf
        count = int((wish == np.inf).sum()) + WORKING_SET
        best = np.argsort(-wish, kind="stable")[:count]
        return np.sort(best[wish[best] > 0])

    # many coefficients ------------------------------------------------------------------------------------------------

    def _conjugate(self, point: Point, f: Array, g: Array, bend: Array, ridge: float) -> Array:
        problem = self.problem
        rough = bend if problem.samples is not None else bend.mean(axis=1)
        precondition: Callable[[Array], Array]
        if len(g) <= DENSE + 1:
            # Weighting by rows, alike for all outputs: at most a factor from the truth, and cheap to factor once.
            M = problem.gram(rough) + np.diag(problem.l2)
            precondition = Shortest(M, max(ridge, 1e-8 * float(np.diag(M).mean())), _noise(point))
        else:
            precondition = partial(_divide, (problem.squares(rough) + problem.l2 + ridge)[:, None])

        rounds = 0

        def product(d: Array) -> Array:
            nonlocal rounds
            rounds += 1
            delta = problem.changes(d)
            if problem.samples is not None:
                turned = bend * delta
            else:
                turned = hessian_products(problem.loss, problem.y, f, delta)
            return problem.pull(turned) + (problem.l2[:, None] + ridge) * d

        relative = float(np.abs(g).max()) / problem.unit / max(problem.mean(rough), 1e-300)
        found = conjugate_gradients(product, g, precondition, min(0.1, np.sqrt(relative)), _ROUNDS)
        self._stiff |= rounds == _ROUNDS
        return found


def _noise(point: Point) -> float:
    """Parts of the gradient that are rounding."""
    return 1e-14 * float(np.abs(point.v).max())


def _divide(diagonal: Array, r: Array) -> Array:
    return r / diagonal
