"""From arrays to a finished kernel: the job, the threads, the block sums."""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import pool
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.emit import TooLongError
from lossmith.engine.llvm.nodes import cost
from lossmith.engine.llvm.spec import BLOCK, NEVER, Spec
from lossmith.engine.reduce import FADING
from lossmith.lazy import cached_property
from lossmith.record import Record, replace

Array = Any
_PARALLEL = 300_000.0  # nanoseconds of predicted work from which a second thread pays, waking it included
_STREAMED = 1 << 23  # numbers from which results are written past the caches, where that is what takes the time:
_CHEAP = 0.65  # nanoseconds a number; or in long rows
_PARTS, _SHARES = 32, 8  # of a block at most, and blocks for each thread, where a row is written with the next one
_KERNEL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
_ADDED = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, ctypes.c_int64, ctypes.c_double)
_BREATH = 20_000_000.0  # nanoseconds of predicted work after which a kernel lets Python see its signals


class Argument(Record):
    """An array of a call: its dtype, and how many numbers a last axis of its own has, if it has one."""

    dtype: np.dtype[Any]
    width: int | None


class Kernel:
    """Machine code for one spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec = replace(spec, avx512=machine.has_avx512(), far=machine.looks_far())
        self._library = machine.load(source(spec), ("kernel", "added"))  # the code lives as long as this
        self.address = self._library.addresses["kernel"]
        self.function = _KERNEL(self.address)
        self._added = _ADDED(self._library.addresses["added"])
        self._nanoseconds = cost(spec.roots)  # per number
        self.alone = int(_PARALLEL / self._nanoseconds)  # so many numbers are no work for two threads
        limits = np.finfo(spec.float)  # of a scale that keeps its digits, and of 1 / weight where sums do
        self.smallest = float(limits.tiny) if spec.scaled else 0.0
        self.largest = min(float(limits.max) if spec.scaled else math.inf, 1 / FADING)
        writes = spec.long and all(output.row for output in spec.outputs)
        waits = spec.classes is None and self._nanoseconds < _CHEAP  # for memory, whatever it computes
        self._streams = bool(spec.outputs) and (writes or waits)
        self._sums = len(spec.sums)

    @property
    def most(self) -> float:
        """From so many numbers on there is a better kernel."""
        return _STREAMED if self._streams else math.inf

    def job(
        self, arrays: bytes, parameters: int, count: int, classes: int, scale: float, sums: int, parts: int = 1
    ) -> bytes:
        """The words of a job; ``sums`` is the address where the blocks' sums go."""
        step = rows_per_block(self.spec, classes)
        blocks = -(-count // (parts * step))
        turn = max(1, int(_BREATH / (self._nanoseconds * parts * step * classes)))
        fixed = (0, *_LINE, NEVER, *_LINE, 0, count, blocks, turn, sums, parameters, classes, step, parts, scale)
        return _HEAD.pack(*fixed) + arrays

    @cached_property
    def _finds_lines(self) -> bool:
        """Whether the kernel that writes past the caches does so in whole lines, wherever they begin."""
        from lossmith.engine.llvm.along import Along

        return Along(replace(self.spec, streamed=True)).staggered is not None

    def run(
        self, arrays: Sequence[Array], parameters: Array, count: int, classes: int = 1, scale: float = 1.0,
        divisor: float = 1.0,
    ) -> float | None:  # fmt: skip
        """The sum by the divisor (0 where nothing is summed); None where the data must be looked at again.

        That is so when something is illegal, and when a sum overflows. The arrays are in the order of the spec.
        """
        least = least_rows(self.spec)
        if count >= least:
            return self._run(arrays, parameters, count, classes, scale, divisor)
        end = len(arrays) - len(self.spec.vectors)
        padded = [_padded(array, least) for array in arrays[:end]]
        found = self._run([*padded, *arrays[end:]], parameters, count, classes, scale, divisor)
        for k in range(end - len(self.spec.outputs), end):
            arrays[k][...] = padded[k]
        return found

    def _run(
        self, arrays: Sequence[Array], parameters: Array, count: int, classes: int, scale: float, divisor: float
    ) -> float | None:
        past_caches = kernel(replace(self.spec, streamed=True)) if self._is_streamed(arrays, count, classes) else None
        if past_caches is not None:
            return past_caches._run(arrays, parameters, count, classes, scale, divisor)
        threads = pool.thread_count() if count * classes > self.alone else 1
        parts = -(-count // rows_per_block(self.spec, classes))
        together = max(1, min(_PARTS, parts // (_SHARES * threads))) if self.spec.streamed and self.spec.long else 1
        blocks = -(-parts // together)
        words = addresses(arrays)
        size = _HEAD.size + len(words)
        memory = bytearray(size + 8 * parts * self._sums)
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        memory[:size] = self.job(words, parameters.ctypes.data, count, classes, scale, base + size, together)
        used = memory, arrays, parameters

        def cancel() -> None:
            """Claim no further blocks. A thread that still works at the job keeps this, and so all that it works on."""
            _WORD.pack_into(used[0], 8 * job.STOP, 1)

        if blocks == 1:
            self.function(base)
        else:
            pool.run(self.function, base, min(threads, blocks) - 1, cancel)
        if _WORD.unpack_from(memory, 8 * job.BAD)[0] != NEVER:
            return None
        found = self._added(base + size, parts * self._sums, divisor)
        return found if math.isfinite(found) else None

    def _is_streamed(self, arrays: Sequence[Array], count: int, classes: int) -> bool:
        """Whether there is so much to write that the caches would only be in the way, and it lies well for that."""
        spec = self.spec
        if spec.streamed or count * classes < self.most:
            return False
        if spec.long and self._finds_lines:
            return True
        written = arrays[len(arrays) - len(spec.vectors) - len(spec.outputs) :][: len(spec.outputs)]
        steps = [classes * a.itemsize for a in written] if spec.long else []
        return not any(place % job.STREAM for place in (*(a.ctypes.data for a in written), *steps))


class Feed(Record):
    """A kernel, and what its arrays are: numbers of arrays of the call, then arrays that are the same for all calls."""

    kernel: Kernel
    sources: tuple[int, ...]
    vectors: tuple[Any, ...]


def _padded(array: Array, rows: int) -> Array:
    """The same samples, with copies of the first one in front of them."""
    room = np.empty((rows, *array.shape[1:]), array.dtype)
    room[: rows - len(array)] = array[:1]
    room[rows - len(array) :] = array
    return room[rows - len(array) :]


_HEAD = struct.Struct(f"={job.SCALE}qd")
_WORD, _PLACE = struct.Struct("=q"), struct.Struct(f"={job.WORDS_PER_ARRAY}q")
_LINE = (0,) * 7  # the rest of a cache line


def addresses(arrays: Sequence[Array]) -> bytes:
    """The words of a job that say where its arrays are: address, stride between samples, stride between classes."""
    return b"".join(_PLACE.pack(a.ctypes.data, *(*a.strides, 0, 0)[:2]) for a in arrays)


def least_rows(spec: Spec) -> int:
    """How many rows there must be room for: in lanes there are never fewer than lanes."""
    return spec.lanes if spec.classes else 1


def rows_per_block(spec: Spec, classes: int) -> int:
    """How many samples a thread claims at once: the same for every call, so that sums are."""
    if spec.classes is None:
        return BLOCK
    if spec.matrix:
        from lossmith.engine.llvm import linear

        return linear.rows_per_block(classes)
    whole = max(1, BLOCK // classes)
    return whole if whole < 16 else whole // 16 * 16


_LONG = 4096  # bytes of a row that several rows' worth of are too many for the nearest caches


def row_layout(classes: int, dtype: str) -> dict[str, Any]:
    """How rows are worked on. By what one row is alone, so that it has the same bits in any batch."""
    long = classes * np.dtype(dtype).itemsize > _LONG
    return {"classes": classes if classes <= job.MOST_ACROSS else 0, "long": long}


def source(spec: Spec) -> str:
    """The IR of the kernel. What writes it is imported when it is asked to: it is part of a first call's time."""
    if spec.classes is None:
        from lossmith.engine.llvm import pointwise

        return pointwise.text(spec)
    if spec.matrix:
        if spec.pulled is None:
            from lossmith.engine.llvm.linear_moments import Moments

            return Moments(spec).text()
        if spec.classes:
            from lossmith.engine.llvm.linear_several import Several

            return Several(spec).text()
        if spec.columns:
            from lossmith.engine.llvm.linear_columns import Columns

            return Columns(spec).text()
        from lossmith.engine.llvm.linear_rows import Rows

        return Rows(spec).text()
    if spec.classes:
        from lossmith.engine.llvm.across import Across

        return Across(spec).text()
    from lossmith.engine.llvm.along import Along

    return Along(spec).text()


@lru_cache(maxsize=1024)
def kernel(spec: Spec) -> Kernel | None:
    """None of a formula that is too long to compile, for as long as that is remembered."""
    try:
        return Kernel(spec)
    except TooLongError:
        return None
