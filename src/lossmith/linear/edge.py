"""Where a smooth loss ends at an edge of its scores' domain: slopes there that prove it the end.

With a low barrier, how much the edge holds a score is its weight over a distance of which rounding leaves few digits.
But it may be as much as one likes: any of it makes a supporting line (see `barrier`), with slopes that vanish together.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .direction import DENSE, solve
from .problem import Point, Problem

_RIDGE = 1e-14  # of the largest second derivative of the barrier


def held(problem: Problem, point: Point) -> Point:
    """The point, the edge holding each score as much more or less as a step of Newton's against the barrier asks for,
    that the gradient vanishes."""
    edge = problem.kinks(point)
    if edge is None or problem.design.p > DENSE:
        return point
    pull = point.mu / edge
    H, g = problem.gram(pull / edge), problem.subgradient(point)
    step = solve(H, g[:, 0], _RIDGE * float(np.diag(H).max()))
    more = pull * np.maximum(problem.changes(step[:, None]) / edge, -1.0)
    return replace(point, v=point.v + problem.pull(more), support=point.support - problem.mean(more * edge))
