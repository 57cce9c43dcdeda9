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


def without_labels(loss: Loss, y: NDArray[Any]) -> tuple[Loss, NDArray[Any]]:
    """The loss of 0 and 1, or of class ids, and targets in these terms, whatever the loss calls its classes."""
    if loss.labels is None:
        return loss, y
    seen, place = np.unique(y, return_inverse=True)
    numbers = {label: i for i, label in enumerate(loss.labels)}
    unknown = [i for i, label in enumerate(seen.tolist()) if label not in numbers]
    if unknown:
        row = int(np.flatnonzero(np.isin(place, unknown))[0])
        raise ValueError(f"{loss.name}: y[{row}] = {y[row]} is not one of the labels {loss.labels}")
    codes = np.array([numbers[label] for label in seen.tolist()], dtype=np.int64)
    return loss.replaced(labels=None), codes[place]


def finite_start(loss: Loss, y: NDArray[Any], weight: Array | None = None, classes: int | None = None) -> Array:
    """The best constant as an array of shape (outputs,), made finite.

    The best constant is infinite where only one class, or only zero counts, were seen. Such a score is clipped to
    +-log(2 n + 1), n the number of samples: what it would be had half a sample of the other kind been seen as well.
    """
    if loss.kind == "rowwise" and loss.target_kind == "class id":
        counted = y if weight is None else y[weight > 0]
        present = np.unique(counted[counted >= 0])  # below 0 there may be an ignored label
        k = classes if classes is not None else int(present.max(initial=0)) + 1
        if len(present) < k:  # the loss cannot know of a class that it has not seen
            return _smoothed_log_prior(y, weight, k)
    constant = np.atleast_1d(np.asarray(loss.best_constant(y, weight=weight), dtype=np.float64))
    if np.isfinite(constant).all():
        return constant
    limit = float(np.log(2.0 * len(y) + 1.0))
    clipped = np.nan_to_num(constant, nan=0.0, posinf=limit, neginf=-limit)
    return clipped - clipped.mean() if loss.kind == "rowwise" else clipped


def residual_scale(loss: Loss, y: NDArray[Any], score: Array, weight: Array | None = None) -> float:
    """How far targets typically lie from a score, or one per sample, in its units; 1 where scores have no units.

    The median absolute deviation (as a standard deviation), which no outlier can inflate; the mean absolute deviation
    where more than half of the targets equal the score.
    """
    if loss.target_kind != "real" or loss.link.name != "identity" or loss.outputs != 1:
        return 1.0
    distance = np.abs(np.asarray(y, dtype=np.float64) - score)
    if weight is not None:
        distance, weight = distance[weight > 0], weight[weight > 0]
    if not len(distance):
        return 1.0
    scale = MAD_TO_SIGMA * (float(np.median(distance)) if weight is None else _median(distance, weight))
    if scale <= 1e-9 * float(distance.max()):
        scale = float(np.average(distance, weights=weight))
    return scale if np.isfinite(scale) and scale > 0 else 1.0


def _median(values: Array, weight: Array) -> float:
    """The value at half of the weight; the midpoint where a gap lies there."""
    order = np.argsort(values, kind="stable")
    ahead = np.cumsum(weight[order])
    half = 0.5 * ahead[-1]
    low = int(np.searchsorted(ahead, half * (1 - 1e-12)))
    high = int(np.searchsorted(ahead, half * (1 + 1e-12)))
    return float(values[order[low]] + values[order[high]]) / 2


def _smoothed_log_prior(y: NDArray[Any], weight: Array | None, k: int) -> Array:
    ids = np.asarray(y).astype(np.intp)
    kept = ids >= 0
    counts = np.bincount(ids[kept], weights=None if weight is None else weight[kept], minlength=k).astype(np.float64)
    scores = np.log(counts + counts.sum() / (2.0 * len(y)))
    return np.asarray(scores - scores.mean())
