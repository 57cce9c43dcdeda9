"""How many threads a call may use: what the user chose, or what this process is granted."""

from __future__ import annotations

import functools
import math
import operator
import os
import sys
import threading
from typing import SupportsIndex

_chosen = 0


class _Limit(threading.local):
    """What threadpoolctl set for the calls from one thread; 0 if nothing."""

    threads = 0


_limit = _Limit()


def set_threads(n: SupportsIndex) -> None:
    """Let calls use up to n threads. Results never depend on n."""
    global _chosen
    try:
        count = 0 if isinstance(n, bool) else operator.index(n)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"n must be a whole number >= 1, not {n!r}")
    _chosen = count
    _limit.threads = 0


def thread_count() -> int:
    """How many threads a call from this thread may use, itself included."""
    return _limit.threads or _chosen or _granted()


@functools.cache
def _granted() -> int:
    """The least of what affinity, control groups, OMP_NUM_THREADS and LOSSMITH_NUM_THREADS allow."""
    _obey_threadpoolctl()
    said = (os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "LOSSMITH_NUM_THREADS"))
    asked = [int(text) for text in (text.split(",")[0].strip() for text in said) if text.isdecimal()]
    return max(1, math.ceil(min(_processors(), _quota(), *(n for n in asked if n > 0))))


def _processors() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota(
    mount: str | os.PathLike[str] = "/sys/fs/cgroup", membership: str | os.PathLike[str] = "/proc/self/cgroup"
) -> float:
    """The processors that the control groups of this process, and those around them, let it keep busy."""
    try:
        lines = _text(membership).splitlines()
    except OSError:  # not Linux
        return math.inf
    least = math.inf
    for _, controllers, group in (line.split(":", 2) for line in lines):
        if not controllers or "cpu" in controllers.split(","):
            directory = os.path.join(mount, "cpu") if controllers else os.fspath(mount)  # version 1, version 2
            for step in ["", *filter(None, group.split("/"))]:
                directory = os.path.join(directory, step)
                least = min(least, _own_quota(directory))
    return least


def _text(path: str | os.PathLike[str]) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _own_quota(group: str) -> float:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            quota, period = (int(word) for name in names for word in _text(os.path.join(group, name)).split())
        except (OSError, ValueError):  # not of this version, or "max"
            continue
        if quota > 0:
            return quota / period
    return math.inf


@functools.cache
def _obey_threadpoolctl() -> None:
    """Let ``threadpoolctl.threadpool_limits`` limit the calls from the thread that uses it."""
    try:
        from threadpoolctl import LibController, register
    except ImportError:
        return

    class Controller(LibController):  # type: ignore[misc]
        user_api = internal_api = "lossmith"
        filename_prefixes = ("_multiarray_umath",)  # threadpoolctl looks for loaded files, and NumPy's is always there

        def get_num_threads(self) -> int:
            return thread_count()

        def set_num_threads(self, num_threads: int) -> None:
            _limit.threads = 0 if num_threads == (_chosen or _granted()) else num_threads

        def get_version(self) -> None:
            """A part of lossmith has no version of its own."""

    register(Controller)


if "threadpoolctl" in sys.modules:  # else not before it matters: the import takes longer than a small call
    _obey_threadpoolctl()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_granted.cache_clear)
