"""Kinked losses of several scores: their optimum is that of a linear program, and the bound below it holds."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog

import lossmith as lm
from lossmith.formula import ClassId, Real, Scores, exp, is_class, log, maximum, minimum, pick, sqrt, where
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
    assert np.isfinite(model.gap_)
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
    return total(abs(f - where(is_class(y), 1.0, 0.0)))


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


@lm.pointwise
def interval(y: Real, low: Real, high: Real):
    """The width of an interval, and how far outside a target lies."""
    return high - low + 20 * maximum(0.0, low - y) + 20 * maximum(0.0, y - high)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e3, 1e7])
def test_units_do_not_matter(table, scale):
    """A bound of coefficients much smaller than those that are sought would prove the wrong thing."""
    X, _, weight = table
    target = X @ [1.0, -2.0, 0.5] + weight
    one, other = (LinearRegressor(interval(), tol=1e-6).fit(X, target * unit) for unit in (1.0, scale))
    assert other.converged_
    assert other.objective_ / scale == pytest.approx(one.objective_, rel=3e-6)


@pytest.mark.parametrize("margin", [1e-4, 1e3])
def test_margins_are_units_too(table, margin):
    X, y, _ = table
    wide = LinearClassifier(lm.multi_margin(margin=margin), tol=1e-6).fit(X, y)
    plain = LinearClassifier(lm.multi_margin(), tol=1e-6).fit(X, y)
    assert wide.converged_
    assert wide.objective_ / margin == pytest.approx(plain.objective_, rel=3e-6)


def test_only_a_level_that_is_free_is_moved(table):
    X, y, _ = table
    two = (y > 0).astype(int)
    model = LinearClassifier(pinball_rows(), tol=1e-6).fit(X, two)
    assert pinball_rows()(two, X @ model.coef_.T + model.intercept_) == pytest.approx(model.objective_)


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
def log_exp(y: ClassId, f: Scores):
    """The hinge of several classes, but by a function that turns lines below a maximum into none."""
    return log(maximum(1.0, largest(exp(1 + f - pick(f, y)), where=~is_class(y))))


@lm.rowwise
def root(y: ClassId, f: Scores):
    """Sizes that do not look like it."""
    return total(sqrt((f - where(is_class(y), 1.0, 0.0)) ** 2))


@lm.rowwise
def hollow(y: ClassId, f: Scores):
    """Convex but for a kink that points upwards."""
    return (pick(f, y) - 1) ** 2 - maximum(0.0, pick(f, y))


@pytest.mark.parametrize("loss", [capped(), stepped(), log_exp(), root(), hollow()], ids=str)
def test_other_kinks_are_refused(table, loss):
    X, y, _ = table
    with pytest.raises(ValueError, match="no sum of max, maximum or abs"):
        LinearClassifier(loss, l2=0.1).fit(X, y)
