"""Losses as users write them: too long to compile, or in textbook form, which loses digits far out."""

import warnings

import numpy as np
import pytest

import lossmith as lm
from lossmith.engine.choice import machine_code
from lossmith.engine.llvm import emit
from lossmith.formula import (
    ClassId,
    Count,
    Distribution,
    Positive,
    Real,
    Scores,
    cumsum,
    exp,
    is_class,
    lgamma,
    log,
    log1p,
    log_factorial,
    logsumexp,
    maximum,
    pi,
    pick,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    where,
)  # fmt: skip
from lossmith.formula import sum as rows
from lossmith.linear import ConvergenceWarning, LinearClassifier, LinearRegressor

TERMS = 8


@lm.pointwise
def long(y: Real, f: Real):
    """Squares, and many terms that are nearly straight."""
    return (f - y) ** 2 + sum(softplus((f - y) / (10.0 + k)) / k for k in range(1, TERMS))


@lm.rowwise
def long_rows(y: ClassId, f: Scores):
    """The surprise of a softmax, and many terms that bend little."""
    surprise = softplus(logsumexp(f, where=~is_class(y)) - pick(f, y))
    return surprise + sum(softplus(surprise / (10.0 + k)) / k for k in range(1, TERMS))


@lm.rowwise
def textbook_classes(y: ClassId, f: Scores):
    """The surprise of a softmax."""
    return logsumexp(f) - pick(f, y)


@lm.rowwise
def own_movers(t: Distribution, f: Scores):
    """The squared distance by which earth is moved: far out nothing but rounding is left of its gradient."""
    d = cumsum(softmax(f) - t)
    return rows(d * d)


@lm.pointwise
def negative_binomial(y: Count, f: Real, log_size: Real):
    """Counts that vary more than Poisson's; far out its terms cancel, and what is left grows with the size."""
    size = exp(log_size)
    terms = lgamma(size) - lgamma(y + size) + log_factorial(y)
    return terms + (y + size) * log(size + exp(f)) - size * log_size - y * f


@lm.pointwise
def student(y: Real, mean: Real, log_scale: Real, log_degrees: Real):
    """Misses of learned size and tails."""
    nu = exp(log_degrees)
    z = (y - mean) * exp(-log_scale)
    return lgamma(nu / 2) - lgamma((nu + 1) / 2) + log(nu * pi) / 2 + log_scale + (nu + 1) / 2 * log1p(z**2 / nu)


@lm.pointwise
def beta_binomial(y: Count, f: Real, log_size: Real):
    """Shares of nine that vary more than the binomial's; far out rounding is mostly 0, and seldom large."""
    a, b = sigmoid(f) * exp(log_size), sigmoid(-f) * exp(log_size)
    return lgamma(a) + lgamma(b) - lgamma(a + b) - lgamma(a + y) - lgamma(b + 9) + lgamma(a + b + 9 + y)


@lm.pointwise
def bent_binomial(y: Count, f: Real, log_size: Real):
    """Nobody believes in sizes below e^-5."""
    size = exp(log_size)
    terms = lgamma(size) - lgamma(y + size) + log_factorial(y) + maximum(0, -5 - log_size)
    return terms + (y + size) * log(size + exp(f)) - size * log_size - y * f


@lm.pointwise
def textbook_logistic(y: Real, f: Real):
    """Surprise, of targets -1 and 1."""
    return log(1 + exp(-y * f))


def plain(y, f, c):
    return where(abs(f - y) <= c, (f - y) ** 2 / 2, c * (abs(f - y) - c / 2))


def table(n, columns=10):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, columns))
    return X, X[:, 0] - 0.5 * X[:, 1] + rng.normal(size=n)


@pytest.mark.parametrize(
    "names",
    [("offset", "f", "c"), ("y", "offset", "c"), ("y", "f", "intercept"), ("y", "f", "length"), ("x", "score", "w")],
    ids=" ".join,
)
def test_names_of_a_formula_do_not_meddle_with_those_of_the_solver(names):
    y, f, c = names
    namespace = {"plain": plain, "Real": Real, "Positive": Positive}
    exec(f"def named({y}: Real, {f}: Real, *, {c}: Positive = 0.5): return plain({y}, {f}, {c})", namespace)
    X, y = table(300, 3)
    losses = lm.pointwise(namespace["named"])(), lm.huber(delta=0.5)
    model, usual = (LinearRegressor(loss=loss).fit(X, y) for loss in losses)
    np.testing.assert_allclose(model.coef_, usual.coef_, rtol=1e-6)


@pytest.mark.parametrize("n", [300, 21_000], ids=["NumPy reads the features", "a kernel would"])
@pytest.mark.parametrize("name", ["long", "long_rows"])
def test_what_is_too_long_to_compile_is_computed_by_numpy(name, n, monkeypatch):
    X, y = table(n)
    Estimator, target = (LinearClassifier, np.digitize(y, [-1, 1])) if name == "long_rows" else (LinearRegressor, y)
    loss = {"long": long, "long_rows": long_rows}[name]()
    with monkeypatch.context() as patch:
        patch.setattr(emit, "MOST_INSTRUCTIONS", 350)
        found = Estimator(2 * loss, l2=0.01).fit(X, target)  # twice: a formula that no other test has compiled
    expected = Estimator(loss, l2=0.005).fit(X, target)
    assert found.converged_ and found.objective_ == pytest.approx(2 * expected.objective_, rel=1e-7)
    np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-3)


@pytest.mark.skipif(not machine_code(), reason="where nothing is compiled, nothing is too long for it")
def test_what_is_too_long_is_looked_at_once(monkeypatch):
    monkeypatch.setattr(emit, "MOST_INSTRUCTIONS", 350)
    raised = []
    monkeypatch.setattr(emit.TooLongError, "__init__", lambda self, *_: raised.append(self))
    loss, (X, y) = 3 * long(), table(200)
    LinearRegressor(loss).fit(X, y)
    assert raised
    count = len(raised)
    LinearRegressor(loss, l2=0.1).fit(X, y)
    assert len(raised) == count


def test_textbook_forms_are_no_kinks():
    """Where their terms cancel the gradient jumps by rounding, and where they overflow they have none."""
    X, y = table(400, 3)
    assert not textbook_classes().kinked and not textbook_logistic().kinked and not own_movers().kinked
    code = np.digitize(y, [-1, 1])
    found, expected = (LinearClassifier(loss, l2=0.01).fit(X, code) for loss in (textbook_classes(), None))
    assert found.converged_ and found.objective_ == pytest.approx(expected.objective_, rel=1e-8)
    found = LinearRegressor(textbook_logistic(), l2=0.01).fit(X, np.where(y > 0, 1.0, -1.0))
    expected = LinearClassifier(l2=0.01).fit(X, y > 0)
    assert found.converged_ and found.objective_ == pytest.approx(expected.objective_, rel=1e-8)


@pytest.mark.parametrize("loss", [negative_binomial(), student(), beta_binomial()], ids=lambda loss: loss.name)
def test_rounding_that_grows_without_bound_is_no_kink(loss):
    assert not loss.kinked


def test_a_kink_is_seen_beside_rounding():
    assert bent_binomial().kinked and (1e-6 * lm.absolute_error() + lm.log_cosh()).kinked


@lm.pointwise
def linex(y: Real, f: Real):
    """As textbooks have it: 1 - 1 where the score is right."""
    return exp(f - y) - (f - y) - 1


@lm.pointwise
def hyperbola(y: Real, f: Real):
    """The same of a root."""
    return sqrt(1 + (f - y) ** 2) - 1


@lm.pointwise
def cosh_less_one(y: Real, f: Real):
    """The same of a sum."""
    return exp(f - y) + exp(y - f) - 2


@lm.pointwise
def log_of_cosh(y: Real, f: Real):
    """Without a value, and a slope, from 710 on."""
    return log((exp(f - y) + exp(y - f)) / 2)


@pytest.mark.parametrize("unit", [1e-6, 1e-2, 1.0, 3.0])
@pytest.mark.parametrize("loss", [linex(), hyperbola(), cosh_less_one(), log_of_cosh()], ids=lambda loss: loss.name)
def test_convex_textbook_forms_have_a_gap(loss, unit):
    X, y = table(120, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of so small targets the loss is nearly nothing but rounding
        model = LinearRegressor(loss).fit(X, unit * y)
    assert model.gap_ <= 1e-6 * max(model.objective_, 1.0)


@lm.pointwise
def step(y: Real, f: Real):
    """Whether the error is large."""
    return where(abs(f - y) < 1, 0.0, 1.0)


@lm.pointwise
def capped(y: Real, f: Real):
    """Errors count 1 at most."""
    return where(abs(f - y) < 1, abs(f - y), 1.0)


@lm.pointwise
def capped_square(y: Real, f: Real):
    """Squares count 1 at most."""
    return where(abs(f - y) < 1, (f - y) ** 2, 1.0)


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("loss", [step(), capped(), capped_square()], ids=["step", "capped", "capped_square"])
def test_a_basin_however_narrow_is_seen(loss, unit):
    X, y = table(120, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegressor(loss).fit(X, unit * y)
    assert np.isnan(model.gap_)


@lm.pointwise
def endless(y: Real, f: Real):
    """The more of what y says, the better."""
    return f * y


def test_what_falls_below_any_bound_is_said():
    X, y = table(120, 2)
    with pytest.warns(ConvergenceWarning, match="falls below any bound.*the objective is -.*add a penalty"):
        model = LinearRegressor(endless()).fit(X, y)
    assert not model.converged_ and model.gap_ == np.inf
    assert LinearRegressor(endless(), l2=1.0).fit(X, y - y.mean()).converged_
