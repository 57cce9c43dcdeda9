"""A user's loss is one formula, and has everything a built-in one has."""

import functools
import json
import math

import numpy as np
import pytest

import lossmith as lm
from lossmith.formula import (
    ClassId,
    Distribution,
    FormulaError,
    Label,
    NonNegative,
    PerClass,
    PerSample,
    Positive,
    Probabilities,
    Real,
    Scores,
    UnitInterval,
    exp,
    is_class,
    log,
    log1p,
    logsumexp,
    maximum,
    minimum,
    pick,
    sigmoid,
    softplus,
    where,
)

from . import samples


@lm.pointwise(source="Cauchy's distribution")
def own_cauchy(y: Real, f: Real, *, scale: Positive = 1.0):
    """Grows like a logarithm."""
    return log1p(((f - y) / scale) ** 2)


@lm.pointwise
def own_huber(y: Real, f: Real, *, delta: Positive = 1.0):
    """Quadratic for small errors, linear for large ones."""
    r = f - y
    return where(abs(r) <= delta, r**2 / 2, delta * (abs(r) - delta / 2))


@lm.pointwise
def own_asymmetric(y: Label, f: Real, *, gamma: NonNegative = 2.0, share: UnitInterval = 0.25):
    """Down-weights what is already right, and the negatives."""
    a = where(y == 1, f, -f)
    return where(y == 1, share, 1 - share) * sigmoid(-a) ** gamma * softplus(-a)


@lm.pointwise
def own_gaussian(y: Real, mean: Real, log_scale: Real):
    """How unlikely y is under the predicted normal."""
    return ((y - mean) * exp(-log_scale)) ** 2 / 2 + log_scale


@lm.rowwise(source="softmax")
def own_cross_entropy(y: ClassId, f: Scores):
    """Surprise of the softmax at the true class."""
    return softplus(logsumexp(f, where=~is_class(y)) - pick(f, y))


PAIRS = [
    (own_huber(delta=0.7), lm.huber(delta=0.7), *samples.REAL),
    (own_asymmetric(), lm.focal(gamma=2.0, alpha=0.25), *samples.LABEL),
    (own_gaussian(), lm.gaussian_nll(), *samples.HEADS),
    (own_cross_entropy(), lm.cross_entropy(), samples.IDS, samples.SCORES),
]


@pytest.mark.parametrize(("own", "built_in", "y", "f"), PAIRS, ids=lambda each: getattr(each, "name", None))
def test_the_same_formula_gives_the_same_loss(own, built_in, y, f):
    for method in ("__call__", "gradient", "hessian"):
        expected = getattr(built_in, method)(y, f, reduction="none")
        np.testing.assert_allclose(getattr(own, method)(y, f, reduction="none"), expected, rtol=1e-13)
    assert own(y, f, weight=np.arange(6.0)) == pytest.approx(built_in(y, f, weight=np.arange(6.0)), rel=1e-13)
    np.testing.assert_allclose(own.best_constant(y), built_in.best_constant(y), rtol=1e-6, atol=1e-8)
    assert np.all(own.curvature(y, f) > 0)


def test_derivatives_are_derived():
    (y, f), s = samples.REAL, 2.5
    r, loss = f - y, own_cauchy(scale=s)
    np.testing.assert_allclose(loss(y, f, reduction="none"), np.log1p((r / s) ** 2), rtol=1e-14)
    np.testing.assert_allclose(loss.gradient(y, f, reduction="none"), 2 * r / (s**2 + r**2), rtol=1e-14)
    np.testing.assert_allclose(loss.hessian(y, f), 2 * (s**2 - r**2) / (s**2 + r**2) ** 2, rtol=1e-13)


def test_the_name_the_parameters_and_the_sentence():
    assert own_cauchy(scale=2).name == "own_cauchy"
    assert dict(own_cauchy(scale=2).params) == {"scale": 2.0}
    assert dict(own_cauchy().params) == {"scale": 1.0}
    assert "Grows like a logarithm" in own_cauchy.__doc__
    assert own_cauchy(scale=3) == own_cauchy(scale=3.0) != own_cauchy()
    assert isinstance(own_cauchy().latex, str) and own_cauchy().latex


def test_domains_are_checked_like_those_of_built_in_losses():
    with pytest.raises(ValueError, match="scale"):
        own_cauchy(scale=0)
    with pytest.raises(ValueError, match="share"):
        own_asymmetric(share=1.5)
    with pytest.raises(ValueError, match=r"(?s)own_asymmetric.*y_true"):
        own_asymmetric()([0, 2], [0.0, 0.0])
    with pytest.raises(TypeError, match="scael"):
        own_cauchy(scael=1.0)


def test_a_spec_needs_no_definition():
    loss = own_cauchy(scale=2.0)
    again = lm.from_spec(json.loads(json.dumps(loss.spec())))
    assert again == loss and again(*samples.REAL) == loss(*samples.REAL)
    assert "formula" in json.dumps(loss.spec()) or "log1p" in json.dumps(loss.spec())


def test_every_domain_is_an_annotation():
    @lm.pointwise
    def unit(y: UnitInterval, f: Positive):
        """Bernoulli by odds."""
        return log1p(f) - y * log(f)

    assert unit()([1.0], [1.0]) == pytest.approx(math.log(2))
    for y, f in (([1.5], [1.0]), ([1.0], [0.0]), ([1.0], [-1.0])):
        with pytest.raises(ValueError, match="unit"):
            unit()(y, f)

    @lm.rowwise
    def distance(y: Distribution, f: Probabilities):
        """Squared distance of two rows."""
        return lm.formula.sum((f - y) ** 2)

    assert distance()([[0.0, 1.0]], [[0.5, 0.5]]) == pytest.approx(0.5)
    np.testing.assert_allclose(distance().gradient([[0.0, 1.0]], [[0.5, 0.5]]), [[1.0, -1.0]])
    np.testing.assert_allclose(distance().hessian([[0.0, 1.0]], [[0.5, 0.5]]), [[2.0, 2.0]])
    with pytest.raises(ValueError, match="distance"):
        distance()([[0.5, 1.0]], [[0.5, 0.5]])


def test_branches_not_taken_do_not_spoil_the_gradient():
    @lm.pointwise
    def safe_root(y: Real, f: Real):
        """The untaken branch is infinite at 0."""
        return where(f > y, (maximum(f - y, 1e-300)) ** 0.5, 0 * f)

    gradient = safe_root().gradient([0.0, 0.0], [-1.0, 4.0], reduction="none")
    np.testing.assert_allclose(gradient, [0.0, 0.25])


def test_minimum_and_maximum_are_words_of_the_language():
    @lm.pointwise
    def clipped(y: Real, f: Real):
        """An error that counts up to 1."""
        return minimum(maximum(f - y, y - f), 1)

    np.testing.assert_array_equal(clipped()([0.0] * 3, [-3.0, 0.5, 0.0], reduction="none"), [1.0, 0.5, 0.0])


# what the language is not, each with what to write instead
def with_if(y: Real, f: Real):
    """If."""
    if f > y:
        return f - y
    return y - f


def with_and(y: Real, f: Real):
    """And."""
    return where((f > y) and (f > 0), f - y, y - f)


def with_max(y: Real, f: Real):
    """Max."""
    return max(f - y, y - f)


def with_min(y: Real, f: Real):
    """Min."""
    return min(f - y, y - f)


def with_math(y: Real, f: Real):
    """Math."""
    return math.exp(f - y)


def with_numpy(y: Real, f: Real):
    """NumPy."""
    return np.exp(f - y)


def with_float(y: Real, f: Real):
    """A number of a symbol."""
    return float(f) - y


def with_chain(y: Real, f: Real):
    """A chain of comparisons."""
    return where(0 < f < 1, f - y, y - f)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (with_if, "where"),
        (with_and, "&|where"),
        (with_max, "maximum"),
        (with_min, "minimum"),
        (with_math, "lossmith.formula|exp"),
        (with_numpy, "lossmith.formula|exp"),
        (with_float, "lossmith.formula|number"),
        (with_chain, "where|&"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_python_on_traced_values_is_an_error_that_says_what_to_write(function, hint):
    with pytest.raises((TypeError, ValueError), match=hint):
        lm.pointwise(function)()


def no_annotation(y: Real, f):
    """One argument without a domain."""
    return (f - y) ** 2


def foreign_annotation(y: Real, f: int):
    """One argument with something else."""
    return (f - y) ** 2


def foreign_parameter(y: Real, f: Real, *, delta: str = "a"):
    """One parameter with something else."""
    return (f - y) ** 2


@pytest.mark.parametrize(
    ("function", "argument"), [(no_annotation, "f"), (foreign_annotation, "f"), (foreign_parameter, "delta")]
)
def test_an_unknown_annotation_is_an_error_that_names_the_argument(function, argument):
    with pytest.raises((TypeError, ValueError), match=rf"(?s)\b{argument}\b.*Real|Real.*\b{argument}\b|\b{argument}\b"):
        lm.pointwise(function)()


def test_a_formula_must_return_one():
    def nothing(y: Real, f: Real):
        """Forgets to return."""

    def text(y: Real, f: Real):
        """Returns something else."""
        return "loss"

    def two(y: Real, f: Real):
        """Returns too much."""
        return f, y

    for function in (nothing, text, two):
        with pytest.raises((TypeError, ValueError)):
            lm.pointwise(function)()


def squared(y: Real, f: Real):
    return (f - y) ** 2


def of_two(y: Real, m: Real, s: Real):
    return (m - y) ** 2 + (s - y) ** 4


def of_a_row(y: ClassId, f: Scores, *, w: PerClass[Positive] = (1.0, 2.0)):
    return pick(w, y) * (logsumexp(f) - pick(f, y))


DECLARED = [
    (squared, {"elicits": "mode"}, "elicits must be mean, median"),
    (squared, {"link": ("log", "log")}, "squared: the link 'log,log' is for other predictions"),
    (squared, {"link": "softmax"}, "squared: the link 'softmax' is for other predictions"),
    (of_two, {"link": ("log", "softmax")}, "of_two: the link 'log,softmax' is for other predictions"),
    (of_two, {"curvature": lambda m: 1.0}, r"one expression per prediction, here 2 \(m, s\), not 1"),
    (squared, {"curvature": lambda f: (1.0, 2.0)}, r"one expression per prediction, here 1 \(f\), not 2"),
    (squared, {"curvature": lambda z: z}, "squared: curvature asks for 'z', but may ask for y, f"),
    (squared, {"curvature": lambda f, y: -1.0}, "squared: curvature must be positive, not -1"),
    (squared, {"curvature": lambda f: f > 0}, "not a condition"),
    (squared, {"curvature": 2.0}, "curvature is a function"),
    (squared, {"class_factor": lambda z: z}, "squared: class_factor asks for 'z'"),
    (squared, {"class_factor": lambda y: y > 0}, "class_factor is one number per sample"),
    (of_a_row, {"class_factor": lambda w: w}, "class_factor is one number per sample"),
]


@pytest.mark.parametrize(("function", "settings", "says"), DECLARED, ids=range(len(DECLARED)))
def test_a_wrong_declaration_is_an_error_that_says_what_is_wrong(function, settings, says):
    decorate = lm.rowwise if function is of_a_row else lm.pointwise
    with pytest.raises((FormulaError, ValueError), match=says):
        assert decorate(**settings)(function)().formula.declared


def test_a_curvature_of_several_predictions_may_ask_for_all_derivatives():
    loss = lm.pointwise(curvature=lambda hessian, gradient: (hessian[0], abs(gradient[1]) + hessian[1]))(of_two)()
    y, f = np.array([1.0, 2.0]), np.array([[3.0, 0.0], [1.0, 4.0]])
    found = loss.curvature(y, f)
    np.testing.assert_allclose(found[:, 0], 2.0)
    np.testing.assert_allclose(found[:, 1], loss.hessian(y, f)[:, 1] + abs(loss.gradient(y, f, reduction="none")[:, 1]))


def test_what_can_be_made_can_be_read_back():
    named = [f"p{k}" for k in range(150)]
    words = ", ".join(f"{name}: Positive = 1.0" for name in named)
    namespace = {"Real": Real, "Positive": Positive}
    exec(f"def many(y: Real, f: Real, *, {words}): return ({'+'.join(named)}) * (f - y) ** 2", namespace)
    loss = lm.pointwise(namespace["many"])()
    assert lm.from_spec(loss.spec()) == loss and loss([0.0], [1.0]) == 150.0
    long = "c" * 201
    exec(f"def lengthy(y: Real, f: Real, *, {long}: Positive = 1.0): return {long} * (f - y) ** 2", namespace)
    with pytest.raises(FormulaError, match="at most 200 characters"):
        lm.pointwise(namespace["lengthy"])()


def test_a_row_formula_predicts_one_row():
    def two_rows(y: ClassId, f: Scores, g: Scores):
        return logsumexp(f) - pick(g, y)

    def two_inputs(y: ClassId, f: Scores, *, g: PerSample[Scores]):
        return logsumexp(f) - pick(g, y)

    with pytest.raises(FormulaError, match="predicts one row, not f, g"):
        lm.rowwise(two_rows)()
    with pytest.raises(FormulaError, match="g: a per-sample input is one number per sample"):
        lm.rowwise(two_inputs)()


def test_options_of_which_no_formula_takes_both():
    own = lm.pointwise(squared)
    for option in ("twice", "late"):
        own.variant(**{option: True})(squared)
    assert own(twice=True)([0.0], [3.0]) == 9.0
    with pytest.raises(ValueError, match="no formula for twice=True together with late=True"):
        own(twice=True, late=True)


def test_a_loss_takes_its_name_from_a_function():
    with pytest.raises(FormulaError, match="not partial: write a def"):
        lm.pointwise(functools.partial(squared))


def test_a_default_outside_its_domain_is_refused():
    def bad_default(y: Real, f: Real, *, delta: Positive = -1.0):
        """Negative."""
        return (f - y) ** 2 / delta

    with pytest.raises((TypeError, ValueError), match="delta"):
        lm.pointwise(bad_default)()


def test_the_function_is_traced_once():
    calls = []

    @lm.pointwise
    def counted(y: Real, f: Real, *, delta: Positive = 1.0):
        """Counts its own calls."""
        calls.append(1)
        return (f - y) ** 2 / delta

    for delta in (1.0, 2.0, 3.0):
        loss = counted(delta=delta)
        assert loss([0.0], [6.0]) == 36.0 / delta
        loss.gradient([0.0], [6.0])
        loss.hessian([0.0], [6.0])
    assert len(calls) == 1
