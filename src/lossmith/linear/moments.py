"""Sums of features and of their squares by a kernel that reads them once."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .samples import Layout

if TYPE_CHECKING:
    from lossmith.engine.llvm.run import Kernel

Array = NDArray[np.float64]


def sums(X: NDArray[Any], shift: Array, weight: Array | None) -> tuple[Array, Array]:
    """Weighted sums of X - shift and of its square, of each column of features that a kernel can read."""
    from lossmith.engine.llvm.linear import padded
    from lossmith.engine.llvm.run import rows_per_block

    (n, p), laid = X.shape, Layout.of(X)
    kernel, width = _kernel(laid, weight is not None), padded(p)
    centre, found = np.zeros(width), np.zeros((-(-n // rows_per_block(kernel.spec, p)), 2, width))
    centre[:p] = shift
    given = [*([] if weight is None else [np.ascontiguousarray(weight)]), X.T if laid.columns else X, centre, found]
    kernel.run(given, np.empty(0), n, classes=p)
    first, second = found.sum(axis=0)[:, :p]
    return first, second


@lru_cache(maxsize=64)
def _kernel(laid: Layout, weighted: bool) -> Kernel:
    from lossmith.engine.llvm import linear_moments
    from lossmith.engine.llvm.memory import Stored
    from lossmith.engine.llvm.run import Kernel
    from lossmith.engine.llvm.spec import Spec

    weight = Stored("float64") if weighted else None
    return Kernel(
        Spec(
            "float64", (), (), (), weight=weight, exact=True, classes=0, vectors=linear_moments.VECTORS,
            **laid._asdict(),
        )
    )  # fmt: skip
