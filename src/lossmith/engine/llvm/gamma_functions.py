"""log Gamma, its relatives and its derivatives on vectors of doubles, branch-free.

One plan for all. A number is n + t with an integer n and |t| <= 1/2. From _FAR on, Stirling's asymptotic series (NIST
Handbook of Mathematical Functions, 5.11), its rest fitted on [_FAR, inf). Below, the recurrence in steps of 1 (5.5.1,
5.15.5), either to 2 + t, where there is a polynomial in t, or up to the series. Negative numbers are reflected (5.5.3,
5.15.6): the poles 1/t, 1/t^2, 1/t^3 stand alone, and what remains of cotangent and its derivatives is a polynomial in
t^2. Infinite and NaN arguments need no care: they run through.

The docstrings state the largest error that was measured, in ULP over max(1, k), k the condition |x f'(x) / f(x)|.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.approximate import series
from lossmith.engine.llvm.elementary import log
from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.engine.llvm.power import long_log

_FAR = 6.5
_WHOLE = 2.0**52  # from here every double is an integer
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
_DIGAMMA_2 = (0.42278433509846713, 4.942915152430645e-18)  # psi(2), a sum of two


def _number(e: Emitter, x: float) -> Value:
    return e.lift(x, "double")


def _nearest(e: Emitter, x: Value) -> tuple[Value, Value]:
    """(n, t): the nearest integer and x - n, which is exact; t is 0 where x is infinite or NaN."""
    a = e.abs(x)
    small = a < _WHOLE
    n = e.copysign(e.where(small, (a + _WHOLE) - _WHOLE, a), x)
    return n, e.where(small, x - n, 0.0)


def _sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b and what its rounding lost."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


# log Gamma ------------------------------------------------------------------------------------------------------------


def _steps(e: Emitter, n: Value, t: Value) -> tuple[Value, Value, Value]:
    """For -3 <= n <= 7 the product of j + t between n + t and 2 + t, a sum of two; above 2 its sign is 1, below -1.

    log Gamma(n + t) is log Gamma(2 + t) plus the sign times the product's logarithm.
    """
    high, low = _number(e, 1.0), _number(e, 0.0)
    for j in range(-3, 7):
        used = n <= j if j < 2 else n > j
        step = t + j
        factor, factor_low = e.where(used, step, 1.0), e.where(used, t - (step - j), 0.0)
        product = high * factor
        low = e.fma(low, factor, e.fma(high, factor_low, e.fma(high, factor, -product)))
        high = product
    return e.where(n < 2.0, _number(e, -1.0), 1.0), high, low


def _lgamma_2(e: Emitter, t: Value) -> tuple[Value, Value]:
    """log Gamma(2 + t), a sum of two."""
    high, low = _DIGAMMA_2
    base = t * high
    rest = e.fma(t, low, e.fma(t, high, -base))
    return base, e.fma(t * t, series(e, t, polynomials.LGAMMA), rest)


def _lgamma_series(e: Emitter, x: Value) -> Value:
    """log Gamma(x) - (x - 1/2) log(x) + x for large x."""
    w = 1.0 / x
    return e.fma(w, series(e, w * w, polynomials.LGAMMA_SERIES), _HALF_LOG_2_PI)


def _log_gamma(e: Emitter, x: Value, plus: int) -> Value:
    """log|Gamma(x + plus)|, plus 0 or 1, which reflection exchanges: |Gamma(x) Gamma(1 - x) sin(pi x)| = pi.

    Sums of two carry it over the places where large terms cancel: the zeros 1 and 2, the minimum between them, and the
    extremum -0.118 at -2.61.
    """
    n, t = _nearest(e, x)
    pole = t.eq(0.0) & (x <= -plus)
    reflected = n < -3.0 - plus
    x, n, t = (e.where(reflected, -part, part) for part in (x, n, t))
    more = e.where(reflected, _number(e, 1.0 - plus), float(plus))
    near = x < _FAR
    sign, product, product_low = _steps(e, n + more, t)
    high, low = long_log(e, e.where(near, e.abs(product), x))
    base, rest = _lgamma_2(e, t)
    total, lost = _sum(sign * high, base)
    below = total + (lost + e.fma(sign, low + product_low / product, rest))
    half = more - 0.5
    above = e.fma(x + half, (high - 1.0) + low, _lgamma_series(e, x) + half)
    result = e.where(near, below, above)
    sine = e.fma(t * t, series(e, t * t, polynomials.SIN_PI), 1.0) * e.abs(t)  # over pi
    return e.where(pole, math.inf, e.where(reflected, -(result + log(e, sine)), result))


def lgamma(e: Emitter, x: Value) -> Value:
    """log|Gamma(x)|: inf at the poles 0, -1, -2, ..., and at -inf. 2.2 ULP."""
    return _log_gamma(e, x, 0)


def log_factorial(e: Emitter, y: Value) -> Value:
    """log|Gamma(1 + y)| without rounding 1 + y. 2.2 ULP."""
    return _log_gamma(e, y, 1)


def stirling(e: Emitter, y: Value) -> Value:
    """log(y!) - y log(y) + y for y >= 0. Sums of two below _FAR: the terms grow, the result hardly does. 1.4 ULP."""
    n, t = _nearest(e, y)
    sign, product, product_low = _steps(e, n + 1.0, t)
    high, low = long_log(e, product)
    log_high, log_low = long_log(e, y)
    base, rest = _lgamma_2(e, t)
    power = -y * log_high
    power_low = e.fma(-y, log_low, e.fma(-y, log_high, -power))
    total, lost = _sum(sign * high, power)
    total, more_lost = _sum(total, y)
    rest = e.fma(sign, low + product_low / product, rest) + (power_low + (lost + more_lost))
    above = e.fma(0.5, log_high, e.fma(0.5, log_low, _lgamma_series(e, y)))
    result = e.where(y < _FAR, total + (base + rest), above)
    return e.where(y > 0.0, result, e.where(y < 0.0, math.nan, y))


# its derivatives ------------------------------------------------------------------------------------------------------


def _reflect(e: Emitter, x: Value) -> tuple[Value, Value, Value]:
    """Whether x < -1/2, the number to look at instead, 1 - x there, and the distance of x to the nearest integer.

    What rounding 1 - x loses is small beside the pole or, half-way between poles, beside the condition number.
    """
    n, t = _nearest(e, x)
    reflected = n < 0.0
    return reflected, e.where(reflected, 1.0 - x, x), t


def digamma(e: Emitter, x: Value) -> Value:
    """psi(x): NaN at the poles -1, -2, ..., and at -inf; at 0 infinite, with the other sign than 0.

    The steps from 2 + t up are one fraction. psi(x) = psi(1 - x) - pi cot(pi x). 2.5 ULP.
    """
    reflected, y, distance = _reflect(e, x)
    n, t = _nearest(e, y)
    down = n < 2.0
    top, bottom = e.where(down, _number(e, -1.0), 0.0), e.where(down, t + 1.0, 1.0)
    for j in range(2, 7):
        top = e.where(n > j, e.fma(top, t + j, bottom), top)
        bottom = e.where(n > j, bottom * (t + j), bottom)
    below = series(e, t, polynomials.DIGAMMA) + top / bottom
    w = 1.0 / y
    above = log(e, y) - w * e.fma(w, series(e, w * w, polynomials.DIGAMMA_SERIES), 0.5)
    zero = n.eq(0.0)
    pole = 1.0 / e.where(zero, x, distance)
    cotangent = e.fma(distance, series(e, distance * distance, polynomials.COT_PI), pole)
    cotangent = e.where(distance.eq(0.0), math.nan, cotangent)
    return e.where(y < _FAR, below, above) - e.where(reflected, cotangent, e.where(zero, pole, 0.0))


def _from_far(e: Emitter, y: Value, term: Callable[[Value], Value], far: Callable[[Value], Value]) -> Value:
    """The sum of the terms at y >= -1/2, y + 1, ... below _FAR, and of far(1 / first beyond); the smallest first."""
    steps = [y + j for j in range(8)]
    first = y
    for step, following in itertools.pairwise(steps):
        first = e.where(step < _FAR, following, first)
    total = far(1.0 / first)
    for step in reversed(steps[:-1]):
        total = e.where(step < _FAR, total + term(step), total)
    return total


def trigamma(e: Emitter, x: Value) -> Value:
    """psi'(x): inf at the poles 0, -1, -2, ..., and at -inf. psi'(x) = (pi / sin(pi x))^2 - psi'(1 - x).

    2.0 ULP.
    """

    def far(w: Value) -> Value:
        z = w * w
        return e.fma(z, e.fma(w, series(e, z, polynomials.TRIGAMMA_SERIES), 0.5), w)

    reflected, y, t = _reflect(e, x)
    result = _from_far(e, y, lambda step: 1.0 / (step * step), far)
    return e.where(reflected, 1.0 / (t * t) + (series(e, t * t, polynomials.COT_PI_SLOPE) - result), result)


def tetragamma(e: Emitter, x: Value) -> Value:
    """psi''(x): -inf at the poles 0, -1, -2, ..., and at -inf.

    psi''(x) = psi''(1 - x) - 2 pi^3 cos(pi x) / sin(pi x)^3. 1.4 ULP.
    """

    def far(w: Value) -> Value:
        z = w * w
        return e.fma(z, e.fma(z, series(e, z, polynomials.TETRAGAMMA_SERIES), w), z)

    def term(step: Value) -> Value:
        square = step * step
        return 2.0 / e.fma(square, step, e.fma(step, step, -square) * step)

    reflected, y, t = _reflect(e, x)
    result = _from_far(e, y, term, far)
    mirror = e.fma(t, series(e, t * t, polynomials.COT_PI_BEND), 2.0 / (t * t * t))
    result = e.where(reflected, result + mirror, result)
    return -e.where(t.eq(0.0) & (x <= 0.0), math.inf, result)


FUNCTIONS = {
    "lgamma": lgamma,
    "log_factorial": log_factorial,
    "stirling": stirling,
    "digamma": digamma,
    "trigamma": trigamma,
    "tetragamma": tetragamma,
}
