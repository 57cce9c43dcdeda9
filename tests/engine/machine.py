"""Runs a function of the LLVM engine over arrays, on any processor level that this machine can pretend to be."""

import ctypes
import itertools
import platform

import numpy as np

from lossmith.engine.llvm.compile import Library, _host, assembly, has_avx512, object_code
from lossmith.engine.llvm.emit import FLOATS, Emitter

LEVELS = {"baseline": "x86-64", "avx2": "haswell", "host": ""}
_number = itertools.count()


def levels():
    """Those of LEVELS whose code runs here."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["host"]
    return [level for level in LEVELS if level != "avx2" or {"+avx2", "+fma"} <= set(_host()[1].split(","))]


def text(function, dtype, arity=1, lanes_of=None, level="host", *, coarse=False):
    """(name, IR, lanes) of ``void name(inputs..., output, vectors)``; ``lanes_of`` another type: in its kernels."""
    e = Emitter(FLOATS[lanes_of or dtype], avx512=level == "host" and has_avx512(), coarse=coarse)
    type_, name = FLOATS[dtype].name, f"machine{next(_number)}"
    inputs = [f"%x{k}" for k in range(arity)]
    arguments = [e.load(e.address(pointer, "%at", type_), type_) for pointer in inputs]
    e.store(function(e, *arguments), e.address("%out", "%at", type_))
    lines = (
        *sorted(e.declarations),
        f"define void @{name}({', '.join(f'ptr noalias {pointer}' for pointer in [*inputs, '%out'])}, i64 %vectors) {{",
        "entry:",
        *e.rooms,
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
    )
    return name, "\n".join(lines), e.lanes


def listing(function, dtype, arity=1, level="host"):
    """The assembly of a loop over the function."""
    return assembly(text(function, dtype, arity, level=level)[1], LEVELS[level])


class Machine:
    """The function of arrays of one type, which are padded to whole vectors."""

    def __init__(self, function, dtype, arity=1, level="host", lanes_of=None, *, coarse=False):
        name, code, self.lanes = text(function, dtype, arity, lanes_of, level, coarse=coarse)
        self.dtype = np.dtype(dtype)
        self._library = Library(object_code(code, LEVELS[level]), (name,))
        kinds = [ctypes.c_void_p] * (arity + 1) + [ctypes.c_int64]
        self.call = ctypes.CFUNCTYPE(None, *kinds)(self._library.addresses[name])

    def __call__(self, *arrays):
        (size,) = np.broadcast_shapes(*map(np.shape, arrays))
        vectors = -(-size // self.lanes)
        places = np.ones((len(arrays) + 1, vectors * self.lanes), self.dtype)
        for place, array in zip(places, arrays, strict=False):
            place[:size] = array
        self.call(*(place.ctypes.data for place in places), vectors)
        return places[-1, :size].copy()
