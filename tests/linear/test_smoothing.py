"""Kinked losses of several scores: their optimum is that of a linear program, and the bound below it holds."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog

import lossmith as lm
from lossmith.formula import ClassId, Real, Scores, is_class, maximum, minimum, pick, where
from lossmith.formula import max as largest
from lossmith.formula import sum as total
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor, smoothing

pytestmark = pytest.mark.slow

N, P, K = 60, 3, 3


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P))
    y = np.argmax(X @ rng.normal(size=(P, K)) + 1.5 * rng.gumbel(size=(N, K)), axis=1)
    return X, y, rng.uniform(0.5, 2, N)


def program(X, y, weight, l1, each):
    """The smallest mean loss plus l1 |W|, by HiGHS: a slack for each sample, or for each of its rival classes."""
    n, p, k = len(X), X.shape[1], int(y.max()) + 1
    pairs = [(i, c) for i in range(n) for c in range(k) if c != y[i]]
    slacks = {pair: j for j, pair in enumerate(pairs)} if each else {pair: pair[0] for pair in pairs}
    count = len(pairs) if each else n
    cost = np.zeros(2 * p * k + k + count)  # W+, W-, intercepts, slacks
    cost[: 2 * p * k] = l1
    share = weight / weight.sum()
    cost[2 * p * k + k :] = [share[i] / k for i, _ in pairs] if each else share
    rows = np.zeros((len(pairs), len(cost)))
    for row, (i, c) in zip(rows, pairs, strict=True):  # s_c - s_y + 1 <= slack
        W = np.zeros((p, k))
        W[:, c], W[:, y[i]] = X[i], -X[i]
        row[: p * k], row[p * k : 2 * p * k] = W.ravel(), -W.ravel()
        row[2 * p * k + c], row[2 * p * k + y[i]] = 1, -1
        row[2 * p * k + k + slacks[i, c]] = -1
    bounds = [(0, None)] * (2 * p * k) + [(None, None)] * k + [(0, None)] * count
    return linprog(cost, rows, -np.ones(len(pairs)), bounds=bounds, method="highs").fun


@pytest.mark.parametrize("l1", [0.0, 0.02])
@pytest.mark.parametrize("name", ["multiclass_hinge", "multi_margin"])
def test_the_optimum_is_that_of_a_linear_program(table, name, l1):
    X, y, weight = table
    model = LinearClassifier(name, l1=l1, tol=1e-7).fit(X, y, sample_weight=weight)
    best = program(X, y, weight, l1, each=name == "multi_margin")
    assert model.converged_
    assert model.objective_ - model.gap_ - 1e-9 <= best <= model.objective_ + 1e-9
    assert model.objective_ == pytest.approx(best, rel=1e-6)
    raw = X @ model.coef_.T + model.intercept_
    assert lm.get(name)(y, raw, weight=weight) + l1 * np.abs(model.coef_).sum() == pytest.approx(model.objective_)


def test_a_wrong_bound_is_noticed(table, monkeypatch):
    """Heights of the loss itself, not of lines below it: more is claimed than is so, and this test sees it."""
    X, y, weight = table
    of_width = smoothing._of_width
    monkeypatch.setattr(smoothing, "_of_width", lambda loss, width: (of_width(loss, width)[0], loss))
    model = LinearClassifier("multiclass_hinge", tol=0.3).fit(X, y, sample_weight=weight)
    assert not model.objective_ - model.gap_ - 1e-9 <= program(X, y, weight, 0.0, each=False)


def test_penalties_offsets_streams_and_the_other_solvers(table):
    X, y, weight = table
    offset = np.outer(X[:, 0], [1.0, 0.0, -1.0])
    model = LinearClassifier("multiclass_hinge", l2=0.1).fit(X, y, sample_weight=weight, offset=offset)
    wide = np.hstack([X, np.zeros((N, 1))])
    other = LinearClassifier("multiclass_hinge", l2=0.1).fit(wide, y, sample_weight=weight, offset=offset)
    assert model.converged_ and model.gap_ <= 1e-8
    np.testing.assert_allclose(other.coef_[:, :P], model.coef_, atol=1e-4)
    assert model.history_[-1].window < 1e-3 < model.history_[0].window
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        slow = LinearClassifier("multiclass_hinge", l2=0.1, solver="adam", max_iter=300, random_state=0)
        slow.fit(X, y, sample_weight=weight, offset=offset)
    assert slow.objective_ == pytest.approx(model.objective_, rel=0.02)
    LinearClassifier("multi_margin").partial_fit(X, y, classes=[0, 1, 2]).predict(X)


@lm.rowwise
def pinball_rows(y: ClassId, f: Scores):
    """An own loss: absolute errors of indicators."""
    return total(abs(f - where(y == y, 0.0, 1.0))) - abs(pick(f, y)) + abs(pick(f, y) - 1)


@lm.pointwise
def two_medians(y: Real, a: Real, b: Real):
    """Two predictions, each a median."""
    return abs(y - a) + abs(2 * y - b)


def test_own_losses_with_sizes(table):
    X, y, weight = table
    model = LinearClassifier(pinball_rows(), tol=1e-7).fit(X, y, sample_weight=weight)
    each = [LinearRegressor("absolute_error").fit(X, (y == k).astype(float), sample_weight=weight) for k in range(K)]
    assert model.converged_
    assert model.objective_ == pytest.approx(sum(one.objective_ for one in each), rel=1e-6)

    target = X @ [1.0, -2.0, 0.5] + weight
    both = LinearRegressor(two_medians(), tol=1e-7).fit(X, target)
    one = LinearRegressor("absolute_error").fit(X, target)
    assert both.converged_
    assert both.objective_ == pytest.approx(3 * one.objective_, rel=1e-6)


@lm.rowwise
def capped(y: ClassId, f: Scores):
    """Not convex: no more than 1."""
    return minimum(1.0, maximum(0.0, 1 + largest(f, where=~is_class(y)) - pick(f, y)))


@lm.rowwise
def stepped(y: ClassId, f: Scores):
    """A kink of an own making."""
    lead = largest(f) - pick(f, y)
    return where(lead > 1, 2 * lead - 1, lead)


@lm.rowwise
def hollow(y: ClassId, f: Scores):
    """Convex but for a kink that points upwards."""
    return (pick(f, y) - 1) ** 2 - maximum(0.0, pick(f, y)) + 0 * total(f)


@pytest.mark.parametrize("loss", [capped(), stepped()], ids=str)
def test_other_kinks_are_refused(table, loss):
    X, y, _ = table
    with pytest.raises(ValueError, match="kinks that are not those of max, maximum or abs"):
        LinearClassifier(loss, l2=0.1).fit(X, y)


def test_nothing_is_proven_of_what_is_not_convex(table):
    X, y, _ = table
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LinearClassifier(hollow(), l2=0.1, max_iter=60).fit(X, y)
    assert np.isnan(model.gap_) and not model.converged_
