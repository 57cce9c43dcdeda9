"""What goes in: the order of the arguments, the scale of the predictions, the shapes."""

import inspect

import numpy as np
import pytest

import lossmith as lm

from . import samples

METHODS = ("__call__", "gradient", "value_and_gradient", "hessian", "curvature", "gradient_and_curvature", "total")
REDUCED = [method for method in METHODS if method != "total"]


@pytest.mark.parametrize("method", METHODS)
def test_order_is_truth_then_prediction_and_the_rest_by_keyword(method):
    kinds = inspect.signature(getattr(lm.squared_error(), method)).parameters
    names = list(kinds)
    assert names[:2] == ["y_true", "y_pred"]
    by_keyword = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    assert all(kinds[name].kind in by_keyword for name in names[2:])
    assert {"weight", "where"} <= set(names)


def test_order_matters_for_a_loss_that_is_not_symmetric():
    assert lm.quantile(q=0.9)([1.0], [0.0]) == pytest.approx(0.9)
    assert lm.quantile(q=0.9)([0.0], [1.0]) == pytest.approx(0.1)


def test_a_third_positional_argument_is_refused():
    with pytest.raises(TypeError):
        lm.squared_error()([1.0], [2.0], [3.0])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: lm.huber(1.5), "by name, huber.delta=....,.*targets and predictions: huber...y_true, y_pred."),
        (lambda: lm.huber([1.0], [2.0]), "makes a loss, which takes targets and predictions"),
        (lambda: lm.huber()([1.0], [2.0], sample_weight=[1.0]), "no argument 'sample_weight'; did you mean weight?"),
        (lambda: lm.huber().total([1.0], [2.0], reduction="sum"), "huber takes no argument 'reduction'"),
    ],
)
def test_a_call_that_cannot_be_says_how_it_is_made(call, says):
    with pytest.raises(TypeError, match=says):
        call()


@pytest.mark.parametrize("method", REDUCED)
def test_an_unknown_reduction_is_refused_and_the_known_ones_are_named(method):
    with pytest.raises(ValueError, match=r"(?s)avg.*mean|mean.*avg"):
        getattr(lm.squared_error(), method)([1.0], [2.0], reduction="avg")


DEFAULTS = {
    "__call__": "mean",
    "gradient": "mean",
    "value_and_gradient": "mean",
    "hessian": "none",
    "curvature": "none",
    "gradient_and_curvature": "none",
}


@pytest.mark.parametrize("method", REDUCED)
def test_default_reductions(method):
    y, f = samples.REAL
    bound = getattr(lm.pseudo_huber(), method)
    told, untold = bound(y, f, reduction=DEFAULTS[method]), bound(y, f)
    for left, right in zip(told, untold, strict=True) if isinstance(told, tuple) else [(told, untold)]:
        assert np.shape(left) == np.shape(right) and np.array_equal(left, right)


@pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
def test_mean_is_the_weighted_sum_over_the_sum_of_weights(sample):
    each = sample.loss(sample.y, sample.f, reduction="none")
    assert each.shape == sample.shape
    w = sample.weight
    assert sample.loss(sample.y, sample.f) == pytest.approx(each.mean(), rel=1e-13)
    assert sample.loss(sample.y, sample.f, reduction="sum") == pytest.approx(each.sum(), rel=1e-13)
    assert sample.loss(sample.y, sample.f, weight=w) == pytest.approx((w * each).sum() / w.sum(), rel=1e-13)


@pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
@pytest.mark.parametrize("method", ["gradient", "hessian", "curvature"])
def test_derivatives_are_those_of_the_reduced_loss(sample, method):
    """ "none": each sample's own, times its weight; "sum" the same numbers; "mean" divided by the sum of weights."""
    derivative, w = getattr(sample.loss, method), sample.weight
    spread = w[:, None] if sample.row else w
    own = derivative(sample.y, sample.f, reduction="none")
    assert own.shape == sample.f.shape
    weighted = derivative(sample.y, sample.f, weight=w, reduction="none")
    np.testing.assert_allclose(weighted, spread * own, rtol=1e-14)
    np.testing.assert_allclose(derivative(sample.y, sample.f, weight=w, reduction="sum"), spread * own, rtol=1e-14)
    mean = derivative(sample.y, sample.f, weight=w, reduction="mean")
    np.testing.assert_allclose(mean, spread * own / w.sum(), rtol=1e-14)


# raw scores
S = samples.SCORES


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("raw", "inverted", "y", "f", "inverse"),
    [
        (lm.binary_cross_entropy(), lm.binary_cross_entropy(from_logits=False), *samples.SHARE, sigmoid),
        (lm.brier(), lm.brier(from_logits=False), *samples.SHARE, sigmoid),
        (lm.focal(alpha=0.3), lm.focal(alpha=0.3, from_logits=False), *samples.LABEL, sigmoid),
        (lm.cross_entropy(), lm.cross_entropy(from_logits=False), samples.IDS, S, samples.softmax),
        (lm.focal_cross_entropy(), lm.focal_cross_entropy(from_logits=False), samples.IDS, S, samples.softmax),
        (lm.poisson(), lm.poisson(log_input=False), *samples.COUNT, np.exp),
        (lm.gamma(), lm.gamma(log_input=False), *samples.POSITIVE, np.exp),
        (lm.tweedie(), lm.tweedie(log_input=False), *samples.COUNT, np.exp),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_prediction_is_the_raw_score_unless_the_constructor_says_otherwise(raw, inverted, y, f, inverse):
    scores, means = raw(y, f, reduction="none"), inverted(y, inverse(f), reduction="none")
    np.testing.assert_allclose(scores, means, rtol=1e-12)


# shapes
@pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
def test_a_trailing_axis_too_many_is_an_error_that_says_so(sample):
    """(n,) against (n, 1) is never broadcast to (n, n)."""
    for y, f in ((sample.y, sample.f[..., None]), (sample.y[:, None], sample.f)):
        with pytest.raises(ValueError, match="shape") as caught:
            sample.loss(y, f)
        shown = [str(each.shape) in str(caught.value) for each in (y, f)]
        assert any(shown) if sample.row else all(shown), str(caught.value)


@pytest.mark.parametrize(
    ("y_shape", "f_shape"), [((3,), (1,)), ((1,), (3,)), ((3,), (4,)), ((2, 3), (3,)), ((), (3,)), ((3, 1), (1, 3))]
)
def test_shapes_must_be_equal(y_shape, f_shape):
    with pytest.raises(ValueError):
        lm.squared_error()(np.zeros(y_shape), np.zeros(f_shape))


@pytest.mark.parametrize(("y_shape", "f_shape"), [((3,), (4, 3)), ((4, 1), (4, 3)), ((2, 2), (4, 3)), ((1,), (4, 3))])
def test_class_ids_have_the_shape_of_the_scores_without_their_last_axis(y_shape, f_shape):
    with pytest.raises(ValueError):
        lm.cross_entropy()(np.zeros(y_shape, np.int64), np.zeros(f_shape))


def test_any_number_of_axes():
    y, f = np.arange(24.0).reshape(2, 3, 4), np.arange(24.0).reshape(2, 3, 4)[::-1]
    assert lm.squared_error()(y, f) == 144.0
    assert lm.squared_error()(y, f, reduction="none").shape == (2, 3, 4)
    ids, scores = np.zeros((2, 3), np.int64), np.zeros((2, 3, 4))
    assert lm.cross_entropy()(ids, scores, reduction="none").shape == (2, 3)
    assert lm.cross_entropy().gradient(ids, scores).shape == (2, 3, 4)
    assert lm.gaussian_nll()(np.zeros((2, 3)), np.zeros((2, 3, 2)), reduction="none").shape == (2, 3)


def test_one_sample_may_come_without_an_axis():
    assert lm.squared_error()(1.0, 3.0) == 4.0
    assert lm.squared_error()(np.float32(1), np.float32(3)) == 4.0
    assert lm.squared_error().gradient(1.0, 3.0).shape == ()
    assert lm.cross_entropy()(1, [0.0, 0.0]) == pytest.approx(np.log(2))
    assert lm.cross_entropy().gradient(1, [0.0, 0.0]).shape == (2,)
    assert lm.kl_divergence()([0.5, 0.5], [0.25, 0.75]) > 0
    assert lm.gaussian_nll()(1.0, [1.0, 0.0]) == 0.0


@pytest.mark.parametrize("word", ["weight", "where"])
@pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
def test_weight_and_where_have_the_shape_of_the_per_sample_loss(sample, word):
    n = len(sample.f)
    for shape in ((n, 1), (1,), (n - 1,), (n, sample.f.shape[-1]), (1, n)):
        with pytest.raises(ValueError, match=word):
            sample.loss(sample.y, sample.f, **{word: np.ones(shape, bool)})


def test_gaussian_predictions_are_a_mean_and_a_log_scale_on_the_last_axis():
    with pytest.raises(ValueError):
        lm.gaussian_nll()(np.zeros(3), np.zeros(3))
    with pytest.raises(ValueError):
        lm.gaussian_nll()(np.zeros(3), np.zeros((3, 3)))
    value = lm.gaussian_nll()([1.0], [[3.0, np.log(2.0)]])
    assert value == pytest.approx(0.5 + np.log(2.0), rel=1e-15)
