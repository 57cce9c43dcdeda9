"""What a pass over the classes accumulates.

Each has outer states, which last for the row, and inner ones for a stretch of it that starts from neutral states and
joins the outer ones: so float32 sums are widened now and then, and several stretches can be under way at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.formula.expr import Expr

States = list[Value]
OverLanes = Callable[[Value, Callable[[Value, Value], Value]], Value]


class Reducer(Protocol):
    """``x`` is the row that is reduced."""

    x: Expr
    first: States

    def neutral(self) -> States: ...

    def add(self, states: States, x: Value, mask: Value | None) -> States: ...

    def join(self, outer: States, inner: States) -> States: ...

    def result(self, states: States, over_lanes: OverLanes) -> Value: ...


class Sum:
    """A sum over the classes: float32 stretches in float64, others with what rounding took away, where it counts."""

    def __init__(self, e: Emitter, x: Expr) -> None:
        self.e, self.x = e, x
        self.first = [e.lift(0.0, "double")] * (1 if e.float.name == "float" or e.coarse else 2)

    def neutral(self) -> States:
        return [self.e.lift(0.0)]

    def add(self, states: States, x: Value, mask: Value | None) -> States:
        x = x if mask is None else self.e.where(mask, x, 0.0)
        # what is 0 may be left out, whatever its sign: from +0 on no sum becomes -0
        return [self.e.instruction(x.type, f"fadd nsz {self.e.vector(x.type)} {states[0]}, {x}")]

    def join(self, outer: States, inner: States) -> States:
        x = self.e.to_float(inner[0], "double")
        total = outer[0] + x
        if len(outer) == 1:
            return [total]
        back = total - outer[0]
        return [total, outer[1] + ((outer[0] - (total - back)) + (x - back))]  # Knuth 1969: exact

    def result(self, states: States, over_lanes: OverLanes) -> Value:
        total = over_lanes(states[0], lambda a, b: a + b)
        if len(states) == 2:
            lost = over_lanes(states[1], lambda a, b: a + b)
            total = self.e.where(lost.eq(lost), total + lost, total)  # beside an infinity what was lost is NaN
        return self.e.to_float(total, self.e.float.name)


class Count:
    """In how many classes a condition holds; whole numbers that every float holds exactly."""

    def __init__(self, e: Emitter, x: Expr) -> None:
        self.e, self.x = e, x
        self.first = [e.lift(0.0)]

    def neutral(self) -> States:
        return self.first

    def add(self, states: States, x: Value, mask: Value | None) -> States:
        return [self.e.where(x if mask is None else x & mask, states[0] + 1.0, states[0])]

    def join(self, outer: States, inner: States) -> States:
        return [outer[0] + inner[0]]

    def result(self, states: States, over_lanes: OverLanes) -> Value:
        return over_lanes(states[0], lambda a, b: a + b)


class Max:
    """The largest over the classes."""

    def __init__(self, e: Emitter, x: Expr) -> None:
        self.e, self.x = e, x
        self.first = [e.lift(-math.inf)]

    def neutral(self) -> States:
        return self.first

    def add(self, states: States, x: Value, mask: Value | None) -> States:
        return [self._larger(states[0], x if mask is None else self.e.where(mask, x, -math.inf))]

    def join(self, outer: States, inner: States) -> States:
        return [self._larger(outer[0], inner[0])]

    def result(self, states: States, over_lanes: OverLanes) -> Value:
        return over_lanes(states[0], self._larger)

    def _larger(self, a: Value, b: Value) -> Value:
        return self.e.where(b > a, b, a)


REDUCERS: dict[str, Callable[[Emitter, Expr], Reducer]] = {"sum": Sum, "max": Max, "count": Count}
