"""Value, gradient, Hessian and curvature are one loss; kinks take the branch the formula chose."""

import numpy as np
import pytest

import lossmith as lm

from . import samples

EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
REDUCTIONS = ["mean", "sum", "none", "weighted_mean"]


@EVERY
def test_value_and_gradient_agrees_with_the_single_calls(sample):
    for reduction in REDUCTIONS:
        rest = {"weight": sample.weight, "reduction": reduction}
        value, gradient = sample.loss.value_and_gradient(sample.y, sample.f, **rest)
        np.testing.assert_allclose(value, sample.loss(sample.y, sample.f, **rest), rtol=4e-16)
        np.testing.assert_allclose(gradient, sample.loss.gradient(sample.y, sample.f, **rest), rtol=4e-16)


@EVERY
def test_gradient_and_curvature_agrees_with_the_single_calls(sample):
    for reduction in REDUCTIONS:
        rest = {"weight": sample.weight, "reduction": reduction}
        gradient, curvature = sample.loss.gradient_and_curvature(sample.y, sample.f, **rest)
        np.testing.assert_allclose(gradient, sample.loss.gradient(sample.y, sample.f, **rest), rtol=4e-16)
        np.testing.assert_allclose(curvature, sample.loss.curvature(sample.y, sample.f, **rest), rtol=4e-16)


def slope(function, f, h):
    """Central differences in each prediction of a sample: one column for each, or one number."""
    if f.ndim == 1:
        return (function(f + h) - function(f - h)) / (2 * h)
    steps = h * np.eye(f.shape[-1])
    return np.stack([(function(f + step) - function(f - step)) / (2 * h) for step in steps], axis=-1)


@EVERY
def test_the_gradient_is_the_slope_of_the_value(sample):
    expected = slope(lambda f: sample.loss(sample.y, f, reduction="none"), sample.f, 1e-6)
    np.testing.assert_allclose(
        sample.loss.gradient(sample.y, sample.f, reduction="none"), expected, rtol=1e-6, atol=1e-7
    )


@EVERY
def test_the_hessian_is_the_slope_of_the_gradient(sample):
    """The diagonal of it, for a row of scores."""
    expected = slope(lambda f: sample.loss.gradient(sample.y, f, reduction="none"), sample.f, 1e-6)
    if sample.row:
        expected = np.diagonal(expected, axis1=-2, axis2=-1)
    np.testing.assert_allclose(sample.loss.hessian(sample.y, sample.f), expected, rtol=1e-5, atol=1e-6)


@EVERY
def test_curvature_is_positive_and_finite(sample):
    curvature = sample.loss.curvature(sample.y, sample.f)
    assert curvature.shape == sample.f.shape
    assert np.all(curvature > 0) and np.all(np.isfinite(curvature))


@pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_curvature_is_positive_far_out_too(sample, dtype):
    f, far = sample.f.astype(dtype), np.array([-30.0, -8.0, -3.0, 3.0, 8.0, 30.0], dtype)
    if sample.row:
        f[:, 0] = far
    else:
        f += far
    try:
        curvature = sample.loss.curvature(sample.y, f)
    except ValueError:
        f = sample.f.astype(dtype)  # a prediction with bounds
        curvature = sample.loss.curvature(sample.y, f)
    assert np.all(curvature > 0) and np.all(np.isfinite(curvature))


@pytest.mark.parametrize("name", ["squared_error", "binary_cross_entropy", "poisson", "log_cosh"])
def test_curvature_bounds_what_a_newton_step_may_trust(name):
    """A step of -gradient / curvature never makes one sample worse."""
    sample = samples.of(name)[0]
    gradient, curvature = sample.loss.gradient_and_curvature(sample.y, sample.f)
    before = sample.loss(sample.y, sample.f, reduction="none")
    after = sample.loss(sample.y, sample.f - 0.1 * gradient / curvature, reduction="none")
    assert np.all(after <= before + 1e-12)


# kinks
@pytest.mark.parametrize(
    ("name", "params", "y", "f", "gradient"),
    [
        ("absolute_error", {}, 2.0, 2.0, 0.0),
        ("smooth_l1", {"beta": 0.0}, 2.0, 2.0, 0.0),
        ("lq", {"q": 1.0}, 2.0, 2.0, 0.0),
        ("absolute_percentage_error", {}, 2.0, 2.0, 0.0),
        ("quantile", {"q": 0.25}, 2.0, 2.0, -0.25),
        ("huber", {"delta": 0.5}, 0.0, 0.5, 0.5),
        ("huber", {"delta": 0.5}, 0.0, -0.5, -0.5),
        ("modified_huber", {}, 1, -1.0, -4.0),
        ("squared_hinge", {}, 1, 1.0, 0.0),
        ("modified_huber", {}, 0, -1.0, 0.0),
        ("expectile", {"q": 0.75}, 2.0, 2.0, 0.0),
    ],
)
def test_at_a_kink_the_derivative_is_that_of_the_branch_the_formula_chose(name, params, y, f, gradient):
    assert lm.get(name, **params).gradient([y], [f])[0] == gradient


@pytest.mark.parametrize(
    ("name", "params", "y", "f", "low", "high"),
    [
        ("hinge", {}, 1, 1.0, -1.0, 0.0),
        ("hinge", {}, 0, -1.0, 0.0, 1.0),
        ("epsilon_insensitive", {"epsilon": 0.5}, 0.0, 0.5, 0.0, 1.0),
        ("epsilon_insensitive", {"epsilon": 0.0}, 1.0, 1.0, -1.0, 1.0),
        ("quantile", {"q": 0.9}, 3.0, 3.0, -0.9, 0.1),
    ],
)
def test_at_a_kink_the_derivative_is_a_subgradient(name, params, y, f, low, high):
    assert low <= lm.get(name, **params).gradient([y], [f])[0] <= high


@pytest.mark.parametrize(
    ("name", "params", "f", "hessian"),
    [
        ("huber", {}, 0.0, 1.0),
        ("huber", {}, 1.0, 1.0),
        ("huber", {}, 1.5, 0.0),
        ("smooth_l1", {"beta": 2.0}, 0.0, 0.5),
        ("smooth_l1", {"beta": 2.0}, 2.0, 0.0),
        ("pseudo_huber", {}, 0.0, 1.0),
        ("log_cosh", {}, 0.0, 1.0),
        ("absolute_error", {}, 0.0, 0.0),
        ("expectile", {"q": 0.25}, 1.0, 1.5),
        ("lq", {"q": 2.0}, 0.0, 2.0),
        ("lq", {"q": 3.0}, 0.0, 0.0),
    ],
)
def test_no_kink_where_the_loss_is_smooth(name, params, f, hessian):
    assert lm.get(name, **params).hessian([0.0], [f])[0] == pytest.approx(hessian, rel=1e-15)


def test_tied_scores_share_the_subgradient_of_the_largest():
    """Whatever the tie rule, the row is a subgradient: what the true class loses, the others gain."""
    gradient = lm.multiclass_hinge().gradient([0], [[0.5, 1.0, 1.0, 0.0]])[0]
    assert gradient[0] == -1.0 and gradient[3] == 0.0
    assert gradient[1] + gradient[2] == pytest.approx(1.0) and np.all(gradient[1:3] >= 0)


def test_confident_correct_predictions_keep_their_digits():
    loss, f = lm.binary_cross_entropy(), np.array([40.0], np.float32)
    assert loss.gradient([1], f)[0] == pytest.approx(-np.exp(-40.0), rel=1e-6)
    row = lm.cross_entropy().gradient([0], [[40.0, 0.0]])[0]
    assert row[0] == pytest.approx(-np.exp(-40.0), rel=1e-14) and row[1] == pytest.approx(np.exp(-40.0), rel=1e-14)
    assert lm.cross_entropy()([0], [[40.0, 0.0]]) == pytest.approx(np.exp(-40.0), rel=1e-14)
