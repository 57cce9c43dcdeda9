"""Small matrices on one thread: beside a busy process, handing them to several stalls for longer than they take."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from .sketch import telling

SMALL = 3e8
"""Up to about this many multiplications per step (a tenth of a second) one thread does them."""


@lru_cache(maxsize=1)
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # it comes with scikit-learn
        return None
    return ThreadpoolController()


def suited_threads(samples: int, features: int) -> AbstractContextManager[Any]:
    """A context in which the linear algebra of a step uses one thread, if it is small: of many samples, some tell the
    second derivatives. What reads all of them has threads of its own."""
    if min(samples, telling(1 + features)) * min(features, 600) ** 2 > SMALL or _controller() is None:
        return nullcontext()
    limited: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limited
