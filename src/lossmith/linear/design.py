"""The features as a solver uses them: centred and scaled, a tile of rows at a time, and never copied as a whole."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TILE = 1 << 17
"""Numbers of a tile: what a core has in its nearer caches."""


class Design:
    """Z = [1, (X - centre) / spread] for rows of any numbers in any order; a constant feature becomes zero."""

    def __init__(self, X: NDArray[Any], weight: Array | None) -> None:
        self.X, self.n, self.p = X, *X.shape
        total = float(self.n if weight is None else weight.sum())
        some = X[np.linspace(0, self.n - 1, min(self.n, 99)).astype(np.intp)]
        shift = np.median(np.asarray(some, dtype=np.float64), axis=0)  # near the mean: little is lost to rounding
        first, second, size = np.zeros(self.p), np.zeros(self.p), np.zeros(self.p)
        for part, tile in self._raw(shift):
            share = np.ones(len(tile)) if weight is None else weight[part]
            first += share @ tile
            np.maximum(size, np.abs(tile).max(axis=0, initial=0.0), out=size)
            second += share @ np.square(tile, out=tile)
        move = first / total
        variance = np.maximum(second / total - move**2, 0.0)
        self.centre, spread = shift + move, np.sqrt(variance)
        self.constant = spread <= 1e-13 * (size + np.abs(shift))
        self.spread = np.where(self.constant, 1.0, spread)
        self.centre = np.where(self.constant, shift, self.centre)

    def part(self, chosen: NDArray[np.intp]) -> Design:
        """These rows of Z: a copy of them."""
        found = copy.copy(self)
        found.X, found.n = self.X[chosen], len(chosen)
        return found

    def _raw(self, shift: Array) -> Iterator[tuple[slice, Array]]:
        """(rows, these rows less the shift), in memory that is used again for the next ones."""
        step = max(1, TILE // self.p)
        room = np.empty((min(step, self.n), self.p))
        for start in range(0, self.n, step):
            part = slice(start, min(start + step, self.n))
            tile = room[: part.stop - start]
            yield part, np.subtract(self.X[part], shift, out=tile)

    def tiles(self) -> Iterator[tuple[slice, Array]]:
        """(rows, the same rows of Z without its ones)."""
        for part, tile in self._raw(self.centre):
            tile /= self.spread
            yield part, tile

    def rows(self, chosen: NDArray[np.intp], columns: NDArray[np.intp] | None = None) -> Array:
        """Some rows of Z, or some columns of these, copied."""
        Z = np.empty((len(chosen), 1 + self.p))
        Z[:, 0] = 1.0
        np.divide(self.X[chosen] - self.centre, self.spread, out=Z[:, 1:])
        return Z if columns is None else Z[:, columns]

    def scores(self, theta: Array) -> Array:
        """Z theta, shape (n, outputs)."""
        f = np.empty((self.n, theta.shape[1]))
        for part, tile in self.tiles():
            np.dot(tile, theta[1:], out=f[part])
        f += theta[0]
        return f

    def pull(self, weights: Array) -> Array:
        """Z^T weights, shape (1 + p, outputs)."""
        found = np.zeros((1 + self.p, weights.shape[1]))
        found[0] = weights.sum(axis=0)
        for part, tile in self.tiles():
            found[1:] += tile.T @ weights[part]
        return found

    def squares(self, weight: Array) -> Array:
        """The diagonal of Z^T diag(weight) Z."""
        found = np.zeros(1 + self.p)
        found[0] = weight.sum()
        for part, tile in self.tiles():
            found[1:] += weight[part] @ np.square(tile, out=tile)
        return found

    def gram(self, weight: Array, columns: NDArray[np.intp] | None = None) -> Array:
        """Z^T diag(weight) Z, of some columns of Z; reads the rows of positive weight only."""
        used = np.flatnonzero(weight > 0)
        k = 1 + self.p if columns is None else len(columns)
        found = np.zeros((k, k))
        step = max(1, TILE // (1 + self.p))
        for start in range(0, len(used), step):
            chosen = used[start : start + step]
            Z = self.rows(chosen, columns)
            Z *= np.sqrt(weight[chosen])[:, None]
            found += Z.T @ Z
        return found

    def original(self, theta: Array) -> tuple[Array, Array]:
        """Coefficients (outputs, features) and intercepts (outputs,) for the features as they were given."""
        coefficients = (np.where(self.constant[:, None], 0.0, theta[1:]) / self.spread[:, None]).T
        return coefficients, np.asarray(theta[0] - coefficients @ self.centre)


def products(X: NDArray[Any], coefficients: Array) -> Array:
    """X @ coefficients, (n, outputs), of rows of any numbers; none but those of a tile are turned into float64."""
    if X.dtype == np.float64:
        return np.asarray(X @ coefficients)
    found = np.empty((len(X), coefficients.shape[1]))
    step = max(1, TILE // X.shape[1])
    for start in range(0, len(X), step):
        found[start : start + step] = X[start : start + step].astype(np.float64) @ coefficients
    return found
