"""The roads of ordinary host arrays: one kernel checks, computes, weighs and adds.

The fast one is a look into a dictionary and a function in machine code. The direct one first makes arrays of lists,
tables, texts and odd layouts. Whatever is not ordinary (other libraries, a value outside a domain, a sum that
overflows) gives None, and the call takes the checked road instead, which says in words what is wrong.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.compute import check_reduction, overlaps_itself
from lossmith.inputs import label_numbers, to_host
from lossmith.namespaces import is_floating, is_host
from lossmith.pairing import check_columns, check_index
from lossmith.plans import SOUND, TOTAL, Plan, Request, Served, plan

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = Any
_ARRAY = np.ndarray
_FEW = 4096  # so many numbers are copied sooner than a road for their layout is found
_UNKNOWN: Any = object()
_NO_ROAD: tuple[Served | None, float] = (None, 0)  # a road, and for less than how many numbers


def served(
    loss: Loss, outputs: tuple[str, ...], reduction: Any, y_true: Any, y_pred: Any, weight: Any, where: Any, out: Any,
    extras: Mapping[str, Any], width: float = 1.0,
) -> list[Any] | None:  # fmt: skip
    """The outputs asked for, or None where the checked road must be taken."""
    try:
        last = out[-1] if type(out) is tuple else out
        written = None if last is None or last.dtype is y_pred.dtype else last.dtype
        key = _key(loss, outputs, reduction, width, y_true, y_pred, weight, where, written, extras)
        fast, most = loss.roads.get(key, _NO_ROAD)
        size = y_pred.size
    except (AttributeError, IndexError, TypeError, RuntimeError):  # no arrays with a shape, or a reduction of no name
        fast = None
    if fast is not None and size < most:
        arrays = [y_true, y_pred, *extras.values()] if extras else [y_true, y_pred]
        if weight is not None:
            arrays.append(weight)
        if where is not None:
            arrays.append(where)
        results: list[Any] | None = fast(arrays, out)
        if results is not None:
            return results
    if reduction is not TOTAL and reduction is not SOUND:
        check_reduction(loss, reduction)
    return direct(loss, outputs, reduction, y_true, y_pred, weight, where, out, extras, width)


def _key(
    loss: Loss, outputs: tuple[str, ...], reduction: Any, width: float, y_true: Any, y_pred: Any, weight: Any,
    where: Any, written: Any, extras: Mapping[str, Any],
) -> tuple[Any, ...]:  # fmt: skip
    """What decides how a call is served; ``written`` is the dtype of ``out``, where it is not that of y_pred.

    The type keeps apart libraries whose dtypes do not like to be compared.
    """
    key = (
        type(y_pred), outputs, reduction, width, y_true.dtype, y_pred.dtype, written,
        None if weight is None else weight.dtype, None if where is None else where.dtype,
        (y_pred.shape[-1], y_true.ndim == y_pred.ndim) if loss.wide else None,
    )  # fmt: skip
    return (*key, *extras, *(extra.dtype for extra in extras.values())) if extras else key


def direct(
    loss: Loss, outputs: tuple[str, ...], reduction: Any, y_true: Any, y_pred: Any, weight: Any, where: Any, out: Any,
    extras: Mapping[str, Any], width: float,
) -> list[Any] | None:  # fmt: skip
    """The same, whatever the host's arrays look like."""
    given: dict[str, Any] = {"y_true": y_true, "y_pred": y_pred, **extras}
    if weight is not None:
        given["weight"] = weight
    if where is not None:
        given["where"] = where
    found = _host_arrays(loss, given)
    if found is None or not all(array.ndim for array in found.values()):
        return None
    outs = () if out is None else out if isinstance(out, tuple) else (out,)
    if not all(_writable(each, found["y_pred"].shape, [*given.values(), *found.values()]) for each in outs):
        return None
    if loss.labels is not None and loss.numbered is not None:
        if loss.target_kind == "class id" and len(loss.labels) != found["y_pred"].shape[-1]:
            return None
        found["y_true"], loss = label_numbers(loss.labels, found["y_true"]), loss.numbered
    free = ("y_true", "y_pred") if loss.kind == "rowwise" and _few_classes(found["y_pred"]) else ()
    arrays = {name: _laid_out(array, by_class=name in free) for name, array in found.items()}
    y_pred, dense = arrays["y_pred"], [array.flags.c_contiguous for array in arrays.values()]
    written = outs[-1].dtype.newbyteorder("=") if outs else None
    key = _key(
        loss, outputs, reduction, width, arrays["y_true"], y_pred, arrays.get("weight"), arrays.get("where"),
        None if written == y_pred.dtype else written, {name: arrays[name] for name in extras},
    )  # fmt: skip
    plans, known = loss.plans, key if all(dense) else (*key, *dense)
    made = plans.get(known, _UNKNOWN)
    if made is _UNKNOWN:
        if len(plans) > 256:  # as many kinds of calls as a program makes, not as a fuzzer does
            plans.clear()
            loss.roads.clear()
        masks = {"weighted": weight is not None, "masked": where is not None}
        request = Request(outputs, reduction, width)
        made = plans[known] = plan(loss, request, list(arrays.values()), tuple(extras), written, **masks)
    if made is None:
        return None
    places = tuple(_place(each, made.results[-1].dtype, by_class=made.by_class) for each in outs)
    fits = bool(places) and all(place is not None for place in places)
    fast, most = loss.roads.get(known, _NO_ROAD)
    if known not in loss.roads:  # the first call does not wait for a road of later ones
        loss.roads[known] = _opening(loss, known, made), made.most
    taken, place = list(arrays.values()), (places if len(outs) > 1 else places[0]) if fits else None
    results: list[Any] | None = None if fast is None or y_pred.size >= most else fast(taken, place)
    if results is None:  # there is no road for this layout, or it did not like what it saw
        results = made.run(taken, place)
    if results is not None and outs:
        for each, result in zip(outs, results[-len(outs) :], strict=True):
            if not fits:
                with np.errstate(all="ignore"):
                    each[...] = result
        results[-len(outs) :] = outs
    return results


def _opening(loss: Loss, key: tuple[Any, ...], made: Plan) -> Served:
    """A road that makes the fast one when it is first taken. It does not keep the loss alive, which keeps it."""
    owner = weakref.ref(loss)

    def opened(arrays: Sequence[Array], out: Any) -> list[Any] | None:
        fast, loss = made.fast(), owner()
        if loss is not None:
            loss.roads[key] = fast, made.most
        return None if fast is None else fast(arrays, out)

    return opened


def _few_classes(y_pred: Array) -> bool:
    """Whether there is a kernel for rows of which the numbers of a class follow each other."""
    from lossmith.engine.llvm.spec import MOST_ACROSS

    return bool(y_pred.ndim == 2 and y_pred.shape[1] <= MOST_ACROSS)


def _laid_out(array: Array, *, by_class: bool) -> Array:
    """In the machine's byte order, one number after the other, or (many numbers) a fixed step or class by class."""
    flags = array.flags
    odd = array.size > _FEW and (array.ndim == 1 or (by_class and flags.f_contiguous))
    if not flags.aligned or not (flags.c_contiguous or odd):
        array = array.copy(order="C")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _place(out: Any, dtype: np.dtype[Any], *, by_class: bool) -> Array | None:
    """out itself, where the kernel can write it."""
    lies = out.flags.f_contiguous if by_class else out.flags.c_contiguous
    if out.dtype != dtype or not (lies and out.flags.aligned):
        return None
    return out if type(out) is _ARRAY else out.view(_ARRAY)


def _writable(out: Any, shape: tuple[int, ...], given: list[Any]) -> bool:
    """Whether out can be written at once; where memory may be shared, the checked road looks closer."""
    if type(out) not in (_ARRAY, np.memmap) or out.shape != shape or not is_floating(out.dtype):
        return False
    if not out.flags.writeable or overlaps_itself(out):
        return False
    return not any(np.may_share_memory(out, x) for x in given if isinstance(x, _ARRAY))


def _host_arrays(loss: Loss, given: Mapping[str, Any]) -> dict[str, Array] | None:
    """Arrays of numbers or texts; None for what is not the host's, or neither."""
    tables = [x for x in given.values() if type(x) not in (_ARRAY, list, tuple)]
    if tables:
        if not all(is_host(x) for x in tables):
            return None
        check_index(**given)
        check_columns(loss, given["y_true"], given["y_pred"])
    try:
        return {name: _host_array(x, name) for name, x in given.items()}
    except TypeError:  # the checked road says which, and why
        return None


def _host_array(x: Any, name: str) -> Array:
    return x if type(x) is _ARRAY and x.dtype.kind != "O" else to_host(x, name)
