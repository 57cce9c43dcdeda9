"""Learning from samples that come a batch at a time, and of which none is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .beginning import Beginning
from .descent import RULES, batch_gradient, batches, steepness, stepped
from .design import Design
from .solver import Step
from .task import Task

Array = NDArray[np.float64]

SLOWER = 100
"""Steps shorten as 1 / sqrt(1 + steps / SLOWER): long while the model is new, and ever finer."""

AVERAGED = 3.0
"""The model is the mean of the points on the way, later ones counting more: step t has a weight of 1 + AVERAGED over
t + AVERAGED at the time (Shamir and Zhang 2013, arXiv:1212.1824)."""

_SCALE_MEMORY = 0.9  # of the scale of residuals, from batch to batch


class Stream:
    """Running means and spreads of the features, and the state of the rule that steps."""

    def __init__(self, method: str) -> None:
        self.rule = RULES[method if method in RULES else "adam"]()
        self.total, self.samples, self.steps = 0.0, 0, 0
        self.begin: Beginning | None = None  # of the first batch
        self.point: tuple[Array, Array] | None = None  # where steps have led: coefficients and intercepts
        self.rate: float | None = None
        self.scale: float | None = None
        self.mean: Array | float = 0.0
        self.square: Array | float = 0.0  # weighted sum of squared deviations from the mean

    def look(self, design: Design, total: float) -> None:
        """Take in a batch, and give its design the mean and the spread of all that has been seen (Chan et al. 1983)."""
        away = design.centre - self.mean
        before, self.total = self.total, self.total + total
        self.samples += design.n
        self.mean = self.mean + away * (total / self.total)
        within = np.where(design.constant, 0.0, design.spread**2) * total
        self.square = self.square + within + away**2 * (before * total / self.total)
        spread = np.sqrt(self.square / self.total)
        design.constant = spread <= 1e-13 * np.abs(self.mean)
        design.centre, design.spread = np.asarray(self.mean), np.where(design.constant, 1.0, spread)

    def measure(self, scale: float) -> float:
        """The scale of residuals, from those of another batch."""
        self.scale = scale if self.scale is None else _SCALE_MEMORY * self.scale + (1 - _SCALE_MEMORY) * scale
        return self.scale

    def learn(
        self, task: Task, theta: Array, given: float | None, size: int, rng: np.random.Generator
    ) -> tuple[Array, Step]:
        """The model, theta, after one step per `size` samples of the batch; and how it predicted the batch before."""
        problem, model = task.problem, theta
        theta = model if self.point is None else task.scaled(*self.point)
        point = problem.at(model)
        objective, gradient = problem.penalised(point), problem.steepest(point)
        bend = steepness(problem, problem.scores_at(point))  # and a look at every target, which the loss may refuse
        if self.rate is None:
            self.rate = self.rule.default_rate(problem, bend, size) if given is None else given
        share = problem.total / problem.design.n / (self.total / self.samples)  # weights tell across batches too
        length = self.rate
        for rows in batches(problem.design.n, size, rng):
            length = self.rate / np.sqrt(1 + self.steps / SLOWER)
            theta = stepped(problem, theta, share * batch_gradient(problem, theta, rows), self.rule, length)
            self.steps += 1
            model = model + (theta - model) * ((1 + AVERAGED) / (self.steps + AVERAGED))
        self.point = task.original(theta)
        return model, Step(self.steps, objective, gradient, length, float("nan"), 0.0)
