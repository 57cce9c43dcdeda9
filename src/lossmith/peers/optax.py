"""optax: the functions of ``optax.losses``; most are also found as ``optax.NAME``."""

from __future__ import annotations

from collections.abc import Callable

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row, check_last

_SIGNS = (-1, 1)
_BATCH = "it compares the samples of a batch with each other"
_WHOLE = "it compares whole arrays, not one sample at a time"
_LOGS = "Predictions are log-probabilities."
_SHARES = "Targets are rows that sum to 1; class ids serve as well here."


def _of_rows(name: str, **params: bool) -> Callable[..., Loss]:
    """A loss of the catalogue whose rows optax may find on another axis."""

    def of(axis: int = -1) -> Loss:
        check_last(axis)
        return get(name, **params)

    return of


def _poly(epsilon: float = 2.0, axis: int = -1) -> Loss:
    check_last(axis)
    return own.poly(epsilon=epsilon)


def _generalized(axis: int = -1) -> Loss:
    check_last(axis)
    return get("generalized_kl_divergence").with_link("log")


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
        Row("losses.softmax_cross_entropy", _of_rows("cross_entropy"), notes=_SHARES),
        Row("losses.safe_softmax_cross_entropy", lambda: get("cross_entropy"), notes=_SHARES),
        Row("losses.softmax_cross_entropy_with_integer_labels", _of_rows("cross_entropy")),
        Row("losses.poly_loss_cross_entropy", _poly,
            notes="Targets are one-hot rows in optax, class ids here."),
        Row("losses.multiclass_hinge_loss", lambda: get("multiclass_hinge")),
        Row("losses.multiclass_perceptron_loss", own.multiclass_perceptron),
        Row("losses.kl_divergence", _of_rows("kl_divergence", log_input=True), notes=_LOGS),
        Row("losses.kl_divergence_with_log_targets", _of_rows("kl_divergence", log_input=True),
            notes=f"{_LOGS} So are targets: hand their exponential to the loss here.",
            differs="optax gives NaN where a target's probability is 0."),
        Row("losses.generalized_kl_divergence losses.convex_kl_divergence", _generalized, notes=_LOGS),
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
