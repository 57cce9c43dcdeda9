"""A number that was found in a table, and the sentence that says what it means."""

from __future__ import annotations

from dataclasses import dataclass

from lossmith.choosing.tables import Floats, Rows


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


@dataclass(frozen=True, eq=False)
class PilotRows:
    """What the pilot model predicted for rows that it did not see. `rows` are places in the target's y."""

    rows: Rows
    y: Floats
    prediction: Floats
    residual: Floats
    model: str  # which pilot predicted best
