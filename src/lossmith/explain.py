"""What the machine does for a loss: the text of its kernel, and the instructions it becomes on this processor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.kinks import known_classes
from lossmith.plans import Plan, Request, plan

if TYPE_CHECKING:
    from lossmith.loss import Loss

_CLASSES = 10  # where nothing says how many there are
_OUTPUTS = ("value", "gradient", "hessian", "curvature")
_DTYPES = ("float64", "float32", "float16", "bfloat16")


def explain_kernel(
    loss: Loss,
    outputs: Sequence[str] = ("value", "gradient"),
    dtype: str = "float64",
    classes: int | None = None,
) -> str:
    """IR and assembly of the kernel that serves a mean of the outputs on contiguous arrays of the dtype.

    ``outputs`` are some of value, gradient, hessian and curvature; ``dtype`` is float64, float32, float16 or bfloat16;
    ``classes``, of a loss of rows, are as many as its labels or weights by default, or else ten. ValueError says which
    of them is none of these, or that there is no kernel.
    """
    if isinstance(outputs, str) or not outputs or any(name not in _OUTPUTS for name in outputs):
        raise ValueError(f"outputs must be a tuple of some of {', '.join(_OUTPUTS)}, not {outputs!r}")
    if dtype not in _DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}, not {dtype!r}")
    try:
        np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype {dtype!r} is not known to NumPy before `import ml_dtypes`") from None
    found = _plan(loss, tuple(outputs), dtype, _classes(loss, classes))
    if found is None:
        raise ValueError(f"{loss.name}: there is no kernel for this: host arrays are computed without machine code")
    from lossmith.engine.llvm.compile import assembly
    from lossmith.engine.llvm.run import source

    text = source(found.kernel.spec)
    code = assembly(text)
    widths = {register: len(re.findall(rf"%{register}\d", code)) for register in ("zmm", "ymm", "xmm")}
    uses = ", ".join(f"{register} {count}" for register, count in widths.items() if count)
    head = f"{loss!r}: mean of {', '.join(outputs)}, {dtype}; vector registers named: {uses or 'none of x86'}"
    return f"; {head}\n\n; LLVM IR\n{text}\n; assembly for this processor\n{code}"


def _classes(loss: Loss, classes: Any) -> int:
    """How many there are; ValueError where the loss has another number of them."""
    known = known_classes(loss) if loss.kind == "rowwise" else 0
    if classes is None:
        return known or _CLASSES
    if not isinstance(classes, (int, np.integer)) or classes < 1 or (known and classes != known):
        raise ValueError(f"{loss.name}: classes must be {known or 'a whole number from 1 on'}, not {classes!r}")
    return int(classes)


def _plan(loss: Loss, outputs: tuple[str, ...], dtype: str, classes: int) -> Plan | None:
    """How a mean of these outputs is served."""
    loss = loss.numbered or loss
    domain, predictions = loss.formula.target.domain, loss.formula.predictions
    many = classes if loss.kind == "rowwise" else len(predictions)
    y_pred = np.zeros((1, many) if loss.kind == "rowwise" or many > 1 else 1, dtype)
    y_true = np.zeros(y_pred.shape if domain.row else 1, "int64" if domain.kind in ("class id", "level") else dtype)
    extras = tuple(extra.name for extra in loss.formula.extras)
    arrays = [y_true, y_pred, *(np.ones(1, dtype) for _ in extras)]
    return plan(loss, Request(outputs, "mean"), arrays, extras, None, weighted=False, masked=False)
