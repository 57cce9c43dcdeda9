"""What a user can put right: one line that says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ChoiceError(ValueError):
    """The table, the target or the aim does not allow a choice; the message says what to change."""


def plain(text: object, limit: int = 60) -> str:
    """A name as it came, fit for one line: control characters escaped, long names cut."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in str(text))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def quoted(text: object, limit: int = 60) -> str:
    return f"'{plain(text, limit)}'"


def listed(names: Iterable[str]) -> str:
    """Names beside each other, "and" before the last; where one holds a comma or an "and" itself, all are quoted."""
    shown = list(names)
    mark = "'" if len(shown) > 1 and any("," in name or " and " in name for name in shown) else ""
    *first, last = (f"{mark}{name}{mark}" for name in shown)
    return f"{', '.join(first)} and {last}" if first else last


def figure(x: float) -> str:
    """Four significant digits, with an exponent only where zeros would be too many to count."""
    return f"{float(f'{x:.4g}'):.10g}"


def near(name: str, names: Iterable[str]) -> str:
    """'; did you mean ...?' with the nearest names, or nothing."""
    known = list(names)
    lowered = {other.strip().lower(): other for other in known}
    found = [lowered[match] for match in get_close_matches(name.strip().lower(), list(lowered), n=3, cutoff=0.7)]
    return f"; did you mean {' or '.join(quoted(match) for match in found)}?" if found else ""
