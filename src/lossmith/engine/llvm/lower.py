"""Row formulas in terms of two reductions, sum and max, two running sums, and numbers of single classes.

Every composite primitive of a row (logsumexp, softmax, others ...) becomes elementwise nodes and these, written so that
nothing cancels; subexpressions are shared because nodes are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from lossmith.formula.expr import ONE, ZERO, Expr, add, apply, const, leaf, neg, rebuild, sub, walk
from lossmith.formula.expr import where as choose

INDEX = leaf("index", None, row=True)


def at_class(x: Expr, y: Expr) -> Expr:
    """A row input's number at one class per sample."""
    return Expr("at_class", (x, y), row=False, boolean=False)


def lowered(roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """The same numbers from fewer kinds of nodes."""
    new: dict[Expr, Expr] = {}
    for node in walk(roots):
        args = tuple(new[arg] for arg in node.args)
        rule = RULES.get(node.op)
        new[node] = rule(*args) if rule else _kept(node, args)
    return tuple(new[root] for root in roots)


def _kept(node: Expr, args: tuple[Expr, ...]) -> Expr:
    if node.op == "mul":
        for factor, row in (args, args[::-1]):
            if not factor.row and _is_shared_division(row):
                return _product(row.args[0], _product(factor, row.args[1]))
    if all(a is b for a, b in zip(node.args, args, strict=True)):
        return node
    return rebuild(node, args)


def _sum(x: Expr) -> Expr:
    picked = _picked(x)
    return apply("sum", x) if picked is None else picked


def _picked(x: Expr) -> Expr | None:
    """sum(where(index == y, x, 0)) is x at class y: no pass over the row."""
    if x.op != "where" or x.args[0].op != "eq" or x.args[2] is not ZERO:
        return None
    sides = x.args[0].args
    ids = [side for side in sides if not side.row]
    if len(ids) != 1 or not any(side is INDEX for side in sides):
        return None
    return _at(x.args[1], ids[0])


def _at(x: Expr, y: Expr) -> Expr | None:
    """What a row of numbers is at class y; None where it takes a running sum to know."""
    new: dict[Expr, Expr] = {}
    for node in walk((x,)):
        if not node.row:
            new[node] = node
        elif not node.args:
            new[node] = y if node is INDEX else at_class(node, y)
        elif node.op in ("cumsum", "reverse_cumsum"):
            return None
        elif node.op == "per_class":
            new[node] = new[node.args[0]]
        elif node.op == "exp_nonpositive":  # of a softmax inside: this file's own, which no builder knows
            new[node] = Expr(node.op, (new[node.args[0]],), row=False, boolean=False)
        else:
            new[node] = rebuild(node, tuple(new[a] for a in node.args))
    return new[x]


def _top(x: Expr) -> tuple[Expr, Expr]:
    """(largest, where it is reached)."""
    top = apply("max", x)
    return top, apply("eq", x, top)


def _exponentials(x: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """(e^(x - max), their sum but for one class that has the largest, max, where it is reached)."""
    top, reached = _top(x)
    _, rest, ties = largest_and_rest(x)
    return _exponential(x), add(rest, sub(ties, ONE)), top, reached


def _exponential(x: Expr) -> Expr:
    top, reached = _top(x)
    return Expr("exp_nonpositive", (choose(reached, ZERO, sub(x, top)),), row=True, boolean=False)


def largest_and_rest(x: Expr) -> tuple[Expr, Expr, Expr]:
    """(max, sum of e^(x - max) over the classes below it, number of the classes that reach it).

    The classes that reach the maximum are counted, so the sum of the others is exact however small it is.
    """
    top, reached = _top(x)
    ties = Expr("count", (reached,), row=False, boolean=False)
    return top, apply("sum", choose(reached, ZERO, _exponential(x))), ties


def _logsumexp(x: Expr) -> Expr:
    _, rest, top, _ = _exponentials(x)
    return add(top, apply("log1p", rest))


def _log_softmax(x: Expr) -> Expr:
    _, rest, top, reached = _exponentials(x)
    return neg(add(choose(reached, ZERO, sub(top, x)), apply("log1p", rest)))


def _softmax(x: Expr) -> Expr:
    e, rest, _, _ = _exponentials(x)
    return _shared_division(e, add(ONE, rest))


def _softmax_others(x: Expr) -> Expr:
    e, rest, _, reached = _exponentials(x)
    return _shared_division(choose(reached, rest, add(sub(rest, e), ONE)), add(ONE, rest))


def _shared_division(x: Expr, total: Expr) -> Expr:
    """x / total with one division per row, which ``mul`` would turn into one per class."""
    return _product(x, Expr("div", (ONE, total), row=False, boolean=False))


def _product(a: Expr, b: Expr) -> Expr:
    """a * b as it stands."""
    return Expr("mul", (a, b), row=a.row or b.row, boolean=False)


def _is_shared_division(x: Expr) -> bool:
    """Its reciprocal is at most 1, its row too: a factor per row may join the reciprocal, nothing can overflow."""
    return x.op == "mul" and x.args[1].op == "div" and x.args[1].args[0] is ONE and not x.args[1].row and x.row


def _others(x: Expr) -> Expr:
    """The sum over the other classes: what is taken away from a sum is never its largest term, so nothing cancels."""
    size = apply("abs", x)
    large = apply("eq", size, apply("max", size))
    big, small = apply("sum", choose(large, x, ZERO)), apply("sum", choose(large, ZERO, x))
    return choose(large, add(sub(big, x), small), add(sub(small, x), big))


def _first_max(x: Expr) -> Expr:
    _, reached = _top(x)
    first = neg(apply("max", choose(reached, neg(INDEX), const(-math.inf))))
    return choose(apply("eq", INDEX, first), ONE, ZERO)


RULES: dict[str, Callable[[Expr], Expr]] = {
    "sum": _sum,
    "logsumexp": _logsumexp,
    "log_softmax": _log_softmax,
    "softmax": _softmax,
    "softmax_others": _softmax_others,
    "others": _others,
    "first_max": _first_max,
}
