"""exp, log, sin and their relatives on vectors, branch-free: the same bits on every processor.

Only +, -, *, /, sqrt, fma, comparisons, selections and integer work on bits, each exactly rounded. Every function takes
vectors of either floating type, whatever the type of the kernel around it. A docstring states the largest error in ULP
that was measured, float then double; NaN goes in and comes out, and zeros keep their sign where the function does.
"""

from __future__ import annotations

import math

from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.approximate import LOG_2, kind, magic, of_16, series
from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.engine.llvm.exponentials import decay, exp, exp_nonpositive, expm1, scaled_exp

_SQRT_HALF = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}  # the bits of sqrt(1/2)
_HALF_PI = {  # each part the rounded rest
    "float": (float.fromhex("0x1.921fb6p+0"), float.fromhex("-0x1.777a5cp-25")),
    "double": (math.pi / 2, float.fromhex("0x1.1a62633145c07p-54"), float.fromhex("-0x1.f1976b7ed8fbcp-110")),
}
_RECIPROCAL = tuple(c / 577 for c in (-128.0, 768.0, -1696.0, 1632.0))  # (1 - T(2 d - 3) / 577) / d, Chebyshev's T_4
_LOG_COSH_NEAR = 1.0
_HUGE = 1e9  # from here sqrt(1 + x^2) is x in every float
_SIN_MOST = 2.0**51  # from here neighbours are at least 1/2 apart


# logarithms -----------------------------------------------------------------------------------------------------------


def _split(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = 2^k m, m in [sqrt(1/2), sqrt(2)), x positive and normal: k and its bias as an integer, and m."""
    mantissa, one = kind(x).mantissa, kind(x).bias << kind(x).mantissa
    moved = e.bits(x) + (one - _SQRT_HALF[x.type])  # so that the exponent steps at sqrt(1/2)
    m = e.from_bits((moved & ((1 << mantissa) - 1)) + _SQRT_HALF[x.type])
    return moved.logical_shift(mantissa), m


def _unbiased(e: Emitter, exponent: Value, bias: Value) -> Value:
    """A small integer >= 0, less the bias and ``magic``, as a float."""
    return e.from_bits(exponent | e.bits(e.lift(magic(bias), bias.type))) - bias


def split(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = 2^k m, m in [sqrt(1/2), sqrt(2)), x positive, perhaps denormal: k, m."""
    up = kind(x).mantissa + 2
    denormal = x < kind(x).smallest_normal
    exponent, m = _split(e, e.where(denormal, x * 2.0**up, x))
    plain = magic(x) + kind(x).bias
    return _unbiased(e, exponent, e.where(denormal, e.lift(plain + up, x.type), plain)), m


def _log1p_gap(e: Emitter, f: Value, low: Value) -> Value:
    """f - log(1 + f) - low, through log(1 + f) = 2 atanh(s) (the arrangement of fdlibm's log)."""
    s = f / (f + 2.0)
    half_square = 0.5 * f * f
    return half_square - e.fma(s, e.fma(s * s, series(e, s * s, polynomials.LOG), half_square), low)


def _log_domain(e: Emitter, x: Value, result: Value, pole: float) -> Value:
    """The result right of the pole, there -inf, NaN on the left; infinity and NaN as they are."""
    result = e.where(x < math.inf, result, x)
    return e.where(x > pole, result, e.where(x.eq(pole), e.lift(-math.inf, x.type), math.nan))


def log(e: Emitter, x: Value) -> Value:
    """log(x): 0.86, 0.86 ULP."""
    high, low = LOG_2[x.type]
    k, m = split(e, x)
    f = m - 1.0
    return _log_domain(e, x, e.fma(k, high, f - _log1p_gap(e, f, k * low)), 0.0)


def _log1p_parts(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """k, f and gap of log(1 + x) = k log(2) + f - gap, the low part of k log(2) in the gap. Where k is 0, f is x."""
    above = x > 1.0
    large, small = e.where(above, x, 1.0), e.where(above, e.lift(1.0, x.type), x)
    u = large + small
    lost = small - (u - large)  # u + lost is 1 + x
    exponent, m = _split(e, u)
    doubled = lost * e.from_bits((2 * kind(x).bias + 1 - exponent) << kind(x).mantissa)  # 2^(1 - k) lost
    start = m - 1.0
    f = e.fma(doubled, 0.5, start)
    rest = e.fma(doubled, 0.5, start - f)
    k = _unbiased(e, exponent, e.lift(magic(x) + kind(x).bias, x.type))
    _, low = LOG_2[x.type]
    return k, f, _log1p_gap(e, f, e.fma(k, low, rest * (1.06 - f)))  # 1.06 - f is nearly 1 / (1 + f)


def log1p(e: Emitter, x: Value) -> Value:
    """log(1 + x): 0.86, 0.86 ULP."""
    k, f, gap = _log1p_parts(e, x)
    return _log_domain(e, x, e.copysign(e.fma(k, LOG_2[x.type][0], f - gap), x), -1.0)


def x_minus_log1p(e: Emitter, x: Value) -> Value:
    """x - log(1 + x), whose leading terms cancel on paper: 2.9, 3.0 ULP."""
    k, f, gap = _log1p_parts(e, x)
    result = e.where(x < math.inf, (e.fma(k, -LOG_2[x.type][0], x) - f) + gap, x)
    return e.where(x > -1.0, result, e.where(x.eq(-1.0), e.lift(math.inf, x.type), math.nan))


def log1p_unit(e: Emitter, t: Value) -> Value:
    """log(1 + t) for t in [0, 1], without a division: beside another one it would wait for the divider.

    In double through the nearest of 16 numbers whose logarithms are known.
    """
    if t.type == "float":
        return e.fma(t * t, series(e, t, polynomials.LOG1P_UNIT), t)
    number = e.bits(e.fma(t, len(polynomials.RECIPROCALS) - 1.0, magic(t)))
    c, log_c = (of_16(e, table, number) for table in (polynomials.RECIPROCALS, polynomials.LOGS))
    r = e.fma(t, c, c - 1.0)  # (1 + t) c - 1, rounded once: c - 1 is exact
    return log_c + e.fma(r * r, series(e, r, polynomials.LOG1P_STEP), r)


# what losses are made of ----------------------------------------------------------------------------------------------


def softplus(e: Emitter, x: Value) -> Value:
    """log(1 + e^x): 1.99, 1.52 ULP."""
    return e.by_sign(x, x, 0.0) + log1p_unit(e, exp_nonpositive(e, -e.abs(x)))


def sigmoid(e: Emitter, x: Value) -> Value:
    """1 / (1 + e^-x), of x and -x with one exponential and one division: 2.18, 2.14 ULP."""
    t = exp_nonpositive(e, -e.abs(x))
    smaller = t / (1.0 + t)
    return e.by_sign(x, 1.0 - smaller, smaller)


def tanh(e: Emitter, x: Value) -> Value:
    """tanh(x): 2.48, 2.49 ULP."""
    _, lost = decay(e, e.abs(x))
    return e.copysign(_over(e, lost, lost + 2.0), x)


def _over(e: Emitter, a: Value, d: Value) -> Value:
    """a / d for d in [1, 2]; to float32's digits without the divider, which tanh(x) / x needs for itself."""
    if not e.coarse:
        return a / d
    y = e.polynomial(d, _RECIPROCAL)
    lost, ratio = e.fma(-d, y, 1.0), a * y
    return e.fma(ratio, e.fma(lost, lost, lost), ratio)  # a third-order step: what is left is lost^3


def log_cosh(e: Emitter, x: Value) -> Value:
    """log(cosh(x)), a polynomial near 0, else |x| - log(2) + log(1 + e^(-2 |x|)): 1.60, 1.59 ULP."""
    a, z = e.abs(x), x * x
    left, _ = decay(e, a)
    far = (a - math.log(2.0)) + e.fma(left * left, series(e, left, polynomials.LOG1P_SMALL), left)
    near = e.fma(z * z, series(e, z, polynomials.LOG_COSH), 0.5 * z)
    return e.where(a < _LOG_COSH_NEAR, near, far)


def sqrt1pm1(e: Emitter, x: Value) -> Value:
    """sqrt(1 + x^2) - 1, the rounded one bettered by Newton's step for w^2 + 2 w = x^2: 1.78, 1.79 ULP."""
    a = e.abs(x)
    root = e.sqrt(e.fma(a, a, 1.0))
    w = root - 1.0
    w = w + e.fma(a, a, -e.fma(w, w, w + w)) / (root + root)
    return e.where(a < _HUGE, w, a - 1.0)


def unit_slope(e: Emitter, x: Value) -> Value:
    """x / sqrt(1 + x^2): 1.98, 1.99 ULP."""
    a = e.abs(x)
    return e.where(a >= _HUGE, e.copysign(1.0, x), x / e.sqrt(e.fma(a, a, 1.0)))


# angles ---------------------------------------------------------------------------------------------------------------


def _angle(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """x = n pi/2 + r + low, |r| < pi/4 or little more: the bits of n, r, low. Cody and Waite's reduction, compensated.

    From _SIN_MOST on, where the neighbours of x are as good as x, every x is taken for 0; infinities become NaN.
    """
    x = e.where(e.abs(x) < _SIN_MOST, x, 0.0 * x)
    shifted = e.fma(x, 2 / math.pi, magic(x))
    n = shifted - magic(x)
    high, middle, low = _HALF_PI[x.type]
    first = e.fma(n, -high, x)  # exact
    second = n * -middle
    r = first + second
    back = r - first
    lost = (first - (r - back)) + (second - back)
    return e.bits(shifted), r, lost + e.fma(n, -low, e.fma(n, -middle, -second))


def _sin_of_angle(e: Emitter, r: Value, low: Value) -> Value:
    z = r * r
    return r + e.fma(r * z, series(e, z, polynomials.SIN), low)


def _cos_of_angle(e: Emitter, r: Value, low: Value) -> Value:
    z = r * r
    return 1.0 - e.fma(0.5, z, e.fma(-z * z, series(e, z, polynomials.COS), r * low))


def _circular(e: Emitter, x: Value, quarter: int) -> Value:
    """sin(x + quarter pi/2); float by way of double."""
    if x.type == "float":
        return e.to_float(_circular(e, e.to_float(x, "double"), quarter), "float")
    n, r, low = _angle(e, x)
    n = n + quarter
    size = e.where((n & 1).eq(0), _sin_of_angle(e, r, low), _cos_of_angle(e, r, low))
    return e.where((n & 2).eq(0), size, -size)


def sin(e: Emitter, x: Value) -> Value:
    """sin(x): 0.50, 1.01 ULP up to 2^45."""
    return e.where(x.eq(0.0), x, _circular(e, x, 0))


def cos(e: Emitter, x: Value) -> Value:
    """cos(x): 0.50, 1.00 ULP up to 2^45."""
    return _circular(e, x, 1)


def arctan(e: Emitter, x: Value) -> Value:
    """arctan(x), a polynomial on [0, 1], of the reciprocal beyond: 1.25, 1.28 ULP."""
    a = e.abs(x)
    beyond = a > 1.0
    t = e.where(beyond, 1.0 / a, a)
    z = t * t
    rest = t * z * series(e, z, polynomials.ARCTAN)
    high, low = _HALF_PI[x.type][:2]
    return e.copysign(e.where(beyond, (high - t) + (low - rest), t + rest), x)


FUNCTIONS = {
    "exp": exp,
    "exp_nonpositive": exp_nonpositive,
    "scaled_exp": scaled_exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "x_minus_log1p": x_minus_log1p,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "log_cosh": log_cosh,
    "sqrt1pm1": sqrt1pm1,
    "unit_slope": unit_slope,
    "sin": sin,
    "cos": cos,
    "arctan": arctan,
}
