"""Own formulas keep their digits where a textbook's rule for a derivative would subtract nearly equal numbers."""

import numpy as np
import pytest
from mpmath import mp, mpf

import lossmith as lm
from judges.oracle import ulps
from lossmith.formula import (
    Label,
    NonNegative,
    Real,
    arctan,
    erf,
    js_term,
    log_normal_cdf,
    normal_cdf,
    sigmoid,
    tanh,
    where,
    x_minus_log1p,
)

DIGITS = 100
_STEP = mpf(10) ** -30


@lm.pointwise
def probit(y: Label, f: Real):
    """Surprise at a label, by the normal distribution function."""
    return -log_normal_cdf(where(y == 1, f, -f))


@lm.pointwise
def bounded(y: Real, f: Real):
    """From -1 to 1."""
    return tanh(f - y)


@lm.pointwise
def logistic(y: Real, f: Real):
    """From 0 to 1."""
    return sigmoid(f - y)


@lm.pointwise
def fair(y: Real, f: Real):
    """Between squared and absolute error."""
    return x_minus_log1p(abs(f))


@lm.pointwise
def angle(y: Real, f: Real):
    """The angle of a slope."""
    return arctan(f)


@lm.pointwise
def error_function(y: Real, f: Real):
    """The error function."""
    return erf(f)


@lm.pointwise
def share_below(y: Real, f: Real):
    """The normal distribution function."""
    return normal_cdf(f)


def _inverse_mills(x):
    return mp.npdf(x) / mp.ncdf(x)


def _density(x):
    """Of the logistic distribution."""
    return mp.sech(x / 2) ** 2 / 4


# the loss at y = 0, its first and second derivative in f, and where they are looked at in float32 and float64
EVERYWHERE = (0.0, 0.3, -0.3, 0.6, 0.9, 1.0, -1.0, 2.0, -2.0, 5.0, -5.0, 12.0, -12.0)
SMALL = (1e-4, 1e-8, 1e-9, -1e-30, 0.1, 0.99, 1.01)
CASES = {
    "probit": (
        probit(),
        lambda f: _inverse_mills(-f),
        lambda f: _inverse_mills(-f) * (_inverse_mills(-f) - f),
        (30.0, 100.0, 1e4, -30.0, 1e10, 1e15),
    ),
    "bounded": (bounded(), lambda f: mp.sech(f) ** 2, lambda f: -2 * mp.tanh(f) * mp.sech(f) ** 2, SMALL),
    "logistic": (logistic(), _density, lambda f: -mp.tanh(f / 2) * _density(f), SMALL),
    "angle": (
        angle(),
        lambda f: 1 / (1 + f * f),
        lambda f: -2 * f / (1 + f * f) ** 2,
        (*SMALL, 1e8, 0.99e9, 1.01e9, 1e18, 1e20, -1e36),
    ),
    "error_function": (
        error_function(),
        lambda f: 2 * mp.exp(-f * f) / mp.sqrt(mp.pi),
        lambda f: -4 * f * mp.exp(-f * f) / mp.sqrt(mp.pi),
        SMALL,
    ),
    "share_below": (share_below(), mp.npdf, lambda f: -f * mp.npdf(f), (*SMALL, 37.0, 39.9, 40.0, 41.0, 1e30)),
    "fair": (fair(), lambda f: f / (1 + abs(f)), lambda f: 1 / (1 + abs(f)) ** 2, (*SMALL, 1e9, 1e16, -1e18)),
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
    everywhere = EVERYWHERE[1:] if name == "fair" else EVERYWHERE  # it has a kink at 0
    f = np.array([*everywhere, *places]).astype(dtype)
    most = {"llvm": 4.0, "arrays": 5.0}[engine]  # the contract is that of machine code
    with mp.workdps(DIGITS):
        for method, truth in ((loss.gradient, first), (loss.hessian, second)):
            options = {"reduction": "none"} if method == loss.gradient else {}
            got = method(np.zeros_like(f), f, **options)
            errors = [error(g, truth, x, dtype) for g, x in zip(got.tolist(), f.tolist(), strict=True)]
            assert max(errors) <= most, f[np.argmax(errors)]


@pytest.mark.parametrize("engine", ENGINES)
def test_amounts_of_any_size_are_compared(engine, monkeypatch):
    @lm.pointwise
    def divergence(y: NonNegative, f: NonNegative):
        """Of amounts, not of probabilities."""
        return js_term(y, f)

    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    y, f = np.array([1e30, 1e-30, 1e30], np.float32), np.array([1e-30, 1e30, 0.0], np.float32)
    expected = np.maximum(y, f).astype(float) * np.log(2) / 2
    np.testing.assert_allclose(divergence()(y, f, reduction="none"), expected, rtol=4e-7)


# beyond what can be judged by digits: the ends of the floats, where a product must not be infinity times 0
ENDS = [
    (probit(), 1.0, 1.0, 1.0),
    (probit(), -1.0, 0.0, 0.0),
    (bounded(), 1.0, 0.0, 0.0),
    (logistic(), 1.0, 0.0, 0.0),
    (angle(), 1.0, 0.0, 0.0),
    (angle(), -1.0, 0.0, 0.0),
    (error_function(), 1.0, 0.0, 0.0),
    (share_below(), -1.0, 0.0, 0.0),
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
