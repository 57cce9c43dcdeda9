"""What no booster does with a loss that is not its own: said by name, with what to do instead, and never in silence."""

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import BOOSTERS, ONE_THREAD, every_target

pytestmark = pytest.mark.slow

on_every_booster = pytest.mark.parametrize("booster", BOOSTERS)
X, TARGETS = every_target(600)


# offsets --------------------------------------------------------------------------------------------------------------


@on_every_booster
@pytest.mark.parametrize("name", ["init_score", "base_margin", "baseline", "offset"])
def test_an_offset_is_refused(booster, name):
    objective = lm.poisson().to(booster)
    for call in (objective.fit, objective.dataset):
        with pytest.raises(ValueError, match=f"^{name}: there is no offset .*y=counts / exposure with weight=exposure"):
            call(X, TARGETS["count"], **{name: np.ones(len(X))})


@pytest.mark.parametrize(("booster", "name"), [*zip(BOOSTERS, ["init_score", "base_margin", "baseline"], strict=True)])
def test_no_offset_may_be_said_aloud(booster, name):
    lm.poisson().to(booster).dataset(X, TARGETS["count"], **{name: None})


@on_every_booster
def test_rates_weighted_by_exposure_do_what_an_offset_is_for(booster):
    rng = np.random.default_rng(0)
    exposure = rng.uniform(0.1, 10, size=len(X))
    counts = rng.poisson(exposure * np.exp(X[:, 0] / 2))
    loss = lm.poisson()
    model = loss.to(booster).fit(X, counts / exposure, exposure, params=ONE_THREAD[booster])
    constant = loss(counts, np.log(counts.sum() / exposure.sum()) + np.log(exposure))
    assert model.units.start[0] == pytest.approx(np.log(counts.sum() / exposure.sum()))
    assert loss(counts, model.raw(X) + np.log(exposure)) < constant - 0.5


@pytest.mark.parametrize(("booster", "kind", "name"), [
    ("xgboost", "DMatrix", "base_margin"), ("catboost", "Pool", "baseline"),
])  # fmt: skip
def test_a_dataset_with_an_offset_of_its_own_is_no_row_to_predict(booster, kind, name):
    made, objective = getattr(pytest.importorskip(booster), kind), lm.poisson().to(booster)
    model = objective.fit(X, TARGETS["count"], params=ONE_THREAD[booster], rounds=2)
    np.testing.assert_array_equal(model.raw(objective.dataset(X, TARGETS["count"])), model.raw(X))
    np.testing.assert_allclose(model.raw(made(X)), model.raw(X), rtol=1e-6)
    np.testing.assert_allclose(model.raw(made(X, **{name: np.zeros(len(X))})), model.raw(X), rtol=1e-6)
    for call in (model.raw, model.predict):
        with pytest.raises(ValueError, match=f"^{name}: there is no offset"):
            call(made(X, **{name: np.ones(len(X))}))


def test_weights_of_groups_which_only_catboost_would_see_are_refused():
    objective, groups = lm.poisson().to("catboost"), {"group_id": np.repeat(np.arange(60), 10)}
    for call in (objective.fit, objective.dataset):
        with pytest.raises(ValueError, match=r"^group_weight: .*say weight="):
            call(X, TARGETS["count"], **groups, group_weight=np.ones(600))
    objective.dataset(X, TARGETS["count"], **groups, group_weight=None)


# infinite targets -----------------------------------------------------------------------------------------------------


@on_every_booster
@pytest.mark.parametrize("name", ["squared_error", "huber", "absolute_error", "poisson", "cross_entropy", "hinge"])
def test_an_infinite_target_is_refused_unless_it_weighs_nothing(booster, name):
    loss, (few, counts) = lm.get(name), (X[:60], TARGETS["count"][:60])
    y = np.eye(4)[TARGETS["class"][:60]] if name == "cross_entropy" else np.minimum(counts, 1.0)
    bad, place = y.copy(), r"7, 1" if y.ndim == 2 else "7"
    bad[(7, 1) if y.ndim == 2 else 7] = np.inf
    objective, given = loss.to(booster), {"params": ONE_THREAD[booster], "rounds": 2}
    for call in (
        lambda: objective.fit(few, bad, **given), lambda: objective.fit(few, y, valid=(few, bad), **given),
        lambda: objective.dataset(few, bad), lambda: objective.start(bad),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rf"^{name}: y\[{place}\] = inf, but .*leave the row out, or .*weight 0"):
            call()
    weight = (np.arange(60) != 7).astype(float)
    assert objective.start(bad, weight) == pytest.approx(objective.start(y, weight))
    assert np.isfinite(objective.fit(few, bad, weight, **given).raw(few)).all()


# parameters -----------------------------------------------------------------------------------------------------------

CLASSES = r"no effect: weight classes in the loss: binary_cross_entropy\(pos_weight=.*class_weighted"
OWN = "no effect: it is for objectives of the booster's own: give it to the loss"
RESERVED = "objective, metric, start and classes come from the loss, targets from y"
UNHEARD = [
    ("lightgbm", "scale_pos_weight", 9.0, CLASSES),
    ("lightgbm", "is_unbalance", True, CLASSES),
    ("lightgbm", "unbalance", True, CLASSES),
    ("lightgbm", "unbalanced_sets", True, CLASSES),
    ("lightgbm", "class_weight", "balanced", CLASSES),
    *(
        ("lightgbm", f"{label}_{name}", 0.5, "no effect: LightGBM draws each class by itself .*use bagging_fraction")
        for label in ("pos", "neg") for name in ("bagging_fraction", "subsample", "sub_row", "bagging")
    ),
    ("lightgbm", "alpha", 0.5, OWN),
    ("lightgbm", "label_gain", [0, 1], OWN),
    ("lightgbm", "tweedie_variance_power", 1.2, OWN),
    ("lightgbm", "poisson_max_delta_step", 0.3, r"no effect: .*hessian=lambda y, f: loss.hessian\(y, f \+ step\)"),
    ("lightgbm", "boost_from_average", False, RESERVED),
    ("lightgbm", "num_classes", 3, RESERVED),
    ("xgboost", "scale_pos_weight", 9.0, CLASSES),
    ("xgboost", "quantile_alpha", 0.5, OWN),
    ("catboost", "scale_pos_weight", 9.0, CLASSES),
    ("catboost", "class_weights", [1, 9], CLASSES),
    ("catboost", "auto_class_weights", "Balanced", CLASSES),
    ("catboost", "boost_from_average", False, RESERVED),
    ("catboost", "target_border", 0.5, RESERVED),
    ("catboost", "class_names", [1, 0], RESERVED),
]  # fmt: skip


@pytest.mark.parametrize(("booster", "name", "value", "message"), UNHEARD, ids=lambda part: str(part)[:24])
def test_parameters_that_boosters_pass_over_are_refused(booster, name, value, message):
    objective = lm.binary_cross_entropy().to(booster)
    with pytest.raises(ValueError, match=rf"params\['{name}'\] is .*{message}"):
        objective.fit(X, TARGETS["label"], params={**ONE_THREAD[booster], name: value}, rounds=2)


@pytest.mark.parametrize(("booster", "name", "value"), [
    ("lightgbm", "is_unbalance", False), ("lightgbm", "scale_pos_weight", 1.0), ("xgboost", "scale_pos_weight", 1),
    ("lightgbm", "pos_bagging_fraction", 1.0),
])  # fmt: skip
def test_what_asks_for_nothing_is_no_fault(booster, name, value):
    params = {**ONE_THREAD[booster], name: value}
    lm.binary_cross_entropy().to(booster).fit(X, TARGETS["label"], params=params, rounds=2)


@pytest.mark.parametrize(("booster", "name"), [("lightgbm", "poisson_max_delta_step"), ("xgboost", "max_delta_step")])
def test_the_boosters_own_poisson_is_that_of_its_default(booster, name):
    y, train = TARGETS["count"], ONE_THREAD[booster]
    loss = lm.poisson()
    with pytest.raises(ValueError, match=rf"'{name}'\] is 0.3, but hessian=\"booster\" is there for 0.7: .*0.3"):
        loss.to(booster, hessian="booster").fit(X, y, params={**train, name: 0.3}, rounds=2)
    default = loss.to(booster, hessian="booster").fit(X, y, params=train, rounds=5).raw(X)
    said = loss.to(booster, hessian="booster").fit(X, y, params={**train, name: 0.7}, rounds=5).raw(X)
    np.testing.assert_array_equal(said, default)


@pytest.mark.parametrize("step", [0.3, 1.5])
def test_another_step_is_said_as_the_second_order_weight_and_equals_the_built_in(step):
    import lightgbm as lgb
    import xgboost as xgb

    y, loss = TARGETS["count"], lm.poisson()
    options = {"hessian": lambda y, f: loss.hessian(y, f + step), "scale": 1.0}

    params = {**ONE_THREAD["lightgbm"], "verbosity": -1}
    ours = loss.to("lightgbm", **options).fit(X, y, params=params, rounds=20).predict(X)
    built_in = {"objective": "poisson", "poisson_max_delta_step": step}
    np.testing.assert_allclose(ours, lgb.train({**params, **built_in}, lgb.Dataset(X, y), 20).predict(X), rtol=1e-6)

    params = {**ONE_THREAD["xgboost"], "max_delta_step": step}
    model = loss.to("xgboost", **options).fit(X, y, params=params, rounds=20)
    data = xgb.DMatrix(X, label=y)
    built_in = {"objective": "count:poisson", "base_score": float(np.exp(model.units.start[0]))}
    np.testing.assert_allclose(model.predict(X), xgb.train({**params, **built_in}, data, 20).predict(data), rtol=1e-6)


# predictions ----------------------------------------------------------------------------------------------------------

KINDS = [
    ("lightgbm", "raw_score", True), ("lightgbm", "pred_leaf", True), ("lightgbm", "pred_contrib", True),
    ("xgboost", "output_margin", True), ("xgboost", "pred_leaf", True), ("xgboost", "pred_contribs", True),
    ("xgboost", "approx_contribs", True), ("xgboost", "pred_interactions", True),
    ("catboost", "prediction_type", "RawFormulaVal"), ("catboost", "prediction_type", "Probability"),
]  # fmt: skip


@pytest.mark.parametrize(("booster", "name", "value"), KINDS, ids=str)
@pytest.mark.parametrize(("loss", "target"), [("gamma", "positive"), ("cross_entropy", "class")])
def test_another_kind_of_prediction_is_the_boosters_own(loss, target, booster, name, value):
    few = slice(0, 100)
    model = lm.get(loss).to(booster).fit(X[few], TARGETS[target][few], params=ONE_THREAD[booster], rounds=2)
    for call in (model.predict, model.raw):
        with pytest.raises(ValueError, match=rf"^{name}: .predict is on the natural scale .*model.booster"):
            call(X, **{name: value})
        if value is True:  # what is not asked for is nobody's business
            np.testing.assert_array_equal(call(X, **{name: False}), call(X))


def test_contributions_of_the_booster_sum_to_the_raw_score_in_its_units():
    model = lm.gamma().to("lightgbm").fit(X, 1000 * TARGETS["positive"], params=ONE_THREAD["lightgbm"], rounds=5)
    u = model.booster.predict(X, pred_contrib=True).sum(axis=1)
    np.testing.assert_allclose(model.units.start[0] + model.units.scale[0] * u, model.raw(X), rtol=1e-9)


@on_every_booster
@pytest.mark.filterwarnings("ignore:.*Empty dataset")
@pytest.mark.parametrize(("loss", "target", "shape"), [("gamma", "positive", (0,)), ("cross_entropy", "class", (0, 4))])
def test_no_rows_are_predicted_in_the_shape_of_rows(booster, loss, target, shape):
    few = slice(0, 100)
    model = lm.get(loss).to(booster).fit(X[few], TARGETS[target][few], params=ONE_THREAD[booster], rounds=2)
    assert model.predict(X[:0]).shape == model.raw(X[:0]).shape == shape
