"""The lines of a Triton kernel: names that write down what is computed with them.

The array engine's own functions run on these names instead of arrays, so a primitive is written once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

PRELUDE = """\
import triton
import triton.language as tl


@triton.jit
def _log1p(x):
    u = 1.0 + x
    return tl.where((u == 1.0) | (u == float("inf")), x, tl.log(u) * (x / (u - 1.0)))


@triton.jit
def _expm1(x):
    u = tl.exp(x)
    d = u - 1.0
    return tl.where(d == 0.0, x, tl.where((d == -1.0) | (u == float("inf")), d, d * (x / tl.log(u))))


@triton.jit
def _tanh(x):
    t = _expm1(-2.0 * tl.abs(x))
    size = -t / (2.0 + t)
    return tl.where(x < 0, -size, size)


@triton.jit
def _pow(x, q):
    return tl.where(q == 0, 1.0, tl.exp(q * tl.log(x)))


@triton.jit
def _largest_and_rest(largest, rest, ties, x, inside):
    # one stretch more: where a larger number turns up, what was added before shrinks with it
    x = tl.where(inside, x, float("-inf"))
    top = tl.maximum(largest, tl.max(x))
    same = largest == top
    rest = tl.where(same, rest, (rest + ties) * tl.exp((largest - top).to(tl.float64)))
    rest += tl.sum(tl.where(x == top, 0.0, tl.exp(x - top))).to(tl.float64)
    ties = tl.where(same, ties, 0.0) + tl.sum(tl.where(inside & (x == top), 1.0, 0.0)).to(tl.float64)
    return top, rest, ties


"""


SCALING = """\
import triton
import triton.language as tl


@triton.jit
def kernel(factor_at, x_at, n, BLOCK: tl.constexpr):
    factor = tl.load(factor_at).to(tl.float32)
    if factor != 1.0:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        inside = at < n
        tl.store(x_at + at, tl.load(x_at + at, mask=inside, other=0).to(tl.float32) * factor, mask=inside)
"""


class NoKernelError(NotImplementedError):
    """The formula needs what Triton's language lacks: plain tensor operations compute it."""


class Name:
    """A number that a line of the kernel has computed; operators write further lines."""

    def __init__(self, lines: Lines, text: str) -> None:
        self.lines, self.text = lines, text

    def __repr__(self) -> str:
        return self.text

    def _with(self, operator: str, other: Any, turned: bool = False) -> Name:
        a, b = (other, self) if turned else (self, other)
        return self.lines.name(f"{shown(a)} {operator} {shown(b)}")

    def __add__(self, other: Any) -> Name:
        return self._with("+", other)

    def __radd__(self, other: Any) -> Name:
        return self._with("+", other, turned=True)

    def __sub__(self, other: Any) -> Name:
        return self._with("-", other)

    def __rsub__(self, other: Any) -> Name:
        return self._with("-", other, turned=True)

    def __mul__(self, other: Any) -> Name:
        return self._with("*", other)

    def __rmul__(self, other: Any) -> Name:
        return self._with("*", other, turned=True)

    def __truediv__(self, other: Any) -> Name:
        return self._with("/", other)

    def __rtruediv__(self, other: Any) -> Name:
        return self._with("/", other, turned=True)

    def __neg__(self) -> Name:
        return self.lines.name(f"-{self}")

    def __lt__(self, other: Any) -> Name:
        return self._with("<", other)

    def __le__(self, other: Any) -> Name:
        return self._with("<=", other)

    def __gt__(self, other: Any) -> Name:
        return self._with(">", other)

    def __ge__(self, other: Any) -> Name:
        return self._with(">=", other)

    def __eq__(self, other: object) -> Name:  # type: ignore[override]
        return self._with("==", other)

    def __ne__(self, other: object) -> Name:  # type: ignore[override]
        return self._with("!=", other)

    def __and__(self, other: Any) -> Name:
        return self._with("&", other)

    def __or__(self, other: Any) -> Name:
        return self._with("|", other)

    __hash__ = None  # type: ignore[assignment]


def shown(x: Any) -> str:
    if isinstance(x, Name):
        return x.text
    number = float(x)
    return repr(number) if math.isfinite(number) else f'float("{number}")'


class Lines:
    """The lines of a kernel, each computation once; also the namespace that the engine's functions see.

    What they ask for and Triton has not got raises NoKernelError.
    """

    __name__ = "triton"

    def __init__(self) -> None:
        self.text: list[str] = []
        self._indent, self._count = 1, 0
        self._known: dict[str, Name] = {}

    def line(self, text: str) -> None:
        self.text.append("    " * self._indent + text)

    def name(self, expression: str) -> Name:
        """The name of what the expression computes."""
        if expression not in self._known:
            self._count += 1
            self.line(f"t{self._count} = {expression}")
            self._known[expression] = Name(self, f"t{self._count}")
        return self._known[expression]

    @contextmanager
    def loop(self, head: str) -> Iterator[None]:
        """What is named inside is not known outside."""
        outside = dict(self._known)
        self.line(head)
        self._indent += 1
        yield
        self._indent, self._known = self._indent - 1, outside

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if function not in _TRITON:
            raise NoKernelError(f"no Triton kernel: there is no {function} in its language")
        return lambda *args: self._call(function, args)

    def _call(self, function: str, args: tuple[Any, ...]) -> Any:
        if not any(isinstance(x, Name) for x in args):  # of constants alone: no work for each sample
            return float(getattr(np, function)(*args))
        return self.name(f"{_TRITON[function]}({', '.join(map(shown, args))})")

    # what is written otherwise in Triton, or is no work there

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        if not isinstance(condition, Name):
            return a if condition else b
        return self._call("where", (condition, a, b))

    def broadcast_to(self, x: Name, _: Any) -> Name:
        return x

    def zeros_like(self, _: Any) -> float:
        return 0.0

    def ones_like(self, _: Any) -> float:
        return 1.0

    def full_like(self, _: Any, value: float) -> float:
        return value

    def logical_not(self, x: Name) -> Name:
        return self.name(f"{x} == 0")

    def logical_and(self, a: Name, b: Name) -> Name:
        return a & b

    def logical_or(self, a: Name, b: Name) -> Name:
        return a | b


_SAME = ("abs", "exp", "log", "sqrt", "sin", "cos", "where", "floor", "minimum")
_TRITON = {name: f"tl.{name}" for name in _SAME} | {
    name: f"_{name}" for name in ("log1p", "expm1", "tanh", "pow")
}
