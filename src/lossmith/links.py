"""Links: from what the user reads (a mean, a probability) to the raw score a model emits, and back.

A link is written in the formula language, so it can be composed into a loss (``loss.with_link``) as well as applied to
arrays.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import pairwise
from typing import Any

import numpy as np

from lossmith.formula import (
    cumsum,
    exp,
    expm1,
    log,
    log1p,
    log_softmax,
    n_classes,
    pick,
    reverse_cumsum,
    sigmoid,
    softmax,
    sum,
)
from lossmith.formula.expr import Expr, as_expr, leaf
from lossmith.formula.model import Formula
from lossmith.namespaces import compute_dtype, namespace_of
from lossmith.record import Record

Array = Any


class Link(Record):
    """``link(mean)`` is the score, ``link.inverse(score)`` the mean. ``row`` links work along the last axis."""

    name: str
    to_score: Callable[[Expr], Expr]
    to_mean: Callable[[Expr], Expr]
    row: bool = False

    def __call__(self, mean: Array) -> Array:
        """The raw score of a mean, probability or (for softmax) row of probabilities; the scores of a row sum to 0."""
        return _apply(self.to_score, mean, self.row)

    def inverse(self, score: Array) -> Array:
        """What a raw score says: a mean, a probability, a row of probabilities."""
        return _apply(self.to_mean, score, self.row)

    def __repr__(self) -> str:
        return f"<link {self.name}>"


class PerPrediction(Record):
    """One link for each named prediction, along the last axis."""

    links: tuple[Link, ...]

    @property
    def name(self) -> str:
        return ",".join(link.name for link in self.links)

    def __call__(self, mean: Array) -> Array:
        return self._each(mean, lambda link, part: link(part))

    def inverse(self, score: Array) -> Array:
        return self._each(score, lambda link, part: link.inverse(part))

    def _each(self, values: Array, function: Callable[[Link, Array], Array]) -> Array:
        xp, _ = namespace_of(values)
        values = np.asarray(values) if xp is np else values
        if values.ndim == 0 or values.shape[-1] != len(self.links):
            raise ValueError(
                f"the last axis must hold {len(self.links)} numbers, one per prediction, not shape {values.shape}"
            )
        return xp.stack([function(link, values[..., i]) for i, link in enumerate(self.links)], axis=-1)

    def __repr__(self) -> str:
        return f"<links {self.name}>"


class Levels(Record):
    """From one score to the probabilities of ordered levels: that of a level above k is the logistic function of the
    score less the k-th cut.

    ``link(row)`` is the score that says so of a row of probabilities; of a row that no score gives, the mean of what
    its cuts say.
    """

    cuts: tuple[float, ...]

    @property
    def name(self) -> str:
        return " ".join(["levels", *map(repr, self.cuts)])

    def __call__(self, mean: Array) -> Array:
        levels = len(self.cuts) + 1
        if np.shape(mean)[-1:] != (levels,):
            raise ValueError(f"the last axis must hold {levels} probabilities, one per level, not {np.shape(mean)}")
        return _apply(self._score, mean, row=True)[..., 0]

    def _score(self, p: Expr) -> Expr:
        below, above = cumsum(p), reverse_cumsum(p)
        each = [cut + log(pick(above, k + 1)) - log(pick(below, k)) for k, cut in enumerate(self.cuts)]
        return reduce(operator.add, each) / len(each)

    def inverse(self, score: Array) -> Array:
        """Probabilities of the levels, along a new last axis."""
        ends = zip((None, *self.cuts), (*self.cuts, None), strict=True)
        parts = [_apply(partial(_between, low, high), score, row=False) for low, high in ends]
        xp, host = namespace_of(score)
        return np.stack(parts, axis=-1) if host else xp.stack(parts, axis=-1)

    def __repr__(self) -> str:
        return f"<link {self.name}>"


def _between(low: float | None, high: float | None, f: Expr) -> Expr:
    """The chance of a level between two cuts, as a product: a difference would lose the digits of a small one."""
    if low is None or high is None:
        return sigmoid(f - low) if low is not None else sigmoid(as_expr(high) - f)
    return sigmoid(f - low) * sigmoid(high - f) * -expm1(as_expr(low) - high)


def _apply(function: Callable[[Expr], Expr], values: Array, row: bool) -> Array:
    from lossmith.engine.arrays import evaluate_block

    xp, host = namespace_of(values)
    array = np.asarray(values) if host else values
    if row and array.ndim == 0:
        raise ValueError("a link of rows takes one number per class, not a single number")
    x = xp.asarray(array, dtype=compute_dtype(xp, [array]))
    x = np.asarray(x, order="C") if host else x
    with np.errstate(all="ignore"):
        (result,) = evaluate_block(
            [function(leaf("input", "x", row=row))], {"x": x}, xp, x, x.shape[-1] if row else None
        )
    return float(result) if host and result.ndim == 0 else result


def _same(x: Expr) -> Expr:
    return x


LINKS: dict[str, Link] = {
    link.name: link
    for link in (
        Link("identity", _same, _same),
        Link("log", log, exp),
        Link("log1p", log1p, expm1),
        Link("logit", lambda p: log(p) - log1p(-p), sigmoid),
        Link("cloglog", lambda p: log(-log1p(-p)), lambda f: -expm1(-exp(f))),
        Link("softmax", lambda p: log(p) - sum(log(p)) / n_classes, softmax, row=True),
        Link("log_softmax", lambda p: p - sum(p) / n_classes, log_softmax, row=True),
    )
}
AnyLink = Link | PerPrediction | Levels


def level_link(cuts: Sequence[float]) -> Levels:
    """The link of levels parted at these numbers; ValueError where they do not increase."""
    if not cuts or not all(map(math.isfinite, cuts)) or any(a >= b for a, b in pairwise(cuts)):
        raise ValueError(f"the link of levels needs numbers in increasing order, not {cuts!r:.200}")
    return Levels(tuple(map(float, cuts)))


def check_link(what: str, link: AnyLink, formula: Formula) -> None:
    """Raises ValueError, which begins with ``what``, where a link is not one of the formula's predictions."""
    count, name = len(formula.predictions), link.name[:50]
    if isinstance(link, Levels):
        if formula.target.domain.high != len(link.cuts):
            raise ValueError(f"{what}: the link {name!r} is for {len(link.cuts) + 1} levels, not for the target's")
    elif isinstance(link, PerPrediction):
        if len(link.links) != count or any(each.row for each in link.links):
            raise ValueError(f"{what}: the link {name!r} is for other predictions: name one link of numbers for each")
    elif link.row and formula.kind != "rowwise":
        raise ValueError(f"{what}: the link {name!r} is for other predictions: it is one of rows of scores")


def get_link(name: str | tuple[str, ...] | AnyLink) -> AnyLink:
    """A link by name; several names, or one text with commas, for several predictions."""
    if isinstance(name, (Link, PerPrediction, Levels)):
        return name
    if isinstance(name, str) and name.startswith("levels "):
        return level_link([float(cut) for cut in name.split()[1:]])
    names = tuple(name.split(",")) if isinstance(name, str) else tuple(name)
    unknown = [n for n in names if n not in LINKS]
    if unknown:
        raise ValueError(f"unknown link {unknown[0]!r}; known are {', '.join(LINKS)}")
    return LINKS[names[0]] if len(names) == 1 else PerPrediction(tuple(LINKS[n] for n in names))
