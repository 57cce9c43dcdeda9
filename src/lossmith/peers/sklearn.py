"""scikit-learn: what its estimators minimise, and the loss objects they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossmith.loss import Loss
from lossmith.peers import _formulas as own
from lossmith.registry import get
from lossmith.translation import Missing, Peer, Row, Shift, refuse

_PASSIVE = "each step makes the loss of one sample small at once; no sum over samples is minimised"
_OF_LABELS = (
    "SGDClassifier takes it of labels -1 and 1 as numbers: of more than two classes one loss for each, 1 against the "
    "rest."
)

_ALL_AT_ONCE = "With multi_class='crammer_singer' scikit-learn leaves loss= unread: the loss is multiclass_hinge."

_ONE_AGAINST_REST = "class, on labels 1 of it and 0 of the rest"
_ONE_AGAINST_ONE = "pair of classes, on the rows of the two"


def _labels(classes: Any) -> list[Any] | None:
    """Classes by name; None where they are numbered from 0, or not known."""
    names = None if np.ndim(classes) == 0 else np.asarray(classes).tolist()
    return None if names is None or names == list(range(len(names))) else names


def _count(classes: Any) -> int:
    """How many classes: two where it is not known."""
    return 2 if classes is None else int(classes) if np.ndim(classes) == 0 else len(classes)


def _two(loss: Any, classes: Any, each: str = _ONE_AGAINST_REST) -> Loss:
    """A loss of two classes with the labels of a fitted classifier."""
    if _count(classes) > 2:
        refuse(
            f"of {_count(classes)} classes it trains one loss of two for each {each}: classes=2 translates that one"
        )
    make = (lambda **given: get(loss, **given)) if isinstance(loss, str) else loss
    return make(labels=_labels(classes))


def _log_loss(classes: Any = 2) -> Loss:
    """Two classes have one score, more have one each."""
    if _count(classes) == 2:
        return _two("binary_cross_entropy", classes)
    return get("cross_entropy", labels=_labels(classes))


def _has_labels(n_outputs: int | None, out_activation: str | None) -> bool:
    """Whether a network tells of several labels each whether it holds."""
    return (n_outputs or 1) > 1 and out_activation == "logistic"


def _network(classes: Any = 2, n_outputs: int | None = 1, out_activation: str | None = "logistic") -> Loss:
    return get("binary_cross_entropy") if _has_labels(n_outputs, out_activation) else _log_loss(classes)


def _linear_svm(loss: str) -> Callable[..., Loss]:
    """All classes at once leave ``loss`` unread; of two the score is the difference, and its loss the hinge."""

    def of(classes: Any = None, multi_class: str = "ovr") -> Loss:
        if multi_class != "crammer_singer":
            return _two(loss, classes)
        if classes is not None and _count(classes) == 2:
            return _two("hinge", classes)
        return get("multiclass_hinge", labels=_labels(classes))

    return of


def _power(power: float, log: bool) -> Loss:
    known = {0: "squared_error", 1: "poisson", 2: "gamma"}
    if power == 0:
        return get("squared_error").with_link("log") if log else get("squared_error")
    if power in known:
        return get(known[int(power)], log_input=log)
    if 1 < power < 2:
        return get("tweedie", power=power, log_input=log)
    return refuse(f"lossmith has no deviance of power {power!r} yet; nearest: tweedie, gamma, poisson")


def _half(power: float) -> float:
    return 0.5 if power == 0 else 1.0


def _deviance_at_y(power: float) -> float | Shift:
    """What makes the deviance 0 where prediction and target agree."""
    if power == 0:
        return 0.0
    if power == 1:
        return Shift("(y log y - y)", _less_entropy)
    if power == 2:
        return Shift("(-log y - 1)", lambda y: -np.log(y) - 1)
    scale = (1 - power) * (2 - power)
    return Shift(f"y**{2 - power:g}/{scale:g}", lambda y: np.asarray(y, dtype=np.float64) ** (2 - power) / scale)


def _less_entropy(y: Any) -> Any:
    y = np.asarray(y, dtype=np.float64)
    return np.where(y > 0, y * np.log(np.where(y > 0, y, 1)) - y, 0.0)


def _takes_logs(power: float, link: str) -> bool:
    return link == "log" or (link == "auto" and power > 0)


def _scale(scale: Any) -> float:
    return 1.0 if scale is None else float(scale)


PEER = Peer(
    "sklearn scikit-learn", ".",
    notes="Calls are (y_true, raw_prediction), raw predictions on the scale of the link. Penalties are left out.",
    reduction="mean",
    rows=(
        Row("_loss.HalfSquaredError ensemble.HistGradientBoostingRegressor:squared_error "
            "ensemble.GradientBoostingRegressor:squared_error neural_network.MLPRegressor:squared_error "
            "linear_model.Lasso linear_model.ElasticNet linear_model.SGDRegressor:squared_error "
            "linear_model.SGDClassifier:squared_error",
            lambda: get("squared_error"), factor=0.5, notes=_OF_LABELS),
        Row("linear_model.LinearRegression linear_model.Ridge", lambda: get("squared_error"), reduction="sum"),
        Row("_loss.AbsoluteError ensemble.HistGradientBoostingRegressor:absolute_error "
            "ensemble.GradientBoostingRegressor:absolute_error", lambda: get("absolute_error")),
        Row("_loss.PinballLoss ensemble.HistGradientBoostingRegressor:quantile linear_model.QuantileRegressor",
            lambda quantile=0.5: get("quantile", q=0.5 if quantile is None else quantile)),
        Row("ensemble.GradientBoostingRegressor:quantile", lambda alpha=0.9: get("quantile", q=alpha)),
        Row("_loss.HuberLoss", lambda delta=0.5: get("huber", delta=delta),
            notes="Its quantile parameter says how gradient boosting sets delta anew in every round."),
        Missing("ensemble.GradientBoostingRegressor:huber",
                "its threshold is set anew in every round, to the alpha-quantile of the errors", "huber"),
        Missing("ensemble.AdaBoostRegressor:linear ensemble.AdaBoostRegressor:square "
                "ensemble.AdaBoostRegressor:exponential",
                "it says how errors relative to the largest weigh samples in the next round; nothing minimises it",
                "absolute_error squared_error"),
        Missing("linear_model.RANSACRegressor:absolute_error linear_model.RANSACRegressor:squared_error",
                "it says which samples count as inliers; the estimator inside has the loss",
                "absolute_error squared_error"),
        Missing("linear_model.PassiveAggressiveRegressor:epsilon_insensitive "
                "linear_model.PassiveAggressiveRegressor:squared_epsilon_insensitive", _PASSIVE, "epsilon_insensitive"),
        Missing("linear_model.PassiveAggressiveClassifier:hinge linear_model.PassiveAggressiveClassifier:squared_hinge",
                _PASSIVE, "hinge squared_hinge"),
        Row("linear_model.SGDRegressor:huber linear_model.SGDClassifier:huber",
            lambda epsilon=0.1: get("huber", delta=epsilon), notes=_OF_LABELS),
        Row("linear_model.HuberRegressor",
            lambda epsilon=1.35, scale=None: get("huber", delta=epsilon * _scale(scale)),
            factor=lambda scale: 2 / _scale(scale), shift=_scale, reduction="sum",
            notes="scale is the estimator's scale_, which it fits together with the coefficients (1 where unknown)."),
        Row("linear_model.SGDRegressor:epsilon_insensitive linear_model.SGDClassifier:epsilon_insensitive",
            lambda epsilon=0.1: get("epsilon_insensitive", epsilon=epsilon), notes=_OF_LABELS),
        Row("svm.SVR", lambda epsilon=0.1: get("epsilon_insensitive", epsilon=epsilon), reduction="sum"),
        Row("svm.LinearSVR:epsilon_insensitive",
            lambda epsilon=0.0: get("epsilon_insensitive", epsilon=epsilon), reduction="sum"),
        Row("linear_model.SGDRegressor:squared_epsilon_insensitive "
            "linear_model.SGDClassifier:squared_epsilon_insensitive",
            lambda epsilon=0.1: own.squared_epsilon_insensitive(epsilon=epsilon), notes=_OF_LABELS),
        Row("svm.LinearSVR:squared_epsilon_insensitive",
            lambda epsilon=0.0: own.squared_epsilon_insensitive(epsilon=epsilon), reduction="sum"),
        Row("_loss.HalfPoissonLoss ensemble.HistGradientBoostingRegressor:poisson linear_model.PoissonRegressor",
            lambda: get("poisson")),
        Row("neural_network.MLPRegressor:poisson", lambda: get("poisson"),
            shift=Shift("(y log y - y)", _less_entropy)),
        Row("_loss.HalfGammaLoss ensemble.HistGradientBoostingRegressor:gamma linear_model.GammaRegressor",
            lambda: get("gamma")),
        Row("_loss.HalfTweedieLoss", lambda power=1.5: _power(power, log=True), factor=_half),
        Row("_loss.HalfTweedieLossIdentity", lambda power=1.5: _power(power, log=False), factor=_half,
            shift=_deviance_at_y),
        Row("linear_model.TweedieRegressor",
            lambda power=0.0, link="auto": _power(power, log=_takes_logs(power, link)), factor=_half,
            shift=lambda power, link: 0.0 if _takes_logs(power, link) else _deviance_at_y(power)),
        Row("_loss.HalfBinomialLoss", lambda: get("binary_cross_entropy")),
        Row("linear_model.SGDClassifier:log_loss", lambda classes=None: _two("binary_cross_entropy", classes)),
        Row("_loss.HalfMultinomialLoss", lambda n_classes=3: get("cross_entropy"),
            notes="n_classes is the number of scores."),
        Row("linear_model.LogisticRegression ensemble.HistGradientBoostingClassifier:log_loss "
            "ensemble.GradientBoostingClassifier:log_loss",
            _log_loss, weighted="weighted_mean",
            notes="classes are the classes, or how many: two (as assumed where they are not known) make "
            "binary_cross_entropy, more make cross_entropy."),
        Row("neural_network.MLPClassifier", _network,
            reduction=lambda n_outputs, out_activation: None if _has_labels(n_outputs, out_activation) else "mean",
            notes="classes as for LogisticRegression. Of several labels (n_outputs, each with out_activation "
            "'logistic') each number is a binary_cross_entropy of its own; scikit-learn adds up those of a row and "
            "averages the rows.",
            differs="It takes logarithms of probabilities, rounded and at least 2.2e-16 away from 0 and 1: a score of "
            "40 on the wrong side costs 36."),
        Row("_loss.ExponentialLoss", lambda: get("exponential")),
        Row("ensemble.GradientBoostingClassifier:exponential", lambda classes=None: _two("exponential", classes)),
        Row("linear_model.SGDClassifier:hinge", lambda classes=None: _two("hinge", classes)),
        Row("svm.LinearSVC:hinge", _linear_svm("hinge"), reduction="sum", notes=_ALL_AT_ONCE),
        Row("svm.SVC", lambda classes=None: _two("hinge", classes, _ONE_AGAINST_ONE), reduction="sum"),
        Row("linear_model.SGDClassifier:squared_hinge", lambda classes=None: _two("squared_hinge", classes)),
        Row("svm.LinearSVC:squared_hinge", _linear_svm("squared_hinge"), reduction="sum", notes=_ALL_AT_ONCE),
        Row("linear_model.SGDClassifier:modified_huber", lambda classes=None: _two("modified_huber", classes)),
        Row("linear_model.SGDClassifier:perceptron linear_model.Perceptron",
            lambda classes=None: _two(own.perceptron, classes),
            notes="At a score of exactly 0 scikit-learn takes the slope of the wrong side, lossmith none."),
    ),
)  # fmt: skip
