"""What makes a table answer another question than the one that was asked, as warnings."""

from __future__ import annotations

import numpy as np

from lossmith.choosing.diagnostics import GRADIENT_SHARE
from lossmith.choosing.errors import quoted
from lossmith.choosing.facts import Fact, PilotRows, in_rows
from lossmith.choosing.residuals import Residuals, held_by_the_largest, in_share, largest
from lossmith.choosing.tables import Floats
from lossmith.choosing.targets import Target
from lossmith.choosing.variance import Growth
from lossmith.choosing.verdict import FEWEST_ROWS

FEW_ROWS = 300
FEW_TO_REST_ON = 30
FEW_BEYOND = 10  # rows on the far side of a quantile
ONE_ROW = 0.2  # of the total
FOLLOWS = 0.2  # correlation of neighbouring residuals
SURE = 4.0  # standard errors
SORTED = 0.9  # of the steps from row to row go one way
SETTLING = 4.0  # a tail index below which the mean of squares settles slowly, if at all


def of_the_target(target: Target, lump: tuple[float, float], weight: Floats | None) -> list[str]:
    found = []
    n, name = len(target.y), quoted(target.name)
    if n < FEW_ROWS and not target.undecidable:
        shown = "only large differences between losses can be shown" if n >= FEWEST_ROWS else "no difference is proven"
        found.append(f"{n} rows are few: {shown} with so few")
    if target.classes:
        counts = np.bincount(target.y.astype(np.intp), minlength=len(target.classes))
        rarest = int(counts.argmin())
        if counts[rarest] < FEW_TO_REST_ON and not target.undecidable:
            found.append(
                f"class {quoted(target.classes[rarest], 30)} has {counts[rarest]} rows: "
                "what is said about it rests on little"
            )
        return found
    y = target.y
    if target.aim.levels:
        found += _of_levels(target, weight)
    counted = y if weight is None else y * weight
    if y.min() >= 0 and counted.sum() > 0 and counted.max() / counted.sum() > ONE_ROW:
        row, share = int(target.rows[int(counted.argmax())]) + 1, counted.max() / counted.sum()
        found.append(f"data row {row} alone carries {share:.0%} of the sum of {name}: is it right?")
    if lump[0]:
        found.append(
            f"{lump[0]:.0%} of {name} is exactly {lump[1]:,.6g}, its {'largest' if lump[1] == y.max() else 'smallest'} "
            "value: if what lies beyond could not be measured, the mean comes out wrong; a median or another level "
            "on the free side does not"
        )
    return found


def _of_levels(target: Target, weight: Floats | None) -> list[str]:
    """Of the median, a quantile or an interval: levels that zeros hold fast, and such as hardly a row lies beyond."""
    found, y, aim = [], target.y, target.aim
    zeros = float(np.average(y == 0, weights=weight))
    if aim.functional != "interval" and y.min() >= 0 and zeros > max(0.5, aim.level):
        found.append(
            f"{zeros:.0%} of {quoted(target.name)} is 0: the best {aim} is 0 almost everywhere; "
            "ask for the mean, an upper quantile, or the probability of more than 0"
        )
    far = max(aim.levels, key=lambda level: abs(level - 0.5))
    beyond, side = len(y) * min(far, 1 - far), "above" if far > 0.5 else "below"
    if far != 0.5 and beyond < FEW_BEYOND:
        found.append(
            f"of {len(y):,} rows only about {beyond:.2g} lie {side} the {far:.4g} quantile: too few to learn it from, "
            "or to judge it by"
        )
    return found


def of_the_noise(target: Target, noise: Residuals, growth: Growth | None, held: Fact, found: PilotRows) -> list[str]:
    warnings = []
    if led_by_few(target, noise):
        share = held_by_the_largest(found.residual**2)
        count = len(largest(found.residual))
        who, s = in_share(len(found.y))
        warnings.append(
            f"{who} hold{s} {share:.0%} of the squared misses "
            f"({in_rows(held.rows, count)}): if they are mistakes, correct them; if they are real, other rows "
            "could have given another answer, and a median depends on them far less"
        )
    if noise.two_modes and target.aim.functional in ("mean", "median"):
        warnings.append(
            f"the misses gather in two heaps: the {target.aim.functional} may lie between them, where hardly any row "
            "is; an interval, such as --aim interval:0.8, says more"
        )
    if growth is not None and growth.underdispersed:
        warnings.append(
            f"{quoted(target.name)} varies less than counts of independent events would ({growth.dispersion:.2f} times "
            "their variance): the mean is not harmed, but do not take intervals from Poisson's law: they come out too "
            "wide"
        )
    return warnings


def led_by_few(target: Target, noise: Residuals) -> bool:
    """Whether a few rows decide what a squared error learns, or how it judges."""
    if target.aim.functional not in ("mean", "expectile"):
        return False
    return noise.tail_band[1] < SETTLING or noise.top_share > GRADIENT_SHARE


def of_the_order(found: PilotRows) -> list[str]:
    """Rows that may belong together, or follow one another, where no column was named that says so."""
    correlation = neighbours(found.residual)
    if correlation < FOLLOWS or correlation * np.sqrt(len(found.y)) < SURE or _sorted(found.y):
        return []
    warning = (
        f"neighbouring rows miss alike (correlation {correlation:.2f}): if rows follow one another in time, or "
        "belong together, name the column with --time or --groups: judged on rows drawn at random, every loss looks "
        "better than it is"
    )
    return [warning]


def _sorted(y: Floats) -> bool:
    """The table is sorted by the target itself: that neighbours are alike says nothing then."""
    steps = np.diff(y)
    return bool(max(np.mean(steps >= 0), np.mean(steps <= 0)) > SORTED)


def neighbours(residual: Floats) -> float:
    """How alike neighbouring rows' residuals are: the correlation of their ranks, which no outlier leads."""
    from scipy.stats import rankdata

    rank = rankdata(residual)
    if len(rank) < 20 or np.ptp(rank) == 0:
        return 0.0
    return float(np.corrcoef(rank[1:], rank[:-1])[0, 1]) if np.ptp(rank[1:]) and np.ptp(rank[:-1]) else 0.0
