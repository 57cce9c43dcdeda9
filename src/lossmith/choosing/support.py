"""What kind of numbers or classes a target holds: it decides which losses are legal."""

from __future__ import annotations

import re

import numpy as np

from lossmith.choosing.targets import Target

SUPPORTS = {
    "real": "numbers of both signs",
    "positive": "positive numbers",
    "nonnegative": "numbers of zero or more",
    "semicontinuous": "exact zeros and positive amounts",
    "count": "counts",
    "rate": "counts per unit of exposure",
    "proportion": "shares between 0 and 1",
    "percent": "shares between 0 and 100 %",
    "binary": "two classes",
    "multiclass": "several classes",
    "ordinal": "classes in an order",
}
FEWEST_SHARES = 10  # different values that make shares of numbers between 0 and 1
LARGEST_MEAN_COUNT = 50
PERCENT = re.compile(r"%|percent|\bpct|pct\b|_pct|pct_", re.IGNORECASE)
LUMP = 0.05  # of the rows at one end of a continuous target: a bound, not a value
FEWEST_IN_A_LUMP = 5  # rows: one of twenty is but the largest
FEWEST_AROUND_A_LUMP = 20


def support_of(target: Target, exposure: str | None = None) -> str:
    if target.classes:
        if len(target.classes) == 2:
            return "binary"
        return "ordinal" if target.ordered else "multiclass"
    y = target.y
    distinct = len(np.unique(y))
    zeros = float(np.mean(y == 0))
    if y.min() < 0:
        return "real"
    if y.max() <= 1.0 and distinct >= FEWEST_SHARES:
        return "proportion"
    if y.max() <= 100.0 and distinct >= FEWEST_SHARES and PERCENT.search(target.name):
        return "percent"
    if target.whole and distinct >= 3 and y.mean() < LARGEST_MEAN_COUNT:
        return "rate" if exposure else "count"
    if zeros == 0:
        return "positive"
    return "semicontinuous" if 0.02 <= zeros <= 0.95 and not target.whole else "nonnegative"


def lump(target: Target, support: str) -> tuple[float, float]:
    """The share of rows at an end of a continuous target, and where: (0, nan) without a lump. Zeros are values of
    their own."""
    y = target.y
    if target.classes or support in ("count", "rate") or len(np.unique(y)) < FEWEST_AROUND_A_LUMP:
        return 0.0, float("nan")
    ends = [float(y.max())] + ([float(y.min())] if y.min() != 0 else [])
    share, at = max((float(np.mean(y == end)), end) for end in ends)
    return (share, at) if share >= max(LUMP, FEWEST_IN_A_LUMP / len(y)) else (0.0, float("nan"))
