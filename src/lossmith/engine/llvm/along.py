"""Many classes: one row after the other, vectors of its classes, the number of classes known when it runs."""

from __future__ import annotations

from collections.abc import Callable

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.block import Array, Loaded
from lossmith.engine.llvm.control import loop, when
from lossmith.engine.llvm.emit import MASK, Value
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.plan import Pass
from lossmith.engine.llvm.rows import Body, Place, Rows, States
from lossmith.engine.llvm.spec import Input, Output, Spec
from lossmith.formula.expr import Expr


class Along:
    """The view of one row in vectors of classes."""

    def __init__(self, spec: Spec) -> None:
        self.rows = Rows(spec)
        self.spec, self.block, self.e = spec, self.rows.block, self.rows.block.e
        e = self.e
        self.classes = self.block.integer(job.CLASSES)
        self.whole = e.integer("and", self.classes, -e.lanes)
        self.output = {self.rows.roots[o.roots[0]]: (o, a) for o, a in zip(spec.outputs, self.block.outputs, strict=True)}
        borrowed = self._borrowed()
        self.allocated = {node: self._allocate() for node in self.rows.plan.kept if node not in borrowed}
        self.borrowed = borrowed
        first = [1] + [0] * (e.lanes - 1)
        self.first_lane = e.constants(first, MASK)

    def _borrowed(self) -> dict[Expr, Expr]:
        """Kept rows that lie in an output until it is written: each number is read before its place is."""
        found: dict[Expr, Expr] = {}
        passes = self.rows.plan.passes
        for node in self.rows.plan.kept:
            last = max(k for k, one in enumerate(passes) if node in set(one.loads))
            for root, (output, _) in self.output.items():
                wide = {"float": "float32", "double": "float64"}[self.e.float.name]
                free = output.row and output.dtype == wide and root not in set(found.values())
                if free and root in set(passes[last].outputs) and not passes[last].backward:
                    found[node] = root
                    break
        return found

    def _allocate(self) -> str:
        """Memory for one row, given back when the block is done."""
        self.e.declare("ptr @malloc(i64)")
        size = self.e.integer("mul", self.e.integer("add", self.classes, self.e.lanes), self.e.float.bytes)
        return self.e.fresh(f"call ptr @malloc(i64 {size})")

    def text(self) -> str:
        e, spec = self.e, self.spec
        states = [e.lift(0.0, "double") for _ in spec.sums] + ([e.lift(1, MASK)] if spec.checked else [])
        states = loop(e, "%start", "%stop", 1, states, self._row)
        for pointer in self.allocated.values():
            e.declare("void @free(ptr)")
            e.line(f"call void @free(ptr {pointer})")
        return self.block.finish(states[: len(spec.sums)], states[-1] if spec.checked else None)

    def _row(self, index: str, states: States) -> States:
        e = self.e
        start = e.integer("mul", index, self.classes)
        self.inputs = {
            given.name: e.address(array.base, start, given.stored.type)
            for given, array in self.block.inputs.items()
            if given.row
        }
        self.written = {
            root: e.address(array.base, start, Stored(output.dtype).type)
            for root, (output, array) in self.output.items()
            if output.row
        }
        self.kept_rows = {
            **self.allocated,
            **{node: self.written[root] for node, root in self.borrowed.items()},
        }

        def take(array: Array, stored: Stored) -> Value:
            pointer = e.address(array.base, e.integer("mul", index, array.stride), "i8")
            return e.splat(e.fresh(f"load {stored.type}, ptr {pointer}, align 1"), stored.type)

        return self.rows.one(self, self.block.load(take, self.first_lane), index, states)

    # the view ---------------------------------------------------------------------------------------------------------

    def sweep(self, one: Pass, states: States, body: Body) -> States:
        e = self.e
        rest = e.integer("sub", self.classes, self.whole)
        first = e.lane_numbers("i32")

        def numbers(at: str) -> Value:
            return e.convert("sitofp", e.splat(e.fresh(f"trunc i64 {at} to i32"), "i32") + first, e.float.name)

        def tail(states: States) -> States:
            left = e.splat(e.fresh(f"trunc i64 {rest} to i32"), "i32")
            return body(Place(self.whole, numbers(self.whole), e.lane_numbers("i32") < left), states)

        def step(index: str, states: States) -> States:
            at = e.integer("sub", e.integer("sub", self.whole, e.lanes), index) if one.backward else index
            number = states[-1]
            onward = -float(e.lanes) if one.backward else float(e.lanes)
            return [*body(Place(at, number, None), states[:-1]), number + onward]

        def vectors(states: States) -> States:
            start = numbers(e.integer("sub", self.whole, e.lanes) if one.backward else "0")
            return loop(e, "0", self.whole, e.lanes, [*states, start], step)[:-1]

        def end(states: States) -> States:
            return when(e, e.integer("icmp ne", rest, 0), states, tail)

        return vectors(end(states)) if one.backward else end(vectors(states))

    def input(self, given: Input, place: Place) -> Value:
        pointer = self.e.address(self.inputs[given.name], place.at, given.stored.type)
        raw = self.e.load(pointer, given.stored.type, place.mask)
        return memory.to_float(self.e, given.stored, raw, self.e.float.name)

    def vector(self, name: str, place: Place) -> Value:
        type_ = self.e.float.name
        return self.e.load(self.e.address(self.block.vectors[name].base, place.at, type_), type_, place.mask)

    def at_class(self, x: Expr, y: Value) -> Value:
        """One number of the row; of class 0 where there is no such class."""
        e, type_ = self.e, self.e.float.name
        count = e.convert("sitofp", e.splat(e.fresh(f"trunc i64 {self.classes} to i32"), "i32"), type_)
        legal = e.where((y >= 0.0) & (y < count), y, 0.0)
        place = e.fresh(f"sext i32 {e.first_lane(e.convert('fptosi', legal, 'i32'))} to i64")
        if x.op == "param":
            pointer = e.address(self.block.vectors[x.data].base, place, type_)
            return e.splat(e.load_scalar(pointer, type_), type_)
        (stored,) = (given.stored for given in self.spec.inputs if given.name == x.data)
        raw = e.splat(e.load_scalar(e.address(self.inputs[x.data], place, stored.type), stored.type), stored.type)
        return memory.to_float(e, stored, raw, type_)

    def _kept_at(self, node: Expr, place: Place) -> str:
        return self.e.address(self.kept_rows[node], place.at, self.e.float.name)

    def keep(self, node: Expr, place: Place, x: Value) -> None:
        self.e.store(x, self._kept_at(node, place), place.mask)

    def kept(self, node: Expr, place: Place) -> Value:
        return self.e.load(self._kept_at(node, place), self.e.float.name, place.mask)

    def write(self, root: Expr, place: Place, x: Value, loaded: Loaded) -> None:
        output, _ = self.output[root]
        pointer = self.e.address(self.written[root], place.at, Stored(output.dtype).type)
        memory.store(self.e, output.dtype, self.block.weighted(x, loaded), pointer, place.mask)

    def write_sample(self, output: Output, array: Array, x: Value, loaded: Loaded, index: str) -> None:
        self.block.write(output, array, [x], loaded, index, index)

    def over_lanes(self, x: Value, combine: Callable[[Value, Value], Value]) -> Value:
        e = self.e
        distance = e.lanes // 2
        while distance:
            x = combine(x, e.shuffle(x, x, [lane ^ distance for lane in range(e.lanes)]))
            distance //= 2
        return e.splat(e.first_lane(x), x.type)  # of +0 and -0 the lanes may hold either

    def scan(self, x: Value, carry: Value, *, backward: bool) -> tuple[Value, Value]:
        e = self.e
        zero = e.lift(0.0, x.type)
        distance = 1
        while distance < e.lanes:
            step = distance if backward else -distance
            inside = [lane + step if 0 <= lane + step < e.lanes else e.lanes for lane in range(e.lanes)]
            x = x + e.shuffle(x, zero, inside)
            distance *= 2
        total = x + carry
        return total, e.shuffle(total, total, [0 if backward else e.lanes - 1] * e.lanes)
