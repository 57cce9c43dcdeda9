"""What is said of numbers outside a domain: which argument, where, what stands there and what should."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.formula.domains import Domain, row_tolerance
from lossmith.namespaces import dtype_name

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = Any


def at(index: tuple[Any, ...]) -> str:
    return f"[{', '.join(str(int(i)) for i in index)}]" if index else ""


def refuse_outside(
    loss: Loss, domain: Domain, x: Array, legal: Array, shown: str, keep: Array | None, xp: ModuleType,
    classes: int | None = None, raw: Array | None = None, head: int | None = None,
) -> None:  # fmt: skip
    if domain.simplex:
        tolerance = row_tolerance(dtype_name((x if raw is None else raw).dtype))
        _refuse_unnormalised(loss, domain, x, legal, shown, keep, xp, tolerance)
    if keep is not None:
        legal = legal | ~(keep[..., None] if legal.ndim > keep.ndim else keep)
    if bool(xp.all(legal)):
        return
    bad = tuple(int(i) for i in np.argwhere(~np.asarray(legal))[0]) if legal.ndim else ()
    value = (x if raw is None else raw)[bad]
    if raw is not None and loss.labels is not None:
        known = f"the {len(loss.labels)} labels {_few(loss.labels)}"
        raise ValueError(f"{loss.name}: {shown}{at(bad)} = {np.asarray(value)[()]!s} is not one of {known}")
    number = str(int(value)) if "int" in dtype_name(value.dtype) else f"{float(value):.17g}"
    wanted = (
        f"a class id from 0 to {classes - 1}"
        if domain.kind == "class id" and classes is not None
        else domain.describe()
    )
    hint = _one_row(loss, domain, x)
    if shown == "y_true" and not domain.row and (domain.low, domain.high) == (0.0, 1.0) and value == -1:
        hint = "; if the labels are -1 and 1, say labels=(-1, 1)"
    place = at(bad if head is None else (*bad, head))
    raise ValueError(f"{loss.name}: {shown}{place} = {number} is not {wanted}{hint}")


def _one_row(loss: Loss, domain: Domain, x: Array) -> str:
    """What was understood of numbers without an axis for the samples, by a loss that also takes a class id of each."""
    if not domain.row or len(loss.formulas) == 1 or x.ndim != 1:
        return ""
    return f"; shape {tuple(x.shape)} is one row of {x.shape[0]} classes, for classes are on the last axis"


def _few(labels: tuple[Any, ...]) -> str:
    return repr(labels) if len(labels) <= 10 else f"{labels[:10]!r} ..."


def _refuse_unnormalised(
    loss: Loss, domain: Domain, x: Array, legal: Array, shown: str, keep: Array | None, xp: ModuleType, tolerance: float
) -> None:
    """Rows that should be distributions."""
    sums = xp.sum(x, axis=-1)
    bad = xp.all(legal, axis=-1) & ~(xp.abs(sums - 1.0) <= tolerance)
    if keep is not None:
        bad = bad & keep
    if bool(xp.any(bad)):
        index = np.argwhere(np.asarray(bad))[0] if bad.ndim else ()
        total = float(sums[tuple(int(i) for i in index)])
        raise ValueError(
            f"{loss.name}: {shown}{at(tuple(index))} sums to {total:g}, but a row of probabilities sums to 1"
            f"{_one_row(loss, domain, x)}"
        )
