"""Which array library the numbers came in, and the dtype to compute in."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

Array = Any


_ELSEWHERE = ("torch", "jax", "jaxlib", "array_api_strict", "cupy", "dpnp")
_TABLES = ("numpy", "pandas", "polars", "pyarrow", "builtins")


def library_of(x: Any) -> str:
    """The top-level package of an array, such as "torch", also for classes that others derive from its tensors."""
    names = [kind.__module__.partition(".")[0] for kind in type(x).__mro__]
    return next((name for name in names if name in _ELSEWHERE), names[0])


def is_host(x: Any) -> bool:
    """NumPy arrays, numbers, lists, and tables (pandas, Polars, Arrow), which all become NumPy arrays."""
    if isinstance(x, np.ndarray):
        return True
    library = library_of(x)
    return library not in _ELSEWHERE and (library in _TABLES or not hasattr(x, "__array_namespace__"))


def namespace_of(*arrays: Any) -> tuple[ModuleType, bool]:
    """(array-API namespace, whether it is the host's NumPy). Host data beside another library follows that library."""
    foreign = [x for x in arrays if x is not None and not is_host(x)]
    if not foreign:
        return np, True
    import array_api_compat

    kinds = {library_of(x).replace("jaxlib", "jax") for x in foreign}
    if len(kinds) > 1:
        raise TypeError(f"arrays of different libraries ({', '.join(sorted(kinds))}) cannot be mixed in one call")
    return array_api_compat.array_namespace(*foreign[:1]), False


def device_of(x: Array) -> Any:
    """Where an array lives; None for JAX's placeholders, which live nowhere yet, and arrays over several devices."""
    device = getattr(x, "device", None)
    return None if hasattr(device, "device_set") else device


def stacked(xp: ModuleType, parts: Sequence[Array]) -> Array:
    """Side by side on a new last axis; a single part as it is."""
    if len(parts) == 1:
        return parts[0]
    if "jax" not in xp.__name__:
        return xp.stack(parts, axis=-1)
    columns, (*others, result) = xp.arange(len(parts)), [part[..., None] for part in parts]
    for column, part in enumerate(others):  # XLA makes a loop of this that vectorises, of a stack it does not
        result = xp.where(columns == column, part, result)
    return result


def spread(xp: ModuleType, x: Array, shape: tuple[Any, ...]) -> Array:
    """Repeated to this shape. PyTorch's batched gradients know one of two names for it."""
    return x.expand(shape) if "torch" in xp.__name__ else xp.broadcast_to(x, shape)


def along_last(x: Array, like: Array) -> Array:
    """Numbers of the last axis with as many axes as `like`, which JAX can be told to refuse to add by itself."""
    return x[(*(None,) * (like.ndim - 1), ...)]


def joined(xp: ModuleType, parts: Sequence[Array]) -> Array:
    """One after the other along the last axis, by the name that PyTorch's batched gradients know."""
    return xp.cat(parts, dim=-1) if "torch" in xp.__name__ else xp.concat(parts, axis=-1)


def dtype_name(dtype: Any) -> str:
    """ "float32" of any library's float32, in any byte order."""
    kind: Any = type(dtype)
    return _name_of(kind, dtype)


@lru_cache(maxsize=256)  # NumPy puts a name together each time
def _name_of(kind: Any, dtype: Any) -> str:
    """The type comes first: dtypes of two libraries are never compared, which one of them warns of."""
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


def equals(x: Any, value: Any) -> Any:
    """x == value, elementwise; nowhere where the whole numbers of its dtype do not reach the value.

    PyTorch and JAX wrap the value around instead: among uint8, 156 would be -100.
    """
    name = dtype_name(x.dtype)
    if name.startswith(("int", "uint")) and isinstance(value, (int, float)):
        reach = np.iinfo(name)
        if not reach.min <= value <= reach.max:
            return x != x
    return x == value


def is_traced(x: Any) -> bool:
    """A placeholder inside jit, vmap or grad: its values are not known yet."""
    jax = sys.modules.get("jax")
    if jax is not None and isinstance(x, jax.core.Tracer):
        return True
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor) and not plain_tensor(torch, x)


def plain_tensor(torch: Any, x: Any) -> bool:
    """Whether a tensor holds the numbers it stands for, and nobody watches what is done to them: no compiler, no
    exporter, no transformation of torch.func, no batch of gradients, no dispatch mode, no class with operations of its
    own."""
    own = torch._C
    return not (
        type(x).__torch_dispatch__ is not own._disabled_torch_dispatch_impl
        or own._functorch.peek_interpreter_stack() is not None
        or own._functorch.is_legacy_batchedtensor(x)
        or own._len_torch_dispatch_stack()
        or torch.compiler.is_compiling()
        or torch.jit.is_tracing()
    )


def on_host(x: Any) -> bool:
    """Whether looking at the values is cheap: host memory, not traced."""
    device = str(getattr(x, "device", "cpu")).lower()
    return not is_traced(x) and ("cpu" in device or device == "none")


def odd_layout(x: Any) -> str:
    """Of PyTorch's tensors that are no rectangles of plain numbers: what they are, and what to pass instead."""
    layout = str(x.layout) if library_of(x) == "torch" else ""
    found = (
        ("sparse" in layout, "a sparse tensor: pass its to_dense()"),
        ("mkldnn" in layout, "a tensor of oneDNN's layout: pass its to_dense()"),
        (layout and x.is_quantized, "a quantized tensor: pass its dequantize()"),
        ("strided" in layout and x.is_nested, "a nested tensor of strided layout: pass one of layout=torch.jagged"),
    )
    return next((text for odd, text in found if odd), "")
