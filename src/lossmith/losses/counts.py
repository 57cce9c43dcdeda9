"""Losses of counts and positive amounts; the prediction is the log of the mean, or the mean where it says so."""

from __future__ import annotations

from lossmith.formula import (
    BetweenOneAndTwo,
    Expr,
    NonNegative,
    Positive,
    Real,
    exp,
    kl_term,
    log,
    pointwise,
    power_loss,
    scaled_exp,
    stirling,
    where,
    xlogy,
    zero_times,
)

_INFINITE = float("inf")


@pointwise(
    source="Nelder and Wedderburn 1972, doi:10.2307/2344614", aliases=("poisson_nll",), link="log", elicits="mean"
)
def poisson(y: NonNegative, f: Real, *, full: bool = False) -> Expr:
    """Negative log-likelihood of a Poisson count; consistent for the mean of any target >= 0."""
    mean = exp(f)
    if not full:
        return where(mean == _INFINITE, mean, mean - zero_times(y, f))
    # near its minimum the loss is small and log y! is large, either may overflow: both relative to y log y - y
    far = where(mean == _INFINITE, mean, mean + zero_times(y, log(y) - f - 1))
    return where(abs(mean - y) < y / 2, kl_term(y, mean), far) + stirling(y)


@poisson.variant(log_input=False, link="identity")
def _(y: NonNegative, f: NonNegative, *, full: bool = False) -> Expr:
    loss = kl_term(y, f) + stirling(y) if full else f - xlogy(y, f)
    return where(f == _INFINITE, f, loss)


@pointwise(source="McCullagh and Nelder 1989, ch. 8, doi:10.1007/978-1-4899-3242-6", link="log", elicits="mean")
def gamma(y: Positive, f: Real) -> Expr:
    """Negative log-likelihood of a gamma amount, up to its shape: relative errors count."""
    return scaled_exp(y, -f) + where(f == -_INFINITE, 0, f)  # there the first is infinite and decides


@gamma.variant(log_input=False, link="identity")
def _(y: Positive, f: Positive) -> Expr:
    return power_loss(y, f, 2)


@pointwise(source="Jorgensen 1987, doi:10.1111/j.2517-6161.1987.tb01685.x", link="log", elicits="mean")
def tweedie(y: NonNegative, f: Real, *, power: BetweenOneAndTwo = 1.5) -> Expr:
    """Half the deviance of amounts with exact zeros, up to a part of y alone, between Poisson (1) and gamma (2)."""
    return scaled_exp(y, (1 - power) * f) / (power - 1) + exp((2 - power) * f) / (2 - power)


@tweedie.variant(log_input=False, link="identity")
def _(y: NonNegative, f: NonNegative, *, power: BetweenOneAndTwo = 1.5) -> Expr:
    return power_loss(y, f, power)
