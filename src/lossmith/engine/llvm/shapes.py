"""Loss-shaped primitives on vectors, composed of elementary functions so that nothing cancels that need not.

Errors are at most 4 ULP x max(1, condition number), for means from the smallest normal number on.
"""

from __future__ import annotations

import math

from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.approximate import kind, series
from lossmith.engine.llvm.elementary import log, log1p, sqrt1pm1, x_minus_log1p
from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.engine.llvm.power import absolute_power

_HUGE = 1e9  # beside such a number 1 is nothing, in a sum of squares of every float


def xlogx(e: Emitter, x: Value) -> Value:
    """x log(x), 0 at 0: 1.60, 1.59 ULP."""
    return e.where(x.eq(0.0), e.lift(0.0, x.type), x * log(e, x))


def pseudo_huber(e: Emitter, r: Value, delta: Value) -> Value:
    """delta (sqrt(r^2 + delta^2) - delta), also where r / delta overflows or fades away.

    2.5, 2.5 ULP x max(1, condition).
    """
    x = e.abs(e.abs(r) / delta)
    inside = delta * (delta * sqrt1pm1(e, x))
    far = e.where(x > _HUGE, delta * (e.abs(r) - delta), inside)
    return e.where(x < 1.0 / _HUGE, r * (0.5 * r), far)


def pseudo_huber_slope(e: Emitter, r: Value, delta: Value) -> Value:
    """r delta / sqrt(r^2 + delta^2): 3.0, 3.0 ULP; its four roundings come to 3.5 at most."""
    a = e.abs(e.abs(r) / delta)  # in the words of the value and its sqrt1pm1, which are shared then
    return e.where(a > _HUGE, e.copysign(delta, r), r / e.sqrt(e.fma(a, a, 1.0)))


def log_ratio(e: Emitter, a: Value, b: Value) -> Value:
    """log(a / b), which keeps its digits where a is close to b: 1.2, 1.2 ULP x max(1, condition)."""
    b = b + 0.0  # -0 is 0
    near = log1p(e, (a - b) / b)
    return e.where((a > 0.5 * b) & (a < 2.0 * b), near, _log_ratio(e, a, b))


def _log_ratio(e: Emitter, a: Value, b: Value) -> Value:
    """log(a / b), NaN unless a, b >= 0; right even where the ratio overflows or is denormal."""
    bits = 3 * kind(a).bias // 5
    up, down, one = (e.lift(2.0**exponent, a.type) for exponent in (bits, -bits, 0))
    ratio = a / b
    small = (ratio < kind(a).smallest_normal) & (a > 0.0) & (b < math.inf)
    large = ratio.eq(math.inf) & (b > 0.0) & (a < math.inf)
    scaled = (a * e.where(small, up, e.where(large, down, one))) / (b * e.where(small, down, e.where(large, up, one)))
    moved = e.lift(2 * bits * math.log(2.0), a.type)
    unscaled = log(e, e.where((a < 0.0) | (b < 0.0), e.lift(math.nan, a.type), scaled))
    return unscaled + e.where(small, -moved, e.where(large, moved, 0.0))


def kl_term(e: Emitter, y: Value, f: Value) -> Value:
    """y log(y / f) - y + f."""
    f = f + 0.0  # -0 is 0
    near = y * x_minus_log1p(e, (f - y) / y)
    far = y * (_log_ratio(e, y, f) - 1.0) + f
    return e.where(y.eq(0.0), f, e.where((f > 0.5 * y) & (f < 4.0 * y), near, far))


def js_term(e: Emitter, y: Value, f: Value) -> Value:
    """(y log(y / m) + f log(f / m)) / 2, m = (y + f) / 2: a polynomial in (f - y) / (y + f) where y and f are near."""
    both = y + f
    d = (f - y) / both
    z = d * d
    near = 0.25 * both * (z * series(e, z, polynomials.JENSEN_SHANNON))
    shares = ((x, 2.0 * x / both) for x in (f, y))  # one may be 0 beside the other, where x is not
    of_f, of_y = (e.where(share.eq(0.0), e.lift(0.0, x.type), x * log(e, share)) for x, share in shares)
    far = 0.5 * (of_f + of_y)
    found = e.where(both < 0.0, e.lift(math.nan, y.type), e.where(z < 0.25, near, far))
    return e.where(y.eq(0.0), f * (0.5 * math.log(2.0)), found)


def js_slope(e: Emitter, y: Value, f: Value) -> Value:
    """log(2 f / (y + f)) / 2."""
    both = y + f
    slope = e.where(f < 0.5 * y, _log_ratio(e, 2.0 * f, both), log1p(e, (f - y) / both))
    return 0.5 * e.where(y.eq(0.0), e.lift(math.log(2.0), y.type), slope)


def _amount(e: Emitter, x: Value) -> Value:
    """NaN below 0; -0 is 0."""
    return e.where(x < 0.0, e.lift(math.nan, x.type), x + 0.0)


def power_loss(e: Emitter, y: Value, f: Value, p: Value) -> Value:
    """y f^(1 - p) / (p - 1) + f^(2 - p) / (2 - p), with log(f) for p = 2."""
    f = _amount(e, f)
    square = p.eq(2.0)
    pull = e.where(square, y / f, y * absolute_power(e, f, 1.0 - p)) / (p - 1.0)
    pull = e.where(y.eq(0.0), e.lift(0.0, y.type), pull)
    push = e.where(square, log(e, f), absolute_power(e, f, 2.0 - p) / (2.0 - p))
    # at f = 0 the logarithm may be -inf: a target above 0 is what counts there
    return e.where(f.eq(0.0) | pull.eq(math.inf), pull, pull + push)


def power_slope(e: Emitter, y: Value, f: Value, p: Value) -> Value:
    """(f - y) f^-p."""
    f = _amount(e, f)
    rise = absolute_power(e, f, 1.0 - p)
    inside = e.where(f.eq(y), e.lift(0.0, y.type), (f - y) / f * rise)
    at_zero = e.where(y > 0.0, e.lift(-math.inf, y.type), rise)
    return e.where(f.eq(0.0), at_zero, e.where(f.eq(math.inf), rise, inside))


def power_bend(e: Emitter, y: Value, f: Value, p: Value) -> Value:
    """(p y / f + 1 - p) f^-p."""
    f = _amount(e, f)
    factor = e.where(y.eq(0.0), e.lift(0.0, y.type), y / f) + (1.0 - p) / p
    # smallest factors first: what does not overflow does not on the way
    return e.where(factor.eq(0.0), e.lift(0.0, y.type), factor / f * absolute_power(e, f, 1.0 - p) * p)


FUNCTIONS = {
    "xlogx": xlogx,
    "pseudo_huber": pseudo_huber,
    "pseudo_huber_slope": pseudo_huber_slope,
    "log_ratio": log_ratio,
    "kl_term": kl_term,
    "js_term": js_term,
    "js_slope": js_slope,
    "power_loss": power_loss,
    "power_slope": power_slope,
    "power_bend": power_bend,
}
