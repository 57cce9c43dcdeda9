"""How numbers lie in memory, and how they become vectors of the compute type and back."""

from __future__ import annotations

from lossmith.engine.llvm.emit import MASK, Emitter, Value
from lossmith.record import Record

# NumPy's name of a dtype -> (LLVM's type of its bits, how they become a float)
_STORED = {
    "float32": ("float", "float"), "float64": ("double", "float"), "float16": ("i16", "half"),
    "bfloat16": ("i16", "brain"), "bool": ("i8", "unsigned"),
    **{f"int{8 * size}": (f"i{8 * size}", "signed") for size in (1, 2, 4, 8)},
    **{f"uint{8 * size}": (f"i{8 * size}", "unsigned") for size in (1, 2, 4, 8)},
}  # fmt: skip
DTYPES = tuple(_STORED)
_LARGEST_SINGLE = float.fromhex("0x1.fffffep127")
WRITABLE = ("float16", "bfloat16", "float32", "float64")


class Stored(Record):
    """One array argument of a kernel: one number per sample.

    ``dense`` numbers follow each other; others are ``stride`` bytes apart, which the job says, or, of a row, those of
    the same class follow each other, and classes are as far apart as the job says. An array of several
    named predictions per sample is dense with ``group`` numbers per sample, of which this is number ``member``.
    """

    dtype: str
    dense: bool = True
    group: int = 1
    member: int = 0

    @property
    def type(self) -> str:
        return _STORED[self.dtype][0]


class Slot:
    """One vector in memory of the stack. Conditions lie there as integers: single bits have no addresses."""

    def __init__(self, e: Emitter, type_: str) -> None:
        self._e, self._type, self._held = e, type_, "i32" if type_ == MASK else type_
        self._pointer = e.room(self._held)

    def put(self, x: Value) -> None:
        self._e.store(self._e.convert("zext", x, "i32") if self._type == MASK else x, self._pointer)

    def get(self) -> Value:
        return self._taken(self._e.load(self._pointer, self._held))

    def lane(self, number: str) -> Value:
        """One lane of it in all."""
        e = self._e
        return self._taken(e.load_splat(e.address(self._pointer, number, self._held), self._held))

    def _taken(self, held: Value) -> Value:
        return held.ne(0) if self._type == MASK else held


def load(e: Emitter, stored: Stored, base: str, stride: str, index: str, mask: Value | None, last: str) -> Value:
    """The samples from ``index`` on as stored (raw bits). Where the mask is false they are whatever is harmless.

    ``last`` is the index of the last sample that exists, where there is a mask.
    """
    if not stored.dense:
        return _load_apart(e, stored, base, stride, index, None if mask is None else last)
    if stored.group == 1:
        return e.load(e.address(base, index, stored.type), stored.type, mask)
    return load_group(e, stored, base, index, None if mask is None else last)[stored.member]


def load_group(e: Emitter, stored: Stored, base: str, index: str, last: str | None) -> list[Value]:
    """All members of the groups of the samples from ``index`` on, up to the last that exists."""
    first = e.integer("mul", index, stored.group)
    masks = [None] * stored.group if last is None else _group_masks(e, stored.group, index, last)
    parts = [
        e.load(e.address(base, e.integer("add", first, k * e.lanes), stored.type), stored.type, masks[k])
        for k in range(stored.group)
    ]
    return [_every(e, parts, stored.group, member) for member in range(stored.group)]


def _load_apart(e: Emitter, stored: Stored, base: str, stride: str, index: str, last: str | None) -> Value:
    """Lane by lane; beyond the last sample the last one again."""
    type_, vector, result = stored.type, e.vector(stored.type), "poison"
    for lane in range(e.lanes):
        at = e.integer("add", index, lane)
        if last is not None:
            at = e.smaller(at, last)
        pointer = e.address(base, e.integer("mul", at, stride), "i8")
        scalar = e.fresh(f"load {type_}, ptr {pointer}, align 1")
        result = e.fresh(f"insertelement {vector} {result}, {type_} {scalar}, i64 {lane}")
    return Value(e, result, type_)


def _group_masks(e: Emitter, group: int, index: str, last: str) -> list[Value | None]:
    """Which numbers of the ``group`` vectors that hold the samples from index on belong to samples that exist."""
    left = e.integer("mul", e.integer("add", e.integer("sub", last, index), 1), group)
    limit = e.splat(e.fresh(f"trunc i64 {left} to i32"), "i32")
    return [e.constants([k * e.lanes + lane for lane in range(e.lanes)], "i32") < limit for k in range(group)]


def _every(e: Emitter, parts: list[Value], group: int, member: int) -> Value:
    """Numbers member, member + group, ... of consecutive vectors."""
    found = parts[0]
    places = [lane * group + member for lane in range(e.lanes)]
    for k, part in enumerate(parts[1:], 1):
        known = [p if k == 1 else lane for lane, p in enumerate(places)]  # after the first step they are in their lanes
        order = [
            e.lanes + p % e.lanes if p // e.lanes == k else (known[lane] if p // e.lanes < k else 0)
            for lane, p in enumerate(places)
        ]
        found = e.shuffle(found, part, order)
    return found


def to_float(e: Emitter, stored: Stored, raw: Value, type_: str) -> Value:
    """Stored bits as numbers of a float type."""
    how = _STORED[stored.dtype][1]
    if how == "float":
        return e.to_float(raw, type_)
    if how in ("signed", "unsigned"):
        return e.convert("sitofp" if how == "signed" else "uitofp", raw, type_)
    bits = e.convert("zext", raw, "i32")
    single = e.from_bits(bits << 16) if how == "brain" else _from_half(e, bits)
    return e.to_float(single, type_)


def _from_half(e: Emitter, bits: Value) -> Value:
    """Exponents are moved by a multiplication, which makes denormals right too. (fpext may be a library call.)"""
    size = (bits & 0x7FFF) << 13
    moved = e.bits(e.from_bits(size) * 2.0**112)
    infinite = size >= 0x0F800000  # or NaN
    return e.from_bits(e.where(infinite, size | 0x7F800000, moved) | ((bits & 0x8000) << 16))


def store(e: Emitter, dtype: str, x: Value, pointer: str, mask: Value | None, past_caches: int = 0) -> None:
    """Numbers written as consecutive ones of a dtype; whole vectors past the caches, where an alignment is given."""
    if dtype in ("float32", "float64"):
        x = e.to_float(x, _STORED[dtype][0])
    else:
        single = e.bits(_to_odd(e, x))
        half = _to_half(e, single) if dtype == "float16" else _to_brain(e, single)
        x = e.convert("trunc", half, "i16")
    if past_caches and mask is None:
        e.stream(x, pointer, past_caches)
    else:
        e.store(x, pointer, mask)


def store_group(
    e: Emitter, dtype: str, members: list[Value], base: str, index: str, last: str | None, past_caches: int = 0
) -> None:
    """Several numbers per sample, those of a sample beside each other."""
    group = len(members)
    first = e.integer("mul", index, group)
    masks = [None] * group if last is None else _group_masks(e, group, index, last)
    for k in range(group):
        x = members[0]
        for m, other in enumerate(members[1:], 1):
            places = [k * e.lanes + lane for lane in range(e.lanes)]
            order = [
                e.lanes + p // group if p % group == m else (p // group if m == 1 else lane)
                for lane, p in enumerate(places)
            ]
            x = e.shuffle(x, other, order)
        type_ = _STORED[dtype][0]
        store(e, dtype, x, e.address(base, e.integer("add", first, k * e.lanes), type_), masks[k], past_caches)


def _to_odd(e: Emitter, x: Value) -> Value:
    """As float32; what is between two of them becomes the odd one, so that rounding once more rounds only once."""
    if x.type == "float":
        return x
    single = e.to_float(x, "float")
    back = e.to_float(single, "double")
    bits = e.bits(single)
    even = (bits & 1).eq(0)
    outward = e.where(e.abs(back) < e.abs(x), e.lift(1, "i32"), -1)
    between = back.ne(x) & x.eq(x) & even & (e.abs(x) <= _LARGEST_SINGLE)
    return e.from_bits(e.where(between, bits + outward, bits))


def _to_half(e: Emitter, bits: Value) -> Value:
    """Round to nearest even; the addition of a magic number rounds what will be denormal."""
    sign, size = bits & -0x80000000, bits & 0x7FFFFFFF
    magic = ((127 - 15) + (23 - 10) + 1) << 23
    denormal = e.bits(e.from_bits(size) + e.from_bits(e.lift(magic, "i32") | (size ^ size))) - magic
    odd = size.logical_shift(13) & 1
    normal = (size + (((15 - 127) << 23) + 0xFFF) + odd).logical_shift(13)
    huge = e.where(size > (255 << 23), e.lift(0x7E00, "i32"), 0x7C00)
    result = e.where(size >= ((127 + 16) << 23), huge, e.where(size < (113 << 23), denormal, normal))
    return result | sign.logical_shift(16)


def _to_brain(e: Emitter, bits: Value) -> Value:
    rounded = (bits + 0x7FFF + (bits.logical_shift(16) & 1)).logical_shift(16)
    nan = (bits & 0x7FFFFFFF) > (255 << 23)
    return e.where(nan, e.lift(0x7FC0, "i32"), rounded)
