"""e^x and its relatives, as ``elementary`` says.

e^x = 2^n e^r: what n, the nearest whole number to x / log(2), leaves has a polynomial. In double n is a multiple of
1/16 and 2^n comes from a table: the polynomial is half as long.
"""

from __future__ import annotations

import math

from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.approximate import LOG_2, kind, magic, of_16, series
from lossmith.engine.llvm.avx512 import can_scale, held, parts, scaled
from lossmith.engine.llvm.emit import MASK, Emitter, Float, Value
from lossmith.record import Record

_EXP_RANGE = {"float": (-104.0, 89.0), "double": (-746.0, 710.0)}  # beyond, e^x is 0 or infinite
_EXPM1_LEAST = {"float": -20.0, "double": -40.0}  # below, e^x - 1 is -1


def _nearest(e: Emitter, x: Value, offset: int = 0, steps: int = 1) -> tuple[Value, Value]:
    """The multiple n of 1 / steps nearest to x / log(2), and an integer whose lowest bits are (n + offset) steps."""
    start = magic(x) / steps + offset
    shifted = e.fma(x, 1 / math.log(2.0), start)
    return shifted - start, e.bits(shifted)


class _Step(Record):
    """In double e^x is taken from the nearest of 16 steps in an octave: what is left has a shorter polynomial."""

    n: Value  # the multiple of 1/16, or without steps the whole number, nearest to x / log(2)
    whole: Value  # an integer whose lowest bits are those of floor(n) + offset
    power: Value | None  # 2^(n - floor(n)), None where that is 1
    lost: Value | None  # by rounding this power, as a part of it


def _nearest_step(e: Emitter, x: Value, offset: int = 0) -> _Step:
    steps = _steps(e, x)
    n, bits = _nearest(e, x, offset, steps)
    if steps == 1:
        return _Step(n, bits, None, None)
    power, lost = (of_16(e, table, bits) for table in (polynomials.POWERS, polynomials.POWERS_LOST))
    return _Step(n, _without_steps(e, bits, x), power, lost)


def _steps(e: Emitter, x: Value) -> int:
    return 1 if e.coarse or x.type == "float" else len(polynomials.POWERS)


def _without_steps(e: Emitter, bits: Value, x: Value) -> Value:
    steps = _steps(e, x)
    return bits if steps == 1 else bits.logical_shift(steps.bit_length() - 1)


def _two_to(whole: Value, power: Value | None, float_: Float) -> Value:
    """2^whole by its biased exponent, times a power in [1, 2)."""
    e, exponent = whole.emit, whole << float_.mantissa
    return e.from_bits(exponent if power is None else exponent + (e.bits(power) - (float_.bias << float_.mantissa)))


def _reduced(e: Emitter, x: Value, n: Value) -> Value:
    """r = x - n log(2), by Cody and Waite's reduction; what float32's digits do not show is left out."""
    high, low = LOG_2[x.type]
    return e.fma(n, -math.log(2.0), x) if e.coarse else e.fma(n, -low, e.fma(n, -high, x))


def _power(e: Emitter, r: Value, scale: Value | None, lost: Value | None) -> Value:
    """e^r, or a scale times it, of which rounding lost a part."""
    if e.coarse:
        power = e.polynomial(r, (*polynomials.EXP["float"], 1.0, 1.0))
        return power if scale is None else power * scale
    p = series(e, r, polynomials.EXP if lost is None else polynomials.EXP_STEP)
    grown = e.fma(r * r, p, r if lost is None else r + lost)
    return grown + 1.0 if scale is None else e.fma(grown, scale, scale)


def _left_exactly(e: Emitter, x: Value, n: Value, rest: Value | None = None) -> Value:
    """e^r - 1 for r = x + rest - n log(2), n whole, with what r loses by rounding."""
    if e.coarse:
        r = _reduced(e, x, n)
        r = r if rest is None else r + rest
        return e.fma(r * r, e.polynomial(r, polynomials.EXP["float"]), r)
    high, low = LOG_2[x.type]
    exact = e.fma(n, -high, x)
    tail = n * -low if rest is None else e.fma(n, -low, rest)
    r = exact + tail
    return exact + e.fma(r * r, series(e, r, polynomials.EXP), tail)


def exp_nonpositive(e: Emitter, x: Value) -> Value:
    """e^x for x <= 0: what has no large results can be scaled up first and down by a constant.

    Where it is 0 nothing underflows on the way: that would cost some processors hundreds of cycles.
    """
    least, _ = _EXP_RANGE[x.type]
    if can_scale(e, x):
        step = _nearest_step(e, x)
        power = _power(e, _reduced(e, x, step.n), step.power, step.lost)
        return scaled(e, power, step.n, x.not_less(least))
    zero = x < least
    x, up = e.where(zero, 0.0, x), kind(x).bias // 2
    step = _nearest_step(e, x, kind(x).bias + up)
    scale = _two_to(step.whole, step.power, kind(x))
    return e.where(zero, 0.0, _power(e, _reduced(e, x, step.n), scale, step.lost) * 2.0**-up)


def exp(e: Emitter, x: Value) -> Value:
    """e^x: 0.99, 0.79 ULP."""
    if can_scale(e, x):  # by any n, and where x is so large that r is noise it is 0 or infinite
        step = _nearest_step(e, x)
        power = _power(e, held(e, _reduced(e, x, step.n), 0.5), step.power, step.lost)
        return scaled(e, power, step.n, e.lift(1, MASK))
    x = _in_range(e, x)
    step = _nearest_step(e, x, 2 * kind(x).bias)
    first, second = _halves(step.whole, step.power, kind(x))
    return _power(e, _reduced(e, x, step.n), first, step.lost) * second


def exp_of_sum(e: Emitter, x: Value, rest: Value) -> Value:
    """e^(x + rest) for a rest that x does not show."""
    x = _in_range(e, x)
    n, bits = _nearest(e, x, 2 * kind(x).bias)
    left = _left_exactly(e, x, n, rest)
    if can_scale(e, x):
        return scaled(e, left + 1.0, n, e.lift(1, MASK))
    first, second = _halves(bits, None, kind(x))
    return e.fma(left, first, first) * second


def _in_range(e: Emitter, x: Value) -> Value:
    least, most = _EXP_RANGE[x.type]
    x = e.where(x < least, least, x)
    return e.where(x > most, most, x)


def _halves(whole: Value, power: Value | None, float_: Float) -> tuple[Value, Value]:
    """2^whole times a power, by twice the bias, as two factors: what overflows or is denormal is rounded once."""
    half = whole.logical_shift(1)
    return _two_to(half, power, float_), _two_to(whole - half, None, float_)


def scaled_exp(e: Emitter, y: Value, x: Value) -> Value:
    """y e^x, which need not be 0 or infinite where e^x alone is: 1.74, 1.47 ULP.

    A y near the ends of the range is moved towards 1, by a power of two that goes into the other factor's. (With one
    instruction for each every y is.)
    """
    (least, most), middle, shift = _EXP_RANGE[x.type], kind(x).bias // 2, kind(x).bias // 8 * 5
    vanished, reach = x < 2 * least, most - least  # 0, infinitely many of which are no number
    x = e.where(x < -reach, -reach, x)
    x = e.where(x > reach, reach, x)
    step = _nearest_step(e, x)
    power = _power(e, _reduced(e, x, step.n), step.power, step.lost)
    if can_scale(e, x):
        mantissa, exponent = parts(e, y)
        n_all = e.where(vanished, -math.inf, step.n) + exponent
        return scaled(e, power * mantissa, n_all, e.lift(1, MASK))
    small, large = e.abs(y) < 2.0**-middle, e.abs(y) > 2.0**middle
    factor = e.where(small, e.lift(2.0**shift, y.type), e.where(large, e.lift(2.0**-shift, y.type), 1.0))
    product = power * (y * e.where(vanished, 0.0, factor))
    n_all = step.n + e.where(small, e.lift(float(-shift), y.type), e.where(large, e.lift(float(shift), y.type), 0.0))
    most_n = float(2 * kind(x).bias - 2)
    n_all = e.where(n_all > most_n, most_n, e.where(n_all < -most_n, -most_n, n_all))
    whole = _without_steps(e, e.bits(n_all + (magic(x) / _steps(e, x) + 2 * kind(x).bias)), x)
    first, second = _halves(whole, None, kind(x))  # the first leaves every digit, or the result is 0 or infinite
    return product * first * second


def expm1(e: Emitter, x: Value) -> Value:
    """e^x - 1: 1.50, 1.76 ULP."""
    least, (_, most) = _EXPM1_LEAST[x.type], _EXP_RANGE[x.type]
    small, x = e.abs(x) < kind(x).epsilon / 4, e.where(x < least, least, x)
    x = e.where(x > most, most, x)
    n, bits = _nearest(e, x, kind(x).bias - 1)
    half = _two_to(bits, None, kind(x))  # of 2^n, which itself may overflow
    result = e.fma(half, _left_exactly(e, x, n), half - 0.5)
    return e.where(small, x, result + result)


def decay(e: Emitter, a: Value) -> tuple[Value, Value]:
    """e^(-2 a) and the same less 1, for a >= 0; from where on the first does not count beside 1, it stays as it is."""
    least = _EXPM1_LEAST[a.type]
    x = a * -2.0
    x = e.where(x < least, least, x)
    n, bits = _nearest(e, x, kind(x).bias)
    scale, left = _two_to(bits, None, kind(x)), _left_exactly(e, x, n)
    return e.fma(left, scale, scale), e.fma(left, scale, scale - 1.0)
