"""The special functions by the names of the language: vectors of either floating type, computed in double."""

from __future__ import annotations

from collections.abc import Callable

from lossmith.engine.llvm import gamma_functions, normal
from lossmith.engine.llvm.emit import Emitter, Value

Function = Callable[[Emitter, Value], Value]


def _in_double(function: Function) -> Function:
    def run(e: Emitter, x: Value) -> Value:
        return e.to_float(function(e, e.to_float(x, "double")), x.type)

    return run


FUNCTIONS = {name: _in_double(f) for name, f in (gamma_functions.FUNCTIONS | normal.FUNCTIONS).items()}
