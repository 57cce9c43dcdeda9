"""A formula printed as a Triton kernel: value and gradient in one pass over the memory of a GPU.

The text is made by running the array engine's own functions on names instead of arrays, so a primitive is written
once. Numbers per sample: a program works on one block of samples. Rows: a program works on one row, in as many sweeps
over the classes as the formula's reductions depend on each other, and one that writes the gradient. Sums are taken in
float64 in a fixed order, so a call gives the same bits every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lossmith.engine.functions import FUNCTIONS
from lossmith.engine.llvm.lower import lowered
from lossmith.formula.expr import Expr, walk
from lossmith.formula.model import Argument, Formula
from lossmith.inputs import ROW_TOLERANCE, _legal
from lossmith.record import Record

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
        return self.lines.name(f"{_shown(a)} {operator} {_shown(b)}")

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


def _shown(x: Any) -> str:
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

    def __getattr__(self, function: str) -> Callable[..., Name]:
        if function not in _TRITON:
            raise NoKernelError(f"no Triton kernel: there is no {function} in its language")
        return lambda *args: self.name(f"{_TRITON[function]}({', '.join(map(_shown, args))})")

    # what is written otherwise in Triton, or is no work there

    def asarray(self, value: float, **_: Any) -> float:
        return value

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


_TRITON = {
    name: f"tl.{name}" for name in ("abs", "exp", "log", "sqrt", "sin", "cos", "where", "floor", "minimum")
} | {
    name: f"_{name}" for name in ("log1p", "expm1", "tanh", "pow")
}
_REDUCE = {  # where it starts, and how a stretch of the row joins it
    "sum": ("tl.cast(0.0, tl.float64)", "{0} + tl.sum(tl.where(inside, {1}, 0.0)).to(tl.float64)"),
    "count": ("tl.cast(0.0, tl.float64)", "{0} + tl.sum(tl.where(inside & {1}, 1.0, 0.0)).to(tl.float64)"),
    "max": ('tl.cast(float("-inf"), tl.float32)', 'tl.maximum({0}, tl.max(tl.where(inside, {1}, float("-inf"))))'),
}
_SCANS = ("cumsum", "reverse_cumsum")


class Wanted(Record):
    """What a kernel is asked for beside the value of each sample (or of each block of them, summed)."""

    gradient: bool
    summed: bool
    weighted: bool = False
    masked: bool = False


def source(formula: Formula, wanted: Wanted, classes: int | None = None) -> str:
    """The kernel's text. Raises NoKernelError where the formula needs what Triton lacks."""
    return PRELUDE + (_Pointwise(formula, wanted) if classes is None else _Rowwise(formula, wanted, classes)).text()


def arguments(formula: Formula) -> tuple[str, ...]:
    """The kernel's arguments in order: arrays by name, then numbers."""
    inputs = [f"{given.name}_at" for given in (formula.target, *formula.extras)]
    vectors = [f"{p.name}_at" for p in formula.params if p.per_class]
    numbers = [f"p_{p.name}" for p in formula.params if not p.per_class]
    others = "weight_at", "where_at", "scale_at", "value_at", "gradient_at", "n"
    return (*inputs, "prediction_at", *vectors, *others, *numbers)


class _Kernel:
    """What both kinds share."""

    def __init__(self, formula: Formula, wanted: Wanted) -> None:
        self.formula, self.wanted, self.lines = formula, wanted, Lines()
        self.env: dict[str, Any] = {p.name: Name(self.lines, f"p_{p.name}") for p in formula.params if not p.per_class}
        self.valid: Any = None

    def head(self) -> str:
        names = ", ".join((*arguments(self.formula), "BLOCK: tl.constexpr"))
        return f"@triton.jit\ndef kernel({names}):\n"

    def load(self, name: str, place: str, mask: str | None = None) -> Name:
        masked = "" if mask is None else f", mask={mask}, other=0"
        return self.lines.name(f"tl.load({name}_at + {place}{masked}).to(tl.float32)")

    def check(self, argument: Argument, x: Name, classes: int | None = None) -> None:
        found = _legal(self.lines, x, argument.domain, classes)  # type: ignore[arg-type]
        self.valid = found if self.valid is None else self.valid & found

    def weigh(self, place: str, mask: str | None) -> tuple[Callable[[Name], Name], Name | None]:
        """What is done to every result, and which samples are kept."""
        lines, wanted, keep = self.lines, self.wanted, None
        weight = self.load("weight", place, mask) if wanted.weighted else None
        if weight is not None:
            keep = weight != 0.0
            self.valid = self.valid & (weight >= 0.0) & (weight < math.inf)
        if wanted.masked:
            where = self.load("where", place, mask) != 0.0
            keep = where if keep is None else keep & where

        def weighed(x: Any) -> Name:
            x = lines.where(self.valid, x, math.nan)
            x = x if weight is None else x * weight
            return x if keep is None else lines.where(keep, x, 0.0)

        return weighed, keep

    def compute(self, node: Expr, values: dict[Expr, Any]) -> Any:
        op = "exp" if node.op == "exp_nonpositive" else node.op
        args = [values[arg] for arg in node.args]
        return args[0] if op == "per_class" else FUNCTIONS[op](self.lines, *args)

    def leaf(self, node: Expr) -> Any:
        return {"const": node.data, "pi": math.pi}[node.op] if node.op in ("const", "pi") else self.env[node.data]


class _Pointwise(_Kernel):
    """A block of samples for each program; a sum for each block, or the values themselves."""

    def text(self) -> str:
        lines, formula, wanted = self.lines, self.formula, self.wanted
        lines.line("at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)")
        lines.line("inside = at < n")
        group = len(formula.predictions)
        for given in (formula.target, *formula.extras):
            self.env[given.name] = self.load(given.name, "at", "inside")
        for k, prediction in enumerate(formula.predictions):
            place = "at" if group == 1 else f"(at * {group} + {k})"
            self.env[prediction.name] = self.load("prediction", place, "inside")
        for given in (formula.target, *formula.predictions, *formula.extras):
            self.check(given, self.env[given.name])
        weighed, _ = self.weigh("at", "inside")
        roots = (formula.value, *(formula.gradient if wanted.gradient else ()))
        values: dict[Expr, Any] = {}
        for node in walk(roots):
            values[node] = self.compute(node, values) if node.args else self.leaf(node)
        value = weighed(values[formula.value])
        if wanted.summed:
            lines.line(f"total = tl.sum(tl.where(inside, {value}, 0.0).to(tl.float64))")
            lines.line("tl.store(value_at + tl.program_id(0), total)")
        else:
            lines.line(f"tl.store(value_at + at, {value}, mask=inside)")
        if wanted.gradient:
            lines.line("scale = tl.load(scale_at).to(tl.float32)")
        for k, root in enumerate(roots[1:]):
            place = "at" if group == 1 else f"at * {group} + {k}"
            lines.line(f"tl.store(gradient_at + {place}, {weighed(values[root])} * scale, mask=inside)")
        return self.head() + "\n".join(lines.text) + "\n"


class _Rowwise(_Kernel):
    """A row for each program; its value is stored."""

    def __init__(self, formula: Formula, wanted: Wanted, classes: int) -> None:
        super().__init__(formula, wanted)
        self.classes = classes
        self.roots = lowered((formula.value, *(formula.gradient if wanted.gradient else ())))
        self.nodes = list(walk(self.roots))
        if any(node.op in _SCANS for node in self.nodes):
            raise NoKernelError("no Triton kernel: running sums over the classes")
        self.step: dict[Expr, int] = {}  # before which sweep a number per sample, in which a row can be had
        for node in self.nodes:
            self.step[node] = max((self.step[arg] for arg in node.args), default=0) + int(node.op in _REDUCE)
        self.values: dict[Expr, Any] = {}

    def text(self) -> str:
        lines, formula, wanted = self.lines, self.formula, self.wanted
        lines.line("row = tl.program_id(0).to(tl.int64)")
        samples = [given for given in (formula.target, *formula.extras) if not given.domain.row]
        for given in samples:
            self.env[given.name] = self.load(given.name, "row")
            self.check(given, self.env[given.name], self.classes)
        if formula.target.domain.kind == "class id":
            y = self.env[formula.target.name]
            lines.line(f"place = tl.where(({y} >= 0.0) & ({y} < {float(self.classes)}), {y}, 0.0).to(tl.int64)")
        for step in range(max(self.step.values()) + 1):
            self._samples(step)
            reductions = [n for n in self.nodes if n.op in _REDUCE and self.step[n] == step + 1]
            if reductions or step == 0:
                self._sweep(reductions, check=step == 0)
        weighed, _ = self.weigh("row", None)
        lines.line(f"tl.store(value_at + row, {weighed(self.values[self.roots[0]])})")
        if wanted.gradient:
            lines.line("scale = tl.load(scale_at).to(tl.float32)")
            with lines.loop(f"for start in range(0, {self.classes}, BLOCK):"):
                (gradient,) = self._rows(self.roots[1:])
                lines.line(
                    f"tl.store(gradient_at + row * {self.classes} + c, {weighed(gradient)} * scale, mask=inside)"
                )
        return self.head() + "\n".join(lines.text) + "\n"

    def _samples(self, step: int) -> None:
        """Numbers per sample that can be had before this sweep."""
        for node in self.nodes:
            if not node.row and node not in self.values and self.step[node] <= step and node.op not in _REDUCE:
                self.values[node] = self._sample(node)

    def _sample(self, node: Expr) -> Any:
        if node.op == "at_class":
            x, _ = node.args
            name, row = (x.data, "") if x.op == "param" else ("prediction", f"row * {self.classes} + ")
            return self.load(name, f"{row}place")
        if node.args:
            return self.compute(node, self.values)
        return float(self.classes) if node.op == "n_classes" else self.leaf(node)

    def _sweep(self, reductions: Sequence[Expr], *, check: bool) -> None:
        lines, formula = self.lines, self.formula
        kinds = [node.op for node in reductions]
        rows = [given for given in (formula.target, *formula.predictions) if given.domain.row] if check else []
        kinds += ["count"] * len(rows) + ["sum"] * sum(given.domain.simplex for given in rows)
        states = [f"r{self._number()}" for _ in kinds]
        for state, kind in zip(states, kinds, strict=True):
            lines.line(f"{state} = {_REDUCE[kind][0]}")
        with lines.loop(f"for start in range(0, {self.classes}, BLOCK):"):
            parts = self._rows([node.args[0] for node in reductions], rows)
            named = [self._row_input(given) for given in rows]
            parts += [lines.logical_not(_legal(lines, x, g.domain, None)) for x, g in zip(named, rows, strict=True)]  # type: ignore[arg-type]
            parts += [x for x, given in zip(named, rows, strict=True) if given.domain.simplex]
            for state, kind, x in zip(states, kinds, parts, strict=True):
                lines.line(f"{state} = {_REDUCE[kind][1].format(state, _shown(x))}")
        found = [lines.name(f"{state}.to(tl.float32)") for state in states]
        self.values |= dict(zip(reductions, found, strict=False))
        for bad in found[len(reductions) : len(reductions) + len(rows)]:
            self.valid = bad == 0.0 if self.valid is None else self.valid & (bad == 0.0)
        for total in found[len(reductions) + len(rows) :]:
            self.valid = self.valid & (lines.abs(total - 1.0) <= ROW_TOLERANCE)

    def _number(self) -> int:
        self.count = getattr(self, "count", 0) + 1
        return self.count

    def _rows(self, wanted: Iterable[Expr], also: Iterable[Argument] = ()) -> list[Any]:
        """Numbers per class in the present stretch, computed from what lies in memory."""
        lines, wanted = self.lines, list(wanted)
        lines.line("c = start + tl.arange(0, BLOCK)")
        lines.line(f"inside = c < {self.classes}")
        values = dict(self.values)
        for node in walk(wanted):
            if node.row and node not in values:
                values[node] = self.compute(node, values) if node.args else self._row_leaf(node)
        return [values[node] for node in wanted]

    def _row_leaf(self, node: Expr) -> Any:
        if node.op == "index":
            return self.lines.name("c.to(tl.float32)")
        if node.op == "param":
            return self.load(node.data, "c", "inside")
        (given,) = (g for g in (self.formula.target, *self.formula.predictions) if g.name == node.data)
        return self._row_input(given)

    def _row_input(self, given: Argument) -> Name:
        name = given.name if given is self.formula.target else "prediction"
        return self.load(name, f"row * {self.classes} + c", "inside")
