"""Picture 7: do predictions mean what they say? Reliability by isotonic regression (CORP: Dimitriadis, Gneiting &
Jordan 2021), for shares of rows below the prediction where a quantile was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossmith.choosing.errors import plain
from lossmith.choosing.isotonic import recalibrated
from lossmith.choosing.pictures.canvas import Picture, amounts, colour, figure, names, series, short, style, to_svg
from lossmith.choosing.pictures.data import Seen, all_seen, of_chosen, of_default
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

MOST_CURVES = 4
PRIOR = "with shifted prior"
GROUPS = 10
OFF = 0.05  # of what came: less is not worth a word
NOTE = (
    "Predicted, real: means. The mean squared error is {unknown} (what knowing nothing would cost) - DSC + MCB: DSC is "
    "what telling cases apart saves, MCB what predictions cost that do not mean what they say."
)
SHIFTED = " Shifted prior: the chances are moved as if this answer were as common as all others together."


def reliability(result: Result) -> Picture | None:
    aim = result.aim
    if aim.functional == "expectile" or aim.metric in ("mape", "rmsle"):
        return None
    if aim.functional in ("median", "quantile", "interval"):
        return _of_levels(result)
    return _of_means(result)


@dataclass(frozen=True, eq=False)
class Curve:
    """Predictions of a mean, or of the chance of one class, and what came."""

    label: str
    y: Floats
    prediction: Floats
    weight: Floats | None = None

    @property
    def means(self) -> tuple[float, float]:
        """Of what was predicted, and of what came."""
        return float(np.average(self.prediction, weights=self.weight)), float(np.average(self.y, weights=self.weight))


def _of_means(result: Result) -> Picture:
    """What really came, against what was predicted: isotonic regression, so that nothing has to be grouped."""
    found, name = curves(result)
    what = f"share of {name}" if name else "mean"
    low, high = _window(found)
    rows: list[tuple[str, ...]] = [("loss", "predicted", "real", "MCB", "DSC")]
    unknown = 0.0
    with style():
        drawn, axes = figure(3.3)
        axes.plot([low, high], [low, high], color=colour("muted"), lw=1, ls=(0, (2, 2)))
        for number, one in enumerate(found):
            axes.plot(*isotonic(one.y, one.prediction, one.weight), color=series(number), lw=1.8, label=one.label)
            off, apart, unknown = decompose(one.y, one.prediction, one.weight)
            rows.append((one.label, *map(short, (*one.means, off, apart))))
        names(drawn, axes)
        axes.set(xlim=(low, high), ylim=(low, high), xlabel=f"predicted {what}", ylabel=f"real {what}")
        amounts(axes, "x", "y")
        svg = to_svg(drawn, "reliability", "Reliability: isotonic regression of y on the predictions")
    note = NOTE.format(unknown=short(unknown)) + (SHIFTED if any(PRIOR in one.label for one in found) else "")
    see = _sentence(found, of_chosen(result).label, name)
    return Picture("reliability", "Do predictions mean what they say?", see, svg, rows=tuple(rows), note=note)


def _sentence(found: list[Curve], chosen: str, name: str) -> str:
    """Of the chosen loss; then of the one that is farthest off, where one was trained that is."""
    mine = next(one for one in found if one.label == chosen)
    said, came = (f"{100 * mean:.3g}%" if name else short(mean) for mean in mine.means)
    verb = f"gives {name}" if name else "predicts"
    see = f"On the dashed line, what is predicted is what comes: {chosen} {verb} {said} on average, {came} came."
    others = [one for one in found if one.label != chosen and PRIOR not in one.label and one.means[1] > 0]
    times = {one.label: one.means[0] / one.means[1] for one in others}
    worst = max(times, key=lambda label: abs(np.log(max(times[label], 1e-9))), default="")
    if not worst or abs(times[worst] - 1) <= OFF:
        return see
    return f"{see} {worst} predicts {times[worst]:.2f} times what came."


def curves(result: Result) -> tuple[list[Curve], str]:
    """The default first, then the chosen; where classes were weighted in training, that and the default's prior shift
    come next. And the name of the class whose chance it is."""
    found = all_seen(result)
    first = (result.default, result.chosen.label)
    found.sort(key=lambda one: (*(one.label != label for label in first), not one.candidate.class_weight))
    if not result.classes:
        return [Curve(one.label, one.y, one.middle, one.weight) for one in found[:MOST_CURVES]], ""
    y = of_default(result).y
    which = 1 if len(result.classes) == 2 else int(np.argmin(np.bincount(y.astype(np.intp))))
    real = (y == which).astype(np.float64)
    lines = [
        Curve(s.label, real, s.prediction if s.prediction.ndim == 1 else s.prediction[:, which], s.weight)
        for s in found[:MOST_CURVES]
    ]
    if any(one.candidate.class_weight for one in found):
        even = shifted(lines[0].prediction, lines[0].means[1])
        lines.insert(1, Curve(f"{result.default} {PRIOR}", real, even, lines[0].weight))
    return lines, plain(result.classes[which], 20)


def shifted(chance: Floats, share: float) -> Floats:
    """The chance if both answers had been equally common: the odds over the odds of the share."""
    above, below = chance * (1 - share), (1 - chance) * share
    return np.asarray(above / (above + below))


def _window(found: list[Curve]) -> tuple[float, float]:
    both = np.concatenate([one.prediction for one in found])
    low, high = (float(v) for v in np.quantile(both, [0.005, 0.995]))
    return (low, high) if high > low else (low - 1.0, high + 1.0)


def isotonic(y: Floats, prediction: Floats, weight: Floats | None = None) -> tuple[Floats, Floats]:
    """The increasing step function of the prediction that is nearest to y."""
    order = np.argsort(prediction, kind="stable")
    line = recalibrated(y, prediction, weight)[order]
    keep = np.unique(
        np.concatenate([[0, len(line) - 1], np.flatnonzero(np.diff(line)), np.flatnonzero(np.diff(line)) + 1])
    )
    return prediction[order][keep], line[keep]


def decompose(y: Floats, prediction: Floats, weight: Floats | None = None) -> tuple[float, float, float]:
    """Miscalibration, discrimination and uncertainty: mean squared error (Brier score) = MCB - DSC + UNC."""
    answers = (prediction, recalibrated(y, prediction, weight), np.average(y, weights=weight))
    given, best, unknown = (float(np.average((y - f) ** 2, weights=weight)) for f in answers)
    return given - best, unknown - best, unknown


def _of_levels(result: Result) -> Picture:
    """Share of rows at or below the prediction, or within the interval, from low predictions to high ones."""
    level = result.aim.level
    found = all_seen(result)[:MOST_CURVES]
    where = "within the interval" if result.aim.functional == "interval" else "at or below the prediction"
    rows = [("loss", where, "asked for")]
    with style():
        drawn, axes = figure(3.3)
        axes.axhline(level, color=colour("muted"), lw=1, ls=(0, (2, 2)))
        for number, one in enumerate(found):
            below, whole = _held(one), np.ones(len(one.y)) if one.weight is None else one.weight
            groups = np.array_split(np.argsort(one.middle, kind="stable"), GROUPS)
            share = [np.average(below[g], weights=whole[g]) for g in groups if g.size]
            axes.plot(
                (np.arange(len(share)) + 0.5) / len(share),
                share,
                "o-",
                color=series(number),
                lw=1.8,
                ms=4,
                label=one.label,
            )
            rows.append((one.label, f"{np.average(below, weights=whole):.1%}", f"{level:.0%}"))
        names(drawn, axes)
        axes.set(ylim=(0, 1), xlabel="rows, from low predictions to high ones", ylabel="share of y")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda v, _: f"{v:.0%}")
        svg = to_svg(drawn, "reliability", f"Share of y {where}")
    chosen = of_chosen(result)
    mine = float(np.average(_held(chosen), weights=chosen.weight))
    see = (
        f"On the dashed line, {level:.0%} of y lie {where}, as asked for; with {chosen.label} {mine:.0%} do, and "
        "where its line bends, some kinds of rows are served worse than others."
    )
    return Picture("reliability", "Do predictions mean what they say?", see, svg, rows=tuple(rows))


def _held(one: Seen) -> NDArray[np.bool_]:
    """Whether y lies at or below the prediction, or within the interval."""
    if one.prediction.ndim == 1:
        return one.y <= one.prediction
    return (one.prediction[:, 0] <= one.y) & (one.y <= one.prediction[:, -1])
