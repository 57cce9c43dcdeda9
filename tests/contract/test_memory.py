"""Inputs are never written to; their layout, byte order and the number of threads change no bit."""

import os

import numpy as np
import pytest

import lossmith as lm

from . import samples

EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
PLAIN = pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
METHODS = ("__call__", "gradient", "value_and_gradient", "hessian", "curvature", "gradient_and_curvature", "total")


def strided(a):
    wide = np.full([2 * size + 1 for size in a.shape], 77, a.dtype)
    view = wide[(slice(1, None, 2),) * a.ndim]
    view[...] = a
    return view


def backwards(a):
    flip = (slice(None, None, -1),) * a.ndim
    return np.ascontiguousarray(a[flip])[flip]


def unaligned(a):
    memory = bytearray(a.nbytes + 1)
    memory[1:] = a.tobytes()
    return np.frombuffer(memory, a.dtype, offset=1).reshape(a.shape)


def swapped(a):
    return a.astype(a.dtype.newbyteorder())


def read_only(a):
    out = a.copy()
    out.flags.writeable = False
    return out


LAYOUTS = {
    "strided": strided,
    "backwards": backwards,
    "unaligned": unaligned,
    "fortran": np.asfortranarray,
    "swapped bytes": swapped,
    "swapped and strided": lambda a: strided(swapped(a)),
    "read-only": read_only,
}


def everything(loss, y, f, weight):
    """Every answer of a loss, as bytes in the machine's own order."""
    found = []
    for method in METHODS:
        got = getattr(loss, method)(y, f, weight=weight)
        for each in (got.sum, got.weight) if method == "total" else got if isinstance(got, tuple) else (got,):
            numbers = np.asarray(each)
            found.append(numbers.astype(numbers.dtype.newbyteorder("=")).tobytes())
    return found


@EVERY
@pytest.mark.parametrize("layout", LAYOUTS)
def test_strides_and_byte_order_change_no_bit(sample, layout):
    made = LAYOUTS[layout]
    plain = everything(sample.loss, sample.y, sample.f, sample.weight)
    assert everything(sample.loss, made(sample.y), made(sample.f), made(sample.weight)) == plain


LARGE = {
    "squared_error": lambda r: (r.normal(size=5000), r.normal(size=5000)),
    "binary_cross_entropy": lambda r: (r.integers(0, 2, 5000), 5 * r.normal(size=5000)),
    "poisson": lambda r: (r.poisson(2, 5000), r.normal(size=5000)),
    "cross_entropy": lambda r: (r.integers(0, 7, 3000), r.normal(size=(3000, 7))),
    "multiclass_hinge": lambda r: (r.integers(0, 60, 500), r.normal(size=(500, 60))),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layout_changes_no_bit_of_long_sums(name, layout, dtype):
    random = np.random.default_rng(7)
    y, f = LARGE[name](random)
    f, w, made = f.astype(dtype), random.uniform(0.1, 2.0, len(y)), LAYOUTS[layout]
    plain = everything(lm.get(name), y, f, w)
    assert everything(lm.get(name), made(y), made(f), made(w)) == plain


def test_one_value_spread_over_an_array_is_that_array():
    y = np.broadcast_to(np.array([0.5]), 100)
    f = np.linspace(-1, 1, 100)
    assert lm.huber()(y, f) == lm.huber()(y.copy(), f)
    with_rows = np.broadcast_to(np.array([[0.5, 1.0, -1.0]]), (100, 3))
    ids = np.arange(100) % 3
    assert lm.cross_entropy()(ids, with_rows) == lm.cross_entropy()(ids, with_rows.copy())


@pytest.mark.parametrize("name", LARGE)
def test_one_call_gives_the_same_bits_for_any_number_of_threads(name):
    random = np.random.default_rng(8)
    blocks = [LARGE[name](random) for _ in range(40)]
    y, f = (np.concatenate(each) for each in zip(*blocks, strict=True))
    seen = set()
    try:
        for threads in (1, 2, 3):
            lm.set_threads(threads)
            seen.add(tuple(everything(lm.get(name), y, f, np.ones(len(y)))))
    finally:
        lm.set_threads(os.cpu_count() or 1)
    assert len(seen) == 1


@pytest.mark.parametrize("n", [0, -1, 1.5, "two"])
def test_a_number_of_threads_that_is_none_is_refused(n):
    with pytest.raises((ValueError, TypeError)):
        lm.set_threads(n)


@EVERY
def test_inputs_are_never_written_to(sample):
    held = [sample.y.copy(), sample.f.copy(), sample.weight.copy()]
    before = [each.tobytes() for each in held]
    everything(sample.loss, *held)
    mask = np.arange(len(sample.f)) % 2 == 0
    for method in METHODS:
        getattr(sample.loss, method)(held[0], held[1], where=mask)
    sample.loss.best_constant(held[0], weight=held[2])
    assert [each.tobytes() for each in held] == before
    assert mask.tolist() == [True, False, True, False, True, False]


@PLAIN
def test_results_do_not_share_memory_with_inputs(sample):
    y, f = sample.y, sample.f
    for method in ("__call__", "gradient", "hessian", "curvature"):
        got = getattr(sample.loss, method)(y, f, reduction="none")
        assert got.flags.writeable
        assert not np.shares_memory(got, f) and not np.shares_memory(got, y)


def test_lists_given_are_left_as_they_were():
    y, f, w = [0, 1, 1], [0.5, -1.0, 2.0], [1, 2, 3]
    lm.binary_cross_entropy().value_and_gradient(y, f, weight=w)
    assert (y, f, w) == ([0, 1, 1], [0.5, -1.0, 2.0], [1, 2, 3])
