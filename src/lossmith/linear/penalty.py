"""The penalty on coefficients, and how good a point is proven to be with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossmith.lazy import cached_property

Array = NDArray[np.float64]

REACH = 10.0
"""The certificate speaks of coefficients within this many times the size of the present ones: see `Penalty.bound`."""


@dataclass(frozen=True)
class Bound:
    """What a supporting line per sample proves."""

    lower: float  # no coefficients within reach have a smaller objective
    stationarity: float  # what the remaining gradient may still be worth, in units of the objective
    subgradient: float  # the largest entry of the smallest subgradient


@dataclass(frozen=True)
class Penalty:
    """l2/2 u^2 + l1 |u| of every row of coefficients. ``unit``: a typical size of the scores' deviations."""

    l2: Array
    l1: Array
    unit: float

    @cached_property
    def _free(self) -> NDArray[np.bool_]:
        """The rows that have none."""
        return np.asarray(self.l1 + self.l2 == 0)[:, None]

    @cached_property
    def _has_l1(self) -> bool:
        return bool(self.l1.any())

    def of(self, theta: Array) -> float:
        squares = float((self.l2 @ theta**2).sum()) / 2
        return squares + float((self.l1 @ np.abs(theta)).sum()) if self._has_l1 else squares

    def bound(self, support: float, theta: Array, v: Array) -> Bound:
        """A lower bound of the objective from the supporting lines of the loss at theta: their height, and gradient v.

        A sum of lines is a line; line plus penalty is minimised coordinate by coordinate.
        Where an unpenalised coordinate's v_j is not exactly 0 the minimum would be -infinity: there theta_j is taken to
        lie within REACH times (largest present coefficient + unit) of where it is.
        """
        l2, free = self.l2[:, None], self._free
        radius, size = REACH * (self.unit + np.abs(theta[1:]).max(initial=0.0)), np.abs(v)
        excess = np.maximum(size - self.l1[:, None], 0.0)
        far = radius + np.where(free, 0.0, np.abs(theta))
        inner = excess < l2 * far  # the minimum of l2/2 u^2 - excess |u| over |u| <= far is inside
        dip = np.where(inner, -(excess**2) / np.where(inner, 2 * l2, 1.0), far * (l2 * far / 2 - excess))
        dip = np.where(free, -size * radius, dip - v * theta)
        left = self._subgradient(theta, v)
        return Bound(support + float(dip.sum()), float((left * radius).sum()), float(left.max()))

    def _subgradient(self, theta: Array, v: Array) -> Array:
        """Size, per coordinate, of the smallest subgradient of the objective."""
        g, l1 = v + self.l2[:, None] * theta, self.l1[:, None]
        if not self._has_l1:
            return np.abs(g)
        return np.asarray(np.where(theta != 0, np.abs(g + l1 * np.sign(theta)), np.maximum(np.abs(g) - l1, 0.0)))
