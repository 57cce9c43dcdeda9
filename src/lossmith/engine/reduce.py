"""Weights, masks and means: the one place where samples are added up."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, Literal

import numpy as np

from lossmith.namespaces import device_of
from lossmith.record import Record

Array = Any
Reduction = Literal["mean", "sum", "none", "weighted_mean"]
REDUCTIONS = ("mean", "sum", "none", "weighted_mean")


class Total(Record):
    """A weighted sum of losses and the weight behind it. Totals of parts add up to the total of the whole.

    ``_low`` and ``_low_weight`` carry what rounding takes from them, so that a million parts add up as exactly as two.
    """

    sum: float
    weight: float
    _low: float = 0.0
    _low_weight: float = 0.0

    def __add__(self, other: object) -> Total:
        if isinstance(other, (int, float)) and other == 0:
            return self  # so that sum() works
        if not isinstance(other, Total):
            return NotImplemented
        high, low = _added(self.sum, other.sum, self._low + other._low)
        weight, low_weight = _added(self.weight, other.weight, self._low_weight + other._low_weight)
        return Total(high, weight, low, low_weight)

    __radd__ = __add__

    @property
    def mean(self) -> float:
        """sum / weight; raises ValueError where there is nothing to average."""
        if not float(self.weight) > 0:
            raise ValueError("there is nothing to average: no samples, or a total weight of zero")
        return self.sum / self.weight


def _added(a: Any, b: Any, low: Any) -> tuple[Any, Any]:
    """The sum of two numbers and what was lost before, and what rounding takes from it now."""
    high = a + b
    if high - high != 0:  # infinite or NaN; a sum may be a tensor that should not become a float
        return high, 0.0
    back = high - a
    low = low + ((a - (high - back)) + (b - back))  # Knuth 1969: exact
    return high + low, low - ((high + low) - high)


def accumulator(xp: ModuleType, dtype: Any) -> Any:
    """The dtype to add up in: float64 where the library has it."""
    return dtype if "jax" in xp.__name__ else xp.float64


def apply_weight(xp: ModuleType, values: Array, weight: Array | None, keep: Array | None) -> Array:
    """values * weight, exactly 0 where not kept; per-class values take their sample's weight."""
    if keep is not None:  # before the weight: 0 times infinity is not 0
        values = xp.where(_spread(keep, values), values, xp.zeros_like(values))
    if weight is not None:
        values = values * xp.astype(_spread(weight, values), values.dtype)
    return values


def _spread(per_sample: Array, like: Array) -> Array:
    """With as many axes as ``like``, which may have one for the classes."""
    return per_sample[(..., *(None,) * (like.ndim - per_sample.ndim))] if like.ndim > per_sample.ndim else per_sample


@np.errstate(all="ignore")  # sums may overflow; what they give then is infinite and says so
def total(xp: ModuleType, values: Array, weight: Array | None, keep: Array | None) -> Array:
    """sum of weight * value over the kept samples, added up in float64."""
    wide = xp.astype(values, accumulator(xp, values.dtype))
    return xp.sum(apply_weight(xp, wide, weight, keep), dtype=wide.dtype)


@np.errstate(all="ignore")
def total_weight(xp: ModuleType, like: Array, weight: Array | None, keep: Array | None) -> Array:
    """sum of the weights of the kept samples; a count of them where there are no weights."""
    if weight is None and keep is None:
        return math.prod(like.shape)
    dtype = accumulator(xp, like.dtype)
    ones = xp.ones(like.shape, dtype=dtype, device=device_of(like)) if weight is None else xp.astype(weight, dtype)
    return xp.sum(apply_weight(xp, ones, None, keep), dtype=dtype)


FADING = 2.0**-900  # weights that add up to less may be denormal, and so may their products


def unruly(denominator: Array) -> bool:
    """Whether a host's weights, whose sum this is, are too large or too small to reckon with as they are."""
    return bool(denominator == math.inf or 0 < denominator < FADING)


def in_proportion(weight: Array, keep: Array | None) -> Array:
    """A host's weights in units of the largest that is kept: of a mean their size is no matter."""
    return weight.astype(np.float64) / np.max(weight if keep is None else weight[keep], initial=0.0)


def mean(xp: ModuleType, values: Array, weight: Array | None, keep: Array | None, denominator: Array) -> Array:
    """The sum divided by the denominator, also where the sum itself overflows; of nothing NaN."""
    with np.errstate(all="ignore"):
        result = total(xp, values, weight, keep) / denominator
        if xp is not np or denominator == 0:
            return result
        if not math.isfinite(result):
            result = total(xp, values / denominator, weight, keep)
        if weight is not None and (unruly(denominator) or not math.isfinite(result)):
            relative = in_proportion(weight, keep)
            result = total(xp, values, relative, keep) / total_weight(xp, values, relative, keep)
    return result
