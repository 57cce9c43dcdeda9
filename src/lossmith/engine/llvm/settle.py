"""Formulas with parameters that are known to be 1 or 2, as most are by default, or not 0: less is left to compute.

Only that is settled, so that a search over a parameter does not compile a kernel for each of its values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lossmith.formula.expr import ONE, ZERO, Expr, add, apply, const, mul, neg, rebuild, sub, walk
from lossmith.formula.expr import where as choose

_PLAIN = (1.0, 2.0)
_COMPARED = {"eq": lambda a, b: a == b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b}


def settled(roots: tuple[Expr, ...], params: Mapping[str, Any]) -> tuple[Expr, ...]:
    """The same numbers, from fewer nodes."""
    new: dict[Expr, Expr] = {}
    for node in walk(roots):
        if node.op == "param" and params.get(node.data) in _PLAIN:
            new[node] = const(float(params[node.data]))
            continue
        args = tuple(new[arg] for arg in node.args)
        if node.op == "eq" and args[1] is ZERO and _is_never_zero(args[0], params):
            args = (ONE, ZERO)
        same = all(arg is old for arg, old in zip(args, node.args, strict=True))
        new[node] = node if same and node.op not in _RULES else _settled(node, args)
    return tuple(new[root] for root in roots)


def _is_never_zero(x: Expr, params: Mapping[str, Any]) -> bool:
    """Whether a number made of parameters alone, perhaps chosen for the sample, is known not to be 0."""
    if x.op == "where":
        return all(_is_never_zero(branch, params) for branch in x.args[1:])
    known = [_number(arg, params) for arg in (x.args if x.op == "sub" else (x, ZERO))]
    return None not in known and known[0] != known[1]


def _number(x: Expr, params: Mapping[str, Any]) -> float | None:
    found = x.data if x.op == "const" else params.get(x.data) if x.op == "param" else None
    return found if isinstance(found, float) else None


def _settled(node: Expr, args: tuple[Expr, ...]) -> Expr:
    rule = _RULES.get(node.op)
    found = None if rule is None else rule(*args)
    if found is None:
        found = rebuild(node, args)
        if found is ZERO and any(arg.op != "const" for arg in args):  # 0 times what may be infinite
            found = Expr(node.op, args, node.data, row=node.row, boolean=node.boolean)
    return apply("per_class", found) if node.row and not found.row else found


def _chosen(condition: Expr, a: Expr, b: Expr) -> Expr | None:
    """where(2 == 0, a, b) is b, a condition is asked once, and where(c, a, where(d, a, b)) is where(c | d, a, b)."""
    if condition.op in _COMPARED and all(x.op == "const" for x in condition.args):
        left, right = (x.data for x in condition.args)
        return a if _COMPARED[condition.op](left, right) else b
    first = a.args[1] if a.op == "where" and a.args[0] is condition else a
    second = b.args[2] if b.op == "where" and b.args[0] is condition else b
    if second.op == "where" and second.args[1] is first:
        return choose(condition | second.args[0], first, second.args[2])
    return None if first is a and second is b else choose(condition, first, second)


def _sum(a: Expr, b: Expr) -> Expr | None:
    """a + where(b == 0, 0, b) is a + b, but for the sign of a zero."""
    part = _unconditional(b)
    return None if part is None else add(a, part)


def _difference(a: Expr, b: Expr) -> Expr | None:
    part = _unconditional(b)
    return None if part is None else sub(a, part)


def _unconditional(x: Expr) -> Expr | None:
    """b where x is where(b == 0, 0, b), or -b for the last one."""
    if x.op != "where" or x.args[1] is not ZERO:
        return None
    condition, _, part = x.args
    size = part.args[0] if part.op == "neg" else part
    return part if condition.op == "eq" and condition.args[0] is size and condition.args[1] is ZERO else None


def _largest(a: Expr, b: Expr) -> Expr | None:
    """maximum(maximum(x, c), c) is maximum(x, c)."""
    return a if a.op == "maximum" and a.args[1] is b else None


def _power_of_sigmoid(x: Expr) -> Expr | None:
    """exp(-2 softplus(a)) is sigmoid(-a)^2, without a second exponential."""
    size = x.args[0] if x.op == "neg" else x
    times, surprise = size.args if size.op == "mul" else (ONE, size)
    if size is x or surprise.op != "softplus" or times.op != "const" or times.data not in _PLAIN:
        return None
    other = apply("sigmoid", neg(surprise.args[0]))
    return other if times is ONE else mul(other, other)


_RULES: dict[str, Callable[..., Expr | None]] = {
    "where": _chosen, "maximum": _largest, "exp": _power_of_sigmoid, "add": _sum, "sub": _difference,
}  # fmt: skip
