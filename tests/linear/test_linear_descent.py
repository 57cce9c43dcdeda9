"""Gradient descent, SGD and Adam by name, streams, and the history they leave."""

import pickle

import matplotlib.figure
import numpy as np
import pytest
import scipy.sparse as sp

import lossmith as lm
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor
from lossmith.linear.design import Design
from lossmith.linear.stream import Stream

pytestmark = pytest.mark.slow

TRUTH = np.array([1.0, -2.0, 0.5])
STOCHASTIC = ["sgd", "adam"]


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 3)) * [1.0, 1e3, 1e-3] + [0.0, 5e3, 1.0]
    return X, X @ (TRUTH / [1.0, 1e3, 1e-3]) + rng.standard_t(3, size=400)


@pytest.mark.parametrize("loss", ["squared_error", "huber", "poisson"])
@pytest.mark.parametrize("penalty", [{}, {"l1": 0.01}, {"l2": 0.1}], ids=str)
def test_gradient_descent_reaches_the_optimum(table, loss, penalty):
    X, y = table
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    y = np.exp((y - y.mean()) / y.std() / 2) if loss == "poisson" else y
    model = LinearRegressor(loss, solver="gradient_descent", tol=1e-10, **penalty).fit(X, y)
    newton = LinearRegressor(loss, **penalty).fit(X, y)
    assert model.converged_
    assert model.objective_ - newton.objective_ <= model.gap_ + 1e-12
    np.testing.assert_allclose(model.coef_, newton.coef_, atol=1e-4)
    objectives = [step.objective for step in model.history_]
    assert np.diff(objectives).max() <= 1e-12 * objectives[0]
    assert [step.iteration for step in model.history_] == list(range(model.n_iter_ + 1))


def test_one_step_of_gradient_descent_is_the_textbooks(table):
    X, y = table
    with pytest.warns(ConvergenceWarning, match="max_iter=1 was reached"):
        model = LinearRegressor(solver="gradient_descent", learning_rate=0.1, max_iter=1).fit(X, y)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    step = -0.1 * 2 * Z.T @ (y.mean() - y) / len(y)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), step, rtol=1e-9)
    assert model.history_[1].length == 0.1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_adam_is_the_papers(table):
    X, y = table
    model = LinearRegressor(solver="adam", learning_rate=0.1, max_iter=4, batch_size=400, random_state=0).fit(X, y)
    Z = np.column_stack([np.ones(400), (X - X.mean(axis=0)) / X.std(axis=0)])
    theta, first, second = np.r_[y.mean(), 0, 0, 0], 0, 0
    for t in range(1, 5):
        g = 2 * Z.T @ (Z @ theta - y) / 400
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        rate = 0.1 / np.sqrt(t)
        theta = theta - rate * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(model.coef_ * X.std(axis=0), theta[1:], rtol=1e-6)


def test_too_long_a_step_is_said(table):
    X, y = table
    with pytest.warns(ConvergenceWarning, match="learning_rate=3 is too large"):
        model = LinearRegressor(solver="gradient_descent", learning_rate=3.0).fit(X, y)
    assert model.history_[5].objective > model.history_[0].objective
    assert model.objective_ == model.history_[0].objective  # the best that was seen
    with pytest.raises(ValueError, match="smaller learning_rate"):
        LinearRegressor(lm.poisson(log_input=False), solver="sgd", learning_rate=1e3).fit(X, np.abs(y - y.mean()))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_stochastic_descent_comes_near_the_optimum(table, solver, loss):
    X, y = table
    model = LinearRegressor(loss, solver=solver, tol=1e-5, batch_size=32, random_state=0).fit(X, y)
    best = LinearRegressor(loss).fit(X, y).objective_
    assert 0 <= model.objective_ - best <= 2e-3 * (model.history_[0].objective - best)
    if not np.isnan(model.gap_):
        assert model.objective_ - best <= model.gap_
    again = LinearRegressor(loss, solver=solver, tol=1e-5, batch_size=32, random_state=0).fit(X, y)
    np.testing.assert_array_equal(again.coef_, model.coef_)
    other = LinearRegressor(loss, solver=solver, tol=1e-5, batch_size=32, random_state=1).fit(X, y)
    assert (other.coef_ != model.coef_).any()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_stochastic_classes_weights_and_offsets(table, solver, make):
    X, y = table
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    labels = np.digitize(y - np.median(y), [-1, 1])
    rng = np.random.default_rng(0)
    given = {"sample_weight": rng.integers(0, 3, 400), "offset": rng.normal(size=(400, 3))}
    best = LinearClassifier(l2=0.05, l1=0.01).fit(X, labels, **given)
    options = {"tol": 1e-6, "batch_size": 16, "random_state": 0, "learning_rate": 0.1}
    model = LinearClassifier(l2=0.05, l1=0.01, solver=solver, **options).fit(make(X), labels, **given)
    assert 0 <= model.objective_ - best.objective_ < 2e-3
    np.testing.assert_allclose(model.coef_, best.coef_, atol=0.1)


def test_a_proven_gap_ends_stochastic_descent(table):
    X, y = table
    model = LinearRegressor(l2=1.0, solver="adam", tol=0.5, random_state=0).fit((X - X.mean(axis=0)) / X.std(axis=0), y)
    assert model.converged_
    assert "proven" in model.stopped_


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "lbfgs"}, "solver is 'lbfgs': it must be one of newton, gradient_descent, sgd, adam"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_refused_options(table, options, message):
    with pytest.raises(ValueError, match=message):
        LinearRegressor(**options).fit(*table)


# streams --------------------------------------------------------------------------------------------------------------


def stream(model, X, y, size=250, **first):
    for start in range(0, len(y), size):
        part = slice(start, start + size)
        model.partial_fit(X[part], y[part], **first)
    return model


@pytest.fixture
def long():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 3)) * [1.0, 1e3, 1e-3] + [0.0, 5e3, 1.0]
    return X, X @ (TRUTH / [1.0, 1e3, 1e-3]) + rng.standard_t(3, size=20_000)


@pytest.mark.parametrize("solver", ["newton", *STOCHASTIC])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
def test_a_stream_is_learned_from(long, solver, loss):
    X, y = long
    model = stream(LinearRegressor(loss, solver=solver, batch_size=50, random_state=0), X, y)
    best = LinearRegressor(loss).fit(X, y)
    loss = lm.get(loss)
    # in a tenth of the way, less than a hundredth is left
    left = loss(y, model.predict(X)) - best.objective_
    assert 0 <= left < 0.01 * (loss(y, np.full(len(y), y.mean())) - best.objective_)
    seen = [step.objective for step in model.history_]
    assert len(seen) == 80
    assert np.mean(seen[-20:]) < 0.8 * seen[0]


@pytest.mark.parametrize("classes", [2, 3])
def test_a_stream_of_classes(long, classes):
    X, y = long
    names = np.array(["a", "b", "c"])
    labels = names[np.digitize(y, np.quantile(y, [0.3, 0.7]) if classes == 3 else [np.median(y)])]
    model = stream(LinearClassifier(batch_size=50), X, labels, classes=names[:classes])
    assert model.classes_.tolist() == names[:classes].tolist()
    assert model.score(X, labels) > LinearClassifier(tol=1e-4).fit(X, labels).score(X, labels) - 0.02
    one = labels[:5].copy()
    one[:] = "a"
    model.partial_fit(X[:5], one)  # a batch may lack a class
    with pytest.raises(ValueError, match=r"y\[2\] is 'z', which is not one of the classes"):
        model.partial_fit(X[:3], ["a", "b", "z"])
    with pytest.raises(ValueError, match="but was"):
        model.partial_fit(X[:3], labels[:3], classes=["a", "z"])
    with pytest.raises(ValueError, match="classes must be passed with the first batch"):
        LinearClassifier().partial_fit(X, labels)
    with pytest.raises(ValueError, match="needs all samples at once"):
        LinearClassifier(class_weight="balanced").partial_fit(X, labels, classes=names[:classes])
    with pytest.raises(ValueError, match="2 features, but LinearClassifier is expecting 3"):
        model.partial_fit(X[:, :2], labels)


def test_a_stream_knows_the_mean_and_spread_of_all_it_has_seen(long):
    X, _ = long
    X = np.column_stack([X, np.full(len(X), 3.7)])
    weight = np.random.default_rng(0).uniform(0.1, 2, len(X))
    seen = Stream("adam")
    for start in range(0, len(X), 700):
        part = slice(start, start + 700)
        design = Design(X[part] * ([1.0, 1.0, 1.0, 1.0] if start else [1.0, 0.0, 1.0, 1.0]), weight[part])
        seen.look(design, weight[part].sum())
    X[:700, 1] = 0  # constant in the first batch
    whole = Design(X, weight)
    assert design.constant.tolist() == [False, False, False, True]
    np.testing.assert_allclose(design.centre, whole.centre, rtol=1e-12)
    np.testing.assert_allclose(design.spread, whole.spread, rtol=1e-10)


def test_weights_tell_across_batches(long):
    """Batches of weight near zero hardly move a model, however they contradict the others."""
    X, y = long
    model = LinearRegressor(batch_size=50, random_state=0)
    for start in range(0, 20_000, 500):
        a, b = slice(start, start + 250), slice(start + 250, start + 500)
        model.partial_fit(X[a], y[a], sample_weight=np.ones(250))
        model.partial_fit(X[b], -y[b], sample_weight=np.full(250, 1e-9))
    assert model.score(X, y) > 0.5


def test_targets_of_every_batch_are_looked_at(long):
    X, y = long
    counts = np.random.default_rng(0).poisson(3.0, size=len(y)).astype(float)
    counts[253], counts[257] = -5.0, -1.0
    weight = np.ones(len(y))
    weight[253] = 0.0  # counts for nothing, whatever it is
    model = LinearRegressor("poisson").partial_fit(X[:250], counts[:250])
    model.partial_fit(X[250:256], counts[250:256], sample_weight=weight[250:256])
    with pytest.raises(ValueError, match=r"y_true\[5\] = -1"):
        model.partial_fit(X[252:260], np.delete(counts, 253)[251:259])


def test_a_stream_in_sparse_rows_in_units_and_after_fit(long):
    X, y = long
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    sparse = stream(LinearRegressor(batch_size=50, random_state=0), sp.csr_array(X), y)
    dense = stream(LinearRegressor(batch_size=50, random_state=0), X, y)
    np.testing.assert_allclose(sparse.coef_, dense.coef_, atol=1e-6)
    model = stream(LinearRegressor("huber", scale="mad", random_state=0), X, y)
    noise = np.abs(y - model.predict(X))
    assert model.scale_ == pytest.approx(1.4826 * np.median(noise), rel=0.2)
    fitted = LinearRegressor(random_state=0).fit(X, y)
    before = fitted.coef_
    fitted.partial_fit(X[:250], y[:250])
    assert 0 < np.abs(fitted.coef_ - before).max() < 0.2
    assert len(fitted.history_) == 1


@pytest.fixture
def plain():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3))
    return X, X @ [3.0, -2.0, 0.0] + rng.normal(size=4000)


def hardly_varied(X, y):
    X = X.copy()
    X[:100, 0] *= 1e-3
    return X, y - 3 * (np.arange(4000) < 100) * X[:, 0]


BEGINNINGS = {
    "single samples": (1, lambda X, y: (X[:600], y[:600])),
    "single samples in other units": (1, lambda X, y: (X[:600], 1000 * y[:600])),
    "single small samples": (1, lambda X, y: (X[:600], 1e-6 * y[:600])),
    "zeros": (100, lambda X, y: (X, y * (np.arange(4000) >= 100))),
    "tied": (100, lambda X, y: (X, np.where(np.arange(4000) < 100, 5.3, y))),
    "a feature that hardly varies": (100, hardly_varied),
    "a trend": (100, lambda X, y: (np.column_stack([X, np.arange(4000) / 4000]), y + np.arange(4000) / 800)),
}


@pytest.mark.parametrize("solver", STOCHASTIC)
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
@pytest.mark.parametrize("begins", BEGINNINGS)
def test_a_stream_finds_its_steps_however_it_begins(plain, solver, loss, begins):
    size, change = BEGINNINGS[begins]
    X, y = change(*plain)
    model = stream(LinearRegressor(loss, solver=solver, random_state=0), X, y, size)
    assert model.score(X[-400:], y[-400:]) > 0.85  # 0.93 is what there is to learn


@pytest.mark.parametrize("loss", ["hinge", "binary_cross_entropy", "cross_entropy", "exponential"])
def test_a_stream_of_classes_of_which_one_comes_first(plain, loss):
    X, y = plain
    labels = np.where(y > 0, "b", "a")
    order = np.argsort(np.where(np.cumsum(labels == "a") <= 100, labels, "z"), kind="stable")
    assert (labels[order[:100]] == "a").all()
    model = LinearClassifier(loss, solver="sgd", random_state=0)
    stream(model, X[order], labels[order], 100, classes=["a", "b"])
    assert model.score(X, labels) > 0.8
    assert np.abs(model.coef_).max() < 10


def rare(seed=0, n=4000):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    f = X @ [1.0, -1.0, 0.5, 0.0, 0.3]
    return X, f, f + rng.normal(size=n), rng.random(n)


@pytest.mark.parametrize("size", [20, 200])
@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (lm.quantile(q=0.99), lambda f, y, u: y),
        (lm.quantile(q=0.01), lambda f, y, u: y),
        (lm.binary_cross_entropy(), lambda f, y, u: (u < 1 / (1 + np.exp(5 - f))) * 1),
        (lm.poisson(), lambda f, y, u: (u < np.exp(f - 5)) * 1.0),
    ],
    ids=["far above", "far below", "rare class", "rare counts"],
)
def test_the_default_step_heeds_that_few_samples_are_steep(loss, target, size):
    """Steps as long as the many flat ones allow are thrown about by the few that are steep, the farther the longer a
    stream goes on."""
    X, f, y, u = rare()
    y = target(f, y, u)
    model = LinearRegressor(loss, solver="sgd", random_state=0)
    best = LinearRegressor(loss, tol=1e-6).fit(X, y).objective_
    constant = loss(y, np.full(len(y), loss.best_constant(y)))
    for start in range(0, len(y), size):
        model.partial_fit(X[start : start + size], y[start : start + size])
    assert loss(y, model.raw_scores(X)) - best < 0.3 * (constant - best)
    whole = LinearRegressor(loss, solver="sgd", random_state=0, max_iter=10, batch_size=size)
    with pytest.warns(ConvergenceWarning):
        whole.fit(X, y)
    assert whole.objective_ - best < 0.05 * (constant - best)


@pytest.mark.parametrize("unit", [1e-90, 1e90])
def test_the_default_step_by_slopes_whose_squares_no_number_can_say(plain, unit):
    X, y = plain
    model, same = (LinearRegressor(lm.lq(q=3), solver="sgd", random_state=0) for _ in range(2))
    stream(model, X, unit * y, 100)
    stream(same, X, y, 100)
    np.testing.assert_allclose(model.coef_ / unit, same.coef_, atol=0.1)


@pytest.mark.filterwarnings("ignore::lossmith.linear.ConvergenceWarning")
@pytest.mark.parametrize("loss", ["poisson", "tweedie"])
def test_the_default_step_does_not_run_away_where_slopes_grow(loss):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(20_000, 1))
    y = rng.poisson(np.exp(X[:, 0]))
    fitted = LinearRegressor(loss, solver="sgd", random_state=0, max_iter=20).fit(X, y)
    assert fitted.objective_ - LinearRegressor(loss).fit(X, y).objective_ < 1e-3
    for begin in (y, np.where(np.arange(20_000) < 100, 0, y)):
        model = stream(LinearRegressor(loss, solver="sgd", random_state=0), X, begin, 50)
        assert model.coef_[0] == pytest.approx(1, abs=0.1)


def test_a_refused_batch_leaves_no_trace(plain):
    X, y = plain
    counts = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0])).astype(float)
    wrong = np.r_[-1.0, counts[1:100]]
    model, other = (LinearRegressor("poisson", random_state=0) for _ in range(2))
    for start in range(0, 1000, 100):
        before = dict(vars(model))
        with pytest.raises(ValueError, match=r"y_true\[0\] = -1"):
            model.partial_fit(1000 * X[:100], wrong)
        assert list(vars(model).items()) == list(before.items())
        for each in (model, other):
            each.partial_fit(X[start : start + 100], counts[start : start + 100])
        other = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(model.coef_, other.coef_)
    classifier = LinearClassifier()
    with pytest.raises(ValueError, match="not one of the classes"):
        classifier.partial_fit(X[:, :2], y > 0, classes=["a", "b"])
    assert vars(classifier).keys() == classifier.get_params().keys()


def test_a_stream_says_that_given_steps_are_too_long(plain):
    X, y = plain
    model = LinearRegressor(solver="sgd", learning_rate=1e99, random_state=0)
    with pytest.raises(ValueError, match=r"not defined at .*; give a smaller learning_rate than 1e\+99"):
        model.partial_fit(X, y)
    assert stream(model.set_params(learning_rate=0.1), X, y).score(X, y) > 0.9


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array], ids=["dense", "sparse"])
def test_a_stream_after_a_fit_keeps_what_its_batches_do_not_tell(plain, make):
    X, y = plain
    fitted = LinearRegressor(random_state=0).fit(X, y)
    coefficients = fitted.coef_
    constant = X[:300] * [1.0, 0.0, 1.0] + [0.0, 1e6 + 0.1, 0.0]
    stream(fitted, make(constant), constant @ coefficients, 100)
    assert fitted.coef_[1] == pytest.approx(coefficients[1], rel=1e-6)
    np.testing.assert_allclose(fitted.coef_, coefficients, atol=0.3)
    one = LinearRegressor(random_state=0).fit(X, y).partial_fit(make(X[:1]), y[:1])
    np.testing.assert_allclose(one.coef_, coefficients, atol=1e-9)
    stream(one, make(X[1:60]), y[1:60], 1 if make is np.asarray else 59)
    assert one.score(X, y) > 0.8


# pictures -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["newton", "gradient_descent", "adam", "stream"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_history_is_drawn(table, solver):
    X, y = table
    if solver == "stream":
        model = stream(LinearRegressor(), X, y, 50)
    else:
        model = LinearRegressor("absolute_error", solver=solver, max_iter=30).fit(X, y)
    figure = model.plot_history()
    assert isinstance(figure, matplotlib.figure.Figure)
    upper, lower = figure.axes
    steps, objectives = upper.lines[0].get_data()
    assert objectives[:-1].tolist() == [step.objective for step in model.history_]
    assert objectives[-1] == model.objective_
    assert steps[-1] == model.n_iter_
    assert upper.get_ylabel() == "objective"
    assert lower.get_xlabel() == "iteration"
    assert lower.get_yscale() == "log"
    labels = [text.get_text() for text in lower.get_legend().get_texts()]
    assert labels == ["above the lowest objective", "above the optimum at most"][: 1 if solver == "stream" else 2]
    (axis,) = model.plot_history(ax=matplotlib.figure.Figure().subplots()).axes
    assert axis.get_xlabel() == "iteration"


def test_there_is_no_history_before_fit():
    with pytest.raises(ValueError, match="call fit first"):
        LinearRegressor().plot_history()


@pytest.mark.filterwarnings("ignore::lossmith.linear.ConvergenceWarning")
@pytest.mark.parametrize("name", ["squared_error", "huber", "absolute_error", "binary_cross_entropy"])
@pytest.mark.parametrize(("rate", "said"), [(1e3, True), (1e-3, False)])
def test_gradient_descent_says_that_its_given_steps_are_too_long(name, rate, said):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    y = X @ [1.0, 2.0]
    binary = name == "binary_cross_entropy"
    model, y = (LinearClassifier, y + rng.normal(size=50) > 0) if binary else (LinearRegressor, y)
    found = model(name, solver="gradient_descent", learning_rate=rate, max_iter=20, l2=0.1).fit(X, y)
    assert found.stopped_.startswith("max_iter=20 was reached")
    assert (f"learning_rate={rate:g} is too large" in found.stopped_) is said
