"""Special functions of whatever array library the numbers came in: its own where it has them, SciPy's else."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Array = Any

# zeta(k) - 1 for k = 2, 3, ...: log Gamma(1 + y) = -log1p(y) + (1 - Euler) y + sum (-1)^k (zeta(k) - 1) y^k / k
_EULER = 0.57721566490153286061
_ZETA_MINUS_1 = (
    0.64493406684822643647, 0.20205690315959428540, 0.08232323371113819152, 0.03692775514336992633,
    0.01734306198444913971, 0.00834927738192282684, 0.00407735619794433938, 0.00200839282608221442,
    0.00099457512781808534, 0.00049418860411946456, 0.00024608655330804830, 0.00012271334757848915,
    0.00006124813505870483, 0.00003058823630702049, 0.00001528225940865187, 0.00000763719763789976,
    0.00000381729326499984, 0.00000190821271655394, 0.00000095396203387280, 0.00000047693298678781,
    0.00000023845050272773, 0.00000011921992596531, 0.00000005960818905126, 0.00000002980350351465,
    0.00000001490155482837, 0.00000000745071178984, 0.00000000372533402479, 0.00000000186265972351,
)  # fmt: skip
_SERIES = 0.5  # up to here the series is exact to the last digit


def library(xp: ModuleType) -> tuple[Any, bool]:
    """(module with gammaln, digamma, polygamma, erf, ndtr, log_ndtr; whether its arrays must pass through NumPy)."""
    name = xp.__name__
    if "torch" in name:
        return importlib.import_module("torch.special"), False
    if "jax" in name:
        return importlib.import_module("jax.scipy.special"), False
    return importlib.import_module("scipy.special"), xp is not np


def special(xp: ModuleType, names: tuple[str, ...], *leading: int) -> Callable[[Array], Array]:
    """The first of the names that the library has, as a function of one array."""
    module, foreign = library(xp)
    function = next(getattr(module, name) for name in names if hasattr(module, name))

    def run(x: Array) -> Array:
        if not foreign:
            return function(*leading, x)
        return xp.asarray(np.asarray(function(*leading, np.asarray(x)), dtype=str(x.dtype).rpartition(".")[2]))

    return run


def polygamma(xp: ModuleType, order: int) -> Callable[[Array], Array]:
    if "jax" in xp.__name__:  # jax wants the order as an array of whole numbers
        function = library(xp)[0].polygamma
        return lambda x: function(xp.full_like(x, order, dtype=xp.int32), x)
    return special(xp, ("polygamma",), order)


def lgamma(xp: ModuleType) -> Callable[[Array], Array]:
    return special(xp, ("gammaln",))


def log_factorial(xp: ModuleType) -> Callable[[Array], Array]:
    """log Gamma(1 + y): its own series near 0, where rounding 1 + y would lose y."""

    def run(y: Array) -> Array:
        small = xp.where(xp.abs(y) < _SERIES, y, xp.zeros_like(y))
        tail = xp.zeros_like(y)
        for k in range(len(_ZETA_MINUS_1) + 1, 1, -1):
            tail = ((-1) ** k * _ZETA_MINUS_1[k - 2] / k + tail) * small
        near = (1.0 - _EULER + tail) * small - xp.log1p(small)
        return xp.where(xp.abs(y) < _SERIES, near, lgamma(xp)(y + 1.0))

    return run
