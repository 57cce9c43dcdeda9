"""The LightGBM adapter: equal to the built-in objectives where there are any, and able to train every loss anywhere."""

import inspect
import json
import warnings

import lightgbm as lgb
import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import every_target, table
from lossmith.adapters.lightgbm import LightGBMModel

pytestmark = pytest.mark.slow

PARAMS = {"num_leaves": 7, "learning_rate": 0.1, "num_threads": 1, "seed": 0, "deterministic": True, "verbosity": -1}
ROUNDS = 20


def targets(name, n=800, seed=0):
    X, y = every_target(n, seed)
    # LightGBM keeps targets in 24 bits: so may the comparison
    return X, y[name].astype(np.float32).astype(np.float64 if name != "class" else np.int64)


BUILT_IN = [
    ("squared_error", "regression", "real"),
    ("binary_cross_entropy", "binary", "label"),
    ("cross_entropy", "multiclass", "class"),
    ("poisson", "poisson", "count"),
    ("gamma", "gamma", "positive"),
    ("tweedie", "tweedie", "positive"),
]


@pytest.mark.parametrize(("name", "objective", "target"), BUILT_IN, ids=[row[0] for row in BUILT_IN])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_built_in_objective(name, objective, target, weighted):
    X, y = targets(target)
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32) if weighted else None
    model = lm.get(name).to("lightgbm", hessian="booster").fit(X, y, weight, params=PARAMS, rounds=ROUNDS)
    more = {"num_class": 4} if name == "cross_entropy" else {}
    peer = lgb.train({**PARAMS, "objective": objective, **more}, lgb.Dataset(X, y, weight=weight), ROUNDS)
    np.testing.assert_allclose(model.predict(X), peer.predict(X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_built_in_huber_from_the_same_start(weighted):
    X, y = targets("real")
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32) if weighted else None
    objective = lm.huber(delta=0.9).to("lightgbm", hessian="booster")
    start = objective.init_score(y, weight)
    data = lgb.Dataset(X, y, weight=weight, init_score=start)  # its own start is the mean
    peer = lgb.train({**PARAMS, "objective": "huber", "alpha": 0.9}, data, ROUNDS)
    model = objective.fit(X, y, weight, params=PARAMS, rounds=ROUNDS)
    np.testing.assert_allclose(model.predict(X), peer.predict(X) + start, rtol=1e-6, atol=1e-7)


def test_the_curvature_may_be_a_function():
    X, y = targets("count")
    by_hand = lm.poisson().to("lightgbm", hessian=lambda y, f: np.exp(f + 0.7))
    named = lm.poisson().to("lightgbm", hessian="booster")
    a, b = (objective.fit(X, y, params=PARAMS, rounds=ROUNDS).predict(X) for objective in (by_hand, named))
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_bst_04_the_first_tree_starts_at_the_best_constant():
    X, y = targets("real")
    y = y + 1000
    slow = {**PARAMS, "learning_rate": 0.01}
    model = lm.squared_error().to("lightgbm").fit(X, y, params=slow, rounds=1)
    peer = lgb.train({**slow, "objective": "regression"}, lgb.Dataset(X, y), 1)
    np.testing.assert_allclose(model.predict(X), peer.predict(X), rtol=1e-6)
    assert np.abs(model.predict(X) - y.mean()).max() < 1  # from 0, as a custom objective starts, it would be 990
    objective = lm.squared_error().to("lightgbm")
    with pytest.warns(UserWarning, match=r"training starts at \[0.0\], but the best constant is .* init_score"):
        lgb.train({**slow, "objective": objective}, lgb.Dataset(X, y), 1)


@pytest.mark.parametrize("n", [1, 2, 50])
def test_bst_05_both_derivatives_have_the_shape_of_the_prediction(n):
    y = np.linspace(0.1, 1, n)
    for name in ("squared_error", "absolute_error", "binary_cross_entropy", "poisson", "squared_hinge"):
        loss = lm.get(name)
        target = np.round(y) if loss.target_kind == "label" else y
        objective = loss.to("lightgbm", scale=1.0)
        for part in objective(target, objective.init_score(target)):
            assert np.shape(part) == (n,)
    for loss, target in ((lm.cross_entropy(), np.arange(n) % 3), (lm.multi_margin(), np.arange(n) % 3)):
        for part in loss.to("lightgbm", classes=3)(target, np.zeros((n, 3), order="F")):
            assert np.shape(part) == (n, 3)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_datasets_made_by_hand_train_at_any_size(scale):
    X, y = targets("real")
    objective = lm.absolute_error().to("lightgbm")
    start = objective.init_score(y * scale)
    data = lgb.Dataset(X, y * scale, init_score=start)
    predicted = start + lgb.train({**PARAMS, "objective": objective}, data, ROUNDS).predict(X)
    assert np.abs(predicted - y * scale).mean() < 0.8 * np.abs(y - np.median(y)).mean() * scale


REAL = [
    "squared_error", "absolute_error", "huber", "smooth_l1", "pseudo_huber", "log_cosh", "quantile", "expectile", "lq",
    "epsilon_insensitive", "absolute_percentage_error",
]  # fmt: skip
SCALED = {"huber": "delta", "smooth_l1": "beta", "pseudo_huber": "delta", "epsilon_insensitive": "epsilon"}


def gain(loss, X, y, weight=None, params=PARAMS, rounds=60):
    """Held-out loss of the trained model, relative to that of the training rows' best constant."""
    half = len(y) // 2
    w, v = (None, None) if weight is None else (weight[:half], weight[half:])
    model = loss.to("lightgbm").fit(X[:half], y[:half], w, params=params, rounds=rounds)
    constant = np.broadcast_to(np.asarray(model.units.start), model.raw(X[half:]).reshape(len(y) - half, -1).shape)
    constant = constant[:, 0] if loss.kind == "pointwise" and loss.outputs == 1 else constant
    return loss(y[half:], model.raw(X[half:]), weight=v) / loss(y[half:], constant, weight=v)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1e6, 1.0), (0.0, 1e-6), (0.0, 1e6)])
def test_beats_the_best_constant_wherever_the_target_lies(name, shift, scale):
    X, y = targets("positive" if name == "absolute_percentage_error" else "real", 1600)
    y = y * scale + shift
    loss = lm.get(name, **({SCALED[name]: scale * lm.get(name).params[SCALED[name]]} if name in SCALED else {}))
    assert gain(loss, X, y) < (0.9 if name == "absolute_percentage_error" else 0.75)


@pytest.mark.parametrize("name", ["huber", "pseudo_huber", "log_cosh"])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_a_scale_parameter_left_at_its_default_does_not_stop_training(name, scale):
    X, y = targets("real", 1600)
    assert gain(lm.get(name), X, y * scale) < 0.9


@pytest.mark.parametrize("name", ["poisson", "gamma", "tweedie"])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_positive_targets_of_any_size(name, scale):
    X, y = targets("positive", 1600)
    loss = lm.get(name)
    half = len(y) // 2
    model = loss.to("lightgbm").fit(X[:half], y[:half] * scale, params=PARAMS, rounds=60)
    predicted, truth = model.predict(X[half:]) / scale, y[half:]
    assert np.mean((predicted - truth) ** 2) < 0.8 * np.mean((truth.mean() - truth) ** 2)


@pytest.mark.parametrize(
    "name", ["binary_cross_entropy", "hinge", "squared_hinge", "modified_huber", "exponential", "focal", "brier"]
)
@pytest.mark.parametrize("share", [0.5, 0.01])
def test_binary_losses_learn_from_few_positives(name, share):
    X, signal, rng = table(6000)
    score = 3 * signal + rng.logistic(size=len(signal))
    y = (score > np.quantile(score, 1 - share)).astype(float)
    half = len(y) // 2
    loss = lm.get(name)
    model = loss.to("lightgbm").fit(X[:half], y[:half], params=PARAMS, rounds=60)
    raw = model.raw(X[half:])
    order = np.argsort(-raw, kind="stable")
    precision = y[half:][order][: int(y[half:].sum())].mean()
    assert precision > (0.8 if share == 0.5 else 0.3)
    if name != "hinge" or share == 0.5:  # at one positive in a hundred, hinge may rightly say no to all
        assert gain(loss, X, y) < 0.95


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "quantile", "huber"])
def test_weights_count(name):
    X, y = targets("real", 1600)
    weight = np.random.default_rng(3).uniform(0, 2, size=len(y))
    assert gain(lm.get(name), X, y, weight) < 0.75
    # a weight of 2 is two rows, one of 0 none
    counts = np.random.default_rng(4).integers(0, 3, size=len(y)).astype(float)
    free = {**PARAMS, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 20, "max_bin": 15}
    a = lm.get(name).to("lightgbm").fit(X, y, counts, params=free, rounds=5)
    assert np.isfinite(a.predict(X)).all()
    swapped = y.copy()
    swapped[counts == 0] = 1e3  # what has no weight cannot matter
    b = lm.get(name).to("lightgbm").fit(X, swapped, counts, params=free, rounds=5)
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-12)


@pytest.mark.parametrize("name", ["cross_entropy", "focal_cross_entropy", "multiclass_hinge", "multi_margin"])
def test_several_classes(name):
    X, y = targets("class", 1600)
    loss = lm.get(name)
    assert gain(loss, X, y) < 0.8
    model = loss.to("lightgbm").fit(X, y, params=PARAMS, rounds=30)
    assert model.raw(X).shape == (len(y), 4)
    assert (model.raw(X).argmax(axis=1) == y).mean() > 0.7
    if loss.link.name == "softmax":
        np.testing.assert_allclose(model.predict(X).sum(axis=1), 1)


def test_several_predictions():
    X, y = targets("real", 1600)
    for scale in (1.0, 1e6):
        loss = lm.gaussian_nll()
        model = loss.to("lightgbm").fit(X[:800], scale * y[:800], params=PARAMS, rounds=60)
        start = np.broadcast_to(model.units.start, (800, 2))
        assert loss(scale * y[800:], model.raw(X[800:])) < loss(scale * y[800:], start) - 0.2
        assert (model.predict(X)[:, 1] > 0).all()


def test_predict_is_start_plus_raw_through_the_link():
    X, y = targets("count")
    model = lm.poisson().to("lightgbm").fit(X, y, params=PARAMS, rounds=ROUNDS)
    trees = model.booster.predict(X, raw_score=True)
    assert model.units.start == pytest.approx([np.log(y.mean())])
    np.testing.assert_allclose(model.raw(X), model.units.start[0] + model.units.scale * trees)
    np.testing.assert_allclose(model.predict(X), np.exp(model.raw(X)))


def test_order_of_arguments_and_weights():
    X, y = targets("real")
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32).astype(np.float64)
    objective = lm.squared_error().to("lightgbm", scale=1.0)  # the loss's own numbers
    assert len(inspect.signature(objective).parameters) == 3
    data = lgb.Dataset(X, y, weight=weight).construct()
    f = np.linspace(-1, 1, len(y))
    native, sklearn = objective(f, data), objective(y, f, weight)
    np.testing.assert_array_equal(native[0], sklearn[0])
    np.testing.assert_allclose(native[0], 2 * (f - y) * weight)
    np.testing.assert_allclose(native[1], 2 * weight)
    told = ("squared_error", lm.squared_error()(y, f, weight=weight), False)
    assert objective.metric(f, data) == objective.metric(y, f, weight) == told


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize(("name", "kind"), [("absolute_error", "real"), ("cross_entropy", "class")])
def test_folds_know_their_rows(name, kind, shift):
    X, y = targets(kind)
    y = y + shift if kind == "real" else y
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    objective = lm.get(name).to("lightgbm")
    train = objective.dataset(X, y, weight)
    folds = [(np.arange(0, 800, 2), np.arange(1, 800, 2)), (np.arange(1, 800, 2), np.arange(0, 800, 2))]
    told = objective.params(train, PARAMS)
    cv = lgb.cv(told, train, ROUNDS, folds=folds, feval=objective.metric, return_cvbooster=True)
    by_hand = []
    for booster, (_, theirs) in zip(cv["cvbooster"].boosters, folds, strict=True):
        model = objective.model(booster, train)
        by_hand.append(lm.get(name)(y[theirs], model.raw(X[theirs]), weight=weight[theirs]))
    assert cv[f"valid {name}-mean"][-1] == pytest.approx(np.mean(by_hand), rel=1e-5)
    none = objective.model(booster, train)
    none._trees = lambda X: np.zeros((len(X), 4) if kind == "class" else len(X))
    assert cv[f"valid {name}-mean"][-1] < 0.8 * lm.get(name)(y, none.raw(X), weight=weight)


def test_scikit_learn_interface():
    X, y = targets("real")
    objective = lm.squared_error().to("lightgbm")
    start = objective.init_score(y)
    model = lgb.LGBMRegressor(objective=objective, n_estimators=ROUNDS, num_leaves=7, n_jobs=1, verbosity=-1)
    model.fit(X, y, init_score=start)
    peer = lgb.LGBMRegressor(n_estimators=ROUNDS, num_leaves=7, n_jobs=1, verbosity=-1).fit(X, y)
    np.testing.assert_allclose(model.predict(X) + start, peer.predict(X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["squared_error", "binary_cross_entropy"])
def test_a_forgotten_start_is_said_aloud_and_a_given_one_is_not(name):
    X, signal, _ = table(400)
    y = X[:, 0] + 2 if name == "squared_error" else (signal > np.quantile(signal, 0.932)).astype(float)
    objective = lm.get(name).to("lightgbm")
    options = {"objective": objective, "n_estimators": 2, "n_jobs": 1, "verbosity": -1}
    with pytest.warns(UserWarning, match=f"{name}: training starts at .* init_score"):
        lgb.LGBMRegressor(**options).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options["objective"] = lm.get(name).to("lightgbm")
        lgb.LGBMRegressor(**options).fit(X, y, init_score=objective.init_score(y))


def test_native_training_with_datasets_that_carry_the_start():
    X, y = targets("real")
    objective = lm.absolute_error().to("lightgbm")
    train = objective.dataset(X, y + 1e6)
    valid = objective.dataset(X[:100], y[:100] + 1e6, reference=train)
    seen = {}
    booster = lgb.train(
        {**PARAMS, "objective": objective, "metric": "None"}, train, ROUNDS, valid_sets=[valid],
        feval=objective.metric, callbacks=[lgb.record_evaluation(seen)],
    )  # fmt: skip
    model = objective.model(booster, train)
    truth = lm.absolute_error()(y[:100] + 1e6, model.predict(X[:100]))
    assert seen["valid_0"]["absolute_error"][-1] == pytest.approx(truth, rel=1e-9)
    with pytest.raises(ValueError, match="start and scale are unknown"):
        objective.dataset(X, y, reference=lgb.Dataset(X, y))


def test_early_stopping_sees_the_loss_itself():
    X, y = targets("real", 1600)
    adapter = lm.quantile(q=0.9).to("lightgbm")
    model = adapter.fit(
        X[:300], y[:300], params={**PARAMS, "num_leaves": 31, "min_data_in_leaf": 3, "learning_rate": 0.3}, rounds=500,
        valid=(X[800:], y[800:]), early_stopping=10,
    )  # fmt: skip
    assert 0 < model.booster.best_iteration < 450
    with pytest.raises(ValueError, match="no validation set"):
        adapter.fit(X, y, early_stopping=10)


@pytest.mark.parametrize("name", ["boosting", "boosting_type", "boost"])
def test_dart_which_would_not_stop_early_says_so(name):
    X, y = targets("real")
    objective, params = lm.squared_error().to("lightgbm"), {**PARAMS, name: "dart"}
    with pytest.raises(ValueError, match=rf"^early_stopping is 3, but .*'{name}'\] = 'dart' .*leave early_stopping"):
        objective.fit(X, y, params=params, rounds=2, valid=(X, y), early_stopping=3)
    objective.fit(X, y, params=params, rounds=2, valid=(X, y))


def test_what_is_said_of_stopping_and_of_talking_is_heard(capfd):
    X, y = targets("real")
    objective, given = lm.squared_error().to("lightgbm"), {"rounds": 20, "valid": (X, y), "early_stopping": 3}
    quiet = {name: value for name, value in PARAMS.items() if name != "verbosity"}
    trees = [
        objective.fit(X, y, params={**quiet, **more}, **given).booster.best_iteration
        for more in ({}, {"early_stopping_min_delta": 1e6})
    ]
    assert trees == [20, 1]
    assert not capfd.readouterr().out
    for name in ("verbosity", "verbose"):
        objective.fit(X, y, params={**quiet, name: 1}, rounds=1)
        assert "[LightGBM] [Info]" in capfd.readouterr().out


@pytest.mark.parametrize("name", ["quantile", "binary_cross_entropy", "cross_entropy", "gaussian_nll"])
@pytest.mark.parametrize("place", ["model", "model.txt"])
def test_save_and_load(tmp_path, name, place):
    kind = {"quantile": "real", "binary_cross_entropy": "label", "cross_entropy": "class", "gaussian_nll": "real"}[name]
    X, y = targets(kind)
    loss = lm.get(name, **({"q": 0.8} if name == "quantile" else {}))
    model = loss.to("lightgbm").fit(X, y, params=PARAMS, rounds=ROUNDS)
    model.save(tmp_path / place)
    again = LightGBMModel.load(tmp_path / place)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.loss == loss
    spec = json.loads((tmp_path / ("model/model.json" if place == "model" else "model.json")).read_text())
    assert spec["format"] == 1


def test_exact_hessian_says_where_it_fails():
    y, f = np.array([1.0, 0.0, 1.0]), np.array([-5.0, 0.0, 0.0])
    with pytest.warns(UserWarning, match=r'1 predictions is not positive \(first: row 0\).* use hessian="curvature"'):
        _, weight = lm.focal().to("lightgbm", hessian="exact")(y, f)
    assert (weight > 0).all()
    assert (lm.focal().to("lightgbm")(y, f)[1] > 0).all()
    with pytest.raises(ValueError, match="hessian is 'other'"):
        lm.focal().to("lightgbm", hessian="other")


def test_bad_targets_raise_the_losss_own_words():
    X, y = targets("real")
    broken = np.where(np.arange(len(y)) == 7, np.nan, y)
    with pytest.raises(ValueError, match=r"squared_error.*7"):
        lm.squared_error().to("lightgbm").fit(X, broken)
    with pytest.raises(ValueError, match="poisson"):
        lm.poisson().to("lightgbm").fit(X, y)
    with pytest.raises(ValueError, match="hinge"):
        lm.hinge().to("lightgbm").fit(X, y)
    with pytest.raises(ValueError, match="weight"):
        lm.squared_error().to("lightgbm").fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="objective, metric, start and classes come from the loss"):
        lm.squared_error().to("lightgbm").fit(X, y, params={"objective": "mae"})


def test_labels_of_the_loss():
    X, y = targets("label")
    plain = lm.binary_cross_entropy().to("lightgbm").fit(X, y, params=PARAMS, rounds=5)
    for labels in ((-1, 1), ("no", "yes")):
        named = np.asarray(labels)[y.astype(int)]
        model = lm.get("binary_cross_entropy", labels=labels).to("lightgbm").fit(X, named, params=PARAMS, rounds=5)
        np.testing.assert_array_equal(model.predict(X), plain.predict(X))


@pytest.mark.parametrize(("name", "y"), [("binary_cross_entropy", 0), ("poisson", 0), ("exponential", 1)])
def test_one_kind_of_target_starts_at_a_finite_score(name, y):
    X, _, _ = table(50)
    model = lm.get(name).to("lightgbm").fit(X, np.full(50, float(y)), params=PARAMS, rounds=3)
    assert np.abs(model.units.start[0]) == pytest.approx(np.log(101))
    assert np.isfinite(model.predict(X)).all()


def test_classes_that_the_targets_do_not_show():
    X, y = targets("class")
    model = lm.cross_entropy().to("lightgbm", classes=5).fit(X, y, params=PARAMS, rounds=3)
    p = model.predict(X)
    assert p.shape == (len(y), 5)
    assert (p[:, 4] < 0.01).all()
