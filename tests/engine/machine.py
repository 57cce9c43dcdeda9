"""Runs a function of the LLVM engine over arrays, on any processor level that this machine can execute."""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from lossmith.engine.llvm.compile import Library, assembly, object_code
from lossmith.engine.llvm.emit import FLOATS, Emitter, Float

LEVELS = {"baseline": "x86-64", "avx2": "haswell", "host": ""}
_number = itertools.count()


def text(function: Callable[..., Any], dtype: str, arity: int = 1, lanes_of: str | None = None) -> tuple[str, str, Float]:
    """IR of ``void name(inputs..., output, vectors)``; ``lanes_of`` float32 runs float64 in its 16 lanes."""
    kind, vector = FLOATS[dtype], FLOATS[lanes_of or dtype]
    e, name = Emitter(vector), f"machine{next(_number)}"
    inputs = [f"%x{k}" for k in range(arity)]
    pointers = [e.address(pointer, "%at", kind.name) for pointer in inputs]
    result = function(e, *(e.load(pointer, kind.name) for pointer in pointers))
    e.store(result, e.address("%out", "%at", kind.name))
    signature = ", ".join(f"ptr noalias {pointer}" for pointer in [*inputs, "%out"])
    lines = [
        *sorted(e.declarations),
        f"define void @{name}({signature}, i64 %vectors) {{",
        "entry:",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [0, %entry], [%next, %loop]",
        f"  %at = mul i64 %i, {e.lanes}",
        *e.lines,
        "  %next = add i64 %i, 1",
        "  %more = icmp slt i64 %next, %vectors",
        "  br i1 %more, label %loop, label %done",
        "done:",
        "  ret void",
        "}",
    ]
    return name, "\n".join(lines), vector


def listing(function: Callable[..., Any], dtype: str, arity: int = 1, level: str = "host") -> str:
    """The assembly of a loop over the function."""
    return assembly(text(function, dtype, arity)[1], LEVELS[level])


class Machine:
    """The function of arrays of one type; arrays are padded to whole vectors."""

    def __init__(
        self,
        function: Callable[..., Any],
        dtype: str,
        arity: int = 1,
        level: str = "host",
        lanes_of: str | None = None,
    ) -> None:
        name, code, vector = text(function, dtype, arity, lanes_of)
        self.dtype, self.lanes = np.dtype(dtype), vector.lanes
        self._library = Library(object_code(code, LEVELS[level]), (name,))
        kinds = [ctypes.c_void_p] * (arity + 1) + [ctypes.c_int64]
        self.call = ctypes.CFUNCTYPE(None, *kinds)(self._library.addresses[name])

    def __call__(self, *arrays: Any) -> Any:
        size = np.broadcast_shapes(*(np.shape(array) for array in arrays))[0]
        vectors = -(-size // self.lanes)
        padded = [np.ones(vectors * self.lanes, self.dtype) for _ in arrays]
        for place, array in zip(padded, arrays, strict=True):
            place[:size] = array
        out = np.empty(vectors * self.lanes, self.dtype)
        self.call(*(array.ctypes.data for array in [*padded, out]), vectors)
        return out[:size]
