"""The direct road: the arrays of an ordinary call go straight into one kernel, which checks, computes, weighs and adds.

Whatever is not ordinary (lists, tables, texts, other libraries, a value outside a domain, a sum that overflows) gives
None, and the call takes the checked road instead, which says in words what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.engine.threads import thread_count
from lossmith.inputs import check_index, to_host
from lossmith.namespaces import is_host
from lossmith.plans import Plan, Request, plan

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = Any
_ARRAY = np.ndarray
_VALUE = ("value",)
_NO_ROAD: tuple[Any, int] = (None, 0)
_UNKNOWN: Any = object()


def quick(loss: Loss, outputs: tuple[str, ...], reduction: str, y_true: Any, y_pred: Any, out: Any) -> Any:
    """The fast road of calls that went the direct road before: a value, a gradient or both; None where it ends."""
    if type(y_true) is not _ARRAY or type(y_pred) is not _ARRAY or not (out is None or type(out) is _ARRAY):
        return None
    try:
        road, alone = loss.roads.get((outputs, reduction, y_pred.dtype, y_pred.shape[1:]), _NO_ROAD)
    except TypeError:  # a reduction that is no word: the checked road says so
        return None
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
    if type(out) is np.memmap:
        found = direct(loss, request, y_true, y_pred, weight, where, out.view(_ARRAY), extras)
        return None if found is None else [*found[:-1], out]
    arrays: list[Array] = []
    key: list[Any] = [request.outputs, request.reduction, request.width, *extras]
    given: tuple[Any, ...] = (y_true, y_pred, *extras.values(), weight, where)
    if any(type(array) is not _ARRAY or array.dtype.kind == "O" for array in given if array is not None):
        converted = _host_arrays(given, extras)
        if converted is None:
            return None
        given = converted
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
    if out is not None and not _writable(out, arrays[1].shape, given):
        return None
    written = None if out is None else out.dtype.newbyteorder("=")
    key += (written, arrays[1].shape[-1] if loss.kind == "rowwise" else 0)
    known = tuple(key)
    plans = loss.plans
    served = plans.get(known, _UNKNOWN)
    if served is _UNKNOWN:
        if len(plans) > 256:  # as many kinds of calls as a program makes, not as a fuzzer does
            plans.clear()
        weighted, masked = weight is not None, where is not None
        served = plan(loss, request, arrays, tuple(extras), written, weighted=weighted, masked=masked)
        plans[known] = served
        if served is not None and len(arrays) == 2:
            _open_road(loss, request, served, arrays)
    return None if served is None else served.run(arrays, out)


def _writable(out: Any, shape: tuple[int, ...], given: tuple[Any, ...]) -> bool:
    """Whether out can be written at once; where memory may be shared, the checked road looks closer."""
    if type(out) is not _ARRAY or out.shape != shape or not out.flags.writeable:
        return False
    return not any(np.may_share_memory(out, array) for array in given if array is not None)


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


def _open_road(loss: Loss, request: Request, made: Plan, arrays: list[Array]) -> None:
    """Let the next call of this kind take the fast road, where it is plain enough."""
    summed = request.reduction not in ("none", "total") or _VALUE[0] not in request.outputs
    road = made.road(arrays) if summed and made.weigh is None else None
    if road is not None:
        y_pred = arrays[1]
        loss.roads[request.outputs, request.reduction, y_pred.dtype, y_pred.shape[1:]] = road, made.kernel.alone
