"""Picture 1: what each aim would answer for a typical case: mean, median, a quantile, in the user's own units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.pictures.canvas import Picture, Slider, colour, figure, layer, short, style, to_svg
from lossmith.choosing.pictures.data import of_default
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

LEVELS = tuple(round(0.05 * step, 2) for step in range(1, 20))
FEWEST = 30


def answers(result: Result) -> Picture | None:
    if result.problem.classes:
        return None
    y = _typical(result)
    mean, median = float(y.mean()), float(np.median(y))
    values = [float(v) for v in np.quantile(y, LEVELS)]
    asked = max(result.aim.levels) if result.aim.functional in ("quantile", "interval") else 0.9
    start = int(np.argmin(np.abs(np.array(LEVELS) - asked)))
    window = _window(y, (mean, median, values[start]))
    with style():
        drawn, axes = figure(2.6)
        heights, _, _ = axes.hist(y, bins=40, range=window, color=colour("band"))
        top = float(heights.max())
        marks = ((mean, 1.33, "blue", f"mean {short(mean)}"), (median, 1.19, "orange", f"median {short(median)}"))
        for value, height, paint, text in marks:
            _mark(axes, value, height * top, text, colour(paint), window)
        for number, (q, value) in enumerate(zip(LEVELS, values, strict=True)):
            text = f"{q:.0%} stay below {short(value)}"
            layer(_mark(axes, value, 1.05 * top, text, colour("purple"), window), number)
        axes.set(xlim=window, ylim=(0, 1.48 * top), yticks=[], xlabel="the target, of typical cases")
        axes.spines["left"].set_visible(False)
        svg = to_svg(drawn, "answers", f"Typical cases: mean {short(mean)}, median {short(median)}", start)
    says = tuple(f"{q:.0%} of typical cases stay below {short(v)}" for q, v in zip(LEVELS, values, strict=True))
    slider = Slider("Which share should stay below the prediction?", says, start)
    return Picture("answers", "What each aim would answer", _sentence(mean, median, y), svg, slider)


def _typical(result: Result) -> Floats:
    """y of the rows whose prediction lies in the middle; of all rows, where these are few."""
    found = of_default(result)
    low, high = np.quantile(found.middle, [0.3, 0.7])
    y = found.y[(found.middle >= low) & (found.middle <= high)]
    return y if len(y) >= FEWEST else found.y


def _window(y: Floats, marked: tuple[float, ...]) -> tuple[float, float]:
    """Where nearly all of y lies, and all that is marked."""
    low, high = min(float(np.quantile(y, 0.005)), *marked), max(float(np.quantile(y, 0.985)), *marked)
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def _mark(
    axes: Any, value: float, height: float, text: str, paint: str, window: tuple[float, float]
) -> tuple[Any, Any]:
    """A line at the value, and its name on the side where there is room."""
    (line,) = axes.plot([value, value], [0, height], color=paint, lw=1.8)
    right = value < (window[0] + window[1]) / 2
    gap = (window[1] - window[0]) / 80 * (1 if right else -1)
    name = axes.text(
        value + gap,
        height,
        text,
        color=paint,
        va="top",
        ha="left" if right else "right",
        weight="bold",
        bbox={"facecolor": colour("card"), "edgecolor": "none", "pad": 1},
    )
    return line, name


def _sentence(mean: float, median: float, y: Floats) -> str:
    apart = abs(mean - median)
    if median == 0.0 and float(np.mean(y == 0)) > 0.5:
        return (
            f"Most typical cases are exactly 0, so the median is 0 whatever the columns say; the mean is {short(mean)}."
        )
    if apart < 0.1 * float(y.std()):
        return f"Mean ({short(mean)}) and median ({short(median)}) nearly agree: here the two aims differ little."
    return (
        f"The mean ({short(mean)}) and the median ({short(median)}) of typical cases lie {short(apart)} apart: "
        "choose the mean if totals must come out right, the median if a usual case is wanted."
    )
