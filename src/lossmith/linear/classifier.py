"""Linear models of a class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lossmith.links import Levels
from lossmith.pairing import check_index
from lossmith.thresholds import first_cuts, parted, thresholds, to_be_learned

from .arrays import shown
from .base import ClassifierMixin, available_if
from .classes import (
    as_classes,
    as_known,
    check_heeded,
    coded,
    is_binary,
    level_is_free,
    ordered_categories,
    places,
    unlabelled,
    weighted_by_class,
    weights,
)  # fmt: skip
from .design import Design
from .estimators import Begin, LinearModel
from .features import Matrix
from .levels import Learned, learn
from .options import check_loss, known_or_none, named
from .separation import Separation, levels_apart
from .solver import Solution
from .task import Task
from .validation import as_target, as_weight

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

class LinearClassifier(ClassifierMixin, LinearModel):
    """A linear model of a class, fitted with any convex loss.

    The objective, the solvers and what is known after `fit` are those of `LinearRegressor`. With `loss=None`, binary
    cross-entropy for two classes and cross-entropy for more. A loss of levels (`cumulative_logit`) whose thresholds are
    left open learns them: `thresholds_`, for a score without intercept; its levels are the classes in sorted order, or
    in the order of an ordered categorical of pandas, or of the loss's labels. `class_weight` multiplies the sample
    weights: a dict of classes, or "balanced", which gives every class the same total. `predict_proba` exists where the
    loss has a link to probabilities. What a loss of a score per class leaves free, the level common to all of them, is
    0: intercepts sum to 0, and coefficients of a feature too, but where l1 decides.
    """

    classes_: NDArray[Any]
    thresholds_: Array  # between the levels of an ordered class
    _learned: Learned | None = None

    def __init__(
        self, loss: Any = None, l2: float = 0.0, l1: float = 0.0, tol: float = 1e-8, max_iter: int = 1000,
        *, class_weight: Any = None, warm_start: bool = False, solver: str = "newton",
        learning_rate: float | None = None, batch_size: int = 256, random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(loss, l2, l1, tol, max_iter, warm_start, solver, learning_rate, batch_size, random_state)
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit anew; with `warm_start`, from where the last fit ended. A fit that is refused changes nothing."""
        with self._unless_refused():
            loss = None if self.loss is None else self._loss()
            check_index(y=y, sample_weight=sample_weight, offset=offset)
            features, target, weight = self._samples(X, y, sample_weight, None if loss is None else loss.labels)
            if loss is not None:
                check_heeded(loss, target)
            classes, code = coded(target, loss, ordered_categories(y))
            if hasattr(self, "coef_") and not np.array_equal(classes, self.classes_):
                del self.coef_  # of other classes: no start for these
            self.classes_ = classes
            weight = weighted_by_class(self.class_weight, classes, code, weight)
            if np.count_nonzero(weights(code, weight, len(classes))) < 2:
                raise ValueError(
                    f"y holds one class only ({classes.tolist()[0]!r}): a classifier needs samples of at least two "
                    "classes, with positive weight"
                )
            loss = self._checked_loss()
            if to_be_learned(loss) is not None:
                self._check_levels(code, weight)
            self._fit(unlabelled(loss), features, code, weight, offset, len(classes))
            return self

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, offset: Any = None
    ) -> Self:
        """Learn from a batch of a stream, once, and forget it; the first batch comes with all `classes` there are. A
        batch that is refused changes nothing."""
        with self._unless_refused():
            check_index(y=y, sample_weight=sample_weight, offset=offset)
            again, every = hasattr(self, "coef_"), as_known(classes)
            known = self.classes_ if again else every
            features, target, weight = self._samples(
                X, y, sample_weight, None if known is None else known.tolist(), again=again
            )
            if not again:
                if every is None:
                    raise ValueError("classes must be passed with the first batch: a later one may hold others")
                self.classes_ = coded(every, None if self.loss is None else self._loss())[0]
                if len(self.classes_) < 2:
                    raise ValueError(f"classes is {every.tolist()}: a classifier needs at least two")
            elif every is not None and set(every.tolist()) != set(self.classes_.tolist()):
                raise ValueError(f"classes is {every.tolist()}, but was {self.classes_.tolist()} with the first batch")
            check_heeded(self._loss(), self.classes_)
            if isinstance(self.class_weight, str):
                raise ValueError(
                    f"class_weight={self.class_weight!r} needs all samples at once: with partial_fit pass a dict"
                )
            code = places(target, self.classes_)
            if (name := to_be_learned(self._loss())) is not None:
                raise ValueError(f"partial_fit cannot learn {name}, for which all samples are needed at once: use fit")
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
        if not (is_binary(loss) or loss.target_kind in ("class id", "level")):
            raise ValueError(
                f"{loss.name} is not a loss of classes (its targets are {loss.target_kind}): use LinearRegressor"
            )
        if loss.target_kind == "level":
            levels = loss.formula.target.domain.high + 1
            if to_be_learned(loss) is None and len(self.classes_) != levels:
                raise ValueError(f"{loss.name} has {levels:g} levels, but y holds {len(self.classes_)} classes")
        elif loss.kind == "pointwise" and len(self.classes_) > 2:
            raise ValueError(
                f"Only binary classification is supported by {loss.name}; y holds {len(self.classes_)} classes: use a "
                "loss of class ids, such as cross_entropy"
            )
        return loss

    def _check_levels(self, code: NDArray[Any], weight: Array | None) -> None:
        totals = weights(code, weight, len(self.classes_))
        if not totals.all():
            raise ValueError(
                f"class {shown(self.classes_[totals.argmin()])} has no samples of positive weight: there is nothing to "
                "learn its thresholds from"
            )
        if self.solver != "newton":
            raise ValueError(f"solver is {self.solver!r}: thresholds are learned by 'newton' alone")

    def _settled(
        self, loss: Loss, design: Design, y: NDArray[Any], weight: Array | None, offset: Array | None, begin: Begin
    ) -> tuple[Loss, Begin]:
        """Thresholds that a loss of levels leaves open are learned with the coefficients."""
        self._learned = None
        if to_be_learned(loss) is None:
            return loss, begin
        cuts, coefficients = first_cuts(y, weight), np.zeros(design.p)
        if begin is not None and len(getattr(self, "thresholds_", ())) == len(cuts):
            cuts, coefficients = self.thresholds_, begin[0][0]
        penalties = float(self.l2), float(self.l1)
        self._learned = found = learn(
            loss, design, y, weight, offset, penalties, (cuts, coefficients), float(self.tol), int(self.max_iter)
        )
        return parted(loss, found.cuts), (found.coefficients[None], np.zeros(1))

    def _solve(self, task: Task, begin: Array) -> Solution:
        """With learned thresholds there is little left to do; what is proven, is proven of them too."""
        solution, known = super()._solve(task, begin), self._learned
        if known is None:
            return solution
        return replace(
            solution, gap=known.proof.gap(solution.objective, task.size), n_iter=solution.n_iter + known.n_iter,
            converged=solution.converged and known.converged,
            reason=solution.reason if known.converged else "no step of thresholds and coefficients made it smaller",
        )  # fmt: skip

    def _endless(self, task: Task, solution: Solution) -> Separation | None:
        if self._learned is None:
            return super()._endless(task, solution)
        return levels_apart(task.problem, solution.theta)

    def _keep(self, task: Task, theta: Array) -> None:
        super()._keep(task, theta)
        self.__dict__.pop("thresholds_", None)  # of a fit before this one
        if self.loss_.target_kind == "level":
            self.thresholds_ = np.array(thresholds(self.loss_))
        elif level_is_free(self.loss_, len(self.classes_)):  # else it would hold what rounding left along the way
            self.intercept_ = self.intercept_ - self.intercept_.mean()
            if not self.l1:  # under which a common level has its price
                self.coef_ = self.coef_ - self.coef_.mean(axis=0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        loss = None if self.loss is None else known_or_none(self.loss)
        tags.classifier_tags.multi_class = loss is None or loss.target_kind in ("class id", "level")
        return tags

    def _output_names(self) -> list[Any]:
        return list(self.classes_.tolist())

    def decision_function(self, X: Any, offset: Any = None) -> Array:
        """Scores: (n,) for two classes, positive where the second is more likely; else (n, classes). Of a loss of
        levels minus the loss of each: their log-probabilities; `raw_scores` are the places along its thresholds."""
        raw = self.raw_scores(X, offset)
        if self.loss_.target_kind == "level":
            each = self._of_levels(raw)
            return each if each.shape[1] > 2 else np.asarray(each[:, 1] - each[:, 0])
        return raw if raw.ndim == 1 or raw.shape[1] > 2 else np.asarray(raw[:, 1] - raw[:, 0])

    def predict(self, X: Any, offset: Any = None) -> NDArray[Any]:
        """The class of the larger score; of a loss of levels, the likeliest."""
        raw = self.raw_scores(X, offset)
        if self.loss_.target_kind == "level":
            raw = self._of_levels(raw)
        chosen = (raw > 0).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    def _of_levels(self, raw: Array) -> Array:
        """Minus the loss of each level, (n, levels)."""
        each = [-self.loss_(np.full(len(raw), k), raw, reduction="none") for k in range(len(self.classes_))]
        return np.column_stack(each)

    def _elicits_probabilities(self) -> bool:
        loss = self.loss_ if hasattr(self, "loss_") else self._loss()  # another may have been set since the fit
        if loss.link.name not in ("logit", "softmax") and not isinstance(loss.link, Levels):
            raise AttributeError(f"{loss.name} does not elicit probabilities: its scores have no link to them")
        return True

    @available_if(_elicits_probabilities)
    def predict_proba(self, X: Any, offset: Any = None) -> Array:
        """Probabilities of the classes, shape (n, classes); absent where the loss has no link to probabilities."""
        raw = self.raw_scores(X, offset)
        p = np.asarray(self.loss_.link.inverse(raw), dtype=np.float64)
        return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p

    def encoded(self, loss: Loss, y: Any) -> NDArray[Any]:
        """y as a loss without labels wants it: class ids, or 0 and 1."""
        return places(np.asarray(y), self.classes_)

    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """Accuracy. A class that was not there in `fit` counts as wrong."""
        check_index(y=y, sample_weight=sample_weight, offset=offset)
        predicted = self.predict(X, offset)
        weight = as_weight(sample_weight, len(predicted))
        known = as_classes(as_target(y, len(predicted), who=type(self).__name__), weight)
        return float(np.average(predicted == known, weights=weight))
