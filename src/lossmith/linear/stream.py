"""Learning from samples that come a batch at a time, and of which none is kept."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lossmith.start import typical_residual

from .beginning import Beginning
from .descent import FARTHEST, RULES, Slopes, batch_step, batches, steepness, without_way_out
from .design import Design
from .problem import Problem
from .running import AVERAGED, Running
from .solver import Step
from .task import Task

Array = NDArray[np.float64]

SLOWER = 100
"""Steps shorten as 1 / sqrt(1 + steps / SLOWER): long while the model is new, and ever finer."""

GROWN = 3.0
"""The most by which a batch lets the spread of the scores that comes of a feature grow, before it is learned from."""

_ROUNDING = 1e-13  # of numbers: smaller differences between them tell nothing


class Stream:
    """Running means and spreads of the features, running sizes of deviations and slopes, and the state of the rule that
    steps. Every batch tells more of them: the first may be a single sample.

    ``base``: the coefficients of the fit that the stream goes on from.
    """

    def __init__(self, method: str, base: Array | None = None) -> None:
        self.base = np.zeros((1, 1)) if base is None else base
        self.method = method if method in RULES else "adam"
        self.rule = RULES[self.method]()
        self.total, self.samples, self.steps = 0.0, 0, 0
        self.begin: Beginning | None = None  # of the first batch
        self.point: tuple[Array, Array] | None = None  # where steps have led: coefficients and intercepts
        self.deviation = Running()  # of targets from a constant, in logarithms: no outlier tells much
        self.slope = Running()  # of the loss there
        self.residual = Running()  # of the model, in logarithms
        self.rate = 0.0  # by default, with the last batch
        self.mean: Array | float = 0.0
        self.square: Array | float = 0.0  # weighted sum of squared deviations from the mean
        self.centre: Array | float = 0.0  # the mean before the last batch
        self.lost: Array | float = 0.0  # the share that the last batch takes from what was learned of coefficients

    def look(self, design: Design, total: float) -> None:
        """Take in a batch, and give its design the mean and the spread of all that has been seen (Chan et al. 1983)."""
        self.centre, spread = self.mean, self._spread()
        away = design.centre - self.mean
        before, self.total = self.total, self.total + total
        self.samples += design.n
        self.mean = self.mean + away * (total / self.total)
        within = np.where(design.constant, 0.0, design.spread**2) * total
        self.square = self.square + within + away**2 * (before * total / self.total)
        varied, now = spread > _ROUNDING * np.abs(self.centre), self._spread()
        constant = now <= _ROUNDING * np.abs(self.mean)
        fitted = constant & self.base.any(axis=0)  # their coefficients stay, though they did not vary since
        still = np.where(fitted, np.maximum(1.0, np.abs(self.mean)), 1.0)
        design.constant = constant & ~fitted
        design.centre, design.spread = np.asarray(self.mean), np.where(constant, still, now)
        self.lost = np.where(varied, np.maximum(0.0, 1 - GROWN * spread / design.spread), 0.0)

    def _spread(self) -> Array:
        return np.asarray(np.sqrt(self.square / (self.total or 1.0)))

    def carried(self, coefficients: Array, intercepts: Array) -> tuple[Array, Array]:
        """A model of the batches before, for this one. A feature that hardly varied in them told little of its
        coefficient, which would blow up the scores now; what it gives to the score at the mean of then stays."""
        lost = (coefficients - self.base) * self.lost
        return coefficients - lost, intercepts + (lost * self.centre).sum(axis=1)

    def measure(self, problem: Problem, theta: Array) -> float:
        """The scale of residuals, with those of another batch; 1 where there were none yet."""
        _take_size(self.residual, problem, problem.scores(theta))
        return math.exp(self.residual.value)

    def _default_rate(self, problem: Problem, theta: Array, size: int) -> float:
        """From how far targets lie from the best constant, as theta has it, and how steep the loss is there; 0 as long
        as nothing tells the units."""
        f = problem.scores(np.vstack([theta[:1], np.zeros_like(theta[1:])]))
        if _take_size(self.deviation, problem, f):
            self.slope.take(np.array(steepness(problem, f, self._unit)), problem.total)
        if not self.deviation.total:
            return 0.0
        slope = Slopes(*self.slope.value.tolist())
        return self.rule.default_rate(problem, self._unit, slope, min(size, problem.design.n))

    @property
    def _unit(self) -> float:
        return math.exp(self.deviation.value)

    def learn(
        self, task: Task, theta: Array, given: float | None, size: int, rng: np.random.Generator
    ) -> tuple[Array, Step]:
        """The model, theta, after one step per `size` samples of the batch; and how it predicted the batch before."""
        problem, model = task.problem, theta
        theta = model if self.point is None else task.scaled(*self.carried(*self.point))
        name, farthest = problem.loss.name, math.inf
        with without_way_out(name, self.method, self.rate if given is None else given):
            point = problem.at(model)
            objective, gradient = problem.penalised(point), problem.steepest(point)
            if given is None:
                self.rate = self._default_rate(problem, model, size)
                farthest = FARTHEST * self._unit
        rate = self.rate if given is None else given
        share = problem.total / problem.design.n / (self.total / self.samples)  # weights tell across batches too
        with without_way_out(name, self.method, rate):
            for rows in batches(problem.design.n, size, rng):
                length = rate / math.sqrt(1 + self.steps / SLOWER)
                theta = batch_step(problem, theta, rows, self.rule, length, farthest, share)
                self.steps += 1
                model = model + (theta - model) * ((1 + AVERAGED) / (self.steps + AVERAGED))
            if not np.isfinite(theta).all():
                raise ValueError("a coefficient is not finite")
        self.point = task.original(theta)
        return model, Step(self.steps, objective, gradient, length, float("nan"), 0.0)


def _take_size(running: Running, problem: Problem, f: Array) -> bool:
    """Take in the logarithm of how far targets typically lie from scores, if they do."""
    size = typical_residual(problem.loss, problem.y, f, problem.weight)
    told = size > _ROUNDING * float(np.abs(f).max())
    if told:
        running.take(math.log(size), problem.total)
    return told
