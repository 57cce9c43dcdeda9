"""How far rounding may have moved a value: what every step of its computation is rounded by, carried on to the end.

The first-order running error of numerical analysis (Wilkinson; Higham 2002, Accuracy and Stability of Numerical
Algorithms, section 3.3). It sees what cancels: 1 - 1 is 0, and as uncertain as 1 is.
"""

from __future__ import annotations

from functools import lru_cache

from lossmith.formula.expr import ZERO, Expr, add, apply, walk
from lossmith.formula.primitives import PRIMITIVES


@lru_cache(maxsize=64)
def running_error(root: Expr) -> Expr:
    """In units of the relative rounding of one step; inputs and parameters are taken for exact. Of formulas without
    rows."""
    error: dict[Expr, Expr] = {}
    for node in walk((root,)):
        if not node.args or PRIMITIVES[node.op].kind != "elementwise":  # a number as it is, or a condition
            error[node] = ZERO
            continue
        found = apply("abs", node)
        for push, arg in zip(PRIMITIVES[node.op].push, node.args, strict=True):
            if push is not None and error[arg] is not ZERO:
                found = add(found, apply("abs", push(node, error[arg])))
        error[node] = found
    return error[root]
