"""Linear models of a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from lossmith.pairing import check_index

from .base import RegressorMixin
from .estimators import LinearModel, quiet
from .options import check_loss, known_or_none, named
from .validation import as_numbers, as_target, as_weight

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]


class LinearRegressor(RegressorMixin, LinearModel):
    """A linear model of a number, fitted with any convex loss.

    Minimises weighted mean of loss(y, X w + b + offset) + l2/2 |w|^2 + l1 |w|_1; the intercept b is free. `predict`
    answers on the natural scale: the inverse link of X w + b (the mean, for Poisson).

    With `scale="mad"` the loss's parameters in units of y (Huber's delta) are multiples of the residuals' size, their
    median absolute deviation times 1.4826, which is refreshed until it stops changing: `scale_`. A redescending loss
    starts from a robust fit (see `lossmith.linear.robust`), and a warning says that its optimum is a local one.

    `solver` is "newton", which ends at a proven distance from the optimum, or for teaching "gradient_descent", "sgd" or
    "adam"; these steps are taken in standardised features. `partial_fit` learns from a stream by "sgd" or, with every
    other solver, "adam". `learning_rate=None`: a line search for gradient descent, for the others a step that suits the
    data.

    "newton" stops where the objective is proven to lie within `tol` times the mean size of the loss at the optimum (or
    of a hundredth of that of the best constant, where a model fits better than that).

    Samples of weight 0 are removed: their targets and offsets may be anything, also NaN. Their features have to be
    finite, like all others; no feature is copied to leave them out.

    After `fit`: `coef_`, `intercept_`, `coefficients_` (by name), `objective_`, `gap_` (how far the objective can be
    from the optimum, proven for a convex loss among models whose scores are up to four times as large as those of this
    one and the deviations of y from the best constant together, in the root of the mean square, however large
    coefficients are, see `lossmith.linear.reach`; NaN where sampling finds the loss not convex), `converged_`,
    `stopped_` (why the solver stopped), `n_iter_`, `history_` (drawn by `plot_history()`).
    """

    def __init__(
        self, loss: Any = "squared_error", l2: float = 0.0, l1: float = 0.0, tol: float = 1e-8, max_iter: int = 1000,
        *, scale: str | None = None, warm_start: bool = False, solver: str = "newton",
        learning_rate: float | None = None, batch_size: int = 256, random_state: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(loss, l2, l1, tol, max_iter, warm_start, solver, learning_rate, batch_size, random_state)
        self.scale = scale

    def fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Fit anew; with `warm_start`, from where the last fit ended. A fit that is refused changes nothing."""
        with self._unless_refused():
            loss, features, target, weight = self._checked(X, y, sample_weight, offset)
            _check_spread(loss, target, weight)
            self._fit(loss, features, target, weight, offset)
            return self._plain()

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> Self:
        """Learn from a batch of a stream, once, and forget it; a batch that is refused changes nothing."""
        with self._unless_refused():
            loss, features, target, weight = self._checked(X, y, sample_weight, offset, again=hasattr(self, "coef_"))
            self._stream_in(loss, features, target, weight, offset)
            return self._plain()

    def _checked(
        self, X: Any, y: Any, sample_weight: Any, offset: Any, *, again: bool = False
    ) -> tuple[Loss, Any, Array, Any]:
        loss = named(self.loss)
        check_loss(loss)
        if loss.target_kind != "real":  # binary losses that take any number in [0, 1] are welcome
            raise ValueError(
                f"{loss.name} is a loss of classes (its targets are {loss.target_kind}): use LinearClassifier"
            )
        check_index(y=y, sample_weight=sample_weight, offset=offset)
        features = self._features(X, again=again)
        weight = as_weight(sample_weight, features.shape[0])
        return loss, features, as_numbers(as_target(y, features.shape[0], who=type(self).__name__), weight), weight

    def _plain(self) -> Self:
        """One output needs no axis of outputs."""
        if len(self.coef_) == 1:
            self.coef_, self.intercept_ = self.coef_[0], float(self.intercept_[0])
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        loss = known_or_none(self.loss)
        tags.target_tags.positive_only = loss is not None and loss.formula.target.domain.low >= 0
        return tags

    def predict(self, X: Any, offset: Any = None) -> Array:
        """The prediction on the natural scale."""
        raw = self.raw_scores(X, offset)
        return np.asarray(self.loss_.link.inverse(raw), dtype=np.float64)

    def first_prediction(self, X: Any, offset: Any = None) -> Array:
        """The prediction; where the loss has several, the first of them (the mean, for gaussian_nll)."""
        prediction = self.predict(X, offset)
        return prediction if prediction.ndim == 1 else prediction[:, 0]

    def encoded(self, loss: Loss, y: Any) -> NDArray[Any]:
        """y as a loss wants it: as it is."""
        return np.asarray(y)

    @quiet
    def score(self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None) -> float:
        """R squared of the predictions; where the loss has several, of the first (the mean, for gaussian_nll)."""
        check_index(y=y, sample_weight=sample_weight, offset=offset)
        prediction = self.first_prediction(X, offset)
        weight = as_weight(sample_weight, len(prediction))
        target = as_numbers(as_target(y, len(prediction)), weight)
        if weight is not None:
            target, prediction, weight = (x[weight > 0] for x in (target, prediction, weight))
        spread = float(np.average((target - np.average(target, weights=weight)) ** 2, weights=weight))
        error = float(np.average((target - prediction) ** 2, weights=weight))
        if spread == 0:
            return 1.0 if error == 0 else 0.0
        return float(1.0 - error / spread)


def _check_spread(loss: Loss, y: Array, weight: Array | None) -> None:
    """Refuses a spread to be learned of targets that have none: it would be 0, and its logarithm is no score."""
    counted = y if weight is None else y[weight > 0]
    if loss.wide and (counted == counted[0]).all() and not np.isfinite(loss.best_constant(counted)).all():
        raise ValueError(
            f"y is {float(counted[0])!r} for every sample: {loss.name} learns how far targets spread, and has no "
            "optimum where they do not"
        )
