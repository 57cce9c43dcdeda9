"""Links: from what the user reads (a mean, a probability) to the raw score a model emits, and back.

A link is written in the formula language, so it can be composed into a loss (``loss.with_link``) as well as applied to
arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossmith.engine.arrays import evaluate_block
from lossmith.formula import exp, expm1, log, log1p, log_softmax, n_classes, sigmoid, softmax, sum
from lossmith.formula.expr import Expr, leaf
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


def _apply(function: Callable[[Expr], Expr], values: Array, row: bool) -> Array:
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
AnyLink = Link | PerPrediction


def get_link(name: str | tuple[str, ...] | AnyLink) -> AnyLink:
    """A link by name; several names, or one text with commas, for several predictions."""
    if isinstance(name, (Link, PerPrediction)):
        return name
    names = tuple(name.split(",")) if isinstance(name, str) else tuple(name)
    unknown = [n for n in names if n not in LINKS]
    if unknown:
        raise ValueError(f"unknown link {unknown[0]!r}; known are {', '.join(LINKS)}")
    return LINKS[names[0]] if len(names) == 1 else PerPrediction(tuple(LINKS[n] for n in names))
