"""Which results are NaN by themselves where an input is, so that nobody needs to look for it."""

from __future__ import annotations

from functools import lru_cache

from lossmith.formula.expr import Expr, walk
from lossmith.formula.primitives import PRIMITIVES

_OF_ANY = ("add", "sub", "mul", "div", "scaled_exp", "log_ratio", "pseudo_huber", "pseudo_huber_slope")


@lru_cache(maxsize=1024)
def hands_on_nan(root: Expr, variable: Expr) -> bool:
    """Whether a NaN in the variable makes the root NaN. False where that takes more than a look."""
    nan: dict[Expr, bool] = {}
    for node in walk((root,)):
        nan[node] = node is variable or (bool(node.args) and _of(node, [nan[arg] for arg in node.args]))
    return nan[root]


def _of(node: Expr, nan: list[bool]) -> bool:
    """Of a node, given whether its arguments are NaN."""
    if node.op in _OF_ANY:
        return any(nan)
    if node.op == "where":  # a condition is never NaN: both branches must be
        return nan[1] and nan[2]
    if node.op == "power":  # anything to the power of 0 is 1
        return nan[0] and node.args[1].op == "const" and node.args[1].data != 0
    return PRIMITIVES[node.op].kind == "elementwise" and len(nan) == 1 and nan[0]
