"""Which engine serves host arrays: LOSSMITH_ENGINE=llvm, arrays, or (by default) machine code where it can be made."""

from __future__ import annotations

import os

from lossmith.engine.llvm.compile import available


def machine_code() -> bool:
    """Whether host arrays are computed by machine code. Asked for by name, its absence is an error."""
    wanted = os.environ.get("LOSSMITH_ENGINE", "")
    if wanted not in ("", "llvm", "arrays"):
        raise ValueError(f"LOSSMITH_ENGINE must be llvm or arrays, not {wanted!r}")
    if wanted == "llvm" and not available():
        raise ImportError("LOSSMITH_ENGINE=llvm needs llvmlite: pip install llvmlite")
    return wanted != "arrays" and available()
