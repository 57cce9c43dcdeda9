"""Second derivatives of the whole from some of the samples: near enough to lead, where all of them would take long.

Steps with such a matrix shrink the distance to the optimum by the same factor again and again; what gradients differ by
from step to step (L-BFGS, Nocedal 1980) mends the matrix where it is wrong.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call

from .design import parts
from .problem import Point, Problem

Array = NDArray[np.float64]

MOST = 2000
"""Up to so many coefficients the matrix is formed and factored."""
_PER_COEFFICIENT = 20
_LEAST = 8192
_FLOOR = 0.1  # of the mean curvature: what a feature has at least that is zero in all samples that were looked at


def enough(problem: Problem, outputs: int) -> int:
    """How many samples tell the second derivatives to a third or better."""
    return max(_LEAST, _PER_COEFFICIENT * (1 + len(problem.design.spread)) * outputs)


def chosen(n: int, count: int) -> NDArray[np.intp]:
    """That many of n samples, the same ones every time, in order: one at random from each of equal parts."""
    ends = np.arange(count + 1) * n // count
    return np.asarray(np.random.default_rng(0).integers(ends[:-1], ends[1:]), dtype=np.intp)


class Sketch:
    """Some of the samples of a problem."""

    def __init__(self, problem: Problem, rows: NDArray[np.intp]) -> None:
        self.problem, self.rows = problem, rows
        self.Z = problem.design.rows(rows)
        weight = np.ones(len(rows)) if problem.weight is None else problem.weight[rows]
        self.share = weight / weight.sum()

    def matrix(self, point: Point) -> tuple[Array, bool]:
        """(second derivatives in theta, flattened output by output, the penalty left out; whether all are upwards)."""
        problem, outputs = self.problem, point.theta.shape[1]
        f = self.Z @ point.theta
        f = f if problem.samples is None else f[:, 0]
        if problem.offset is not None:
            f += problem.offset[self.rows]
        bend, upwards = problem.bends(f, point.mu, self.rows)
        if problem.samples is not None:
            return self._floored(self._gram(bend)), upwards
        each = self._between(f)
        size = self.Z.shape[1]
        H = np.empty((outputs, size, outputs, size))
        for k in range(outputs):
            H[k, :, k] = self._floored(self._gram(each[:, k, k]))
            for m in range(k):
                H[k, :, m] = H[m, :, k] = self._gram(each[:, k, m])  # symmetric, like the whole
        return H.reshape(outputs * size, outputs * size), upwards

    def _gram(self, each: Array) -> Array:
        found, weight = np.zeros((self.Z.shape[1],) * 2), self.share * each
        for part in parts(*self.Z.shape):
            found += self.Z[part].T @ (self.Z[part] * weight[part, None])
        return found

    def _floored(self, H: Array) -> Array:
        """Features have variance 1, so each adds about the mean curvature."""
        diagonal = np.einsum("ii->i", H)
        diagonal += np.maximum(_FLOOR * diagonal[0] - diagonal, 0.0)
        return H

    def _between(self, f: Array) -> Array:
        """Second derivatives in every pair of scores of a sample, (n, outputs, outputs)."""
        call = Call(self.problem.loss, self.problem.y[self.rows], f, None, None, {})
        found = np.empty((*f.shape, f.shape[1]))
        for k in range(f.shape[1]):
            tangent = np.zeros_like(f)
            tangent[:, k] = 1.0
            found[:, :, k] = call.hessian_product(tangent, "none")
        return found


class Memory:
    """The last steps and what the gradient changed by, and the direction that they and a matrix lead to."""

    def __init__(self, solve: Callable[[Array], Array], size: int = 20) -> None:
        self._solve, self._size = solve, size
        self._pairs: list[tuple[Array, Array, float]] = []

    def add(self, step: Array, change: Array) -> None:
        along = float(step @ change)
        if along > 1e-14 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            self._pairs = [*self._pairs, (step, change, along)][-self._size :]

    def direction(self, g: Array) -> Array:
        """- (the inverse of the mended matrix) g: the two loops of Nocedal and Wright 2006, algorithm 7.4."""
        r, shares = g.copy(), []
        for step, change, along in reversed(self._pairs):
            share = float(step @ r) / along
            shares.append(share)
            r -= share * change
        r = self._solve(r)
        for (step, change, along), share in zip(self._pairs, reversed(shares), strict=True):
            r += (share - float(change @ r) / along) * step
        return -r
