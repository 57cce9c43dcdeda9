"""Targets that are mostly tied, as 0 and 1, counts and zeros: what is proven of them, against linear programs."""

import numpy as np
import pytest
from scipy.optimize import linprog

import lossmith as lm
from lossmith.linear.beginning import beginning

pytestmark = pytest.mark.slow

LOSSES = {  # the loss is the largest of these (slope, height at 0) of f - y
    "quantile .4": (lm.quantile(q=0.4), ((0.6, 0), (-0.4, 0))),
    "quantile .5": (lm.quantile(q=0.5), ((0.5, 0), (-0.5, 0))),
    "quantile .6": (lm.quantile(q=0.6), ((0.4, 0), (-0.6, 0))),
    "quantile .9": (lm.quantile(q=0.9), ((0.1, 0), (-0.9, 0))),
    "absolute_error": (lm.absolute_error(), ((1, 0), (-1, 0))),
    "lq": (lm.lq(q=1.0), ((1, 0), (-1, 0))),
    "smooth_l1": (lm.smooth_l1(beta=0.0), ((1, 0), (-1, 0))),
    "epsilon_insensitive": (lm.epsilon_insensitive(epsilon=1e-7), ((1, -1e-7), (-1, -1e-7), (0, 0))),
}
EXACT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
SEEDS = (1, 5, 9, 12, 14, 16)


def step(rng, X):
    return (X[:, 0] / 2 + rng.normal(size=len(X)) > 0.1) * rng.choice([1.0, 3.0, 7.0])


def count(rng, X):
    return rng.poisson(np.exp(X[:, 0] - 0.7)).astype(float)


def inflated(rng, X):
    return np.where(rng.random(len(X)) < 0.7, 0.0, np.exp(2 * X[:, 0] + rng.normal(size=len(X))))


def dead_zone(rng, X):
    s = X[:, 0] + 0.3 * rng.normal(size=len(X))
    c = np.quantile(np.abs(s), 0.55)
    return np.where(np.abs(s) < c, 0.0, np.sign(s) * np.ceil(np.abs(s) - c))


def nearly(rng, X):
    noise = 10.0 ** rng.uniform(-9, -2) * rng.normal(size=len(X))
    return 5 + np.where(rng.random(len(X)) < 0.6, noise, X[:, 0] + rng.standard_cauchy(len(X)))


def height(lines, residuals, weight):
    return np.average(np.max([a * residuals + b for a, b in lines], axis=0), weights=weight)


def optimum(lines, X, y, weight):
    n, p = X.shape
    share = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    rows = [np.c_[np.full(n, a), a * X, -np.eye(n)] for a, _ in lines]
    most = np.concatenate([a * y - b for a, b in lines])
    bounds = [(None, None)] * (1 + p + n)
    cost = np.r_[np.zeros(1 + p), share]
    return linprog(cost, np.vstack(rows), most, bounds=bounds, method="highs-ds", options=EXACT).fun


@pytest.mark.parametrize("targets", [step, count, inflated, dead_zone, nearly])
@pytest.mark.parametrize("name", LOSSES)
def test_what_is_proven_is_true(name, targets):
    loss, lines = LOSSES[name]
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(100, 2))
        y, weight = targets(rng, X), rng.integers(1, 4, 100).astype(float) if seed % 2 else None
        best, rounding = optimum(lines, X, y, weight), 1e-9 * height(lines, np.median(y) - y, weight)
        for tol in (1e-8, 1e-7, 1e-6):
            model = lm.LinearRegressor(loss, tol=tol).fit(X, y, sample_weight=weight)
            assert model.converged_
            assert height(lines, model.predict(X) - y, weight) - best <= model.gap_ + rounding


@pytest.mark.parametrize("seed", [14, 29])
def test_whole_numbers_of_many_features_end_at_the_optimum(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(155, 29)) * (rng.random((155, 29)) < 0.3)
    y = np.round(X @ rng.normal(size=29) / 3)
    model = lm.LinearRegressor("quantile").fit(X, y)
    assert model.n_iter_ < 100
    assert model.objective_ == pytest.approx(optimum(LOSSES["quantile .5"][1], X, y, None), rel=1e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_no_share_of_ties_makes_targets_small(name):
    """A long table, a part of which tells the best constant; one target in a hundred differs."""
    y = np.where(np.arange(20_000) % 97, 0.1, 3.7)
    constant, unit, spread = beginning(LOSSES[name][0], y, None, None)
    assert abs(constant[0] - 0.1) <= 2e-7
    assert spread == pytest.approx(np.sqrt(np.mean((y - 0.1) ** 2)), rel=1e-3)
    assert 1e-2 * spread < unit <= 2 * spread
