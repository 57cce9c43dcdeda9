"""Losses that a peer has and the catalogue has not, as formulas of their own."""

from __future__ import annotations

from typing import Any

from lossmith.formula import (
    ClassId,
    Expr,
    IgnoredLabel,
    Label,
    NonNegative,
    NonZero,
    OpenUnitInterval,
    PerClass,
    Positive,
    Probabilities,
    Real,
    Scores,
    UnitInterval,
    absolute_power,
    arctan,
    exp,
    expm1,
    is_class,
    log,
    log1p,
    logsumexp,
    max,
    maximum,
    pi,
    pick,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    where,
    x_minus_log1p,
    zero_times,
)
from lossmith.loss import Loss
from lossmith.losses.binary import margin
from lossmith.registry import get, pointwise, rowwise


def _size(r: Expr) -> Expr:
    """abs(r), without a kink where the loss has none."""
    return where(r >= 0, r, -r)


# errors of a real prediction ------------------------------------------------------------------------------------------


@pointwise(
    source="Black and Anandan 1996, doi:10.1006/cviu.1996.0006", curvature=lambda y, f, c: 1 / (1 + ((f - y) / c) ** 2)
)
def cauchy(y: Real, f: Real, *, c: Positive = 1.0) -> Expr:
    """Grows like the logarithm of the error."""
    return c**2 / 2 * log1p(((f - y) / c) ** 2)


@pointwise(source="SciPy, scipy.optimize.least_squares", curvature=lambda y, f, c: 1 / (1 + ((f - y) / c) ** 4))
def arctan_loss(y: Real, f: Real, *, c: Positive = 1.0) -> Expr:
    """Bounded: no error costs more than pi c^2 / 4."""
    return c**2 / 2 * arctan(((f - y) / c) ** 2)


@pointwise(source="Fair 1974, nber.org/chapters/c10020", curvature=lambda y, f, c: 1 / (1 + abs(f - y) / c))
def fair(y: Real, f: Real, *, c: Positive = 1.0) -> Expr:
    """Between squared and absolute error, convex and smooth."""
    return c**2 * x_minus_log1p(_size(f - y) / c)


@pointwise(
    source="Beaton and Tukey 1974, doi:10.2307/1267936",
    curvature=lambda y, f, c: maximum(1e-6, 1 - ((f - y) / c) ** 2) ** 2,
)
def tukey_biweight(y: Real, f: Real, *, c: Positive = 4.685) -> Expr:
    """Errors beyond c count no more than c."""
    u = ((f - y) / c) ** 2
    return c**2 / 6 * where(u <= 1, u * (3 - 3 * u + u**2), 1)


@pointwise(source="statsmodels, TukeyQuartic")
def tukey_quartic(y: Real, f: Real, *, c: Positive = 3.61752, k: Positive = 4.0) -> Expr:
    """The biweight with another power of the error."""
    r = f - y
    x = absolute_power(r / c, k)
    inside = r**2 / 2 * (1 - 4 / (k + 2) * x + x**2 / (k + 1))
    return where(abs(r) <= c, inside, c**2 / 2 * (1 - 4 / (k + 2) + 1 / (k + 1)))


@pointwise(source="Andrews 1974, doi:10.1080/00401706.1974.10489233")
def andrews(y: Real, f: Real, *, a: Positive = 1.339) -> Expr:
    """A cosine up to its first crest, and flat beyond."""
    r = f - y
    return 2 * a**2 * where(abs(r) <= a * pi, sin(r / (2 * a)) ** 2, 1)


@pointwise(source="Hampel 1974, doi:10.2307/2285666")
def hampel(y: Real, f: Real, *, a: Positive = 2.0, b: Positive = 4.0, c: Positive = 8.0) -> Expr:
    """Huber up to b; from there the pull falls to zero at c."""
    r = f - y
    size = _size(r)
    falling = a * (b + c - a) / 2 - a * (c - size) ** 2 / (c - b) / 2
    return where(
        size <= a, r**2 / 2, where(size <= b, a * size - a**2 / 2, where(size <= c, falling, a * (b + c - a) / 2))
    )


@pointwise(source="Ramsay 1977, doi:10.2307/2286228", curvature=lambda y, f, a: exp(-a * abs(f - y)))
def ramsay(y: Real, f: Real, *, a: Positive = 0.3) -> Expr:
    """The weight of an error falls exponentially with its size."""
    u = a * _size(f - y)
    near = exp(-u) * x_minus_log1p(expm1(u))  # what follows cancels for small errors
    return where(u < 1, near, 1 - exp(-u) * (1 + u)) / a**2


@pointwise(source="Hinich and Talwar 1975, doi:10.2307/2285384")
def trimmed(y: Real, f: Real, *, c: Positive = 2.0) -> Expr:
    """Squared error up to c, flat beyond."""
    r = f - y
    return where(abs(r) <= c, r**2, c**2) / 2


@pointwise(
    source="Lange et al. 1989, doi:10.2307/2290063", curvature=lambda y, f, c, df: 1 / (1 + ((f - y) / c) ** 2 / df)
)
def student_t(y: Real, f: Real, *, c: Positive = 2.3849, df: Positive = 4.0) -> Expr:
    """Log-likelihood of Student's t, scaled to curvature 1 at zero."""
    return c**2 * df / 2 * log1p(((f - y) / c) ** 2 / df)


@pointwise(source="Breckling and Chambers 1988, doi:10.1093/biomet/75.4.761")
def m_quantile(y: Real, f: Real, *, q: OpenUnitInterval = 0.5, t: Positive = 1.345) -> Expr:
    """Huber, weighted q below and 1 - q above."""
    r = f - y
    return where(y >= f, q, 1 - q) * where(abs(r) <= t, r**2 / 2, t * abs(r) - t**2 / 2)


@pointwise(source="Lee, Hsieh and Huang 2005, doi:10.1109/TKDE.2005.77", curvature=lambda: 2.0)
def squared_epsilon_insensitive(y: Real, f: Real, *, epsilon: NonNegative = 0.1) -> Expr:
    """The square of the error beyond a tube of half-width epsilon."""
    return maximum(0, abs(f - y) - epsilon) ** 2


@pointwise(source="LightGBM, mape", curvature=lambda y, f, width: 1 / (maximum(1, abs(y)) * maximum(abs(f - y), width)))
def clipped_percentage_error(y: Real, f: Real) -> Expr:
    """Absolute error relative to y, or to 1 where y is smaller."""
    return abs(f - y) / maximum(1, abs(y))


@pointwise(source="CatBoost, RMSPE")
def squared_percentage_error(y: NonZero, f: Real) -> Expr:
    """Squared error relative to y."""
    return ((f - y) / y) ** 2


@pointwise(source="LightGBM, reg_sqrt")
def squared_error_of_roots(y: Real, f: Real) -> Expr:
    """Squared error of a prediction of the signed square root of y."""
    return (f - sign(y) * sqrt(abs(y))) ** 2


# positive targets -----------------------------------------------------------------------------------------------------


def tweedie(power: float) -> Loss:
    """The catalogue's own; its limit at a power of 1, up to what depends on the target alone, is Poisson's."""
    return get("poisson") if power == 1 else get("tweedie", power=power)


# two classes ----------------------------------------------------------------------------------------------------------


@pointwise(source="Rosenblatt 1958, doi:10.1037/h0042519", curvature=lambda f, width: 1 / (2 * maximum(abs(f), width)))
def perceptron(y: Label, f: Real) -> Expr:
    """Linear on the wrong side of zero: a hinge without margin."""
    return maximum(0, -margin(y, f))


@pointwise(source="PyTorch, HingeEmbeddingLoss")
def hinge_embedding(y: Label, f: Real, *, margin: Real = 1.0) -> Expr:
    """For pairs at distance f: alike ones (1) should be near, others further apart than the margin."""
    return where(y == 1, f, maximum(0, margin - f))


@pointwise(source="LightGBM, binary", link="identity")
def scaled_logistic(y: UnitInterval, f: Real, *, sigmoid: Positive = 1.0, pos_weight: NonNegative = 1.0) -> Expr:
    """Binary cross-entropy of a score in other units."""
    z = sigmoid * f
    return zero_times(pos_weight * y, softplus(-z)) + zero_times(1 - y, softplus(z))


@pointwise(source="Martins and Astudillo 2016, arXiv:1602.02068")
def binary_sparsemax(y: Label, f: Real) -> Expr:
    """Sparsemax of two classes: zero beyond a margin of 1, quadratic before, then linear."""
    a = -margin(y, f)
    return where(a <= -1, 0, where(a >= 1, a, (a + 1) ** 2 / 4))


# one of K classes -----------------------------------------------------------------------------------------------------


def _weight(y: Any, class_weight: Any) -> Any:
    return 1.0 if class_weight is None else pick(class_weight, y)


@rowwise(source="PyTorch, NLLLoss", class_factor=_weight)
def negative_log_likelihood(
    y: ClassId, f: Scores, *, class_weight: PerClass[NonNegative] | None = None, ignore_index: IgnoredLabel = None
) -> Expr:
    """Minus the log-probability of the true class; the rows are taken as they are, not made to add up to one."""
    return zero_times(_weight(y, class_weight), -pick(f, y))


@rowwise(source="Keras, CategoricalHinge")
def categorical_hinge(y: ClassId, f: Scores) -> Expr:
    """The true class should lead every other score, and zero, by 1."""
    return maximum(0, 1 + maximum(0, max(f, where=~is_class(y))) - pick(f, y))


@rowwise(source="Collins 2002, doi:10.3115/1118693.1118694")
def multiclass_perceptron(y: ClassId, f: Scores) -> Expr:
    """How far the true class is behind the best."""
    return max(f) - pick(f, y)


@rowwise(source="Leng et al. 2022, arXiv:2204.12511", link="softmax")
def poly(y: ClassId, f: Scores, *, epsilon: Real = 2.0) -> Expr:
    """Cross-entropy plus epsilon times the probability of being wrong."""
    a = logsumexp(f, where=~is_class(y)) - pick(f, y)
    return softplus(a) + epsilon * sigmoid(a)


@rowwise(source="Zhang and Sabuncu 2018, arXiv:1805.07836")
def generalized_cross_entropy(y: ClassId, f: Probabilities, *, q: Positive = 0.5) -> Expr:
    """Between cross-entropy (q to 0) and the probability of being wrong (q = 1): wrong labels count less."""
    return -expm1(q * log(pick(f, y))) / q
