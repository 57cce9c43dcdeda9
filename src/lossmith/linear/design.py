"""The features as a solver uses them: centred and scaled, a tile of rows at a time, and never copied as a whole."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .features import check_finite
from .moments import sums
from .samples import can_read

Array = NDArray[np.float64]
Rows: TypeAlias = NDArray[np.intp]

TILE = 1 << 15
"""Numbers of a tile: what a core has in its nearer caches."""

_TILES = 64  # that are searched at a time for the rows that count
_CHUNK = 8  # that a kernel reads at a time, where rows are left out
_SPARSE = 3  # times as many rows as are left are not read for them
_MADE = 4  # numbers for every score of a row, where it has several
_NEAR = 100.0  # spreads from 0 that a centre may lie, and cost no more than two of sixteen digits


class Chunk(NamedTuple):
    """Neighbouring rows of features, and which of the samples they are."""

    samples: slice
    X: NDArray[Any]
    places: Rows | None = None  # the rows that the samples are; the others are none. None: every row

    def of_rows(self, each: NDArray[Any], other: float | None = None) -> NDArray[Any]:
        """Numbers of all samples as numbers of these rows: of those that are none ``other``, or what the first has."""
        each = each[self.samples]
        if self.places is None:
            return each
        found = np.full((len(self.X), *each.shape[1:]), each[0] if other is None else other, each.dtype)
        found[self.places] = each
        return found


def check_sizes(large: NDArray[np.bool_], small: NDArray[np.bool_], names: Sequence[str] | None) -> None:
    """Refuses columns of which the squares are no numbers any more."""
    for odd, wrong in (
        (large, "so large that their squares overflow: divide it"),
        (small, "so small that their squares vanish: multiply it"),
    ):
        if odd.any():
            j = int(odd.argmax())
            raise ValueError(f"column {f'{j} of X' if names is None else repr(names[j])} holds numbers {wrong}")


class Design:
    """Z = [1, (X - centre) / spread] for rows of any numbers in any order; a constant feature becomes zero."""

    n: int
    p: int

    def __init__(
        self, X: NDArray[Any], weight: Array | None, names: Sequence[str] | None = None, kept: Rows | None = None
    ) -> None:
        """Refuses features that are not finite, with their ``names`` if they have any.

        ``kept``: the rows that are samples, one ``weight`` for each; the others are never read. None: every row.
        """
        self.X, self.kept, self.n, self.p = X, kept, len(X) if kept is None else len(kept), X.shape[1]
        total = float(self.n if weight is None else weight.sum())
        some = self.features(np.linspace(0, self.n - 1, min(self.n, 99)).astype(np.intp))
        # A median of them is near the mean: little is lost to rounding.
        shift = np.sort(some, axis=0)[len(some) // 2].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            first, second = (self._kernel_sums if can_read(X) else self._sums)(shift, weight)
        if not np.isfinite(first).all():
            check_finite(X, names)
        check_sizes(~np.isfinite(second), (second == 0) & (first != 0), names)
        move, square = first / total, second / total
        self.centre, spread = shift + move, np.sqrt(np.maximum(square - move**2, 0.0))
        self.constant = spread <= 1e-13 * (np.sqrt(square) + np.abs(shift))
        self.spread = np.where(self.constant, 1.0, spread)
        self.centre = np.where(self.constant, shift, self.centre)

    def features(self, chosen: slice | Rows) -> NDArray[Any]:
        """Those of some of the samples, in the layout that all of them have; copied where rows are not neighbours."""
        if self.kept is None:
            return self.X[chosen]
        rows = self.kept[chosen]
        if isinstance(chosen, slice) and rows[-1] - rows[0] + 1 == len(rows):
            return self.X[rows[0] : rows[-1] + 1]
        return self.X.T.take(rows, axis=1).T if self.X.strides[0] == self.X.itemsize else self.X.take(rows, axis=0)

    def chunks(self) -> Iterator[Chunk]:
        """The features for a kernel to read: all at once, or, where rows are left out, a part at a time; these are
        copied only where so few are left that reading the others too would take longer."""
        if self.kept is None:
            yield Chunk(slice(0, self.n), self.X)
            return
        count = -(-self.n // (_CHUNK * _height(self.p)))
        ends = (np.arange(count + 1) * self.n // count).tolist()  # no part is much smaller than the others
        for part in map(slice, ends[:-1], ends[1:]):
            rows = self.kept[part]
            first, last = int(rows[0]), int(rows[-1])
            if len(rows) <= last - first < _SPARSE * len(rows):
                yield Chunk(part, self.X[first : last + 1], rows - first)
            else:
                yield Chunk(part, self.features(part))

    def part(self, chosen: Rows) -> Design:
        """These rows of Z: a copy of them."""
        found = copy.copy(self)
        found.X, found.n, found.kept = self.features(chosen), len(chosen), None
        return found

    def _kernel_sums(self, shift: Array, weight: Array | None) -> tuple[Array, Array]:
        found = [sums(c.X, shift, None if weight is None else c.of_rows(weight, 0.0)) for c in self.chunks()]
        first, second = np.sum(found, axis=0)
        return first, second

    def _sums(self, shift: Array, weight: Array | None) -> tuple[Array, Array]:
        first, second = np.zeros((2, self.p))
        for part, tile in self._shifted(shift):
            share = np.ones(len(tile)) if weight is None else weight[part]
            first += share @ tile
            second += share @ np.square(tile, out=tile)
        return first, second

    def _shifted(self, shift: Array, beside: int = 0) -> Iterator[tuple[slice, Array]]:
        """(rows, these rows less the shift), in memory that is used again for the next ones."""
        room = np.empty((min(_height(self.p + beside), self.n), self.p))
        for part in parts(self.n, self.p + beside):
            yield part, np.subtract(self.features(part), shift, out=room[: part.stop - part.start])

    def tiles(self, beside: int = 0) -> tuple[Iterator[tuple[slice, Array]], Array]:
        """(rows, these rows less a shift) one after the other, and how far the shift is from the centre.

        ``beside``: so many numbers more are made of a row.
        Features near 0 are taken as they are: what a multiplication by 0 takes away from them is lost to no rounding.
        """
        near = (np.abs(self.centre) <= _NEAR * self.spread).all()
        if not near or self.X.dtype != np.float64:
            return self._shifted(self.centre, beside), np.zeros(self.p)
        return ((part, self.features(part)) for part in parts(self.n, self.p + beside)), self.centre

    def rows(self, chosen: Rows, columns: Rows | None = None) -> Array:
        """Some rows of Z, or some columns of these, copied."""
        Z = np.empty((len(chosen), 1 + self.p))
        for part in parts(len(chosen), self.p):
            self._centred(self.features(chosen[part]), Z[part])
        Z[:, 1:] /= self.spread
        return Z if columns is None else Z[:, columns]

    def _centred(self, X: NDArray[Any], out: Array) -> Array:
        """[1, X - centre] of some rows."""
        out[:, 0] = 1.0
        np.subtract(X, self.centre, out=out[:, 1:])
        return out

    def scores(self, theta: Array) -> Array:
        """Z theta, shape (n, outputs)."""
        if not theta[1:].any():
            return np.tile(theta[0], (self.n, 1))
        f, (tiles, left) = np.empty((self.n, theta.shape[1])), self.tiles()
        w = theta[1:] / self.spread[:, None]
        for part, tile in tiles:
            np.dot(tile, w, out=f[part])
        f += theta[0] - left @ w
        return f

    def pull(self, weights: Array) -> Array:
        """Z^T weights, shape (1 + p, outputs)."""
        return self.passed(np.zeros((1 + self.p, weights.shape[1])), lambda part, _: weights[part])

    def passed(self, theta: Array, weights: Callable[[slice, Array], Array]) -> Array:
        """Z^T weights, those of some rows being made of (rows, Z theta): the features are read once."""
        (tiles, left), found = self.tiles(_MADE * (theta.shape[1] - 1)), np.zeros_like(theta)
        w = theta[1:] / self.spread[:, None]
        intercept = theta[0] - left @ w
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far, which the solver shortens
            for part, tile in tiles:
                each = weights(part, tile @ w + intercept)
                found[0] += np.ones(len(each)) @ each
                found[1:] += tile.T @ each
            found[1:] = (found[1:] - np.outer(left, found[0])) / self.spread[:, None]
        return found

    def squares(self, weight: Array) -> Array:
        """The diagonal of Z^T diag(weight) Z."""
        found = np.zeros(1 + self.p)
        found[0] = weight.sum()
        for part, tile in self._shifted(self.centre):
            found[1:] += weight[part] @ np.square(tile, out=tile)
        found[1:] /= self.spread**2
        return found

    def gram(self, weight: Callable[[slice], Array], columns: NDArray[np.intp] | None = None) -> Array:
        """Z^T diag(weight) Z, of some columns of Z, from the weights of some rows; where these are 0 it reads none."""
        spread = np.concatenate([[1.0], self.spread])
        spread = spread if columns is None else spread[columns]
        found = np.zeros((len(spread), len(spread)))
        for some in parts(self.n, 1 + self.p, _TILES):
            each = weight(some)
            used = np.flatnonzero(each > 0)
            wide = (1 + self.p) * (1 if len(used) == len(each) else 2)  # some of them are copied first
            room = np.empty((min(len(used), _height(wide)), 1 + self.p))
            for part in parts(len(used), wide):
                first, last = used[part][[0, -1]].tolist()
                whole = last - first + 1 == part.stop - part.start
                chosen = slice(first, last + 1) if whole else used[part]
                there = slice(some.start + first, some.start + last + 1) if whole else some.start + chosen
                Z = self._centred(self.features(there), room[: part.stop - part.start])
                Z = Z if columns is None else Z[:, columns]
                Z *= np.sqrt(each[chosen])[:, None]
                found += Z.T @ Z
        return found / np.outer(spread, spread)

    def original(self, theta: Array) -> tuple[Array, Array]:
        """Coefficients (outputs, features) and intercepts (outputs,) for the features as they were given."""
        coefficients = (np.where(self.constant[:, None], 0.0, theta[1:]) / self.spread[:, None]).T
        return coefficients, np.asarray(theta[0] - coefficients @ self.centre)


def products(X: NDArray[Any], coefficients: Array) -> Array:
    """X @ coefficients, (n, outputs), of rows of any numbers; none but those of a tile are turned into float64."""
    if X.dtype == np.float64:
        return np.asarray(X @ coefficients)
    found = np.empty((len(X), coefficients.shape[1]))
    for part in parts(*X.shape):
        found[part] = X[part].astype(np.float64) @ coefficients
    return found


def parts(rows: int, columns: int, tiles: int = 1) -> Iterator[slice]:
    """The rows of one tile after the other, or of several."""
    height = tiles * _height(columns)
    return (slice(start, min(start + height, rows)) for start in range(0, rows, height))


def _height(columns: int) -> int:
    return max(1, TILE // columns)


def chosen(n: int, count: int) -> NDArray[np.intp]:
    """That many of n samples, the same ones every time, in order: one at random from each of equal parts."""
    if count == n:
        return np.arange(n)
    ends = np.arange(count + 1) * n // count
    return np.asarray(np.random.default_rng(0).integers(ends[:-1], ends[1:]), dtype=np.intp)
