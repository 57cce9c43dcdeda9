"""The direct road: the arrays of an ordinary call go straight into one kernel, which checks, computes, weighs and adds.

Whatever is not ordinary (lists, tables, texts, other libraries, a value outside a domain, a sum that overflows) gives
None, and the call takes the checked road instead, which says in words what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.engine.choice import machine_code
from lossmith.engine.reduce import Total
from lossmith.engine.threads import thread_count
from lossmith.formula.expr import ONE, Expr, apply
from lossmith.formula.model import Formula
from lossmith.inputs import check_index, to_host
from lossmith.namespaces import compute_dtype, dtype_name, is_floating, is_host

if TYPE_CHECKING:
    from lossmith.engine.llvm.run import Kernel
    from lossmith.loss import Loss

Array = Any
_ARRAY = np.ndarray
_VALUE = ("value",)
_NO_ROAD: tuple[Any, int] = (None, 0)
_MEANS = ("mean", "weighted_mean")
_MOST_LABELS = 16
_LARGEST_LABEL = 1 << 22  # whole numbers up to here are exact in every compute type


@dataclass(frozen=True)
class Request:
    """What a call asks of a loss, apart from the data."""

    outputs: tuple[Any, ...]  # "value", "gradient" ...
    reduction: str
    width: float = 1.0


def quick(loss: Loss, outputs: tuple[str, ...], reduction: str, y_true: Any, y_pred: Any, out: Any) -> Any:
    """The fast road of calls that went the direct road before: a value, a gradient or both; None where it ends."""
    if type(y_true) is not _ARRAY or type(y_pred) is not _ARRAY or not (out is None or type(out) is _ARRAY):
        return None
    road, alone = loss.roads.get((outputs, reduction, y_pred.dtype), _NO_ROAD)
    if road is None or (y_pred.size > alone and thread_count() > 1):
        return None
    if outputs == _VALUE:
        return road(y_true, y_pred)
    gradient = np.empty_like(y_pred) if out is None else out
    value = road(y_true, y_pred, gradient)
    if value is None:
        return None
    return gradient if len(outputs) == 1 else (value, gradient)


def direct(
    loss: Loss, request: Request, y_true: Any, y_pred: Any, weight: Any, where: Any, out: Any, extras: Mapping[str, Any]
) -> list[Any] | None:
    """The outputs asked for, or None where the checked road must be taken."""
    arrays: list[Array] = []
    key: list[Any] = [request.outputs, request.reduction, request.width, *extras]
    given = (y_true, y_pred, *extras.values(), weight, where)
    if any(type(array) is not _ARRAY or array.dtype.kind == "O" for array in given if array is not None):
        given = _host_arrays(given, extras)
        if given is None:
            return None
    for array in given:
        if array is None:
            key.append(None)
            continue
        if not array.ndim:
            return None
        flags, dtype = array.flags, array.dtype
        dense = flags.c_contiguous and flags.aligned
        if not dense and (array.ndim > 1 or not flags.aligned):
            array, dense = array.copy(order="C"), True
        if not dtype.isnative:
            array = array.astype(dtype.newbyteorder("="))
        arrays.append(array)
        key += (dtype, array.ndim, dense)
    if out is not None and not _writable(out, arrays):
        return None
    written = None if out is None else out.dtype.newbyteorder("=")
    key += (written, arrays[1].shape[-1] if loss.kind == "rowwise" else 0)
    known = tuple(key)
    plans = loss.plans
    if known not in plans:
        if len(plans) > 256:  # as many kinds of calls as a program makes, not as a fuzzer does
            plans.clear()
        made = plan(loss, request, arrays, weight is not None, where is not None, tuple(extras), written)
        plans[known] = made
        if made is not None and len(arrays) == 2:
            _open_road(loss, request, made, arrays)
    found = plans[known]
    return None if found is None else found.run(arrays, out)


def _writable(out: Any, arrays: list[Array]) -> bool:
    """Whether out can be written at once; where memory may be shared, the checked road looks closer."""
    if type(out) is not _ARRAY or out.shape != arrays[1].shape or not out.flags.writeable:
        return False
    return not any(np.may_share_memory(out, array) for array in arrays)


def _host_arrays(given: tuple[Any, ...], extras: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Lists, tables and numbers in objects as arrays; None for what is not the host's, or not numbers."""
    if not all(is_host(x) for x in given if x is not None):
        return None
    names = ("y_true", "y_pred", *extras, "weight", "where")
    check_index(**dict(zip(names, given, strict=True)))
    try:
        return tuple(None if x is None else to_host(x, name) for x, name in zip(given, names, strict=True))
    except TypeError:  # the checked road says which, and why
        return None


@dataclass(frozen=True)
class Plan:
    """A kernel, and how the arrays of a call are fed to it."""

    request: Request
    kernel: Kernel
    weigh: Kernel | None  # the total weight, where it must be known before anything is divided by it
    parameters: Array
    vectors: tuple[Array, ...]
    order: tuple[int, ...]  # which of the call's arrays is each array of the kernel
    whole: tuple[bool, ...]  # which of the call's arrays have the shape of y_pred
    many: bool  # y_pred has a last axis of its own
    results: tuple[Any, ...]  # the dtype of every array that is written
    counted: bool  # the last sum is the total weight
    padding: int  # fewer samples than this need room in front of them

    def run(self, arrays: list[Array], out: Any) -> list[Any] | None:
        y_pred = arrays[1]
        shape = y_pred.shape[:-1] if self.many else y_pred.shape
        for array, whole in zip(arrays, self.whole, strict=True):
            if array.shape != (y_pred.shape if whole else shape):
                return None
        classes = y_pred.shape[-1] if self.many else 1
        count = y_pred.size // max(classes, 1)
        if not count:
            return None
        scale, denominator = 1.0, float(count)
        mean = self.request.reduction in _MEANS
        if self.weigh is not None:
            weights = self.weigh.run(_pointers(arrays[-self.weigh.spec.arrays :]), 0, count)
            if weights is None or not weights[0] > 0.0:
                return None
            denominator = weights[0]
        if self.kernel.spec.scaled:
            scale = 1.0 / denominator
            if not self.kernel.smallest <= scale <= self.kernel.largest:
                return None
        made = self._room(y_pred, shape, out)
        sums = self._sums(arrays, made, count, classes, scale)
        if sums is None:
            return None
        if self.counted:
            denominator = sums[-1]
            if mean and not denominator > 0.0:
                return None
        if self.request.reduction == "total":
            return [Total(sums[0], denominator)]
        return self._found(made, sums, denominator if mean else 1.0, out)

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
        self, arrays: list[Array], made: list[Array], count: int, classes: int, scale: float
    ) -> list[float] | None:
        fed = [arrays[k] for k in self.order]
        written = made
        if count < self.padding:
            fed, written = [_padded(a, self.padding) for a in fed], [_padded(a, self.padding) for a in made]
        pointers = _pointers([*fed, *written, *self.vectors])
        sums = self.kernel.run(pointers, self.parameters.ctypes.data, count, classes, scale)
        if written is not made:
            for array, padded in zip(made, written, strict=True):
                array[...] = padded
        return sums

    def _found(self, made: list[Array], sums: list[float], denominator: float, out: Any) -> list[Any]:
        found: list[Any] = list(made)
        if out is not None and made and made[-1] is not out:
            out[...] = made[-1]
            found[-1] = out
        if len(self.results) < len(self.request.outputs):
            found.insert(0, sums[0] / denominator)
        return found


def _open_road(loss: Loss, request: Request, made: Plan, arrays: list[Array]) -> None:
    """Let the next call of this kind take the fast road, where it is plain enough."""
    spec = made.kernel.spec
    types = {spec.float, *(given.stored.dtype for given in spec.inputs), *(output.dtype for output in spec.outputs)}
    plain = len(types) == 1 and not made.many and loss.labels is None and made.weigh is None and not made.counted
    summed = request.reduction not in ("none", "total") or _VALUE[0] not in request.outputs
    if plain and summed and all(given.stored.dense for given in spec.inputs) and len(spec.outputs) < 2:
        from lossmith.engine.llvm.fast import fast

        mean = request.reduction in _MEANS
        road = fast(made.kernel, made.parameters.ctypes.data, mean=mean)
        if road is not None:
            loss.roads[request.outputs, request.reduction, arrays[1].dtype] = road, made.kernel.alone


def _pointers(arrays: list[Array]) -> list[int]:
    words = []
    for array in arrays:
        words += (array.ctypes.data, array.strides[0], 0)
    return words


def _padded(array: Array, rows: int) -> Array:
    """The same samples, with copies of the first one in front of them."""
    room = np.empty((rows, *array.shape[1:]), array.dtype)
    room[: rows - len(array)] = array[:1]
    room[rows - len(array) :] = array
    return room[rows - len(array) :]


def plan(
    loss: Loss, request: Request, arrays: list[Array], weighted: bool, masked: bool, extras: tuple[str, ...], out: Any
) -> Plan | None:
    """How calls like this one are served, or None where they cannot be."""
    if not machine_code():
        return None
    from lossmith.engine.llvm.emit import FLOATS
    from lossmith.engine.llvm.memory import DTYPES, WRITABLE, Stored
    from lossmith.engine.llvm.run import kernel, most_across
    from lossmith.engine.llvm.spec import Input, Output, Spec

    y_true, y_pred = arrays[:2]
    formula = _formula(loss, y_true, y_pred)
    if formula is None or any(dtype_name(array.dtype) not in DTYPES for array in arrays):
        return None
    if {extra.name for extra in formula.extras} != set(extras) or (masked and arrays[-1].dtype != np.bool_):
        return None
    if request.reduction == "weighted_mean" and formula.class_factor is not None:
        return None
    rows = formula.kind == "rowwise"
    labels, ignored = _labels(loss, formula), loss.params.get("ignore_index")
    if labels is None or not isinstance(ignored, (int, float, type(None))) or abs(ignored or 0) > _LARGEST_LABEL:
        return None
    compute = np.dtype(compute_dtype(np, arrays[: 2 + len(extras)]))
    result = out or (y_pred.dtype if is_floating(y_pred.dtype) else np.dtype(np.float64))
    if dtype_name(result) not in WRITABLE:
        return None

    def stored(array: Array) -> Stored:
        dense = array.flags.c_contiguous and array.flags.aligned
        return Stored(dtype_name(array.dtype), dense=bool(dense))

    group = len(formula.predictions)
    if group > 1 and y_pred.shape[-1] != group:
        return None
    target = Input(formula.target.name, stored(y_true), formula.target.domain, formula.target.domain.row,
                   labels or None, None if ignored is None else float(ignored))  # fmt: skip
    predictions = [
        Input(p.name, stored(y_pred) if group == 1 else Stored(dtype_name(y_pred.dtype), group=group, member=k),
              p.domain, rows)
        for k, p in enumerate(formula.predictions)
    ]  # fmt: skip
    others = [
        Input(extra.name, stored(arrays[2 + extras.index(extra.name)]), extra.domain) for extra in formula.extras
    ]
    masks = [stored(array) for array in arrays[2 + len(extras) :]]
    roots: list[Expr] = []
    outputs: list[Output] = []
    sums: list[int] = []
    mean = request.reduction in _MEANS
    for name in request.outputs:
        group_roots = formula.output(name)
        first = len(roots)
        if name == "value":
            roots += group_roots
            if request.reduction == "none":
                outputs.append(Output(compute.name, (first,)))
            else:
                sums.append(first)
        else:
            roots += [r if r.row or not rows else apply("per_class", r) for r in group_roots]
            outputs.append(Output(dtype_name(result), tuple(range(first, len(roots))), row=rows))
    scaled = mean and any(name != "value" for name in request.outputs)
    left_out = weighted or masked or ignored is not None
    counted = (mean or request.reduction == "total") and left_out and not scaled
    if counted:
        sums.append(len(roots))
        roots.append(ONE)
    common = {
        "weight": masks[0] if weighted else None,
        "where": masks[-1] if masked else None,
        "checked": True,
        "exact": request.reduction == "total",
    }
    numbers = tuple(p for p in formula.params if not p.per_class)
    vectors = tuple(p for p in formula.params if p.per_class)
    classes = y_pred.shape[-1] if rows else None
    if any(len(loss.params[p.name]) != classes for p in vectors):
        return None
    spec = Spec(
        compute.name, tuple(roots), (target, *predictions, *others), (*(p.name for p in numbers), "width"),
        tuple(sums), tuple(outputs), scaled=scaled, classes=None if classes is None else most_across(classes),
        vectors=tuple(p.name for p in vectors), **common,
    )  # fmt: skip
    weigh = None
    if scaled and left_out:
        if ignored is not None:  # then the target decides too what counts: the checked road adds it up
            return None
        weigh = kernel(Spec("float64", (ONE,), (), (), (0,), **common))
    order = (0, *[1] * group, *(2 + extras.index(e.name) for e in formula.extras), *range(2 + len(extras), len(arrays)))
    written = [output.dtype for output in outputs]
    return Plan(
        request, kernel(spec), weigh,
        np.asarray([*(float(loss.params[p.name]) for p in numbers), request.width], dtype=np.float64),
        tuple(np.asarray(list(loss.params[p.name]), dtype=compute) for p in vectors),
        order, tuple(k == 1 or (k == 0 and target.row) for k in range(len(arrays))), rows or group > 1,
        tuple(result if name == dtype_name(result) else np.dtype(name) for name in written),
        counted, FLOATS[compute.name].lanes if spec.classes else 0,
    )  # fmt: skip


def _formula(loss: Loss, y_true: Array, y_pred: Array) -> Formula | None:
    """The formula for this kind of target; None where the number of axes fits none."""
    if len(loss.formulas) == 1:
        return next(iter(loss.formulas.values()))
    return loss.formulas["row" if y_true.ndim == y_pred.ndim else "class id"]


def _labels(loss: Loss, formula: Formula) -> tuple[float, ...] | None:
    """The numbers that stand for 0, 1 ...; () where the classes stand for themselves, None where they are not numbers."""
    if loss.labels is None or formula.target.domain.row:
        return ()
    plain = all(isinstance(x, (int, float)) and abs(x) <= _LARGEST_LABEL and x == int(x) for x in loss.labels)
    return tuple(float(x) for x in loss.labels) if plain and len(loss.labels) <= _MOST_LABELS else None
