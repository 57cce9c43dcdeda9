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

Array = NDArray[np.float64]

_ROUNDING = 1e-11  # of all that samples can pull
_STEPS = 8  # for each coefficient, and for as many more


class Walk:
    def __init__(self, Z: Array, kink: Array, low: Array, high: Array, c: Array, l2: Array) -> None:
        self.Z, self.low, self.high, self.c, self.l2 = Z, low, high, c, l2
        self.d, self.ahead = np.zeros(len(c)), -kink  # how far each score is beyond its kink
        self.pulls = np.where(self.ahead < 0, low, high)
        self.held: list[int] = []
        self.noise = _ROUNDING * float((high - low).sum())
        largest = float(l2.max())
        self.damped = l2 + (1e-9 * largest or 1.0)  # decides where nothing else does, and only of length

    def run(self) -> bool:
        """Whether the minimum was found: `d`, and what every sample pulls there."""
        try:
            return self._walk()
        except np.linalg.LinAlgError:  # rounding made equations contradict each other
            return False

    def _walk(self) -> bool:
        for _ in range(_STEPS * (len(self.c) + 8)):
            along, pulls = self._direction()
            slope = float(self.gradient @ along)
            if np.abs(self.damped * along).max() <= self.noise or slope >= 0:
                if not self._let_go(pulls):
                    self.pulls[self.held] = pulls
                    return True
            elif not self._go(along, slope):
                return False
        return False

    @property
    def gradient(self) -> Array:
        """Without what those that are held pull."""
        return np.asarray(self.c + self.l2 * self.d + self.Z.T @ self.pulls)

    def _direction(self) -> tuple[Array, Array]:
        """(where the held stay on their kinks and the rest falls fastest, what that asks of those that are held)."""
        held, p = self.Z[self.held], len(self.c)
        system = np.zeros((p + len(held),) * 2)
        system[np.arange(p), np.arange(p)] = self.damped
        system[:p, p:], system[p:, :p] = held.T, held
        wanted = np.concatenate([-self.gradient, np.zeros(len(held))])
        found = np.linalg.solve(system, wanted)
        return found[:p], found[p:]

    def _let_go(self, pulls: Array) -> bool:
        """The one that pulls furthest beyond its slopes, to that side; whether there is one."""
        over, under = pulls - self.high[self.held], self.low[self.held] - pulls
        beyond = np.maximum(over, under)
        if not len(beyond) or beyond.max() <= self.noise:
            return False
        k = int(beyond.argmax())
        sample = self.held.pop(k)
        self.pulls[sample] = self.high[sample] if over[k] > under[k] else self.low[sample]
        return True

    def _go(self, along: Array, slope: float) -> bool:
        """To where the slope along a direction is no longer negative; whether there is such a place."""
        speed, bend = self.Z @ along, float(self.l2 @ along**2)
        speed[self.held] = 0.0
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
            self.held.append(sample)
            self.ahead[sample] = self.pulls[sample] = 0.0
        return True
