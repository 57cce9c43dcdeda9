"""What the pictures are drawn from: predictions for rows that a model had not seen, and what they missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.candidates import Candidate
from lossmith.choosing.tables import Floats, Rows

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

MOST = 20_000  # rows in a picture: more change nothing that can be seen


@dataclass(frozen=True, eq=False)
class Seen:
    """One loss's predictions on the deciding kind of model, averaged over the repeats of the folds."""

    candidate: Candidate
    y: Floats
    prediction: Floats  # (rows,), or (rows, classes) for three classes and more

    @property
    def label(self) -> str:
        return self.candidate.label

    @property
    def residual(self) -> Floats:
        """How far y lies above the prediction."""
        return self.y - self.prediction

    def raw(self) -> Floats:
        """Predictions as the loss takes them: scores before its link."""
        loss, prediction = self.candidate.loss(), self.prediction
        if loss.link.name in ("logit", "softmax"):
            prediction = np.clip(prediction, 1e-12, 1 - 1e-12)
        elif loss.link.name == "log":
            prediction = np.maximum(prediction, 1e-12)
        return np.asarray(loss.link(prediction), dtype=np.float64)

    def pull(self) -> Floats:
        """The size of each row's gradient: how hard it pulls on the model."""
        loss = self.candidate.loss()
        target = self.y.astype(np.intp) if loss.target_kind == "class id" else self.y
        gradient = np.abs(np.asarray(loss.gradient(target, self.raw(), reduction="none")))
        return gradient if gradient.ndim == 1 else np.asarray(gradient.sum(axis=1))


def seen(result: Result, candidate: Candidate) -> Seen | None:
    """None where it could not be trained on the deciding kind of model."""
    found = result.predictions.get((candidate.label, result.kind))
    if found is None:
        return None
    rows = picked(result)
    return Seen(candidate, result.problem.y[rows], found.mean(axis=0)[rows])


def all_seen(result: Result) -> list[Seen]:
    found = (seen(result, candidate) for candidate in result.candidates)
    return [one for one in found if one is not None]


def of_default(result: Result) -> Seen:
    found = seen(result, next(c for c in result.candidates if c.label == result.default))
    assert found is not None  # there is no result without it
    return found


def picked(result: Result) -> Rows:
    """The rows that are drawn: all, or as many as can be seen, evenly chosen."""
    count = len(result.problem.y)
    return np.arange(count) if count <= MOST else np.linspace(0, count - 1, MOST).astype(np.intp)


def rivals(result: Result, most: int = 2) -> list[Seen]:
    """The default's strongest rivals on the deciding kind of model, the best first."""
    keys = [(c, result.scores.get((c.label, result.kind))) for c in result.candidates if c.label != result.default]
    order = sorted((float(np.mean(marks)), i) for i, (_, marks) in enumerate(keys) if marks is not None)
    found = (seen(result, keys[i][0]) for _, i in order[:most])
    return [one for one in found if one is not None]
