"""How a formula runs. Callers ask ``evaluate`` and do not care which engine answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from lossmith.engine.choice import machine_code
from lossmith.formula.expr import Expr

__all__ = ["evaluate"]


def evaluate(
    groups: Sequence[Sequence[Expr]],
    inputs: Mapping[str, Any],
    params: Mapping[str, Any],
    xp: ModuleType,
    *,
    rows: bool,
    like: Any,
) -> list[list[Any]]:
    """Every expression of every group, for inputs in one namespace; see ``arrays.evaluate``."""
    if xp is np and machine_code():
        from lossmith.engine.llvm.evaluate import evaluate as by_machine_code

        found = by_machine_code(groups, inputs, params, rows=rows, like=like)
        if found is not None:
            return found
    from lossmith.engine import arrays  # as one of the two is enough for most programs

    return arrays.evaluate(groups, inputs, params, xp, rows=rows, like=like)
