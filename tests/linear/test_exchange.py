"""The walk from kink to kink ends at the minimum: as a linear program says, or where no sample pulls against it."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog

from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor
from lossmith.linear.exchange import Walk


def posed(m, d, seed, *, ties=False):
    rng = np.random.default_rng(seed)
    Z = np.column_stack([np.ones(m), rng.normal(size=(m, d - 1))])
    kink = rng.normal(size=m)
    if ties:  # the same sample again and again, and kinks through which the walk begins
        Z, kink = np.round(Z), np.round(kink)
    weight = rng.uniform(0.5, 2, m)
    return Z, kink, -0.3 * weight, 0.7 * weight, 0.05 * rng.normal(size=d)


def objective(Z, kink, low, high, c, l2, d):
    beyond = Z @ d - kink
    return c @ d + d @ (l2 * d) / 2 + np.sum(np.where(beyond < 0, low, high) * beyond)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("m", "d"), [(30, 1), (60, 5), (200, 20), (400, 120)])
def test_as_a_linear_program(m, d, ties):
    Z, kink, low, high, c = posed(m, d, 0, ties=ties)
    walk = Walk(Z, kink, low, high, c, np.zeros(d))
    assert walk.run()
    dual = linprog(kink, A_eq=Z.T, b_eq=-c, bounds=np.column_stack([low, high]))
    assert dual.status == 0
    assert objective(Z, kink, low, high, c, 0.0, walk.d) == pytest.approx(-dual.fun, rel=1e-10)


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("l2", [1e-6, 0.1, 30.0])
@pytest.mark.parametrize(("m", "d"), [(120, 8), (400, 120)])
def test_with_a_penalty_no_sample_pulls_against_it(m, d, l2, free):
    Z, kink, low, high, c = posed(m, d, 1)
    penalty = np.full(d, l2)
    penalty[0] = 0.0 if free else l2
    walk = Walk(Z, kink, low, high, c, penalty)
    assert walk.run()
    assert np.abs(c + penalty * walk.d + Z.T @ walk.pulls).max() < 1e-8  # with these slopes the gradient is 0
    beyond, room = Z @ walk.d - kink, 1e-9
    assert ((walk.pulls >= low - room) & (walk.pulls <= high + room)).all()
    np.testing.assert_allclose(walk.pulls[beyond > 1e-9], high[beyond > 1e-9])
    np.testing.assert_allclose(walk.pulls[beyond < -1e-9], low[beyond < -1e-9])


def test_what_falls_forever_is_said():
    Z, kink, low, high, _ = posed(30, 3, 2)
    assert not Walk(Z, kink, low, high, np.array([1e3, 0.0, 0.0]), np.zeros(3)).run()


@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "epsilon_insensitive"])
def test_few_samples_take_few_steps(loss, l2):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_000, 20))
    model = LinearRegressor(loss, l2=l2).fit(X, X @ rng.normal(size=20) + rng.standard_t(3, 2_000))
    assert model.converged_ and model.gap_ <= 1e-12
    assert model.n_iter_ <= 15


def svm(X, y, l1):
    """The least objective of a hinge with l1, by a linear program; ``y``: -1 or 1."""
    n, p = X.shape
    cost = np.concatenate([np.full(2 * p, l1), [0.0, 0.0], np.full(n, 1 / n)])
    Z = y[:, None] * X
    margins = np.column_stack([Z, -Z, y, -y, np.eye(n)])
    return linprog(cost, A_ub=-margins, b_ub=-np.ones(n)).fun


@pytest.mark.parametrize("l1", [1e-3, 1e-2])
@pytest.mark.parametrize(("n", "p", "tables"), [(10, 10, 10), (30, 20, 5), (30, 60, 3), (100, 150, 1)])
def test_hinge_of_few_samples(n, p, tables, l1):
    """No sample near its kink says how far a step may go."""
    for seed in range(tables):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(n, p)), rng.random(n) > 0.5
        y[:2] = False, True
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = LinearClassifier("hinge", l1=l1).fit(X, y)
        best = svm(X, np.where(y, 1.0, -1.0), l1)
        assert model.converged_
        assert model.objective_ == pytest.approx(best, rel=1e-8), seed


def test_hinge_without_loss_is_about_the_shortest():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 100)), rng.random(30) > 0.5
    with pytest.warns(ConvergenceWarning, match="separated perfectly"):
        model = LinearClassifier("hinge").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="separated perfectly"):
        smooth = LinearClassifier("squared_hinge").fit(X, y)
    assert np.linalg.norm(model.coef_) < 20 * np.linalg.norm(smooth.coef_)


@pytest.mark.parametrize("loss", ["absolute_error", "quantile"])
def test_many_columns_end_at_a_vertex_too(loss):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 150)) * (rng.random((900, 150)) < 0.1)
    model = LinearRegressor(loss, l2=1e-4, tol=1e-6).fit(X, X @ rng.normal(size=150) + rng.standard_t(3, 900))
    assert model.converged_ and model.gap_ <= 1e-12
    assert model.n_iter_ <= 30  # more than 100 where none is found
