"""One outside score per aim, fixed before any training: every loss is judged by it, never by its own value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.tables import Floats

SMALLEST = 1e-15  # a probability of 0 for what happened would cost infinity; it costs 34.5 instead


@dataclass(frozen=True)
class Score:
    """per_row(y, prediction) is what differences are tested on; shown(mean) is the figure people know."""

    name: str
    shown_name: str
    per_row: Callable[[Floats, Floats], Floats]
    shown: Callable[[float], float]
    reason: str

    def mean(self, y: Floats, prediction: Floats, weight: Floats | None = None) -> float:
        return float(np.average(self.per_row(y, prediction), weights=weight))


def squared(y: Floats, f: Floats) -> Floats:
    return np.square(f - y)


def absolute(y: Floats, f: Floats) -> Floats:
    return np.abs(f - y)


def log_loss(y: Floats, p: Floats) -> Floats:
    """Surprise at the class that came: y holds class ids, p the chance of class 1, or a row of chances."""
    ids = y.astype(np.intp)
    chance = np.where(ids == 1, p, 1.0 - p) if p.ndim == 1 else p[np.arange(len(ids)), ids]
    return np.asarray(-np.log(np.clip(chance, SMALLEST, 1.0)))


def pinball(q: float) -> Callable[[Floats, Floats], Floats]:
    def per_row(y: Floats, f: Floats) -> Floats:
        return np.where(y >= f, q * (y - f), (1.0 - q) * (f - y))

    return per_row


def _same(value: float) -> float:
    return value


def _root(value: float) -> float:
    return float(np.sqrt(value))


def score_for(aim: Aim) -> Score:
    if aim.functional == "mean":
        return Score("mean squared error", "RMSE", squared, _root, "it is smallest at the mean")
    if aim.functional == "median":
        return Score("mean absolute error", "MAE", absolute, _same, "it is smallest at the median")
    if aim.functional == "quantile":
        name = f"pinball loss at {aim.level:g}"
        return Score(name, name, pinball(aim.level), _same, f"it is smallest at the {aim.level:g} quantile")
    return Score("log-loss", "log-loss", log_loss, _same, "it is smallest at the true probabilities")
