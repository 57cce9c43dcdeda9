"""Denormal numbers where NumPy computes: libraries that switch them off for speed do so for all of a thread.

Kernels set the mode by themselves; this is for the checked road, whose arithmetic is NumPy's.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TINY = 5e-324
_DEFAULT = ctypes.c_void_p(-1)  # glibc's FE_DFL_ENV
_ROOM = 256  # bytes, more than any processor's fenv_t


@contextmanager
def denormals() -> Iterator[None]:
    """Inside, this thread computes with denormals, as it is by default; outside, as it was."""
    library = None if _TINY * 1.0 else _library()
    if library is None:
        yield
        return
    theirs = ctypes.create_string_buffer(_ROOM)
    library.fegetenv(theirs)
    library.fesetenv(_DEFAULT)
    try:
        yield
    finally:
        library.fesetenv(theirs)


@functools.cache
def _library() -> Any:
    """The C library, if it is glibc: others have another default environment."""
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "fesetenv") else None
