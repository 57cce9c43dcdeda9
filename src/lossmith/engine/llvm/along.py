"""Many classes: one row after the other, vectors of its classes, the number of classes known when it runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.block import Array, Loaded
from lossmith.engine.llvm.control import loop, when
from lossmith.engine.llvm.emit import MASK, Value
from lossmith.engine.llvm.lower import INDEX
from lossmith.engine.llvm.memory import Slot, Stored
from lossmith.engine.llvm.nodes import CHEAP
from lossmith.engine.llvm.reducers import States
from lossmith.engine.llvm.rows import Found, Place, Rows, Sweep
from lossmith.engine.llvm.spec import Input, Output, Spec
from lossmith.engine.llvm.staggered import Staggered, can_stagger
from lossmith.formula.expr import Expr
from lossmith.record import replace

_CHUNK = 32  # vectors whose sums are added up before they join the sums of the row
_NEAR = 8192  # bytes of the rows that are worked on together
_SOON = 64  # vectors ahead: about a page of memory
_SEVERAL = 4  # vectors at a time where there is little to compute: the next need not wait for the last


def _shifted(number: Value, by: int) -> Value:
    return number + by if by else number


class Along:
    """The view of one row in vectors of classes."""

    def __init__(self, spec: Spec) -> None:
        self.rows = Rows(spec)
        self.spec, self.block, self.e = spec, self.rows.block, self.rows.block.e
        e = self.e
        self.classes = self.block.integer(job.CLASSES)
        self.whole = e.integer("and", self.classes, -e.lanes)
        self.output = {
            self.rows.roots[o.roots[0]]: (o, a) for o, a in zip(spec.outputs, self.block.outputs, strict=True)
        }
        self.borrowed = {} if spec.streamed else self._borrowed()
        self.together = "1" if spec.long else self._together()
        self.allocated = {node: self._allocate() for node in self.rows.plan.kept if node not in self.borrowed}
        for pointer in self.allocated.values():
            self._give_up_without(pointer)
        self.staggered = Staggered(self) if spec.streamed and can_stagger(self.rows.plan) else None
        self.past_caches = job.STREAM if spec.streamed and self.staggered is None else 0  # alignment in bytes

    def _together(self) -> str:
        """How many rows a pass goes through before the next does: so few that they stay in the nearest cache.

        By the number of classes alone, as what is added up of them lies in lanes.
        """
        e = self.e
        few = e.integer("udiv", _NEAR // e.float.bytes, self.classes)
        return e.smaller(e.larger(few, 2), e.lanes)

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
        """Memory for the rows that are worked on together, given back when the block is done."""
        self.e.declare("ptr @malloc(i64)")
        size = self.e.integer("mul", self.e.integer("add", self.classes, self.e.lanes), self.e.float.bytes)
        return self.e.fresh(f"call ptr @malloc(i64 {self.e.integer('mul', size, self.together)})")

    def _give_up_without(self, pointer: str) -> None:
        """No memory: the block says so by its flag."""
        e = self.e
        refuse, proceed = e.fresh_label("refuse"), e.fresh_label("proceed")
        e.line(f"br i1 {e.fresh(f'icmp eq ptr {pointer}, null')}, label %{refuse}, label %{proceed}")
        e.label(refuse)
        e.line("ret i1 true")
        e.label(proceed)

    def text(self) -> str:
        e, spec = self.e, self.spec
        step = self.block.integer(job.STEP)

        def part(first: str, flags: States) -> States:
            stop = e.smaller(e.integer("add", first, step), "%stop")
            states = [*(e.lift(0.0, "double") for _ in spec.sums), *flags]
            states = loop(e, first, stop, self.together, states, partial(self._rows, stop))
            number = e.integer("sdiv", e.integer("sub", first, "%start"), step)
            self.block.put(states[: len(spec.sums)], number)
            return states[len(spec.sums) :]

        flags = loop(e, "%start", "%stop", step, [e.lift(1, MASK)] if spec.checked else [], part)
        good = flags[0] if flags else None
        if self.staggered is not None:
            good = self.staggered.finish(good)
        for pointer in self.allocated.values():
            e.declare("void @free(ptr)")
            e.line(f"call void @free(ptr {pointer})")
        return self.block.finish([], good)

    def _rows(self, stop: str, index: str, states: States) -> States:
        """Numbers per sample lie in lanes, a row in each; the passes go through the rows one by one."""
        self.first = index
        self.count = self.e.smaller(self.e.integer("sub", stop, index), self.together)
        return self.rows.one(self, self.loaded(self.count), index, states)

    def loaded(self, count: str) -> Loaded:
        """The numbers per sample of so many rows from the first on."""
        e = self.e
        lanes = e.first_lanes(count)
        last = e.integer("sub", e.integer("add", self.first, count), 1)

        def take(array: Array, stored: Stored) -> Value:
            return memory.load(e, stored, array.base, array.stride, self.first, lanes, last)

        return self.block.load(take, lanes)

    # the view ---------------------------------------------------------------------------------------------------------

    def run(self, sweep: Sweep) -> Found:
        e = self.e
        samples = {node: self.spilled(sweep.values[node]) for node in sweep.samples}
        weight = None if sweep.loaded.weight is None else self.spilled(sweep.loaded.weight)
        keep = None if sweep.loaded.keep is None else self.spilled(sweep.loaded.keep)
        results = {node: e.room(e.float.name) for node in sweep.one.reductions}
        well = None if sweep.good is None else e.room("i32")

        def row(number: str, _: States) -> States:
            self.enter(number)
            values = self.block.invariants | {node: pick(number) for node, pick in samples.items()}
            own = replace(
                sweep.loaded,
                weight=None if weight is None else weight(number),
                keep=None if keep is None else keep(number),
            )
            here = sweep.elsewhere(values, own, None if well is None else e.lift(1, MASK))
            reduced, good = here.found((self.staggered or self).walk(here), self._over_lanes)
            for node, value in reduced.items():
                e.line(f"store {value.type} {e.first_lane(value)}, ptr {e.address(results[node], number, value.type)}")
            if well is not None and good is not None:
                bits = e.fresh(f"bitcast {e.vector(MASK)} {good} to i{e.lanes}")
                all_well = e.fresh(f"sext i1 {e.fresh(f'icmp eq i{e.lanes} {bits}, -1')} to i32")
                e.line(f"store i32 {all_well}, ptr {e.address(well, number, 'i32')}")
            return []

        loop(e, "0", self.count, 1, [], row)
        found = {node: e.load(slot, e.float.name) for node, slot in results.items()}
        if well is None or sweep.good is None:
            return found, None
        return found, sweep.good & e.load(well, "i32").ne(0)

    def spilled(self, x: Value) -> Callable[[str], Value]:
        """Lanes in memory, and what takes one of them into every lane."""
        slot = Slot(self.e, x.type)
        slot.put(x)
        return slot.lane

    def enter(self, number: str) -> None:
        """Where the row with this number lies."""
        e = self.e
        start = e.integer("mul", e.integer("add", self.first, number), self.classes)
        self.inputs = {
            given.name: e.address(array.base, start, given.stored.type)
            for given, array in self.block.inputs.items()
            if given.row
        }
        self.written = {
            root: e.address(array.base, start, self.stored(root).type)
            for root, (output, array) in self.output.items()
            if output.row
        }
        own = e.integer("mul", e.integer("add", self.classes, e.lanes), number)
        self.kept_rows = {node: e.address(pointer, own, e.float.name) for node, pointer in self.allocated.items()}
        self.kept_rows |= {node: self.written[root] for node, root in self.borrowed.items()}

    def walk(self, sweep: Sweep) -> States:
        states = sweep.first()
        if sweep.one.backward:
            return self._backward(sweep, self.rest(sweep, states))
        if sweep.exception is None or not self.spec.long:
            return self.rest(sweep, self._stretch(sweep, "0", self.whole, states, plain=False))
        return self.rest(sweep, self._around_exception(sweep, states))

    def _around_exception(self, sweep: Sweep, states: States) -> States:
        """The vector that holds the exceptional class by itself; before and after it there is nothing to ask."""
        e = self.e
        start = self.exceptional(sweep)
        end = e.smaller(e.integer("add", start, e.lanes), self.whole)

        def side(number: str, states: States) -> States:
            after = e.integer("icmp ne", number, 0)
            first = e.fresh(f"select i1 {after}, i64 {end}, i64 0")
            stop = e.fresh(f"select i1 {after}, i64 {self.whole}, i64 {start}")
            return self._stretch(sweep, first, stop, states, plain=True)

        return self.special(sweep, start, loop(e, "0", "2", 1, states, side))

    def exceptional(self, sweep: Sweep) -> str:
        """Where the whole vector that holds the exceptional class starts, or the incomplete one."""
        return self.e.smaller(self.e.integer("and", self._class_number(sweep.exception), -self.e.lanes), self.whole)

    def special(self, sweep: Sweep, start: str, states: States) -> States:
        """The exceptional class's vector, unless it is the incomplete one."""

        def vector(states: States) -> States:
            return sweep.join(states, sweep.at(self.place(start), sweep.neutral(states)))

        return when(self.e, self.e.integer("icmp slt", start, self.whole), states, vector)

    def _stretch(self, sweep: Sweep, first: str, stop: str, states: States, *, plain: bool) -> States:
        """Whole vectors, in chunks whose states join those of the row; light work several vectors at a time."""
        e, width = self.e, self.e.lanes
        order = sweep.one.plain.order if plain and sweep.one.plain else sweep.one.order
        several = 1 if sweep.scans or any(node.args and node.op not in CHEAP for node in order) else _SEVERAL

        counting = any(node is INDEX for node in order)

        def vectors(first: str, stop: str, states: States, count: int) -> States:
            def step(index: str, states: States) -> States:
                number, inner = states[:counting], states[counting:]
                size = len(inner) // count
                found = [x + count * width for x in number]
                if several == 1 and (self.spec.long or not self.spec.far):
                    self._prefetch(index)
                for k in range(count):
                    at = e.integer("add", index, k * width) if k else index
                    place = Place(at, partial(_shifted, number[0], k * width), None) if counting else self.place(at)
                    found += sweep.at(place, inner[k * size : (k + 1) * size], plain=plain)
                return found

            number = [self.place(first).index()] if counting else []  # goes along: to make it anew takes four steps
            inner = [state for _ in range(count) for state in sweep.neutral(states)]
            found = loop(e, first, stop, count * width, [*number, *inner], step)[counting:]
            size = len(found) // count
            for k in range(count):
                states = sweep.join(states, found[k * size : (k + 1) * size])
            return states

        def chunk(index: str, states: States) -> States:
            end = e.smaller(e.integer("add", index, _CHUNK * width), stop)
            if several == 1:
                return vectors(index, end, states, 1)
            many = e.integer("sub", end, index)
            middle = e.integer("add", index, e.integer("and", many, -several * width))
            return vectors(middle, end, vectors(index, middle, states, several), 1)

        return loop(e, first, stop, _CHUNK * width, states, chunk)

    def _prefetch(self, index: str) -> None:
        """While there is much to compute, the same place of the next row is brought from memory.

        Where that row is read already, what is read soon is brought nearer. Processors that look far themselves find
        short rows, and what is written.
        """
        e, level = self.e, 2 if self.staggered is None else 1
        soon = 0 if self.staggered is None else _SOON * e.lanes
        next_rows = e.integer("mul", self.classes, self.together)
        there = e.integer("add", e.integer("add", next_rows, soon), index)
        for name, pointer in self.inputs.items():
            (stored,) = (given.stored for given in self.spec.inputs if given.name == name)
            e.prefetch(e.address(pointer, there, stored.type), write=False, level=level)
        for root, pointer in () if self.spec.streamed or self.spec.far else self.written.items():
            e.prefetch(e.address(pointer, there, self.stored(root).type), write=True, level=level)

    def _backward(self, sweep: Sweep, states: States) -> States:
        e = self.e

        def step(index: str, states: States) -> States:
            at = e.integer("sub", e.integer("sub", self.whole, e.lanes), index)
            return sweep.join(states, sweep.at(self.place(at), sweep.neutral(states)))

        return loop(e, "0", self.whole, e.lanes, states, step)

    def rest(self, sweep: Sweep, states: States) -> States:
        """The classes of the last, incomplete vector."""
        e = self.e
        rest = e.integer("sub", self.classes, self.whole)

        def tail(states: States) -> States:
            place = self.place(self.whole, e.first_lanes(rest))
            return sweep.join(states, sweep.at(place, sweep.neutral(states)))

        return when(e, e.integer("icmp ne", rest, 0), states, tail)

    def place(self, at: str, mask: Value | None = None) -> Place:
        e = self.e

        def numbers() -> Value:
            first = e.splat(e.fresh(f"trunc i64 {at} to i32"), "i32")
            return e.convert("sitofp", first + e.lane_numbers("i32"), e.float.name)

        return Place(at, numbers, mask)

    def input(self, given: Input, place: Place) -> Value:
        pointer = self.e.address(self.inputs[given.name], place.at, given.stored.type)
        raw = self.e.load(pointer, given.stored.type, place.mask)
        return memory.to_float(self.e, given.stored, raw, self.e.float.name)

    def vector(self, name: str, place: Place) -> Value:
        type_ = self.e.float.name
        return self.e.load(self.e.address(self.block.vectors[name].base, place.at, type_), type_, place.mask)

    def _class_number(self, y: Value | None) -> str:
        """The class that every lane of y names, as a place in the row; 0 where there is no such class."""
        e = self.e
        assert y is not None
        count = e.convert("sitofp", e.splat(e.fresh(f"trunc i64 {self.classes} to i32"), "i32"), e.float.name)
        legal = e.where((y >= 0.0) & (y < count), y, 0.0)
        return e.fresh(f"sext i32 {e.first_lane(e.convert('fptosi', legal, 'i32'))} to i64")

    def at_class(self, x: Expr, y: Value) -> Value:
        """One number of each row; of class 0 where there is no such class."""
        e, type_ = self.e, self.e.float.name
        classes, found = self.spilled(y), e.room(type_)

        def row(number: str, _: States) -> States:
            self.enter(number)
            place = self._class_number(classes(number))
            if x.op == "param":
                value = e.load_splat(e.address(self.block.vectors[x.data].base, place, type_), type_)
            else:
                (stored,) = (given.stored for given in self.spec.inputs if given.name == x.data)
                raw = e.load_splat(e.address(self.inputs[x.data], place, stored.type), stored.type)
                value = memory.to_float(e, stored, raw, type_)
            e.line(f"store {type_} {e.first_lane(value)}, ptr {e.address(found, number, type_)}")
            return []

        loop(e, "0", self.count, 1, [], row)
        return e.load(found, type_) + 0.0  # as a sum, which is never -0

    def _kept_at(self, node: Expr, place: Place) -> str:
        return self.e.address(self.kept_rows[node], place.at, self.e.float.name)

    def keep(self, node: Expr, place: Place, x: Value) -> None:
        self.e.store(x, self._kept_at(node, place), place.mask)

    def kept(self, node: Expr, place: Place) -> Value:
        return self.e.load(self._kept_at(node, place), self.e.float.name, place.mask)

    def write(self, root: Expr, place: Place, x: Value, loaded: Loaded) -> None:
        stored = self.stored(root)
        pointer = self.e.address(self.written[root], place.at, stored.type)
        x = self.block.weighted(x, loaded)
        if self.past_caches and place.mask is None and stored.type == x.type:
            self.e.stream(x, pointer, self.past_caches)
        else:
            memory.store(self.e, stored.dtype, x, pointer, place.mask)

    def stored(self, root: Expr) -> Stored:
        return Stored(self.output[root][0].dtype)

    def write_sample(self, output: Output, array: Array, x: Value, loaded: Loaded, index: str) -> None:
        self.block.write(output, array, [x], loaded, index, index)

    def _over_lanes(self, x: Value, combine: Callable[[Value, Value], Value]) -> Value:
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
