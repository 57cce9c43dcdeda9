"""The penalty on coefficients, and how good a point is proven to be with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lossmith.lazy import cached_property

from .reach import Reach

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Bound:
    """What a supporting line per sample proves."""

    lower: float  # no model within reach has a smaller objective
    stationarity: float  # what the remaining gradient may still be worth, in units of the objective
    subgradient: float  # the largest entry of the smallest subgradient
    size: float  # of the models that are within reach


@dataclass(frozen=True)
class Penalty:
    """l2/2 u^2 + l1 |u| of every row of coefficients."""

    l2: Array
    l1: Array

    @cached_property
    def _curved(self) -> slice | NDArray[np.intp]:
        """The rows with an l2 penalty."""
        return np.flatnonzero(self.l2) if self.l2.any() else slice(0, 0)

    @cached_property
    def _has_l1(self) -> bool:
        return bool(self.l1.any())

    def of(self, theta: Array) -> float:
        """Nothing, where there is none, also of coefficients whose squares overflow; of others these are infinite."""
        with np.errstate(over="ignore"):
            squares = float((self.l2[self._curved] @ theta[self._curved] ** 2).sum()) / 2
            return squares + float((self.l1 @ np.abs(theta)).sum()) if self._has_l1 else squares

    def bound(self, support: float, theta: Array, v: Array, reach: Reach) -> Bound:
        """A lower bound of the objective from the supporting lines of the loss at theta: their height, and gradient v.

        A sum of lines is a line. Penalties hold it, coordinate by coordinate, at a price that no other coefficients can
        undercut; or as much of v as they ask for at theta itself, at no price. The rest of v, the smallest subgradient,
        falls to the end of what is within reach.
        """
        left, price = self.subgradient(theta, v), self._price(theta, v)
        size = reach.size(theta)
        held = price <= np.abs(left) * size
        worth = float(price[held].sum()) + reach.worth(np.where(held, 0.0, left), theta)
        return Bound(support + self.of(theta) - worth, worth, float(np.abs(left).max()), size)

    def subgradient(self, theta: Array, v: Array) -> Array:
        """The smallest subgradient of the objective."""
        g, l1 = v + self.l2[:, None] * theta, self.l1[:, None]
        if not self._has_l1:
            return g
        return np.asarray(np.where(theta != 0, g + l1 * np.sign(theta), g - np.clip(g, -l1, l1)))

    def _price(self, theta: Array, v: Array) -> Array:
        """How far, of each coordinate, v u and the penalty of u fall from theta to wherever that is least."""
        l2, l1, size = self.l2[:, None], self.l1[:, None], np.abs(v)
        excess = size - l1
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            least = np.where(excess > 0, -(excess**2) / (2 * l2), 0.0)  # over u of v u and the penalty
            price = np.maximum((l2 / 2 * theta**2 + l1 * np.abs(theta) + v * theta) - least, 0.0)
            curved = (excess > 0) & (v * theta <= 0)  # on the same side: told by the gradient, to the last digit
            price = np.where(curved, (size - l1 - l2 * np.abs(theta)) ** 2 / (2 * l2), price)
        return np.where(np.isnan(price), np.where(excess > 0, np.inf, 0.0), price)
