"""Ordered classes in the frameworks: thresholds that boosters learn, and clear refusals where they cannot."""

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import ONE_THREAD, table
from lossmith.adapters.boosting_model import BoostedModel
from lossmith.thresholds import best_cuts

pytestmark = pytest.mark.slow

X, SIGNAL, RNG = table(3000)
LEVEL = np.digitize(3 * SIGNAL + RNG.logistic(size=3000), [-3.0, -1.0, 1.5, 3.0])
TRAIN, TEST = slice(0, 2000), slice(2000, None)


def surprise(p):
    return -np.log(p[np.arange(1000), LEVEL[TEST]]).mean()


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_boosters_learn_thresholds(booster, tmp_path):
    loss, weight = lm.cumulative_logit(), np.where(LEVEL == 1, 2.0, 1.0)
    model = loss.to(booster).fit(X[TRAIN], LEVEL[TRAIN], params=ONE_THREAD[booster], rounds=40)
    p = model.predict(X[TEST])
    assert p.shape == (1000, 5) and np.allclose(p.sum(axis=1), 1)
    several = lm.cross_entropy().to(booster).fit(X[TRAIN], LEVEL[TRAIN], params=ONE_THREAD[booster], rounds=40)
    assert surprise(p) < surprise(several.predict(X[TEST]))
    cuts = np.array(model.loss.params["thresholds"])
    scores = model.raw(X[TRAIN])
    here = model.loss(LEVEL[TRAIN], scores)
    for move in 1e-3 * np.vstack([np.eye(4), -np.eye(4)]):  # none are better for these scores
        assert lm.cumulative_logit(thresholds=cuts + move)(LEVEL[TRAIN], scores) > here
    model.save(tmp_path / "model")
    again = type(model).load(tmp_path / "model")
    assert isinstance(again, BoostedModel) and np.array_equal(again.predict(X[TEST]), p) and again.loss == model.loss
    weighted = loss.to(booster).fit(X[TRAIN], LEVEL[TRAIN], weight[TRAIN], params=ONE_THREAD[booster], rounds=10)
    plain = loss.to(booster).fit(X[TRAIN], LEVEL[TRAIN], params=ONE_THREAD[booster], rounds=10)
    assert weighted.predict(X[TEST])[:, 1].mean() > 1.2 * plain.predict(X[TEST])[:, 1].mean()


def in_a_loop(booster, objective, train, rounds):
    """A model from the booster's own training."""
    if booster == "lightgbm":
        import lightgbm

        params = objective.params(train, {**ONE_THREAD[booster], "verbosity": -1})
        return objective.model(lightgbm.train(params, train, rounds), train)
    import xgboost

    params = objective.params(train, ONE_THREAD[booster])
    return objective.model(xgboost.train(params, train, rounds, obj=objective), train)


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_a_loop_of_ones_own_learns_the_thresholds_of_fit(booster):
    objective, few = lm.cumulative_logit().to(booster), np.minimum(LEVEL, 2)
    # both at once: what one training learns of its levels is nothing to the other
    datasets = [objective.dataset(X[TRAIN], y[TRAIN]) for y in (LEVEL, few)]
    for y, train in zip((LEVEL, few), datasets, strict=True):
        found = in_a_loop(booster, objective, train, 20)
        expected = objective.fit(X[TRAIN], y[TRAIN], params=ONE_THREAD[booster], rounds=20)
        assert len(found.loss.params["thresholds"]) == y.max()
        np.testing.assert_allclose(found.loss.params["thresholds"], expected.loss.params["thresholds"], rtol=1e-6)
        np.testing.assert_allclose(found.predict(X[TEST]), expected.predict(X[TEST]), rtol=1e-6)


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_thresholds_that_no_model_would_hold_are_not_learned(booster):
    objective, scores = lm.cumulative_logit().to(booster), np.zeros(3000)
    for call in (objective, objective.metric):
        with pytest.raises(ValueError, match=r"cumulative_logit: thresholds are learned by .*elsewhere give them"):
            call(LEVEL, scores)
    if booster == "lightgbm":
        with pytest.raises(ValueError, match="free_raw_data is True: cumulative_logit learns its thresholds"):
            objective.fit(X, LEVEL, free_raw_data=True)


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_early_stopping_sees_the_thresholds_of_the_round(booster):
    model = lm.cumulative_logit().to(booster).fit(
        X[TRAIN], LEVEL[TRAIN], params=ONE_THREAD[booster], rounds=300, valid=(X[TEST], LEVEL[TEST]), early_stopping=5
    )  # fmt: skip
    assert surprise(model.predict(X[TEST])) < 1.35


def test_labels_are_levels_in_their_order():
    names = np.array(["none", "some", "much", "more", "most"])
    loss = lm.cumulative_logit(labels=tuple(names))
    options = {"params": ONE_THREAD["lightgbm"], "rounds": 5}
    by_name = loss.to("lightgbm").fit(X[TRAIN], names[LEVEL[TRAIN]], **options)
    by_number = lm.cumulative_logit().to("lightgbm").fit(X[TRAIN], LEVEL[TRAIN], **options)
    assert np.array_equal(by_name.predict(X[TEST]), by_number.predict(X[TEST]))


def test_what_cannot_be_learned_is_refused():
    loss = lm.cumulative_logit()
    with pytest.raises(ValueError, match="a few rows at a time, from which thresholds"):
        loss.to("catboost")
    with pytest.raises(ValueError, match="no row of positive weight is of level 2"):
        loss.to("lightgbm").fit(X[TRAIN], np.where(LEVEL == 2, 1, LEVEL)[TRAIN])
    with pytest.raises(ValueError, match="levels have one score: use lightgbm"):
        loss.to("sklearn").objective()
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(ValueError, match="takes a score along its own thresholds"):
        loss.to("sklearn")(LogisticRegression().fit(X, LEVEL), X, LEVEL)


def test_best_cuts_are_those_of_a_linear_model_without_features():
    scores, weight = SIGNAL * 2, RNG.uniform(0.5, 2, 3000)
    cuts = best_cuts(lm.cumulative_logit(), LEVEL, scores, weight)
    model = lm.LinearClassifier("cumulative_logit").fit(np.zeros((3000, 1)), LEVEL, sample_weight=weight, offset=scores)
    np.testing.assert_allclose(cuts, model.thresholds_, atol=1e-6)
