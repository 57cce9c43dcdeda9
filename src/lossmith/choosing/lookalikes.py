"""Texts that a person reads as numbers, dates or times, and a computer as hundreds of categories."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lossmith.choosing.errors import plain, quoted
from lossmith.choosing.tables import Column, Rows, number

Cells = NDArray[np.bool_]
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?[.,\s]+"
D, M, Y, YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:1[5-9]|2[01])?\d\d", r"(?:1[5-9]|2[01])\d\d"
IN_DIGITS = "|".join(rf"{a}([./-]){b}\{i}{c}" for i, (a, b, c) in enumerate(((D, M, Y), (M, D, Y), (YEAR, M, D)), 1))
DATE = re.compile(
    rf"\s*(?:{WEEKDAY})?(?:(?:{IN_DIGITS})\b(?![./-])|"  # no version 1.10.0, no address 10.0.0.1
    rf"\d{{1,4}}(?:st|nd|rd|th)?[\s.,/-]*{MONTH}|{MONTH}[\s.,'/-]*\d)",
    re.IGNORECASE,
)
TIME = re.compile(r"\s*\d{1,3}:[0-5]\d(?::[0-5]\d(?:\.\d+)?)?\s*(?:[ap]\.?m\.?)?\s*$", re.IGNORECASE)
CODES = (
    "AED ARS AUD BRL CAD CHF CLP CNY COP CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PHP PLN RON RUB "
    "SAR SEK SGD THB TRY TWD UAH USD VND ZAR"
)  # the currencies traded most: any three capitals would make money of SKU000
MONEY = rf"(?:[$£¥¢\u20a0-\u20cf]|{'|'.join(CODES.split())}|kr\.?|zł|Fr\.)"


def _amounts(whole: str, mark: str) -> re.Pattern[str]:
    """Numbers in groups of digits, with this mark before the decimals and a unit on either side."""
    unit = rf"(?:{MONEY}|%)"
    digits = rf"(?=.?\d)(?P<whole>{whole}|\d*)(?:{mark}(?P<part>\d*))?"
    return re.compile(rf"\s*(?P<sign>[-+]?(?:{unit}\s*)?[-+]?){digits}\s*{unit}?\s*$")


SPACE = r"'’ \u00a0\u202f"  # and other marks that only part thousands
POINT = _amounts(rf"[1-9]\d{{0,2}}(?:[,{SPACE}]\d{{2,3}})*[,{SPACE}]\d{{3}}", r"\.")  # 1,050,000.5; 10,50,000
COMMA = _amounts(rf"[1-9]\d{{0,2}}(?:[.{SPACE}]\d{{3}})+", ",")  # 1.050.000,5


def look_like(column: Column) -> str:
    """What most values of a column of texts look like, with an example and how to write them; else nothing."""
    present = np.flatnonzero(~np.isnan(column.values))
    codes = column.values[present].astype(np.intp)
    plainly = _each(not np.isnan(number(level)) for level in column.levels)
    of_numbers = "store them as numbers of up to 15 digits" if plainly.all() else "correct them, or empty their cells"
    for looks, fits, advice in (
        ("numbers", plainly, of_numbers),
        ("dates", _each(DATE.match(level) for level in column.levels), "write 2026-01-31"),
        ("times", _each(TIME.match(level) for level in column.levels), "write 18.5 for 18:30"),
    ):
        if _most(fits[codes]):
            return _said(column, looks, fits, int(np.argmax(fits[codes])), advice)
    return _like_amounts(column, codes, plainly)


def _like_amounts(column: Column, codes: Rows, plainly: Cells) -> str:
    """A cell such as 1,010 reads with a point as with a comma before the decimals: the other cells say which it is."""
    point, comma = ([_number_in(way, level) for level in column.levels] for way in (POINT, COMMA))
    fits, fits_comma = (_each(text is not None for text in found) for found in (point, comma))
    more = int(fits[codes].sum()) - int(fits_comma[codes].sum())
    ours, other, fits = (point, comma, fits) if more >= 0 else (comma, point, fits_comma)
    if not _most(fits[codes]):
        return ""

    def telling(i: int) -> int:
        if plainly[i] or ours[i] is None:
            return 0
        if other[i] is None:
            return 3 if more else 1
        return 1 + (ours[i] != other[i])

    first = int(np.argmax(np.array([telling(i) for i in range(len(ours))])[codes]))
    example = codes[first]
    cell = plain(column.levels[example].strip(), 20)
    written = {plain(text, 20) for text in (ours[example], None if more else other[example]) if text is not None}
    parts, *decimals = sorted(written, key=lambda text: "." in text)
    advice = f"write {parts} for {cell}"
    if decimals:
        advice += f" if its mark parts thousands, {decimals[0]} if it parts decimals"
    return _said(column, _kind(cell, bool(decimals), more < 0), fits, first, advice)


def _kind(cell: str, either: bool, comma: bool) -> str:
    if "%" in cell:
        return "numbers with a percent sign"
    if re.search(MONEY, cell):
        return "amounts of money"
    if either:
        return "numbers with thousands separators or decimal commas"
    return "numbers with decimal commas" if comma and "," in cell else "numbers with thousands separators"


def _number_in(way: re.Pattern[str], text: str) -> str | None:
    found = way.match(text)
    if found is None:
        return None
    part = f".{found['part']}" if found["part"] else ""
    return f"{'-' * ('-' in found['sign'])}{re.sub('[^0-9]', '', found['whole']) or '0'}{part}"


def _said(column: Column, looks: str, fits: Cells, example: int, advice: str) -> str:
    """About the first cell that is none of these; where all are, about the example, counted among the cells."""
    present = np.flatnonzero(~np.isnan(column.values))
    codes = column.values[present].astype(np.intp)
    strange = not fits[codes].all()
    first = int(np.argmin(fits[codes])) if strange else example
    which = f"{quoted(column.levels[codes[first]], 20)} in data row {present[first] + 1}"
    return f"look like {looks}, {f'{which} is not' if strange else f'such as {which}'}: {advice}"


def _each(found: Iterable[object]) -> Cells:
    return np.array([bool(one) for one in found], dtype=bool)


def _most(fits: Cells) -> bool:
    return 2 * int(fits.sum()) > len(fits)
