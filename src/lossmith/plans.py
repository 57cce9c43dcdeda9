"""How a kind of call is served: which kernel, what it sums and writes, and in what order it is fed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.engine.choice import machine_code
from lossmith.engine.reduce import Total
from lossmith.formula.domains import Domain
from lossmith.formula.expr import ONE, Expr, apply, walk
from lossmith.formula.model import Formula
from lossmith.inputs import check_count
from lossmith.namespaces import compute_dtype, dtype_name, is_floating
from lossmith.parameters import check_factors, stored, stored_vector
from lossmith.record import Record, replace

if TYPE_CHECKING:
    from lossmith.engine.llvm.run import Argument, Feed, Kernel
    from lossmith.engine.llvm.spec import Input, Output, Spec
    from lossmith.loss import Loss

Array = Any
Served = Callable[[Sequence[Array], Any], "list[Any] | None"]
MEANS = ("mean", "weighted_mean")
# reductions that no user can name:
TOTAL: Any = object()  # sum and weight
SOUND: Any = object()  # "none", of finite derivatives and positive curvatures; any other is not served
_MOST_LABELS = 16
_LARGEST_LABEL = 1 << 22  # whole numbers up to here are exact in every compute type


class Request(Record):
    """What a call asks of a loss, apart from the data."""

    outputs: tuple[Any, ...]  # "value", "gradient" ...
    reduction: Any  # those of a call, TOTAL or SOUND
    width: float = 1.0

    @property
    def summed(self) -> bool:
        """Whether the value is a sum of the kernel; else it is an array."""
        return bool(self.reduction != "none")


class Plan(Record):
    """A kernel, and how the arrays of a call are fed to it."""

    request: Request
    kernel: Kernel
    guarded: Callable[[], Kernel | None] | None  # where that finds something wrong: perhaps an infinite score alone
    weigh: Kernel | None  # the total weight, where samples do not all count the same
    parameters: Array
    vectors: tuple[tuple[Array, ...], tuple[Array, ...]]  # parameters with a number per class, of the two kernels
    order: tuple[int, ...]  # which of the call's arrays is each array of the kernel
    weighed: tuple[int, ...]  # and of the one of the weights
    given: tuple[Argument, ...]  # the call's arrays
    results: tuple[Argument, ...]  # every array that is written
    many: bool  # y_pred has a last axis of its own
    dense: bool
    by_class: bool  # y_pred and what is written are rows of which the numbers of a class follow each other

    def run(self, arrays: Sequence[Array], out: Any) -> list[Any] | None:
        """The outputs asked for, the last of them in ``out`` (an array, or several); None: take the checked road."""
        return self._serving(self._run)(arrays, out)

    @property
    def most(self) -> float:
        """For less than how many numbers the fast road serves."""
        return self.kernel.most

    def fast(self) -> Served | None:
        """``run`` in machine code, where the arrays allow it."""
        road = self._road() if self.dense else None
        return None if road is None else self._serving(road)

    def _serving(self, run: Callable[..., Any]) -> Served:
        """Make the arrays to write, run, and put the sum beside them: a function that has all it needs at hand."""
        every = [(result.dtype, self.many and result.width is None) for result in self.results]
        summed, total = self.kernel.spec.sums, self.request.reduction is TOTAL
        empty = partial(np.empty, order="F") if self.by_class else np.empty

        def value(arrays: Sequence[Array], out: Any) -> list[Any] | None:
            found = run(*arrays)
            return None if found is None else [found]

        def one(arrays: Sequence[Array], out: Any) -> list[Any] | None:
            made = empty(arrays[1].shape, every[0][0]) if out is None else out
            found = run(*arrays, made)
            return None if found is None else [found, made] if summed else [made]

        def several(arrays: Sequence[Array], out: Any) -> list[Any] | None:
            last = () if out is None else out if type(out) is tuple else (out,)
            made: list[Any] = []
            for dtype, single in every[: len(every) - len(last)]:
                shape = arrays[1].shape
                made.append(empty(shape[:-1] if single else shape, dtype))
            made += last
            found = run(*arrays, *made)
            if found is None:
                return None
            if total:
                return [Total(found.real, found.imag), *made]
            return [found, *made] if summed else made

        if total or len(every) > 1 or (every and every[0][1]):
            return several
        return one if every else value

    def _road(self) -> Callable[..., Any] | None:
        from lossmith.engine.llvm.fast import fast

        main, weigh = self._feeds
        return fast(
            main, weigh, (*self.given, *self.results), len(self.given), self.parameters, many=self.many,
            classes=self._classes, mean=self.request.reduction in MEANS, total=self.request.reduction is TOTAL,
        )  # fmt: skip

    @property
    def _feeds(self) -> tuple[Feed, Feed | None]:
        from lossmith.engine.llvm.run import Feed

        results = range(len(self.given), len(self.given) + len(self.results))
        main = Feed(self.kernel, (*self.order, *results), self.vectors[0])
        return main, None if self.weigh is None else Feed(self.weigh, self.weighed, self.vectors[1])

    @property
    def _classes(self) -> int:
        return 1 if self.kernel.spec.classes is None else self.given[1].width or 1

    def _run(self, *everything: Array) -> float | complex | None:
        """The same as the fast road, for arrays of any strides and any number of threads."""
        arrays, y_pred = everything[: len(self.given)], everything[1]
        shape = y_pred.shape[:-1] if self.many else y_pred.shape
        for array, given in zip(arrays, self.given, strict=True):
            if array.shape != (shape if given.width is None else (*shape, given.width)):
                return None
        count = y_pred.size // (self.given[1].width or 1)
        if not count or not shape:
            return None
        main, weigh = self._feeds
        weight: float | None = float(count)
        if weigh is not None:
            fed = [*(arrays[k] for k in weigh.sources), *weigh.vectors]
            weight = weigh.kernel.run(fed, self.parameters, count, self._classes)
        mean = self.request.reduction in MEANS
        if weight is None or (mean and not weight > 0.0):
            return None
        divisor = weight if mean else 1.0
        scale = 1.0 / divisor
        if not self.kernel.smallest <= scale <= self.kernel.largest:
            return None
        fed = [*(everything[k] for k in main.sources), *main.vectors]
        job = fed, self.parameters, count, self._classes, scale, divisor
        found = self.kernel.run(*job)
        guarded = self.guarded() if found is None and self.guarded is not None else None
        if guarded is not None:
            found = guarded.run(*job)
        return complex(found, weight) if found is not None and self.request.reduction is TOTAL else found


def plan(
    loss: Loss, request: Request, arrays: list[Array], extras: tuple[str, ...], written: Any, *, weighted: bool,
    masked: bool,
) -> Plan | None:  # fmt: skip
    """How calls like this one are served, or None where they cannot be. ``written`` is the dtype of ``out``, if any."""
    if not machine_code():
        return None
    from lossmith.engine.llvm.finite import unguarded
    from lossmith.engine.llvm.memory import DTYPES, WRITABLE
    from lossmith.engine.llvm.run import Argument, kernel, row_layout
    from lossmith.engine.llvm.settle import settled
    from lossmith.engine.llvm.spec import Spec

    y_true, y_pred = arrays[:2]
    formula = _formula(loss, y_true, y_pred)
    compute = np.dtype(compute_dtype(np, arrays[: 2 + len(extras)]))
    result = written or (y_pred.dtype if is_floating(y_pred.dtype) else np.dtype(np.float64))
    if written is not None and dtype_name(written) not in WRITABLE:
        result = compute  # and is copied
    if any(dtype_name(array.dtype) not in DTYPES for array in arrays) or dtype_name(result) not in WRITABLE:
        return None
    if {extra.name for extra in formula.extras} != set(extras) or (masked and arrays[-1].dtype != np.bool_):
        return None
    inputs = _inputs(loss, formula, arrays, extras)
    rows, group = formula.kind == "rowwise", len(formula.predictions)
    many = rows or group > 1
    classes = y_pred.shape[-1] if rows else None
    if inputs is None or (group > 1 and y_pred.shape[-1] != group):
        return None
    if any(len(loss.numbers[p.name]) != classes for p in formula.params if p.per_class):
        return None
    if rows and inputs[0].labels and len(inputs[0].labels) != classes:
        return None
    if classes is not None:
        check_count(loss, formula, classes, compute)
    by_class = rows and y_pred.ndim == 2 and not y_pred.flags.c_contiguous
    wanted, outputs, sums = _wanted(formula, request, compute, dtype_name(result), by_class=by_class)
    check_factors(loss, formula, compute)
    numbers = [p.name for p in formula.params if not p.per_class]
    known = {name: stored(loss, name, loss.numbers[name], compute) for name in numbers}
    fixed = {**known, "width": float(request.width)}
    bare, exponents = (wanted, ()) if rows else unguarded(wanted)
    found = settled((*bare, *exponents), fixed)
    masks = [_stored(array) for array in arrays[2 + len(extras) :]]
    spec = Spec(
        compute.name, found[: len(wanted)], inputs, (*numbers, "width"), sums, outputs, exponents=found[len(wanted) :],
        weight=masks[0] if weighted else None, where=masks[-1] if masked else None, checked=True,
        exact=weighted or request.reduction is TOTAL,
        scaled=request.reduction in MEANS and request.outputs != ("value",),
        coarse=request.reduction is SOUND and result == np.float32 and compute == np.float64,
        vectors=tuple(p.name for p in formula.params if p.per_class),
        **({} if classes is None else row_layout(classes, compute.name)),
    )  # fmt: skip
    weigh, main = _weigh(spec, formula, request), kernel(spec)
    weighing = None if weigh is None else kernel(weigh)
    if main is None or (weigh is not None and weighing is None):
        return None
    places = {g.name: 2 + extras.index(g.name) if g.name in extras else int(g is not inputs[0]) for g in inputs}
    outside = tuple(range(2 + len(extras), len(arrays)))
    made = tuple(np.dtype(o.dtype) if dtype_name(result) != o.dtype else result for o in outputs)

    def with_guards() -> Kernel | None:
        return kernel(replace(spec, roots=settled(wanted, fixed), exponents=()))

    def vectors(spec: Spec) -> tuple[Array, ...]:
        return tuple(stored_vector(loss, name, compute) for name in spec.vectors)

    def width(k: int) -> int | None:
        return y_pred.shape[-1] if (many and k == 1) or (k == 0 and inputs[0].row) else None

    values = [*(float(loss.numbers[name]) for name in numbers), request.width]
    return Plan(
        request=request,
        kernel=main,
        guarded=None if bare is wanted else cache(with_guards),
        weigh=weighing,
        parameters=np.asarray(values, dtype=np.float64),
        vectors=(vectors(spec), () if weigh is None else vectors(weigh)),
        order=(*(places[given.name] for given in inputs), *outside),
        weighed=() if weigh is None else (*(places[given.name] for given in weigh.inputs), *outside),
        given=tuple(Argument(array.dtype, width(k)) for k, array in enumerate(arrays)),
        results=tuple(
            Argument(dtype, y_pred.shape[-1] if o.row or len(o.roots) > 1 else None)
            for o, dtype in zip(outputs, made, strict=True)
        ),
        many=many,
        dense=all(array.flags.c_contiguous and array.flags.aligned for array in arrays),
        by_class=by_class,
    )


def _weigh(spec: Spec, formula: Formula, request: Request) -> Spec | None:
    """The kernel of what a mean divides by: the weight of the samples that count, of "weighted_mean" times their
    class's weight. None where that is their number."""
    factor = formula.class_factor if request.reduction == "weighted_mean" else None
    samples = spec.weight is not None or spec.where is not None or spec.inputs[0].ignored is not None
    if not (request.reduction in MEANS or request.reduction is TOTAL) or not (samples or factor is not None):
        return None
    root = ONE if factor is None else factor
    used = {node.data for node in walk((root,)) if node.op in ("input", "param")}
    found = replace(
        spec, roots=(root,), exponents=(), outputs=(), sums=(0,), scaled=False, exact=True,
        inputs=tuple(replace(g, domain=None) for g in spec.inputs if g.name in used or g.ignored is not None),
        vectors=tuple(name for name in spec.vectors if name in used),
    )  # fmt: skip
    return replace(found, classes=None, long=False) if factor is None else found


def _stored(array: Array) -> Any:
    from lossmith.engine.llvm.memory import Stored

    return Stored(dtype_name(array.dtype), dense=bool(array.flags.c_contiguous and array.flags.aligned))


def _inputs(loss: Loss, formula: Formula, arrays: list[Array], extras: tuple[str, ...]) -> tuple[Input, ...] | None:
    """Target, predictions and further inputs as the kernel reads them; None for labels that are not whole numbers."""
    from lossmith.engine.llvm.memory import Stored
    from lossmith.engine.llvm.spec import Input

    labels, ignored = _labels(loss, formula), loss.params.get("ignore_index")
    if labels is None or not isinstance(ignored, (int, float, type(None))) or abs(ignored or 0) > _LARGEST_LABEL:
        return None
    y_true, y_pred = arrays[:2]
    domain, group = formula.target.domain, len(formula.predictions)
    target = Input(
        formula.target.name, _stored(y_true), domain, domain.row, labels or None,
        None if ignored is None or domain.row else float(ignored),
    )  # fmt: skip
    predictions = [
        Input(
            p.name,
            _stored(y_pred) if group == 1 else Stored(dtype_name(y_pred.dtype), group=group, member=k),
            p.domain,
            formula.kind == "rowwise",
        )
        for k, p in enumerate(formula.predictions)
    ]
    others = [Input(e.name, _stored(arrays[2 + extras.index(e.name)]), e.domain) for e in formula.extras]
    return (target, *predictions, *others)


def _wanted(
    formula: Formula, request: Request, compute: Any, result: str, *, by_class: bool
) -> tuple[tuple[Expr, ...], tuple[Output, ...], tuple[int, ...]]:
    """(roots, arrays to write, numbers of the roots to sum)."""
    from lossmith.engine.llvm.spec import Output

    roots: list[Expr] = []
    outputs: list[Output] = []
    sums: list[int] = []
    rows = formula.kind == "rowwise"
    for name in request.outputs:
        first = len(roots)
        if name != "value":
            roots += [r if r.row or not rows else apply("per_class", r) for r in formula.output(name)]
            domain = _sound(name, result) if request.reduction is SOUND else None
            outputs.append(Output(result, tuple(range(first, len(roots))), rows, not by_class, domain))
        else:
            roots += formula.output(name)
            if request.summed:
                sums.append(first)
            else:
                outputs.append(Output(compute.name, (first,)))
    return tuple(roots), tuple(outputs), tuple(sums)


def _sound(name: Any, dtype: str) -> Domain:
    """What is asked of a derivative that is written as this dtype."""
    most = math.inf if dtype == "float64" else float(np.finfo(dtype).max)
    return Domain("a finite number", 0.0 if name == "curvature" else -most, most, low_open=True, high_open=True)


def _formula(loss: Loss, y_true: Array, y_pred: Array) -> Formula:
    """The formula for this kind of target."""
    if len(loss.formulas) == 1:
        return next(iter(loss.formulas.values()))
    return loss.formulas["row" if y_true.ndim == y_pred.ndim else "class id"]


def _labels(loss: Loss, formula: Formula) -> tuple[float, ...] | None:
    """The numbers that stand for 0, 1 ...; () where classes stand for themselves, None where they are not numbers."""
    if loss.labels is None or formula.target.domain.row:
        return ()
    return tuple(float(x) for x in loss.labels) if readable(loss.labels) else None


def readable(labels: tuple[Any, ...]) -> bool:
    """Whether a kernel can tell these labels apart: a few whole numbers."""
    plain = all(isinstance(x, (int, float)) and abs(x) <= _LARGEST_LABEL and x == int(x) for x in labels)
    return plain and len(labels) <= _MOST_LABELS
