"""What a fit makes of features and targets that nobody wishes for: each outcome is one that can be explained."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

import lossmith as lm
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor

pytestmark = pytest.mark.slow

KINDS = pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 3))
    return X, X @ [1.0, -2.0, 0.5] + rng.normal(size=100)


@KINDS
@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "-infinity")])
def test_features_that_are_not_finite_are_refused(table, make, bad, word):
    X, y = table
    X[7, 2] = bad
    for model in (LinearRegressor(), LinearClassifier()):
        with pytest.raises(ValueError, match=rf"X\[7, 2\] is {word}: features must be finite"):
            model.fit(make(X), y > 0)
    fitted = LinearRegressor().fit(*(part[10:] for part in table))
    with pytest.raises(ValueError, match=rf"X\[7, 2\] is {word}"):
        fitted.predict(make(X))


@KINDS
@pytest.mark.parametrize("value", [0.0, 3.7, 1e9, 1e-9])
@pytest.mark.parametrize("solver", ["newton", "gradient_descent"])
def test_a_constant_column_has_coefficient_zero(table, make, value, solver):
    X, y = table
    wide = np.insert(X, 1, value, axis=1)
    model = LinearRegressor("huber", solver=solver, tol=1e-6).fit(make(wide), y)
    assert model.coef_[1] == 0
    np.testing.assert_allclose(model.coef_[[0, 2, 3]], LinearRegressor("huber").fit(X, y).coef_, atol=1e-3)


def test_only_constant_columns_leave_the_best_constant(table):
    _, y = table
    model = LinearRegressor("absolute_error").fit(np.ones((100, 2)), y)
    assert model.coef_.tolist() == [0, 0]
    assert model.objective_ == pytest.approx(np.abs(y - np.median(y)).mean())


@KINDS
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("penalty", [{}, {"l2": 0.1}, {"l1": 0.05}], ids=str)
def test_collinear_columns_predict_as_one_would(table, make, loss, penalty):
    X, y = table
    wide = np.column_stack([X, X[:, 0], X[:, 0] + 2 * X[:, 1]])
    model, plain = LinearRegressor(loss, **penalty).fit(make(wide), y), LinearRegressor(loss, **penalty).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert np.abs(model.coef_).max() < 10
    assert model.converged_
    if not penalty:
        assert model.objective_ == pytest.approx(plain.objective_, rel=1e-8)
    else:
        assert model.objective_ <= plain.objective_ + 1e-9


@KINDS
@pytest.mark.parametrize("classes", [2, 3])
def test_separated_classes_are_finite_with_a_penalty_and_said_without(make, classes):
    X = np.arange(30.0)[:, None]
    y = np.minimum(X[:, 0] // (30 // classes), classes - 1).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LinearClassifier(l2=1e-3).fit(make(X), y)
    assert model.converged_
    assert np.abs(model.coef_).max() < 10
    with pytest.warns(ConvergenceWarning, match="separated perfectly, along x0: without a penalty the best"):
        free = LinearClassifier().fit(make(X), y)
    assert np.isfinite(free.coef_).all()
    assert free.score(make(X), y) == 1


@KINDS
@pytest.mark.parametrize("penalty", [{}, {"l2": 0.1}, {"l1": 0.05}], ids=str)
def test_more_columns_than_rows(make, penalty):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 50)), rng.normal(size=20)
    model = LinearRegressor(**penalty).fit(make(X), y)
    assert model.converged_
    assert np.isfinite(model.coef_).all()
    if not penalty:  # the shortest among those that fit every sample, in standardised features
        spread = X.std(axis=0)
        Z = (X - X.mean(axis=0)) / spread
        np.testing.assert_allclose(model.coef_ * spread, np.linalg.pinv(Z) @ (y - y.mean()), atol=1e-6)


def test_one_class_is_refused(table):
    X, y = table
    for labels in (np.zeros(100), np.full(100, "yes"), np.ones(100, dtype=bool)):
        with pytest.raises(ValueError, match="one class only"):
            LinearClassifier().fit(X, labels)
    with pytest.raises(ValueError, match="one class only"):
        LinearClassifier().fit(X, y > 0, sample_weight=(y > 0).astype(float))


def test_a_label_that_the_loss_ignores_is_no_class(table):
    X, y = table
    labels = np.digitize(y, [-1, 1])
    plain = LinearClassifier(loss=lm.cross_entropy(), l2=0.1).fit(X, labels + 5)
    for ignored in (-1, 0, 2):  # labels of nobody, though places of some
        model = LinearClassifier(loss=lm.cross_entropy(ignore_index=ignored), l2=0.1)
        np.testing.assert_array_equal(model.fit(X, labels + 5).coef_, plain.coef_)
        model.fit(X, np.array(["a", "b", "c"])[labels])
        np.testing.assert_array_equal(model.coef_, plain.coef_)
    for names in (None, (5, 6, 7)):
        model = LinearClassifier(loss=lm.cross_entropy(ignore_index=6, labels=names))
        words = rf"y\[{int(np.argmax(labels == 1))}\] is 6, which cross_entropy ignores .*leave these samples out"
        with pytest.raises(ValueError, match=words):
            model.fit(X, labels + 5)
        with pytest.raises(ValueError, match="is 6, which cross_entropy ignores"):
            model.partial_fit(X, labels + 5, classes=[5, 6, 7])


def test_one_class_of_several_that_the_loss_knows(table):
    """A class without samples of positive weight has a model all the same: one that is rarely the answer."""
    X, y = table
    labels = np.digitize(y, [-1, 1])
    with pytest.warns(ConvergenceWarning, match="class 1 has no samples of positive weight"):
        model = LinearClassifier(l2=0.1).fit(X, labels, sample_weight=(labels != 1).astype(float))
    assert model.classes_.tolist() == [0, 1, 2]
    assert np.isfinite(model.coef_).all()
    assert (model.predict(X) != 1).all()


@KINDS
def test_no_rows_are_refused(table, make):
    X, y = table
    for model in (LinearRegressor(), LinearClassifier()):
        with pytest.raises(ValueError, match=r"X has 0 sample\(s\)"):
            model.fit(make(X[y > 1e9]), y[y > 1e9])
        with pytest.raises(ValueError, match="sample_weight is zero for every sample"):
            model.fit(make(X), y > 0, sample_weight=np.zeros(100))


@KINDS
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_features_of_1e_minus_9_and_1e9_in_one_table(table, make, loss):
    X, y = table
    units = np.array([1e-9, 1.0, 1e9])
    plain, model = LinearRegressor(loss).fit(X, y), LinearRegressor(loss).fit(make(X * units), y)
    np.testing.assert_allclose(model.coef_ * units, plain.coef_, rtol=1e-6)
    assert model.converged_
    classes = LinearClassifier().fit(make(X * units), y > 0)
    np.testing.assert_allclose(classes.coef_ * units, LinearClassifier().fit(X, y > 0).coef_, rtol=1e-6)


@KINDS
@pytest.mark.parametrize("l2", [1e-20, 1e-3])
def test_features_of_1e_minus_9_and_1e9_under_a_penalty(table, make, l2):
    """Against the normal equations of ridge regression, in which the units have been taken out."""
    X, y = table
    units = np.array([1e-9, 1.0, 1e9])
    model = LinearRegressor(l2=l2, tol=1e-12).fit(make(X * units), y)
    Z = X - X.mean(axis=0)
    expected = np.linalg.solve(2 * Z.T @ Z / len(y) + l2 * np.diag(units**-2.0), 2 * Z.T @ (y - y.mean()) / len(y))
    np.testing.assert_allclose(model.coef_ * units, expected, rtol=1e-6)


@pytest.mark.parametrize("solver", ["newton", "gradient_descent", "sgd", "adam"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_one_sample(solver):
    model = LinearRegressor(solver=solver).fit([[1.0, 2.0]], [3.0])
    np.testing.assert_allclose(model.predict([[1.0, 2.0], [0.0, 0.0]]), 3.0)


@KINDS
@pytest.mark.parametrize(("factor", "words"), [(1e200, "so large that their squares overflow"),
                                               (1e-200, "so small that their squares vanish")])  # fmt: skip
def test_features_whose_squares_are_no_numbers_are_refused(table, make, factor, words):
    X, y = table
    X[:, 1] *= factor
    for _ in range(2):  # of sparse features, all there and half of them
        with pytest.raises(ValueError, match=f"column 1 of X holds numbers {words}"):
            LinearRegressor().fit(make(X), y)
        X[::2, 1] = 0.0
    X[:, 1] = factor  # constant
    if factor < 1:
        assert LinearRegressor().fit(make(X), y).coef_[1] == 0


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize(("factor", "words"), [(1e200, "overflow; divide them"), (1e-170, "vanish; multiply them")])
def test_targets_whose_squares_are_no_numbers_are_refused(table, loss, factor, words):
    X, y = table
    largest = int(np.abs(y).argmax())
    with pytest.raises(ValueError, match=rf"y\[{largest}\] is .*: squares of such targets {words}"):
        LinearRegressor(loss).fit(X, factor * y)
    y[largest] = 1.0  # of a sample that does not count
    weight = np.where(np.arange(100) == largest, 0.0, 1.0)
    with pytest.raises(ValueError, match=f"squares of such targets {words}"):
        LinearRegressor(loss).fit(X, np.where(weight > 0, factor * y, 1.0), sample_weight=weight)
    assert LinearRegressor(loss).fit(X, np.where(weight > 0, y, factor), sample_weight=weight).converged_


def test_targets_whose_loss_overflows_are_refused(table):
    X, y = table
    with pytest.raises(ValueError, match="lq: the loss of the best constant overflows; divide the targets"):
        LinearRegressor(lm.lq(q=3.0)).fit(X, 1e120 * y)


@pytest.mark.parametrize("size", [1e308, 5e-324, 1e-300])
def test_only_what_weights_are_to_each_other_matters(table, size):
    X, y = table
    weight = np.tile([1.0, 0.0], 50)
    usual, odd = (LinearRegressor("huber").fit(X, y, sample_weight=w).coef_ for w in (weight, weight * size))
    np.testing.assert_allclose(odd, usual, rtol=1e-6)


@pytest.mark.parametrize(("given", "words"), [
    ({"l2": "much"}, "l2 is 'much': it must be a number"), ({"tol": None}, "tol is None: it must be a number"),
    ({"max_iter": [3]}, r"max_iter is \[3\]: it must be a number"),
    ({"loss": None}, "loss is None: it must be the name of a loss"), ({"loss": 3}, "loss is 3"),
    ({"loss": lm.huber}, "call it, for a loss with its default parameters"),
    ({"learning_rate": "a"}, "learning_rate is 'a': it must be a number or None"),
    ({"random_state": "x", "solver": "sgd"}, "random_state is 'x': it must be None, a whole number"),
])  # fmt: skip
def test_parameters_of_no_sense_are_named(table, given, words):
    with pytest.raises(TypeError, match=words):
        LinearRegressor(**given).fit(*table)


@pytest.mark.parametrize("given", [
    {"max_iter": np.inf}, {"max_iter": 2.5}, {"batch_size": np.nan}, {"random_state": -1}, {"scale": np.ones(3)},
    {"solver": None}, {"learning_rate": np.inf},
])  # fmt: skip
def test_parameters_of_no_such_value_are_named(table, given):
    name, value = next(iter(given.items()))
    with pytest.raises(ValueError, match=f"^{name} is {re.escape(repr(value))}: it must be"):
        LinearRegressor(**given).fit(*table)


def test_class_weights_are_numbers(table):
    X, y = table
    with pytest.raises(ValueError, match=r"class_weight\[True\] is 'a': it must be a number"):
        LinearClassifier(class_weight={True: "a"}).fit(X, y > 0)


@pytest.mark.parametrize(("penalties", "words"), [
    (["a"], r"penalties must hold numbers, but \[0\] is 'a'"), ([1.0, -2.0], r"penalties\[1\] is -2.0"),
    ([1.0, np.nan], r"penalties\[1\] is NaN"), (0.1, r"penalties has shape \(\)"),
    ([[1], [1, 2]], r"penalties is no table: penalties\[0\] has length 1, penalties\[1\] has length 2"),
])  # fmt: skip
def test_penalties_of_a_path(table, penalties, words):
    with pytest.raises(ValueError, match=words):
        LinearRegressor().path(*table, penalties)


@pytest.mark.parametrize(("classes", "words"), [
    ("ab", "classes is 'ab': it must be a list"), (3, "classes is 3: it must be a list"),
    ([0, 1, np.nan], r"classes\[2\] is nan"), ([0, 1, None], r"classes\[2\] is None"),
    ([[0, 1]], r"classes has shape \(1, 2\)"), ([0], r"classes is \[0\]: a classifier needs at least two"),
])  # fmt: skip
def test_classes_of_a_stream(table, classes, words):
    X, y = table
    with pytest.raises((TypeError, ValueError), match=words):
        LinearClassifier().partial_fit(X, (y > 0).astype(int), classes=classes)
    model = LinearClassifier().partial_fit(X, (y > 0).astype(int), classes={0, 1})
    assert model.classes_.tolist() == [0, 1]
    with pytest.raises((TypeError, ValueError), match="classes"):
        model.partial_fit(X, (y > 0).astype(int), classes=classes)


def test_labels_that_are_missing_are_named(table):
    X, _ = table
    y = np.array(["a", "b"] * 50, dtype=object)
    y[7] = None
    with pytest.raises(ValueError, match=r"y\[7\] is None"):
        LinearClassifier().fit(X, y)


@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "offset"])
def test_what_lies_under_a_mask_is_no_number(name):
    rng = np.random.default_rng(0)
    given = {"X": rng.normal(size=(20, 2)), "y": rng.normal(size=20)}
    given |= {"sample_weight": np.ones(20), "offset": np.ones(20)}
    LinearRegressor().fit(**(given | {name: np.ma.array(given[name])}))  # nothing masked
    given[name] = np.ma.array(given[name], mask=np.zeros_like(given[name]))
    given[name][3] = np.ma.masked
    with pytest.raises(ValueError, match=rf"{name}\[3(, 0)?\] is masked"):
        LinearRegressor().fit(**given)


def test_classes_that_are_missing_in_a_column_of_texts():
    X, y = np.arange(6.0)[:, None], pd.Series(["a", "b", None, "a", "b", "a"], dtype="string")
    with pytest.raises(ValueError, match=r"y\[2\] is <NA>"):
        LinearClassifier().fit(X, y)
    weight = np.where(y.isna(), 0.0, 1.0)
    assert LinearClassifier(l2=0.1).fit(X, y, sample_weight=weight).classes_.tolist() == ["a", "b"]


def test_classes_of_several_types():
    y = np.array([1, "a", 1, "a"], dtype=object)
    with pytest.raises(ValueError, match="y holds labels that cannot be sorted, of types int, str"):
        LinearClassifier().fit(np.arange(4.0)[:, None], y)


DAYS = np.arange(20).astype("datetime64[D]")
MISSING = np.where(np.arange(20) == 4, np.datetime64("NaT"), DAYS)


@pytest.mark.parametrize("times", [DAYS, MISSING, DAYS - DAYS[0], np.array(list(DAYS), dtype=object)], ids=range(4))
@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "offset"])
def test_times_are_no_numbers(name, times):
    given = {"X": np.arange(20.0)[:, None], "y": np.arange(20.0)}
    given[name] = times[:, None] if name == "X" else times
    with pytest.raises((TypeError, ValueError), match=f"{name} holds times: make numbers of them"):
        LinearRegressor().fit(**given)


def test_a_time_that_is_missing_is_no_class():
    X, y = np.arange(20.0)[:, None], np.where(np.arange(20) < 10, DAYS[0], DAYS[1])
    y[4] = np.datetime64("NaT")
    for each in (y, y - DAYS[0], pd.Series(y), list(pd.Series(y))):
        with pytest.raises(ValueError, match=r"y\[4\] is NaT"):
            LinearClassifier(l2=0.1).fit(X, each)
    weight = (np.arange(20) != 4).astype(float)
    assert len(LinearClassifier(l2=0.1).fit(X, y, sample_weight=weight).classes_) == 2


@pytest.mark.parametrize(("X", "words"), [
    (pd.DataFrame({"a": np.arange(4) + 1j, "b": np.arange(4.0)}), "column 'a' of X, .* Complex data not supported"),
    (np.array([[1j], [2], [3], [4]], dtype=object), "X: Complex data not supported"),
    (pl.DataFrame({"a": [{"x": i} for i in range(4)]}), "column 'a' of X, of type Struct.*, holds several values"),
    (pl.DataFrame({"a": [[i] for i in range(4)]}), "column 'a' of X, of type List.*, holds several values"),
    (pd.DataFrame(np.ones((4, 2)), columns=["a", "a"]), "X has several columns of one name.* 'a' 2 times"),
    ([[1, 2], [3, 4], [5], [6, 7]], r"X is no table: X\[0\] has length 2, X\[2\] has length 1"),
    ([[1, 2], 3, [4], [5]], r"X is no table: X\[0\] has length 2, X\[1\] is one value"),
    ([[1], ["b"], [3], [4]], r"X must hold numbers, but \[1, 0\] is 'b'"),
    ({"a": [1]}, "X is {'a': \\[1\\]}, of type dict: it must be an array"), ("abc", "X is 'abc', of type str"),
    (None, "X is None"), ((i for i in range(4)), "X is <generator.*, of type generator"),
])  # fmt: skip
def test_what_is_no_table_of_numbers_is_named(X, words):
    with pytest.raises((TypeError, ValueError), match=words):
        LinearRegressor().fit(X, np.arange(4.0))


@pytest.mark.parametrize(("given", "words"), [
    ({"y": [1, [2], 3, 4]}, r"y is no table: y\[0\] is one value, y\[1\] has length 1"),
    ({"y": [1, 2, "c", 4]}, r"y must hold numbers, but \[2\] is 'c'"),
    ({"sample_weight": ["a"] * 4}, r"sample_weight must hold numbers, but \[0\] is 'a'"),
    ({"offset": np.arange(4) + 1j}, "offset: Complex data not supported"),
])  # fmt: skip
def test_what_goes_with_the_features_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        LinearRegressor().fit(**({"X": np.arange(4.0)[:, None], "y": np.arange(4.0)} | given))


@pytest.mark.parametrize("make", [LinearRegressor, LinearClassifier])
def test_what_has_unequal_indexes_is_not_paired_by_position(table, make):
    X, _ = table
    y, other = pd.Series(np.arange(100) % 2), pd.Series(np.ones(100)).iloc[::-1]
    model = make(loss="binary_cross_entropy", l2=0.1)
    model.fit(pd.DataFrame(X, index=other.index), y)  # a step before may have made the table anew: nobody can know
    for call in (model.fit, model.score, model.partial_fit):
        more = {"classes": [0, 1]} if call == model.partial_fit and make is LinearClassifier else {}
        for name in ("sample_weight", "offset"):
            with pytest.raises(ValueError, match=f"y and {name} have unequal pandas indexes"):
                call(X, y, **more, **{name: other})
            call(X, y, **more, **{name: np.asarray(other)})


def test_a_place_in_a_long_column_is_that_of_the_whole():
    column = pd.Series([1.0] * 20_000 + ["x"], dtype=object)
    with pytest.raises(ValueError, match=r"column 'a' of X, .* must hold numbers, but \[20000\] is 'x'"):
        LinearRegressor().fit(pd.DataFrame({"a": column}), np.ones(20_001))
