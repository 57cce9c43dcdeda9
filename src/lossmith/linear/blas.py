"""Small matrices on one thread: beside a busy process, handing them to several stalls for longer than they take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any

from .sketch import telling

SMALL = 3e8
"""Up to about this many multiplications per step (a tenth of a second) one thread does them."""


@lru_cache(maxsize=1)
def _libraries() -> list[Any]:
    """Those of linear algebra."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # it comes with scikit-learn
        return []
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def suited_threads(samples: int, features: int) -> AbstractContextManager[None]:
    """A context in which the linear algebra of a step uses one thread, if it is small: of many samples, some tell the
    second derivatives. What reads all of them has threads of its own."""
    if min(samples, telling(1 + features)) * min(features, 600) ** 2 > SMALL:
        return nullcontext()
    return _one_thread()


@contextmanager
def _one_thread() -> Iterator[None]:
    several = [(library, count) for library in _libraries() if (count := library.num_threads) > 1]
    try:
        for library, _ in several:
            library.set_num_threads(1)
        yield
    finally:
        for library, count in several:
            library.set_num_threads(count)
