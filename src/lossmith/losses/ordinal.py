"""Losses of ordered levels 0, 1 ... K - 1: an answer two levels off is worse than one next door."""

from __future__ import annotations

from lossmith.formula import (
    Cuts,
    Expr,
    Level,
    Real,
    exp,
    expm1,
    log,
    log1p,
    pick,
    pointwise,
    sigmoid,
    softplus,
    where,
)

_FAR = float("inf")
_NEAR = 0.5  # from the middle of a level


@pointwise(
    source="McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x",
    aliases=("proportional_odds", "ordinal_logistic", "ordered_logit"),
    link="levels",
    curvature=lambda hessian: hessian,  # the loss is convex in the score
)
def cumulative_logit(y: Level, f: Real, *, thresholds: Cuts = None) -> Expr:
    """Surprise at the level, where one score moves along thresholds that part the levels: uses their order alone."""
    low, high = pick((-_FAR, *thresholds), y), pick((*thresholds, _FAR), y)
    too_high = where(y < len(thresholds), softplus(f - high), 0.0)
    too_low = where(y > 0, softplus(low - f), 0.0)
    narrow = where((y > 0) & (y < len(thresholds)), _surprise_beside(high - low), 0.0)
    off = f - (low + high) / 2
    apart = too_high + too_low + narrow  # three terms >= 0: nothing cancels
    return where(abs(off) <= _NEAR, _near_the_middle(off, (high - low) / 2), apart)


def _surprise_beside(x: Expr) -> Expr:
    """-log(1 - e^-x), x > 0."""
    return where(x < 1, -log(-expm1(-x)), -log1p(-exp(-x)))


def _near_the_middle(off: Expr, half: Expr) -> Expr:
    """The same of a level with two ends, where the slopes of its two sides nearly cancel: here they do on paper."""
    bend = log1p(sigmoid(half) * sigmoid(-half) * (expm1(off) ** 2 * exp(-off)))
    return bend + softplus(-half) + _surprise_beside(half)
