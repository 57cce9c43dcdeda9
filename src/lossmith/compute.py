"""One call: inputs -> engine -> reduction -> what the user gets back."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.engine import evaluate
from lossmith.engine.odds import SHARE, shared
from lossmith.engine.reduce import REDUCTIONS, Total, apply_weight, in_proportion, mean, total, total_weight, unruly
from lossmith.formula.expr import Expr
from lossmith.formula.model import Formula, Output
from lossmith.inputs import Inputs, prepare
from lossmith.namespaces import (
    compute_dtype,
    device_of,
    dtype_name,
    is_floating,
    library_of,
    namespace_of,
    stacked,
)
from lossmith.parameters import check_factors, stored, stored_vector
from lossmith.record import replace

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = Any


class Call:
    """The data of one call on a loss, and the outputs asked of it."""

    def __init__(
        self, loss: Loss, y_true: Any, y_pred: Any, weight: Any, where: Any, extras: dict[str, Any],
        validate: bool | None = None, width: float = 1.0,
    ) -> None:  # fmt: skip
        self.loss, self.width = loss, width
        self.data: Inputs = prepare(loss, y_true, y_pred, weight, where, extras, validate)

    def moved(self, prediction: Array) -> Call:
        """The same call with another prediction (of losses with one per sample), which is legal and not checked."""
        (name,) = (p.name for p in self.data.formula.predictions)
        arrays = {**self.data.arrays, name: prediction}
        return self._of(replace(self.data, arrays=arrays, like=prediction, prediction=prediction))

    def _of(self, data: Inputs) -> Call:
        """The same call with data that need no preparing."""
        call = object.__new__(Call)
        call.loss, call.width, call.data = self.loss, self.width, data
        return call

    # raw outputs ------------------------------------------------------------------------------------------------------

    def outputs(self, *names: Output, checked: bool = True) -> list[Array]:
        """Per-sample outputs in compute dtype; several predictions are stacked on the last axis."""
        data = self.data
        groups = [data.formula.output(name) for name in names]
        results = evaluate(
            groups, data.arrays, self._params(data.like), data.xp, rows=data.formula.kind == "rowwise", like=data.like
        )
        joined = [self._joined(name, group, parts) for name, group, parts in zip(names, groups, results, strict=True)]
        return [self._checked(name, result) for name, result in zip(names, joined, strict=True)] if checked else joined

    def value_and_gradient(self, reduction: str) -> tuple[Array, Array]:
        """Both, reduced, in the order and form that compilers make most of."""
        if self.data.formula.kind == "rowwise" and self.data.keep is None and not self.data.checked:
            return self._of_rows(reduction)
        value, gradient = self.outputs("value", "gradient", checked=False)
        value = self._checked("value", value)
        data = self.data
        if data.checked or len(data.unsure(*data.formula.undefined_with("gradient"))) < 2:
            gradient = self._checked("gradient", gradient)
        else:  # illegal arguments have made the value NaN, and it is one comparison for all of them
            gradient = self._or_nan(gradient, value == value)
        return self.value(value, reduction), self.derivative(gradient, reduction)

    def _of_rows(self, reduction: str) -> tuple[Array, Array]:
        """What a mean divides by and what is illegal are a number a row, and go into others of which a row has one."""
        data, xp, formula = self.data, self.data.xp, self.data.formula
        ones = xp.ones(data.shape, dtype=data.like.dtype, device=device_of(data.like))
        share = self._weighed(self._checked("gradient", ones), self._divisor(reduction))
        groups = [formula.output("value"), [shared(slope) for slope in formula.output("gradient")]]
        arrays = {**data.arrays, SHARE.data: share[..., None]}
        (value,), slopes = evaluate(groups, arrays, self._params(data.like), xp, rows=True, like=data.like)
        gradient = self._joined("gradient", groups[1], slopes)
        return self.value(self._checked("value", value), reduction), self._typed(gradient)

    def _params(self, like: Array) -> dict[str, Any]:
        xp, dtype = self.data.xp, dtype_name(like.dtype)
        check_factors(self.loss, self.data.formula, dtype)
        values: dict[str, Any] = {"width": self.width}
        numbers = self.loss.numbers
        for argument in self.data.formula.params:
            value = numbers[argument.name]
            if argument.per_class:
                if len(value) != like.shape[-1]:
                    raise ValueError(
                        f"{self.loss.name}: {argument.name} has {len(value)} numbers, "
                        f"but y_pred has {like.shape[-1]} classes"
                    )
                found = stored_vector(self.loss, argument.name, dtype)
                values[argument.name] = xp.asarray(found, dtype=like.dtype, device=device_of(like))
            else:
                values[argument.name] = stored(self.loss, argument.name, value, dtype)
        return values

    def _joined(self, name: Output, group: Sequence[Expr], parts: list[Array]) -> Array:
        xp, data = self.data.xp, self.data
        if name in ("value", "class_factor"):
            return parts[0]
        if data.formula.kind == "rowwise":  # a number per sample serves every class
            return parts[0] if group[0].row else parts[0][..., None] + xp.zeros_like(data.like)
        return stacked(xp, parts)

    def _or_nan(self, result: Array, *valid: Array) -> Array:
        """The result where all of these hold, one after the other: together a compiler keeps them in an array."""
        xp = self.data.xp
        nan = xp.full((), math.nan, dtype=result.dtype, device=device_of(result))
        for condition in valid:
            result = xp.where(condition[..., None] if result.ndim > condition.ndim else condition, result, nan)
        return result

    def _checked(self, name: Output, result: Array) -> Array:
        """NaN from legal inputs means that no limit exists there: an error on the host, NaN elsewhere."""
        data, xp = self.data, self.data.xp
        if not data.checked:
            return self._or_nan(result, *data.unsure(*data.formula.undefined_with(name)))
        bad = result != result
        if bool(xp.any(bad)):
            keep = True if data.keep is None else (data.keep[..., None] if result.ndim > data.keep.ndim else data.keep)
            bad = bad & keep
            if bool(xp.any(bad)):
                index = tuple(int(i) for i in np.argwhere(np.asarray(bad))[0]) if bad.ndim else ()
                raise ValueError(
                    f"{self.loss.name}: the {name} has no limit at index {list(index)}: {self._point(index)}"
                )
        return result

    def _point(self, index: tuple[int, ...]) -> str:
        sample = index[: len(self.data.shape)]
        return ", ".join(f"{name} = {np.asarray(array[sample]).tolist()}" for name, array in self.data.arrays.items())

    # reductions -------------------------------------------------------------------------------------------------------

    def value(self, values: Array, reduction: str) -> Array:
        data = self.data
        if reduction == "none":
            with np.errstate(all="ignore"):
                return self._returned(self._weighed(values))
        if reduction == "sum":
            result = total(data.xp, values, data.weight, data.keep)
        else:
            result = mean(data.xp, values, data.weight, data.keep, self.denominator(reduction))
        self._check_sum(result, values)
        return self._returned(result if data.host else data.xp.astype(result, values.dtype))

    def _check_sum(self, result: Array, values: Array) -> None:
        """Each loss has been looked at, but inf and -inf have no sum."""
        if self.data.checked and bool(result != result):
            kept = np.asarray(apply_weight(self.data.xp, values, None, self.data.keep))
            ends = [np.argwhere(kept == x)[:1].tolist() for x in (math.inf, -math.inf)]
            why = f"inf at index {ends[0][0]}, -inf at {ends[1][0]}" if all(ends) else "parts of it overflow"
            raise ValueError(f"{self.loss.name}: there is no sum of the losses: {why}")

    def denominator(self, reduction: str) -> Array:
        """What a mean divides by; raises ValueError where that is known to be nothing."""
        data, result = self.data, self.behind(reduction)
        if not math.prod(data.shape) or (data.checked and not float(result) > 0):
            what = "no samples" if not math.prod(data.shape) else "the total weight is 0"
            raise ValueError(f'{self.loss.name}: there is nothing to average ({what}); reduction="sum" gives 0')
        return result

    def _divisor(self, reduction: str) -> Array | None:
        return None if reduction in ("sum", "none") else self.denominator(reduction)

    def behind(self, reduction: str) -> Array:
        """The weight of the kept samples, times their class's weight for "weighted_mean"."""
        data = self.data
        weight = data.weight
        if reduction == "weighted_mean" and data.formula.class_factor is not None:
            factor = self._class_factor()
            kind = data.xp.float64 if data.host else factor.dtype
            with np.errstate(all="ignore"):  # of samples that are left out it may be anything
                weight = factor if weight is None else data.xp.astype(factor, kind) * data.xp.astype(weight, kind)
        like = data.like if data.formula.kind == "pointwise" else data.like[..., 0]
        return total_weight(data.xp, like, weight, data.keep)

    def _class_factor(self) -> Array:
        """The weight of each sample's class: where the parts of a sum differ in it, an error on the host, else NaN."""
        data = self.data
        (factor,) = self.outputs("class_factor", checked=False)
        if data.checked:
            bad = np.asarray((factor != factor) if data.keep is None else (factor != factor) & data.keep)
            if bad.any():
                index = tuple(np.argwhere(bad)[0].tolist())
                raise ValueError(
                    f"{self.loss.name}: there is no weighted mean: the losses it is made of give different weights to "
                    f"the class of the sample at index {list(index)}: {self._point(index)}"
                )
        return self._checked("class_factor", factor)

    def derivative(self, values: Array, reduction: str, out: Array | None = None) -> Array:
        """Weights, reduction and dtype of anything that has the shape of y_pred."""
        data = self.data
        denominator = self._divisor(reduction)
        if data.host and data.weight is not None and denominator is not None and unruly(denominator):
            relative = self._of(replace(data, weight=in_proportion(data.weight, data.keep)))
            return relative.derivative(values, reduction, out)
        with np.errstate(all="ignore"):
            values = self._weighed(values, denominator)
        if out is not None:
            return self._written(values, out)
        return self._typed(values)

    def _typed(self, values: Array) -> Array:
        data = self.data
        dtype = data.prediction.dtype if is_floating(data.prediction.dtype) else compute_dtype(data.xp, [])
        dtype = np.dtype(dtype).newbyteorder("=") if data.host else dtype
        if values.dtype != dtype:
            with np.errstate(all="ignore"):
                values = values.astype(dtype) if data.host else data.xp.astype(values, dtype)
        return values[()] if data.host else values

    def _weighed(self, values: Array, denominator: Any = None) -> Array:
        """Values times weight by denominator; on the host in float64 where their type does not hold every weight."""
        data, weight, keep = self.data, self.data.weight, self.data.keep
        if not data.host:
            values = apply_weight(data.xp, values, weight, keep)
            if denominator is None:
                return values
            wide = hasattr(denominator, "dtype")
            return values / (data.xp.astype(denominator, values.dtype) if wide else denominator)
        limits = np.finfo(values.dtype)
        if weight is not None and denominator is not None:  # first: weights of any size by their sum are at most 1
            weight, denominator = weight.astype(np.float64) / denominator, None
        if weight is None or np.all((weight == 0) | ((weight >= limits.tiny) & (weight <= limits.max))):
            found = apply_weight(np, values, weight, keep)
            return found if denominator is None else found / denominator
        return apply_weight(np, values.astype(np.float64), weight.astype(np.float64), keep).astype(values.dtype)

    def _written(self, values: Array, out: Array) -> Array:
        with np.errstate(all="ignore"):
            out[...] = values if self.data.host else self.data.xp.astype(values, out.dtype)
        return out

    def _returned(self, result: Array) -> Array:
        return float(result) if self.data.host and result.ndim == 0 else result

    def hessian_product(self, vector: Array, reduction: str) -> Array:
        """The reduced loss's full Hessian times a vector of y_pred's shape: directional derivatives of the gradient."""
        data = self.data
        params, tangents = self._params(data.like), self._parts(vector)
        parts = products(data.formula, data.arrays, tangents, params, data.xp, data.like)
        return self.derivative(self._joined("gradient", data.formula.products, parts), reduction)

    def _parts(self, vector: Array) -> list[Array]:
        count = len(self.data.formula.predictions)
        vector = self.data.xp.astype(vector, self.data.like.dtype)
        return [vector] if count == 1 else [vector[..., i] for i in range(count)]

    def total(self) -> Total:
        data = self.data
        (values,) = self.outputs("value")
        weight = total_weight(data.xp, values, data.weight, data.keep)
        result = total(data.xp, values, data.weight, data.keep)
        self._check_sum(result, values)
        return (
            Total(float(result), float(weight))
            if data.host
            else Total(result, weight if hasattr(weight, "dtype") else float(weight))
        )


def check_reduction(loss: Loss, reduction: str) -> None:
    if reduction not in REDUCTIONS:
        raise ValueError(f"{loss.name}: reduction must be one of {', '.join(REDUCTIONS)}, not {reduction!r}")


def check_out(loss: Loss, out: Any, y_pred: Any, *inputs: Any) -> None:
    """out= must be a writable floating array of y_pred's shape that shares no memory with any input."""
    if out is None:
        return
    plain = type(out) is np.ndarray is type(y_pred)
    if not plain and (not hasattr(out, "dtype") or namespace_of(out)[1] is not namespace_of(y_pred)[1]):
        raise TypeError(f"{loss.name}: out must be an array of the same library as y_pred, not {type(out).__name__}")
    if not is_floating(out.dtype):
        raise TypeError(f"{loss.name}: out must have a floating dtype, not {out.dtype}")
    shape = np.shape(y_pred) if not hasattr(y_pred, "shape") else tuple(y_pred.shape)
    if tuple(out.shape) != shape:
        raise ValueError(f"{loss.name}: out has shape {tuple(out.shape)}, but y_pred {shape}")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError(f"{loss.name}: out is read-only")
    if isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"{loss.name}: out is a masked array: pass its data")
    if isinstance(out, np.ndarray) and overlaps_itself(out):
        raise ValueError(f"{loss.name}: elements of out share memory")
    if type(out).__module__.partition(".")[0] in ("jax", "jaxlib"):
        raise TypeError(f"{loss.name}: a JAX array cannot be written to, so it cannot be out")
    if any(_share_memory(out, other) for other in inputs):
        raise ValueError(f"{loss.name}: out shares memory with an input, which must not be written to")


def check_single(loss: Loss, out: Any) -> None:
    """out= of one result is no tuple, which would be taken for the places of several."""
    if isinstance(out, tuple):
        raise TypeError(f"{loss.name}: out must be one array, not a tuple")


def check_pair(loss: Loss, out: Any) -> None:
    """out= of two results must be two arrays of one dtype which share no memory."""
    if out is None:
        return
    if not (isinstance(out, tuple) and len(out) == 2 and all(hasattr(part, "dtype") for part in out)):
        raise TypeError(f"{loss.name}: out must be a tuple of two arrays, not {type(out).__name__}")
    if out[0].dtype != out[1].dtype:
        raise TypeError(f"{loss.name}: out must be two arrays of one dtype, not of {out[0].dtype} and {out[1].dtype}")
    if _share_memory(*out):
        raise ValueError(f"{loss.name}: the two arrays of out share memory")


def overlaps_itself(out: np.ndarray[Any, Any]) -> bool:
    """Whether two elements may lie in one place: from short strides to long ones, some step is too short."""
    if out.flags.c_contiguous:
        return False
    reach = out.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(out.strides, out.shape, strict=True)):
        if size > 1:
            if stride < reach:
                return True
            reach += stride * (size - 1)
    return False


def _share_memory(out: Any, other: Any) -> bool:
    if other is None or isinstance(other, (list, tuple, float, int)):
        return False
    if other is out:
        return True
    if type(out) is np.ndarray is type(other) and not np.may_share_memory(out, other):
        return False
    if hasattr(out, "untyped_storage"):
        return (
            hasattr(other, "untyped_storage") and out.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
        )
    data = other.to_numpy() if hasattr(other, "to_numpy") else other
    return isinstance(out, np.ndarray) and namespace_of(data)[1] and np.shares_memory(out, np.asarray(data))


def differentiable(loss: Loss, y_pred: Any) -> Any:
    """The adapter that makes results differentiable in y_pred, where its library differentiates; else None."""
    library = library_of(y_pred).replace("jaxlib", "jax")
    return importlib.import_module(f"lossmith.adapters.{library}") if library in ("jax", "torch") else None


def products(
    formula: Formula, arrays: Mapping[str, Array], tangents: Sequence[Array], params: Mapping[str, Any], xp: Any,
    like: Array,
) -> list[Array]:  # fmt: skip
    """The full Hessian times a tangent for each prediction, as the formula has it: unreduced, in its own parts."""
    named = {f"tangent of {p.name}": part for p, part in zip(formula.predictions, tangents, strict=True)}
    rows = formula.kind == "rowwise"
    (parts,) = evaluate([formula.products], {**arrays, **named}, params, xp, rows=rows, like=like)
    return parts
