"""Losses of counts and positive amounts; the prediction is the log of the mean, or the mean where it says so."""

from __future__ import annotations

from lossmith.formula import (
    BetweenOneAndTwo,
    Expr,
    NonNegative,
    Positive,
    Real,
    exp,
    log,
    log_factorial,
    pointwise,
    where,
    xlogy,
    zero_times,
)

_INFINITE = float("inf")


def _constant(y: NonNegative, full: bool) -> Expr | float:
    return log_factorial(y) if full else 0.0


@pointwise(
    source="Nelder and Wedderburn 1972, doi:10.2307/2344614", aliases=("poisson_nll",), link="log", elicits="mean"
)
def poisson(y: NonNegative, f: Real, *, full: bool = False) -> Expr:
    """Negative log-likelihood of a Poisson count; consistent for the mean of any target >= 0."""
    return where(f == _INFINITE, exp(f), exp(f) - zero_times(y, f)) + _constant(y, full)


@poisson.variant(log_input=False, link="identity")
def _(y: NonNegative, f: NonNegative, *, full: bool = False) -> Expr:
    return where(f == _INFINITE, f, f - xlogy(y, f)) + _constant(y, full)


@pointwise(source="McCullagh and Nelder 1989, ch. 8, doi:10.1007/978-1-4899-3242-6", link="log", elicits="mean")
def gamma(y: Positive, f: Real) -> Expr:
    """Negative log-likelihood of a gamma amount, up to its shape: relative errors count."""
    return where(f == -_INFINITE, exp(-f), y * exp(-f) + f)


@gamma.variant(log_input=False, link="identity")
def _(y: Positive, f: Positive) -> Expr:
    return y / f + log(f)


@pointwise(source="Jorgensen 1987, doi:10.1111/j.2517-6161.1987.tb01685.x", link="log", elicits="mean")
def tweedie(y: NonNegative, f: Real, *, power: BetweenOneAndTwo = 1.5) -> Expr:
    """Deviance of amounts with exact zeros, between Poisson (power 1) and gamma (power 2)."""
    return zero_times(y, exp((1 - power) * f)) / (power - 1) + exp((2 - power) * f) / (2 - power)


@tweedie.variant(log_input=False, link="identity")
def _(y: NonNegative, f: NonNegative, *, power: BetweenOneAndTwo = 1.5) -> Expr:
    return zero_times(y, f ** (1 - power)) / (power - 1) + f ** (2 - power) / (2 - power)
