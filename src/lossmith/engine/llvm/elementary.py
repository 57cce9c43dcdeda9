"""exp, log and their relatives on vectors, branch-free: the same bits on every processor.

Only +, -, *, /, sqrt, fma, comparisons, selections and integer work on bits, each exactly rounded. Every function takes
vectors of either floating type, whatever the type of the kernel around it. A docstring states the largest error in ULP
that was measured (float, double); polynomials come from tools/fit_polynomials.py, highest power first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lossmith.engine.llvm.emit import DOUBLE, SINGLE, Emitter, Float, Value


@dataclass(frozen=True)
class Constants:
    """What the functions need to know of a floating type."""

    kind: Float
    log_2: tuple[float, float]  # the first with so many trailing zeros that its product with an exponent is exact
    exp: tuple[float, ...]  # (e^r - 1 - r) / r^2 on [-log(2)/2, log(2)/2]
    log: tuple[float, ...]  # (log(1 + f) - f) / f^2 on [-1/4, 1/2]
    log1p_unit: tuple[float, ...]  # the same on [0, 1]
    exp_range: tuple[float, float]  # where e^x is neither 0 nor infinite
    expm1_least: float  # e^x - 1 is -1 below
    tiny: float  # below, x is what functions with slope 1 at 0 give

    @property
    def magic(self) -> float:
        """1.5 * 2^mantissa: added to a number it leaves the nearest integer in the lowest bits."""
        return math.ldexp(1.5, self.kind.mantissa)


_SINGLE = Constants(
    kind=SINGLE,
    log_2=(float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    exp=(0.001374505925923586, 0.008368953131139278, 0.04166965186595917, 0.166665181517601, 0.49999988079071045),
    log=(
        -0.04252501577138901, 0.10173159837722778, -0.13099078834056854, 0.14510396122932434, -0.1665840893983841,
        0.19989822804927826, -0.24999606609344482, 0.3333345949649811, -0.5000000596046448,
    ),
    log1p_unit=(
        -0.0032268476206809282, 0.01978927105665207, -0.056879717856645584, 0.10600581020116806, -0.15307912230491638,
        0.1967887133359909, -0.24955375492572784, 0.3333020508289337, -0.4999992251396179,
    ),
    exp_range=(-104.0, 89.0),
    expm1_least=-20.0,
    tiny=2.0**-25,
)  # fmt: skip
_DOUBLE = Constants(
    kind=DOUBLE,
    log_2=(float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45")),
    exp=(
        2.5028743300104997e-08, 2.763143310281207e-07, 2.7557494816438805e-06, 2.480148942451215e-05,
        0.00019841269610468499, 0.0013888888947649982, 0.008333333333445603, 0.04166666666651215, 0.1666666666666649,
        0.5000000000000013,
    ),
    log=(
        -0.006840260804608593, 0.025978302786108104, -0.04667731978583884, 0.056478502332737934, -0.0578860429071544,
        0.058980244363365145, -0.06224602319101761, 0.06659881663638134, -0.07143812113769955, 0.07692876009677595,
        -0.08333342364259892, 0.09090885927258192, -0.0999999818259876, 0.11111111624654513, -0.1250000005673583,
        0.14285714279595144, -0.1666666666591121, 0.20000000000035428, -0.25000000000004063, 0.3333333333333326,
        -0.49999999999999994,
    ),
    log1p_unit=(
        -1.6116418269742165e-05, 0.00019435841094364288, -0.001114719554761647, 0.004064575158547827,
        -0.010651124014323842, 0.021569127599156915, -0.03560097623990264, 0.05014375751100854, -0.06293667493508291,
        0.07331896753226863, -0.08208504715879027, 0.0905606159116802, -0.0999227099454141, 0.11109773171177209,
        -0.12499823337555332, 0.1428569702789199, -0.16666665470769412, 0.19999999944678043, -0.24999999998444936,
        0.33333333333310794, -0.49999999999999883,
    ),
    exp_range=(-746.0, 710.0),
    expm1_least=-40.0,
    tiny=2.0**-54,
)  # fmt: skip
_CONSTANTS = {"float": _SINGLE, "double": _DOUBLE}


def constants(x: Value) -> Constants:
    return _CONSTANTS[x.type]


# exponentials ---------------------------------------------------------------------------------------------------------


def _reduced(e: Emitter, x: Value, offset: int) -> tuple[Value, Value]:
    """x = n log(2) + r: an integer whose lowest bits are n + offset, and e^r - 1."""
    c = constants(x)
    shifted = e.fma(x, 1 / math.log(2.0), c.magic + offset)
    n = shifted - (c.magic + offset)
    r = e.fma(n, -c.log_2[1], e.fma(n, -c.log_2[0], x))
    return e.bits(shifted), e.fma(r * r, e.polynomial(r, c.exp), r)


def _exp(e: Emitter, x: Value) -> Value:
    """e^x in the range of finite results. In two factors, so that what overflows or is denormal is rounded once."""
    kind = constants(x).kind
    bits, p = _reduced(e, x, 2 * kind.bias)
    half = bits.logical_shift(1)
    first = e.from_bits(half << kind.mantissa)
    return e.fma(p, first, first) * e.from_bits((bits - half) << kind.mantissa)


def exp_nonpositive(e: Emitter, x: Value) -> Value:
    """e^x for x <= 0."""
    least, _ = constants(x).exp_range
    return _exp(e, e.where(x < least, least, x))


def exp(e: Emitter, x: Value) -> Value:
    """e^x."""
    _, most = constants(x).exp_range
    return exp_nonpositive(e, e.where(x > most, most, x))


def expm1(e: Emitter, x: Value) -> Value:
    """e^x - 1."""
    c = constants(x)
    _, most = c.exp_range
    bounded = e.where(x > most, most, e.where(x < c.expm1_least, c.expm1_least, x))
    bits, p = _reduced(e, bounded, c.kind.bias - 1)
    half = e.from_bits(bits << c.kind.mantissa)  # half the power of two: the whole may overflow
    result = e.fma(half, p, half - 0.5)
    return e.where(e.abs(x) < c.tiny, x, result + result)


# logarithms -----------------------------------------------------------------------------------------------------------


def _split(e: Emitter, x: Value, scale: Value | float) -> tuple[Value, Value, Value]:
    """x = 2^k m with m in [3/4, 3/2), x positive and normal: k - scale, m, and the biased k as an integer."""
    c = constants(x)
    mantissa, quarter = c.kind.mantissa, 1 << (c.kind.mantissa - 1)
    moved = e.bits(x) + quarter  # so that the exponent steps at 3/4 of a power of two
    exponent = moved.logical_shift(mantissa)
    k = e.from_bits(exponent | e.bits(e.lift(c.magic, x.type))) - (scale + (c.magic + c.kind.bias))
    m = e.from_bits((moved & ((1 << mantissa) - 1)) + ((c.kind.bias << mantissa) - quarter))
    return k, m, exponent


def _log_sum(e: Emitter, k: Value, f: Value, low: Value) -> Value:
    """k log(2) + f + low, for a small low; the rounding of the first sum is made good."""
    high, rest = constants(f).log_2
    total = e.fma(k, high, f)
    lost = f - e.fma(k, -high, total)
    return total + (lost + e.fma(k, rest, low))


def log(e: Emitter, x: Value) -> Value:
    """log(x)."""
    c = constants(x)
    up = c.kind.mantissa + 2
    denormal = x < c.kind.smallest_normal
    k, m, _ = _split(e, e.where(denormal, x * 2.0**up, x), e.where(denormal, e.lift(float(up), x.type), 0.0))
    f = m - 1.0
    result = _log_sum(e, k, f, f * f * e.polynomial(f, c.log))
    result = e.where(x < math.inf, result, x)
    return e.where(x > 0.0, result, e.where(x.eq(0.0), e.lift(-math.inf, x.type), math.nan))


def log1p_unit(e: Emitter, t: Value) -> Value:
    """log(1 + t) for t in [0, 1]."""
    return e.fma(t * t, e.polynomial(t, constants(t).log1p_unit), t)


def log1p(e: Emitter, x: Value) -> Value:
    """log(1 + x)."""
    c = constants(x)
    above = x > 1.0
    large, small = e.where(above, x, 1.0), e.where(above, e.lift(1.0, x.type), x)
    u = large + small
    lost = small - (u - large)  # u + lost is 1 + x exactly
    k, m, exponent = _split(e, u, 0.0)
    scaled = lost * e.from_bits((2 * c.kind.bias << c.kind.mantissa) - (exponent << c.kind.mantissa))
    start = m - 1.0
    f = start + scaled
    rest = scaled - (f - start)  # 0 where k is: there f is x
    low = e.fma(f * f, e.polynomial(f, c.log), rest * e.fma(f, -0.64, 1.0))
    result = e.copysign(_log_sum(e, k, f, low), x)
    result = e.where(x < math.inf, result, x)
    return e.where(x > -1.0, result, e.where(x.eq(-1.0), e.lift(-math.inf, x.type), math.nan))


# what losses are made of ----------------------------------------------------------------------------------------------


def softplus(e: Emitter, x: Value) -> Value:
    """log(1 + e^x)."""
    return e.where(x > 0.0, x, 0.0) + log1p_unit(e, exp_nonpositive(e, -e.abs(x)))


def sigmoid(e: Emitter, x: Value) -> Value:
    """1 / (1 + e^-x); of x and -x with one exponential and one division."""
    t = exp_nonpositive(e, -e.abs(x))
    r = 1.0 / (1.0 + t)
    return e.where(x >= 0.0, r, t * r)


def tanh(e: Emitter, x: Value) -> Value:
    c = constants(x)
    a = e.abs(x)
    t = expm1(e, 2.0 * a)
    small = a < 0.55
    q = e.where(small, t, e.lift(-2.0, x.type)) / (t + 2.0)
    t = e.copysign(e.where(small, q, q + 1.0), x)
    return e.where(a < c.tiny, x, t)


FUNCTIONS = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "softplus": softplus,
    "sigmoid": sigmoid,
    "tanh": tanh,
}
