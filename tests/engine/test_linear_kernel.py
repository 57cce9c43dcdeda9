"""The kernel that reads rows, scores them and pulls on the coefficients, against NumPy; and its bits."""

import numpy as np
import pytest

import lossmith as lm
from lossmith.engine.choice import machine_code
from lossmith.engine.llvm import linear
from lossmith.formula.expr import apply
from lossmith.linear.design import Chunk
from lossmith.linear.samples import Samples
from lossmith.linear.views import tangent, window

pytestmark = pytest.mark.skipif(not machine_code(), reason="the array engine has no kernels")

@pytest.fixture
def one_thread_again():
    yield
    lm.set_threads(1)


LOSSES = {
    "squared_error": lm.squared_error(), "huber": lm.huber(delta=0.7), "hinge": lm.hinge(), "poisson": lm.poisson(),
    "binary_cross_entropy": lm.binary_cross_entropy(), "quantile": lm.quantile(q=0.9),
}  # fmt: skip


ORDERS = pytest.mark.parametrize("order", ["C", "F"])


def table(n, p, dtype="float64", seed=0, order="C"):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * 2 + 1
    X = (X * 10 if np.dtype(dtype).kind == "i" else X).astype(dtype, order=order)
    return X, rng.integers(0, 2, n).astype(float), rng.normal(size=p) / p, rng.normal(size=p), rng.uniform(0.5, 2, n)


def passed(loss, X, y, w, centre, weight=None, offset=None, mu=0.0):
    samples, view = Samples(loss, y, weight, offset), (window if mu else tangent)(loss.formula)
    roots, made = (samples.score, view.bend), [np.empty(len(X)), np.empty(len(X))]
    asked = roots, view.slope, [view.support, apply("abs", view.support)], Chunk(slice(None), X), w, centre, 0.3, mu
    return made, *samples.passed(*asked, made)


def passed_of(*arguments, **options):
    """The same, flat."""
    (f, bend), value, pull, total = passed(*arguments, **options)
    return f, bend, value, pull, total


def by_numpy(loss, X, y, w, centre, weight=None, offset=None):
    rows, weight = X.astype(float) - centre, np.ones(len(X)) if weight is None else weight
    f = rows @ w + 0.3 + (0 if offset is None else offset)
    value, slope = loss.value_and_gradient(y, f, reduction="none")
    share = weight / weight.sum()
    means = share @ value, share @ np.abs(value)
    return f, loss.hessian(y, f, reduction="none"), means, rows.T @ (share * slope), share @ slope


def agree(found, expected, rtol=1e-11):
    (f, bend), value, pull, total = found
    for got, wanted in zip((f, bend, value, pull, total), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=rtol, atol=1e-12)


@ORDERS
@pytest.mark.parametrize("name", LOSSES)
def test_every_kind_of_loss(name, order):
    X, y, w, centre, weight = table(1003, 13, order=order)
    agree(passed(LOSSES[name], X, y, w, centre), by_numpy(LOSSES[name], X, y, w, centre))
    found = passed(LOSSES[name], X, y, w, centre, weight, y - 0.3)
    agree(found, by_numpy(LOSSES[name], X, y, w, centre, weight, y - 0.3))


@ORDERS
@pytest.mark.parametrize("p", [1, 2, 7, 8, 9, 16, 50, 333])
@pytest.mark.parametrize("n", [1, 7, 8, 9, 100, 128, 129, 5001])
def test_every_shape(n, p, order):
    X, y, w, centre, weight = table(n, p, order=order)
    loss = lm.binary_cross_entropy()
    agree(passed(loss, X, y, w, centre, weight), by_numpy(loss, X, y, w, centre, weight))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int64", "uint16", "bool"])
@ORDERS
def test_every_dtype_of_the_features(dtype, order):
    X, y, w, centre, _ = table(301, 11, dtype, order=order)
    loss = lm.log_cosh()
    agree(passed(loss, X, y, w, centre), by_numpy(loss, X, y, w, centre))


def test_rows_need_not_follow_each_other():
    X, y, w, centre, _ = table(500, 12)
    wide = np.full((1000, 40), np.nan)
    wide[::2, 5:17] = X
    agree(passed(lm.huber(), wide[::2, 5:17], y, w, centre), passed_of(lm.huber(), X, y, w, centre), rtol=0)


def test_columns_need_not_follow_each_other():
    X, y, w, centre, _ = table(500, 12, order="F")
    wide = np.full((540, 24), np.nan, order="F")
    wide[7:507, ::2] = X
    agree(passed(lm.huber(), wide[7:507, ::2], y, w, centre), passed_of(lm.huber(), X, y, w, centre), rtol=0)


@ORDERS
@pytest.mark.parametrize("dtype", ["float64", "int8", "bool", "uint16", "float32"])
def test_targets_are_read_in_the_type_they_have(dtype, order):
    X, y, w, centre, weight = table(301, 11, order=order)
    loss = lm.binary_cross_entropy()
    found = passed_of(loss, X, y.astype(dtype), w, centre, weight)
    agree(passed(loss, X, y, w, centre, weight), found, rtol=0)


@ORDERS
def test_nothing_behind_the_last_row_is_read(order):
    """The rows before it are numbers, those around them are not: a read of one too many would show."""
    X, y, w, centre, _ = table(37, 5)
    whole = np.full((60, 5), np.nan, order=order)
    whole[10:47] = X
    agree(passed(lm.huber(), whole[10:47], y, w, centre), by_numpy(lm.huber(), X, y, w, centre))


@ORDERS
@pytest.mark.parametrize("mu", [0.0, 0.05])
def test_any_number_of_threads_gives_the_same_bits(mu, order, one_thread_again):
    X, y, w, centre, weight = table(40_000, 20, order=order)  # several blocks
    found = set()
    for threads in (1, 2, 3, 8):
        lm.set_threads(threads)
        each = passed_of(lm.quantile(q=0.9), X, y, w, centre, weight, mu=mu)
        found.add(b"".join(np.asarray(x).tobytes() for x in each))
    assert len(found) == 1


def test_a_block_is_small_whatever_the_features():
    for p in (1, 10, 1000, 100_000):
        assert 64 <= linear.rows_per_block(p) <= 8192
        assert linear.width(p) >= p + linear.LANES


def test_a_score_outside_the_domain_is_seen():
    X, _, w, centre, _ = table(100, 3)
    _, value, pull, _ = passed(lm.poisson(log_input=False), X, np.ones(100), -np.abs(w), centre - 100)
    assert np.isnan(value).all() and np.isnan(pull).all()
