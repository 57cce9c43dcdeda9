"""Expressions: immutable nodes, shared when equal, so that a formula is a small graph and equality is identity.

The smart constructors fold constants and the neutral elements 0, 1 and negation, and nothing else: any further
rewriting would change digits. One consequence matters for derivatives: ``where(c, x, 0) * d`` becomes
``where(c, x * d, 0)``, so a branch that was not taken can never turn into ``0 * inf``.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeAlias, Union

Operand: TypeAlias = Union["Expr", float, int]

_POOL: weakref.WeakValueDictionary[tuple[Any, ...], Expr] = weakref.WeakValueDictionary()


class FormulaError(TypeError):
    """A formula does something the language cannot express; the message says what to write instead."""


class Expr:
    """One node: an operation, its arguments, and (for leaves) a constant or a name.

    ``row`` is True where the node has one value per class, ``boolean`` where it is a condition.
    """

    __slots__ = ("__weakref__", "args", "boolean", "data", "op", "row")

    op: str
    args: tuple[Expr, ...]
    data: Any
    row: bool
    boolean: bool

    def __new__(cls, op: str, args: tuple[Expr, ...] = (), data: Any = None, *, row: bool, boolean: bool) -> Expr:
        # repr tells 0.0 from -0.0 and 1 from True, which compare equal
        key = (op, tuple(map(id, args)), repr(data), row)
        found = _POOL.get(key)
        if found is None:
            found = object.__new__(cls)
            for name, value in (("op", op), ("args", args), ("data", data), ("row", row), ("boolean", boolean)):
                object.__setattr__(found, name, value)
            _POOL[key] = found
        return found

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("expressions are immutable")

    def __reduce__(self) -> NoReturn:
        raise TypeError("an expression is saved through its formula (formula.to_data), not by pickle")

    # arithmetic
    def __add__(self, other: Operand) -> Expr:
        return add(self, other)

    def __radd__(self, other: Operand) -> Expr:
        return add(other, self)

    def __sub__(self, other: Operand) -> Expr:
        return sub(self, other)

    def __rsub__(self, other: Operand) -> Expr:
        return sub(other, self)

    def __mul__(self, other: Operand) -> Expr:
        return mul(self, other)

    def __rmul__(self, other: Operand) -> Expr:
        return mul(other, self)

    def __truediv__(self, other: Operand) -> Expr:
        return div(self, other)

    def __rtruediv__(self, other: Operand) -> Expr:
        return div(other, self)

    def __pow__(self, other: Operand) -> Expr:
        return power(self, other)

    def __rpow__(self, other: Operand) -> Expr:
        return power(other, self)

    def __neg__(self) -> Expr:
        return neg(self)

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return apply("abs", self)

    # conditions
    def __lt__(self, other: Operand) -> Expr:
        return apply("lt", self, other)

    def __le__(self, other: Operand) -> Expr:
        return apply("le", self, other)

    def __gt__(self, other: Operand) -> Expr:
        return apply("lt", other, self)

    def __ge__(self, other: Operand) -> Expr:
        return apply("le", other, self)

    def __eq__(self, other: object) -> Expr:  # type: ignore[override]
        return apply("eq", self, other)

    def __ne__(self, other: object) -> Expr:  # type: ignore[override]
        return apply("not", apply("eq", self, other))

    def __and__(self, other: Operand) -> Expr:
        return apply("and", self, other)

    def __or__(self, other: Operand) -> Expr:
        return apply("or", self, other)

    def __invert__(self) -> Expr:
        return apply("not", self)

    # nodes are shared, so identity is equality and `==` is free to build a condition
    __hash__ = object.__hash__

    # what Python would do to a number, and a formula must not
    def __bool__(self) -> NoReturn:
        raise FormulaError(
            "a formula has no value yet, so Python's `if`, `and`, `or`, `not`, `min` and `max` cannot decide on it: "
            "write where(condition, a, b), `&`, `|`, `~`, minimum(a, b) or maximum(a, b)"
        )

    def __float__(self) -> NoReturn:
        raise FormulaError(
            "a formula has no value yet, so math.* and float() cannot take it: "
            "use the functions of lossmith.formula, such as exp, log, log1p, sqrt"
        )

    __int__ = __float__
    __index__ = __float__

    def __iter__(self) -> NoReturn:
        raise FormulaError(
            "a row of scores cannot be iterated or indexed, and Python's sum, max and min cannot take it: "
            "use sum, max, logsumexp, pick or cumsum of lossmith.formula"
        )

    def __getitem__(self, item: object) -> NoReturn:
        self.__iter__()

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise FormulaError("NumPy functions cannot take a formula: use the functions of lossmith.formula")

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **kwargs: Any) -> Expr:
        """NumPy numbers may stand in a formula; NumPy functions may not."""
        builder = _OF_NUMPY.get(ufunc.__name__)
        if builder is None or method != "__call__" or kwargs:
            raise FormulaError(
                f"numpy.{ufunc.__name__} cannot take a formula: "
                "use the functions of lossmith.formula, such as exp, log, sqrt"
            )
        return builder(*operands)

    def __repr__(self) -> str:
        from lossmith.formula.text import to_text

        return to_text(self)


def leaf(op: str, data: Any, *, row: bool = False) -> Expr:
    return Expr(op, (), data, row=row, boolean=False)


def const(value: float) -> Expr:
    return leaf("const", float(value))


ZERO, ONE = const(0.0), const(1.0)
PI = leaf("pi", None)  # a symbol, so that it is as exact as whoever evaluates it


def as_expr(value: Any) -> Expr:
    """An operand of a formula: an expression or a plain real number."""
    if isinstance(value, Expr):
        return value
    if isinstance(value, (bool, int, float)) or (hasattr(value, "dtype") and getattr(value, "ndim", None) == 0):
        try:
            return const(float(value))
        except OverflowError:
            raise FormulaError("a formula is made of numbers that a float can hold, not of larger ones") from None
    raise FormulaError(f"a formula is made of expressions and numbers, not of {type(value).__name__}: {value!r}")


def is_condition(value: object) -> bool:
    return isinstance(value, Expr) and value.boolean


def is_const(node: Expr, value: float | None = None) -> bool:
    return node.op == "const" and (value is None or node.data == value)


def apply(op: str, *operands: object) -> Expr:
    """A primitive applied to operands, checked against the primitive table."""
    from lossmith.formula.primitives import PRIMITIVES

    primitive = PRIMITIVES[op]
    args = tuple(as_expr(operand) for operand in operands)
    if len(args) != primitive.arity:
        raise FormulaError(f"{op} takes {primitive.arity} arguments, not {len(args)}")
    for position, arg in enumerate(args):
        if arg.boolean != primitive.takes_boolean(position):
            wanted = "a condition such as x > 0" if primitive.takes_boolean(position) else "a number, not a condition"
            raise FormulaError(f"argument {position + 1} of {op} must be {wanted}")
    if primitive.kind in ("reduction", "map") and not args[0].row:
        raise FormulaError(f"{op} works on a row of per-class values; here it got one number per sample")
    if primitive.fold is not None and all(arg.op == "const" for arg in args):
        folded = _folded(primitive.fold, [arg.data for arg in args])
        if folded is not None:
            return const(folded)
    row = primitive.kind != "reduction" and (op == "per_class" or any(arg.row for arg in args))
    return Expr(op, args, row=row, boolean=primitive.kind in ("comparison", "logic"))


def _folded(function: Callable[..., float], values: list[float]) -> float | None:
    try:
        result = float(function(*values))
    except (ArithmeticError, ValueError):
        return None  # left to the engine, which knows inf and nan
    return result if math.isfinite(result) else None


def _half_zero(node: Expr) -> bool:
    return node.op == "where" and (is_const(node.args[1], 0.0) or is_const(node.args[2], 0.0))


def _inside(node: Expr, function: Callable[[Expr], Expr]) -> Expr:
    """where(c, x, 0) -> where(c, function(x), 0), on whichever side the zero is."""
    condition, a, b = node.args
    return where(condition, a if is_const(a, 0.0) else function(a), b if is_const(b, 0.0) else function(b))


def add(a: Operand, b: Operand) -> Expr:
    a, b = as_expr(a), as_expr(b)
    if is_const(a, 0.0):
        return b
    if is_const(b, 0.0):
        return a
    if _half_zero(a) and _half_zero(b) and a.args[0] is b.args[0]:
        sides = zip(a.args[1:], b.args[1:], strict=True)
        return where(a.args[0], *(add(x, z) for x, z in sides))
    if b.op == "neg":
        return sub(a, b.args[0])
    return apply("add", a, b)


def sub(a: Operand, b: Operand) -> Expr:
    a, b = as_expr(a), as_expr(b)
    if is_const(b, 0.0):
        return a
    if is_const(a, 0.0):
        return neg(b)
    if b.op == "neg":
        return add(a, b.args[0])
    return apply("sub", a, b)


def neg(a: Operand) -> Expr:
    a = as_expr(a)
    if a.op == "neg":
        return a.args[0]
    if _half_zero(a):
        return _inside(a, neg)
    return const(-a.data) if a.op == "const" else apply("neg", a)


def mul(a: Operand, b: Operand) -> Expr:
    a, b = as_expr(a), as_expr(b)
    for x, other in ((a, b), (b, a)):
        if is_const(x, 0.0):
            return ZERO
        if is_const(x, 1.0):
            return other
        if is_const(x, -1.0):
            return neg(other)
    if _half_zero(a):
        return _inside(a, lambda x: mul(x, b))
    if _half_zero(b):
        return _inside(b, lambda x: mul(a, x))
    if a.op == "neg":
        return neg(mul(a.args[0], b))
    if b.op == "neg":
        return neg(mul(a, b.args[0]))
    for x, other in ((a, b), (b, a)):
        if x.op == "div" and is_const(x.args[0], 1.0):
            return div(other, x.args[1])
    return apply("mul", a, b)


def div(a: Operand, b: Operand) -> Expr:
    a, b = as_expr(a), as_expr(b)
    if is_const(a, 0.0):
        return ZERO
    if is_const(b, 1.0):
        return a
    if _half_zero(a):
        return _inside(a, lambda x: div(x, b))
    if a.op == "neg":
        return neg(div(a.args[0], b))
    if is_const(a, -1.0):
        return neg(div(ONE, b))
    return apply("div", a, b)


def power(a: Operand, b: Operand) -> Expr:
    a, b = as_expr(a), as_expr(b)
    if is_const(b, 0.0):
        return ONE
    if is_const(b, 1.0):
        return a
    if is_const(b, 2.0):
        return apply("mul", a, a)
    if is_const(b, 0.5):
        return apply("sqrt", a)
    return apply("power", a, b)


def where(condition: Expr, a: Operand, b: Operand) -> Expr:
    """``a`` where the condition holds, else ``b``. Derivatives follow the branch that was chosen."""
    a, b = as_expr(a), as_expr(b)
    if not is_condition(condition):
        raise FormulaError("the first argument of where must be a condition on traced values, such as abs(r) <= delta")
    if condition.op == "not":
        return where(condition.args[0], b, a)
    return a if a is b else apply("where", condition, a, b)


def walk(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Every node below the roots once, arguments before users. Not recursive: a formula may be thousands deep."""
    done: set[Expr] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            node, ready = stack.pop()
            if node in done:
                continue
            if ready or not node.args:
                done.add(node)
                yield node
            else:
                stack.append((node, True))
                stack.extend((arg, False) for arg in reversed(node.args))


BUILDERS: dict[str, Callable[..., Expr]] = {
    "add": add, "sub": sub, "neg": neg, "mul": mul, "div": div, "power": power, "where": where,
}  # fmt: skip


_OF_NUMPY: dict[str, Callable[..., Expr]] = {
    "add": add, "subtract": sub, "multiply": mul, "divide": div, "true_divide": div, "power": power,
    "less": lambda a, b: apply("lt", a, b), "less_equal": lambda a, b: apply("le", a, b),
    "greater": lambda a, b: apply("lt", b, a), "greater_equal": lambda a, b: apply("le", b, a),
    "equal": lambda a, b: apply("eq", a, b), "not_equal": lambda a, b: apply("not", apply("eq", a, b)),
}  # fmt: skip


def rebuild(node: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same operation on other arguments, folded again."""
    if not node.args:
        return node
    builder = BUILDERS.get(node.op)
    return builder(*args) if builder else apply(node.op, *args)


def substitute(roots: tuple[Expr, ...], replacement: dict[Expr, Expr]) -> tuple[Expr, ...]:
    """The roots with some nodes replaced by others."""
    new: dict[Expr, Expr] = {}
    for node in walk(roots):
        new[node] = replacement[node] if node in replacement else rebuild(node, tuple(new[a] for a in node.args))
    return tuple(new[root] for root in roots)
