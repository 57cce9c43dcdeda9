"""Samples that no coefficients fit best: where a loss falls for ever, a fit says so, and along which features."""

import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor

pytestmark = pytest.mark.slow

ENDLESS = "without a penalty the best coefficients are infinite"


def table(n, seed=0):
    """Features, labels that follow three of them, and what they follow."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    f = X @ [1.0, -2.0, 0.5, 0.0]
    return X, (f + rng.logistic(size=n) > 0).astype(int), f


def marked(X, rows):
    """The last feature is 1 in these rows, else 0."""
    X = X.copy()
    X[:, 3] = 0.0
    X[rows, 3] = 1.0
    return X


def silent(model, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return model.fit(X, y)


@pytest.mark.parametrize("n", [200, 40_000])
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "exponential"])
def test_separated_perfectly(loss, n):
    X, _, f = table(n)
    with pytest.warns(ConvergenceWarning, match=f"separated perfectly, along -x1, x0, x2: {ENDLESS}") as said:
        model = LinearClassifier(loss).fit(X, f > 0)
    assert len(said) == 1
    assert np.isfinite(model.coef_).all() and model.score(X, f > 0) == 1
    penalised = silent(LinearClassifier(loss, l2=1e-3), X, f > 0)
    assert penalised.converged_ and np.abs(penalised.coef_).max() < 100


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("n", [200, 40_000])
def test_some_samples_are_separated(n, make):
    """A mark that only ones bear: the loss stays, the coefficient of the mark grows."""
    X, y, _ = table(n)
    rows = np.flatnonzero(y == 1)[3:15]
    X = make(marked(X, rows))
    with pytest.warns(
        ConvergenceWarning, match=rf"12 of {n} samples, the first of them in row {rows[0]}, .* along x3: {ENDLESS}"
    ):
        model = LinearClassifier().fit(X, y)
    assert np.isfinite(model.coef_).all() and model.coef_[0, 3] > 5
    assert silent(LinearClassifier(l2=1e-3), X, y).converged_


def test_the_row_is_that_of_the_table_with_the_samples_that_weigh_nothing():
    X, y, _ = table(200)
    rows = np.flatnonzero(y == 1)[3:15]
    weight = np.ones(200)
    weight[:10] = 0.0
    first = rows[rows >= 10][0]
    with pytest.warns(ConvergenceWarning, match=f"the first of them in row {first},"):
        LinearClassifier().fit(marked(X, rows), y, sample_weight=weight)


def test_names_of_features_are_said():
    import pandas as pd

    X, y, _ = table(200)
    frame = pd.DataFrame(marked(X, np.flatnonzero(y == 0)[:12]), columns=["age", "size", "weight", "member"])
    with pytest.warns(ConvergenceWarning, match=re.escape("along -member: " + ENDLESS)):
        LinearClassifier().fit(frame, y)


@pytest.mark.parametrize("n", [200, 40_000])
def test_several_classes(n):
    X, _, f = table(n)
    y = np.argmax(np.outer(f, [1, 0, -1]) + np.random.default_rng(1).gumbel(size=(n, 3)), axis=1)
    with pytest.warns(ConvergenceWarning, match=f"12 of {n} samples, .* along x3: {ENDLESS}"):
        LinearClassifier().fit(marked(X, np.flatnonzero(y == 1)[:12]), y)
    silent(LinearClassifier(), X, y)


def test_counts_that_are_all_zero_where_a_mark_is():
    X, _, f = table(300)
    y = np.random.default_rng(1).poisson(np.exp(f / 3))
    with pytest.warns(ConvergenceWarning, match=f"12 of 300 samples, .* along -x3: {ENDLESS}"):
        LinearRegressor("poisson").fit(marked(X, np.flatnonzero(y == 0)[:12]), y)
    silent(LinearRegressor("poisson"), X, y)


@pytest.mark.parametrize("loss", ["hinge", "squared_hinge"])
def test_losses_that_reach_zero_have_many_optima(loss):
    X, _, f = table(200)
    with pytest.warns(ConvergenceWarning, match="separated perfectly: without a penalty many coefficients have no"):
        model = LinearClassifier(loss).fit(X, f > 0)
    assert model.score(X, f > 0) == 1
    silent(LinearClassifier(loss, l2=1e-3), X, f > 0)


def test_strong_features_are_no_separation():
    """Scores that lie far out, but where a few samples lie on the wrong side."""
    X, y, f = table(500)
    y = np.where(np.abs(f) > 0.2, f > 0, y).astype(int)
    assert silent(LinearClassifier(), 8 * X, y).converged_
    assert silent(LinearRegressor(), X, 100 * f).converged_


@pytest.mark.parametrize("loss", ["focal", "brier"])
def test_classes_apart_under_a_loss_that_is_not_convex(loss):
    X, y, f = table(200)
    with pytest.warns(ConvergenceWarning, match=f"separated perfectly, along -x1, x0, x2: {ENDLESS}"):
        LinearClassifier(loss).fit(X, f > 0)
    silent(LinearClassifier(loss), X, y)


def test_one_class_of_several_is_apart():
    """The others have an optimum that the solver is still on the way to."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 4)), rng.integers(0, 4, 200)
    X[:, 3] = (y == 2) * rng.random(200)
    with pytest.warns(ConvergenceWarning, match=f"{(y == 2).sum()} of 200 samples, .* along x3: {ENDLESS}"):
        LinearClassifier().fit(X, y)


@pytest.mark.parametrize("l2", [0.0, 0.1])  # which holds no intercept
@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
def test_counts_that_are_all_zero(loss, l2):
    X, _, _ = table(200)
    with pytest.warns(ConvergenceWarning, match="200 of 200 samples, .* along the intercept: the best one is infinite"):
        LinearRegressor(loss, l2=l2).fit(X, np.zeros(200))


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_a_class_without_weight_is_named(l2):
    X, _, _ = table(200)
    y = np.array(["a", "b", "c"])[np.argmax(np.random.default_rng(1).gumbel(size=(200, 3)), axis=1)]
    rest = y != "b"
    with pytest.warns(ConvergenceWarning, match="class 'b' has no samples of positive weight: its best intercept is"):
        model = LinearClassifier(l2=l2).fit(X, y, sample_weight=rest * 1.0)
    there = silent(LinearClassifier("cross_entropy", l2=l2), X[rest], y[rest])
    np.testing.assert_allclose(model.predict_proba(X)[:, ::2], there.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize(("cuts", "along"), [([0.0], "x0"), ([-1, 1], "x0"), ([-1, -0.5, 0, 0.5, 1], "x0")], ids=str)
def test_levels_that_are_apart(cuts, along):
    """Scores and thresholds grow together for ever."""
    X = np.random.default_rng(0).normal(size=(80, 3))
    with pytest.warns(ConvergenceWarning, match=f"the classes are separated perfectly, along {along}.*: {ENDLESS}"):
        LinearClassifier("cumulative_logit").fit(X, np.digitize(X[:, 0], cuts))


def test_some_levels_are_apart():
    """All of the highest have the mark, and only these: the others have thresholds and an optimum of their own."""
    X, _, f = table(200)
    y = np.digitize(f + np.random.default_rng(1).logistic(size=200), [-1.0, 1.0])
    X = marked(X, y == 2)
    with pytest.warns(ConvergenceWarning, match=f"of 200 samples, .* along x3.*: {ENDLESS}"):
        LinearClassifier("cumulative_logit").fit(X, y)


def test_levels_that_overlap_have_an_optimum():
    X, _, f = table(200)
    y = np.digitize(f + np.random.default_rng(1).logistic(size=200), [-1.0, 1.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert LinearClassifier("cumulative_logit").fit(X * 100, y).converged_
