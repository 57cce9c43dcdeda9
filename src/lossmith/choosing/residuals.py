"""Cross-fitted residuals of a pilot model: the shape of the noise, never the histogram of y."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.choosing.encoding import Encoder
from lossmith.choosing.folds import SPLITS
from lossmith.choosing.tables import Floats, Table
from lossmith.start import MAD_TO_SIGMA

SYMMETRIC = 0.2


@dataclass(frozen=True)
class Residuals:
    scale: float  # MAD x 1.4826
    spread_ratio: float  # standard deviation / scale: 1 for normal noise
    medcouple: float
    asymmetry: float  # the largest of several measures of skewness, each within [-1, 1], in absolute value
    symmetric: bool  # asymmetry below 0.2, sampling error included
    excess_kurtosis: float
    outliers: float  # share beyond 3.5 scales
    tail_index: float  # Hill: below 4 the variance of a squared error is infinite, below 2 its mean
    tail_band: tuple[float, float]


def pilot_residuals(table: Table, y: Floats, seed: int) -> Floats:
    """What a ridge regression, fitted without each row's fold, leaves unexplained."""
    rng = np.random.default_rng(seed)
    fold = rng.permutation(len(y)) % SPLITS
    left = np.empty(len(y))
    for k in range(SPLITS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        part = table.take(train)
        encoder = Encoder.fit(part)
        X, centre = encoder.transform(part), float(y[train].mean())
        gram = X.T @ X + np.eye(X.shape[1])
        slope = np.linalg.lstsq(gram, X.T @ (y[train] - centre), rcond=None)[0]
        left[test] = y[test] - centre - (encoder.transform(table.take(test)) - X.mean(axis=0)) @ slope
    return left


def describe(r: Floats) -> Residuals:
    centred = r - np.median(r)
    mad = float(np.median(np.abs(centred)))
    sigma = float(centred.std())
    scale = MAD_TO_SIGMA * mad or sigma or 1.0
    couple = medcouple(r)
    skews = [couple, *(_quantile_skew(r, p) for p in (0.125, 0.05))]
    asymmetry = max(abs(s) for s in skews)
    fourth = float(np.mean((r - r.mean()) ** 4))
    alpha, band = hill(np.abs(centred))
    return Residuals(
        scale=scale,
        spread_ratio=sigma / scale,
        medcouple=couple,
        asymmetry=asymmetry,
        symmetric=asymmetry + 1.12 / np.sqrt(len(r)) <= SYMMETRIC,
        excess_kurtosis=fourth / float(r.var()) ** 2 - 3.0 if r.var() > 0 else 0.0,
        outliers=float(np.mean(np.abs(centred) > 3.5 * scale)),
        tail_index=alpha,
        tail_band=band,
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
    """The tail index from the largest 5%, with its 95% band."""
    ordered = np.sort(size[size > 0])[::-1]
    k = max(10, int(0.05 * len(ordered)))
    if len(ordered) <= k:
        return float("inf"), (0.0, float("inf"))
    excess = float(np.mean(np.log(ordered[:k] / ordered[k])))
    alpha = 1.0 / excess if excess > 0 else float("inf")
    return alpha, (alpha * max(0.0, 1 - 2 / np.sqrt(k)), alpha * (1 + 2 / np.sqrt(k)))
