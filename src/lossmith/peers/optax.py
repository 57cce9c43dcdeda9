"""optax: the functions of ``optax.losses``; most are also found as ``optax.NAME``."""

from __future__ import annotations

from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row

_SIGNS = (-1, 1)
_BATCH = "it compares the samples of a batch with each other"
_WHOLE = "it compares whole arrays, not one sample at a time"
_LOGS = "Predictions are log-probabilities."

PEER = Peer(
    "optax", ".",
    notes="optax is called as (predictions, targets): the prediction comes first.",
    reduction="none",
    rows=(
        Row("losses.squared_error", lambda: get("squared_error")),
        Row("losses.l2_loss", lambda: get("squared_error"), factor=0.5),
        Row("losses.huber_loss", lambda delta=1.0: get("huber", delta=delta)),
        Row("losses.log_cosh", lambda: get("log_cosh"),
            differs="optax adds logaddexp(r, -r) - log 2, which loses the digits of small errors."),
        Row("losses.sigmoid_binary_cross_entropy", lambda: get("binary_cross_entropy")),
        Row("losses.sigmoid_focal_loss", lambda alpha=None, gamma=2.0: get("focal", alpha=alpha, gamma=gamma)),
        Row("losses.hinge_loss", lambda: get("hinge", labels=_SIGNS)),
        Row("losses.perceptron_loss", lambda: own.perceptron(labels=_SIGNS)),
        Row("losses.sparsemax_loss", own.binary_sparsemax),
        Row("losses.softmax_cross_entropy losses.safe_softmax_cross_entropy", lambda: get("cross_entropy"),
            notes="Targets are rows that sum to 1; class ids serve as well here."),
        Row("losses.softmax_cross_entropy_with_integer_labels", lambda: get("cross_entropy")),
        Row("losses.poly_loss_cross_entropy", lambda epsilon=2.0: own.poly(epsilon=epsilon),
            notes="Targets are one-hot rows in optax, class ids here."),
        Row("losses.multiclass_hinge_loss", lambda: get("multiclass_hinge")),
        Row("losses.multiclass_perceptron_loss", own.multiclass_perceptron),
        Row("losses.kl_divergence", lambda: get("kl_divergence", log_input=True), notes=_LOGS),
        Row("losses.kl_divergence_with_log_targets", lambda: get("kl_divergence", log_input=True),
            notes=f"{_LOGS} So are targets: hand their exponential to the loss here.",
            differs="optax gives NaN where a target's probability is 0."),
        Row("losses.generalized_kl_divergence losses.convex_kl_divergence",
            lambda: get("generalized_kl_divergence").with_link("log"), notes=_LOGS),
        Missing("losses.smooth_labels", "it makes targets, as label_smoothing= does here", "cross_entropy"),
        Missing("losses.multiclass_sparsemax_loss", "it sorts the scores of a row", "cross_entropy multiclass_hinge"),
        Missing("losses.cosine_similarity losses.cosine_distance", "it compares directions of vectors"),
        Missing("losses.make_fenchel_young_loss", "it takes a function that solves a maximisation", "cross_entropy"),
        Missing("losses.ranking_softmax_loss", "it compares the items of a list with each other", "cross_entropy"),
        Missing("losses.ntxent", _BATCH),
        Missing("losses.triplet_margin_loss", _BATCH),
        Missing("losses.ctc_loss losses.ctc_loss_with_forward_probs", "it sums over alignments of a sequence",
                "cross_entropy"),
        Missing("losses.dice_loss losses.binary_dice_loss losses.multiclass_generalized_dice_loss", _WHOLE,
                "brier binary_cross_entropy"),
    ),
)  # fmt: skip
