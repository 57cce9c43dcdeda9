"""Formulas as they are where no input is infinite and no exponential overflows: what guards against that is left out.

A guard is a comparison and a selection, as dear as two multiplications. Where one was needed after all the result is
NaN, or an exponent out of reach, which the kernel sees; then the formula with its guards is asked.
"""

from __future__ import annotations

import math

from lossmith.engine.llvm.domains import shows_nan
from lossmith.formula.expr import ZERO, Expr, apply, mul, rebuild, walk

_FINITE = frozenset((
    "input", "const", "param", "add", "sub", "mul", "neg", "abs", "sign", "maximum", "minimum", "tanh", "sigmoid",
    "softplus", "log_cosh", "where", "lt", "le", "eq", "not", "and", "or",
))  # fmt: skip
REACH = {"float32": (-87.0, 88.0), "float64": (-708.0, 709.0)}  # of x for e^x to be a normal number


def unguarded(roots: tuple[Expr, ...]) -> tuple[tuple[Expr, ...], tuple[Expr, ...]]:
    """The same numbers, or NaN in some root; and of every e^x taken by itself the x, to be within ``REACH``.

    The roots themselves where NaN might be lost on the way.
    """
    new: dict[Expr, Expr] = {}
    bare: dict[Expr, None] = {}
    exponents: dict[Expr, None] = {}
    for node in walk(roots):
        args = tuple(new[arg] for arg in node.args)
        if node.op == "where" and _is_guard(*args):
            new[node] = args[2]
            bare[args[2]] = None
        elif node.op == "scaled_exp":  # the same bits where e^x is a normal number
            new[node] = mul(args[0], apply("exp", args[1]))
            exponents[args[1]] = None
        else:
            same = all(arg is old for arg, old in zip(args, node.args, strict=True))
            new[node] = node if same else rebuild(node, args)
    found = tuple(new[root] for root in roots)
    seen = all(any(shows_nan(root, node) for root in found) for node in walk(found) if node in bare)
    return (found, tuple(exponents)) if seen and (bare or exponents) else (roots, ())


def is_finite(root: Expr) -> bool:
    """Whether finite inputs of ordinary size give a finite number, as far as can be told."""
    return all(node.op in _FINITE for node in walk((root,)))


def _is_guard(condition: Expr, guarded: Expr, plain: Expr) -> bool:
    """Whether the plain one is the same, or NaN, where the condition holds and inputs are finite."""
    if condition.op != "eq" or condition.args[1].op != "const":
        return False
    compared, value = condition.args[0], condition.args[1].data
    if value == 0.0 and guarded is ZERO:  # where(a == 0, 0, a b)
        return _is_factor(compared, plain) and is_finite(plain)
    if value == math.inf and plain.op in ("add", "sub"):  # where(a == inf, a b, a b - c)
        return plain.args[0] is guarded and _is_factor(compared, guarded)
    return False


def _is_factor(x: Expr, product: Expr) -> bool:
    return product is x or (product.op in ("mul", "neg") and any(_is_factor(x, arg) for arg in product.args))
