"""Of very many samples results are written past the caches: the same bits, wherever they lie."""

import numpy as np
import pytest

import lossmith as lm
from engine.calls import fresh
from lossmith.engine import threads
from lossmith.engine.llvm import run

N = 3 * 8192 + 1003  # blocks, whole vectors and a rest


@pytest.fixture
def streamed(monkeypatch):
    """Calls the function as it is, and again where so many samples are very many; how often kernels streamed."""
    kernels, true = [], run.source
    monkeypatch.setattr(run, "source", lambda spec: kernels.append(spec.streamed) or true(spec))

    def twice(call):
        found = []
        for most in (run._STREAMED, 64):
            monkeypatch.setattr(run, "_STREAMED", most)
            run.kernel.cache_clear()
            kernels.clear()
            found.append(call())
        return *found, any(kernels)

    yield twice
    run.kernel.cache_clear()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["squared_error", "poisson", "gaussian_nll"])
def test_the_same_bits(name, dtype, streamed, monkeypatch):
    monkeypatch.setattr(threads, "_chosen", 2)
    monkeypatch.setattr(run, "_CHEAP", 9.0)
    random = np.random.default_rng(0)
    y, f = random.poisson(2.0, N).astype(dtype), random.normal(size=(N, 2) if name == "gaussian_nll" else N)
    weight, loss = random.uniform(size=N), lm.get(name)

    def call():
        return fresh(loss).value_and_gradient(y, f.astype(dtype), weight=weight)

    plain, past, whether = streamed(call)
    assert whether and plain[0] == past[0]
    np.testing.assert_array_equal(plain[1], past[1])


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_what_does_not_lie_well_is_written_as_ever(shift, streamed):
    random = np.random.default_rng(1)
    y, f, room = random.poisson(2.0, N).astype(float), random.normal(size=N), np.zeros(N + 4)
    start = -room.ctypes.data // 8 % 2 + shift  # an even number of places is a multiple of 16 bytes

    def call():
        room[:] = 7.0
        out = room[start : start + N] if start + N <= N + 4 else None
        value, _ = fresh(lm.poisson()).value_and_gradient(y, f, out=out)
        return value, room.copy()

    plain, past, whether = streamed(call)
    assert whether is (shift % 2 == 0)
    assert plain[0] == past[0]
    np.testing.assert_array_equal(plain[1], past[1])
    assert (np.delete(past[1], np.s_[start : start + N]) == 7.0).all()
