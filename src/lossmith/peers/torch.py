"""PyTorch: the losses of ``torch.nn`` and ``torch.nn.functional``."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row, Shift, refuse

_SIGNS = (-1, 1)
_PAIRS = "it compares two predictions with each other"
_SAMPLES = "weight= rescales the samples of one batch: hand it to the loss as weight= (its mean divides by their sum)"


def _unweighted(loss: Loss, weight: Any, why: str = _SAMPLES) -> Loss:
    return loss if weight is None else refuse(why)


def _positive_weight(value: Any) -> float:
    numbers = np.unique(np.asarray(1.0 if value is None else value, dtype=np.float64))
    return (
        float(numbers[0]) if len(numbers) == 1 else refuse("pos_weight differs between outputs: use one loss for each")
    )


def _stirling(full: bool) -> float | Shift:
    if not full:
        return 0.0
    text = "(y log(y) - y + log(2 pi y)/2 if y > 1 else 0)"
    return Shift(text, lambda y: np.where(y > 1, _leading(np.maximum(np.asarray(y, dtype=np.float64), 1.0)), 0.0))


def _leading(y: Any) -> Any:
    return y * np.log(y) - y + np.log(2 * np.pi * y) / 2


PEER = Peer(
    "torch pytorch", ".",
    notes="torch is called as (input, target): the prediction comes first.",
    reductions={"mean": "mean", "sum": "sum", "none": "none"},
    rows=(
        Row("nn.MSELoss nn.functional.mse_loss", lambda: get("squared_error")),
        Row("nn.L1Loss nn.functional.l1_loss", lambda: get("absolute_error")),
        Row("nn.HuberLoss nn.functional.huber_loss", lambda delta=1.0: get("huber", delta=delta)),
        Row("nn.SmoothL1Loss nn.functional.smooth_l1_loss", lambda beta=1.0: get("smooth_l1", beta=beta)),
        Row(
            "nn.CrossEntropyLoss nn.functional.cross_entropy",
            lambda weight=None, ignore_index=-100, label_smoothing=0.0: get(
                "cross_entropy", class_weight=weight, ignore_index=ignore_index, label_smoothing=label_smoothing
            ),
            reductions={"mean": "weighted_mean"},
            notes="Classes are on torch's second axis, here on the last. For rows as targets torch's mean divides by "
            'the number of samples, which is "mean" here.',
        ),
        Row(
            "nn.NLLLoss nn.NLLLoss2d nn.functional.nll_loss",
            lambda weight=None, ignore_index=-100: own.negative_log_likelihood(
                class_weight=weight, ignore_index=ignore_index
            ),
            reductions={"mean": "weighted_mean"},
            notes="The input holds log-probabilities. After log_softmax the two together are cross_entropy.",
        ),
        Row(
            "nn.BCEWithLogitsLoss nn.functional.binary_cross_entropy_with_logits",
            lambda weight=None, pos_weight=None: _unweighted(
                get("binary_cross_entropy", pos_weight=_positive_weight(pos_weight)), weight
            ),
        ),
        Row(
            "nn.BCELoss nn.functional.binary_cross_entropy",
            lambda weight=None: _unweighted(get("binary_cross_entropy", from_logits=False), weight),
            notes="The input holds probabilities.",
            differs="torch stops the logarithm at -100, so that a wrong probability of exactly 0 or 1 costs 100 "
            "instead of infinity, and its gradient divides by at least 1e-12.",
        ),
        Row(
            "nn.SoftMarginLoss nn.functional.soft_margin_loss",
            lambda: get("binary_cross_entropy", labels=_SIGNS),
            differs="torch writes log(1 + exp(-y f)), which is infinite for scores beyond 709 on the wrong side and 0 "
            "beyond 37 on the right one (88 and 17 in float32).",
        ),
        Row(
            "nn.MultiLabelSoftMarginLoss nn.functional.multilabel_soft_margin_loss",
            lambda weight=None: _unweighted(get("binary_cross_entropy"), weight, "class weights of a multi-label loss"),
            reductions={"sum": None, "none": None},
            notes="torch averages the K outputs of a sample before it reduces; here every output is a number of its "
            'own. "mean" is the same; sum and none are K times smaller in torch.',
        ),
        Row(
            "nn.PoissonNLLLoss nn.functional.poisson_nll_loss",
            lambda log_input=True, full=False, eps=1e-8: get("poisson", log_input=log_input),
            shift=_stirling,
            notes="full=True adds Stirling's approximation of log y! for y > 1; lm.poisson(full=True) adds log y! "
            "itself.",
            differs="With log_input=False torch adds eps to the rate inside the logarithm, so that the loss is least "
            "eps below the target, and finite at a rate of 0.",
        ),
        Row(
            "nn.GaussianNLLLoss nn.functional.gaussian_nll_loss",
            lambda full=False, eps=1e-6: get("gaussian_nll", full=full),
            notes="torch takes the mean and the variance; here the last axis of the prediction holds the mean and the "
            "log of the standard deviation, log(var) / 2, which gradients are taken of.",
            differs="torch replaces variances below eps by eps, with the gradient of the unchanged ones.",
        ),
        Row(
            "nn.KLDivLoss nn.functional.kl_div",
            lambda log_target=False: get("kl_divergence", log_input=True),
            reductions={"mean": None, "batchmean": "mean", "none": None},
            notes="The input holds log-probabilities, and so does the target with log_target=True: hand its "
            'exponential to the loss here. torch\'s "mean" divides by all n * K numbers, which is no divergence. '
            '"batchmean" divides by the length of the first axis: the mean here of rows (n, K); of inputs with more '
            'axes, or of a single row, it is the "sum" here divided by that length. "none" gives the K terms of each '
            "row.",
            differs="With log_target=True torch gives NaN where a target's probability is 0.",
        ),
        Row(
            "nn.HingeEmbeddingLoss nn.functional.hinge_embedding_loss",
            lambda margin=1.0: own.hinge_embedding(margin=margin, labels=_SIGNS),
            notes="The input is a distance, not a score: this is not the hinge.",
        ),
        Row(
            "nn.MultiMarginLoss nn.functional.multi_margin_loss",
            lambda p=1, margin=1.0, weight=None: (
                get("multi_margin", p=p, margin=margin)
                if weight is None
                else get("multi_margin", p=p, margin=margin).class_weighted(dict(enumerate(weight)))
            ),
        ),
        Missing(
            "nn.MultiLabelMarginLoss nn.functional.multilabel_margin_loss",
            "its target is a list of classes of any length", "multi_margin binary_cross_entropy",
        ),
        Missing("nn.LinearCrossEntropyLoss nn.functional.linear_cross_entropy", "it holds a layer of the model",
                "cross_entropy"),
        Missing("nn.AdaptiveLogSoftmaxWithLoss", "it holds a layer of the model", "cross_entropy"),
        Missing("nn.CosineEmbeddingLoss nn.functional.cosine_embedding_loss", _PAIRS),
        Missing("nn.MarginRankingLoss nn.functional.margin_ranking_loss", _PAIRS, "hinge"),
        Missing("nn.TripletMarginLoss nn.functional.triplet_margin_loss", _PAIRS),
        Missing(
            "nn.TripletMarginWithDistanceLoss nn.functional.triplet_margin_with_distance_loss", _PAIRS
        ),
        Missing("nn.CTCLoss nn.functional.ctc_loss", "it sums over alignments of a sequence", "cross_entropy"),
    ),
)  # fmt: skip
