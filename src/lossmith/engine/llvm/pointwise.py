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
    zeros = [e.lift(0.0, "double") for _ in spec.sums]
    bad = [e.lift(0, "i1")] if spec.checked else []

    def vectors(index: str, states: list[Value]) -> list[Value]:
        return _sample(block, index, states, None, last)

    def chunk(index: str, states: list[Value]) -> list[Value]:
        sums, flags = states[: len(zeros)], states[len(zeros) :]
        end = e.smaller(e.integer("add", index, _CHUNK * e.lanes), whole)
        found = loop(e, index, end, e.lanes, [*zeros, *flags], vectors)
        return [a + b for a, b in zip(sums, found, strict=False)] + found[len(zeros) :]

    def rest(states: list[Value]) -> list[Value]:
        left = e.splat(e.fresh(f"trunc i64 {e.integer('sub', '%stop', whole)} to i32"), "i32")
        return _sample(block, whole, states, e.lane_numbers("i32") < left, last)

    states = loop(e, "%start", whole, _CHUNK * e.lanes, [*zeros, *bad], chunk)
    states = when(e, e.integer("icmp slt", whole, "%stop"), states, rest)
    return block.finish(states[: len(zeros)], states[-1] if bad else None)


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
    sums = [total + block.counted(results[k], loaded) for k, total in zip(spec.sums, states, strict=False)]
    if not spec.checked:
        return sums
    return [*sums, block.flagged(states[-1], loaded, results)]
