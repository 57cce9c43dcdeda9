"""Ordered levels: thresholds learned with the coefficients, against statsmodels on real tables and SciPy on others."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import clone
from statsmodels.miscmodels.ordinal_model import OrderedModel

import lossmith as lm
from lossmith.formula import Cuts, Level, Positive, Real, expm1, log, pick, softplus, where
from lossmith.linear import ConvergenceWarning, LinearClassifier
from tables.loaders import load

pytestmark = pytest.mark.slow


def made(n=400, levels=4, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) * [1.0, 20.0, 0.1] + [0.0, 500.0, -3.0]
    hidden = X @ [1.0, -0.05, 5.0] + rng.logistic(size=n)
    return X, np.digitize(hidden, np.quantile(hidden, np.linspace(0.1, 0.8, levels - 1))), rng.uniform(0.2, 2.0, n)


@pytest.mark.parametrize("key", ["wine_ord", "WVS", "BankWages"])
def test_statsmodels_agrees_on_real_tables(key):
    X, y = load(key)
    X = np.asarray(X, dtype=float)
    X = X[:, [np.linalg.matrix_rank(X[:, : j + 1] - X[:, : j + 1].mean(axis=0)) == np.linalg.matrix_rank(
        X[:, :j] - X[:, :j].mean(axis=0)) + 1 if j else X[:, 0].std() > 0 for j in range(X.shape[1])]]  # fmt: skip
    _, code = np.unique(np.asarray(y).astype(str), return_inverse=True)
    ours = LinearClassifier(loss="cumulative_logit").fit(X, code)
    scale = X.std(axis=0)
    theirs = OrderedModel(code, X / scale, distr="logit").fit(method="bfgs", disp=0, maxiter=2000, gtol=1e-8)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict(), atol=1e-5)
    np.testing.assert_allclose(ours.coef_[0] * scale, theirs.params[: X.shape[1]], rtol=1e-4, atol=1e-5)
    thresholds = theirs.model.transform_threshold_params(theirs.params)[1:-1]
    np.testing.assert_allclose(ours.thresholds_, thresholds, rtol=1e-4, atol=1e-4)
    assert ours.objective_ * len(code) <= -theirs.llf + 1e-6
    assert ours.converged_ and 0 <= ours.gap_ <= 1e-8 * ours.objective_


def objective(X, y, weight, l2, offset):
    """Written anew: thresholds as a first one and the logarithms of steps."""
    k = y.max()

    def value(u):
        cuts = np.cumsum(np.concatenate([u[:1], np.exp(u[1:k])]))
        f = X @ u[k:] + offset
        ends = np.concatenate([[-np.inf], cuts, [np.inf]])
        p = expit(ends[y + 1] - f) - expit(ends[y] - f)
        with np.errstate(divide="ignore"):
            return -np.average(np.log(p), weights=weight) + l2 / 2 * u[k:] @ u[k:]

    return value


@pytest.mark.parametrize("levels", [2, 3, 6])
def test_the_stated_objective_is_minimised(levels):
    X, y, weight = made(levels=levels)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    offset = np.sin(np.arange(len(y)))
    model = LinearClassifier(loss="cumulative_logit", l2=0.05).fit(X, y, sample_weight=weight, offset=offset)
    stated = objective(X, y, weight, 0.05, offset)
    best = minimize(stated, np.zeros(levels - 1 + 3), method="BFGS", options={"gtol": 1e-9})
    assert model.objective_ == pytest.approx(best.fun, abs=1e-9)
    np.testing.assert_allclose(model.coef_[0], best.x[levels - 1 :], atol=1e-5)
    u = np.concatenate([model.thresholds_[:1], np.log(np.diff(model.thresholds_)), model.coef_[0]])
    assert stated(u) == pytest.approx(model.objective_, abs=1e-12)
    assert model.objective_ - model.gap_ <= best.fun


def test_two_levels_are_the_logistic_model():
    X, y, _ = made(levels=2)
    ours, logistic = LinearClassifier(loss="cumulative_logit", l2=0.1).fit(X, y), LinearClassifier(l2=0.1).fit(X, y)
    np.testing.assert_allclose(ours.coef_, logistic.coef_, atol=1e-7)
    np.testing.assert_allclose(ours.thresholds_, -logistic.intercept_, rtol=1e-7)
    np.testing.assert_allclose(ours.predict_proba(X), logistic.predict_proba(X), atol=1e-8)
    np.testing.assert_allclose(ours.decision_function(X), logistic.decision_function(X), atol=1e-6)


def test_lasso_reaches_its_conditions():
    X, y, weight = made(levels=5)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    X = np.hstack([X, np.random.default_rng(1).normal(size=(len(y), 20))])
    model = LinearClassifier(loss="cumulative_logit", l1=0.05).fit(X, y, sample_weight=weight)
    slope = model.loss_.gradient(y, X @ model.coef_[0], weight=weight, reduction="none") @ X / weight.sum()
    w = model.coef_[0]
    assert 0 < np.count_nonzero(w) < 15
    np.testing.assert_allclose(slope[w != 0], -0.05 * np.sign(w[w != 0]), atol=1e-7)
    assert (np.abs(slope[w == 0]) <= 0.05 + 1e-9).all()


def test_more_features_than_are_solved_for_at_once():
    X, y, _ = made(n=300, levels=3)
    X = np.hstack([X - X.mean(axis=0), np.random.default_rng(2).normal(size=(300, 700))])
    ridge = LinearClassifier(loss="cumulative_logit", l2=0.5).fit(X, y)
    slope = ridge.loss_.gradient(y, X @ ridge.coef_[0], reduction="none") @ X / len(y)
    np.testing.assert_allclose(slope, -0.5 * ridge.coef_[0], atol=1e-6)
    lasso = LinearClassifier(loss="cumulative_logit", l1=0.1).fit(X, y)
    slope = lasso.loss_.gradient(y, X @ lasso.coef_[0], reduction="none") @ X / len(y)
    assert (np.abs(slope) <= 0.1 + 1e-7).all() and np.count_nonzero(lasso.coef_) < 30


def test_what_a_fit_gives():
    X, y, _ = made()
    model = LinearClassifier(loss="cumulative_logit").fit(X, y)
    p = model.predict_proba(X)
    assert p.shape == (len(y), 4) and np.allclose(p.sum(axis=1), 1)
    assert np.array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    np.testing.assert_allclose(np.exp(model.decision_function(X)), p, rtol=1e-12)
    assert model.raw_scores(X).shape == (len(y),) and (np.diff(model.thresholds_) > 0).all()
    assert model.loss_.params["thresholds"] == tuple(model.thresholds_)
    assert model.loss_(y, model.raw_scores(X)) == pytest.approx(model.objective_, rel=1e-12)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(X), p) and clone(model).get_params()["loss"] == "cumulative_logit"
    easier = model.path(X, y, [0.1, 0.001, 1.0], vary="l2")
    assert np.all(np.diff(np.abs(easier.coefficients[[2, 0, 1]][:, 0, 0])) > 0)
    for each, l2 in zip(easier, easier.penalties, strict=True):
        alone = LinearClassifier(loss="cumulative_logit", l2=l2).fit(X, y)
        np.testing.assert_allclose(each.predict_proba(X), alone.predict_proba(X), atol=1e-6)


def test_the_order_of_levels():
    X, y, _ = made(levels=3)
    names = np.array(["low", "middle", "high"])
    right = LinearClassifier(loss="cumulative_logit").fit(X, y)
    known = pd.Series(pd.Categorical(names[y], categories=["none", "low", "middle", "high"], ordered=True))
    by_pandas = LinearClassifier(loss="cumulative_logit").fit(X, known)
    by_labels = LinearClassifier(loss=lm.cumulative_logit(labels=("low", "middle", "high"))).fit(X, names[y])
    for model in (by_pandas, by_labels):
        assert model.classes_.tolist() == names.tolist()
        np.testing.assert_allclose(model.thresholds_, right.thresholds_, rtol=1e-9)
        assert np.array_equal(model.predict(X), names[right.predict(X)])
    sorted_by_name = LinearClassifier(loss="cumulative_logit").fit(X, names[y])
    assert sorted_by_name.classes_.tolist() == ["high", "low", "middle"]
    assert sorted_by_name.objective_ > right.objective_ + 0.1
    five = lm.cumulative_logit(labels=tuple("abcde"))
    assert LinearClassifier(loss=five).fit(*made(levels=5)[:1], np.array(list("abcde"))[made(levels=5)[1]]).converged_


@pytest.mark.parametrize("column", [
    lambda names, order: pd.Categorical(names, order, ordered=True),
    lambda names, order: pd.Series(pd.Categorical(names, order, ordered=True)),
    lambda names, order: pd.DataFrame({"y": pd.Categorical(names, order, ordered=True)}),
    lambda names, order: pl.Series(names, dtype=pl.Enum(order)),
    lambda names, order: pl.DataFrame({"y": pl.Series(names, dtype=pl.Enum(order))}),
], ids=["Categorical", "pandas", "pandas frame", "Polars", "Polars frame"])  # fmt: skip
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
def test_columns_that_have_an_order(column):
    X, y, _ = made()
    order = ["d", "b", "a", "c"]
    model = LinearClassifier(loss="cumulative_logit").fit(X, column(np.array(order)[y], order))
    assert model.classes_.tolist() == order


def test_given_thresholds_are_kept():
    X, y, _ = made(levels=3)
    loss = lm.cumulative_logit(thresholds=(-1.0, 2.0))
    model = LinearClassifier(loss=loss).fit(X, y)
    assert model.thresholds_.tolist() == [-1.0, 2.0] and model.intercept_[0] != 0 and model.converged_
    free = LinearClassifier(loss="cumulative_logit").fit(X, y)
    assert free.objective_ < model.objective_
    with pytest.raises(ValueError, match="has 3 levels, but y holds 4 classes"):
        LinearClassifier(loss=loss).fit(*made(levels=4)[:2])


@lm.pointwise
def steeper(y: Level, f: Real, *, thresholds: Cuts = None, slope: Positive = 2.5):
    """Cumulative logit of scores that count more."""
    low, high = pick((0.0, *thresholds), y), pick((*thresholds, 0.0), y)
    over = where(y < len(thresholds), softplus(slope * (f - high)), 0.0)
    under = where(y > 0, softplus(slope * (low - f)), 0.0)
    return over + under - where((y > 0) & (y < len(thresholds)), log(-expm1(slope * (low - high))), 0.0)


def test_thresholds_of_a_loss_of_ones_own_are_learned_too():
    X, y, _ = made(levels=5)
    model = LinearClassifier(loss=steeper(slope=3.0)).fit(X, y)
    usual = LinearClassifier(loss="cumulative_logit").fit(X, y)
    np.testing.assert_allclose(3.0 * model.coef_, usual.coef_, rtol=1e-6)
    np.testing.assert_allclose(3.0 * model.thresholds_, usual.thresholds_, rtol=1e-6)
    np.testing.assert_allclose(model.decision_function(X), usual.decision_function(X), atol=1e-6)
    assert np.array_equal(model.predict(X), usual.predict(X)) and not hasattr(model, "predict_proba")


@lm.pointwise
def of_a_score(score: Level, f: Real, *, thresholds: Cuts = None, intercept: Positive = 2.5):
    """The same under names that the solver may use itself."""
    (formula,) = steeper.recipe.variants
    return formula.function(score, f, thresholds=thresholds, slope=intercept)


def test_names_of_a_formula_do_not_meddle_with_those_of_the_solver():
    X, y, _ = made(levels=5)
    model, usual = (LinearClassifier(loss=loss()).fit(X, y) for loss in (of_a_score, steeper))
    np.testing.assert_array_equal(model.coef_, usual.coef_)
    np.testing.assert_array_equal(model.thresholds_, usual.thresholds_)


def test_refusals():
    X, y, _ = made(levels=3)
    with pytest.raises(ValueError, match="class 1 has no samples of positive weight"):
        LinearClassifier(loss="cumulative_logit").fit(X, y, sample_weight=(y != 1).astype(float))
    with pytest.raises(ValueError, match="learned by 'newton' alone"):
        LinearClassifier(loss="cumulative_logit", solver="saga").fit(X, y)
    with pytest.raises(ValueError, match="partial_fit cannot learn thresholds"):
        LinearClassifier(loss="cumulative_logit").partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="use LinearClassifier"):
        lm.LinearRegressor(loss="cumulative_logit").fit(X, y)


def test_separated_levels_are_told_of():
    X = np.linspace(0, 1, 90)[:, None]
    with pytest.warns(ConvergenceWarning):
        model = LinearClassifier(loss="cumulative_logit").fit(X, np.repeat([0, 1, 2], 30))
    assert np.array_equal(model.predict(X), np.repeat([0, 1, 2], 30)) and np.isfinite(model.thresholds_).all()


def test_a_loss_that_fits_badly_is_told_apart():
    """The reference of `objective` is no tautology: other thresholds are worse."""
    X, y, weight = made()
    model = LinearClassifier(loss="cumulative_logit").fit(X, y, sample_weight=weight)
    stated = objective(X, y, weight, 0.0, 0.0)
    best = np.concatenate([model.thresholds_[:1], np.log(np.diff(model.thresholds_)), model.coef_[0]])
    for i in range(len(best)):
        for side in (-1e-3, 1e-3):
            assert stated(best + side * np.eye(len(best))[i]) > stated(best)
