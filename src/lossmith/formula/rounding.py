"""Kinks rounded over a width: a maximum becomes the logarithm of a sum of exponentials, a step a logistic function."""

from __future__ import annotations

from functools import lru_cache

from lossmith.formula import functions as fn
from lossmith.formula.domains import Domain
from lossmith.formula.expr import Expr, add, mul, neg, rebuild, sub, walk
from lossmith.formula.model import Argument, Formula
from lossmith.record import replace

WIDTH_OF_KINKS = Argument("width of kinks", Domain("a positive number", low=0.0, low_open=True))
"""The parameter that a rounded formula has beside its own."""

_WIDTH = WIDTH_OF_KINKS.as_param


def soft_max(x: Expr) -> Expr:
    """The largest of a row, rounded."""
    return mul(_WIDTH, fn.logsumexp(x / _WIDTH))


def soft_maximum(a: Expr, b: Expr, width: Expr = _WIDTH) -> Expr:
    """The larger of two, rounded."""
    return add(a, mul(width, fn.softplus(sub(b, a) / width)))


@lru_cache(maxsize=64)
def rounded(formula: Formula) -> Formula:
    """The formula with a smooth neighbour of each kink in its predictions; the narrower the width, the nearer."""
    moving = {p.as_input for p in formula.predictions}
    made: dict[Expr, Expr] = {}
    for node in walk((formula.value,)):
        args = tuple(made[arg] for arg in node.args)
        if moving.isdisjoint(node.args):
            made[node] = rebuild(node, args)
        else:
            moving.add(node)
            made[node] = _smooth(node, args, moving)
    return replace(formula, value=made[formula.value], declare=None, params=(*formula.params, WIDTH_OF_KINKS))


def _smooth(node: Expr, args: tuple[Expr, ...], moving: set[Expr]) -> Expr:
    if node.op == "max":
        return soft_max(*args)
    if node.op == "maximum":
        return soft_maximum(*args)
    if node.op == "minimum":
        return neg(soft_maximum(neg(args[0]), neg(args[1])))
    if node.op == "abs":
        return soft_maximum(args[0], neg(args[0]))
    if node.op == "where" and node.args[0] in moving and args[0].op in ("lt", "le"):
        ahead = sub(args[0].args[1], args[0].args[0]) / _WIDTH
        return add(fn.zero_times(fn.sigmoid(ahead), args[1]), fn.zero_times(fn.sigmoid(neg(ahead)), args[2]))
    return rebuild(node, args)
