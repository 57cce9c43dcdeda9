"""Where training starts: a finite constant to begin from, and the size of the errors it leaves."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from itertools import combinations
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.formula.curvature import of_residual

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

MAD_TO_SIGMA = 1.4826
"""The median absolute deviation of a normal sample, times this, is its standard deviation."""


def of_numbers(loss: Loss) -> Loss:
    """The loss of 0 and 1, or of class ids, whatever it calls its classes; the label that it ignores is then -1."""
    if loss.labels is None:
        return loss
    ignored = {} if loss.params.get("ignore_index") is None else {"ignore_index": -1}
    return loss.replaced(labels=None, params={**loss.params, **ignored})


def without_labels(loss: Loss, y: NDArray[Any]) -> tuple[Loss, NDArray[Any]]:
    """The loss as `of_numbers` has it, and targets in these terms."""
    if loss.labels is None:
        return loss, y
    seen, place = np.unique(y, return_inverse=True)
    numbers = {label: i for i, label in enumerate(loss.labels)}
    plain, ignored = of_numbers(loss), loss.params.get("ignore_index")
    if ignored is not None:
        numbers[ignored] = plain.params["ignore_index"]
    unknown = [i for i, label in enumerate(seen.tolist()) if label not in numbers]
    if unknown:
        row = int(np.flatnonzero(np.isin(place, unknown))[0])
        raise ValueError(f"{loss.name}: y[{row}] = {y[row]} is not one of the labels {loss.labels}")
    codes = np.array([numbers[label] for label in seen.tolist()], dtype=np.int64)
    return plain, codes[place]


def finite_start(loss: Loss, y: NDArray[Any], weight: Array | None = None, classes: int | None = None) -> Array:
    """The best constant as an array of shape (outputs,), made finite.

    The best constant is infinite where only one class, or only zero counts, were seen. Such a score is clipped to
    +-log(2 n + 1), n the number of samples: what it would be had half a sample of the other kind been seen as well. A
    redescending loss has a low point in every cluster of targets: it starts from the constant of its convex relative.
    """
    reach = redescends(loss)
    if reach is not None:
        return np.array([_relaxed_constant(loss, y, weight, reach)])
    if loss.kind == "rowwise" and loss.target_kind == "class id":
        counted = y if weight is None else y[weight > 0]
        present = np.unique(counted[counted >= 0])  # what is below 0 is no class
        k = classes if classes is not None else int(present.max(initial=0)) + 1
        if 0 < len(present) < k:  # the loss cannot know of a class that it has not seen
            return _smoothed_log_prior(y, weight, k)
    constant = np.atleast_1d(_best_constant(loss, y, weight))
    if np.isfinite(constant).all():
        return constant
    limit = float(np.log(2.0 * len(y) + 1.0))
    clipped = np.nan_to_num(constant, nan=0.0, posinf=limit, neginf=-limit)
    return clipped - clipped.mean() if loss.kind == "rowwise" else clipped


_MOST_KEPT = 64
_kept: OrderedDict[tuple[Any, ...], Array] = OrderedDict()
_lock = Lock()


def _best_constant(loss: Loss, y: NDArray[Any], weight: Array | None) -> Array:
    """Found once for the same targets: a path of penalties, and trees beside a linear model, begin alike."""
    if loss.elicits == "mean" or y.dtype.kind == "O":  # an average, or a step away from one
        return np.asarray(loss.best_constant(y, weight=weight), dtype=np.float64)
    digests = (None if part is None else sha256(part.tobytes()).digest() for part in (y, weight))
    key = (loss, y.dtype, y.shape, *digests)
    with _lock:
        found = _kept.get(key)
    if found is None:
        found = np.asarray(loss.best_constant(y, weight=weight), dtype=np.float64)
        with _lock:
            _kept[key] = found
            if len(_kept) > _MOST_KEPT:
                _kept.popitem(last=False)
    return found.copy()  # whoever gets it may write to it


def has_units(loss: Loss) -> bool:
    """Whether scores are measured in the units of the target."""
    return loss.target_kind == "real" and loss.link.name == "identity" and loss.outputs == 1


def residual_scale(loss: Loss, y: NDArray[Any], score: Array, weight: Array | None = None) -> float:
    """`typical_residual`, or 1 where there is none."""
    return typical_residual(loss, y, score, weight) or 1.0


def typical_residual(loss: Loss, y: NDArray[Any], score: Array, weight: Array | None = None) -> float:
    """How far targets typically lie from a score, or one per sample, in its units; 1 where scores have no units.

    The median absolute deviation (as a standard deviation), which no outlier can inflate; the mean absolute deviation
    where more than half of the targets equal the score; 0 where all do.
    """
    if not has_units(loss):
        return 1.0
    distance = np.abs(np.asarray(y, dtype=np.float64) - score)
    if weight is not None:
        distance, weight = distance[weight > 0], weight[weight > 0]
    if not len(distance):
        return 0.0
    scale = MAD_TO_SIGMA * (float(np.median(distance)) if weight is None else _median(distance, weight))
    if scale <= 1e-9 * float(distance.max()):
        scale = float(np.average(distance, weights=weight))
    return scale if np.isfinite(scale) else 0.0


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


# redescending losses --------------------------------------------------------------------------------------------------

_RESIDUALS = np.geomspace(1e-30, 1e30, 6001)  # parameters in units of y may have any size


def sees_residuals(loss: Loss) -> bool:
    """Whether the loss is one of the difference of score and target, and of nothing else."""
    formula = loss.formula
    plain = has_units(loss) and not formula.extras
    return plain and of_residual(formula.value, formula.target.as_input, formula.predictions[0].as_input)


@lru_cache(maxsize=256)
def redescends(loss: Loss) -> tuple[float, float] | None:
    """Residuals below and above 0 where the loss pulls hardest, if it pulls less beyond; None where it never lets go.

    Held at its pull there, it becomes its convex relative: Huber's loss of Tukey's, so to speak.
    """
    if not sees_residuals(loss):
        return None
    reach, falls = [], False
    for side in (-1.0, 1.0):
        slope = loss.gradient(np.zeros_like(_RESIDUALS), side * _RESIDUALS, reduction="none", validate=False)
        told = ~np.isnan(slope)  # the others are too far out for this loss to tell
        if not told.any():
            return None
        pull, residuals = side * slope[told], _RESIDUALS[told]
        highest = int(np.argmax(pull))
        falls |= bool(pull[highest] > 0 and (pull[highest:] < (1 - 1e-6) * pull[highest]).any())
        reach.append(side * float(residuals[highest]))
    return (reach[0], reach[1]) if falls else None


def _relaxed_constant(loss: Loss, y: NDArray[Any], weight: Array | None, reach: tuple[float, float]) -> float:
    """The best constant of the convex relative, by bisection on its slope."""
    target = np.asarray(y, dtype=np.float64)
    loss.total(target, target, weight=weight)  # says what is wrong with targets or weights
    if weight is not None:
        target, weight = target[weight > 0], weight[weight > 0]
    low, high = float(target.min()), float(target.max())
    while low < (middle := low + (high - low) / 2) < high:
        held = target + np.clip(middle - target, *reach)
        if float(np.sum(loss.gradient(target, held, weight=weight, reduction="none"))) < 0:
            low = middle
        else:
            high = middle
    return high


# parameters in units of the target ------------------------------------------------------------------------------------

_FACTORS = (0.3, 7.0)
_TRIED = np.concatenate([-np.geomspace(100.0, 0.01, 25), np.geomspace(0.01, 100.0, 25)])


@lru_cache(maxsize=256)
def scale_parameters(loss: Loss) -> tuple[str, ...]:
    """The parameters in units of y: multiplied by the same factor as the residuals, they change the loss's size alone.

    Found by trying. Losses that have no such parameter, or need none, have an empty tuple.
    """
    if not sees_residuals(loss):
        return ()
    names = [
        p.name
        for p in loss.formula.params
        if not p.per_class and p.domain.low >= 0 and p.domain.high == math.inf and loss.params[p.name]
    ]
    for count in range(len(names) + 1):
        for chosen in combinations(names, count):
            if all(_homogeneous(loss, chosen, factor) for factor in _FACTORS):
                return chosen
    return ()


def _homogeneous(loss: Loss, names: tuple[str, ...], factor: float) -> bool:
    typical = math.exp(sum(math.log(loss.params[name]) for name in names) / len(names)) if names else 1.0
    residuals = typical * _TRIED
    zero = np.zeros_like(residuals)
    before = np.asarray(loss(zero, residuals, reduction="none"))
    after = np.asarray(in_units(loss, factor, names)(zero, factor * residuals, reduction="none"))
    largest = int(np.argmax(before))
    if not 0 < before[largest] < math.inf:
        return False
    ratio = after[largest] / before[largest]
    return np.allclose(after, ratio * before, rtol=1e-9, atol=1e-12 * after[largest])


def in_units(loss: Loss, unit: float, names: tuple[str, ...]) -> Loss:
    """The loss with these parameters multiplied by the unit."""
    scaled: Mapping[str, Any] = {name: unit * loss.params[name] for name in names}
    return loss.replaced(params={**loss.params, **scaled})
