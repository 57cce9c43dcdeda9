"""The best constant of several scores: classes, and several predictions of one target."""

import numpy as np
import pytest

import lossmith as lm
from lossmith.formula import Positive, Real, exp, lgamma, log, where
from lossmith.start import finite_start

CE = lm.cross_entropy()
HINGE = lm.multiclass_hinge()


@lm.pointwise(source="own")
def laplace(y: Real, middle: Real, log_scale: Real):
    return abs(y - middle) * exp(-log_scale) + log_scale


@lm.pointwise(source="own")
def two_quantiles(y: Real, low: Real, high: Real):
    below = where(y >= low, 0.1 * (y - low), 0.9 * (low - y))
    return below + where(y >= high, 0.9 * (y - high), 0.1 * (high - y))


@lm.pointwise(source="own")
def shape_and_scale(y: Positive, shape: Positive, scale: Positive):
    return lgamma(shape) + shape * log(scale) - (shape - 1) * log(y) + y / scale


NORMAL = np.random.default_rng(0).normal(size=201)
SCALES = (1e-200, 1e-150, 1e-12, 1e-6, 1e-3, 1e-2, 1.0, 1e6, 1e150, 1e300)


@pytest.mark.parametrize("scale", SCALES)
def test_a_normal_in_any_unit(scale):
    mean, log_scale = lm.gaussian_nll().best_constant(scale * NORMAL)
    assert mean == pytest.approx(scale * NORMAL.mean(), rel=1e-9)
    assert log_scale == pytest.approx(np.log(scale) + np.log(NORMAL.std()), abs=1e-9)
    np.testing.assert_array_equal(finite_start(lm.gaussian_nll(), scale * NORMAL), [mean, log_scale])


def test_a_normal_at_the_end_of_the_floats():
    mean, log_scale = lm.gaussian_nll().best_constant([1e308, 1.5e308])
    assert mean == 1.25e308
    assert log_scale == pytest.approx(np.log(0.25) + 308 * np.log(10), rel=1e-12)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e6])
def test_several_predictions_of_an_own_loss_in_any_unit(scale):
    y = scale * (2 + NORMAL)
    middle, log_scale = laplace().best_constant(y)
    assert middle == pytest.approx(np.median(y), rel=1e-9)
    assert log_scale == pytest.approx(np.log(np.abs(y - np.median(y)).mean()), abs=1e-6)
    np.testing.assert_allclose(two_quantiles().best_constant(y), np.quantile(y, [0.1, 0.9]), rtol=1e-9)


def test_predictions_that_must_be_positive():
    y = np.exp(NORMAL)
    shape, scale = shape_and_scale().best_constant(y)
    assert shape * scale == pytest.approx(y.mean(), rel=1e-9)
    assert shape_and_scale().gradient(y, np.broadcast_to([shape, scale], (len(y), 2))).sum(axis=0) == pytest.approx(
        [0.0, 0.0], abs=1e-9
    )


def worth(loss, y, weight=None):
    best = loss.best_constant(y, weight=weight)
    seen = np.isin(np.arange(len(best)), y)
    assert np.isfinite(best[seen]).all() and (best[~seen] == -np.inf).all()
    assert best[seen].sum() == pytest.approx(0.0, abs=1e-9)
    return loss(y, np.tile(best, (len(y), 1)), weight=weight)


FEW = [0, 1, 2, 3, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("loss", "y", "weight", "lowest"),
    [
        (HINGE, [0, 1, 1, 1, 2], None, 0.8),
        (HINGE, [0, 0, 0, 0, 1, 2], None, 2 / 3),
        (HINGE, FEW, None, 0.75),
        (HINGE, [0, 1, 2], None, 1.0),
        (HINGE, [1, 1, 2, 2, 2], None, 0.8),
        (HINGE, [0, 1, 2], [1.0, 3.0, 1.0], 0.8),
        (HINGE.class_weighted({0: 1, 1: 3, 2: 1}), [0, 1, 2], None, 4 / 3),
        (HINGE + lm.multi_margin(), [0, 1, 1, 1, 2], None, 1.2),
        (lm.multi_margin(margin=0.01), FEW, np.linspace(0.2, 3.0, 8), 0.0012109375),
        (lm.multi_margin(), [0, 0], None, 0.0),
    ],
    ids=str,
)
def test_kinked_losses_of_classes_are_lowest(loss, y, weight, lowest):
    assert worth(loss, y, weight) == pytest.approx(lowest, rel=1e-9, abs=1e-12)


def test_class_weights_say_how_many_scores_are_looked_at_for_kinks():
    assert not lm.cross_entropy(class_weight=[1.0, 3.0]).kinked
    assert HINGE.class_weighted({0: 1, 1: 3}).kinked
    assert not lm.focal_cross_entropy(labels=("a", "b")).kinked


def test_the_constant_of_equally_many_of_each_class_prefers_none():
    np.testing.assert_allclose(HINGE.best_constant([0, 1, 2, 3]), 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("loss", "y", "shares"),
    [
        (CE + lm.cross_entropy(class_weight=[5.0, 1.0]), [0, 1, 1], [6 / 10, 4 / 10]),
        (CE + lm.cross_entropy(label_smoothing=0.5), [0, 1, 1], [0.375, 0.625]),
        (CE + CE, [0, 1, 1], [1 / 3, 2 / 3]),
        (lm.cross_entropy(label_smoothing=0.1), [0, 2, 2], [1 / 3, 1 / 30, 19 / 30]),
        (lm.cross_entropy(label_smoothing=0.1), [0, 0], [0.95, 0.05]),
        (lm.cross_entropy(label_smoothing=0.1, labels=("a", "b", "c")), ["a", "c", "c"], [1 / 3, 1 / 30, 19 / 30]),
        (lm.cross_entropy(class_weight=[0.0, 3.0]), [0, 1, 1], [0.0, 1.0]),
        (lm.cross_entropy(class_weight=[1.0, 0.0, 3.0]), [0, 1, 2], [0.25, 0.0, 0.75]),
    ],
    ids=str,
)
def test_sums_smoothing_and_class_weights_move_the_shares(loss, y, shares):
    with np.errstate(divide="ignore"):
        scores = np.log(shares)
    np.testing.assert_allclose(loss.best_constant(y), scores - scores[np.isfinite(scores)].mean(), atol=1e-9)


def test_log_probabilities_stay_such_when_the_loss_is_weighted():
    loss = lm.kl_divergence(log_input=True).class_weighted({0: 1, 1: 3})
    weighted = np.array([[0.5, 0.5], [0.2, 0.8]]) * np.array([[2.0], [2.6]])
    shares = weighted.sum(axis=0) / weighted.sum()
    np.testing.assert_allclose(loss.best_constant([[0.5, 0.5], [0.2, 0.8]]), np.log(shares), rtol=1e-9)
