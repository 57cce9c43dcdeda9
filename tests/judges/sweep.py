"""Every loss at every hard point in one array library, measured against the 50-digit judge."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from mpmath import mp, mpf

from judges import oracle
from judges.points import Case, points

OUTPUTS = ("value", "gradient", "hessian")
ENOUGH = 4.0  # errors up to here are within the contract and need no second look
FLUSHED = 1000  # times the smallest normal float: a flushed intermediate is later multiplied, by a score of 700 at most


@dataclass(frozen=True)
class Truth:
    """What the judge says of one output of one case: per point a list of numbers, and their condition numbers."""

    pairs: list[tuple[Any, Any]]
    numbers: list[list[mpf]]
    conditions: list[list[mpf]]


@cache
def truth(case: Case, output: str, dtype: str) -> Truth:
    formula, params = case.formula, case.loss.params
    pairs = points(case, dtype)
    numbers, conditions = [], []
    for y, f in pairs:
        classes = len(f) if formula.kind == "rowwise" else 0
        env = oracle.environment(formula, params, y, f, dtype)
        base = oracle.outputs(formula, output, env, classes)
        numbers.append(base)
        conditions.append(oracle.condition(formula, output, env, classes, base))
    return Truth(pairs, numbers, conditions)


def call(loss: Any, output: str, y: Any, f: Any) -> Any:
    if output == "value":
        return loss(y, f, reduction="none")
    return getattr(loss, output)(y, f, reduction="none")


@dataclass(frozen=True)
class Miss:
    """The worst of a case: how many units in the last place, per unit of condition, and where."""

    ulps: float
    where: str


def measure(case: Case, output: str, dtype: str, make: Any, *, flush: bool = False, loss: Any = None) -> Miss:
    """The largest error, in ULP x max(1, condition), over the points where the truth has a limit.

    ``make`` turns a NumPy array into the library's own. ``flush``: the library has no denormals, neither as inputs nor
    on the way, so points with denormal inputs are not its own and errors below FLUSHED of the smallest normal float are
    its right.
    """
    found = truth(case, output, dtype)
    smallest = float(np.finfo(dtype).tiny)
    kept = [
        i
        for i, row in enumerate(found.numbers)
        if not any(mp.isnan(x) for x in row) and not (flush and _denormal(found.pairs[i], smallest))
    ]
    y = np.array([found.pairs[i][0] for i in kept], dtype=np.int64 if case.kind == "class id" else dtype)
    f = np.array([found.pairs[i][1] for i in kept], dtype=dtype)
    got = np.asarray(call(loss or case.loss, output, make(y), make(f)), dtype=np.float64).reshape(len(kept), -1)
    worst = Miss(0.0, "nowhere")
    for i, row in zip(kept, got, strict=True):
        sides: list[list[mpf]] | None = None
        for place, (number, k, value) in enumerate(zip(found.numbers[i], found.conditions[i], row, strict=True)):
            if flush and mp.isfinite(number) and abs(mpf(float(value)) - number) <= FLUSHED * smallest:
                continue
            error = oracle.ulps(value, number, dtype) / max(1.0, float(k))
            if error > ENOUGH:  # next to a jump, or at a zero: right is also what a rounded input would give
                sides = sides if sides is not None else _sides(case, output, dtype, *found.pairs[i])
                error = min([error, *(oracle.ulps(value, side[place], dtype) / max(1.0, float(k)) for side in sides)])
            if not error <= worst.ulps:
                where = f"y = {found.pairs[i][0]}, f = {found.pairs[i][1]}"
                worst = Miss(error, f"{where}: {value!r}, truth {mp.nstr(number, 20)}, condition {mp.nstr(k, 5)}")
    return worst


def _sides(case: Case, output: str, dtype: str, y: Any, f: Any) -> list[list[mpf]]:
    formula = case.formula
    classes = len(f) if formula.kind == "rowwise" else 0
    env = oracle.environment(formula, case.loss.params, y, f, dtype)
    return oracle.neighbours(formula, output, env, classes, dtype)


def _denormal(pair: tuple[Any, Any], smallest: float) -> bool:
    numbers = np.abs(np.concatenate([np.ravel(part) for part in pair]).astype(np.float64))
    return bool(((numbers > 0) & (numbers < smallest)).any())
