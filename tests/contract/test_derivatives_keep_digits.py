"""Derivatives of a user's own formula keep their digits where a textbook's rule would subtract nearly equal numbers."""

import numpy as np
import pytest
from mpmath import mp, mpf

import lossmith as lm
from judges.oracle import ulps
from lossmith.formula import Label, Real, log_normal_cdf, where

DIGITS = 100
_STEP = mpf(10) ** -30


@lm.pointwise
def probit(y: Label, f: Real):
    """Surprise at a label, by the normal distribution function."""
    return -log_normal_cdf(where(y == 1, f, -f))


def _inverse_mills(x):
    return mp.npdf(x) / mp.ncdf(x)


# the loss at y = 0, its first and second derivative in f, and where they are looked at in float32 and float64
EVERYWHERE = (0.0, 0.3, -0.3, 0.6, 0.9, 1.0, -1.0, 2.0, -2.0, 5.0, -5.0, 12.0, -12.0)
CASES = {
    "probit": (
        probit(),
        lambda f: _inverse_mills(-f),
        lambda f: _inverse_mills(-f) * (_inverse_mills(-f) - f),
        (30.0, 100.0, 1e4, -30.0, 1e10, 1e15),
    ),
}
ENGINES = ("llvm", "arrays")


def error(got, truth, f, dtype):
    """ULP over max(1, condition number): what the contract limits to 4."""
    exact = truth(mpf(f))
    condition = abs((truth(mpf(f) * (1 + _STEP)) - exact) / (exact * _STEP)) if exact else 0
    return ulps(got, exact, dtype) / max(1.0, float(condition))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", CASES)
def test_gradient_and_hessian(name, engine, dtype, monkeypatch):
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    loss, first, second, places = CASES[name]
    f = np.array([*EVERYWHERE, *places]).astype(dtype)
    most = {"llvm": 4.0, "arrays": 5.0}[engine]  # the contract is that of machine code
    with mp.workdps(DIGITS):
        for method, truth in ((loss.gradient, first), (loss.hessian, second)):
            options = {"reduction": "none"} if method == loss.gradient else {}
            got = method(np.zeros_like(f), f, **options)
            errors = [error(g, truth, x, dtype) for g, x in zip(got.tolist(), f.tolist(), strict=True)]
            assert max(errors) <= most, f[np.argmax(errors)]


# beyond what can be judged by digits: the ends of the floats, where a product must not be infinity times 0
ENDS = [
    (probit(), 1.0, 1.0, 1.0),
    (probit(), -1.0, 0.0, 0.0),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("loss", "side", "slope", "bend"), ENDS)
def test_the_ends_of_the_floats(loss, side, slope, bend, engine, dtype, monkeypatch):
    """The slope in units of the largest float."""
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    most = np.finfo(dtype).max
    f, y = np.array([side * 0.95 * float(most)], dtype), np.zeros(1, dtype)
    np.testing.assert_array_equal(loss.gradient(y, f, reduction="none"), slope * np.abs(f))
    np.testing.assert_allclose(loss.hessian(y, f), [bend], rtol=np.finfo(dtype).eps, atol=0)
