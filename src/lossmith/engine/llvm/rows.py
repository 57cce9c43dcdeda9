"""Kernels of row formulas: passes over the classes, which a view lays across the lanes or along the row.

``Across`` handles several rows at once, one per lane, class by class; ``Along`` one row, vectors of its classes. What a
pass computes is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Protocol

from lossmith.engine.llvm.block import Array, Block, Loaded, all_of, unless
from lossmith.engine.llvm.domains import inside
from lossmith.engine.llvm.emit import MASK, Value
from lossmith.engine.llvm.lower import INDEX, lowered
from lossmith.engine.llvm.nodes import compute, constant
from lossmith.engine.llvm.plan import LOOK, SCANS, Pass, Plan
from lossmith.engine.llvm.reducers import REDUCERS, OverLanes, States
from lossmith.engine.llvm.spec import Input, Output, Spec
from lossmith.formula.domains import row_tolerance
from lossmith.formula.expr import Expr, apply, leaf
from lossmith.record import Record, replace

Found = tuple[dict[Expr, Value], Value | None]


class Place(Record):
    """Where in a row a pass is: the first class, its number (in every lane, or counting up), lanes with a class."""

    at: str
    index: Callable[[], Value]
    mask: Value | None


class View(Protocol):
    """How the classes of a row meet the lanes of a vector."""

    def run(self, sweep: Sweep) -> Found:
        """Do a pass."""

    def input(self, given: Input, place: Place) -> Value: ...

    def vector(self, name: str, place: Place) -> Value: ...

    def at_class(self, x: Expr, y: Value) -> Value: ...

    def keep(self, node: Expr, place: Place, x: Value) -> None: ...

    def kept(self, node: Expr, place: Place) -> Value: ...

    def write(self, root: Expr, place: Place, x: Value, loaded: Loaded) -> None: ...

    def write_sample(self, output: Output, array: Array, x: Value, loaded: Loaded, index: str) -> None: ...

    def scan(self, x: Value, carry: Value, *, backward: bool) -> tuple[Value, Value]:
        """(running sums including each class, the carry for the next place), in float64."""


class Rows:
    """A row formula, lowered and planned."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        simplex = [g for g in spec.inputs if spec.checked and g.row and g.domain is not None and g.domain.simplex]
        self.tolerances = [row_tolerance(g.stored.dtype) for g in simplex]
        totals = tuple(apply("sum", leaf("input", g.name, row=True)) for g in simplex)
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
        passes = self.plan.passes
        if spec.checked and (not passes or passes[0].backward):
            passes = (LOOK, *passes)
        for number, one in enumerate(passes):
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
        pairs = zip(self.rows.totals, self.rows.tolerances, strict=True)
        totals = [self.e.abs(values[total] - 1.0) <= tolerance for total, tolerance in pairs]
        legal = [unless(loaded.keep, condition) for condition in (good, *totals)]
        unseen = [x for k, x in results.items() if k not in spec.sums]  # NaN in a sum is seen there
        return [*sums, all_of(states[-1], block.checks(replace(loaded, legal=[*loaded.legal, *legal]), unseen))]

    def _samples(self, nodes: tuple[Expr, ...], values: dict[Expr, Value]) -> None:
        for node in nodes:
            if node.op == "at_class":
                values[node] = self.view.at_class(node.args[0], values[node.args[1]])
            else:
                values[node] = compute(self.e, node, values)

    def _pass(self, one: Pass, values: dict[Expr, Value], good: Value | None, *, check_inputs: bool) -> Value | None:
        flags = good if check_inputs or one.outputs else None
        sweep = Sweep(self.rows, self.view, one, values, self.loaded, flags, check_inputs=check_inputs)
        reduced, seen = self.view.run(sweep)
        values.update(reduced)
        return good if seen is None else seen


class Sweep:
    """What one pass does at a place, and what it carries from place to place.

    States: those of the reducers, one per running sum, and (where something is checked) the lanes where all was well.
    """

    def __init__(
        self, rows: Rows, view: View, one: Pass, values: dict[Expr, Value], loaded: Loaded, good: Value | None, *,
        check_inputs: bool,
    ) -> None:  # fmt: skip
        self.rows, self.view, self.e = rows, view, rows.block.e
        self.one, self.values, self.loaded = one, values, loaded
        self.good, self.check_inputs = good, check_inputs
        self.reducers = [REDUCERS[node.op](self.e, node.args[0]) for node in one.reductions]
        self.scans = {node: None for node in one.order if node.op in SCANS}
        self.exception = None if one.plain is None else values[one.plain.exception]

    def elsewhere(self, values: dict[Expr, Value], loaded: Loaded, good: Value | None) -> Sweep:
        """The same pass with other numbers per sample."""
        return Sweep(self.rows, self.view, self.one, values, loaded, good, check_inputs=self.check_inputs)

    @property
    def samples(self) -> list[Expr]:
        """Numbers per sample that the pass needs, other than those that are the same for all."""
        orders = (self.one.order, self.one.plain.order if self.one.plain else ())
        needed = {arg: None for order in orders for node in order for arg in node.args if not arg.row}
        if self.one.plain is not None:
            needed[self.one.plain.exception] = None
            ends = (*self.one.keeps, *self.one.outputs, *(reducer.x for reducer in self.reducers))
            needed |= {node: None for end in ends for node in [self.one.plain.instead.get(end, end)] if not node.row}
        return [node for node in needed if node in self.values and node not in self.rows.block.invariants]

    def found(self, states: States, over_lanes: OverLanes) -> Found:
        """(what was reduced, the lanes where all was well) after the last place."""
        parts = zip(self.reducers, self.one.reductions, self.parts(states), strict=True)
        reduced = {node: reducer.result(part, over_lanes) for reducer, node, part in parts}
        return reduced, None if self.good is None else states[-1]

    def first(self) -> States:
        found = [state for reducer in self.reducers for state in reducer.first]
        found += [self.e.lift(0.0, "double") for _ in self.scans]
        return found if self.good is None else [*found, self.good]

    def neutral(self, outer: States) -> States:
        """What a stretch starts from; running sums go on."""
        found = [state for reducer in self.reducers for state in reducer.neutral()]
        found += self._carries(outer)
        return found if self.good is None else [*found, self.e.lift(1, MASK)]

    def join(self, outer: States, inner: States) -> States:
        found: States = []
        at = 0
        for reducer, part in zip(self.reducers, self.parts(outer), strict=True):
            width = len(reducer.neutral())
            found += reducer.join(part, inner[at : at + width])
            at += width
        found += inner[at : at + len(self.scans)]
        return found if self.good is None else [*found, outer[-1] & inner[-1]]

    def parts(self, outer: States) -> list[States]:
        """The outer states of each reducer."""
        ends = list(accumulate(len(reducer.first) for reducer in self.reducers))
        return [outer[end - len(r.first) : end] for end, r in zip(ends, self.reducers, strict=True)]

    def _carries(self, outer: States) -> States:
        start = sum(len(reducer.first) for reducer in self.reducers)
        return outer[start : start + len(self.scans)]

    def at(self, place: Place, states: States, *, plain: bool = False) -> States:
        """Compute a place; ``plain``: where no class is the exceptional one."""
        one, view, mask = self.one, self.view, place.mask
        here = {node: view.kept(node, place) for node in one.loads}
        widths = [len(reducer.neutral()) for reducer in self.reducers]
        carries = dict(zip(self.scans, states[sum(widths) :], strict=False))
        variant = one.plain if plain else None
        for node in one.order if variant is None else variant.order:
            if node in self.scans:
                here[node], carries[node] = self._scan(node, {**self.values, **here}, carries[node], mask)
            else:
                here[node] = self._node(node, here, place)

        def found(node: Expr) -> Value:
            node = node if variant is None else variant.instead.get(node, node)
            return here[node] if node in here else self.values[node]

        for node in one.keeps:
            view.keep(node, place, found(node))
        for node in one.outputs:
            view.write(node, place, found(node), self.loaded)
        new: States = []
        for reducer, width in zip(self.reducers, widths, strict=True):
            new += reducer.add(states[len(new) : len(new) + width], found(reducer.x), mask)
        new += [carries[node] for node in self.scans]
        if self.good is not None:
            conditions = [condition for node in one.outputs for condition in self._held(node, found(node))]
            conditions += self._legal(place) if self.check_inputs else []
            good = all_of(self.e.lift(1, MASK), conditions)
            new.append(states[-1] & unless(mask, good))
        return new

    def _node(self, node: Expr, here: dict[Expr, Value], place: Place) -> Value:
        if node in self.values:
            return self.values[node]
        if node is INDEX:
            return place.index()
        if node.op == "input":
            (given,) = (g for g in self.rows.spec.inputs if g.row and g.name == node.data)
            return self.view.input(given, place)
        if node.op == "param":
            return self.view.vector(node.data, place)
        if not node.args:
            return constant(self.e, node)
        return compute(self.e, node, {arg: here[arg] if arg in here else self.values[arg] for arg in node.args})

    def _scan(self, node: Expr, values: dict[Expr, Value], carry: Value, mask: Value | None) -> tuple[Value, Value]:
        x = self.e.to_float(values[node.args[0]], "double")
        if mask is not None:
            x = self.e.where(mask, x, 0.0)
        found, carry = self.view.scan(x, carry, backward=node.op == "reverse_cumsum")
        return self.e.to_float(found, self.e.float.name), carry

    def _held(self, root: Expr, x: Value) -> list[Value]:
        """What is asked of a row that is written: no NaN, or more."""
        spec, roots = self.rows.spec, self.rows.roots
        outputs = [output for output in spec.outputs if output.row and roots[output.roots[0]] is root]
        held = [condition for output in outputs for condition in self.rows.block.held(output, [x], self.loaded)]
        return held or [x.ordered(x)]

    def _legal(self, place: Place) -> list[Value]:
        found = []
        for given in self.rows.spec.inputs:
            if given.row and given.domain is not None:
                x = self.view.input(given, place)
                found += inside(self.e, given.domain, x, None, is_whole=False) or [x.ordered(x)]
        return found
