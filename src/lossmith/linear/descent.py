"""Gradient descent, stochastic gradient descent and Adam, as the textbooks have them.

Steps are taken in the coefficients of centred and scaled features. An iteration is one look at every sample: one step
of gradient descent, or one step per batch. The stochastic ones shorten their steps as 1 / sqrt(iteration), and the
point at the end of an iteration is the mean of those on the way (Polyak and Juditsky 1992, doi:10.1137/0330046).
Penalties are applied by shrinking after each step: none is too large for the step, and with l1 coefficients become
exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .convexity import looks_convex
from .goal import Goal
from .problem import Point, Problem
from .proof import Proof
from .solver import Solution, Step, arrival

Array = NDArray[np.float64]
Move: TypeAlias = tuple[Array, "Array | float"]

PATIENCE = 10
"""Stochastic descent ends when this many iterations in a row have not made the objective smaller by tol."""


class Sgd:
    """Against the gradient."""

    def default_rate(self, problem: Problem, bend: float, size: int) -> float:
        """As long as batches allow: the variance of the scores along a direction is what they have in common, and what
        is left of the features of single samples when so many are averaged."""
        return 1.0 / (bend * (_widest(problem) + (1 + len(problem.design.spread)) / size))

    def move(self, g: Array, rate: float) -> Move:
        """(the move, how long it is per unit of the gradient)."""
        return rate * g, rate


class Adam:
    """Against a running mean of the gradient, over the root of that of its square (Kingma and Ba 2015)."""

    FIRST, SECOND, TINY = 0.9, 0.999, 1e-8

    def __init__(self) -> None:
        self.mean: Array | float = 0.0
        self.square: Array | float = 0.0
        self.steps = 0

    def default_rate(self, problem: Problem, bend: float, size: int) -> float:
        """A twentieth of a typical score; less where many coefficients move at once."""
        return 0.05 * float(problem.unit) / float(np.sqrt(max(1.0, problem.design.p / 5)))

    def move(self, g: Array, rate: float) -> Move:
        self.steps += 1
        self.mean = self.FIRST * self.mean + (1 - self.FIRST) * g
        self.square = self.SECOND * self.square + (1 - self.SECOND) * g**2
        size = np.sqrt(self.square / (1 - self.SECOND**self.steps))
        each = rate / (size + self.TINY * (1 + size))
        return each * self.mean / (1 - self.FIRST**self.steps), each


RULES: dict[str, Callable[[], Sgd | Adam]] = {"sgd": Sgd, "adam": Adam}
SOLVERS = ("newton", "gradient_descent", *RULES)


def stepped(problem: Problem, theta: Array, v: Array, rule: Sgd | Adam, rate: float) -> Array:
    """One step: the loss by its gradient, the penalties by shrinking."""
    move, each = rule.move(v, rate)
    moved = theta - move
    if problem.l1.any():
        moved = np.sign(moved) * np.maximum(np.abs(moved) - each * problem.l1[:, None], 0.0)
    return np.asarray(moved / (1 + each * problem.l2[:, None]))


def _widest(problem: Problem) -> float:
    """About the largest variance of scores over directions of length 1: a few rounds of the power method."""
    direction = np.random.default_rng(0).normal(size=(1 + problem.design.p, 1))
    found = 1.0
    for _ in range(8):
        direction /= np.linalg.norm(direction)
        f = problem.design.scores(direction)
        direction = problem.pull(f)
        found = max(found, float(np.linalg.norm(direction)))
    return found


def steepness(problem: Problem, f: Array) -> float:
    """About how fast the slope of the loss changes per unit of the scores: of kinked losses too."""
    slope = np.asarray(problem.loss.gradient(problem.y, f, reduction="none"))
    each = np.abs(slope).reshape(problem.design.n, -1).mean(axis=1)
    return max(problem.mean(each) / problem.unit, 1e-300)


def batch_gradient(problem: Problem, theta: Array, rows: NDArray[np.intp]) -> Array:
    """The gradient of the loss, without penalties, as some of the samples tell it."""
    part = problem.design.part(rows)
    f = part.scores(theta)
    f = f if problem.samples is None else f[:, 0]
    if problem.offset is not None:
        f = f + problem.offset[rows]
    slope = np.asarray(problem.loss.gradient(problem.y[rows], f, reduction="none")).reshape(len(rows), -1)
    if problem.weight is not None:
        slope = slope * (problem.weight[rows] * problem.design.n / problem.total)[:, None]
    return part.pull(slope / len(rows))


def batches(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Every sample once, in a random order, so many at a time."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def descend(
    problem: Problem, theta: Array, tol: float, max_iter: int, constant: float, method: str, rate: float | None,
    batch_size: int, seed: int | None,
) -> Solution:  # fmt: skip
    """From theta, until the objective is proven to lie near enough, or nothing falls any more: as `minimise`."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            return _Descent(problem, theta, tol, max_iter, constant).run(method, rate, batch_size, seed)
    except ValueError as error:
        raise ValueError(
            f"solver={method!r} came to scores that {problem.loss.name} is not defined at ({error}); give a smaller "
            "learning_rate"
        ) from error


class _Descent:
    def __init__(self, problem: Problem, theta: Array, tol: float, max_iter: int, constant: float) -> None:
        self.problem, self.max_iter = problem, max_iter
        self.point = problem.at(theta)
        self.goal = Goal(problem, self.point, tol, constant)
        self.convex = looks_convex(problem.loss, problem.y, theta[0], problem.unit)
        self.best, self.best_objective, self.proof = theta, np.inf, Proof()
        self.history: list[Step] = []

    def run(self, method: str, rate: float | None, batch_size: int, seed: int | None) -> Solution:
        bend = steepness(self.problem, self.problem.scores_at(self.point))
        if method == "gradient_descent":
            reason = self._plain(1.0 / bend, rate)
        else:
            rule = RULES[method]()
            begin = rule.default_rate(self.problem, bend, batch_size) if rate is None else rate
            reason = self._stochastic(rule, begin, batch_size, np.random.default_rng(seed))
        gap = self.gap if self.convex else float("nan")
        found = self.history[-1].iteration
        return Solution(
            self.best, self.best_objective, gap, reason is None, found, self.convex,
            reason or arrival(gap if self.convex else None), self.history,
        )  # fmt: skip

    @property
    def gap(self) -> float:
        return self.proof.gap(self.best_objective, self.goal.size)

    def _arrived(self, iteration: int, point: Point, length: float) -> bool:
        """Note where the descent stands; whether that is good enough."""
        problem = self.problem
        bound, objective = problem.bound(point), problem.penalised(point)
        if objective < self.best_objective:
            self.best, self.best_objective = point.theta, objective
        begun = self.history[0].objective if self.history else objective
        if self.convex and objective <= begun:  # steps that are too long lead to where bounds are rounding
            self.proof.learn(bound)
        gap = self.gap + objective - self.best_objective
        self.history.append(Step(iteration, objective, bound.subgradient, length, gap, 0.0))
        return self.goal.is_reached(self.gap if self.convex else bound.stationarity, point)

    def _plain(self, begin: float, given: float | None) -> str | None:
        """The whole gradient; the given rate, or the longest step of a doubling sequence that the slope promises."""
        problem, rate, length = self.problem, begin if given is None else given, 0.0
        rule = Sgd()
        for iteration in range(self.max_iter + 1):
            if self._arrived(iteration, self.point, length):
                return None
            if not np.isfinite(self.history[-1].objective):
                return f"the objective is no longer finite: learning_rate={rate:g} is too large"
            if iteration == self.max_iter:
                break
            if given is None:
                rate = 2 * rate
                while (ahead := self._ahead(rule, rate)) is None:
                    rate /= 2
                    if rate < 1e-18 * begin:
                        return "no step against the gradient made the objective smaller"
                self.point = ahead
            else:
                self.point = problem.at(stepped(problem, self.point.theta, self.point.v, rule, rate))
            length = rate
        end = f"max_iter={self.max_iter} was reached"
        if given is not None and self._has_risen():
            end += f" with the objective above what it was: learning_rate={given:g} is too large"
        return end

    def _has_risen(self) -> bool:
        """Whether the last point is worse than one before it, by more than rounding explains."""
        return self.history[-1].objective > self.best_objective + 1e-12 * self.goal.size

    def _ahead(self, rule: Sgd, rate: float) -> Point | None:
        """The point a step leads to, if the objective bends by at most 1 / rate on the way and is not higher there.

        The bend is told by gradients, which keep their digits where differences of the objective have none left.
        """
        problem, point = self.problem, self.point
        theta = stepped(problem, point.theta, point.v, rule, rate)
        move = theta - point.theta
        try:
            ahead = problem.at(theta)
        except ValueError:  # out of the loss's domain
            return None
        if not move.any():
            return None
        bend = float(((ahead.v - point.v) * move).sum())
        higher = problem.penalised(ahead) - problem.penalised(point) > 1e-13 * abs(point.support)
        return None if higher or not bend <= float((move**2).sum()) / rate else ahead

    def _stochastic(self, rule: Sgd | Adam, begin: float, size: int, rng: np.random.Generator) -> str | None:
        problem, theta, rate = self.problem, self.point.theta, 0.0
        mark, stale = np.inf, 0  # the objective that counts as progress to fall below; how long it has not
        for iteration in range(self.max_iter + 1):
            if self._arrived(iteration, self.point, rate):
                return None
            objective = self.history[-1].objective
            if not np.isfinite(objective):
                return f"the objective is no longer finite: learning_rate={begin:g} is too large"
            if objective < mark - self.goal.target:
                mark, stale = objective, 0
            else:
                stale += 1
            if stale >= PATIENCE:
                return f"{PATIENCE} iterations in a row did not make the objective smaller by what tol asks"
            if iteration == self.max_iter:
                break
            rate = begin / np.sqrt(1 + iteration)
            mean = np.zeros_like(theta)
            for count, rows in enumerate(batches(problem.design.n, size, rng), 1):
                theta = stepped(problem, theta, batch_gradient(problem, theta, rows), rule, rate)
                mean += (theta - mean) / count
            self.point = problem.at(mean)
        return f"max_iter={self.max_iter} was reached"
