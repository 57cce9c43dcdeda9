"""Features of a row beside each other: lanes along the features, and a tree of sums that turns rows into lanes."""

from __future__ import annotations

from lossmith.engine.llvm.ahead import Look, ask
from lossmith.engine.llvm.control import States, loop
from lossmith.engine.llvm.emit import Value
from lossmith.engine.llvm.linear import LANES, Linear
from lossmith.engine.llvm.spec import Spec


class Rows(Linear):
    step = LANES

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        e = self.e
        self.whole = e.integer("and", self.features, -e.lanes)
        left = e.integer("sub", self.features, self.whole)
        self.rest = e.first_lanes(left)

    def rows(self, index: str, states: States, *, whole: bool) -> States:
        """Where fewer are left the last one stands for those that are not there."""
        e = self.e
        numbers = [e.integer("add", index, lane) for lane in range(e.lanes)]
        if not whole:
            numbers = [e.smaller(number, self.last) for number in numbers]
        rows = [e.address(self.matrix.base, e.integer("mul", n, self.matrix.stride), "i8") for n in numbers]
        states, pull = self.formula(index, self._scores(rows), states, None if whole else self.there(index))
        self._pull(rows, pull)
        return states

    def _row(self, row: str, at: str, mask: Value | None, centre: Value) -> Value:
        return self.feature(self.e.address(row, at, self.stored.type), mask, centre)

    def _scores(self, rows: list[str]) -> Value:
        e = self.e

        def products(at: str, sums: States, mask: Value | None = None) -> States:
            w, centre = (e.load(e.address(a.base, at, "double"), "double") for a in (self.coefficients, self.centre))
            ask(e, self.spec, rows[0], self.matrix.stride, at, Look.FIRST)
            return [e.fma(self._row(row, at, mask, centre), w, total) for row, total in zip(rows, sums, strict=True)]

        sums = loop(e, "0", self.whole, e.lanes, [e.lift(0.0, "double") for _ in rows], products)
        sums = loop(e, self.whole, self.features, e.lanes, sums, lambda at, sums: products(at, sums, self.rest))
        return self._turned(sums)

    def _turned(self, sums: States) -> Value:
        """The sum of each vector's lanes, that of the first vector in the first lane ..."""
        e, distance = self.e, self.e.lanes // 2
        while distance:
            pairs = list(zip(sums[:distance], sums[distance:], strict=True))
            keep = [lane if not lane & distance else e.lanes + lane - distance for lane in range(e.lanes)]
            move = [lane + distance if not lane & distance else e.lanes + lane for lane in range(e.lanes)]
            sums = [e.shuffle(a, b, keep) + e.shuffle(a, b, move) for a, b in pairs]
            distance //= 2
        return sums[0]

    def _pull(self, rows: list[str], pull: Value) -> None:
        e = self.e
        each = [e.shuffle(pull, pull, [lane] * e.lanes) for lane in range(e.lanes)]

        def features(at: str, _: States, mask: Value | None = None) -> States:
            ask(e, self.spec, rows[0], self.matrix.stride, at, Look.SECOND)
            place = e.address(self.pulled, at, "double")
            centre, total = e.load(e.address(self.centre.base, at, "double"), "double"), e.load(place, "double")
            for row, times in zip(rows, each, strict=True):
                total = e.fma(self._row(row, at, mask, centre), times, total)
            e.store(total, place)
            return []

        loop(e, "0", self.whole, e.lanes, [], features)
        loop(e, self.whole, self.features, e.lanes, [], lambda at, _: features(at, [], self.rest))
