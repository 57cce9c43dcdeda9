"""Class weights, offsets, warm starts, scales that settle, redescending losses, paths."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.utils.class_weight import compute_class_weight

import lossmith as lm
from lossmith.formula import Positive, Real, log1p, where
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor, LocalOptimumWarning
from lossmith.start import MAD_TO_SIGMA

pytestmark = pytest.mark.slow

TRUTH = np.array([10.0, -20.0, 5.0])


@lm.pointwise
def bisquare(y: Real, f: Real, *, c: Positive = 4.685):
    """Constant beyond c: far samples do not count."""
    u = (f - y) / c
    return where(abs(u) <= 1, c**2 / 6 * (1 - (1 - u**2) ** 3), c**2 / 6)


@lm.pointwise
def lorentzian(y: Real, f: Real, *, c: Positive = 2.385):
    """Grows like the logarithm of the error."""
    return c**2 / 2 * log1p(((f - y) / c) ** 2)


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, X @ TRUTH + 10 * rng.normal(size=200)


# the level of scores that a loss of classes leaves free ---------------------------------------------------------------


@pytest.mark.parametrize("penalties", [{}, {"l2": 0.1}, {"l1": 0.01}, {"l2": 0.1, "solver": "sgd"}], ids=str)
def test_what_a_loss_of_classes_leaves_free_is_0(table, penalties):
    X, y = table
    labels = np.digitize(y, [-30, 5])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LinearClassifier(**penalties, max_iter=30, random_state=0).fit(X, labels)
    assert abs(model.intercept_.sum()) <= 1e-13 * np.abs(model.intercept_).sum()
    if "l1" not in penalties:
        assert np.abs(model.coef_.sum(axis=0)).max() <= 1e-13 * np.abs(model.coef_).max()


def test_a_common_level_of_coefficients_has_a_price_under_l1(table):
    X, y = table
    labels = np.digitize(y, [-30, 5])
    model = LinearClassifier(l1=0.02).fit(X, labels)
    loss = lm.cross_entropy()(labels, X @ model.coef_.T + model.intercept_)
    assert loss + 0.02 * np.abs(model.coef_).sum() == pytest.approx(model.objective_, rel=1e-9)
    assert (model.coef_ == 0).any()


# class weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "class_weight",
    [{"low": 3.0, "top": 0.5}, {"top": 2.0}, pd.Series({"top": 2.0, "mid": 1.0, "low": 0.5}), "balanced"],
    ids=["two of three", "one", "a series", "balanced"],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weights_multiply_sample_weights(table, class_weight, weighted):
    X, y = table
    labels = np.array(["low", "mid", "top"])[np.digitize(y, [-30, 5])]
    weight = np.random.default_rng(1).uniform(0.5, 2, 200) if weighted else None
    model = LinearClassifier(l2=0.1, class_weight=class_weight).fit(X, labels, sample_weight=weight)
    if isinstance(class_weight, str):
        share = compute_class_weight("balanced", classes=model.classes_, y=labels, sample_weight=weight)
        class_weight = dict(zip(model.classes_, share, strict=True))
    every = np.array([class_weight.get(label, 1.0) for label in labels]) * (1.0 if weight is None else weight)
    plain = LinearClassifier(l2=0.1).fit(X, labels, sample_weight=every)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-9, atol=1e-12)
    peer = LogisticRegression(C=1 / (0.1 * every.sum()), tol=1e-10, max_iter=1000).fit(X, labels, sample_weight=every)
    np.testing.assert_allclose(model.predict_proba(X), peer.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("equal", "class_weight is 'equal'"),
        ({2: 1.0}, "class_weight names 2, which is not one of the classes"),
        ({1: -1.0}, r"class_weight\[1\] is -1.0"),
        ({1: 0.0}, "one class only"),
    ],
)
def test_refused_class_weights(table, class_weight, message):
    X, y = table
    with pytest.raises(ValueError, match=message):
        LinearClassifier(class_weight=class_weight).fit(X, (y > 0).astype(int))


# offsets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_an_offset_of_log_exposure_is_a_rate_weighted_by_exposure(table, make):
    X, _ = table
    rng = np.random.default_rng(1)
    exposure = rng.uniform(0.5, 100, 200)
    counts = rng.poisson(np.exp(X @ TRUTH / 50) * exposure)
    model = LinearRegressor("poisson").fit(make(X), counts, offset=np.log(exposure))
    rate = LinearRegressor("poisson").fit(make(X), counts / exposure, sample_weight=exposure)
    np.testing.assert_allclose(model.coef_, rate.coef_, atol=1e-8)
    np.testing.assert_allclose(model.predict(X, offset=np.log(exposure)), exposure * rate.predict(X), rtol=1e-8)
    assert model.score(X, counts, offset=np.log(exposure)) > model.score(X, counts)


@pytest.mark.parametrize("size", [200, 70_000])  # above 200,000 numbers by kernel
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_an_offset_is_taken_from_the_target_of_a_residual(loss, size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(size, 3))
    y, offset = X @ TRUTH + 10 * rng.normal(size=size), 1e3 * rng.normal(size=size)
    weight = rng.integers(0, 3, size)
    model = LinearRegressor(loss).fit(X, y, weight, offset=offset)
    plain = LinearRegressor(loss).fit(X, y - offset, weight)
    np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X, offset=offset), plain.predict(X) + offset, atol=1e-4)


def test_offsets_of_classes(table):
    X, y = table
    rng = np.random.default_rng(1)
    two, offset = y > 0, rng.normal(size=200)
    model = LinearClassifier(l2=0.1).fit(X, two, offset=offset)
    both = LinearClassifier("cross_entropy", l2=0.1).fit(X, two, offset=np.column_stack([0 * offset, offset]))
    np.testing.assert_allclose(model.decision_function(X, offset=offset), model.decision_function(X) + offset)
    slope = lm.binary_cross_entropy().gradient(two.astype(float), model.raw_scores(X, offset), reduction="none")
    np.testing.assert_allclose(slope @ X / 200 + 0.1 * model.coef_[0], 0, atol=1e-9)
    assert abs(slope.sum()) < 1e-7
    p = both.predict_proba(X, offset=np.column_stack([0 * offset, offset]))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (both.predict(X, offset=np.tile([0.0, 1e3], (200, 1)))).all()
    with pytest.raises(ValueError, match=r"offset has shape \(200,\): .* have shape \(200, 2\)"):
        both.predict(X, offset=offset)
    offset[3] = np.nan
    with pytest.raises(ValueError, match=r"offset\[3\] is NaN"):
        LinearClassifier().fit(X, two, offset=offset)


def test_a_gap_beside_which_the_objective_vanishes_is_said(table):
    """High powers of a fit's errors are nothing beside those of the best constant's."""
    X, y = table
    with pytest.warns(ConvergenceWarning, match="only proven to lie within .* decrease tol"):
        rough = LinearRegressor(lm.get("lq", q=50)).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fine = LinearRegressor(lm.get("lq", q=50), tol=1e-30).fit(X, y)
        LinearRegressor().fit(X, X @ TRUTH)  # nothing is left to prove digits of
    assert fine.gap_ < 1e-6 * fine.objective_ < 1e-6 * rough.objective_


# warm starts ----------------------------------------------------------------------------------------------------------


def test_a_warm_start_goes_on_from_the_last_fit(table):
    X, y = table
    cold, warm = (LinearClassifier(l2=1e-3, warm_start=start).fit(X, y > 0) for start in (False, True))
    again = warm.n_iter_
    for model in (cold, warm):
        model.set_params(l2=1.1e-3).fit(X, y > 0)
    assert warm.n_iter_ < cold.n_iter_ == again
    np.testing.assert_allclose(warm.coef_, cold.coef_, rtol=1e-6)
    exact = LinearRegressor(warm_start=True).fit(X, X @ TRUTH)
    assert exact.fit(X, X @ TRUTH).converged_  # what is left of the loss is no measure of the tolerance


@pytest.mark.parametrize("loss", ["poisson", "gamma", "exponential"])
def test_a_warm_start_far_from_the_optimum_is_cold(loss, table):
    """In features of other units the last fit overflows."""
    X, y = table
    target = {"poisson": np.round(np.exp(y / 4)), "gamma": np.exp(y / 4), "exponential": y > 0}[loss]
    make = LinearClassifier if loss == "exponential" else LinearRegressor
    cold, warm = (make(loss, l2=1e-3, warm_start=start).fit(X, target) for start in (False, True))
    for unit in (-1.0, 1e3, 1e5):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warm.fit(unit * X, target)
        cold.fit(unit * X, target)
        assert warm.converged_
        assert warm.objective_ == pytest.approx(cold.objective_, rel=1e-6)


def test_a_warm_start_of_other_features_or_classes_is_cold(table):
    X, y = table
    model = LinearClassifier(l2=0.1, warm_start=True).fit(X, np.digitize(y, [-1, 1]))
    model.fit(X[:, :2], np.digitize(y, [-1, 1])).fit(X, y > 0)
    np.testing.assert_array_equal(model.coef_, LinearClassifier(l2=0.1).fit(X, y > 0).coef_)


# scales and redescending losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e6])
@pytest.mark.parametrize("loss", ["huber", "pseudo_huber", "epsilon_insensitive"])
def test_the_scale_settles_at_the_residuals_median_deviation(table, loss, unit):
    X, y = table
    model = LinearRegressor(loss, scale="mad").fit(X, unit * y)
    residuals = np.abs(unit * y - model.predict(X))
    assert model.scale_ == pytest.approx(MAD_TO_SIGMA * np.median(residuals), rel=2e-6)
    (name, value), *_ = lm.get(loss).params.items()
    assert model.loss_.params[name] == pytest.approx(value * model.scale_, rel=2e-6)
    assert [step.iteration for step in model.history_] == list(range(model.n_iter_ + 1))
    plain = LinearRegressor(loss, scale="mad").fit(X, y)
    np.testing.assert_allclose(model.coef_, unit * plain.coef_, rtol=1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_a_scale_settles_where_rounds_answer_each_other(seed):
    """Under an l1 penalty a smaller scale may ask for a larger one by nearly as much."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(100, 3))
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=100)
    model = LinearRegressor("huber", scale="mad", l1=0.2).fit(X, y)
    assert model.scale_ == pytest.approx(MAD_TO_SIGMA * np.median(np.abs(y - model.predict(X))), rel=2e-6)


def test_a_scale_needs_a_parameter_and_residuals(table):
    X, y = table
    with pytest.raises(ValueError, match="squared_error has no parameter in units of the target"):
        LinearRegressor("squared_error", scale="mad").fit(X, y)
    with pytest.raises(ValueError, match="scale is 'std'"):
        LinearRegressor("huber", scale="std").fit(X, y)
    with pytest.warns(ConvergenceWarning, match="residuals have no scale"):
        model = LinearRegressor("huber", scale="mad").fit(X[:3], y[:3])
    assert not model.converged_


@pytest.mark.parametrize("scale", [None, "mad"])
@pytest.mark.parametrize("outliers", ["in y", "in X"])
def test_redescending_losses_start_where_most_samples_agree(table, outliers, scale):
    X, y = table
    X, y = X.copy(), y.copy()
    X[:60] += [0, 0, 0] if outliers == "in y" else [20, 0, 0]
    y[:60] = -3000.0
    loss = bisquare() if scale else bisquare(c=47.0)
    with pytest.warns(LocalOptimumWarning, match="local one"):
        model = LinearRegressor(loss, scale=scale).fit(X, y)
    clean = LinearRegressor().fit(X[60:], y[60:])
    np.testing.assert_allclose(model.coef_, clean.coef_, atol=1.5)
    huber = LinearRegressor("huber", scale="mad").fit(X, y)
    if outliers == "in X":  # no convex loss resists these
        assert np.abs(huber.coef_ - clean.coef_).max() > 50
    assert np.isnan(model.gap_)
    assert "not convex" in model.stopped_


def two_clouds(near, far, features=2):
    """Two clouds of samples, each with a plane of its own; the second lies far out in the first feature."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(near + far, features))
    X[near:, 0] = 10 + 0.3 * X[near:, 0]
    y = X.sum(axis=1) + 0.1 * rng.normal(size=near + far)
    y[near:] -= 30
    return X, y


@pytest.mark.parametrize("near", [40, 1500])  # of more than 2,000 samples some tell the start
def test_weights_are_repetitions_where_a_redescending_loss_starts(near):
    X, y = two_clouds(near, 60 * near // 40)
    weight = np.where(np.arange(len(y)) < near, 5, 1)
    each = np.repeat(np.arange(len(y)), weight)
    with pytest.warns(LocalOptimumWarning, match="near the fit that most samples agree on"):
        weighted = LinearRegressor(bisquare(), scale="mad").fit(X, y, sample_weight=0.1 * weight)
    with pytest.warns(LocalOptimumWarning, match="near the fit that most samples agree on"):
        repeated = LinearRegressor(bisquare(), scale="mad").fit(X[each], y[each])
    np.testing.assert_allclose(weighted.coef_, [1.0, 1.0], atol=0.1)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6)


@pytest.mark.parametrize(("near", "far", "features"), [(13, 2, 3), (12, 3, 3), (16, 3, 4), (35, 5, 10)])
def test_few_samples_resist_outliers_in_features_too(near, far, features):
    X, y = two_clouds(near, far, features)
    with pytest.warns(LocalOptimumWarning, match="near the fit that most samples agree on"):
        model = LinearRegressor(bisquare(), scale="mad").fit(X, y)
    np.testing.assert_allclose(model.coef_, np.ones(features), atol=0.25)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("samples", "features"), [(24, 3), (40, 8)])
def test_a_few_heavy_samples_are_not_half_of_them(samples, features):
    """Half of the weight, fitted all but exactly, would leave a scale of next to nothing: 7 of 24 such tables."""
    collapsed = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(samples, features))
        y, weight = X.sum(axis=1) + rng.normal(size=samples), rng.exponential(size=samples)
        with pytest.warns(LocalOptimumWarning):
            model = LinearRegressor(lorentzian(), scale="mad", max_iter=200).fit(X, y, sample_weight=weight)
        collapsed.append(model.scale_ < 0.02)
    assert not any(collapsed)


@pytest.mark.parametrize(("make", "rows", "weighs"), [
    (sp.csr_array, 200, 200), (np.asarray, 8, 8), (np.asarray, 200, 3),
], ids=["sparse", "few samples", "few that weigh"])  # fmt: skip
def test_a_start_that_outliers_in_features_bend_is_said(table, make, rows, weighs):
    X, y = table
    weight = np.where(np.arange(rows) < weighs, 1.0, 1e-3)
    with pytest.warns(LocalOptimumWarning, match="near the fit of least absolute deviations, .* not in X"):
        LinearRegressor(bisquare(c=47.0)).fit(make(X[:rows]), y[:rows], sample_weight=weight)


def test_a_warm_start_of_a_redescending_loss_is_said(table):
    with pytest.warns(LocalOptimumWarning, match="near the fit that most"):
        model = LinearRegressor(bisquare(c=47.0), warm_start=True).fit(*table)
    with pytest.warns(LocalOptimumWarning, match="near the last fit"):
        model.fit(*table)


def test_redescending_losses_of_clean_samples(table):
    X, y = table
    with pytest.warns(LocalOptimumWarning):
        model = LinearRegressor(lorentzian(), scale="mad").fit(X, y)
    np.testing.assert_allclose(model.coef_, TRUTH, atol=2.5)


def test_convex_losses_give_no_warning(table):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearRegressor("huber", scale="mad").fit(*table)


# paths ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vary", ["l1", "l2"])
def test_a_path_is_a_fit_for_each_penalty(table, vary):
    X, y = table
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    penalties = [0.1, 10.0, 1.0]
    model = LinearRegressor("huber")
    path = model.path(frame, y, penalties, vary=vary)
    assert not hasattr(model, "coef_")
    assert len(path) == 3 and path.names == ("a", "b", "c")
    for i, penalty in enumerate(penalties):
        single = LinearRegressor("huber", **{vary: penalty}).fit(frame, y)
        np.testing.assert_allclose(path.coefficients[i], single.coef_, rtol=1e-5, atol=1e-6)
        assert path.objectives[i] == pytest.approx(single.objective_, rel=1e-7)
    np.testing.assert_array_equal(path["b"], path.coefficients[:, 1])
    assert path.gaps.max() < 1e-6
    assert "3 models" in repr(path)
    with pytest.raises(KeyError, match="'z' is not a feature"):
        path["z"]


def test_a_path_is_drawn(table):
    X, y = table
    figure = LinearRegressor().path(X, y, np.geomspace(0.01, 10, 5)).plot()
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["x0", "x1", "x2"]
    many = LinearClassifier().path(X, np.digitize(y, [-10, 10]), [0.1, 1.0], vary="l2", sample_weight=np.ones(200))
    assert many.coefficients.shape == (2, 3, 3)
    assert [axis.get_title() for axis in many.plot().axes] == ["0", "1", "2"]


def test_refused_paths(table):
    with pytest.raises(ValueError, match="vary is 'tol'"):
        LinearRegressor().path(*table, [1.0], vary="tol")
    with pytest.raises(ValueError, match="at least one"):
        LinearRegressor().path(*table, [])
    with pytest.raises(ValueError, match=r"penalties\[0\] is -1"):
        LinearRegressor().path(*table, [-1.0])


@pytest.mark.parametrize("epsilon", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_no_loss_at_all_is_no_cause_for_a_warning(epsilon, slope):
    """Also where the best constant has none: there are no digits that a smaller tol could prove."""
    X = np.arange(20.0)[:, None]
    y = np.arange(20) % 3 + 0.5 + slope * X[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearRegressor(lm.epsilon_insensitive(epsilon=epsilon)).fit(X, y)
    assert model.converged_ and model.objective_ <= 1e-15


@pytest.mark.parametrize(
    ("make", "loss"),
    [
        (LinearRegressor, lm.poisson()),
        (LinearRegressor, lm.tweedie(log_input=False)),
        (LinearRegressor, lm.binary_cross_entropy()),
        (LinearClassifier, lm.binary_cross_entropy()),
        (LinearClassifier, lm.multiclass_hinge()),
        (LinearClassifier, lm.multi_margin()),
    ],
)
def test_numpy_may_be_set_to_raise(make, loss):
    random = np.random.default_rng(0)
    X = random.normal(size=(40, 3))
    y = np.digitize(X[:, 0] + random.normal(size=40), [0.0, 1.0][: 1 if loss.kind == "pointwise" else 2])

    def outcome():
        try:
            model = make(loss, l2=0.1).fit(X, y)
        except ValueError as error:
            return str(error)
        return model.raw_scores(X).tolist()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = outcome()
        with np.errstate(all="raise"):
            assert outcome() == expected


def test_errors_whose_squares_fade_away_are_none_whatever_numpy_is_set_to():
    X, y = np.array([[-1.0], [1.0], [-1.0], [1.0]]), np.array([0.0, 1.0, 0.0, 1.0])
    model = LinearRegressor(lm.binary_cross_entropy(), l2=1.0).fit(X, y)
    with np.errstate(all="raise"):
        assert model.score(X, y, offset=600 * X[:, 0]) == 1.0
