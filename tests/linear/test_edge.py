"""Losses of scores on one side of an edge, such as Poisson's of a mean: the optimum may have scores at the edge."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize

import lossmith as lm
from lossmith.linear import ConvergenceWarning, LinearRegressor

pytestmark = pytest.mark.slow

X, Y = np.arange(10.0)[:, None], np.array([0.0, 0, 1, 0, 2, 1, 3, 2, 4, 3])
POISSON = lm.poisson(log_input=False)


def counts(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 2))
    return X, rng.poisson(np.exp(0.5 * X[:, 0]))


def constrained(X, y, weight, offset, l2):
    """The least objective of a Poisson loss of the mean, by a solver with constraints."""
    Z = np.column_stack([np.ones(len(X)), X])

    def objective(theta):
        f = Z @ theta + offset
        each = f - np.where(y > 0, y * np.log(np.maximum(f, 1e-300)), 0.0)
        return np.average(each, weights=weight) + l2 / 2 * theta[1:] @ theta[1:]

    inside = {"type": "ineq", "fun": lambda theta: Z @ theta + offset}
    begin = np.append(y.mean() + 1.0, np.zeros(X.shape[1]))
    return minimize(objective, begin, constraints=[inside], method="SLSQP", options={"ftol": 1e-15}).fun


@pytest.mark.parametrize(
    ("X", "y", "options"),
    [
        (X, Y, {}),
        (X, Y, {"weight": np.arange(1.0, 11.0)}),
        (X, Y, {"offset": np.linspace(0.0, -1.0, 10)}),
        (X, Y, {"l2": 0.1}),
        (*counts(2), {}),
        (*counts(3), {}),
        (X, 0 * Y, {}),
    ],
)
def test_an_optimum_at_the_edge_is_found_and_proven(X, y, options):
    l2, weight, offset = (options.get(name) for name in ("l2", "weight", "offset"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearRegressor(POISSON, l2=l2 or 0.0).fit(X, y, sample_weight=weight, offset=offset)
    best = constrained(X, y, weight, np.zeros(len(y)) if offset is None else offset, l2 or 0.0)
    size = np.abs(POISSON(y, model.raw_scores(X, offset), weight=weight, reduction="none")).mean()
    assert model.objective_ == pytest.approx(best, abs=1e-6)
    assert 0 <= model.gap_ <= 1e-8 * max(size, 1.0)


@pytest.mark.parametrize("power", [1.5, 1.9])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_loss_that_pulls_into_the_edge_says_what_keeps_predictions_inside(power, seed):
    X, y = counts(seed)
    with pytest.warns(ConvergenceWarning, match=r"at the edge of .*: tweedie\(log_input=True\) keeps them inside"):
        model = LinearRegressor(lm.tweedie(power=power, log_input=False)).fit(X, y)
    assert np.isfinite(model.objective_)
    assert model.predict(X).min() >= 0


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("power", [1.2, 1.5])
@pytest.mark.parametrize("l1", [1e-3, 1e-2, 1e-1])
def test_with_an_l1_penalty_too_no_prediction_lands_outside(power, l1):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 10))
    y = rng.poisson(np.exp(0.7 * X[:, 0] + 0.3)).astype(float)
    model = LinearRegressor(lm.tweedie(power=power, log_input=False), l1=l1).fit(X, y)
    assert np.isfinite(model.objective_)
    assert model.predict(X).min() >= 0
