"""The words a formula is written in, beside Python's own operators."""

from __future__ import annotations

from lossmith.formula.expr import PI as pi
from lossmith.formula.expr import Expr, FormulaError, Operand, apply, as_expr, const, leaf, mul, where

__all__ = [
    "absolute_power", "arctan", "class_index", "cos", "cumsum", "digamma", "erf", "exp", "expm1", "is_class",
    "js_term", "kl_term", "lgamma", "log", "log1p", "log_cosh", "log_factorial", "log_normal_cdf", "log_ratio",
    "log_softmax", "logsumexp", "max", "maximum", "minimum", "n_classes", "normal_cdf", "others", "pi", "pick",
    "power_loss", "pseudo_huber", "reverse_cumsum", "scaled_exp", "sigmoid", "sign", "sin", "softmax", "softplus",
    "sqrt", "sqrt1pm1", "stirling", "sum", "tanh", "where", "x_minus_log1p", "xlogx", "xlogy", "zero_times",
]  # fmt: skip


_choose = where  # the reductions below have an argument of that name

class_index = leaf("index", None, row=True)  # 0, 1, ... K - 1 along the row
n_classes = leaf("n_classes", None)


def exp(x: Operand) -> Expr:
    """e^x."""
    return apply("exp", x)


def expm1(x: Operand) -> Expr:
    """e^x - 1, exact for small x."""
    return apply("expm1", x)


def log(x: Operand) -> Expr:
    """The natural logarithm."""
    return apply("log", x)


def log1p(x: Operand) -> Expr:
    """log(1 + x), exact for small x."""
    return apply("log1p", x)


def sqrt(x: Operand) -> Expr:
    """The square root."""
    return apply("sqrt", x)


def sin(x: Operand) -> Expr:
    """The sine. Machine code has fewer digits from 2^45 = 3.5e13 on, and takes every x from 2^51 on for 0."""
    return apply("sin", x)


def cos(x: Operand) -> Expr:
    """The cosine. Machine code has fewer digits from 2^45 = 3.5e13 on, and takes every x from 2^51 on for 0."""
    return apply("cos", x)


def arctan(x: Operand) -> Expr:
    """The inverse tangent, in radians."""
    return apply("arctan", x)


def tanh(x: Operand) -> Expr:
    """The hyperbolic tangent."""
    return apply("tanh", x)


def sign(x: Operand) -> Expr:
    """-1, 0 or 1."""
    return apply("sign", x)


def softplus(x: Operand) -> Expr:
    """log(1 + e^x), which neither overflows nor loses the digits of its small side."""
    return apply("softplus", x)


def sigmoid(x: Operand) -> Expr:
    """1 / (1 + e^-x)."""
    return apply("sigmoid", x)


def log_cosh(x: Operand) -> Expr:
    """log cosh x, exact at both ends."""
    return apply("log_cosh", x)


def sqrt1pm1(x: Operand) -> Expr:
    """sqrt(1 + x^2) - 1, exact for small x and free of overflow for large."""
    return apply("sqrt1pm1", x)


def pseudo_huber(r: Operand, delta: Operand) -> Expr:
    """delta (sqrt(r^2 + delta^2) - delta), exact for r of any size. delta cannot depend on the prediction."""
    return apply("pseudo_huber", r, delta)


def log_ratio(a: Operand, b: Operand) -> Expr:
    """log(a / b), exact for a close to b, and where the quotient alone overflows or fades away."""
    return apply("log_ratio", a, b)


def absolute_power(x: Operand, q: Operand) -> Expr:
    """abs(x)**q, smooth at 0 where the power is (abs(x) alone has a kink there)."""
    return apply("absolute_power", x, q)


def xlogx(x: Operand) -> Expr:
    """x log x with 0 log 0 = 0, and derivative log x + 1."""
    return apply("xlogx", x)


def x_minus_log1p(x: Operand) -> Expr:
    """x - log(1 + x), exact for small x."""
    return apply("x_minus_log1p", x)


def scaled_exp(y: Operand, x: Operand) -> Expr:
    """y e^x, also where e^x alone overflows or fades away; y = 0 gives 0."""
    return apply("scaled_exp", y, x)


def kl_term(y: Operand, f: Operand) -> Expr:
    """y log(y / f) - y + f, exact for f close to y; y = 0 gives f."""
    return apply("kl_term", y, f)


def js_term(y: Operand, f: Operand) -> Expr:
    """(y log(y / m) + f log(f / m)) / 2 with m the midpoint of y and f, exact for f close to y."""
    return apply("js_term", y, f)


def power_loss(y: Operand, f: Operand, p: Operand) -> Expr:
    """The loss of mean f with slope (f - y) / f**p: y / f + log f for p = 2, Tweedie's for 1 < p < 2.

    p cannot depend on the prediction.
    """
    return apply("power_loss", y, f, p)


def stirling(y: Operand) -> Expr:
    """log y! - y log y + y: what Stirling's leading terms leave of log y!. y cannot depend on the prediction."""
    return apply("stirling", y)


def lgamma(x: Operand) -> Expr:
    """log Gamma(x), x > 0."""
    return apply("lgamma", x)


def log_factorial(x: Operand) -> Expr:
    """log Gamma(x + 1), exact for small x."""
    return apply("log_factorial", x)


def digamma(x: Operand) -> Expr:
    """The derivative of log Gamma(x), x > 0."""
    return apply("digamma", x)


def erf(x: Operand) -> Expr:
    """The error function."""
    return apply("erf", x)


def normal_cdf(x: Operand) -> Expr:
    """The standard normal distribution function."""
    return apply("normal_cdf", x)


def log_normal_cdf(x: Operand) -> Expr:
    """The logarithm of the standard normal distribution function, exact far in its left tail."""
    return apply("log_normal_cdf", x)


def maximum(a: Operand, b: Operand) -> Expr:
    """The larger of two; at a tie the derivative is that of ``a``."""
    return apply("maximum", a, b)


def minimum(a: Operand, b: Operand) -> Expr:
    """The smaller of two; at a tie the derivative is that of ``a``."""
    return apply("minimum", a, b)


def zero_times(a: Operand, b: Operand) -> Expr:
    """a * b, where a = 0 gives 0 even if b is infinite: an event without weight costs nothing.

    There the slope in a is 0 too.
    """
    a = as_expr(a)
    return mul(a, b) if a.op == "const" else where(a == 0, 0.0, mul(a, b))


def xlogy(a: Operand, b: Operand) -> Expr:
    """a log b with 0 log 0 = 0."""
    return zero_times(a, log(b))


# rows -----------------------------------------------------------------------------------------------------------------


def is_class(y: Operand) -> Expr:
    """True at the class whose id is y."""
    return apply("eq", class_index, y)


def _masked(x: Operand, mask: Expr | None, filler: Expr | float) -> Expr:
    x = as_expr(x)
    if not x.row:
        raise FormulaError("a row reduction needs a row of per-class values; here it got one number per sample")
    return x if mask is None else _choose(mask, x, filler)


def sum(x: Operand, where: Expr | None = None) -> Expr:
    """The sum over the classes of a row (those where the condition holds)."""
    return apply("sum", _masked(x, where, 0.0))


def max(x: Operand, where: Expr | None = None) -> Expr:
    """The largest over the classes of a row; at a tie the first class owns the derivative."""
    return apply("max", _masked(x, where, const(float("-inf"))))


def logsumexp(x: Operand, where: Expr | None = None) -> Expr:
    """log of the sum of e^x over the classes of a row."""
    return apply("logsumexp", _masked(x, where, const(float("-inf"))))


def pick(x: Operand | tuple[Operand, ...] | list[Operand], y: Operand) -> Expr:
    """The value of class y, of a row; or of level y, of a list of numbers (the last of them for any other y)."""
    if isinstance(x, (tuple, list)):
        *before, found = map(as_expr, x)
        for level, value in reversed(list(enumerate(before))):
            found = _choose(as_expr(y) == level, value, found)
        return found
    return sum(x, where=is_class(y))


def others(x: Operand) -> Expr:
    """For each class, the sum over the other classes, added up without subtracting."""
    return apply("others", x)


def cumsum(x: Operand) -> Expr:
    """For each class, the sum over it and the classes before it."""
    return apply("cumsum", x)


def reverse_cumsum(x: Operand) -> Expr:
    """For each class, the sum over it and the classes after it."""
    return apply("reverse_cumsum", x)


def softmax(x: Operand) -> Expr:
    """e^x divided by its sum over the classes."""
    return apply("softmax", x)


def log_softmax(x: Operand) -> Expr:
    """log of softmax, exact also where it is close to 0."""
    return apply("log_softmax", x)
