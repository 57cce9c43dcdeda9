"""Gradient descent, stochastic gradient descent and Adam, as the textbooks have them.

Steps are taken in the coefficients of centred and scaled features. An iteration is one look at every sample: one step
of gradient descent, or one step per batch. The stochastic ones shorten their steps as 1 / sqrt(iteration), and the
point at the end of an iteration is the mean of those on the way (Polyak and Juditsky 1992, doi:10.1137/0330046).
Penalties are applied by shrinking after each step: none is too large for the step, and with l1 coefficients become
exactly zero. With default rates no step moves a score far: slopes of losses such as Poisson's, which grow with the
scores, would soon carry them off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossmith.start import has_units

from .convexity import looks_convex
from .design import Design
from .goal import Goal
from .problem import Point, Problem
from .proof import Proof
from .running import Running
from .solver import Solution, Step, arrival

Array = NDArray[np.float64]
Move: TypeAlias = tuple[Array, "Array | float"]

PATIENCE = 10
"""Stochastic descent ends when this many iterations in a row have not made the objective smaller by tol."""

FARTHEST = 2.0
"""Units, of scores, that a step of a default rate moves the score of a sample it is told by, at most."""

_ROUNDS = 8  # of the power method
_LEVEL = 1e-300  # a slope to divide by where there is none


class Slopes(NamedTuple):
    """Sizes of the loss's slopes, of all samples."""

    mean: float
    square: float  # mean one

    @property
    def scatter(self) -> float:
        """The mean square over the squared mean: 1 where all are as steep, and where squares are too large or small."""
        with np.errstate(all="ignore"):
            found = float(np.divide(self.square, np.square(self.mean)))
        return found if 1.0 < found < np.inf else 1.0


class Sgd:
    """Against the gradient."""

    def __init__(self) -> None:
        self.wide = Running()

    def default_rate(self, problem: Problem, unit: float, slope: Slopes, size: int) -> float:
        """As long as batches allow: the variance of the scores along a direction is what they have in common, and what
        is left of single samples when so many are averaged: of their features, and the more the fewer of them are
        steep, as those of a rare class or beyond a far quantile. 0 where no sample has a slope."""
        if not slope.mean:
            return 0.0
        bend = slope.mean / unit  # how fast slopes change with scores, of kinked losses too
        left = slope.scatter * (1 + problem.design.p) / size
        return 1.0 / (bend * (self._widest(problem) + left))

    def _widest(self, problem: Problem) -> float:
        """About the largest variance of scores over directions of length 1: a few rounds of the power method, and one
        more for every batch of a stream."""
        new = not self.wide.total
        direction = np.random.default_rng(0).normal(size=(1 + problem.design.p, 1)) if new else self.wide.value
        for _ in range(_ROUNDS if new else 1):
            direction = problem.pull(problem.design.scores(direction / np.linalg.norm(direction)))
        self.wide.take(direction, problem.total)
        return max(1.0, float(np.linalg.norm(self.wide.value)))

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

    def default_rate(self, problem: Problem, unit: float, slope: Slopes, size: int) -> float:
        """A twentieth of a typical score; less where many coefficients move at once."""
        return 0.05 * unit / float(np.sqrt(max(1.0, problem.design.p / 5)))

    def move(self, g: Array, rate: float) -> Move:
        self.steps += 1
        self.mean = self.FIRST * self.mean + (1 - self.FIRST) * g
        self.square = self.SECOND * self.square + (1 - self.SECOND) * g**2
        size = np.sqrt(self.square / (1 - self.SECOND**self.steps))
        each = rate / (size + self.TINY * (1 + size))
        return each * self.mean / (1 - self.FIRST**self.steps), each


RULES: dict[str, Callable[[], Sgd | Adam]] = {"sgd": Sgd, "adam": Adam}
SOLVERS = ("newton", "gradient_descent", *RULES)


def stepped(problem: Problem, theta: Array, v: Array, rate: float) -> Array:
    """One step against the gradient v."""
    return _shrunk(problem, theta - rate * v, rate)


def batch_step(
    problem: Problem, theta: Array, rows: NDArray[np.intp], rule: Sgd | Adam, rate: float, farthest: float,
    share: float = 1.0,
) -> Array:  # fmt: skip
    """One step of a rule by some of the samples, of this share of their gradient, that moves the score of none of them
    farther than that."""
    part = problem.design.part(rows)
    move, each = rule.move(share * _gradient(problem, theta, part, rows), rate)
    length = 1.0
    if farthest < np.inf and (moved := float(np.abs(part.scores(move)).max())) > farthest:
        length = farthest / moved
    return _shrunk(problem, theta - length * move, length * each)


def _shrunk(problem: Problem, moved: Array, each: Array | float) -> Array:
    """What penalties leave of coefficients after a step, each as long per unit of the gradient as that."""
    if problem.l1.any():
        moved = np.sign(moved) * np.maximum(np.abs(moved) - each * problem.l1[:, None], 0.0)
    return np.asarray(moved / (1 + each * problem.l2[:, None]))


def steepness(problem: Problem, f: Array, unit: float) -> Slopes:
    """That of the loss at these scores and, where they are in units of the targets, a unit to either side: beyond a far
    quantile hardly a sample tells how steep the way back is."""
    here = np.asarray(problem.loss.gradient(problem.y, f, reduction="none")).reshape(problem.design.n, -1)
    slope = here
    if has_units(problem.loss):
        beside = [problem.loss.gradient(problem.y, f + d, reduction="none", validate=False) for d in (-unit, unit)]
        slope = np.column_stack([here, *beside])
        slope = np.where(np.isfinite(slope), slope, here)  # elsewhere the loss is not defined, or too large to say
    return Slopes(problem.mean(np.abs(slope).mean(axis=1)), problem.mean(np.square(slope).mean(axis=1)))


def _gradient(problem: Problem, theta: Array, part: Design, rows: NDArray[np.intp]) -> Array:
    """The gradient of the loss, without penalties, as some of the samples tell it: `part` of the design."""
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
    with np.errstate(over="ignore", invalid="ignore"):
        return _Descent(problem, theta, tol, max_iter, constant).run(method, rate, batch_size, seed)


@contextmanager
def without_way_out(loss: str, method: str, rate: float) -> Iterator[None]:
    """Where steps lead to scores that the loss is not defined at, the error says what to do."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except ValueError as error:
        raise ValueError(
            f"solver={method!r} came to scores that {loss} is not defined at ({error}); give a smaller learning_rate "
            f"than {rate:.3g}"
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
        problem = self.problem
        slope = steepness(problem, problem.scores_at(self.point), problem.unit)
        if method == "gradient_descent":
            reason = self._plain(problem.unit / max(slope.mean, _LEVEL), rate)
        else:
            rule, farthest = RULES[method](), np.inf
            if rate is None:
                size = min(batch_size, problem.design.n)
                if size == problem.design.n:  # a mean of all samples leaves nothing to chance
                    slope = Slopes(slope.mean, slope.mean**2)
                rate = rule.default_rate(problem, problem.unit, slope, size)
                farthest = FARTHEST * problem.unit
            with without_way_out(problem.loss.name, method, rate):
                reason = self._stochastic(rule, rate, farthest, batch_size, np.random.default_rng(seed))
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
        for iteration in range(self.max_iter + 1):
            if self._arrived(iteration, self.point, length):
                return None
            if not np.isfinite(self.history[-1].objective):
                return f"the objective is no longer finite: learning_rate={rate:g} is too large"
            if iteration == self.max_iter:
                break
            if given is None:
                rate = 2 * rate
                while (ahead := self._ahead(rate)) is None:
                    rate /= 2
                    if rate < 1e-18 * begin:
                        return "no step against the gradient made the objective smaller"
                self.point = ahead
            else:
                self.point = problem.at(stepped(problem, self.point.theta, self.point.v, rate))
            length = rate
        end = f"max_iter={self.max_iter} was reached"
        if given is not None and self._has_risen():
            end += f" with the objective above what it was: learning_rate={given:g} is too large"
        return end

    def _has_risen(self) -> bool:
        """Whether the last point is worse than one before it, by more than rounding explains."""
        return self.history[-1].objective > self.best_objective + 1e-12 * self.goal.size

    def _ahead(self, rate: float) -> Point | None:
        """The point a step leads to, if the objective bends by at most 1 / rate on the way and is not higher there.

        The bend is told by gradients, which keep their digits where differences of the objective have none left.
        """
        problem, point = self.problem, self.point
        theta = stepped(problem, point.theta, point.v, rate)
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

    def _stochastic(
        self, rule: Sgd | Adam, begin: float, farthest: float, size: int, rng: np.random.Generator
    ) -> str | None:
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
                theta = batch_step(problem, theta, rows, rule, rate, farthest)
                mean += (theta - mean) / count
            self.point = problem.at(mean)
        return f"max_iter={self.max_iter} was reached"
