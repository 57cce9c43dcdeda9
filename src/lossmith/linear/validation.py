"""What an estimator accepts; every refusal names the argument, the place and the value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def as_features(X: Any, *, fitted: int | None = None, who: str = "this estimator") -> NDArray[Any]:
    """X as a finite matrix: of the floats or whole numbers it has, float64 where it has none."""
    if hasattr(X, "tocsr") or type(X).__module__.startswith("scipy.sparse"):
        raise TypeError("X is a sparse matrix; sparse data is not supported: convert it with X.toarray()")
    given = np.asarray(X)
    if given.dtype.kind == "c" or (given.dtype == object and any(isinstance(v, complex) for v in given.ravel()[:100])):
        raise ValueError("X: Complex data not supported")
    if given.ndim == 1:
        raise ValueError(
            f"X has shape {given.shape}: expected 2D array, got 1D array instead. Reshape your data: "
            "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample"
        )
    if given.ndim != 2:
        raise ValueError(
            f"X has shape {given.shape}: expected two dimensions (samples, features), dim {given.ndim} found"
        )
    try:
        features = given if given.dtype.kind in "fiub" and given.dtype.isnative else np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X must hold numbers: argument must be a string or a number to become one ({error})") from error
    n, p = features.shape
    if n == 0:
        raise ValueError(f"X has 0 sample(s) (shape={features.shape}) while a minimum of 1 is required")
    if p == 0:
        raise ValueError(f"X has 0 feature(s) (shape={features.shape}) while a minimum of 1 is required.")
    if fitted is not None and p != fitted:
        raise ValueError(f"X has {p} features, but {who} is expecting {fitted} features as input")
    with np.errstate(all="ignore"):
        fine = features.dtype.kind != "f" or np.isfinite(features.sum(dtype=np.float64))  # else one look at each
    if not fine and not np.isfinite(features).all():
        row, column = (int(i) for i in np.argwhere(~np.isfinite(features))[0])
        bad = float(features[row, column])
        raise ValueError(f"X[{row}, {column}] is {_spelled(bad)}: features must be finite (no NaN, no infinity)")
    return features


def as_target(y: Any, n: int, *, who: str = "this estimator", columns: int | None = None) -> NDArray[Any]:
    """y as an array with one entry, or one row of `columns`, per sample."""
    if y is None:
        raise ValueError(f"{who} requires y to be passed, but the target y is None")
    target = np.asarray(y)
    if target.ndim == 2 and target.shape[1] == 1 and columns is None:
        _warn_column(target.shape)
        target = target[:, 0]
    if target.ndim != (1 if columns is None else 2):
        expected = "(samples,)" if columns is None else f"(samples, {columns})"
        raise ValueError(
            f"y has shape {target.shape}: y should be a {'1d' if columns is None else '2d'} array, of shape {expected}"
        )
    if len(target) != n:
        raise ValueError(f"Found input variables with inconsistent numbers of samples: X has {n}, y has {len(target)}")
    if target.dtype.kind == "c":
        raise ValueError("y: Complex data not supported")
    return target


def as_numbers(y: NDArray[Any]) -> Array:
    """A target of numbers, finite ones."""
    try:
        numbers = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"y must hold numbers ({error}); for classes use LinearClassifier") from error
    if not np.isfinite(numbers).all():
        where = np.argwhere(~np.isfinite(numbers))[0]
        place = ", ".join(str(int(i)) for i in where)
        raise ValueError(
            f"y[{place}] is {_spelled(float(numbers[tuple(where)]))}: targets must be finite (no NaN, no infinity)"
        )
    return numbers


def as_weight(weight: Any, n: int) -> Array | None:
    """Sample weights: finite, not negative, not all zero; None when there are none."""
    if weight is None:
        return None
    array = np.asarray(weight, dtype=np.float64)
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
        raise ValueError(f"sample_weight[{i}] is {_spelled(float(array[i]))}: weights must be finite and not negative")
    if not array.any():
        raise ValueError("sample_weight is zero for every sample: there is nothing to average")
    return array


def feature_names(X: Any) -> NDArray[np.object_] | None:
    """The column names of a data frame whose columns are all named by strings."""
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(c, str) for c in columns):
        return None
    return np.asarray(list(columns), dtype=object)


def _spelled(value: float) -> str:
    return "NaN" if np.isnan(value) else {np.inf: "infinity", -np.inf: "-infinity"}.get(value, repr(value))


def _warn_column(shape: tuple[int, ...]) -> None:
    import warnings

    message = f"A column-vector y was passed when a 1d array was expected: y has shape {shape}; use y.ravel()"
    try:
        from sklearn.exceptions import DataConversionWarning as Category
    except ImportError:
        Category = UserWarning
    warnings.warn(message, Category, stacklevel=4)
