"""The CatBoost adapter: signs, blocks, several scores, and equality with the built-in objectives."""

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import PLAIN, table, target_for

cb = pytest.importorskip("catboost")

pytestmark = pytest.mark.slow

PARAMS = {
    **PLAIN["catboost"], "l2_leaf_reg": 3, "learning_rate": 0.1, "leaf_estimation_method": "Newton",
    "leaf_estimation_iterations": 1,
}  # fmt: skip
QUIET = {"allow_writing_files": False, "verbose": False}
BUILT_IN = [
    ("squared_error", "RMSE"),
    ("binary_cross_entropy", "Logloss"),
    ("poisson", "Poisson"),
    ("tweedie", "Tweedie:variance_power=1.5"),
    ("log_cosh", "LogCosh"),
]


def problem(loss, n=800):
    X, signal, rng = table(n)
    return X, target_for(loss, signal, rng)


@pytest.mark.parametrize(("name", "peer"), BUILT_IN, ids=[row[0] for row in BUILT_IN])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_built_in_objective_from_the_same_start(name, peer, weighted):
    loss = lm.get(name)
    X, y = problem(loss)
    weight = np.random.default_rng(1).uniform(0.5, 2, size=len(y)).astype(np.float32) if weighted else None
    model = loss.to("catboost", hessian="booster").fit(X, y, weight, params=PARAMS, rounds=20)
    baseline = np.full(len(y), model.units.start[0])
    built_in = cb.CatBoost({**PARAMS, **QUIET, "loss_function": peer, "iterations": 20})
    built_in.fit(cb.Pool(X, y, weight=weight, baseline=baseline))
    expected = built_in.predict(X, prediction_type="RawFormulaVal") + baseline
    np.testing.assert_allclose(model.raw(X), expected, rtol=1e-6, atol=1e-6)


def test_bst_06_both_derivatives_change_their_sign():
    loss = lm.squared_error()
    objective = loss.to("catboost")
    f, y, weight = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 5.0], np.float32), np.array([1, 1, 2], np.float32)
    np.testing.assert_array_equal(objective.calc_ders_range(f, y, None), [[-2, -2], [0, -2], [4, -2]])
    np.testing.assert_array_equal(objective.calc_ders_range(f, y, weight), [[-2, -2], [0, -2], [8, -4]])
    several = lm.cross_entropy()
    scores, label = np.array([0.3, -0.1, 0.5]), 2.0
    gradient, hessian = several.to("catboost").calc_ders_multi(scores, label, 2.0)
    np.testing.assert_allclose(gradient, -2 * several.gradient([2], scores[None], reduction="sum")[0])
    np.testing.assert_allclose(hessian, np.diag(-2 * several.curvature([2], scores[None])[0]))
    # downhill: uphill CatBoost would go without an error
    X, target = problem(loss)
    model = loss.to("catboost").fit(X, target, params=PARAMS, rounds=50)
    assert loss(target, model.predict(X)) < 0.5 * np.var(target)


def test_bst_07_the_metric_comes_along_and_inputs_stay_as_they_are():
    loss = lm.poisson()
    X, y = problem(loss)
    weight = np.random.default_rng(0).uniform(size=len(y))
    before = [part.copy() for part in (X, y, weight)]
    objective = loss.to("catboost")
    pool = objective.dataset(X, y, weight)
    params = objective.params(pool, PARAMS)
    assert params["eval_metric"].is_max_optimal() is False
    booster = cb.CatBoost({**params, **QUIET, "iterations": 10}).fit(pool, eval_set=pool, use_best_model=False)
    seen = booster.get_evals_result()["validation"]["MeanLoss"][-1]
    truth = loss(y, objective.model(booster, pool).raw(X), weight=weight)
    assert seen == pytest.approx(truth, rel=1e-6)
    for part, then in zip((X, y, weight), before, strict=True):
        np.testing.assert_array_equal(part, then)


@pytest.mark.parametrize("name", ["cross_entropy", "multi_margin", "kl_divergence", "gaussian_nll"])
def test_the_metric_of_several_scores(name):
    loss = lm.get(name)
    X, y = problem(loss, 120)
    seen = []
    model = loss.to("catboost").fit(X, y, params=PARAMS, rounds=15, valid=(X, y), early_stopping=50)
    seen = model.booster.get_evals_result()["validation"]
    (values,) = seen.values()
    assert values[-1] < values[0]
    assert min(values) == pytest.approx(loss(y, model.raw(X)), rel=1e-5)


def test_targets_keep_their_digits():
    loss = lm.absolute_error()
    X, y = problem(loss)
    objective = loss.to("catboost")
    pool = objective.dataset(X, y + 1e9)
    shown = np.asarray(pool.get_label(), dtype=np.float64)
    np.testing.assert_allclose(shown, y + 1e9 - loss.best_constant(y + 1e9), rtol=1e-6, atol=1e-9)
    assert loss(y + 1e9, loss.to("catboost").fit(X, y + 1e9, params=PARAMS, rounds=60).predict(X)) < 0.6


def test_in_catboosts_own_estimators():
    X, y = problem(lm.binary_cross_entropy())
    objective = lm.binary_cross_entropy().to("catboost", hessian="booster")
    start = objective.start(y)[0]
    options = {**PARAMS, **QUIET, "iterations": 10}
    model = cb.CatBoostClassifier(loss_function=objective, eval_metric=objective.metric, **options)
    model.fit(X, y.astype(int), baseline=np.full(len(y), start))
    mine = objective.fit(X, y, params=PARAMS, rounds=10)
    raw = model.predict(X, prediction_type="RawFormulaVal") + start
    np.testing.assert_allclose(raw, mine.raw(X), rtol=1e-6, atol=1e-7)  # a baseline has 24 bits
    y3 = target_for(lm.cross_entropy(), *table(120)[1:], classes=3)
    classes = lm.cross_entropy().to("catboost")
    model = cb.CatBoostClassifier(loss_function=classes, eval_metric=classes.metric, classes_count=3, **options)
    raw = model.fit(X[:120], y3).predict(X[:120], prediction_type="RawFormulaVal")
    assert (raw.argmax(axis=1) == y3).mean() > 0.6


def test_an_error_in_a_block_is_the_losss_own():
    X, y = problem(lm.hinge())
    y[5] = 2.0
    objective = lm.hinge().to("catboost")
    model = cb.CatBoost({**PARAMS, **QUIET, "loss_function": objective, "eval_metric": objective.metric})
    with pytest.raises(cb.CatBoostError, match=r"hinge: y_true\[5\] = 2 is not a label"):
        model.fit(cb.Pool(X, y))


def test_another_error_that_is_being_handled_is_not_taken_for_the_losss():
    X, y = problem(lm.poisson(), 100)
    try:
        raise ValueError("of something else")
    except ValueError:
        with pytest.raises(cb.CatBoostError, match="depth"):
            lm.poisson().to("catboost").fit(X, y, params={"depth": 99}, rounds=2)


def test_blocks_measure_the_residuals_together():
    X, y = problem(lm.absolute_error(), 3000)
    a = lm.absolute_error().to("catboost").fit(X, y, params=PARAMS, rounds=20)
    order = np.random.default_rng(0).permutation(len(y))  # other rows in every block
    b = lm.absolute_error().to("catboost").fit(X[order], y[order], params={**PARAMS, "has_time": True}, rounds=20)
    c = lm.absolute_error().to("catboost").fit(X, y, params={**PARAMS, "has_time": True}, rounds=20)
    np.testing.assert_allclose(b.predict(X), c.predict(X), rtol=1e-6, atol=1e-6)
    assert np.abs(a.predict(X) - c.predict(X)).max() < 1.0


def test_rounds_are_said_once():
    X, y = problem(lm.squared_error())
    with pytest.raises(ValueError, match="say rounds=5"):
        lm.squared_error().to("catboost").fit(X, y, params={"iterations": 5})


def test_the_best_model_is_kept_where_it_is_asked_for():
    X, y = problem(lm.squared_error())
    objective, noise = lm.squared_error().to("catboost"), (X, np.random.default_rng(0).permutation(y))

    def trees(asked, **named):
        params = {**PARAMS, **({} if asked is None else {"use_best_model": asked})}
        return objective.fit(X, y, params=params, rounds=30, **named).booster.tree_count_

    assert trees(None, valid=noise) == trees(False, valid=noise) == trees(False) == 30
    assert trees(True, valid=noise) == trees(None, valid=noise, early_stopping=5) < 10
    assert trees(False, valid=noise, early_stopping=5) == trees(True, valid=noise) + 5
    with pytest.raises(ValueError, match=r"params\['use_best_model'\] is True, .* pass valid=\(X, y\)"):
        trees(True)


def test_whether_equal_targets_are_allowed_may_be_said():
    X, y = problem(lm.squared_error())
    objective = lm.squared_error().to("catboost")
    train = objective.dataset(X, y)
    assert objective.params(train, {})["allow_const_label"]
    assert not objective.params(train, {"allow_const_label": False})["allow_const_label"]


def test_classes_that_catboost_would_count_otherwise():
    """It trains as many scores as it sees classes, and one of two; and of equal targets nothing."""
    X = table(120)[0]
    two = (X[:, 0] > 0).astype(int)
    loss, train = lm.cross_entropy(), {"params": PARAMS, "rounds": 15}
    model = loss.to("catboost").fit(X, two, **train)
    assert loss(two, model.raw(X)) < 0.5 * loss(two, np.zeros((120, 2)))
    gap = loss.to("catboost").fit(X, 2 * two, **train).predict(X)
    assert gap.shape == (120, 3) and (gap.argmax(axis=1) == 2 * two).mean() > 0.9
    assert loss.to("catboost", classes=4).fit(X, two, **train).predict(X).shape == (120, 4)
    only = lm.binary_cross_entropy().to("catboost").fit(X, np.ones(120), **train).predict(X)
    assert (only > 0.99).all()
    objective = loss.to("catboost")
    alone = cb.CatBoostClassifier(loss_function=objective, eval_metric=objective.metric, **QUIET)
    with pytest.raises(cb.CatBoostError, match="takes several scores, but CatBoost trains one here"):
        alone.fit(X, two)


def test_classes_may_be_rows_of_shares():
    X, signal, rng = table(120)
    y = target_for(lm.cross_entropy(), signal, rng, classes=3)
    loss, train = lm.cross_entropy(), {"params": PARAMS, "rounds": 5}
    by_id = loss.to("catboost").fit(X, y, **train)
    for certain in (np.eye(3), np.eye(3, dtype=int)):
        np.testing.assert_allclose(loss.to("catboost").fit(X, certain[y], **train).raw(X), by_id.raw(X), rtol=1e-9)
    shares = 0.25 + 0.25 * np.eye(3)[y]  # not their likeliest class, nor the first of their columns
    soft = loss.to("catboost").fit(X, shares, **train)
    four, quarter = np.repeat(X, 4, axis=0), np.full(480, 0.25)
    drawn = np.column_stack([y, np.tile([0, 1, 2], (120, 1))]).ravel()
    by_share = loss.to("catboost").fit(four, np.repeat(shares, 4, axis=0), quarter, **train)
    np.testing.assert_allclose(
        by_share.raw(X), loss.to("catboost").fit(four, drawn, quarter, **train).raw(X), rtol=1e-4, atol=1e-6
    )
    seen = loss.to("catboost").fit(X, shares, valid=(X, shares), **train).booster.get_evals_result()["validation"]
    assert min(next(iter(seen.values()))) == pytest.approx(loss(shares, soft.raw(X)), rel=1e-5)


def test_estimators_with_it_can_be_cloned():
    base = pytest.importorskip("sklearn.base")
    objective = lm.huber().to("catboost")
    again = base.clone(cb.CatBoostRegressor(loss_function=objective, eval_metric=objective.metric, **QUIET))
    assert again.get_params()["loss_function"] is objective


def test_folds_keep_their_start():
    loss = lm.huber()
    X, signal, rng = table(800)
    y = 1e6 + target_for(loss, signal, rng)
    objective = loss.to("catboost")
    train = objective.dataset(X, y)
    found = cb.cv(train, objective.params(train, {**PARAMS, **QUIET, "iterations": 20}), fold_count=3, verbose=False)
    lost = found["test-MeanLoss-mean"].to_numpy()
    assert lost[-1] < lost[0] < 10  # from 0, a fold would be 1e6 away
