"""The fast road of one kind of call: what its machine code is told."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lossmith.engine.llvm import pool, road
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.glue import Glue, glue
from lossmith.engine.llvm.run import Argument, Feed, Kernel, addresses, least_rows, rows_per_block

Road = Callable[..., Any]
Team = Callable[[int, int], None]


def fast(
    main: Feed, weigh: Feed | None, arguments: Sequence[Argument], inputs: int, parameters: Any, *, many: bool,
    classes: int, mean: bool, total: bool,
) -> Road | None:  # fmt: skip
    """A function of the arrays of a call, of which so many are inputs and the rest are written, to its sum or mean.

    Totals are a complex number: sum and weight. None where an argument is odd or illegal, or a result not finite.
    """
    functions = glue()
    if functions is None or len(main.sources) + len(main.vectors) > road.MOST_ARRAYS:
        return None
    if any(type(vector) is not np.ndarray for vector in main.vectors):
        return None
    about = [word for argument in arguments for word in _about(argument, functions)]
    teams = [_team(feed.kernel) for feed in (main, weigh) if feed is not None]
    first = _words(main, arguments, parameters, classes, teams[0])
    start = road.ABOUT + road.WORDS_PER_ARGUMENT * len(arguments)
    limits = (main.kernel.smallest, main.kernel.largest)
    head = struct.pack(
        f"=5q2d3q{len(about)}q", inputs, len(arguments), int(many), int(mean), int(total), *limits,
        id(np.ndarray), 0 if weigh is None else start + len(first) // 8, start, *about,
    )  # fmt: skip
    second = b"" if weigh is None else _words(weigh, arguments, parameters, classes, teams[1])
    return functions.function("call", head + first + second, (main, weigh, parameters, teams))


def _about(argument: Argument, functions: Glue) -> tuple[int, ...]:
    """The words of an array of the call."""
    dtype = functions.dtype(np.empty(0, argument.dtype))
    return dtype, int(argument.width is not None), argument.width or 1, _bytes(argument)


def _bytes(argument: Argument) -> int:
    return (argument.width or 1) * argument.dtype.itemsize


def _words(feed: Feed, arguments: Sequence[Argument], parameters: Any, classes: int, team: Team) -> bytes:
    """Those of a kernel and of the job that it is given."""
    kernel, spec = feed.kernel, feed.kernel.spec
    nowhere = bytes(8 * job.WORDS_PER_ARRAY * len(feed.sources))
    template = kernel.job(nowhere + addresses(feed.vectors), parameters.ctypes.data, 1, classes, 1.0, 0)
    sources = (*feed.sources, *(-1 for _ in feed.vectors))
    least = least_rows(spec)
    room = least * sum(_bytes(arguments[k]) for k in feed.sources)
    return struct.pack(
        f"={road.SOURCES + len(sources)}q", kernel.address, rows_per_block(spec, classes), len(spec.sums),
        least, room, kernel.alone // classes, id(team), len(sources), len(template) // 8, *sources,
    ) + template  # fmt: skip


def _team(kernel: Kernel) -> Team:
    """A function of a job's address and its number of blocks, which finishes it on as many threads as may be."""

    def run(address: int, blocks: int) -> None:
        def cancel() -> None:
            ctypes.c_int64.from_address(address + 8 * job.STOP).value = 1

        pool.run(kernel.function, address, min(pool.thread_count(), blocks) - 1, cancel)

    return run
