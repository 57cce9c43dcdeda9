"""Linear scores of several classes: as many rows at once as a vector has lanes, as the row formulas have them.

A square of the features, so many rows by so many columns as there are lanes, is turned in registers: by columns it adds
to the scores, by rows to what is pulled. The second look at a row finds it in the nearest cache.
"""

from __future__ import annotations

from functools import partial

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.across import Across, Tile, turned
from lossmith.engine.llvm.ahead import Look, ask
from lossmith.engine.llvm.block import Array, Loaded
from lossmith.engine.llvm.control import States, loop
from lossmith.engine.llvm.emit import Value
from lossmith.engine.llvm.linear import LANES, VECTORS, padded, padded_in
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.rows import Place
from lossmith.engine.llvm.spec import Spec
from lossmith.formula.expr import Expr

_TOGETHER = 16  # classes whose scores are made in registers at once
_COLUMN_AHEAD = 512  # bytes from where a column is read to where memory is asked for its next numbers


def width(features: int, classes: int) -> int:
    """The numbers of a row of what is pulled: by the features, padded to whole vectors, (features / lanes, classes,
    lanes); by the intercepts, (classes, lanes); and the lanes of the second sum. They have to be 0 before."""
    return (padded(features) + LANES) * classes + LANES


class Several(Across):
    """The coefficients are (1 + padded features, classes), the intercepts first. The only input with a number per class
    is what is added to the scores, if the spec says that there is such a thing."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        e = self.e
        self.stored = Stored(spec.matrix)
        self.matrix, self.coefficients, self.centre, pull = (self.block.vectors[name] for name in VECTORS)
        self.features = self.block.integer(job.CLASSES)
        self.last = e.integer("sub", self.features, 1)
        squares = e.integer("mul", padded_in(e, self.features), self.classes)
        number = e.integer("udiv", "%start", self.block.integer(job.STEP))
        mine = e.integer("mul", number, e.integer("add", squares, e.lanes * (self.classes + 1)))
        self.pulled = e.address(pull.base, mine, "double")
        self.intercepts = e.address(self.pulled, squares, "double")
        assert spec.pulled is not None
        self.pull = self._tile()
        self.written = {self.rows.roots[spec.pulled]: self.pull}
        self.each = e.room("double", self.classes)

    def text(self) -> str:
        e = self.e
        self.furthest = e.integer("sub", self.block.integer(job.COUNT), e.lanes)
        states = loop(e, "%start", "%stop", e.lanes, [e.lift(0.0, "double")] * 2, self._tile_of_rows)
        e.store(states[1], e.address(self.intercepts, e.lanes * self.classes, "double"))
        return self.block.finish(states[:1], None)

    def _tile_of_rows(self, wanted: str, states: States) -> States:
        states = super()._tile_of_rows(wanted, states)
        self._pull(self.e.smaller(wanted, self.furthest))
        return states

    def write(self, root: Expr, place: Place, x: Value, loaded: Loaded) -> None:
        self.written[root].put(place.at, self.block.counted(x, loaded))

    # scores -----------------------------------------------------------------------------------------------------------

    def _fill(self, tile: Tile, stored: Stored, array: Array, index: str) -> None:
        if self.spec.offset:
            super()._fill(tile, stored, array, index)
        for first in range(0, self.classes, _TOGETHER):
            classes = range(first, min(first + _TOGETHER, self.classes))
            scores = [self._scalar(self.coefficients.base, k) for k in classes]
            if self.spec.offset:
                scores = [score + tile.get(k) for score, k in zip(scores, classes, strict=True)]
            products = partial(self._products, index, classes)
            scores = loop(self.e, "0", self.features, self.e.lanes, scores, products)
            for score, k in zip(scores, classes, strict=True):
                tile.put(k, score)

    def _class_count(self) -> str | int:
        return self.classes  # the job says the features

    def _products(self, index: str, classes: range, at: str, sums: States) -> States:
        e = self.e
        if classes.start == 0:
            self._ask(index, at, Look.FIRST)
        row = e.address(self.coefficients.base, e.integer("mul", e.integer("add", at, 1), self.classes), "double")
        for j, column in enumerate(self._square(index, at, by_columns=True)):
            pairs = zip(sums, classes, strict=True)
            sums = [e.fma(column, self._scalar(row, j * self.classes + k), total) for total, k in pairs]
        return sums

    # what is pulled ---------------------------------------------------------------------------------------------------

    def _pull(self, index: str) -> None:
        e = self.e
        for k in range(self.classes):
            place, pull = e.address(self.intercepts, k * e.lanes, "double"), self.pull.get(k)
            e.store(e.load(place, "double") + pull, place)
            e.store(pull, e.address(self.each, k * e.lanes, "double"))

        def square(at: str, _: States) -> States:
            self._ask(index, at, Look.SECOND)
            rows = self._square(index, at, by_columns=False)
            totals = e.address(self.pulled, e.integer("mul", at, self.classes), "double")

            def one(k: str, _: States) -> States:
                here = e.integer("mul", k, e.lanes)
                place, pulls = e.address(totals, here, "double"), e.address(self.each, here, "double")
                total = e.load(place, "double")
                for lane, row in enumerate(rows):
                    total = e.fma(row, self._scalar(pulls, lane), total)
                e.store(total, place)
                return []

            return loop(e, "0", str(self.classes), 1, [], one)

        loop(e, "0", self.features, e.lanes, [], square)

    # features ---------------------------------------------------------------------------------------------------------

    def _square(self, index: str, at: str, *, by_columns: bool) -> list[Value]:
        """So many rows from index on, and columns from ``at`` on, less their centre: a vector per column, or per row.

        Columns beyond the last are 0, or copies of it: their coefficients are 0, and what they pull is not looked at.
        """
        found = self._columns_of(index, at) if self.spec.columns else self._rows_of(index, at)
        return found if by_columns == self.spec.columns else turned(self.e, found)

    def _rows_of(self, index: str, at: str) -> list[Value]:
        e = self.e
        mask = e.first_lanes(e.integer("sub", self.features, at))
        centre = e.load(e.address(self.centre.base, at, "double"), "double")
        places = (e.address(row, at, self.stored.type) for row in self._lines(index))
        return [self._feature(e.load(place, self.stored.type, mask)) - centre for place in places]

    def _columns_of(self, index: str, at: str) -> list[Value]:
        e = self.e
        places = (e.address(column, index, self.stored.type) for column in self._lines(at))
        centre = e.address(self.centre.base, at, "double")
        return [
            self._feature(e.load(place, self.stored.type)) - self._scalar(centre, lane)
            for lane, place in enumerate(places)
        ]

    def _ask(self, index: str, at: str, look: Look) -> None:
        """For the features of later rows, while there is other work to do."""
        e = self.e
        if not self.spec.columns:
            row = e.address(self.matrix.base, e.integer("mul", index, self.matrix.stride), "i8")
            ask(e, self.spec, row, self.matrix.stride, at, look)
        elif look is Look.FIRST:
            for line in self._lines(at):
                e.prefetch(e.address(e.address(line, index, self.stored.type), _COLUMN_AHEAD, "i8"), write=False)

    def _lines(self, first: str) -> list[str]:
        """Where so many rows begin as there are lanes, or columns; beyond the last it stands for those that are not."""
        e = self.e
        numbers = [e.integer("add", first, lane) for lane in range(e.lanes)]
        if self.spec.columns:
            numbers = [e.smaller(number, self.last) for number in numbers]
        return [e.address(self.matrix.base, e.integer("mul", number, self.matrix.stride), "i8") for number in numbers]

    def _feature(self, raw: Value) -> Value:
        return memory.to_float(self.e, self.stored, raw, "double")

    def _scalar(self, base: str, place: int) -> Value:
        return self.e.load_splat(self.e.address(base, place, "double"), "double")
