"""Legal data for any loss, and the array engine as a second opinion about the same call."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

import lossmith as lm
from judges.points import Case, cases
from lossmith.formula import ClassId, PerClass, PerSample, Positive, Real, Scores, exp, is_class, pick
from lossmith.formula import sum as row_sum
from lossmith.formula.domains import Domain

DTYPES = ("float32", "float64")
PLAIN = [case for case in cases() if not case.params]


@lm.pointwise
def exposed(y: Real, f: Real, *, exposure: PerSample[Positive], scale: Positive = 1.5):
    """A loss with a number per sample beside target and prediction."""
    return exposure * ((f - y) / scale) ** 2


@lm.rowwise
def priced(y: ClassId, f: Scores, *, price: PerClass[Positive], exposure: PerSample[Positive]):
    """A row loss with a number per class and one per sample. The true class is left out: its term is constant, and
    rounding in derivatives that cancel on paper alone would say nothing about an engine."""
    return exposure * row_sum(price * exp(-((f - pick(f, y)) ** 2)), where=~is_class(y))


@contextmanager
def by_arrays() -> Iterator[None]:
    """Calls on losses that were not called before are computed by the array engine."""
    asking = _asking(len(sys.modules))
    before = [module.machine_code for module in asking]
    try:
        for module in asking:
            module.machine_code = _no
        yield
    finally:
        for module, true in zip(asking, before, strict=True):
            module.machine_code = true


def _no() -> bool:
    return False


@lru_cache(maxsize=1)
def _asking(_: int) -> list[Any]:
    """The modules that ask which engine to use."""
    return [m for name, m in sys.modules.items() if name.startswith("lossmith.") and hasattr(m, "machine_code")]


def fresh(loss: Any) -> Any:
    """The same loss, never called."""
    return loss.replaced()


def sized(case: Case, classes: int) -> Any:
    """The loss of a case with parameters for so many classes."""
    vectors = {p.name for p in case.formula.params if p.per_class}
    params = {k: (v * classes)[:classes] if k in vectors else v for k, v in case.params}
    return lm.get(case.name, **params)


def numbers(domain: Domain, random: np.random.Generator, shape: Any, dtype: Any, classes: int = 1) -> Any:
    """Legal numbers of a domain, of ordinary sizes."""
    if domain.kind == "class id":
        return random.integers(0, classes, shape)
    if domain.simplex:
        raw = random.exponential(size=shape) * (random.random(shape) < 0.8) + 1e-9
        return (raw / raw.sum(axis=-1, keepdims=True)).astype(dtype)
    if domain.whole:
        return random.poisson(2.0, shape) if math.isinf(domain.high) else random.integers(0, 2, shape)
    if math.isfinite(domain.low) and math.isfinite(domain.high):
        width = domain.high - domain.low
        return (domain.low + width * random.uniform(0.02, 0.98, shape)).astype(dtype)
    found = random.normal(size=shape) * 2.0
    if math.isfinite(domain.low):
        found = domain.low + np.exp(found / 2)
    elif math.isfinite(domain.high):
        found = domain.high - np.exp(found / 2)
    if domain.excluded is not None:
        found = domain.excluded + np.copysign(np.abs(found - domain.excluded) + 0.1, found)
    return found.astype(dtype)


def data(case: Case, random: np.random.Generator, n: int, dtype: Any, classes: int = 3) -> tuple[Any, Any]:
    """(y, f) of n samples."""
    formula = case.formula
    target, first = formula.target.domain, formula.predictions[0].domain
    many = formula.kind == "rowwise"
    y = numbers(target, random, (n, classes) if target.row else n, dtype, classes)
    if many:
        return y, numbers(first, random, (n, classes), dtype)
    parts = [numbers(p.domain, random, n, dtype) for p in formula.predictions]
    return y, parts[0] if len(parts) == 1 else np.stack(parts, axis=-1)


def bits(*results: Any) -> list[str]:
    """A short name for the bytes of every number and array in results; every NaN is the same."""
    found = []
    for result in results:
        if isinstance(result, (tuple, list)):
            found += bits(*result)
        else:
            array = np.asarray(result)
            array = array.astype(array.dtype.newbyteorder("="))
            seen = np.where(np.isnan(array), array.dtype.type(np.nan), array).tobytes()
            found.append(f"{array.shape} {seen.hex() if len(seen) <= 8 else blake2b(seen, digest_size=8).hexdigest()}")
    return found


def outcome(call: Any) -> Any:
    """What a call returns, or the kind and words of the error that it raises."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)
