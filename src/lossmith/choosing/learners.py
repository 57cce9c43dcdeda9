"""One loss, one kind of model, one set of training rows -> predictions in the user's units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossmith.choosing.candidates import Candidate
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.scores import Score
from lossmith.choosing.tables import Floats, Rows

MODELS = ("linear", "lightgbm")
ROUNDS = 100
STAGES = (10, 20, 40, 70, ROUNDS)
RATE = 0.1
TOLERANCE = 1e-6  # of the linear models: far below what folds can tell apart

PROTOCOL = {
    "linear": "linear: standardised columns, ridge penalty 1/n times the mean curvature of the loss; a loss with kinks "
    "is smoothed, ever less, until the objective is proven close to its optimum (the gap)",
    "lightgbm": f"LightGBM with its own defaults: {ROUNDS} rounds at rate {RATE}, 31 leaves; for classes, where late "
    "rounds only add confidence, the rounds are chosen by the score on a fifth of the training rows",
}


@dataclass(frozen=True, eq=False)
class Rowset:
    """Encoded columns of some rows, and their exposure if there is one."""

    X: Floats
    exposure: Floats | None = None


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one training sees, in the loss's units; `cost` judges what was predicted for some training rows."""

    X: Floats
    y: Floats
    weight: Floats | None
    classes: int
    seed: int
    cost: Callable[[Rows, Floats], float]

    def part(self, rows: Rows) -> tuple[Floats, Floats, Floats | None]:
        return self.X[rows], self.y[rows], None if self.weight is None else self.weight[rows]


Predict = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model. `gap`: how far its training objective can be from the optimum, proven, as a share of it."""

    predict: Callable[[Rowset], Floats]
    gap: float | None = None


def train(
    model: str,
    candidate: Candidate,
    given: Rowset,
    y: Floats,
    weight: Floats | None,
    classes: int,
    seed: int,
    score: Score,
) -> Fitted:
    """Losses of a difference see y centred and scaled, losses with a log link see y scaled by its mean: the same start
    and the same step for every loss, whatever the user's units. With an exposure, a loss with an offset sees y per unit
    of it, weighted by it: for Poisson that is the same as adding its log to the log rate."""
    size = given.exposure if candidate.offset else None
    target = y if size is None else y / size
    target_weight = weight if size is None else size if weight is None else size * weight
    shift, unit = _units(candidate, target, target_weight, classes)

    def natural(f: Floats, exposure: Floats | None) -> Floats:
        found = shift + unit * f
        return found if exposure is None else found * exposure

    def cost(rows: Rows, f: Floats) -> float:
        prediction = natural(f, None if size is None else size[rows])
        return score.mean(y[rows], prediction, None if weight is None else weight[rows])

    loss = candidate.loss(unit)
    fit = LEARNERS[model]
    predict, gap = fit(loss, Lesson(given.X, (target - shift) / unit, target_weight, classes, seed, cost))
    return Fitted(lambda new: natural(predict(new.X), new.exposure if candidate.offset else None), gap)


def _units(candidate: Candidate, y: Floats, weight: Floats | None, classes: int) -> tuple[float, float]:
    if classes or candidate.name == "binary_cross_entropy":
        return 0.0, 1.0
    if candidate.positive:
        return 0.0, _power_of_two(float(np.average(y, weights=weight)))
    low, middle, high = np.quantile(y, [0.25, 0.5, 0.75])
    return float(middle), _power_of_two(float((high - low) / 1.349) or float(y.std()))


def _power_of_two(x: float) -> float:
    """Near x: dividing by it changes no digit, and folds of one table share it."""
    return float(2.0 ** np.round(np.log2(x))) if x > 0 else 1.0


def _relative_gap(estimator: Any) -> float | None:
    gap = float(estimator.gap_)
    return None if np.isnan(gap) else gap / max(abs(float(estimator.objective_)), 1e-300)


def _penalty(loss: Any, lesson: Lesson) -> float:
    """The same shrinkage for every loss: 1/n for a loss of curvature 1, and in proportion for one that bends more or
    less. An equal number would shrink squared error, r^2, half as much as Huber's r^2/2: the race would judge that."""
    from lossmith.start import finite_start

    y = lesson.y.astype(np.intp) if lesson.classes else lesson.y
    start = finite_start(loss, y, lesson.weight, lesson.classes or None)
    score = np.full(len(y), start[0]) if loss.kind == "pointwise" else np.broadcast_to(start, (len(y), len(start)))
    bend = loss.curvature(y, score)
    if bend.ndim > 1:
        bend = bend.mean(axis=1)
    return float(np.average(bend, weights=lesson.weight)) / len(y)


def _linear(loss: Any, lesson: Lesson) -> tuple[Predict, float | None]:
    import lossmith as lm

    penalty = _penalty(loss, lesson)
    if not lesson.classes:
        regressor = lm.LinearRegressor(loss=loss, l2=penalty, tol=TOLERANCE)
        regressor.fit(lesson.X, lesson.y, sample_weight=lesson.weight)
        return lambda X: np.asarray(regressor.predict(X), dtype=np.float64), _relative_gap(regressor)
    classifier = lm.LinearClassifier(loss=loss, l2=penalty, tol=TOLERANCE)
    classifier.fit(lesson.X, lesson.y.astype(np.intp), sample_weight=lesson.weight)
    return lambda X: _chances(classifier.predict_proba(X), lesson.classes), _relative_gap(classifier)


def _lightgbm(loss: Any, lesson: Lesson) -> tuple[Predict, None]:
    rows = np.arange(len(lesson.y))
    rounds = _enough_rounds(loss, lesson, rows) if lesson.classes else ROUNDS
    final = _boost(loss, lesson, rows, rounds)
    return lambda X: final(X, rounds), None


def _enough_rounds(loss: Any, lesson: Lesson, rows: Rows) -> int:
    held = _held_out(lesson)
    trial = _boost(loss, lesson, np.setdiff1d(rows, held), ROUNDS)
    costs = [lesson.cost(held, trial(lesson.X[held], rounds)) for rounds in STAGES]
    return STAGES[int(np.argmin(costs))]


def _held_out(lesson: Lesson) -> Rows:
    """A fifth of the rows of each class."""
    order = np.random.default_rng(lesson.seed).permutation(len(lesson.y))
    order = order[np.argsort(lesson.y[order], kind="stable")]
    return np.sort(order[4::5])


def _boost(loss: Any, lesson: Lesson, rows: Rows, rounds: int) -> Callable[[Floats, int], Floats]:
    X, y, weight = lesson.part(rows)
    if X.shape[1] == 0:
        raise ValueError("no column to split on")
    params = {
        "learning_rate": RATE,
        "num_leaves": 31,
        "min_data_in_leaf": int(np.clip(len(y) // 20, 3, 20)),
        "num_threads": 1,
        "seed": lesson.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    objective = loss.to("lightgbm", classes=lesson.classes or None)
    target = y.astype(np.intp) if lesson.classes else y
    model = objective.fit(X, target, weight=weight, params=params, rounds=rounds)

    def predict(new: Floats, first: int) -> Floats:
        found = model.predict(new, num_iteration=first, num_threads=1)
        return _chances(found, lesson.classes) if lesson.classes else np.asarray(found, dtype=np.float64)

    return predict


LEARNERS: dict[str, Callable[[Any, Lesson], tuple[Predict, float | None]]] = {"linear": _linear, "lightgbm": _lightgbm}


def _chances(found: Any, classes: int) -> Floats:
    """Two classes: the chance of class 1; more: a row of chances."""
    chances = np.asarray(found, dtype=np.float64)
    return chances[:, 1] if classes == 2 and chances.ndim == 2 else chances


def parse_models(text: str) -> tuple[str, ...]:
    models = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = [name for name in models if name not in MODELS]
    if unknown or not models:
        raise ChoiceError(f"unknown model {quoted(', '.join(unknown))}; choose from {', '.join(MODELS)}")
    return models
