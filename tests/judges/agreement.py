"""Formula against independent reference, both to 50 digits."""

from math import inf
from typing import Any

from mpmath import mp, mpf

from judges import oracle, references
from judges.points import Case

VALUE_DIGITS, SLOPE_DIGITS = mpf(10) ** -40, mpf(10) ** -15


def formula_value(case: Case, y: Any, f: Any, value: Any = None) -> mpf:
    """The formula (or another expression in its place) at one point."""
    formula = case.formula
    classes = len(f) if formula.kind == "rowwise" else 0
    env = oracle.environment(formula, case.loss.params, y, f, "float64")
    return oracle.evaluate((value if value is not None else formula.value,), env, classes, _digits(y, f))[0]


def _digits(y: Any, f: Any) -> int:
    """Enough to see the smallest number beside the largest."""
    numbers = [abs(x) for part in (y, f) for x in (part if isinstance(part, tuple) else (part,))]
    return 400 if any(0 < x < 1e-30 or 1e30 < x < inf for x in numbers) else oracle.DIGITS


def distance(a: mpf, b: mpf) -> mpf:
    """Relative; 0 for equal infinities and for two missing limits."""
    if mp.isnan(a) or mp.isnan(b):
        return mpf(0) if mp.isnan(a) and mp.isnan(b) else mp.inf
    if a == b:
        return mpf(0)
    return abs(a - b) / max(abs(a), abs(b)) if mp.isfinite(a) and mp.isfinite(b) else mp.inf


def reference_value(case: Case, y: Any, f: Any) -> mpf:
    return references.truth(case.name, y, list(f) if isinstance(f, tuple) else f, **reference_params(case))


def reference_params(case: Case) -> dict[str, Any]:
    return {name: list(v) if isinstance(v, tuple) else v for name, v in case.params}
