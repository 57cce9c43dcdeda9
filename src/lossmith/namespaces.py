"""Which array library the numbers came in, and the dtype to compute in."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np

Array = Any


def is_host(x: Any) -> bool:
    """NumPy arrays, numbers, lists, and tables (pandas, Polars, Arrow), which all become NumPy arrays."""
    if isinstance(x, np.ndarray):
        return True
    module = type(x).__module__.partition(".")[0]
    return module not in ("torch", "jax", "jaxlib", "array_api_strict", "cupy", "dpnp") and not (
        hasattr(x, "__array_namespace__") and module not in ("numpy", "pandas", "polars", "pyarrow", "builtins")
    )


def namespace_of(*arrays: Any) -> tuple[ModuleType, bool]:
    """(array-API namespace, whether it is the host's NumPy). Host data beside another library follows that library."""
    foreign = [x for x in arrays if x is not None and not is_host(x)]
    if not foreign:
        return np, True
    import array_api_compat

    kinds = {type(x).__module__.partition(".")[0].replace("jaxlib", "jax") for x in foreign}
    if len(kinds) > 1:
        raise TypeError(f"arrays of different libraries ({', '.join(sorted(kinds))}) cannot be mixed in one call")
    return array_api_compat.array_namespace(*foreign[:1]), False


def dtype_name(dtype: Any) -> str:
    """ "float32" of any library's float32, in any byte order."""
    if isinstance(dtype, np.dtype):
        return dtype.name
    return getattr(dtype, "name", None) or str(dtype).rpartition(".")[2]


def is_floating(dtype: Any) -> bool:
    return "float" in dtype_name(dtype)


def compute_dtype(xp: ModuleType, arrays: Iterable[Array]) -> Any:
    """The widest floating dtype among the arrays, at least float32; float64 where all are integers."""
    names = [dtype_name(a.dtype) for a in arrays if is_floating(a.dtype)]
    if not names:
        # JAX has no float64 unless it was switched on
        return xp.zeros((1,)).dtype if "jax" in xp.__name__ else xp.float64
    return xp.float64 if "float64" in names else xp.float32


def is_traced(x: Any) -> bool:
    """A placeholder inside jit, vmap or grad: its values are not known yet."""
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(x, jax.core.Tracer):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor):
        return bool(torch.compiler.is_compiling() or torch._C._functorch.is_functorch_wrapped_tensor(x))
    return False


def on_host(x: Any) -> bool:
    """Whether looking at the values is cheap: host memory, not traced."""
    device = str(getattr(x, "device", "cpu")).lower()
    return not is_traced(x) and ("cpu" in device or device == "none")
