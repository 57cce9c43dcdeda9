"""Instructions of AVX-512 that take the place of several each, where ``Emitter.avx512`` allows it: the same bits."""

from __future__ import annotations

from collections.abc import Sequence

from lossmith.engine.llvm.emit import BYTES, MASK, Emitter, Value

_REGISTER = 64  # bytes
_ROUND_AS_SET = 4  # by the processor's mode
_SMALLER_WITH_SIGN_OF_FIRST = 2  # of two numbers without their signs


def can_scale(e: Emitter, x: Value) -> bool:
    """Whether ``scaled`` may be asked for."""
    return e.avx512 and e.lanes * BYTES[x.type] % _REGISTER == 0


def scaled(e: Emitter, x: Value, n: Value, keep: Value) -> Value:
    """x * 2^n, rounded once, for any whole n; 0 where ``keep`` is false, where underflow would cost time."""
    return _each(e, "scalef", (x, n), keep)


def parts(e: Emitter, x: Value) -> tuple[Value, Value]:
    """x = m 2^k with |m| in [1, 2): m and k, which is infinite where x is 0 or infinite."""
    return _each(e, "getmant", (x,), _all(e), "i32 0"), _each(e, "getexp", (x,), _all(e))


def held(e: Emitter, x: Value, most: float) -> Value:
    """x where |x| is not more than this, else this with the sign of x, of NaN too."""
    return _each(e, "range", (x, e.lift(most, x.type)), _all(e), f"i32 {_SMALLER_WITH_SIGN_OF_FIRST}")


def looked_up(e: Emitter, table: Sequence[float], index: Value) -> Value:
    """The one of 16 doubles whose number is in the lowest 4 bits of each index: two registers that hold the table."""
    width = len(table) // 2
    number, place = f"<{width} x double>", f"<{width} x i64>"
    function = f"@llvm.x86.avx512.vpermi2var.pd.{8 * _REGISTER}"
    e.declare(f"{number} {function}({number}, {place}, {number})")
    low, high = (e.constants(table[k : k + width], "double") for k in (0, width))
    calls = [
        f"call {number} {function}({number} {low}, {place} {e.part(index, first, width)}, {number} {high})"
        for first in range(0, e.lanes, width)
    ]
    return _joined(e, [e.instruction("double", call) for call in calls], width)


def _all(e: Emitter) -> Value:
    return e.lift(1, MASK)


def _each(e: Emitter, name: str, args: Sequence[Value], keep: Value, option: str = "") -> Value:
    """An instruction on whole registers, 0 where ``keep`` is false; an option is its type and number."""
    x = args[0]
    width = _REGISTER // BYTES[x.type]
    part, mask = f"<{width} x {x.type}>", f"i{width}"
    function = f"@llvm.x86.avx512.mask.{name}.{'ps' if x.type == 'float' else 'pd'}.512"
    options = [option] if option else []
    types = [part] * len(args) + [word.split()[0] for word in options]
    e.declare(f"{part} {function}({', '.join([*types, part, mask])}, i32)")
    found = []
    for first in range(0, e.lanes, width):
        given = [f"{part} {e.part(arg, first, width)}" for arg in args] + options
        bits = e.instruction(MASK, f"bitcast <{width} x i1> {e.part(keep, first, width)} to {mask}")
        arguments = f"{', '.join(given)}, {part} zeroinitializer, {mask} {bits}, i32 {_ROUND_AS_SET}"
        found.append(e.instruction(x.type, f"call {part} {function}({arguments})"))
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
