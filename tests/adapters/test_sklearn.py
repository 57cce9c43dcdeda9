"""scikit-learn: scorers equal to its own metrics, objectives equal to its own losses, and every loss trains."""

import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn import metrics
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV, cross_val_score, cross_validate
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

import lossmith as lm
import pages
from lossmith.formula import Positive, Real, maximum

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "frameworks" / "sklearn.md"


def table(n=800, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    signal = X[:, 0] + np.abs(X[:, 1]) + 0.5 * X[:, 2] * X[:, 0]
    targets = {
        "signal": signal,
        "real": signal + 0.5 * rng.standard_t(3, size=n),
        "positive": np.exp(signal / 2) * rng.gamma(3.0, 1 / 3.0, size=n),
        "count": rng.poisson(np.exp(signal / 2)).astype(float),
        "label": (rng.random(n) < 1 / (1 + np.exp(-2 * signal + 1))).astype(int),
        "class": np.digitize(signal + 0.3 * rng.normal(size=n), [0.0, 1.0, 2.0]),
    }
    return X, targets, rng.uniform(0.5, 2, size=n)


X, TARGETS, WEIGHT = table()
WEIGHTED = pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])


# scorers --------------------------------------------------------------------------------------------------------------


REGRESSION = [
    ("squared_error", {}, metrics.mean_squared_error, 1.0, "real"),
    ("absolute_error", {}, metrics.mean_absolute_error, 1.0, "real"),
    ("quantile", {"q": 0.9}, lambda y, f, **w: metrics.mean_pinball_loss(y, f, alpha=0.9, **w), 1.0, "real"),
    ("absolute_percentage_error", {}, metrics.mean_absolute_percentage_error, 1.0, "positive"),
    ("squared_log_error", {}, metrics.mean_squared_log_error, 1.0, "count"),
]


@WEIGHTED
@pytest.mark.parametrize(("name", "params", "metric", "factor", "target"), REGRESSION, ids=[r[0] for r in REGRESSION])
def test_scores_regressors_as_the_metric_does(name, params, metric, factor, target, weight):
    y = TARGETS[target]
    model = PoissonRegressor().fit(X, TARGETS["count"]) if target != "real" else LinearRegression().fit(X, y)
    y = np.abs(y) + 0.01 if name == "absolute_percentage_error" else y
    score = lm.get(name, **params).to("sklearn")(model, X, y, sample_weight=weight)
    assert score == pytest.approx(-factor * metric(y, model.predict(X), sample_weight=weight), rel=1e-12)


@WEIGHTED
@pytest.mark.parametrize(
    ("name", "deviance", "target"),
    [("poisson", metrics.mean_poisson_deviance, "count"), ("gamma", metrics.mean_gamma_deviance, "positive"),
     ("tweedie", lambda y, f, **w: metrics.mean_tweedie_deviance(y, f, power=1.5, **w), "count")],
)  # fmt: skip
@pytest.mark.parametrize("log_input", [True, False])
def test_scores_means_through_the_link(name, deviance, target, log_input, weight):
    """Differences of a loss are half those of the deviance, whichever scale the loss is on."""
    y = TARGETS[target]
    near, far = (PoissonRegressor(alpha=alpha).fit(X, y) for alpha in (0.0, 10.0))
    scorer = lm.get(name, log_input=log_input).to("sklearn")
    ours = scorer(near, X, y, sample_weight=weight) - scorer(far, X, y, sample_weight=weight)
    theirs = [deviance(y, model.predict(X), sample_weight=weight) for model in (near, far)]
    assert ours == pytest.approx((theirs[1] - theirs[0]) / 2, rel=1e-10)


@WEIGHTED
@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("words", [False, True])
def test_scores_probabilities_as_log_loss_does(from_logits, words, weight):
    for name, target in (("binary_cross_entropy", "label"), ("cross_entropy", "class")):
        y = TARGETS[target]
        y = np.array(["d", "a", "c", "b"])[y] if words else y
        model = LogisticRegression().fit(X, y)
        score = lm.get(name, from_logits=from_logits).to("sklearn")(model, X, y, sample_weight=weight)
        assert score == pytest.approx(-metrics.log_loss(y, model.predict_proba(X), sample_weight=weight), rel=1e-12)
    y, p = TARGETS["label"], model.predict_proba(X)
    model = LogisticRegression().fit(X, y)
    brier = metrics.brier_score_loss(y, model.predict_proba(X)[:, 1], sample_weight=weight)
    assert lm.brier(from_logits=from_logits).to("sklearn")(model, X, y, weight) == pytest.approx(-brier, rel=1e-12)
    assert p.shape[1] == 4


@WEIGHTED
@pytest.mark.parametrize("labels", [None, (5, 6, 7, 8), (8, 6, 5, 7)])
def test_what_the_loss_ignores_is_a_label_and_no_place_among_the_classes(labels, weight):
    y = TARGETS["class"] + 5
    model = LogisticRegression().fit(X, y)
    gone = np.where(np.arange(len(y)) < 100, -1, y)
    for ignored, target in ((-1, gone), (0, y), (6, y)):
        kept = target != ignored
        loss = lm.cross_entropy(ignore_index=ignored, labels=labels)
        w = None if weight is None else weight[kept]
        expected = metrics.log_loss(y[kept], model.predict_proba(X)[kept], labels=model.classes_, sample_weight=w)
        assert loss.to("sklearn")(model, X, target, weight) == pytest.approx(-expected, rel=1e-12)
    words = np.array(["a", "b", "c", "d"])[TARGETS["class"]]
    model = LogisticRegression().fit(X, words)
    scores = [lm.cross_entropy(ignore_index=ignored).to("sklearn")(model, X, words) for ignored in (None, 1)]
    assert scores[0] == scores[1]


def test_a_certain_and_wrong_model_is_infinitely_bad():
    """scikit-learn clips probabilities and says 36.04; the loss has no such limit."""

    class Certain(LogisticRegression):
        def predict_proba(self, X):
            return np.tile([1.0, 0.0], (len(X), 1))

    y = TARGETS["label"]
    model = Certain().fit(X, y)
    for name in ("binary_cross_entropy", "cross_entropy"):
        assert lm.get(name).to("sklearn")(model, X, y) == -np.inf
    assert metrics.log_loss(y, model.predict_proba(X)) < 40


@WEIGHTED
@pytest.mark.parametrize("words", [False, True])
def test_scores_margins_as_hinge_loss_does(words, weight):
    y = TARGETS["label"]
    y = np.where(y == 1, "yes", "no") if words else y
    model = LinearSVC().fit(X, y)
    theirs = metrics.hinge_loss(y, model.decision_function(X), sample_weight=weight)
    assert lm.hinge().to("sklearn")(model, X, y, sample_weight=weight) == pytest.approx(-theirs, rel=1e-12)
    y = TARGETS["class"]
    model = LinearSVC().fit(X, y)
    theirs = metrics.hinge_loss(y, model.decision_function(X), sample_weight=weight)
    assert lm.multiclass_hinge().to("sklearn")(model, X, y, sample_weight=weight) == pytest.approx(-theirs, rel=1e-12)


def test_labels_of_the_loss_decide_which_class_is_positive():
    y = np.where(TARGETS["label"] == 1, "yes", "no")
    p = LogisticRegression().fit(X, y)
    d = p.decision_function(X)
    for labels, number, scores in ((("no", "yes"), y == "yes", d), (("yes", "no"), y == "no", -d)):
        loss = lm.binary_cross_entropy(pos_weight=3.0)
        found = loss.replaced(labels=labels).to("sklearn")(p, X, y)
        assert found == pytest.approx(-loss(number.astype(float), scores), rel=1e-10)
        assert lm.hinge(labels=labels).to("sklearn")(LinearSVC().fit(X, y), X, y) < 0
    y = np.array(["a", "b", "c", "d"])[TARGETS["class"]]
    model = LogisticRegression().fit(X, y)
    weights = [1.0, 2.0, 3.0, 4.0]
    order = [3, 1, 0, 2]
    loss = lm.cross_entropy(class_weight=[weights[i] for i in order], labels=[("abcd")[i] for i in order])
    expected = lm.cross_entropy(class_weight=weights)(TARGETS["class"], model.decision_function(X))
    assert loss.to("sklearn")(model, X, y) == pytest.approx(-expected, rel=1e-10)
    with pytest.raises(ValueError, match=r"labels \('x', 'y'\), but the estimator knows"):
        lm.hinge(labels=("x", "y")).to("sklearn")(LinearSVC().fit(X, y == "a"), X, y == "a")


def test_rows_pair_up_by_position_so_unequal_indexes_are_refused():
    pd = pytest.importorskip("pandas")
    weight = pd.Series(WEIGHT).iloc[::-1]
    for loss, estimator, target in (
        (lm.squared_error(), LinearRegression(), "real"), (lm.cross_entropy(), LogisticRegression(), "class"),
    ):  # fmt: skip
        y = pd.Series(TARGETS[target])
        model = estimator.fit(X, y)
        with pytest.raises(ValueError, match="y and sample_weight have unequal pandas indexes"):
            loss.to("sklearn")(model, X, y, weight)
        assert np.isfinite(loss.to("sklearn")(model, X, y, weight.to_numpy()))


def test_what_an_estimator_cannot_answer_is_said():
    y = TARGETS["label"]
    with pytest.raises(ValueError, match="LinearSVC has no predict_proba"):
        lm.binary_cross_entropy().to("sklearn")(LinearSVC().fit(X, y), X, y)
    with pytest.raises(ValueError, match="a loss of two classes, but the estimator knows 4"):
        lm.hinge().to("sklearn")(LinearSVC().fit(X, TARGETS["class"]), X, TARGETS["class"])
    with pytest.raises(ValueError, match="a score per class"):
        lm.multiclass_hinge().to("sklearn")(LinearSVC().fit(X, y), X, y)
    with pytest.raises(ValueError, match=r"y\[2\] = 7 is not one of the labels"):
        lm.cross_entropy().to("sklearn")(LogisticRegression().fit(X, y), X[:3], np.array([0, 1, 7]))
    with pytest.raises(ValueError, match=r"poisson: y_true\[0\] = -1 is not"):
        lm.poisson().to("sklearn")(PoissonRegressor().fit(X, TARGETS["count"]), X, -np.ones(len(X)))


@pytest.mark.parametrize("name", ["binary_cross_entropy", "cross_entropy", "hinge"])
@pytest.mark.parametrize(
    "estimator",
    [MultiOutputClassifier(LogisticRegression()), RandomForestClassifier(2), MLPClassifier((2,), max_iter=200)],
    ids=lambda estimator: type(estimator).__name__,
)
def test_several_targets_a_row_are_refused_by_name(name, estimator):
    X = np.random.default_rng(0).normal(size=(60, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = clone(estimator).fit(X, X > 0)
    with pytest.raises(ValueError, match=f"{name} judges one target a row, and {type(estimator).__name__} predicts"):
        lm.get(name).to("sklearn")(fitted, X, X > 0)


@pytest.mark.parametrize("loss", [lm.hinge(), lm.hinge(labels=(-1, 1)), lm.multiclass_hinge()], ids=repr)
def test_a_search_that_hides_the_classes_from_its_scorer_is_refused(loss):
    X = np.random.default_rng(0).normal(size=(60, 2))
    with pytest.raises(ValueError, match=r"RidgeClassifierCV hides the targets .* GridSearchCV"):
        RidgeClassifierCV(scoring=loss.to("sklearn")).fit(X, np.where(X[:, 0] > 0, 1, -1))


@pytest.mark.parametrize("name", lm.names())
def test_losses_of_numbers_do_not_score_classifiers(name):
    """Their scores are no one's classes: what a margin of 9 costs as a count or a residual means nothing."""
    loss, y = lm.get(name), TARGETS["label"]
    of_classes = {
        "binary_cross_entropy", "hinge", "squared_hinge", "modified_huber", "exponential", "focal", "brier",
        "cross_entropy", "focal_cross_entropy", "multiclass_hinge", "multi_margin",
    }  # fmt: skip
    y = TARGETS["class"] if loss.kind == "rowwise" else y
    model = LogisticRegression().fit(X, y)
    if name in of_classes:
        assert np.isfinite(loss.to("sklearn")(model, X, y))
        return
    with pytest.raises(ValueError, match=rf"{name}.* (is a loss of numbers, and LogisticRegression|y_true|thresholds)"):
        loss.to("sklearn")(model, X, y)


@WEIGHTED
def test_row_targets_and_several_outputs(weight):
    Y = np.stack([TARGETS["real"], TARGETS["count"]], axis=1)
    model = MultiOutputRegressor(LinearRegression()).fit(X, Y)
    expected = metrics.mean_squared_error(Y, model.predict(X), sample_weight=weight)
    assert lm.squared_error().to("sklearn")(model, X, Y, sample_weight=weight) == pytest.approx(-expected)
    with pytest.raises(ValueError, match=r"weight has shape \(3,\)"):
        lm.squared_error().to("sklearn")(model, X, Y, sample_weight=[1.0, 2.0, 3.0])


def test_weights_are_routed():
    y = TARGETS["real"]
    with sklearn.config_context(enable_metadata_routing=True):
        ours = lm.squared_error().to("sklearn").set_score_request(sample_weight=True)
        theirs = metrics.make_scorer(metrics.mean_squared_error, greater_is_better=False)
        theirs.set_score_request(sample_weight=True)
        estimator = LinearRegression().set_fit_request(sample_weight=True)
        scores = [
            cross_val_score(estimator, X, y, scoring=scorer, params={"sample_weight": WEIGHT})
            for scorer in (ours, theirs)
        ]
        np.testing.assert_allclose(scores[0], scores[1], rtol=1e-10)
        unasked = lm.squared_error().to("sklearn").set_score_request(sample_weight=False)
        plain = cross_val_score(estimator, X, y, scoring=unasked, params={"sample_weight": WEIGHT})
        assert np.all(plain != scores[0])
        both = cross_validate(estimator, X, y, scoring={"a": ours, "b": theirs}, params={"sample_weight": WEIGHT})
        np.testing.assert_allclose(both["test_a"], both["test_b"], rtol=1e-10)
        copied = clone(ours)
        again = cross_val_score(estimator, X, y, scoring=copied, params={"sample_weight": WEIGHT})
        np.testing.assert_array_equal(again, scores[0])


def test_several_scorers_take_the_weights_of_a_search():
    scoring = {"ours": lm.binary_cross_entropy().to("sklearn"), "theirs": "neg_log_loss"}
    search = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, scoring=scoring, refit="ours", cv=3)
    found = search.fit(X, TARGETS["label"], sample_weight=WEIGHT).cv_results_
    np.testing.assert_allclose(found["mean_test_ours"], found["mean_test_theirs"], rtol=1e-10)


def test_a_threshold_is_no_business_of_a_loss():
    model = TunedThresholdClassifierCV(LogisticRegression(), scoring=lm.binary_cross_entropy().to("sklearn"), cv=3)
    with pytest.raises(AttributeError, match=r"binary_cross_entropy judges .* such as 'balanced_accuracy'"):
        model.fit(X, TARGETS["label"])
    assert not hasattr(lm.hinge().to("sklearn"), "_score_func")  # LogisticRegressionCV looks whether there is one


def test_a_scorer_is_plain_data():
    scorer = lm.huber(delta=0.3).to("sklearn")
    assert repr(scorer) == "Scorer(loss=huber(delta=0.3))"
    assert pickle.loads(pickle.dumps(scorer)).loss == clone(scorer).loss == scorer.loss
    assert metrics.check_scoring(LinearRegression(), scoring=scorer) is scorer


def test_grids_over_the_parameters_of_a_loss():
    y = TARGETS["real"].copy()
    y[::7] += 50
    grid = {"loss__delta": [0.5, 500.0], "l2": [0.0]}
    search = GridSearchCV(lm.LinearRegressor(loss=lm.huber()), grid, scoring=lm.absolute_error().to("sklearn"))
    assert search.fit(X, y).best_params_ == {"loss__delta": 0.5, "l2": 0.0}
    assert search.best_estimator_.loss == lm.huber(delta=0.5)
    steps = make_pipeline(StandardScaler(), lm.LinearRegressor(loss="quantile"))
    scorer = lm.quantile(q=0.9).to("sklearn")
    search = GridSearchCV(steps, {"linearregressor__loss__q": [0.5, 0.9]}, scoring=scorer).fit(X, TARGETS["real"])
    assert search.best_params_ == {"linearregressor__loss__q": 0.9}
    classes = lm.LinearClassifier(loss=lm.focal(labels=("no", "yes")))
    assert classes.set_params(loss__gamma=1.0, l2=0.5).loss == lm.focal(gamma=1.0, labels=("no", "yes"))
    assert classes.l2 == 0.5
    with pytest.raises(ValueError, match=r"huber: delta must be a positive number"):
        lm.LinearRegressor(loss="huber").set_params(loss__delta=-1.0)
    with pytest.raises(TypeError, match="has no parameter 'detla'"):
        lm.LinearRegressor(loss="huber").set_params(loss__detla=1.0)
    with pytest.raises(ValueError, match="loss__delta: the loss None has no parameters"):
        lm.LinearClassifier().set_params(loss__delta=1.0)


@lm.pointwise
def lopsided(y: Real, f: Real, *, a: Positive = 1.0, squared: bool = False):
    """a times what is too much, and what is too little."""
    e = a * maximum(f - y, 0) + maximum(y - f, 0)
    return e**2 if squared else e


@pytest.mark.parametrize(
    ("loss", "name", "values"),
    [
        (lopsided(), "a", [0.5, 2.0]),
        (lopsided(), "squared", [False, True]),
        (2 * lm.huber(), "delta", [0.5, 500.0]),
        (lm.squared_error() + lm.quantile(), "q", [0.1, 0.9]),
    ],
)
def test_grids_over_the_parameters_of_losses_of_ones_own_and_of_composed_ones(loss, name, values):
    estimator = lm.LinearRegressor(loss)
    assert clone(estimator).loss is loss
    search = GridSearchCV(estimator, {f"loss__{name}": values}, cv=3).fit(X, TARGETS["real"])
    assert [setting[f"loss__{name}"] for setting in search.cv_results_["params"]] == values
    assert search.best_estimator_.loss.params == {**loss.params, name: search.best_params_[f"loss__{name}"]}


# objectives -----------------------------------------------------------------------------------------------------------


def trained(loss, y, weight=None, hessian="curvature", rows=slice(None), X=X, **options):
    classes = y.dtype.kind in "iU"
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(loss=loss.to("sklearn").objective(hessian=hessian), **{"max_iter": 30, **options})
    return model.fit(X[rows], y[rows], sample_weight=None if weight is None else weight[rows])


def predictions(model):
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)


BUILT_IN = [
    ("squared_error", "squared_error", "real"), ("poisson", "poisson", "count"), ("gamma", "gamma", "positive"),
    ("binary_cross_entropy", "log_loss", "label"), ("cross_entropy", "log_loss", "class"),
]  # fmt: skip


@WEIGHTED
@pytest.mark.parametrize(("name", "peer", "target"), BUILT_IN, ids=[row[0] for row in BUILT_IN])
@pytest.mark.parametrize("more", [{}, {"l2_regularization": 1.0}, {"early_stopping": True, "random_state": 0}], ids=str)
def test_predicts_what_the_built_in_loss_predicts(name, peer, target, weight, more):
    y = TARGETS[target]
    ours = trained(lm.get(name), y, weight, hessian="booster", **more)
    theirs = type(ours)(loss=peer, max_iter=30, **more).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(predictions(ours), predictions(theirs), rtol=1e-6)
    assert ours.n_iter_ == theirs.n_iter_
    assert len(pickle.dumps(ours)) < len(pickle.dumps(theirs)) + 5000  # no training rows inside


def gain(loss, y, X=X):
    """Held-out loss of the trained model, relative to that of the best constant."""
    half = len(y) // 2
    model = trained(loss, y, rows=slice(half), X=X, max_iter=60, max_leaf_nodes=7)
    raw, constant = model._raw_predict(X[half:]), np.tile(model._baseline_prediction, (len(y) - half, 1))
    raw, constant = (part if loss.kind == "rowwise" else part.ravel() for part in (raw, constant))
    return loss(y[half:], raw) / loss(y[half:], constant)


REAL = ["squared_error", "absolute_error", "huber", "smooth_l1", "pseudo_huber", "log_cosh", "quantile", "expectile",
        "lq", "epsilon_insensitive"]  # fmt: skip
SCALED = {"huber": "delta", "smooth_l1": "beta", "pseudo_huber": "delta", "epsilon_insensitive": "epsilon"}


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e6, 1.0), (0.0, 1e-6), (0.0, 1e6)])
def test_beats_the_best_constant_wherever_the_target_lies(name, shift, scale):
    y = TARGETS["real"] * scale + shift
    loss = lm.get(name, **({SCALED[name]: scale * lm.get(name).params[SCALED[name]]} if name in SCALED else {}))
    assert gain(loss, y) < 0.75


@pytest.mark.parametrize("name", ["huber", "pseudo_huber", "log_cosh"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_a_scale_parameter_left_at_its_default_does_not_stop_training(name, scale):
    assert gain(lm.get(name), TARGETS["real"] * scale) < 0.9


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_positive_targets_of_any_size(name, scale):
    y = TARGETS["positive"]
    half = len(y) // 2
    model = trained(lm.get(name), y * scale, rows=slice(half), max_iter=60)
    predicted, truth = model.predict(X[half:]) / scale, y[half:]
    assert np.mean((predicted - truth) ** 2) < 0.8 * np.mean((truth.mean() - truth) ** 2)


BINARY = ["binary_cross_entropy", "hinge", "squared_hinge", "modified_huber", "exponential", "focal", "brier"]
ROWS = ["cross_entropy", "focal_cross_entropy", "multiclass_hinge", "multi_margin"]


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_binary_losses_learn_from_few_positives(name, share):
    X, targets, _ = table(6000, seed=1)
    score = 3 * targets["signal"] + np.random.default_rng(2).logistic(size=6000)
    y = (score > np.quantile(score, 1 - share)).astype(int)
    if name != "hinge" or share == 0.5:  # at one positive in a hundred, hinge may rightly say no to all
        assert gain(lm.get(name), y, X) < 0.95


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("classes", [3, 10])
def test_losses_of_rows_learn(name, classes):
    X, targets, _ = table(3000, seed=1)
    y = np.digitize(targets["signal"], np.quantile(targets["signal"], np.arange(1, classes) / classes))
    assert gain(lm.get(name), y, X) < 0.95


@pytest.mark.parametrize("name", [*BINARY, *ROWS])
def test_classes_keep_their_names(name):
    loss = lm.get(name)
    y = np.array(["a", "b", "c", "d"])[TARGETS["class" if loss.kind == "rowwise" else "label"]]
    model = trained(loss, y)
    assert np.mean(model.predict(X) == y) > 0.6
    probable = loss.link.name in ("logit", "softmax")
    assert hasattr(model._loss, "predict_proba") == probable
    if probable:
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1)
        np.testing.assert_array_equal(model.classes_[model.predict_proba(X).argmax(axis=1)], model.predict(X))


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "binary_cross_entropy", "cross_entropy"])
def test_weights_are_rows(name):
    target = {"binary_cross_entropy": "label", "cross_entropy": "class"}.get(name, "real")
    y = TARGETS[target]
    plain, ones = (predictions(trained(lm.get(name), y, w)) for w in (None, np.ones(len(y))))
    np.testing.assert_array_equal(plain, ones)
    swapped = y.copy()
    dead = np.where(np.arange(len(y)) % 5 == 0, 0.0, 1.0)
    swapped[dead == 0] = 1 if target != "real" else 1e3  # what has no weight cannot matter
    a, b = (predictions(trained(lm.get(name), each, dead)) for each in (y, swapped))
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_probabilities_as_predictions():
    """Trees emit any number: a loss of probabilities is trained through its link."""
    y = TARGETS["label"]
    a, b = (trained(lm.binary_cross_entropy(from_logits=flag), y, hessian="exact") for flag in (True, False))
    np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), rtol=1e-6)


def test_an_objective_is_cloned_searched_and_pickled():
    y = TARGETS["real"]
    losses = [lm.quantile(q=q).to("sklearn").objective() for q in (0.1, 0.9)]
    model = HistGradientBoostingRegressor(loss=losses[0], max_iter=20)
    assert repr(losses[0]) == "HistGradientBoostingLoss(quantile(q=0.1))"
    search = GridSearchCV(model, {"loss": losses}, scoring=lm.quantile(q=0.9).to("sklearn"), cv=2).fit(X, y)
    assert search.best_params_["loss"] is losses[1]
    assert 0.85 < np.mean(y < search.predict(X)) < 0.97
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    warm = clone(search.best_estimator_).set_params(warm_start=True).fit(X, y).set_params(max_iter=25).fit(X, y)
    assert warm.n_iter_ == 25


@pytest.mark.parametrize("between", [lambda model: model, lambda model: pickle.loads(pickle.dumps(model))])
def test_estimators_of_different_classes_share_an_objective(between):
    """Each goes on with as many scores as it has itself."""
    shared = lm.cross_entropy().to("sklearn").objective()
    y = {k: np.digitize(TARGETS["real"], np.quantile(TARGETS["real"], np.arange(1, k) / k)) for k in (3, 4)}
    model = HistGradientBoostingClassifier(loss=shared, max_iter=5, warm_start=True, random_state=0).fit(X, y[3])
    HistGradientBoostingClassifier(loss=shared, max_iter=5).fit(X, y[4])
    own = lm.cross_entropy().to("sklearn").objective()
    alone = HistGradientBoostingClassifier(loss=own, max_iter=10, random_state=0)
    found = between(model).set_params(max_iter=10).fit(X, y[3]).predict_proba(X)
    np.testing.assert_allclose(found, alone.fit(X, y[3]).predict_proba(X), rtol=1e-6)


def test_early_stopping_by_a_scorer():
    loss = lm.huber()
    model = HistGradientBoostingRegressor(
        loss=loss.to("sklearn").objective(), scoring=loss.to("sklearn"), early_stopping=True, max_iter=500
    )
    assert model.fit(X, TARGETS["real"]).n_iter_ < 500


def test_bad_input_says_what_is_wrong():
    y = TARGETS["real"]
    with pytest.raises(ValueError, match=r"poisson: y_true\[\d+\] = -.* is not a number >= 0"):
        trained(lm.poisson(), y)
    with pytest.raises(ValueError, match="trains one score"):
        lm.gaussian_nll().to("sklearn").objective()
    with pytest.raises(ValueError, match="one number per sample as target"):
        lm.kl_divergence().to("sklearn").objective()
    with pytest.raises(ValueError, match=r"cross_entropy: ignore_index=0 has no meaning here.* leave these rows out"):
        lm.cross_entropy(ignore_index=0).to("sklearn").objective()
    with pytest.raises(ValueError, match="in sorted order"):
        lm.hinge(labels=("yes", "no")).to("sklearn").objective()
    with pytest.raises(ValueError, match="such as binary_cross_entropy"):
        trained(lm.cross_entropy(), TARGETS["label"])
    for name in ("squared_error", "huber", "poisson", "quantile"):
        with pytest.raises(ValueError, match=f"{name} is a loss of numbers, and HistGradientBoostingClassifier takes"):
            trained(lm.get(name), TARGETS["label"])
    with pytest.raises(ValueError, match="binary_cross_entropy is a loss of two classes, and y has 4"):
        trained(lm.binary_cross_entropy(), TARGETS["class"])
    with pytest.raises(ValueError, match="cross_entropy trains a score per class, and HistGradientBoostingRegressor"):
        trained(lm.cross_entropy(), TARGETS["class"].astype(float))
    with pytest.raises(ValueError, match="hessian is 'best'"):
        lm.huber().to("sklearn").objective(hessian="best")
    with pytest.raises(ValueError, match="no convention of its own for huber"):
        lm.huber().to("sklearn").objective(hessian="booster")
    model = trained(lm.hinge(), TARGETS["label"])
    with pytest.raises(AttributeError, match="does not elicit probabilities"):
        model.predict_proba(X)
    with pytest.warns(UserWarning, match="second-order weight of .* is not positive"):
        trained(lm.huber(delta=0.1), y, hessian="exact")
    with pytest.raises(ValueError, match="the gradient at row 2 is not finite"):
        lm.exponential().to("sklearn").objective().gradient(np.zeros(3), np.array([[0.0], [0.0], [1e6]]))


@pytest.mark.parametrize("version", ["1.4.2", "1.10.0", "2.0.dev0"])
def test_an_untested_release_is_refused(monkeypatch, version):
    monkeypatch.setattr(sklearn, "__version__", version)
    with pytest.raises(ImportError, match=rf"was tested with 1\.5 to 1\.9, but {re.escape(version)} is installed"):
        lm.huber().to("sklearn").objective()
    assert lm.squared_error().to("sklearn")(LinearRegression().fit(X, TARGETS["real"]), X, TARGETS["real"]) < 0


def test_the_page_runs():
    names = {}
    assert len(pages.blocks(PAGE.read_text(encoding="utf-8"))) >= 3
    names = pages.run(PAGE, names)


def test_a_prediction_that_is_no_mean_is_named():
    X, targets, _ = table(200)
    model = LinearRegression().fit(X, targets["count"])
    row = int(np.argmax(model.predict(X) < 0))
    with pytest.raises(ValueError, match=f"poisson: the estimator predicts -.* for row {row}, of which the link log"):
        lm.poisson().to("sklearn")(model, X, targets["count"])


def test_a_loss_of_margins_needs_them():
    X, targets, _ = table(200)
    trees = DecisionTreeClassifier(max_depth=2).fit(X, targets["label"])
    with pytest.raises(ValueError, match="hinge is a loss of margins, and DecisionTreeClassifier has no decision_f"):
        lm.hinge().to("sklearn")(trees, X, targets["label"])
