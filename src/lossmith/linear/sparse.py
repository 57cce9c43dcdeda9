"""Sparse features as a solver uses them: centred and scaled in the products, so that zeros stay what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .design import Design, Rows, check_sizes

Array = NDArray[np.float64]


class SparseDesign(Design):
    """As `Design`, of a sparse matrix by rows: Z theta = X (theta / spread) + a number, and never Z itself."""

    X: Any

    def __init__(self, X: csr_array[Any], weight: Array | None, kept: Rows | None = None) -> None:
        self.X, self.kept, self.n, self.p = X, kept, X.shape[0] if kept is None else len(kept), X.shape[1]
        share = np.full(self.n, 1 / self.n) if weight is None else weight / weight.sum()
        share = self._of_rows(share)
        each = np.repeat(share, np.diff(X.indptr))  # per entry
        counted = each > 0
        present = np.bincount(X.indices, each, minlength=self.p)
        full = np.bincount(X.indices, counted, minlength=self.p) == self.n
        # Sums are of differences from a number of the column, which of a constant one are 0, however many there are.
        shift, filled = np.zeros(self.p), counted & full[X.indices]
        shift[X.indices[filled]] = X.data[filled]
        self.centre = shift + np.bincount(X.indices, each * (X.data - shift[X.indices]), minlength=self.p)
        absent = np.where(full, 0.0, np.maximum(1.0 - present, 0.0))
        with np.errstate(over="ignore", invalid="ignore"):
            each *= np.square(X.data - self.centre[X.indices])
            spread = np.sqrt(np.bincount(X.indices, each, minlength=self.p) + absent * self.centre**2)
        size = np.zeros(self.p)
        np.maximum.at(size, X.indices, np.abs(X.data) * counted)
        small = (spread == 0) & (size > 0)
        if (small & full).any():  # or they are constant
            low, high = np.full(self.p, np.inf), np.full(self.p, -np.inf)
            np.minimum.at(low, X.indices[counted], X.data[counted])
            np.maximum.at(high, X.indices[counted], X.data[counted])
            small &= ~full | (low < high)
        check_sizes(~np.isfinite(spread), small, None)
        self.constant = spread <= 1e-13 * size
        self.spread = np.where(self.constant, 1.0, spread)

    def features(self, chosen: slice | Rows) -> Any:
        return self.X[chosen if self.kept is None else self.kept[chosen]]

    def _of_rows(self, each: Array) -> Array:
        """Numbers of the samples as numbers of all rows: 0 for those that are left out."""
        if self.kept is None:
            return each
        found = np.zeros((self.X.shape[0], *each.shape[1:]))
        found[self.kept] = each
        return found

    @property
    def _scale(self) -> Array:
        """What features are multiplied by: a constant one vanishes."""
        return np.where(self.constant, 0.0, 1 / self.spread)

    def rows(self, chosen: Rows, columns: Rows | None = None) -> Array:
        every = np.arange(1 + self.p) if columns is None else columns
        of = every[every > 0] - 1  # features among them
        Z = np.ones((len(chosen), len(every)))
        Z[:, every > 0] = (self.features(chosen)[:, of].toarray() - self.centre[of]) * self._scale[of]
        return Z

    def scores(self, theta: Array) -> Array:
        scaled = theta[1:] * self._scale[:, None]
        found = np.asarray(self.X @ scaled)
        found = found if self.kept is None else found[self.kept]
        found += theta[0] - self.centre @ scaled
        return found

    def pull(self, weights: Array) -> Array:
        total = weights.sum(axis=0)
        features = (self.X.T @ self._of_rows(weights) - np.outer(self.centre, total)) * self._scale[:, None]
        return np.vstack([total, features])

    def passed(self, theta: Array, weights: Callable[[slice, Array], Array]) -> Array:
        return self.pull(weights(slice(0, self.n), self.scores(theta)))

    def squares(self, weight: Array) -> Array:
        total, weight = weight.sum(), self._of_rows(weight)
        first, second = self.X.T @ weight, self._squared().T @ weight
        features = (second - self.centre * (2 * first - self.centre * total)) * self._scale**2
        return np.concatenate([[total], np.maximum(features, 0.0)])

    def gram(self, weight: Callable[[slice], Array], columns: Rows | None = None) -> Array:
        each = self._of_rows(weight(slice(0, self.n)))
        every = np.arange(1 + self.p) if columns is None else columns
        inside, of = every > 0, every[every > 0] - 1
        X = self.X if columns is None else self.X[:, of]
        centre, scale, total = self.centre[of], self._scale[of], float(each.sum())
        weighted = csr_array((X.data * np.repeat(each, np.diff(X.indptr)), X.indices, X.indptr), shape=X.shape)
        first = weighted.sum(axis=0)  # sums of x, less the centre's share below
        second = (X.T @ weighted).toarray() - np.outer(centre, first) - np.outer(first - total * centre, centre)
        found = np.empty((len(every), len(every)))
        found[np.ix_(inside, inside)] = second * np.outer(scale, scale)
        found[np.ix_(~inside, inside)] = (first - total * centre) * scale
        found[np.ix_(inside, ~inside)] = found[np.ix_(~inside, inside)].T
        found[np.ix_(~inside, ~inside)] = total
        return found

    def _squared(self) -> csr_array[Any]:
        return csr_array((np.square(self.X.data), self.X.indices, self.X.indptr), shape=self.X.shape)
