"""log Gamma, its relatives and its derivatives on vectors, branch-free: the same bits on every processor.

Everything is computed in double, whatever the type. All functions have one plan. A positive argument is n + t with an
integer n and |t| <= 1/2. From _FAR on, Stirling's asymptotic series (NIST Handbook 5.11) with coefficients fitted to
[_FAR, inf); below, the recurrence in steps of 1 (5.5.1, 5.15.5) to a place where something accurate is known: a
polynomial in t around 2, or the series. An argument below -1/2 (log Gamma: -7/2) is reflected (5.5.3, 5.15.6): there the
poles are split off, 1/t and its powers, and what is left of the cotangent and its derivatives is a polynomial in t^2.

A docstring states the largest error in ULP that was measured (positive arguments; negative ones in ULP times the
condition number). Polynomials come from tools/fit_polynomials.py, highest power first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from lossmith.engine.llvm.elementary import log
from lossmith.engine.llvm.emit import Emitter, Value

_FAR = 6.5
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
_WHOLE = 2.0**52  # from here every number is an integer

# around 2, in t
_LGAMMA = (
    -1.321127526814749e-07, 2.7051276615175986e-07, -4.326224132044078e-07, 9.287952261154396e-07,
    -2.0438582064491086e-06, 4.380879511203307e-06, -9.438726985750933e-06, 2.0506478700000924e-05,
    -4.4926311615295535e-05, 9.945755615787188e-05, -0.0002231547541583077, 0.0005096695242169653,
    -0.0011927539118354272, 0.002890510330684028, -0.007385551028672172, 0.020580808427786635, -0.0673523010531981,
    0.3224670334241132,
)  # (log Gamma(2 + t) / t - psi(2)) / t
_DIGAMMA_2 = (0.42278433509846713, 4.942915152430645e-18)  # psi(2) as a sum of two
_DIGAMMA = (
    1.3588454910915598e-06, -2.6059483257745013e-06, 3.5597483628236733e-06, -7.257794904453445e-06,
    1.537183109138083e-05, -3.069791193930277e-05, 6.122905390076629e-05, -0.00012269474186874665,
    0.00024608914385939023, -0.0004941904880347443, 0.0009945749034145639, -0.002008392717069605,
    0.004077356209967915, -0.008349277385036505, 0.017343061984078336, -0.036927755143347785, 0.08232323371114388,
    -0.20205690315959376, 0.6449340668482264, 0.42278433509846713,
)  # fmt: skip
# what is left of the series, in 1 / x^2
_LGAMMA_SERIES = (
    -0.09222897013092668, -0.007994587415449648, 0.005583438074295179, -0.001900002055142359, 0.0008415359874717668,
    -0.0005952365898722812, 0.0007936507880347045, -0.0027777777777683475, 0.08333333333333333,
)  # fmt: skip
_DIGAMMA_SERIES = (
    1.2199977720057034, -0.3653028690230164, 0.08129656513858946, -0.021059580910969433, 0.007575421652368242,
    -0.004166664637939781, 0.003968253961533435, -0.008333333333323098, 0.08333333333333333,
)  # fmt: skip
_TRIGAMMA_SERIES = (
    -116.67369196966042, 35.3109530212252, -6.476656939121451, 1.154153361692529, -0.25294915829301334,
    0.07575620784393612, -0.033333326452321, 0.023809523790417387, -0.0333333333333089, 0.16666666666666666,
)  # fmt: skip
_TETRAGAMMA_SERIES = (
    30256.790353160803, -6836.747790628352, 933.3569231699474, -118.62586445237032, 17.477384368900108,
    -3.2903038402509184, 0.8333325092827925, -0.2999999977132651, 0.1666666666634978, -0.16666666666666513, 0.5,
)  # fmt: skip
# what reflection needs, in t^2
_SINE = (
    2.4526425771257155e-07, -6.9723445793590956e-06, 0.00014842794604725442, -0.0023460809189918093,
    0.02614784780852559, -0.1907518241217047, 0.8117424252833467, -1.6449340668482264, 1.0,
)  # sin(pi t) / (pi t)
_COTANGENT = (
    -15.870012200138186, 13.749023421510625, -11.103677483556474, 1.2772578164917388, -2.795936700454551,
    -1.8647411420910156, -2.016313242327262, -1.99863940706898, -2.0002050790947643, -2.0004888782472725,
    -2.0019892333641307, -2.0081547112116134, -2.0346861239762646, -2.1646464674222736, -3.289868133696453,
)  # fmt: skip
_COTANGENT_1 = (
    664.2508527409975, -703.6362249489293, 541.9285564533022, -145.8525796599497, 99.63258446448059,
    31.56128814704555, 39.4716814834364, 33.84913664202129, 30.01165820585902, 26.001002652430508,
    22.005435265869586, 18.01790184674489, 14.057082993966867, 10.173430619791187, 6.493939402266982,
    3.289868133696453,
)  # fmt: skip
_COTANGENT_2 = (
    -26214.69543502265, 29069.855259475626, -21600.082152386953, 6661.349021528606, -3419.328198446149,
    -578.1392168273708, -901.4309973434823, -677.6689403844372, -544.4741349784828, -419.9814065111665,
    -312.02002241945047, -220.0541172006668, -144.14321913439287, -84.34249791821826, -40.69372247938533,
    -12.987878804533654,
)  # fmt: skip
_LOG = (
    0.13286229169526437, 0.13246738875106034, 0.1538721262786947, 0.1818177376319235, 0.22222222655146173,
    0.28571428569175306, 0.40000000000005315, 0.6666666666666666,
)  # fmt: skip
_LOG_2 = (float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45"))

Function = Callable[[Emitter, Value], Value]
Pair = tuple[Value, Value]


def _in_double(function: Function) -> Function:
    def run(e: Emitter, x: Value) -> Value:
        return e.to_float(function(e, e.to_float(x, "double")), x.type)

    run.__doc__ = function.__doc__
    return run


def _double(e: Emitter, x: float) -> Value:
    return e.lift(x, "double")


def _nearest(e: Emitter, x: Value) -> Pair:
    """(n, t): the nearest integer, and x - n, exactly; t is 0 for infinite x."""
    a = e.abs(x)
    small = a < _WHOLE
    n = e.copysign(e.where(small, (a + _WHOLE) - _WHOLE, a), x)
    return n, e.where(small, x - n, 0.0)


def _log(e: Emitter, x: Value, correction: Value) -> Pair:
    """log(x) + correction as an unevaluated sum, good to some 60 bits, for 0 < x < inf.

    x = 2^k (1 + f) and log(1 + f) = 2 atanh(s) with s = f / (2 + f): the quotient's own error is computed.
    """
    denormal = x < 2.0**-1022
    bits = e.bits(e.where(denormal, x * 2.0**54, x))
    shift = (bits - 0x3FE6A09E667F3BCD) >> 52  # to the nearest power of two below sqrt(2) x
    magic = 1.5 * _WHOLE
    k = e.from_bits(shift + e.bits(_double(e, magic))) - e.where(denormal, _double(e, magic + 54.0), magic)
    f = e.from_bits(bits - (shift << 52)) - 1.0
    divisor = f + 2.0
    s = f / divisor
    s_low = (e.fma(-s, divisor, f) - s * (f - (divisor - 2.0))) / divisor
    z = s * s
    base, twice = k * _LOG_2[0], s + s
    high = base + twice
    low = e.fma(s * z, e.polynomial(z, _LOG), s_low + s_low)
    return high, (twice - (high - base)) + e.fma(k, _LOG_2[1], low + correction)


def _near(e: Emitter, n: Value, t: Value) -> tuple[Value, Value, Value, Value, Value]:
    """For -3 <= n <= 7, Gamma(n + t) = Gamma(2 + t) times (n > 2) or over (n < 2) the product of j + t in between.

    The sign of the product's logarithm, the product and log Gamma(2 + t), both as sums of two: no digit is lost even
    where the logarithms nearly cancel, about the minimum at 1.46.
    """
    high, low = _double(e, 1.0), _double(e, 0.0)
    for j in range(-3, 7):
        used = n <= j if j < 2 else n > j
        whole = t + j
        factor = e.where(used, whole, 1.0)
        factor_low = e.where(used, t - (whole - j), 0.0)
        product = high * factor
        low = e.fma(low, factor, e.fma(high, factor_low, e.fma(high, factor, -product)))
        high = product
    base = t * _DIGAMMA_2[0]
    base_low = e.fma(t, _DIGAMMA_2[0], -base)
    rest = e.fma(t * t, e.polynomial(t, _LGAMMA), e.fma(t, _DIGAMMA_2[1], base_low))
    sign = e.where(n < 2.0, _double(e, -1.0), 1.0)
    return sign, high, low, base, rest


def _two_sum(a: Value, b: Value) -> Pair:
    """a + b and its rounding error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _log_gamma(e: Emitter, x: Value, one: int) -> Value:
    """log |Gamma(x + one)|, one 0 or 1. Reflection changes between the two: Gamma(x) Gamma(1 - x) = pi / sin(pi x)."""
    nearest, t = _nearest(e, x)
    pole = t.eq(0.0) & (x <= -one)
    reflected = nearest < -3.0 - one
    x, nearest, t = (e.where(reflected, -part, part) for part in (x, nearest, t))
    more = e.where(reflected, _double(e, 1.0 - one), float(one))
    near = nearest < 7.0
    sign, product, product_low, base, rest = _near(e, nearest + more, t)
    high, low = _log(e, e.where(near, e.abs(product), x), e.where(near, product_low / product, 0.0))
    total, lost = _two_sum(sign * high, base)
    below = total + (lost + e.fma(sign, low, rest))
    w = 1.0 / x
    half = more - 0.5
    series = e.fma(w, e.polynomial(w * w, _LGAMMA_SERIES), half + _HALF_LOG_2_PI)
    above = e.fma(x + half, (high - 1.0) + low, series)
    result = e.where(near, below, above)
    sine = e.abs(t) * e.polynomial(t * t, _SINE)
    result = e.where(reflected, -(result + log(e, sine)), result)
    return e.where(pole, math.inf, result)


@_in_double
def lgamma(e: Emitter, x: Value) -> Value:
    """log |Gamma(x)|: inf at the poles 0, -1, -2, ... and at -inf."""
    return _log_gamma(e, x, 0)


@_in_double
def log_factorial(e: Emitter, x: Value) -> Value:
    """log |Gamma(1 + x)|, 1 + x not rounded."""
    return _log_gamma(e, x, 1)


@_in_double
def stirling(e: Emitter, y: Value) -> Value:
    """log(y!) - y log(y) + y for y >= 0, the large terms in sums of two."""
    nearest, t = _nearest(e, y)
    sign, product, product_low, base, rest = _near(e, nearest + 1.0, t)
    high, low = _log(e, product, product_low / product)
    log_high, log_low = _log(e, y, _double(e, 0.0))
    power = -y * log_high
    total, lost = _two_sum(sign * high, power)
    rest = lost + e.fma(-y, log_low, e.fma(-y, log_high, -power)) + e.fma(sign, low, rest)
    total, lost = _two_sum(total, y)
    below = total + (base + (lost + rest))
    w = 1.0 / y
    above = e.fma(0.5, log_high, e.fma(0.5, log_low, e.fma(w, e.polynomial(w * w, _LGAMMA_SERIES), _HALF_LOG_2_PI)))
    result = e.where(nearest < 7.0, below, above)
    result = e.where(y > 0.0, result, e.where(y < 0.0, math.nan, y))
    return e.where(y < math.inf, result, y)


@_in_double
def digamma(e: Emitter, x: Value) -> Value:
    """psi(x) = d log Gamma(x) / dx: NaN at -1, -2, ..., infinite at 0 of the sign that the sign of 0 says."""
    nearest, f = _nearest(e, x)
    reflected = nearest < 0.0
    y = e.where(reflected, 1.0 - x, x)
    n, t = _nearest(e, y)
    low = n < 2.0
    top, bottom = e.where(low, _double(e, -1.0), 0.0), e.where(low, t + 1.0, 1.0)
    for j in range(2, 7):
        used, factor = n > j, t + j
        top = e.where(used, e.fma(top, factor, bottom), top)
        bottom = e.where(used, bottom * factor, bottom)
    below = e.polynomial(t, _DIGAMMA) + top / bottom
    w = 1.0 / y
    above = log(e, y) + e.fma(w, -0.5, -(w * w) * e.polynomial(w * w, _DIGAMMA_SERIES))
    result = e.where(n < 7.0, below, above)
    pole = 1.0 / e.where(nearest.eq(0.0), x, f)
    mirror = e.where(f.eq(0.0), math.nan, e.fma(f, e.polynomial(f * f, _COTANGENT), pole))
    # psi(x) = psi(1 - x) - pi cot(pi x)
    return result - e.where(reflected, mirror, e.where(nearest.eq(0.0), pole, 0.0))


def _polygamma(e: Emitter, y: Value, term: Callable[[Value], Value], series: Callable[[Value], Value]) -> Value:
    """The sum of the term at y, y + 1, ... below _FAR, and of the series from there on, for y >= -1/2; small ones first."""
    steps = [y + j for j in range(8)]
    start = y
    for step, following in itertools.pairwise(steps):
        start = e.where(step < _FAR, following, start)
    total = series(1.0 / start)
    for step in reversed(steps[:-1]):
        total = e.where(step < _FAR, total + term(step), total)
    return total


@_in_double
def trigamma(e: Emitter, x: Value) -> Value:
    """psi'(x): inf at the poles 0, -1, -2, ... and at -inf."""
    nearest, f = _nearest(e, x)
    reflected = nearest < 0.0

    def series(w: Value) -> Value:
        z = w * w
        return e.fma(z, e.fma(w, e.polynomial(z, _TRIGAMMA_SERIES), 0.5), w)

    result = _polygamma(e, e.where(reflected, 1.0 - x, x), lambda step: 1.0 / (step * step), series)
    u = f * f
    # psi'(x) = (pi / sin(pi x))^2 - psi'(1 - x)
    return e.where(reflected, 1.0 / u + (e.polynomial(u, _COTANGENT_1) - result), result)


@_in_double
def tetragamma(e: Emitter, x: Value) -> Value:
    """psi''(x): -inf at the poles 0, -1, -2, ... and at -inf."""
    nearest, f = _nearest(e, x)
    reflected = nearest < 0.0

    def series(w: Value) -> Value:
        z = w * w
        return z * (1.0 + e.fma(z, e.polynomial(z, _TETRAGAMMA_SERIES), w))

    result = _polygamma(e, e.where(reflected, 1.0 - x, x), lambda step: 2.0 / (step * step * step), series)
    u = f * f
    # psi''(x) = psi''(1 - x) + 2 pi^3 cos(pi x) / sin(pi x)^3, signs as x is negative
    mirror = e.fma(f, e.polynomial(u, _COTANGENT_2), 2.0 / (u * f))
    return e.where(f.eq(0.0) & (x <= 0.0), -math.inf, e.where(reflected, -(mirror + result), -result))


FUNCTIONS: dict[str, Function] = {
    "lgamma": lgamma,
    "log_factorial": log_factorial,
    "stirling": stirling,
    "digamma": digamma,
    "trigamma": trigamma,
    "tetragamma": tetragamma,
}
