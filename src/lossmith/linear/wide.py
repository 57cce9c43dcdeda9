"""Newton's direction where samples are few and features many: these move scores in no more ways than there are samples.

So a system of as many equations as samples tells it (Woodbury), with the intercept, which nothing holds, apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .direction import Cholesky
from .problem import Problem

Array = NDArray[np.float64]

_WORK = 10_000_000_000  # multiplications that take about as long as a step without a matrix
_ROOM = 30_000_000  # numbers of the features, which are copied


class Wide:
    """(H + ridge)^-1 of one output, for the second derivatives H of all samples."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.features = problem.design.rows(np.arange(problem.design.n))[:, 1:]

    @staticmethod
    def suits(problem: Problem) -> bool:
        n, p = problem.design.n, problem.design.p
        return n <= p and n * p <= _ROOM and n**2 * p <= _WORK

    def direction(self, bend: Array, g: Array, ridge: float) -> Array:
        """-(H + ridge)^-1 g."""
        root, held = np.sqrt(bend * self.problem.share(slice(None))), self.problem.l2[1:] + ridge
        S = root[:, None] * self.features
        inner = Cholesky(np.eye(len(S)) + (S / held) @ S.T)
        slopes, level = inner(S @ (g[1:] / held)), inner(root)
        intercept = -(g[0] - root @ slopes) / (ridge + root @ level)
        return np.append(intercept, -(g[1:] - S.T @ (slopes - intercept * level)) / held)
