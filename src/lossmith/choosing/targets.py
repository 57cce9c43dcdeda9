"""The column to predict: is it there, is it usable, and can it have the aim that was asked for?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.errors import ChoiceError, plain, quoted
from lossmith.choosing.folds import SPLITS
from lossmith.choosing.tables import Column, Floats, Rows

FEWEST_ROWS = 2 * SPLITS
MOST_CLASSES = 50
FEW_OF_A_CLASS = 10  # below this no ranking of losses means anything


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


def make_target(column: Column, aim: Aim | None) -> Target:
    name = quoted(column.name)
    rows = np.flatnonzero(~np.isnan(column.values))
    y = column.values[rows]
    warnings = []
    if not rows.size:
        raise ChoiceError(f"the target {name} is empty: every value is missing")
    if np.isinf(y).any():
        raise ChoiceError(f"the target {name} has {np.isinf(y).sum()} infinite value(s); correct or remove them")
    if rows.size < len(column.values):
        warnings.append(f"{len(column.values) - rows.size} rows without a target were left out")
    if rows.size < FEWEST_ROWS:
        raise ChoiceError(f"{rows.size} rows with a target are too few; at least {FEWEST_ROWS} are needed")
    values = np.unique(y)
    labels = column.kind in ("category", "boolean")
    if values.size == 1:
        value = column.levels[int(values[0])] if column.levels else f"{values[0]:g}"
        what = "has one class only" if labels else "is constant"
        raise ChoiceError(f"the target {name} {what} ({quoted(value)}); there is nothing to predict")
    if aim is None:
        zero_one = set(values.tolist()) == {0.0, 1.0}
        aim = Aim("probability" if labels or zero_one else "mean", assumed=True)
    if aim.functional == "probability":
        return _classes(column, y, rows, values, aim, warnings)
    if column.kind == "category":
        raise ChoiceError(
            f"the target {name} holds text ({quoted(column.levels[0], 20)}, …), which has no {aim}; "
            "use --aim probability"
        )
    if column.kind == "date":
        raise ChoiceError(f"the target {name} holds dates; turn them into a number (days, hours) first")
    whole = bool(np.all(y == np.round(y)))
    return Target(column.name, y, rows, aim, whole=whole, warnings=tuple(warnings))


def _classes(column: Column, y: Floats, rows: Rows, values: Floats, aim: Aim, warnings: list[str]) -> Target:
    name = quoted(column.name)
    whole = bool(np.all(y == np.round(y)))
    if column.kind == "date" or (column.kind == "number" and values.size > 2 and (not whole or values.size > 20)):
        raise ChoiceError(
            f"the target {name} has {values.size} different numbers: a probability needs classes; "
            "use --aim mean, median or quantile:Q"
        )
    ids = np.searchsorted(values, y)
    classes = tuple(column.levels[int(v)] if column.levels else _label(v, column.kind == "boolean") for v in values)
    counts = np.bincount(ids)
    rarest = int(counts.argmin())
    if counts[rarest] < SPLITS:
        raise ChoiceError(
            f"class {quoted(classes[rarest], 30)} of the target {name} has {counts[rarest]} "
            f"row{'s' if counts[rarest] > 1 else ''}; each of the {SPLITS} folds needs one: "
            "merge it with another class or leave it out"
        )
    if values.size > MOST_CLASSES:
        raise ChoiceError(f"the target {name} has {values.size} classes; at most {MOST_CLASSES} can be raced")
    undecidable = None
    if counts[rarest] < FEW_OF_A_CLASS:
        undecidable = (
            f"class {quoted(classes[rarest], 30)} has {counts[rarest]} rows, fewer than {FEW_OF_A_CLASS}: "
            "no ranking of losses would mean anything"
        )
        warnings.append(undecidable)
    return Target(column.name, ids.astype(np.float64), rows, aim, classes, True, tuple(warnings), undecidable)


def _label(value: float, boolean: bool) -> str:
    return str(bool(value)).lower() if boolean else plain(f"{value:g}")
