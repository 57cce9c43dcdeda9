"""Divergences between a target distribution and a predicted one, row by row."""

from __future__ import annotations

import math

from lossmith.formula import (
    Distribution,
    Expr,
    NonNegativeRow,
    Probabilities,
    Scores,
    log,
    log1p,
    rowwise,
    sum,
    where,
    x_minus_log1p,
    xlogx,
    zero_times,
)


@rowwise(source="Kullback and Leibler 1951, doi:10.1214/aoms/1177729694", aliases=("kl", "kld"), elicits="mean")
def kl_divergence(y: Distribution, f: Probabilities) -> Expr:
    """Extra surprise from coding y with the distribution f."""
    return sum(zero_times(y, log(y) - log(f)))


@kl_divergence.variant(log_input=True, link="log")
def _(y: Distribution, f: Scores) -> Expr:
    return sum(zero_times(y, log(y) - f))


@rowwise(source="Csiszar 1991, doi:10.1214/aos/1176348385", aliases=("generalized_kl",), elicits="mean")
def generalized_kl_divergence(y: NonNegativeRow, f: NonNegativeRow) -> Expr:
    """Kullback-Leibler for rows that need not sum to 1."""
    near = y * x_minus_log1p((f - y) / y)  # the plain form cancels when f is close to y
    return sum(where(abs(f - y) < y / 2, near, zero_times(y, log(y) - log(f) - 1) + f))


@rowwise(source="Lin 1991, doi:10.1109/18.61115", aliases=("js", "jensen_shannon"))
def js_divergence(y: Distribution, f: Probabilities) -> Expr:
    """Mean divergence of y and f from their midpoint: symmetric and bounded by log 2."""
    both = y + f
    d = (f - y) / both
    near = d * (log1p(d) - log1p(-d)) + log1p(-(d**2))  # the plain form cancels when f is close to y
    far = xlogx(2 * f / both) + xlogx(2 * y / both)
    return sum(where(y == 0, f * (math.log(2) / 2), both / 4 * where(abs(d) < 0.5, near, far)))
