"""Machine code as functions of this interpreter: they are given NumPy's arrays and look into them."""

from __future__ import annotations

import ctypes
import functools
import platform
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import road

_NEW = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
_FAST_CALL = 0x80  # METH_FASTCALL
_HEAD = object.__basicsize__


class _MethodDef(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


class Glue:
    """Machine code as functions of this interpreter."""

    def __init__(self) -> None:
        self._library = machine.load(road.text(_HEAD), ("call", "dtype"))
        self._make = _NEW(("PyCFunction_NewEx", ctypes.pythonapi))  # our own: ctypes.pythonapi's is everybody's
        addresses = self._library.addresses
        self._methods = {name: _MethodDef(name.encode(), addresses[name], _FAST_CALL, None) for name in addresses}
        self.dtype = self.function("dtype", b"", None)

    def function(self, name: str, data: bytes, keep: object) -> Callable[..., Any]:
        """A function that is given the data, and keeps something alive."""
        return self._make(ctypes.addressof(self._methods[name]), data, (self, keep))  # type: ignore[no-any-return]


@functools.cache
def glue() -> Glue | None:
    """None where interpreter or arrays are of another kind: there the other roads serve."""
    if platform.python_implementation() != "CPython" or not _arrays_lie_as_known():
        return None
    try:
        return Glue()
    except RuntimeError:  # this interpreter does not show LLVM its functions
        return None


def _arrays_lie_as_known() -> bool:
    """Whether an array that we know has in its memory what NumPy's C interface says."""
    if struct.calcsize("P") != 8 or np.ndarray.__basicsize__ < _HEAD + 7 * 8:
        return False
    array = np.zeros((3, 5), np.int16)[::2]
    data, axes, shape, strides, base, description, flags = struct.unpack(
        "=qi4x4qi", ctypes.string_at(id(array) + _HEAD, 6 * 8 + 4)
    )
    if (data, axes, base, description) != (array.ctypes.data, 2, id(array.base), id(array.dtype)):
        return False
    sizes, steps = (struct.unpack("=2q", ctypes.string_at(place, 16)) for place in (shape, strides))
    kind, byte_order, number = struct.unpack("=cxcxi", ctypes.string_at(description + _HEAD + 8, 8))
    known = (kind, byte_order, number) == (b"i", b"=", array.dtype.num)
    return known and sizes == array.shape and steps == array.strides and flags & 0x501 == 0x500
