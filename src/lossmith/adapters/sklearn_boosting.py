"""HistGradientBoosting's objective, built on scikit-learn's private ``sklearn._loss``.

It calls with (y, raw prediction, weight), takes derivatives that go downhill as they are into arrays of its own, and is
the one booster that starts where the loss says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn._loss.link import BaseLink
from sklearn._loss.loss import BaseLoss
from sklearn.base import is_classifier, is_regressor

from lossmith.adapters.boosting import Convention, Derivatives, Hessian
from lossmith.adapters.boosting_rows import plain

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[Any]


class _Trees(Derivatives):
    """What trees need of a loss. Data sets, training and prediction are scikit-learn's own."""

    FRAMEWORK = "HistGradientBoosting"
    START = "the objective's fit_intercept_only(y)"
    CONVENTIONS: ClassVar[Mapping[str, Convention]] = {
        "squared_error": Convention("exact", 2.0),
        "poisson": Convention(),
        "gamma": Convention(),
        "binary_cross_entropy": Convention(),
        "cross_entropy": Convention(),
    }

    def __call__(self, y_true: Array, scores: Array, weight: Array | None) -> tuple[Array, Array]:
        """Gradient and second-order weight at raw scores."""
        u, rows = self._given(y_true, scores, weight)
        return self._derivatives(rows, u)


class _Link(BaseLink):
    """The loss's link, as scikit-learn's."""

    def __init__(self, loss: Loss) -> None:
        self._of = loss.link

    def link(self, y_pred: Array) -> Array:
        return np.asarray(self._of(y_pred))

    def inverse(self, raw_prediction: Array) -> Array:
        return np.asarray(self._of.inverse(raw_prediction))


class HistGradientBoostingLoss(BaseLoss):
    """A loss for ``HistGradientBoostingRegressor(loss=...)`` and ``HistGradientBoostingClassifier(loss=...)``.

    ``predict`` gives what the loss's link turns scores into: means, quantiles; ``predict_proba`` exists where it leads
    to probabilities. A fitted model can be pickled, cloned and cross-validated as any other.
    """

    differentiable = True

    def __init__(self, loss: Loss, hessian: Hessian = "curvature", classes: int | None = None) -> None:
        if loss.labels is not None and list(loss.labels) != sorted(loss.labels):
            raise ValueError(
                f"{loss.name}: HistGradientBoosting numbers classes in sorted order, which {loss.labels} are not in"
            )
        if loss.target_kind == "row" or loss.outputs not in (1, None):
            raise ValueError(
                f"{loss.name}: HistGradientBoosting takes one number per sample as target and trains one score, or "
                "one per class"
            )
        if loss.target_kind == "level":
            raise ValueError(
                f"{loss.name}: HistGradientBoosting trains a score per class, and levels have one score: use lightgbm, "
                "xgboost or catboost"
            )
        ignored = loss.params.get("ignore_index")
        if ignored is not None:
            raise ValueError(
                f"{loss.name}: ignore_index={ignored} has no meaning here, as HistGradientBoosting numbers the classes "
                "before a loss sees them: leave these rows out of X and y, and ignore_index too"
            )
        self.given = (loss, hessian, classes)
        self.trees = _Trees(plain(loss), hessian, classes)
        super().__init__(closs=None, link=_Link(self.trees.loss), n_classes=classes)
        self.is_multiclass = loss.kind == "rowwise"

    def fit_intercept_only(self, y_true: Array, sample_weight: Array | None = None) -> Array:
        """The constant to start from: what minimises the loss, made finite."""
        _check_estimator(self.trees.loss, sys._getframe(1).f_locals.get("self"))
        start = self.trees.start(y_true, sample_weight)
        if self.is_multiclass and len(start) == 2:
            raise ValueError(
                f"{self.trees.loss.name}: of two classes HistGradientBoostingClassifier trains one score: use a "
                "loss of two classes, such as binary_cross_entropy"
            )
        return start

    def init_gradient_and_hessian(
        self, n_samples: int, dtype: Any = np.float64, order: Any = "F"
    ) -> tuple[Array, Array]:
        """Memory for derivatives: of as many scores as the estimator has that asks, one of several that may share this.

        Training that goes on (`warm_start`) tells no loss of its own how many.
        """
        scores = getattr(sys._getframe(1).f_locals.get("self"), "n_trees_per_iteration_", self.n_classes)
        if self.is_multiclass and scores is None:
            raise ValueError(f"{self.trees.loss.name}: say classes=, the number of scores, or let an estimator ask")
        shape: Any = (n_samples, scores) if self.is_multiclass else (n_samples,)
        return np.empty(shape, dtype, order), np.empty(shape, dtype, order)

    def gradient_hessian(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None,
        gradient_out: Array | None = None, hessian_out: Array | None = None, n_threads: int = 1,
    ) -> tuple[Array, Array]:  # fmt: skip
        """Gradient and second-order weight, written into what is given."""
        gradient, hessian = self.trees(y_true, self._scores(raw_prediction), sample_weight)
        if gradient_out is None or hessian_out is None:
            return gradient, hessian
        gradient_out[...] = gradient.reshape(gradient_out.shape)
        hessian_out[...] = hessian.reshape(hessian_out.shape)
        return gradient_out, hessian_out

    def gradient(self, *arguments: Any, **named: Any) -> Array:
        return self.gradient_hessian(*arguments, **named)[0]

    def loss(
        self, y_true: Array, raw_prediction: Array, sample_weight: Array | None = None,
        loss_out: Array | None = None, n_threads: int = 1,
    ) -> Array:  # fmt: skip
        """The loss of each sample."""
        values = np.asarray(
            self.trees.loss(y_true, self._scores(raw_prediction), weight=sample_weight, reduction="none")
        )
        if loss_out is None:
            return values
        loss_out[...] = values
        return loss_out

    @property
    def predict_proba(self) -> Callable[[Array], Array]:
        """Probabilities of the classes from raw predictions; absent where the loss has no link to them."""
        loss = self.trees.loss
        if loss.link.name not in ("logit", "softmax"):
            raise AttributeError(f"{loss.name} does not elicit probabilities: its scores have no link to them")
        return self._probabilities

    def _probabilities(self, raw_prediction: Array) -> Array:
        p = np.asarray(self.link.inverse(self._scores(raw_prediction)))
        return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p

    def _scores(self, raw_prediction: Array) -> Array:
        return raw_prediction if self.is_multiclass else raw_prediction.reshape(-1)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.given  # not the rows of the last training

    def __repr__(self) -> str:
        loss, hessian, _ = self.given
        option = "" if hessian == "curvature" else f", hessian={hessian!r}"
        return f"{type(self).__name__}({loss!r}{option})"


def _check_estimator(loss: Loss, estimator: Any) -> None:
    """Refuse a loss whose scores the estimator would read as something else.

    It does not say who it is, so that it has to be looked for among who called: a classifier takes any score above 0
    for its second class, be it a mean or a quantile.
    """
    kind = type(estimator).__name__
    if is_classifier(estimator):
        if loss.link.name not in ("logit", "softmax") and loss.target_kind not in ("label", "class id"):
            raise ValueError(
                f"{loss.name} is a loss of numbers, and {kind} takes every score above 0 for its second class: use "
                "HistGradientBoostingRegressor, or a loss of classes"
            )
        if loss.kind == "pointwise" and len(estimator.classes_) > 2:
            raise ValueError(
                f"{loss.name} is a loss of two classes, and y has {len(estimator.classes_)}: use cross_entropy"
            )
    elif is_regressor(estimator) and loss.kind == "rowwise":
        raise ValueError(
            f"{loss.name} trains a score per class, and {kind} trains one: use HistGradientBoostingClassifier"
        )
