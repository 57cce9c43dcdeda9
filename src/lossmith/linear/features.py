"""Features as an estimator accepts them: arrays, sparse matrices, and data frames of any library.

Every refusal names the place and the value. What comes out is a dense array of the floats or whole numbers it has, or
a sparse matrix by rows; a frame is copied once, an array not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .arrays import as_array, as_floats, shown, spelled
from .moments import sums
from .samples import can_read

Matrix: TypeAlias = Any
"""A NumPy array, or a SciPy sparse array by rows: what `as_features` returns."""

_ROWS = 1 << 14  # of a frame that are copied at a time: column by column, while what is written to stays in the cache
_SHORT = (nw.Float32, nw.Int8, nw.Int16, nw.UInt8, nw.UInt16, nw.Boolean)  # float32 holds these


def is_sparse(X: Any) -> bool:
    """Whether X is a sparse matrix or array of SciPy."""
    return hasattr(X, "tocsr")


def as_features(X: Any, *, fitted: int | None = None, who: str = "this estimator", later: bool = False) -> Matrix:
    """X as a finite matrix of numbers; of as many columns as were seen in fit.

    ``later``: whoever gets it makes a `Design` of it, which looks at many numbers anyway, so that they need not be
    looked at here.
    """
    frame = _frame(X)
    features = _by_rows(X) if is_sparse(X) else _array(X) if frame is None else _table(frame)
    n, p = features.shape
    if n == 0:
        raise ValueError(f"X has 0 sample(s) (shape={features.shape}) while a minimum of 1 is required")
    if p == 0:
        raise ValueError(f"X has 0 feature(s) (shape={features.shape}) while a minimum of 1 is required.")
    if fitted is not None and p != fitted:
        raise ValueError(f"X has {p} features, but {who} is expecting {fitted} features as input")
    if not (later and can_read(features)):
        check_finite(features, None if frame is None else frame.columns)
    return features


def feature_names(X: Any) -> NDArray[np.object_] | None:
    """The column names of a data frame whose columns are all named by strings."""
    frame = _frame(X)
    if frame is None or not all(isinstance(name, str) for name in frame.columns):
        return None
    return np.asarray(frame.columns, dtype=object)


def _frame(X: Any) -> nw.DataFrame[Any] | None:
    if isinstance(X, np.ndarray):
        return None
    try:
        found = nw.from_native(X, pass_through=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(f"X has several columns of one name. {' '.join(str(error).split())}") from error
    if isinstance(found, nw.LazyFrame):
        raise TypeError(f"X is a lazy frame ({type(X).__name__}): its rows have to be made first, with .collect()")
    return found if isinstance(found, nw.DataFrame) else None


def _array(X: Any) -> NDArray[Any]:
    given = as_array(X, "X")
    if given.ndim == 0:
        raise ValueError(
            f"X is {shown(X)}, of type {type(X).__name__}: it must be an array, a sparse matrix or a data frame, of "
            "shape (samples, features)"
        )
    if given.ndim == 1:
        raise ValueError(
            f"X has shape {given.shape}: expected 2D array, got 1D array instead. Reshape your data: "
            "X.reshape(-1, 1) for one feature, X.reshape(1, -1) for one sample"
        )
    if given.ndim != 2:
        raise ValueError(
            f"X has shape {given.shape}: expected two dimensions (samples, features), dim {given.ndim} found"
        )
    if given.dtype.kind in "fiub" and given.dtype.isnative:
        return given
    return as_floats(given, "X")


def _table(frame: nw.DataFrame[Any]) -> NDArray[Any]:
    """A frame's numbers by rows, copied once; pandas that keeps its floats in one array is not copied."""
    n, p = frame.shape
    kinds = frame.schema.dtypes()
    if frame.implementation.is_pandas() and p and len({str(dtype) for dtype in frame.to_native().dtypes}) == 1:
        values = np.asarray(frame.to_native())
        if values.dtype.kind == "f":
            return values
    found = np.empty((n, p), dtype=np.float32 if all(kind in _SHORT for kind in kinds) else np.float64)
    for start in range(0, n, _ROWS):
        part = frame[start : start + _ROWS]
        for i in range(p):
            found[start : start + _ROWS, i] = _column(part[:, i], start)
    return found


def _column(column: nw.Series[Any], first: int) -> NDArray[Any]:
    """The rows of a column from the first on; what is missing becomes NaN, for the check of finite numbers to find."""
    if column.dtype.is_float() or (column.dtype.is_integer() and not column.null_count()):
        return np.asarray(column.to_numpy())
    if column.dtype.is_numeric() or column.dtype == nw.Boolean:
        return np.asarray(column.cast(nw.Float64).to_numpy())
    what = f"column {column.name!r} of X, of type {column.dtype},"
    if column.dtype.is_temporal():
        raise TypeError(f"{what} holds times: make numbers of them, such as days since a date")
    if column.dtype.is_nested():
        raise TypeError(f"{what} holds several values in a row: give each a column of its own")
    return as_floats(column.to_numpy(), what, first)


def _by_rows(X: Any) -> csr_array[Any]:
    """Any sparse matrix by rows, in float64, without entries that occur twice."""
    if X.dtype.kind == "c":
        raise ValueError("X: Complex data not supported")
    if X.ndim != 2:
        raise ValueError(f"X has shape {X.shape}: expected two dimensions (samples, features), dim {X.ndim} found")
    rows = csr_array(X, dtype=np.float64)  # shares what it can
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    return rows


def check_finite(features: Matrix, names: Sequence[str] | None) -> None:
    values = features.data if is_sparse(features) else features
    if values.dtype.kind != "f" or np.isfinite(_total(values)) or np.isfinite(values).all():
        return
    if is_sparse(features):
        entry = int(np.flatnonzero(~np.isfinite(values))[0])
        row, column = int(np.searchsorted(features.indptr, entry, side="right")) - 1, int(features.indices[entry])
        bad = float(values[entry])
    else:
        row, column = (int(i) for i in np.argwhere(~np.isfinite(values))[0])
        bad = float(values[row, column])
    where = "" if names is None else f", column {names[column]!r}"
    raise ValueError(f"X[{row}, {column}] is {spelled(bad)}{where}: features must be finite (no NaN, no infinity)")


def _total(values: NDArray[Any]) -> float:
    """A sum of all, which is finite only if each number is: where it is not, one may be, or the sum too large."""
    with np.errstate(all="ignore"):
        found = sums(values, np.zeros(values.shape[1]), None)[0] if can_read(values) else values
        return float(found.sum(dtype=np.float64))
