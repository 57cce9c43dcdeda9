"""Divergences between a target distribution and a predicted one, row by row."""

from __future__ import annotations

from lossmith.formula import (
    Distribution,
    Expr,
    NonNegativeRow,
    Probabilities,
    Scores,
    js_term,
    kl_term,
    log,
    rowwise,
    sum,
    zero_times,
)


@rowwise(source="Kullback and Leibler 1951, doi:10.1214/aoms/1177729694", aliases=("kl", "kld"), elicits="mean")
def kl_divergence(y: Distribution, f: Probabilities) -> Expr:
    """Extra surprise from coding y with the distribution f.

    That a row of f sums to 1 is not checked: finite differences and optimisers on their way leave that plane.
    """
    return sum(zero_times(y, log(y) - log(f)))


@kl_divergence.variant(log_input=True, link="log")
def _(y: Distribution, f: Scores) -> Expr:
    return sum(zero_times(y, log(y) - f))


@rowwise(source="Csiszar 1991, doi:10.1214/aos/1176348385", aliases=("generalized_kl",), elicits="mean")
def generalized_kl_divergence(y: NonNegativeRow, f: NonNegativeRow) -> Expr:
    """Kullback-Leibler for rows that need not sum to 1."""
    return sum(kl_term(y, f))


@rowwise(source="Lin 1991, doi:10.1109/18.61115", aliases=("js", "jensen_shannon"))
def js_divergence(y: Distribution, f: Probabilities) -> Expr:
    """Mean divergence of y and f from their midpoint: symmetric and bounded by log 2.

    That a row of f sums to 1 is not checked: finite differences and optimisers on their way leave that plane.
    """
    return sum(js_term(y, f))
