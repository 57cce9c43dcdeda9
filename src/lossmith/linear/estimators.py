"""What the two estimators share: parameters, the fit of encoded targets, streams, raw scores."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lossmith.start import in_units, redescends

from .base import BaseEstimator, ConvergenceWarning, LocalOptimumWarning, NotFittedError
from .blas import suited_threads
from .descent import descend
from .design import Design, products
from .features import Matrix, as_features, check_finite, feature_names, is_sparse
from .options import check_parameters, reparametrised
from .robust import high_breakdown, scale_names, with_settled_scale
from .separation import Separation, separation
from .smoothing import narrowed
from .solver import Solution, minimise
from .stream import Stream
from .task import Task, design_of
from .trouble import has_no_loss, says_little, separated, unfinished
from .validation import as_offset

if TYPE_CHECKING:
    from lossmith.loss import Loss

    from .path import Path

Array = NDArray[np.float64]
Begin: TypeAlias = tuple[Array, Array] | None
"""Coefficients and intercepts; None where nothing is known."""


quiet = np.errstate(all="ignore")  # steps may go too far, which is looked at, whatever NumPy is set to do about it


class LinearModel(BaseEstimator):
    """A linear model of one or several raw scores."""

    scale: str | None = None
    n_features_in_: int
    intercept_: Any
    _stream: Stream

    def __init__(
        self, loss: Any, l2: float, l1: float, tol: float, max_iter: int, warm_start: bool, solver: str,
        learning_rate: float | None, batch_size: int, random_state: Any,
    ) -> None:  # fmt: skip
        self.loss = loss
        self.l2 = l2
        self.l1 = l1
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.random_state = random_state

    def set_params(self, **params: Any) -> Self:
        """As of every estimator; ``loss__delta=2.0``, as in a grid of a search, sets a parameter of the loss."""
        inner = {name.removeprefix("loss__"): params.pop(name) for name in list(params) if name.startswith("loss__")}
        super().set_params(**params)
        if inner:
            self.loss = reparametrised(self.loss, inner)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # fitting ----------------------------------------------------------------------------------------------------------

    @quiet
    def _fit(
        self, loss: Loss, X: Matrix, y: NDArray[Any], weight: Array | None, offset: Any, classes: int | None = None
    ) -> None:
        check_parameters(self)
        added = as_offset(offset, len(y), _outputs(loss, classes), weight)
        kept, y, weight, added = self._weighty(X, y, weight, added)
        with suited_threads(len(y), X.shape[1]):
            design = design_of(X, weight, self._given_names(), kept)

            def make(loss: Loss) -> Task:
                return Task(loss, design, y, weight, added, (float(self.l2), float(self.l1)), classes)

            begin = self._before(_outputs(loss, classes) or 1, X.shape[1])
            loss, begin = self._settled(loss, design, y, weight, added, begin)
            local, near = redescends(loss) is not None, "the last fit"
            if begin is None and (local or self.scale):
                begin, near = high_breakdown(make)
            if begin and self.scale:
                task, solution, self.scale_, trouble = with_settled_scale(loss, make, self._solve, begin)
            else:
                task, trouble = make(loss), ""
                solution = self._solve(task, task.start(begin, local=local))
        self._keep(task, solution.theta)
        self.objective_, self.gap_ = solution.objective, solution.gap
        self.converged_, self.stopped_ = solution.converged and not trouble, trouble or solution.reason
        self.n_iter_, self.history_ = max(solution.n_iter, 1), solution.history
        self.__dict__.pop("_stream", None)
        endless = self._endless(task, solution)
        if not solution.converged:
            self._say(unfinished(solution, float(self.tol), int(self.max_iter), task, self.solver), ConvergenceWarning)
        elif trouble:
            self._say(trouble, ConvergenceWarning)
        elif says_little(solution, float(self.tol), task):
            self._say(
                f"the loss of the best constant is so much larger that the objective, {solution.objective:.3g}, is "
                f"only proven to lie within {solution.gap:.3g} of the optimum; decrease tol",
                ConvergenceWarning,
            )
        if endless is not None:
            said = separated(endless, task, kept, self._feature_names(), self._output_names())
            self._say(said, ConvergenceWarning)
        elif has_no_loss(solution, task):
            self._say(
                "the classes are separated perfectly: without a penalty many coefficients have no loss, and these are "
                "some of them; set l2",
                ConvergenceWarning,
            )
        if local:
            self._say(
                f"the loss redescends, so this optimum is a local one: the one near {near}", LocalOptimumWarning
            )

    def _settled(
        self, loss: Loss, design: Design, y: NDArray[Any], weight: Array | None, offset: Array | None, begin: Begin
    ) -> tuple[Loss, Begin]:
        """The loss with what it leaves open, and where to begin."""
        return loss, begin

    def _weighty(
        self, X: Matrix, y: NDArray[Any], weight: Array | None, offset: Array | None
    ) -> tuple[NDArray[np.intp] | None, NDArray[Any], Array | None, Array | None]:
        """The samples of positive weight, and which rows they are; None where that is all. X itself is not copied."""
        if weight is None or (positive := weight > 0).all():
            return None, y, weight, offset
        check_finite(X, self._given_names())  # also of the others
        kept = np.flatnonzero(positive)
        return kept, y[kept], weight[kept], None if offset is None else offset[kept]

    def _before(self, outputs: int, features: int) -> tuple[Array, Array] | None:
        """The model of the last fit, where this one is to go on from it and can."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coefficients = np.atleast_2d(self.coef_)
        if coefficients.shape != (outputs, features):
            return None
        return coefficients, np.atleast_1d(self.intercept_)

    def _solve(self, task: Task, begin: Array) -> Solution:
        """Until the objective is proven to lie within tol times the mean size of the loss: see `Goal`."""
        tol, max_iter = float(self.tol), int(self.max_iter)
        if self.solver == "newton":
            solve = narrowed if task.problem.loss.wide and task.problem.loss.kinked else minimise
            return solve(task.problem, begin, tol, max_iter, task.size)
        return descend(
            task.problem, begin, tol, max_iter, task.size, self.solver, self.learning_rate, int(self.batch_size),
            self.random_state,
        )  # fmt: skip

    def _endless(self, task: Task, solution: Solution) -> Separation | None:
        """Where the loss falls for ever, if it does."""
        return separation(task.problem, solution.theta, task.constant, convex=solution.convex)

    def _keep(self, task: Task, theta: Array) -> None:
        self.loss_ = task.problem.loss
        if not self.scale:
            self.__dict__.pop("scale_", None)  # of a fit before this one
        self.coef_, self.intercept_ = task.original(theta)

    @contextmanager
    def _unless_refused(self) -> Iterator[None]:
        """An error, or an interrupt, leaves the estimator as it was; what is told of a fit as a warning does not, even
        where warnings are errors."""
        before = dict(self.__dict__)
        try:
            yield
        except BaseException as error:
            if not isinstance(error, Warning) or self.__dict__.get("coef_") is before.get("coef_"):
                self.__dict__ = before
            raise

    @quiet
    def _stream_in(
        self, loss: Loss, X: Matrix, y: NDArray[Any], weight: Array | None, offset: Any, classes: int | None = None
    ) -> None:
        """One look at a batch of a stream; one that is refused leaves no trace."""
        check_parameters(self)
        added = as_offset(offset, len(y), _outputs(loss, classes), weight)
        kept, y, weight, added = self._weighty(X, y, weight, added)
        old = (np.atleast_2d(self.coef_), np.atleast_1d(self.intercept_)) if hasattr(self, "coef_") else None
        begun = hasattr(self, "_stream")
        stream = deepcopy(self._stream) if begun else Stream(self.solver, None if old is None else old[0])
        design = design_of(X, weight, self._given_names(), kept)
        stream.look(design, float(len(y) if weight is None else weight.sum()))

        def ready(loss: Loss) -> tuple[Task, Array]:
            task = Task(loss, design, y, weight, added, (float(self.l2), float(self.l1)), classes, stream.begin)
            stream.begin = task.begin
            return task, task.constant if old is None else task.scaled(*stream.carried(*old))

        task, theta = ready(loss)
        if self.scale:
            scale = stream.measure(task.problem, theta)
            task, theta = ready(in_units(loss, scale, scale_names(loss)))
        rng = np.random.default_rng(self.random_state)
        theta, step = stream.learn(task, theta, self.learning_rate, int(self.batch_size), rng)
        self._keep(task, theta)
        if self.scale:
            self.scale_ = scale
        self._stream, self.history_ = stream, [*self.history_, step] if begun else [step]
        self.objective_, self.gap_, self.converged_ = step.objective, float("nan"), False
        self.n_iter_, self.stopped_ = step.iteration, "the stream may go on"

    def _say(self, message: str, category: type[Warning]) -> None:
        warnings.warn(f"{type(self).__name__} with {self.loss_.name}: {message}", category, stacklevel=4)

    # features and scores ----------------------------------------------------------------------------------------------

    def _features(self, X: Any, *, again: bool = False, later: bool = True) -> Matrix:
        """X of a first fit: remembers how many features there are and what they are called; of a later one: checks.

        ``later``: see `as_features`.
        """
        if again:
            self._check_names(X)
            return as_features(X, fitted=self.n_features_in_, who=type(self).__name__, later=later)
        features = as_features(X, later=later)
        self.n_features_in_ = features.shape[1]
        names = feature_names(X)
        if names is not None:
            self.feature_names_in_ = names
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return features

    @quiet
    def raw_scores(self, X: Any, offset: Any = None) -> Array:
        """X w + b + offset, what the loss takes: (n,) for one output, (n, outputs) for several."""
        if not hasattr(self, "coef_"):
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit first")
        features = self._features(X, again=True, later=False)
        coef = np.atleast_2d(self.coef_)
        product = np.asarray(features @ coef.T) if is_sparse(features) else products(features, coef.T)
        raw = product + self.intercept_
        one = self.loss_.kind == "pointwise" and raw.shape[1] == 1
        added = as_offset(offset, len(raw), None if one else raw.shape[1])
        raw = raw[:, 0] if one else raw
        return np.asarray(raw if added is None else raw + added)

    @property
    def coefficients_(self) -> dict[Any, Any]:
        """Coefficients by the names of the features, which are x0, x1 ... where they had none; by output first, where
        there are several."""
        if not hasattr(self, "coef_"):
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit first")
        names = self._feature_names()
        if np.ndim(self.coef_) == 1 or len(self.coef_) == 1:
            return dict(zip(names, np.ravel(self.coef_).tolist(), strict=True))
        rows = [dict(zip(names, row.tolist(), strict=True)) for row in self.coef_]
        return dict(zip(self._output_names(), rows, strict=True))

    def _given_names(self) -> list[str] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else list(names)

    def _feature_names(self) -> list[str]:
        names = self._given_names()
        return [f"x{i}" for i in range(self.n_features_in_)] if names is None else names

    def _output_names(self) -> list[Any]:
        return [prediction.name for prediction in self.loss_.formula.predictions]

    def _check_names(self, X: Any) -> None:
        fitted, given = getattr(self, "feature_names_in_", None), feature_names(X)
        if fitted is None and given is None:
            return
        if fitted is None:
            warnings.warn(
                f"X has feature names, but {type(self).__name__} was fitted without feature names", stacklevel=5
            )
        elif given is None:
            if hasattr(X, "shape"):
                warnings.warn(
                    f"X does not have valid feature names, but {type(self).__name__} was fitted with feature names",
                    stacklevel=5,
                )
        elif not np.array_equal(fitted, given):
            raise ValueError(_name_difference(list(fitted), list(given)))

    # what is seen of a fit --------------------------------------------------------------------------------------------

    def plot_history(self, *, ax: Any = None) -> Any:
        """A matplotlib figure: the objective by iteration, and how far it could still be from the optimum."""
        from .drawing import draw_history

        if not hasattr(self, "history_"):
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet: call fit first")
        return draw_history(self, ax)

    def path(
        self, X: Any, y: Any, penalties: Sequence[float], *, vary: str = "l1", sample_weight: Any = None,
        offset: Any = None,
    ) -> Path:  # fmt: skip
        """Models under a list of penalties (`vary`: "l1" or "l2"), each started from the one before it.

        The estimator itself is not changed.
        """
        from .path import follow

        return follow(self, X, y, penalties, vary, sample_weight=sample_weight, offset=offset)


def _outputs(loss: Loss, classes: int | None) -> int | None:
    """How many scores a sample has; None where it has one, and scores no second axis."""
    outputs = classes if loss.kind == "rowwise" else loss.outputs
    return None if loss.kind == "pointwise" and outputs == 1 else outputs


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
