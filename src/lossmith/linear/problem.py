"""The problem: weighted mean of a loss over a linear model, plus a penalty, and a certificate of how good a point is.

Features are centred and scaled inside, so that every direction has a similar size; the penalty is carried over, so that
the objective is the stated one, in the coefficients of the features as given. A point `theta` has shape
(1 + features, outputs): the intercept of the centred features first.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import smoothing

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

REACH = 10.0
"""The certificate speaks of coefficients within this many times the size of the present ones: see `Problem.bound`."""


@dataclass(frozen=True)
class Bound:
    """What a supporting line per sample proves."""

    lower: float  # no coefficients within reach have a smaller objective
    gradient: Array  # of the smooth part, the l2 penalty left out
    stationarity: float  # what the remaining gradient may still be worth, in units of the objective


class Problem:
    """Minimise mean of loss(y, X w + b), weighted, + l2/2 |w|^2 + l1 |w|_1 over w and b."""

    def __init__(self, loss: Loss, X: Array, y: NDArray[Any], weight: Array, l2: float, l1: float, unit: float) -> None:
        self.loss, self.y = loss, y
        self.weight = weight / weight.sum()
        self.unit = unit  # a typical size of the scores' deviations
        mean = self.weight @ X
        centred = X - mean
        spread = np.sqrt(self.weight @ centred**2)
        constant = spread <= 1e-13 * np.abs(X).max(axis=0, initial=0.0)
        centred[:, constant] = 0.0
        self.mean, self.spread = mean, np.where(constant, 1.0, spread)
        self.X = np.divide(centred, self.spread, out=centred)
        self.l2 = np.concatenate([[0.0], l2 / self.spread**2])
        self.l1 = np.concatenate([[0.0], l1 / self.spread])
        self.constant = constant

    @cached_property
    def Z(self) -> Array:
        """The features with a leading column of ones."""
        return np.column_stack([np.ones(len(self.X)), self.X])

    def scores(self, theta: Array) -> Array:
        """The raw scores: shape (n,) for one output, (n, outputs) for several."""
        f = self.X @ theta[1:] + theta[0]
        return np.asarray(f[:, 0] if self.one_score(theta) else f)

    def one_score(self, theta: Array) -> bool:
        return bool(self.loss.kind == "pointwise") and theta.shape[1] == 1

    def penalty(self, theta: Array) -> float:
        return float((self.l2 / 2 @ theta**2 + self.l1 @ np.abs(theta)).sum())

    def objective(self, theta: Array, f: Array | None = None) -> float:
        f = self.scores(theta) if f is None else f
        return float(self.weight @ smoothing.value(self.loss, self.y, f)) + self.penalty(theta)

    def pull(self, per_sample: Array) -> Array:
        """Derivative in theta of a derivative in the scores."""
        weighted = (per_sample.reshape(len(self.X), -1).T * self.weight).T
        return np.concatenate([weighted.sum(axis=0)[None], self.X.T @ weighted])

    def view(self, f: Array, mu: float) -> smoothing.View:
        if mu > 0:
            return smoothing.window(self.loss, self.y, f, mu)
        return smoothing.tangent(self.loss, self.y, f)

    def bound(self, theta: Array, view: smoothing.View) -> Bound:
        """A lower bound of the objective from one supporting line per sample (a dual feasible point).

        A sum of lines is a line, with gradient v in theta; line plus penalty is minimised coordinate by coordinate.
        Where an unpenalised coordinate's v_j is not exactly 0 the minimum would be -infinity: there theta_j is taken to
        lie within REACH times (largest present coefficient + unit) of where it is.
        """
        v = self.pull(view.slope)
        radius = REACH * (self.unit + np.abs(theta[1:]).max(initial=0.0))
        excess = np.maximum(np.abs(v) - self.l1[:, None], 0.0)
        far = radius + np.abs(theta) * (self.l1 + self.l2 > 0)[:, None]
        l2 = np.broadcast_to(self.l2[:, None], v.shape)
        inner = excess < l2 * far  # the minimum of l2/2 u^2 - excess |u| over |u| <= far is inside
        dip = np.where(inner, -(excess**2) / (2 * np.where(inner, l2, 1.0)), far * (l2 * far / 2 - excess))
        free = (self.l1 + self.l2 == 0)[:, None]
        dip = np.where(free, -np.abs(v) * radius, dip - v * theta)
        lower = float(self.weight @ view.support) + float(dip.sum())
        return Bound(lower, v, float((self._subgradient(theta, v) * radius).sum()))

    def _subgradient(self, theta: Array, v: Array) -> Array:
        """Size, per coordinate, of the smallest subgradient of the objective."""
        g = v + self.l2[:, None] * theta
        l1 = np.broadcast_to(self.l1[:, None], v.shape)
        return np.asarray(np.where(theta != 0, np.abs(g + l1 * np.sign(theta)), np.maximum(np.abs(g) - l1, 0.0)))

    def original(self, theta: Array) -> tuple[Array, Array]:
        """Coefficients (outputs, features) and intercepts (outputs,) for the features as they were given."""
        coefficients = (np.where(self.constant[:, None], 0.0, theta[1:]) / self.spread[:, None]).T
        return coefficients, np.asarray(theta[0] - coefficients @ self.mean)
