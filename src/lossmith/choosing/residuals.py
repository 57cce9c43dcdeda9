"""The shape of the noise: tails, skew and modes of a pilot model's residuals, never those of the histogram of y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.choosing.tables import Floats, Rows
from lossmith.start import MAD_TO_SIGMA

SYMMETRIC = 0.2
HEAVY_RATIO, HEAVY_SHARE, HEAVY_KURTOSIS, HEAVY_L_KURTOSIS = 1.3, 0.01, 3.0, 0.20
OUTLYING = 3.5  # robust standard deviations
TWO_MODES = 3.8  # a normal law has 2.65, a uniform one, the flattest with one mode, 3.46
FEWEST_IN_THE_TAIL = 10
SMALLEST_MODE = 0.1  # of the rows: fewer are outliers, not a mode


@dataclass(frozen=True)
class Residuals:
    scale: float  # MAD x 1.4826: how far residuals spread around their median, wherever that lies
    spread_ratio: float  # standard deviation / scale: 1 for normal noise
    medcouple: float
    asymmetry: float  # the largest of several measures of skewness, each within [-1, 1], in absolute value
    symmetric: bool  # asymmetry below 0.2, sampling error included
    excess_kurtosis: float
    outliers: float  # share beyond 3.5 scales
    tail_index: float  # Hill: below 4 the variance of a squared error is infinite, below 2 its mean
    tail_band: tuple[float, float]
    l_kurtosis: float  # L-kurtosis tau4: 0.123 for normal noise, and stable in small tables (Hosking 1990)
    top_share: float  # of the squared error's gradient: what the 1% of the rows with the largest residuals hold
    separation: float  # Ashman's D of the two halves into which the residuals split best

    @property
    def heavy(self) -> bool:
        """Tails in which a robust loss can be worth its price."""
        return (
            self.spread_ratio > HEAVY_RATIO
            or self.outliers > HEAVY_SHARE
            or self.excess_kurtosis > HEAVY_KURTOSIS
            or self.l_kurtosis > HEAVY_L_KURTOSIS
        )

    @property
    def two_modes(self) -> bool:
        return self.separation > TWO_MODES


def describe(r: Floats) -> Residuals:
    from scipy.stats import kurtosis, lmoment

    varied = bool(np.ptp(r) > 1e-12 * np.abs(r).max())
    centred = r - np.median(r)
    mad = float(np.median(np.abs(centred)))
    sigma = float(centred.std())
    scale = MAD_TO_SIGMA * mad or sigma or 1.0
    couple = medcouple(r)
    skews = [couple, *(_quantile_skew(r, p) for p in (0.125, 0.05))]
    asymmetry = max(abs(s) for s in skews)
    alpha, band = hill(np.abs(centred))
    return Residuals(
        scale=scale,
        spread_ratio=sigma / scale,
        medcouple=couple,
        asymmetry=asymmetry,
        symmetric=asymmetry + 1.12 / np.sqrt(len(r)) <= SYMMETRIC,
        excess_kurtosis=float(kurtosis(r / scale)) if varied else 0.0,
        outliers=float(np.mean(np.abs(centred) > OUTLYING * scale)),
        tail_index=alpha,
        tail_band=band,
        l_kurtosis=float(lmoment(r, order=4, standardize=True)) if varied else 0.0,
        top_share=held_by_the_largest(np.abs(r)),
        separation=separation(r / scale) if varied else 0.0,
    )


def medcouple(x: Floats, most: int = 1000) -> float:
    """Skewness by medians, in [-1, 1] (Brys, Hubert & Struyf 2004); of evenly chosen order statistics if n is large."""
    x = np.sort(x)
    if len(x) > most:
        x = x[np.round(np.linspace(0, len(x) - 1, most)).astype(int)]
    x = x - np.median(x)
    upper, lower = x[x >= 0], x[x <= 0]
    total = upper[:, None] - lower[None, :]
    ties = total == 0
    kernel = (upper[:, None] + lower[None, :]) / np.where(ties, 1.0, total)
    if ties.any():  # both at the median: the sign of their place in the order
        count = int((x == 0).sum())
        place = np.arange(count)[:, None] + np.arange(count)[None, :] - (count - 1)
        kernel[ties] = np.sign(place).ravel()
    return float(np.median(kernel))


def _quantile_skew(x: Floats, p: float) -> float:
    low, middle, high = np.quantile(x, [p, 0.5, 1 - p])
    return float((high + low - 2 * middle) / (high - low)) if high > low else 0.0


def hill(size: Floats) -> tuple[float, tuple[float, float]]:
    """The tail index from the largest 5%, with its 95% band; unknown (infinite) where these are fewer than ten.

    Halves of them must not disagree. Seen from below, a gap looks like a long tail, such as the one between the misses
    of many zeros and those of rare ones; seen from above the gap there is none, and that is the index then.
    """
    ordered = np.sort(size[size > 0])[::-1]
    k = int(0.05 * len(ordered))
    found = float("inf"), (0.0, float("inf"))
    if k < FEWEST_IN_THE_TAIL:
        return found
    found = _hill(ordered, k)
    while k > FEWEST_IN_THE_TAIL:
        k = max(k // 2, FEWEST_IN_THE_TAIL)
        lighter = _hill(ordered, k)
        if lighter[1][0] > found[1][1]:
            found = lighter
    return found


def _hill(ordered: Floats, k: int) -> tuple[float, tuple[float, float]]:
    excess = float(np.mean(np.log(ordered[:k] / ordered[k])))
    alpha = 1.0 / excess if excess > 0 else float("inf")
    return alpha, (alpha * max(0.0, 1 - 2 / np.sqrt(k)), alpha * (1 + 2 / np.sqrt(k)))


def largest(size: Floats) -> Rows:
    """The places of the largest 1%, the largest first."""
    return np.argsort(-size, kind="stable")[: max(1, len(size) // 100)]


def held_by_the_largest(size: Floats) -> float:
    """The share of the sum that 1% of the numbers hold, or one where there are fewer than 100."""
    return float(size[largest(size)].sum() / size.sum()) if size.sum() > 0 else 0.0


def in_share(n: int, part: float = 0.01) -> tuple[str, str]:
    """A share of n rows in words, or one row where it is less than that; and what the verb of that ends in."""
    return (f"{part:.0%} of the rows", "") if part * n >= 1 else ("one row", "s")


def separation(x: Floats) -> float:
    """Ashman's D = sqrt(2) |m1 - m2| / sqrt(s1^2 + s2^2) at the cut that leaves the least variance inside the two
    parts (Otsu's). A simple stand-in for the dip test: it needs no tables, and flat or heavy-tailed noise stays low."""
    x = np.sort(x)
    n = len(x)
    count = np.arange(1, n)
    total, square = np.cumsum(x)[:-1], np.cumsum(x**2)[:-1]
    left, right = total / count, (x.sum() - total) / (n - count)
    inside = (square - count * left**2) + ((x**2).sum() - square - (n - count) * right**2)
    allowed = (count >= SMALLEST_MODE * n) & (count <= (1 - SMALLEST_MODE) * n)
    if not allowed.any():
        return 0.0
    cut = int(count[allowed][np.argmin(inside[allowed])])
    low, high = x[:cut], x[cut:]
    width = float(np.sqrt(low.var() + high.var()))
    return float(np.sqrt(2.0) * (high.mean() - low.mean()) / width) if width > 0 else float("inf")
