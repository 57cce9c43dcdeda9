"""What the machine does for a loss: the text of its kernel, and the instructions it becomes on this processor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lossmith.plans import Request, plan

if TYPE_CHECKING:
    from lossmith.loss import Loss

_CLASSES = 10


def explain_kernel(
    loss: Loss, outputs: tuple[str, ...] = ("value", "gradient"), dtype: str = "float64", classes: int = _CLASSES
) -> str:
    """IR and assembly of the kernel that serves a mean of the outputs on contiguous arrays of the dtype."""
    domain, predictions = loss.formula.target.domain, loss.formula.predictions
    many = classes if loss.kind == "rowwise" else len(predictions)
    y_pred = np.zeros((1, many) if loss.kind == "rowwise" or many > 1 else 1, dtype)
    y_true = np.zeros(y_pred.shape if domain.row else 1, "int64" if domain.kind in ("class id", "level") else dtype)
    extras = tuple(extra.name for extra in loss.formula.extras)
    arrays = [y_true, y_pred, *(np.ones(1, dtype) for _ in extras)]
    found = plan(loss, Request(tuple(outputs), "mean"), arrays, extras, None, weighted=False, masked=False)
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
