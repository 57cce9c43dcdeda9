"""Features of a column beside each other: rows in lanes, several vectors of them at a time.

So many that their part of a column is worth going there for, and so few that the second look at them finds them in the
nearest caches.
"""

from __future__ import annotations

from lossmith.engine.llvm.ahead import Look, ask_column
from lossmith.engine.llvm.block import across
from lossmith.engine.llvm.control import States, loop
from lossmith.engine.llvm.emit import Value
from lossmith.engine.llvm.linear import LANES, Linear

_VECTORS = 16


class Columns(Linear):
    step = _VECTORS * LANES

    def rows(self, index: str, states: States, *, whole: bool) -> States:
        e = self.e
        self._firsts = [e.integer("add", index, k * e.lanes) for k in range(_VECTORS)]
        self._masks = [None if whole else self.there(first) for first in self._firsts]
        scores, pulls = e.room("double", _VECTORS), e.room("double", _VECTORS)
        products = loop(e, "0", self.features, 1, [e.lift(0.0, "double")] * _VECTORS, self._products)
        for k, product in enumerate(products):
            e.store(product, e.address(scores, k * e.lanes, "double"))

        def formula(at: str, states: States) -> States:
            first = e.integer("add", index, at)
            product = e.load(e.address(scores, at, "double"), "double")
            states, pull = self.formula(first, product, states, None if whole else self.there(first))
            e.store(pull, e.address(pulls, at, "double"))
            return states

        states = loop(e, "0", str(self.step), e.lanes, states, formula)
        each = [e.load(e.address(pulls, k * e.lanes, "double"), "double") for k in range(_VECTORS)]
        loop(e, "0", self.features, 1, [], lambda j, _: self._pull(j, each))
        return states

    def _products(self, j: str, sums: States) -> States:
        e, column = self.e, self._column(j)
        self._ask(column, Look.FIRST)
        w = self._number(self.coefficients.base, j)
        return [e.fma(x, w, total) for x, total in zip(self._part(column, j), sums, strict=True)]

    def _pull(self, j: str, each: States) -> States:
        e, place = self.e, self.e.address(self.pulled, j, "double")
        column, total = self._column(j), e.lift(0.0, "double")
        self._ask(column, Look.SECOND)
        for x, pull in zip(self._part(column, j), each, strict=True):
            total = e.fma(x, pull, total)
        sum_ = e.fresh(f"fadd double {e.load_scalar(place, 'double')}, {e.first_lane(across(e, total))}")
        e.line(f"store double {sum_}, ptr {place}")
        return []

    def _ask(self, column: str, look: Look) -> None:
        place = self.e.address(column, self._firsts[0], self.stored.type)
        ask_column(self.e, self.spec, place, self.step, look)

    def _column(self, j: str) -> str:
        return self.e.address(self.matrix.base, self.e.integer("mul", j, self.matrix.stride), "i8")

    def _part(self, column: str, j: str) -> list[Value]:
        """The rows' numbers in a column, less its centre."""
        centre = self._number(self.centre.base, j)
        pairs = zip(self._firsts, self._masks, strict=True)
        return [self.feature(self.e.address(column, first, self.stored.type), mask, centre) for first, mask in pairs]

    def _number(self, base: str, j: str) -> Value:
        return self.e.load_splat(self.e.address(base, j, "double"), "double")
