"""Loops and branches of the text, with the vectors that they carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lossmith.engine.llvm.emit import Emitter, Value

States = list[Value]


def loop(
    e: Emitter, first: str, stop: str, step: int | str, states: Sequence[Value], body: Callable[[str, States], States]
) -> States:
    """for index in range(first, stop, step): states = body(index, states). Tested at the bottom; may run zero times."""
    before, inside, after = e.block, e.fresh_label("loop"), e.fresh_label("after")
    surely = first.isdecimal() and stop.isdecimal() and int(first) < int(stop)  # it runs: less to write and compile
    if surely:
        e.line(f"br label %{inside}")
    else:
        e.line(f"br i1 {e.integer('icmp slt', first, stop)}, label %{inside}, label %{after}")
    e.label(inside)
    place = len(e.lines)  # the phis are written when the names of what comes around are known
    names = [e.fresh("") for _ in range(len(states) + 1)]
    carried = [Value(e, name, state.type) for name, state in zip(names[1:], states, strict=True)]
    found = body(names[0], carried)
    following = e.integer("add nsw", names[0], step)
    again, latch = e.integer("icmp slt", following, stop), e.block
    e.line(f"br i1 {again}, label %{inside}, label %{after}")
    e.lines[place] = f"  {names[0]} = phi i64 [{first}, %{before}], [{following}, %{latch}]"
    for k, (state, new) in enumerate(zip(states, found, strict=True)):
        phi = f"phi {e.vector(state.type)} [{state}, %{before}], [{new}, %{latch}]"
        e.lines[place + 1 + k] = f"  {names[k + 1]} = {phi}"
    e.label(after)
    return found if surely else [_either(e, a, before, b, latch) for a, b in zip(states, found, strict=True)]


def when(e: Emitter, condition: str, states: Sequence[Value], body: Callable[[States], States]) -> States:
    """if condition: states = body(states)."""
    before, inside, after = e.block, e.fresh_label("then"), e.fresh_label("after")
    e.line(f"br i1 {condition}, label %{inside}, label %{after}")
    e.label(inside)
    found = body(list(states))
    last = e.block
    e.line(f"br label %{after}")
    e.label(after)
    return [_either(e, state, before, new, last) for state, new in zip(states, found, strict=True)]


def choose(e: Emitter, condition: str, first: Callable[[], States], second: Callable[[], States]) -> States:
    """first() if condition else second()."""
    yes, no, after = e.fresh_label("yes"), e.fresh_label("no"), e.fresh_label("after")
    e.line(f"br i1 {condition}, label %{yes}, label %{no}")
    found = []
    for name, body in ((yes, first), (no, second)):
        e.label(name)
        found.append((body(), e.block))
        e.line(f"br label %{after}")
    e.label(after)
    (states, one), (others, other) = found
    return [_either(e, a, one, b, other) for a, b in zip(states, others, strict=True)]


def _either(e: Emitter, a: Value, block_a: str, b: Value, block_b: str) -> Value:
    return Value(e, e.fresh(f"phi {e.vector(a.type)} [{a}, %{block_a}], [{b}, %{block_b}]"), a.type)
