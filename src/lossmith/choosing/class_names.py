"""The classes that a column holds, as texts, whatever it is stored as."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.tables import Column, Floats, Kind, number

FEW_NUMBERS = 20  # so many different numbers may be names of classes
TRUTHS = {"true": 1.0, "1": 1.0, "false": 0.0, "0": 0.0}  # as the reader of files takes them
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MILLISECOND = dt.timedelta(milliseconds=1)
A_DAY = 86_400_000  # in milliseconds


def class_names(column: Column) -> NDArray[Any]:
    """The class of each row; of a gap the empty text, which is no class's name."""
    spelled = column.texts is not None and len(column.texts.levels) <= FEW_NUMBERS  # else a target takes the numbers
    texts = as_texts(column if spelled else replace(column, texts=None))
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
    names = tuple(map(dated, levels)) if column.kind == "date" else in_digits(levels, column.kind == "boolean")
    return Column(column.name, "category", values, names)


def as_known(column: Column, known: Sequence[str]) -> Column:
    """The column as a category, its values named like those of the `known` levels that mean the same: 1 is "01" there.

    A column of texts that all are numbers, dates, or true and false is read as such: only what they mean is left."""
    texts = as_texts(column)
    if texts is column or texts is column.texts:
        return texts
    named: dict[float, list[str]] = {}
    for level in known:
        named.setdefault(_meaning(level, column.kind), []).append(level)
    values = np.unique(column.values[~np.isnan(column.values)])
    names = []
    for value, text in zip(np.round(values * A_DAY) if column.kind == "date" else values, texts.levels, strict=True):
        found = named.get(float(value), [text])
        if len(found) > 1:
            raise ChoiceError(
                f"column {quoted(column.name)} held {quoted(found[0], 20)} and {quoted(found[1], 20)} in training, and "
                f"{text} may be either: give this column as texts, in a data frame or Parquet"
            )
        names += found
    return replace(texts, levels=tuple(names))


def reads_as(kind: Kind, levels: Sequence[str]) -> bool:
    """Whether one of the levels is a number, a date, or true or false."""
    return any(not np.isnan(_meaning(level, kind)) for level in levels)


def _meaning(text: str, kind: Kind) -> float:
    """The value that such a column has for the text, of a date its milliseconds; NaN if it is none."""
    text = text.strip()
    if kind == "boolean":
        return TRUTHS.get(text.lower(), np.nan)
    with suppress(ValueError):
        if kind == "date":
            moment = dt.datetime.fromisoformat(text)
            return float(((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)) - EPOCH) // MILLISECOND)
        return float(int(text, 16)) if text[:2].lower() == "0x" else number(text)
    return float("nan")


def dated(days: float) -> str:
    """Days since 1970 as 2026-01-31, with the time of day behind where there is one."""
    moment = np.datetime64(round(days * A_DAY), "ms")
    return str(moment.astype("M8[D]")) if float(days).is_integer() else str(moment.astype("M8[s]")).replace("T", " ")


def in_digits(values: Floats, boolean: bool) -> tuple[str, ...]:
    """Numbers as names of classes, as short as tells them apart."""
    if boolean:
        return tuple(str(bool(value)).lower() for value in values)
    if (values == np.round(values)).all():  # and a nought has no sign
        return tuple(f"{value + 0.0:.0f}" for value in values)
    short = tuple(f"{value:.15g}" for value in values)
    return short if len({*short}) == len(short) else tuple(repr(float(value)) for value in values)
