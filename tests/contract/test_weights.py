"""Sample weights, masks, and weights that are part of the loss."""

import re

import numpy as np
import pytest

import lossmith as lm

from . import samples

BAD = [np.nan, np.inf, -np.inf]
EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)


def spoiled(sample, y_bad, f_bad):
    """The sample with two invalid rows more, first and last, and the weight and mask that remove them."""
    y = np.concatenate([sample.y[:1], sample.y, sample.y[:1]]).astype(np.float64)
    f = np.concatenate([sample.f[:1], sample.f, sample.f[:1]])
    y[[0, -1]], f[[0, -1]] = y_bad, f_bad
    kept = np.ones(len(f), bool)
    kept[[0, -1]] = False
    return y, f, kept


@EVERY
@pytest.mark.parametrize("word", ["weight", "where"])
@pytest.mark.parametrize(("y_bad", "f_bad"), [(np.nan, np.nan), (-7.5, 0.25), (np.inf, -np.inf)])
def test_weight_0_or_where_false_removes_a_sample_and_does_not_check_it(sample, word, y_bad, f_bad):
    y, f, kept = spoiled(sample, y_bad, f_bad)
    mask = {word: kept if word == "where" else kept.astype(np.float64)}
    loss = sample.loss
    assert loss(y, f, **mask) == pytest.approx(loss(sample.y, sample.f), rel=1e-13)
    assert loss(y, f, reduction="sum", **mask) == pytest.approx(loss(sample.y, sample.f, reduction="sum"), rel=1e-13)
    gradient = loss.gradient(y, f, **mask)
    np.testing.assert_allclose(gradient[1:-1], loss.gradient(sample.y, sample.f), rtol=1e-13)
    assert not np.any(gradient[[0, -1]])


@EVERY
@pytest.mark.parametrize("word", ["weight", "where"])
def test_removed_entries_are_exactly_0_with_reduction_none(sample, word):
    y, f, kept = spoiled(sample, np.nan, np.nan)
    mask = {word: kept if word == "where" else kept.astype(np.float32)}
    for method in ("__call__", "gradient", "hessian", "curvature"):
        got = getattr(sample.loss, method)(y, f, reduction="none", **mask)
        assert np.array_equal(got[[0, -1]], np.zeros_like(got[[0, -1]])), method
        own = getattr(sample.loss, method)(sample.y, sample.f, reduction="none")
        np.testing.assert_allclose(got[1:-1], own, rtol=1e-13)


@EVERY
def test_none_is_multiplied_by_the_weight(sample):
    own = sample.loss(sample.y, sample.f, reduction="none")
    weighted = sample.loss(sample.y, sample.f, weight=sample.weight, reduction="none")
    np.testing.assert_allclose(weighted, own * sample.weight, rtol=1e-15)


def test_infinite_losses_are_removed_too():
    y, p, w = [1.0, 0.0, 1.0], [0.0, 0.5, 0.5], [0.0, 1.0, 3.0]
    loss = lm.binary_cross_entropy(from_logits=False)
    assert loss(y, p) == np.inf
    assert loss(y, p, weight=w) == pytest.approx(np.log(2))
    assert loss(y, p, where=[False, True, True]) == pytest.approx(np.log(2))


def test_a_class_id_far_outside_is_not_looked_up_where_it_is_removed():
    y, f = np.array([0, 2**40, -(2**40), 1]), np.zeros((4, 3))
    assert lm.cross_entropy()(y, f, weight=[1, 0, 0, 1]) == pytest.approx(np.log(3))


def test_weight_and_where_work_together():
    y, f = np.zeros(4), np.array([1.0, 2.0, 3.0, np.nan])
    got = lm.squared_error()(y, f, weight=[1.0, 0.0, 3.0, 5.0], where=[True, True, True, False])
    assert got == pytest.approx((1 + 27) / 4)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_weights_of_any_dtype_are_counted_wide(dtype):
    y, f = np.zeros(70000), np.ones(70000)
    assert lm.absolute_error()(y, f, weight=np.ones(70000, dtype)) == 1.0
    assert lm.absolute_error()(y, f, weight=np.ones(70000, dtype), reduction="sum") == 70000.0


@pytest.mark.parametrize("weight", [[1.0, np.nan], [1.0, -1.0], [1.0, np.inf]])
def test_a_weight_that_is_no_finite_number_from_0_up_raises(weight):
    with pytest.raises(ValueError, match="weight"):
        lm.squared_error()([0.0, 0.0], [1.0, 2.0], weight=weight)


# nothing to average
def nothing(sample):
    n, none = len(sample.f), {}
    yield sample.y[:0], sample.f[:0], none
    yield sample.y, sample.f, {"weight": np.zeros(n)}
    yield sample.y, sample.f, {"where": np.zeros(n, bool)}
    yield sample.y, sample.f, {"weight": np.r_[np.ones(n - 1), 0.0], "where": np.r_[np.zeros(n - 1, bool), True]}


@EVERY
def test_nothing_to_average_raises_for_mean(sample):
    for y, f, rest in nothing(sample):
        for method in ("__call__", "gradient", "value_and_gradient"):
            with pytest.raises(ValueError):
                getattr(sample.loss, method)(y, f, reduction="mean", **rest)


@EVERY
def test_the_sum_of_nothing_is_0(sample):
    for y, f, rest in nothing(sample):
        value = sample.loss(y, f, reduction="sum", **rest)
        assert type(value) is float and value == 0.0
        gradient = sample.loss.gradient(y, f, reduction="sum", **rest)
        assert gradient.shape == f.shape and not np.any(gradient)
        total = sample.loss.total(y, f, **rest)
        assert (total.sum, total.weight) == (0.0, 0.0)


@EVERY
def test_none_of_nothing_is_empty(sample):
    y, f = sample.y[:0], sample.f[:0]
    assert sample.loss(y, f, reduction="none").shape == (0,)
    for method in ("gradient", "hessian", "curvature"):
        assert getattr(sample.loss, method)(y, f, reduction="none").shape == f.shape


# weights that are part of the loss
CW = np.array(samples.CLASS_WEIGHT)


@pytest.mark.parametrize("weighting", ["term", "target"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_stay_out_of_the_denominator_of_mean(weighting, smoothing):
    y, f, w = samples.IDS, samples.SCORES, np.linspace(1.0, 2.0, 6)
    loss = lm.cross_entropy(class_weight=CW, weighting=weighting, label_smoothing=smoothing)
    each = loss(y, f, reduction="none")
    assert loss(y, f) == pytest.approx(each.mean(), rel=1e-14)
    assert loss(y, f, weight=w) == pytest.approx((w * each).sum() / w.sum(), rel=1e-14)
    total = (w * each).sum()
    assert loss(y, f, weight=w, reduction="weighted_mean") == pytest.approx(total / (w * CW[y]).sum(), rel=1e-14)
    gradient = loss.gradient(y, f, weight=w, reduction="weighted_mean")
    np.testing.assert_allclose(gradient, loss.gradient(y, f, weight=w, reduction="sum") / (w * CW[y]).sum(), rtol=1e-14)


def test_weighted_mean_counts_kept_rows_only():
    y, f = np.array([0, 2, 1, 2]), np.zeros((4, 3))
    loss = lm.cross_entropy(class_weight=CW)
    kept = [True, False, True, True]
    alone = loss(y[kept], f[kept], reduction="weighted_mean")
    assert loss(y, f, where=kept, reduction="weighted_mean") == pytest.approx(alone, rel=1e-15)
    ignoring = lm.cross_entropy(class_weight=CW, ignore_index=9)
    y[1] = 9
    assert ignoring(y, f, reduction="weighted_mean") == pytest.approx(alone, rel=1e-15)


def test_weighted_mean_of_a_loss_without_class_weights_is_its_mean():
    y, f = samples.REAL
    assert lm.squared_error()(y, f, reduction="weighted_mean") == lm.squared_error()(y, f)


def test_pos_weight_is_part_of_the_loss():
    (y, f), w = samples.LABEL, np.linspace(1.0, 2.0, 6)
    plain = lm.binary_cross_entropy()(y, f, reduction="none")
    loss = lm.binary_cross_entropy(pos_weight=3.0)
    each = np.where(y == 1, 3.0, 1.0) * plain
    np.testing.assert_allclose(loss(y, f, reduction="none"), each, rtol=1e-15)
    assert loss(y, f, weight=w) == pytest.approx((w * each).sum() / w.sum(), rel=1e-14)
    by_class = (w * np.where(y == 1, 3.0, 1.0)).sum()
    assert loss(y, f, weight=w, reduction="weighted_mean") == pytest.approx((w * each).sum() / by_class, rel=1e-14)


OF_IDS = lm.cross_entropy(class_weight=CW)
OF_LABELS = lm.binary_cross_entropy(pos_weight=3.0)
BY_LABEL = lm.binary_cross_entropy().class_weighted({0: 1, 1: 3})
IDS, LABELS = (samples.IDS, samples.SCORES), samples.LABEL


@pytest.mark.parametrize(
    ("first", "second", "data"),
    [
        (OF_IDS, OF_IDS, IDS),
        (OF_IDS, lm.focal_cross_entropy(class_weight=CW), IDS),
        (OF_LABELS, OF_LABELS, LABELS),
        (BY_LABEL, BY_LABEL, LABELS),
        (OF_LABELS, BY_LABEL, LABELS),
        (lm.binary_cross_entropy(), lm.brier(), LABELS),
    ],
    ids=repr,
)
def test_a_sum_keeps_the_class_weights_of_its_parts(first, second, data):
    (y, f), w, both = data, np.linspace(1.0, 2.0, 6), first + second
    parts = [part(y, f, weight=w, reduction="weighted_mean") for part in (first, second)]
    assert both(y, f, weight=w, reduction="weighted_mean") == pytest.approx(sum(parts), rel=1e-14)
    slopes = [part.gradient(y, f, weight=w, reduction="weighted_mean") for part in (first, second)]
    np.testing.assert_allclose(both.gradient(y, f, weight=w, reduction="weighted_mean"), sum(slopes), rtol=1e-13)


@pytest.mark.parametrize(
    ("both", "data"),
    [
        (OF_IDS + lm.cross_entropy(), IDS),
        (lm.cross_entropy() + OF_IDS, IDS),
        (OF_IDS + lm.cross_entropy(class_weight=CW[::-1]), IDS),
        (OF_LABELS + lm.binary_cross_entropy(), LABELS),
        (BY_LABEL + lm.brier(), LABELS),
    ],
    ids=repr,
)
def test_parts_of_different_class_weights_have_no_weighted_mean(both, data):
    y, f = data
    first = int(np.argmax(y == (0 if both.kind == "rowwise" else 1)))  # of a class that the parts weigh differently
    for call in (both, both.gradient, both.value_and_gradient, lm.from_spec(both.spec())):
        with pytest.raises(ValueError, match=rf"{re.escape(both.name)}: there is no weighted mean.*\[{first}\]"):
            call(y, f, reduction="weighted_mean")
    assert both(y, f) == pytest.approx(both(y, f, reduction="none").mean(), rel=1e-14)


def test_parts_that_agree_on_the_kept_samples_have_a_weighted_mean():
    (y, f), both = LABELS, OF_LABELS + lm.binary_cross_entropy()
    assert both(y, f, where=y == 0, reduction="weighted_mean") == both(y, f, where=y == 0)
    assert both(y, f, weight=1.0 - y, reduction="weighted_mean") == both(y, f, weight=1.0 - y)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "hinge", "squared_hinge", "exponential", "focal", "brier"])
def test_class_weighted_multiplies_by_the_weight_of_the_true_class(name):
    (y, f), w = samples.LABEL, np.linspace(1.0, 2.0, 6)
    plain, loss = lm.get(name), lm.get(name).class_weighted({0: 1.0, 1: 9.0})
    by_class = np.where(y == 1, 9.0, 1.0)
    each = by_class * plain(y, f, reduction="none")
    np.testing.assert_allclose(loss(y, f, reduction="none"), each, rtol=1e-14)
    assert loss(y, f, weight=w) == pytest.approx((w * each).sum() / w.sum(), rel=1e-13)
    weighted = (w * each).sum() / (w * by_class).sum()
    assert loss(y, f, weight=w, reduction="weighted_mean") == pytest.approx(weighted, rel=1e-13)
    got = loss.gradient(y, f, reduction="none")
    np.testing.assert_allclose(got, by_class * plain.gradient(y, f, reduction="none"), rtol=1e-14)


@pytest.mark.parametrize("name", ["cross_entropy", "multiclass_hinge", "multi_margin", "focal_cross_entropy"])
def test_class_weighted_takes_class_ids(name):
    y, f = samples.IDS, samples.SCORES
    loss = lm.get(name).class_weighted({0: 0.5, 1: 2.0, 2: 3.0})
    expected = CW[y] * lm.get(name)(y, f, reduction="none")
    np.testing.assert_allclose(loss(y, f, reduction="none"), expected, rtol=1e-14)
    assert loss(y, f) == pytest.approx(expected.mean(), rel=1e-14)


def test_a_pandas_series_of_class_weights_is_read_by_its_index():
    pandas = pytest.importorskip("pandas")
    y = pandas.Series([1, 1, 1, 0])
    w = 1 / y.value_counts(normalize=True)
    assert w.index.tolist() == [1, 0]
    for weights in (w, w.astype("float32"), w.rename(index=float), w.convert_dtypes()):
        known = pytest.approx(weights.to_dict()[0]), pytest.approx(weights.to_dict()[1])
        assert lm.cross_entropy(class_weight=weights).params["class_weight"] == known
        assert lm.cross_entropy().class_weighted(weights).params["class_weights"] == known
    assert lm.hinge().class_weighted(w) == lm.hinge().class_weighted(w.to_dict())
    named = w.rename(index={0: "no", 1: "yes"})
    labelled = lm.hinge(labels=("no", "yes"))
    assert labelled.class_weighted(named) == labelled.class_weighted(named.to_dict())
    with pytest.raises(ValueError, match=r"must name the classes 0 to 1, but 0 is missing; .* list in their order"):
        lm.cross_entropy(class_weight=named)
    with pytest.raises(ValueError, match="names the class 1 more than once"):
        lm.hinge().class_weighted(pandas.Series([1.0, 2.0], index=[1, 1]))
    assert lm.cumulative_logit(thresholds=pandas.Series([-1.0, 1.0], index=[5, 3])).params["thresholds"] == (-1.0, 1.0)


def test_class_weights_must_fit_the_number_of_classes():
    with pytest.raises(ValueError, match="class_weight"):
        lm.cross_entropy(class_weight=[1.0, 2.0])(samples.IDS, samples.SCORES)


@pytest.mark.parametrize(("dtype", "ids", "number"), [("uint8", [156, 3, 156], -100), ("int8", [1, 3, 1], 257)])
@pytest.mark.parametrize("library", ["numpy", "torch", "jax.numpy"])
def test_a_number_that_the_targets_dtype_does_not_hold_is_none_of_them(library, dtype, ids, number):
    """PyTorch compares 156 as the -100 that 8 bits make of it, JAX too."""
    xp = pytest.importorskip(library)
    y, f = xp.asarray(ids, dtype=getattr(xp, dtype)), xp.asarray(np.random.default_rng(0).normal(size=(3, 200)))
    plain = lm.cross_entropy()
    assert float(lm.cross_entropy(ignore_index=number)(y, f)) == float(plain(y, f))
    with pytest.raises(ValueError, match="is not one of the 2 labels"):
        lm.hinge(labels=(number, 3))(y, f[:, 0])
    if library == "torch":
        assert plain.to("torch", ignore_index=number)(f, y).item() == float(plain(y, f))
