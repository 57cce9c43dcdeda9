"""Three passes over long rows, done at once: the last of one row, the middle one of the next, the first of a third.

Reading the third row and writing the first past the caches wait for memory, what is computed in between does not. At
every place the output of the first row is written from the numbers that it kept there; then the second row's are kept
in their stead; then the third row's numbers are looked at.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from lossmith.engine.llvm.block import Loaded, unless
from lossmith.engine.llvm.control import choose, loop, when
from lossmith.engine.llvm.emit import BYTES, MASK, Value
from lossmith.engine.llvm.memory import Slot
from lossmith.engine.llvm.plan import Pass, Plan
from lossmith.engine.llvm.reducers import States
from lossmith.engine.llvm.rows import Place, Sweep
from lossmith.formula.expr import Expr
from lossmith.record import replace

if TYPE_CHECKING:
    from lossmith.engine.llvm.along import Along

_LINE = 64  # bytes of a cache line, and of a vector: half a line takes as long to write


def can_stagger(plan: Plan) -> bool:
    """Whether the first pass only looks for largest numbers, and the last needs no more than the middle one kept."""
    if len(plan.passes) != 3 or any(one.plain is None or one.backward for one in plan.passes):
        return False
    return _can_come(plan.passes[0]) and _can_wait(*plan.passes[1:])


def _can_come(first: Pass) -> bool:
    """Whether places may be looked at twice and in any order, with no more known of the sample than its inputs."""
    ends = {arg for node in first.order for arg in node.args} | {first.plain.exception if first.plain else None}
    given = all(node is None or node.row or not node.args for node in ends)
    return given and not first.keeps and not first.outputs and all(node.op == "max" for node in first.reductions)


def _can_wait(middle: Pass, last: Pass) -> bool:
    """Whether, but for the exceptional class, the last pass needs no more of the classes than what was kept."""
    order = last.plain.order if last.plain else ()
    computed = all(node.args or not node.row for node in order)  # others are inputs, or the index
    return computed and not last.reductions and len(last.outputs) == 1 and set(last.loads) <= set(middle.keeps)


class Staggered:
    """The passes, and in memory of the stack the row that waits for its last pass, and what the next one's first found.

    What waits is written by whole cache lines, which begin some classes after the vectors of the row; what they leave
    at either end of it is written at once. So is the vector of the exceptional class, but that is written again when
    the last pass has gone over it as if there were no such class.
    """

    def __init__(self, view: Along) -> None:
        self.view, self.e = view, view.e
        self._first, _, self.last = view.rows.plan.passes
        (self.root,) = self.last.outputs
        self.stored = view.stored(self.root)
        self.furthest = self.e.integer("sub", view.classes, self.e.lanes)
        self.exceptional = Slot(self.e, self.stored.type)
        self.good = Slot(self.e, MASK)
        self.good.put(self.e.lift(1, MASK))
        self._slots: dict[object, Slot] = {}
        self._begun: list[Slot] = []
        self._written, self._knows = self.e.room("ptr"), self.e.room("i1")
        self.e.line(f"store ptr null, ptr {self._written}")  # none waits
        self.e.line(f"store i1 false, ptr {self._knows}")

    def walk(self, sweep: Sweep) -> States:
        """One of the three passes."""
        (number,) = (k for k, one in enumerate(self.view.rows.plan.passes) if one is sweep.one)
        return (self._begin, self._middle, self._wait)[number](sweep)

    def _begin(self, sweep: Sweep) -> States:
        """The first pass, unless it was done beside the middle one of the row before."""
        self._begun = [Slot(self.e, state.type) for state in sweep.first()]
        knows = self.e.fresh(f"load i1, ptr {self._knows}")
        return choose(self.e, knows, lambda: [slot.get() for slot in self._begun], lambda: self.view.walk(sweep))

    def _wait(self, sweep: Sweep) -> States:
        """Instead of the last pass: what is done of it at once, and what it will need."""
        e, view, states = self.e, self.view, sweep.first()
        written, special = view.written[self.root], self.around(sweep)
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

    def _middle(self, sweep: Sweep) -> States:
        """The middle pass; where a row waits, together with the last one of that and the first of the next."""

        def three() -> States:
            waiting, coming = _Waiting(self, sweep.loaded), _Coming(self.view, self._first)
            trio = _Trio(sweep, waiting, coming)
            own, late, early = trio.apart(self.view.walk(trio))
            waiting.end(late)
            for slot, state in zip(self._begun, coming.end(early, self.view.exceptional(sweep)), strict=True):
                slot.put(state)
            self.e.line(f"store i1 true, ptr {self._knows}")
            return own

        return choose(self.e, self._waits(), three, lambda: self.view.walk(sweep))

    def finish(self, good: Value | None) -> Value | None:
        """After the last row of a block, which waits for none."""

        def rest(_: States) -> States:
            waiting = _Waiting(self, self._loaded)
            stop = self.e.integer("add", waiting.furthest, 1)
            waiting.end(loop(self.e, "0", stop, self.e.lanes, waiting.sweep.first(), waiting.vector))
            return []

        when(self.e, self._waits(), [], rest)
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

    def _waits(self) -> str:
        return self.e.fresh(f"icmp ne ptr {self.written()}, null")

    def _slot(self, name: object, type_: str) -> Slot:
        if name not in self._slots:
            self._slots[name] = Slot(self.e, type_)
        return self._slots[name]


def _masks(loaded: Loaded) -> dict[str, Value]:
    return {name: x for name in ("weight", "keep") if (x := getattr(loaded, name)) is not None}


class _Waiting:
    """The last pass of the row that waits."""

    def __init__(self, late: Staggered, loaded: Loaded) -> None:
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
        """How many classes of the row lie before its first whole cache line; 0 where it goes through the caches."""
        if self.late.stored.type != self.e.float.name:
            return "0"
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


class _Coming:
    """The first pass of the next row, or of this one again where none is left."""

    def __init__(self, view: Along, first: Pass) -> None:
        self.e = e = view.e
        self.view = copy.copy(view)
        self.view.first = e.smaller(e.integer("add", view.first, 1), e.integer("sub", "%stop", 1))
        self.view.enter("0")
        loaded = self.view.loaded("1")
        given = view.block.invariants | {node: self.view.spilled(x)("0") for node, x in loaded.values.items()}
        good, checked = e.lift(1, MASK), view.spec.checked
        self.sweep = Sweep(view.rows, self.view, first, given, loaded, good if checked else None, check_inputs=checked)
        self._exceptional = self.view.exceptional(self.sweep)

    def at(self, at: str, states: States) -> States:
        elsewhere = self.e.integer("icmp ne", at, self._exceptional)
        place = self.view.place(at)
        return when(self.e, elsewhere, states, lambda states: self.sweep.at(place, states, plain=True))

    def end(self, states: States, passed: str) -> States:
        """The exceptional places, this row's too, and the incomplete one."""
        for at in (self._exceptional, passed):
            states = self.view.special(self.sweep, at, states)
        return self.view.rest(self.sweep, states)


class _Trio(Sweep):
    """A pass, and at every whole place before it the last pass of the row that waits, after it the first of the next.

    The exceptional vector comes last, when what waits in its place is overwritten in part: there that is done before.
    """

    def __init__(self, sweep: Sweep, waiting: _Waiting, coming: _Coming) -> None:
        vars(self).update(vars(sweep))
        self._waiting, self._coming = waiting, coming
        self._passed = waiting.at(waiting.view.exceptional(sweep), waiting.sweep.first())

    def apart(self, states: States) -> tuple[States, States, States]:
        """The pass's own states, those of the row that waits, and those of the one that comes."""
        early = len(states) - len(self._coming.sweep.first())
        late = early - len(self._passed)
        return states[:late], states[late:early], states[early:]

    def first(self) -> States:
        return super().first() + self._passed + self._coming.sweep.first()

    def neutral(self, outer: States) -> States:
        own, late, early = self.apart(outer)
        return super().neutral(own) + self._waiting.sweep.neutral(late) + self._coming.sweep.neutral(early)

    def join(self, outer: States, inner: States) -> States:
        joins = super().join, self._waiting.sweep.join, self._coming.sweep.join
        parts = zip(joins, self.apart(outer), self.apart(inner), strict=True)
        return [state for join, outside, inside in parts for state in join(outside, inside)]

    def at(self, place: Place, states: States, *, plain: bool = False) -> States:
        own, late, early = self.apart(states)
        late = self._waiting.at(place.at, late) if plain else late
        own = super().at(place, own, plain=plain)
        return own + late + (self._coming.at(place.at, early) if plain else early)
