"""What a loss would do to a table: which misses it sees, which rows pull, what it would predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.catalogue import find, first_sentence
from lossmith.choosing.errors import ChoiceError, figure, plain, quoted
from lossmith.choosing.facts import PilotRows
from lossmith.choosing.pictures.canvas import short
from lossmith.choosing.pictures.owners import shares, top_share
from lossmith.choosing.residuals import in_share
from lossmith.choosing.rules_numbers import HUBER_EFFICIENCY
from lossmith.choosing.tables import Column, Floats, Rows, from_any
from lossmith.choosing.text import grid

if TYPE_CHECKING:
    from lossmith.choosing.targets import Target
    from lossmith.loss import Loss

TOPS = (0.01, 0.05, 0.2)
NAMED = 5
STEADY = 0.1  # the power of the miss below which a pull no longer grows
ALIKE = 1.5  # times its share of the rows: what the hardest hold where all pull nearly alike


@dataclass(frozen=True, eq=False)
class Effects:
    """A loss over the pilot model's misses. `numbers` are those of the table's rows, counted from 1."""

    loss: Loss
    target: str
    pilot: PilotRows
    numbers: Rows
    constant: float  # the best single prediction, in units of y
    pull: Floats
    notes: tuple[str, ...]


def effects(name: str, table: Any, target: str, params: Mapping[str, float]) -> Effects:
    """Raises ChoiceError for a loss or a target of classes, or a target that is outside the loss's domain."""
    from lossmith.choosing.prepare import prepare
    from lossmith.choosing.profile import profile

    _check_kind(find(name))
    table = from_any(table)
    _check_numbers(table.column(target))
    ready = prepare(table, target, Aim("mean"), None, None)
    facts = profile(ready.table, ready.target, ready.exposure, 0)
    assert facts.pilot is not None  # of numbers there always is one
    assert facts.residuals is not None
    loss, notes = _ready(name, params, facts.residuals.scale)
    _check_domain(loss, ready.target)
    pilot = facts.pilot
    try:
        constant = float(np.ravel(loss.link.inverse(np.asarray(loss.best_constant(pilot.y))))[0])
        pull = np.abs(np.asarray(loss.gradient(pilot.y, _scores(loss, pilot.prediction), reduction="none")))
    except ValueError as error:
        why = str(error).removeprefix(f"{loss.name}: ")
        raise ChoiceError(f"{loss.name} does not fit this target: {why}") from None
    numbers = ready.target.rows[pilot.rows] + 1
    return Effects(loss, target, pilot, numbers, constant, pull, (*notes, *ready.notes))


def _check_kind(loss: Loss) -> None:
    if loss.target_kind != "real" or loss.outputs != 1:
        raise ChoiceError(
            f"{loss.name} is a loss of classes or of several numbers: explain draws what a loss does to misses, one "
            f"number a row; `lossmith show {loss.name}` draws the loss itself, `lossmith choose` races it"
        )


def _check_numbers(column: Column) -> None:
    if column.kind == "category":
        raise ChoiceError(
            f"the target {quoted(column.name)} holds text ({quoted(column.levels[0], 20)}, …): explain needs a target "
            "of numbers (two classes can be written as 0 and 1); `lossmith choose` races losses of classes"
        )


def _check_domain(loss: Loss, target: Target) -> None:
    domain = loss.formula.target.domain
    wrong = np.flatnonzero([not domain.contains(float(y)) for y in target.y])
    if wrong.size:
        more = f" ({wrong.size:,} such values)" if wrong.size > 1 else ""
        raise ChoiceError(
            f"{loss.name} does not fit this target: {quoted(target.name)} holds {target.y[wrong[0]]:g} in data row "
            f"{target.rows[wrong[0]] + 1:,}, which is not {domain.describe()}{more}"
        )


def _ready(name: str, params: Mapping[str, float], scale: float) -> tuple[Loss, list[str]]:
    """The loss, its parameters in units of y set from the residuals unless the user says otherwise."""
    from lossmith.registry import get
    from lossmith.start import in_units, scale_parameters

    try:
        loss = get(find(name).name, **params)
    except (TypeError, ValueError) as error:
        raise ChoiceError(str(error)) from None
    open_ = tuple(p for p in scale_parameters(loss) if p not in params)
    if not open_:
        return loss, []
    times = HUBER_EFFICIENCY if loss.name == "huber" else 1.0
    factor = float(f"{times * scale:.4g}")
    loss = in_units(loss, factor, open_)
    said = ", ".join(f"{p} = {figure(loss.params[p])}" for p in open_)
    how = f"{times:g} times the spread of the misses, {short(scale)}"
    return loss, [f"{said}: {how} (say --set {open_[0]}=... for another)"]


def _scores(loss: Loss, prediction: Floats) -> Floats:
    domain = loss.formula.predictions[0].domain
    low = max(domain.low, 0.0 if loss.link.name == "log" else -np.inf)
    inside = np.maximum(prediction, low + 1e-9) if np.isfinite(low) else prediction
    return np.asarray(loss.link(np.clip(inside, 1e-9, 1 - 1e-9) if loss.link.name == "logit" else inside))


def zones(found: Effects) -> list[tuple[str, float]]:
    """What the pull does as a miss grows, with the share of rows where it does so; of losses of a difference only."""
    loss, reach = found.loss, np.abs(found.pilot.residual)
    formula = loss.formula
    if loss.link.name != "identity" or not (
        formula.target.domain.any_number and formula.predictions[0].domain.any_number
    ):
        return []
    far = float(reach.max()) or 1.0
    at = np.linspace(far / 2000, far, 2000)
    pulls = np.maximum(
        *(np.abs(np.asarray(loss.gradient(np.zeros_like(at), side * at, reduction="none"))) for side in (1, -1))
    )
    here = pulls > 0
    bend = np.gradient(np.log(np.where(here, pulls, 1.0)), np.log(at))  # 1 for squared error, 0 for absolute
    named = [
        ("pull grows with the miss", here & (bend > STEADY)),
        ("pull stays the same, however large the miss", here & (np.abs(bend) <= STEADY)),
        ("pull falls as the miss grows", here & (bend < -STEADY)),
        ("no pull", ~here),
    ]
    place = np.clip(np.searchsorted(at, reach), 0, len(at) - 1)
    return [(name, float(np.mean(where[place]))) for name, where in named if where[place].any()]


def describe(found: Effects) -> str:
    loss, y, pull = found.loss, found.pilot.y, found.pull
    lines = [
        f"{loss!r} on {plain(found.target)}, {len(y):,} rows",
        first_sentence(loss.doc),
        "",
    ]
    mean, median = short(float(y.mean())), short(float(np.median(y)))
    lines.append(f"if one number had to do for every row: {short(found.constant)} (mean {mean}, median {median})")
    lines += [f"{share:>6.1%} of the rows: {name}" for name, share in zones(found)]
    lines += ["", "who pulls on the model, hardest first"]
    lines += dict.fromkeys(
        f"{who:>18} hold{s} {top_share(pull, part):.0%} of the pull"
        for part in TOPS for who, s in [in_share(len(y), part)]
    )
    if top_share(pull, TOPS[0]) > ALIKE * TOPS[0]:
        lines += ["", *_hardest(found)]
    lines += [f"note: {note}" for note in found.notes]
    return "\n".join(lines)


def _hardest(found: Effects) -> list[str]:
    table = [["data row", "y", "pilot predicts", "share of the pull"]]
    for i in np.argsort(-found.pull, kind="stable")[:NAMED]:
        share = found.pull[i] / float(found.pull.sum())
        row, y, prediction = int(found.numbers[i]), float(found.pilot.y[i]), float(found.pilot.prediction[i])
        table.append([f"{row:,}", short(y), short(prediction), f"{share:.2%}"])
    return grid(table, left=())


def draw_effects(found: Effects, path: Path) -> None:
    """The pull over the misses of the table, and the share that few rows hold, as a .png or .svg file."""
    from matplotlib.figure import Figure

    from lossmith.choosing.paths import DRAWN, check_path

    check_path(path, "drawing", "effects.png", endings=DRAWN)
    figure = Figure(figsize=(9.0, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    order = np.argsort(found.pilot.residual, kind="stable")
    left.hist(found.pilot.residual, bins=60, color="#e2e8f0")
    above = left.twinx()
    above.plot(found.pilot.residual[order], found.pull[order], ".", ms=3, color="#1f5fa8")
    above.set(ylabel="pull", ylim=(0, None))
    left.set(xlabel="y - pilot's prediction", ylabel="rows", title=repr(found.loss))
    share = shares(found.pull)
    right.plot(np.linspace(0, 1, len(share)), share, color="#1f5fa8")
    right.plot([0, 1], [0, 1], color="#cbd5e1", lw=1)
    right.set(xlabel="share of the rows, those that pull hardest first", ylabel="share of the pull", xlim=(0, 1))
    figure.savefig(path, bbox_inches="tight")
