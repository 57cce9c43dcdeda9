"""The error function and the normal distribution on vectors of doubles, branch-free.

Near 0 a polynomial. Far out e^(-x^2) times a function that hardly varies (Schonfelder 1978,
doi:10.1090/S0025-5718-1978-0494846-8): (1 + 2 x) e^(x^2) erfc(x) is a polynomial in (x - K) / (x + K) on [0, inf].
What rounding takes from the square in the exponent, the exponential gets as a second argument.

The docstrings state the largest error that was measured, in ULP over max(1, k), k the condition |x f'(x) / f(x)|.
"""

from __future__ import annotations

import math

from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.approximate import series
from lossmith.engine.llvm.elementary import log, log1p
from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.engine.llvm.exponentials import exp_of_sum

_K = 3.75
_ERF_SLOPE = (1.1283791670955126, 1.533545961316588e-17)  # 2 / sqrt(pi), a sum of two
_DENSITY_AT_0 = (0.3989422804014327, -2.49232720227773e-17)  # 1 / sqrt(2 pi)
_NEAR = 0.9
_UNDERFLOWS = 40.0  # from here e^(-x^2/2) is 0
_BEND_TO = 0.5  # here one way of computing the bend gives way to another
_FAR = 1e9  # from here the density at -x is x times the distribution function
_HUGE = 1e160  # from here x^2 is infinite


def _at_most(e: Emitter, x: Value, most: float) -> Value:
    return e.where(x > most, most, x)


def _center(e: Emitter, x: Value, z: Value, slope: tuple[float, float], cubic: float) -> tuple[Value, Value]:
    """slope x + cubic x z p(z), p the polynomial of erf, for |x| <= _NEAR: a sum of two."""
    high = x * slope[0]
    low = e.fma(x, slope[1], e.fma(x, slope[0], -high))
    return high, e.fma(cubic * x * z, series(e, z, polynomials.ERF), low)


def _scaled_erfc(e: Emitter, x: Value) -> tuple[Value, Value]:
    """e^(x^2) erfc(x) for x >= 0, a sum of two."""
    p = series(e, (x - _K) / (x + _K), polynomials.ERFC)
    top, bottom = p + 1.5, e.fma(x, 2.0, 1.0)
    ratio = top / bottom
    rest = e.fma(-ratio, e.fma(x, 2.0, 1.0 - bottom), p - (top - 1.5))  # of the sums
    return ratio, (e.fma(-ratio, bottom, top) + rest) / bottom


def _gaussian(e: Emitter, x: Value, scale: float) -> Value:
    """e^(-scale x^2), the scale a power of 2."""
    square = scale * x * x
    return exp_of_sum(e, -square, -e.fma(scale * x, x, -square))


def erf(e: Emitter, x: Value) -> Value:
    """2/sqrt(pi) times the integral of e^(-t^2) from 0 to x. 1.2 ULP."""
    a = _at_most(e, e.abs(x), _UNDERFLOWS)
    high, low = _center(e, a, a * a, _ERF_SLOPE, 1.0)
    scaled, _ = _scaled_erfc(e, a)
    return e.copysign(e.where(a < _NEAR, high + low, 1.0 - _gaussian(e, a, 1.0) * scaled), x)


def _both_sides(e: Emitter, x: Value) -> tuple[Value, Value, Value, Value]:
    """Phi(x), 1 - Phi(x), Phi(-|x|) e^(x^2/2), and e^(-x^2/2)."""
    a = e.abs(x)
    scaled, scaled_low = _scaled_erfc(e, math.sqrt(0.5) * _at_most(e, a, _HUGE))
    gaussian = _gaussian(e, _at_most(e, a, _UNDERFLOWS), 0.5)
    tail = 0.5 * e.fma(gaussian, scaled, gaussian * scaled_low)
    high, low = _center(e, a, 0.5 * a * a, _DENSITY_AT_0, math.sqrt(0.125))
    near, half = a < _NEAR, 0.5 - high
    large = e.where(near, 0.5 + (high + low), 1.0 - tail)
    small = e.where(near, half + (((0.5 - half) - high) - low), tail)
    above = x > 0.0
    return e.where(above, large, small), e.where(above, small, large), 0.5 * scaled, gaussian


def normal_cdf(e: Emitter, x: Value) -> Value:
    """Phi(x), the probability below x. 1.4 ULP."""
    below, *_ = _both_sides(e, x)
    return below


def log_normal_cdf(e: Emitter, x: Value) -> Value:
    """log Phi(x): by way of 1 - Phi(x) above 0, of -x^2/2 far below, so that nothing underflows. 2.3 ULP."""
    below, above, scaled, _ = _both_sides(e, x)
    far = x < -_NEAR
    logarithm = log(e, e.where(far, scaled, below))
    logarithm = e.where(far, e.fma(-0.5 * x, x, logarithm), logarithm)
    return e.where(x > 0.0, log1p(e, -above), logarithm)


def _left_bend(e: Emitter, x: Value) -> Value:
    """The bend up to _BEND_TO, a polynomial: its sum cancels, the more the further left."""
    t = _at_most(e, _BEND_TO - x, _FAR)
    return series(e, (t - _K) / (t + _K), polynomials.NORMAL_BEND)


def log_normal_cdf_slope(e: Emitter, x: Value) -> Value:
    """h(x), the density over Phi(x); on the left the root of h (x + h) = bend. 2.0 ULP."""
    below, _, _, gaussian = _both_sides(e, x)
    high, low = _DENSITY_AT_0
    top, inverse = gaussian * high, 1.0 / below
    ratio = top * inverse
    rest = e.fma(gaussian, high, -top) + e.fma(gaussian, low, e.fma(-ratio, below, top))  # of both products
    right = e.fma(rest, inverse, ratio)
    left = 0.5 * (e.sqrt(e.fma(x, x, 4.0 * _left_bend(e, x))) - x)
    return e.where(x < -_FAR, -x, e.where(x < 0.0, left, right))


def log_normal_cdf_bend(e: Emitter, x: Value) -> Value:
    """-h'(x) = h(x) (x + h(x)). 3.3 ULP."""
    slope = log_normal_cdf_slope(e, x)
    right = e.fma(slope, _at_most(e, x, _UNDERFLOWS), slope * slope)
    return e.where(x < _BEND_TO, _left_bend(e, x), right)


FUNCTIONS = {
    "erf": erf,
    "normal_cdf": normal_cdf,
    "log_normal_cdf": log_normal_cdf,
    "log_normal_cdf_slope": log_normal_cdf_slope,
    "log_normal_cdf_bend": log_normal_cdf_bend,
}
