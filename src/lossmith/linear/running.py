"""A mean of what comes one after the other."""

from __future__ import annotations

from typing import Any

AVERAGED = 3.0
"""How much more later ones count: of equal weights, the t-th is 1 + AVERAGED over t + AVERAGED of the mean at the time
(Shamir and Zhang 2013, arXiv:1212.1824)."""


class Running:
    """The mean of numbers, or of arrays, in which later ones count more. What came first is soon forgotten."""

    def __init__(self) -> None:
        self.value: Any = 0.0
        self.total = 0.0  # of the weights

    def take(self, x: Any, weight: float = 1.0) -> None:
        self.total += weight
        self.value = self.value + (x - self.value) * ((1 + AVERAGED) * weight / (self.total + AVERAGED * weight))
