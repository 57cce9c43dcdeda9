"""How near the optimum is near enough."""

from __future__ import annotations

from .problem import Point, Problem

NOTHING = 1e-2
"""Of the mean size of the loss of the best constant: what tolerances are relative to where a model fits better. One
that fits every sample leaves nothing to be relative to, and rounding is relative to the targets."""


class Goal:
    """A gap of at most tol times the mean size of the loss, which is known the better the nearer a solver is."""

    def __init__(self, problem: Problem, start: Point, tol: float, constant: float) -> None:
        """``constant``: the mean size of the loss of the best constant."""
        self.problem, self.tol, self.least = problem, tol, NOTHING * constant
        self._seen: object = None
        self._look(start)

    def is_reached(self, gap: float, point: Point) -> bool:
        """Whether a gap is small enough, for the loss at a point near the one that has it."""
        if gap > self.target:
            return False
        self._look(point)
        return gap <= self.target

    def _look(self, point: Point) -> None:
        if point.theta is self._seen:
            return
        self._seen = point.theta
        self.size = max(self.problem.size(point), self.least) or 1.0
        self.target = self.tol * self.size
