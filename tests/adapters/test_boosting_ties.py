"""Kinked losses where many targets are the start itself: rows on their kink do not pull, and trees begin downhill."""

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import BOOSTERS, ONE_THREAD, table
from lossmith.adapters.boosting_ties import let_rest, slopes_at_targets
from lossmith.formula import Real, where

pytestmark = pytest.mark.slow

on_every_booster = pytest.mark.parametrize("booster", BOOSTERS)


@lm.pointwise
def steep_above(y: Real, f: Real):
    """A kink of one's own, of which the formula has the upper side."""
    return where(f >= y, 2 * (f - y) + (f - y) ** 2, y - f)


@lm.pointwise
def never_least(y: Real, f: Real):
    """Smooth at its target, and falling there."""
    return (f - y - 1) ** 2


KINKED = [lm.quantile(q=0.7), lm.quantile(q=0.3), steep_above()]


def zeros_and_more(n=300):
    """Four zeros of five."""
    return np.where(np.arange(n) % 5 > 0, 0.0, 1.0 + np.arange(n) / n)


@on_every_booster
@pytest.mark.parametrize("loss", KINKED, ids=str)
def test_equal_targets_stay_where_they_are(booster, loss):
    X, _, _ = table(60)
    with pytest.warns(UserWarning, match="no target pulls at the best constant"):
        model = loss.to(booster).fit(X, np.full(60, 8.5), params=ONE_THREAD[booster], rounds=3)
    np.testing.assert_allclose(model.predict(X), 8.5, rtol=1e-15)


@on_every_booster
@pytest.mark.parametrize("loss", KINKED, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_zeros_do_not_pull_at_zero(booster, loss, weighted):
    X, y = table(300)[0], zeros_and_more()
    weight = np.where(np.arange(300) % 2, 0.5, 2.0) if weighted else None
    objective = loss.to(booster)
    rows = objective.dataset(X, y, weight)._lossmith
    assert abs(rows.start()).max() < 1e-300
    gradient, curvature = objective._derivatives(rows, np.zeros(300), np.float64)
    assert not gradient[y == 0].any()
    assert (gradient[y > 0] < 0).all()
    assert (curvature > 0).all()
    moved, _ = objective._derivatives(rows, np.full(300, 0.25), np.float64)
    assert (moved[y == 0] > 0).all()


def test_the_first_trees_are_better_than_the_constant():
    X, y, loss = np.random.default_rng(0).normal(size=(300, 1)), zeros_and_more(), lm.quantile(q=0.7)
    constant = loss(y, np.zeros(300))
    ours = [loss(y, loss.to("xgboost").fit(X, y, params={"nthread": 1}, rounds=k).predict(X)) for k in (1, 2, 3)]
    assert constant > ours[0] > ours[1] > ours[2]


def test_scikit_learns_trees_do_not_pull_either():
    objective, y = lm.quantile(q=0.7).to("sklearn").objective(), zeros_and_more()
    gradient, _ = objective.gradient_hessian(y, np.zeros((300, 1)))
    assert not gradient[y == 0].any()
    assert (gradient[y > 0] < 0).all()


def test_only_rows_whose_loss_is_least_where_they_are_rest():
    y, f = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.5])
    loss = never_least()
    assert slopes_at_targets(loss, y)
    gradient = np.array(loss.gradient(y, f, reduction="none"))
    before = gradient.copy()
    let_rest(gradient, loss, y, f)
    np.testing.assert_array_equal(gradient, before)
    assert not any(slopes_at_targets(lm.get(name), y) for name in ("absolute_error", "huber", "poisson", "expectile"))
