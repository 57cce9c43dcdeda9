"""One loss, one kind of model, one set of training rows -> predictions in the user's units.

What interacts with the loss, the penalty or the number of rounds, is chosen inside the training rows, for every loss on
the same inner splits, by the score that judges in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate, Transform, balancing_weights, turned_back
from lossmith.choosing.decisions import undone
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
    """From the loss's own units to the user's: shift + unit * f, turned back if y was transformed, times the exposure;
    chances learnt under class weights are undone; a band lies so many units around its middle."""

    shift: float
    unit: float
    offset: bool = False
    transform: Transform = ""
    percent: float = 1.0
    undo: tuple[float, ...] = ()
    band: tuple[float, ...] = ()

    def natural(self, f: Floats, exposure: Floats | None) -> Floats:
        found = turned_back(self.shift + self.unit * f, self.transform, self.percent)
        found = found * exposure if self.offset and exposure is not None else found
        found = undone(found, self.undo) if self.undo else found
        return found[:, None] + np.asarray(self.band) if self.band else found


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model: one part, or one for each level that is trained beside the others."""

    kind: str
    parts: tuple[Trained, ...]
    losses: tuple[Loss, ...]
    scale: Scale
    settings: tuple[float, ...]

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
            "scale": asdict(self.scale),
            "settings": list(self.settings),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Fitted:
        import lossmith as lm

        losses = tuple(lm.from_spec(spec) for spec in state["losses"])
        kind = KINDS[state["kind"]]
        parts = tuple(kind.restored(loss, part) for loss, part in zip(losses, state["parts"], strict=True))
        found: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state["scale"].items()}
        scale = Scale(**found)
        return cls(state["kind"], parts, losses, scale, tuple(state["settings"]))


@dataclass(frozen=True, eq=False)
class Held:
    """What models of inner splits predicted for training rows that they had not seen."""

    rows: Rows
    prediction: Floats


def train(kind: str, candidate: Candidate, task: Task) -> tuple[Fitted, Held]:
    """The model of all rows of the task, and what it was tuned on."""
    lesson, losses, scale = _lesson(candidate, task)
    judges = _judges(candidate, task.score)
    tuned = [_tuned(KINDS[kind], loss, lesson, task, scale, by) for loss, by in zip(losses, judges, strict=True)]
    settings = tuple(best for best, _ in tuned)
    scale = _shown(scale, candidate)
    rows = np.concatenate([out for _, out in task.inner])
    at_rows = task.rows.take(rows).exposure
    if candidate.band:
        scale = _banded(scale, candidate, task, rows, tuned[0][1])
    held = Held(rows, _beside([scale.natural(f, at_rows) for _, f in tuned]))
    return Fitted(kind, _parts(kind, losses, lesson, settings), losses, scale, settings), held


def grown(fitted: Fitted, candidate: Candidate, task: Task) -> Fitted:
    """The model of more rows than those that tuned it. A penalty is so many times 1/n: on more rows it weighs less, as
    what was known before any row came does."""
    lesson, losses, scale = _lesson(candidate, task)
    scale = replace(_shown(scale, candidate), band=fitted.scale.band)
    return replace(fitted, parts=_parts(fitted.kind, losses, lesson, fitted.settings), losses=losses, scale=scale)


def _lesson(candidate: Candidate, task: Task) -> tuple[Lesson, tuple[Loss, ...], Scale]:
    """The task in the loss's own units, and the way back."""
    y, weight, shift, unit = posed(candidate, task.y, task.weight, task.rows.exposure, task.classes)
    weights = _class_weights(candidate, task)
    scale = Scale(shift, unit, candidate.offset, candidate.transform, candidate.unit, weights)
    losses = tuple(each.loss(unit) for each in each_level(candidate))
    return Lesson(task.rows.X, y, weight, task.classes, task.seed), losses, scale


def _shown(scale: Scale, candidate: Candidate) -> Scale:
    """Whatever is predicted in the end, true chances have chosen the setting."""
    return scale if candidate.undo else replace(scale, undo=())


def _parts(kind: str, losses: Sequence[Loss], lesson: Lesson, settings: Sequence[float]) -> tuple[Trained, ...]:
    return tuple(KINDS[kind].train(loss, lesson, best) for loss, best in zip(losses, settings, strict=True))


def posed(
    candidate: Candidate, y: Floats, weight: Floats | None, exposure: Floats | None, classes: int
) -> tuple[Floats, Floats | None, float, float]:
    """Targets in the loss's own units and what they weigh; shift and unit, which lead back: y = shift + unit * target.

    Losses of a difference see y centred and scaled, losses with a log link see y scaled by its mean: the same start and
    the same step for every loss, whatever the user's units. With an exposure, a loss with an offset sees y per unit of
    it, weighted by it: for Poisson that is the same as adding its log to the log rate.
    """
    size = exposure if candidate.offset else None
    seen = candidate.transformed(y if size is None else y / size)
    weight = weight if size is None else size if weight is None else size * weight
    weight = candidate.row_weights(y, weight, classes)
    shift, unit = _units(candidate, seen, weight, classes)
    return (seen - shift) / unit, weight, shift, unit


def _banded(scale: Scale, candidate: Candidate, task: Task, rows: Rows, f: Floats) -> Scale:
    """Normal quantiles times the standard deviation of what was left on rows held out."""
    from scipy.stats import norm

    left = task.y[rows] - scale.natural(f, task.rows.take(rows).exposure)
    spread = float(np.sqrt(np.average(np.square(left), weights=None if task.weight is None else task.weight[rows])))
    return replace(scale, band=tuple(float(norm.ppf(level)) * spread for level in candidate.levels))


def _tuned(kind: Kind, loss: Loss, lesson: Lesson, task: Task, scale: Scale, judge: Score) -> tuple[float, Floats]:
    """The best setting (of equal ones the first), and what it predicted for the rows held out, in the loss's units."""
    trials = [kind.trials(loss, lesson.take(inside), lesson.X[out]) for inside, out in task.inner]
    costs = np.zeros(len(kind.settings))
    for (_, out), found in zip(task.inner, trials, strict=True):
        weight = None if task.weight is None else task.weight[out]
        exposure = None if task.rows.exposure is None else task.rows.exposure[out]
        costs += [judge.mean(task.y[out], scale.natural(f, exposure), weight) for f in found]
    best = int(np.argmin(np.where(np.isfinite(costs), costs, np.inf)))
    return kind.settings[best], np.concatenate([found[best] for found in trials])


def each_level(candidate: Candidate) -> list[Candidate]:
    """One training for each quantile; of a band, one for its middle."""
    apart = candidate.levels and not candidate.band
    return [candidate.at(level) for level in candidate.levels] if apart else [candidate]


def _judges(candidate: Candidate, score: Score) -> list[Score]:
    """What tunes each part: of an interval's ends, the pinball losses that add up to its score; of the middle of a
    band, the squared error."""
    if candidate.band:
        return [score_for(Aim("mean"))]
    if not candidate.levels:
        return [tuning_score(score)]
    return [score_for(Aim("quantile", level)) for level in candidate.levels]


def _class_weights(candidate: Candidate, task: Task) -> tuple[float, ...]:
    if not candidate.class_weight:
        return ()
    return tuple(balancing_weights(task.y, task.weight, task.classes).tolist())


def _beside(parts: Sequence[Floats]) -> Floats:
    return np.sort(np.column_stack(parts), axis=1) if len(parts) > 1 else parts[0]


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
