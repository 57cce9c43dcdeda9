"""The classes that a column holds, as texts, whatever it is stored as."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.choosing.tables import Column, Floats


def class_names(column: Column) -> NDArray[Any]:
    """The class of each row; of a gap the empty text, which is no class's name."""
    texts = as_texts(column)
    gaps = np.isnan(texts.values)
    return np.array([*texts.levels, ""])[np.where(gaps, len(texts.levels), texts.values).astype(np.intp)]


def as_texts(column: Column) -> Column:
    """The column as a category: of texts that were read as numbers, the texts."""
    if column.kind == "category":
        return column
    if column.texts is not None:
        return column.texts
    present = ~np.isnan(column.values)
    levels, codes = np.unique(column.values[present], return_inverse=True)
    values = np.full(len(column.values), np.nan)
    values[present] = codes
    return Column(column.name, "category", values, in_digits(levels, column.kind == "boolean"))


def in_digits(values: Floats, boolean: bool) -> tuple[str, ...]:
    """Numbers as names of classes, as short as tells them apart."""
    if boolean:
        return tuple(str(bool(value)).lower() for value in values)
    if (values == np.round(values)).all():  # and a nought has no sign
        return tuple(f"{value + 0.0:.0f}" for value in values)
    short = tuple(f"{value:.15g}" for value in values)
    return short if len({*short}) == len(short) else tuple(repr(float(value)) for value in values)
