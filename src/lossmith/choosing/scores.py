"""One outside score per aim, fixed before any training: every loss is judged by it, never by its own value.

A score is a function of sums over rows. So one number per fold, one per bootstrap sample and one per table all come
from the same few columns, and resampling rows, groups or stretches of time means adding those columns up again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.confusion import CONFUSIONS, cost_of
from lossmith.choosing.ranks import Columns, average_precision, ranking
from lossmith.choosing.tables import Floats, Rows

ASKED = "it is what was asked for"
SMALLEST = 1e-15  # a probability of 0 for what happened would cost infinity; it costs 34.5 instead
LEAST_MEAN = 1e-3  # of the mean of y: a deviance wants positive predictions, and what is less counts as this much

PerRow = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class Score:
    """Smaller is better: `mean` is what differences are tested on, and shown(mean) the figure that people know.

    sums(y, prediction, weight, part, parts) adds up some columns over each part of the rows, (parts, columns), where
    `part` holds each row's number; of(sums) is the score of such sums, whose last axis holds the columns. per_row is
    each row's own cost, where the score is a mean of those.
    """

    name: str
    shown_name: str
    shown: Callable[[float], float]
    reason: str
    sums: Callable[[Floats, Floats, Floats, Rows, int], Floats]
    of: Callable[[Floats], Floats]
    per_row: PerRow | None = None
    judges_labels: bool = False  # predictions are class ids: probabilities need a decision first
    higher: bool = False  # of what is shown, more is better
    ranks: bool = False  # judges the order of two kinds of rows: of one kind it has no value
    tunes: bool = True  # smooth and proper enough to choose a penalty or a number of rounds by

    @property
    def shown_as_judged(self) -> bool:
        return self.shown is _same

    def mean(self, y: Floats, prediction: Floats, weight: Floats | None = None) -> float:
        w = np.ones(len(y)) if weight is None else weight
        return float(self.of(self.sums(y, prediction, w, np.zeros(len(y), dtype=np.intp), 1))[0])


def _added(columns: Columns) -> Callable[[Floats, Floats, Floats, Rows, int], Floats]:
    """Columns that are made row by row, (rows, columns), added up."""

    def sums(y: Floats, f: Floats, w: Floats, part: Rows, parts: int) -> Floats:
        each = columns(y, f, w).T
        return np.column_stack([np.bincount(part, weights=column, minlength=parts) for column in each])

    return sums


def _mean_of(
    name: str, shown_name: str, per_row: PerRow, reason: str, shown: Callable[[float], float] | None = None, **more: Any
) -> Score:
    """A score that is the weighted mean of each row's cost."""

    def columns(y: Floats, f: Floats, w: Floats) -> Floats:
        return np.column_stack([w * per_row(y, f), w])

    def of(sums: Floats) -> Floats:
        return np.asarray(sums[..., 0] / sums[..., 1])

    return Score(name, shown_name, shown or _same, reason, _added(columns), of, per_row, **more)


def _same(value: float) -> float:
    return value


def _rest(value: float) -> float:
    return 1.0 - value


def _root(value: float) -> float:
    return float(np.sqrt(value))


# numbers


def squared(y: Floats, f: Floats) -> Floats:
    return np.square(f - y)


def absolute(y: Floats, f: Floats) -> Floats:
    return np.abs(f - y)


def percentage(y: Floats, f: Floats) -> Floats:
    return np.abs(f - y) / np.abs(y)


def squared_log(y: Floats, f: Floats) -> Floats:
    return np.asarray(np.square(np.log1p(np.maximum(f, 0.0)) - np.log1p(y)))


def pinball(q: float) -> PerRow:
    def per_row(y: Floats, f: Floats) -> Floats:
        return np.where(y >= f, q * (y - f), (1.0 - q) * (f - y))

    return per_row


def asymmetric(q: float) -> PerRow:
    def per_row(y: Floats, f: Floats) -> Floats:
        return np.where(y >= f, q, 1.0 - q) * np.square(f - y)

    return per_row


def interval(coverage: float) -> PerRow:
    """Width, and 2/(1 - coverage) for every unit by which y is missed (Winkler 1972); predictions are (rows, 2)."""

    def per_row(y: Floats, f: Floats) -> Floats:
        low, high = f[:, 0], f[:, -1]
        missed = np.maximum(low - y, 0.0) + np.maximum(y - high, 0.0)
        return np.asarray(high - low + 2.0 / (1.0 - coverage) * missed)

    return per_row


def deviance(power: float) -> PerRow:
    """Of the Tweedie family: 1 is Poisson, 2 gamma."""

    def per_row(y: Floats, f: Floats) -> Floats:
        f = np.maximum(f, LEAST_MEAN * float(y.mean()))
        if power == 1.0:
            logs = np.where(y > 0, y * np.log(np.where(y > 0, y, 1.0) / f), 0.0)
            return np.asarray(2.0 * (logs - y + f))
        if power == 2.0:
            return 2.0 * (np.log(f / y) + y / f - 1.0)
        a, b = 1.0 - power, 2.0 - power
        return 2.0 * (np.maximum(y, 0.0) ** b / (a * b) - y * f**a / a + f**b / b)

    return per_row


# classes


def log_loss(y: Floats, p: Floats) -> Floats:
    """Surprise at the class that came: y holds class ids, p the chance of class 1, or a row of chances."""
    ids = y.astype(np.intp)
    chance = np.where(ids == 1, p, 1.0 - p) if p.ndim == 1 else p[np.arange(len(ids)), ids]
    return np.asarray(-np.log(np.clip(chance, SMALLEST, 1.0)))


def brier(y: Floats, p: Floats) -> Floats:
    if p.ndim == 1:
        return np.square(p - y)
    return np.asarray(np.square(p - (y[:, None] == np.arange(p.shape[1]))).sum(axis=1))


def _of_labels(metric: str, classes: int, of_class: str = "") -> Score:
    """A function of the table of true against predicted classes."""
    name, shown_name, of, reason = CONFUSIONS[metric]
    name, shown_name = name + of_class, shown_name + of_class

    def sums(y: Floats, label: Floats, w: Floats, part: Rows, parts: int) -> Floats:
        place = (part * classes + y.astype(np.intp)) * classes + label.astype(np.intp)
        sums = np.bincount(place, weights=w, minlength=parts * classes**2)
        return sums.reshape(parts, classes**2).astype(np.float64)

    def value(sums: Floats) -> Floats:
        return of(sums.reshape(*sums.shape[:-1], classes, classes))

    higher = shown_name != name
    shown = _rest if higher else _same
    return Score(name, shown_name, shown, reason, sums, value, judges_labels=True, higher=higher, tunes=False)


MEAN = "it is smallest at the mean"
PROPER = "it is smallest at the true probabilities"
LOG_LOSS = _mean_of("log-loss", "log-loss", log_loss, PROPER)


def _by_order(name: str, columns: Columns, of: Callable[[Floats], Floats]) -> Score:
    reason = "it depends on the order of the probabilities only"
    return Score(f"1 - {name}", name, _rest, reason, _added(columns), of, higher=True, ranks=True, tunes=False)


def _at_level(kind: str, per_row: Callable[[float], PerRow], aim: Aim, what: str) -> Score:
    name = f"{kind} at {aim.level:g}"
    return _mean_of(name, name, per_row(aim.level), f"it is smallest at the {aim.level:g} {what}")


def _cost(aim: Aim) -> Score:
    assert aim.costs is not None
    reason = "it is what the decisions cost, by the given table of costs"
    per_row = cost_of(np.asarray(aim.costs))
    return _mean_of("mean cost of a decision", "cost", per_row, reason, judges_labels=True, tunes=False)


METRICS: dict[str, Callable[[Aim, int], Score]] = {  # by the names that aims use, and by functionals for their own
    "mean": lambda aim, classes: _mean_of("mean squared error", "RMSE", squared, MEAN, _root),
    "median": lambda aim, classes: _mean_of("mean absolute error", "MAE", absolute, "it is smallest at the median"),
    "quantile": lambda aim, classes: _at_level("pinball loss", pinball, aim, "quantile"),
    "expectile": lambda aim, classes: _at_level("asymmetric squared error", asymmetric, aim, "expectile"),
    "interval": lambda aim, classes: _mean_of(
        "interval score", "interval score", interval(aim.level), "it is smallest where the ends are the two quantiles"
    ),
    "probability": lambda aim, classes: LOG_LOSS,
    "label": lambda aim, classes: _of_labels("error_rate", classes),
    "mape": lambda aim, classes: _mean_of("mean absolute percentage error", "MAPE", percentage, ASKED),
    "rmsle": lambda aim, classes: _mean_of("mean squared log error", "RMSLE", squared_log, ASKED, _root),
    "poisson_deviance": lambda aim, classes: _mean_of("Poisson deviance", "Poisson deviance", deviance(1.0), MEAN),
    "tweedie_deviance": lambda aim, classes: _mean_of("Tweedie deviance", "Tweedie deviance", deviance(1.5), MEAN),
    "gamma_deviance": lambda aim, classes: _mean_of("gamma deviance", "gamma deviance", deviance(2.0), MEAN),
    "brier": lambda aim, classes: _mean_of("Brier score", "Brier score", brier, PROPER),
    "auc": lambda aim, classes: _by_order("AUC", *ranking()),
    "average_precision": lambda aim, classes: _by_order(f"average precision{aim.of_class}", *average_precision()),
    "balanced_error": lambda aim, classes: _of_labels("balanced_error", classes),
    "f1": lambda aim, classes: _of_labels("f1", classes, aim.of_class),
    "f1_macro": lambda aim, classes: _of_labels("f1_macro", classes),
    "mcc": lambda aim, classes: _of_labels("mcc", classes),
    "cost": lambda aim, classes: _cost(aim),
}


def score_for(aim: Aim, classes: int = 0) -> Score:
    return METRICS[aim.metric or aim.functional](aim, classes)


def tuning_score(score: Score) -> Score:
    """What penalties and rounds are chosen by: the score itself, or the log-loss where the score judges labels or an
    order, which move in jumps that few rows cause."""
    return score if score.tunes else LOG_LOSS
