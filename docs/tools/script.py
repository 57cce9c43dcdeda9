"""A formula printed as JavaScript: the array engine runs on arrays of names instead of numbers, and notes its steps.

So a page's sliders compute what the library computes, from the one formula there is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any

from lossmith.engine.arrays import evaluate_block
from lossmith.loss import Loss
from lossmith.plotting import path

OUTPUTS = ("value", "gradient", "hessian", "curvature")
_MATH = ("abs", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "atan", "pow")


class NoScriptError(NotImplementedError):
    """The formula needs what JavaScript's Math lacks."""


def printed(loss: Loss) -> str:
    """The body of ``(x, y, p) => [value, gradient, hessian, curvature]`` in the prediction that moves.

    ``x`` is that prediction, ``y`` the target (an array where it is a row) and ``p`` the parameters and the other named
    predictions by name. Raises NoScriptError.
    """
    script, formula = Script(), loss.formula
    count = 1 if loss.kind == "pointwise" else len(path(loss, 0.0))
    row = formula.target.domain.row
    env = {formula.target.name: Cells(script, [f"y[{c}]" for c in range(count)] if row else ["y"])}
    if loss.kind == "rowwise":
        moved = path(loss, Cells(script, ["x"]))
        env[formula.predictions[0].name] = Cells(script, [cell.texts[0] for cell in moved])
    else:
        first, *others = formula.predictions
        env[first.name] = Cells(script, ["x"])
        env |= {other.name: Cells(script, [f"p.{other.name}"]) for other in others}
    env |= {parameter.name: Cells(script, [f"p.{parameter.name}"]) for parameter in formula.params}
    env["width"] = Cells(script, ["1"])
    roots = [formula.output(name)[0] for name in OUTPUTS]
    found = evaluate_block(roots, env, script, Cells(script, ["x"] * count), count)  # type: ignore[arg-type]
    results = ", ".join(cells.texts[0] for cells in found)
    return "\n".join([*script.lines, f"return [{results}];"])


class Script:
    """The lines written so far, each computation once; also the namespace that the engine's functions see."""

    __name__ = "javascript"

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._known: dict[str, str] = {}

    def each(self, template: str, *args: Any) -> Cells:
        """The template filled in for every cell; a single cell stands beside each of many."""
        rows = [arg.texts if isinstance(arg, Cells) else [_number(arg)] for arg in args]
        count = max(map(len, rows))
        columns = zip(*(row * count if len(row) == 1 else row for row in rows), strict=True)
        return Cells(self, [self._named(template.format(*column)) for column in columns])

    def _named(self, expression: str) -> str:
        if expression not in self._known:
            name = self._known[expression] = f"t{len(self._known)}"
            self.lines.append(f"const {name} = {expression};")
        return self._known[expression]

    def __getattr__(self, name: str) -> Callable[..., Cells]:
        if name not in _MATH:
            raise NoScriptError(f"JavaScript has no {name}")
        return lambda *args: self.each(f"Math.{name}({', '.join('{}' for _ in args)})", *args)

    def where(self, condition: Cells, a: Any, b: Any) -> Cells:
        return self.each("{} ? {} : {}", condition, a, b)

    def minimum(self, a: Any, b: Any) -> Cells:
        return self.each("Math.min({}, {})", a, b)

    def logical_not(self, a: Cells) -> Cells:
        return self.each("!{}", a)

    def logical_and(self, a: Cells, b: Cells) -> Cells:
        return a & b

    def logical_or(self, a: Cells, b: Cells) -> Cells:
        return a | b

    def astype(self, x: Cells, _: Any) -> Cells:
        return self.each("Number({})", x)

    # arrays

    def full(self, _: Any, value: float, **__: Any) -> Cells:
        return Cells(self, [_number(value)])

    def full_like(self, x: Cells, value: float) -> Cells:
        return Cells(self, [_number(value)] * len(x.texts))

    def zeros_like(self, x: Cells) -> Cells:
        return self.full_like(x, 0.0)

    def ones_like(self, x: Cells) -> Cells:
        return self.full_like(x, 1.0)

    def arange(self, count: int, **_: Any) -> Cells:
        return Cells(self, [_number(c) for c in range(count)])

    def broadcast_to(self, x: Cells, shape: Sequence[int]) -> Cells:
        return Cells(self, x.texts * shape[-1]) if len(x.texts) == 1 else x

    def expand_dims(self, x: Cells, **_: Any) -> Cells:
        return x

    def concat(self, parts: Sequence[Cells], **_: Any) -> Cells:
        return Cells(self, [text for part in parts for text in part.texts])

    def flip(self, x: Cells, **_: Any) -> Cells:
        return Cells(self, x.texts[::-1])

    def sum(self, x: Cells, **_: Any) -> Cells:
        return self.cumulative_sum(x)[..., -1:]

    def cumulative_sum(self, x: Cells, **_: Any) -> Cells:
        return self.concat(list(accumulate((Cells(self, [text]) for text in x.texts), lambda a, b: a + b)))

    def max(self, x: Cells, **_: Any) -> Cells:
        return Cells(self, [self._named(f"Math.max({', '.join(x.texts)})")])

    def argmax(self, x: Cells, **_: Any) -> Cells:
        """The first of the largest."""
        return Cells(self, [self._named(f"[{', '.join(x.texts)}].indexOf({self.max(x).texts[0]})")])


class Cells:
    """An array of one axis whose elements are JavaScript expressions."""

    dtype = None
    ndim = 1

    def __init__(self, script: Script, texts: list[str]) -> None:
        self.script, self.texts = script, texts

    @property
    def shape(self) -> tuple[int]:
        return (len(self.texts),)

    def __getitem__(self, where: Any) -> Cells:
        return self if where[-1] is ... else Cells(self.script, self.texts[where[-1]])

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise NoScriptError("JavaScript has no special functions")

    def __neg__(self) -> Cells:
        return self.script.each("-{}", self)

    __hash__ = None  # type: ignore[assignment]


def _operator(symbol: str, *, turned: bool = False) -> Callable[[Cells, Any], Cells]:
    def method(self: Cells, other: Any) -> Cells:
        a, b = (other, self) if turned else (self, other)
        return self.script.each(f"{{}} {symbol} {{}}", a, b)

    return method


_SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
            "eq": "===", "ne": "!==", "and": "&&", "or": "||"}  # fmt: skip
for _name, _symbol in _SYMBOLS.items():
    setattr(Cells, f"__{_name}__", _operator(_symbol))
for _name in ("add", "sub", "mul", "truediv"):
    setattr(Cells, f"__r{_name}__", _operator(_SYMBOLS[_name], turned=True))


def _number(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "(-Infinity)"
    return repr(float(value)) if value >= 0 else f"({float(value)!r})"
