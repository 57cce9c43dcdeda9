"""How a kind of call is served: which kernel, what it sums and writes, and in what order it is fed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.engine.choice import machine_code
from lossmith.engine.reduce import Total
from lossmith.formula.expr import ONE, Expr, apply
from lossmith.formula.model import Formula
from lossmith.namespaces import compute_dtype, dtype_name, is_floating

if TYPE_CHECKING:
    from lossmith.engine.llvm.run import Kernel
    from lossmith.engine.llvm.spec import Input, Output
    from lossmith.loss import Loss

Array = Any
MEANS = ("mean", "weighted_mean")
_MOST_LABELS = 16
_LARGEST_LABEL = 1 << 22  # whole numbers up to here are exact in every compute type


@dataclass(frozen=True)
class Request:
    """What a call asks of a loss, apart from the data."""

    outputs: tuple[Any, ...]  # "value", "gradient" ...
    reduction: str  # those of a call, or "total"
    width: float = 1.0

    @property
    def summed(self) -> bool:
        """Whether the value is a sum of the kernel; else it is an array."""
        return self.reduction != "none"


@dataclass(frozen=True)
class Plan:
    """A kernel, and how the arrays of a call are fed to it."""

    request: Request
    kernel: Kernel
    weigh: Kernel | None  # the total weight, where samples do not all count the same
    weighed: tuple[int, ...]  # which of the call's arrays that depends on
    addresses: Callable[[list[Array]], bytes]
    parameters: Array
    parameters_at: int
    vectors: tuple[Array, ...]
    order: tuple[int, ...]  # which of the call's arrays is each array of the kernel
    whole: tuple[bool, ...]  # which of the call's arrays have the shape of y_pred
    many: bool  # y_pred has a last axis of its own
    results: tuple[Any, ...]  # the dtype of every array that is written
    padding: int  # fewer samples than this need room in front of them

    def run(self, arrays: list[Array], out: Any) -> list[Any] | None:
        y_pred = arrays[1]
        shape = y_pred.shape[:-1] if self.many else y_pred.shape
        for array, whole in zip(arrays, self.whole, strict=True):
            if array.shape != (y_pred.shape if whole else shape):
                return None
        classes = y_pred.shape[-1] if self.many else 1
        count = y_pred.size // max(classes, 1)
        if not count or not shape:
            return None
        denominator, mean = float(count), self.request.reduction in MEANS
        if self.weigh is not None:
            weights = self.weigh.run(self.addresses([arrays[k] for k in self.weighed]), 0, count)
            if weights is None or (mean and not weights[0] > 0.0):
                return None
            (denominator,) = weights
        scale = 1.0 / denominator if mean else 1.0
        if self.kernel.spec.scaled and not self.kernel.smallest <= scale <= self.kernel.largest:
            return None
        made = self._room(y_pred, shape, out)
        sums = self._sums(arrays, made, count, classes, scale, denominator if mean else 1.0)
        if sums is None:
            return None
        if self.request.reduction == "total":
            return [Total(sums[0], denominator)]
        return self._found(made, sums, out)

    def road(self, arrays: list[Array]) -> Callable[..., float | None] | None:
        """The fast road for calls like this one, with nothing but y_true and y_pred, where there is one."""
        from lossmith.engine.llvm.fast import Argument, fast

        spec, y_pred = self.kernel.spec, arrays[1]
        dense = all(given.stored.dense for given in spec.inputs)
        flat = all(a.ndim == (2 if whole and self.many else 1) for a, whole in zip(arrays, self.whole, strict=True))
        types = [*(array.dtype for array in arrays), *self.results]
        if not (dense and flat and len(self.results) < 2 and all(t.kind in "fiub" for t in types)):
            return None
        width = y_pred.shape[-1] if self.many else 1
        shapes = [(2, width) if whole and self.many else (1, 1) for whole in self.whole]
        given = [Argument(a.dtype, *shape) for a, shape in zip(arrays, shapes, strict=True)]
        given += [Argument(dtype, *shapes[1]) for dtype in self.results]
        sources = [*self.order, *[2] * len(self.results), *[-1] * len(self.vectors)]
        known = self.addresses([*(arrays[k] for k in self.order), *[y_pred] * len(self.results), *self.vectors])
        return fast(
            self.kernel, given, sources, known, self.parameters_at,
            mean=self.request.reduction in MEANS, classes=width if spec.classes is not None else 1,
            least=max(self.padding, 1), keep=self,
        )  # fmt: skip

    def _room(self, y_pred: Array, shape: tuple[int, ...], out: Any) -> list[Array]:
        """The arrays to write: ``out`` itself where the kernel can write it."""
        made: list[Array] = []
        shapes = [shape if name == "value" else y_pred.shape for name in self.request.outputs]
        if len(self.results) < len(shapes):  # the value is a sum
            shapes = shapes[1:]
        for dtype, wanted in zip(self.results, shapes, strict=True):
            writable = out is not None and wanted == y_pred.shape and len(shapes) == 1
            dense = writable and out.dtype == dtype and out.flags.c_contiguous and out.flags.aligned
            made.append(out if dense else np.empty(wanted, dtype))
        return made

    def _sums(
        self, arrays: list[Array], made: list[Array], count: int, classes: int, scale: float, divisor: float
    ) -> list[float] | None:
        fed = [arrays[k] for k in self.order]
        written = made
        if count < self.padding:
            fed, written = [_padded(a, self.padding) for a in fed], [_padded(a, self.padding) for a in made]
        words = self.addresses([*fed, *written, *self.vectors])
        sums = self.kernel.run(words, self.parameters_at, count, classes, scale, divisor)
        if written is not made:
            for array, padded in zip(made, written, strict=True):
                array[...] = padded
        return sums

    def _found(self, made: list[Array], sums: list[float], out: Any) -> list[Any]:
        found: list[Any] = list(made)
        if out is not None and made and made[-1] is not out:
            out[...] = made[-1]
            found[-1] = out
        if len(self.results) < len(self.request.outputs):
            found.insert(0, sums[0])
        return found


def _padded(array: Array, rows: int) -> Array:
    """The same samples, with copies of the first one in front of them."""
    room = np.empty((rows, *array.shape[1:]), array.dtype)
    room[: rows - len(array)] = array[:1]
    room[rows - len(array) :] = array
    return room[rows - len(array) :]


def plan(
    loss: Loss, request: Request, arrays: list[Array], extras: tuple[str, ...], written: Any, *, weighted: bool,
    masked: bool,
) -> Plan | None:  # fmt: skip
    """How calls like this one are served, or None where they cannot be. ``written`` is the dtype of ``out``, if any."""
    if not machine_code():
        return None
    from lossmith.engine.llvm.emit import FLOATS
    from lossmith.engine.llvm.fast import addresses
    from lossmith.engine.llvm.memory import DTYPES, WRITABLE
    from lossmith.engine.llvm.run import kernel, row_layout
    from lossmith.engine.llvm.spec import Spec

    y_true, y_pred = arrays[:2]
    formula = _formula(loss, y_true, y_pred)
    result = written or (y_pred.dtype if is_floating(y_pred.dtype) else np.dtype(np.float64))
    if any(dtype_name(array.dtype) not in DTYPES for array in arrays) or dtype_name(result) not in WRITABLE:
        return None
    if {extra.name for extra in formula.extras} != set(extras) or (masked and arrays[-1].dtype != np.bool_):
        return None
    inputs = _inputs(loss, formula, arrays, extras)
    rows, group = formula.kind == "rowwise", len(formula.predictions)
    classes = y_pred.shape[-1] if rows else None
    numbers = [p.name for p in formula.params if not p.per_class]
    vectors = [p.name for p in formula.params if p.per_class]
    if inputs is None or (group > 1 and y_pred.shape[-1] != group):
        return None
    if any(len(loss.params[name]) != classes for name in vectors):
        return None
    ignores = inputs[0].ignored is not None
    reduced = request.reduction in (*MEANS, "total") and (weighted or masked or ignores)
    if request.reduction == "weighted_mean" and formula.class_factor is not None:
        return None
    compute = np.dtype(compute_dtype(np, arrays[: 2 + len(extras)]))
    roots, outputs, sums = _wanted(formula, request, compute, dtype_name(result))
    places = [2 + extras.index(extra.name) for extra in formula.extras]
    masks = [_stored(array) for array in arrays[2 + len(extras) :]]
    common: dict[str, Any] = {
        "weight": masks[0] if weighted else None,
        "where": masks[-1] if masked else None,
        "checked": True,
        "exact": weighted or request.reduction == "total",
    }
    scaled = request.reduction in MEANS and request.outputs != ("value",)
    weigh = Spec(compute.name, (ONE,), (replace(inputs[0], domain=None),) if ignores else (), (), (0,), **common)
    spec = Spec(
        compute.name, roots, inputs, (*numbers, "width"), sums, outputs, scaled=scaled,
        vectors=tuple(vectors), **common, **({} if classes is None else row_layout(classes)),
    )  # fmt: skip
    parameters = np.asarray([*(float(loss.params[name]) for name in numbers), request.width], dtype=np.float64)
    return Plan(
        request=request,
        kernel=kernel(spec),
        weigh=kernel(replace(weigh, exact=True)) if reduced else None,
        weighed=(*((0,) if ignores else ()), *range(2 + len(extras), len(arrays))),
        addresses=addresses,
        parameters=parameters,
        parameters_at=parameters.ctypes.data,
        vectors=tuple(np.asarray(list(loss.params[name]), dtype=compute) for name in vectors),
        order=(0, *[1] * group, *places, *range(2 + len(extras), len(arrays))),
        whole=tuple(k == 1 or (k == 0 and inputs[0].row) for k in range(len(arrays))),
        many=rows or group > 1,
        results=tuple(result if o.dtype == dtype_name(result) else np.dtype(o.dtype) for o in outputs),
        padding=FLOATS[compute.name].lanes if spec.classes else 0,
    )


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
    formula: Formula, request: Request, compute: Any, result: str
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
            outputs.append(Output(result, tuple(range(first, len(roots))), row=rows))
        else:
            roots += formula.output(name)
            if request.summed:
                sums.append(first)
            else:
                outputs.append(Output(compute.name, (first,)))
    return tuple(roots), tuple(outputs), tuple(sums)


def _formula(loss: Loss, y_true: Array, y_pred: Array) -> Formula:
    """The formula for this kind of target."""
    if len(loss.formulas) == 1:
        return next(iter(loss.formulas.values()))
    return loss.formulas["row" if y_true.ndim == y_pred.ndim else "class id"]


def _labels(loss: Loss, formula: Formula) -> tuple[float, ...] | None:
    """The numbers that stand for 0, 1 ...; () where classes stand for themselves, None where they are not numbers."""
    if loss.labels is None or formula.target.domain.row:
        return ()
    plain = all(isinstance(x, (int, float)) and abs(x) <= _LARGEST_LABEL and x == int(x) for x in loss.labels)
    return tuple(float(x) for x in loss.labels) if plain and len(loss.labels) <= _MOST_LABELS else None
