"""Threads that help a caller through the blocks of one kernel call.

A kernel ``function(address)`` claims blocks of the job at that address by an atomic counter, so any number of threads
may run it. It returns 0 when no block is left to claim, else it only pauses for Python to look at its signals.

The caller puts the job into the box of each helper and rings, works itself, takes back what is still in a box, and
waits for the helpers that took it. So one that is slow to wake delays nobody, and after a call none holds the job.
"""

from __future__ import annotations

import os
from _thread import LockType, allocate_lock, start_new_thread
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from lossmith.engine.threads import thread_count

__all__ = ["run", "thread_count"]

Function: TypeAlias = Callable[[int], int]
Job: TypeAlias = tuple[Function, int, Callable[[], None]]


def run(function: Function, address: int, helpers: int, cancel: Callable[[], None]) -> None:
    """Finish a job on this thread and up to so many others; alone if the others are at work already.

    An exception between two parts of the work, such as a KeyboardInterrupt, calls ``cancel``, which has to make the
    kernel claim no further blocks, and is raised when no thread holds the job. Whatever ``cancel`` refers to is kept
    alive as long as one does.
    """
    pool = _pool
    if helpers > 0 and pool.busy.acquire(blocking=False):
        try:
            pool.run((function, address, cancel), helpers)
        finally:
            pool.busy.release()
    else:
        _work(function, address)


def _work(function: Function, address: int) -> None:
    while function(address):
        pass


class _Pool:
    def __init__(self) -> None:
        self.busy = allocate_lock()
        self._workers: list[_Worker] = []

    def run(self, job: Job, helpers: int) -> None:
        function, address, cancel = job
        team = self._workers[:helpers] if len(self._workers) >= helpers else self._grow(helpers)
        try:
            for worker in team:
                worker.offer(job)
            _work(function, address)
        except BaseException:
            cancel()
            raise
        finally:
            _dismiss(team)

    def _grow(self, helpers: int) -> list[_Worker]:
        with suppress(RuntimeError):  # the system grants no more threads, or Python is about to end
            while len(self._workers) < helpers:
                self._workers.append(_Worker())
        return self._workers[:]


def _dismiss(team: list[_Worker]) -> None:
    """Return when nobody of the team has a job, whatever interrupts this; then pass the interruption on."""
    interruption = None
    while True:
        try:
            for worker in team:
                worker.dismiss()
            break
        except BaseException as error:
            interruption = error
    if interruption is not None:
        raise interruption


class _Worker:
    """A thread and its box. What has happened is told by box and idleness; the two locks only wake who waits for it."""

    def __init__(self) -> None:
        self._box: list[Job] = []
        self._idle = True
        self._bell, self._done = allocate_lock(), allocate_lock()
        start_new_thread(self._live, ())

    def offer(self, job: Job) -> None:
        self._box.append(job)
        _ring(self._bell)

    def dismiss(self) -> None:
        """Take the job back, or wait until it is done with."""
        self._box.clear()
        while not self._idle:
            self._done.acquire()

    def _live(self) -> None:
        while True:
            self._bell.acquire()
            self._idle = False  # before a look into the box: whoever finds it empty then knows why
            try:
                self._help()
            finally:
                self._idle = True
                _ring(self._done)

    def _help(self) -> None:
        try:
            function, address, _ = self._box.pop()
        except IndexError:  # it was taken back
            return
        _work(function, address)


def _ring(bell: LockType) -> None:
    """Wake who waits at the lock, or who comes to it next. Each bell is rung by one thread alone."""
    if bell.locked():  # else it rings already
        bell.release()


def _begin() -> None:
    """A forked child has none of its parent's threads, and perhaps their locks."""
    global _pool
    _pool = _Pool()


_pool = _Pool()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
