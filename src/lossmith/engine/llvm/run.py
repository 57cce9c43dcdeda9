"""From arrays to a finished kernel: the job, the threads, the block sums."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import pointwise, pool
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.across import Across
from lossmith.engine.llvm.along import Along
from lossmith.engine.llvm.nodes import cost
from lossmith.engine.llvm.spec import BLOCK, NEVER, Spec

Array = Any
_PARALLEL = 100_000.0  # nanoseconds of predicted work from which a second thread pays
_BREATH = 20_000_000.0  # nanoseconds of predicted work after which a kernel lets Python see its signals


class Kernel:
    """Machine code for one spec."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        library = machine.load(source(spec), ("kernel",))
        self._library = library  # the code lives as long as this
        self.address = library.addresses["kernel"]
        self.function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(self.address)
        self.nanoseconds = cost(spec.roots)  # per number
        template = np.zeros(job.ARRAYS + job.WORDS_PER_ARRAY * spec.arrays, dtype=np.int64)
        template[job.BAD] = NEVER
        self._template = template

    def run(
        self, pointers: Sequence[int], parameters: int, count: int, classes: int = 1, scale: float = 1.0
    ) -> list[float] | None:
        """The sums, one per root that is summed; None where the data must be looked at again (or a sum overflows).

        ``pointers`` holds, for every array, its address and its two strides.
        """
        spec = self.spec
        step = rows_per_block(spec, classes)
        blocks = -(-count // step)
        sums = len(spec.sums)
        head = len(self._template)
        words = np.empty(head + blocks * sums + 8, dtype=np.int64)
        words[:head] = self._template
        base = words.ctypes.data
        spent = self.nanoseconds * step * classes
        words[job.COUNT : job.STEP + 1] = (
            count, blocks, max(1, int(_BREATH / spent)), base + 8 * head, parameters, classes, step,
        )  # fmt: skip
        words[job.SCALE] = np.float64(scale).view(np.int64)
        words[job.ARRAYS : head] = pointers
        helpers = 0
        if spent * blocks > _PARALLEL and blocks > 1:
            helpers = min(pool.thread_count(), blocks) - 1
        pool.run(self.function, base, helpers, lambda: words.__setitem__(job.STOP, 1))
        if words[job.BAD] != NEVER:
            return None
        found = words[head : head + blocks * sums].view(np.float64)
        return _added(found, sums)


def _added(partial: NDArray[np.float64], sums: int) -> list[float] | None:
    """The exact sums of the blocks' sums, rounded once."""
    if len(partial) == sums:
        totals = partial.tolist()
    else:
        try:
            totals = [math.fsum(partial[k::sums].tolist()) for k in range(sums)]
        except (OverflowError, ValueError):
            return None
    return totals if all(map(math.isfinite, totals)) else None


def rows_per_block(spec: Spec, classes: int) -> int:
    """How many samples a thread claims at once: the same for every call, so that sums are."""
    if spec.classes is None:
        return BLOCK
    whole = max(1, BLOCK // classes)
    return whole if whole < 16 else whole // 16 * 16


_MOST_ACROSS = 48  # from here on lanes along the row are faster, and compiling the classes in is slow


def most_across(classes: int) -> int:
    """The number of classes to compile in; 0: known when it runs. By K alone, so that a row has the same bits anywhere."""
    return classes if classes <= _MOST_ACROSS else 0


def source(spec: Spec) -> str:
    """The IR of the kernel."""
    if spec.classes is None:
        return pointwise.text(spec)
    return Across(spec).text() if spec.classes else Along(spec).text()


@lru_cache(maxsize=1024)
def kernel(spec: Spec) -> Kernel:
    return Kernel(spec)
