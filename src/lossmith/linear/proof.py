"""What lower bounds met on the way prove together of how far the objective can be from the optimum."""

from __future__ import annotations

import numpy as np

from .penalty import Bound

_ROUNDING = 1e-10  # of the size of the loss
_FURTHER = 2.0  # times as far as the point of a bound: there it speaks of too little


class Proof:
    """The best bound, of those that speak of models as far away as the present one makes likely.

    Each speaks of the models within reach of its own point. So it is forgotten where scores have become much larger
    since; and where a better objective refutes it, it spoke of too little, and proves nothing.
    """

    def __init__(self) -> None:
        self.lower, self._size = -np.inf, 0.0

    def learn(self, bound: Bound) -> None:
        if bound.size > _FURTHER * self._size:
            self.lower, self._size = -np.inf, bound.size
        self.lower = max(self.lower, bound.lower)

    def gap(self, objective: float, size: float) -> float:
        """How far an objective can be from the optimum; ``size``: that of the loss, which rounding is relative to."""
        if self.lower > objective + _ROUNDING * size:
            self.lower = -np.inf
        return max(objective - self.lower, 0.0)
