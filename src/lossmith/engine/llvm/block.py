"""The inside of every kernel: what loading, checking, weighing, writing and summing have in common."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence

from lossmith.engine.llvm import memory
from lossmith.engine.llvm import spec as job
from lossmith.engine.llvm.domains import inside, is_kept_above, shortfall
from lossmith.engine.llvm.emit import FLOATS, Emitter, Value
from lossmith.engine.llvm.frame import kernel
from lossmith.engine.llvm.memory import Stored
from lossmith.engine.llvm.nodes import compute, constant, invariant
from lossmith.engine.llvm.spec import Output, Spec
from lossmith.formula.expr import Expr, leaf, walk
from lossmith.record import Record, replace


class Array(Record):
    """An array of the job: names of its pointer and its strides in the text."""

    base: str
    stride: str
    class_stride: str


class Loaded(Record):
    """One vector of samples: inputs, and which of them count (None: all)."""

    values: dict[Expr, Value]
    lanes: Value | None  # that hold a sample; None: all
    keep: Value | None  # samples that were not left out; None: all
    weight: Value | None  # as stored, a float
    legal: list[Value]  # conditions on what counts
    numbers: list[Value]  # inputs that may be anything but NaN
    missing: list[Value]  # numbers that are 0 where inputs are legal, else less, or NaN


class Block:
    """A block function under construction: its head is written, its body comes next."""

    def __init__(self, spec: Spec, roots: tuple[Expr, ...]) -> None:
        self.spec = spec
        self.e = e = Emitter(FLOATS[spec.float], lanes=spec.lanes, avx512=spec.avx512, coarse=spec.coarse)
        e.lines.append("define internal i1 @block(ptr %job, i64 %start, i64 %stop, ptr %sums) noinline {")
        e.label("entry")
        arrays = [self._array(number) for number in range(spec.arrays)]
        count = len(spec.inputs)
        self.inputs = dict(zip(spec.inputs, arrays, strict=False))
        rest = arrays[count:]
        self.weight = rest.pop(0) if spec.weight else None
        self.where = rest.pop(0) if spec.where else None
        self.outputs = rest[: len(spec.outputs)]
        self.vectors = dict(zip(spec.vectors, rest[len(spec.outputs) :], strict=True))
        numbers = self._pointer(job.PARAMETERS)
        self.scale = self._number(e.address("%job", job.SCALE, "double")) if spec.scaled else None
        self.classes: Value | None = None
        if spec.classes is not None:
            self.classes = e.lift(spec.classes) if spec.classes else self._class_count()
        self.invariants = self._invariants(roots, numbers)

    @property
    def arrays(self) -> Iterator[tuple[Array, Stored, bool]]:
        """Those with numbers of samples: where they are, how they lie there, and whether they are written."""
        spec = self.spec
        yield from ((array, given.stored, False) for given, array in self.inputs.items())
        for array, stored in ((self.weight, spec.weight), (self.where, spec.where)):
            if array is not None and stored is not None:
                yield array, stored, False
        for output, array in zip(spec.outputs, self.outputs, strict=True):
            yield array, Stored(output.dtype, group=len(output.roots)), True

    def _pointer(self, number: int) -> str:
        return self.e.fresh(f"load ptr, ptr {self.e.address('%job', number, 'i64')}")

    def integer(self, number: int) -> str:
        return self.e.fresh(f"load i64, ptr {self.e.address('%job', number, 'i64')}")

    def _array(self, number: int) -> Array:
        first = job.ARRAYS + job.WORDS_PER_ARRAY * number
        return Array(self._pointer(first), self.integer(first + 1), self.integer(first + 2))

    def _number(self, pointer: str) -> Value:
        """A float64 number of the job in every lane."""
        return self.e.to_float(self.e.load_splat(pointer, "double"), self.e.float.name)

    def _class_count(self) -> Value:
        return self.e.convert("sitofp", self.e.splat(self.integer(job.CLASSES), "i64"), self.e.float.name)

    def _invariants(self, roots: tuple[Expr, ...], numbers: str) -> dict[Expr, Value]:
        """Everything that is the same for all samples, computed once per block."""
        values: dict[Expr, Value] = {}
        fixed = invariant(roots)
        place = {name: k for k, name in enumerate(self.spec.parameters)}
        for node in walk(roots):
            if node not in fixed:
                continue
            if node.op == "param":
                values[node] = self._number(self.e.address(numbers, place[node.data], "double"))
            elif not node.args:
                values[node] = constant(self.e, node, self.classes)
            else:
                values[node] = compute(self.e, node, values)
        return values

    def widened(self, times: int) -> Block:
        """This block for vectors of so many times the lanes."""
        block = object.__new__(Block)
        vars(block).update(vars(self))
        block.invariants = {node: self.e.widened(x, times) for node, x in self.invariants.items()}
        block.scale = None if self.scale is None else self.e.widened(self.scale, times)
        return block

    # samples ----------------------------------------------------------------------------------------------------------

    def load(
        self, take: Callable[[Array, Stored], Value], lanes: Value | None, *, measured: bool = False
    ) -> Loaded:
        """Inputs with one number per sample, as ``take`` finds them.

        ``measured``: what is asked of an input may be how far it is from legal, not whether it is.
        """
        e, spec = self.e, self.spec
        keep: Value | None = None
        legal: list[Value] = []
        if spec.where is not None and self.where is not None:
            keep = take(self.where, spec.where).ne(0)
        weight: Value | None = None
        if spec.weight is not None and self.weight is not None:
            raw = take(self.weight, spec.weight)
            kind = raw.type if raw.is_float else "float" if spec.weight.dtype in ("float16", "bfloat16") else "double"
            weight = memory.to_float(e, spec.weight, raw, kind)
            legal += [unless(keep, condition) for condition in self._held(weight)]
            keep = both(keep, weight.ne(0.0))
        values: dict[Expr, Value] = {}
        conditions: list[Value] = []
        numbers: list[Value] = []
        missing: list[Value] = []
        for given, array in self.inputs.items():
            if given.row:
                continue
            raw = take(array, given.stored)
            x = memory.to_float(e, given.stored, raw, e.float.name)
            if given.ignored is not None:
                keep = both(keep, x.ne(given.ignored))
            if given.labels is not None:
                x = self._label(x, given.labels)
            values[leaf("input", given.name)] = x
            if given.domain is None:
                continue
            short = shortfall(e, given.domain, x) if measured else None
            if short is not None:
                missing.append(short)
            else:
                found = inside(e, given.domain, x, self.classes, is_whole=not raw.is_float)
                conditions += found
                numbers += [] if found else [x]
        legal += [unless(keep, condition) for condition in conditions]
        return Loaded(values, lanes, keep, weight, legal, numbers, missing)

    def _held(self, weight: Value) -> tuple[Value, Value]:
        """What is asked of a weight: also that results can be multiplied by it in their own type."""
        float_ = self.e.float
        if (weight.type, float_.name) != ("double", "float") or not self.spec.outputs:
            return weight >= 0.0, weight < math.inf
        return (weight >= float_.smallest_normal) | weight.eq(0.0), weight <= float_.largest

    def _label(self, x: Value, labels: tuple[float, ...]) -> Value:
        """The number of the label that x is, or -1."""
        number = self.e.lift(-1.0)
        for k, label in enumerate(labels):
            number = self.e.where(x.eq(label), float(k), number)
        return number

    def weighted(self, x: Value, loaded: Loaded) -> Value:
        """An output with its sample's weight, 0 where the sample is left out, times the scale."""
        factor, scale = loaded.weight, self.scale
        if factor is not None and scale is not None:  # first: weights of any size by their sum are at most 1
            wide = "double" if factor.type == "double" else x.type
            factor = self.e.to_float(factor, wide) * self.e.to_float(scale, wide)
        elif factor is None:
            factor = scale
        if factor is not None:
            x = x * self.e.to_float(factor, x.type)
        return x if loaded.keep is None else self.e.where(loaded.keep, x, 0.0)

    def counted(self, x: Value, loaded: Loaded, type_: str = "double") -> Value:
        """What a sample adds to a sum: weight times value."""
        wide = self.e.to_float(x, type_)
        if loaded.weight is not None:
            wide = wide * self.e.to_float(loaded.weight, type_)
        counts = loaded.keep if loaded.lanes is None else both(loaded.keep, loaded.lanes)
        return wide if counts is None else self.e.where(counts, wide, 0.0)

    def held(self, output: Output, results: list[Value], loaded: Loaded) -> list[Value]:
        """What is asked of the numbers that are written."""
        if output.domain is None:
            return []
        conditions = []
        for k, x in zip(output.roots, results, strict=True):
            domain, plain = output.domain, self.spec.weight is None and self.scale is None
            if plain and domain.low_open and is_kept_above(self.spec.roots[k], domain.low):
                domain = replace(domain, low=-math.inf, low_open=False)
            conditions += inside(self.e, domain, self.weighted(x, loaded), None, is_whole=False)
        return conditions

    def checks(self, loaded: Loaded, results: list[Value]) -> list[Value]:
        """What holds where all is well: legal inputs, and no NaN from them."""
        numbers = [*loaded.numbers, *dict.fromkeys(results)]
        pairs = zip(numbers[::2], [*numbers[1::2], *numbers[-1:]], strict=False)
        return self.conditions(loaded, [a.ordered(b) for a, b in pairs])  # one comparison sees NaN in two

    def conditions(self, loaded: Loaded, held: Sequence[Value]) -> list[Value]:
        """What holds where inputs are legal and these conditions on what counts hold."""
        conditions = [*loaded.legal, *(unless(loaded.keep, condition) for condition in held)]
        return [unless(loaded.lanes, condition) for condition in conditions]

    def doubts(self, loaded: Loaded, results: list[Value]) -> list[Value | None]:
        """Numbers to add up where there is no need to look at each: NaN shows in the sum, and infinities of both signs.

        First those of which nothing else is asked, then what is below 0 where an input is illegal; None of none.
        """
        kinds = [*loaded.numbers, *dict.fromkeys(results)], loaded.missing
        sums = [functools.reduce(operator.add, kind) if kind else None for kind in kinds]
        counts = loaded.keep if loaded.lanes is None else both(loaded.keep, loaded.lanes)
        return [x if x is None or counts is None else self.e.where(counts, x, 0.0) for x in sums]

    def write(
        self, output: Output, array: Array, results: list[Value], loaded: Loaded, index: str, last: str | None
    ) -> None:
        """Results of consecutive samples; ``last`` is the last sample that exists, where some lanes hold none."""
        members = [self.weighted(x, loaded) for x in results]
        past_caches = job.STREAM if self.spec.streamed else 0
        if len(members) > 1:
            memory.store_group(self.e, output.dtype, members, array.base, index, last, past_caches)
            return
        pointer = self.e.address(array.base, index, Stored(output.dtype).type)
        memory.store(self.e, output.dtype, members[0], pointer, None if last is None else loaded.lanes, past_caches)

    # the end ----------------------------------------------------------------------------------------------------------

    def put(self, sums: list[Value], part: str | int = 0) -> None:
        """Write the sums of a part of the block."""
        e = self.e
        mine = e.address("%sums", e.integer("mul", part, len(sums)), "double")
        for k, total in enumerate(sums):
            e.line(f"store double {e.first_lane(across(e, total))}, ptr {e.address(mine, k, 'double')}")

    def finish(self, sums: list[Value], good: Value | None) -> str:
        """Write the sums, unless parts have, return the flag; the whole text."""
        e = self.e
        self.put(sums)
        flag = "false"
        if good is not None:
            lanes = e.fresh(f"bitcast {e.vector('i1')} {good} to i{e.lanes}")
            flag = e.fresh(f"icmp ne i{e.lanes} {lanes}, -1")
        e.line(f"ret i1 {flag}")
        e.lines.append("}")
        entry = e.lines.index("entry:") + 1
        e.lines[entry:entry] = e.rooms
        return "\n".join([*sorted(e.declarations), *e.lines, kernel(len(self.spec.sums))])


def across(e: Emitter, x: Value) -> Value:
    """The sum of all lanes, in every lane: a fixed tree."""
    distance = e.lanes // 2
    while distance:
        x = x + e.shuffle(x, Value(e, "poison", x.type), [lane ^ distance for lane in range(e.lanes)])
        distance //= 2
    return x


def all_of(good: Value, conditions: Iterable[Value]) -> Value:
    """Where this and the conditions hold. One after the other: a comparison with a mask costs no more than without."""
    return functools.reduce(operator.and_, conditions, good)


def both(a: Value | None, b: Value) -> Value:
    return b if a is None else a & b


def unless(counted: Value | None, condition: Value) -> Value:
    """The condition, where it counts."""
    return condition if counted is None else condition | ~counted
