"""How many threads a call may use."""

from __future__ import annotations

_threads = 1


def _is_count(n: object) -> bool:
    return isinstance(n, int) and not isinstance(n, bool) and n >= 1


def set_threads(n: int) -> None:
    """Let calls use up to n threads. The array engine works on one; results never depend on n."""
    global _threads
    if not _is_count(n):
        raise ValueError(f"n must be a whole number >= 1, not {n!r}")
    _threads = n
