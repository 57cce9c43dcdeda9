"""Sums of each feature, and of its square, less a number near its mean: what centres and scales it, in one read."""

from __future__ import annotations

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.ahead import Look, ask
from lossmith.engine.llvm.block import Block, across
from lossmith.engine.llvm.control import States, loop
from lossmith.engine.llvm.emit import Value
from lossmith.engine.llvm.linear import CENTRE, MATRIX, PULL, padded_in
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.spec import Spec

VECTORS = (MATRIX, CENTRE, PULL)
"""What the kernel takes beside the weights: features, and sums, (2, padded features) for each block."""
_ROWS = 8  # that are worked on together


class Moments:
    def __init__(self, spec: Spec) -> None:
        self.spec, self.block = spec, Block(spec, spec.roots)
        self.e = e = self.block.e
        self.stored = Stored(spec.matrix)
        self.matrix, self.centre, pull = (self.block.vectors[name] for name in VECTORS)
        self.features = self.block.integer(job.CLASSES)
        width = padded_in(e, self.features)
        number = e.integer("udiv", "%start", self.block.integer(job.STEP))
        self.first = e.address(pull.base, e.integer("mul", number, e.integer("mul", width, 2)), "double")
        self.second = e.address(self.first, width, "double")

    def text(self) -> str:
        e = self.e
        if self.spec.columns:
            loop(e, "0", self.features, 1, [], self._column)
        else:
            left = e.integer("urem", e.integer("sub", "%stop", "%start"), _ROWS)
            whole = e.integer("sub", "%stop", left)
            loop(e, "%start", whole, _ROWS, [], lambda at, _: self._rows(at, _ROWS))
            loop(e, whole, "%stop", 1, [], lambda at, _: self._rows(at, 1))
        return self.block.finish([], None)

    def _rows(self, index: str, count: int) -> States:
        e, type_ = self.e, self.stored.type
        numbers = [e.integer("add", index, k) for k in range(count)]
        rows = [e.address(self.matrix.base, e.integer("mul", n, self.matrix.stride), "i8") for n in numbers]
        weights = [None if self.block.weight is None else self._one(self.block.weight.base, n) for n in numbers]

        def features(at: str, _: States) -> States:
            if count > 1:
                ask(e, self.spec, rows[0], self.matrix.stride, at, Look.ONLY)
            mask = e.first_lanes(e.integer("sub", self.features, at))
            centre = e.load(e.address(self.centre.base, at, "double"), "double")
            places = [e.address(base, at, "double") for base in (self.first, self.second)]
            sums = [e.load(place, "double") for place in places]
            for row, weight in zip(rows, weights, strict=True):
                place = e.address(row, at, type_)
                sums = self._added(e.load(place, type_, mask), centre, weight, sums)
            for total, place in zip(sums, places, strict=True):
                e.store(total, place)
            return []

        return loop(e, "0", self.features, e.lanes, [], features)

    def _column(self, j: str, _: States) -> States:
        e = self.e
        column = e.address(self.matrix.base, e.integer("mul", j, self.matrix.stride), "i8")
        centre = self._one(self.centre.base, j)

        def rows(at: str, sums: States) -> States:
            mask = e.first_lanes(e.integer("sub", "%stop", at))
            weight = self.block.weight
            each = None if weight is None else e.load(e.address(weight.base, at, "double"), "double", mask)
            x = e.load(e.address(column, at, self.stored.type), self.stored.type, mask)
            return self._added(x, centre, each, sums, mask)

        sums = loop(e, "%start", "%stop", e.lanes, [e.lift(0.0, "double")] * 2, rows)
        for total, base in zip(sums, (self.first, self.second), strict=True):
            e.line(f"store double {e.first_lane(across(e, total))}, ptr {e.address(base, j, 'double')}")
        return []

    def _added(
        self, raw: Value, centre: Value, weight: Value | None, sums: States, mask: Value | None = None
    ) -> States:
        e = self.e
        x = memory.to_float(e, self.stored, raw, "double") - centre
        x = x if mask is None else e.where(mask, x, 0.0)
        share = x if weight is None else x * weight
        return [sums[0] + share, e.fma(share, x, sums[1])]

    def _one(self, base: str, place: str) -> Value:
        """A number of an array, in every lane."""
        return self.e.load_splat(self.e.address(base, place, "double"), "double")
