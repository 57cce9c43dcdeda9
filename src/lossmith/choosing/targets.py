"""The column to predict: is it there, is it usable, and can it have the aim that was asked for?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.class_names import FEW_NUMBERS, in_digits
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.facts import infinite
from lossmith.choosing.folds import SPLITS
from lossmith.choosing.lookalikes import look_like
from lossmith.choosing.looked_for import OF_ONE_CLASS, looked_for
from lossmith.choosing.scales import on_a_scale
from lossmith.choosing.tables import Column, Floats, Rows

FEWEST_ROWS = 2 * SPLITS
MOST_CLASSES = 50
FEW_CODES = 10  # and so many whole ones are, often enough to say so where they are taken for amounts
SMALLEST, LARGEST = 1e-75, 1e75  # the fourth powers of residuals stay in range
FEW_OF_A_CLASS = 10  # below this no ranking of losses means anything
DEFINED_FOR: dict[str, tuple[str, Callable[[Floats], Any]]] = {
    "mape": ("positive values, for it divides by them", lambda y: y > 0),
    "rmsle": ("values of zero or more", lambda y: y >= 0),
    "poisson_deviance": ("values of zero or more", lambda y: y >= 0),
    "tweedie_deviance": ("values of zero or more", lambda y: y >= 0),
    "gamma_deviance": ("positive values", lambda y: y > 0),
}


@dataclass(frozen=True, eq=False)
class Target:
    """y as numbers (class ids for a probability), the rows it was found on, and its classes if it has any."""

    name: str
    y: Floats
    rows: Rows
    aim: Aim
    classes: tuple[str, ...] = ()
    whole: bool = False
    warnings: tuple[str, ...] = ()
    undecidable: str | None = None
    labels: tuple[Any, ...] | None = None  # the classes as y holds them, unless these are 0, 1, ...
    ordered: bool = False  # its classes stand in their order


def make_target(column: Column, aim: Aim | None, weights: Floats | None = None) -> Target:
    """Of the rows that have a target and, where there are weights, one above zero."""
    warnings: list[str] = []
    name = quoted(column.name)
    if column.kind == "date":
        raise ChoiceError(
            f"the target {name} holds dates; turn them into a number (days, hours) or into names of classes first"
        )
    column = _numbers_or_classes(column, aim, warnings)
    present = ~np.isnan(column.values)
    if not present.any():
        raise ChoiceError(f"the target {name} is empty: every value is missing")
    rows = np.flatnonzero(present if weights is None else present & (weights > 0))
    y = column.values[rows]
    what = "a target" if weights is None else "a target and a weight above zero"
    if rows.size < FEWEST_ROWS:
        raise ChoiceError(f"{rows.size} rows with {what} are too few; at least {FEWEST_ROWS} are needed")
    _refuse_extreme(name, y)
    if wrong := infinite(y, rows):
        raise ChoiceError(f"the target {name} has {wrong}; correct or remove them")
    if rows.size < len(column.values):
        warnings.append(f"{len(column.values) - rows.size} rows without {what} were left out")
    values = np.unique(y)
    labels = column.kind in ("category", "boolean")
    if values.size == 1:
        value = column.levels[int(values[0])] if column.levels else f"{values[0]:g}"
        one = "has one class only" if labels else "is constant"
        where = "" if weights is None else " where the weight is above zero"
        raise ChoiceError(f"the target {name} {one} ({quoted(value)}){where}; there is nothing to predict")
    if aim is None:
        zero_one = set(values.tolist()) == {0.0, 1.0}
        aim = Aim("probability" if labels or zero_one else "mean", assumed=True)
    if aim.wants_classes:
        return _classes(column, y, rows, values, aim, warnings)
    if column.kind == "category":
        raise ChoiceError(
            f"the target {name} holds text ({quoted(column.levels[0], 20)}, …), which has no {aim}; "
            "use --aim probability"
        )
    _refuse_outside(name, y, rows, aim)
    whole = bool(np.all(y == np.round(y)))
    return Target(column.name, y, rows, aim, whole=whole, warnings=tuple(warnings))


def perhaps_classes(y: Floats) -> str:
    """The values in words, if they are whole and so few that they may be names of classes; else nothing."""
    values = np.unique(y)
    if len(values) > FEW_CODES or (values != np.round(values)).any():
        return ""
    *first, last = (f"{value:.0f}" for value in values)
    return f"{', '.join(first)} and {last}"


def _refuse_extreme(name: str, y: Floats) -> None:
    """Squares of such numbers are infinite, or zero."""
    largest = float(np.abs(y).max())
    if np.isfinite(largest) and largest > 0 and not SMALLEST <= largest <= LARGEST:
        raise ChoiceError(
            f"the target {name} goes up to {largest:.3g} in size, whose square a computer cannot hold: "
            "measure it in other units"
        )


def _refuse_outside(name: str, y: Floats, rows: Rows, aim: Aim) -> None:
    """A metric that is not defined for some value of the target."""
    if aim.metric not in DEFINED_FOR:
        return
    what, allowed = DEFINED_FOR[aim.metric]
    wrong = np.flatnonzero(~allowed(y))
    if wrong.size:
        raise ChoiceError(
            f"{aim} needs {what}; the target {name} holds {y[wrong[0]]:g} in data row {rows[wrong[0]] + 1} "
            f"({wrong.size} such value{'s' if wrong.size > 1 else ''}): use another aim, such as mean or median"
        )


def _numbers_or_classes(column: Column, aim: Aim | None, warnings: list[str]) -> Column:
    """Texts that are numbers are numbers, unless they are few or asked for as classes; what is neither is refused."""
    texts = column if column.kind == "category" else column.texts
    if texts is None:
        return column
    wants_classes = aim is not None and aim.wants_classes
    if texts is not column and len(texts.levels) <= FEW_NUMBERS and (wants_classes or aim is None):
        return texts
    if column.strays:
        raise ChoiceError(
            f"the target {quoted(column.name)} holds numbers, but {column.strays}; "
            "correct what is no number, or empty the cell (rows without a target are left out)"
        )
    if texts is column and len(texts.levels) > FEW_NUMBERS and (said := look_like(column)):
        said = f"most values of the target {quoted(column.name)} {said}"
        may_be_classes = len(texts.levels) <= MOST_CLASSES
        if not (may_be_classes and wants_classes):
            hint = "; if they are names of classes, use --aim probability"
            raise ChoiceError(said + hint * (may_be_classes and aim is None))
        warnings.append(f"{said}; they were taken as names of classes")
    return column


def _classes(column: Column, y: Floats, rows: Rows, values: Floats, aim: Aim, warnings: list[str]) -> Target:
    name = quoted(column.name)
    whole = bool(np.all(y == np.round(y)))
    if column.kind == "number" and values.size > 2 and (not whole or values.size > FEW_NUMBERS):
        raise ChoiceError(
            f"the target {name} has {values.size} different numbers: {_article(aim)} needs classes; "
            "use --aim mean, median or quantile:Q"
        )
    if values.size > MOST_CLASSES:
        raise ChoiceError(
            f"the target {name} has {values.size:,} classes; at most {MOST_CLASSES} can be raced: merge the rare ones"
        )
    scale = None if column.ordered or not column.levels else on_a_scale([column.levels[int(v)] for v in values])
    order = np.arange(values.size) if scale is None else np.array(scale)
    if values.size == 2 and aim.metric in OF_ONE_CLASS:
        rows_of = np.bincount(np.searchsorted(values, y))
        judged = looked_for(_names(column, values), rows_of.tolist())
        order = np.array([1 - judged, judged])  # the second is what such a metric is about
    ids = np.argsort(order)[np.searchsorted(values, y)]
    values = values[order]
    classes = _names(column, values)
    labels = tuple(column.levels[int(v)] if column.levels else int(v) if whole else float(v) for v in values)
    named = bool(column.levels) or labels != tuple(range(len(labels)))
    counts = np.bincount(ids)
    rarest = int(counts.argmin())
    if counts[rarest] < SPLITS:
        raise ChoiceError(
            f"class {quoted(classes[rarest], 30)} of the target {name} has {counts[rarest]} "
            f"row{'s' if counts[rarest] > 1 else ''}; each of the {SPLITS} folds needs one: "
            "merge it with another class or leave it out"
        )
    undecidable = None
    if counts[rarest] < FEW_OF_A_CLASS:
        undecidable = (
            f"class {quoted(classes[rarest], 30)} has {counts[rarest]} rows, fewer than {FEW_OF_A_CLASS}: "
            "too few to show which loss is better"
        )
        warnings.append(undecidable)
    return Target(
        column.name,
        ids.astype(np.float64),
        rows,
        aim.for_classes(classes),
        classes,
        True,
        tuple(warnings),
        undecidable,
        labels if named else None,
        column.ordered or scale is not None,
    )


def _names(column: Column, values: Floats) -> tuple[str, ...]:
    if column.levels:
        return tuple(column.levels[int(v)] for v in values)
    return in_digits(values, column.kind == "boolean")


def _article(aim: Aim) -> str:
    return f"a {aim}" if aim.metric == "" else f"the aim {aim}"
