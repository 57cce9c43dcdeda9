"""LightGBM: its objectives, as they train (gradients, not the metrics of the same names)."""

from __future__ import annotations

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row, refuse

_RANKING = "it compares the rows of a query with each other"
_RENEWED = "Leaves are set to a quantile of their residuals after growing, whatever the gradients."


def _binary(sigmoid: float = 1.0, scale_pos_weight: float = 1.0, is_unbalance: bool = False) -> Loss:
    if is_unbalance:
        refuse("is_unbalance takes its weights from the data: say them as scale_pos_weight")
    if sigmoid == 1:
        return get("binary_cross_entropy", pos_weight=scale_pos_weight)
    return own.scaled_logistic(sigmoid=sigmoid, pos_weight=scale_pos_weight)


PEER = Peer(
    "lightgbm lgb", ":",
    notes="Predictions are raw scores. A row's gradient is multiplied by its weight and added up over a leaf. A custom "
    "objective starts at 0; a built-in one at its best constant (boost_from_average).",
    reduction="sum",
    rows=(
        Row("regression regression_l2 l2 mean_squared_error mse l2_root root_mean_squared_error rmse",
            lambda reg_sqrt=False: own.squared_error_of_roots() if reg_sqrt else get("squared_error"), factor=0.5,
            notes="The metric l2 is twice as large. With reg_sqrt predictions are of the signed square root of y."),
        Row("regression_l1 l1 mean_absolute_error mae", lambda: get("absolute_error"), notes=_RENEWED),
        Row("huber", lambda alpha=0.9: get("huber", delta=alpha), notes="The Hessian is 1 everywhere."),
        Row("fair", lambda fair_c=1.0: own.fair(c=fair_c)),
        Row("poisson", lambda poisson_max_delta_step=0.7: get("poisson"),
            notes="The Hessian is multiplied by exp(poisson_max_delta_step)."),
        Row("quantile", lambda alpha=0.9: get("quantile", q=alpha), notes=_RENEWED),
        Row("mape mean_absolute_percentage_error", own.clipped_percentage_error,
            notes=f"Not the mean absolute percentage error of its name: it divides by max(1, abs(y)). {_RENEWED}"),
        Row("gamma", lambda: get("gamma")),
        Row("tweedie", lambda tweedie_variance_power=1.5: own.tweedie(tweedie_variance_power),
            notes="A power of 1 trains Poisson's loss; its metric is infinite there."),
        Row("binary", _binary),
        Row("multiclass softmax", lambda num_class=None: get("cross_entropy"),
            notes="num_class is the number of scores. The Hessian is K / (K - 1) p (1 - p)."),
        Row("cross_entropy xentropy", lambda: get("binary_cross_entropy"), notes="Targets are in [0, 1]."),
        Row("cross_entropy_lambda xentlambda", lambda: get("binary_cross_entropy"),
            notes="The same for rows of weight 1 only: other weights change the probability, not the row's share. "
            "predict returns log(1 + e^score)."),
        Row("multiclassova multiclass_ova ova ovr", _binary,
            notes="One binary loss for each class: hand it the (n, K) array of one-hot rows."),
        Missing("lambdarank", _RANKING),
        Missing("rank_xendcg xendcg xe_ndcg xe_ndcg_mart xendcg_mart", _RANKING),
    ),
)  # fmt: skip
