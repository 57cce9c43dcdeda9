"""Every number that was found about the target and the noise, each with the sentence that says what it means."""

from __future__ import annotations

import numpy as np

from lossmith.choosing.aims import mean_and_median
from lossmith.choosing.facts import Fact, PilotRows
from lossmith.choosing.residuals import (
    HEAVY_KURTOSIS,
    HEAVY_L_KURTOSIS,
    HEAVY_RATIO,
    HEAVY_SHARE,
    OUTLYING,
    SYMMETRIC,
    Residuals,
    in_share,
    largest,
)
from lossmith.choosing.tables import Floats, Rows
from lossmith.choosing.targets import Target
from lossmith.choosing.variance import Growth

GRADIENT_SHARE = 0.30  # of the squared error's gradient in 1% of the rows: errors, or what the user is after?
OVERDISPERSED = 1.5
UNLIKELY = 2.58  # standard errors: p below 0.01
LEVERAGE = 3.0  # times the mean leverage
SHOWN_ROWS = 10
HELD = "gradient of the top "

LAW_MEANS = {
    "normal": "the noise hardly grows with the mean: squared error weighs the rows rightly",
    "poisson": "the variance grows like the mean: the Poisson deviance weighs the rows rightly",
    "gamma": "the standard deviation grows like the mean: the gamma deviance weighs the rows rightly",
    "inverse gaussian": "the noise grows faster than the mean: large values say little, a logarithm may serve best",
}


def of_the_target(target: Target, lump: tuple[float, float], weight: Floats | None) -> list[Fact]:
    """Rows count by their weight."""
    if target.classes:
        return _of_classes(target)
    from scipy.stats import skew

    y = target.y
    mean, middle = mean_and_median(y, weight)
    zeros, below = (float(np.average(where, weights=weight)) for where in (y == 0, y <= middle))
    facts = [
        Fact("mean", mean, "the value whose total comes out right"),
        Fact("median", middle, f"{below:.0%} of the rows are this or less; the mean lies {_apart(mean, middle)}"),
        Fact("share of zeros", zeros, "more than half: the best median is 0" if zeros > 0.5 else _zeros(zeros)),
        Fact("skewness of y", float(skew(y)), "of the values themselves, not of the noise: it decides nothing alone"),
    ]
    if y.min() > 0:
        ratio = float(y.max() / y.min())
        meaning = "effects that multiply fit such a range" if ratio > 10 else "a narrow range: effects may as well add"
        facts.append(Fact("largest / smallest y", ratio, meaning))
    if lump[0]:
        facts.append(Fact("share at the bound", lump[0], f"at {lump[1]:,.6g}: a bound of the measurement, not a value"))
    return facts


def _of_classes(target: Target) -> list[Fact]:
    counts = np.bincount(target.y.astype(np.intp), minlength=len(target.classes))
    shares = counts / counts.sum()
    rarest = int(counts.argmin())
    name = target.classes[rarest]
    rare = "rare: move the decision, not the training" if shares[rarest] < 0.2 else "not rare"
    few = "; few rows to rest anything on" if counts[rarest] < 30 else ""
    return [
        Fact("share of the rarest class", float(shares[rarest]), f"{name}: {rare}"),
        Fact("rows of the rarest class", float(counts[rarest]), f"{name}{few}"),
        Fact("largest / smallest class", float(counts.max() / counts.min()), "how unbalanced the classes are"),
    ]


def _apart(mean: float, middle: float) -> str:
    if middle == 0:
        return "above it" if mean > 0 else "below it" if mean < 0 else "there too"
    share = mean / middle - 1
    return f"{abs(share):.0%} {'above' if mean > middle else 'below'} it" if abs(share) >= 0.005 else "there too"


def _zeros(zeros: float) -> str:
    return "exact zeros stand among the amounts" if zeros >= 0.02 else "hardly any"


def of_the_noise(found: PilotRows, noise: Residuals, table_rows: Rows) -> list[Fact]:
    """table_rows: the table's rows of the pilot's, counted from 0."""
    told = 1 - float(np.mean(found.residual**2)) / float(found.y.var()) if found.y.var() > 0 else 0.0
    held = largest(np.abs(found.residual))[:SHOWN_ROWS]
    top, _ = in_share(len(found.residual))
    rows = tuple(int(row) + 1 for row in table_rows[held])
    low, high = noise.tail_band
    return [
        Fact("share explained", told, f"of the variance, out of fold, by the pilot model ({found.model})"),
        Fact("residual scale", noise.scale, "1.4826 times the median distance from the median residual, in units of y"),
        Fact(
            "spread ratio",
            noise.spread_ratio,
            _either(noise.spread_ratio > HEAVY_RATIO, "heavy tails swell the standard deviation", "no heavy tails"),
        ),
        Fact(
            "share of outliers",
            noise.outliers,
            f"beyond {OUTLYING} scales from the median residual: "
            + _either(noise.outliers > HEAVY_SHARE, "more than a normal law has", "as few as a normal law has"),
        ),
        Fact("excess kurtosis", noise.excess_kurtosis, _tails(noise.excess_kurtosis > HEAVY_KURTOSIS)),
        Fact("L-kurtosis", noise.l_kurtosis, _tails(noise.l_kurtosis > HEAVY_L_KURTOSIS)),
        Fact("medcouple", noise.medcouple, "skewness of the middle, from -1 to 1"),
        Fact(
            "asymmetry",
            noise.asymmetry,
            _either(
                noise.symmetric,
                f"symmetric (below {SYMMETRIC}, sampling error included): mean, median and Huber's centre agree",
                "symmetry is not established: a robust loss may aim beside the mean",
            ),
        ),
        Fact("tail index", noise.tail_index, _tail_meaning(high), (low, high)),
        Fact(
            HELD + ("row" if top == "one row" else "1%"),
            noise.top_share,
            f"of the squared error's pull, held by {top}: "
            + _either(noise.top_share > GRADIENT_SHARE, "a few rows lead; errors, or real?", "no few rows lead"),
            rows=rows,
        ),
        Fact(
            "separation",
            noise.separation,
            _either(noise.two_modes, "two modes: the mean may lie where nothing is", "one mode"),
        ),
    ]


def _either(yes: bool, then: str, otherwise: str) -> str:
    return then if yes else otherwise


def _tails(heavy: bool) -> str:
    return "tails heavier than a normal law's" if heavy else "tails like a normal law's, or lighter"


def _tail_meaning(high: float) -> str:
    if high < 1:
        return "below 1: y itself has no mean"
    if high < 2:
        return "below 2: the squared error has no mean to settle on"
    return "below 4: squared errors settle slowly" if high < 4 else "no sign that squared errors do not settle"


def of_the_growth(found: Growth) -> list[Fact]:
    facts = [Fact("Park slope", found.slope, LAW_MEANS[found.law], found.band)]
    if found.dispersion is not None:
        if found.dispersion > OVERDISPERSED:
            meaning = "more than a Poisson law's: it harms intervals, not the mean"
        elif found.underdispersed:
            meaning = "less than a Poisson law's: it harms intervals, not the mean"
        else:
            meaning = "about a Poisson law's"
        facts.append(Fact("dispersion", found.dispersion, meaning))
    if found.zeros_expected is not None and found.zeros_z is not None:
        more = found.zeros_z > UNLIKELY
        meaning = "share of zeros under a Poisson law; " + _either(
            more, "there are more, which matters for whole distributions, not for the mean", "as many as there are"
        )
        facts.append(Fact("zeros expected", found.zeros_expected, meaning))
    if found.log_kurtosis is not None:
        heavy = found.log_kurtosis > HEAVY_KURTOSIS
        meaning = _either(heavy, "heavy even on the log scale: gamma may suffer", "light on the log scale: gamma fits")
        facts.append(Fact("kurtosis on the log scale", found.log_kurtosis, meaning))
    return facts
