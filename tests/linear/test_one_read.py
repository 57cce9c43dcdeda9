"""What kernels make of features in one read is what NumPy makes of them, however they lie, and on any threads."""

import numpy as np
import pandas as pd
import pytest

import lossmith as lm
from lossmith.engine import threads
from lossmith.engine.llvm.compile import available
from lossmith.formula import ClassId, Scores, logsumexp, pick
from lossmith.linear import LinearClassifier, design, features, problem
from lossmith.linear.design import Design
from lossmith.linear.problem import Problem

pytestmark = pytest.mark.skipif(not available(), reason="without llvmlite there are no kernels")
N = 20_003  # no multiple of anything


def table(columns, dtype="float64", order="C"):
    rng = np.random.default_rng(0)
    X = np.asarray((rng.normal(size=(N, columns)) * 20 + 30).astype(dtype), order="F" if order == "F" else "C")
    if order == "gaps":  # as where columns of a table are left out
        X = np.hstack([X[:, :1], X, X])[:, 1 : 1 + columns]
    return X, rng.uniform(0.2, 3, N), rng


@pytest.fixture
def by_numpy(monkeypatch):
    def call(what):
        with monkeypatch.context() as patch:
            for module in (design, features, problem):
                patch.setattr(module, "can_read", lambda X: False)
            patch.setattr(problem.Several, "can_pass", lambda *_: False)
            return what()

    return call


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["C", "F", "gaps"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_centre_and_spread(dtype, order, weighted, by_numpy):
    X, weight, _ = table(13, dtype, order)
    found, wanted = Design(X, weight if weighted else None), by_numpy(lambda: Design(X, weight if weighted else None))
    np.testing.assert_allclose(found.centre, wanted.centre, rtol=1e-13)
    np.testing.assert_allclose(found.spread, wanted.spread, rtol=1e-12)


def posed(classes, X, weight, rng, *, offset, loss=None):
    y = rng.integers(0, classes, N).astype(np.int8)
    theta = rng.normal(size=(X.shape[1] + 1, classes)) * 0.3
    added = rng.normal(size=(N, classes)) if offset else None
    return Problem(loss or lm.cross_entropy(), Design(X, weight), y, weight, 0.1, 0.0, 1.0, added), theta


@pytest.mark.parametrize(("weighted", "offset"), [(False, False), (True, True)])
@pytest.mark.parametrize("order", ["C", "F", "gaps"])
@pytest.mark.parametrize(("classes", "columns", "dtype"), [(3, 16, "float32"), (10, 13, "float64"), (33, 11, "int16")])
def test_several_scores(classes, columns, dtype, order, weighted, offset, by_numpy):
    X, weight, rng = table(columns, dtype, order)
    posed_, theta = posed(classes, X, weight if weighted else None, rng, offset=offset)
    found, wanted = posed_.at(theta), by_numpy(lambda: posed_.at(theta))
    assert found.support == pytest.approx(wanted.support, rel=1e-13)
    assert found.size == pytest.approx(wanted.size, rel=1e-13)
    np.testing.assert_allclose(found.v, wanted.v, atol=1e-13 * np.abs(wanted.v).max())


def test_losses_of_classes_with_parameters_and_negative_values(by_numpy):
    @lm.rowwise
    def shifted(y: ClassId, f: Scores):
        """Cross-entropy less a number: of either sign."""
        return logsumexp(f) - pick(f, y) - 1.3

    X, weight, rng = table(11)
    for loss in (shifted(), lm.cross_entropy(class_weight=(1.0, 2.0, 0.5)), lm.cross_entropy(label_smoothing=0.1)):
        posed_, theta = posed(3, X, weight, rng, offset=False, loss=loss)
        found, wanted = posed_.at(theta), by_numpy(lambda p=posed_, t=theta: p.at(t))
        assert found.support == pytest.approx(wanted.support, rel=1e-12)
        assert found.size == pytest.approx(wanted.size, rel=1e-13)
        np.testing.assert_allclose(found.v, wanted.v, atol=1e-13 * np.abs(wanted.v).max())


@pytest.mark.parametrize("order", ["C", "F", "gaps"])
def test_several_scores_have_the_same_bits_on_any_threads(order, monkeypatch):
    X, weight, rng = table(50, order=order)
    posed_, theta = posed(10, X, weight, rng, offset=True)
    found = []
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "_chosen", count)
        point = posed_.at(theta)
        found.append((point.support, point.size, point.v.tobytes(), Design(X, weight).spread.tobytes()))
    assert found[0] == found[1] == found[2]


def test_features_that_are_not_finite_are_named_where_a_kernel_looks(by_numpy):
    X, weight, rng = table(11)
    y = rng.integers(0, 3, N)
    X[17, 4] = np.nan
    frame = pd.DataFrame(X, columns=[f"c{k}" for k in range(11)])
    with pytest.raises(ValueError, match=r"X\[17, 4\] is NaN, column 'c4'"):
        LinearClassifier().fit(frame, y)
    weight[17] = 0.0
    with pytest.raises(ValueError, match=r"X\[17, 4\] is NaN"):
        LinearClassifier().fit(X, y, sample_weight=weight)
    X[17, 4] = 0.0
    model = LinearClassifier(l2=0.1).fit(X, y)
    X[17, 4] = -np.inf
    with pytest.raises(ValueError, match=r"X\[17, 4\] is -infinity"):
        model.predict(X)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int8", "bool", "float64"])
def test_classes_are_the_same_counted_or_sorted(dtype):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300).astype(dtype)
    if dtype not in ("bool", "float64"):
        y = (y * 100 + 7).astype(dtype)
    model = LinearClassifier(l2=0.1).fit(rng.normal(size=(300, 2)), y)
    assert model.classes_.dtype == y.dtype
    np.testing.assert_array_equal(model.classes_, np.unique(y))
