"""Texts that a person reads as numbers or dates, and a computer as hundreds of categories."""

from __future__ import annotations

import re

import numpy as np

from lossmith.choosing.errors import quoted
from lossmith.choosing.tables import Column, number

DATE = re.compile(r"\s*\d{1,4}[./-]\d{1,2}[./-]\d{1,4}\b(?![./-])")  # no address, such as 10.0.0.1


def look_like(column: Column) -> str:
    """What most values of a column of texts look like, with an example and how to write them; else nothing."""
    codes = np.where(np.isnan(column.values), -1, column.values).astype(np.intp)
    present = np.flatnonzero(codes >= 0)
    for looks, clean, advice in (
        ("numbers", lambda text: text, "correct them, or empty their cells"),
        ("numbers with decimal commas", _comma_to_point, "write 0.5 for 0,5"),
        ("dates", _without_date, "write 2026-01-31"),
        ("amounts of money or numbers with thousands separators", _bare, "write 1010.00 for $1,010.00"),
    ):
        wrong = np.array([np.isnan(number(clean(level))) for level in column.levels], dtype=bool)
        strange = present[wrong[codes[present]]]
        if 2 * len(strange) >= len(present):
            continue
        plainly = [i for i in present if np.isnan(number(column.levels[codes[i]]))]
        first = strange[0] if len(strange) else plainly[0]
        which = f"{quoted(column.levels[codes[first]], 20)} in data row {first + 1}"
        what = f"{which} is not" if len(strange) else f"such as {which}"
        return f"look like {looks}, {what}: {advice}"
    return ""


def _comma_to_point(text: str) -> str:
    return re.sub(r"^(\s*[-+]?\d*),(\d+\s*)$", r"\1.\2", text)


def _without_date(text: str) -> str:
    return "0" if DATE.match(text) else "no date"


def _bare(text: str) -> str:
    """Without currency, percent sign and thousands separators."""
    return re.sub(r"(?<=\d)[,' \u00a0\u202f](?=\d{3})|[$€£¥%\s]|[A-Z]{3}", "", text)
