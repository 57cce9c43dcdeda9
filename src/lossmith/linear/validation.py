"""What an estimator accepts beside features; every refusal names the argument, the place and the value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_array, as_floats, spelled

Array = NDArray[np.float64]

_TINY = 1e-150  # numbers of which squares, and sums of them, are still numbers are larger, and less than 1 / it


def as_target(y: Any, n: int, *, who: str = "this estimator") -> NDArray[Any]:
    """y as an array with one entry per sample."""
    if y is None:
        raise ValueError(f"{who} requires y to be passed, but the target y is None")
    target = as_array(y, "y")
    if target.ndim == 2 and target.shape[1] == 1:
        _warn_column(target.shape)
        target = target[:, 0]
    if target.ndim != 1:
        raise ValueError(f"y has shape {target.shape}: y should be a 1d array, of shape (samples,)")
    if len(target) != n:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: X has {n}, y has {len(target)}")
    return target


def as_numbers(y: NDArray[Any], weight: Array | None = None) -> Array:
    """A target of numbers, finite ones, but for samples without weight."""
    try:
        numbers = as_floats(y, "y")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; for classes use LinearClassifier") from error
    _check_finite(numbers, "y", "targets must be finite (no NaN, no infinity)", weight)
    counted: Any = True if weight is None else weight > 0
    ends = (float(end(numbers, initial=0.0, where=counted)) for end in (np.max, np.min))
    largest = max(ends, key=abs)
    if largest and not _TINY < abs(largest) < 1 / _TINY:
        i = int(np.flatnonzero((numbers == largest) & counted)[0])
        what = "overflow; divide them" if abs(largest) > 1 else "vanish; multiply them"
        raise ValueError(f"y[{i}] is {spelled(largest)}: squares of such targets {what}")
    return numbers


def as_weight(weight: Any, n: int) -> Array | None:
    """Sample weights: finite, not negative, not all zero; None when there are none."""
    if weight is None:
        return None
    array = as_floats(weight, "sample_weight")
    if array.ndim == 0:
        array = np.full(n, float(array))
    if array.shape != (n,):
        raise ValueError(
            f"sample_weight has shape {array.shape}, X has {n} samples: "
            f"sample_weight.shape == {array.shape}, expected {(n,)}!"
        )
    bad = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if len(bad):
        i = int(bad[0])
        raise ValueError(f"sample_weight[{i}] is {spelled(float(array[i]))}: weights must be finite and not negative")
    largest = float(array.max())
    if not largest:
        raise ValueError("sample_weight is zero for every sample: there is nothing to average")
    # Only what weights are to each other matters: those of which sums overflow, or products vanish, are made ordinary.
    return array if _TINY < largest < 1 / _TINY else array / largest


def as_offset(offset: Any, n: int, outputs: int | None, weight: Array | None = None) -> Array | None:
    """What is added to the raw scores: (n,), or (n, outputs) where outputs is a number; None when there is none.

    It is finite, but for samples without weight.
    """
    if offset is None:
        return None
    array = as_floats(offset, "offset")
    wanted = (n,) if outputs is None else (n, outputs)
    if array.shape != wanted:
        raise ValueError(f"offset has shape {array.shape}: the scores that it is added to have shape {wanted}")
    _check_finite(array, "offset", "what is added to scores must be finite", weight)
    return array


def _check_finite(array: Array, name: str, rule: str, weight: Array | None) -> None:
    if not np.isfinite(array).all():
        bad = np.argwhere(~np.isfinite(array))
        bad = bad if weight is None else bad[weight[bad[:, 0]] > 0]
        if not len(bad):
            return
        where = bad[0]
        place = ", ".join(str(int(i)) for i in where)
        raise ValueError(f"{name}[{place}] is {spelled(float(array[tuple(where)]))}: {rule}")


def _warn_column(shape: tuple[int, ...]) -> None:
    import warnings

    message = f"A column-vector y was passed when a 1d array was expected: y has shape {shape}; use y.ravel()"
    try:
        from sklearn.exceptions import DataConversionWarning as Category
    except ImportError:
        Category = UserWarning
    warnings.warn(message, Category, stacklevel=5)
