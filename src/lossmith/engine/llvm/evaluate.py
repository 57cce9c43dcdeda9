"""A formula evaluated on host arrays by machine code: the same interface as the array engine's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lossmith.engine.llvm.emit import FLOATS
from lossmith.engine.llvm.fast import addresses
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.run import kernel, row_layout
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
) -> list[list[Array]]:
    """See ``engine.arrays.evaluate``; all arrays are NumPy's, of float32 or float64."""
    roots = tuple(dict.fromkeys(root for group in groups for root in group))
    if not roots:
        return [[] for _ in groups]
    dtype = np.dtype(like.dtype)
    shape = like.shape[:-1] if rows else like.shape
    classes = like.shape[-1] if rows else 1
    count = int(np.prod(shape, dtype=np.int64))
    arrays, parameters, spec = _spec(roots, inputs, params, dtype.name, classes if rows else None)
    results = [np.empty((*shape, classes) if root.row else shape, dtype) for root in roots]
    if count:
        given = [np.ascontiguousarray(a, dtype) for a in arrays[: len(spec.inputs)]]
        vectors = [np.ascontiguousarray(a, dtype) for a in arrays[len(spec.inputs) :]]
        numbers = np.asarray(parameters, dtype=np.float64)
        _run(spec, given, results, vectors, numbers, count, classes)
    found = dict(zip(roots, results, strict=True))
    return [[found[root] for root in group] for group in groups]


def _spec(
    roots: tuple[Expr, ...], inputs: Mapping[str, Array], params: Mapping[str, Any], dtype: str, classes: int | None
) -> tuple[list[Array], list[float], Spec]:
    """(arrays of inputs and vectors, parameters, the spec that takes them in this order)."""
    leaves = [node for node in walk(roots) if node.op in ("input", "param")]
    named = [node for node in leaves if node.op == "input"]
    numbers = tuple(node.data for node in leaves if node.op == "param" and not node.row)
    vectors = tuple(node.data for node in leaves if node.op == "param" and node.row)
    spec = Spec(
        dtype,
        roots,
        tuple(Input(node.data, Stored(dtype), row=node.row) for node in named),
        numbers,
        outputs=tuple(Output(dtype, (k,), row=root.row) for k, root in enumerate(roots)),
        vectors=vectors,
        **({} if classes is None else row_layout(classes)),
    )
    arrays = [inputs[node.data] for node in named] + [params[name] for name in vectors]
    return arrays, [params[name] for name in numbers], spec


def _run(
    spec: Spec, given: list[Array], results: list[Array], vectors: list[Array], numbers: Array, count: int, classes: int
) -> None:
    lanes = FLOATS[spec.float].lanes
    if spec.classes and count < lanes:  # rows lie in lanes: there are never fewer rows than lanes
        padded = [np.concatenate([a.reshape(count, -1), np.repeat(a.reshape(count, -1)[-1:], lanes - count, axis=0)])
                  for a in given]  # fmt: skip
        wide = [np.empty((lanes, classes) if root.row else lanes, spec.float) for root in spec.roots]
        _run(spec, padded, wide, vectors, numbers, lanes, classes)
        for result, found in zip(results, wide, strict=True):
            result[...] = found[:count].reshape(result.shape)
        return
    words = addresses([*given, *results, *vectors])
    if kernel(spec).run(words, numbers.ctypes.data, count, classes) is None:
        raise MemoryError("there is no memory for one row of scores")
