"""Kernels of formulas with a few numbers per sample: one pass, whole vectors, then a masked rest."""

from __future__ import annotations

from lossmith.engine.llvm import memory
from lossmith.engine.llvm.block import Block
from lossmith.engine.llvm.control import loop, when
from lossmith.engine.llvm.emit import Value
from lossmith.engine.llvm.nodes import compute
from lossmith.engine.llvm.spec import Spec
from lossmith.formula.expr import Expr, walk

_CHUNK = 32  # vectors whose sums are added up before they join the sums of the block


def text(spec: Spec) -> str:
    """The IR of the kernel."""
    block = Block(spec, spec.roots)
    e = block.e
    whole = e.integer("add", e.integer("and", e.integer("sub", "%stop", "%start"), -e.lanes), "%start")
    last = e.integer("sub", "%stop", 1)
    wide = [e.lift(0.0, "double") for _ in spec.sums]
    narrow = [e.lift(0.0, _lane_type(spec)) for _ in spec.sums]
    good = [e.lift(1, "i1")] if spec.checked else []

    def vectors(index: str, states: list[Value]) -> list[Value]:
        return _sample(block, index, states, None, last)

    def joined(states: list[Value], found: list[Value]) -> list[Value]:
        sums = [a + e.to_float(b, "double") for a, b in zip(states, found[: len(wide)], strict=False)]
        return sums + found[len(wide) :]

    def chunk(index: str, states: list[Value]) -> list[Value]:
        end = e.smaller(e.integer("add", index, _CHUNK * e.lanes), whole)
        return joined(states, loop(e, index, end, e.lanes, [*narrow, *states[len(wide) :]], vectors))

    def rest(states: list[Value]) -> list[Value]:
        left = e.splat(e.fresh(f"trunc i64 {e.integer('sub', '%stop', whole)} to i32"), "i32")
        lanes = e.lane_numbers("i32") < left
        return joined(states, _sample(block, whole, [*narrow, *states[len(wide) :]], lanes, last))

    states = loop(e, "%start", whole, _CHUNK * e.lanes, [*wide, *good], chunk)
    states = when(e, e.integer("icmp slt", whole, "%stop"), states, rest)
    return block.finish(states[: len(wide)], states[-1] if good else None)


def _lane_type(spec: Spec) -> str:
    """What a chunk is added up in: float32 where that is asked for no more than float32 values and weights."""
    narrow = spec.float == "float32" and not spec.exact and (spec.weight is None or spec.weight.dtype == "float32")
    return "float" if narrow else "double"


def _sample(block: Block, index: str, states: list[Value], mask: Value | None, last: str) -> list[Value]:
    """One vector of samples: load, check, compute, write; the new states are sums and flags."""
    e, spec = block.e, block.spec
    loaded = block.load(lambda a, stored: memory.load(e, stored, a.base, a.stride, index, mask, last), mask)
    values: dict[Expr, Value] = {**block.invariants, **loaded.values}
    for node in walk(spec.roots):
        if node not in values:
            values[node] = compute(e, node, values)
    results = [values[root] for root in spec.roots]
    for output, base in zip(spec.outputs, block.outputs, strict=True):
        block.write(output, base, [results[k] for k in output.roots], loaded, index, None if mask is None else last)
    type_ = _lane_type(spec)
    sums = [total + block.counted(results[k], loaded, type_) for k, total in zip(spec.sums, states, strict=False)]
    if not spec.checked:
        return sums
    unseen = [x for k, x in enumerate(results) if k not in spec.sums]  # NaN in a sum is seen there
    return [*sums, block.checked(states[-1], loaded, unseen)]
