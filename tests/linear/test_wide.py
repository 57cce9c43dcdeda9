"""More features than samples, and many: Newton's steps by a system of as many equations as samples."""

import numpy as np
import pytest
import scipy.sparse as sp

import lossmith as lm
from lossmith.linear import LinearClassifier, LinearRegressor
from lossmith.linear.design import Design
from lossmith.linear.problem import Problem
from lossmith.linear.wide import Wide

pytestmark = pytest.mark.slow


def table(n=100, p=700, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.exp(2 * rng.normal(size=p))
    return X, X[:, 0] / X[:, 0].std(), rng


@pytest.mark.parametrize(("l2", "ridge"), [(1e-3, 0.0), (1.0, 1e-3), (0.0, 1e-6)])
def test_a_direction_is_newtons(l2, ridge):
    X, y, rng = table(20, 30)
    weight, bend = rng.uniform(0.5, 2.0, 20), rng.uniform(0.0, 2.0, 20) * (np.arange(20) % 3 > 0)
    problem = Problem(lm.huber(), Design(X, weight), y, weight, l2, 0.0, 1.0)
    g = problem.pull(rng.normal(size=20))[:, 0] + problem.l2
    H = problem.gram(bend) + np.diag(problem.l2 + ridge)
    np.testing.assert_allclose(H @ Wide(problem).direction(bend, g, ridge), -g, atol=1e-6 * np.abs(g).max())


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("loss", ["poisson", "huber", "absolute_error", "binary_cross_entropy"])
def test_a_few_steps_lead_to_the_optimum(loss, make):
    """By conjugate gradients they were hundreds, or never came there."""
    X, f, rng = table()
    y = {"poisson": rng.poisson(np.exp(f)), "binary_cross_entropy": f + rng.logistic(size=100) > 0}
    make_model = LinearClassifier if loss == "binary_cross_entropy" else LinearRegressor
    model = make_model(loss, l2=1e-3).fit(make(X), y.get(loss, f + rng.normal(size=100)))
    assert model.converged_ and model.n_iter_ <= 40


def test_coefficients_of_no_penalty_are_the_shortest():
    X, f, rng = table(60)
    X /= X.std(axis=0)
    y = f + rng.normal(size=60)
    model = LinearRegressor("huber").fit(X, y)
    Z = X - X.mean(axis=0)
    Z /= Z.std(axis=0)
    shortest = np.linalg.lstsq(Z, y - y.mean(), rcond=None)[0]
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), shortest, atol=1e-3)
