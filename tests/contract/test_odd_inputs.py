"""What users hand over beside plain arrays: texts and flags of tables, orders that are none, memory that overlaps."""

import json
import math
import time
from functools import partial

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import lossmith as lm
from lossmith.formula import FormulaError, Real, log, maximum, tanh
from lossmith.formula import where as choose

SQUARED = lm.squared_error()
Y, F = np.array([0.0, 1.0, 2.0]), np.array([1.0, 1.0, 4.0])


def test_arrows_texts_flags_and_gaps():
    pa = pytest.importorskip("pyarrow")
    churn = lm.binary_cross_entropy(labels=("no", "yes"))
    expected = lm.binary_cross_entropy()([0, 1, 0], F)
    texts = pa.array(["no", "yes", "no"])
    for labels in (texts, texts.dictionary_encode(), pa.chunked_array([["no"], ["yes", "no"]])):
        assert churn(labels, F) == expected
    assert lm.binary_cross_entropy()(pa.array([False, True, False]), F) == expected
    assert SQUARED(Y, F, where=pa.array([True, False, True])) == 2.5
    with pytest.raises(ValueError, match=r"y_true\[1\] = nan is not a real number"):
        SQUARED(pa.array([0, None, 2]), F)


def test_flags_in_an_object_array_are_flags():
    assert SQUARED(Y, F, where=np.array([True, False, True], dtype=object)) == 2.5


@pytest.mark.parametrize("labels", [{0, 1}, {"a", "b"}, "ab"])
def test_labels_without_an_order_are_refused(labels):
    with pytest.raises(ValueError, match="in class order"):
        lm.hinge(labels=labels)


def test_labels_that_arrays_cannot_tell_apart_are_refused():
    with pytest.raises(ValueError, match=r"hinge: labels\[1\] = 'a.x00' ends in a NUL"):
        lm.hinge(labels=("a", "a\0"))


@pytest.mark.parametrize("label", [2**53 + 1, 2**63 - 1])
def test_an_error_names_every_digit_of_an_integer(label):
    with pytest.raises(ValueError, match=rf"y_true\[1\] = {label} is not a class id"):
        lm.cross_entropy()(np.array([0, label]), np.zeros((2, 3)))


def test_integers_beyond_any_float_are_refused_by_name():
    with pytest.raises(TypeError, match=r"y_true\[1\] = 1000.*is not a number"):
        SQUARED([0.0, 10**400], [1.0, 1.0])
    with pytest.raises(FormulaError, match="that a float can hold"):
        lm.pointwise(_enormous)()


def _enormous(y: Real, f: Real):
    return (f - y) * 10**400


@pytest.mark.parametrize("y", [Y, Y.tolist()], ids=["array", "list"])
def test_out_that_overlaps_itself_is_refused(y):
    memory = np.zeros(8)
    for strides in ((0,), (4,)):
        with pytest.raises(ValueError, match="elements of out share memory"):
            SQUARED.gradient(y, F, out=as_strided(memory, (3,), strides))
    two = np.stack([F, F], axis=1)
    with pytest.raises(ValueError, match="elements of out share memory"):
        SQUARED.gradient(np.zeros((3, 2)), two, out=as_strided(memory, (3, 2), (8, 8)))
    for fine in (np.zeros((2, 3)).T, np.zeros((6, 4))[::-2, 1::2], np.zeros((3, 1, 2))[:, 0]):
        np.testing.assert_array_equal(SQUARED.gradient(np.zeros((3, 2)), two, out=fine), two / 3)
    with pytest.raises(TypeError, match="masked array"):
        SQUARED.gradient(y, F, out=np.ma.zeros(3))


def test_rows_of_bfloat16_sum_to_1_as_well_as_they_can():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    rows = np.random.default_rng(0).dirichlet(np.ones(5), size=2000)
    stored = rows.astype(bfloat16)
    assert np.abs(stored.astype(float).sum(axis=1) - 1).max() > 1e-3
    loss, f = lm.kl_divergence(log_input=True), np.full((2000, 5), -math.log(5), np.float32)
    assert loss(stored, f) == pytest.approx(loss(rows, f), abs=1e-3)
    with pytest.raises(ValueError, match=r"sums to 0\.9"):
        loss((rows * 0.998).astype(np.float32), f)
    with pytest.raises(ValueError, match=r"sums to 0\.9"):
        loss((rows * 0.98).astype(bfloat16), f)


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_complex_numbers_are_refused(library):
    xp = pytest.importorskip(library)
    with pytest.raises(TypeError, match="y_pred has dtype complex64, but must hold real numbers"):
        SQUARED(xp.zeros(2), xp.zeros(2, dtype=xp.complex64))


def _endless(y: Real, f: Real):
    for _ in range(2000):
        f = tanh(f) + y * 1e-9
    return f


@pytest.mark.slow
def test_a_formula_too_long_to_compile_is_computed_without():
    loss = lm.from_spec(json.loads(json.dumps(lm.pointwise(_endless)().spec())))
    begin = time.process_time()
    value = loss([0.5], [0.25])
    assert time.process_time() - begin < 30  # compiling it takes minutes
    f = 0.25
    for _ in range(2000):
        f = math.tanh(f) + 0.5e-9
    assert value == pytest.approx(f, rel=1e-12)


def test_what_lies_in_the_wrong_form_is_named():
    ids, rows = np.array([0, 2]), np.eye(3)[[0, 2]]
    with pytest.raises(ValueError, match=r"must have shape \(2,\), but has \(2, 3\); .* y_true.argmax\(-1\)"):
        lm.focal_cross_entropy()(rows, np.zeros((2, 3)))
    assert (rows.argmax(-1) == ids).all()
    with pytest.raises(TypeError, match="squared_error: y_true is None"):
        SQUARED(None, F)


@pytest.mark.parametrize("method", ["gradient", "hessian", "value_and_gradient"])
def test_whole_numbers_have_derivatives_on_every_road(method):
    y, f, tiny = [1, 2], [3, 5], [1e-310, 1e-310]
    for loss in (lm.squared_error(), lm.huber()):
        ask = partial(getattr(loss, method), reduction="mean")
        wanted = np.hstack(ask(np.array(y, float), np.array(f, float)))
        for weight in (None, tiny):  # such weights go another road
            for cast in (list, np.array, lambda x: np.array(x, dtype="i2")):
                np.testing.assert_allclose(np.hstack(ask(cast(y), cast(f), weight=weight)), wanted, rtol=1e-15)
        assert ask(y[0], f[0]) == ask(float(y[0]), float(f[0]))
    assert lm.squared_error().gradient(np.zeros(0, int), np.zeros(0, int), reduction="sum").dtype == np.float64


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_the_same_call_has_the_same_bits_however_often(dtype):
    rng = np.random.default_rng(0)
    y, f = (3 * rng.normal(size=(2, 20_000))).astype(dtype)
    loss, (y_apart, f_apart) = lm.huber(), (np.repeat(x, 2)[::2] for x in (y, f))
    wanted, slope = lm.huber()(y, f), lm.huber().gradient(y, f)
    for _ in range(4):
        assert loss(y_apart, f_apart) == wanted
        assert (loss.gradient(y_apart, f_apart) == slope).all()


@pytest.mark.parametrize("order", ["lqlqi", "qlqli"])
def test_two_names_of_one_type_are_one(order):
    rng = np.random.default_rng(0)
    y, f = rng.integers(0, 3, 1000), rng.normal(size=(1000, 3))
    loss = lm.cross_entropy()
    assert len({loss(y.astype(kind), f) for kind in order}) == 1
    assert len({loss.gradient(y.astype(kind), f).tobytes() for kind in order}) == 1


def test_infinite_losses_of_both_signs_have_no_sum():
    @lm.pointwise
    def difference(y: Real, f: Real):
        """The difference."""
        return f - y

    y, f = np.zeros(3), np.array([0.0, np.inf, -np.inf])
    loss = difference()
    assert loss(y, f, reduction="none").tolist() == f.tolist()
    for ask in (loss, loss.total, lambda y, f: loss(y, f, reduction="sum")):
        with pytest.raises(ValueError, match=r"no sum of the losses: inf at index \[1\], -inf at \[2\]"):
            ask(y, f)
    assert loss(y, f, where=np.array([True, True, False])) == np.inf


def test_the_index_of_several_predictions_is_whole_and_the_first():
    f = np.zeros((3, 2))
    f[1, 1] = f[2, 0] = np.nan
    for place, where in (("1, 1", None), ("2, 0", np.array([True, False, True]))):
        with pytest.raises(ValueError, match=rf"gaussian_nll: y_pred\[{place}\] = nan is not a real number"):
            lm.gaussian_nll()(np.zeros(3), f, where=where)


def test_more_classes_than_float32_numbers_are_refused():
    scores = np.broadcast_to(np.float32(0), (1, 2**24 + 1))
    for call in (lm.cross_entropy(), lm.cross_entropy().gradient):
        with pytest.raises(ValueError, match="y_pred has 16777217 classes, but float32 numbers 16777216"):
            call([5], scores)
    assert lm.cross_entropy()([5], scores[:, 1:]) == pytest.approx(24 * math.log(2), rel=1e-6)
    shares = np.broadcast_to(np.float32(2**-24), scores.shape)  # of which none has a number
    assert lm.kl_divergence()(shares, shares) == 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("loss", "named"), [
    (lm.huber(delta=1e39), "delta = 1e.39 would be inf in float32"),
    (lm.pseudo_huber(delta=1e-46), "delta = 1e-46 would be 0.0 in float32"),
    (1e-50 * lm.squared_error(), "a factor = 1e-50 would be 0.0 in float32"),
    (1e39 * lm.squared_error(), "a factor = 1e.39 would be inf in float32"),
    (lm.hinge().class_weighted({0: 1e-60, 1: 1}), "a factor = 1e-60 would be 0.0 in float32"),
    (lm.cross_entropy(class_weight=[1, 1e-50]), r"class_weight\[1\] = 1e-50 would be 0.0 in float32"),
])  # fmt: skip
def test_parameters_that_float32_does_not_hold_are_named(loss, named):
    y, f = np.array([0, 1]), np.zeros((2, 2) if loss.wide else 2)
    assert np.isfinite(loss(y, f))
    for call in (loss, loss.gradient):
        with pytest.raises(ValueError, match=named):
            call(y.astype("float32") if not loss.wide else y, f.astype("float32"))


def test_guards_inside_a_formula_may_be_what_float32_does_not_hold():
    @lm.pointwise
    def guarded(y: Real, f: Real):
        r = abs(f - y)
        return choose(r < 1e300, log(maximum(r, 1e-60) + 1), 0.0) + maximum(r, 1e-300)

    y, f = np.float32([0, 1]), np.float32([2, 1])
    assert guarded()(y, f) == pytest.approx((np.log(3) + 2) / 2, rel=1e-6)
