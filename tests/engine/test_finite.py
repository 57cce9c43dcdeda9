"""Kernels that take scores for finite: the same bits as with guards, and guards where a score is infinite after all."""

import numpy as np
import pytest

import lossmith as lm
from judges.points import cases
from lossmith.direct import direct
from lossmith.engine.llvm.finite import unguarded
from lossmith.formula import exp, log, maximum, scaled_exp, softplus, where
from lossmith.formula.expr import const, leaf, walk

X, Y = leaf("input", "x"), leaf("input", "y")
ZERO, INFINITY = const(0.0), const(np.inf)
SCORES = (0.0, -0.0, 1e-300, -37.5, 37.5, -710.0, 710.0, -745.2, 745.2, -800.0, 800.0, 1e200, -1e200)
TARGETS = (0.0, -0.0, 0.25, 1.0, 2.0, 3.5)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (where(Y == 0, ZERO, Y * softplus(X)), Y * softplus(X)),
        (where(Y == 0, ZERO, -(2 * (X * Y))), -(2 * (X * Y))),
        (where(X * Y == 0, ZERO, X * Y * softplus(X)), X * Y * softplus(X)),
        (where(exp(X) == INFINITY, exp(X), exp(X) - Y), exp(X) - Y),
        (where(exp(X) == INFINITY, 2 * exp(X), 2 * exp(X) - Y), 2 * exp(X) - Y),
        (maximum(where(Y == 0, ZERO, Y * X), ZERO), maximum(Y * X, ZERO)),  # of two that do not compare the first
    ],
)
def test_guards_against_infinite_inputs_are_left_out(asked, found):
    (bare,), exponents = unguarded((asked,))
    assert str(bare) == str(found) and not exponents


def test_what_scales_an_exponential_multiplies_it():
    found, exponents = unguarded((scaled_exp(Y, -X), scaled_exp(Y + 1, -X)))
    assert list(map(str, found)) == [str(Y * exp(-X)), str((Y + 1) * exp(-X))]
    assert list(map(str, exponents)) == ["-x"]


@pytest.mark.parametrize(
    "asked",
    [
        where(Y == 0, ZERO, Y * log(Y)),  # 0 log 0 is no matter of infinite inputs
        where(Y == 0, ZERO, Y * exp(X)),  # nor is an exponential that overflows
        where(Y == 0, ZERO, X * softplus(X)),  # no factor that is 0 there
        where(X == 0, ZERO, Y + X),
        where(X == 1, ZERO, X * Y),
        where(exp(X) == INFINITY, Y, Y - X),  # y may be anything there
        where(exp(X) == INFINITY, exp(X), Y + X),
        maximum(ZERO, where(Y == 0, ZERO, Y * X)),  # where NaN would be lost
        where(X > 1, X, where(Y == 0, ZERO, Y * X)),
    ],
)
def test_other_conditions_stay(asked):
    roots = (asked,)
    found, exponents = unguarded(roots)
    assert found is roots and not exponents


def test_nan_that_one_root_shows_may_be_lost_in_another():
    product = where(Y == 0, ZERO, Y * X)
    found, _ = unguarded((product, maximum(ZERO, product)))
    assert not any(node.op == "where" for node in walk(found))


def one_score():
    """The losses of one score a sample and a target."""
    found = [case for case in cases() if case.loss.kind != "rowwise"]
    return [case for case in found if len(case.formula.predictions) == 1 and not case.formula.extras]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", one_score(), ids=str)
def test_an_infinite_score_changes_no_other_sample(case, dtype):
    """By itself a sample takes the kernel without guards, where it can; beside an infinite one all take the other."""
    loss, formula = case.loss, case.formula
    legal = [y for y in TARGETS if formula.target.domain.contains(y)]
    scores = [f for f in SCORES if abs(f) < float(np.finfo(dtype).max) and formula.predictions[0].domain.contains(f)]
    y, f = (np.ravel(a).astype(dtype) for a in np.meshgrid(legal, scores))

    def served(y, f):
        return direct(loss, ("value", "gradient"), "none", y, f, None, None, None, {}, 1.0)

    alone = [served(y[k : k + 1], f[k : k + 1]) for k in range(len(y))]
    for infinity in (np.inf, -np.inf):
        for label in legal:
            beside = served(*(np.append(a, a.dtype.type(x)) for a, x in ((y, label), (f, infinity))))
            for k, one in enumerate(alone):
                if one is None or beside is None:  # the checked road has something to say
                    continue
                for a, b in zip(one, beside, strict=True):
                    assert a.tobytes() == b[k : k + 1].tobytes(), (y[k], f[k], a, b[k])


@pytest.mark.parametrize(
    ("loss", "y", "f"),
    [(lm.binary_cross_entropy(), 1.0, np.inf), (lm.binary_cross_entropy(), 0.0, -np.inf), (lm.poisson(), 0.0, -np.inf)],
)
@pytest.mark.parametrize("n", [1, 17, 20_000])
def test_where_a_score_is_infinite_the_guards_serve(loss, y, f, n):
    """And the checked road, which is far slower, is not asked."""
    ys, fs = np.full(n, y), np.linspace(-2.0, 2.0, n)
    fs[n // 2] = f
    found = direct(loss, ("value", "gradient"), "none", ys, fs, None, None, None, {}, 1.0)
    assert found is not None
    assert found[0][n // 2] == found[1][n // 2] == 0.0 and all(np.isfinite(a).all() for a in found)


@pytest.mark.parametrize(("dtype", "large", "score"), [("float32", 1e36, 98.0), ("float64", 1e300, 735.0)])
@pytest.mark.parametrize("sign", [1, -1])
def test_what_scales_an_exponential_beyond_the_normal_numbers_leaves_it_its_digits(dtype, large, score, sign):
    """y e^-f, the second derivative of gamma's loss: e^-f alone is denormal, or infinite."""
    y, f = np.array([large**sign], dtype), np.array([sign * score], dtype)
    exact = y.astype(np.longdouble) * np.exp(-f.astype(np.longdouble))
    np.testing.assert_allclose(lm.gamma().hessian(y, f), exact.astype(dtype), rtol=4 * np.finfo(dtype).eps)


def test_infinite_results_of_both_signs_are_no_doubt():
    """Of certain predictions that were wrong both are what they should be, and machine code says so."""
    y, p = np.tile([0.0, 1.0], 500), np.tile([1.0, 0.0], 500)
    loss = lm.binary_cross_entropy(from_logits=False)
    value, gradient = direct(loss, ("value", "gradient"), "none", y, p, None, None, None, {}, 1.0)
    assert (value == np.inf).all() and (gradient == np.where(y == 0, np.inf, -np.inf)).all()
