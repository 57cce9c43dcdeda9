"""What the user wants to know about y: its mean, its median, a quantile, an interval, a probability, or a label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np

from lossmith.choosing.costs import CostMatrix, Costs, read_costs
from lossmith.choosing.errors import ChoiceError, near, quoted
from lossmith.choosing.looked_for import OF_ONE_CLASS
from lossmith.choosing.metrics import find_metric
from lossmith.choosing.tables import Floats

Functional = Literal["mean", "median", "quantile", "expectile", "interval", "probability", "label"]

TITLES: dict[str, str] = {
    "mean": "the mean (so that totals come out right)",
    "median": "the median (a miss in either direction costs the same per unit)",
    "probability": "the probability of each class",
    "label": "the class itself (every mistake costs the same)",
}
JUDGED = {  # what the judge makes of the functional, where it is not the functional's own
    "mape": "a median that weighs each row by 1/y (a miss costs its share of y)",
    "rmsle": "the mean of log(1 + y), turned back (a miss costs its ratio)",
    "balanced_error": "the class itself (every class counts the same, however rare)",
    "f1": "the class itself (judged by F1{})",
    "f1_macro": "the class itself (judged by the mean of every class's F1)",
    "mcc": "the class itself (judged by the Matthews correlation)",
    "cost": "the class that costs least",
    "auc": "the order of the rows by their probability",
    "average_precision": "the order of the rows by their probability{}",
}


@dataclass(frozen=True)
class Aim:
    functional: Functional
    q: float | None = None  # the level of a quantile or expectile; the coverage of an interval
    assumed: bool = False  # the user named no aim
    asked: str = field(default="", compare=False)  # as the user wrote it
    metric: str = ""  # the one score that judges; empty: the functional's own
    costs: Costs | None = None  # costs[true class][predicted class]
    assumptions: tuple[str, ...] = field(default=(), compare=False)  # what was made of what the user asked for
    looked_for: str = ""  # of two classes, the one that a metric of one class judges
    named_costs: CostMatrix | None = field(default=None, compare=False)  # until the target's classes are known

    def __str__(self) -> str:
        """As the user could write it."""
        if self.asked.partition(":")[0] in ("metric", "cost", "cost-matrix"):
            return self.asked
        if self.metric == "balanced_error":
            return "balanced-label"
        return self.functional if self.q is None else f"{self.functional}:{self.q:g}"

    @property
    def title(self) -> str:
        if self.metric in JUDGED:
            return JUDGED[self.metric].format(self.of_class)
        if self.functional == "interval":
            return f"an interval that holds {self.q:.0%} of what comes"
        return TITLES[self.functional] if self.q is None else f"the {self.q:.4g} {self.functional}"

    @property
    def of_class(self) -> str:
        """Behind the name of a metric of one class: which one it judges."""
        return f" of {quoted(self.looked_for, 20)}" if self.looked_for else ""

    @property
    def level(self) -> float:
        """The quantile or expectile asked for; the median is the quantile at one half."""
        return 0.5 if self.q is None else self.q

    @property
    def levels(self) -> tuple[float, ...]:
        """The quantiles to train: one for a quantile (and the median), the two ends of an interval."""
        if self.functional == "interval":
            tail = round((1.0 - self.level) / 2, 12)
            return tail, round(1.0 - tail, 12)
        return (self.level,) if self.functional in ("median", "quantile") else ()

    @property
    def wants_classes(self) -> bool:
        return self.functional in ("probability", "label")

    def for_classes(self, classes: tuple[str, ...]) -> Aim:
        """With its costs in the order of the target's classes; of two, with the one that its metric judges."""
        if len(classes) == 2 and self.metric in OF_ONE_CLASS:
            said = (
                f"the {OF_ONE_CLASS[self.metric]} is that of the class {quoted(classes[1], 30)}, taken for the one "
                "that is looked for; to judge the other, name the classes no and yes"
            )
            return replace(self, looked_for=classes[1], assumptions=(*self.assumptions, said))
        if self.named_costs is None:
            return self
        return replace(self, costs=self.named_costs.ordered(classes))


def parse_aim(text: str | Aim) -> Aim:
    """mean, median, quantile:Q, expectile:Q, interval:C, probability, label, balanced-label, metric:NAME,
    cost:UNDER,OVER or cost-matrix:FILE."""
    if isinstance(text, Aim):
        return text
    asked = str(text).strip()
    name, colon, rest = asked.partition(":")
    name = name.strip().lower()
    if name in PLAIN and not colon:
        return replace(PLAIN[name], asked=asked)
    if name in WITH_VALUE:
        return replace(WITH_VALUE[name](rest.strip(), asked), asked=asked)
    hint = f"; {name} takes no value" if name in PLAIN else near(IN_OTHER_WORDS.get(name, name), (*PLAIN, *WITH_VALUE))
    raise ChoiceError(f"unknown aim {quoted(text)}{hint or f'; it is one of {FORMS}'}")


def _at_level(functional: str) -> Callable[[str, str], Aim]:
    def parse(rest: str, asked: str) -> Aim:
        q = _number(rest)
        if not 0.0 < q < 1.0:
            letter, example = ("C", "0.8") if functional == "interval" else ("Q", "0.9")
            example = f"{q / 100:g}" if 10.0 <= q < 100.0 else example
            raise ChoiceError(
                f"aim {quoted(asked)}: write {functional}:{letter} with {letter} between 0 and 1, "
                f"such as {functional}:{example}"
            )
        if q == 0.5 and functional == "quantile":
            return Aim("median")
        if q == 0.5 and functional == "expectile":
            return Aim("mean")
        return Aim(cast(Functional, functional), q)

    return parse


def _metric(rest: str, asked: str) -> Aim:
    metric = find_metric(rest)
    if isinstance(metric, str):
        return parse_aim(metric)
    return Aim(cast(Functional, metric.functional), metric=metric.score, assumptions=(metric.asks_for,))


def _cost(rest: str, asked: str) -> Aim:
    parts = [_number(part) for part in rest.split(",")]
    if len(parts) != 2 or not all(np.isfinite(parts)) or min(parts) <= 0:
        raise ChoiceError(
            f"aim {quoted(asked)}: write cost:UNDER,OVER with what one unit too little and one unit too much cost, "
            "such as cost:5,1"
        )
    under, over = parts
    q = under / (under + over)
    if not 0.0 < q < 1.0:
        raise ChoiceError(f"aim {quoted(asked)}: one of these costs is nothing beside the other; write them nearer")
    meaning = (
        f"a unit too little costs {under:g}, a unit too much {over:g}: the cheapest prediction is the "
        f"{q:.4g} quantile, {under:g}/({under:g} + {over:g})"
    )
    return Aim("quantile", q, assumptions=(meaning,)) if q != 0.5 else Aim("median", assumptions=(meaning,))


def _cost_matrix(rest: str, asked: str) -> Aim:
    if not rest:
        raise ChoiceError(f"aim {quoted(asked)}: write cost-matrix:FILE with a CSV file of costs")
    found = read_costs(Path(rest))
    meaning = "the probabilities are trained, then each row gets the class whose expected cost is smallest"
    return Aim("label", metric="cost", costs=found.costs, named_costs=found, assumptions=(meaning,))


PLAIN = {
    "mean": Aim("mean"),
    "median": Aim("median"),
    "probability": Aim("probability"),
    "label": Aim("label"),
    "balanced-label": Aim("label", metric="balanced_error"),
}
WITH_VALUE: dict[str, Callable[[str, str], Aim]] = {
    "quantile": _at_level("quantile"),
    "expectile": _at_level("expectile"),
    "interval": _at_level("interval"),
    "metric": _metric,
    "cost": _cost,
    "cost-matrix": _cost_matrix,
}
IN_OTHER_WORDS = {
    "average": "mean", "total": "mean", "sum": "mean", "typical": "median", "middle": "median", "class": "label",
    "percentile": "quantile",
}  # fmt: skip
FORMS = (
    "mean, median, quantile:Q, expectile:Q, interval:C, probability, label, balanced-label, metric:NAME, "
    "cost:UNDER,OVER, cost-matrix:FILE"
)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def best_constant(aim: Aim, y: Floats, weight: Floats | None, classes: int = 0) -> Floats:
    """The best prediction that ignores X: one number, one per end of an interval, or one probability per class."""
    w = np.ones(len(y)) if weight is None else weight
    if aim.wants_classes:
        counts = np.bincount(y.astype(np.intp), weights=w, minlength=classes).astype(np.float64)
        counts[counts == 0] = w.mean() / 2.0  # a class that was not seen counts as half a row: it may come yet
        shares = counts / counts.sum()
        return np.array(shares[1]) if classes == 2 else shares
    if aim.metric == "rmsle":
        return np.array(np.expm1(np.average(np.log1p(y), weights=w)))
    if aim.functional == "mean":
        return np.array(np.average(y, weights=w))
    if aim.functional == "expectile":
        return np.array(_expectile(y, w, aim.level))
    if aim.metric == "mape":
        w = w / np.abs(y)
    found = [_quantile(y, w, level) for level in aim.levels]
    return np.array(found if aim.functional == "interval" else found[0])


def mean_and_median(y: Floats, weight: Floats | None) -> tuple[float, float]:
    mean, median = (float(best_constant(Aim(value), y, weight)) for value in ("mean", "median"))
    return mean, median


def _quantile(y: Floats, w: Floats, level: float) -> float:
    """The midpoint of the level's quantiles."""
    order = np.argsort(y, kind="stable")
    below = np.cumsum(w[order]) / w.sum()
    low = min(int(np.searchsorted(below, level - 1e-12)), len(y) - 1)
    high = min(int(np.searchsorted(below, level + 1e-12)), len(y) - 1)
    return float((y[order[low]] + y[order[high]]) / 2)


def _expectile(y: Floats, w: Floats, level: float) -> float:
    from scipy.stats import expectile

    return float(expectile(y, alpha=level, weights=w))
