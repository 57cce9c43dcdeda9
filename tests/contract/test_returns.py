"""What comes out: kinds, dtypes, precision, and out=."""

import numpy as np
import pytest

import lossmith as lm

from . import samples

PLAIN = pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
FLOATS = [np.float16, np.float32, np.float64]


def as_lists(sample):
    return sample.y.tolist(), sample.f.tolist()


@PLAIN
@pytest.mark.parametrize("made", [as_lists, lambda sample: (sample.y, sample.f)], ids=["lists", "arrays"])
def test_lists_and_host_arrays_give_python_floats_and_numpy_arrays(sample, made):
    y, f = made(sample)
    loss = sample.loss
    for reduction in ("mean", "sum"):
        assert type(loss(y, f, reduction=reduction)) is float
    assert type(loss.value_and_gradient(y, f)[0]) is float
    assert type(loss(y, f, reduction="none")) is np.ndarray
    for method in ("gradient", "hessian", "curvature"):
        assert type(getattr(loss, method)(y, f)) is np.ndarray
    pair = loss.gradient_and_curvature(y, f)
    assert [type(each) for each in pair] == [np.ndarray, np.ndarray]


def test_lists_are_the_same_numbers():
    y, f = samples.REAL
    assert lm.huber()(y.tolist(), f.tolist()) == lm.huber()(y, f)
    assert lm.huber()(tuple(y), list(f), weight=[1, 2, 3, 4, 5, 6]) == lm.huber()(y, f, weight=np.arange(1.0, 7.0))


def test_pandas_series_are_read_by_position():
    pandas = pytest.importorskip("pandas")
    y, f = samples.REAL
    loss = lm.huber()
    index = list("abcdef")
    by_name = pandas.Series(y, index=index), pandas.Series(f, index=index)
    assert loss(*by_name) == loss(y, f)
    assert type(loss(*by_name, reduction="none")) is np.ndarray
    assert type(loss.gradient(*by_name)) is np.ndarray
    assert loss(by_name[0], f) == loss(y, f)  # one of them only
    repeated = pandas.Series(y, index=list("aabbcc"))
    assert loss(repeated, pandas.Series(f, index=list("aabbcc"))) == loss(y, f)


def test_pandas_objects_with_unequal_indexes_raise():
    pandas = pytest.importorskip("pandas")
    y, f = (pandas.Series(each) for each in samples.REAL)
    with pytest.raises(ValueError, match="index"):
        lm.huber()(y, f[::-1])
    with pytest.raises(ValueError, match="index"):
        lm.huber()(y, f.set_axis(range(1, 7)))
    with pytest.raises(ValueError, match="index"):
        lm.huber()(y, f, weight=pandas.Series(np.ones(6), index=range(6, 12)))


def test_pandas_frames_hold_rows_of_scores():
    pandas = pytest.importorskip("pandas")
    y, f = pandas.Series(samples.IDS), pandas.DataFrame(samples.SCORES, columns=list("xyz"))
    assert lm.cross_entropy()(y, f) == lm.cross_entropy()(samples.IDS, samples.SCORES)
    with pytest.raises(ValueError, match="index"):
        lm.cross_entropy()(y, f.iloc[::-1])


SHARES = np.array([[0.2, 0.8], [0.6, 0.4]])
NAMED = lm.cross_entropy(labels=("a", "b"), from_logits=False)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize(
    ("loss", "y", "right", "wrong"),
    [
        (lm.kl_divergence(), ["a", "b"], ["a", "b"], ["b", "a"]),
        (lm.kl_divergence(), ["b", "a"], ["b", "a"], ["a", "b"]),
        (lm.kl_divergence(), ["a", "b"], ["p", "q"], None),
        (lm.huber(), ["a", "b"], ["a", "b"], ["b", "a"]),
        (NAMED, np.array(["a", "b"]), ["a", "b"], ["b", "a"]),
        (NAMED, np.array(["a", "b"]), ["p", "q"], None),
        (lm.cross_entropy(from_logits=False), np.array([0, 1]), ["0", "1"], ["1", "0"]),
        (lm.gaussian_nll(), np.array([0.0, 1.0]), ["mean", "log_scale"], ["log_scale", "mean"]),
    ],
    ids=str,
)
def test_columns_in_another_order_are_refused(library, loss, y, right, wrong):
    frame = pytest.importorskip(library).DataFrame

    def table(names):
        return frame(dict(zip(names, SHARES.T, strict=True)))

    target = table(y) if isinstance(y, list) else y
    expected = loss(SHARES if isinstance(y, list) else y, SHARES)
    assert loss(target, table(right)) == loss.value_and_gradient(target, table(right))[0] == expected
    if wrong is not None:
        with pytest.raises(ValueError, match=rf"{loss.name}: the columns of y_pred are \({str(wrong)[1:-1]}\), but"):
            loss(target, table(wrong))
        assert loss(target, table(wrong).to_numpy()) == expected


def test_pandas_missing_values_are_nan():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ValueError):
        lm.huber()(pandas.Series([1.0, None]), [1.0, 2.0])
    with pytest.raises((ValueError, TypeError)):
        lm.huber()(pandas.Series([1, None], dtype="Int64"), [1.0, 2.0])


@pytest.mark.parametrize("dtype", ["string", "string[pyarrow]", "object", "category", "category of string"])
@pytest.mark.parametrize("left_out", [{"where": [True, False]}, {"weight": [1.0, 0.0]}], ids=["where", "weight"])
def test_a_missing_label_of_pandas_can_be_left_out(dtype, left_out):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    y = pandas.Series(["a", pandas.NA], dtype="string" if dtype == "category of string" else dtype)
    y = y.astype("category") if dtype == "category of string" else y
    loss, f = lm.cross_entropy(labels=("a", "b")), np.zeros((2, 2))
    assert loss(y, f, **left_out) == pytest.approx(np.log(2))
    with pytest.raises(ValueError, match=r"y_true\[1\] = .* is not one of the 2 labels"):
        loss(y, f)


@pytest.mark.parametrize("dtype", ["boolean", "bool[pyarrow]", "Int64", "Float64", "object"])
def test_a_missing_number_of_pandas_can_be_left_out(dtype):
    pandas, _ = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    y = pandas.Series([True, pandas.NA], dtype="boolean").astype(dtype)
    for left_out in ({"where": [True, False]}, {"weight": [1.0, 0.0]}):
        assert lm.hinge()(y, [0.5, 2.0], **left_out) == 0.5
        assert lm.hinge()([1, 0], y, **left_out) == 0.0
    with pytest.raises(ValueError, match=r"y_true\[1\] = nan is not a label 0 or 1"):
        lm.hinge()(y, [0.5, 2.0])


# dtypes
@PLAIN
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_gradients_take_the_dtype_of_y_pred(sample, dtype):
    y, f = sample.y, sample.f.astype(dtype)
    if dtype is np.float32 and y.dtype.kind == "f":
        y = y.astype(dtype)
    for method in ("gradient", "hessian", "curvature"):
        assert getattr(sample.loss, method)(y, f).dtype == dtype, method
    assert sample.loss.value_and_gradient(y, f)[1].dtype == dtype
    assert [each.dtype for each in sample.loss.gradient_and_curvature(y, f)] == [dtype, dtype]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64, bool], ids=str)
def test_gradients_of_integer_predictions_are_float64(dtype):
    y, f = np.array([1, 0, 1], dtype), np.array([0, 1, 1], dtype)
    for method in ("gradient", "hessian", "curvature"):
        assert getattr(lm.squared_error(), method)(y, f, reduction="none").dtype == np.float64
    np.testing.assert_array_equal(lm.squared_error().gradient(y, f, reduction="none"), [-2.0, 2.0, 0.0])


def test_integers_are_converted_and_never_computed_in():
    assert lm.squared_error()(np.array([-128], np.int8), np.array([127], np.int8)) == 255.0**2
    assert lm.absolute_error()(np.array([2], np.uint8), np.array([1], np.uint8)) == 1.0
    assert lm.squared_error()(np.array([2**33]), np.array([0])) == 2.0**66


def test_computation_is_in_the_wider_floating_input():
    y, f = np.array([1 + 1e-10]), np.array([1.0], np.float32)
    assert lm.squared_error()(y, f) == pytest.approx(1e-20, rel=1e-5)
    assert lm.squared_error()(f, y) == pytest.approx(1e-20, rel=1e-5)
    gradient = lm.squared_error().gradient(y, f)
    assert gradient.dtype == np.float32 and gradient[0] == pytest.approx(-2e-10, rel=1e-5)


def test_computation_is_at_least_in_float32():
    y, f = np.array([-300.0], np.float16), np.array([300.0], np.float16)
    assert lm.squared_error()(y, f) == 360000.0
    assert lm.squared_error()(y, f, reduction="none")[0] == 360000.0
    assert lm.squared_error().gradient(y, f).dtype == np.float16


def test_integers_beside_float32_keep_the_predictions_dtype():
    y, f = np.array([0, 1, 1]), np.array([0.25, 0.5, -1.0], np.float32)
    gradient = lm.binary_cross_entropy().gradient(y, f)
    assert gradient.dtype == np.float32
    np.testing.assert_allclose(gradient, lm.binary_cross_entropy().gradient(y, f.astype(np.float64)), rtol=1e-6)


def test_bfloat16_is_read_and_written_as_such_and_computed_in_float32():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    y, f = np.array([1.0, 2.0], bfloat16), np.array([1.5, -7.0], bfloat16)
    gradient = lm.huber().gradient(y, f, reduction="none")
    assert gradient.dtype == bfloat16 and gradient.tolist() == [0.5, -1.0]
    assert lm.squared_error()(y, np.array([258.0, 2.0], bfloat16)) == 257.0**2 / 2


# out=
@PLAIN
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_out_takes_the_gradient_in_any_float_dtype_and_is_returned(sample, dtype):
    expected = sample.loss.gradient(sample.y, sample.f)
    out = np.full(sample.f.shape, 99.0, dtype)
    assert sample.loss.gradient(sample.y, sample.f, out=out) is out
    np.testing.assert_array_equal(out, expected.astype(dtype))


def test_out_may_be_a_view():
    y, f = samples.REAL
    wide = np.full(12, 99.0)
    lm.huber().gradient(y, f, out=wide[::2])
    np.testing.assert_array_equal(wide[::2], lm.huber().gradient(y, f))
    np.testing.assert_array_equal(wide[1::2], np.full(6, 99.0))
    backwards = np.zeros(6)
    lm.huber().gradient(y, f, out=backwards[::-1])
    np.testing.assert_array_equal(backwards[::-1], lm.huber().gradient(y, f))


@pytest.mark.parametrize("shape", [(5,), (7,), (6, 1), (1, 6), ()])
def test_out_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="out"):
        lm.huber().gradient(*samples.REAL, out=np.zeros(shape))


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool, object, complex], ids=str)
def test_out_that_is_not_floating_is_refused(dtype):
    with pytest.raises((ValueError, TypeError), match="out"):
        lm.huber().gradient(*samples.REAL, out=np.zeros(6, dtype))


def test_out_that_cannot_be_written_is_refused():
    out = np.zeros(6)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out"):
        lm.huber().gradient(*samples.REAL, out=out)
    with pytest.raises((ValueError, TypeError), match="out"):
        lm.huber().gradient(*samples.REAL, out=[0.0] * 6)


@pytest.mark.parametrize("which", ["y_true", "y_pred", "weight"])
@pytest.mark.parametrize("shift", [0, 1])
def test_out_that_overlaps_an_input_is_refused_and_the_input_kept(which, shift):
    memory = np.linspace(1.0, 2.0, 7)
    before = memory.copy()
    held, out = memory[:6], memory[shift : shift + 6]
    arguments = {"y_true": samples.REAL[0], "y_pred": samples.REAL[1], "weight": np.ones(6), which: held}
    y, f = arguments.pop("y_true"), arguments.pop("y_pred")
    with pytest.raises(ValueError, match="out"):
        lm.huber().gradient(y, f, out=out, **arguments)
    np.testing.assert_array_equal(memory, before)


def test_out_may_lie_beside_an_input_in_the_same_memory():
    memory = np.zeros((6, 2))
    memory[:, 0] = samples.REAL[1]
    lm.huber().gradient(samples.REAL[0], memory[:, 0], out=memory[:, 1])
    np.testing.assert_array_equal(memory[:, 1], lm.huber().gradient(*samples.REAL))


@PLAIN
@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_out_takes_gradient_and_curvature_side_by_side(sample, dtype):
    expected = sample.loss.gradient_and_curvature(sample.y, sample.f)
    memory = np.full((*sample.f.shape, 2), 99.0, dtype)  # a view: not one number after the other
    for out in ((np.empty(sample.f.shape, dtype), np.empty(sample.f.shape, dtype)), (memory[..., 0], memory[..., 1])):
        found = sample.loss.gradient_and_curvature(sample.y, sample.f, out=out)
        for each, place, wanted in zip(found, out, expected, strict=True):
            assert each is place
            np.testing.assert_array_equal(each, wanted.astype(dtype))


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros(6), "a tuple of two arrays"), ((np.zeros(6),), "a tuple of two arrays"),
        ((np.zeros(6), [0.0] * 6), "a tuple of two arrays"), ((np.zeros(6), np.zeros(6, "f4")), "of one dtype"),
        ((np.zeros(6), np.zeros(5)), "out has shape"), ((np.zeros(6, int), np.zeros(6, int)), "floating dtype"),
    ],
)  # fmt: skip
def test_what_two_results_cannot_be_written_to(out, message):
    with pytest.raises((ValueError, TypeError), match=message):
        lm.huber().gradient_and_curvature(*samples.REAL, out=out)


@pytest.mark.parametrize("method", ["gradient", "hessian", "curvature", "value_and_gradient"])
@pytest.mark.parametrize("out", [(), (np.zeros(6),), (np.zeros(6), np.zeros(6))], ids=len)
def test_one_result_is_not_written_to_a_tuple(method, out):
    loss = lm.huber()
    for _ in range(3):  # on the fast road too
        getattr(loss, method)(*samples.REAL, out=np.zeros(6))
        with pytest.raises(TypeError, match="huber: out must be one array, not a tuple"):
            getattr(loss, method)(*samples.REAL, out=out)


def test_two_results_are_not_written_to_one_memory_or_an_input():
    memory, (y, f) = np.zeros(7), samples.REAL
    with pytest.raises(ValueError, match="share memory"):
        lm.huber().gradient_and_curvature(y, f, out=(memory[:6], memory[1:]))
    with pytest.raises(ValueError, match="shares memory with an input"):
        lm.huber().gradient_and_curvature(y, f, out=(np.zeros(6), f))
