"""From arrays to a finished kernel: the job, the threads, the block sums."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import numpy as np

from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import pointwise, pool
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.across import Across
from lossmith.engine.llvm.along import Along
from lossmith.engine.llvm.frame import ADDED
from lossmith.engine.llvm.nodes import cost
from lossmith.engine.llvm.spec import BLOCK, NEVER, Spec

_PARALLEL = 100_000.0  # nanoseconds of predicted work from which a second thread pays
_BREATH = 20_000_000.0  # nanoseconds of predicted work after which a kernel lets Python see its signals


class Kernel:
    """Machine code for one spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._library = machine.load(source(spec), ("kernel",))  # the code lives as long as this
        self.address = self._library.addresses["kernel"]
        self.function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(self.address)
        self._nanoseconds = cost(spec.roots)  # per number
        self.alone = int(_PARALLEL / self._nanoseconds)  # so many numbers are no work for two threads
        limits = np.finfo(spec.float)
        self.smallest, self.largest = float(limits.tiny), float(limits.max)  # of a scale that keeps its digits
        self._sums = len(spec.sums)

    def job(self, arrays: bytes, parameters: int, count: int, classes: int, scale: float, sums: int) -> bytes:
        """The words of a job; ``sums`` is the address where the blocks' sums go."""
        step = rows_per_block(self.spec, classes)
        blocks = -(-count // step)
        turn = max(1, int(_BREATH / (self._nanoseconds * step * classes)))
        fixed = (0, *_LINE, NEVER, *_LINE, 0, count, blocks, turn, sums, parameters, classes, step, scale)
        return _HEAD.pack(*fixed) + arrays

    def run(
        self, arrays: bytes, parameters: int, count: int, classes: int = 1, scale: float = 1.0, divisor: float = 1.0
    ) -> list[float] | None:
        """The sums, one per root that is summed, by the divisor; None where the data must be looked at again.

        That is so when something is illegal, and when a sum overflows.

        ``arrays`` holds, for every array, the words of its address and its two strides.
        """
        blocks = -(-count // rows_per_block(self.spec, classes))
        size = _HEAD.size + len(arrays)
        memory = bytearray(size + 8 * blocks * self._sums)
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        memory[:size] = self.job(arrays, parameters, count, classes, scale, base + size)
        if blocks == 1:
            self.function(base)
        else:
            helpers = min(pool.thread_count(), blocks) - 1 if count * classes > self.alone else 0
            pool.run(self.function, base, helpers, lambda: _WORD.pack_into(memory, 8 * job.STOP, 1))
        if _WORD.unpack_from(memory, 8 * job.BAD)[0] != NEVER:
            return None
        return _added(memory, size, base + size, blocks, self._sums, divisor)


_HEAD = struct.Struct(f"={job.SCALE}qd")
_WORD = struct.Struct("=q")
_LINE = (0,) * 7  # the rest of a cache line


@cache
def _adder() -> Callable[[int, int, int, float], float]:
    library = machine.load(ADDED, ("added",))
    function = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_double)
    adder = function(library.addresses["added"])
    adder.library = library  # type: ignore[attr-defined]  # lives as long as the function
    return adder


def _added(memory: bytearray, start: int, address: int, blocks: int, sums: int, divisor: float) -> list[float] | None:
    """The sums of the blocks' sums, divided; None if they are not finite."""
    if (blocks == 1 and divisor == 1.0) or not sums:
        found = list(struct.unpack_from(f"={sums}d", memory, start))
    else:  # in machine code, which sets aside whatever mode another library has left numbers in
        found = [_adder()(address + 8 * k, blocks, sums, divisor) for k in range(sums)]
    return found if all(map(math.isfinite, found)) else None


def rows_per_block(spec: Spec, classes: int) -> int:
    """How many samples a thread claims at once: the same for every call, so that sums are."""
    if spec.classes is None:
        return BLOCK
    whole = max(1, BLOCK // classes)
    return whole if whole < 16 else whole // 16 * 16


_MOST_ACROSS = 48  # from here on lanes along the row are faster, and compiling the classes in is slow
_LONG = 1024  # numbers per row that several rows' worth of are too many for the nearest caches


def row_layout(classes: int) -> dict[str, Any]:
    """How rows are worked on. By the number of classes alone, so that a row has the same bits in any batch."""
    return {"classes": classes if classes <= _MOST_ACROSS else 0, "long": classes > _LONG}


def source(spec: Spec) -> str:
    """The IR of the kernel."""
    if spec.classes is None:
        return pointwise.text(spec)
    return Across(spec).text() if spec.classes else Along(spec).text()


@lru_cache(maxsize=1024)
def kernel(spec: Spec) -> Kernel:
    return Kernel(spec)
