"""scikit-learn: a loss as a scorer, and as the objective of HistGradientBoosting.

A loss takes raw scores; estimators predict what their users read. What lies between is the link, and from it follows
which method of an estimator to ask: ``predict`` of a regressor, ``predict_proba`` of a classifier where the loss has a
link to probabilities or takes them as they are, ``decision_function`` where it takes margins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.utils.metadata_routing import UNUSED

from lossmith.adapters.boosting_rows import beside
from lossmith.pairing import check_index
from lossmith.start import without_labels

if TYPE_CHECKING:
    from lossmith.adapters.boosting import Hessian
    from lossmith.adapters.sklearn_boosting import HistGradientBoostingLoss
    from lossmith.loss import Loss

Array = NDArray[Any]
TESTED = ((1, 5), (1, 9))
"""The first and the last release of scikit-learn whose private losses the objective was tested with."""


def adapt(loss: Loss) -> Scorer:
    """What ``scoring=`` takes; its ``objective()`` is what HistGradientBoosting takes as ``loss=``."""
    return Scorer(loss)


class Scorer(BaseEstimator):
    """Minus the mean loss of an estimator's predictions: greater is better, as with all of scikit-learn's scorers.

    With metadata routing enabled, ``set_score_request(sample_weight=True)`` asks for weights.
    """

    __metadata_request__score: ClassVar[dict[str, str]] = {"estimator": UNUSED}  # of `score`, weights alone are routed

    def __init__(self, loss: Loss) -> None:
        self.loss = loss

    def __call__(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The score of a fitted estimator. Raises ValueError for what is outside the loss's domain."""
        return self.score(estimator, X, y, sample_weight)

    def score(self, estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The same, under the name by which scikit-learn finds out which metadata a scorer takes."""
        if self.loss.formula.extras:
            names = ", ".join(extra.name for extra in self.loss.formula.extras)
            raise ValueError(f"{self.loss.name} needs {names} for each sample, which scikit-learn does not pass on")
        check_index(y=y, sample_weight=sample_weight)
        if is_classifier(estimator):
            loss, target, scores = _of_classes(self.loss, estimator, X, np.asarray(y))
        else:
            loss, target, scores = self.loss, y, _on_score_scale(self.loss, np.asarray(estimator.predict(X)))
        if sample_weight is not None and not loss.wide and np.ndim(target) == 2:  # one for each row of targets
            sample_weight = beside(np.asarray(sample_weight), np.asarray(target))
        return -float(loss(target, scores, weight=sample_weight))

    def _accept_sample_weight(self) -> bool:
        """What scikit-learn asks of each of several scorers."""
        return True

    @property
    def _score_func(self) -> NoReturn:
        """A function of classes that were predicted, which scikit-learn's own scorers have."""
        raise AttributeError(
            f"{self.loss.name} judges probabilities or margins and not the classes that a threshold makes of them, of "
            "which one wrong answer may cost infinitely much: TunedThresholdClassifierCV needs a score of classes, "
            "such as 'balanced_accuracy' or make_scorer of a function that counts costs"
        )

    def objective(self, *, hessian: Hessian = "curvature", classes: int | None = None) -> HistGradientBoostingLoss:
        """A loss for ``HistGradientBoostingRegressor(loss=...)`` and the classifier.

        ``hessian`` is what trees divide by: "curvature", the loss's positive second-order weight, which trains safely;
        "exact", the second derivative; "booster", what HistGradientBoosting does for the same loss; or a function of
        (y, scores). ``classes`` is their number where a training set may lack some. Raises ImportError on releases of
        scikit-learn that this was not tested with, as they may have changed what it builds on.
        """
        release = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
        if not TESTED[0] <= release <= TESTED[1]:
            first, last = (".".join(map(str, each)) for each in TESTED)
            raise ImportError(
                f"an objective builds on a private part of scikit-learn and was tested with {first} to {last}, but "
                f"{sklearn.__version__} is installed; scoring works with every release"
            )
        from lossmith.adapters.sklearn_boosting import HistGradientBoostingLoss

        return HistGradientBoostingLoss(self.loss, hessian, classes)


def _on_score_scale(loss: Loss, prediction: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):  # a mean of 0 is a score of -inf, which may have a limit
        scores = np.asarray(loss.link(prediction))
    lost = np.argwhere(np.isnan(scores) & ~np.isnan(prediction))
    if len(lost):
        row = tuple(lost[0])
        raise ValueError(
            f"{loss.name}: the estimator predicts {prediction[row]} for row {row[0]}, of which the link "
            f"{loss.link.name} makes no score"
        )
    return scores


def _of_classes(loss: Loss, estimator: Any, X: Any, y: Array) -> tuple[Loss, Array, Array]:
    """The loss of class numbers, the numbers of y, and scores with classes in the loss's own order."""
    kind = type(estimator).__name__
    if loss.target_kind == "level":
        raise ValueError(
            f"{loss.name} takes a score along its own thresholds, which probabilities of {kind} do not tell: "
            "score them with cross_entropy"
        )
    domain = loss.formula.predictions[0].domain
    of_shares = loss.link.name in ("logit", "softmax") or (domain.low, domain.high) == (0.0, 1.0)
    if not of_shares and loss.target_kind not in ("label", "class id"):
        raise ValueError(
            f"{loss.name} is a loss of numbers, and {kind} predicts classes: score it with a loss of "
            "classes, such as binary_cross_entropy, brier or hinge, or score a regressor"
        )
    if isinstance(estimator.classes_, list) or y.ndim > 1:
        raise ValueError(
            f"{loss.name} judges one target a row, and {kind} predicts several: score a classifier of each by itself"
        )
    known = list(estimator.classes_)
    if len(known) == 1 and not of_shares:
        raise ValueError(
            f"{loss.name} needs margins of two classes or more, and {kind} tells of one, as RidgeClassifierCV hides "
            "the targets of two classes from its scorers: search over RidgeClassifier with GridSearchCV instead"
        )
    names = known if loss.labels is None else list(loss.labels)
    if sorted(map(str, names)) != sorted(map(str, known)):
        raise ValueError(f"{loss.name} has the labels {tuple(names)}, but the estimator knows {tuple(known)}")
    if loss.kind == "pointwise" and len(known) != 2:
        raise ValueError(f"{loss.name} is a loss of two classes, but the estimator knows {len(known)}")
    plain, numbers = without_labels(loss.replaced(labels=tuple(_plain(name) for name in names)), y)
    order = [known.index(name) for name in names]
    if not of_shares:
        if not hasattr(estimator, "decision_function"):
            raise ValueError(f"{loss.name} is a loss of margins, and {kind} has no decision_function")
        return plain, numbers, _margins(loss, np.asarray(estimator.decision_function(X)), order)
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            f"{loss.name} is a loss of probabilities, and {kind} has no predict_proba: calibrate it "
            "(sklearn.calibration), or score it with a loss of margins such as hinge"
        )
    p = np.asarray(estimator.predict_proba(X), dtype=np.float64)[:, order]
    if loss.link.name in ("logit", "softmax"):
        with np.errstate(divide="ignore"):
            p = np.log(p)  # scores whose softmax is p, with every digit of the small ones
        return plain, numbers, p if loss.kind == "rowwise" else p[:, 1] - p[:, 0]
    return plain, numbers, p if loss.kind == "rowwise" else p[:, 1]


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _margins(loss: Loss, decision: Array, order: list[int]) -> Array:
    if loss.kind == "pointwise":
        return decision if order == [0, 1] else -decision
    if decision.ndim == 1:
        raise ValueError(f"{loss.name} needs a score per class, but decision_function gives one per sample")
    return decision[:, order]
