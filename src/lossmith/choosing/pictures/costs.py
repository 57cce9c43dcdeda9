"""Picture 8: what to do with the predictions: the expected cost of each threshold, or of each level to stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.pictures.canvas import Picture, Slider, colour, figure, layer, short, style, to_svg
from lossmith.choosing.pictures.data import of_default
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

THRESHOLDS = np.linspace(0.005, 0.995, 199)
RATIOS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)  # what a miss costs, a false alarm costing 1
LEVELS = np.linspace(0.02, 0.98, 97)
CASES = 1000


def costs(result: Result) -> Picture | None:
    if len(result.classes) == 2:
        return _of_thresholds(result)
    if result.aim.functional == "quantile":
        return _of_levels(result)
    return None


def _of_thresholds(result: Result) -> Picture:
    """The cost per 1,000 cases of saying class 1 above each threshold, for several ratios of costs."""
    found = of_default(result)
    positive = found.y == 1
    missed = np.array([np.mean(positive & (found.prediction < t)) for t in THRESHOLDS])
    alarms = np.array([np.mean(~positive & (found.prediction >= t)) for t in THRESHOLDS])
    asked = _asked(result)
    ratios = sorted({*RATIOS, asked})
    start = ratios.index(asked)
    says = []
    with style():
        drawn, axes = figure(2.9)
        for number, ratio in enumerate(ratios):
            cost = CASES * (ratio * missed + alarms) / max(ratio, 1.0)
            chosen, rule = int(np.argmin(cost)), 1 / (1 + ratio)
            (curve,) = axes.plot(THRESHOLDS, cost, color=colour("blue"), lw=1.8)
            (point,) = axes.plot([THRESHOLDS[chosen]], [cost[chosen]], "o", color=colour("better"), ms=7)
            line = axes.axvline(rule, color=colour("muted"), lw=1, ls=(0, (2, 2)))
            layer((curve, point, line), number)
            says.append(_says(ratio, rule, cost, chosen, positive))
        axes.set(xlim=(0, 1), ylim=(0, None), xlabel="say yes from this probability on")
        axes.set_ylabel(f"cost of {CASES:,} cases")
        svg = to_svg(drawn, "costs", "Expected cost against the decision threshold", start)
    see = (
        "With honest probabilities the cheapest threshold (dot) lies near the one that follows from the costs alone "
        "(dashed): move the threshold to your costs, not the training."
    )
    return Picture(
        "costs", "From probability to action", see, svg, Slider("A miss costs, in false alarms", tuple(says), start)
    )


def _asked(result: Result) -> float:
    """What a miss costs in false alarms: by the user's own costs, else the same."""
    costs = result.aim.costs
    if costs is None or not costs[0][1] > costs[0][0] or not costs[1][0] > costs[1][1]:
        return 1.0
    return float(f"{(costs[1][0] - costs[1][1]) / (costs[0][1] - costs[0][0]):.4g}")


def _says(ratio: float, rule: float, cost: Floats, chosen: int, positive: Floats) -> str:
    share = float(np.mean(positive))
    nothing = CASES * min(ratio * share, 1 - share) / max(ratio, 1.0)
    middle = cost[int(np.argmin(np.abs(THRESHOLDS - 0.5)))]
    return (
        f"a miss costs {ratio:g} false alarms: say yes from {rule:.0%} on. {CASES:,} cases cost {short(cost[chosen])} "
        f"at the best threshold, {short(middle)} at 50%, {short(nothing)} if all are treated alike"
    )


def _of_levels(result: Result) -> Picture:
    """The cost per 1,000 cases of predicting each quantile, by shifting the predictions by their own misses."""
    found, q = of_default(result), result.aim.level
    shifts = np.quantile(found.y - found.prediction, LEVELS)
    cost = CASES * np.array([_pinball(q, found.y, found.prediction + shift) for shift in shifts])
    mine, middle = (CASES * _pinball(q, found.y, found.prediction + s) for s in (0.0, float(np.median(shifts))))
    constant = CASES * _pinball(q, found.y, np.full_like(found.y, np.quantile(found.y, q)))
    with style():
        drawn, axes = figure(2.9)
        axes.plot(LEVELS, cost, color=colour("blue"), lw=1.8)
        axes.plot([q], [mine], "o", color=colour("better"), ms=7)
        axes.axhline(constant, color=colour("muted"), lw=1, ls=(0, (2, 2)))
        axes.text(0.02, constant, "the same number for all", color=colour("muted"), va="bottom", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(0, None), xlabel="share of y to stay below the prediction")
        axes.set_ylabel(f"cost of {CASES:,} cases")
        svg = to_svg(drawn, "costs", "Expected cost against the level")
    see = (
        f"At the level you asked for ({q:.0%}, the dot) {CASES:,} cases cost {short(mine)}; predicting a typical case "
        f"(50%) would cost {short(middle)}, the same number for all {short(constant)}."
    )
    return Picture("costs", "From prediction to action", see, svg)


def _pinball(q: float, y: Floats, prediction: Floats) -> float:
    return float(np.mean(np.where(y >= prediction, q * (y - prediction), (1 - q) * (prediction - y))))
