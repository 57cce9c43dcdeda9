"""A small piecewise linear problem with a quadratic penalty, solved exactly by walking from kink to kink.

Minimise c d + d diag(l2) d / 2 + the sum over samples of z_i d - kink_i, times low_i where that is negative and high_i
where it is positive. Samples that are held on their kinks are equations; along the direction that these leave, the
slope jumps at every kink that is passed, and the walk stops where it is no longer negative: in between, or on a kink,
which is held from then on. Where no direction is left, a sample that is held with more than its slopes can give is let
go (Barrodale and Roberts 1973, doi:10.1137/0710069, for l2 = 0; Nocedal and Wright 2006, section 16.5).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr_delete, solve_triangular

Array = NDArray[np.float64]

_ROUNDING = 1e-11  # of all that samples can pull
_DEPENDENT = 1e-13  # of a row's length
_STEPS = 8  # for each coefficient, and for as many more


class Equations:
    """Z_i d = 0 for the samples that are held, as an orthonormal basis where a coefficient's unit is 1 / root."""

    def __init__(self, Z: Array, root: Array) -> None:
        self._Z, self._root = Z, root
        self.samples: list[int] = []
        self._basis = np.empty((len(root), 0), order="F")  # of the rows of the samples held, in their order,
        self._triangle = np.empty((0, 0), order="F")  # which they are basis @ triangle

    def along(self, gradient: Array) -> Array:
        """The direction of steepest descent in these units that keeps every equation."""
        return -self._outside(gradient / self._root)[1] / self._root

    def pulls(self, gradient: Array) -> Array:
        """How much of each row makes up for a gradient that no direction is left for."""
        return np.asarray(-solve_triangular(self._triangle, self._outside(gradient / self._root)[0]))

    def add(self, sample: int) -> None:
        row = self._Z[sample] / self._root
        inside, outside = self._outside(row)
        length, held = float(np.linalg.norm(outside)), len(self.samples)
        if length <= _DEPENDENT * np.linalg.norm(row):
            raise np.linalg.LinAlgError("the equations depend on each other")
        triangle = np.zeros((held + 1, held + 1), order="F")
        triangle[:held, :held], triangle[:held, held], triangle[held, held] = self._triangle, inside, length
        basis = np.empty((len(row), held + 1), order="F")
        basis[:, :held], basis[:, held] = self._basis, outside / length
        self._basis, self._triangle = basis, triangle
        self.samples.append(sample)

    def drop(self, k: int) -> int:
        """The sample that was held as number k."""
        basis, triangle = qr_delete(self._basis, self._triangle, k, 1, "col", check_finite=False)
        rest = len(self.samples) - 1
        self._basis, self._triangle = np.asfortranarray(basis[:, :rest]), np.asfortranarray(triangle[:rest, :rest])
        return self.samples.pop(k)

    def _outside(self, x: Array) -> tuple[Array, Array]:
        """(by the basis, what is left); twice, for what the first time leaves by rounding."""
        first = self._basis.T @ x
        left = x - self._basis @ first
        second = self._basis.T @ left
        return first + second, left - self._basis @ second


class Walk:
    def __init__(self, Z: Array, kink: Array, low: Array, high: Array, c: Array, l2: Array) -> None:
        self.Z, self.low, self.high, self.c, self.l2 = Z, low, high, c, l2
        self.d, self.ahead = np.zeros(len(c)), -kink  # how far each score is beyond its kink
        self.pulls = np.where(self.ahead < 0, low, high)
        self.noise = _ROUNDING * float((high - low).sum())
        largest = float(l2.max())
        self.damped = l2 + (1e-9 * largest or 1.0)  # decides where nothing else does, and only of length
        self.held = Equations(Z, np.sqrt(self.damped))

    def run(self) -> bool:
        """Whether the minimum was found: `d`, and what every sample pulls there."""
        try:
            return self._walk()
        except np.linalg.LinAlgError:  # rounding made equations contradict each other
            return False

    def _walk(self) -> bool:
        for _ in range(_STEPS * (len(self.c) + 8)):
            gradient = self.gradient
            along = self.held.along(gradient)
            slope = float(gradient @ along)
            if np.abs(self.damped * along).max() <= self.noise or slope >= 0:
                pulls = self.held.pulls(gradient)
                if not self._let_go(pulls):
                    self.pulls[self.held.samples] = pulls
                    return True
            elif not self._go(along, slope):
                return False
        return False

    @property
    def gradient(self) -> Array:
        """Without what those that are held pull."""
        return np.asarray(self.c + self.l2 * self.d + self.Z.T @ self.pulls)

    def _let_go(self, pulls: Array) -> bool:
        """The one that pulls furthest beyond its slopes, to that side; whether there is one."""
        held = self.held.samples
        over, under = pulls - self.high[held], self.low[held] - pulls
        beyond = np.maximum(over, under)
        if not len(beyond) or beyond.max() <= self.noise:
            return False
        k = int(beyond.argmax())
        sample = self.held.drop(k)
        self.pulls[sample] = self.high[sample] if over[k] > under[k] else self.low[sample]
        return True

    def _go(self, along: Array, slope: float) -> bool:
        """To where the slope along a direction is no longer negative; whether there is such a place."""
        speed, bend = self.Z @ along, float(self.l2 @ along**2)
        speed[self.held.samples] = 0.0
        up = self.pulls == self.high
        nearing = np.where(up, speed < 0, speed > 0)
        candidates = np.flatnonzero(nearing)
        times = np.maximum(-self.ahead[candidates] / speed[candidates], 0.0)
        order = np.argsort(times, kind="stable")
        candidates, times = candidates[order], times[order]
        jumps = np.cumsum((self.high - self.low)[candidates] * np.abs(speed[candidates]))
        after = slope + bend * times + jumps
        stop = int(np.searchsorted(after >= 0, True))  # `after` never falls
        before = slope + (jumps[stop - 1] if stop else 0.0)
        between = -before / bend if bend > 0 else np.inf
        on_kink = stop < len(times) and times[stop] <= between
        t = float(times[stop]) if on_kink else between
        if not np.isfinite(t):
            return False
        passed = candidates[:stop]
        self.d += t * along
        self.ahead += t * speed
        self.pulls[passed] = np.where(up[passed], self.low[passed], self.high[passed])
        if on_kink:
            sample = int(candidates[stop])
            self.held.add(sample)
            self.ahead[sample] = self.pulls[sample] = 0.0
        return True
