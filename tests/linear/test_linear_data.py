"""The same features as arrays of any layout, sparse matrices and data frames: the same models."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from lossmith.linear import LinearClassifier, LinearRegressor
from lossmith.linear.design import Design
from lossmith.linear.features import as_features
from lossmith.linear.sparse import SparseDesign

pytestmark = pytest.mark.slow

NAMES = ["a", "b", "c"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    return X, X @ [1.0, -2.0, 0.5] + rng.standard_t(3, size=200)


@pytest.fixture
def gaps():
    """Mostly zeros; a constant column, an empty one, and one far from zero."""
    rng = np.random.default_rng(0)
    X = sp.random_array((300, 12), density=0.3, rng=rng).toarray()
    X[:, 3], X[:, 4] = 2.5, 0.0
    X[:, 5] += 100
    return X, X @ rng.normal(size=12) + rng.standard_t(3, size=300)


# layouts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [300, 60_000])  # above 200,000 numbers a kernel reads the rows
def test_layouts(dtype, size):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(size, 4)).astype(dtype)
    y = X @ [1.0, 2.0, -1.0, 0.0] + rng.standard_t(3, size=size)
    plain = LinearRegressor("huber").fit(X, y)
    assert as_features(X) is X
    for other in (np.asfortranarray(X), np.repeat(X, 2, axis=1)[:, ::2], X.astype(X.dtype.newbyteorder())):
        before = other.copy()
        np.testing.assert_allclose(LinearRegressor("huber").fit(other, y).coef_, plain.coef_, rtol=1e-8, atol=1e-10)
        np.testing.assert_array_equal(other, before)


# frames ---------------------------------------------------------------------------------------------------------------


def frames(X):
    frame = pd.DataFrame(X, columns=NAMES)
    return {"pandas": frame, "polars": pl.from_pandas(frame), "pyarrow": pa.Table.from_pandas(frame)}


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frames_of_every_library(table, library, dtype):
    X, y = table
    X = X.astype(dtype)
    frame = frames(X)[library]
    plain, model = LinearRegressor("huber").fit(X, y), LinearRegressor("huber").fit(frame, y)
    np.testing.assert_array_equal(model.coef_, plain.coef_)
    assert as_features(frame).dtype == dtype
    assert model.feature_names_in_.tolist() == NAMES
    assert model.coefficients_ == dict(zip(NAMES, plain.coef_.tolist(), strict=True))
    np.testing.assert_array_equal(model.predict(frame), plain.predict(X))
    with pytest.raises(ValueError, match="same order"):
        model.predict(frame.select(NAMES[::-1]) if library != "pandas" else frame[NAMES[::-1]])


def test_a_frame_over_one_array_is_not_copied(table):
    X, _ = table
    assert np.shares_memory(as_features(pd.DataFrame(X)), X)


@pytest.mark.parametrize("rows", [100, 30_000])
@pytest.mark.parametrize(("make", "loss", "classes"), [
    (LinearRegressor, "squared_error", 9), (LinearRegressor, "absolute_error", 9),
    (LinearClassifier, "binary_cross_entropy", 2), (LinearClassifier, "cross_entropy", 3),
])  # fmt: skip
def test_targets_weights_and_offsets_lie_in_memory_as_they_like(make, loss, classes, rows):
    """A column of a pandas table over one array lies apart there, a reversed one backwards."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 4))
    y = np.clip(np.round(X[:, 0] + rng.normal(size=rows)) + classes // 2, 0, classes - 1)
    given = {"y": y, "sample_weight": rng.uniform(size=rows), "offset": rng.uniform(size=rows)}
    if loss == "cross_entropy":
        given["offset"] = rng.uniform(size=(rows, 3))
    plain = make(loss=loss, l2=0.1).fit(X, **given)
    for spread in (_apart, lambda array: np.ascontiguousarray(array[::-1])[::-1], np.asfortranarray):
        for name, array in given.items():
            model = make(loss=loss, l2=0.1).fit(X, **{**given, name: spread(array)})
            np.testing.assert_allclose(model.coef_, plain.coef_, rtol=1e-8, atol=1e-10)


def _apart(array):
    memory = np.full((len(array), 2, *array.shape[1:]), 1e3)
    memory[:, 0] = array
    return memory[:, 0]


def test_columns_of_several_types(table):
    X, y = table
    frame = pd.DataFrame({"a": X[:, 0], "b": np.arange(200) % 7, "c": X[:, 2] > 0, "d": np.float32(X[:, 1])})
    expected = LinearRegressor().fit(frame.to_numpy(dtype=float), y)
    for other in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame), frame.convert_dtypes()):
        np.testing.assert_allclose(LinearRegressor().fit(other, y).coef_, expected.coef_, rtol=1e-12)


@pytest.mark.parametrize("make", [pd.Series, pl.Series, pa.array], ids=["pandas", "polars", "pyarrow"])
def test_targets_of_every_library(table, make):
    X, y = table
    np.testing.assert_array_equal(LinearRegressor().fit(X, make(y)).coef_, LinearRegressor().fit(X, y).coef_)
    labels = np.where(y > 0, "up", "down")
    model = LinearClassifier(l2=0.1).fit(X, make(labels))
    assert model.classes_.tolist() == ["down", "up"]
    assert model.score(X, make(labels)) > 0.7


def test_what_is_not_a_number_is_named(table):
    X, y = table
    frame = pl.DataFrame(X, schema=NAMES)
    missing = frame.with_columns(pl.when(pl.int_range(pl.len()) == 4).then(None).otherwise(pl.col("b")).alias("b"))
    dates = pd.DataFrame({"a": X[:, 0], "day": pd.date_range("2020", periods=200)})
    for wrong, error, message in (
        (missing, ValueError, r"X\[4, 1\] is NaN, column 'b': features must be finite"),
        (frame.with_columns(c=pl.lit("x")), ValueError, "column 'c' of X, of type String, must hold numbers"),
        (dates, TypeError, "column 'day' of X, .* holds times"),
        (frame.lazy(), TypeError, r"lazy frame .*\.collect\(\)"),
        (frame.head(0), ValueError, "0 sample"),
    ):
        with pytest.raises(error, match=message):
            LinearRegressor().fit(wrong, y)


def test_coefficients_by_name(table):
    X, y = table
    frame = pd.DataFrame(X, columns=NAMES)
    assert list(LinearRegressor().fit(X, y).coefficients_) == ["x0", "x1", "x2"]
    two = LinearClassifier(l2=0.1).fit(frame, y > 0)
    assert two.coefficients_ == dict(zip(NAMES, two.coef_[0].tolist(), strict=True))
    three = LinearClassifier(l2=0.1).fit(frame, np.array(["low", "mid", "top"])[np.digitize(y, [-1, 1])])
    assert three.coefficients_["mid"]["c"] == three.coef_[1, 2]
    both = LinearRegressor("gaussian_nll", l2=0.1).fit(frame, y)
    assert both.coefficients_["log_scale"]["b"] == both.coef_[1, 1]


# sparse ---------------------------------------------------------------------------------------------------------------


def test_a_sparse_design_is_the_dense_one(gaps):
    X, _ = gaps
    rng = np.random.default_rng(1)
    weight = rng.uniform(0, 2, 300)
    dense, sparse = Design(X, weight), SparseDesign(sp.csr_array(X), weight)
    close = {"rtol": 1e-9, "atol": 1e-7}
    assert sparse.constant.tolist() == dense.constant.tolist()
    assert np.flatnonzero(sparse.constant).tolist() == [3, 4]
    np.testing.assert_allclose(sparse.centre, dense.centre, rtol=1e-14)
    np.testing.assert_allclose(sparse.spread, dense.spread, rtol=1e-12)
    theta = rng.normal(size=(13, 2))
    theta[1:][dense.constant] = 0
    np.testing.assert_allclose(sparse.scores(theta), dense.scores(theta), **close)
    np.testing.assert_allclose(sparse.pull(dense.scores(theta)), dense.pull(dense.scores(theta)), **close)
    np.testing.assert_allclose(sparse.squares(weight), dense.squares(weight), **close)
    of = weight.__getitem__
    np.testing.assert_allclose(sparse.gram(of), dense.gram(of), **close)
    rows = np.array([5, 8, 200])
    for columns in (np.array([0, 2, 7]), np.array([1, 4, 5])):
        np.testing.assert_allclose(sparse.gram(of, columns), dense.gram(of, columns), **close)
        np.testing.assert_allclose(sparse.rows(rows, columns), dense.rows(rows, columns), **close)
    np.testing.assert_allclose(sparse.part(rows).scores(theta), dense.scores(theta)[rows], **close)
    for found, wanted in zip(sparse.original(theta), dense.original(theta), strict=True):
        np.testing.assert_allclose(found, wanted, **close)


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array, sp.coo_array, sp.csr_matrix, sp.csc_matrix, sp.lil_array])
@pytest.mark.parametrize("penalty", [{}, {"l1": 0.05}, {"l2": 0.1}], ids=str)
def test_sparse_models_are_the_dense_ones(gaps, make, penalty):
    X, y = gaps
    for loss in ("squared_error", "absolute_error"):
        dense, model = LinearRegressor(loss, **penalty).fit(X, y), LinearRegressor(loss, **penalty).fit(make(X), y)
        np.testing.assert_allclose(model.coef_, dense.coef_, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(model.predict(make(X)), dense.predict(X), rtol=1e-6, atol=1e-7)
        assert model.converged_


def test_sparse_classes(gaps):
    X, y = gaps
    labels = np.digitize(y - np.median(y), [-1, 1])
    weight = np.random.default_rng(0).integers(0, 3, 300)
    dense = LinearClassifier(l2=0.1).fit(X, labels, sample_weight=weight)
    model = LinearClassifier(l2=0.1).fit(sp.csr_array(X), labels, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, dense.coef_, atol=1e-9)
    np.testing.assert_allclose(model.predict_proba(sp.csc_array(X)), dense.predict_proba(X), atol=1e-9)


def test_sparse_features_are_never_made_dense():
    """Dense, these would take 160 GB."""
    rng = np.random.default_rng(0)
    n, p, each = 200_000, 100_000, 5
    columns = (p * rng.random(n * each) ** 4).astype(int)  # some are common, most are rare
    X = sp.csr_array((rng.random(n * each), columns, np.arange(0, n * each + 1, each)), (n, p))
    X.sum_duplicates()
    y = (X @ rng.normal(size=p) + rng.logistic(size=n) > 0).astype(int)
    model = LinearClassifier(l2=1e-4).fit(X, y)
    assert model.converged_
    assert model.gap_ <= 1e-8
    assert model.score(X, y) > 0.6
    lasso = LinearClassifier(l1=1e-3, tol=1e-4).fit(X, y)
    assert lasso.converged_
    assert 0 < (lasso.coef_ != 0).sum() < 1000


@pytest.mark.full
def test_a_million_sparse_rows_fit_in_4_gib():
    code = """
import resource
import numpy as np, scipy.sparse as sp
from lossmith.linear import LinearClassifier
n, p, each = 1_000_000, 100_000, 30
rng = np.random.default_rng(0)
columns = rng.integers(0, p, n * each, dtype=np.int32)
columns.reshape(n, each).sort(axis=1)
X = sp.csr_array((rng.random(n * each), columns, np.arange(0, n * each + 1, each, dtype=np.int32)), (n, p))
X.sum_duplicates()
y = X @ rng.normal(size=p) + rng.logistic(size=n) > 0
model = LinearClassifier(l2=1e-5).fit(X, y)
print(model.converged_, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    converged, peak = done.stdout.split()
    assert converged == "True"
    assert float(peak) < 4  # GiB


def test_sparse_refusals(gaps):
    X, y = gaps
    bad = sp.csr_array(X)
    row, column = 3, int(bad[[3]].indices[1])
    bad[row, column] = np.inf
    with pytest.raises(ValueError, match=rf"X\[{row}, {column}\] is infinity"):
        LinearRegressor().fit(bad, y)


@pytest.mark.parametrize("make", [sp.csr_array, sp.csc_array])
def test_entries_that_occur_twice_are_summed(gaps, make):
    X, y = gaps
    once = make(X)
    halves = (np.repeat(once.data / 2, 2), np.repeat(once.indices, 2), once.indptr * 2)
    twice = make(halves, X.shape)
    np.testing.assert_allclose(LinearRegressor().fit(twice, y).coef_, LinearRegressor().fit(X, y).coef_, atol=1e-8)
    np.testing.assert_array_equal(twice.data, halves[0])  # the user's is left as it was


@pytest.mark.parametrize("value", [7.0, 0.1, 1.0, -3e5])
@pytest.mark.parametrize("rows", [1_000, 26_000, 100_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_constant_column_of_a_long_sparse_table_is_constant(rows, value, weighted):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 2))
    X[:, 0] = value
    weight = rng.uniform(0.5, 2.0, rows) if weighted else None
    sparse = SparseDesign(sp.csr_array(X), weight)
    assert sparse.constant.tolist() == [True, False]
    assert sparse.centre[0] == value


def test_a_long_sparse_table_with_a_constant_column_gives_the_model_of_the_dense_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(26_000, 3))
    X[:, 0] = 7.0
    y = np.digitize(X[:, 1] + rng.standard_t(3, size=26_000), [-1.0, 1.0])
    dense, sparse = (LinearClassifier(l1=0.01).fit(Z, y) for Z in (X, sp.csr_array(X)))
    assert sparse.converged_ and not sparse.coef_[:, 0].any()
    assert sparse.objective_ == pytest.approx(dense.objective_, abs=1e-8)
