"""Powers on vectors, branch-free, with the special cases of C's pow: 0.51 ULP for float, 1.1 for double."""

from __future__ import annotations

import math

from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.approximate import LOG_2, kind, series
from lossmith.engine.llvm.elementary import log, split
from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.engine.llvm.exponentials import exp, exp_of_sum

_TWO_THIRDS = (2 / 3, float.fromhex("0x1.5555555555555p-55"))
_OVERFLOWS = 1000.0  # an exponent so large that its low part says nothing


def _sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b and what its rounding lost, for abs(a) >= abs(b) or a = 0."""
    total = a + b
    return total, b - (total - a)


def _product(e: Emitter, a: Value, b: Value, rest: Value) -> tuple[Value, Value]:
    """a b + rest for a small rest."""
    high = a * b
    return high, e.fma(a, b, -high) + rest


def long_log(e: Emitter, x: Value) -> tuple[Value, Value]:
    """log(x) of doubles x >= 0 as a sum of two, to about 2^-65: 2 atanh(s), the terms in s and s^3 in two parts."""
    k, m = split(e, x)
    f = m - 1.0
    below, below_low = _sum(e.lift(2.0, x.type), f)
    inverse = 1.0 / below
    s = f * inverse
    s_low = e.fma(-s, below_low, e.fma(-s, below, f)) * inverse
    z, z_low = _product(e, s, s, 2.0 * s * s_low)
    tail = z * series(e, z, polynomials.LOG_LOW)
    third, third_low = _sum(e.lift(_TWO_THIRDS[0], x.type), tail)
    cube, cube_low = _product(e, z, third, e.fma(z, third_low + _TWO_THIRDS[1], z_low * third))
    rest, rest_low = _product(e, s, cube, e.fma(s, cube_low, s_low * cube))
    high, low = _sum(2.0 * s, rest)
    whole, whole_low = _sum(k * LOG_2["double"][0], high)
    low = whole_low + e.fma(k, LOG_2["double"][1], low + (rest_low + 2.0 * s_low))
    high, low = _sum(whole, low)
    high = e.where(x < math.inf, high, x)
    return e.where(x.eq(0.0), e.lift(-math.inf, x.type), high), low


def _size(e: Emitter, x: Value, y: Value) -> Value:
    """x^y for x >= 0. Float by way of double."""
    if x.type == "float":
        wide = exp(e, e.to_float(y, "double") * log(e, e.to_float(x, "double")))
        size = e.to_float(wide, "float")
    else:
        high, low = long_log(e, x)
        exponent = y * high
        rest = e.fma(y, low, e.fma(y, high, -exponent))
        size = exp_of_sum(e, exponent, e.where(e.abs(exponent) < _OVERFLOWS, rest, 0.0))
    return e.where(x.eq(1.0) | y.eq(0.0), e.lift(1.0, x.type), size)


def absolute_power(e: Emitter, x: Value, q: Value) -> Value:
    """abs(x)^q."""
    return _size(e, e.abs(x), q)


def signed_power(e: Emitter, x: Value, q: Value) -> Value:
    """sign(x) abs(x)^q, 0 at 0."""
    size = e.copysign(absolute_power(e, x, q), x)
    return e.where(x.eq(0.0), e.lift(0.0, x.type), e.where(x.eq(x), size, x))


def _whole(e: Emitter, a: Value) -> Value:
    """Whether a number >= 0 has no fraction."""
    limit = math.ldexp(1.0, kind(a).mantissa)
    return (a >= limit) | ((a + limit) - limit).eq(a)


def power(e: Emitter, x: Value, y: Value) -> Value:
    """x^y as C's pow: a negative x only to whole powers."""
    exponent = e.abs(y)
    whole = _whole(e, exponent)
    odd = whole & ~_whole(e, 0.5 * exponent)
    size = absolute_power(e, x, y)
    signed = e.where(odd, e.copysign(size, x), size)
    undefined = (x < 0.0) & (x > -math.inf) & ~whole
    return e.where(undefined, e.lift(math.nan, x.type), signed)


FUNCTIONS = {"power": power, "absolute_power": absolute_power, "signed_power": signed_power}
