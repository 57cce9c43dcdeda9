"""A table -> the facts that decide which losses are legal and which are worth a race."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.residuals import Residuals, describe, pilot_residuals
from lossmith.choosing.tables import Floats, Table
from lossmith.choosing.targets import Target

PILOT_ROWS = 20_000

SUPPORTS = {
    "real": "numbers of both signs",
    "positive": "positive numbers",
    "nonnegative": "numbers of zero or more",
    "semicontinuous": "exact zeros and positive amounts",
    "count": "counts",
    "proportion": "shares between 0 and 1",
    "binary": "two classes",
    "multiclass": "several classes",
}


@dataclass(frozen=True)
class Profile:
    rows: int
    columns: int
    support: str
    zeros: float
    skew: float
    spread: float  # largest / smallest, for positive y
    residuals: Residuals | None
    exposure: str | None
    class_rows: tuple[tuple[str, int], ...]
    warnings: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def support_of(target: Target) -> str:
    if target.aim.wants_classes:
        return "binary" if len(target.classes) == 2 else "multiclass"
    y = target.y
    distinct = len(np.unique(y))
    zeros = float(np.mean(y == 0))
    if y.min() < 0:
        return "real"
    if y.max() <= 1.0 and distinct >= 10:
        return "proportion"
    if target.whole and distinct >= 3 and y.min() >= 0 and y.mean() < 50:
        return "count"
    if zeros == 0:
        return "positive"
    return "semicontinuous" if 0.02 <= zeros <= 0.95 and not target.whole else "nonnegative"


def profile(table: Table, target: Target, exposure: str | None, seed: int) -> Profile:
    """table holds the explaining columns at the target's rows."""
    y = target.y
    support = support_of(target)
    warnings: list[str] = []
    residuals = None
    if not target.aim.wants_classes:
        rows = np.arange(len(y))
        if len(y) > PILOT_ROWS:
            rows = np.sort(np.random.default_rng(seed).permutation(len(y))[:PILOT_ROWS])
        residuals = describe(pilot_residuals(table.take(rows), y[rows], seed))
        warnings += _warnings(target, residuals)
    dates = [c.name for c in table.columns if c.kind == "date"]
    if dates:
        warnings.append(
            f"column {quoted(dates[0])} holds dates, but the folds are drawn at random: "
            "if rows follow one another in time, the scores flatter every loss"
        )
    deviation = float(y.std())
    return Profile(
        rows=len(y),
        columns=len(table.columns),
        support=support,
        zeros=float(np.mean(y == 0)),
        skew=float(np.mean(((y - y.mean()) / deviation) ** 3)) if deviation > 0 else 0.0,
        spread=float(y.max() / y.min()) if y.min() > 0 else float("inf"),
        residuals=residuals,
        exposure=exposure,
        class_rows=tuple((name, int((y == i).sum())) for i, name in enumerate(target.classes)),
        warnings=tuple(warnings),
    )


def _warnings(target: Target, residuals: Residuals) -> list[str]:
    y, functional = target.y, target.aim.functional
    found = []
    if functional == "median" and float(np.mean(y == 0)) > 0.5:
        found.append(
            f"{np.mean(y == 0):.0%} of {quoted(target.name)} is 0: the best median is 0 almost everywhere; "
            "ask for the mean, an upper quantile, or the probability of more than 0"
        )
    if functional == "mean" and residuals.tail_band[1] < 4:
        found.append(
            f"the residuals' tail index is {residuals.tail_index:.2g} (below 4): a few rows decide "
            "the squared error, so RMSE settles little here"
        )
    if functional == "mean":
        share = _worst_share(y)
        if share > 0.5:
            found.append(f"1% of the rows carry {share:.0%} of the squared distance to the mean")
    return found


def _worst_share(y: Floats) -> float:
    squares = np.sort((y - y.mean()) ** 2)[::-1]
    return float(squares[: max(1, len(y) // 100)].sum() / squares.sum())


def undecidable(target: Target, facts: Profile) -> str | None:
    """Why no comparison on this table can be a proof, if so."""
    if target.undecidable:
        return target.undecidable
    if target.aim.functional == "mean" and facts.residuals and facts.residuals.tail_band[1] < 2:
        return (
            f"the residuals' tail index is {facts.residuals.tail_index:.2g} (below 2): the squared error "
            "has no mean for a comparison to settle on"
        )
    return None


def find_exposure(table: Table, target: Target, asked: str | None) -> tuple[str | None, str | None]:
    """The exposure column (asked for, or a positive column of that very name beside counts), and what to say."""
    if asked is not None:
        column = table.column(asked)
        if column.kind != "number" or not np.all(column.values > 0) or np.isinf(column.values).any():
            raise ChoiceError(f"the exposure column {quoted(asked)} must hold positive numbers without gaps")
        if target.aim.functional != "mean":
            raise ChoiceError(f"an exposure goes with --aim mean, not with {target.aim}")
        if target.y.min() < 0:
            raise ChoiceError(f"an exposure needs a target of zero or more; {quoted(target.name)} has negative values")
        return asked, None
    counts = target.whole and target.y.min() >= 0 and len(np.unique(target.y)) >= 3
    if target.aim.functional != "mean" or not counts:
        return None, None
    for column in table.columns:
        positive = column.kind == "number" and np.all(column.values > 0) and np.isfinite(column.values).all()
        if column.name.lower() == "exposure" and positive and np.unique(column.values).size > 1:
            return column.name, (
                f"{quoted(column.name)} was taken as the exposure of the counts in "
                f"{quoted(target.name)}: Poisson models the rate per unit of it"
            )
    return None, None
