"""Losses of a class among K; the prediction is a row of K scores, or of probabilities where it says so."""

from __future__ import annotations

from typing import Literal

from lossmith.formula import (
    AtLeastOne,
    ClassId,
    Distribution,
    Expr,
    IgnoredLabel,
    NonNegative,
    OffAtZero,
    PerClass,
    Positive,
    Probabilities,
    Scores,
    UnitInterval,
    is_class,
    log,
    log_softmax,
    logsumexp,
    max,
    maximum,
    n_classes,
    pick,
    rowwise,
    softplus,
    sum,
    where,
    zero_times,
)
from lossmith.losses.binary import focal_of_probability, focal_surprise

Weighting = Literal["term", "target"]


def _odds_against(y: ClassId, f: Scores) -> Expr:
    """log of the odds against class y under the softmax of the scores.

    Not logsumexp(f) - pick(f, y): that form, and its gradient p_y - 1, lose every digit when the model is right.
    """
    return logsumexp(f, where=~is_class(y)) - pick(f, y)


def _weight_of_class(y: ClassId, class_weight: PerClass[NonNegative] | None) -> Expr | float:
    return 1.0 if class_weight is None else pick(class_weight, y)


def _weight_of_row(y: Distribution, class_weight: PerClass[NonNegative] | None) -> Expr | float:
    return 1.0 if class_weight is None else sum(y * class_weight)


def _weighted_surprise(
    row: Expr,
    surprise: Expr,
    factor: Expr | float,
    label_smoothing: UnitInterval | None,
    class_weight: PerClass[NonNegative] | None,
    weighting: Weighting,
) -> Expr:
    """sum_c w_c t_c surprise_c, or w_y sum_c t_c surprise_c, with t the smoothed target row."""
    t = row if label_smoothing is None else row * (1 - label_smoothing) + label_smoothing / n_classes
    if class_weight is None:
        return sum(zero_times(t, surprise))
    if weighting == "term":
        return sum(zero_times(class_weight * t, surprise))
    return zero_times(factor, sum(zero_times(t, surprise)))


@rowwise(
    source="Bridle 1990, doi:10.1007/978-3-642-76153-9_28; label smoothing: Szegedy et al. 2016, arXiv:1512.00567",
    aliases=("ce", "softmax_cross_entropy", "categorical_cross_entropy"),
    link="softmax",
    elicits="mean",
    curvature=lambda hessian: n_classes / maximum(n_classes - 1, 1) * hessian,  # Friedman 2001: one score is redundant
    class_factor=_weight_of_class,
)
def cross_entropy(
    y: ClassId,
    f: Scores,
    *,
    label_smoothing: OffAtZero[UnitInterval] = 0.0,
    class_weight: PerClass[NonNegative] | None = None,
    weighting: Weighting = "term",
    ignore_index: IgnoredLabel = None,
) -> Expr:
    """Surprise of the softmax at the true class: predicts calibrated class probabilities."""
    factor = _weight_of_class(y, class_weight)
    if label_smoothing is None:
        return zero_times(factor, softplus(_odds_against(y, f)))
    row = where(is_class(y), 1.0, 0.0)
    return _weighted_surprise(row, -log_softmax(f), factor, label_smoothing, class_weight, weighting)


@cross_entropy.variant(
    curvature=lambda hessian: n_classes / maximum(n_classes - 1, 1) * hessian,
    class_factor=_weight_of_row,
)
def _(
    y: Distribution,
    f: Scores,
    *,
    label_smoothing: OffAtZero[UnitInterval] = 0.0,
    class_weight: PerClass[NonNegative] | None = None,
    weighting: Weighting = "term",
) -> Expr:
    return _weighted_surprise(
        y, -log_softmax(f), _weight_of_row(y, class_weight), label_smoothing, class_weight, weighting
    )


@cross_entropy.variant(from_logits=False, link="identity")
def _(
    y: ClassId,
    f: Probabilities,
    *,
    label_smoothing: OffAtZero[UnitInterval] = 0.0,
    class_weight: PerClass[NonNegative] | None = None,
    weighting: Weighting = "term",
    ignore_index: IgnoredLabel = None,
) -> Expr:
    factor = _weight_of_class(y, class_weight)
    if label_smoothing is None:
        return zero_times(factor, -log(pick(f, y)))
    row = where(is_class(y), 1.0, 0.0)
    return _weighted_surprise(row, -log(f), factor, label_smoothing, class_weight, weighting)


@cross_entropy.variant(from_logits=False, link="identity", class_factor=_weight_of_row)
def _(
    y: Distribution,
    f: Probabilities,
    *,
    label_smoothing: OffAtZero[UnitInterval] = 0.0,
    class_weight: PerClass[NonNegative] | None = None,
    weighting: Weighting = "term",
) -> Expr:
    return _weighted_surprise(y, -log(f), _weight_of_row(y, class_weight), label_smoothing, class_weight, weighting)


@rowwise(source="Lin et al. 2017, arXiv:1708.02002", link="softmax", class_factor=_weight_of_class)
def focal_cross_entropy(
    y: ClassId, f: Scores, *, gamma: NonNegative = 2.0, class_weight: PerClass[NonNegative] | None = None
) -> Expr:
    """Softmax cross-entropy that fades for easy samples. Not strictly proper: not minimised at the probabilities."""
    return zero_times(_weight_of_class(y, class_weight), focal_surprise(-_odds_against(y, f), gamma))


@focal_cross_entropy.variant(from_logits=False, link="identity")
def _(
    y: ClassId, f: Probabilities, *, gamma: NonNegative = 2.0, class_weight: PerClass[NonNegative] | None = None
) -> Expr:
    p = pick(f, y)
    return zero_times(_weight_of_class(y, class_weight), focal_of_probability(1 - p, -log(p), gamma))


def _lead_of_others(y: ClassId, f: Scores) -> Expr:
    return 1 + (max(f, where=~is_class(y)) - pick(f, y))


@rowwise(
    source="Crammer and Singer 2001, jmlr.org/papers/v2/crammer01a",
    curvature=lambda y, f, width: 1 / maximum(abs(_lead_of_others(y, f)), width),
)
def multiclass_hinge(y: ClassId, f: Scores) -> Expr:
    """Zero when the true class leads every other score by 1, linear in what is missing."""
    return maximum(0, _lead_of_others(y, f))


def _shortfalls(y: ClassId, f: Scores, margin: Positive) -> Expr:
    return margin - pick(f, y) + f


def _multi_margin_weight(y: ClassId, f: Scores, margin: Positive, width: Positive, hessian: Expr) -> Expr:
    """Majoriser weights of the K - 1 hinges: each pulls one other score, all pull the true one."""
    each = where(is_class(y), 0.0, 1 / (2 * n_classes * maximum(abs(_shortfalls(y, f, margin)), width)))
    return maximum(hessian, where(is_class(y), sum(each), each))


@rowwise(source="Weston and Watkins 1999, ESANN", curvature=_multi_margin_weight)
def multi_margin(y: ClassId, f: Scores, *, margin: Positive = 1.0, p: AtLeastOne = 1) -> Expr:
    """Every other score that comes closer than the margin adds to the loss."""
    return sum(maximum(0, _shortfalls(y, f, margin)) ** p, where=~is_class(y)) / n_classes
