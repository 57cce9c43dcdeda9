"""CatBoost: its losses, as they train, and the metrics of regression and classification."""

from __future__ import annotations

from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row

_RANKING = "it compares the rows of a group with each other"
_NARROWED = "CatBoost takes delta off the size of every error, and smaller ones cost nothing."

PEER = Peer(
    "catboost", ":",
    notes="Predictions are raw scores. CatBoost reports sum(w * loss) / sum(w), and trains with minus the gradient. "
    "Most losses start at 0.",
    reduction="mean",
    rows=(
        Row("RMSE MultiRMSE", lambda: get("squared_error"), factor=0.5,
            notes="It trains with half the squared error, and reports the root of the mean square."),
        Row("MAE", lambda: get("absolute_error"), factor=0.5,
            notes="It trains with half the absolute error, and reports the whole.",
            differs=f"{_NARROWED} delta is 1e-6."),
        Row("Quantile", lambda alpha=0.5, delta=1e-6: get("quantile", q=alpha),
            differs=f"{_NARROWED} delta is at most 0.01."),
        Row("LogLinQuantile", lambda alpha=0.5: get("quantile", q=alpha).with_link("log")),
        Row("Expectile", lambda alpha: get("expectile", q=alpha)),
        Row("Lq", lambda q: get("lq", q=q)),
        Row("MAPE", own.clipped_percentage_error,
            notes="Not the mean absolute percentage error of its name: it divides by max(1, abs(y))."),
        Row("RMSPE", own.squared_percentage_error, factor=0.5,
            notes="It trains with half the squared error relative to y, and reports the root of a mean.",
            differs="CatBoost reports errors relative to max(1, abs(y)), but trains with errors relative to y."),
        Row("Huber", lambda delta: get("huber", delta=delta)),
        Row("LogCosh", lambda: get("log_cosh"),
            differs="CatBoost reports a fast logarithm with errors of up to 1e-4, which is below 0 at an exact fit."),
        Row("Poisson", lambda: get("poisson")),
        Row("Tweedie", lambda variance_power: get("tweedie", power=variance_power)),
        Row("RMSEWithUncertainty", lambda: get("gaussian_nll", full=True),
            notes="Predictions are the mean and the log of the standard deviation, as here."),
        Row("Logloss MultiLogloss", lambda: get("binary_cross_entropy"), notes="Labels are 0 and 1."),
        Row("CrossEntropy MultiCrossEntropy", lambda: get("binary_cross_entropy"), notes="Targets are in [0, 1]."),
        Row("Focal", lambda focal_alpha, focal_gamma: get("focal", alpha=focal_alpha, gamma=focal_gamma),
            differs="CatBoost moves probabilities into [1e-13, 1 - 1e-13]."),
        Row("MultiClass", lambda: get("cross_entropy")),
        Row("MSLE", lambda: get("squared_log_error"), notes="A metric only."),
        Row("FairLoss", lambda smoothness=1.0: own.fair(c=smoothness), notes="A metric only."),
        Row("HingeLoss", lambda: get("hinge"), notes="A metric only."),
        Row("BrierScore", lambda: get("brier"), notes="A metric only."),
        Row("MultiClassOneVsAll", lambda: get("binary_cross_entropy"),
            notes="The mean of one binary loss for each class: hand it the (n, K) array of one-hot rows."),
        Missing("MultiQuantile", "it adds up several quantiles", "quantile"),
        Missing("SMAPE", "the prediction is in its denominator", "absolute_percentage_error squared_log_error"),
        Missing("MultiRMSEWithMissingValues", "targets may be missing: say which with where=", "squared_error"),
        Missing("Combination", "it adds up other losses: translate each and add them", ""),
        Missing("PythonUserDefinedPerObject PythonUserDefinedMultiTarget UserPerObjMetric UserQuerywiseMetric",
                "it is a place for the user's own loss: Loss.to('catboost') fills it"),
        Missing("Cox", "a row's loss depends on the rows still at risk", "poisson"),
        Missing("SurvivalAft", "its targets are censored times", "gaussian_nll"),
        Missing("PairLogit PairLogitPairwise YetiRank YetiRankPairwise LambdaMart StochasticFilter StochasticRank "
                "QueryRMSE QuerySoftMax QueryCrossEntropy GroupQuantile QueryAverage QueryAUC PFound PrecisionAt "
                "RecallAt MAP NDCG DCG FilteredDCG MRR ERR AverageGain PairAccuracy", _RANKING),
        Missing("R2 MedianAbsoluteError NumErrors Accuracy BalancedAccuracy BalancedErrorRate Precision Recall F1 "
                "TotalF1 F MCC ZeroOneLoss HammingLoss Kappa WKappa LogLikelihoodOfPrediction NormalizedGini PRAUC AUC "
                "CtrFactor",
                "a metric of whole columns, or one that counts: nothing trains with it"),
    ),
)  # fmt: skip
