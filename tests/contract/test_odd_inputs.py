"""What users hand over beside plain arrays: texts and flags of tables, orders that are none, memory that overlaps."""

import json
import math
import time

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import lossmith as lm
from lossmith.formula import FormulaError, Real, tanh

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
