"""Second derivatives of the whole from some of the samples: near enough to lead, where all of them would take long.

Steps with such a matrix shrink the distance to the optimum by the same factor again and again; what gradients differ by
from step to step (L-BFGS, Nocedal 1980) mends the matrix where it is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsygvd

from .design import chosen, parts
from .problem import NOISE, Point, Problem
from .several import hessian_products

Array = NDArray[np.float64]

MOST = 2000
"""Up to so many coefficients the matrix is formed and factored."""
_PER_COEFFICIENT = 20
_LEAST = 8192
_PASSES = 12  # about four times the reads of all features that making the matrix may take
COLLINEAR = 1e-10  # of a matrix that is only near the true one: decides between collinear features
_FEW = 128  # samples that tell how the scores go together; fewer, where these are so many that their pairs are more
_PAIRS = 1 << 22
_TILES = 3  # that what is made of some samples at a time takes together
_ROOMS = 5  # that the pairs of scores take among them
_ALIKE = 1e8  # times as far in one direction as in another: any more is what rounding made of collinear features
_FLOOR = 0.1  # of the mean curvature


def enough(problem: Problem, outputs: int) -> int:
    """How many samples tell the second derivatives to a third or better."""
    return telling((1 + problem.design.p) * outputs)


def telling(coefficients: int) -> int:
    """The same, for so many of them."""
    return max(_LEAST, _PER_COEFFICIENT * coefficients)


def matrix_rows(problem: Problem, outputs: int) -> int:
    """How many of these the matrix is made of, where all of them would take longer than some reads of the features."""
    most, coefficients = enough(problem, outputs), (1 + problem.design.p) * outputs
    return max(min(most, _PASSES * problem.design.n // coefficients), most // 4)


class Sketch:
    """Made of some of the samples of a problem, which are read again when they are asked."""

    def __init__(self, problem: Problem, rows: NDArray[np.intp]) -> None:
        self.problem, self.rows = problem, rows

    def matrix(self, point: Point, floor: float = _FLOOR) -> tuple[Array, bool]:
        """(second derivatives in theta, flattened output by output, the penalty left out; whether all are upwards).

        ``floor``: of the mean curvature, what a feature has at least that is zero in all samples that were looked at.
        """
        if self.problem.samples is None:
            return self._of_several(point.theta, floor)
        part = self.problem if len(self.rows) == self.problem.design.n else self.problem.part(self.rows)
        bend, upwards = part.bends(part.scores(point.theta), point.mu)
        return _floored(part.gram(bend), floor), upwards

    def _of_several(self, theta: Array, floor: float) -> tuple[Array, bool]:
        """Of each score with all scores up to it in one product: the matrix is symmetric, and so are its blocks."""
        problem, (size, outputs) = self.problem, theta.shape
        H, room, lowest, highest = np.zeros((outputs, size, outputs, size)), np.empty(0), np.inf, 0.0
        share = np.broadcast_to(problem.share(self.rows), len(self.rows))
        share = share / share.sum()
        for part in parts(len(self.rows), outputs * (size + _ROOMS * outputs), _TILES):
            rows = self.rows[part]
            Z = problem.design.rows(rows)
            each = between(problem, problem.scores_of(rows, theta, Z), rows)
            bends = np.einsum("nkk->nk", each)
            lowest, highest = min(lowest, float(bends.min())), max(highest, float(np.abs(bends).max()))
            each *= share[part, None, None]
            room = room if len(room) else np.empty(len(Z) * outputs * size)
            for k in range(outputs):
                shape = len(Z), k + 1, size
                times = np.multiply(each[:, k, : k + 1, None], Z[:, None], out=room[: math.prod(shape)].reshape(shape))
                H[k, :, : k + 1] += (Z.T @ times.reshape(len(Z), -1)).reshape(size, k + 1, size)
        for k in range(outputs):
            H[:k, :, k] = H[k, :, :k].transpose(1, 0, 2)
            H[k, :, k] = _floored(H[k, :, k], floor)
        return H.reshape(outputs * size, outputs * size), lowest >= -NOISE * highest


def _floored(H: Array, floor: float) -> Array:
    """Features have variance 1, so each adds about the mean curvature."""
    diagonal = np.einsum("ii->i", H)
    diagonal += np.maximum(floor * diagonal[0] - diagonal, 0.0)
    return H


def between(problem: Problem, f: Array, rows: Any) -> Array:
    """Second derivatives in every pair of scores of some samples, (n, outputs, outputs)."""
    y, (n, outputs) = problem.y[rows], f.shape
    tangents = np.repeat(np.eye(outputs), n, axis=0)  # all at once: a call takes longer than a few samples
    found = hessian_products(problem.loss, np.tile(y, outputs), np.tile(f, (outputs, 1)), tangents)
    return found.reshape(outputs, n, outputs).transpose(1, 0, 2)


class Apart:
    """The inverse of second derivatives as they were if those between scores had nothing to do with the features.

    They are then one matrix of the scores times one of the features, beside the penalty's; axes in which all of these
    are diagonal make the inverse a division.
    """

    def __init__(self, problem: Problem, theta: Array) -> None:
        n = problem.design.n
        M = problem.gram(np.broadcast_to(1.0, n))
        M[np.diag_indices_from(M)] += COLLINEAR * float(np.diag(M).mean())
        rows = chosen(n, min(n, _FEW, 1 + _PAIRS // theta.shape[1] ** 2))
        share, f = np.broadcast_to(problem.share(rows), len(rows)), problem.scores_of(rows, theta)
        each = between(problem, f, rows)
        self.upwards = bool(np.einsum("nkk->nk", each).min() >= -NOISE * np.abs(each).max())  # at these samples
        bends, self.scores = np.linalg.eigh(np.tensordot(share / share.sum(), each, 1))
        bends = np.maximum(bends, _FLOOR**2 * float(np.abs(bends).max(initial=0.0)) or 1.0)
        penalty, self.features, wrong = dsygvd(np.diag(problem.l2), M)
        if wrong:  # for rounding not even positive
            self.is_regular = False
            return
        self.bends = bends + np.maximum(penalty, 0.0)[:, None]
        reach = np.square(self.features).sum(axis=0) / self.bends.min(axis=1)
        self.is_regular = bool(reach.max() <= _ALIKE * reach.min())  # no features are collinear, but for a penalty

    def __call__(self, g: Array) -> Array:
        """Flattened output by output, as the whole matrix would take it."""
        turned = self.features.T @ g.reshape(len(self.scores), -1).T @ self.scores
        return np.asarray(self.scores @ (turned / self.bends).T @ self.features.T).ravel()


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
