"""Long rows whose passes are staggered over three rows: the bits are those of rows done one by one."""

import numpy as np
import pytest

import lossmith as lm
from engine.calls import DTYPES, bits, fresh, outcome
from lossmith.engine import threads
from lossmith.engine.llvm import run
from lossmith.engine.llvm.along import Along
from lossmith.plans import Request, plan
from lossmith.record import replace

EDGE = 64  # numbers before and after an output, which stay as they are


def losses(classes):
    random = np.random.default_rng(3)
    yield lm.cross_entropy()
    yield lm.cross_entropy(label_smoothing=0.1)
    yield lm.focal_cross_entropy(gamma=2.0)
    yield lm.cross_entropy(class_weight=tuple(random.uniform(0.1, 2.0, classes).tolist()))


def rows(dtype, classes, count=23):
    """Scores with ties, infinities and extremes; exceptional classes at the ends, in the middle, and beside them."""
    random = np.random.default_rng(classes)
    f = (random.standard_normal((count, classes)) * 3).astype(dtype)
    places = [0, 1, 7, 8, 15, 16, 17, classes // 2, classes - 33, classes - 17, classes - 16, classes - 2, classes - 1]
    y = np.resize(np.array(places), count)
    f[2] = 1.5
    f[3, [0, classes - 1]] = f[3].max() + 1
    f[4, 5:9] = -np.inf
    f[6] *= 300
    f[7, y[7]] = 200.0
    f[8] = np.resize(np.array([-0.0, 0.0, 0.0]), classes)
    return y, f


def written(loss, y, f, offset, **masks):
    """What a call returns, its output that many numbers after a multiple of a cache line; nothing else is written."""
    room = np.full(f.size + 2 * EDGE + 64, -7.0, f.dtype)
    start = EDGE + -(room.ctypes.data // room.itemsize) % (64 // room.itemsize) + offset
    out = room[start : start + f.size].reshape(f.shape)
    found = outcome(lambda: bits(fresh(loss).value_and_gradient(y, f, out=out, **masks)))
    assert (room[:start] == -7.0).all()
    assert (room[start + f.size :] == -7.0).all()
    return found


def streamed(monkeypatch, parts):
    """Every long row is written past the caches, and so many parts make a block."""
    monkeypatch.setattr(run, "_STREAMED", 0)
    monkeypatch.setattr(run, "_PARTS", parts)
    monkeypatch.setattr(run, "_SHARES", 1)


def masks(y, random):
    where = random.random(len(y)) < 0.7
    where[[0, -1]] = False, True
    weight = random.uniform(0.1, 2.0, len(y))
    weight[5] = 0.0
    return {}, {"where": where}, {"weight": weight}, {"weight": weight.astype("float32"), "where": where}


def test_these_rows_are_staggered():
    """And those of a loss whose gradient needs the scores again are not."""
    y, f = rows("float32", 1025)
    found = []
    for loss in losses(1025):
        made = plan(loss, Request(("value", "gradient"), "mean"), [y, f], (), None, weighted=False, masked=False)
        assert made is not None
        found.append(Along(replace(made.kernel.spec, streamed=True)).staggered is not None)
    assert found == [True, False, True, True]


SIZES = (1025, 1040, 2051, 4999, 8200)


@pytest.mark.parametrize("dtype", [pytest.param("float16", marks=pytest.mark.full), *DTYPES])
@pytest.mark.parametrize(
    "classes", [k if k < 2000 else pytest.param(k, marks=pytest.mark.full) for k in (*SIZES, 32_000, 128_256)]
)
def test_staggered_rows_have_the_same_bits(dtype, classes, monkeypatch):
    random = np.random.default_rng(1)
    y, f = rows(dtype, classes)
    for loss in losses(classes):
        for mask in masks(y, random):
            expected = written(loss, y, f, 0, **mask)
            assert isinstance(expected, list)
            with monkeypatch.context() as patched:
                for parts, offset in ((1, 0), (2, 1), (64, 13)):
                    streamed(patched, parts)
                    assert written(loss, y, f, offset, **mask) == expected, (loss, mask.keys(), parts, offset)


@pytest.mark.parametrize("dtype", ["float16", *DTYPES])
def test_lines_begin_anywhere(dtype, monkeypatch):
    y, f = rows(dtype, 1027, count=9)
    expected = written(lm.cross_entropy(), y, f, 0)
    streamed(monkeypatch, 64)
    for offset in range(32):
        assert written(lm.cross_entropy(), y, f, offset) == expected, offset


def test_the_largest_may_be_anywhere(monkeypatch):
    """The exceptional class of this row, of the next, both or neither in its vector; or in the incomplete one."""
    places = [0, 20, 40, 500, 1010, 1024, 1029]
    pairs = [(peak, own) for peak in places for own in places]
    pairs = [*pairs, *pairs[::-1], *[(peak, own) for own, peak in pairs]]
    y = np.array([own for _, own in pairs])
    f = np.random.default_rng(2).standard_normal((len(y), 1031)).astype("float32")
    for row, (peak, _) in enumerate(pairs):
        f[row, peak + (peak == y[row])] += 30  # never the class itself
    expected = written(lm.cross_entropy(), y, f, 0)
    streamed(monkeypatch, 64)
    assert written(lm.cross_entropy(), y, f, 5) == expected


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_alone(dtype, monkeypatch):
    """No sum sees NaN then; and without a mean there is no scale."""
    y, f = rows(dtype, 1031)
    loss = lm.cross_entropy()
    calls = [
        lambda: fresh(loss).gradient(y, f, out=np.empty_like(f)),
        lambda: fresh(loss).gradient(y, f, out=np.empty_like(f), reduction="none"),
        lambda: fresh(loss).value_and_gradient(y, f, out=np.empty_like(f), reduction="none"),
        lambda: fresh(loss).value_and_gradient(y, f, out=np.empty_like(f), reduction="sum", weight=np.arange(len(y))),
    ]
    expected = [bits(call()) for call in calls]
    streamed(monkeypatch, 64)
    assert [bits(call()) for call in calls] == expected
    f[11, 500] = np.nan
    for call in calls:
        with pytest.raises(ValueError, match=r"y_pred\[11, 500\]"):
            call()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_rows(count, monkeypatch):
    y, f = rows("float32", 1100)
    for first in range(len(y) - count):
        those = slice(first, first + count)
        expected = written(lm.cross_entropy(), y[those], f[those], 0)
        with monkeypatch.context() as patched:
            streamed(patched, 64)
            assert written(lm.cross_entropy(), y[those], f[those], 5) == expected, first


@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_counts_for_its_own_row(dtype, monkeypatch):
    """Wherever it is: the row that is left out never raises, the one that counts always."""
    y, f = rows(dtype, 1031)
    streamed(monkeypatch, 64)
    for row in (0, 1, 9, len(y) - 1):
        for bad in (0, 20, y[row], 1030):
            for value in (np.nan, np.inf):
                there = f.copy()
                there[row, bad] = value
                with monkeypatch.context() as patched:
                    patched.setattr(run, "_STREAMED", f.size + 1)
                    expected = written(lm.cross_entropy(), y, there, 3)
                assert written(lm.cross_entropy(), y, there, 3) == expected, (row, bad, value)
                assert not (np.isnan(value) and isinstance(expected, list))
                where = np.arange(len(y)) != row
                kept = written(lm.cross_entropy(), y, there, 3, where=where)
                assert kept == written(lm.cross_entropy(), y, f, 3, where=where), (row, bad, value)


def test_two_infinities_count_for_their_own_row(monkeypatch):
    """The scores are legal, the gradient has no limit."""
    y, f = rows("float64", 1031)
    streamed(monkeypatch, 64)
    for row in (0, 8, len(y) - 1):
        there = f.copy()
        there[row, [30, 40]] = np.inf
        with monkeypatch.context() as patched:
            patched.setattr(run, "_STREAMED", f.size + 1)
            expected = written(lm.cross_entropy(), y, there, 3)
        assert written(lm.cross_entropy(), y, there, 3) == expected
        assert isinstance(written(lm.cross_entropy(), y, there, 3, where=np.arange(len(y)) != row), list)


def test_any_number_of_threads(monkeypatch):
    y, f = rows("float32", 1029, count=400)
    expected = written(lm.cross_entropy(), y, f, 0)
    streamed(monkeypatch, 5)
    monkeypatch.setattr(run, "_PARALLEL", 0.0)
    monkeypatch.setattr(threads, "_chosen", 1)  # and is what it was afterwards
    for count in (1, 2, 3, 8):
        lm.set_threads(count)
        assert written(lm.cross_entropy(), y, f, 2) == expected
