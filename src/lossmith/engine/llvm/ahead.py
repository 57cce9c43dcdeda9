"""Asking memory for the rows of features to come, while those at hand are worked on.

As a rule each row is asked for where it lies, into the first cache. Where that waits for few lines at a time, and rows
follow each other without a gap, they are asked for line after line, far ahead, into the second.
"""

from __future__ import annotations

from lossmith.engine.llvm.emit import Emitter
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.spec import Spec

_NEAR, _FAR = 8192, 32768  # bytes from what is read to what is asked for


def ask(e: Emitter, spec: Spec, row: str, stride: str, at: str) -> None:
    """For as much as a vector of each of so many rows as there are lanes, while theirs from feature ``at`` on are read.

    ``row``: where the first of them begins, and ``stride``: bytes from one to the next.
    """
    type_ = Stored(spec.matrix).type
    if spec.far and not spec.gaps:
        next_rows = e.address(row, e.integer("mul", stride, e.lanes - 1), "i8")  # before the last row is begun
        first = e.address(next_rows, e.integer("mul", at, e.lanes), type_)
        places = [e.address(first, k * e.lanes, type_) for k in range(e.lanes)]
    else:
        rows = [e.address(row, e.integer("mul", stride, k), "i8") for k in range(e.lanes)]
        places = [e.address(each, at, type_) for each in rows]
    for place in places:
        e.prefetch(e.address(place, _FAR if spec.far else _NEAR, "i8"), write=False, level=2 if spec.far else 1)
