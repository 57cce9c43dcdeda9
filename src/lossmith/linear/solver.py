"""One solver for every convex loss of a linear model, finished to a proven distance from the optimum.

Many samples: the same problem on some of them gives the start. Smooth losses: Newton steps, of many samples with a
matrix from some of them. Kinked losses: the loss averaged over a window, which is smooth, by Newton steps; then a
narrower window, from where the last one ended; and at each width the vertex the solution is heading for: coefficients
that put the samples in the window exactly on their kinks. Smooth losses that lead to an edge of their scores' domain:
with a barrier there, by Newton steps; then with a lower one. A line search looks at the sign of the slope along a step,
which convexity makes safe; it needs no values of the averaged loss.

The certificate is the same for all: F(theta) less a lower bound of F made of one supporting line per sample.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .convexity import looks_convex
from .design import chosen
from .directions import Directions
from .edge import held
from .goal import Goal
from .line import Line
from .penalty import Bound
from .problem import Point, Problem
from .proof import Proof
from .sketch import enough
from .vertex import vertices

Array = NDArray[np.float64]

SMOOTH_STEPS = 100
"""A smooth loss that takes more Newton steps than this is treated as a kinked one."""

_MANY = 4  # times the samples that tell enough: from here on these give the start
_PATIENCE = 30  # steps
_GAIN = 0.1  # of the gap, which makes one more vertex worth its walk
_ROUGH = 1e-5  # how well the start is solved for: what some samples say is less certain than that
_INWARDS = 0.1  # of the way to the start, at which all scores are inside their domain
_STEPS = 20  # after which rounding may be all that is left to do at a barrier
_CENTRED = 1.5  # times that weight: near enough to lower it
_LAST = 0.1  # of the gap that is good enough: the lowest barrier
_ROUNDING = 4 * float(np.finfo(float).eps)  # of the size of the loss


@dataclass(frozen=True)
class Step:
    """One line of the history: where the solver stood."""

    iteration: int
    objective: float
    gradient: float  # size of the smallest subgradient, per coefficient of the scaled features the largest
    length: float  # of the step that led here, 1 being Newton's
    gap: float
    window: float  # over which a kinked loss was averaged, or the weight of its barrier; 0: the loss itself


@dataclass
class Solution:
    """The best point found, and what is known of it."""

    theta: Array
    objective: float
    gap: float  # objective less the proven lower bound; NaN where the loss is not convex and nothing is proven
    converged: bool
    n_iter: int
    convex: bool
    reason: str  # why the solver stopped
    history: list[Step] = field(default_factory=list)


def minimise(problem: Problem, theta: Array, tol: float, max_iter: int, constant: float) -> Solution:
    """Minimise from `theta`, until the gap is at most `tol` times the mean size of the loss.

    ``constant``: that of the best constant, see `Goal`.
    """
    few, convex = enough(problem, theta.shape[1]), looks_convex(problem.loss, problem.y, theta[0], problem.unit)
    if problem.design.n <= _MANY * few:
        return _Solver(problem, problem.at(theta), tol, constant, max_iter, problem.unit, convex=convex).run()
    coarse = _of_some(problem, few, theta, max(tol, _ROUGH), constant, max_iter, convex=convex)
    there, window = problem.at(coarse.theta), max(problem.unit * math.sqrt(len(theta) / few), 1e-6 * problem.unit)
    if not problem.penalised(there) < _height(problem, theta):
        there, window = problem.at(theta), problem.unit
    return _Solver(problem, there, tol, constant, max_iter, window, convex=convex).run()


def _of_some(
    problem: Problem, few: int, theta: Array, tol: float, constant: float, max_iter: int, *, convex: bool
) -> Solution:
    """The optimum of so many of the samples, which are copied for as long as it is looked for."""
    part = problem.part(chosen(problem.design.n, few))
    return _Solver(part, part.at(theta), tol, constant, max_iter, part.unit, convex=convex).run()


def _height(problem: Problem, theta: Array) -> float:
    """The objective; without a look at the features where they do not matter."""
    return problem.penalised(problem.at(theta)) if theta[1:].any() else problem.constant(theta[0])[0]


def arrival(gap: float | None) -> str:
    """Why a solver that found an optimum stopped; ``gap``: None where the loss is not convex."""
    if gap is None:
        return "the gradient vanished; the loss is not convex, so the optimum is a local one"
    return f"the objective is proven to lie within {gap:.3g} of the optimum"


def broken_off(n_iter: int, max_iter: int) -> str:
    """Why one that did not find an optimum stopped."""
    if n_iter >= max_iter:
        return f"max_iter={max_iter} was reached"
    return "no step made the objective smaller than rounding lets one see"


class _Solver:
    def __init__(
        self, problem: Problem, start: Point, tol: float, constant: float, max_iter: int, window: float,
        *, convex: bool,
    ) -> None:  # fmt: skip
        self.problem, self.point, self.window, self.max_iter = problem, start, window, max_iter
        self.goal = Goal(problem, start, tol, constant)
        self.start = start.theta
        self.best, self.best_objective, self.proof = start.theta, problem.penalised(start), Proof()
        self.lowest = self.best_objective
        self.n_iter, self.length = 0, 0.0
        self.convex = convex
        self.directions = Directions(problem)
        self.history: list[Step] = []

    @property
    def gap(self) -> float:
        return self.proof.gap(self.best_objective, self.goal.size)

    def _is_near(self) -> bool:
        return self.goal.is_reached(self.gap, self.point)

    def run(self) -> Solution:
        windows = self.problem.samples is not None  # of several scores kinks are rounded before, see smoothing.py
        converged = False
        if not (windows and self.problem.loss.kinked):
            converged = self._descend(0.0, SMOOTH_STEPS if windows else self.max_iter)
        if windows and not converged and (self.convex or self.problem.loss.kinked):
            if self.problem.inwards:
                self._lower_barriers()
            else:  # kinked, or so sharply bent that it may as well be
                self._narrowing_windows()
            converged = self.convex and self._is_near()
        gap = self.gap if self.convex else float("nan")
        reason = arrival(self.gap if self.convex else None) if converged else broken_off(self.n_iter, self.max_iter)
        if not converged and self.n_iter < self.max_iter and gap > -self.best_objective > 0:
            gap, reason = np.inf, "the objective falls below any bound"  # only how large numbers may be ended it
        return Solution(self.best, self.best_objective, gap, converged, self.n_iter, self.convex, reason, self.history)

    def _lower_barriers(self) -> None:
        """At the optimum with a barrier its weight is all that is missing to the proof."""
        problem, mu, theta = self.problem, self.goal.size, self.best + _INWARDS * (self.start - self.best)
        self.point = problem.at(theta, mu)
        if not self.point.is_finite:
            theta[0] += problem.inwards * problem.unit
            self.point = problem.at(theta, mu)
        while self.point.is_finite and self.n_iter < self.max_iter:
            for _ in range(min(_STEPS, self.max_iter - self.n_iter)):
                bound = problem.bound(held(problem, self.point))
                if self._note(self.point, bound) - bound.lower <= _CENTRED * mu:
                    break
                self.n_iter += 1
                if not self._step(bound):
                    break
            if self._is_near() or mu < _LAST * self.goal.target:
                return
            mu *= 0.1
            self.point = problem.at(self.point.theta, mu)

    def _narrowing_windows(self) -> None:
        unit = self.problem.unit
        size = float(np.abs(self.problem.scores_at(self.point)).max())
        floor = max(1e-13 * unit, 64 * np.finfo(float).eps * size)
        mu = max(self.window, floor)
        while not self._is_near() and self.n_iter < self.max_iter:
            before = self.n_iter
            self._descend(mu, min(60, self.max_iter - self.n_iter))
            while not self._is_near() and self._to_vertex():
                pass
            if mu <= floor:
                return
            mu = max(mu * (0.1 if self.n_iter - before <= 15 else 0.3), floor)

    def _descend(self, mu: float, limit: int) -> bool:
        """Newton steps on the loss averaged over +-mu (the loss itself: mu = 0); whether the end was reached."""
        problem, begun = self.problem, self.n_iter
        if self.point.mu != mu:
            self.point = problem.at(self.point.theta, mu)
        while True:
            point = self.point
            bound = problem.bound(point)
            objective = self._note(point, bound)
            if mu > 0:  # the window's own error is what a narrower one will remove: no use in being much better
                error = objective - problem.penalised(point)
                if bound.stationarity <= max(0.1 * self.goal.target, 1e-3 * error) or self._is_near():
                    return True
            elif self._has_arrived(bound):
                return True
            if self.n_iter >= self.max_iter or self.n_iter - begun >= limit or self._has_stalled():
                return False
            self.n_iter += 1
            if not self._step(bound):  # there is no better point among those that numbers can say
                return self.goal.is_reached(bound.stationarity, self.point) or (self.convex and self._is_near())

    def _has_arrived(self, bound: Bound) -> bool:
        """Of the loss itself."""
        return self.goal.is_reached(bound.stationarity, self.point) and (not self.convex or self._is_near())

    def _has_stalled(self) -> bool:
        """Whether neither the objective has become any better for long, by what matters, nor what is proven."""
        first, *others = last = self.history[-_PATIENCE:]
        if len(last) < _PATIENCE or first.window > 0.0:
            return False
        matters = self.goal.target if self.convex else 0.0
        falls = min(step.objective for step in others) < first.objective - matters
        return not falls and not (self.convex and min(step.gap for step in others) < first.gap)

    def _note(self, point: Point, bound: Bound) -> float:
        problem = self.problem
        objective = problem.penalised(point) if point.mu == 0 else problem.objective(point.theta, point.f)
        self._offer(point.theta, objective)
        if self.convex:
            self.proof.learn(bound)
        gap = self.gap + objective - self.best_objective
        self.history.append(Step(self.n_iter, objective, bound.subgradient, self.length, gap, point.mu))
        return objective

    def _offer(self, theta: Array, objective: float) -> None:
        """Of points whose objectives differ by rounding the last: it is the nearest, by a step of Newton's."""
        if objective <= self.lowest + _ROUNDING * self.goal.size:
            self.best, self.best_objective = theta, objective
        self.lowest = min(self.lowest, objective)

    def _step(self, bound: Bound) -> bool:
        """To the next point; whether there may be one."""
        problem, point, directions = self.problem, self.point, self.directions
        d, upwards = directions.at(point, bound)
        if not upwards:
            self.convex, self.proof = False, Proof()
        line = Line(problem, point, d)
        length = line.length()
        if not directions.judge(length):
            return False
        if length <= 0:
            return True
        if (point.theta + length * d == point.theta).all():
            return False
        self.point, self.length = line.end(length), length
        directions.learn(point, self.point)
        return True

    def _to_vertex(self) -> bool:
        """Put samples whose window holds a kink exactly on it, if so few coefficients can do that; whether to look for
        a vertex again from there, where other samples may have come near their kinks."""
        problem, gap, before = self.problem, self.gap, self.best_objective
        for theta, pulled in vertices(problem, self.point):
            if self.convex and pulled is not None:
                self.proof.learn(problem.bound(pulled))
            try:
                objective = problem.objective(theta)
            except ValueError:  # out of the loss's domain
                return False
            self._offer(theta, objective)
            if before - objective > _GAIN * gap:  # not where one is NaN
                self.point = problem.at(theta, self.point.mu)
                return True
        return False
