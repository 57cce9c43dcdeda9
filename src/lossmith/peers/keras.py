"""Keras 3: the losses of ``keras.losses``: classes, functions and the short names that ``compile`` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row, check_last, refuse

_CLIPPED = "Keras moves probabilities into [1e-7, 1 - 1e-7]: beyond that the loss is flat, and never infinite."
_NORMALISED = f"{_CLIPPED} It divides a row of probabilities by its sum, and gradients go through that division."
_ONE_HOT = "Keras takes one-hot rows; class ids serve as well here."
_CLASS_IDS = "Keras takes one-hot rows, this loss class ids: y_true.argmax(axis=-1)."
_WHOLE = "it compares whole arrays, not one sample at a time"


def _binary(from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1) -> Loss:
    check_last(axis)
    return get("binary_cross_entropy", from_logits=from_logits, label_smoothing=label_smoothing)


def _cross_entropy(from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1) -> Loss:
    check_last(axis)
    return get("cross_entropy", from_logits=from_logits, label_smoothing=label_smoothing)


def _sparse(from_logits: bool = False, ignore_class: int | None = None, axis: int = -1) -> Loss:
    check_last(axis)
    return get("cross_entropy", from_logits=from_logits, ignore_index=ignore_class)


def _focal(
    apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0, from_logits: bool = False,
    label_smoothing: float = 0.0, axis: int = -1,
) -> Loss:  # fmt: skip
    check_last(axis)
    _unsmoothed(label_smoothing)
    return get("focal", gamma=gamma, alpha=alpha if apply_class_balancing else None, from_logits=from_logits)


def _categorical_focal(
    alpha: Any = 0.25, gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> Loss:
    check_last(axis)
    _unsmoothed(label_smoothing)
    weights = None if isinstance(alpha, (int, float)) else alpha
    return get("focal_cross_entropy", gamma=gamma, from_logits=from_logits, class_weight=weights)


def _unsmoothed(label_smoothing: float) -> None:
    if label_smoothing != 0:
        refuse("lossmith's focal losses have no label smoothing")


def _each(names: str, loss: Callable[..., Loss], **more: Any) -> Row:
    """A loss of each output, which Keras averages over those of a sample before it reduces."""
    return Row(names, loss, reductions={"sum": None, "none": None, "None": None}, **more)


PEER = Peer(
    "keras", ".",
    notes="Keras is called as (y_true, y_pred), as lossmith is. It averages the last axis of a sample first (in "
    "float32, of float64 numbers too): of K outputs with a loss each its sum and none are K times smaller than here, "
    "where each is a number of its own. It divides a weighted sum by the number of samples, not by the sum of weights.",
    reductions={"sum_over_batch_size": "mean", "mean": "mean", "sum": "sum", "mean_with_sample_weight": "mean",
                "none": "none", "None": "none"},
    rows=(
        _each("losses.MeanSquaredError losses.mean_squared_error losses.mse losses.MSE",
              lambda: get("squared_error")),
        _each("losses.MeanAbsoluteError losses.mean_absolute_error losses.mae losses.MAE",
              lambda: get("absolute_error")),
        _each("losses.MeanAbsolutePercentageError losses.mean_absolute_percentage_error losses.mape losses.MAPE",
              lambda: get("absolute_percentage_error"), factor=100.0,
              differs="Keras divides by at least 1e-7."),
        _each("losses.MeanSquaredLogarithmicError losses.mean_squared_logarithmic_error losses.msle losses.MSLE",
              lambda: get("squared_log_error"),
              differs="Keras moves targets and predictions below 1e-7 up to it, so that negative ones have no "
              "gradient."),
        _each("losses.Huber losses.huber", lambda delta=1.0: get("huber", delta=delta)),
        _each("losses.LogCosh losses.log_cosh", lambda: get("log_cosh"),
              differs="Keras adds r + softplus(-2 r) - log 2, which loses the digits of small errors."),
        _each("losses.Hinge losses.hinge", lambda: get("hinge"), notes="Keras takes labels 0/1 as well as -1/1."),
        _each("losses.SquaredHinge losses.squared_hinge", lambda: get("squared_hinge"),
              notes="Keras takes labels 0/1 as well as -1/1."),
        Row("losses.CategoricalHinge losses.categorical_hinge", own.categorical_hinge, notes=_CLASS_IDS),
        _each("losses.BinaryCrossentropy losses.binary_crossentropy losses.bce losses.BCE", _binary,
              differs=_CLIPPED),
        _each("losses.BinaryFocalCrossentropy losses.binary_focal_crossentropy", _focal, differs=_CLIPPED),
        Row("losses.CategoricalCrossentropy losses.categorical_crossentropy", _cross_entropy, notes=_ONE_HOT,
            differs=_NORMALISED),
        Row("losses.SparseCategoricalCrossentropy losses.sparse_categorical_crossentropy", _sparse,
            differs=_NORMALISED),
        Row("losses.CategoricalFocalCrossentropy losses.categorical_focal_crossentropy", _categorical_focal,
            factor=lambda alpha: float(alpha) if isinstance(alpha, (int, float)) else 1.0, notes=_CLASS_IDS,
            differs=_NORMALISED),
        Row("losses.CategoricalGeneralizedCrossEntropy", lambda q=0.5: own.generalized_cross_entropy(q=q)),
        Row("losses.categorical_generalized_cross_entropy", lambda q: own.generalized_cross_entropy(q=q),
            notes="Unlike the class, the function has no default for q."),
        Row("losses.KLDivergence losses.kl_divergence losses.kld losses.KLD", lambda: get("kl_divergence"),
            differs="Keras moves probabilities and targets into [1e-7, 1]."),
        _each("losses.Poisson losses.poisson", lambda: get("poisson", log_input=False),
              notes="The prediction is the mean, not its logarithm.",
              differs="Keras adds 1e-7 to the mean inside the logarithm."),
        Missing("losses.CosineSimilarity losses.cosine_similarity", "it compares directions of vectors"),
        Missing("losses.CTC losses.ctc", "it sums over alignments of a sequence", "cross_entropy"),
        Missing("losses.Dice losses.dice", _WHOLE, "brier binary_cross_entropy"),
        Missing("losses.Tversky losses.tversky", _WHOLE, "brier binary_cross_entropy"),
        Missing("losses.Circle losses.circle", "it compares the samples of a batch with each other"),
    ),
)  # fmt: skip
