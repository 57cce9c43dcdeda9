"""A formula evaluated on host arrays by machine code: the same interface as the array engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.run import kernel, row_layout
from lossmith.engine.llvm.settle import settled
from lossmith.engine.llvm.spec import Input, Output, Spec
from lossmith.formula.expr import Expr, walk

Array = Any


def evaluate(
    groups: Sequence[Sequence[Expr]],
    inputs: Mapping[str, Array],
    params: Mapping[str, Any],
    *,
    rows: bool,
    like: Array,
) -> list[list[Array]] | None:
    """See ``engine.arrays.evaluate``; all arrays are NumPy's, of float32 or float64. None: too long to compile."""
    roots = tuple(dict.fromkeys(root for group in groups for root in group))
    if not roots:
        return [[] for _ in groups]
    dtype = np.dtype(like.dtype)
    shape = like.shape[:-1] if rows else like.shape
    classes = like.shape[-1] if rows else 1
    count = int(np.prod(shape, dtype=np.int64))
    known = tuple((name, x) for name, x in params.items() if isinstance(x, float) and name != "width")
    spec, names = _spec(roots, known, dtype.name, classes if rows else None)
    arrays = [inputs[name] for name in names] + [params[name] for name in spec.vectors]
    results = [np.empty((*shape, classes) if root.row else shape, dtype) for root in roots]
    if count:
        given = [np.ascontiguousarray(a, dtype) for a in arrays]
        samples = [a.reshape(count, -1) for a in given[: len(spec.inputs)]]
        written = [a.reshape(count, -1) for a in results]
        numbers = np.asarray([params[name] for name in spec.parameters], dtype=np.float64)
        compiled = kernel(spec)
        if compiled is None:
            return None
        if compiled.run([*samples, *written, *given[len(spec.inputs) :]], numbers, count, classes) is None:
            raise MemoryError("there is no memory for one row of scores")
    found = dict(zip(roots, results, strict=True))
    return [[found[root] for root in group] for group in groups]


@lru_cache(maxsize=256)
def _spec(
    roots: tuple[Expr, ...], params: tuple[tuple[str, float], ...], dtype: str, classes: int | None
) -> tuple[Spec, tuple[str, ...]]:
    """(what computes the roots, the names of its inputs)."""
    computed = settled(roots, dict(params))  # as in the kernels of whole calls, to the same bits
    leaves = [node for node in walk(computed) if node.op in ("input", "param")]
    named = [node for node in leaves if node.op == "input"]
    spec = Spec(
        dtype,
        computed,
        tuple(Input(node.data, Stored(dtype), row=node.row) for node in named),
        tuple(node.data for node in leaves if node.op == "param" and not node.row),
        outputs=tuple(Output(dtype, (k,), row=root.row) for k, root in enumerate(computed)),
        vectors=tuple(node.data for node in leaves if node.op == "param" and node.row),
        **({} if classes is None else row_layout(classes, dtype)),
    )
    return spec, tuple(node.data for node in named)
