"""One solver for every convex loss of a linear model, finished to a proven distance from the optimum.

Smooth losses: Newton steps. Kinked losses: the loss averaged over a window, which is smooth, by Newton steps; then a
narrower window, from where the last one ended; and at each width the vertex the solution is heading for: coefficients
that put the samples in the window exactly on their kinks. A line search looks at the sign of the slope along a step,
which convexity makes safe; it needs no values of the averaged loss.

The certificate is the same for all: F(theta) less a lower bound of F made of one supporting line per sample.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from . import smoothing
from .convexity import looks_convex
from .direction import DENSE, conjugate_gradients, gram, shortest, solve, sparse_step
from .problem import Problem

Array = NDArray[np.float64]

RIDGE = 1e-12
"""Least damping of a Newton step, relative to the mean curvature: decides between collinear features."""

SMOOTH_STEPS = 100
"""A smooth loss that takes more Newton steps than this is treated as a kinked one."""

WORKING_SET = 300
"""With an l1 penalty and many features, this many that want to leave zero join those that have left it."""


@dataclass(frozen=True)
class Step:
    """One line of the history: where the solver stood."""

    iteration: int
    objective: float
    gap: float
    window: float


@dataclass
class Solution:
    """The best point found, and what is known of it."""

    theta: Array
    objective: float
    gap: float  # objective less the proven lower bound; NaN where the loss is not convex and nothing is proven
    converged: bool
    n_iter: int
    convex: bool
    history: list[Step] = field(default_factory=list)


def minimise(problem: Problem, theta: Array, tol: float, max_iter: int) -> Solution:
    """Minimise from `theta`, until the gap is at most `tol` times the mean size of the loss at `theta`."""
    return _Solver(problem, theta, tol, max_iter).run()


class _Solver:
    def __init__(self, problem: Problem, theta: Array, tol: float, max_iter: int) -> None:
        self.problem, self.theta = problem, theta
        size = float(problem.weight @ np.abs(smoothing.value(problem.loss, problem.y, problem.scores(theta))))
        self.target = tol * (size or 1.0)
        self.max_iter = max_iter
        self.best, self.best_objective, self.lower = theta, problem.objective(theta), -np.inf
        self.n_iter = 0
        self.damping = 0.0  # relative to the mean curvature
        self.convex = looks_convex(problem.loss, problem.y, theta[0], problem.unit)
        self.history: list[Step] = []

    @property
    def gap(self) -> float:
        return max(self.best_objective - self.lower, 0.0)

    def run(self) -> Solution:
        windows = self.problem.one_score(self.theta)  # a kinked loss of several scores has none
        converged = False
        if not self.problem.loss.kinked:
            converged = self._descend(0.0, SMOOTH_STEPS if windows else self.max_iter, self.target)
        if windows and not converged and (self.convex or self.problem.loss.kinked):
            # kinked, or so sharply bent that it may as well be
            self._narrowing_windows()
            converged = self.convex and self.gap <= self.target
        gap = self.gap if self.convex else float("nan")
        return Solution(self.best, self.best_objective, gap, converged, self.n_iter, self.convex, self.history)

    def _narrowing_windows(self) -> None:
        unit = self.problem.unit
        size = float(np.abs(self.problem.scores(self.theta)).max())
        floor = max(1e-13 * unit, 64 * np.finfo(float).eps * size)
        mu = unit
        while self.gap > self.target and self.n_iter < self.max_iter:
            before = self.n_iter
            self._descend(mu, min(60, self.max_iter - self.n_iter), 0.1 * self.target)
            self._to_vertex(mu)
            if mu <= floor:
                return
            mu = max(mu * (0.1 if self.n_iter - before <= 15 else 0.3), floor)

    def _descend(self, mu: float, limit: int, target: float) -> bool:
        """Newton steps on the loss averaged over +-mu (the loss itself: mu = 0); whether the end was reached."""
        problem, begun = self.problem, self.n_iter
        while True:
            f = problem.scores(self.theta)
            view = problem.view(f, mu)
            bound = problem.bound(self.theta, view)
            objective = self._note(f, view, bound.lower, mu)
            if mu > 0:  # the window's own error is what a narrower one will remove: no use in being much better
                error = objective - problem.penalty(self.theta) - float(problem.weight @ view.support)
                if bound.stationarity <= max(target, 1e-3 * error) or self.gap <= self.target:
                    return True
            elif bound.stationarity <= target and (self.gap <= self.target or not self.convex):
                return True
            if self.n_iter >= self.max_iter or self.n_iter - begun >= limit:
                return False
            self.n_iter += 1
            if not self._step(f, view, bound.gradient, mu):
                return bound.stationarity <= target

    def _note(self, f: Array, view: smoothing.View, lower: float, mu: float) -> float:
        if mu > 0:
            objective = self.problem.objective(self.theta, f)
        else:
            objective = float(self.problem.weight @ view.support) + self.problem.penalty(self.theta)
        self._offer(self.theta, objective)
        if self.convex:
            self.lower = max(self.lower, lower)
        self.history.append(Step(self.n_iter, objective, max(objective - self.lower, 0.0), mu))
        return objective

    def _offer(self, theta: Array, objective: float) -> None:
        if objective <= self.best_objective:
            self.best, self.best_objective = theta, objective

    # one step

    def _step(self, f: Array, view: smoothing.View, gradient: Array, mu: float) -> bool:
        problem = self.problem
        if view.curvature is not None:
            bend = view.curvature
        else:
            bend, upwards = smoothing.second_derivative(problem.loss, problem.y, f)
            if not upwards:
                self.convex, self.lower = False, -np.inf
        mean_bend = float(problem.weight @ bend.reshape(len(problem.X), -1).sum(axis=1)) / self.theta.shape[1]
        least = 1e-9 * float(np.abs(gradient).max()) / problem.unit
        reference = max(mean_bend, least, np.finfo(float).tiny)
        ridge = max(self.damping, RIDGE) * reference
        g = gradient + problem.l2[:, None] * self.theta
        if problem.l1.any():
            d = self._sparse(g, bend, ridge)
        elif self.theta.shape[1] == 1 and len(g) <= DENSE + 1:
            H = gram(problem.Z, problem.weight * bend.reshape(-1)) + np.diag(problem.l2)
            noise = 1e-14 * float(problem.weight @ np.abs(view.slope)) if mu == 0 else 0.0
            d = (shortest(H, g[:, 0], ridge, noise) if noise else solve(H, g[:, 0], ridge))[:, None]
        else:
            d = self._conjugate(f, g, bend, ridge)
        length = self._search(f, d, mu)
        if length <= 0:
            if self.damping >= 1e6:
                return False
            self.damping = max(1e3 * self.damping, 1.0)
            return True
        if length < 0.3:
            self.damping = max(10 * self.damping, 1e-3)
        elif length > 0.7:
            self.damping = self.damping / 10 if self.damping > 1e-9 else 0.0
        moved = self.theta + length * d
        if np.array_equal(moved, self.theta):
            return False
        self.theta = moved
        return True

    def _sparse(self, g: Array, bend: Array, ridge: float) -> Array:
        problem, d = self.problem, np.zeros_like(g)
        bend = bend.reshape(len(problem.X), -1)
        for k in range(g.shape[1]):
            working = self._working_set(g[:, k], self.theta[:, k])
            Z = problem.Z[:, working]
            H = gram(Z, problem.weight * bend[:, k]) + np.diag(problem.l2[working] + ridge)
            d[working, k] = sparse_step(H, g[working, k], self.theta[working, k], problem.l1[working])
        return d

    def _working_set(self, g: Array, u: Array) -> NDArray[np.intp]:
        if len(g) <= DENSE + 1:
            return np.arange(len(g))
        wish = np.where(u != 0, np.inf, np.abs(g) - self.problem.l1)
        wish[0] = np.inf
        count = int((wish == np.inf).sum()) + WORKING_SET
        chosen = np.argsort(-wish, kind="stable")[:count]
        return np.sort(chosen[wish[chosen] > 0])

    def _conjugate(self, f: Array, g: Array, bend: Array, ridge: float) -> Array:
        problem = self.problem
        pointwise = problem.one_score(self.theta)
        rough = bend.reshape(len(problem.X), -1).mean(axis=1)
        if len(g) <= DENSE + 1:
            # Weighting by rows, alike for all outputs: at most a factor from the truth, and cheap to factor once.
            M = gram(problem.Z, problem.weight * rough) + np.diag(problem.l2)
            precondition = partial(_against, M, max(ridge, 1e-8 * float(np.diag(M).mean())))
        else:
            diagonal = (problem.weight * rough) @ problem.Z**2 + problem.l2 + ridge
            precondition = partial(_divide, diagonal[:, None])

        def product(d: Array) -> Array:
            delta = problem.scores(d)
            if pointwise:
                turned = bend * delta
            else:
                # a difference of gradients: exact to about ten digits, and it knows how the outputs hang together
                h = 1e-6 * (problem.unit + float(np.abs(f).max())) / max(float(np.abs(delta).max()), 1e-300)
                turned = (self._slope(f + h * delta, 0.0) - self._slope(f - h * delta, 0.0)) / (2 * h)
            return problem.pull(turned) + (problem.l2[:, None] + ridge) * d

        relative = float(np.abs(g).max()) / problem.unit / max(float(problem.weight @ rough), 1e-300)
        return conjugate_gradients(product, g, precondition, min(0.1, np.sqrt(relative)), 200)

    # the line search

    def _slope(self, f: Array, mu: float) -> Array:
        return self.problem.view(f, mu).slope

    def _search(self, f: Array, d: Array, mu: float) -> float:
        """How far to go along d: to about where the objective stops falling; 0 where it does not fall."""
        along = _Line(self.problem, self.theta, d, f, mu)
        first = along.slope(0.0)
        if not first < 0:
            return 0.0
        low, slope_low, high, slope_high, t = 0.0, first, np.inf, np.inf, 1.0
        for _ in range(60):
            slope = along.slope(t)
            if -0.5 * abs(first) <= slope <= 0.1 * abs(first) and (t == 1.0 or slope >= -0.1 * abs(first)):
                break
            if slope < 0:
                low, slope_low = t, slope
                if high == np.inf:
                    if t >= 1e6:
                        break
                    t *= 4.0
                    continue
            else:
                high, slope_high = t, slope
            share = slope_low / (slope_low - slope_high) if np.isfinite(slope_high) else 0.1
            t = low + (high - low) * min(max(share, 0.1), 0.9)
        if mu == 0:
            return along.shorten(t, self.problem.objective(self.theta, f))
        return t

    # the vertex

    def _to_vertex(self, mu: float) -> None:
        """Put the samples whose window holds a kink exactly on it, if so few coefficients can do that."""
        problem = self.problem
        kink = problem.view(problem.scores(self.theta), mu).kink
        if kink is None:
            return
        on = np.flatnonzero(np.isfinite(kink))
        columns = np.flatnonzero((self.theta[:, 0] != 0) | (problem.l1 == 0))
        if not 0 < len(on) <= 3 * len(columns) + 10 or len(columns) > 2 * DENSE:
            return
        move = np.linalg.lstsq(problem.Z[np.ix_(on, columns)], kink[on], rcond=1e-12)[0]
        candidate = self.theta.copy()
        candidate[columns, 0] += move
        try:
            self._offer(candidate, problem.objective(candidate))
        except ValueError:  # out of the loss's domain
            return


class _Line:
    """The objective along theta + t d."""

    def __init__(self, problem: Problem, theta: Array, d: Array, f: Array, mu: float) -> None:
        self.problem, self.theta, self.d, self.f, self.mu = problem, theta, d, f, mu
        self.delta = problem.scores(d)
        self.l2_first = float((problem.l2 @ (theta * d)).sum())
        self.l2_second = float((problem.l2 @ d**2).sum())

    def slope(self, t: float) -> float:
        """Derivative at t (from the right at 0, from the left elsewhere); inf where the loss is not defined."""
        problem = self.problem
        try:
            with np.errstate(all="ignore"):
                a = problem.view(self.f + t * self.delta, self.mu).slope
                loss = float((problem.weight @ (a * self.delta).reshape(len(self.f), -1)).sum())
        except ValueError:  # out of the loss's domain
            return np.inf
        at = self.theta + t * self.d
        sign = np.where(at != 0, np.sign(at), np.sign(self.d) * (1.0 if t == 0 else -1.0))
        total = loss + self.l2_first + t * self.l2_second + float((problem.l1 @ (sign * self.d)).sum())
        return total if np.isfinite(total) else np.inf

    def shorten(self, t: float, here: float) -> float:
        """Less than t, if the objective at t is higher than here by more than rounding explains."""
        for _ in range(40):
            try:
                with np.errstate(all="ignore"):
                    there = self.problem.objective(self.theta + t * self.d)
            except ValueError:  # out of the loss's domain
                there = np.inf
            if there <= here + 1e-13 * abs(here):
                return t
            t /= 2
        return 0.0


def _against(M: Array, ridge: float, r: Array) -> Array:
    return -solve(M, r, ridge)


def _divide(diagonal: Array, r: Array) -> Array:
    return r / diagonal
