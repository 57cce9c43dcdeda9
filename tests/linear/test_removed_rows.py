"""Samples of weight 0 are removed: whatever their targets and features are, the model is that of the others."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

import lossmith as lm
from lossmith.linear import LinearClassifier, LinearRegressor
from lossmith.linear.design import Design

ROWS = 30_000  # times 12 features: a kernel reads them
LAYOUTS = {
    "rows": np.ascontiguousarray, "columns": np.asfortranarray, "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "float32": lambda X: X.astype(np.float32), "sparse": sp.csr_array,
}  # fmt: skip


def table(n, seed=0):
    """Features and scores, and weights, many of them 0: here and there, and of a whole block."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, 12)), 3).astype(np.float32).astype(float)
    X[rng.random(X.shape) < 0.3] = 0.0
    weight = rng.uniform(0.5, 2, n) * (rng.random(n) < 0.8)
    weight[: n // 5] = 0.0
    return X, X @ rng.normal(size=12) * 0.3, weight, rng


def target(loss, f, rng):
    """Legal targets, and what no sample may have."""
    if loss in ("binary_cross_entropy", "hinge"):
        return (f + rng.logistic(size=len(f)) > 0).astype(float), (np.nan, np.inf, 0.5)
    if loss == "cross_entropy":
        return np.digitize(f + rng.logistic(size=len(f)), [-0.5, 0.5]).astype(float), (np.nan, -np.inf, 0.5)
    if loss == "poisson":
        return rng.poisson(np.exp(f)).astype(float), (np.nan, -3.0, np.inf)
    return f + rng.standard_t(3, len(f)), (np.nan, np.inf, 1e300)


def model(loss, **options):
    return (LinearClassifier if "entropy" in loss or loss == "hinge" else LinearRegressor)(loss, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("loss", ["huber", "poisson", "quantile", "hinge", "binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("n", [400, pytest.param(ROWS, marks=pytest.mark.slow)])
def test_the_model_is_that_of_the_others(loss, layout, n):
    X, f, weight, rng = table(n)
    y, strange = target(loss, f, rng)
    removed = weight == 0
    X[removed] = rng.normal(size=X[removed].shape) * 1e5  # losses of exponentials overflow there
    y[removed] = rng.choice(strange, removed.sum())
    offset = rng.normal(size=(n, 3) if loss == "cross_entropy" else n) * 0.1
    kept = np.flatnonzero(~removed)
    expected = model(loss, l2=1e-3).fit(LAYOUTS[layout](X[kept]), y[kept], weight[kept], offset[kept])
    offset[removed] = np.nan
    found = model(loss, l2=1e-3).fit(LAYOUTS[layout](X), y, weight, offset)
    assert found.converged_ and found.objective_ == pytest.approx(expected.objective_, rel=1e-7)
    near = 1e-4 if loss in ("quantile", "hinge") else 1e-5
    np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-3, atol=near)


def test_labels_of_any_kind_may_be_missing():
    X, f, weight, _ = table(400)
    labels = np.where(f > 0, "up", "down").astype(object)
    labels[weight == 0] = None
    kept = weight > 0
    found = LinearClassifier(l2=0.1).fit(X, labels, weight)
    assert found.classes_.tolist() == ["down", "up"]
    np.testing.assert_allclose(found.coef_, LinearClassifier(l2=0.1).fit(X[kept], labels[kept], weight[kept]).coef_)
    assert found.score(X, labels, weight) > 0.9
    signs = np.where(f > 0, 1, -1)
    signs[~kept] = 7
    named = LinearClassifier(lm.hinge(labels=(-1, 1)), l2=0.1).fit(X, signs, weight)
    assert named.classes_.tolist() == [-1, 1]
    stream, plain = LinearClassifier(random_state=0), LinearClassifier(random_state=0)
    for _ in range(2):
        stream.partial_fit(X, signs, classes=[-1, 1], sample_weight=weight)
        plain.partial_fit(X[kept], signs[kept], classes=[-1, 1], sample_weight=weight[kept])
    np.testing.assert_allclose(stream.coef_, plain.coef_)
    with pytest.raises(ValueError, match="is nan: Input y contains NaN"):
        LinearClassifier().fit(X, np.where(weight > 0, np.nan, 1.0), weight)


def test_a_target_or_an_offset_that_counts_is_checked():
    X, f, weight, _ = table(400)
    y = np.where(weight > 0, f, np.nan)
    assert LinearRegressor().fit(X, y, weight).score(X, y, weight) == pytest.approx(1.0)
    counts = int(np.flatnonzero(weight)[3])
    y[counts] = np.nan
    with pytest.raises(ValueError, match=rf"y\[{counts}\] is NaN: targets must be finite"):
        LinearRegressor().fit(X, y, weight)
    with pytest.raises(ValueError, match=rf"offset\[{counts}\] is NaN"):
        LinearRegressor().fit(X, f, weight, offset=y)


@pytest.mark.parametrize("layout", ["rows", "columns", "strided", "float32"])
@pytest.mark.parametrize("columns", [3, 12])
def test_a_design_of_some_rows_is_the_design_of_a_copy(layout, columns):
    X, _, weight, rng = table(ROWS)
    X = LAYOUTS[layout](X[:, :columns])
    kept = np.flatnonzero(weight)
    found, wanted = Design(X, weight[kept], None, kept), Design(X[kept], weight[kept])
    theta, chosen = rng.normal(size=(columns + 1, 1)), np.array([0, 5, len(kept) - 1])
    close = {"rtol": 1e-10, "atol": 1e-10}
    np.testing.assert_allclose(found.centre, wanted.centre, **close)
    np.testing.assert_allclose(found.spread, wanted.spread, **close)
    np.testing.assert_allclose(found.scores(theta), wanted.scores(theta), **close)
    np.testing.assert_allclose(found.pull(weight[kept, None]), wanted.pull(weight[kept, None]), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.squares(weight[kept]), wanted.squares(weight[kept]), **close)
    for design in (found, wanted):
        assert (design.features(slice(4, 9)) == X[kept[4:9]]).all()
    bends = weight[kept] * (rng.random(len(kept)) < 0.5)
    np.testing.assert_allclose(found.gram(bends.__getitem__), wanted.gram(bends.__getitem__), rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(found.rows(chosen), wanted.rows(chosen), **close)
    np.testing.assert_allclose(found.part(chosen).scores(theta), wanted.part(chosen).scores(theta), **close)
    read = [chunk.X if chunk.places is None else chunk.X[chunk.places] for chunk in found.chunks()]
    np.testing.assert_array_equal(np.concatenate(read), X[kept])


@pytest.mark.slow
def test_features_are_not_copied_to_leave_rows_out():
    n, rng = 400_000, np.random.default_rng(0)
    X = rng.random((n, 50))
    y, weight = (X[:, 0] + rng.normal(size=n) > 0.5).astype(int), (rng.random(n) < 0.9).astype(float)
    classifier = LinearClassifier("hinge", l2=1e-3, tol=1e-4)
    classifier.fit(X[:40_000], y[:40_000], weight[:40_000])  # imports and kernels
    tracemalloc.start()
    classifier.fit(X, y, weight)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.1 * X.nbytes
