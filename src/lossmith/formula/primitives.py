"""THE table of primitives: name, arity, kind, derivative rule, LaTeX.

There is no other way to ``exp`` or ``log`` in a formula. Every rule is written in the form that keeps its digits:
``push[i](node, g)`` is ``g`` times the derivative of the node in its i-th argument, and lets a rule divide where
dividing is exact instead of multiplying by a reciprocal. A rule of None means that there is none: who asks for that
derivative is told so.

Kinds: ``elementwise``; ``comparison`` and ``logic`` give conditions; ``reduction`` turns a row of per-class values into
one number per sample; ``map`` turns a row into a row, each class seeing the others. A map's rule gives its Jacobian
instead (see derive.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from lossmith.formula.expr import ONE, PI, ZERO, Expr, add, apply, const, div, is_const, mul, neg, power, sub, where
from lossmith.record import Record

Kind = Literal["elementwise", "comparison", "logic", "reduction", "map"]
Push = Callable[[Expr, Expr], Expr]  # (node, g) -> g * d node / d argument


class Primitive(Record):
    """One operation of the language."""

    name: str
    arity: int
    kind: Kind
    latex: str
    push: tuple[Push | None, ...] = ()
    fold: Callable[..., float] | None = None

    def takes_boolean(self, position: int) -> bool:
        return self.kind == "logic" or (self.name == "where" and position == 0)


def _f(name: str, x: Expr) -> Expr:
    return apply(name, x)


def _x(node: Expr) -> Expr:
    return node.args[0]


def _keep(node: Expr, g: Expr) -> Expr:
    return g


def _flat(node: Expr, g: Expr) -> Expr:
    return ZERO


def _both_sigmoids(x: Expr) -> Expr:
    """s (1 - s), s = sigmoid(x)."""
    return mul(_f("sigmoid", x), _f("sigmoid", neg(x)))


def _sech2(x: Expr) -> Expr:
    """1 - tanh(x)^2 without the cancellation."""
    return mul(const(4.0), _both_sigmoids(mul(const(2.0), x)))


def _factor(side: int) -> Push:
    """Of a product: but s (1 - s), s = sigmoid(x), is a function of s alone, whose slope 1 - 2 s is -tanh(x / 2)."""

    def push(node: Expr, g: Expr) -> Expr:
        first = node.args[0]
        if first.op == "sigmoid" and node is _both_sigmoids(_x(first)):
            return ZERO if side == 1 else neg(mul(g, _f("tanh", mul(const(0.5), _x(first)))))
        other = node.args[1 - side]
        if g.op == "scaled_exp":  # e^x alone may overflow where the product does not
            return apply("scaled_exp", mul(g.args[0], other), g.args[1])
        return mul(g, other)

    return push


def _unless_zero(factor: Expr, product: Expr) -> Expr:
    """A product that vanishes with one of its factors, even where the rest of it is infinite (0^0 has derivative 0)."""
    return product if factor.op == "const" else where(apply("eq", factor, ZERO), ZERO, product)


def _one_less(exponent: Expr) -> Expr:
    """q - 1, and q where the exponent is q + 1, whose rounding a difference would show."""
    if exponent.op == "add" and is_const(exponent.args[1], 1.0):
        return exponent.args[0]
    return sub(exponent, ONE)


def _absolute_power(result: str) -> Push:
    """d |x|^q = q sign(x) |x|^(q-1), d sign(x) |x|^q = q |x|^(q-1): no kink at 0 where the power has none."""

    def push(node: Expr, g: Expr) -> Expr:
        x, q = node.args
        return _unless_zero(q, mul(g, mul(q, apply(result, x, _one_less(q)))))

    return push


def _ratio(y: Expr, f: Expr) -> Expr:
    """y / f with 0 / 0 = 0: what never happens costs nothing."""
    return where(apply("eq", y, ZERO), ZERO, div(y, f))


def _over_one_more(x: Expr) -> Expr:
    """x / (1 + x), for large x as 1 - 1 / (1 + x): the slope of the quotient itself would be a difference of equals."""
    more = add(ONE, x)
    return where(apply("lt", x, ONE), div(x, more), sub(ONE, div(ONE, more)))


def _cubed_reciprocal(x: Expr) -> Expr:
    """(1 + x^2)^(-3/2)."""
    inverse = div(ONE, add(ONE, _f("sqrt1pm1", x)))
    return mul(inverse, mul(inverse, inverse))


def _power_in_base(node: Expr, g: Expr) -> Expr:
    base, exponent = node.args
    return _unless_zero(exponent, mul(g, mul(exponent, power(base, _one_less(exponent)))))


def _exponent_of(size: Callable[[Expr], Expr]) -> Push:
    """d x^q / dq = x^q log x, and 0 where the power is: 0 to a positive power stays 0."""
    return lambda node, g: where(apply("eq", node, ZERO), ZERO, mul(g, mul(node, _f("log", size(_x(node))))))


def _bell(x: Expr, square: Expr) -> Expr:
    """e^-square; no product of it where it is 0 in every float, and x, which may be infinite or become so by 2 x."""
    return where(apply("le", const(40.0), abs(x)), ZERO, _f("exp", neg(square)))  # NaN stays what it is


def _erf_slope(x: Expr) -> Expr:
    return div(mul(const(2.0), _bell(x, mul(x, x))), _f("sqrt", PI))


def _normal_pdf(x: Expr) -> Expr:
    return div(_bell(x, div(mul(x, x), const(2.0))), _f("sqrt", mul(const(2.0), PI)))


def _arctan_slope(x: Expr) -> Expr:
    """1 / (1 + x^2), far out 1 / x / x, which does not overflow on the way."""
    return where(apply("lt", abs(x), const(1e9)), div(ONE, add(ONE, mul(x, x))), div(div(ONE, x), x))


def _row(
    name: str, arity: int, kind: Kind, latex: str, *push: Push | None, fold: Callable[..., float] | None = None
) -> Primitive:
    return Primitive(name, arity, kind, latex, push, fold)


def _chosen(side: int) -> Push:
    return lambda node, g: where(node.args[0], *((g, ZERO) if side == 0 else (ZERO, g)))


def _extreme(first: Callable[[Expr], Expr]) -> tuple[Push, Push]:
    """Rules of maximum and minimum: the first argument owns ties."""
    return (
        lambda node, g: where(first(node), g, ZERO),
        lambda node, g: where(first(node), ZERO, g),
    )


_TABLE = (
    # arithmetic
    _row("add", 2, "elementwise", r"{0} + {1}", _keep, _keep, fold=lambda a, b: a + b),
    _row("sub", 2, "elementwise", r"{0} - {1}", _keep, lambda n, g: neg(g), fold=lambda a, b: a - b),
    _row("mul", 2, "elementwise", r"{0} \, {1}", _factor(0), _factor(1), fold=lambda a, b: a * b),
    _row("div", 2, "elementwise", r"\frac{{{0}}}{{{1}}}", lambda n, g: div(g, n.args[1]),
         lambda n, g: neg(div(mul(g, n), n.args[1])), fold=lambda a, b: a / b),
    _row("neg", 1, "elementwise", r"-{0}", lambda n, g: neg(g), fold=lambda a: -a),
    _row("power", 2, "elementwise", r"{0}^{{{1}}}", _power_in_base, _exponent_of(lambda x: x)),
    _row("abs", 1, "elementwise", r"\left|{0}\right|", lambda n, g: mul(g, _f("sign", _x(n))), fold=abs),
    _row("sign", 1, "elementwise", r"\operatorname{{sign}}{0}", _flat, fold=lambda a: float((a > 0) - (a < 0))),
    _row("maximum", 2, "elementwise", r"\max({0},\, {1})", *_extreme(lambda n: n.args[0] >= n.args[1]), fold=max),
    _row("minimum", 2, "elementwise", r"\min({0},\, {1})", *_extreme(lambda n: n.args[0] <= n.args[1]), fold=min),
    _row("where", 3, "elementwise", "", None, _chosen(0), _chosen(1)),
    _row("per_class", 1, "elementwise", "{0}", _keep),  # a number per sample, repeated for every class
    # elementary functions
    _row("sqrt", 1, "elementwise", r"\sqrt{{{0}}}", lambda n, g: div(g, mul(const(2.0), n))),
    _row("exp", 1, "elementwise", r"e^{{{0}}}", lambda n, g: mul(g, n)),
    _row("expm1", 1, "elementwise", r"(e^{{{0}}} - 1)", lambda n, g: mul(g, _f("exp", _x(n)))),
    _row("log", 1, "elementwise", r"\log {0}", lambda n, g: div(g, _x(n))),
    _row("log1p", 1, "elementwise", r"\log(1 + {0})", lambda n, g: div(g, add(ONE, _x(n)))),
    _row("sin", 1, "elementwise", r"\sin {0}", lambda n, g: mul(g, _f("cos", _x(n)))),
    _row("cos", 1, "elementwise", r"\cos {0}", lambda n, g: neg(mul(g, _f("sin", _x(n))))),
    _row("arctan", 1, "elementwise", r"\arctan {0}", lambda n, g: mul(g, _arctan_slope(_x(n)))),
    _row("tanh", 1, "elementwise", r"\tanh {0}", lambda n, g: mul(g, _sech2(_x(n)))),
    # stable primitives: the textbook forms of these overflow or cancel
    _row("softplus", 1, "elementwise", r"\operatorname{{sp}}({0})", lambda n, g: mul(g, _f("sigmoid", _x(n)))),
    _row("sigmoid", 1, "elementwise", r"\sigma({0})", lambda n, g: mul(g, _both_sigmoids(_x(n)))),
    _row("log_cosh", 1, "elementwise", r"\log\cosh {0}", lambda n, g: mul(g, _f("tanh", _x(n)))),
    _row("log_ratio", 2, "elementwise", r"\log\frac{{{0}}}{{{1}}}", lambda n, g: div(g, n.args[0]),
         lambda n, g: neg(div(g, n.args[1]))),
    _row("sqrt1pm1", 1, "elementwise", r"(\sqrt{{1 + ({0})^2}} - 1)", lambda n, g: mul(g, _f("unit_slope", _x(n)))),
    _row("unit_slope", 1, "elementwise", r"\frac{{{0}}}{{\sqrt{{1 + ({0})^2}}}}",
         lambda n, g: mul(g, _cubed_reciprocal(_x(n)))),
    _row("absolute_power", 2, "elementwise", r"\left|{0}\right|^{{{1}}}", _absolute_power("signed_power"),
         _exponent_of(abs)),
    _row("signed_power", 2, "elementwise", r"\operatorname{{sign}}({0}) \left|{0}\right|^{{{1}}}",
         _absolute_power("absolute_power"), _exponent_of(abs)),
    _row("xlogx", 1, "elementwise", r"({0}) \log({0})", lambda n, g: mul(g, add(_f("log", _x(n)), ONE))),
    _row("x_minus_log1p", 1, "elementwise", r"(({0}) - \log(1 + {0}))", lambda n, g: mul(g, _over_one_more(_x(n)))),
    _row("scaled_exp", 2, "elementwise", r"{0} \, e^{{{1}}}", lambda n, g: apply("scaled_exp", g, n.args[1]),
         lambda n, g: mul(g, n)),
    # losses whose textbook forms cancel or overflow, and their slopes
    _row("pseudo_huber", 2, "elementwise", r"{1} \left(\sqrt{{({0})^2 + {1}^2}} - {1}\right)",
         lambda n, g: mul(g, apply("pseudo_huber_slope", *n.args)), None),
    _row("pseudo_huber_slope", 2, "elementwise", r"\frac{{{0} \, {1}}}{{\sqrt{{({0})^2 + {1}^2}}}}",
         lambda n, g: mul(g, _cubed_reciprocal(div(*n.args))), None),
    _row("kl_term", 2, "elementwise", r"({0} \log\frac{{{0}}}{{{1}}} - {0} + {1})",
         lambda n, g: mul(g, apply("log_ratio", *n.args)), lambda n, g: mul(g, sub(ONE, _ratio(*n.args)))),
    _row("js_term", 2, "elementwise", r"\operatorname{{js}}({0}, {1})",
         lambda n, g: mul(g, apply("js_slope", *reversed(n.args))), lambda n, g: mul(g, apply("js_slope", *n.args))),
    _row("js_slope", 2, "elementwise", r"\frac{{1}}{{2}} \log\frac{{2 {1}}}{{{0} + {1}}}",
         lambda n, g: neg(div(div(g, const(2.0)), add(*n.args))),
         lambda n, g: mul(g, div(div(_ratio(*n.args), add(*n.args)), const(2.0)))),
    _row("power_loss", 3, "elementwise", r"\operatorname{{tw}}_{{{2}}}({0}, {1})",
         lambda n, g: mul(g, div(power(n.args[1], sub(ONE, n.args[2])), sub(n.args[2], ONE))),
         lambda n, g: mul(g, apply("power_slope", *n.args)), None),
    _row("power_slope", 3, "elementwise", r"\frac{{{1} - {0}}}{{({1})^{{{2}}}}}",
         lambda n, g: neg(mul(g, power(n.args[1], neg(n.args[2])))),
         lambda n, g: mul(g, apply("power_bend", *n.args)), None),
    _row("power_bend", 3, "elementwise", r"\frac{{{2} {0} / {1} + 1 - {2}}}{{({1})^{{{2}}}}}", None, None, None),
    # special functions
    _row("stirling", 1, "elementwise", r"\log\frac{{{0}! \, e^{{{0}}}}}{{{0}^{{{0}}}}}", None),
    _row("log_factorial", 1, "elementwise", r"\log {0}!", lambda n, g: mul(g, _f("digamma", add(_x(n), ONE)))),
    _row("lgamma", 1, "elementwise", r"\log\Gamma({0})", lambda n, g: mul(g, _f("digamma", _x(n)))),
    _row("digamma", 1, "elementwise", r"\psi({0})", lambda n, g: mul(g, _f("trigamma", _x(n)))),
    _row("trigamma", 1, "elementwise", r"\psi_1({0})", lambda n, g: mul(g, _f("tetragamma", _x(n)))),
    _row("tetragamma", 1, "elementwise", r"\psi_2({0})", None),
    _row("erf", 1, "elementwise", r"\operatorname{{erf}}({0})", lambda n, g: mul(g, _erf_slope(_x(n)))),
    _row("normal_cdf", 1, "elementwise", r"\Phi({0})", lambda n, g: mul(g, _normal_pdf(_x(n)))),
    _row("log_normal_cdf", 1, "elementwise", r"\log\Phi({0})", lambda n, g: mul(g, _f("log_normal_cdf_slope", _x(n)))),
    _row("log_normal_cdf_slope", 1, "elementwise", r"\frac{{\varphi({0})}}{{\Phi({0})}}",
         lambda n, g: neg(mul(g, _f("log_normal_cdf_bend", _x(n))))),
    _row("log_normal_cdf_bend", 1, "elementwise",
         r"\frac{{\varphi({0})}}{{\Phi({0})}} \left({0} + \frac{{\varphi({0})}}{{\Phi({0})}}\right)", None),
    # conditions
    _row("lt", 2, "comparison", r"{0} < {1}"),
    _row("le", 2, "comparison", r"{0} \le {1}"),
    _row("eq", 2, "comparison", r"{0} = {1}"),
    _row("not", 1, "logic", r"\neg({0})"),
    _row("and", 2, "logic", r"{0} \wedge {1}"),
    _row("or", 2, "logic", r"{0} \vee {1}"),
    # rows: one number per sample from the classes
    _row("sum", 1, "reduction", r"\sum_c {0}"),
    _row("max", 1, "reduction", r"\max_c {0}"),
    _row("logsumexp", 1, "reduction", r"\log\sum_c e^{{{0}}}"),
    # rows: one number per class, seeing the other classes
    _row("others", 1, "map", r"\sum_{{j \ne c}} {0}"),  # the sum over the other classes, without subtracting
    _row("cumsum", 1, "map", r"\sum_{{j \le c}} {0}"),
    _row("reverse_cumsum", 1, "map", r"\sum_{{j \ge c}} {0}"),
    _row("softmax", 1, "map", r"\operatorname{{softmax}}({0})"),
    _row("softmax_others", 1, "map", r"(1 - \operatorname{{softmax}}({0}))"),  # 1 - softmax, every digit kept
    _row("log_softmax", 1, "map", r"\log\operatorname{{softmax}}({0})"),
    _row("first_max", 1, "map", r"\mathbf{{1}}[c = \arg\max {0}]"),  # 1 at the first largest class, else 0
)  # fmt: skip

PRIMITIVES: dict[str, Primitive] = {primitive.name: primitive for primitive in _TABLE}
LEAVES = ("const", "input", "param", "index", "n_classes", "pi")
