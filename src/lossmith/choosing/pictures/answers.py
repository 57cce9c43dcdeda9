"""Picture 1: what each aim would answer for a middling case: mean, median, a quantile, in the user's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.aims import Aim, best_constant, mean_and_median
from lossmith.choosing.errors import plain
from lossmith.choosing.pictures.canvas import Picture, Slider, amounts, colour, figure, layer, short, style, to_svg
from lossmith.choosing.pictures.data import of_default
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
FEWEST = 30


def answers(result: Result) -> Picture | None:
    if result.problem.classes:
        return None
    y, weight, between = _typical(result)
    mean, median = mean_and_median(y, weight)
    asked = max(result.aim.levels) if result.aim.functional in ("quantile", "interval") else 0.9
    levels = sorted({*LEVELS, asked})
    start = levels.index(asked)
    values = [float(best_constant(Aim("quantile", level), y, weight)) for level in levels]
    reached = [float(np.average(y <= v, weights=weight)) for v in values]  # more than asked for, where many are equal
    shares = [f"{share:.0%}" for share in reached]
    window = _window(y, (mean, median, values[start]))
    with style():
        drawn, axes = figure(3.9)
        axes.hist(y, bins=40, range=window, weights=weight, color=colour("band"))
        _mark(axes, mean, 1.25, "-", f"mean {short(mean)}", colour("blue"))
        _mark(axes, median, 1.16, (0, (4, 2)), f"median {short(median)}", colour("orange"))
        for number, (share, value) in enumerate(zip(shares, values, strict=True)):
            text = f"{share} are {short(value)} or less"
            layer(_mark(axes, value, 1.07, (0, (1, 1)), text, colour("purple")), number)
        axes.set(xlim=window, yticks=[], xlabel=plain(result.target, 40), ylabel="rows" if weight is None else "weight")
        amounts(axes, "x")
        axes.spines["left"].set_visible(False)
        svg = to_svg(drawn, "answers", f"Usual cases: mean {short(mean)}, median {short(median)}", start)
    says = tuple(f"{share} of these cases are {short(v)} or less" for share, v in zip(shares, values, strict=True))
    slider = Slider("How many cases should be at or below the prediction?", says, start)
    see = f"{between} {_sentence(mean, median, y, weight)}"
    return Picture("answers", "What each aim would answer", see, svg, slider)


def _typical(result: Result) -> tuple[Floats, Floats | None, str]:
    """y and weights of the rows whose prediction lies in the middle, in words too; of all rows, where these are few."""
    found, whole = of_default(result), result.whole
    by = "" if found.weight is None else " Rows count by their weight."
    low, high = (float(end) for end in np.quantile(found.middle, [0.3, 0.7]))
    here = (found.middle >= low) & (found.middle <= high)
    if here.sum() < FEWEST:
        return whole.y, whole.weight, f"What came in all rows.{by}"
    weight = None if found.weight is None else found.weight[here]
    where = f"What really came where the model predicted a middling value, {short(low)} to {short(high)}.{by}"
    return found.y[here], weight, where


def _window(y: Floats, marked: tuple[float, ...]) -> tuple[float, float]:
    """Where nearly all of y lies, and all that is marked."""
    low, high = min(float(np.quantile(y, 0.005)), *marked), max(float(np.quantile(y, 0.985)), *marked)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _mark(axes: Any, value: float, height: float, dash: Any, text: str, paint: str) -> tuple[Any, ...]:
    """A line at the value; above the picture, at `height`, the same line and its name."""
    (line,) = axes.plot([value, value], [0, 1], color=paint, lw=2, ls=dash, transform=axes.get_xaxis_transform())
    (sample,) = axes.plot([0, 0.06], 2 * [height], color=paint, lw=2, ls=dash, transform=axes.transAxes, clip_on=False)
    name = axes.text(0.08, height, text, color=paint, va="center", weight="bold", transform=axes.transAxes)
    return line, sample, name


def _sentence(mean: float, median: float, y: Floats, weight: Floats | None) -> str:
    apart = abs(mean - median)
    if median == 0.0 and np.average(y == 0, weights=weight) > 0.5:
        return f"Most of these are exactly 0, so their median is 0; their mean is {short(mean)}."
    if apart < 0.1 * float(y.std()):
        return f"Their mean ({short(mean)}) and median ({short(median)}) nearly agree: here the two aims differ little."
    below = float(np.average(y <= median, weights=weight))
    return (
        f"Their mean ({short(mean)}) and their median ({short(median)}, {below:.0%} are that or less) are "
        f"{short(apart)} apart: ask for the mean if totals must come out right, for the median if a usual case is "
        "wanted."
    )
