"""What repeated cross-validation can say about two losses: an interval, a p-value, and the chance of each outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lossmith.choosing.tables import Floats

CONFIDENCE = 0.95
POWER = 0.80


@dataclass(frozen=True)
class Difference:
    """The gain of a challenger over a default, in units of the score: above zero the challenger is better.

    The folds of repeated cross-validation share training rows, so the plain error of their mean is far too small: the
    variance is multiplied by 1/J + n_test/n_train instead of 1/J (Nadeau & Bengio 2003). The posterior is the
    correlated t (Corani & Benavoli 2015).
    """

    gain: float
    error: float  # the corrected standard error
    degrees: float
    rope: float  # half the width of "practically equal"

    def __neg__(self) -> Difference:
        """The default against the challenger."""
        return Difference(-self.gain, self.error, self.degrees, self.rope)

    @property
    def p(self) -> float:
        """Two-sided."""
        from scipy import stats

        return float(2.0 * stats.t.sf(abs(self._t), self.degrees))

    @property
    def interval(self) -> tuple[float, float]:
        half = self._quantile(0.5 + CONFIDENCE / 2) * self.error
        return self.gain - half, self.gain + half

    @property
    def p_better(self) -> float:
        """The chance that the gain is larger than the rope."""
        return self._tail(self.gain - self.rope)

    @property
    def p_worse(self) -> float:
        return self._tail(-self.gain - self.rope)

    @property
    def p_equal(self) -> float:
        return max(0.0, 1.0 - self.p_better - self.p_worse)

    def detectable(self, beyond: float) -> float:
        """The smallest true gain that would be found four times in five: by a test at 5%, and, where it is not enough
        to be better at all, as 95% sure to lie beyond this."""
        found, sure = self._reaches
        return max(found, beyond + sure) if beyond > 0.0 else found

    def times_the_rows(self, gain: float, beyond: float) -> float:
        """How many times as many rows it takes to find a true gain of this size, in the same way."""
        found, sure = self._reaches
        return max(found / gain, sure / (gain - beyond) if beyond > 0.0 else 0.0) ** 2

    @property
    def _reaches(self) -> tuple[float, float]:
        two_sided, one_sided, power = (self._quantile(p) for p in (0.5 + CONFIDENCE / 2, CONFIDENCE, POWER))
        return (two_sided + power) * self.error, (one_sided + power) * self.error

    @property
    def _t(self) -> float:
        if self.error > 0.0:
            return self.gain / self.error
        return 0.0 if self.gain == 0.0 else float(np.copysign(np.inf, self.gain))

    def _quantile(self, p: float) -> float:
        from scipy import stats

        return float(stats.t.ppf(p, self.degrees))

    def _tail(self, distance: float) -> float:
        from scipy import stats

        if self.error == 0.0:
            return float(distance > 0.0)
        return float(stats.t.cdf(distance / self.error, self.degrees))


@dataclass(frozen=True)
class Luck:
    """How far a gain moves with the rows that happen to judge it, as rows drawn again show."""

    error: float  # the standard error
    degrees: int
    folds: int  # that part the judged rows among them


def difference(
    default: Floats,
    challenger: Floats,
    *,
    test_share: float,
    rope: float,
    groups: int | None = None,
    luck: Luck | None = None,
) -> Difference:
    """From fold scores where smaller is better; test_share = n_test / n_train. groups: how many were shuffled into the
    folds, if so: parting few groups again and again tells no more than there are groups.

    luck: where there are rows enough to know it. Folds part the rows, so what rows do to the mean of all folds is known
    as it is, and only what folds differ by beyond it is multiplied for the training rows they share. The degrees of
    freedom of the sum are Welch's.
    """
    gains = np.asarray(default, dtype=np.float64) - np.asarray(challenger, dtype=np.float64)
    count = len(gains) if groups is None else min(len(gains), groups)
    between = float(gains.var(ddof=1))
    if between <= (1e-14 * float(np.abs(default).max())) ** 2:
        return Difference(float(gains.mean()), 0.0, count - 1, rope)  # the same predictions up to rounding
    luck = luck or Luck(error=0.0, degrees=1, folds=1)  # nothing is known of it
    known = luck.error**2
    beyond = max(0.0, between - luck.folds * known) * (1.0 / count + test_share)
    variance = known + beyond
    degrees = variance**2 / (known**2 / luck.degrees + beyond**2 / (count - 1))
    return Difference(float(gains.mean()), float(np.sqrt(variance)), degrees, rope)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: the chance of any false alarm in the whole family stays at the level (Holm 1979)."""
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, (len(p_values) - rank) * p_values[i])
        adjusted[i] = min(1.0, running)
    return adjusted
