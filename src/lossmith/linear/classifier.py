"""Linear models of a class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .base import ClassifierMixin
from .classes import as_classes, coded, is_binary, places, unlabelled, weighted_by_class
from .estimators import LinearModel, check_loss, named
from .features import Matrix
from .validation import as_target, as_weight

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

class LinearClassifier(ClassifierMixin, LinearModel):
    """A linear model of a class, fitted with any convex loss.

    The objective, the solvers and what is known after `fit` are those of `LinearRegressor`. With `loss=None`, binary
    cross-entropy for two classes and cross-entropy for more. `class_weight` multiplies the sample weights: a dict of
    classes, or "balanced", which gives every class the same total. `predict_proba` exists where the loss has a link to
    probabilities.
    """

    classes_: NDArray[Any]

    def __init__(
        self, loss: Any = None, l2: float = 0.0, l1: float = 0.0, tol: float = 1e-8, max_iter: int = 1000,
        *, class_weight: Any = None, warm_start: bool = False, solver: str = "newton",
        learning_rate: float | None = None, batch_size: int = 256, random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(loss, l2, l1, tol, max_iter, warm_start, solver, learning_rate, batch_size, random_state)
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit anew; with `warm_start`, from where the last fit ended."""
        loss = None if self.loss is None else self._loss()
        features, target, weight = self._samples(X, y, sample_weight, None if loss is None else loss.labels)
        classes, code = coded(target, loss)
        if hasattr(self, "coef_") and not np.array_equal(classes, self.classes_):
            del self.coef_  # of other classes: no start for these
        self.classes_ = classes
        weight = weighted_by_class(self.class_weight, classes, code, weight)
        if np.count_nonzero(np.bincount(code, weights=weight)) < 2:
            raise ValueError(
                f"y holds one class only ({classes[0]!r}): a classifier needs samples of at least two "
                "classes, with positive weight"
            )
        loss = self._checked_loss()
        self._fit(unlabelled(loss), features, code, weight, offset, len(classes))
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, offset: Any = None
    ) -> Self:
        """Learn from a batch of a stream, once, and forget it; the first batch comes with all `classes` there are."""
        again = hasattr(self, "coef_")
        features, target, weight = self._samples(
            X, y, sample_weight, self.classes_.tolist() if again else classes, again=again
        )
        if not again:
            if classes is None:
                raise ValueError("classes must be passed with the first batch: a later one may hold others")
            self.classes_ = coded(np.asarray(classes), None if self.loss is None else self._loss())[0]
            if len(self.classes_) < 2:
                raise ValueError(f"classes is {list(classes)}: a classifier needs at least two")
        elif classes is not None and set(np.asarray(classes).tolist()) != set(self.classes_.tolist()):
            raise ValueError(f"classes is {list(classes)}, but was {self.classes_.tolist()} with the first batch")
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} needs all samples at once: with partial_fit pass a dict"
            )
        code = places(target, self.classes_)
        weight = weighted_by_class(self.class_weight, self.classes_, code, weight)
        loss = self._checked_loss()
        self._stream_in(unlabelled(loss), features, code, weight, offset, len(self.classes_))
        return self

    def _samples(
        self, X: Any, y: Any, sample_weight: Any, known: Iterable[Any] | None, *, again: bool = False
    ) -> tuple[Matrix, NDArray[Any], Array | None]:
        """``known``: the classes that there are, where that is known."""
        features = self._features(X, again=again)
        n = features.shape[0]
        weight = as_weight(sample_weight, n)
        return features, as_classes(as_target(y, n, who=type(self).__name__), weight, known), weight

    def _loss(self) -> Loss:
        """The loss of as many classes as there are; of two before `fit`."""
        if self.loss is None:
            return named("binary_cross_entropy" if len(getattr(self, "classes_", "01")) == 2 else "cross_entropy")
        return named(self.loss)

    def _checked_loss(self) -> Loss:
        loss = self._loss()
        check_loss(loss)
        if not (is_binary(loss) or loss.target_kind == "class id"):
            raise ValueError(
                f"{loss.name} is not a loss of classes (its targets are {loss.target_kind}): use LinearRegressor"
            )
        if loss.kind == "pointwise" and len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported by {loss.name}; y holds {len(self.classes_)} classes: use a "
                "loss of class ids, such as cross_entropy"
            )
        return loss

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.loss is None or self._loss().kind == "rowwise"
        return tags

    def _output_names(self) -> list[Any]:
        return list(self.classes_.tolist())

    def decision_function(self, X: Any, offset: Any = None) -> Array:
        """Scores: (n,) for two classes, positive where the second is more likely; else (n, classes)."""
        raw = self.raw_scores(X, offset)
        return raw if raw.ndim == 1 or raw.shape[1] > 2 else np.asarray(raw[:, 1] - raw[:, 0])

    def predict(self, X: Any, offset: Any = None) -> NDArray[Any]:
        """The class of the larger score."""
        raw = self.raw_scores(X, offset)
        chosen = (raw > 0).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    @property
    def predict_proba(self) -> Callable[..., Array]:
        """Probabilities of the classes, shape (n, classes); absent where the loss has no link to probabilities."""
        loss = self._loss()
        if loss.link.name not in ("logit", "softmax"):
            raise AttributeError(f"{loss.name} does not elicit probabilities: its scores have no link to them")
        return self._probabilities

    def _probabilities(self, X: Any, offset: Any = None) -> Array:
        raw = self.raw_scores(X, offset)
        p = np.asarray(self.loss_.link.inverse(raw), dtype=np.float64)
        return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p

    def encoded(self, loss: Loss, y: Any) -> NDArray[Any]:
        """y as a loss without labels wants it: class ids, or 0 and 1."""
        return places(np.asarray(y), self.classes_)

    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Accuracy."""
        right = self.predict(X, offset) == np.asarray(y)
        return float(np.average(right, weights=sample_weight))
