"""Kernels of formulas with a few numbers per sample: one pass, whole vectors, then a masked rest."""

from __future__ import annotations

from collections.abc import Sequence

from lossmith.engine.llvm import memory
from lossmith.engine.llvm.block import Block, all_of
from lossmith.engine.llvm.control import loop
from lossmith.engine.llvm.domains import below, shows_nan
from lossmith.engine.llvm.emit import BYTES, LINE, MASK, Value
from lossmith.engine.llvm.finite import REACH, is_finite
from lossmith.engine.llvm.nodes import compute, cost
from lossmith.engine.llvm.spec import Spec
from lossmith.formula.expr import Expr, walk
from lossmith.record import replace

_CHUNK = 32  # vectors whose sums are added up before they join the sums of the block
_PAIR = 2  # vectors of samples
_AHEAD = 2048  # bytes from what is read and written to what is asked for: farther than processors see by themselves
_MUCH = 0.4  # nanoseconds a number from which two vectors at once are faster than one, which waits for itself


def text(spec: Spec) -> str:
    """The IR of the kernel."""
    block = Block(spec, (*spec.roots, *spec.exponents))
    e = block.e
    pairs = e.integer("and", e.integer("sub", "%stop", "%start"), -_PAIR * e.lanes)
    whole = e.integer("add", pairs, "%start")
    last = e.integer("sub", "%stop", 1)
    wide = [e.lift(0.0, "double") for _ in spec.sums]
    narrow = [e.lift(0.0, _lane_type(spec)) for _ in spec.sums]
    checks = [e.lift(0.0), e.lift(0.0), e.lift(1, MASK)] if spec.checked else []  # two doubts, and where all is well
    at_once = _PAIR if spec.avx512 and cost(spec.roots) > _MUCH else 1  # without AVX-512 there are too few registers
    sampler = block.widened(at_once)

    def added(states: list[Value], found: Sequence[Value | None]) -> list[Value]:
        """With what one more vector adds to sums and doubts, and asks."""
        count = len(wide) + len(checks[:-1])
        sums = [a if b is None else a + b for a, b in zip(states[:count], found[:count], strict=True)]
        return [*sums, *(all_of(good, filter(None, found[count:])) for good in states[count:])]

    def vectors(index: str, states: list[Value]) -> list[Value]:
        if not spec.far:
            _fetch(block, index, at_once * e.lanes)
        with e.wider(at_once) as parts:
            found = [[None] * at_once if x is None else parts(x) for x in _sample(sampler, index, None, last)]
        for vector in zip(*found, strict=True):
            states = added(states, vector)
        return states

    def joined(states: list[Value], found: list[Value]) -> list[Value]:
        sums = [a + e.to_float(b, "double") for a, b in zip(states, found[: len(wide)], strict=False)]
        return sums + found[len(wide) :]

    def chunk(index: str, states: list[Value]) -> list[Value]:
        end = e.smaller(e.integer("add", index, _CHUNK * e.lanes), whole)
        return joined(states, loop(e, index, end, at_once * e.lanes, [*narrow, *states[len(wide) :]], vectors))

    def rest(index: str, states: list[Value]) -> list[Value]:
        lanes = e.first_lanes(e.integer("sub", "%stop", index))
        return joined(states, added([*narrow, *states[len(wide) :]], _sample(block, index, lanes, last)))

    states = loop(e, "%start", whole, _CHUNK * e.lanes, [*wide, *checks], chunk)
    states = loop(e, whole, "%stop", e.lanes, states, rest)
    if not spec.checked:
        return block.finish(states, None)
    *sums, number, missing, good = states
    return block.finish(sums, good & number.ordered(number) & missing.eq(0.0))


def _fetch(block: Block, index: str, count: int) -> None:
    """Ask for the memory of as many samples as come next, but some way ahead of those from ``index`` on."""
    for array, stored, write in block.arrays:
        if not stored.dense or stored.member or (write and block.spec.streamed):
            continue
        first = index if stored.group == 1 else block.e.integer("mul", index, stored.group)
        at = block.e.address(array.base, first, stored.type)
        for offset in range(0, count * stored.group * BYTES[stored.type], LINE):
            block.e.prefetch(block.e.address(at, _AHEAD + offset, "i8"), write=write)


def _lane_type(spec: Spec) -> str:
    """What a chunk is added up in: float32 where that is asked for no more than float32 values and weights."""
    narrow = spec.float == "float32" and not spec.exact and (spec.weight is None or spec.weight.dtype == "float32")
    return "float" if narrow else "double"


def _sample(block: Block, index: str, mask: Value | None, last: str) -> list[Value | None]:
    """One vector of samples: load, compute, write. What it adds to sums and doubts, and what holds if all is well."""
    e, spec = block.e, block.spec
    loaded = block.load(
        lambda a, stored: memory.load(e, stored, a.base, a.stride, index, mask, last), mask, measured=True
    )
    values: dict[Expr, Value] = {**block.invariants, **loaded.values}
    for node in walk((*spec.roots, *spec.exponents)):
        if node not in values:
            values[node] = compute(e, node, values)
    results = [values[root] for root in spec.roots]
    held: list[Value] = []
    for output, base in zip(spec.outputs, block.outputs, strict=True):
        members = [results[k] for k in output.roots]
        block.write(output, base, members, loaded, index, None if mask is None else last)
        held += block.held(output, members, loaded)
    sums = [block.counted(results[k], loaded, _lane_type(spec)) for k in spec.sums]
    if not spec.checked:
        return list(sums)
    seen = {k for output in spec.outputs if output.domain for k in output.roots}.union(spec.sums)
    unseen = [
        x if is_finite(root) else e.abs(x)  # infinities of both signs are no doubt
        for k, (root, x) in enumerate(zip(spec.roots, results, strict=True))
        if k not in seen  # NaN in a sum is seen there
    ]
    shown = [x for node, x in loaded.values.items() if any(shows_nan(spec.roots[k], node) for k in seen)]
    numbers = [x for x in loaded.numbers if x not in shown]
    apart = (below(e, values[x], *REACH[spec.float]) for x in spec.exponents)
    loaded = replace(loaded, numbers=numbers, missing=[*loaded.missing, *filter(None, apart)])
    return [*sums, *block.doubts(loaded, unseen), *block.conditions(loaded, held)]
