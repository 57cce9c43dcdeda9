"""Picture 2: each loss over the misses of your table, and how hard it pulls on the model for each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.pictures.canvas import (
    Picture,
    Slider,
    amounts,
    colour,
    figure,
    layer,
    names,
    series,
    short,
    style,
    to_svg,
)
from lossmith.choosing.pictures.data import all_seen, of_default, of_pilot
from lossmith.choosing.residuals import OUTLYING, Residuals
from lossmith.choosing.rules_numbers import HUBER_EFFICIENCY
from lossmith.choosing.tables import Floats
from lossmith.registry import get

if TYPE_CHECKING:
    from lossmith.choosing.candidate import Candidate
    from lossmith.choosing.result import Result
    from lossmith.loss import Loss

DELTAS = (0.25, 0.5, 0.75, 1.0, HUBER_EFFICIENCY, 2.0, 3.0, 5.0)  # in robust standard deviations
MOST_CURVES = 5
PARTS = "Above, how much a loss counts; below, how hard it then pulls on the model; grey, where your rows lie"
ENDS = ": the bars at the ends hold all larger misses"


def pull(result: Result) -> Picture | None:
    return _of_chances(result) if result.problem.classes else _of_residuals(result)


def _of_residuals(result: Result) -> Picture | None:
    residual, noise = of_pilot(result).residual, result.profile.residuals
    assert noise is not None  # of numbers there always are some
    scale = noise.scale
    raced = {c.label: c.loss() for c in result.candidates if not c.transform and _of_difference(c.loss())}
    known = {"squared_error": get("squared_error"), "absolute_error": get("absolute_error")}  # to compare with
    curves = {label: loss for label, loss in (raced | known).items() if loss.name != "huber"}
    tried = next((loss.params["delta"] for loss in raced.values() if loss.name == "huber"), HUBER_EFFICIENCY * scale)
    reach = 4.0 * scale
    x = np.linspace(-reach, reach, 241)
    deltas = sorted({*(scale * d for d in DELTAS), tried})
    start = deltas.index(tried)
    with style():
        drawn, (upper, lower) = figure(3.9, 2, sharex=True)
        _under(upper, residual, (-reach, reach))
        _under(lower, residual, (-reach, reach))
        for number, (label, loss) in enumerate(curves.items()):
            _curves(upper, lower, x, loss, scale, series(number), label)
        for step, delta in enumerate(deltas):
            name = "huber" if step == start else None
            layer(_curves(upper, lower, x, get("huber", delta=delta), scale, series(len(curves)), name), step)
        upper.set(yticks=[], ylim=(0, 4.4), ylabel="loss")
        lower.axhline(0, color=colour("grid"), lw=0.8)
        lower.set(yticks=[], ylim=(-3.2, 3.2), ylabel="pull", xlabel="prediction too high ←  y − prediction  → too low")
        amounts(lower, "x")
        names(drawn, upper)
        svg = to_svg(drawn, "pull", "Losses and their gradients over the residuals", start)
    slider = Slider("Huber's delta", tuple(_zones(residual, delta, scale) for delta in deltas), start)
    return Picture("pull", "Loss and pull over your misses", _sentence(residual, noise, reach), svg, slider)


def _of_difference(loss: Loss) -> bool:
    """Whether the loss depends on y and the prediction by their difference, as far as its domain tells."""
    formula = loss.formula
    free = formula.target.domain.any_number and formula.predictions[0].domain.any_number
    return loss.outputs == 1 and free and loss.link.name == "identity"


def _under(axes: Any, residual: Floats, window: tuple[float, float]) -> None:
    """The misses themselves, behind the curves."""
    behind = axes.twinx()
    behind.hist(np.clip(residual, *window), bins=48, range=window, color=colour("band"))
    behind.set_yticks([])
    for side in ("left", "right"):
        behind.spines[side].set_visible(False)
    behind.set_zorder(-1)
    axes.patch.set_visible(False)


def _curves(
    upper: Any, lower: Any, x: Floats, loss: Loss, scale: float, paint: str, name: str | None
) -> tuple[Any, Any]:
    """In units in which a miss of one standard deviation pulls with 1, so that shapes can be compared."""
    zero = np.zeros_like(x)
    unit = max(abs(float(loss.gradient([0.0], [s], reduction="sum")[0])) for s in (-scale, scale)) or 1.0
    value = np.asarray(loss(zero, -x, reduction="none")) / (unit * scale)
    slope = -np.asarray(loss.gradient(zero, -x, reduction="none")) / unit
    (first,) = upper.plot(x, value, color=paint, lw=1.8, label=name)
    (second,) = lower.plot(x, slope, color=paint, lw=1.8)
    return first, second


def _zones(residual: Floats, delta: float, scale: float) -> str:
    outside = float(np.mean(np.abs(residual) > delta))
    return (
        f"delta {short(delta)} ({delta / scale:.2f} times the spread of the misses): {1 - outside:.0%} of the rows "
        f"pull in proportion to their miss, {outside:.0%} pull no harder than the rest"
    )


def _sentence(residual: Floats, noise: Residuals, reach: float) -> str:
    parts = PARTS + (ENDS if np.abs(residual).max() > reach else "")
    if noise.outliers < 0.001:
        return f"{parts}. Hardly any row is missed by much, so the losses differ little in what they pull at."
    return (
        f"{parts}. {noise.outliers:.1%} of the misses lie more than {OUTLYING} times their spread "
        f"({short(noise.scale)}) from the median miss: squared error lets the largest pull hardest, absolute error "
        "lets every row pull alike."
    )


def _of_chances(result: Result) -> Picture:
    """Of classes: over the probability that was given to what really happened."""
    found, raced = of_default(result), all_seen(result)[:MOST_CURVES]
    given = _given(found.y, found.prediction)
    p = np.linspace(0.005, 0.995, 199)
    with style():
        drawn, (upper, lower) = figure(3.9, 2, sharex=True)
        for axes in (upper, lower):
            _under(axes, given, (0.0, 1.0))
        for number, one in enumerate(raced):
            if not _by_chance(one.candidate):
                continue
            value, slope = _at_chance(one.candidate.loss(), p)
            unit = abs(float(np.interp(0.5, p, slope))) or 1.0
            upper.plot(p, value / unit, color=series(number), lw=1.8, label=one.label)
            lower.plot(p, slope / unit, color=series(number), lw=1.8)
        upper.set(yticks=[], ylim=(0, 6), ylabel="loss")
        names(drawn, upper)
        lower.set(yticks=[], ylabel="pull", xlabel="probability given to what really happened")
        svg = to_svg(drawn, "pull", "Losses and their gradients over the predicted probabilities")
    wrong = float(np.mean(given < 0.1))
    see = (
        f"{PARTS}. {wrong:.1%} of the rows were given a chance below 10% for what then happened: there the losses "
        "differ most in how hard they let a row pull."
    )
    others = ", ".join(one.label for one in raced if not _by_chance(one.candidate))
    note = f"{others}: how hard a row pulls depends also on which class it is of." if others else ""
    return Picture("pull", "Loss and pull over your predictions", see, svg, note=note, folded="Not drawn, and why")


def _by_chance(candidate: Candidate) -> bool:
    """Whether the chance of what happened is all that counts: under class weights, and of ordered classes with
    thresholds between them, it matters too which class happened."""
    return not candidate.class_weight and candidate.loss().target_kind != "level"


def _given(y: Floats, prediction: Floats) -> Floats:
    ids = y.astype(np.intp)
    return (
        np.where(ids == 1, prediction, 1 - prediction) if prediction.ndim == 1 else prediction[np.arange(len(y)), ids]
    )


def _at_chance(loss: Loss, p: Floats) -> tuple[Floats, Floats]:
    """Value and size of the gradient where the true class has chance p."""
    score = np.log(p) - np.log1p(-p)
    if loss.kind == "pointwise":
        target, raw = np.ones_like(p), score
    else:
        target, raw = np.zeros(len(p), dtype=np.intp), np.column_stack([score, np.zeros_like(score)])
    slope = np.abs(np.asarray(loss.gradient(target, raw, reduction="none")))
    return np.asarray(loss(target, raw, reduction="none")), slope if slope.ndim == 1 else slope[:, 0]
