"""What is legal in y and y_pred, and what an error says."""

import re

import numpy as np
import pytest

import lossmith as lm

from . import samples

INF = np.inf
PLAIN = pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
SHARES = samples.SHARES
NOT_SIMPLEX = np.where(np.arange(6)[:, None] == 3, [0.5, 0.25, 0.5], SHARES)
NEGATIVE_ROW = np.where(np.arange(6)[:, None] == 3, [-7.5, 0.5, 0.5], SHARES)


def spoil(values, bad):
    out = np.array(values, dtype=np.float64)
    out[3] = bad
    return out


# loss, what is spoiled in row 3, the value that must be named
OUTSIDE = [
    ("squared_log_error", "y_true", -7.5),
    ("squared_log_error", "y_true", -1.0),
    ("squared_log_error", "y_pred", -1.5),
    ("absolute_percentage_error", "y_true", 0.0),
    ("binary_cross_entropy", "y_true", 1.5),
    ("binary_cross_entropy", "y_true", -0.25),
    ("binary_cross_entropy,from_logits=False", "y_pred", 1.5),
    ("binary_cross_entropy,from_logits=False", "y_pred", -0.25),
    ("hinge", "y_true", -1.0),
    ("hinge", "y_true", 0.5),
    ("squared_hinge", "y_true", 2.0),
    ("modified_huber", "y_true", -1.0),
    ("exponential", "y_true", -1.0),
    ("focal", "y_true", 0.5),
    ("focal,from_logits=False", "y_pred", 1.5),
    ("brier", "y_true", 1.5),
    ("brier,from_logits=False", "y_pred", -7.5),
    ("cross_entropy", "y_true", 3.0),
    ("cross_entropy", "y_true", -1.0),
    ("cross_entropy", "y_true", 1.5),
    ("cross_entropy,from_logits=False", "y_pred", -7.5),
    ("focal_cross_entropy", "y_true", 7.0),
    ("multiclass_hinge", "y_true", 3.0),
    ("multi_margin", "y_true", -2.0),
    ("kl_divergence", "y_true", -7.5),
    ("kl_divergence", "y_pred", -7.5),
    ("generalized_kl_divergence", "y_true", -7.5),
    ("generalized_kl_divergence", "y_pred", -7.5),
    ("js_divergence", "y_true", -7.5),
    ("poisson", "y_true", -7.5),
    ("poisson,log_input=False", "y_pred", -7.5),
    ("gamma", "y_true", 0.0),
    ("gamma", "y_true", -7.5),
    ("gamma,log_input=False", "y_pred", -7.5),
    ("tweedie", "y_true", -7.5),
    ("tweedie,power=1.2,log_input=False", "y_pred", -7.5),
]
METHODS = ("__call__", "gradient", "hessian", "curvature", "value_and_gradient", "gradient_and_curvature", "total")
ALL = {sample.id: sample for sample in samples.everything()}


def shown(bad):
    return rf"(?<![\d.]){re.escape(f'{bad:g}')}(\.0)?(?!\d)"


@pytest.mark.parametrize(("key", "argument", "bad"), OUTSIDE)
def test_outside_the_domain_the_error_names_loss_argument_index_and_value(key, argument, bad):
    sample = ALL[key]
    y, f = (spoil(sample.y, bad), sample.f) if argument == "y_true" else (sample.y, spoil(sample.f, bad))
    for method in METHODS:
        with pytest.raises(ValueError) as caught:
            getattr(sample.loss, method)(y, f)
        message = str(caught.value)
        assert sample.loss.name in message, message
        assert argument in message, message
        assert re.search(r"(?<!\d)3(?!\d)", message), message
        assert re.search(shown(bad), message), message


def test_the_first_bad_index_is_named():
    y = np.ones(5000)
    y[[1234, 1235, 4000]] = [-8.0, -9.0, -10.0]
    with pytest.raises(ValueError, match=r"\b1234\b.*-8|-8.*\b1234\b"):
        lm.poisson()(y, np.zeros(5000))


def test_the_index_in_an_array_of_several_axes_can_be_used_as_it_stands():
    y = np.ones((3, 4, 5))
    y[1, 2, 3] = -8.0
    with pytest.raises(ValueError, match=r"1, 2, 3"):
        lm.poisson()(y, np.zeros((3, 4, 5)))


@EVERY
@pytest.mark.parametrize("argument", ["y_true", "y_pred"])
def test_nan_raises(sample, argument):
    y, f = sample.y.astype(np.float64), sample.f.copy()
    (y if argument == "y_true" else f)[4] = np.nan
    for method in ("__call__", "gradient", "hessian", "curvature", "total"):
        with pytest.raises(ValueError) as caught:
            getattr(sample.loss, method)(y, f)
        assert argument in str(caught.value)
        assert re.search(r"(?<!\d)4(?!\d)", str(caught.value)) and "nan" in str(caught.value).lower()


@pytest.mark.parametrize("name", ["kl_divergence", "js_divergence"])
def test_a_target_row_that_does_not_sum_to_1_raises(name):
    with pytest.raises(ValueError, match=r"(?s)\b3\b"):
        lm.get(name)(NOT_SIMPLEX, samples.PROBABILITIES)


def test_a_negative_soft_target_raises():
    with pytest.raises(ValueError, match="cross_entropy"):
        lm.cross_entropy()(NEGATIVE_ROW, samples.SCORES)


@pytest.mark.parametrize("y", [[2, 1, 0], [1, 1, 0]])
def test_scores_without_an_axis_of_classes_are_told_what_they_were_taken_for(y):
    with pytest.raises(ValueError, match=r"shape \(3,\) is one row of 3 classes, for classes are on the last axis"):
        lm.cross_entropy()(y, [0.2, 0.1, 0.6])


def test_a_predicted_row_need_not_sum_to_1():
    """Differences of finite steps, and optimisers on their way, leave the simplex."""
    one, two = lm.kl_divergence()([[0.4, 0.6]], [[0.4, 0.6]]), lm.kl_divergence()([[0.4, 0.6]], [[0.8, 0.6]])
    assert one == 0 and two == pytest.approx(-0.4 * np.log(2))


def test_rounded_rows_still_sum_to_1():
    """Rows computed in the precision they come in are distributions."""
    rows = np.random.default_rng(0).dirichlet(np.ones(50), size=40)
    for dtype in (np.float32, np.float64):
        assert np.isfinite(lm.kl_divergence()(rows.astype(dtype), rows[::-1].astype(dtype)))
        assert np.isfinite(lm.cross_entropy()(rows.astype(dtype), np.zeros((40, 50), dtype)))


# labels
BINARY = ["hinge", "squared_hinge", "modified_huber", "exponential", "focal", "binary_cross_entropy", "brier"]


@pytest.mark.parametrize("name", BINARY)
def test_labels_are_0_and_1_unless_the_constructor_says_otherwise(name):
    y, f = samples.LABEL
    plain, signed = lm.get(name), lm.get(name, labels=(-1, 1))
    for method in ("__call__", "gradient", "hessian", "curvature"):
        expected = getattr(plain, method)(y, f, reduction="none")
        np.testing.assert_array_equal(getattr(signed, method)(2 * y - 1, f, reduction="none"), expected)
    with pytest.raises(ValueError, match=rf"{name}.*say labels=\(-1, 1\)"):
        plain(2 * y - 1, f)
    with pytest.raises(ValueError, match=name):
        signed(y, f)
    assert signed.best_constant(2 * y[:3] - 1) == plain.best_constant(y[:3])


def test_labels_are_checked_after_weights():
    loss = lm.hinge(labels=(-1, 1))
    assert loss([-1, 0, 1], [0.0, 0.0, 0.0], weight=[1, 0, 1]) == 1.0


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_labels_of_any_dtype(dtype):
    y, f = samples.LABEL
    assert lm.hinge()(y.astype(dtype), f) == pytest.approx(lm.hinge()(y, f), rel=1e-15)
    assert lm.binary_cross_entropy()(y.astype(dtype), f) == pytest.approx(lm.binary_cross_entropy()(y, f), rel=1e-15)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.int32, np.int64, np.uint64, np.float32, np.float64])
def test_class_ids_of_any_dtype(dtype):
    y, f = samples.IDS, samples.SCORES
    for name in ("cross_entropy", "multiclass_hinge", "multi_margin", "focal_cross_entropy"):
        assert lm.get(name)(y.astype(dtype), f) == lm.get(name)(y, f)


@pytest.mark.parametrize("params", [{}, {"label_smoothing": 0.2}, {"class_weight": samples.CLASS_WEIGHT}])
def test_one_hot_rows_are_class_ids(params):
    loss, f = lm.cross_entropy(**params), samples.SCORES
    rows = np.eye(3)[samples.IDS]
    for reduction in ("none", "mean", "sum", "weighted_mean"):
        by_id = loss(samples.IDS, f, reduction=reduction)
        np.testing.assert_allclose(loss(rows, f, reduction=reduction), by_id, rtol=1e-14)
    np.testing.assert_allclose(loss.gradient(rows, f), loss.gradient(samples.IDS, f), rtol=1e-13, atol=1e-17)


def test_soft_rows_are_a_mixture_of_one_hot_rows():
    f = samples.SCORES
    by_class = [lm.cross_entropy()(np.full(6, c), f, reduction="none") for c in range(3)]
    expected = (SHARES * np.transpose(by_class)).sum(axis=-1)
    np.testing.assert_allclose(lm.cross_entropy()(SHARES, f, reduction="none"), expected, rtol=1e-14)


@pytest.mark.parametrize("name", ["multiclass_hinge", "multi_margin", "focal_cross_entropy"])
def test_rows_are_refused_where_the_formula_does_not_allow_them(name):
    with pytest.raises(ValueError):
        lm.get(name)(np.eye(3)[samples.IDS], samples.SCORES)


# infinite predictions
@pytest.mark.parametrize(
    ("name", "params", "y", "f", "value", "gradient"),
    [
        ("squared_error", {}, 0.0, INF, INF, INF),
        ("absolute_error", {}, 0.0, -INF, INF, -1.0),
        ("huber", {"delta": 2.0}, 0.0, INF, INF, 2.0),
        ("smooth_l1", {}, 0.0, -INF, INF, -1.0),
        ("pseudo_huber", {}, 0.0, INF, INF, 1.0),
        ("log_cosh", {}, 0.0, -INF, INF, -1.0),
        ("quantile", {"q": 0.25}, 0.0, INF, INF, 0.75),
        ("quantile", {"q": 0.25}, 0.0, -INF, INF, -0.25),
        ("epsilon_insensitive", {}, 0.0, INF, INF, 1.0),
        ("binary_cross_entropy", {}, 1.0, INF, 0.0, 0.0),
        ("binary_cross_entropy", {}, 1.0, -INF, INF, -1.0),
        ("binary_cross_entropy", {}, 0.0, -INF, 0.0, 0.0),
        ("binary_cross_entropy", {}, 0.5, INF, INF, 0.5),
        ("hinge", {}, 1, INF, 0.0, 0.0),
        ("hinge", {}, 0, INF, INF, 1.0),
        ("squared_hinge", {}, 1, INF, 0.0, 0.0),
        ("modified_huber", {}, 1, -INF, INF, -4.0),
        ("exponential", {}, 1, INF, 0.0, 0.0),
        ("exponential", {}, 0, INF, INF, INF),
        ("focal", {}, 1, INF, 0.0, 0.0),
        ("focal", {}, 1, -INF, INF, -1.0),
        ("brier", {}, 1.0, INF, 0.0, 0.0),
        ("brier", {}, 1.0, -INF, 1.0, 0.0),
        ("poisson", {}, 0.0, -INF, 0.0, 0.0),
        ("poisson", {}, 2.0, -INF, INF, -2.0),
        ("poisson", {}, 2.0, INF, INF, INF),
        ("gamma", {}, 2.0, INF, INF, 1.0),
        ("gamma", {}, 2.0, -INF, INF, -INF),
        ("tweedie", {}, 0.0, -INF, 0.0, 0.0),
    ],
)
def test_infinite_predictions_are_legal_where_the_limit_exists(name, params, y, f, value, gradient):
    loss = lm.get(name, **params)
    assert loss([y], [f]) == value
    assert loss.gradient([y], [f])[0] == gradient
    others = loss([y, y], [f, 0.25], reduction="none")
    assert others[0] == value and np.isfinite(others[1])


@pytest.mark.parametrize(
    ("name", "row", "label", "value", "gradient"),
    [
        ("cross_entropy", [-INF, 0.0, 0.0], 1, np.log(2), [0.0, -0.5, 0.5]),
        ("cross_entropy", [INF, 0.0, 5.0], 0, 0.0, [0.0, 0.0, 0.0]),
        ("cross_entropy", [INF, 0.0, 5.0], 1, INF, [1.0, -1.0, 0.0]),
        ("cross_entropy", [-INF, 0.0, -INF], 1, 0.0, [0.0, 0.0, 0.0]),
        ("focal_cross_entropy", [-INF, 0.0, -INF], 1, 0.0, [0.0, 0.0, 0.0]),
        ("multiclass_hinge", [-INF, 0.0, -INF], 1, 0.0, [0.0, 0.0, 0.0]),
        ("multi_margin", [-INF, 0.0, 0.5], 1, 0.5, [0.0, -1 / 3, 1 / 3]),
    ],
)
def test_infinite_scores_are_legal_where_the_limit_exists(name, row, label, value, gradient):
    loss = lm.get(name)
    assert loss([label], [row]) == pytest.approx(value, rel=1e-15)
    np.testing.assert_allclose(loss.gradient([label], [row]), [gradient], rtol=1e-15)


@PLAIN
def test_no_answer_is_nan_at_infinite_predictions(sample):
    """Either there is a limit, or it is an error; never a NaN."""
    for bad in (INF, -INF):
        f = sample.f.copy()
        f[3] = bad
        for method in ("__call__", "gradient", "curvature"):
            try:
                got = getattr(sample.loss, method)(sample.y, f, reduction="none")
            except ValueError:
                continue
            assert not np.any(np.isnan(got)), (method, bad)


# not numbers at all
@pytest.mark.parametrize(
    "bad",
    [["a", "b"], [None, 1.0], [1j, 2.0], np.array(["2020-01-01", "2021-01-01"], "M8[D]"), [[1.0], [2.0, 3.0]], None],
)
def test_what_is_no_array_of_real_numbers_is_refused(bad):
    for arguments in ((bad, [1.0, 2.0]), ([1.0, 2.0], bad)):
        with pytest.raises((TypeError, ValueError)):
            lm.squared_error()(*arguments)


def test_an_array_of_python_numbers_is_read_as_numbers():
    y, f = samples.REAL
    assert lm.squared_error()(y.astype(object), f.astype(object)) == lm.squared_error()(y, f)
    with pytest.raises((TypeError, ValueError)):
        lm.squared_error()(np.array([1.0, "a"], dtype=object), [1.0, 2.0])
