"""Domain checks as masks, in the pass that computes."""

from __future__ import annotations

import functools
import math

from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.formula.domains import Domain
from lossmith.formula.expr import Expr, walk

_CARRIERS = frozenset((
    "add", "sub", "mul", "div", "neg", "abs", "sqrt", "exp", "scaled_exp", "tanh", "sigmoid", "softplus", "log_cosh",
))  # fmt: skip


def inside(e: Emitter, domain: Domain, x: Value, classes: Value | None, *, is_whole: bool) -> list[Value]:
    """Conditions that hold together where a number is in the domain; none where everything but NaN is.

    ``is_whole``: it was stored as an integer.
    """
    if domain.whole and (domain.low, domain.high) == (0.0, 1.0):
        return [x.eq(0.0) | x.eq(1.0)]
    if domain.low_open and domain.high_open and -domain.low == domain.high:
        return [e.abs(x) < domain.high]
    found: list[Value] = []
    if domain.low_open or math.isfinite(domain.low):
        found.append(x > domain.low if domain.low_open else x >= domain.low)
    if domain.high_open or math.isfinite(domain.high):
        found.append(x < domain.high if domain.high_open else x <= domain.high)
    if domain.kind == "class id" and classes is not None:
        found.append(x < classes)
    if domain.excluded is not None:
        found.append(x.apart(domain.excluded))
    if domain.whole and not is_whole:
        rounding = 2.0 ** (23 if x.type == "float" else 52)  # whole domains start at 0: adding this rounds to a whole
        found.append((x + rounding - rounding).eq(x) | (x >= rounding))
    return found


def shortfall(e: Emitter, domain: Domain, x: Value) -> Value | None:
    """0 inside a closed domain, less outside, NaN of NaN. None of a domain of which more is asked."""
    more = domain.whole or domain.excluded is not None or domain.kind == "class id"
    return None if more or domain.low_open or domain.high_open else below(e, x, domain.low, domain.high)


def below(e: Emitter, x: Value, low: float, high: float) -> Value | None:
    """0 for a number from low to high, else how far it is outside, less than 0; None where both are infinite.

    Some processors subtract and take the smaller of two beside their multiplications, but compare instead of them.
    """
    room = [x - low if low else x] if math.isfinite(low) else []
    room += [high - x] if math.isfinite(high) else []
    return functools.reduce(e.smaller_of, [*room, e.lift(0.0)]) if room else None


def shows_nan(root: Expr, given: Expr) -> bool:
    """Whether the root is NaN wherever this input is, as far as can be told: then the input need not be looked at."""
    shown: dict[Expr, bool] = {}
    for node in walk((root,)):
        args = [shown[arg] for arg in node.args]
        if node.op == "where":
            shown[node] = args[1] and args[2]
        elif node.op in ("maximum", "minimum"):
            shown[node] = args[0]  # of two numbers that do not compare the first
        else:
            shown[node] = node is given or (node.op in _CARRIERS and any(args))
    return shown[root]


def is_kept_above(root: Expr, low: float) -> bool:
    """Whether the root is a number above this one, or NaN, by its last operation."""
    return root.op == "maximum" and root.args[1].op == "const" and root.args[1].data > low
