"""Linear models under any convex loss, as scikit-learn estimators."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from lossmith.start import without_labels

from .base import BaseEstimator, ClassifierMixin, ConvergenceWarning, NotFittedError, RegressorMixin
from .beginning import beginning
from .blas import suited_threads
from .design import Design, products
from .problem import Problem
from .solver import Solution, minimise
from .validation import as_features, as_numbers, as_target, as_weight, feature_names

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]


class _Linear(BaseEstimator):
    """What the two estimators share: parameters, the fit of encoded targets, raw scores."""

    loss: Any
    intercept_: Any
    l2: float
    l1: float
    tol: float
    max_iter: int

    def set_params(self, **params: Any) -> Self:
        """As of every estimator; ``loss__delta=2.0``, as in a grid of a search, sets a parameter of the loss."""
        inner = {name.removeprefix("loss__"): params.pop(name) for name in list(params) if name.startswith("loss__")}
        super().set_params(**params)
        if inner:
            self.loss = _reparametrised(self.loss, inner)
        return self

    def _fit(
        self, loss: Loss, X: NDArray[Any], y: NDArray[Any], weight: Array | None, classes: int | None = None
    ) -> Solution:
        self._check_parameters()
        if weight is not None and not (kept := weight > 0).all():
            X, y, weight = X[kept], y[kept], weight[kept]
        start, unit = beginning(loss, y, weight, classes)
        origin = float(start[0]) if _shiftable(loss, y, float(start[0]), unit) else 0.0
        if origin:
            y, start = y - origin, start - origin
        theta = np.zeros((X.shape[1] + 1, len(start)))
        theta[0] = start
        with suited_threads(*X.shape):
            design = Design(X, weight)
            problem = Problem(loss, design, y, weight, float(self.l2), float(self.l1), unit)
            solution = minimise(problem, theta, float(self.tol), int(self.max_iter))
        self.loss_ = loss
        self.coef_, self.intercept_ = design.original(solution.theta)
        self.intercept_ = self.intercept_ + origin
        self.objective_, self.gap_, self.converged_ = solution.objective, solution.gap, solution.converged
        self.n_iter_, self.history_, self.stopped_ = max(solution.n_iter, 1), solution.history, solution.reason
        if not solution.converged:
            self._warn(solution)
        return solution

    def _warn(self, solution: Solution) -> None:
        if solution.convex:
            state = (
                f"the objective, {solution.objective:.9g}, is proven to lie within {solution.gap:.3g} of the optimum"
            )
        else:
            state = f"the loss is not convex; the objective is {solution.objective:.9g}"
        advice = "increase max_iter" if solution.n_iter >= self.max_iter else "increase tol, or add a penalty"
        warnings.warn(
            f"{type(self).__name__} with {self.loss_.name} stopped after {solution.n_iter} iterations before reaching "
            f"tol={self.tol:g}: {state}; {advice}",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _check_parameters(self) -> None:
        for name in ("l2", "l1"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value!r}: a penalty must be finite and not negative")
        if not self.tol > 0:
            raise ValueError(f"tol is {self.tol!r}: it must be positive")
        if self.max_iter < 1:
            raise ValueError(f"max_iter is {self.max_iter!r}: it must be at least 1")

    def _features(self, X: Any) -> NDArray[Any]:
        """X of a first fit: remembers how many features there are and what they are called."""
        features = as_features(X)
        self.n_features_in_ = features.shape[1]
        names = feature_names(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return features

    def raw_scores(self, X: Any) -> Array:
        """X w + b, what the loss takes: (n,) for one output, (n, outputs) for several."""
        if not hasattr(self, "coef_"):
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit first")
        self._check_names(X)
        features = as_features(X, fitted=self.n_features_in_, who=type(self).__name__)
        coef = np.atleast_2d(self.coef_)
        raw = products(features, coef.T) + self.intercept_
        one = self.loss_.kind == "pointwise" and raw.shape[1] == 1
        return np.asarray(raw[:, 0] if one else raw)

    def _check_names(self, X: Any) -> None:
        fitted, given = getattr(self, "feature_names_in_", None), feature_names(X)
        if fitted is None and given is None:
            return
        if fitted is None:
            warnings.warn(
                f"X has feature names, but {type(self).__name__} was fitted without feature names", stacklevel=4
            )
        elif given is None:
            if hasattr(X, "shape"):
                warnings.warn(
                    f"X does not have valid feature names, but {type(self).__name__} was fitted with feature names",
                    stacklevel=4,
                )
        elif not np.array_equal(fitted, given):
            raise ValueError(_name_difference(list(fitted), list(given)))


def _name_difference(fitted: list[str], given: list[str]) -> str:
    lines = ["The feature names should match those that were passed during fit."]
    for title, names in (
        ("Feature names unseen at fit time:", sorted(set(given) - set(fitted))),
        ("Feature names seen at fit time, yet now missing:", sorted(set(fitted) - set(given))),
    ):
        if names:
            lines += [title, *(f"- {name}" for name in names[:5]), *(["- ..."] if len(names) > 5 else [])]
    if len(lines) == 1:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines) + "\n"


def _check_loss(loss: Loss) -> None:
    if loss.target_kind == "row":
        raise ValueError(f"{loss.name} takes a row of numbers per sample as target: linear models do not support that")
    if loss.kinked and not (loss.kind == "pointwise" and loss.outputs == 1):
        raise ValueError(
            f"{loss.name} has kinks and takes several scores per sample: linear models support kinked losses of one "
            "score only; for classes use cross_entropy"
        )


def _shiftable(loss: Loss, y: NDArray[Any], origin: float, unit: float) -> bool:
    """Whether targets far from zero can be moved near it: the loss sees only how far scores are from these targets.

    Worth asking only where the distance of the targets from zero would swallow the digits of their differences.
    """
    if loss.target_kind != "real" or loss.outputs != 1 or abs(origin) < 1e2 * unit:
        return False
    spread = np.linspace(-3.0, 3.0, len(y)) * unit
    try:
        here = np.stack(loss.value_and_gradient(y, origin + spread, reduction="none"))
        there = np.stack(loss.value_and_gradient(y - origin, spread, reduction="none"))
    except ValueError:  # the loss is not defined near zero
        return False
    return bool(np.allclose(here, there, rtol=1e-6, atol=1e-6 * float(np.abs(there).mean())))


def _named(loss: Any) -> Loss:
    if isinstance(loss, str):
        from lossmith.registry import get

        return get(loss)
    return cast("Loss", loss)


def _reparametrised(loss: Any, params: Mapping[str, Any]) -> Loss:
    """The same loss with other parameters."""
    known = None if loss is None else _named(loss)
    if known is None or known.recipe is None:
        raise ValueError(f"loss__{next(iter(params))}: the loss {loss!r} has no parameters to set")
    return type(known).from_recipe(known.recipe, known.labels, **{**known.params, **params})


class LinearRegressor(RegressorMixin, _Linear):
    """A linear model of a number, fitted with any convex loss.

    Minimises weighted mean of loss(y, X w + b) + l2/2 |w|^2 + l1 |w|_1; the intercept b is free. `predict` answers on
    the natural scale: the inverse link of X w + b (the mean, for Poisson). After `fit`: `coef_`, `intercept_`,
    `objective_`, `gap_` (how far the objective can be from the optimum, proven for a convex loss; NaN where
    sampling finds the loss not convex),
    `converged_`, `n_iter_`, `history_`.
    """

    def __init__(
        self, loss: Any = "squared_error", l2: float = 0.0, l1: float = 0.0, tol: float = 1e-8, max_iter: int = 1000
    ) -> None:
        self.loss = loss
        self.l2 = l2
        self.l1 = l1
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        loss = _named(self.loss)
        _check_loss(loss)
        if loss.target_kind != "real":  # binary losses that take any number in [0, 1] are welcome
            raise ValueError(
                f"{loss.name} is a loss of classes (its targets are {loss.target_kind}): use LinearClassifier"
            )
        features = self._features(X)
        weight = as_weight(sample_weight, len(features))
        target = as_numbers(as_target(y, len(features), who=type(self).__name__))
        self._fit(loss, features, target, weight)
        if len(self.coef_) == 1:
            self.coef_, self.intercept_ = self.coef_[0], float(self.intercept_[0])
        return self

    def predict(self, X: Any) -> Array:
        """The prediction on the natural scale."""
        raw = self.raw_scores(X)
        return np.asarray(self.loss_.link.inverse(raw), dtype=np.float64)

    def encoded(self, loss: Loss, y: Any) -> NDArray[Any]:
        """y as a loss wants it: as it is."""
        return np.asarray(y)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R squared of the predictions."""
        prediction = self.predict(X)
        target = as_numbers(as_target(y, len(prediction)))
        weight = as_weight(sample_weight, len(prediction))
        spread = float(np.average((target - np.average(target, weights=weight)) ** 2, weights=weight))
        error = float(np.average((target - prediction) ** 2, weights=weight))
        if spread == 0:
            return 1.0 if error == 0 else 0.0
        return float(1.0 - error / spread)


class LinearClassifier(ClassifierMixin, _Linear):
    """A linear model of a class, fitted with any convex loss.

    The objective is that of `LinearRegressor`. With `loss=None`, binary cross-entropy for two classes and cross-entropy
    for more. `predict_proba` exists where the loss has a link to probabilities.
    """

    def __init__(
        self, loss: Any = None, l2: float = 0.0, l1: float = 0.0, tol: float = 1e-8, max_iter: int = 1000
    ) -> None:
        self.loss = loss
        self.l2 = l2
        self.l1 = l1
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        features = self._features(X)
        weight = as_weight(sample_weight, len(features))
        target = _classes(as_target(y, len(features), who=type(self).__name__))
        given = None if self.loss is None else self._loss()
        self.classes_, code = _coded(target, given)
        k = len(self.classes_)
        if k < 2 or len(np.unique(code if weight is None else code[weight > 0])) < 2:
            raise ValueError(
                f"y holds one class only ({self.classes_[0]!r}): a classifier needs samples of at least two "
                "classes, with positive weight"
            )
        loss = self._loss(k)
        _check_loss(loss)
        if not (is_binary(loss) or loss.target_kind == "class id"):
            raise ValueError(
                f"{loss.name} is not a loss of classes (its targets are {loss.target_kind}): use LinearRegressor"
            )
        if loss.kind == "pointwise" and k > 2:
            raise ValueError(
                f"Only binary classification is supported by {loss.name}; y holds {k} classes: use a loss of "
                "class ids, such as cross_entropy"
            )
        solution = self._fit(unlabelled(loss), features, _numbers(loss, code), weight, k)
        self._warn_if_separated(solution)
        return self

    def _warn_if_separated(self, solution: Solution) -> None:
        if self.l1 or self.l2 or not solution.convex:
            return
        start = solution.history[0].objective
        if solution.objective <= 1e-6 * start and np.isfinite(start):
            warnings.warn(
                "the classes are separated perfectly: without a penalty the best coefficients are infinite, and these "
                "are as large as tol asked for; set l2",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _loss(self, classes: int = 2) -> Loss:
        if self.loss is None:
            return _named("binary_cross_entropy" if classes == 2 else "cross_entropy")
        return _named(self.loss)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = self.loss is None or self._loss().kind == "rowwise"
        return tags

    def decision_function(self, X: Any) -> Array:
        """Raw scores: (n,) for two classes under a loss of one score, else (n, classes)."""
        return self.raw_scores(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of the larger score."""
        raw = self.raw_scores(X)
        chosen = (raw > 0).astype(np.intp) if raw.ndim == 1 else raw.argmax(axis=1)
        return np.asarray(self.classes_[chosen])

    @property
    def predict_proba(self) -> Callable[[Any], Array]:
        """Probabilities of the classes, shape (n, classes); absent where the loss has no link to probabilities."""
        loss = self._loss()
        if loss.link.name not in ("logit", "softmax"):
            raise AttributeError(f"{loss.name} does not elicit probabilities: its scores have no link to them")
        return self._probabilities

    def _probabilities(self, X: Any) -> Array:
        raw = self.raw_scores(X)
        p = np.asarray(self.loss_.link.inverse(raw), dtype=np.float64)
        return np.column_stack([1.0 - p, p]) if p.ndim == 1 else p

    def encoded(self, loss: Loss, y: Any) -> NDArray[Any]:
        """y as a loss without labels wants it: class ids, or 0 and 1."""
        place = {label: i for i, label in enumerate(self.classes_.tolist())}
        return _numbers(loss, np.array([place[label] for label in np.asarray(y).tolist()], dtype=np.intp))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy."""
        right = self.predict(X) == np.asarray(y)
        return float(np.average(right, weights=sample_weight))


def _classes(y: NDArray[Any]) -> NDArray[Any]:
    """A target of classes: anything that sorts, but not measurements and not NaN."""
    if y.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(y))
        if len(bad):
            raise ValueError(
                f"y[{int(bad[0])}] is {y[bad[0]]}: Input y contains NaN or infinity; classes must be finite"
            )
        odd = np.flatnonzero(y != np.round(y))
        if len(odd):
            raise ValueError(
                f"y[{int(odd[0])}] is {y[odd[0]]}: Unknown label type: continuous. A classifier needs classes; "
                "for measurements use LinearRegressor"
            )
    return y


def _coded(y: NDArray[Any], loss: Loss | None) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The classes, sorted, and each sample's place among them; in the loss's own order where it names its labels."""
    if loss is None or loss.labels is None:
        classes, code = np.unique(y, return_inverse=True)
        return classes, code.astype(np.intp)
    return np.asarray(loss.labels), without_labels(loss, y)[1]


def _numbers(loss: Loss, code: NDArray[np.intp]) -> NDArray[Any]:
    return code if loss.target_kind == "class id" else code.astype(np.float64)


def unlabelled(loss: Loss) -> Loss:
    """The loss of 0 and 1, or of class ids, whatever it calls them."""
    return loss if loss.labels is None else loss.replaced(labels=None)


def is_binary(loss: Loss) -> bool:
    """Whether the targets are two classes, or numbers from one class (0) to the other (1)."""
    domain = loss.formula.target.domain
    return loss.kind == "pointwise" and (loss.target_kind == "label" or (domain.low, domain.high) == (0.0, 1.0))
