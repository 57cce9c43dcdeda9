"""Losses -> out-of-fold predictions and fold scores: the same folds, columns and budget for every loss."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from lossmith.choosing.aims import Aim, best_constant
from lossmith.choosing.candidate import Candidate, class_shares
from lossmith.choosing.decisions import Decision, fit_decision
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.errors import plain
from lossmith.choosing.folds import Fold, Order, Pair, inner
from lossmith.choosing.hearing import heard
from lossmith.choosing.learners import Fitted, Rowset, Task, grown, train
from lossmith.choosing.scores import Score
from lossmith.choosing.screening import strongest
from lossmith.choosing.store import Finished, Store
from lossmith.choosing.tables import Floats, Table
from lossmith.choosing.verdict import Key

CONSTANT = "constant"
CONSTANT_KEY: Key = (CONSTANT, CONSTANT)
DECIDING = 3  # inner splits where a decision is fitted or rows are few: every training row is then held out once
FEW = 300  # rows: a fifth of fewer finds a penalty by luck
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything a fold needs."""

    table: Table
    y: Floats
    aim: Aim
    score: Score
    classes: int = 0
    weight: Floats | None = None
    exposure: str | None = None
    seed: int = 0
    order: Order = field(default_factory=Order)

    def exposures(self) -> Floats | None:
        return None if self.exposure is None else self.table.column(self.exposure).values

    @property
    def columns(self) -> int:
        """How many numbers are predicted for a row."""
        if self.aim.functional == "interval":
            return len(self.aim.levels)
        return self.classes if self.classes > 2 else 1

    @property
    def inner_splits(self) -> int:
        """In how many training rows are held out, to choose penalties, rounds and decisions."""
        return DECIDING if self.score.judges_labels or len(self.y) < FEW else 1

    def take(self, rows: np.ndarray) -> Problem:
        weight = None if self.weight is None else self.weight[rows]
        return Problem(
            self.table.take(rows), self.y[rows], self.aim, self.score, self.classes, weight, self.exposure, self.seed,
            self.order.take(rows),
        )  # fmt: skip


@dataclass(eq=False)
class Race:
    """scores: one number per fold; predictions: (repeats, rows[, classes or levels]), by models that never saw the row,
    NaN where no fold judges the row (the first half of the rows in time); labels: (repeats, rows), for aims that end in
    a class."""

    folds: Sequence[Fold]
    scores: dict[Key, Floats] = field(default_factory=dict)
    predictions: dict[Key, Floats] = field(default_factory=dict)
    labels: dict[Key, Floats] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    gaps: dict[Key, float] = field(default_factory=dict)  # the worst fold's proven distance from its optimum, relative
    settings: dict[Key, list[list[float]]] = field(default_factory=dict)  # what was tuned, a list for each fold
    remarks: list[str] = field(default_factory=list)  # what the trainers warned of
    constant: Floats = field(default_factory=lambda: np.array([np.nan]))
    constant_predictions: Floats = field(default_factory=lambda: np.array([np.nan]))

    @property
    def test_share(self) -> float:
        return float(np.mean([len(fold.test) / len(fold.train) for fold in self.folds]))

    @property
    def folds_a_repeat(self) -> int:
        return len(self.folds) // (self.folds[-1].repeat + 1)

    @property
    def judged(self) -> np.ndarray:
        """The rows that some fold judges."""
        return np.unique(np.concatenate([fold.test for fold in self.folds]))


def race(
    problem: Problem,
    entrants: Sequence[Candidate],
    models: Sequence[str],
    folds: Sequence[Fold],
    jobs: int = 1,
    progress: Progress | None = None,
    store: Store | None = None,
) -> Race:
    """Folds run side by side through joblib: as threads, unless `joblib.parallel_config` says where. Progress is told
    before the first, too: what a stopped race has left."""
    done = {n: kept for n, fold in enumerate(folds) if store and (kept := store.load(n, fold.test)) is not None}
    if progress is not None:
        progress(len(done), len(folds))
    for finished in _run(problem, entrants, models, [(n, f) for n, f in enumerate(folds) if n not in done], jobs):
        done[finished.number] = finished
        if store is not None:
            store.save(finished, folds[finished.number].test)
        if progress is not None:
            progress(len(done), len(folds))
    keys: list[Key] = [CONSTANT_KEY, *((entrant.label, model) for model in models for entrant in entrants)]
    return _gathered(problem, keys, folds, [done[n] for n in range(len(folds))])


def _run(
    problem: Problem, entrants: Sequence[Candidate], models: Sequence[str], open_: Sequence[tuple[int, Fold]], jobs: int
) -> Iterator[Finished]:
    from joblib import Parallel, delayed

    if not open_:
        return
    with _one_thread():
        work = Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")(
            delayed(_run_fold)(problem, entrants, models, fold, number) for number, fold in open_
        )
        yield from work


@contextmanager
def _one_thread() -> Iterator[None]:
    """Folds run side by side, so inside each of them one thread is enough; and sums then have the same digits."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def _gathered(problem: Problem, keys: Sequence[Key], folds: Sequence[Fold], done: Sequence[Finished]) -> Race:
    found = Race(folds)
    for finished in done:
        found.failures |= {key: why for key, why in finished.failures.items() if key not in found.failures}
        for key, gap in finished.gaps.items():
            found.gaps[key] = max(gap, found.gaps.get(key, 0.0))
        for key, setting in finished.settings.items():
            found.settings.setdefault(key, []).append(setting)
    found.remarks = _remarks([message for finished in done for message in finished.remarks])
    for key in keys:
        if key in found.failures:
            continue
        predictions = _side_by_side(problem, folds, [finished.predictions[key] for finished in done])
        judged = predictions
        if problem.score.judges_labels:
            judged = _side_by_side(problem, folds, [finished.labels[key] for finished in done])
        marks = np.array([_fold_score(problem, judged[fold.repeat], fold) for fold in folds])
        if key == CONSTANT_KEY:  # where it has no score, whatever has one is better
            found.constant, found.constant_predictions = np.where(np.isfinite(marks), marks, np.inf), judged
            continue
        if not np.isfinite(marks).all():
            found.failures[key] = "it predicted something that is not a number"
            continue
        found.scores[key], found.predictions[key] = marks, predictions
        if problem.score.judges_labels:
            found.labels[key] = judged
    return found


def _side_by_side(problem: Problem, folds: Sequence[Fold], parts: Sequence[Floats]) -> Floats:
    held = np.full((folds[-1].repeat + 1, len(problem.y), *parts[0].shape[1:]), np.nan)
    for fold, values in zip(folds, parts, strict=True):
        held[fold.repeat, fold.test] = values
    return held


def _remarks(messages: Sequence[str]) -> list[str]:
    """Each kind of warning once, with how often it came; kinds differ by more than their numbers."""
    kinds: dict[str, list[str]] = {}
    for message in messages:
        kinds.setdefault(re.sub(r"[0-9.e+-]+", "#", message), []).append(plain(message, 200))
    return [f"{first[0]} ({len(first)} times)" if len(first) > 1 else first[0] for first in kinds.values()]


def _fold_score(problem: Problem, prediction: Floats, fold: Fold) -> float:
    weight = None if problem.weight is None else problem.weight[fold.test]
    return problem.score.mean(problem.y[fold.test], prediction[fold.test], weight)


def _run_fold(
    problem: Problem, entrants: Sequence[Candidate], models: Sequence[str], fold: Fold, number: int
) -> Finished:
    """Encoders, settings and decisions are found here, on the training rows only."""
    with _one_thread(), heard() as messages:
        done = _trained_and_asked(problem, entrants, models, fold, number)
    done.remarks = messages
    return done


def _trained_and_asked(
    problem: Problem, entrants: Sequence[Candidate], models: Sequence[str], fold: Fold, number: int
) -> Finished:
    done = Finished(number)
    given, asked = problem.take(fold.train), problem.table.take(fold.test)
    exposure = problem.exposures()
    asked_exposure = None if exposure is None else exposure[fold.test]
    shares = class_shares(given.y, given.weight, problem.classes) if problem.classes else np.empty(0)
    splits = inner(given.y, given.order, problem.inner_splits, problem.seed + number)

    def decide(key: Key, rows: np.ndarray, held: Floats, predicted: Floats) -> None:
        assert predicted.shape[1:] == held.shape[1:] == ((problem.columns,) if problem.columns > 1 else ())
        done.predictions[key] = predicted
        weight = None if given.weight is None else given.weight[rows]
        decision = fit_decision(problem.aim, problem.score, given.y[rows], held, weight, shares)
        if decision is not None:
            done.labels[key] = decision.labels(predicted)

    constant = _constant(given, asked_exposure, len(fold.test))
    decide(CONSTANT_KEY, np.arange(len(given.y)), _constant(given, given.exposures(), len(given.y)), constant)
    views = _Views(given, asked, asked_exposure)
    for model in models:
        for entrant in entrants:
            key = (entrant.label, model)
            try:
                inside, outside = views.of(entrant)
                seed = problem.seed + number
                task = Task(inside, given.y, given.weight, problem.classes, problem.score, splits, seed)
                fitted, held = train(model, entrant, task)
                decide(key, held.rows, held.prediction, fitted.predict(outside))
            except Exception as error:
                text = str(error).splitlines()
                done.failures[key] = plain(f"{type(error).__name__}: {text[0] if text else ''}", 160)
                continue
            done.settings[key] = list(fitted.settings)
            if fitted.gap is not None:
                done.gaps[key] = fitted.gap
    return done


class _Views:
    """Encoded training and test rows; the exposure is a plain column, except for a loss that takes it as an offset."""

    def __init__(self, given: Problem, asked: Table, exposure: Floats | None) -> None:
        self._given, self._asked, self._exposure = given, asked, exposure
        self._kept: dict[bool, tuple[Rowset, Rowset]] = {}

    def of(self, entrant: Candidate) -> tuple[Rowset, Rowset]:
        if entrant.offset not in self._kept:
            table = features(self._given, entrant)
            encoder = Encoder.fit(table)
            self._kept[entrant.offset] = (
                Rowset(encoder.transform(table), self._given.exposures()),
                Rowset(encoder.transform(self._asked), self._exposure),
            )
        return self._kept[entrant.offset]


def features(problem: Problem, entrant: Candidate) -> Table:
    """The columns that a loss learns from; of very many the strongest, by the rows of this problem."""
    table, exposure = problem.table, problem.exposure
    if entrant.offset and exposure is not None:
        table, exposure = table.without(exposure), None
    return strongest(table, problem.y, bool(problem.classes), exposure)


def _constant(given: Problem, exposure: Floats | None, rows: int) -> Floats:
    """The best prediction that ignores every column, found on the given rows, for as many others."""
    units = given.exposures()
    if units is not None and exposure is not None:
        rate = best_constant(given.aim, given.y / units, units if given.weight is None else units * given.weight)
        return np.asarray(rate * exposure[:, None] if rate.ndim else rate * exposure)
    value = best_constant(given.aim, given.y, given.weight, given.classes)
    return np.broadcast_to(value, (rows, *value.shape)).astype(np.float64)


def fit_final(
    problem: Problem, candidate: Candidate, kind: str, whole: Problem | None = None
) -> tuple[Fitted, Encoder]:
    """The model of all rows, tuned as in every fold, and the encoder of its columns: plain data by their `state()`.

    Where the problem is a sample of the whole, the sample tunes it, and the whole trains it."""
    with _one_thread():
        splits = inner(problem.y, problem.order, problem.inner_splits, problem.seed)
        task, encoder = _task(problem, candidate, splits)
        fitted = train(kind, candidate, task)[0]
        if whole is None or whole is problem:
            return fitted, encoder
        task, encoder = _task(whole, candidate, ())
        return grown(fitted, candidate, task), encoder


def _task(problem: Problem, candidate: Candidate, splits: Sequence[Pair]) -> tuple[Task, Encoder]:
    table = features(problem, candidate)
    encoder = Encoder.fit(table)
    rows = Rowset(encoder.transform(table), problem.exposures())
    return Task(rows, problem.y, problem.weight, problem.classes, problem.score, splits, problem.seed), encoder


def final_decision(problem: Problem, found: Race, key: Key, whole: Problem | None = None) -> Decision | None:
    """The rule to go with the final model, fitted on all predictions for rows that the models had not seen; with the
    classes' shares of the rows that it is trained on."""
    if not problem.score.judges_labels:
        return None
    rows = found.judged
    p = found.predictions[key][:, rows]
    repeats = len(p)
    y = np.tile(problem.y[rows], repeats)
    weight = None if problem.weight is None else np.tile(problem.weight[rows], repeats)
    trained = whole or problem
    shares = class_shares(trained.y, trained.weight, trained.classes)
    return fit_decision(problem.aim, problem.score, y, p.reshape(-1, *p.shape[2:]), weight, shares)
