"""From what a user passes to what an engine takes: one library, one dtype, one shape, checked labels and domains."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from functools import reduce
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.formula.domains import Domain, row_tolerance
from lossmith.formula.model import Formula
from lossmith.namespaces import (
    compute_dtype,
    device_of,
    dtype_name,
    equals,
    is_floating,
    is_traced,
    library_of,
    namespace_of,
    odd_layout,
    on_host,
)
from lossmith.parameters import did_you_mean
from lossmith.record import Record
from lossmith.refusals import at, refuse_outside

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = Any


class Inputs(Record):
    """One call's data, ready for an engine.

    ``arrays`` holds every input by name in the compute dtype (row formulas: per-sample ones with a last axis of 1);
    ``like`` is the first of the predictions, ``shape`` that of the per-sample loss; ``keep`` and ``weight`` are None
    where everything counts. ``checked`` is False where values could not be looked at; ``legal`` then says of every
    argument where it is in its domain.
    """

    formula: Formula
    xp: ModuleType
    host: bool
    arrays: dict[str, Array]
    like: Array
    shape: tuple[int, ...]
    weight: Array | None
    keep: Array | None
    prediction: Array  # as passed, in its own dtype
    checked: bool
    legal: dict[str, Array]

    def unsure(self, *but: str) -> list[Array]:
        """Where each argument but these is legal, of those of which that is not known."""
        return [legal for name, legal in self.legal.items() if name not in but]

    def sound(self) -> Array | None:
        """Where nothing illegal counts: all arguments are legal, or the sample is left out; None: everywhere."""
        found = self.unsure()
        if not found:
            return None
        valid = reduce(operator.and_, found)
        return valid if self.keep is None else valid | ~self.keep


def to_host(x: Any, name: str) -> np.ndarray[Any, Any]:
    """A NumPy array of numbers, booleans or (for labels) texts; never a view that will be written to."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array: pass its data, and what is masked with weight 0, or by where=~mask")
    if hasattr(x, "to_numpy"):
        column = library_of(x) == "pyarrow" and hasattr(x, "null_count")
        x = x.to_numpy(zero_copy_only=False) if column else x.to_numpy()  # texts, booleans and gaps need a copy
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise TypeError(f"{name} is not a rectangular array of numbers: {error}") from None
    if array.dtype == object:
        array = _from_objects(array, name)
    if array.dtype.kind in "fiub" and array.dtype.itemsize <= 8:
        return array
    dtype = dtype_name(array.dtype)
    known = dtype == "bfloat16" or "float8" in dtype  # NumPy gives these the kind of a void
    if not known and (array.dtype.kind in "cmMV" or dtype in ("longdouble", "float128", "float96")):
        raise TypeError(
            f"{name} has dtype {array.dtype}; a loss takes float16, bfloat16, float32, float64, integers or booleans"
        )
    return array


def _from_objects(array: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Python numbers in an object array become float64; texts stay as they are, for labels to translate."""
    flat = array.ravel()
    if any(isinstance(value, str) for value in flat) and all(isinstance(x, str) or _is_gap(x) for x in flat):
        return array.astype(str)
    if all(isinstance(value, (bool, np.bool_)) for value in flat):
        return array.astype(bool)
    numbers = np.empty(flat.shape, dtype=np.float64)
    for i, value in enumerate(flat):
        try:
            if isinstance(value, (str, bytes)):
                raise TypeError
            numbers[i] = math.nan if _is_gap(value) else float(value)
        except (TypeError, ValueError, OverflowError):
            index = np.unravel_index(i, array.shape)
            raise TypeError(f"{name}{at(index)} = {value!r} is not a number") from None
    return numbers.reshape(array.shape)


def _is_gap(value: Any) -> bool:
    """None, NaN, or pandas.NA, which is known by its name, so that pandas need not be there."""
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"


def check_index(**named: Any) -> None:
    """pandas objects pair up by position, so unequal indexes are refused rather than guessed about."""
    indexed = [(name, x) for name, x in named.items() if hasattr(x, "iloc") and hasattr(x, "index")]
    for name, x in indexed[1:]:
        first, other = indexed[0]
        if not x.index.equals(other.index):
            raise ValueError(
                f"{first} and {name} have unequal pandas indexes; values pair up by position, "
                "so align them first or pass .to_numpy()"
            )


def _shape_error(loss: Loss, names: tuple[str, str], shapes: tuple[Any, Any]) -> ValueError:
    hint = ""
    if sorted(map(len, shapes)) == [1, 2] and 1 in max(shapes, key=len):
        hint = "; pass .ravel() or reshape one of them, nothing is broadcast"
    return ValueError(
        f"{loss.name}: shapes must be equal, but {names[0]} has shape {shapes[0]} and {names[1]} {shapes[1]}{hint}"
    )


def prepare(
    loss: Loss, y_true: Any, y_pred: Any, weight: Any, where: Any, extras: dict[str, Any], validate: bool | None
) -> Inputs:
    """Everything that is checked before a loss is computed."""
    check_index(y_true=y_true, y_pred=y_pred, weight=weight, where=where, **extras)
    xp, host = namespace_of(y_pred, y_true, weight, where, *extras.values())
    if not host and namespace_of(y_pred)[1]:
        raise TypeError(f"{loss.name}: y_pred is host data but another argument is not; move them to the same library")
    device = None if host else device_of(y_pred)

    def load(x: Any, name: str) -> Array:
        if x is None:
            raise TypeError(f"{loss.name}: {name} is None")
        if not namespace_of(x)[1]:
            if odd := odd_layout(x):
                raise TypeError(f"{loss.name}: {name} is {odd}")
            if "complex" in dtype_name(x.dtype):
                raise TypeError(f"{loss.name}: {name} has dtype {dtype_name(x.dtype)}, but must hold real numbers")
            return getattr(x, "detach", lambda: x)()
        x = to_host(x, name)
        if x.dtype.kind in "US":
            if name != "y_true" or loss.target_kind == "row":
                raise TypeError(f"{loss.name}: {name} holds texts, not numbers")
            return x
        return x if host else xp.asarray(x, device=device)

    prediction, target = load(y_pred, "y_pred"), load(y_true, "y_true")
    formula = _formula(loss, target, prediction)
    _check_names(loss, formula, extras)
    named = {name: load(x, name) for name, x in extras.items()}
    shape = _check_shapes(loss, formula, target, prediction, named)
    raw = target
    target, ignored = _labels_to_numbers(loss, target, formula, xp, device)
    dtype = compute_dtype(xp, [a for a in (target, prediction, *named.values()) if a.dtype.__class__ is not str])
    parts = [prediction, target, *named.values(), *(x for x in (weight, where) if x is not None)]
    look = validate if validate is not None else all(on_host(x) for x in parts)
    look = bool(look) and not any(is_traced(x) for x in parts)
    keep = _where(loss, shape, None if where is None else load(where, "where"), ignored)
    weights, keep, sound = _weights(loss, xp, shape, None if weight is None else load(weight, "weight"), keep, look)

    def convert(x: Array) -> Array:
        if host:
            return np.asarray(x, dtype=dtype, order="C")
        return xp.asarray(xp.astype(x, dtype)) if x.dtype != dtype else x

    predictions = _split(formula, convert(prediction))
    arrays = {formula.target.name: convert(target), **predictions, **{n: convert(a) for n, a in named.items()}}
    legal = _check_domains(loss, formula, arrays, raw, keep, xp, look)
    if sound is not None:
        legal["weight"] = sound
    if formula.kind == "rowwise":
        arrays = {n: a if a.ndim > len(shape) else a[..., None] for n, a in arrays.items()}
    like = next(iter(predictions.values()))
    return Inputs(formula, xp, host, arrays, like, shape, weights, keep, prediction, look, legal)


def _labels_to_numbers(
    loss: Loss, target: Array, formula: Formula, xp: ModuleType, device: Any
) -> tuple[Array, Array | None]:
    """(target as 0 and 1, class ids or numbers, with -1 for an unknown label; which samples have the ignored label)."""
    if loss.labels is None and isinstance(target, np.ndarray) and target.dtype.kind in "US":
        raise TypeError(f"{loss.name}: y_true holds texts; say labels=(...) in the order of the classes")
    if formula.target.domain.row:
        return target, None
    ignore = loss.params.get("ignore_index")
    ignored = None if ignore is None else equals(target, ignore)
    if loss.labels is None:
        return target, ignored
    if isinstance(target, np.ndarray):  # texts are translated before they leave the host
        return xp.asarray(label_numbers(loss.labels, target), device=device), ignored
    return label_numbers(loss.labels, target, xp), ignored


def label_numbers(labels: tuple[Any, ...], target: Array, xp: Any = np) -> Array:
    """The number of each label, -1 for an unknown one."""
    device = device_of(target)
    numbers = xp.full(target.shape, -1, dtype=xp.int32, device=device)
    for number, label in enumerate(labels):
        numbers = xp.where(equals(target, label), xp.full((), number, dtype=xp.int32, device=device), numbers)
    return numbers


def _formula(loss: Loss, target: Array, prediction: Array) -> Formula:
    """The formula for this kind of target: class ids have one axis less than rows."""
    if len(loss.formulas) == 1:
        return next(iter(loss.formulas.values()))
    return loss.formulas["row" if target.ndim == prediction.ndim else "class id"]


def _check_names(loss: Loss, formula: Formula, named: Iterable[str]) -> None:
    known = [extra.name for extra in formula.extras]
    for name in named:
        if name not in known:
            raise TypeError(f"{loss.name} takes no argument {name!r}{did_you_mean(name, (*known, 'weight', 'where'))}")


def _check_shapes(
    loss: Loss, formula: Formula, target: Array, prediction: Array, named: dict[str, Array]
) -> tuple[int, ...]:
    """The shape of the per-sample loss."""
    shape = tuple(prediction.shape)
    many = formula.kind == "rowwise" or len(formula.predictions) > 1
    if many:
        what = (
            "a row of scores"
            if formula.kind == "rowwise"
            else f"{len(formula.predictions)} predictions ({', '.join(p.name for p in formula.predictions)})"
        )
        if not shape or (formula.kind == "pointwise" and shape[-1] != len(formula.predictions)) or shape[-1] == 0:
            raise ValueError(f"{loss.name}: y_pred needs {what} on its last axis, but has shape {shape}")
        if loss.labels is not None and formula.target.domain.kind == "class id" and shape[-1] != len(loss.labels):
            raise ValueError(f"{loss.name} has {len(loss.labels)} labels, but y_pred has {shape[-1]} classes")
        shape = shape[:-1]
    expected = tuple(prediction.shape) if formula.target.domain.row or not many else shape
    if tuple(target.shape) != expected:
        if many and not formula.target.domain.row:
            rows = tuple(target.shape) == tuple(prediction.shape) and formula.target.domain.kind == "class id"
            hint = "; of rows with a 1 for the class, pass y_true.argmax(-1)" if rows else ""
            raise ValueError(
                f"{loss.name}: shapes must be equal up to y_pred's last axis: "
                f"y_true must have shape {expected}, but has {tuple(target.shape)}{hint}"
            )
        raise _shape_error(loss, ("y_true", "y_pred"), (tuple(target.shape), tuple(prediction.shape)))
    for extra in formula.extras:
        if extra.name not in named:
            raise TypeError(f"{loss.name} needs {extra.name}=, {extra.domain.describe()} per sample")
        if tuple(named[extra.name].shape) != shape:
            raise _shape_error(loss, (extra.name, "the per-sample loss"), (tuple(named[extra.name].shape), shape))
    return shape


_WEIGHT = Domain("a finite weight >= 0", low=0.0, high=math.inf, high_open=True)


def _where(loss: Loss, shape: tuple[int, ...], where: Array | None, ignored: Array | None) -> Array | None:
    """Which samples are kept; None where all are."""
    if where is None:
        return None if ignored is None else ~ignored
    if tuple(where.shape) != shape:
        raise _shape_error(loss, ("where", "the per-sample loss"), (tuple(where.shape), shape))
    if "bool" not in dtype_name(where.dtype):
        raise TypeError(f"{loss.name}: where must be an array of booleans, not of {dtype_name(where.dtype)}")
    return where if ignored is None else where & ~ignored


def _weights(
    loss: Loss, xp: ModuleType, shape: tuple[int, ...], weight: Array | None, keep: Array | None, look: bool
) -> tuple[Array | None, Array | None, Array | None]:
    """(weights, 0 where not kept; which samples are kept; where an unseen weight is legal)."""
    if weight is None:
        return None, keep, None
    if tuple(weight.shape) != shape:
        raise _shape_error(loss, ("weight", "the per-sample loss"), (tuple(weight.shape), shape))
    if not is_floating(weight.dtype):
        weight = xp.astype(weight, xp.float64 if xp is np else compute_dtype(xp, []))
    if keep is not None:  # whatever stands where a sample is removed: it does not count
        weight = xp.where(keep, weight, xp.zeros_like(weight))
    legal = _legal(xp, weight, _WEIGHT, None)
    if look:
        refuse_outside(loss, _WEIGHT, weight, legal, "weight", None, xp)
    counted = weight != 0
    return weight, counted if keep is None else keep & counted, None if look else legal


def _split(formula: Formula, prediction: Array) -> dict[str, Array]:
    if len(formula.predictions) == 1:
        return {formula.predictions[0].name: prediction}
    parts = {p.name: prediction[..., i] for i, p in enumerate(formula.predictions)}
    return {name: np.asarray(part, order="C") if isinstance(part, np.ndarray) else part for name, part in parts.items()}


def _legal(xp: ModuleType, x: Array, domain: Domain, classes: int | None) -> Array:
    if domain.kind == "label":  # fewer comparisons than an interval of whole numbers
        return (x == domain.low) | (x == domain.high)
    found = []
    if domain.low_open or math.isfinite(domain.low):
        found.append((x > domain.low) if domain.low_open else (x >= domain.low))
    if domain.high_open or math.isfinite(domain.high):
        found.append((x < domain.high) if domain.high_open else (x <= domain.high))
    if domain.whole:
        found.append(xp.floor(x) == x)
    if domain.kind == "class id" and classes is not None:
        found.append(x < classes)
    if not found:  # else NaN, of which no comparison holds, is found there
        found.append(x == x)
    if domain.excluded is not None:
        found.append(x != domain.excluded)
    return reduce(operator.and_, found)


def _check_domains(
    loss: Loss, formula: Formula, arrays: dict[str, Array], raw: Array, keep: Array | None, xp: ModuleType, look: bool
) -> dict[str, Array]:
    """Raise at the first illegal value; where values cannot be looked at, return where each argument's are legal."""
    classes = arrays[formula.predictions[0].name].shape[-1] if formula.kind == "rowwise" else None
    found: dict[str, Array] = {}
    heads = {p.name: k for k, p in enumerate(formula.predictions)} if look and len(formula.predictions) > 1 else {}
    known = {name: _legal(xp, arrays[name], formula.predictions[k].domain, None) for name, k in heads.items()}
    arguments = list(formula.predictions)
    if heads:  # what comes first in y_pred is said first
        arguments.sort(key=lambda p: _first(known[p.name], keep))
    for argument in (formula.target, *arguments, *formula.extras):
        shown = "y_true" if argument is formula.target else argument.name if argument in formula.extras else "y_pred"
        x, domain = arrays[argument.name], argument.domain
        if look:
            own = raw if argument is formula.target else None
            legal = known[argument.name] if argument.name in known else _legal(xp, x, domain, classes)
            refuse_outside(loss, domain, x, legal, shown, keep, xp, classes, own, heads.get(argument.name))
            continue
        if domain.row and domain.any_number:  # a NaN is the largest of its row, which most formulas ask for anyway
            legal = _legal(xp, xp.max(x, axis=-1), domain, classes)
        else:
            legal = _legal(xp, x, domain, classes)
            legal = xp.all(legal, axis=-1) if domain.row else legal
        if domain.simplex:
            stored = raw if argument is formula.target else x
            legal = legal & (xp.abs(xp.sum(x, axis=-1) - 1.0) <= row_tolerance(dtype_name(stored.dtype)))
        found[argument.name] = legal
    return found


def _first(legal: Array, keep: Array | None) -> int:
    """The place of the first that is not, or behind the last."""
    bad = np.flatnonzero(~np.asarray(legal if keep is None else legal | ~keep))
    return int(bad[0]) if bad.size else math.prod(legal.shape)
