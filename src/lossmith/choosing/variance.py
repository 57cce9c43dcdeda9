"""How the noise grows with the mean, and whether counts vary as a Poisson law says: for targets of zero or more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.choosing.facts import PilotRows
from lossmith.choosing.tables import Floats

Z = 1.96
LAWS = ((0.5, "normal"), (1.5, "poisson"), (2.5, "gamma"))  # the Park slope up to which each law's variance fits best


@dataclass(frozen=True)
class Growth:
    slope: float  # modified Park: the variance grows as this power of the mean
    band: tuple[float, float]
    dispersion: float | None  # of counts: squared Pearson residuals per row, 1 under a Poisson law
    zeros_expected: float | None  # of counts: the share that a Poisson law with the pilot's means would show
    zeros_z: float | None  # how many standard errors more zeros there are than that
    log_kurtosis: float | None  # of positive y: excess kurtosis of the residuals on the log scale

    rows: int

    @property
    def underdispersed(self) -> bool:
        """Counts that vary less than a Poisson law's, beyond what chance explains."""
        return self.dispersion is not None and self.dispersion < min(0.9, 1.0 - Z * np.sqrt(2.0 / self.rows))

    @property
    def law(self) -> str:
        """Which law has a variance that grows like this one's."""
        return next((law for most, law in LAWS if self.slope < most), "inverse gaussian")


def growth(found: PilotRows, counts: bool) -> Growth | None:
    """None where means hardly differ, for then nothing can be seen to grow with them."""
    y, mean = found.y, found.prediction
    if y.min() < 0 or len(y) < 20 or mean.min() <= 0 or np.std(np.log(mean)) < 0.05:
        return None
    slope, band = park_slope(found.residual, mean)
    dispersion = zeros_expected = zeros_z = None
    if counts:
        dispersion = float(np.mean(found.residual**2 / mean))
        chance = np.exp(-mean)
        zeros_expected = float(chance.mean())
        error = float(np.sqrt((chance * (1 - chance)).sum()))
        zeros_z = float(((y == 0).sum() - chance.sum()) / error) if error > 0 else 0.0
    log_kurtosis = None
    if y.min() > 0:
        from scipy.stats import kurtosis

        left = np.log(y) - np.log(mean)
        log_kurtosis = float(kurtosis(left)) if np.ptp(left) > 0 else 0.0
    return Growth(slope, band, dispersion, zeros_expected, zeros_z, log_kurtosis, len(y))


def park_slope(residual: Floats, mean: Floats) -> tuple[float, tuple[float, float]]:
    """The slope of the log of the squared residual's mean over the log of the mean: a gamma regression with log link
    (Manning & Mullahy 2001), with a band that needs no law of the noise (sandwich)."""
    square = np.maximum(residual**2, 1e-12 * float(np.mean(residual**2)) or 1.0)
    x = np.log(mean)
    design = np.column_stack([np.ones(len(x)), x - x.mean()])
    beta = np.array([np.log(square.mean()), 0.0])
    for _ in range(50):  # Fisher scoring: with a log link the information does not change
        ratio = square * np.exp(-np.clip(design @ beta, -700, 700))
        step = np.linalg.lstsq(design, ratio - 1.0, rcond=None)[0]
        step *= min(1.0, 2.0 / max(float(np.abs(design @ step).max()), 1e-300))  # no step leaves the curve's reach
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    ratio = square * np.exp(-np.clip(design @ beta, -700, 700))
    bread = np.linalg.pinv(design.T @ design)
    meat = design.T @ (design * ((ratio - 1.0) ** 2)[:, None])
    error = float(np.sqrt(max(0.0, (bread @ meat @ bread)[1, 1])))
    slope = float(beta[1])
    return slope, (slope - Z * error, slope + Z * error)
