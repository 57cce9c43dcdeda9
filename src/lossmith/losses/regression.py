"""Losses of a real target and a real prediction."""

from __future__ import annotations

from lossmith.formula import (
    AboveMinusOne,
    AtLeastOne,
    Expr,
    NonNegative,
    NonZero,
    OpenUnitInterval,
    Positive,
    Real,
    absolute_power,
    log1p,
    log_ratio,
    maximum,
    pointwise,
    tanh,
    where,
)
from lossmith.formula import (
    log_cosh as _log_cosh,
)

_INFINITE = float("inf")


@pointwise(source="Gauss 1809, Theoria motus", aliases=("mse", "l2", "mean_squared_error"), elicits="mean")
def squared_error(y: Real, f: Real) -> Expr:
    """Square of the error: predicts the mean, and lets large errors dominate."""
    return (f - y) ** 2


@pointwise(
    source="Boscovich 1757; Koenker and Bassett 1978, doi:10.2307/1913643",
    aliases=("mae", "l1", "mean_absolute_error"),
    elicits="median",
    curvature=lambda y, f, width: 1 / maximum(abs(f - y), width),
)
def absolute_error(y: Real, f: Real) -> Expr:
    """Size of the error: predicts the median, and large errors count no more than their size."""
    return abs(f - y)


@pointwise(
    source="Saleh and Saleh 2022, arXiv:2208.04564",
    aliases=("logcosh",),
    curvature=lambda y, f, width: where(f - y == 0, 1, tanh(f - y) / (f - y)),  # never below the second derivative
)
def log_cosh(y: Real, f: Real) -> Expr:
    """Smooth between squared and absolute error: quadratic for small errors, linear for large ones."""
    return _log_cosh(f - y)


@pointwise(
    source="Koenker and Bassett 1978, doi:10.2307/1913643",
    aliases=("pinball",),
    elicits="quantile",
    curvature=lambda y, f, width: 1 / (2 * maximum(abs(f - y), width)),
)
def quantile(y: Real, f: Real, *, q: OpenUnitInterval = 0.5) -> Expr:
    """Predicts the q-quantile: an error below costs q, an error above 1 - q, per unit."""
    return where(y >= f, q * (y - f), (1 - q) * (f - y))


@pointwise(source="Newey and Powell 1987, doi:10.2307/1911031", elicits="expectile")
def expectile(y: Real, f: Real, *, q: OpenUnitInterval = 0.5) -> Expr:
    """Predicts the q-expectile: squared error, weighted q below and 1 - q above."""
    r = f - y
    return where(y >= f, q, 1 - q) * r * r  # times r twice: its square, and twice r, may overflow where this does not


@pointwise(
    source="Money et al. 1982, doi:10.1080/03610918208812247",
    aliases=("lp",),
    curvature=lambda y, f, q, width: q * maximum(1, q - 1) * absolute_power(maximum(abs(f - y), width), q - 2),
)
def lq(y: Real, f: Real, *, q: AtLeastOne = 1.5) -> Expr:
    """A power of the error, between absolute (q = 1) and squared (q = 2) or beyond."""
    return absolute_power(f - y, q)


def _tube_sides(y: Real, f: Real, epsilon: NonNegative, width: Positive) -> Expr:
    """Majoriser weights of the two hinges that the tube consists of."""
    r = f - y
    return 1 / (2 * maximum(abs(r - epsilon), width)) + 1 / (2 * maximum(abs(r + epsilon), width))


@pointwise(source="Vapnik 1995, doi:10.1007/978-1-4757-2440-0", curvature=_tube_sides)
def epsilon_insensitive(y: Real, f: Real, *, epsilon: NonNegative = 0.1) -> Expr:
    """Absolute error beyond a tube of half-width epsilon; errors inside it cost nothing."""
    return maximum(0, abs(f - y) - epsilon)


@pointwise(
    source="Kaggle 2010s; see Tofallis 2015, doi:10.1057/jors.2014.103",
    aliases=("msle", "mean_squared_logarithmic_error"),
)
def squared_log_error(y: AboveMinusOne, f: AboveMinusOne) -> Expr:
    """Squared error of log(1 + y): relative errors count, and predictions lie below the mean."""
    ratio = (f - y) / (1 + y)
    d = where(abs(ratio) < 0.5, log1p(ratio), log_ratio(1 + f, 1 + y))  # 1 + f may have lost what f and y differ in
    return where(f == _INFINITE, _INFINITE, d**2)  # the branch has the right limits of value and slope


@pointwise(
    source="Makridakis 1993, doi:10.1016/0169-2070(93)90079-3",
    aliases=("mape", "mean_absolute_percentage_error"),
    curvature=lambda y, f, width: 1 / (abs(y) * maximum(abs(f - y), width)),
)
def absolute_percentage_error(y: NonZero, f: Real) -> Expr:
    """Absolute error relative to y: predicts nearer to 0 than the median, if y has one sign; undefined at y = 0."""
    return abs(f - y) / abs(y)
