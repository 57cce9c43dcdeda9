"""A table -> the facts that decide which losses are legal and which are worth a race."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from lossmith.choosing import diagnostics, traps
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.errors import quoted
from lossmith.choosing.facts import Fact, PilotRows, in_rows
from lossmith.choosing.leverage import bad_leverage
from lossmith.choosing.pilot import pilot, pilot_rows
from lossmith.choosing.residuals import OUTLYING, Residuals, describe
from lossmith.choosing.screening import strongest
from lossmith.choosing.structure import roles
from lossmith.choosing.support import SUPPORTS, lump, support_of
from lossmith.choosing.tables import Floats, Table
from lossmith.choosing.targets import Target
from lossmith.choosing.variance import Growth, growth

__all__ = ["SUPPORTS", "Fact", "Profile", "profile", "support_of", "undecidable"]

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
    growth: Growth | None = None
    groups: str | None = None  # the column whose rows stay together
    time: str | None = None  # the column in whose order the rows came
    bound: float = 0.0  # the share of rows at an end of a continuous y, if that is a lump
    list: tuple[Fact, ...] = ()  # every number, with what it means
    led_by_few: bool = False  # a few rows decide what a squared error learns, or how it judges
    pilot: PilotRows | None = field(default=None, compare=False, repr=False)

    def facts(self) -> dict[str, Any]:
        """Everything but the pilot's rows, as plain data."""
        found = asdict(replace(self, pilot=None))
        del found["pilot"]
        return found


def profile(
    table: Table,
    target: Target,
    exposure: str | None,
    seed: int,
    weight: Floats | None = None,
    groups: str | None = None,
    time: str | None = None,
) -> Profile:
    """`table` holds the explaining columns at the target's rows, `weight` those rows' weights."""
    support = support_of(target, exposure)
    bound = lump(target, support)
    facts = diagnostics.of_the_target(target, bound, weight)
    warnings = traps.of_the_target(target, bound, weight) + roles(table, target, weight is not None)
    found = noise = spread = None
    if not target.classes:
        found, X = _pilot(table, target, exposure, weight, seed)
        noise = describe(found.residual)
        spread = growth(found, support in ("count", "rate"))
        at = target.rows[found.rows]
        about = diagnostics.of_the_noise(found, noise, at)
        about += diagnostics.of_the_growth(spread) if spread else []
        about.append(_leverage(X, found, noise, at))
        facts += about
        held = next(fact for fact in about if fact.name.startswith(diagnostics.HELD))
        warnings += traps.of_the_noise(target, noise, spread, held, found)
        warnings += traps.of_the_order(found) if groups is None and time is None else []
        if 0 < about[-1].value <= max(3, len(at) / 100):  # more are heavy tails, not rows of their own
            warnings.append(f"{about[-1].meaning} ({in_rows(about[-1].rows, int(about[-1].value))})")
    if time is None:
        dates = [c.name for c in table.columns if c.kind == "date"]
        warnings += [
            f"column {quoted(name)} holds dates, but models are judged on rows drawn at random: "
            "if rows follow one another in time, name it with --time, for every loss looks better than it is"
            for name in dates[:1]
        ]
    y = target.y
    if weight is not None and weight.max() > traps.ONE_ROW * weight.sum():
        heaviest = int(weight.argmax())
        warnings.append(
            f"data row {int(target.rows[heaviest]) + 1} alone carries {weight[heaviest] / weight.sum():.0%} of the "
            "weight: is it right?"
        )
    deviation = float(y.std())
    return Profile(
        rows=len(y),
        columns=len(table.columns),
        support=support,
        zeros=float(np.mean(y == 0)),
        skew=float(np.mean(((y - y.mean()) / deviation) ** 3)) if deviation > 0 else 0.0,
        spread=float(y.max() / y.min()) if y.min() > 0 else float("inf"),
        residuals=noise,
        exposure=exposure,
        class_rows=tuple((name, int((y == i).sum())) for i, name in enumerate(target.classes)),
        warnings=tuple(warnings),
        growth=spread,
        groups=groups,
        time=time,
        bound=bound[0],
        led_by_few=noise is not None and traps.led_by_few(target, noise),
        list=tuple(facts),
        pilot=found,
    )


def _pilot(
    table: Table, target: Target, exposure: str | None, weight: Floats | None, seed: int
) -> tuple[PilotRows, Floats]:
    """The pilot's rows, and their encoded columns. Counts with an exposure are predicted as rates, which it weighs."""
    rows = pilot_rows(len(target.y), len(table.columns), seed)
    part, y = table.take(rows), target.y[rows]
    w = None if weight is None else weight[rows]
    if exposure is None:
        return pilot(part, y, w, seed, rows), _encoded(part, y)
    size = part.column(exposure).values
    part = part.without(exposure)
    found = pilot(part, y / size, size if w is None else size * w, seed, rows)
    mean = found.prediction * size
    return replace(found, y=y, prediction=mean, residual=y - mean), _encoded(part, y / size)


def _encoded(table: Table, y: Floats) -> Floats:
    table = strongest(table, y, classes=False)
    return Encoder.fit(table).transform(table)


def _leverage(X: Floats, found: PilotRows, noise: Residuals, at: Any) -> Fact:
    bad = bad_leverage(X, found.residual, noise.scale, diagnostics.LEVERAGE, OUTLYING)
    meaning = (
        f"{len(bad)} row{'s have' if len(bad) > 1 else ' has'} values far out in the columns, and far from what was "
        "predicted: a mistake there bends a linear model under any loss tried here"
        if len(bad)
        else "no row lies far out in the columns and is far from what was predicted"
    )
    rows = tuple(int(row) + 1 for row in at[bad[: diagnostics.SHOWN_ROWS]])
    return Fact("outlying leverage", float(len(bad)), meaning, rows=rows)


def undecidable(target: Target, facts: Profile) -> str | None:
    """Why no comparison on this table can be a proof, if so."""
    if target.undecidable:
        return target.undecidable
    squared = target.aim.functional == "mean" and target.aim.metric == ""
    if squared and facts.residuals and facts.residuals.tail_band[1] < 2:
        return (
            "a few rows with huge misses decide how wrong a model seems, so no loss can be shown to be better (the "
            f"residuals' tail index is {facts.residuals.tail_index:.2g}, below 2: mean squared errors do not settle)"
        )
    return None
