"""Where training starts: a finite constant to begin from, and the size of the errors it leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal sample, times this, is its standard deviation."""


def finite_start(loss: Loss, y: NDArray[Any], weight: Array | None = None, classes: int | None = None) -> Array:
    """The best constant as an array of shape (outputs,), made finite.

    The best constant is infinite where only one class, or only zero counts, were seen. Such a score is clipped to
    +-log(2 n + 1), n the number of samples: what it would be had half a sample of the other kind been seen as well.
    """
    if loss.kind == "rowwise" and loss.target_kind == "class id":
        present = np.unique(y)
        k = classes if classes is not None else int(present[-1]) + 1
        if len(present) < k:  # the loss cannot know of a class that it has not seen
            return _smoothed_log_prior(y, weight, k)
    constant = np.atleast_1d(np.asarray(loss.best_constant(y, weight=weight), dtype=np.float64))
    if np.isfinite(constant).all():
        return constant
    limit = float(np.log(2.0 * len(y) + 1.0))
    clipped = np.nan_to_num(constant, nan=0.0, posinf=limit, neginf=-limit)
    return clipped - clipped.mean() if loss.kind == "rowwise" else clipped


def _median(values: Array, weight: Array) -> float:
    """The value at half of the weight; the midpoint where a gap lies there."""
    order = np.argsort(values, kind="stable")
    ahead = np.cumsum(weight[order])
    half = 0.5 * ahead[-1]
    low = int(np.searchsorted(ahead, half * (1 - 1e-12)))
    high = int(np.searchsorted(ahead, half * (1 + 1e-12)))
    return float(values[order[low]] + values[order[high]]) / 2


def _smoothed_log_prior(y: NDArray[Any], weight: Array | None, k: int) -> Array:
    counts = np.bincount(np.asarray(y).astype(np.intp), weights=weight, minlength=k).astype(np.float64)
    scores = np.log(counts + counts.sum() / (2.0 * len(y)))
    return np.asarray(scores - scores.mean())


def residual_scale(loss: Loss, y: NDArray[Any], start: Array, weight: Array | None = None) -> float:
    """How far targets typically lie from the start, in the units of the score; 1 where scores have no units.

    The median absolute deviation (as a standard deviation), which no outlier can inflate; the mean absolute deviation
    where more than half of the targets equal the start.
    """
    if loss.target_kind != "real" or loss.link.name != "identity":
        return 1.0
    distance = np.abs(np.asarray(y, dtype=np.float64) - start[0])
    counts = np.ones(len(distance)) if weight is None else np.asarray(weight, dtype=np.float64)
    distance, counts = distance[counts > 0], counts[counts > 0]
    if not len(distance):
        return 1.0
    scale = MAD_TO_SIGMA * _median(distance, counts)
    if scale <= 1e-9 * float(distance.max()):
        scale = float(np.average(distance, weights=counts))
    return scale if np.isfinite(scale) and scale > 0 else 1.0
