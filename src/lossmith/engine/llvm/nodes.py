"""Formula nodes as vectors: elementwise primitives only; what crosses lanes is the business of the row kernels."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.formula.expr import Expr, walk

Function = Callable[..., Value]
_PARTS = ("elementary", "power", "shapes", "special")  # the files of the others, what most formulas need first
_INVARIANT_LEAVES = ("const", "param", "pi", "n_classes")

_BASIC: dict[str, Function] = {
    "add": lambda e, a, b: a + b,
    "sub": lambda e, a, b: a - b,
    "mul": lambda e, a, b: a * b,
    "div": lambda e, a, b: a / b,
    "neg": lambda e, a: -a,
    "abs": lambda e, a: e.abs(a),
    "sqrt": lambda e, a: e.sqrt(a),
    "where": lambda e, mask, a, b: e.where(mask, a, b),
    "maximum": lambda e, a, b: e.where(b > a, b, a),  # of it and the minimum: the first owns ties
    "minimum": lambda e, a, b: e.smaller_of(a, b),
    "sign": lambda e, a: e.where(e.abs(a) > 0.0, e.copysign(1.0, a), a),  # 0 and NaN stay what they are
    "lt": lambda e, a, b: a < b,
    "le": lambda e, a, b: a <= b,
    "eq": lambda e, a, b: a.eq(b),
    "not": lambda e, a: ~a,
    "and": lambda e, a, b: a & b,
    "or": lambda e, a, b: a | b,
    "per_class": lambda e, a: a,
}


@cache
def function(name: str) -> Function:
    """An elementwise primitive by its name in the language. Most formulas need few, so the rest is not even loaded."""
    if name in _BASIC:
        return _BASIC[name]
    tables = (importlib.import_module(f"lossmith.engine.llvm.{part}").FUNCTIONS for part in _PARTS)
    found: Function = next(table[name] for table in tables if name in table)
    return found


def invariant(roots: Iterable[Expr]) -> set[Expr]:
    """The nodes that are the same for every sample and class."""
    found: set[Expr] = set()
    for node in walk(roots):
        if node.row:
            continue
        if (not node.args and node.op in _INVARIANT_LEAVES) or (node.args and all(arg in found for arg in node.args)):
            found.add(node)
    return found


def constant(e: Emitter, node: Expr, n_classes: Any = 0) -> Value:
    if node.op == "const":
        return e.lift(node.data)
    return e.lift(math.pi if node.op == "pi" else n_classes)


def compute(e: Emitter, node: Expr, values: Mapping[Expr, Value]) -> Value:
    """One elementwise node from the values of its arguments."""
    if node.op == "where":
        condition, kept, changed = node.args
        if changed.op in ("add", "sub") and changed.args[0] is kept:  # one instruction where masks belong to them
            return e.where(~values[condition], values[changed], values[kept])
    return function(node.op)(e, *(values[arg] for arg in node.args))


CHEAP = frozenset(_BASIC) - {"div", "sqrt"}
_DEAR = 0.3


def cost(roots: Iterable[Expr]) -> float:
    """Nanoseconds per number, roughly: what decides about threads, never about results."""
    total = 0.1
    for node in walk(roots):
        if node.args:
            total += 0.02 if node.op in CHEAP else _DEAR
    return total
