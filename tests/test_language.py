"""The formula language is rich enough: one awkward formula of each family, with its gradient and Hessian."""

import math

import numpy as np
import pytest
from mpmath import mp
from scipy import special, stats

import lossmith as lm
from judges import oracle
from lossmith.formula import (
    ClassId,
    Count,
    FormulaError,
    NonNegative,
    OpenUnitInterval,
    PerClass,
    PerSample,
    Positive,
    Real,
    Scores,
    class_index,
    cumsum,
    exp,
    functions,
    is_class,
    lgamma,
    log,
    log1p,
    log_normal_cdf,
    logsumexp,
    maximum,
    n_classes,
    normal_cdf,
    pi,
    pick,
    reverse_cumsum,
    sigmoid,
    softmax,
    softplus,
    sqrt,
    where,
)
from lossmith.formula import max as row_max
from lossmith.formula import sum as row_sum


@lm.rowwise(source="Epstein 1969")
def ranked_probability_score(y: ClassId, f: Scores):
    """Squared distance of the predicted and the true distribution function."""
    return row_sum((cumsum(softmax(f)) - where(class_index >= y, 1.0, 0.0)) ** 2)


@lm.rowwise(source="Cao et al. 2019")
def ldam(y: ClassId, f: Scores, *, margins: PerClass[NonNegative], scale: Positive = 30.0):
    """Cross-entropy after the true class gives up a margin that grows as its class gets rarer."""
    shifted = scale * (f - where(is_class(y), margins, 0.0))
    return softplus(logsumexp(shifted, where=~is_class(y)) - pick(shifted, y))


@lm.pointwise(source="Hilbe 2011", link="log", elicits="mean")
def negative_binomial(y: Count, f: Real, *, dispersion: Positive = 1.0):
    """Over-dispersed counts: variance mu + dispersion mu^2."""
    size = 1 / dispersion
    return (
        (y + size) * softplus(f + log(dispersion))
        - y * (f + log(dispersion))
        - lgamma(y + size)
        + lgamma(size)
        + lgamma(y + 1)
    )


@lm.pointwise(source="Beaton and Tukey 1974")
def tukey_biweight(y: Real, f: Real, *, c: Positive = 4.685):
    """Flat beyond c: such errors count no more."""
    u = (f - y) / c
    return c**2 / 6 * where(abs(u) <= 1, 1 - (1 - u**2) ** 3, 1.0)


@lm.rowwise(source="Shi et al. 2023, CORN")
def corn(y: ClassId, f: Scores):
    """K - 1 binary tasks, each conditional on the one before; the last score is unused."""
    used = (class_index <= y) & (class_index < n_classes - 1)
    return row_sum(where(class_index < y, softplus(-f), softplus(f)), where=used)


@lm.rowwise(source="McCullagh 1980")
def proportional_odds(y: ClassId, f: Scores):
    """Cumulative logit: the first score is the location, the others are log-steps between the K - 1 thresholds."""
    steps = where(class_index >= 2, exp(f), 0.0)
    threshold = row_sum(f, where=is_threshold_start()) * 0 + cumsum(
        steps
    )  # threshold c, for c = 1 ... K - 1, starts at 0
    location = row_sum(f, where=class_index < 1)
    below = sigmoid(row_sum(threshold, where=is_class(y + 1)) - location)
    above = sigmoid(row_sum(threshold, where=is_class(y)) - location)
    return -log(where(y < n_classes - 1, below, 1.0) - where(y > 0, above, 0.0))


def is_threshold_start():
    return class_index < 1


@lm.pointwise(source="Winkler 1972")
def interval_score(y: Real, lower: Real, upper: Real, *, alpha: OpenUnitInterval = 0.1):
    """Width of the interval plus what y lies outside it, over alpha / 2."""
    return (upper - lower) + 2 / alpha * maximum(0, lower - y) + 2 / alpha * maximum(0, y - upper)


@lm.pointwise(source="Barron 2019")
def barron(y: Real, f: Real, *, alpha: Real = 1.0, c: Positive = 1.0):
    """One family from Cauchy (alpha 0) to squared error (alpha 2)."""
    z = ((f - y) / c) ** 2
    b = abs(alpha - 2)
    general = b / alpha * ((z / b + 1) ** (alpha / 2) - 1)
    return where(alpha == 2, z / 2, where(alpha == 0, log1p(z / 2), general))


@lm.pointwise
def poisson_rate(y: Count, f: Real, *, exposure: PerSample[Positive]):
    """Counts over an exposure of their own."""
    return exposure * exp(f) - y * (f + log(exposure))


@lm.pointwise
def normal_crps(y: Real, mean: Real, log_scale: Real):
    """Continuous ranked probability score of a normal."""
    z = (y - mean) / exp(log_scale)
    return exp(log_scale) * (z * (2 * normal_cdf(z) - 1) + 2 * exp(-(z**2) / 2) / sqrt(2 * pi) - 1 / sqrt(pi))


@lm.pointwise
def probit(y: Count, f: Real):
    """Binary likelihood with the normal distribution function."""
    return -where(y == 1, log_normal_cdf(f), log_normal_cdf(-f))


@lm.rowwise
def discounted(y: ClassId, f: Scores):
    """Both running sums and the largest score, in one formula."""
    return row_sum(reverse_cumsum(sigmoid(f)) * cumsum(softmax(f)) / (1 + class_index)) + row_max(f) - pick(f, y)


RNG = np.random.default_rng(7)
ROWS = RNG.normal(size=(6, 4)) * 1.5
IDS = np.array([0, 1, 2, 3, 2, 0])
REAL = np.array([0.3, -2.0, 5.0, 0.0, 1.7, -0.2])
COUNTS = np.array([0.0, 1.0, 4.0, 2.0, 9.0, 0.0])
F = RNG.normal(size=6) * 1.3
PAIRS = np.stack([F - 0.7, F + 0.9], axis=1)

FORMULAS = [
    (ranked_probability_score(), IDS, ROWS, {}),
    (ldam(margins=(0.5, 0.2, 0.1, 0.4), scale=3.0), IDS, ROWS, {}),
    (negative_binomial(dispersion=0.7), COUNTS, F, {}),
    (tukey_biweight(), REAL, F, {}),
    (tukey_biweight(c=0.8), REAL, F, {}),
    (corn(), IDS, ROWS, {}),
    (proportional_odds(), IDS, ROWS, {}),
    (interval_score(), REAL, PAIRS, {}),
    *((barron(alpha=a, c=0.7), REAL, F, {}) for a in (-2.0, 0.0, 0.5, 1.0, 2.0)),
    (poisson_rate(), COUNTS, F, {"exposure": np.linspace(0.5, 3, 6)}),
    (normal_crps(), REAL, PAIRS, {}),
    (probit(), (COUNTS > 1).astype(float), F, {}),
    (discounted(), IDS, ROWS, {}),
]


def stepped(function, f, h):
    """Derivative of a per-sample function in each element of f on its own, by fourth-order differences."""
    result = np.empty(f.shape)
    for place in np.ndindex(f.shape[1:] or (1,)):
        step = np.zeros(f.shape)
        step[(slice(None), *place) if f.ndim > 1 else slice(None)] = h
        own = (slice(None), *place) if f.ndim > 1 else slice(None)
        at = [function(f + k * step) for k in (-2, -1, 1, 2)]
        at = [a[own] if a.shape == f.shape else a for a in at]
        result[own] = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h)
    return result


@pytest.mark.parametrize(
    ("loss", "y", "f", "extras"), FORMULAS, ids=lambda x: repr(x) if isinstance(x, lm.Loss) else ""
)
def test_gradient_and_hessian_follow(loss, y, f, extras):
    value = stepped(lambda g: loss(y, g, reduction="none", **extras), f, 1e-3)
    assert np.allclose(loss.gradient(y, f, reduction="none", **extras), value, rtol=1e-7, atol=1e-7)
    slope = stepped(lambda g: loss.gradient(y, g, reduction="none", **extras), f, 1e-3)
    assert np.allclose(loss.hessian(y, f, reduction="none", **extras), slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "y", "f", "extras"), FORMULAS, ids=lambda x: repr(x) if isinstance(x, lm.Loss) else ""
)
def test_spec_and_curvature(loss, y, f, extras):
    again = lm.from_spec(loss.spec())
    assert again == loss
    assert np.array_equal(again.gradient(y, f, **extras), loss.gradient(y, f, **extras))
    assert (loss.curvature(y, f, **extras) > 0).all()
    assert loss.latex and str(loss.formula)


def test_values_from_elsewhere():
    none = {"reduction": "none"}
    p = special.softmax(ROWS, axis=1)
    steps = (np.arange(4) >= IDS[:, None]).astype(float)
    assert np.allclose(ranked_probability_score()(IDS, ROWS, **none), ((np.cumsum(p, axis=1) - steps) ** 2).sum(axis=1))
    shifted = 3.0 * (ROWS - np.eye(4)[IDS] * np.array([0.5, 0.2, 0.1, 0.4]))
    expected = special.logsumexp(shifted, axis=1) - shifted[np.arange(6), IDS]
    assert np.allclose(ldam(margins=(0.5, 0.2, 0.1, 0.4), scale=3.0)(IDS, ROWS, **none), expected)
    size, mu = 1 / 0.7, np.exp(F)
    expected = -stats.nbinom.logpmf(COUNTS, size, size / (size + mu))
    assert np.allclose(negative_binomial(dispersion=0.7)(COUNTS, F, **none), expected)
    z = np.clip(np.abs(F - REAL) / 0.8, 0, 1)
    assert np.allclose(tukey_biweight(c=0.8)(REAL, F, **none), 0.8**2 / 6 * (1 - (1 - z**2) ** 3))
    tasks = [
        sum(np.log1p(np.exp(-s if k < y else s)) for k, s in enumerate(row[:3]) if k <= y)
        for y, row in zip(IDS, ROWS, strict=True)
    ]
    assert np.allclose(corn()(IDS, ROWS, **none), tasks)
    ordinal = []
    for y, row in zip(IDS, ROWS, strict=True):
        thresholds = np.concatenate([[-np.inf], np.concatenate([[0.0], np.cumsum(np.exp(row[2:]))]), [np.inf]])
        edges = special.expit(thresholds - row[0])
        ordinal.append(-np.log(edges[y + 1] - edges[y]))
    assert np.allclose(proportional_odds()(IDS, ROWS, **none), ordinal)
    low, high = PAIRS.T
    expected = high - low + 20 * np.maximum(0, low - REAL) + 20 * np.maximum(0, REAL - high)
    assert np.allclose(interval_score()(REAL, PAIRS, **none), expected)
    assert np.allclose(poisson_rate()(COUNTS, F, exposure=np.full(6, 2.0), **none), 2 * mu - COUNTS * np.log(2 * mu))
    assert np.allclose(
        probit()((COUNTS > 1).astype(float), F, **none),
        -np.where(COUNTS > 1, stats.norm.logcdf(F), stats.norm.logsf(F)),
    )


def test_barron_meets_its_relatives():
    r, c = F - REAL, 0.7
    none = {"reduction": "none"}
    assert np.allclose(barron(alpha=2.0, c=c)(REAL, F, **none), (r / c) ** 2 / 2)
    assert np.allclose(barron(alpha=1.0, c=c)(REAL, F, **none), np.sqrt((r / c) ** 2 + 1) - 1)
    assert np.allclose(barron(alpha=0.0, c=c)(REAL, F, **none), np.log1p((r / c) ** 2 / 2))
    for alpha in (0.0, 2.0):  # continuous at its limits
        assert np.allclose(
            barron(alpha=alpha + 1e-7, c=c)(REAL, F, **none), barron(alpha=alpha, c=c)(REAL, F, **none), rtol=1e-5
        )


def test_further_inputs_are_checked():
    with pytest.raises(TypeError, match="exposure"):
        poisson_rate()(COUNTS, F)
    with pytest.raises(ValueError, match=r"exposure\[2\] = 0 "):
        poisson_rate()(COUNTS, F, exposure=np.array([1, 1, 0.0, 1, 1, 1]))
    with pytest.raises(ValueError, match="shape"):
        poisson_rate()(COUNTS, F, exposure=np.ones(5))


def bad(body, **annotations):
    def formula(y, f):
        return body(y, f)

    formula.__annotations__ = {"y": Real, "f": Real} | annotations
    return formula


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (max, "where"),
        (lambda y, f: max(f, y), "maximum"),
        (lambda y, f: min(f, y), "minimum"),
        (lambda y, f: math.exp(f), "lossmith.formula"),
        (lambda y, f: np.exp(f), "lossmith.formula"),
        (lambda y, f: sum([f, y]) + sum(f), "sum"),
        (lambda y, f: f[0], "pick"),
        (lambda y, f: "text", "numbers"),
        (lambda y, f: f > y, "condition"),
        (lambda y, f: logsumexp(f), "row"),
        (lambda y, f: f + class_index, "row"),
        (lambda y, f: where(True, f, y), "condition"),
    ],
)
def test_what_the_language_cannot_do_is_said(body, says):
    with pytest.raises(FormulaError, match=says):
        lm.pointwise(bad(body))()


# every word of one sample, at numbers where each of its arguments may be differentiated
WORDS = {
    "absolute_power": (0.7, 1.5), "arctan": (0.7,), "cos": (0.7,), "digamma": (0.7,), "erf": (0.7,), "exp": (0.7,),
    "expm1": (0.7,), "js_term": (0.5, 0.7), "kl_term": (0.5, 0.7), "lgamma": (0.7,), "log": (0.7,), "log1p": (0.7,),
    "log_cosh": (0.7,), "log_factorial": (0.7,), "log_normal_cdf": (0.7,), "log_ratio": (0.5, 0.7),
    "maximum": (0.5, 0.7), "minimum": (0.5, 0.7), "normal_cdf": (0.7,), "power_loss": (0.5, 0.7, 1.5),
    "pseudo_huber": (0.5, 0.7), "scaled_exp": (0.5, 0.7), "sigmoid": (0.7,), "sign": (0.7,), "sin": (0.7,),
    "softplus": (0.7,), "sqrt": (0.7,), "sqrt1pm1": (0.7,), "stirling": (0.7,), "tanh": (0.7,),
    "x_minus_log1p": (0.7,), "xlogx": (0.7,), "xlogy": (0.5, 0.7), "zero_times": (0.5, 0.7),
}  # fmt: skip
REFUSED = {("stirling", 0), ("power_loss", 2), ("pseudo_huber", 1)}
OF_ROWS = {
    "class_index", "cumsum", "is_class", "log_softmax", "logsumexp", "max", "n_classes", "others", "pick",
    "reverse_cumsum", "softmax", "sum",
}  # fmt: skip


def test_every_word_is_differentiated():
    assert set(functions.__all__) == set(WORDS) | OF_ROWS | {"pi", "where"}


@pytest.mark.parametrize("factors", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 1.0, 1.0)], ids=str)
@pytest.mark.parametrize("word", WORDS)
def test_the_derivative_of_a_word_in_every_argument(word, factors):
    """Right by differences of the 50-digit judge, or refused by the word's name: never silently zero."""
    at = WORDS[word]
    places = [place for place, factor in zip(range(len(at)), factors, strict=False) if factor]

    def body(y, f):
        shares = (x + factor * (f - 0.7) for x, factor in zip(at, factors, strict=False))
        return getattr(functions, word)(*shares)

    loss = lm.pointwise(bad(body))()
    if any((word, place) in REFUSED for place in places):
        for method in (loss.gradient, loss.hessian):
            with pytest.raises(FormulaError, match=rf"argument \d of {word} .*prediction"):
                method([0.0], [0.7])
        return
    for f in (0.7, 0.71):
        def value(x):
            return oracle.evaluate((loss.formula.value,), {"y": oracle.exact(0.0), "f": x}, digits=200)[0]

        with mp.workdps(30):
            expected = [float(mp.diff(value, oracle.exact(f), order)) for order in (1, 2)]
        got = [loss.gradient([0.0], [f])[0], loss.hessian([0.0], [f])[0]]
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("annotation", [float, "unknown_domain", 3, list])
def test_unknown_annotations_are_named(annotation):
    with pytest.raises(FormulaError, match=r"'f'|unknown_domain"):
        lm.pointwise(bad(lambda y, f: f - y, f=annotation))()


def test_parameters_outside_their_domain_are_named():
    with pytest.raises(ValueError, match=r"tukey_biweight: c must be a positive number .*, not 0"):
        tukey_biweight(c=0)
    with pytest.raises(ValueError, match=r"margins\[1\]"):
        ldam(margins=(1, -1))


def test_constants_fold_and_nothing_else_is_rewritten():
    from lossmith.formula.expr import leaf

    x, y = leaf("input", "x"), leaf("input", "y")
    assert str(3 * (x - y)) == "3 * (x - y)"
    assert str((1 + x) - 1) == "1 + x - 1"
    minus = -x
    assert (x * 1) is x and (x + 0) is x and -minus is x and str(x * 0) == "0"
    assert (x - y) is (x - y)


def test_a_factor_that_is_0_where_it_is_left_out_is_not_looked_at():
    from lossmith.formula.derive import gradient
    from lossmith.formula.expr import const, leaf

    x, y, zero = leaf("input", "x"), leaf("input", "y"), const(0.0)
    product = where(y == 0, 0, y * x)
    assert gradient(product, x) is y
    assert gradient(where(y == 1, 0, y * x), x) is where(y == 1, zero, y)
    assert gradient(where(y == 0, y * x, 0), x) is where(y == 0, y, zero)
