"""The solver against closed forms, linear programs and scikit-learn; and its certificate against the truth."""

import numpy as np
import pytest
from scipy.optimize import linprog, minimize
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import (
    GammaRegressor,
    Lasso,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.svm import SVC

import lossmith as lm
from lossmith.formula import Positive, Real, maximum, where
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor
from lossmith.linear.convexity import looks_convex

pytestmark = pytest.mark.slow

SCALES = np.array([1.0, 10.0, 0.1, 1.0, 1e3, 1e-2])


def table(n=200, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.resize(SCALES, p) + 5.0
    y = X @ (rng.normal(size=p) / np.resize(SCALES, p)) + rng.standard_t(3, size=n)
    return X, y


def classes(seed=0):
    X, y = table(seed=seed)
    rng = np.random.default_rng(seed + 1)
    flip = rng.random(len(y)) < 0.15
    return X, ((y > np.median(y)) ^ flip).astype(int)


def objective(model, loss, X, y, l2=0.0, l1=0.0, weight=None):
    w = np.ravel(model.coef_)
    raw = X @ w + np.ravel(model.intercept_)[0]
    return loss(y, raw, weight=weight) + l2 / 2 * w @ w + l1 * np.abs(w).sum()


def test_least_squares():
    X, y = table()
    model = LinearRegressor().fit(X, y)
    truth = np.linalg.lstsq(np.column_stack([np.ones(len(X)), X]), y, rcond=None)[0]
    np.testing.assert_allclose(np.r_[model.intercept_, model.coef_], truth, rtol=1e-8)
    assert model.converged_
    assert model.gap_ <= 1e-8 * np.mean((y - y.mean()) ** 2)


def test_penalties_are_on_the_original_scale():
    X, y = table()
    ridge = LinearRegressor(l2=0.3).fit(X, y)
    peer = Ridge(alpha=0.3 / 2 * len(y), tol=1e-14).fit(X, y)
    np.testing.assert_allclose(ridge.coef_, peer.coef_, rtol=1e-7, atol=1e-10)
    lasso = LinearRegressor(l1=0.2).fit(X, y)
    peer = Lasso(alpha=0.1, tol=1e-14, max_iter=100000).fit(X, y)
    np.testing.assert_allclose(lasso.coef_, peer.coef_, rtol=1e-6, atol=1e-9)
    assert ((lasso.coef_ == 0) == (peer.coef_ == 0)).all()
    assert (lasso.coef_ == 0).any()


@pytest.mark.parametrize(
    ("loss", "peer"),
    [
        (lm.get("poisson"), PoissonRegressor),
        (lm.get("gamma"), GammaRegressor),
        (lm.get("tweedie", power=1.5), lambda **k: TweedieRegressor(power=1.5, link="log", **k)),
    ],
    ids=["poisson", "gamma", "tweedie"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_generalised_linear_models(loss, peer, weighted):
    X, y = table()
    rng = np.random.default_rng(2)
    X = X / SCALES
    y = np.exp((y - y.mean()) / y.std()) + 0.01
    weight = rng.uniform(0.1, 3, size=len(y)) if weighted else None
    model = LinearRegressor(loss, l2=0.1).fit(X, y, sample_weight=weight)
    other = peer(alpha=0.1, tol=1e-12, max_iter=5000, solver="newton-cholesky").fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model.predict(X), other.predict(X), rtol=1e-6)


def test_logistic():
    X, y = classes()
    X = X / SCALES
    model = LinearClassifier(l2=0.05).fit(X, y)
    peer = LogisticRegression(C=1 / (0.05 * len(y)), tol=1e-12, max_iter=10000, solver="newton-cholesky").fit(X, y)
    np.testing.assert_allclose(model.coef_, peer.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("l1", [0.0, 0.02])
def test_softmax(l1):
    X, y = table()
    X = X / SCALES
    y = np.digitize(y, np.quantile(y, [0.3, 0.7]))
    model = LinearClassifier(l2=0.05, l1=l1).fit(X, y)
    if l1 == 0:
        Z, rows = np.column_stack([np.ones(len(X)), X]), np.eye(3)[y]

        def softmax(theta):
            theta = theta.reshape(7, 3)
            f = Z @ theta
            p = np.exp(f - f.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            slope = Z.T @ (p - rows) / len(y) + 0.05 * theta * (np.arange(7) > 0)[:, None]
            return -np.mean(np.log(p[rows == 1])) + 0.025 * np.sum(theta[1:] ** 2), slope.ravel()

        peer = minimize(softmax, np.zeros(21), jac=True, tol=1e-9)
        assert model.objective_ == pytest.approx(peer.fun, abs=1e-10)
        np.testing.assert_allclose(model.coef_, peer.x.reshape(7, 3)[1:].T, atol=1e-6)
        np.testing.assert_allclose(model.coef_.sum(axis=0), 0, atol=1e-8)
    else:
        assert (model.coef_ == 0).any()
    assert model.converged_


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(1e-3, 1e-3), (1e-2, 0.0), (1e-4, 0.0)])
def test_softmax_under_l1_takes_a_few_steps(l1, l2, scaled):
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0) if scaled else X
    model = LinearClassifier(l1=l1, l2=l2).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 40
    Z, rows = np.column_stack([X, -X, np.ones(len(X))]), np.eye(3)[y]  # coefficients as differences of positive ones

    def parts(theta):
        theta = theta.reshape(9, 3)
        f = Z @ theta
        p = np.exp(f - f.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        slope = Z.T @ (p - rows) / len(y)
        slope[:8] += l1 + l2 * theta[:8]
        return -np.mean(np.log(p[rows == 1])) + l2 / 2 * np.sum(theta[:8] ** 2) + l1 * theta[:8].sum(), slope.ravel()

    w = model.coef_.T
    here = np.concatenate([np.maximum(w, 0), np.maximum(-w, 0), model.intercept_[None]]).ravel()
    bounds = [(0, None)] * 24 + [(None, None)] * 3
    peer = minimize(parts, here, jac=True, bounds=bounds, options={"ftol": 0.0, "gtol": 1e-12, "maxiter": 5000})
    assert model.objective_ == pytest.approx(parts(here)[0], rel=1e-12)
    assert model.objective_ - peer.fun <= model.gap_ + 1e-13


def quantile_program(X, y, q, l1=0.0, weight=None):
    """min mean of q u + (1 - q) v + l1 (a + b) with X (a - b) + c + u - v = y, all but c at least 0."""
    n, p = X.shape
    w = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    cost = np.r_[np.full(2 * p, l1), 0.0, q * w, (1 - q) * w]
    A = np.hstack([X, -X, np.ones((n, 1)), np.eye(n), -np.eye(n)])
    bounds = [(0, None)] * (2 * p) + [(None, None)] + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=A, b_eq=y, bounds=bounds).fun


@pytest.mark.parametrize("q", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize("weighted", [False, True])
def test_quantile_is_the_optimum_of_the_linear_program(q, l1, weighted):
    X, y = table(80)
    X = X / SCALES
    weight = np.random.default_rng(5).uniform(0.1, 2, size=len(y)) if weighted else None
    loss = lm.get("quantile", q=q)
    model = LinearRegressor(loss, l1=l1).fit(X, y, sample_weight=weight)
    best = quantile_program(X, y, q, l1, weight)
    found = objective(model, loss, X, y, l1=l1, weight=weight)
    assert found == pytest.approx(model.objective_, rel=1e-12)
    assert found - best <= 1e-8
    assert found - best <= model.gap_ + 1e-10
    if not weighted and l1:
        np.testing.assert_allclose(model.coef_, QuantileRegressor(quantile=q, alpha=l1).fit(X, y).coef_, atol=1e-5)


@pytest.mark.parametrize(("n", "p"), [(7, 40), (20, 40), (50, 60)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_l1_alone_tells_which_of_many_exact_fits_is_best(n, p, seed):
    """Coefficients are on kinks, at 0, and leave them, as samples do: windows tell nothing of a penalty so small."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X[:, 0] + rng.standard_t(1.5, size=n) / 2
    model = LinearRegressor(lm.quantile(q=0.5), l1=1e-6).fit(X, y)
    assert model.converged_ and model.n_iter_ <= 100
    assert model.objective_ == pytest.approx(quantile_program(X, y, 0.5, 1e-6), rel=1e-4)


def test_kinks_end_at_a_vertex():
    X, y = table(101, 4)
    model = LinearRegressor("absolute_error").fit(X, y)
    residuals = np.abs(y - model.predict(X))
    assert (residuals < 1e-9).sum() == 5  # as many as coefficients
    assert model.gap_ < 1e-8


def test_hinge_is_the_support_vector_machine():
    X, y = classes()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    l2 = 0.01
    loss = lm.get("hinge")
    model = LinearClassifier(loss, l2=l2).fit(X, y)
    peer = SVC(kernel="linear", C=1 / (l2 * len(y)), tol=1e-10).fit(X, y)
    mine, its = (objective(m, loss, X, y, l2=l2) for m in (model, peer))
    assert mine <= its + 1e-9
    assert its - mine <= model.gap_ + 1e-6
    np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-4)


@pytest.mark.parametrize("loss", ["huber", "log_cosh", "pseudo_huber", "expectile"])
def test_smooth_losses_reach_what_a_general_optimiser_reaches(loss):
    X, y = table()
    X = X / SCALES
    loss = lm.get(loss)
    model = LinearRegressor(loss).fit(X, y)
    Z = np.column_stack([np.ones(len(X)), X])
    start = np.zeros(Z.shape[1])
    peer = minimize(lambda t: loss(y, Z @ t), start, jac=lambda t: Z.T @ loss.gradient(y, Z @ t), tol=1e-12)
    assert model.objective_ <= peer.fun + 1e-10
    np.testing.assert_allclose(np.r_[model.intercept_, model.coef_], peer.x, atol=1e-4)


def test_a_loss_of_ones_own_with_a_kink():
    from lossmith.formula import Real, where

    @lm.pointwise
    def stockout(y: Real, f: Real):
        """Too little costs three times the error, too much its square root's square."""
        r = f - y
        return where(r < 0, -3 * r, r + r**2 / 10)

    X, y = table()
    X = X / SCALES
    model = LinearRegressor(stockout()).fit(X, y)
    assert model.converged_
    rng = np.random.default_rng(0)
    theta = np.r_[model.intercept_, model.coef_]
    for size in (1e-6, 1e-4, 1e-2):
        for _ in range(50):
            other = theta + size * rng.normal(size=len(theta))
            assert stockout()(y, X @ other[1:] + other[0]) >= model.objective_ - model.gap_ - 1e-12


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize(("shift", "scale"), [(1e6, 1.0), (-1e9, 1.0), (0.0, 1e-6), (0.0, 1e6)])
def test_shift_and_scale_of_the_target(loss, shift, scale):
    X, y = table()
    plain, moved = lm.get(loss), lm.get(loss, **({"delta": scale} if loss == "huber" else {}))
    a = LinearRegressor(plain).fit(X, y)
    b = LinearRegressor(moved).fit(X, y * scale + shift)
    tolerance = 1e-5 if abs(shift) > 1e8 else 1e-7
    np.testing.assert_allclose(b.coef_ / scale, a.coef_, rtol=tolerance, atol=tolerance * np.abs(a.coef_).max())
    assert b.converged_


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson"])
def test_weights_are_repetitions(loss):
    X, y = table(60, 3)
    y = np.abs(y)
    counts = np.random.default_rng(3).integers(0, 4, size=len(y))
    a = LinearRegressor(loss, l2=0.01).fit(X, y, sample_weight=counts)
    b = LinearRegressor(loss, l2=0.01).fit(X.repeat(counts, axis=0), y.repeat(counts))
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_constant_and_collinear_columns(loss):
    X, y = table()
    wide = np.column_stack([X, np.full(len(X), 3.7), X[:, 0] + 2 * X[:, 1], X[:, 0]])
    a, b = LinearRegressor(loss).fit(X, y), LinearRegressor(loss).fit(wide, y)
    assert np.isfinite(b.coef_).all()
    assert b.coef_[6] == 0
    assert b.objective_ == pytest.approx(a.objective_, rel=1e-8)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_more_features_than_samples(loss):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 50)), rng.normal(size=20)
    model = LinearRegressor(loss).fit(X, y)
    np.testing.assert_allclose(model.predict(X), y, atol=1e-6)


@pytest.mark.parametrize("penalty", [{"l2": 0.01}, {"l1": 0.05}])
def test_many_features(penalty):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 800))
    y = X[:, :5].sum(axis=1) + rng.normal(size=150)
    model = LinearRegressor("huber", **penalty).fit(X, y)
    assert model.converged_
    assert ("l1" in penalty) == ((model.coef_ == 0).mean() > 0.5)


@pytest.mark.parametrize("loss", ["binary_cross_entropy", "hinge", "squared_hinge", "exponential"])
def test_separated_classes_give_a_finite_answer_and_a_message(loss):
    X = np.arange(20.0)[:, None]
    y = (X[:, 0] > 9).astype(int)
    with pytest.warns(ConvergenceWarning, match="separated"):
        model = LinearClassifier(loss).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) == 1


def test_stopping_early_is_said():
    X, y = table(5_000)
    with pytest.warns(ConvergenceWarning, match="proven to lie within"):
        model = LinearRegressor("absolute_error", max_iter=3).fit(X, y)
    assert not model.converged_
    best = LinearRegressor("absolute_error").fit(X, y).objective_
    assert 0 < model.objective_ - best <= model.gap_
    assert model.history_[-1].iteration == model.n_iter_ == 3


def test_several_predictions():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    y = 1 + 2 * X[:, 0] + np.exp(0.5 * X[:, 1] - 1) * rng.normal(size=500)
    model = LinearRegressor("gaussian_nll", l2=1e-4).fit(X, y)
    np.testing.assert_allclose(model.coef_, [[2, 0], [0, 0.5]], atol=0.1)
    np.testing.assert_allclose(model.predict(X)[:, 1], np.exp(model.raw_scores(X)[:, 1]))
    assert np.isnan(model.gap_)  # not convex in mean and log-scale together


@pytest.mark.parametrize("name", ["brier", "focal"])
def test_nothing_is_proven_where_the_loss_is_not_convex(name):
    X, y = classes()
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    model = LinearClassifier(name, l2=1e-3).fit(X, y)
    assert np.isnan(model.gap_)
    assert model.converged_
    slope = lm.get(name).gradient(y, model.decision_function(X), reduction="none") @ X / len(y)
    np.testing.assert_allclose(slope + 1e-3 * model.coef_[0], 0, atol=1e-8)


@pytest.mark.parametrize("name", ["quantile", "hinge"])
def test_many_kinks_and_a_small_penalty_end_on_a_proven_vertex(name):
    """Nearly as many samples lie on their kinks as there are coefficients, and which ones has to be found."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 50))
    f = X @ (0.3 * rng.normal(size=50))
    if name == "hinge":
        model = LinearClassifier(name, l2=1e-4, tol=1e-11).fit(X, rng.random(2000) < 1 / (1 + np.exp(-f)))
    else:
        model = LinearRegressor(name, l2=1e-4, tol=1e-11).fit(X, f + rng.standard_t(3, 2000))
    assert model.converged_ and model.gap_ <= 1e-11 * model.objective_
    assert model.n_iter_ < 150


def test_a_long_valley_of_a_loss_that_is_not_convex_is_followed_to_its_end():
    """Gradients in it grow and shrink while the objective falls; 4.4397012615 is what SciPy's BFGS comes to."""
    X, y = load_diabetes(return_X_y=True)
    model = LinearRegressor("gaussian_nll").fit(X, y)
    assert model.converged_ and model.objective_ == pytest.approx(4.4397012615363, abs=1e-9)


@lm.pointwise
def tube(y: Real, f: Real):
    """Free within 1."""
    return maximum(abs(f - y) - 1, 0)


@pytest.mark.parametrize(
    "loss", [tube(), *(lm.epsilon_insensitive(epsilon=e) for e in (0.25, 0.5, 1.0, 2.0, 3.0))], ids=repr
)
@pytest.mark.parametrize("shift", [0.0, 0.5, 100.0])
@pytest.mark.parametrize("seed", range(3))
def test_kinks_that_targets_on_a_grid_lie_on_are_convex(loss, shift, seed):
    """Scores that come to a kink by two roads lie a rounding apart, and chords between them say nothing."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(200, 3)))
    y = np.round(X @ [1.0, 1.0, 0.0] + 1.5 * rng.normal(size=200)) + shift
    model = LinearRegressor(loss).fit(X, y)
    assert model.converged_ and model.gap_ <= 1e-8 * max(model.objective_, 1.0)


@pytest.mark.parametrize("jump", [1e-3, 1.0])
def test_a_jump_at_a_target_is_still_seen(jump):
    @lm.pointwise
    def stepped(y: Real, f: Real, *, height: Positive = 1.0):
        """A tube with a step at its end."""
        return maximum(abs(f - y) - 1, 0) + where(abs(f - y) > 1, height, 0.0)

    y = np.round(np.random.default_rng(0).normal(size=100))
    assert not looks_convex(stepped(height=jump), y, np.zeros(1), 1.0)


@pytest.mark.parametrize("l2", [1e-5, 1e-7, 1e-9])
def test_levels_that_few_samples_have_end_on_their_kinks(l2):
    """What next to no penalty holds goes as far as the few samples that have it, which no window holds before."""
    rng = np.random.default_rng(0)
    n, levels = 1500, 25
    share = 1 / np.arange(1, levels + 1) ** 2
    columns = [rng.normal(size=(n, 5))]
    y = columns[0] @ [1.0, -1.0, 2.0, 0.0, 0.0] + rng.standard_t(2, n)
    for _ in range(4):
        level = rng.choice(levels, n, p=share / share.sum())
        columns.append(level[:, None] == np.unique(level)[1:])
        y += 3 * rng.normal(size=levels)[level]
    X = np.column_stack(columns).astype(float)
    model = LinearRegressor("absolute_error", l2=l2, tol=1e-6).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    assert model.converged_ and model.n_iter_ < 120
