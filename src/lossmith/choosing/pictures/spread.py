"""Picture 4: how the misses spread: their variance against the prediction, or their shape against a normal one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.facts import PilotRows
from lossmith.choosing.pictures.canvas import Picture, colour, figure, names, style, tick, to_svg
from lossmith.choosing.pictures.data import of_pilot
from lossmith.choosing.tables import Floats
from lossmith.choosing.variance import Growth

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

GROUPS = 12
ROOM = 0.2  # of the scale, for a number
LAW_NAMES = {
    "normal": "noise of one width",
    "poisson": "a Poisson law",
    "gamma": "a gamma law",
    "inverse gaussian": "an inverse Gaussian law",
}
LAWS = (("constant: squared error", 0), ("in step: Poisson", 1), ("its square: gamma", 2))


def spread(result: Result) -> Picture | None:
    if result.problem.classes:
        return None
    found, growth = of_pilot(result), result.profile.growth
    return _against_the_normal(found.residual) if growth is None else _against_the_mean(found, growth)


def _against_the_mean(found: PilotRows, growth: Growth) -> Picture:
    mean, variance = _grouped(found)
    line = np.array([mean.min(), mean.max()])
    middle, height = np.exp(np.log(mean).mean()), np.exp(np.log(variance).mean())
    with style():
        drawn, axes = figure(3.6)
        axes.set(xscale="log", yscale="log")
        for (name, power), dash in zip(LAWS, ((1, 2), (4, 2), (8, 2)), strict=True):
            axes.plot(line, height * (line / middle) ** power, color=colour("muted"), lw=1.1, ls=(0, dash), label=name)
        axes.plot(mean, variance, "o", color=colour("blue"), ms=5, label="your rows, in groups")
        names(drawn, axes)
        axes.set(xlabel="prediction", ylabel="mean squared miss")
        _plain_ticks(axes)
        svg = to_svg(drawn, "spread", "Squared misses against predictions, on logarithmic scales")
    low, high = growth.band
    see = (
        f"Where predictions double, the squared misses grow {2**growth.slope:.1f}-fold, nearest to "
        f"{LAW_NAMES[growth.law]}."
    )
    if high < 0:
        see = "The larger the prediction, the smaller the misses, which none of the drawn laws describes."
    if growth.zeros_expected is not None:
        see += f" Exact zeros: {np.mean(found.y == 0):.0%} of the rows, {growth.zeros_expected:.0%} under Poisson."
    note = f"The slope is {growth.slope:.2f}, its 95% band {low:.2f} to {high:.2f}."
    return Picture("spread", "How the misses grow", see, svg, note=note)


def _grouped(found: PilotRows) -> tuple[Floats, Floats]:
    """Mean prediction and mean squared miss, in groups of equal size."""
    groups = np.array_split(np.argsort(found.prediction, kind="stable"), GROUPS)
    squares = np.square(found.residual)
    pairs = [(found.prediction[g].mean(), squares[g].mean()) for g in groups if g.size and squares[g].mean() > 0]
    mean, variance = np.array(pairs).T
    return mean, variance


def _plain_ticks(axes: Any) -> None:
    """1,000 instead of a power of ten, whose raised digits are too small to read; few, so that none overlap."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(few_ticks(*axis.get_view_interval())))
        axis.set_major_formatter(lambda v, _: tick(v))
        axis.set_minor_formatter(NullFormatter())


def few_ticks(low: float, high: float) -> list[float]:
    """Round numbers between the ends of a logarithmic scale: of the roundest that are three and more, those whose names
    have room beside each other."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    kept: list[float] = []
    for digits in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), np.arange(10, 100, 5) / 10, np.arange(100, 1000) / 100):
        found = [float(f"{d * 10.0**k:.6g}") for k in decades for d in digits if low <= d * 10.0**k <= high]
        kept = []
        for value in found:
            if not kept or np.log(value / kept[-1]) >= ROOM * np.log(high / low):
                kept.append(value)
        if len(kept) >= 3:
            break
    return kept


def _against_the_normal(residual: Floats) -> Picture:
    from scipy import stats

    size = float(residual.std()) or 1.0
    ordered = np.sort((residual - residual.mean()) / size)
    normal = stats.norm.ppf((np.arange(len(ordered)) + 0.5) / len(ordered))
    keep = np.unique(
        np.concatenate(
            [np.linspace(0, len(ordered) - 1, 150).astype(int), np.arange(10), len(ordered) - 1 - np.arange(10)]
        )
    )
    with style():
        drawn, axes = figure(3.6)
        reach = float(np.abs(normal).max())
        axes.plot([-reach, reach], [-reach, reach], color=colour("grid"), lw=1.2)
        axes.plot(normal[keep], ordered[keep], "o", color=colour("blue"), ms=3.5)
        axes.set(xlabel="misses of a bell curve, in standard deviations", ylabel="your misses, likewise")
        svg = to_svg(drawn, "spread", "Quantiles of the residuals against normal quantiles")
    tails = float(stats.kurtosis(residual))
    shape = (
        "heavier than a bell curve's"
        if tails > 1
        else "lighter than a bell curve's"
        if tails < -0.5
        else "those of a bell curve"
    )
    skew = float(stats.skew(residual))
    lean = "and lean upwards" if skew > 0.5 else "and lean downwards" if skew < -0.5 else "and are even on both sides"
    return Picture(
        "spread", "The shape of the misses",
        f"The far ends of your misses are {shape} {lean}: on the line, squared error uses the rows best.", svg,
    )  # fmt: skip
