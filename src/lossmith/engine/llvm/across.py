"""Few classes: as many rows at once as a vector has lanes, one lane each, class by class through tiles in cache.

The classes are compiled in. A short last tile reaches back over rows that are already done and computes them again, to
the same bits; only their sums are not counted twice. So there have to be at least as many rows as lanes.
"""

from __future__ import annotations

from typing import TypeAlias

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.block import Array, Loaded
from lossmith.engine.llvm.control import loop
from lossmith.engine.llvm.emit import MASK, Emitter, Value
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.reducers import States
from lossmith.engine.llvm.rows import Found, Place, Rows, Sweep
from lossmith.engine.llvm.spec import Input, Output, Spec
from lossmith.formula.expr import Expr
from lossmith.lazy import cached_property

_COMPARED = 16  # up to so many classes, comparing with each is faster than fetching the number of one, lane by lane


class _Memory:
    """One vector per class, in memory of the stack."""

    def __init__(self, e: Emitter, classes: int) -> None:
        self.e, self.base = e, e.room(e.float.name, -(-classes // e.lanes) * e.lanes)

    def at(self, place: str | int) -> str:
        return self.e.address(self.base, place, self.e.vector(self.e.float.name))

    def put(self, place: str | int, x: Value) -> None:
        self.e.store(x, self.at(place))

    def get(self, place: str | int) -> Value:
        return self.e.load(self.at(place), self.e.float.name)


class _Registers:
    """One vector per class, by name: there are so few that every place is known when the kernel is written."""

    def __init__(self) -> None:
        self._vectors: dict[str, Value] = {}

    def put(self, place: str | int, x: Value) -> None:
        self._vectors[str(place)] = x

    def get(self, place: str | int) -> Value:
        return self._vectors[str(place)]


Tile: TypeAlias = _Memory | _Registers


class Across:
    """The view of rows in lanes."""

    def __init__(self, spec: Spec) -> None:
        self.rows = Rows(spec)
        self.spec, self.block, self.e = spec, self.rows.block, self.rows.block.e
        self.classes = spec.classes or 0
        self.few = self.classes <= job.FEW
        self.inputs = {given.name: self._tile() for given in spec.inputs if given.row}
        self.kept_tiles = {node: self._tile() for node in self.rows.plan.kept}
        self.numbers = self._numbers_of_classes()
        self.written = {self.rows.roots[o.roots[0]]: self._tile() for o in spec.outputs if o.row}

    def _numbers_of_classes(self) -> str:
        """0, 1 ... in every lane, in memory: read where they are compared with, they cost nothing."""
        if not self.few:
            vector = self.e.vector(self.e.float.name)
            numbers = ", ".join(f"{vector} {self.e.lift(float(k))}" for k in range(self.classes))
            self.e.declarations.add(f"@numbers = private constant [{self.classes} x {vector}] [{numbers}], align 64")
        return "@numbers"

    def _tile(self) -> Tile:
        return _Registers() if self.few else _Memory(self.e, self.classes)

    def text(self) -> str:
        e, spec = self.e, self.spec
        self.furthest = e.integer("sub", self.block.integer(job.COUNT), e.lanes)
        states = [e.lift(0.0, "double") for _ in spec.sums] + ([e.lift(1, MASK)] if spec.checked else [])
        states = loop(e, "%start", "%stop", e.lanes, states, self._tile_of_rows)
        return self.block.finish(states[: len(spec.sums)], states[-1] if spec.checked else None)

    def _tile_of_rows(self, wanted: str, states: States) -> States:
        e = self.e
        index = e.smaller(wanted, self.furthest)
        again = e.splat(e.fresh(f"trunc i64 {e.integer('sub', wanted, index)} to i32"), "i32")
        lanes = e.lane_numbers("i32") >= again

        def take(array: Array, stored: Stored) -> Value:
            return memory.load(e, stored, array.base, array.stride, index, None, "")

        loaded = self.block.load(take, lanes)
        for given, array in self.block.inputs.items():
            if given.row:
                self._fill(self.inputs[given.name], given.stored, array, index)
        states = self.rows.one(self, loaded, index, states)
        for output, array in zip(self.spec.outputs, self.block.outputs, strict=True):
            if output.row:
                self._empty(self.written[self.rows.roots[output.roots[0]]], output, array, index)
        return states

    # rows to tiles and back -------------------------------------------------------------------------------------------

    def _fill(self, tile: Tile, stored: Stored, array: Array, index: str) -> None:
        e = self.e
        if not stored.dense:
            for k in range(self.classes):
                raw = e.load(self._class_pointer(array, stored.type, index, k), stored.type)
                tile.put(k, memory.to_float(e, stored, raw, e.float.name))
            return
        if self.few:
            grouped = Stored(stored.dtype, group=self.classes)
            for k, raw in enumerate(memory.load_group(e, grouped, array.base, index, None)):
                tile.put(k, memory.to_float(e, stored, raw, e.float.name))
            return
        for first, mask in self._columns():
            pointers = self._row_pointers(array, stored.type, index, first)
            for lane, pointer in enumerate(pointers):
                tile.put(first + lane, memory.to_float(e, stored, e.load(pointer, stored.type, mask), e.float.name))
            self._turn(tile, first)

    def _empty(self, tile: Tile, output: Output, array: Array, index: str) -> None:
        e, dtype = self.e, output.dtype
        if not output.dense:
            for k in range(self.classes):
                memory.store(e, dtype, tile.get(k), self._class_pointer(array, Stored(dtype).type, index, k), None)
            return
        if self.few:
            members = [tile.get(k) for k in range(self.classes)]
            memory.store_group(e, dtype, members, array.base, index, None)
            return
        for first, mask in self._columns():
            pointers = self._row_pointers(array, Stored(dtype).type, index, first)
            self._turn(tile, first)
            for lane, pointer in enumerate(pointers):
                memory.store(e, dtype, tile.get(first + lane), pointer, mask)

    def _turn(self, tile: Tile, first: int) -> None:
        """Rows in a tile become columns, or columns rows, from vector ``first`` on, as many as there are lanes.

        By a function of its own: written out wherever it is needed it would be most of what is compiled.
        """
        assert isinstance(tile, _Memory)
        self.e.declarations.add(self._turned)
        self.e.line(f"call void @turn(ptr {tile.at(first)})")

    @cached_property
    def _turned(self) -> str:
        return _turn(self.e)

    def _columns(self) -> list[tuple[int, Value | None]]:
        """(first class, lanes that hold a class) of vectors along a row.

        The lanes are compared with what the job says: of a constant mask, LLVM 22 makes stores of 16-bit numbers that
        write beyond it.
        """
        e = self.e
        count = e.splat(e.fresh(f"trunc i64 {self._class_count()} to i32"), "i32")
        found: list[tuple[int, Value | None]] = []
        for first in range(0, self.classes, e.lanes):
            whole = first + e.lanes <= self.classes
            lanes = e.constants([first + lane for lane in range(e.lanes)], "i32")
            found.append((first, None if whole else lanes < count))
        return found

    def _class_count(self) -> str | int:
        return self.block.integer(job.CLASSES)

    def _row_pointers(self, array: Array, type_: str, index: str, first: int) -> list[str]:
        e = self.e
        start = e.address(array.base, e.integer("mul", index, self.classes), type_)
        return [e.address(start, lane * self.classes + first, type_) for lane in range(e.lanes)]

    def _class_pointer(self, array: Array, type_: str, index: str, k: int) -> str:
        """Where the numbers of a class lie beside each other."""
        e = self.e
        return e.address(e.address(array.base, e.integer("mul", array.class_stride, k), "i8"), index, type_)

    # the view ---------------------------------------------------------------------------------------------------------

    def run(self, sweep: Sweep) -> Found:
        def step(at: str, states: States) -> States:
            place = Place(at, lambda: self._number(at), None)
            return sweep.join(states, sweep.at(place, sweep.neutral(states)))

        def counted(index: str, states: States) -> States:
            return step(self.e.integer("sub", self.classes - 1, index) if sweep.one.backward else index, states)

        states = sweep.first()
        if self.few:
            for k in reversed(range(self.classes)) if sweep.one.backward else range(self.classes):
                states = step(str(k), states)
        else:
            states = loop(self.e, "0", str(self.classes), 1, states, counted)
        return sweep.found(states, lambda x, _: x)

    def _number(self, at: str) -> Value:
        if self.few:
            return self.e.lift(float(at))
        return self.e.load(self.e.address(self.numbers, at, self.e.vector(self.e.float.name)), self.e.float.name)

    def input(self, given: Input, place: Place) -> Value:
        return self.inputs[given.name].get(place.at)

    def vector(self, name: str, place: Place) -> Value:
        return self._number_of_class(name, place.at)

    def _number_of_class(self, name: str, place: str | int) -> Value:
        type_ = self.e.float.name
        return self.e.load_splat(self.e.address(self.block.vectors[name].base, place, type_), type_)

    def at_class(self, x: Expr, y: Value) -> Value:
        """By comparing with every class where there are few; else one number at a time."""
        if self.classes <= _COMPARED:
            found = self.e.lift(0.0)
            for k in range(self.classes):
                here = self._number_of_class(x.data, k) if x.op == "param" else self.inputs[x.data].get(k)
                found = self.e.where(y.eq(float(k)), here, found)
        else:
            found = self._gathered(x, y)
        return found + 0.0  # as a sum, which is never -0

    def _gathered(self, x: Expr, y: Value) -> Value:
        e, type_, tile = self.e, self.e.float.name, self.inputs.get(x.data)
        legal = e.where((y >= 0.0) & (y < float(self.classes)), y, 0.0)
        places = e.convert("fptosi", legal, "i32")
        result = "poison"
        for lane in range(e.lanes):
            number = e.fresh(f"extractelement {e.vector('i32')} {places}, i64 {lane}")
            place = e.fresh(f"sext i32 {number} to i64")
            if isinstance(tile, _Memory):
                pointer = e.address(tile.at(place), lane, type_)
            else:
                pointer = e.address(self.block.vectors[x.data].base, place, type_)
            scalar = e.load_scalar(pointer, type_)
            result = e.fresh(f"insertelement {e.vector(type_)} {result}, {type_} {scalar}, i64 {lane}")
        return Value(e, result, type_)

    def keep(self, node: Expr, place: Place, x: Value) -> None:
        self.kept_tiles[node].put(place.at, x)

    def kept(self, node: Expr, place: Place) -> Value:
        return self.kept_tiles[node].get(place.at)

    def write(self, root: Expr, place: Place, x: Value, loaded: Loaded) -> None:
        self.written[root].put(place.at, self.block.weighted(x, loaded))

    def write_sample(self, output: Output, array: Array, x: Value, loaded: Loaded, index: str) -> None:
        self.block.write(output, array, [x], loaded, index, None)

    def scan(self, x: Value, carry: Value, *, backward: bool) -> tuple[Value, Value]:
        total = carry + x
        return total, total


def _turn(around: Emitter) -> str:
    """The function ``turn(square)``: transposes a square of numbers in memory."""
    e = Emitter(around.float, avx512=around.avx512)
    pointers = [e.address("%square", k, e.vector(e.float.name)) for k in range(e.lanes)]
    for row, pointer in zip(turned(e, [e.load(p, e.float.name) for p in pointers]), pointers, strict=True):
        e.store(row, pointer)
    return "\n".join(["define internal void @turn(ptr %square) noinline {", "entry:", *e.lines, "  ret void", "}"])


def turned(e: Emitter, rows: list[Value]) -> list[Value]:
    """The columns of a square of rows, by exchanging ever smaller squares."""
    distance = e.lanes // 2
    while distance:
        new = list(rows)
        for i in range(e.lanes):
            if not i & distance:
                a, b = rows[i], rows[i + distance]
                low = [k if not k & distance else e.lanes + k - distance for k in range(e.lanes)]
                high = [k + distance if not k & distance else e.lanes + k for k in range(e.lanes)]
                new[i], new[i + distance] = e.shuffle(a, b, low), e.shuffle(a, b, high)
        rows = new
        distance //= 2
    return rows
