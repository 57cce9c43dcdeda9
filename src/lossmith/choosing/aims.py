"""What the user wants to know about y: its mean, its median, a quantile, or the probability of a class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.tables import Floats

Functional = Literal["mean", "median", "quantile", "probability"]

TITLES: dict[str, str] = {
    "mean": "the mean (so that totals come out right)",
    "median": "the median (a miss in either direction costs the same per unit)",
    "quantile": "a quantile",
    "probability": "the probability of each class",
}


@dataclass(frozen=True)
class Aim:
    functional: Functional
    q: float | None = None
    assumed: bool = False

    def __str__(self) -> str:
        return f"quantile:{self.q:g}" if self.functional == "quantile" else self.functional

    @property
    def title(self) -> str:
        return f"the {self.q:g} quantile" if self.functional == "quantile" else TITLES[self.functional]

    @property
    def level(self) -> float:
        """The quantile asked for; the median is the one at one half."""
        return 0.5 if self.q is None else self.q


def parse_aim(text: str | Aim) -> Aim:
    if isinstance(text, Aim):
        return text
    name, _, level = str(text).strip().lower().partition(":")
    if name == "quantile":
        try:
            q = float(level)
        except ValueError:
            q = float("nan")
        if not 0.0 < q < 1.0:
            raise ChoiceError(f"aim {quoted(text)}: write quantile:Q with Q between 0 and 1, such as quantile:0.9")
        return Aim("median") if q == 0.5 else Aim("quantile", q)
    if level == "":
        if name == "mean":
            return Aim("mean")
        if name == "median":
            return Aim("median")
        if name == "probability":
            return Aim("probability")
    raise ChoiceError(f"unknown aim {quoted(text)}; it is one of mean, median, quantile:Q, probability")


def best_constant(aim: Aim, y: Floats, weight: Floats | None, classes: int = 0) -> Floats:
    """The best prediction that ignores X: one number, or one probability per class."""
    w = np.ones(len(y)) if weight is None else weight
    if aim.functional == "mean":
        return np.array(np.average(y, weights=w))
    if aim.functional == "probability":
        shares = np.bincount(y.astype(np.intp), weights=w, minlength=classes) / w.sum()
        return np.array(shares[1]) if classes == 2 else shares
    order = np.argsort(y, kind="stable")
    below = np.cumsum(w[order]) / w.sum()
    low = min(int(np.searchsorted(below, aim.level - 1e-12)), len(y) - 1)
    high = min(int(np.searchsorted(below, aim.level + 1e-12)), len(y) - 1)
    return np.array((y[order[low]] + y[order[high]]) / 2)
