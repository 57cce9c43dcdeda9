"""Losses of a two-valued target; the prediction is a score (log-odds or margin), or a probability where it says so."""

from __future__ import annotations

from lossmith.formula import (
    Expr,
    Label,
    NonNegative,
    OffAtZero,
    Probability,
    Real,
    UnitInterval,
    exp,
    log,
    log1p,
    maximum,
    pointwise,
    sigmoid,
    softplus,
    where,
    zero_times,
)

_INFINITE = float("inf")
_NEARLY_RIGHT = 1e-19  # up to here a surprise is wrong + wrong**2 / 2; beyond wrong**-2 is finite in every float
_NO_TAIL = -800.0  # below this softplus is 0 in every float


def margin(y: Label, f: Real) -> Expr:
    """The score in the direction of the label: f for 1, -f for 0."""
    return where(y == 1, f, -f)


def _smoothed(y: UnitInterval, label_smoothing: UnitInterval | None) -> tuple[Expr, Expr]:
    """(y, 1 - y) after smoothing, each without cancellation."""
    if label_smoothing is None:
        return y, 1 - y
    return tuple(side * (1 - label_smoothing) + label_smoothing / 2 for side in (y, 1 - y))


def _positive_factor(y: UnitInterval, pos_weight: NonNegative) -> Expr:
    return pos_weight * y + (1 - y)


@pointwise(
    source="Good 1952, doi:10.1111/j.2517-6161.1952.tb00104.x; Cox 1958",
    aliases=("bce", "log_loss", "logistic", "logloss"),
    link="logit",
    elicits="mean",
    curvature=lambda hessian: hessian,  # p (1 - p), the Fisher information
    class_factor=_positive_factor,
)
def binary_cross_entropy(
    y: UnitInterval, f: Real, *, label_smoothing: OffAtZero[UnitInterval] = 0.0, pos_weight: NonNegative = 1.0
) -> Expr:
    """Surprise at the label under the predicted probability: predicts calibrated probabilities."""
    yes, no = _smoothed(y, label_smoothing)
    return zero_times(pos_weight * yes, softplus(-f)) + zero_times(no, softplus(f))


@binary_cross_entropy.variant(from_logits=False, link="identity")
def _(
    y: UnitInterval, f: Probability, *, label_smoothing: OffAtZero[UnitInterval] = 0.0, pos_weight: NonNegative = 1.0
) -> Expr:
    yes, no = _smoothed(y, label_smoothing)
    return zero_times(pos_weight * yes, -log(f)) + zero_times(no, -log1p(-f))


@pointwise(
    source="Cortes and Vapnik 1995, doi:10.1007/BF00994018",
    curvature=lambda y, f, width: 1 / (2 * maximum(abs(1 - margin(y, f)), width)),
)
def hinge(y: Label, f: Real) -> Expr:
    """Zero beyond a margin of 1 on the right side, linear before it: the support vector machine's loss."""
    return maximum(0, 1 - margin(y, f))


@pointwise(source="Lee and Mangasarian 2001, doi:10.1023/A:1011215321374", curvature=lambda: 2.0)
def squared_hinge(y: Label, f: Real) -> Expr:
    """The hinge squared: smooth where it reaches zero."""
    return maximum(0, 1 - margin(y, f)) ** 2


@pointwise(
    source="Zhang 2004, doi:10.1145/1015330.1015332",
    curvature=lambda y, f: where(margin(y, f) >= -1, 2.0, 4 / (1 - margin(y, f))),
)
def modified_huber(y: Label, f: Real) -> Expr:
    """The squared hinge, linear beyond a margin of -1, so that wrong labels do not dominate."""
    a = margin(y, f)
    return where(a >= -1, maximum(0, 1 - a) ** 2, -4 * a)


@pointwise(source="Freund and Schapire 1997, doi:10.1006/jcss.1997.1504")
def exponential(y: Label, f: Real) -> Expr:
    """The loss of AdaBoost: its best score is half the log-odds, and outliers weigh exponentially."""
    return exp(-margin(y, f))


def focal_surprise(a: Expr, gamma: NonNegative) -> Expr:
    """sigmoid(-a)**gamma * softplus(-a); the power is taken in the exponent, where it has no singular slope."""
    surprise = softplus(-a)
    return where(a < _NO_TAIL, surprise, exp(-zero_times(gamma, softplus(a))) * surprise)


def focal_of_probability(wrong: Expr, surprise: Expr, gamma: NonNegative) -> Expr:
    """wrong**gamma * surprise, surprise = -log(1 - wrong), with the slopes that a gamma below 1 hides at both ends.

    Where almost nothing is wrong, the surprise is as good as wrong + wrong**2 / 2, and powers of what is wrong that
    are infinite meet no small surprise; where all is wrong, the surprise alone decides.
    """
    near_right = wrong ** (gamma + 1) * (1 + wrong / 2)
    return where(wrong < _NEARLY_RIGHT, near_right, where(surprise == _INFINITE, surprise, wrong**gamma * surprise))


def _alpha(y: Label, alpha: UnitInterval | None) -> Expr | float:
    return 1.0 if alpha is None else where(y == 1, alpha, 1 - alpha)


@pointwise(source="Lin et al. 2017, arXiv:1708.02002", aliases=("focal_loss",), link="logit")
def focal(y: Label, f: Real, *, gamma: NonNegative = 2.0, alpha: UnitInterval | None = None) -> Expr:
    """Cross-entropy that fades for easy samples. Not strictly proper: not minimised at the probability."""
    return zero_times(_alpha(y, alpha), focal_surprise(margin(y, f), gamma))


@focal.variant(from_logits=False, link="identity")
def _(y: Label, f: Probability, *, gamma: NonNegative = 2.0, alpha: UnitInterval | None = None) -> Expr:
    surprise = -where(y == 1, log(f), log1p(-f))
    return zero_times(_alpha(y, alpha), focal_of_probability(where(y == 1, 1 - f, f), surprise, gamma))


@pointwise(source="Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2", link="logit", elicits="mean")
def brier(y: UnitInterval, f: Real) -> Expr:
    """Squared error of the predicted probability: bounded, and calibrated."""
    error = where(f > 0, (1 - y) - sigmoid(-f), sigmoid(f) - y)  # the small probability keeps its digits
    return error**2


@brier.variant(from_logits=False, link="identity")
def _(y: UnitInterval, f: Probability) -> Expr:
    return (f - y) ** 2
