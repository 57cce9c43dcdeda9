"""Many samples: some of them give the start and the second derivatives; the optimum is the same."""

import tracemalloc

import numpy as np
import pytest
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor

import lossmith as lm
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor, sketch, solver

pytestmark = pytest.mark.slow
N, P = 60_000, 12
CLASSES = ("binary_cross_entropy", "hinge", "squared_hinge", "cross_entropy")


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, P)) * np.geomspace(0.1, 10, P) + np.linspace(-3, 3, P)
    return X, (X - X.mean(axis=0)) @ (rng.normal(size=P) * 0.4 / np.geomspace(0.1, 10, P)), rng


def target(name):
    X, f, rng = table()
    y = {
        "binary_cross_entropy": lambda: (rng.random(N) < 1 / (1 + np.exp(-f))).astype(int),
        "poisson": lambda: rng.poisson(np.exp(f - 1)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(f) / 2),
    }.get(name, lambda: f + rng.standard_t(3, N))()
    return X, y, rng.uniform(0.2, 3, N)


def estimator(name, **options):
    return (LinearClassifier if name in CLASSES else LinearRegressor)(name, **options)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["binary_cross_entropy", "poisson", "gamma"])
def test_as_scikit_learn(name, weighted):
    X, y, weight = target(name)
    weight = weight if weighted else np.ones(N)
    model = estimator(name, l2=0.01).fit(X, y, sample_weight=weight if weighted else None)
    options = {"tol": 1e-10, "max_iter": 1000, "solver": "newton-cholesky"}
    peer = {
        "binary_cross_entropy": lambda: LogisticRegression(C=1 / (0.01 * weight.sum()), **options),
        "poisson": lambda: PoissonRegressor(alpha=0.01, **options),
        "gamma": lambda: GammaRegressor(alpha=0.01, **options),
    }[name]().fit(X, y, sample_weight=weight)
    assert model.converged_
    np.testing.assert_allclose(np.ravel(model.coef_), np.ravel(peer.coef_), rtol=2e-4, atol=2e-6)
    loss = lm.get(name)
    theirs = loss(y, X @ np.ravel(peer.coef_) + np.ravel(peer.intercept_)[0], weight=weight)
    assert model.objective_ <= theirs + 0.005 * np.sum(np.square(peer.coef_)) + 1e-12


@pytest.mark.parametrize("name", ["squared_error", "huber", "quantile", "epsilon_insensitive", "log_cosh", "hinge"])
def test_some_samples_and_all_of_them_lead_to_the_same(name, monkeypatch):
    X, y, weight = target(name)
    y = (y > 0).astype(int) if name == "hinge" else y
    few = estimator(name, l2=1e-3).fit(X, y, sample_weight=weight)
    monkeypatch.setattr(sketch, "_LEAST", 10 * N)
    every = estimator(name, l2=1e-3).fit(X, y, sample_weight=weight)
    assert few.converged_ and every.converged_
    assert few.objective_ == pytest.approx(every.objective_, rel=3e-8)
    assert few.objective_ - few.gap_ <= every.objective_ + 1e-13
    assert every.objective_ - every.gap_ <= few.objective_ + 1e-13


def test_classes(monkeypatch):
    X, f, rng = table()
    y = np.argmax(np.outer(f, [1, 0, -1, 0.5]) + rng.gumbel(size=(N, 4)), axis=1)
    few = LinearClassifier(l2=1e-3).fit(X, y)
    monkeypatch.setattr(sketch, "_LEAST", 10 * N)
    every = LinearClassifier(l2=1e-3).fit(X, y)
    assert few.converged_ and few.objective_ == pytest.approx(every.objective_, rel=3e-8)
    np.testing.assert_allclose(few.coef_, every.coef_, atol=1e-4)


@pytest.mark.parametrize("kind", ["float32", "columns", "every other row", "far from zero"])
def test_however_the_features_lie(kind):
    X, y, _ = target("huber")
    if kind == "far from zero":
        given, plain = X + 1e8, (X + 1e8) - 1e8
    elif kind == "float32":
        given = X.astype(np.float32)
        plain = given.astype(np.float64)
    elif kind == "columns":
        given, plain = np.asfortranarray(X), X
    else:
        twice = np.repeat(X, 2, axis=0)
        given, plain = twice[::2], X
    found, expected = (LinearRegressor("huber").fit(x, y) for x in (given, plain))
    assert found.converged_ and found.objective_ == pytest.approx(expected.objective_, rel=1e-9)
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-4, atol=1e-5)


SMOOTH = ("binary_cross_entropy", "poisson", "gamma", "huber", "squared_hinge", "squared_error", "cross_entropy")


@pytest.mark.parametrize(
    ("name", "dtype", "order", "columns"),
    [(name, "float32", "C", 50) for name in (*SMOOTH, "hinge", "quantile")]
    + [(name, "float32", "C", 20) for name in ("squared_hinge", "cross_entropy")]
    + [("huber", "float32", "F", 50), ("poisson", "float64", "C", 20)],
)  # fmt: skip
def test_beside_features_there_is_room_for_a_tenth_of_them(name, dtype, order, columns):
    """Of 200,000 samples, of which some are copied; of kinked losses two scores for each are kept, 8 bytes each."""
    n, rng = 200_000, np.random.default_rng(0)
    X = np.asarray(rng.random((n, columns), dtype=dtype), order=order)
    f = X[:, 0] + X[:, 1] - 1.0
    y = {
        "cross_entropy": lambda: np.argmax(np.outer(f, np.linspace(-1, 1, 10)) + rng.gumbel(size=(n, 10)), axis=1),
        "poisson": lambda: rng.poisson(np.exp(f)).astype(float),
        "gamma": lambda: rng.gamma(2.0, np.exp(f) / 2),
    }.get(name, lambda: f + rng.standard_t(3, n))()
    model = estimator(name, l2=1e-3)
    y = y if name not in CLASSES or name == "cross_entropy" else (y > 0).astype(int)
    for _ in range(2):
        model.fit(X[:40_000], y[:40_000])  # imports and kernels, and the roads of later calls
    tracemalloc.start()
    model.fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model.converged_ and peak < 0.1 * X.nbytes


@pytest.mark.parametrize("name", ["squared_error", "huber", "absolute_error"])
@pytest.mark.parametrize("many", [False, True])
def test_tolerances_are_shares_of_the_loss_at_the_optimum(name, many):
    """Of a model that explains nearly everything, too: not of what there was to explain."""
    rng, n = np.random.default_rng(0), N if many else 500
    X = rng.normal(size=(n, P))
    y = 2 * X @ rng.normal(size=P) + rng.normal(size=n)
    model = LinearRegressor(name, tol=1e-6).fit(X, y)
    best = LinearRegressor(name, tol=1e-10).fit(X, y).objective_
    assert model.converged_ and model.gap_ <= 1e-6 * best
    assert -1e-13 * best <= model.objective_ - best <= model.gap_


def test_a_rare_class_that_few_samples_do_not_show():
    X, f, _ = table()
    y = np.zeros(N, dtype=int)
    y[np.argsort(f)[-40:]] = 1
    y[:3] = 1
    model = LinearClassifier(l2=1e-4).fit(X, y)
    assert model.converged_ and model.score(X, y) > 0.999


def test_a_feature_that_is_zero_in_nearly_every_row():
    X, y, _ = target("huber")
    X[:, 3] = 0.0
    X[[5, 50_000, 59_999], 3] = [1.0, -2.0, 3.0]
    model = LinearRegressor("huber").fit(X, y)
    assert model.converged_ and model.n_iter_ < 60


def test_classes_that_are_separated():
    X, f, _ = table()
    with pytest.warns(ConvergenceWarning, match="separated perfectly"):
        model = LinearClassifier().fit(X, (f > 0).astype(int))
    assert np.isfinite(model.coef_).all() and model.score(X, (f > 0).astype(int)) > 0.999


def test_the_history_says_what_happened():
    X, y, _ = target("huber")
    model = LinearRegressor("huber").fit(X, y)
    gaps = [step.gap for step in model.history_]
    assert gaps[-1] <= 1e-8 and model.history_[-1].gradient < model.history_[0].gradient
    assert model.stopped_ == f"the objective is proven to lie within {model.gap_:.3g} of the optimum"
    assert isinstance(model.history_[0], solver.Step)


def test_several_scores_of_a_loss_that_is_not_convex(monkeypatch):
    """From a far beginning the matrix of the whole is not positive: products with second derivatives lead on."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    y = 1 + 2 * X[:, 0] + np.exp(0.5 * X[:, 1] - 1) * rng.normal(size=500)
    every = LinearRegressor("gaussian_nll", l2=1e-4).fit(X, y)
    monkeypatch.setattr(sketch, "_LEAST", 10)
    monkeypatch.setattr(solver, "_MANY", 10)  # no start from some of them
    some = LinearRegressor("gaussian_nll", l2=1e-4).fit(X, y)
    np.testing.assert_allclose(some.coef_, every.coef_, atol=1e-4)
