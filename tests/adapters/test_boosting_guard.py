"""Labels: the other class counts in the second-order weight, so that no score runs away where a class is rare."""

import copy
import pickle

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import BOOSTERS, ONE_THREAD, at_the_start
from lossmith.adapters.boosting_guard import guarded
from lossmith.adapters.boosting_rows import Setting, Units

pytestmark = pytest.mark.slow


def rare(seed, n=12000):
    """One positive in a hundred, some of them where hardly any is."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    return X, (X[:, 0] + 0.5 * rng.normal(size=n) > 2.6).astype(int)


@lm.pointwise
def square_of_exponential(y: lm.formula.Label, f: lm.formula.Real):
    """Steeper yet."""
    return lm.formula.exp(lm.formula.where(y == 1, -2 * f, 2 * f))


@pytest.mark.parametrize("booster", BOOSTERS)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("loss", [lm.exponential(), square_of_exponential()], ids=lambda loss: loss.name)
def test_a_steep_loss_of_rare_positives_beats_the_constant_at_the_boosters_defaults(loss, booster, seed):
    X, y = rare(seed)
    model = loss.to(booster).fit(X[:8000], y[:8000], params=ONE_THREAD[booster])
    constant = at_the_start(model, 4000)
    assert loss(y[8000:], model.raw(X[8000:])) < 0.9 * loss(y[8000:], constant)


def test_scores_grow_with_the_logarithm_of_the_rounds():
    X, y = rare(0)
    lowest = {}
    for rounds in (50, 500):
        model = lm.exponential().to("lightgbm").fit(X, y, params=ONE_THREAD["lightgbm"], rounds=rounds)
        lowest[rounds] = model.raw(X).min() - model.units.start[0]
    assert -4.5 < lowest[500] < lowest[50] - 0.5


WEIGHTS = ["hinge", "modified_huber", "exponential", "focal"]


@pytest.mark.parametrize("share", [0.5, 0.01])
@pytest.mark.parametrize("name", WEIGHTS)
def test_the_weight_is_the_larger_of_its_own_and_the_mean_of_both(name, share):
    loss = lm.get(name)
    f = np.linspace(-6, 6, 49)
    of_0, of_1 = (loss.curvature(np.full(49, label), f) for label in (0.0, 1.0))
    for label, own in ((0.0, of_0), (1.0, of_1)):
        expected = np.maximum(own, (1 - share) * of_0 + share * of_1)
        np.testing.assert_allclose(guarded(loss, share).curvature(np.full(49, label), f), expected, rtol=1e-12)
    y = (np.arange(49) % 2).astype(float)
    np.testing.assert_array_equal(guarded(loss, share).gradient(y, f), loss.gradient(y, f))


@pytest.mark.parametrize("name", ["binary_cross_entropy", "brier", "cross_entropy", "squared_hinge", "squared_error"])
def test_a_weight_that_knows_of_no_labels_stays(name):
    loss, y = lm.get(name), np.arange(60) % 2
    setting = loss.to("lightgbm").dataset(np.zeros((60, 1)), y)._lossmith.setting
    assert setting.descent.formula.curvature == loss.formula.curvature or setting.descent is setting.loss


def test_what_is_settled_can_be_copied():
    setting = Setting(lm.exponential(), lm.exponential(), Units((0.0,)), share=0.2)
    assert setting.of_u is not None and setting.descent is not setting.loss
    for again in (copy.deepcopy(setting), pickle.loads(pickle.dumps(setting))):
        y, f = np.array([0.0, 1.0]), np.array([-3.0, -3.0])
        np.testing.assert_array_equal(again.descent.curvature(y, f), setting.descent.curvature(y, f))
