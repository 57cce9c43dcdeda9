"""Domain checks as masks, in the pass that computes."""

from __future__ import annotations

import math

from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.formula.domains import Domain


def outside(e: Emitter, domain: Domain, x: Value, classes: Value | None, *, is_whole: bool) -> Value | None:
    """Where a number is not in the domain. NaN never is; None where nothing else is excluded.

    ``is_whole``: it was stored as an integer.
    """
    if domain.whole and (domain.low, domain.high) == (0.0, 1.0):
        return ~(x.eq(0.0) | x.eq(1.0))
    bad: Value | None = None
    if domain.low_open or math.isfinite(domain.low):
        bad = ~(x > domain.low if domain.low_open else x >= domain.low)
    if domain.high_open or math.isfinite(domain.high):
        above = ~(x < domain.high if domain.high_open else x <= domain.high)
        bad = above if bad is None else bad | above
    if domain.kind == "class id" and classes is not None:
        above = ~(x < classes)
        bad = above if bad is None else bad | above
    if domain.excluded is not None:
        bad = ~(x.ne(domain.excluded) & x.eq(x))
    if domain.whole and not is_whole and bad is not None:
        rounding = 2.0 ** (23 if x.type == "float" else 52)  # whole domains start at 0: adding this rounds to a whole
        bad = bad | ((x + rounding - rounding).ne(x) & (x < rounding))
    return bad
