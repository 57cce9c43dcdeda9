"""One instruction of AVX-512 that takes the place of several, where ``Emitter.avx512`` allows it: the same bits."""

from __future__ import annotations

from lossmith.engine.llvm.emit import BYTES, MASK, Emitter, Value

_REGISTER = 64  # bytes
_ROUND_AS_SET = 4  # by the processor's mode


def can_scale(e: Emitter, x: Value) -> bool:
    """Whether ``scaled`` may be asked for."""
    return e.avx512 and e.lanes * BYTES[x.type] % _REGISTER == 0


def scaled(e: Emitter, x: Value, n: Value, keep: Value) -> Value:
    """x * 2^n, rounded once, for any whole n; 0 where ``keep`` is false, where underflow would cost time."""
    width = _REGISTER // BYTES[x.type]
    part, mask = f"<{width} x {x.type}>", f"i{width}"
    name = f"@llvm.x86.avx512.mask.scalef.{'ps' if x.type == 'float' else 'pd'}.512"
    e.declare(f"{part} {name}({part}, {part}, {part}, {mask}, i32)")
    found = []
    for first in range(0, e.lanes, width):
        one, exponent, kept = (e.part(v, first, width) for v in (x, n, keep))
        bits = e.instruction(MASK, f"bitcast <{width} x i1> {kept} to {mask}")
        arguments = f"{part} {one}, {part} {exponent}, {part} zeroinitializer, {mask} {bits}, i32 {_ROUND_AS_SET}"
        found.append(e.instruction(x.type, f"call {part} {name}({arguments})"))
    return _joined(e, found, width)


def _joined(e: Emitter, parts: list[Value], width: int) -> Value:
    """Vectors of so many lanes behind each other: two, or four ..."""
    while len(parts) > 1:
        vector = f"<{width} x {parts[0].type}>"
        lanes = f"<{2 * width} x i32> <{', '.join(f'i32 {lane}' for lane in range(2 * width))}>"
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [e.instruction(a.type, f"shufflevector {vector} {a}, {vector} {b}, {lanes}") for a, b in pairs]
        width *= 2
    return parts[0]
