"""Kernels of linear scores: features times coefficients, the formula of that, what it pulls back, in one read.

A few rows at a time: their products with the coefficients, one row per lane; the formula; then the same features again,
from the nearest cache, times what the formula pulls at their scores. The number of features is known when the kernel
runs. Here is what does not depend on how features lie in memory; `linear_rows` and `linear_columns` have the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.block import Block
from lossmith.engine.llvm.control import States, loop
from lossmith.engine.llvm.emit import DOUBLE, Emitter, Value
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.nodes import compute
from lossmith.engine.llvm.spec import Spec
from lossmith.formula.expr import leaf, walk
from lossmith.record import replace

PRODUCT = leaf("input", "row times coefficients")
MATRIX, COEFFICIENTS, CENTRE, PULL = "matrix", "coefficients", "centre", "pull"
VECTORS = (MATRIX, COEFFICIENTS, CENTRE, PULL)
"""What a kernel takes beside the arrays of the formula: the features, (samples, features), or the other way round where
those of a column follow each other; coefficients and what to subtract
from each feature first (float64, zeros behind them up to ``width``); and what is pulled, a row of ``width`` for each
block, with the sums of the pull itself and of what is summed beside the first behind those of the features."""
LANES = DOUBLE.lanes  # scores are float64


def padded(features: int) -> int:
    """As many as whole vectors hold."""
    return -(-features // LANES) * LANES


def padded_in(e: Emitter, features: str) -> str:
    """The same, of a number that the kernel is told."""
    return e.integer("and", e.integer("add", features, e.lanes - 1), -e.lanes)


def width(features: int, sums: int = 1) -> int:
    """The numbers of a row of what is pulled: whole vectors, one for the sum, and one for each sum but the first."""
    return padded(features) + LANES * sums


def rows_per_block(features: int) -> int:
    """How many rows a thread claims at once: some megabytes of them, by the number of features alone."""
    return max(64, min(8192, (1 << 18) // features // LANES * LANES))


class Linear(ABC):
    """What is the same however features lie in memory: the formula of a vector of products, the sums, the tail."""

    step: int  # rows that are worked on together

    def __init__(self, spec: Spec) -> None:
        self.spec, self.block = spec, Block(spec, spec.roots)
        self.e = e = self.block.e
        self.stored = Stored(spec.matrix)
        self.matrix, self.coefficients, self.centre, self.pull = (self.block.vectors[name] for name in VECTORS)
        self.features = self.block.integer(job.CLASSES)
        self.padded = padded_in(e, self.features)
        self.last = e.integer("sub", "%stop", 1)
        number = e.integer("udiv", "%start", self.block.integer(job.STEP))
        mine = e.integer("mul", number, e.integer("add", self.padded, e.lanes * len(spec.sums)))
        self.pulled = e.address(self.pull.base, mine, "double")

    def text(self) -> str:
        e = self.e
        left = e.integer("urem", e.integer("sub", "%stop", "%start"), self.step)
        whole = e.integer("sub", "%stop", left)
        loop(e, "0", self.padded, e.lanes, [], self._clear)
        states = [e.lift(0.0, "double") for _ in (*self.spec.sums, "the pull")]
        states = loop(e, "%start", whole, self.step, states, lambda at, states: self.rows(at, states, whole=True))
        states = loop(e, whole, "%stop", self.step, states, lambda at, states: self.rows(at, states, whole=False))
        first, *others, pull = states
        for k, total in enumerate((pull, *others)):
            place = e.integer("add", self.padded, k * e.lanes)
            e.store(total, e.address(self.pulled, place, "double"))
        return self.block.finish([first], None)

    def _clear(self, at: str, _: States) -> States:
        self.e.store(self.e.lift(0.0, "double"), self.e.address(self.pulled, at, "double"))
        return []

    @abstractmethod
    def rows(self, index: str, states: States, *, whole: bool) -> States:
        """The rows from index on, as many as the step or, where they are not whole, as there are."""

    def there(self, index: str) -> Value:
        """Which of a vector of rows from index on exist."""
        return self.e.first_lanes(self.e.integer("sub", "%stop", index))

    def formula(self, index: str, products: Value, states: States, lanes: Value | None) -> tuple[States, Value]:
        """(the sums with a vector of rows added, what they pull)."""
        e, spec, last = self.e, self.spec, None if lanes is None else self.last
        loaded = self.block.load(
            lambda a, stored: memory.load(e, stored, a.base, a.stride, index, lanes, self.last), lanes
        )
        values = {**self.block.invariants, **loaded.values, PRODUCT: products}
        for node in walk(spec.roots):
            if node not in values:
                values[node] = compute(e, node, values)
        results = [values[root] for root in spec.roots]
        plain = replace(loaded, weight=None, keep=None)  # outputs are not times weights
        for output, array in zip(spec.outputs, self.block.outputs, strict=True):
            self.block.write(output, array, [results[k] for k in output.roots], plain, index, last)
        found = [total + self.block.counted(results[k], loaded) for k, total in zip(spec.sums, states, strict=False)]
        assert spec.pulled is not None
        pull = self.block.counted(results[spec.pulled], loaded)
        return [*found, states[-1] + pull], pull

    def feature(self, place: str, mask: Value | None, centre: Value) -> Value:
        """A vector of features less their centre, 0 where the mask is false."""
        e = self.e
        x = memory.to_float(e, self.stored, e.load(place, self.stored.type, mask), "double") - centre
        return x if mask is None else e.where(mask, x, 0.0)
