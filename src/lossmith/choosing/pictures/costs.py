"""Picture 8: what to do with the predictions: the expected cost of each threshold, or of each level to stock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.aims import Aim, best_constant
from lossmith.choosing.errors import plain, quoted
from lossmith.choosing.pictures.canvas import Picture, Slider, amounts, colour, figure, layer, short, style, to_svg
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
    weight = np.ones(len(found.y)) if found.weight is None else found.weight
    missed = np.array([np.average(positive & (found.prediction < t), weights=weight) for t in THRESHOLDS])
    alarms = np.array([np.average(~positive & (found.prediction >= t), weights=weight) for t in THRESHOLDS])
    asked, dearest = _asked(result)
    ratios = sorted({*RATIOS, asked})
    start = ratios.index(asked)
    no, yes = (quoted(name, 20) for name in result.classes)
    share = float(np.average(positive, weights=weight))
    says = []
    with style():
        drawn, axes = figure(2.9)
        for number, ratio in enumerate(ratios):
            unit = CASES * (dearest or 1.0) / max(ratio, 1.0)  # the dearer mistake costs the same throughout
            cost = unit * (ratio * missed + alarms)
            chosen, rule = int(np.argmin(cost)), 1 / (1 + ratio)
            (curve,) = axes.plot(THRESHOLDS, cost, color=colour("blue"), lw=1.8)
            (point,) = axes.plot([THRESHOLDS[chosen]], [cost[chosen]], "o", color=colour("better"), ms=7)
            line = axes.axvline(rule, color=colour("muted"), lw=1, ls=(0, (2, 2)))
            layer((curve, point, line), number)
            times = "as much" if ratio == 1 else f"{ratio:g} times"
            middle = float(np.interp(0.5, THRESHOLDS, cost))
            says.append(
                f"{times}: say {yes} from {rule:.0%} on. {CASES:,} cases cost {short(cost[chosen])} at the "
                f"best threshold, {short(middle)} at 50%, {short(unit * min(ratio * share, 1 - share))} with one "
                "answer for all"
            )
        axes.set(xlim=(0, 1), ylim=(0, None), xlabel=f"say {yes} from this chance on")
        axes.set_ylabel(f"cost of {CASES:,} cases")
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        amounts(axes, "y")
        svg = to_svg(drawn, "costs", "Expected cost against the decision threshold", start)
    unit_said = "the dearer of the two mistakes costs 1" if dearest is None else "costs are in your own unit"
    see = (
        "Where chances mean what they say, the cheapest threshold (dot) lies near the one that follows from the costs "
        f"alone (dashed): move the threshold to your costs, not the training. In the picture {unit_said}."
    )
    label = f"To miss {yes} costs how many times as much as to take {no} for {yes}?"
    return Picture("costs", "From probability to action", see, svg, Slider(label, tuple(says), start))


def _asked(result: Result) -> tuple[float, float | None]:
    """What a miss costs in false alarms, and what the dearer of the two costs beyond a right answer, by the user's own
    costs; without any, both cost the same."""
    costs = result.aim.costs
    if costs is None or not costs[0][1] > costs[0][0] or not costs[1][0] > costs[1][1]:
        return 1.0, None
    alarm, miss = costs[0][1] - costs[0][0], costs[1][0] - costs[1][1]
    return float(f"{miss / alarm:.4g}"), max(alarm, miss)


def _of_levels(result: Result) -> Picture:
    """The cost per 1,000 cases of predicting each quantile, by shifting the predictions by their own misses."""
    found, q = of_default(result), result.aim.level
    under, over, whose = _per_unit(result.aim)

    def cost(prediction: Floats) -> float:
        each = np.where(found.y >= prediction, under * (found.y - prediction), over * (prediction - found.y))
        return CASES * float(np.average(each, weights=found.weight))

    shifts = np.quantile(found.y - found.prediction, LEVELS)
    mine, middle = cost(found.prediction), cost(found.prediction + float(np.median(shifts)))
    constant = cost(np.full_like(found.y, best_constant(result.aim, found.y, found.weight)))
    with style():
        drawn, axes = figure(2.9)
        axes.plot(LEVELS, [cost(found.prediction + shift) for shift in shifts], color=colour("blue"), lw=1.8)
        axes.plot([q], [mine], "o", color=colour("better"), ms=7)
        axes.axhline(constant, color=colour("muted"), lw=1, ls=(0, (2, 2)))
        axes.text(0.02, constant, "the same number for all", color=colour("muted"), va="bottom")
        axes.set(xlim=(0, 1), ylim=(0, None), xlabel="share that is to be at or below the prediction")
        axes.set_ylabel(f"cost of {CASES:,} cases")
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        amounts(axes, "y")
        svg = to_svg(drawn, "costs", "Expected cost against the level")
    see = (
        f"A unit of {plain(result.target, 25)} too little costs {under:.4g}, a unit too much {over:.4g}{whose}. At the "
        f"level you asked for ({q:.0%}, the dot) {CASES:,} cases then cost {short(mine)}; predicting the middle (50%) "
        f"would cost {short(middle)}, the same number for all {short(constant)}."
    )
    return Picture("costs", "From prediction to action", see, svg)


def _per_unit(aim: Aim) -> tuple[float, float, str]:
    """What a unit too little and one too much cost, and whose numbers these are."""
    name, _, rest = aim.asked.partition(":")
    if name.strip().lower() == "cost":
        under, over = map(float, rest.split(","))
        return under, over, ", as you said"
    return aim.level / (1 - aim.level), 1.0, f" (which is what a level of {aim.level:.3g} says)"
