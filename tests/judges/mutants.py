"""Random mistakes in a formula, to see that the judges notice them."""

import random
from typing import Any

from lossmith.formula.expr import Expr, const, rebuild, walk

_TWINS = {
    "add": "sub", "sub": "add", "mul": "div", "div": "mul", "maximum": "minimum", "minimum": "maximum",
    "lt": "le", "exp": "expm1",
    "softplus": "sigmoid", "sigmoid": "tanh", "log": "log1p", "log1p": "log", "tanh": "sigmoid",
    "log_cosh": "tanh", "sqrt1pm1": "unit_slope", "max": "sum", "logsumexp": "sum", "log_softmax": "softmax",
    "stirling": "log_factorial", "log_factorial": "stirling", "kl_term": "js_term", "js_term": "kl_term",
}  # fmt: skip


def _changes(node: Expr) -> list[Any]:
    """Functions that replace a node by a wrong one."""
    found: list[Any] = []
    if node.op == "const":
        found.append(lambda args: const(node.data * 2 + 1 if abs(node.data) < 1e300 else 0.0))
        return found
    if node.op in ("input", "param", "index", "n_classes") or node.boolean:
        return found
    twin = _TWINS.get(node.op)
    if twin is not None:
        found.append(lambda args: Expr(twin, args, row=node.row and twin not in ("sum", "max"), boolean=node.boolean))
    if node.op in ("add", "sub"):
        found.append(lambda args: args[0])  # a term dropped
        found.append(lambda args: args[1])
    if node.op in ("sub", "power", "where"):
        found.append(lambda args: rebuild(node, (*args[:-2], args[-1], args[-2])))  # two arguments swapped
    if not node.boolean:
        found.append(lambda args: -rebuild(node, args))  # sign flipped
        found.append(lambda args: rebuild(node, args) * 1.001)  # a constant slightly off
    return found


def mutant(root: Expr, rng: random.Random) -> Expr:
    """The expression with one random mistake that changes its graph."""
    nodes = [node for node in walk((root,)) if _changes(node)]
    while True:
        target = rng.choice(nodes)
        change = rng.choice(_changes(target))
        new: dict[Expr, Expr] = {}
        for node in walk((root,)):
            args = tuple(new[arg] for arg in node.args)
            new[node] = change(args) if node is target else rebuild(node, args)
        if new[root] is not root and new[root].row == root.row:
            return new[root]
