"""Kernels of linear scores: rows times coefficients, the formula of that, what it pulls back, in one read of the rows.

A few rows at a time, one per lane: their products with the coefficients, lanes along the features; a tree of sums that
turns these into one vector of scores; the formula; then each row again, from the nearest cache, times what the formula
pulls at its score. The number of features is known when the kernel runs.
"""

from __future__ import annotations

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.block import Block
from lossmith.engine.llvm.control import States, loop
from lossmith.engine.llvm.emit import DOUBLE, Value
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.nodes import compute
from lossmith.engine.llvm.spec import Spec
from lossmith.formula.expr import leaf, walk
from lossmith.record import replace

PRODUCT = leaf("input", "row times coefficients")
MATRIX, COEFFICIENTS, CENTRE, PULL = "matrix", "coefficients", "centre", "pull"
VECTORS = (MATRIX, COEFFICIENTS, CENTRE, PULL)
"""What a kernel takes beside the arrays of the formula: rows (samples, features); coefficients and what to subtract
from each feature first (float64, zeros behind them up to ``width``); and what is pulled, a row of ``width`` for each
block, with the sum of the pull itself behind those of the features."""
_AHEAD = 8192  # bytes from where a row is read to where memory is asked for the next ones
LANES = DOUBLE.lanes  # scores are float64


def width(features: int) -> int:
    """The numbers of a row of what is pulled: whole vectors, and one for the sum."""
    return -(-features // LANES) * LANES + LANES


def rows_per_block(features: int) -> int:
    """How many rows a thread claims at once: some megabytes of them, by the number of features alone."""
    return max(64, min(8192, (1 << 18) // features // LANES * LANES))


def text(spec: Spec) -> str:
    """The IR of the kernel."""
    return _Linear(spec).text()


class _Linear:
    def __init__(self, spec: Spec) -> None:
        self.spec, self.block = spec, Block(spec, spec.roots)
        self.e = e = self.block.e
        self.stored = Stored(spec.matrix)
        self.matrix, self.coefficients, self.centre, self.pull = (self.block.vectors[name] for name in VECTORS)
        self.features = self.block.integer(job.CLASSES)
        self.whole = e.integer("and", self.features, -e.lanes)
        left = e.integer("sub", self.features, self.whole)
        self.rest = e.lane_numbers("i32") < e.splat(e.fresh(f"trunc i64 {left} to i32"), "i32")
        self.padded = e.integer("and", e.integer("add", self.features, e.lanes - 1), -e.lanes)
        self.last = e.integer("sub", "%stop", 1)
        number = e.integer("udiv", "%start", self.block.integer(job.STEP))
        mine = e.integer("mul", number, e.integer("add", self.padded, e.lanes))
        self.pulled = e.address(self.pull.base, mine, "double")

    def text(self) -> str:
        e = self.e
        whole = e.integer("add", "%start", e.integer("and", e.integer("sub", "%stop", "%start"), -e.lanes))
        if self.spec.pulled is not None:
            loop(e, "0", self.padded, e.lanes, [], self._clear)
        states = [e.lift(0.0, "double") for _ in (*self.spec.sums, "the pull")]
        states = loop(e, "%start", whole, e.lanes, states, lambda at, states: self._rows(at, states, None))
        states = loop(e, whole, "%stop", e.lanes, states, self._last_rows)
        if self.spec.pulled is not None:
            e.store(states[-1], e.address(self.pulled, self.padded, "double"))
        return self.block.finish(states[:-1], None)

    def _clear(self, at: str, _: States) -> States:
        self.e.store(self.e.lift(0.0, "double"), self.e.address(self.pulled, at, "double"))
        return []

    def _last_rows(self, index: str, states: States) -> States:
        e = self.e
        left = e.splat(e.fresh(f"trunc i64 {e.integer('sub', '%stop', index)} to i32"), "i32")
        return self._rows(index, states, e.lane_numbers("i32") < left)

    def _rows(self, index: str, states: States, lanes: Value | None) -> States:
        """As many rows as a vector has lanes; where fewer are left the last one stands for those that are not there."""
        e, spec = self.e, self.spec
        numbers = [e.integer("add", index, lane) for lane in range(e.lanes)]
        if lanes is not None:
            numbers = [e.smaller(number, self.last) for number in numbers]
        rows = [e.address(self.matrix.base, e.integer("mul", n, self.matrix.stride), "i8") for n in numbers]
        loaded = self.block.load(
            lambda a, stored: memory.load(e, stored, a.base, a.stride, index, lanes, self.last), lanes
        )
        values = {**self.block.invariants, **loaded.values, PRODUCT: self._scores(rows)}
        for node in walk(spec.roots):
            if node not in values:
                values[node] = compute(e, node, values)
        results = [values[root] for root in spec.roots]
        plain, last = replace(loaded, weight=None, keep=None), None if lanes is None else self.last  # not times weights
        for output, array in zip(spec.outputs, self.block.outputs, strict=True):
            self.block.write(output, array, [results[k] for k in output.roots], plain, index, last)
        found = [total + self.block.counted(results[k], loaded) for k, total in zip(spec.sums, states, strict=False)]
        if spec.pulled is None:
            return [*found, states[-1]]
        pull = self.block.counted(results[spec.pulled], loaded)
        self._pull(rows, pull)
        return [*found, states[-1] + pull]

    def _row(self, row: str, at: str, mask: Value | None, centre: Value) -> Value:
        e, type_ = self.e, self.stored.type
        raw = e.load(e.address(row, at, type_), type_, mask)
        x = memory.to_float(e, self.stored, raw, "double") - centre
        return x if mask is None else e.where(mask, x, 0.0)

    def _scores(self, rows: list[str]) -> Value:
        e, type_ = self.e, self.stored.type

        def products(at: str, sums: States, mask: Value | None = None) -> States:
            w, centre = (e.load(e.address(a.base, at, "double"), "double") for a in (self.coefficients, self.centre))
            if mask is None:
                for row in rows:
                    e.prefetch(e.address(e.address(row, at, type_), _AHEAD, "i8"), write=False)
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
            place = e.address(self.pulled, at, "double")
            centre, total = e.load(e.address(self.centre.base, at, "double"), "double"), e.load(place, "double")
            for row, times in zip(rows, each, strict=True):
                total = e.fma(self._row(row, at, mask, centre), times, total)
            e.store(total, place)
            return []

        loop(e, "0", self.whole, e.lanes, [], features)
        loop(e, self.whole, self.features, e.lanes, [], lambda at, _: features(at, [], self.rest))
