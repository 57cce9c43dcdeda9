"""From probabilities to a class: the rule that fits the aim, fitted where the model has not seen the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.errors import quoted
from lossmith.choosing.scores import Score
from lossmith.choosing.tables import Floats

Rule = Literal["argmax", "threshold", "prior shift", "cost rule"]

# of the class shares, the one that theory names first (Menon et al. 2021): of equal ones it is taken
POWERS = (1.0, 0.75, 1.25, 0.5, 1.5, 0.25, 1.75, 0.0, 2.0)
THRESHOLDS = 200  # at most, at even shares of the rows


@dataclass(frozen=True)
class Decision:
    """threshold: the least chance of class 1 that is called 1. divisors: what each class's chance is divided by before
    the largest is taken: its share of the rows to some power; a class that no row has, of share 0, is never taken.
    costs[true][predicted]."""

    rule: Rule
    threshold: float | None = None
    divisors: tuple[float, ...] = ()
    power: float | None = None
    costs: tuple[tuple[float, ...], ...] = ()

    def labels(self, p: Floats) -> Floats:
        """Class ids, (rows,), of chances of class 1, (rows,), or rows of chances, (rows, classes)."""
        if self.threshold is not None:
            return np.asarray(p >= self.threshold, dtype=np.float64)
        chances = np.column_stack([1.0 - p, p]) if p.ndim == 1 else p
        if self.costs:
            return np.asarray(np.argmin(chances @ np.asarray(self.costs), axis=1), dtype=np.float64)
        if self.divisors:
            divisors = np.asarray(self.divisors)
            chances = np.where(divisors > 0, chances / np.where(divisors > 0, divisors, 1.0), 0.0)
        return np.asarray(np.argmax(chances, axis=1), dtype=np.float64)

    def describe(self, classes: Sequence[str] = ("0", "1")) -> str:
        """What to do with a new row, in plain words."""
        second = quoted(classes[1], 30)
        if self.rule == "cost rule":
            return "take the class whose expected cost is smallest, by the given costs"
        if self.rule == "threshold":
            return f"say {second} where its probability is at least {self.threshold:.4g}"
        if self.rule == "argmax":
            return "take the class with the largest probability"
        if len(self.divisors) == 2:
            first, last = self.divisors
            why = "its share of the rows" if self.power == 1 else f"by the classes' shares to the power {self.power:g}"
            return f"say {second} where its probability is above {last / (first + last):.4g}, {why}"
        return f"divide each class's probability by its share of the rows to the power {self.power:g}; take the largest"

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Decision:
        costs = tuple(tuple(row) for row in state["costs"])
        return cls(state["rule"], state["threshold"], tuple(state["divisors"]), state["power"], costs)


def fit_decision(
    aim: Aim, score: Score, y: Floats, p: Floats, weight: Floats | None, shares: Floats
) -> Decision | None:
    """The rule for a score of labels, from chances of rows that the model has not seen; shares of the classes are those
    of the training rows."""
    if not score.judges_labels:
        return None
    if aim.costs is not None:
        return Decision("cost rule", costs=tuple(tuple(map(float, row)) for row in aim.costs))
    if aim.metric == "":
        return Decision("argmax")

    def cost(decision: Decision) -> float:
        return score.mean(y, decision.labels(p), weight)

    if p.ndim == 1 and aim.metric != "balanced_error":
        return min((Decision("threshold", float(t)) for t in _thresholds(p)), key=cost)
    shifts = (Decision("prior shift", divisors=tuple((shares**a).tolist()), power=a) for a in POWERS)
    return min(shifts, key=cost)


def _thresholds(p: Floats) -> Floats:
    """Between neighbouring chances; below and above all of them."""
    values = np.unique(np.quantile(p, np.linspace(0.0, 1.0, THRESHOLDS), method="nearest"))
    return np.append((values[:-1] + values[1:]) / 2, [values[0], np.nextafter(values[-1], np.inf)])


def undone(p: Floats, weights: Sequence[float]) -> Floats:
    """Chances under the classes' own shares, from chances learnt with these weights: the odds over the weights."""
    w = np.asarray(weights)
    chances = (np.column_stack([1.0 - p, p]) if p.ndim == 1 else p) / w
    chances = chances / chances.sum(axis=1, keepdims=True)
    return np.asarray(chances[:, 1] if p.ndim == 1 else chances)
