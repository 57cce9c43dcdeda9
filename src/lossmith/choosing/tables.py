"""A table in memory: named columns of numbers, dates or categories, whatever file or data frame they came from."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossmith.choosing.errors import ChoiceError, near, plain, quoted
from lossmith.lazy import cached_property

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Kind = Literal["number", "boolean", "date", "category"]

MISSING = frozenset(
    {"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan"}
    | {"1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"}
)  # what a gap may be called, in files and frames alike
EXACT = 2.0**53  # beyond this a float64 makes two integers one, which as numbers of users or classes they are not
NUMBERS = 0.95  # a column of texts holds numbers if so many of its cells do
ISO = re.compile(r"[ \t]*\d{4}-\d\d-\d\d[-+:. TZ\t\d]*", re.ASCII)  # no end of line and no quote
WHOLE = re.compile(r"\s*[-+]?\d{1,400}\s*", re.ASCII)
TIMES = (dt.datetime, dt.date, dt.time, dt.timedelta)  # a datetime is a date, too
UNUSABLE = "holds neither numbers, dates nor text"


@dataclass(frozen=True, eq=False)
class Column:
    """Values as float64 with NaN for a gap; a category holds the index of its level, a date its days since 1970.

    Of numbers and dates that came as texts, `texts` holds the cells as they came: a target may want them as its
    classes. `strays` says which cells are no numbers.
    """

    name: str
    kind: Kind
    values: Floats
    levels: tuple[str, ...] = ()
    whole: bool = False  # stored as integers
    strays: str = ""
    texts: Column | None = None
    ordered: bool = False  # its levels stand in their own order, not in that of the alphabet

    def take(self, rows: Rows) -> Column:
        return replace(self, values=self.values[rows], texts=None)


@dataclass(frozen=True, eq=False)
class Table:
    columns: tuple[Column, ...]
    rows: int
    warnings: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()  # names that more than one column had
    unusable: tuple[str, ...] = ()  # names of columns that hold nothing to learn from, such as lists

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in reversed(self.columns)}

    def column(self, name: str) -> Column:
        if name in self._by_name:
            return self._by_name[name]
        if name in self.unusable:
            raise ChoiceError(f"column {quoted(name)} {UNUSABLE}")
        hint = near(name, self.names) or f"; it has {self.listing(30)}"
        if self.names and not any(np.isnan(number(other)) for other in self.names):
            hint += ": these look like data, so its first line may lack names"
        raise ChoiceError(f"no column {quoted(name)} in the table{hint}")

    def without(self, *names: str) -> Table:
        return replace(self, columns=tuple(c for c in self.columns if c.name not in names))

    def take(self, rows: Rows) -> Table:
        return replace(self, columns=tuple(column.take(rows) for column in self.columns), rows=len(rows))

    def listing(self, most: int) -> str:
        shown = ", ".join(plain(name, 20) for name in self.names[:most])
        return f"{shown}{', …' if len(self.names) > most else ''}"


def from_any(data: Any) -> Table:
    """A table from a data frame (pandas, Polars, Arrow), a dictionary of columns, or a matrix."""
    if isinstance(data, Table):
        return data
    if isinstance(data, dict):
        return _from_columns(data, data.values())
    named = _frame(data)
    if named is not None:
        return _from_columns(*named)
    matrix = _array(data, "X")
    if matrix.ndim == 1:
        matrix = matrix[:, None]
    if matrix.ndim != 2:
        raise ChoiceError(f"X must have two dimensions, rows and columns; it has {matrix.ndim}")
    return _from_columns([f"x{j}" for j in range(matrix.shape[1])], matrix.T)


def _frame(data: Any) -> tuple[Sequence[Any], Iterable[Any]] | None:
    """A data frame's names and columns. Arrow and pandas let names repeat; narwhals does not, so it sees numbers."""
    import narwhals as nw
    from narwhals.dependencies import is_pandas_like_dataframe, is_pyarrow_table

    names: list[Any] = []
    if is_pyarrow_table(data):
        names = data.column_names
        data = data.rename_columns([str(i) for i in range(len(names))])
    elif is_pandas_like_dataframe(data):
        names = list(data.columns)
        data = data if data.columns.is_unique else data.set_axis(range(len(names)), axis=1)
    frame = nw.from_native(data, eager_only=True, pass_through=True)
    return (names or frame.columns, frame.iter_columns()) if isinstance(frame, nw.DataFrame) else None


def column_from_any(values: Any, name: str) -> Column:
    """One column from a series, an array or a list."""
    column = _made(name, values, name)
    if column is None:
        raise ChoiceError(f"{name} holds neither numbers nor labels")
    return column


def _from_columns(names: Iterable[Any], each: Iterable[Any]) -> Table:
    warnings: list[str] = []
    unusable, columns = [], []
    texts = [_name(name) for name in names]
    for name, values in zip(_distinct(texts, warnings), each, strict=True):
        column = _made(name, values, f"column {quoted(name)}")
        if column is None:
            unusable.append(name)
            warnings.append(f"column {quoted(name)} {UNUSABLE}; it was left out")
        else:
            columns.append(column)
    lengths = {len(column.values) for column in columns}
    if len(lengths) > 1:
        raise ChoiceError("the columns differ in length")
    repeated = tuple(name for name, count in Counter(texts).items() if count > 1)
    return Table(tuple(columns), lengths.pop() if lengths else 0, tuple(warnings), repeated, tuple(unusable))


def _name(name: Any) -> str:
    """A name as text; those of several levels, as in pandas, become one."""
    return "_".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name)


def _distinct(names: Sequence[str], warnings: list[str]) -> list[str]:
    seen: set[str] = set()
    distinct = []
    for name in names:
        new, count = name, 1
        while new in seen:
            count += 1
            new = f"{name}.{count}"
        if new != name:
            warnings.append(f"two columns are named {quoted(name)}; the later one is called {quoted(new)}")
        seen.add(new)
        distinct.append(new)
    return distinct


def _made(name: str, values: Any, what: str) -> Column | None:
    """The column that a series, an array or a list is; None if its cells hold nothing to learn from."""
    import narwhals as nw
    import pyarrow as pa

    series = nw.from_native(values, series_only=True, pass_through=True)
    if isinstance(series, nw.Series):
        return _column(name, series)
    array = _array(values, what)
    if array.ndim != 1:
        raise ChoiceError(f"{what} must be one column of values; it has {array.ndim} dimensions")
    if array.dtype.kind not in "biufmMUTO":
        raise ChoiceError(f"{what} holds values of type {array.dtype}, which cannot be used")
    if array.dtype.kind in "UTO":
        return _of_objects(name, array.tolist())
    known = {"f": "f8", "m": "m8[us]", "M": "M8[us]"}.get(array.dtype.kind, array.dtype.newbyteorder("="))
    return _column(name, nw.from_native(pa.chunked_array([pa.array(array.astype(known))]), series_only=True))


def _array(values: Any, what: str) -> NDArray[Any]:
    from scipy.sparse import issparse

    if issparse(values):
        raise ChoiceError(f"{what} is sparse: give a dense array (.toarray()) or a data frame")
    if isinstance(values, np.ma.MaskedArray):
        cells = values.data.copy() if values.dtype.kind in "mM" else values.data.astype(object)
        cells[np.ma.getmaskarray(values)] = None  # of moments and spans, NaT
        return cells
    try:
        return np.asarray(values)
    except ValueError:
        raise ChoiceError(f"{what} holds lists that differ in length") from None


def _column(name: str, series: Any) -> Column | None:
    import narwhals as nw

    dtype = series.dtype
    if dtype == nw.Boolean:
        return Column(name, "boolean", _floats(series))
    if dtype.is_numeric():
        floats = _floats(series)
        if dtype.is_integer() and (np.abs(floats) >= EXACT).any() and _merge(cells := series.to_list()):
            return _labels(name, *_parted(cells))
        return Column(name, "number", floats, whole=dtype.is_integer())
    if dtype in (nw.Date, nw.Datetime):
        return Column(name, "date", _floats(series.dt.timestamp("us")) / 86_400e6)
    if dtype == nw.Duration:
        return Column(name, "number", _floats(series.dt.total_microseconds()) / 1e6)
    if dtype == nw.Enum:
        return _category(name, series.to_list(), [str(level) for level in dtype.categories])
    if dtype in (nw.Categorical, nw.Time):  # how to write times of day is said of texts
        return _category(name, series.to_list())
    if dtype == nw.String:
        return _of_texts(name, series.to_list())
    if series.null_count() == len(series):
        return Column(name, "number", np.full(len(series), np.nan))
    if dtype in (nw.Object, nw.Unknown):  # of what narwhals does not know, pandas' sparse columns are numbers
        return _of_objects(name, series.to_list())
    return None


def _of_objects(name: str, values: list[Any]) -> Column | None:
    """What Python objects are: moments or spans, which Arrow knows, numbers, or else texts; lists are none of them."""
    import narwhals as nw
    import pyarrow as pa

    if any(not isinstance(value, str) and np.iterable(value) for value in values):
        return None
    if any(isinstance(value, complex | np.complexfloating) for value in values):
        raise ChoiceError(f"{quoted(name)} holds complex numbers: give their parts as numbers")
    found = {next((kind for kind in TIMES if isinstance(v, kind)), None) for v in values if not _is_gap(v)}
    if len(found) == 1 and found != {None}:
        with suppress(pa.ArrowException):
            arrow = pa.chunked_array([pa.array(values, from_pandas=True)])
            return _column(name, nw.from_native(arrow, series_only=True))
    return _of_texts(name, values)


def _of_texts(name: str, values: list[Any]) -> Column:
    column = _category(name, values)
    return (_numbers(column) or _dates(column) if column.kind == "category" else None) or column


def _dates(column: Column) -> Column | None:
    """The column as dates if all of its texts are, as in a file: the reader of files says so."""
    import narwhals as nw
    import pyarrow as pa
    from pyarrow import csv

    if not column.levels or not all(ISO.fullmatch(level) for level in column.levels):
        return None
    text = "\n".join(["x", *column.levels]).encode()
    whole = csv.ReadOptions(block_size=len(text) + 1)  # else the first block decides alone
    cells = csv.read_csv(pa.BufferReader(text), read_options=whole).column(0)
    if not pa.types.is_temporal(cells.type):
        return None
    dates = _column(column.name, nw.from_native(cells, series_only=True))
    if dates is None:
        return None
    gaps = np.isnan(column.values)
    days = dates.values[np.where(gaps, 0, column.values).astype(np.intp)]
    return replace(dates, values=np.where(gaps, np.nan, days), texts=column)


def _floats(series: Any) -> Floats:
    import narwhals as nw

    try:
        return np.array(series.cast(nw.Float64).to_numpy(), dtype=np.float64)  # a copy: nothing of the user's is kept
    except ValueError:  # Arrow refuses integers beyond 2^53, which a float64 rounds
        return np.array([np.nan if _is_gap(value) else _float(value) for value in series.to_list()])


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # of an integer; a Decimal as large is infinite by itself
        return float("inf") if value > 0 else float("-inf")


def _merge(values: Iterable[Any]) -> bool:
    """Whether integers that differ are one as floats."""
    whole = {int(value) for value in values if not _is_gap(value)}
    return len({_float(value) for value in whole}) < len(whole)


def _category(name: str, values: list[Any], order: Sequence[str] = ()) -> Column:
    gaps, present = _parted(values)
    if present and all(isinstance(v, bool | np.bool_) for v in present):
        return _filled(name, "boolean", gaps, present)
    if present and all(isinstance(v, int | float | np.number | Decimal) for v in present):
        whole = all(isinstance(v, int | np.integer) for v in present)
        if not (whole and _merge(present)):
            return _filled(name, "number", gaps, [_float(v) for v in present], whole)
    return _labels(name, gaps, present, order)


def _parted(values: list[Any]) -> tuple[NDArray[np.bool_], list[Any]]:
    """Where the gaps are, and what stands elsewhere."""
    gaps = np.array([_is_gap(v) for v in values], dtype=bool)
    return gaps, [v for v, gap in zip(values, gaps, strict=True) if not gap]


def _labels(name: str, gaps: NDArray[np.bool_], present: list[Any], order: Sequence[str] = ()) -> Column:
    """A category, whatever the values are."""
    texts = [str(v) for v in present]
    seen = set(texts)
    levels = [level for level in order if level in seen] or sorted(seen)
    code = {level: i for i, level in enumerate(levels)}
    filled = _filled(name, "category", gaps, [code[text] for text in texts])
    return Column(name, "category", filled.values, tuple(levels), ordered=bool(order))


def _is_gap(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() in MISSING
    if isinstance(value, Decimal):  # one that signals refuses to be compared
        return value.is_nan()
    equal = value == value  # of pandas' NA this is NA again, neither true nor false
    return value is None or not isinstance(equal, bool | np.bool_) or not equal


def _numbers(column: Column) -> Column | None:
    """The column as numbers if nearly all of its texts are; a question mark is then a gap, any other text a stray."""
    gaps = np.isnan(column.values)
    codes = column.values[~gaps].astype(np.intp)
    asked = np.array([level.strip() == "?" for level in column.levels], dtype=bool)
    numbers = np.array([number(level) for level in column.levels], dtype=np.float64)
    stray = (np.isnan(numbers) & ~asked)[codes]
    told = len(codes) - int(asked[codes].sum())
    if (np.abs(numbers) >= EXACT).any() and _merge(level for level in column.levels if WHOLE.fullmatch(level)):
        return None
    if not len(codes) or told == 0 or (told - stray.sum()) < NUMBERS * told:
        return None
    values = np.full(len(gaps), np.nan)
    values[~gaps] = numbers[codes]
    text = ""
    if stray.any():
        first = int(np.flatnonzero(~gaps)[stray][0])
        count = int(stray.sum())
        cell = quoted(column.levels[int(column.values[first])], 20)
        text = f"{count} {'cells do' if count > 1 else 'cell does'} not (first: {cell} in data row {first + 1})"
    found = values[~np.isnan(values)]
    return Column(column.name, "number", values, (), bool(np.all(found == np.round(found))), text, column)


def number(text: str) -> float:
    """The number a text is, or NaN. An underscore is Python's, not a table's."""
    try:
        return float("nan" if "_" in text else text)
    except ValueError:
        return float("nan")


def _filled(name: str, kind: Kind, gaps: NDArray[np.bool_], present: Sequence[Any], whole: bool = False) -> Column:
    full = np.full(len(gaps), np.nan)
    full[~gaps] = np.asarray(present, dtype=np.float64)
    return Column(name, kind, full, whole=whole)
