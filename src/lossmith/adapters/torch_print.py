"""A formula printed as a Triton kernel: value and gradient from one reading of the scores.

Numbers per sample: a program works on one block of samples. Rows: a program works on one row. A row of up to FUSED
classes stays in the program's registers: it is read once and its gradient written once. A longer one is read in
stretches, once for all its reductions that can be had together (a softmax's maximum and sum are), and once more,
backwards, for the gradient: what was read last is still in the cache. Sums are taken in float64 in a fixed order, so a
call gives the same bits every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lossmith.adapters.torch_lines import PRELUDE, Lines, Name, NoKernelError, shown
from lossmith.engine.functions import FUNCTIONS
from lossmith.engine.llvm.lower import largest_and_rest, lowered
from lossmith.formula.domains import row_tolerance
from lossmith.formula.expr import Expr, walk
from lossmith.formula.model import Argument, Formula
from lossmith.inputs import _legal
from lossmith.record import Record

FUSED = 1 << 14  # numbers of one row that a program keeps: 32 in each of 512 threads
STRETCH = 1 << 15  # 32 in each of 1024 threads: one program fills a multiprocessor, so few rows compete for the cache
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
    tolerance: float = row_tolerance("float32")  # of the sum of a row of probabilities


def source(formula: Formula, wanted: Wanted, classes: int | None = None) -> str:
    """The kernel's text. Raises NoKernelError where the formula needs what Triton lacks."""
    return PRELUDE + (_Pointwise(formula, wanted) if classes is None else _Rowwise(formula, wanted, classes)).text()


def own(name: str) -> str:
    """What a kernel calls an array of the formula: never what it calls one that every kernel has, as the weight."""
    return f"own_{name}"


def arguments(formula: Formula) -> tuple[str, ...]:
    """The kernel's arguments in order: arrays by name, then numbers."""
    inputs = [f"{own(given.name)}_at" for given in (formula.target, *formula.extras)]
    vectors = [f"{own(p.name)}_at" for p in formula.params if p.per_class]
    numbers = [f"p_{p.name}" for p in formula.params if not p.per_class]
    others = "weight_at", "where_at", "scale_at", "value_at", "gradient_at", "n"
    return (*inputs, "prediction_at", *vectors, *others, *numbers)


class _Kernel:
    """What both kinds share."""

    def __init__(self, formula: Formula, wanted: Wanted) -> None:
        self.formula, self.wanted, self.lines = formula, wanted, Lines()
        self.env: dict[str, Any] = {p.name: Name(self.lines, f"p_{p.name}") for p in formula.params if not p.per_class}
        self.valid: Any = None
        self.count = 0

    def head(self) -> str:
        names = ", ".join((*arguments(self.formula), "BLOCK: tl.constexpr"))
        return f"@triton.jit\ndef kernel({names}):\n"

    def load(self, name: str, place: str, mask: str | None = None, policy: str = "") -> Name:
        masked = "" if mask is None else f", mask={mask}, other=0"
        return self.lines.name(f"tl.load({name}_at + {place}{masked}{policy}).to(tl.float32)")

    def check(self, argument: Argument, x: Name, classes: int | None = None) -> None:
        found = _legal(self.lines, x, argument.domain, classes)  # type: ignore[arg-type]
        self.valid = found if self.valid is None else self.valid & found

    def weigh(self, place: str, mask: str | None) -> Callable[[Any], Any]:
        """What is done to every result."""
        lines, wanted, keep = self.lines, self.wanted, None
        weight = self.load("weight", place, mask) if wanted.weighted else None
        if weight is not None:
            keep = weight != 0.0
            self.valid = self.valid & (weight >= 0.0) & (weight < math.inf)
        if wanted.masked:
            where = self.load("where", place, mask) != 0.0
            keep = where if keep is None else keep & where

        def weighed(x: Any) -> Any:
            x = lines.where(self.valid, x, math.nan)
            x = x if weight is None else x * weight
            return x if keep is None else lines.where(keep, x, 0.0)

        return weighed

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
            self.env[given.name] = self.load(own(given.name), "at", "inside")
        for k, prediction in enumerate(formula.predictions):
            place = "at" if group == 1 else f"(at * {group} + {k})"
            self.env[prediction.name] = self.load("prediction", place, "inside")
        for given in (formula.target, *formula.predictions, *formula.extras):
            self.check(given, self.env[given.name])
        weighed = self.weigh("at", "inside")
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
        self.classes, self.fused = classes, classes <= FUSED
        self.roots = lowered((formula.value, *(formula.gradient if wanted.gradient else ())))
        self.nodes = list(walk(self.roots))
        if any(node.op in _SCANS for node in self.nodes):
            raise NoKernelError("no Triton kernel: running sums over the classes")
        self.joint: dict[Expr, Expr] = {}  # sum or count -> the maximum in whose sweep it is found
        for top in [] if self.fused else [node for node in self.nodes if node.op == "max"]:
            self.joint |= {n: top for n in largest_and_rest(top.args[0])[1:] if n in set(self.nodes)}
        self.step: dict[Expr, int] = {}  # before which sweep a number per sample, in which a row can be had
        for node in self.nodes:
            first = max((self.step[arg] for arg in node.args), default=0) + int(node.op in _REDUCE)
            self.step[node] = self.step[self.joint[node]] if node in self.joint else first
        self.values: dict[Expr, Any] = {}

    def text(self) -> str:
        lines, formula, wanted = self.lines, self.formula, self.wanted
        lines.line("row = tl.program_id(0).to(tl.int64)")
        if self.fused:
            self._classes("tl.arange(0, BLOCK)")
        for given in (formula.target, *formula.extras):
            if not given.domain.row:
                self.env[given.name] = self.load(own(given.name), "row")
                self.check(given, self.env[given.name], self.classes)
        if formula.target.domain.kind == "class id":
            y = self.env[formula.target.name]
            lines.line(f"place = tl.where(({y} >= 0.0) & ({y} < {float(self.classes)}), {y}, 0.0).to(tl.int64)")
        for step in range(max(self.step.values()) + 1):
            self._samples(step)
            reductions = [n for n in self.nodes if n.op in _REDUCE and self.step[n] == step + 1]
            if reductions or step == 0:
                self._sweep(reductions, check=step == 0)
        weighed = self.weigh("row", None)
        lines.line(f"tl.store(value_at + row, {weighed(self.values[self.roots[0]])})")
        if wanted.gradient:
            lines.line("scale = tl.load(scale_at).to(tl.float32)")
            with self._stretches("evict_first", backwards=True):
                (gradient,) = self._rows(self.roots[1:])
                place = f"gradient_at + row * {self.classes} + c"
                lines.line(f"tl.store({place}, {weighed(gradient)} * scale, mask=inside{self.policy})")
        return self.head() + "\n".join(lines.text) + "\n"

    @contextmanager
    def _stretches(self, policy: str, backwards: bool = False) -> Iterator[None]:
        """Once for each part of a row; ``policy`` is what the cache does with what is read there."""
        self.policy = "" if self.fused else f', eviction_policy="{policy}"'
        if self.fused:
            yield
            return
        with self.lines.loop(f"for start in range(0, {self.classes}, BLOCK):"):
            start = f"({self.classes - 1} // BLOCK * BLOCK - start)" if backwards else "start"
            self._classes(f"{start} + tl.arange(0, BLOCK)")
            yield

    def _classes(self, numbers: str) -> None:
        self.lines.line(f"c = {numbers}")
        self.lines.line(f"inside = c < {self.classes}")

    def _samples(self, step: int) -> None:
        """Numbers per sample that can be had before this sweep."""
        for node in self.nodes:
            if not node.row and node not in self.values and self.step[node] <= step and node.op not in _REDUCE:
                self.values[node] = self._sample(node)

    def _sample(self, node: Expr) -> Any:
        if node.op == "at_class":
            x, _ = node.args
            name, row = (own(x.data), "") if x.op == "param" else ("prediction", f"row * {self.classes} + ")
            return self.load(name, f"{row}place")
        if node.args:
            return self.compute(node, self.values)
        return float(self.classes) if node.op == "n_classes" else self.leaf(node)

    def _sweep(self, reductions: Sequence[Expr], *, check: bool) -> None:
        lines, formula = self.lines, self.formula
        tops = [node for node in reductions if node in set(self.joint.values())]
        single = [node for node in reductions if node not in {*self.joint, *tops}]
        rows = [given for given in (formula.target, *formula.predictions) if given.domain.row] if check else []
        simplex = [given for given in rows if given.domain.simplex]
        kinds = [node.op for node in single] + ["count"] * len(rows) + ["sum"] * len(simplex)
        states = [self._state(kind) for kind in kinds]
        trios = [[self._state(kind) for kind in ("max", "sum", "count")] for _ in tops]
        with self._stretches("evict_last"):
            parts = self._rows([node.args[0] for node in (*single, *tops)])
            parts, whole = parts[: len(single)], parts[len(single) :]
            named = [self._row_input(given) for given in rows]
            parts += [lines.logical_not(_legal(lines, x, g.domain, None)) for x, g in zip(named, rows, strict=True)]  # type: ignore[arg-type]
            parts += [self._row_input(given) for given in simplex]
            for state, kind, x in zip(states, kinds, parts, strict=True):
                lines.line(f"{state} = {_REDUCE[kind][1].format(state, shown(x))}")
            for trio, x in zip(trios, whole, strict=True):
                lines.line(f"{', '.join(trio)} = _largest_and_rest({', '.join(trio)}, {shown(x)}, inside)")
        found = [lines.name(f"{state}.to(tl.float32)") for state in states]
        self.values |= dict(zip(single, found, strict=False))
        for top, trio in zip(tops, trios, strict=True):
            nodes = largest_and_rest(top.args[0])
            self.values |= {n: lines.name(f"{state}.to(tl.float32)") for n, state in zip(nodes, trio, strict=True)}
        for bad in found[len(single) : len(single) + len(rows)]:
            self.valid = bad == 0.0 if self.valid is None else self.valid & (bad == 0.0)
        for total in found[len(single) + len(rows) :]:
            self.valid = self.valid & (lines.abs(total - 1.0) <= self.wanted.tolerance)

    def _state(self, kind: str) -> str:
        """The name of what a sweep gathers."""
        self.count += 1
        self.lines.line(f"r{self.count} = {_REDUCE[kind][0]}")
        return f"r{self.count}"

    def _rows(self, wanted: Iterable[Expr]) -> list[Any]:
        """Numbers per class in the present stretch, computed from what lies in memory."""
        wanted, values = list(wanted), dict(self.values)
        for node in walk(wanted):
            if node.row and node not in values:
                values[node] = self.compute(node, values) if node.args else self._row_leaf(node)
        return [values[node] for node in wanted]

    def _row_leaf(self, node: Expr) -> Any:
        if node.op == "index":
            return self.lines.name("c.to(tl.float32)")
        if node.op == "param":
            return self.load(own(node.data), "c", "inside")
        (given,) = (g for g in (self.formula.target, *self.formula.predictions) if g.name == node.data)
        return self._row_input(given)

    def _row_input(self, given: Argument) -> Name:
        name = own(given.name) if given is self.formula.target else "prediction"
        return self.load(name, f"row * {self.classes} + c", "inside", self.policy)
