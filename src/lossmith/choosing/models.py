"""The kinds of model a loss is raced with: what each is, what is tuned about it, and how it is written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from lossmith.choosing import levels
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.loss import Loss

RIDGES = (0.0001, 0.01, 1, 10, 100)
"""Times a penalty that weighs as much as a row does. Next to none has to be among them: where columns are nearly alike,
one row's worth can double the miss of squared error, and a loss that gives in to it less would seem the better."""
TOLERANCE = 1e-6  # of the linear models: far below what folds can tell apart
STAGES = (10, 20, 40, 70, 100)  # rounds
RATE = 0.1
BINS = 63  # of a column: half the time of LightGBM's 255, and what is lost is the same for every loss


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one training sees, in the loss's units; classes is 0 for numbers, and y holds class ids otherwise."""

    X: Floats
    y: Floats
    weight: Floats | None
    classes: int
    seed: int

    def take(self, rows: Any) -> Lesson:
        weight = None if self.weight is None else self.weight[rows]
        return Lesson(self.X[rows], self.y[rows], weight, self.classes, self.seed)

    @property
    def target(self) -> Any:
        return self.y.astype(np.intp) if self.classes else self.y

    @property
    def one_class(self) -> bool:
        return self.classes > 0 and bool((self.y == self.y[0]).all())


class Trained(Protocol):
    """predict: encoded columns to the natural scale of the loss. state: plain numbers and text, for JSON."""

    @property
    def gap(self) -> float | None: ...

    def predict(self, X: Floats) -> Floats: ...

    def state(self) -> dict[str, Any]: ...


class Kind(Protocol):
    """A kind of model with one number to tune: `settings`, from the simplest model to the most flexible one or back."""

    @property
    def name(self) -> str: ...

    @property
    def settings(self) -> tuple[float, ...]: ...

    @property
    def described(self) -> str: ...

    def trials(self, loss: Loss, lesson: Lesson, asked: Floats) -> Sequence[Floats]:
        """What a model trained under each setting predicts for other rows."""

    def train(self, loss: Loss, lesson: Lesson, setting: float) -> Trained: ...

    def restored(self, loss: Loss, state: dict[str, Any]) -> Trained: ...


def chances(found: Any, classes: int) -> Floats:
    """Two classes: the chance of class 1; more: a row of chances. Numbers stay as they are."""
    values = np.asarray(found, dtype=np.float64)
    return values[:, 1] if classes == 2 and values.ndim == 2 else values


# linear


@dataclass(frozen=True, eq=False)
class LinearFit:
    """gap: how far its training objective can be from the optimum, proven, as a share of it."""

    loss: Loss
    coef: Floats  # (outputs, columns), rows beside each other: in another layout products have other last bits
    intercept: Floats
    classes: int
    gap: float | None = None

    def predict(self, X: Floats) -> Floats:
        raw = X @ self.coef.T + self.intercept
        raw = raw[:, 0] if self.loss.kind == "pointwise" and raw.shape[1] == 1 else raw
        return chances(self.loss.link.inverse(raw), self.classes)

    def state(self) -> dict[str, Any]:
        found = {"coef": self.coef.tolist(), "intercept": self.intercept.tolist(), "classes": self.classes}
        return {**found, **levels.state(self.loss)}


@dataclass(frozen=True)
class Linear:
    name: ClassVar[str] = "linear"
    settings: ClassVar[tuple[float, ...]] = RIDGES
    described: ClassVar[str] = (
        f"linear: standardised columns; ridge penalty {', '.join(map(str, RIDGES))} times 1/n times the mean curvature "
        "of the loss; a loss with kinks is smoothed, ever less, until the objective is proven close to its optimum "
        "(the gap)"
    )

    def trials(self, loss: Loss, lesson: Lesson, asked: Floats) -> Sequence[Floats]:
        if lesson.one_class:
            return [_constant(loss, lesson).predict(asked)] * len(RIDGES)
        unit = unit_penalty(loss, lesson.target, lesson.weight, lesson.classes)
        path = _estimator(loss, lesson).path(
            lesson.X, lesson.target, [unit * setting for setting in RIDGES], vary="l2", sample_weight=lesson.weight
        )
        return [_written(model, lesson).predict(asked) for model in path]

    def train(self, loss: Loss, lesson: Lesson, setting: float) -> LinearFit:
        if lesson.one_class:
            return _constant(loss, lesson)
        unit = unit_penalty(loss, lesson.target, lesson.weight, lesson.classes)
        model = _estimator(loss, lesson).set_params(l2=setting * unit)
        return _written(model.fit(lesson.X, lesson.target, sample_weight=lesson.weight), lesson)

    def restored(self, loss: Loss, state: dict[str, Any]) -> LinearFit:
        loss = levels.restored(loss, state)
        return LinearFit(loss, np.asarray(state["coef"]), np.asarray(state["intercept"]), state["classes"])


def _estimator(loss: Loss, lesson: Lesson) -> Any:
    import lossmith as lm

    return (lm.LinearClassifier if lesson.classes else lm.LinearRegressor)(loss=loss, tol=TOLERANCE)


def _written(model: Any, lesson: Lesson) -> LinearFit:
    gap = float(model.gap_)
    relative = None if np.isnan(gap) else gap / max(abs(float(model.objective_)), 1e-300)
    coef, intercept = np.ascontiguousarray(np.atleast_2d(model.coef_)), np.atleast_1d(model.intercept_)
    if len(intercept) > 1 and lesson.classes > len(intercept):
        coef, intercept = _of_all_classes(model, coef, intercept, lesson)
    loss = model.loss_
    if levels.is_open(model.loss):
        scores = model.raw_scores(lesson.X)
        loss = levels.of_all(model.loss, model.thresholds_, model.classes_, lesson.classes, scores)
    return LinearFit(loss, coef, intercept, lesson.classes, relative)


def _of_all_classes(model: Any, coef: Floats, intercept: Floats, lesson: Lesson) -> tuple[Floats, Floats]:
    """A class that the rows lack gets the finite start's place under the others: half a row's chance, everywhere."""
    seen = np.asarray(model.classes_, dtype=np.intp)
    start = _start(model.loss_, lesson.target, lesson.weight, lesson.classes)
    all_coef, all_intercept = np.zeros((lesson.classes, coef.shape[1])), start - start[seen].mean() + intercept.mean()
    all_coef[seen], all_intercept[seen] = coef, intercept
    return all_coef, all_intercept


def _constant(loss: Loss, lesson: Lesson) -> LinearFit:
    """Of one class there is nothing to learn but that the others are rare."""
    loss = levels.at_shares(loss, lesson.target, lesson.weight, lesson.classes)
    start = _start(loss, lesson.target, lesson.weight, lesson.classes)
    return LinearFit(loss, np.zeros((len(start), lesson.X.shape[1])), start, lesson.classes)


def _start(loss: Loss, y: Floats, weight: Floats | None, classes: int) -> Floats:
    from lossmith.start import finite_start

    return finite_start(loss, y, weight, classes or None)


def unit_penalty(loss: Loss, y: Any, weight: Floats | None, classes: int) -> float:
    """The same shrinkage for every loss: 1/n for a loss of curvature 1, and in proportion for one that bends more or
    less. An equal number would shrink squared error, r^2, half as much as Huber's r^2/2: the race would judge that."""
    loss = levels.at_shares(loss, y, weight, classes)
    start = _start(loss, y, weight, classes)
    score = np.full(len(y), start[0]) if loss.kind == "pointwise" else np.broadcast_to(start, (len(y), len(start)))
    bend = loss.curvature(y, score)
    if bend.ndim > 1:
        bend = bend.mean(axis=1)
    return float(np.average(bend, weights=weight)) / len(y)


# boosted trees


def least_leaf(rows: int) -> int:
    """The fewest rows of a leaf: LightGBM's 20 would leave a small table without a tree."""
    return int(np.clip(rows // 20, 3, 20))


@dataclass(frozen=True, eq=False)
class BoostedFit:
    model: Any
    classes: int
    gap: float | None = None

    def predict(self, X: Floats) -> Floats:
        return self.first(X, None)

    def first(self, X: Floats, rounds: int | None) -> Floats:
        """The prediction of the first rounds."""
        return chances(self.model.predict(X, num_iteration=rounds, num_threads=1), self.classes)

    def state(self) -> dict[str, Any]:
        return {**self.model.state(), "classes": self.classes, **levels.state(self.model.loss)}


@dataclass(frozen=True)
class Boosted:
    name: ClassVar[str] = "lightgbm"
    settings: ClassVar[tuple[float, ...]] = STAGES
    described: ClassVar[str] = (
        f"LightGBM: 31 leaves, {BINS} bins a column, rate {RATE}, {', '.join(map(str, STAGES))} rounds"
    )

    def trials(self, loss: Loss, lesson: Lesson, asked: Floats) -> Sequence[Floats]:
        model = self.train(loss, lesson, STAGES[-1])
        return [self._after(rounds, model, loss, lesson).first(asked, rounds) for rounds in STAGES]

    def _after(self, rounds: int | None, fit: BoostedFit, loss: Loss, lesson: Lesson) -> BoostedFit:
        """The model of the first rounds: thresholds that the loss leaves open are those that go best with it."""
        if not levels.is_open(loss) or lesson.one_class:
            return fit
        scores = fit.model.raw(lesson.X, num_iteration=rounds, num_threads=1)
        parted = levels.of_scores(loss, lesson.target, lesson.weight, lesson.classes, scores)
        return replace(fit, model=replace(fit.model, loss=parted))

    def train(self, loss: Loss, lesson: Lesson, setting: float) -> BoostedFit:
        if lesson.X.shape[1] == 0:
            raise ValueError("no column to split on")
        params = {
            "learning_rate": RATE,
            "num_leaves": 31,
            "max_bin": BINS,
            "min_data_in_leaf": least_leaf(len(lesson.y)),
            "num_threads": 1,
            "seed": lesson.seed,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        trained, target, classes = loss, lesson.target, lesson.classes or None
        if levels.is_open(loss) and lesson.one_class:
            trained = levels.at_shares(loss, target, lesson.weight, lesson.classes)
        elif levels.is_open(loss):
            seen, target = np.unique(target, return_inverse=True)
            classes = len(seen)
        objective = trained.to("lightgbm", classes=classes)
        model = objective.fit(lesson.X, target, weight=lesson.weight, params=params, rounds=int(setting))
        return self._after(None, BoostedFit(model, lesson.classes), loss, lesson)

    def restored(self, loss: Loss, state: dict[str, Any]) -> BoostedFit:
        loss = levels.restored(loss, state)
        return BoostedFit(loss.to("lightgbm").restored(state), state["classes"])


KINDS: dict[str, Kind] = {kind.name: kind for kind in (Linear(), Boosted())}
