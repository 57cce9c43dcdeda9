"""Parameters of 1 and 2 leave less to compute, and the same numbers."""

import numpy as np
import pytest

import lossmith as lm
from engine.calls import bits
from lossmith.engine.llvm.settle import settled
from lossmith.formula import NonNegative, Positive, Real, log, maximum, where
from lossmith.formula.expr import const, leaf, walk

POINTS = [-np.inf, -800.0, -37.5, -1.0, -0.0, 0.0, 1e-300, 0.3, 5.0, 800.0, np.inf]


def nodes(loss, **params):
    roots = (*loss.formula.output("value"), *loss.formula.output("gradient"))
    return len(list(walk(settled(roots, loss.numbers | params))))


def test_there_is_less_to_compute():
    huber, focal = lm.huber(), lm.focal()
    assert nodes(huber) < nodes(huber, delta=1.5)
    assert nodes(focal, gamma=1.0) < nodes(focal, gamma=2.0) < nodes(focal, gamma=3.0)
    assert "exp" not in {
        node.op for root in settled(focal.formula.output("value"), focal.params) for node in walk((root,))
    }


def test_whether_a_weight_is_0_is_asked_only_where_it_may_be():
    guarded = lm.focal(alpha=0.25)
    assert nodes(guarded) < nodes(guarded, alpha=0.0)
    assert nodes(lm.focal(gamma=3.0)) < nodes(lm.focal(gamma=0.0))


def test_a_condition_is_asked_once():
    x = leaf("input", "x")
    c, d = x > 0, x > 1
    floor, more = const(1e-30), where(c, where(d, x, 2 * x), 4 * x)
    for asked, found in (
        (where(c, where(c, x, 2 * x), where(c, 3 * x, 4 * x)), where(c, x, 4 * x)),
        (maximum(maximum(x, floor), floor), maximum(x, floor)),
        (more, more),
    ):
        assert settled((asked,), {})[0] is found


def test_what_changes_nothing_is_not_asked():
    x, y = leaf("input", "x"), leaf("input", "y")
    c, d = x > 0, x > 1
    zero = const(0.0)
    for asked, found in (
        (where(c, x, where(d, x, y)), where(c | d, x, y)),
        (x - where(d, zero, y), x - where(d, zero, y)),  # x - 0 has a sign of its own where x is 0
        (x - where(y == 0, zero, y), x - y),  # but for the sign of a zero
        (x + where(y == 0, zero, -y), x - y),
    ):
        assert str(settled((asked,), {})[0]) == str(found)


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_focal_is_continuous_in_what_is_settled(gamma):
    """A neighbour of the parameter is computed by the formula as it stands."""
    f = np.array(POINTS)
    for y in (np.zeros_like(f), np.ones_like(f)):
        plain, near = (lm.focal(gamma=g).value_and_gradient(y, f, reduction="none") for g in (gamma, gamma + 2.0**-50))
        for a, b in zip(plain, near, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
            np.testing.assert_array_equal(np.signbit(a), np.signbit(b))


def test_what_has_no_limit_is_not_settled(monkeypatch):
    """0 times what may be infinite is not 0."""

    @lm.pointwise
    def logs(y: Real, f: NonNegative, *, c: Positive = 1.0):
        return (f - y) ** 2 + (c - 1) * log(f)

    for engine in ("llvm", "arrays"):
        monkeypatch.setenv("LOSSMITH_ENGINE", engine)
        with pytest.raises(ValueError, match="no limit at index"):
            logs()([1.0, 0.0], [1.0, 0.0])


def test_parameters_are_rounded_before_they_are_settled():
    f = np.linspace(-9, 9, 1000, dtype=np.float32)
    y = (np.arange(1000) % 2).astype(np.float32)
    plain, near = (lm.focal(gamma=gamma).value_and_gradient(y, f, reduction="none") for gamma in (2.0, 2 + 1e-9))
    assert bits(*plain) == bits(*near)
