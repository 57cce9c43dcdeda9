"""Kernels of row formulas: passes over the classes, which a view lays across the lanes or along the row.

``Across`` handles several rows at once, one per lane, class by class; ``Along`` one row, vectors of its classes. What a
pass computes is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from lossmith.engine.llvm.block import Array, Block, Loaded, unless
from lossmith.engine.llvm.domains import inside
from lossmith.engine.llvm.emit import Emitter, Value
from lossmith.engine.llvm.lower import INDEX, lowered
from lossmith.engine.llvm.nodes import compute
from lossmith.engine.llvm.plan import SCANS, Pass, Plan
from lossmith.engine.llvm.spec import Input, Output, Spec
from lossmith.formula.expr import Expr, apply, leaf

States = list[Value]
Body = Callable[["Place", States], States]
ROW_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Place:
    """Where in a row a pass is: the first class, its number (in every lane, or counting up), lanes with a class."""

    at: str
    index: Value
    mask: Value | None


class View(Protocol):
    """How the classes of a row meet the lanes of a vector."""

    def sweep(self, one: Pass, states: States, body: Body) -> States:
        """Run the body for every place."""

    def input(self, given: Input, place: Place) -> Value: ...

    def vector(self, name: str, place: Place) -> Value: ...

    def at_class(self, x: Expr, y: Value) -> Value: ...

    def keep(self, node: Expr, place: Place, x: Value) -> None: ...

    def kept(self, node: Expr, place: Place) -> Value: ...

    def write(self, root: Expr, place: Place, x: Value, loaded: Loaded) -> None: ...

    def write_sample(self, output: Output, array: Array, x: Value, loaded: Loaded, index: str) -> None: ...

    def over_lanes(self, x: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """A reduction over the lanes that hold classes of one row, in every lane."""

    def scan(self, x: Value, carry: Value, *, backward: bool) -> tuple[Value, Value]:
        """(running sums including each class, the carry for the next place), in float64."""


class Rows:
    """A row formula, lowered and planned."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        simplex = [g.name for g in spec.inputs if spec.checked and g.row and g.domain is not None and g.domain.simplex]
        totals = tuple(apply("sum", leaf("input", name, row=True)) for name in simplex)
        found = lowered(spec.roots + totals)
        self.roots, self.totals = found[: len(spec.roots)], found[len(spec.roots) :]
        self.block = Block(spec, found)
        self.plan = Plan(found, set(self.block.invariants))

    def one(self, view: View, loaded: Loaded, index: str, states: States) -> States:
        """One row, or one per lane: all passes, then what has one number per sample. States: sums and flags."""
        return _OneRow(self, view, loaded).run(index, states)


class _OneRow:
    def __init__(self, rows: Rows, view: View, loaded: Loaded) -> None:
        self.rows, self.view, self.loaded = rows, view, loaded
        self.block, self.plan, self.e = rows.block, rows.plan, rows.block.e

    def run(self, index: str, states: States) -> States:
        block, spec, loaded = self.block, self.rows.spec, self.loaded
        values = {**block.invariants, **loaded.values}
        good = self.e.lift(1, "i1") if spec.checked else None
        for number, one in enumerate(self.plan.passes):
            self._samples(one.before, values)
            good = self._pass(one, values, good, check_inputs=spec.checked and number == 0)
        self._samples(self.plan.after, values)
        results = {k: values[root] for k, root in enumerate(self.rows.roots) if not root.row}
        for output, array in zip(spec.outputs, block.outputs, strict=True):
            if not output.row:
                self.view.write_sample(output, array, results[output.roots[0]], loaded, index)
        sums = [total + block.counted(results[k], loaded) for k, total in zip(spec.sums, states, strict=False)]
        if good is None:
            return sums
        totals = [self.e.abs(values[total] - 1.0) <= ROW_TOLERANCE for total in self.rows.totals]
        legal = [unless(loaded.keep, condition) for condition in (good, *totals)]
        unseen = [x for k, x in results.items() if k not in spec.sums]  # NaN in a sum is seen there
        return [*sums, block.checked(states[-1], replace(loaded, legal=[*loaded.legal, *legal]), unseen)]

    def _samples(self, nodes: tuple[Expr, ...], values: dict[Expr, Value]) -> None:
        for node in nodes:
            if node.op == "at_class":
                values[node] = self.view.at_class(node.args[0], values[node.args[1]])
            else:
                values[node] = compute(self.e, node, values)

    def _pass(self, one: Pass, values: dict[Expr, Value], good: Value | None, *, check_inputs: bool) -> Value | None:
        e, view = self.e, self.view
        sums = [_REDUCERS[node.op](e, node.args[0]) for node in one.reductions]
        scans = {node: None for node in one.order if node.op in SCANS}
        flags = check_inputs or (good is not None and bool(one.outputs))
        states = [state for found in sums for state in found.first]
        width = len(states)
        states += [e.lift(0.0, "double") for _ in scans]
        if flags and good is not None:
            states.append(good)

        def body(place: Place, states: States) -> States:
            mask = place.mask
            here = {node: view.kept(node, place) for node in one.loads}
            carries = dict(zip(scans, states[width:], strict=False))
            for node in one.order:
                if node in scans:
                    here[node], carries[node] = self._scan(node, {**values, **here}, carries[node], mask)
                elif node in values:
                    here[node] = values[node]
                else:
                    here[node] = self._row(node, values, here, place)
            for node in one.keeps:
                view.keep(node, place, here[node])
            for node in one.outputs:
                view.write(node, place, here[node], self.loaded)
            found: States = []
            at = 0
            for total in sums:
                new = total.join(states[at : at + len(total.first)], here[total.x], mask)
                found += new
                at += len(new)
            found += [carries[node] for node in scans]
            if flags:
                conditions = [here[node].ordered(here[node]) for node in one.outputs]
                if check_inputs:
                    conditions += self._legal(place)
                seen = states[-1]
                for condition in conditions:
                    seen = seen & unless(mask, condition)
                found.append(seen)
            return found

        states = view.sweep(one, states, body)
        at = 0
        for node, total in zip(one.reductions, sums, strict=True):
            values[node] = total.result(states[at : at + len(total.first)], view)
            at += len(total.first)
        return states[-1] if flags else good

    def _row(
        self, node: Expr, values: dict[Expr, Value], here: dict[Expr, Value], place: Place
    ) -> Value:
        if node is INDEX:
            return place.index
        if node.op == "input":
            (given,) = (g for g in self.rows.spec.inputs if g.row and g.name == node.data)
            return self.view.input(given, place)
        if node.op == "param":
            return self.view.vector(node.data, place)
        return compute(self.e, node, {arg: here[arg] if arg in here else values[arg] for arg in node.args})

    def _scan(
        self, node: Expr, values: dict[Expr, Value], carry: Value, mask: Value | None
    ) -> tuple[Value, Value]:
        x = self.e.to_float(values[node.args[0]], "double")
        if mask is not None:
            x = self.e.where(mask, x, 0.0)
        found, carry = self.view.scan(x, carry, backward=node.op == "reverse_cumsum")
        return self.e.to_float(found, self.e.float.name), carry

    def _legal(self, place: Place) -> list[Value]:
        found = []
        for given in self.rows.spec.inputs:
            if given.row and given.domain is not None:
                x = self.view.input(given, place)
                found += inside(self.e, given.domain, x, None, is_whole=False) or [x.ordered(x)]
        return found


class Sum:
    """A sum over the classes: float32 terms in float64, float64 terms with what rounding took away."""

    def __init__(self, e: Emitter, x: Expr) -> None:
        self.e, self.x = e, x
        self.first = [e.lift(0.0, "double")] * (1 if e.float.name == "float" else 2)

    def join(self, states: States, x: Value, mask: Value | None) -> States:
        x = self.e.to_float(x, "double")
        if mask is not None:
            x = self.e.where(mask, x, 0.0)
        total = states[0] + x
        if len(states) == 1:
            return [total]
        back = total - states[0]
        return [total, states[1] + ((states[0] - (total - back)) + (x - back))]  # Knuth 1969: exact

    def result(self, states: States, view: View) -> Value:
        total = view.over_lanes(states[0], lambda a, b: a + b)
        if len(states) == 2:
            lost = view.over_lanes(states[1], lambda a, b: a + b)
            total = self.e.where(lost.eq(lost), total + lost, total)  # beside an infinity what was lost is NaN
        return self.e.to_float(total, self.e.float.name)


class Count:
    """In how many classes a condition holds; whole numbers that every float holds exactly."""

    def __init__(self, e: Emitter, x: Expr) -> None:
        self.e, self.x = e, x
        self.first = [e.lift(0.0)]

    def join(self, states: States, x: Value, mask: Value | None) -> States:
        return [self.e.where(x if mask is None else x & mask, states[0] + 1.0, states[0])]

    def result(self, states: States, view: View) -> Value:
        return view.over_lanes(states[0], lambda a, b: a + b)


class Max:
    """The largest over the classes."""

    def __init__(self, e: Emitter, x: Expr) -> None:
        self.e, self.x = e, x
        self.first = [e.lift(-float("inf"))]

    def join(self, states: States, x: Value, mask: Value | None) -> States:
        if mask is not None:
            x = self.e.where(mask, x, -float("inf"))
        return [self.e.where(x > states[0], x, states[0])]

    def result(self, states: States, view: View) -> Value:
        return view.over_lanes(states[0], lambda a, b: self.e.where(b > a, b, a))


_REDUCERS: dict[str, Callable[[Emitter, Expr], Sum | Max | Count]] = {"sum": Sum, "max": Max, "count": Count}
