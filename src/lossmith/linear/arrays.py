"""What was given as arrays of NumPy; every refusal names the argument, the place and the value."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def as_array(given: Any, name: str) -> NDArray[Any]:
    """As NumPy reads it, where nothing is masked or complex, and rows are of one length."""
    check_unmasked(given, name)
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"{name} is no table: {_ragged(given, name) or error}") from error
    if array.dtype.kind == "c":
        raise ValueError(f"{name}: Complex data not supported")
    return array


def as_floats(given: Any, name: str, first: int = 0) -> Array:
    """Numbers in float64; not those that NumPy would make of a time, nor the real part of a complex number.

    ``first``: the row that these begin with.
    """
    array = as_array(given, name)
    kinds = {type(value) for value in array.ravel()} if array.dtype.kind == "O" else {array.dtype.type}
    if any(issubclass(kind, (np.datetime64, np.timedelta64)) for kind in kinds):
        raise TypeError(f"{name} holds times: make numbers of them, such as days since a date")
    if any(issubclass(kind, (complex, np.complexfloating)) for kind in kinds):
        raise ValueError(f"{name}: Complex data not supported")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        odd = next(((where, value) for where, value in np.ndenumerate(array) if not _is_number(value)), None)
        message = f"{name} must hold numbers"
        if odd is not None:
            place = ", ".join(str(i + first * (axis == 0)) for axis, i in enumerate(odd[0]))
            message += f", but [{place}] is {shown(odd[1])}"
        raise TypeError(f"{message} ({error})") if isinstance(error, TypeError) else ValueError(message) from error


def shown(value: Any) -> str:
    """A value in a message, of NumPy's numbers and texts as Python's, and not all of a long one."""
    plain = isinstance(value, np.generic) and value.dtype.kind not in "mM"  # of a time it would be a count
    return reprlib.repr(value.item() if plain else value)


def spelled(value: float) -> str:
    return "NaN" if np.isnan(value) else {np.inf: "infinity", -np.inf: "-infinity"}.get(value, repr(value))


def check_unmasked(array: Any, name: str) -> None:
    """Refuses masked entries: what lies under a mask is no number to compute with."""
    if isinstance(array, np.ma.MaskedArray) and np.ma.getmaskarray(array).any():
        place = ", ".join(str(int(i)) for i in np.argwhere(np.ma.getmaskarray(array))[0])
        raise ValueError(f"{name}[{place}] is masked: fill what is missing, or leave these samples out")


def _is_number(value: Any) -> bool:
    try:
        return isinstance(float(value), float)
    except (TypeError, ValueError):
        return False


def _ragged(given: Any, name: str) -> str:
    """Which row is longer or shorter than the first; nothing where that is not what is wrong."""
    lengths = [len(row) if hasattr(row, "__len__") and not isinstance(row, str) else None for row in given]
    odd = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if odd is None:
        return ""
    one, other = ("is one value" if n is None else f"has length {n}" for n in (lengths[0], lengths[odd]))
    return f"{name}[0] {one}, {name}[{odd}] {other}"
