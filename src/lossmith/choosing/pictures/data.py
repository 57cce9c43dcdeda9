"""What the pictures are drawn from: predictions for rows that a model had not seen, and what they missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.candidate import Candidate
from lossmith.choosing.facts import PilotRows
from lossmith.choosing.levels import at_shares, is_open
from lossmith.choosing.tables import Floats, Rows

if TYPE_CHECKING:
    from lossmith.choosing.result import Result
    from lossmith.loss import Loss

MOST = 20_000  # rows in a picture: more change nothing that can be seen
SMALLEST = 1e-12  # of a prediction that a logarithm is taken of


@dataclass(frozen=True, eq=False)
class Seen:
    """One loss's predictions on the deciding kind of model, averaged over the repeats of the folds."""

    candidate: Candidate
    y: Floats
    prediction: Floats  # (rows,), (rows, classes) for three classes and more, (rows, levels) for several quantiles
    weight: Floats | None = None  # of each row

    @property
    def label(self) -> str:
        return self.candidate.label

    @property
    def middle(self) -> Floats:
        """One number a row: of an interval, its middle."""
        return self.prediction if self.prediction.ndim == 1 else np.asarray(self.prediction.mean(axis=1))

    def pull(self) -> Floats:
        """The size of each row's gradient: how hard it pulls on the model."""
        candidate = self.candidate
        if candidate.levels and not candidate.band:
            each = [
                _pull(candidate.at(level), self.y, self.prediction[:, i], self.weight)
                for i, level in enumerate(candidate.levels)
            ]
            return np.asarray(np.sum(each, axis=0))
        return _pull(candidate, self.y, self.middle if candidate.band else self.prediction, self.weight)


def _pull(candidate: Candidate, y: Floats, prediction: Floats, weight: Floats | None) -> Floats:
    classes = prediction.shape[1] if prediction.ndim == 2 else 2
    loss = candidate.loss()
    if is_open(loss):
        loss = at_shares(loss, y.astype(np.intp), weight, classes)
    if candidate.transform == "log" or loss.link.name == "log":
        prediction = np.maximum(prediction, SMALLEST)
    target = y.astype(np.intp) if loss.target_kind in ("class id", "level") else candidate.transformed(y)
    raw = _raw(loss, candidate.transformed(prediction))
    weight = candidate.row_weights(y, weight, int(y.max()) + 1 if candidate.class_weight else 0)
    gradient = np.abs(np.asarray(loss.gradient(target, raw, reduction="none")))
    whole = gradient if gradient.ndim == 1 else np.asarray(gradient.sum(axis=1))
    return whole if weight is None else weight * whole


def _raw(loss: Loss, prediction: Floats) -> Floats:
    """Predictions as the loss takes them: scores before its link."""
    if loss.link.name in ("logit", "softmax") or loss.target_kind == "level":
        prediction = np.clip(prediction, SMALLEST, 1 - SMALLEST)
    return np.asarray(loss.link(prediction), dtype=np.float64)


def seen(result: Result, candidate: Candidate) -> Seen | None:
    """None where it could not be trained on the deciding kind of model."""
    found = result.predictions.get((candidate.label, result.kind))
    if found is None:
        return None
    rows = picked(result)
    problem, prediction = result.problem, np.asarray(found.mean(axis=0)[rows], dtype=np.float64)
    return Seen(candidate, problem.y[rows], prediction, None if problem.weight is None else problem.weight[rows])


def all_seen(result: Result) -> list[Seen]:
    found = (seen(result, candidate) for candidate in result.candidates)
    return [one for one in found if one is not None]


def of_default(result: Result) -> Seen:
    found = seen(result, next(c for c in result.candidates if c.label == result.default))
    assert found is not None  # there is no result without it
    return found


def of_chosen(result: Result) -> Seen:
    """The default's, where the chosen loss was proven on another kind of model only."""
    return seen(result, result.chosen) or of_default(result)


def of_pilot(result: Result) -> PilotRows:
    """Of numbers: what the pilot left unexplained before any loss was chosen."""
    assert result.profile.pilot is not None
    return result.profile.pilot


def picked(result: Result) -> Rows:
    """The rows that are drawn: all that were judged, or as many as can be seen, evenly chosen."""
    count = len(result.judged)
    return result.judged[np.arange(count) if count <= MOST else np.linspace(0, count - 1, MOST).astype(np.intp)]


def rivals(result: Result, most: int = 2) -> list[Seen]:
    """The default's strongest rivals on the deciding kind of model, the best first."""
    keys = [(c, result.scores.get((c.label, result.kind))) for c in result.candidates if c.label != result.default]
    order = sorted((float(np.mean(marks)), i) for i, (_, marks) in enumerate(keys) if marks is not None)
    found = (seen(result, keys[i][0]) for _, i in order[:most])
    return [one for one in found if one is not None]
