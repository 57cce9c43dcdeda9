"""What is warned of in one thread, while others run beside it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_mine = threading.local()
_open: list[warnings.catch_warnings[None]] = []  # one, while anyone listens
_listeners = 0


@contextmanager
def heard() -> Iterator[list[str]]:
    """A list that fills with the messages of this thread. `warnings.catch_warnings` is one for the whole process, so
    the first who listens opens it, and the last closes it."""
    global _listeners
    messages: list[str] = []
    with _lock:
        if not _listeners:
            catching = warnings.catch_warnings()
            catching.__enter__()
            warnings.simplefilter("always")
            warnings.showwarning = _tell
            _open.append(catching)
        _listeners += 1
    _mine.messages = messages
    try:
        yield messages
    finally:
        del _mine.messages
        with _lock:
            _listeners -= 1
            if not _listeners:
                _open.pop().__exit__(None, None, None)


def _tell(message: Warning | str, *_: Any, **__: Any) -> None:
    """Into the list of the thread that it comes from; what no listener caused is lost while anyone listens."""
    getattr(_mine, "messages", []).append(str(message))
