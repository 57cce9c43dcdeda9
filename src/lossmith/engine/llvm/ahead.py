"""Asking memory for the rows of features to come, while those at hand are worked on.

As a rule each row is asked for where it lies, into the first cache, when those at hand are looked at first. Where that
waits for few lines at a time, and rows follow each other without a gap, they are asked for line after line, into the
second cache, at the second look: it finds the rows at hand in the first, so nothing else waits. Of wide rows, and of
columns, a half is asked for at the first look, or memory would be idle for that long.
"""

from __future__ import annotations

from enum import Enum

from lossmith.engine.llvm.emit import BYTES, LINE, Emitter
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.spec import Spec

_AHEAD, _AHEAD_IN_ORDER, _AHEAD_OF_GAPS = 8192, 16384, 32768  # bytes from what is read to what is asked for


class Look(Enum):
    """Which look at the rows at hand it is."""

    ONLY, FIRST, SECOND = range(3)


def ask(e: Emitter, spec: Spec, row: str, stride: str, at: str, look: Look) -> None:
    """For as much as a vector of each of so many rows as there are lanes, while theirs from feature ``at`` on are read.

    ``row``: where the first of them begins, and ``stride``: bytes from one to the next.
    """
    type_ = Stored(spec.matrix).type
    if spec.far and not spec.gaps:
        first = e.address(row, e.integer("mul", at, e.lanes), type_)
        bytes_ = e.lanes * e.lanes * BYTES[type_]
        for line in _lines(bytes_, bytes_ // 2 if spec.wide else 0, look):
            e.prefetch(e.address(first, _AHEAD_IN_ORDER + line, "i8"), write=False, level=2)
    elif look is not Look.SECOND:
        ahead, level = (_AHEAD_OF_GAPS, 2) if spec.far else (_AHEAD, 1)
        for k in range(e.lanes):
            place = e.address(e.address(row, e.integer("mul", stride, k), "i8"), at, type_)
            e.prefetch(e.address(place, ahead, "i8"), write=False, level=level)


def ask_column(e: Emitter, spec: Spec, place: str, rows: int, look: Look) -> None:
    """For as many numbers of a column as are worked on together, ``rows``, while those from ``place`` on are read."""
    bytes_ = rows * BYTES[Stored(spec.matrix).type]
    steps, level = (3, 2) if spec.far else (1, 1)
    for line in _lines(bytes_, bytes_ // 2 if spec.far else bytes_, look):
        e.prefetch(e.address(place, steps * bytes_ + line, "i8"), write=False, level=level)


def _lines(bytes_: int, first: int, look: Look) -> range:
    """Where the lines begin that are asked for at this look, if ``first`` of the bytes are asked for at the first."""
    begin, end = {Look.ONLY: (0, bytes_), Look.FIRST: (0, first), Look.SECOND: (first, bytes_)}[look]
    return range(begin, end, LINE)
