"""The array engine: a formula evaluated node by node in any array-API namespace (NumPy, PyTorch, JAX, ...).

On the host it works through the data in blocks that stay in cache, so temporaries cost no memory to speak of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from lossmith.engine.functions import FUNCTIONS
from lossmith.engine.odds import by_class
from lossmith.formula.expr import Expr, walk
from lossmith.namespaces import along_last, device_of, spread

Array = Any
BLOCK = 1 << 15  # numbers per block


@lru_cache(maxsize=1024)
def _in_order(roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(walk(roots))


def _leaf(node: Expr, env: Mapping[str, Any], classes: int | None, xp: ModuleType, like: Array) -> Any:
    if node.op == "const":
        return node.data
    if node.op == "pi":
        return math.pi
    if node.op == "n_classes":
        return float(classes or 0)
    if node.op == "index":
        return along_last(xp.arange(classes, dtype=like.dtype, device=device_of(like)), like)
    given = env[node.data]
    return along_last(given, like) if node.op == "param" and node.row else given


def evaluate_block(
    roots: Sequence[Expr], env: Mapping[str, Any], xp: ModuleType, like: Array, classes: int | None
) -> list[Array]:
    """The roots for inputs that are arrays of one floating dtype.

    ``like`` gives dtype, device and (in pointwise formulas) shape. In a row formula
    per-class values have shape (..., K) and per-sample ones (..., 1).
    """
    values: dict[Expr, Any] = {}
    scalars: dict[float, Array] = {}

    def array(value: Any) -> Array:
        if isinstance(value, float):
            if value not in scalars:  # not asarray: an exporter takes that for data, and keeps it beside the program
                scalars[value] = xp.full((), value, dtype=like.dtype, device=device_of(like))
            return scalars[value]
        return value

    for node in _in_order(tuple(roots)):
        if not node.args:
            values[node] = _leaf(node, env, classes, xp, like)
        elif node.op == "per_class":
            values[node] = spread(xp, array(values[node.args[0]]), (*like.shape[:-1], classes))
        else:
            values[node] = FUNCTIONS[node.op](xp, *(array(values[arg]) for arg in node.args))
    return [array(values[root]) for root in roots]


def evaluate(
    groups: Sequence[Sequence[Expr]],
    inputs: Mapping[str, Array],
    params: Mapping[str, Any],
    xp: ModuleType,
    *,
    rows: bool,
    like: Array,
) -> list[list[Array]]:
    """Every expression of every group.

    Each has shape ``like.shape`` (row formulas: (..., K), or (...) for per-sample ones). ``like`` is the first
    prediction in compute dtype; ``inputs`` are arrays of that dtype, one per name, per-sample ones of shape
    ``like.shape`` (row formulas: (..., 1) beside (..., K)). ``params`` are floats or, per class, vectors of K.
    """
    roots = [root for group in groups for root in group]
    classes = like.shape[-1] if rows else None
    if xp is np:
        flat = _evaluate_host(roots, inputs, params, xp, like, classes)
    else:
        computed = by_class(tuple(roots)) if rows and "jax" in xp.__name__ else roots
        with np.errstate(all="ignore"):  # libraries built on NumPy warn about the branches that where() drops
            found = evaluate_block(computed, {**inputs, **params}, xp, like, classes)
        flat = [_shaped(result, root, like, classes, xp) for root, result in zip(roots, found, strict=True)]
    results = iter(flat)
    return [[next(results) for _ in group] for group in groups]


def _shaped(result: Array, root: Expr, like: Array, classes: int | None, xp: ModuleType) -> Array:
    if classes is None or root.row:
        return spread(xp, result, like.shape)
    return spread(xp, result, (*like.shape[:-1], 1))[..., 0]


def _evaluate_host(
    roots: Sequence[Expr],
    inputs: Mapping[str, Array],
    params: Mapping[str, Any],
    xp: ModuleType,
    like: Array,
    classes: int | None,
) -> list[Array]:
    # evaluate flat: samples along the first axis, classes (if any) along the second
    shape = like.shape if classes is None else like.shape[:-1]
    count = int(np.prod(shape, dtype=np.int64))
    tails = {root: () if classes is None or not root.row else (classes,) for root in roots}
    flat = {
        name: array.reshape(count) if classes is None else array.reshape(count, array.shape[-1])
        for name, array in inputs.items()
    }
    like = like.reshape(count) if classes is None else like.reshape(count, classes)
    results = [np.empty((count, *tails[root]), dtype=like.dtype) for root in roots]
    step = max(1, BLOCK // max(1, classes or 1))
    with np.errstate(all="ignore"):
        for start in range(0, count, step):
            part = slice(start, start + step)
            env = {name: array[part] for name, array in flat.items()} | dict(params)
            for result, root, block in zip(
                results, roots, evaluate_block(roots, env, xp, like[part], classes), strict=True
            ):
                if classes is not None and not root.row and getattr(block, "ndim", 0) > 1:
                    block = block[..., 0]
                result[part] = block
    return [result.reshape((*shape, *tails[root])) for result, root in zip(results, roots, strict=True)]
