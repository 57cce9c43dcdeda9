"""Regression losses that large errors cannot dominate."""

from __future__ import annotations

from lossmith.formula import Expr, NonNegative, Positive, Real, maximum, pointwise, where
from lossmith.formula import pseudo_huber as _pseudo_huber


@pointwise(source="Huber 1964, doi:10.1214/aoms/1177703732")
def huber(y: Real, f: Real, *, delta: Positive = 1.0) -> Expr:
    """Quadratic for small errors, linear for large ones."""
    r = f - y
    return where(abs(r) <= delta, r**2 / 2, delta * (abs(r) - delta / 2))


def _smooth_l1_weight(y: Real, f: Real, beta: NonNegative, width: Positive) -> Expr:
    return 1 / maximum(abs(f - y), where(beta > 0, beta, width))


@pointwise(source="Girshick 2015, arXiv:1504.08083", curvature=_smooth_l1_weight)
def smooth_l1(y: Real, f: Real, *, beta: NonNegative = 1.0) -> Expr:
    """Huber divided by its threshold, so that it tends to the absolute error as beta goes to 0."""
    r = f - y
    return where(abs(r) < beta, r * (r / (2 * beta)), abs(r) - beta / 2)  # the square alone may fade away


@pointwise(source="Charbonnier et al. 1994, doi:10.1109/ICIP.1994.413553", aliases=("charbonnier",))
def pseudo_huber(y: Real, f: Real, *, delta: Positive = 1.0) -> Expr:
    """A smooth Huber: like r^2/2 for small errors, like delta times the error for large ones."""
    return _pseudo_huber(f - y, delta)
