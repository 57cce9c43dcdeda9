"""Columns that are nearly the same: the optimum has coefficients that no bound on coefficients would let it have.

The same models are told by the columns' difference, in which they are ordinary: that is the judge.
"""

import numpy as np
import pytest
from scipy.optimize import linprog

import lossmith as lm
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor
from lossmith.linear.penalty import Bound
from lossmith.linear.proof import Proof
from lossmith.linear.reach import REACH, Reach

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::lossmith.linear.ConvergenceWarning")]

REGRESSION = ["squared_error", "huber", "absolute_error", lm.quantile(q=0.1), "epsilon_insensitive"]
CLASSES = ["binary_cross_entropy", "hinge"]
LEVELS = ["cross_entropy", "cumulative_logit"]
LOSSES = [(loss, LinearRegressor) for loss in REGRESSION] + [(loss, LinearClassifier) for loss in CLASSES + LEVELS]
SOLVERS = ["gradient_descent", "sgd", "adam"]


def table(spacing, seed=0, n=200):
    """(nearly collinear columns, the same apart, what their difference explains)."""
    rng = np.random.default_rng(seed)
    a, e = rng.normal(size=(2, n))
    X = np.c_[a, a + spacing * e]
    return X, np.c_[a, (X[:, 1] - X[:, 0]) / spacing], 2 * e + rng.standard_t(3, size=n)


def target(loss, y):
    if loss in LEVELS:
        return np.digitize(y, [-1.0, 2.0])
    return y > 1 if loss in CLASSES else y


def smallest(X, y):
    """The least mean absolute error there is, by a linear program."""
    n, ones = len(y), np.ones(len(y))
    Z = np.c_[ones, X]
    cost = np.concatenate([np.zeros(Z.shape[1]), np.full(2 * n, 1 / n)])
    bounds = [(None, None)] * Z.shape[1] + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=np.c_[Z, np.eye(n), -np.eye(n)], b_eq=y, bounds=bounds).fun


@pytest.mark.parametrize("spacing", [1e-3, 1e-5, 1e-6, 1e-8])
@pytest.mark.parametrize(("loss", "model"), LOSSES, ids=lambda x: getattr(x, "name", str(x)))
def test_what_is_proven_is_true(loss, model, spacing):
    X, apart, y = table(spacing)
    y = target(loss, y)
    best, found = model(loss).fit(apart, y), model(loss).fit(X, y)
    assert found.objective_ - best.objective_ <= found.gap_ + best.gap_ + 1e-10
    if spacing >= 1e-5:
        assert found.objective_ - best.objective_ <= 1e-6


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spacing", [1e-5, 1e-6, 1e-7])
def test_least_absolute_deviations_reach_the_optimum(seed, spacing):
    X, apart, y = table(spacing, seed)
    model, best = LinearRegressor("absolute_error").fit(X, y), smallest(apart, y)
    assert model.converged_
    assert abs(model.objective_ - best) <= model.gap_ + 1e-9


@pytest.mark.parametrize("l2", [1e-14, 1e-12])
def test_penalties_too_small_to_hold_coefficients(l2):
    """A penalty of l2 on both columns is one of about l2 / (2 spacing^2) on their difference."""
    X, apart, y = table(1e-5)
    model, other = LinearRegressor("absolute_error", l2=l2).fit(X, y), LinearRegressor("absolute_error").fit(apart, y)
    w = np.array([other.coef_[0] - other.coef_[1] * 1e5, other.coef_[1] * 1e5])
    f = X @ w + np.median(y - X @ w)
    assert model.objective_ - model.gap_ <= abs(y - f).mean() + l2 / 2 * (w @ w) + 1e-9
    assert model.converged_


@pytest.mark.parametrize("loss", ["absolute_error", "hinge", "squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("degree", [8, 14])
def test_powers(loss, degree):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=300)
    X, y = x[:, None] ** np.arange(1, degree + 1), np.sin(9 * x) + 0.2 * rng.standard_t(3, size=300)
    model, y = (LinearClassifier, y > 0) if loss in CLASSES else (LinearRegressor, y)
    basis = np.linalg.qr(np.c_[np.ones(300), X])[0][:, 1:] * np.sqrt(300)
    found, best = model(loss).fit(X, y), model(loss, tol=1e-7).fit(basis, y)
    assert found.objective_ - best.objective_ <= found.gap_ + best.gap_ + 1e-8


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("loss", ["squared_error", "huber", "binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("spacing", [1e-2, 1e-3, 1e-6])
def test_slow_solvers_claim_nothing_that_is_false(solver, loss, spacing):
    X, apart, y = table(spacing)
    y, model = target(loss, y), LinearRegressor if loss in REGRESSION else LinearClassifier
    found = model(loss, solver=solver, tol=1e-4, max_iter=60, random_state=0).fit(X, y)
    best = model(loss).fit(apart, y)
    assert found.objective_ - best.objective_ <= found.gap_ + best.gap_
    assert not found.converged_ and "proven" not in found.stopped_


def test_years_and_their_powers():
    rng = np.random.default_rng(0)
    year = rng.integers(1990, 2021, 300).astype(float)
    y = np.cos((year - 1990) / 5) + 0.3 * rng.standard_t(3, size=300) > 0
    found = LinearClassifier(solver="gradient_descent", tol=1e-3, max_iter=200).fit(np.c_[year, year**2, year**3], y)
    t = (year - 2005) / 10
    best = LinearClassifier().fit(np.c_[t, t**2, t**3], y)
    assert found.objective_ - best.objective_ <= found.gap_


def test_collinear_columns_are_no_trouble():
    """Their difference is rounding, and asks for no coefficients."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    X, y = np.c_[X, X[:, 0] + X[:, 1]], X @ [1.0, 2.0, 0.0] + rng.standard_t(3, size=300)
    for loss in ("huber", "squared_error", "absolute_error"):
        model = LinearRegressor(loss).fit(X, y)
        assert model.converged_ and abs(model.coef_).max() < 10


@pytest.mark.parametrize("columns", [[0, 1], [0, 1, 1], [0, 1, 2]])
def test_reach_is_told_by_scores(columns):
    """No move of the scores that is within reach gains more than what the gradient is said to be worth."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    X[:, 2] = X[:, 1] + 1e-3 * X[:, 2]
    moves = np.c_[np.ones(50), X[:, columns]] / np.sqrt(50)
    reach, theta = Reach(moves, 1e-13, 1.0), rng.normal(size=(moves.shape[1], 1))
    slope = moves.T @ rng.normal(size=(50, 1))
    d = -np.linalg.pinv(moves.T @ moves) @ slope
    d *= REACH * reach.size(theta) / np.linalg.norm(moves @ d)
    assert reach.worth(slope, theta) == pytest.approx(-float((slope * d).sum()), rel=1e-6)


def test_a_bound_that_is_refuted_proves_nothing():
    proof = Proof()
    proof.learn(Bound(lower=2.0, stationarity=0.0, subgradient=0.0, size=1.0))
    assert proof.gap(2.5, 1.0) == 0.5
    assert proof.gap(2.0 - 1e-12, 1.0) == 0.0  # rounding
    assert proof.gap(1.5, 1.0) == np.inf
    proof.learn(Bound(lower=1.0, stationarity=0.0, subgradient=0.0, size=1.5))
    proof.learn(Bound(lower=0.0, stationarity=0.0, subgradient=0.0, size=10.0))  # so far the others do not reach
    assert proof.gap(1.5, 1.0) == 1.5


def test_where_nothing_is_proven_a_warning_says_so():
    X, _, y = table(1e-3)
    with pytest.warns(ConvergenceWarning, match="before reaching tol"):
        LinearRegressor(solver="gradient_descent", tol=1e-4, max_iter=50).fit(X, y)
