"""Where a fit begins: the best constant and the size of what is left, of many targets from some of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.start import finite_start, residual_scale

from .sketch import chosen

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

SOME = 20_000
"""Targets that tell a constant well enough to begin with."""

_PART = 1 << 16


def beginning(loss: Loss, y: NDArray[Any], weight: Array | None, classes: int | None) -> tuple[Array, float]:
    """(the best constant, shape (outputs,); how far targets typically lie from it). Refuses illegal targets."""
    if len(y) <= SOME:
        start = finite_start(loss, y, weight, classes)
        return start, residual_scale(loss, y, start, weight)
    rows = chosen(len(y), SOME)
    few, share = y[rows], None if weight is None else weight[rows]
    start = finite_start(loss, few, share, classes)
    _look_at_all(loss, y, start)
    return start, residual_scale(loss, few, start, share)


def _look_at_all(loss: Loss, y: NDArray[Any], start: Array) -> None:
    single = loss.kind == "pointwise" and loss.outputs == 1

    def scores(count: int) -> Array:
        return np.full(count, start[0]) if single else np.tile(start, (count, 1))

    try:
        for first in range(0, len(y), _PART):
            part = y[first : first + _PART]
            loss(part, scores(len(part)))
    except ValueError:
        loss(y, scores(len(y)))  # says where in the whole it is
        raise
