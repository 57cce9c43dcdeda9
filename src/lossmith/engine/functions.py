"""What each primitive does to arrays of any array-API namespace: one function per primitive, all branch-free."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lossmith.engine import special
from lossmith.engine.llvm.polynomials import NORMAL_BEND
from lossmith.namespaces import along_last, device_of, joined

Array = Any
Function = Callable[..., Array]
_LOG_2 = math.log(2.0)
_HALF_LOG_2_PI = 0.5 * math.log(2.0 * math.pi)
_STIRLING = 8.0  # from here on the series below is exact to the last digit
_STIRLING_TERMS = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_FADED = 1e-30  # well above the smallest float of every precision
_LOG_FADED = math.log(_FADED)
_HUGE = 1e9  # from here sqrt(1 + x^2) is x in every float
_ZERO_DENSITY = 40.0  # from here e^(-x^2/2) is 0 in every float


def _sign(xp: ModuleType, x: Array) -> Array:
    one = xp.ones_like(x)
    return xp.where(x > 0, one, xp.where(x < 0, -one, x))  # 0 and NaN stay what they are


def _tail(xp: ModuleType, x: Array) -> Array:
    """e^-abs(x). Compilers see that it is the same for x and -x, which with ``abs`` they do not."""
    return xp.exp(xp.minimum(x, -x))


def _softplus(xp: ModuleType, x: Array) -> Array:
    return xp.where(x > 0, x, xp.zeros_like(x)) + xp.log1p(_tail(xp, x))


def _sigmoid(xp: ModuleType, x: Array) -> Array:
    t = _tail(xp, x)
    return xp.where(x >= 0, xp.ones_like(x), t) / (1.0 + t)


def _log_cosh(xp: ModuleType, x: Array) -> Array:
    a = xp.abs(x)
    t = xp.expm1(-a)
    e = 1.0 + t
    near = a < 1.0  # cosh - 1 = (1 - e^-a)^2 / (2 e^-a), and 2 cosh = e^a (1 + e^-2a)
    return xp.where(near, xp.zeros_like(a), a - _LOG_2) + xp.log1p(xp.where(near, t * t / (2.0 * e), e * e))


def _sqrt1pm1(xp: ModuleType, x: Array) -> Array:
    a = xp.abs(x)
    small = xp.where(a < _HUGE, a, xp.ones_like(a))
    return xp.where(a < _HUGE, small * (small / (1.0 + xp.sqrt(1.0 + small * small))), a - 1.0)


def _unit_slope(xp: ModuleType, x: Array) -> Array:
    bounded = xp.where(xp.abs(x) < _HUGE, x, xp.ones_like(x))
    return xp.where(xp.abs(x) < _HUGE, bounded / xp.sqrt(1.0 + bounded * bounded), _sign(xp, x))


def _pseudo_huber(xp: ModuleType, r: Array, delta: Array) -> Array:
    x = xp.abs(xp.abs(r) / delta)
    far = xp.where(x > _HUGE, delta * (xp.abs(r) - delta), delta * (delta * _sqrt1pm1(xp, x)))
    return xp.where(x < 1.0 / _HUGE, r * (0.5 * r), far)


def _pseudo_huber_slope(xp: ModuleType, r: Array, delta: Array) -> Array:
    x = r / delta
    bounded = xp.where(xp.abs(x) < _HUGE, x, xp.ones_like(x))
    return xp.where(xp.abs(x) < _HUGE, r / xp.sqrt(1.0 + bounded * bounded), delta * _sign(xp, x))


def _log_quotient(xp: ModuleType, a: Array, b: Array) -> Array:
    """log(a / b), for a not close to b, also where the quotient alone overflows or fades away."""
    ratio = a / b
    root = xp.log(xp.sqrt(xp.where(a < b, a, b)) / xp.sqrt(xp.where(a < b, b, a)))
    return xp.where(ratio < _FADED, 2.0 * root, xp.where(ratio * _FADED > 1.0, -2.0 * root, xp.log(ratio)))


def _log_ratio(xp: ModuleType, a: Array, b: Array) -> Array:
    return xp.where(xp.abs(a - b) < 0.5 * b, xp.log1p((a - b) / b), _log_quotient(xp, a, b))


def _absolute_power(xp: ModuleType, x: Array, q: Array) -> Array:
    return xp.pow(xp.abs(x), q)


def _signed_power(xp: ModuleType, x: Array, q: Array) -> Array:
    # at 0 the sign wins: 0 times an infinite power has no meaning here
    return xp.where(x == 0, xp.zeros_like(x), _sign(xp, x) * xp.pow(xp.abs(x), q))


def _xlogx(xp: ModuleType, x: Array) -> Array:
    return xp.where(x == 0, xp.zeros_like(x), x * xp.log(x))


def _x_minus_log1p(xp: ModuleType, x: Array) -> Array:
    """Through atanh: with s = x / (2 + x), log1p(x) = 2 atanh(s) and x - 2s = x s: leading terms cancel on paper."""
    s = x / (2.0 + x)
    z = s * s
    tail = xp.zeros_like(x)
    for k in range(33, 1, -2):  # sum z^j / (2j + 1), enough for abs(x) <= 1/2
        tail = (tail + 1.0 / k) * z
    near = s * (x - 2.0 * tail)
    return xp.where(xp.abs(x) <= 0.5, near, x - xp.log1p(x))


def _scaled_exp(xp: ModuleType, y: Array, x: Array) -> Array:
    """Where e^x may be no normal number its root is multiplied by, twice: the product may be one."""
    apart = xp.abs(x) > -_LOG_FADED
    power = xp.exp(xp.where(apart, 0.5 * x, x))
    once = y * power
    return xp.where((y == 0) & (power == math.inf), y, xp.where(apart, once * power, once))


def _kl_term(xp: ModuleType, y: Array, f: Array) -> Array:
    gap = f - y
    near = y * _x_minus_log1p(xp, gap / y)
    far = xp.where(y == 0, xp.zeros_like(f), y * (_log_ratio(xp, y, f) - 1.0)) + f
    return xp.where(xp.abs(gap) < 0.5 * y, near, far)


def _js_term(xp: ModuleType, y: Array, f: Array) -> Array:
    both = y + f
    d = (f - y) / both
    near = d * (xp.log1p(d) - xp.log1p(-d)) + xp.log1p(-d * d)
    far = _xlogx(xp, 2.0 * f / both) + _xlogx(xp, 2.0 * y / both)
    return xp.where(y == 0, f * (0.5 * _LOG_2), 0.25 * both * xp.where(xp.abs(d) < 0.5, near, far))


def _js_slope(xp: ModuleType, y: Array, f: Array) -> Array:
    both = y + f
    slope = xp.where(f < 0.5 * y, _log_quotient(xp, 2.0 * f, both), xp.log1p((f - y) / both))
    return 0.5 * xp.where(y == 0, xp.full_like(f, _LOG_2), slope)


def _power_loss(xp: ModuleType, y: Array, f: Array, p: Array) -> Array:
    pull = xp.where(y == 0, xp.zeros_like(f), xp.where(p == 2, y / f, y * xp.pow(f, 1.0 - p))) / (p - 1.0)
    push = xp.where(p == 2, xp.log(f), xp.pow(f, 2.0 - p) / (2.0 - p))
    # at f = 0 the logarithm may be -inf: a target above 0 is what counts there
    return xp.where((f == 0) | (pull == math.inf), pull, pull + push)


def _power_slope(xp: ModuleType, y: Array, f: Array, p: Array) -> Array:
    rise = xp.pow(f, 1.0 - p)
    at_zero = xp.where(y > 0, xp.full_like(f, -math.inf), rise)
    inside = xp.where(f == y, xp.zeros_like(f), (f - y) / f * rise)
    return xp.where(f == 0, at_zero, xp.where(f == math.inf, rise, inside))


def _power_bend(xp: ModuleType, y: Array, f: Array, p: Array) -> Array:
    sign = xp.where(y == 0, xp.zeros_like(f), p * (y / f)) + (1.0 - p)
    return xp.where(sign == 0, xp.zeros_like(f), sign * xp.pow(f, -p))


def _stirling(xp: ModuleType, y: Array) -> Array:
    small = special.log_factorial(xp)(xp.where(y < _STIRLING, y, xp.ones_like(y)))
    near = small - _xlogx(xp, y) + y
    z = 1.0 / xp.where(y < _STIRLING, xp.ones_like(y), y)
    w = z * z
    tail = xp.zeros_like(y)
    for c in reversed(_STIRLING_TERMS):
        tail = tail * w + c
    return xp.where(y < _STIRLING, near, 0.5 * xp.log(y) + (_HALF_LOG_2_PI + tail * z))


def _left_bend(xp: ModuleType, x: Array) -> Array:
    """The bend below, for x < 0.5: its sum cancels, the more the further left."""
    t = 0.5 - xp.where((x < 0.5) & (x > -_HUGE), x, xp.full_like(x, -_HUGE))
    q = (t - 3.75) / (t + 3.75)
    bend = xp.zeros_like(x)
    for c in NORMAL_BEND["double"]:
        bend = bend * q + c
    return bend


def _log_normal_cdf_slope(xp: ModuleType, x: Array) -> Array:
    """h(x), the normal density over the distribution function; on the left the root of h (x + h) = bend."""
    near = xp.where(x > -_HUGE, x, xp.zeros_like(x))
    left = xp.where(x > -_HUGE, 0.5 * (xp.sqrt(near * near + 4.0 * _left_bend(xp, x)) - near), -x)
    right = xp.exp(-0.5 * x * x) / (math.sqrt(2.0 * math.pi) * special.special(xp, ("ndtr",))(x))
    return xp.where(x < 0, left, right)


def _log_normal_cdf_bend(xp: ModuleType, x: Array) -> Array:
    """h(x) (x + h(x))."""
    slope = _log_normal_cdf_slope(xp, x)
    bounded = xp.where(x > _ZERO_DENSITY, xp.full_like(x, _ZERO_DENSITY), x)
    return xp.where(x < 0.5, _left_bend(xp, x), slope * (bounded + slope))


# rows: the class axis is the last -------------------------------------------------------------------------------------


def _shifted(xp: ModuleType, x: Array) -> tuple[Array, Array, Array]:
    """(e^(x - max), max, where it is reached); 1 at the largest even if that is infinite."""
    top = xp.max(x, axis=-1, keepdims=True)
    reached = x == top
    return xp.exp(xp.where(reached, xp.zeros_like(x), x - top)), top, reached


def _first_max(xp: ModuleType, x: Array) -> Array:
    index = along_last(xp.arange(x.shape[-1], device=device_of(x)), x)
    first = xp.expand_dims(xp.argmax(x, axis=-1), axis=-1)
    return xp.astype(index == first, x.dtype)


def _sum(xp: ModuleType, x: Array) -> Array:
    return xp.sum(x, axis=-1, keepdims=True, dtype=x.dtype)


def _others_of_largest(xp: ModuleType, x: Array) -> tuple[Array, Array]:
    """(sum of e^(x - max) but for one class that has the largest, max).

    The classes that reach the maximum are counted, so the sum of the others is exact however small it is.
    """
    e, top, reached = _shifted(xp, x)
    ties = _sum(xp, xp.astype(reached, x.dtype))
    return _sum(xp, xp.where(reached, xp.zeros_like(e), e)) + (ties - 1.0), top


def _logsumexp(xp: ModuleType, x: Array) -> Array:
    rest, top = _others_of_largest(xp, x)
    return top + xp.log1p(rest)


def _log_softmax(xp: ModuleType, x: Array) -> Array:
    rest, top = _others_of_largest(xp, x)
    gap = xp.where(x == top, xp.zeros_like(x), top - x)  # both parts of the surprise are >= 0: nothing cancels
    return -(gap + xp.log1p(rest))


def _softmax(xp: ModuleType, x: Array) -> Array:
    e, _, _ = _shifted(xp, x)
    return e / _sum(xp, e)


def _softmax_others(xp: ModuleType, x: Array) -> Array:
    e, _, _ = _shifted(xp, x)
    return _others(xp, e) / _sum(xp, e)


def _cumsum(xp: ModuleType, x: Array) -> Array:
    return xp.cumulative_sum(x, axis=-1, dtype=x.dtype)


def _reverse_cumsum(xp: ModuleType, x: Array) -> Array:
    return xp.flip(_cumsum(xp, xp.flip(x, axis=-1)), axis=-1)


def _others(xp: ModuleType, x: Array) -> Array:
    edge = xp.zeros_like(x[..., :1])
    before = joined(xp, [edge, _cumsum(xp, x[..., :-1])]) if x.shape[-1] > 1 else edge
    after = joined(xp, [_reverse_cumsum(xp, x[..., 1:]), edge]) if x.shape[-1] > 1 else edge
    return before + after


# one class per sample, where a library finds it by its number (see odds.py) -------------------------------------------


def _at_class(xp: ModuleType, x: Array, y: Array) -> Array:
    return xp.take_along_axis(x, xp.astype(y, xp.int32), axis=-1, mode="clip")  # others are illegal, and said to be


def _but_class(xp: ModuleType, x: Array, y: Array) -> Array:
    return _with_class(xp, x, y, xp.zeros((), dtype=x.dtype))


def _with_class(xp: ModuleType, x: Array, y: Array, new: Array) -> Array:
    *sizes, _ = x.shape
    # not indices(): an exporter's number of samples may be a letter
    samples = [xp.arange(n).reshape(n, *(1 for _ in sizes[k + 1 :])) for k, n in enumerate(sizes)]
    place = (*samples, xp.astype(y[..., 0], xp.int32))
    new = xp.broadcast_to(new, y.shape)
    return x.at[place].set(new[..., 0], mode="drop", indices_are_sorted=True, unique_indices=True)


def _plain(name: str) -> Function:
    return lambda xp, *args: getattr(xp, name)(*args)


def _by_library(make: Callable[[ModuleType], Callable[[Array], Array]]) -> Function:
    return lambda xp, x: make(xp)(x)


_OWN: dict[str, Function] = {
    "add": lambda xp, a, b: a + b,
    "sub": lambda xp, a, b: a - b,
    "mul": lambda xp, a, b: a * b,
    "div": lambda xp, a, b: a / b,
    "neg": lambda xp, a: -a,
    "lt": lambda xp, a, b: a < b,
    "le": lambda xp, a, b: a <= b,
    "eq": lambda xp, a, b: a == b,
    "power": _plain("pow"),
    "maximum": lambda xp, a, b: xp.where(b > a, b, a),
    "minimum": lambda xp, a, b: xp.where(b < a, b, a),
    "not": _plain("logical_not"),
    "and": _plain("logical_and"),
    "or": _plain("logical_or"),
    "arctan": _plain("atan"),
    "max": lambda xp, x: xp.max(x, axis=-1, keepdims=True),
    "sign": _sign,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "log_cosh": _log_cosh,
    "sqrt1pm1": _sqrt1pm1,
    "pseudo_huber": _pseudo_huber,
    "pseudo_huber_slope": _pseudo_huber_slope,
    "log_ratio": _log_ratio,
    "unit_slope": _unit_slope,
    "absolute_power": _absolute_power,
    "signed_power": _signed_power,
    "xlogx": _xlogx,
    "x_minus_log1p": _x_minus_log1p,
    "scaled_exp": _scaled_exp,
    "kl_term": _kl_term,
    "js_term": _js_term,
    "js_slope": _js_slope,
    "power_loss": _power_loss,
    "power_slope": _power_slope,
    "power_bend": _power_bend,
    "stirling": _stirling,
    "log_normal_cdf_slope": _log_normal_cdf_slope,
    "log_normal_cdf_bend": _log_normal_cdf_bend,
    "first_max": _first_max,
    "sum": _sum,
    "logsumexp": _logsumexp,
    "log_softmax": _log_softmax,
    "softmax": _softmax,
    "softmax_others": _softmax_others,
    "cumsum": _cumsum,
    "reverse_cumsum": _reverse_cumsum,
    "others": _others,
    "at_class": _at_class,
    "but_class": _but_class,
    "with_class": _with_class,
    "log_factorial": _by_library(special.log_factorial),
    "lgamma": _by_library(special.lgamma),
    "digamma": _by_library(lambda xp: special.special(xp, ("digamma", "psi"))),
    "trigamma": _by_library(lambda xp: special.polygamma(xp, 1)),
    "tetragamma": _by_library(lambda xp: special.polygamma(xp, 2)),
    "erf": _by_library(lambda xp: special.special(xp, ("erf",))),
    "normal_cdf": _by_library(lambda xp: special.special(xp, ("ndtr",))),
    "log_normal_cdf": _by_library(lambda xp: special.special(xp, ("log_ndtr",))),
}
FUNCTIONS: dict[str, Function] = _OWN | {
    name: _plain(name) for name in ("abs", "where", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh")
}
