"""The last pass of a long row, done while the next row is computed.

What is written past the caches waits for memory, what computes exponentials does not. So at every place the output of
the row before is written first, from the numbers that it kept there; then the next row's are kept in their stead.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from lossmith.engine.llvm.block import Loaded, unless
from lossmith.engine.llvm.control import loop, when
from lossmith.engine.llvm.emit import BYTES, MASK, Value
from lossmith.engine.llvm.memory import Slot
from lossmith.engine.llvm.plan import Plan
from lossmith.engine.llvm.reducers import States
from lossmith.engine.llvm.rows import Place, Sweep
from lossmith.formula.expr import Expr
from lossmith.record import replace

if TYPE_CHECKING:
    from lossmith.engine.llvm.along import Along

_LINE = 64  # bytes of a cache line, and of a vector: half a line takes as long to write


def can_wait(plan: Plan) -> bool:
    """Whether the last pass needs no more of a row's classes than what the pass before it kept."""
    if len(plan.passes) < 2:
        return False
    before, last = plan.passes[-2:]
    if before.plain is None or last.plain is None or last.backward or last.reductions or len(last.outputs) != 1:
        return False
    computed = all(node.args or not node.row for node in last.plain.order)  # others are inputs, or the index
    return computed and set(last.loads) <= set(before.keeps)


class Late:
    """The row that waits for the next, if any: what its last pass needs to know, in memory of the stack.

    Its output is written by whole cache lines, which begin some classes after the vectors of the row. What they leave
    at either end of the row is written at once. So is the vector of the exceptional class, but that comes again at the
    end, because the last pass goes over it as if there were no such class.
    """

    def __init__(self, view: Along) -> None:
        self.view, self.e = view, view.e
        self.before, self.last = view.rows.plan.passes[-2:]
        (self.root,) = self.last.outputs
        self.stored = view.stored(self.root)
        self.furthest = self.e.integer("sub", view.classes, self.e.lanes)
        self.exceptional = Slot(self.e, self.stored.type)
        self.good = Slot(self.e, MASK)
        self.good.put(self.e.lift(1, MASK))
        self._slots: dict[object, Slot] = {}
        self._written = self.e.room("ptr")
        self.e.line(f"store ptr null, ptr {self._written}")

    def wait(self, sweep: Sweep) -> States:
        """Instead of the last pass."""
        e, view, states = self.e, self.view, sweep.first()
        written = view.written[self.root]
        special = self.around(sweep)
        for at in ("0", self.furthest, special):
            states = sweep.join(states, sweep.at(view.place(at), sweep.neutral(states)))
        self.exceptional.put(e.load(e.address(written, special, self.stored.type), self.stored.type))
        for name, x in _masks(sweep.loaded).items():
            self._slot(name, x.type).put(x)
        for node, slot in self.numbers().items():
            slot.put(sweep.values[node])
        e.line(f"store ptr {written}, ptr {self._written}")
        self._loaded = sweep.loaded
        return states

    def beside(self, sweep: Sweep) -> States:
        """The pass before the last, and at every place first the last pass of the row that waits."""

        def both(_: States) -> States:
            waiting = _Waiting(self, sweep.loaded)
            pair = _Pair(sweep, waiting)
            own, late = pair.apart(self.view.walk(pair))
            waiting.end(late)
            return own

        states = when(self.e, self._is_any("ne"), sweep.first(), both)
        return when(self.e, self._is_any("eq"), states, lambda _: self.view.walk(sweep))

    def finish(self, good: Value | None) -> Value | None:
        """After the last row of a block, which waits for none."""

        def rest(_: States) -> States:
            waiting = _Waiting(self, self._loaded)
            stop = self.e.integer("add", waiting.furthest, 1)
            waiting.end(loop(self.e, "0", stop, self.e.lanes, waiting.sweep.first(), waiting.vector))
            return []

        when(self.e, self._is_any("ne"), [], rest)
        return None if good is None else good & self.good.get()

    def around(self, sweep: Sweep) -> str:
        """Where a vector starts that holds the exceptional class."""
        return self.e.smaller(self.view.exceptional(sweep), self.furthest)

    def numbers(self) -> dict[Expr, Slot]:
        """The numbers per sample that the last pass needs."""
        plain, float_ = self.last.plain, self.e.float.name
        assert plain is not None
        ends = [plain.exception, plain.instead.get(self.root, self.root)]
        needed = dict.fromkeys([*(arg for node in plain.order for arg in node.args), *ends])
        known = {*plain.order, *self.last.loads, *self.view.block.invariants}
        return {node: self._slot(node, MASK if node.boolean else float_) for node in needed if node not in known}

    def recalled(self, loaded: Loaded) -> Loaded:
        """What was loaded for the row that waits; ``loaded``: for any other."""
        masks = {name: self._slot(name, x.type).get() for name, x in _masks(loaded).items()}
        return replace(loaded, **masks)

    def written(self) -> str:
        return self.e.fresh(f"load ptr, ptr {self._written}")

    def _is_any(self, how: str) -> str:
        return self.e.fresh(f"icmp {how} ptr {self.written()}, null")

    def _slot(self, name: object, type_: str) -> Slot:
        if name not in self._slots:
            self._slots[name] = Slot(self.e, type_)
        return self._slots[name]


def _masks(loaded: Loaded) -> dict[str, Value]:
    return {name: x for name in ("weight", "keep") if (x := getattr(loaded, name)) is not None}


class _Waiting:
    """The last pass of the row that waits."""

    def __init__(self, late: Late, loaded: Loaded) -> None:
        self.late, self.e = late, late.e
        self.view = copy.copy(late.view)
        self.view.kept_rows = self.view.allocated
        self.view.written = {late.root: late.written()}
        self.view.past_caches = _LINE
        values = self.view.block.invariants | {node: slot.get() for node, slot in late.numbers().items()}
        good = self.e.lift(1, MASK) if self.view.spec.checked else None
        own = late.recalled(loaded)
        self.sweep = Sweep(self.view.rows, self.view, late.last, values, own, good, check_inputs=False)
        self.shift = self._shift()
        self.furthest = self.e.integer("sub", late.furthest, self.shift)

    def _shift(self) -> str:
        """How many classes of the row lie before its first whole cache line."""
        address = self.e.fresh(f"ptrtoint ptr {self.view.written[self.late.root]} to i64")
        before = self.e.integer("and", self.e.integer("sub", 0, address), _LINE - 1)
        return self.e.integer("udiv", before, BYTES[self.late.stored.type])

    def vector(self, at: str, states: States) -> States:
        return self.sweep.at(self.view.place(self.e.integer("add", at, self.shift)), states, plain=True)

    def at(self, at: str, states: States) -> States:
        """The place that belongs to one of the next row, unless the row ends before."""
        here = self.e.integer("icmp sle", at, self.furthest)
        return when(self.e, here, states, lambda states: self.vector(at, states))

    def end(self, states: States) -> None:
        """The exceptional class; and NaN counts for the row that waited."""
        late, type_ = self.late, self.late.stored.type
        pointer = self.e.address(self.view.written[late.root], late.around(self.sweep), type_)
        self.e.store(late.exceptional.get(), pointer)
        _, good = self.sweep.found(states, lambda x, _: x)
        if good is not None:
            late.good.put(late.good.get() & unless(self.sweep.loaded.keep, good))


class _Pair(Sweep):
    """A pass, and at every whole place first the last pass of the row that waits.

    The exceptional vector comes last, when what waits in its place is overwritten in part: there that is done before.
    """

    def __init__(self, sweep: Sweep, waiting: _Waiting) -> None:
        vars(self).update(vars(sweep))
        self._waiting = waiting
        self._passed = waiting.at(waiting.view.exceptional(sweep), waiting.sweep.first())

    def apart(self, states: States) -> tuple[States, States]:
        """The pass's own states, and those of the row that waits."""
        own = len(states) - len(self._passed)
        return states[:own], states[own:]

    def first(self) -> States:
        return super().first() + self._passed

    def neutral(self, outer: States) -> States:
        own, late = self.apart(outer)
        return super().neutral(own) + self._waiting.sweep.neutral(late)

    def join(self, outer: States, inner: States) -> States:
        (own, late), (own_inner, late_inner) = self.apart(outer), self.apart(inner)
        return super().join(own, own_inner) + self._waiting.sweep.join(late, late_inner)

    def at(self, place: Place, states: States, *, plain: bool = False) -> States:
        own, late = self.apart(states)
        if plain:
            late = self._waiting.at(place.at, late)
        return super().at(place, own, plain=plain) + late
