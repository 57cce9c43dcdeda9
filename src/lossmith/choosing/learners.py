"""One loss, one kind of model, one set of training rows -> predictions in the user's units.

What interacts with the loss, the penalty or the number of rounds, is chosen inside the training rows, for every loss on
the same inner splits, by the score that judges in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.candidates import Candidate
from lossmith.choosing.decisions import shares_of, undone
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.folds import Pair
from lossmith.choosing.models import KINDS, Kind, Lesson, Trained
from lossmith.choosing.scores import Score, score_for, tuning_score
from lossmith.choosing.tables import Floats, Rows

if TYPE_CHECKING:
    from lossmith.loss import Loss

MODELS = tuple(KINDS)
UNSCALED = ("binary_cross_entropy", "squared_log_error")  # their y is what it is: a share, a distance from -1


@dataclass(frozen=True, eq=False)
class Rowset:
    """Encoded columns of some rows, and their exposure if there is one."""

    X: Floats
    exposure: Floats | None = None

    def take(self, rows: Rows) -> Rowset:
        return Rowset(self.X[rows], None if self.exposure is None else self.exposure[rows])


@dataclass(frozen=True, eq=False)
class Task:
    """Training rows with everything that every loss meets alike."""

    rows: Rowset
    y: Floats
    weight: Floats | None
    classes: int
    score: Score
    inner: Sequence[Pair]
    seed: int


@dataclass(frozen=True)
class Scale:
    """From the loss's own units to the user's: shift + unit * f, times the exposure; then class weights are undone."""

    shift: float
    unit: float
    offset: bool
    undo: tuple[float, ...] = ()

    def natural(self, f: Floats, exposure: Floats | None) -> Floats:
        found = self.shift + self.unit * f
        found = found * exposure if self.offset and exposure is not None else found
        return undone(found, self.undo) if self.undo else found


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model: one part, or one for each level that is trained beside the others."""

    kind: str
    parts: tuple[Trained, ...]
    losses: tuple[Loss, ...]
    scale: Scale
    settings: tuple[int, ...]

    def predict(self, rows: Rowset) -> Floats:
        """(rows,), (rows, classes), or (rows, levels), whose levels do not cross."""
        return _beside([self.scale.natural(part.predict(rows.X), rows.exposure) for part in self.parts])

    @property
    def gap(self) -> float | None:
        gaps = [part.gap for part in self.parts if part.gap is not None]
        return max(gaps, default=None)

    def state(self) -> dict[str, Any]:
        """Plain numbers and text, as JSON holds them: losses by their specs, trees in LightGBM's text format."""
        return {
            "kind": self.kind,
            "parts": [part.state() for part in self.parts],
            "losses": [loss.spec() for loss in self.losses],
            "shift": self.scale.shift,
            "unit": self.scale.unit,
            "offset": self.scale.offset,
            "undo": list(self.scale.undo),
            "settings": list(self.settings),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Fitted:
        import lossmith as lm

        losses = tuple(lm.from_spec(spec) for spec in state["losses"])
        kind = KINDS[state["kind"]]
        parts = tuple(kind.restored(loss, part) for loss, part in zip(losses, state["parts"], strict=True))
        scale = Scale(state["shift"], state["unit"], state["offset"], tuple(state["undo"]))
        return cls(state["kind"], parts, losses, scale, tuple(state["settings"]))


@dataclass(frozen=True, eq=False)
class Held:
    """What models of inner splits predicted for training rows that they had not seen."""

    rows: Rows
    prediction: Floats


def train(kind: str, candidate: Candidate, task: Task) -> tuple[Fitted, Held]:
    """The model of all rows of the task, and what it was tuned on.

    Losses of a difference see y centred and scaled, losses with a log link see y scaled by its mean: the same start and
    the same step for every loss, whatever the user's units. With an exposure, a loss with an offset sees y per unit of
    it, weighted by it: for Poisson that is the same as adding its log to the log rate.
    """
    size = task.rows.exposure if candidate.offset else None
    y = task.y if size is None else task.y / size
    weight, undo = _weights(candidate, task, size)
    shift, unit = _units(candidate, y, weight, task.classes)
    scale = Scale(shift, unit, candidate.offset, undo if candidate.undo else ())
    tuned = replace(scale, undo=undo)  # whatever is predicted in the end, true chances choose
    lesson = Lesson(task.rows.X, (y - shift) / unit, weight, task.classes, task.seed)
    parts, held, settings = [], [], []
    losses = _losses(candidate, unit)
    for loss, judge in zip(losses, _judges(candidate, task.score), strict=True):
        setting, inside = _tuned(KINDS[kind], loss, lesson, task, tuned, judge)
        parts.append(KINDS[kind].train(loss, lesson, setting))
        settings.append(setting)
        held.append(inside)
    rows = np.concatenate([out for _, out in task.inner])
    exposure = None if task.rows.exposure is None else task.rows.exposure[rows]
    prediction = _beside([scale.natural(f, exposure) for f in held])
    return Fitted(kind, tuple(parts), losses, scale, tuple(settings)), Held(rows, prediction)


def _tuned(
    kind: Kind, loss: Loss, lesson: Lesson, task: Task, scale: Scale, judge: Score
) -> tuple[int, Floats]:
    """The best setting (of equal ones the first), and what it predicted for the rows held out, in the loss's units."""
    trials = []
    for inside, out in task.inner:
        found = kind.trials(loss, lesson.take(inside), lesson.X[out])
        trials.append(found)
    costs = np.zeros(len(kind.settings))
    for (_, out), found in zip(task.inner, trials, strict=True):
        weight = None if task.weight is None else task.weight[out]
        exposure = None if task.rows.exposure is None else task.rows.exposure[out]
        costs += [judge.mean(task.y[out], scale.natural(f, exposure), weight) for f in found]
    best = int(np.argmin(np.where(np.isfinite(costs), costs, np.inf)))
    return kind.settings[best], np.concatenate([found[best] for found in trials])


def _judges(candidate: Candidate, score: Score) -> list[Score]:
    """What tunes each part: of an interval's ends, the pinball losses that add up to its score."""
    from lossmith.choosing.aims import Aim

    if not candidate.levels:
        return [tuning_score(score)]
    return [score_for(Aim("quantile", level)) for level in candidate.levels]


def _losses(candidate: Candidate, unit: float) -> tuple[Loss, ...]:
    at = [replace(candidate, params={**candidate.params, "q": level}) for level in candidate.levels]
    return tuple(each.loss(unit) for each in at or [candidate])


def _beside(parts: list[Floats]) -> Floats:
    return parts[0] if len(parts) == 1 else np.sort(np.column_stack(parts), axis=1)


def _weights(candidate: Candidate, task: Task, size: Floats | None) -> tuple[Floats | None, tuple[float, ...]]:
    """Row weights of training: the user's, times the exposure, 1/y or 1/share of the class; and the classes' weights."""
    weight, classes = task.weight, ()
    if size is not None:
        weight = size if weight is None else size * weight
    if candidate.row_weight == "1/y":
        by_y = 1.0 / np.abs(task.y)
        by_y = by_y / by_y.mean()
        weight = by_y if weight is None else by_y * weight
    if candidate.class_weight == "balanced":
        each = 1.0 / (task.classes * shares_of(task.y, task.weight, task.classes))
        classes = tuple(each.tolist())
        by_class = each[task.y.astype(np.intp)]
        weight = by_class if weight is None else by_class * weight
    return weight, classes


def _units(candidate: Candidate, y: Floats, weight: Floats | None, classes: int) -> tuple[float, float]:
    if classes or candidate.name in UNSCALED:
        return 0.0, 1.0
    if candidate.positive:
        return 0.0, _power_of_two(float(np.average(y, weights=weight)))
    low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
    return float(middle), _power_of_two(float((high - low) / 1.349) or float(y.std()))


def _power_of_two(x: float) -> float:
    """Near x: dividing by it changes no digit, and folds of one table share it."""
    return float(2.0 ** np.round(np.log2(x))) if x > 0 else 1.0


def parse_models(text: str) -> tuple[str, ...]:
    models = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = [name for name in models if name not in MODELS]
    if unknown or not models:
        raise ChoiceError(f"unknown model {quoted(', '.join(unknown))}; choose from {', '.join(MODELS)}")
    return models
