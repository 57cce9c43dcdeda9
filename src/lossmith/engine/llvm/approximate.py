"""What approximations are made of: the type of a number, polynomials, tables."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

from lossmith.engine.llvm.avx512 import looked_up
from lossmith.engine.llvm.emit import DOUBLE, LINE, SINGLE, Emitter, Float, Value, literal

# log(2) in two parts; the first ends in so many zeros that its product with an exponent is exact
LOG_2 = {
    "float": (float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cp-20")),
    "double": (float.fromhex("0x1.62e42fefa3800p-1"), float.fromhex("0x1.ef35793c76730p-45")),
}
_KINDS = {kind.name: kind for kind in (SINGLE, DOUBLE)}
_LONG, _VERY_LONG = 10, 12  # coefficients: from here the chain of Horner's rule holds up the processor


def kind(x: Value) -> Float:
    return _KINDS[x.type]


def magic(x: Value) -> float:
    """1.5 * 2^mantissa: added to a number it leaves the nearest integer in the lowest bits."""
    return math.ldexp(1.5, kind(x).mantissa)


def series(e: Emitter, x: Value, table: Mapping[str, tuple[float, ...]]) -> Value:
    """A polynomial by Horner's rule; a long one in parts, which do not wait for each other."""
    coefficients = table[x.type]
    if len(coefficients) < _LONG:
        return e.polynomial(x, coefficients)
    part, power = (4, x) if len(coefficients) < _VERY_LONG else (8, x * x)
    power = power * power
    power = power * power
    first = len(coefficients) % part or part
    result = e.polynomial(x, coefficients[:first])
    for start in range(first, len(coefficients), part):
        result = e.fma(result, power, e.polynomial(x, coefficients[start : start + part]))
    return result


def of_16(e: Emitter, table: tuple[float, ...], number: Value) -> Value:
    """The double of a table whose number is in the lowest 4 bits."""
    if e.avx512 and 2 * e.lanes % len(table) == 0:
        return looked_up(e, table, number)
    numbers = ", ".join(f"double {literal(x, 'double')}" for x in table)
    name = f"@table{zlib.crc32(numbers.encode()):08x}"
    e.declarations.add(f"{name} = private constant [{len(table)} x double] [{numbers}], align {LINE}")
    places, found = number & len(table) - 1, Value(e, "poison", "double")
    for lane in range(e.lanes):
        place = e.fresh(f"extractelement {e.vector('i64')} {places}, i64 {lane}")
        scalar = e.load_scalar(e.address(name, place, "double"), "double")
        found = e.instruction("double", f"insertelement {e.vector('double')} {found}, double {scalar}, i64 {lane}")
    return found
