"""Metrics by name: what each of them really asks for, and which have no answer that a comparison of losses can prove.

The one table of names. `functional` is what minimises the metric's expectation (Gneiting 2011,
doi:10.1198/jasa.2011.r10138); `score` is the name of the judge, empty where the functional's own judge ranks exactly as
the metric does.
"""

from __future__ import annotations

from dataclasses import dataclass

from lossmith.choosing.errors import ChoiceError, near, quoted


@dataclass(frozen=True)
class Metric:
    names: str  # the usual one first, then its aliases
    functional: str
    score: str
    asks_for: str  # one sentence, for the user

    @property
    def name(self) -> str:
        return self.names.split()[0]


RANKING = "any rising function of the probability does, so losses are trained for the probability"

METRICS = (
    Metric("rmse root_mean_squared_error", "mean", "", "the root mean squared error is smallest at the mean"),
    Metric("mse mean_squared_error l2", "mean", "", "the mean squared error is smallest at the mean"),
    Metric("r2 r_squared nse", "mean", "", "R² ranks predictions as the mean squared error does: it asks for the mean"),
    Metric("rrse rse relative_squared_error", "mean", "", "the relative squared error asks for the mean"),
    Metric("mae mean_absolute_error l1", "median", "", "the mean absolute error is smallest at the median"),
    Metric(
        "median_absolute_error medae",
        "median",
        "",
        "it asks for the middle of the shortest interval that holds half of y; the median, a near relative, is "
        "trained for in its place, and the mean absolute error judges",
    ),
    Metric("mase", "median", "", "MASE is the mean absolute error in other units: it asks for the median"),
    Metric("wape wmape rae", "median", "", "it is the mean absolute error in other units: it asks for the median"),
    Metric(
        "mape mean_absolute_percentage_error",
        "median",
        "mape",
        "MAPE asks for a median in which a row weighs 1/y: it lies below the median, so totals come out too low",
    ),
    Metric(
        "rmsle msle root_mean_squared_log_error mean_squared_log_error",
        "mean",
        "rmsle",
        "RMSLE asks for the mean of log(1 + y), turned back: it lies below the mean, so totals come out too low",
    ),
    Metric(
        "poisson_deviance mean_poisson_deviance poisson",
        "mean",
        "poisson_deviance",
        "the Poisson deviance is smallest at the mean; large values count less than in the squared error",
    ),
    Metric(
        "gamma_deviance mean_gamma_deviance gamma",
        "mean",
        "gamma_deviance",
        "the gamma deviance is smallest at the mean; it judges errors relative to the prediction",
    ),
    Metric(
        "tweedie_deviance mean_tweedie_deviance tweedie",
        "mean",
        "tweedie_deviance",
        "the Tweedie deviance (power 1.5) is smallest at the mean",
    ),
    Metric(
        "log_loss logloss cross_entropy binary_logloss multi_logloss nll",
        "probability",
        "",
        "the log-loss is smallest at the true probabilities",
    ),
    Metric(
        "brier brier_score brier_score_loss",
        "probability",
        "brier",
        "the Brier score is smallest at the true probabilities",
    ),
    Metric("auc roc_auc", "probability", "auc", f"the AUC asks for the right order of the rows: {RANKING}"),
    Metric(
        "average_precision ap pr_auc aucpr",
        "probability",
        "average_precision",
        f"the average precision asks for the right order of the rows: {RANKING}",
    ),
    Metric("accuracy acc error_rate zero_one", "label", "", "accuracy asks for the likeliest class"),
    Metric(
        "balanced_accuracy macro_recall balanced_error ber",
        "label",
        "balanced_error",
        "balanced accuracy asks for the class whose probability, divided by its share of the rows, is largest",
    ),
    Metric(
        "f1 f1_score f_score",
        "label",
        "f1",
        "F1 asks for a threshold on the probability, found on rows that the model never saw",
    ),
    Metric(
        "f1_macro macro_f1",
        "label",
        "f1_macro",
        "macro F1, the mean of every class's F1, asks for a threshold found on rows that the model never saw",
    ),
    Metric(
        "jaccard iou",
        "label",
        "f1",
        "the Jaccard index ranks thresholds as F1 does, so F1 judges: it asks for a threshold on the probability",
    ),
    Metric(
        "mcc matthews_corrcoef",
        "label",
        "mcc",
        "the Matthews correlation asks for a threshold on the probability, found on rows that the model never saw",
    ),
)

REFUSED = {
    "c_index concordance concordance_index": "it ranks censored durations, which need a survival model (Cox's); if no "
    "duration is censored, use the aim median",
    "ibs integrated_brier_score": "it judges survival curves; if no duration is censored, use the aim median",
    "ndcg map_at_k mrr hit_rate": "it ranks rows inside groups, which needs a ranking loss; use the aim probability, "
    "and sort by it",
    "mode most_likely": "the mode of numbers is not elicitable: no score is smallest at it, so nothing could be "
    "proven; use the aim median",
    "variance std": "the variance alone is not elicitable: no score is smallest at it; use an interval, such as "
    "interval:0.8",
    "expected_shortfall es cvar": "expected shortfall alone is not elicitable; use a quantile, such as quantile:0.95",
    "crps log_score": "it judges whole distributions; use an interval, such as interval:0.8, or several quantiles",
    "smape": "the symmetric percentage error is smallest at no known property of y; use metric:mape or the aim median",
    "max_error": "the largest error is decided by one row, so folds cannot compare losses by it; use an upper "
    "quantile, such as quantile:0.95",
    "explained_variance": "it does not see a constant bias, so it asks for no value of its own; use the aim mean",
    "huber log_cosh pseudo_huber": "its minimiser is a centre of its own, neither mean nor median unless y is "
    "symmetric; name what you want: mean or median",
    "precision recall sensitivity specificity": "alone it is perfect for a rule that always, or never, says yes; name "
    "both sides with metric:f1, or your costs with cost-matrix:FILE",
    "kappa cohen_kappa qwk quadratic_weighted_kappa": "kappa depends on the predicted shares, so no rule per row is "
    "best for it; use the aim label, or cost-matrix:FILE with the squared distance of the classes",
    "top_k_accuracy top_5_accuracy lift top_20": "it asks for the order of the probabilities and for nothing else; use "
    "the aim probability, or metric:auc for two classes",
}

LEVELLED = {
    **dict.fromkeys(("pinball", "pinball_loss", "mean_pinball_loss", "quantile", "quantile_loss"), "quantile"),
    **dict.fromkeys(("expectile", "expectile_loss"), "expectile"),
    **dict.fromkeys(("interval", "interval_score", "winkler", "winkler_score"), "interval"),
}  # these are aims of their own


def find_metric(text: str) -> Metric | str:
    """The metric of a name; for one that takes a level, the aim to write in its place."""
    name, _, level = text.strip().lower().partition(":")
    name = name.strip().replace("-", "_").replace(" ", "_").removeprefix("neg_")
    if name in LEVELLED:
        if not level:
            raise ChoiceError(f"metric {quoted(text)} needs its level, such as {LEVELLED[name]}:0.9")
        return f"{LEVELLED[name]}:{level}"
    known = {alias: metric for metric in METRICS for alias in metric.names.split()}
    refused = {alias: reason for names, reason in REFUSED.items() for alias in names.split()}
    if level:
        raise ChoiceError(f"metric {quoted(text)}: only pinball, expectile and interval take a level")
    if name in refused:
        raise ChoiceError(f"metric {quoted(text)} cannot be served: {refused[name]}")
    if name not in known:
        hint = near(name, known) or f"; it is one of {', '.join(m.name for m in METRICS)}, pinball:Q"
        raise ChoiceError(f"unknown metric {quoted(text)}{hint}")
    return known[name]
