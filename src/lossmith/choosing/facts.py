"""A number that was found in a table, and the sentence that says what it means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lossmith.choosing.tables import Floats, Rows

MOST_NAMED = 3  # rows


@dataclass(frozen=True)
class Fact:
    name: str
    value: float
    meaning: str
    band: tuple[float, float] | None = None  # 95%
    rows: tuple[int, ...] = ()  # the data rows it is about, counted from 1


def in_rows(rows: tuple[int, ...], count: int) -> str:
    """Where to look: the rows that are shown, and how many more there are."""
    more = f" and {count - len(rows)} more" if count > len(rows) else ""
    return f"data row{'s' if count > 1 else ''} {', '.join(map(str, rows))}{more}"


def infinite(values: Floats, rows: Rows) -> str:
    """How many values are infinite and where, of which `rows` are the data rows, counted from 0; empty if none is."""
    found = rows[np.isinf(values)]
    count = len(found)
    where = in_rows(tuple(int(row) + 1 for row in found[:MOST_NAMED]), count)
    return f"{count:,} infinite value{'s' if count > 1 else ''} ({where})" if count else ""


@dataclass(frozen=True, eq=False)
class PilotRows:
    """What the pilot model predicted for rows that it did not see. `rows` are places in the target's y."""

    rows: Rows
    y: Floats
    prediction: Floats
    residual: Floats
    model: str  # which pilot predicted best
