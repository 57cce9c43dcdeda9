"""The XGBoost adapter: equal to the built-in objectives, in both of XGBoost's interfaces."""

import warnings

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import every_target, table

xgb = pytest.importorskip("xgboost")

pytestmark = pytest.mark.slow

PARAMS = {"nthread": 1, "max_depth": 3, "seed": 0}
ROUNDS = 20


def problem(kind, n=800):
    X, y = every_target(n)
    return X, np.asarray(y[kind], dtype=np.int64 if kind == "class" else np.float32)


def close(a, b):
    """XGBoost computes in 24 bits: so may the comparison."""
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6 * np.abs(b).max())


BUILT_IN = [
    ("squared_error", "reg:squarederror", "real", {}),
    ("pseudo_huber", "reg:pseudohubererror", "real", {}),
    ("binary_cross_entropy", "binary:logistic", "label", {}),
    ("poisson", "count:poisson", "count", {}),
    ("gamma", "reg:gamma", "positive", {}),
    ("tweedie", "reg:tweedie", "positive", {"tweedie_variance_power": 1.5}),
]


@pytest.mark.parametrize(("name", "objective", "kind", "extra"), BUILT_IN, ids=[row[0] for row in BUILT_IN])
@pytest.mark.parametrize("weighted", [False, True])
def test_bst_01_equals_the_built_in_objective_from_the_same_start(name, objective, kind, extra, weighted):
    X, y = problem(kind)
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32) if weighted else None
    loss = lm.get(name)
    model = loss.to("xgboost", hessian="booster").fit(X, y, weight, params=PARAMS, rounds=ROUNDS)
    base = float(loss.link.inverse(model.units.start[0]))
    data = xgb.DMatrix(X, label=y, weight=weight)
    peer = xgb.train({**PARAMS, **extra, "objective": objective, "base_score": base}, data, ROUNDS)
    close(model.predict(X), peer.predict(data))


@pytest.mark.parametrize("weighted", [False, True])
def test_bst_03_several_classes_equal_the_built_in_objective_from_their_own_starts(weighted):
    X, y = problem("class")
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32) if weighted else None
    loss = lm.cross_entropy()
    model = loss.to("xgboost", hessian="booster").fit(X, y, weight, params=PARAMS, rounds=ROUNDS)
    np.testing.assert_allclose(model.units.start, loss.best_constant(y, weight=weight))
    assert np.ptp(model.units.start) > 0.1  # 0.5 in every class would be another start
    data = xgb.DMatrix(X, label=y, weight=weight, base_margin=np.tile(model.units.start, (len(y), 1)))
    peer = xgb.train({**PARAMS, "objective": "multi:softprob", "num_class": 4}, data, ROUNDS)
    close(model.predict(X), peer.predict(data))


def test_bst_03_several_predictions_start_at_the_best_constant_each():
    X, y = problem("real")
    model = lm.gaussian_nll().to("xgboost").fit(X, y + 7, params=PARAMS, rounds=0)
    np.testing.assert_allclose(model.raw(X), np.tile([np.mean(y + 7), np.log(np.std(y))], (len(y), 1)), rtol=1e-5)


def test_bst_02_an_offset_of_log_two_doubles_the_mean():
    X, _ = problem("count")
    exposure = np.where(X[:, 1] > 0, 2.0, 1.0)
    y = np.random.default_rng(0).poisson(exposure * np.exp(X[:, 0] / 2))
    loss = lm.poisson()
    objective = loss.to("xgboost")
    start = np.log(y.sum() / exposure.sum())
    data = xgb.DMatrix(X[:, :1], label=y, base_margin=start + np.log(exposure))
    booster = xgb.train({**PARAMS, "disable_default_eval_metric": True}, data, ROUNDS, obj=objective)

    def mean(offset):
        again = xgb.DMatrix(X[:, :1], base_margin=np.full(len(X), start + offset))
        return loss.link.inverse(booster.predict(again, output_margin=True))

    np.testing.assert_allclose(mean(np.log(2.0)), 2 * mean(0.0), rtol=1e-5)
    assert mean(0.0)[X[:, 0] > 1].mean() > mean(0.0)[X[:, 0] < -1].mean() + 0.5


@pytest.mark.parametrize("params", [
    {"booster": "gblinear", "updater": "coord_descent", "eta": 0.3},
    {"booster": "dart", "rate_drop": 0.5, "eta": 0.5, "min_child_weight": 0},
], ids=lambda params: params["booster"])  # fmt: skip
def test_a_booster_that_changes_what_it_had_learnt_stops_at_its_best_round(params):
    X, y = problem("real")
    y = y + 50 * (np.arange(len(y)) == 1)  # which the other rows know nothing of
    few, others = slice(0, 12), slice(12, None)
    params = {"nthread": 1, "seed": 0, **params}
    objective = lm.squared_error().to("xgboost")
    train = objective.dataset(X[few], y[few])
    valid = objective.dataset(X[others], y[others], reference=train)
    best = xgb.train(
        objective.params(train, params), train, 50, obj=objective, custom_metric=objective.metric,
        evals=[(valid, "valid")], early_stopping_rounds=3, verbose_eval=False,
    ).best_iteration  # fmt: skip
    assert best < 40
    model = objective.fit(X[few], y[few], params=params, rounds=50, valid=(X[others], y[others]), early_stopping=3)
    expected = objective.fit(X[few], y[few], params=params, rounds=best + 1)
    np.testing.assert_array_equal(model.predict(X), expected.predict(X))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_training_stops_early_at_the_same_round_whatever_the_unit_of_the_targets(scale):
    X, y = problem("real")
    y = y * scale
    model = lm.squared_error().to("xgboost").fit(
        X[300:], y[300:], params=PARAMS, rounds=100, valid=(X[:300], y[:300]), early_stopping=3
    )
    assert 10 < model.booster.num_boosted_rounds() < 90


MISREAD = {
    "precision_loss": "loss_precision_loss", "map": "loss_map", "auc of mine": "loss_auc_of_mine",
    "ndcg@5": "loss_ndcg@5", "2 * huber": "2_*_huber",
    "a:b": "a_b", "class-weighted huber": "class-weighted_huber", "huber": "huber",
}  # fmt: skip


@pytest.mark.parametrize(("name", "shown"), MISREAD.items())
def test_whatever_a_loss_is_called_less_of_it_is_better(name, shown):
    X, y = problem("real")
    loss = lm.squared_error().replaced(name=name)
    objective, given = loss.to("xgboost"), {"rounds": 8, "valid": (X, y), "early_stopping": 2}
    expected = lm.squared_error().to("xgboost").fit(X, y, params=PARAMS, **given)
    fitted = objective.fit(X, y, params=PARAMS, **given)
    np.testing.assert_array_equal(fitted.predict(X), expected.predict(X))
    assert fitted.booster.num_boosted_rounds() == 8
    train, seen = objective.dataset(X, y), {}
    told = objective.params(train, PARAMS)
    options = {"obj": objective, "custom_metric": objective.metric, "early_stopping_rounds": 2}
    xgb.train(told, train, 8, evals=[(train, "train")], evals_result=seen, verbose_eval=False, **options)
    assert [len(values) for values in seen["train"].values()] == [8]
    assert list(seen["train"]) == [shown]
    assert len(xgb.cv(told, train, 8, nfold=2, as_pandas=False, **options)[f"test-{shown}-mean"]) == 8
    alone = {"n_estimators": 8, "max_depth": 3, "n_jobs": 1, "base_score": np.mean(y), "early_stopping_rounds": 2}
    model = xgb.XGBRegressor(
        objective=objective, eval_metric=objective.metric, disable_default_eval_metric=True, **alone
    ).fit(X, y, eval_set=[(X, y)], verbose=False)
    assert list(model.evals_result()["validation_0"]) == [shown]
    assert model.best_iteration == 7


def test_the_models_start_is_its_own_whatever_base_score_says():
    X, y = problem("real")
    objective = lm.absolute_error().to("xgboost")
    train = objective.dataset(X, y + 1e6)
    told = xgb.train(objective.params(train, PARAMS), train, ROUNDS, obj=objective)
    untold = xgb.train({**PARAMS, "disable_default_eval_metric": True}, train, ROUNDS, obj=objective)
    a, b = (objective.model(booster, train).predict(X) for booster in (told, untold))
    np.testing.assert_allclose(a, b, rtol=1e-12)
    assert np.abs(a - y - 1e6).mean() < 0.8 * np.abs(y - np.median(y)).mean()


def test_native_training_with_a_validation_set():
    X, y = problem("count")
    objective = lm.poisson().to("xgboost")
    train = objective.dataset(X[:400], y[:400])
    valid = objective.dataset(X[400:], y[400:], reference=train)
    seen = {}
    booster = xgb.train(
        objective.params(train, PARAMS), train, ROUNDS, obj=objective, custom_metric=objective.metric,
        evals=[(valid, "valid")], evals_result=seen, verbose_eval=False,
    )  # fmt: skip
    truth = lm.poisson()(y[400:], objective.model(booster, train).raw(X[400:]))
    assert list(seen["valid"]) == ["poisson"]
    assert seen["valid"]["poisson"][-1] == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize("shift", [0.0, 1e6])
@pytest.mark.parametrize(("name", "kind"), [("absolute_error", "real"), ("cross_entropy", "class")])
def test_folds_know_their_rows(name, kind, shift):
    X, y = problem(kind)
    y = y.astype(float) + shift if kind == "real" else y
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y))
    objective = lm.get(name).to("xgboost")
    train = objective.dataset(X, y, weight)
    folds = [(np.arange(0, 800, 2), np.arange(799, 0, -2)), (np.arange(1, 800, 2), np.arange(0, 800, 2))]
    told = objective.params(train, PARAMS)
    seen = xgb.cv(told, train, ROUNDS, folds=folds, obj=objective, custom_metric=objective.metric, as_pandas=False)
    by_hand = []
    for ours, theirs in folds:
        part = objective.dataset(X[ours], y[ours], weight[ours], reference=train)
        booster = xgb.train(told, part, ROUNDS, obj=objective)
        by_hand.append(lm.get(name)(y[theirs], objective.model(booster, part).raw(X[theirs]), weight=weight[theirs]))
    assert seen[f"test-{name}-mean"][-1] == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_scikit_learn_interface():
    X, y = problem("real")
    y = y + 50
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32)
    objective = lm.squared_error().to("xgboost")
    options = {"n_estimators": ROUNDS, "max_depth": 3, "n_jobs": 1, "base_score": objective.start(y, weight)[0]}
    model = xgb.XGBRegressor(objective=objective, eval_metric=objective.metric, **options)
    model.fit(X, y, sample_weight=weight, eval_set=[(X, y)], verbose=False)
    close(model.predict(X), xgb.XGBRegressor(**options).fit(X, y, sample_weight=weight).predict(X))
    assert list(model.evals_result()["validation_0"]) == ["rmse", "squared_error"]
    seen = model.evals_result()["validation_0"]["squared_error"][-1]
    assert seen == pytest.approx(lm.squared_error()(y, model.predict(X)), rel=1e-5)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "focal"])
def test_the_classifier_reads_its_start_as_a_probability(name):
    X, y = problem("label")
    objective = lm.get(name).to("xgboost")
    score = objective.start(y)[0]
    options = {"n_estimators": ROUNDS, "max_depth": 3, "n_jobs": 1}
    share = 1 / (1 + np.exp(-score))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own = xgb.XGBClassifier(objective=objective, base_score=share, **options).fit(X, y)
        offset = xgb.XGBRegressor(objective=objective, base_score=score, **options).fit(X, y)
    close(own.predict(X, output_margin=True), offset.predict(X, output_margin=True))
    if name == "binary_cross_entropy":
        close(own.predict_proba(X)[:, 1], objective.fit(X, y, params=PARAMS, rounds=ROUNDS).predict(X))
    with pytest.warns(UserWarning, match="training starts at .* probability"):
        xgb.XGBClassifier(objective=lm.get(name).to("xgboost"), base_score=0.999, **options).fit(X, y)


def test_scikit_learn_classes_and_clones():
    sklearn = pytest.importorskip("sklearn.base")
    X, y = problem("class")
    objective = lm.cross_entropy().to("xgboost")
    model = sklearn.clone(xgb.XGBClassifier(objective=objective, n_estimators=ROUNDS, max_depth=3, n_jobs=1))
    assert (model.fit(X, y).predict(X) == y).mean() > 0.8


def test_a_start_that_is_far_from_the_best_is_said_aloud():
    X, y = problem("real")
    objective = lm.absolute_error().to("xgboost")
    with pytest.warns(UserWarning, match=r"absolute_error: training starts at .* base_score .* or base_margin"):
        xgb.train({**PARAMS, "base_score": 0.5}, xgb.DMatrix(X, y + 1000), 2, obj=objective)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_datasets_made_by_hand_train_at_any_size(scale):
    X, y = problem("real")
    objective = lm.absolute_error().to("xgboost")
    options = {**PARAMS, "base_score": objective.start(y * scale)[0]}
    data = xgb.DMatrix(X, y * scale)
    predicted = xgb.train(options, data, ROUNDS, obj=objective).predict(data)
    assert np.abs(predicted - y * scale).mean() < 0.8 * np.abs(y - np.median(y)).mean() * scale


def test_order_sign_shape_and_weights():
    X, y = problem("real")
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32).astype(np.float64)
    loss = lm.squared_error()
    objective = loss.to("xgboost", scale=1.0)  # derivatives as the loss has them
    f = np.linspace(-1, 1, len(y)).astype(np.float32)
    data = xgb.DMatrix(X, label=y, weight=weight)
    for gradient, curvature in (objective(f, data), objective(y, f, sample_weight=weight)):
        np.testing.assert_allclose(gradient, 2 * (f.astype(float) - y) * weight)
        np.testing.assert_allclose(curvature, 2 * weight)
    value = loss(y, f, weight=weight)
    assert objective.metric(f, data) == ("squared_error", pytest.approx(value))
    assert objective.metric(y, f, weight) == pytest.approx(value)
    scores = np.zeros((len(y), 3), dtype=np.float32)
    for part in lm.cross_entropy().to("xgboost")(scores, xgb.DMatrix(X, label=np.arange(len(y)) % 3)):
        assert part.shape == scores.shape


@pytest.mark.parametrize(
    ("name", "label", "message"),
    [("hinge", 2.0, r"hinge: y_true\[5\] = 2 is not a label"), ("gamma", 0.0, r"gamma: y_true\[5\] = 0 is not")],
)
def test_bad_labels_of_a_dataset_made_by_hand_stop_training(name, label, message):
    X, y = problem("label")
    y[:] = 1.0
    y[5] = label
    with pytest.raises(ValueError, match=message):
        xgb.train(PARAMS, xgb.DMatrix(X, label=y), 2, obj=lm.get(name).to("xgboost"))


def test_predictions_that_are_not_numbers_stop_training():
    X, y = problem("real")
    margin = np.where(np.arange(len(y)) == 9, np.nan, 0.0)
    with pytest.raises(ValueError, match=r"squared_error: y_pred\[9\] = nan"):
        xgb.train(PARAMS, xgb.DMatrix(X, y, base_margin=margin), 2, obj=lm.squared_error().to("xgboost", scale=1.0))


def test_categories_and_missing_values_mean_the_same_at_prediction(tmp_path):
    pd = pytest.importorskip("pandas")
    X, signal, _ = table(300)
    loss = lm.squared_error()
    frame = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(np.where(signal > 1, "u", "v"))})
    model = loss.to("xgboost").fit(frame, signal, params={"nthread": 1})
    assert loss(signal, model.predict(frame)) < 0.3 * np.var(signal)
    gone = X > 1
    model = loss.to("xgboost").fit(np.where(gone, -999.0, X), signal, params={"nthread": 1}, missing=-999.0)
    expected = loss.to("xgboost").fit(np.where(gone, np.nan, X), signal, params={"nthread": 1}).predict(
        np.where(gone, np.nan, X)
    )
    model.save(tmp_path / "model")
    for again in (model, type(model).load(tmp_path / "model")):
        np.testing.assert_array_equal(again.predict(np.where(gone, -999.0, X)), expected)


def several_targets(n=400):
    X, signal, _ = table(n)
    return X, np.column_stack([signal + 1e6, 1e-6 * X[:, 1], np.exp(X[:, 2])])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "huber", "quantile"])
def test_several_targets_are_trained_as_each_alone(name, weighted, tmp_path):
    X, y = several_targets()
    weight = np.where(X[:, 0] > 0, 2.0, 0.5) if weighted else None
    loss = lm.get(name)
    model = loss.to("xgboost").fit(X, y, weight, PARAMS, ROUNDS)
    alone = [loss.to("xgboost").fit(X, each, weight, PARAMS, ROUNDS).predict(X) for each in y.T]
    for j, expected in enumerate(alone):
        np.testing.assert_allclose(model.predict(X)[:, j], expected, rtol=1e-6, atol=1e-6 * np.ptp(y[:, j]))
        assert loss(y[:, j], expected) < 0.9 * loss(y[:, j], np.full(len(y), loss.best_constant(y[:, j])))
    assert loss.to("xgboost").start(y) == pytest.approx([loss.to("xgboost").start(each)[0] for each in y.T])
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(type(model).load(tmp_path / "model").predict(X), model.predict(X))


def test_several_targets_stop_early_and_train_in_other_interfaces():
    X, y = several_targets()
    y = (y - y[::2].mean(axis=0)) / y.std(axis=0)  # for XGBoost's own start is one number for all
    objective = lm.squared_error().to("xgboost")
    train, valid = (X[::2], y[::2]), (X[1::2], y[1::2])
    model = objective.fit(*train, params=PARAMS, rounds=200, valid=valid, early_stopping=3)
    assert model.predict(X).shape == y.shape
    assert 1 < model.booster.num_boosted_rounds() < 200
    started = {**PARAMS, "base_score": 0.0}
    booster = xgb.train(started, xgb.DMatrix(*train), ROUNDS, obj=objective, custom_metric=objective.metric,
                        evals=[(xgb.DMatrix(*valid), "valid")], verbose_eval=False)  # fmt: skip
    regressor = xgb.XGBRegressor(objective=objective, n_estimators=ROUNDS, n_jobs=1, max_depth=3, base_score=0.0)
    by_both = booster.predict(xgb.DMatrix(X), output_margin=True), regressor.fit(*train, verbose=False).predict(X)
    close(*by_both)
    assert (np.square(by_both[0] - y).mean(axis=0) < 0.5 * y.var(axis=0)).all()


def test_what_is_wrong_with_several_targets_is_said():
    X, y = several_targets(50)
    y[7, 1] = np.nan
    with pytest.raises(ValueError, match=r"y_true\[7, 1\] = nan"):
        lm.squared_error().to("xgboost").fit(X, y)
    y[7, 1] = 0.0
    with pytest.raises(ValueError, match="in_mads: residuals of several targets"):
        lm.huber().to("xgboost", in_mads=True).fit(X, y)
    short, objective = np.ones(49), lm.squared_error().to("xgboost")
    for reference in (None, objective.dataset(X, y)):
        with pytest.raises(ValueError, match=r"weight has shape \(49,\)"):
            objective.dataset(X, y, short, reference=reference)
    for other in ("lightgbm", "catboost"):
        pytest.importorskip(other)
        with pytest.raises(ValueError, match=f"{other} trains squared_error on one target"):
            lm.squared_error().to(other).fit(X, y)
