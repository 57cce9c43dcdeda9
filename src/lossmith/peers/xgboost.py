"""XGBoost: its objectives, as they train (gradients, not the metrics of similar names)."""

from __future__ import annotations

from typing import Any

import numpy as np

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row, refuse

_RANKING = "it compares the rows of a group with each other"
_CENSORED = "its targets are censored times"


def _logistic(scale_pos_weight: float = 1.0) -> Loss:
    return get("binary_cross_entropy", pos_weight=scale_pos_weight)


def _one(level: Any, name: str) -> float:
    levels = np.ravel(level)  # XGBoost takes a number, a list or an array
    return float(levels[0]) if len(levels) == 1 else refuse(f"{name} holds several levels: use one loss for each")


PEER = Peer(
    "xgboost", ":",
    notes="Predictions are margins (raw scores). A row's gradient is multiplied by its weight and added up over a "
    "leaf. A custom objective starts at 0.5; a built-in one mostly at its best constant.",
    reduction="sum",
    rows=(
        Row("reg:squarederror reg:linear", lambda: get("squared_error"), factor=0.5),
        Row("reg:squaredlogerror", lambda: get("squared_log_error"), factor=0.5,
            differs="XGBoost moves predictions up to -1 + 1e-6 and Hessians up to 1e-6."),
        Row("reg:absoluteerror", lambda: get("absolute_error"),
            notes="Leaves are set to the median of their residuals, whatever the gradients."),
        Row("reg:pseudohubererror", lambda huber_slope=1.0: get("pseudo_huber", delta=huber_slope),
            notes="Its Hessian vanishes for large errors, and with it the model, unless the start is close; "
            "curvature here is a majoriser."),
        Row("reg:quantileerror", lambda quantile_alpha: get("quantile", q=_one(quantile_alpha, "quantile_alpha")),
            notes="Leaves are set to the quantile of their residuals, whatever the gradients."),
        Row("binary:logistic reg:logistic binary:logitraw", _logistic,
            notes="reg:logistic takes targets in [0, 1]; scale_pos_weight multiplies rows whose label is exactly 1. "
            "The metric logloss takes logarithms of float32 probabilities, and stops at 36.8."),
        Row("binary:hinge", lambda: get("hinge"), notes="Predictions are turned into 0 and 1."),
        Row("count:poisson", lambda max_delta_step=0.7: get("poisson"),
            notes="The Hessian is multiplied by exp(max_delta_step)."),
        Row("reg:gamma", lambda: get("gamma")),
        Row("reg:tweedie", lambda tweedie_variance_power=1.5: own.tweedie(tweedie_variance_power),
            notes="A power of 1 trains Poisson's loss; its metric is infinite there."),
        Row("multi:softprob multi:softmax", lambda num_class=None: get("cross_entropy"),
            notes="num_class is the number of scores. The Hessian is 2 p (1 - p). The metric mlogloss stops at 36.8."),
        Missing("reg:expectileerror", "it comes with XGBoost 3.3, whose numbers nobody has compared yet", "expectile"),
        Missing("survival:cox", "a row's loss depends on the rows still at risk", "poisson"),
        Missing("survival:aft", _CENSORED, "gaussian_nll"),
        Missing("rank:ndcg", _RANKING),
        Missing("rank:map", _RANKING),
        Missing("rank:pairwise", _RANKING, "binary_cross_entropy"),
    ),
)  # fmt: skip
