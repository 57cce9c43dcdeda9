"""Picture 6: does the winner win for everyone? The Murphy diagram (Ehm, Gneiting, Jordan & Krüger 2016).

Every consistent score is a mixture of elementary ones, one for each threshold t: who acts when the prediction exceeds
t pays it. A loss whose curve lies above 0 throughout is better whatever the costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossmith.choosing.errors import plain
from lossmith.choosing.pictures.canvas import Picture, amounts, below, colour, figure, names, series, style, to_svg
from lossmith.choosing.pictures.data import Seen, of_default, rivals
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.aims import Aim
    from lossmith.choosing.result import Result

POINTS = 60
FEWEST = 30  # rows that two losses serve differently, for a standard error to mean anything
BAND = 1.96  # pointwise 95%
ELSEWHERE = ("mape", "rmsle")  # their functionals have elementary scores of their own
SURE = 3.3  # 95% for all thresholds together


def murphy(result: Result) -> Picture | None:
    default, others = of_default(result), rivals(result)
    if len(result.classes) > 2 or not others or result.aim.metric in ELSEWHERE:
        return None
    thresholds = _thresholds(default, result)
    curves = [(one.label, *_gain(result.aim, default, one, thresholds)) for one in others]
    unit = max(float(np.abs(gain).max()) for _, gain, _, _ in curves) or 1.0
    with style():
        drawn, axes = figure(3.3)
        axes.axhline(0, color=colour("ink"), lw=1)
        for number, (label, gain, error, _) in enumerate(curves):
            paint = series(number)
            axes.fill_between(
                thresholds, (gain - BAND * error) / unit, (gain + BAND * error) / unit, color=paint, alpha=0.22, lw=0
            )
            axes.plot(thresholds, gain / unit, color=paint, lw=1.8, label=label)
        names(drawn, axes, f"compared with {result.default}, the line at 0")
        axes.set(yticks=[], ylabel="worse ←  → better", xlim=(thresholds[0], thresholds[-1]))
        amounts(axes, "x")
        below(axes, f"limit: you act where the predicted {_what(result)} exceeds it")
        svg = to_svg(drawn, "murphy", "Murphy diagram: gain over the default at every threshold")
    return Picture("murphy", "Does it win for everyone?", _sentence(result, *curves[0]), svg)


def _what(result: Result) -> str:
    return f"chance of {plain(result.classes[1], 20)}" if result.classes else plain(result.target, 25)


def _thresholds(default: Seen, result: Result) -> Floats:
    if result.problem.classes:
        return np.linspace(0.01, 0.99, POINTS)
    low, high = np.quantile(np.concatenate([default.y, default.prediction.ravel()]), [0.01, 0.99])
    return np.linspace(low, high, POINTS)


def _gain(aim: Aim, default: Seen, other: Seen, thresholds: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """What the other saves at each threshold: mean and standard error over rows, and whether enough rows differ for
    these to be normal."""
    saved = np.array([
        elementary(aim, default.y, default.prediction, t) - elementary(aim, other.y, other.prediction, t)
        for t in thresholds
    ])  # fmt: skip
    weight = np.ones(len(default.y)) if default.weight is None else default.weight
    part = weight / weight.sum()
    mean = saved @ part
    return mean, np.sqrt(np.square(saved - mean[:, None]) @ np.square(part)), (saved != 0).sum(axis=1) >= FEWEST


def elementary(aim: Aim, y: Floats, prediction: Floats, threshold: float) -> Floats:
    """The elementary score of each row: 0 where prediction and y lie on the same side of the threshold."""
    if prediction.ndim == 2:  # an interval: both of its ends
        ends = zip(aim.levels, prediction.T, strict=True)
        return np.asarray(np.sum([_quantile(level, y, end, threshold) for level, end in ends], axis=0))
    if aim.functional in ("median", "quantile"):
        return _quantile(aim.level, y, prediction, threshold)
    apart = np.where((prediction > threshold) != (y > threshold), np.abs(y - threshold), 0.0)
    return apart * np.where(y > threshold, aim.level, 1 - aim.level) if aim.functional == "expectile" else apart


def _quantile(level: float, y: Floats, prediction: Floats, threshold: float) -> Floats:
    apart = (prediction > threshold) != (y > threshold)
    return np.where(apart, np.where(y > threshold, level, 1 - level), 0.0)


def _sentence(result: Result, label: str, gain: Floats, error: Floats, enough: NDArray[np.bool_]) -> str:
    better, worse = (bool((enough & (side * gain > SURE * error)).any()) for side in (1, -1))
    if better and worse:
        return (
            f"{label} is better for some limits and worse for others: whether it is better than {result.default} "
            "depends on where you act."
        )
    if not better and not worse:
        return f"{label} stays within chance of 0: at no limit could a difference be shown."
    see = f"{label} is {'better' if better else 'worse'} for some limits; at no other could a difference be shown."
    if worse or _proven(result, label):
        return see
    return f"{see} Over all limits together it was not shown to be better."


def _proven(result: Result, label: str) -> bool:
    """Whether the table calls it better on the kind of model that is drawn."""
    words = (row.outcome.partition(" ")[0] for row in result.table if (row.label, row.model) == (label, result.kind))
    return any(word in ("USE", "better") for word in words)
