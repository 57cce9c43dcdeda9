"""How long, or how many, were at risk: the column by which counts are divided to become rates."""

from __future__ import annotations

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.tables import Column, Table
from lossmith.choosing.targets import Target


def _of_a_rate(aim: Aim) -> bool:
    """The mean of y per unit is a rate; a median per unit is not, nor is a mean of logarithms."""
    return aim.functional == "mean" and aim.metric in ("", "poisson_deviance")


def check_exposure(column: Column) -> None:
    """As it came: a column that does not vary is later left out."""
    name = quoted(column.name)
    if column.kind != "number" or not np.all(column.values > 0) or np.isinf(column.values).any():
        raise ChoiceError(f"the exposure column {name} must hold positive numbers without gaps")
    if np.ptp(column.values) == 0:
        value = column.values[0]
        raise ChoiceError(f"the exposure column {name} is {value:g} in every row, which changes nothing: leave it out")


def find_exposure(table: Table, target: Target, asked: str | None) -> tuple[str | None, str | None]:
    """The exposure column (asked for, or a positive column of that very name beside counts), and what to say."""
    if asked is not None:
        if not _of_a_rate(target.aim):
            raise ChoiceError(f"an exposure goes with --aim mean, not with {target.aim}")
        if target.y.min() < 0:
            raise ChoiceError(f"an exposure needs a target of zero or more; {quoted(target.name)} has negative values")
        return asked, None
    counts = target.whole and target.y.min() >= 0 and len(np.unique(target.y)) >= 3
    if not counts or not _of_a_rate(target.aim):
        return None, None
    for column in table.columns:
        positive = column.kind == "number" and np.all(column.values > 0) and np.isfinite(column.values).all()
        if column.name.lower() == "exposure" and positive and np.unique(column.values).size > 1:
            return column.name, (
                f"{quoted(column.name)} was taken as the exposure of the counts in "
                f"{quoted(target.name)}: Poisson models the rate per unit of it (say exposure none if it is not)"
            )
    return None, None
