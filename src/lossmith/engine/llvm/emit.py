"""A writer of LLVM IR: text, explicit vectors, and nothing that could round differently on another processor.

Every value is a vector of a fixed number of lanes, so the tree of a sum is ours on every machine; LLVM splits a wide
vector where the registers are narrow. No fast-math flag is ever written, and a fused multiply-add only where ``fma``
asks for it: the bits of a result are those of the text. Equal instructions of one block are written once.
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias, Union

from lossmith.record import Record

MOST_INSTRUCTIONS = 20_000  # seconds to compile, which grow faster than they do; the catalogue's longest has 1000


class TooLongError(Exception):
    """A formula that would take too long to compile: the array engine computes it."""


class Float(Record):
    """What the emitters of functions need to know of a floating type."""

    name: str  # LLVM's
    integer: str  # of the same width
    lanes: int  # of one 64-byte vector
    bytes: int
    mantissa: int  # explicit bits
    bias: int
    suffix: str  # of LLVM's intrinsics

    @property
    def epsilon(self) -> float:
        return 2.0**-self.mantissa

    @property
    def smallest_normal(self) -> float:
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def largest(self) -> float:
        return math.ldexp(2.0 - self.epsilon, self.bias)


SINGLE = Float("float", "i32", 16, 4, 23, 127, "f32")
DOUBLE = Float("double", "i64", 8, 8, 52, 1023, "f64")
FLOATS = {"float32": SINGLE, "float64": DOUBLE}
MASK = "i1"
BYTES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8}
LINE = 64  # bytes of a cache line

_OPPOSITE = {
    "oeq": "une", "une": "oeq", "olt": "uge", "uge": "olt", "ole": "ugt", "ugt": "ole", "ogt": "ule", "ule": "ogt",
    "oge": "ult", "ult": "oge", "ord": "uno", "uno": "ord", "one": "ueq", "ueq": "one",
    "eq": "ne", "ne": "eq", "slt": "sge", "sge": "slt", "sle": "sgt", "sgt": "sle",
}  # fmt: skip

Number: TypeAlias = Union["Value", float, int]


class Value:
    """One vector: its scalar type and its name in the text. Comparisons with NaN are false, except ``ne``."""

    __slots__ = ("_opposite", "emit", "name", "type")

    def __init__(self, emit: Emitter, name: str, type_: str) -> None:
        self.emit, self.name, self.type = emit, name, type_
        self._opposite: Callable[[], Value] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def is_float(self) -> bool:
        return self.type in ("float", "double")

    def _binary(self, other: Number, of_floats: str, of_integers: str, *, swap: bool = False) -> Value:
        right = self.emit.lift(other, self.type)
        left, right = (right, self) if swap else (self, right)
        operation = of_floats if self.is_float else of_integers
        return self.emit.instruction(self.type, f"{operation} {self.emit.vector(self.type)} {left}, {right}")

    def __add__(self, other: Number) -> Value:
        return self._binary(other, "fadd", "add")

    def __radd__(self, other: Number) -> Value:
        return self._binary(other, "fadd", "add", swap=True)

    def __sub__(self, other: Number) -> Value:
        return self._binary(other, "fsub", "sub")

    def __rsub__(self, other: Number) -> Value:
        return self._binary(other, "fsub", "sub", swap=True)

    def __mul__(self, other: Number) -> Value:
        return self._binary(other, "fmul", "mul")

    def __rmul__(self, other: Number) -> Value:
        return self._binary(other, "fmul", "mul", swap=True)

    def __truediv__(self, other: Number) -> Value:
        return self._binary(other, "fdiv", "sdiv")

    def __rtruediv__(self, other: Number) -> Value:
        return self._binary(other, "fdiv", "sdiv", swap=True)

    def __neg__(self) -> Value:
        return self.emit.negative(self)

    # integers and masks
    def __lshift__(self, other: Number) -> Value:
        return self._binary(other, "", "shl")

    def __rshift__(self, other: Number) -> Value:
        """Arithmetic: the sign stays."""
        return self._binary(other, "", "ashr")

    def logical_shift(self, other: Number) -> Value:
        """To the right, zeros from the left."""
        return self._binary(other, "", "lshr")

    def __and__(self, other: Number) -> Value:
        result = self._binary(other, "", "and")
        result._opposite = (lambda: ~self | ~other) if self.type == MASK and isinstance(other, Value) else None
        return result

    def __or__(self, other: Number) -> Value:
        result = self._binary(other, "", "or")
        result._opposite = (lambda: ~self & ~other) if self.type == MASK and isinstance(other, Value) else None
        return result

    def __xor__(self, other: Number) -> Value:
        return self._binary(other, "", "xor")

    def __invert__(self) -> Value:
        """Of a comparison another comparison: where masks belong to instructions, they cost nothing then."""
        return self._binary(-1, "", "xor") if self._opposite is None else self._opposite()

    def _compare(self, other: Number, of_floats: str, of_integers: str) -> Value:
        right = self.emit.lift(other, self.type)
        operation = f"fcmp {of_floats}" if self.is_float else f"icmp {of_integers}"
        result = self.emit.instruction(MASK, f"{operation} {self.emit.vector(self.type)} {self}, {right}")
        result._opposite = lambda: self._compare(right, _OPPOSITE[of_floats], _OPPOSITE[of_integers])
        return result

    def __lt__(self, other: Number) -> Value:
        return self._compare(other, "olt", "slt")

    def __le__(self, other: Number) -> Value:
        return self._compare(other, "ole", "sle")

    def __gt__(self, other: Number) -> Value:
        return self._compare(other, "ogt", "sgt")

    def __ge__(self, other: Number) -> Value:
        return self._compare(other, "oge", "sge")

    def not_less(self, other: Number) -> Value:
        """As >=, and true where either is NaN."""
        return self._compare(other, "uge", "sge")

    def eq(self, other: Number) -> Value:
        return self._compare(other, "oeq", "eq")

    def ne(self, other: Number) -> Value:
        return self._compare(other, "une", "ne")

    def ordered(self, other: Number) -> Value:
        """Where neither is NaN."""
        return self._compare(other, "ord", "eq")

    def apart(self, other: Number) -> Value:
        """Where they differ and neither is NaN."""
        return self._compare(other, "one", "ne")


class Emitter:
    """The text of one function under construction; all values have ``lanes`` lanes.

    ``avx512``: its instructions may be written where they save some, the bits of the results being the same.
    ``coarse``: results of float64 numbers need no more digits than float32 holds.
    """

    def __init__(self, float_: Float, *, lanes: int = 0, avx512: bool = False, coarse: bool = False) -> None:
        self.float, self.lanes, self.avx512, self.coarse = float_, lanes or float_.lanes, avx512, coarse
        self.lines: list[str] = []
        self.block = "entry"  # the label of the block being written
        self.rooms: list[str] = []  # memory on the stack, taken once at the entry
        self.declarations: set[str] = set()
        self._known: dict[str, Value] = {}  # instructions of this block; each is pure
        self._count = 0
        self._negated: dict[str, Value] = {}  # the value that a name is the negative of

    # text -------------------------------------------------------------------------------------------------------------

    def vector(self, type_: str) -> str:
        return f"<{self.lanes} x {type_}>"

    def line(self, text: str) -> None:
        self.lines.append("  " + text)

    def label(self, name: str) -> None:
        """A new block; what the old one computed is not looked up any more."""
        self.lines.append(f"{name}:")
        self.block = name
        self._known.clear()

    def fresh(self, text: str) -> str:
        """The name of an instruction that may not be shared: a load, a phi, an address."""
        self._count += 1
        if self._count > MOST_INSTRUCTIONS:
            raise TooLongError(f"a formula of more than {MOST_INSTRUCTIONS} instructions")
        self.lines.append(f"  %v{self._count} = {text}")
        return f"%v{self._count}"

    def fresh_label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def instruction(self, type_: str, text: str) -> Value:
        """The value of a pure instruction, written once per block."""
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = Value(self, self.fresh(text), type_)
        return found

    def integer(self, operation: str, a: str | int, b: str | int) -> str:
        """An operation on two scalar i64, such as add, or a comparison such as icmp slt."""
        return self.fresh(f"{operation} i64 {a}, {b}")

    def smaller(self, a: str, b: str | int) -> str:
        """The smaller of two scalar i64."""
        return self.fresh(f"select i1 {self.integer('icmp slt', a, b)}, i64 {a}, i64 {b}")

    def larger(self, a: str, b: str | int) -> str:
        """The larger of two scalar i64."""
        return self.fresh(f"select i1 {self.integer('icmp sgt', a, b)}, i64 {a}, i64 {b}")

    def declare(self, text: str) -> None:
        self.declarations.add(f"declare {text}")

    # constants --------------------------------------------------------------------------------------------------------

    def lift(self, x: Number, type_: str | None = None) -> Value:
        """A number as a vector of equal lanes, rounded once to the type."""
        if isinstance(x, Value):
            return x
        type_ = type_ or self.float.name
        return Value(self, f"splat ({type_} {literal(x, type_)})", type_)

    def constants(self, numbers: Sequence[float], type_: str) -> Value:
        return Value(self, f"<{', '.join(f'{type_} {literal(x, type_)}' for x in numbers)}>", type_)

    # pure functions ---------------------------------------------------------------------------------------------------

    def negative(self, x: Value) -> Value:
        result = self.instruction(x.type, f"fneg {self.vector(x.type)} {x}")
        self._negated[result.name] = x
        return result

    def intrinsic(self, name: str, *args: Value) -> Value:
        """An LLVM intrinsic that takes and gives vectors of one type, such as sqrt."""
        type_ = self.vector(args[0].type)
        suffix = f"v{self.lanes}{'f' if args[0].is_float else 'i'}{8 * BYTES[args[0].type]}"
        self.declare(f"{type_} @llvm.{name}.{suffix}({', '.join([type_] * len(args))})")
        arguments = ", ".join(f"{type_} {arg}" for arg in args)
        return self.instruction(args[0].type, f"call {type_} @llvm.{name}.{suffix}({arguments})")

    def fma(self, a: Number, b: Number, c: Number) -> Value:
        """a * b + c, rounded once."""
        type_ = next(x.type for x in (a, b, c) if isinstance(x, Value))
        return self.intrinsic("fma", *(self.lift(x, type_) for x in (a, b, c)))

    def abs(self, x: Value) -> Value:
        return self.intrinsic("fabs", self._negated.get(x.name, x))  # of x and -x: one

    def sqrt(self, x: Value) -> Value:
        return self.intrinsic("sqrt", x)

    def copysign(self, size: Number, sign: Value) -> Value:
        return self.intrinsic("copysign", self.lift(size, sign.type), sign)

    def where(self, mask: Value, a: Number, b: Number) -> Value:
        """a where the mask is true, else b; both are computed."""
        type_ = next((x.type for x in (a, b) if isinstance(x, Value)), self.float.name)
        left, right, vector = self.lift(a, type_), self.lift(b, type_), self.vector(type_)
        if left.name == right.name:
            return left
        return self.instruction(type_, f"select {self.vector(MASK)} {mask}, {vector} {left}, {vector} {right}")

    def by_sign(self, x: Value, a: Number, b: Number) -> Value:
        """a where x >= 0, else b; of x and -x by one comparison, so at 0 it may be either."""
        base = self._negated.get(x.name)
        return self.where(x >= 0.0, a, b) if base is None else self.where(base >= 0.0, b, a)

    def smaller_of(self, a: Value, b: Value) -> Value:
        """The smaller of two, one instruction; a where they do not compare."""
        return self.where(b < a, b, a)

    def polynomial(self, x: Value, coefficients: tuple[float, ...]) -> Value:
        """By Horner's rule; the coefficient of the highest power comes first."""
        result = self.lift(coefficients[0], x.type)
        for coefficient in coefficients[1:]:
            result = self.fma(result, x, self.lift(coefficient, x.type))
        return result

    def bits(self, x: Value) -> Value:
        """The same bits as an integer."""
        type_ = {"float": "i32", "double": "i64"}[x.type]
        return self.instruction(type_, f"bitcast {self.vector(x.type)} {x} to {self.vector(type_)}")

    def from_bits(self, x: Value) -> Value:
        type_ = {"i32": "float", "i64": "double"}[x.type]
        return self.instruction(type_, f"bitcast {self.vector(x.type)} {x} to {self.vector(type_)}")

    def convert(self, operation: str, x: Value, type_: str) -> Value:
        """One of LLVM's conversions, such as fpext, sitofp, trunc, zext."""
        return self.instruction(type_, f"{operation} {self.vector(x.type)} {x} to {self.vector(type_)}")

    def to_float(self, x: Value, type_: str) -> Value:
        """A float of either width as one of the other."""
        if x.type == type_:
            return x
        return self.convert("fpext" if type_ == "double" else "fptrunc", x, type_)

    # lanes ------------------------------------------------------------------------------------------------------------

    def shuffle(self, x: Value, y: Value, lanes: list[int]) -> Value:
        vector = self.vector(x.type)
        order = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.instruction(x.type, f"shufflevector {vector} {x}, {vector} {y}, <{len(lanes)} x i32> <{order}>")

    @contextmanager
    def wider(self, times: int) -> Iterator[Callable[[Value], list[Value]]]:
        """Vectors of so many times the lanes; yields what takes one apart again."""
        lanes, self.lanes = self.lanes, self.lanes * times
        try:
            yield lambda x: [self.part(x, lanes * k, lanes) for k in range(times)]
        finally:
            self.lanes = lanes

    def widened(self, x: Value, times: int) -> Value:
        """A vector of equal lanes as one of so many times the lanes."""
        if times == 1 or not x.name.startswith("%"):  # a constant has as many as are wanted
            return x
        vector = self.vector(x.type)
        first = f"<{times * self.lanes} x i32> zeroinitializer"
        return self.instruction(x.type, f"shufflevector {vector} {x}, {vector} poison, {first}")

    def part(self, x: Value, first: int, width: int) -> Value:
        """So many lanes of a vector."""
        if width == self.lanes:
            return x
        vector = self.vector(x.type)
        lanes = ", ".join(f"i32 {lane}" for lane in range(first, first + width))
        return self.instruction(x.type, f"shufflevector {vector} {x}, {vector} poison, <{width} x i32> <{lanes}>")

    def splat(self, scalar: str, type_: str) -> Value:
        """A scalar of the text in every lane."""
        vector = self.vector(type_)
        first = self.instruction(type_, f"insertelement {vector} poison, {type_} {scalar}, i64 0")
        return self.shuffle(first, Value(self, "poison", type_), [0] * self.lanes)

    def first_lane(self, x: Value) -> str:
        return self.fresh(f"extractelement {self.vector(x.type)} {x}, i64 0")

    def lane_numbers(self, type_: str) -> Value:
        return self.constants(list(range(self.lanes)), type_)

    def first_lanes(self, count: str | int) -> Value:
        """The lanes whose numbers are less than a count."""
        return self.lane_numbers("i32") < self.splat(self.fresh(f"trunc i64 {count} to i32"), "i32")

    # memory -----------------------------------------------------------------------------------------------------------

    def address(self, base: str, index: str | int, type_: str) -> str:
        return self.fresh(f"getelementptr {type_}, ptr {base}, i64 {index}")

    def room(self, type_: str, vectors: int = 1) -> str:
        """A place on the stack for so many vectors."""
        self._count += 1
        self.rooms.append(f"  %v{self._count} = alloca {self.vector(type_)}, i64 {vectors}, align 64")
        return f"%v{self._count}"

    def load(self, pointer: str, type_: str, mask: Value | None = None, filler: Number = 0) -> Value:
        """Consecutive numbers; where the mask is false memory is not touched and the lane holds the filler."""
        vector, align = self.vector(type_), BYTES[type_]
        if mask is None:
            return Value(self, self.fresh(f"load {vector}, ptr {pointer}, align {align}"), type_)
        name = f"@llvm.masked.load.v{self.lanes}{_short(type_)}.p0"
        self.declare(f"{vector} {name}(ptr, i32, {self.vector(MASK)}, {vector})")
        arguments = f"ptr {pointer}, i32 {align}, {self.vector(MASK)} {mask}, {vector} {self.lift(filler, type_)}"
        return Value(self, self.fresh(f"call {vector} {name}({arguments})"), type_)

    def store(self, x: Value, pointer: str, mask: Value | None = None) -> None:
        vector, align = self.vector(x.type), BYTES[x.type]
        if mask is None:
            self.line(f"store {vector} {x}, ptr {pointer}, align {align}")
            return
        name = f"@llvm.masked.store.v{self.lanes}{_short(x.type)}.p0"
        self.declare(f"void {name}({vector}, ptr, i32, {self.vector(MASK)})")
        self.line(f"call void {name}({vector} {x}, ptr {pointer}, i32 {align}, {self.vector(MASK)} {mask})")

    def stream(self, x: Value, pointer: str, align: int) -> None:
        """Consecutive numbers, written past the caches: for more of them than caches hold."""
        self.declarations.add("!0 = !{i32 1}")
        self.line(f"store {self.vector(x.type)} {x}, ptr {pointer}, align {align}, !nontemporal !0")

    def prefetch(self, pointer: str, *, write: bool, level: int = 1) -> None:
        """Bring a cache line into the cache of a level; an address that does not exist is harmless."""
        self.declare("void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.line(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 {int(write)}, i32 {4 - level}, i32 1)")

    def load_scalar(self, pointer: str, type_: str) -> str:
        return self.fresh(f"load {type_}, ptr {pointer}, align {BYTES[type_]}")

    def load_splat(self, pointer: str, type_: str) -> Value:
        """One number of memory in every lane."""
        return self.splat(self.load_scalar(pointer, type_), type_)


def _short(type_: str) -> str:
    return {"float": "f32", "double": "f64"}.get(type_, type_)


def literal(x: float, type_: str) -> str:
    """A number in the text: integers as they are, floats by the bits of the double of the same value."""
    if type_ == MASK:
        return "true" if x else "false"
    if type_ not in ("float", "double"):
        return str(int(x))
    number = ctypes.c_float(x).value if type_ == "float" else float(x)
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
