"""Losses -> out-of-fold predictions and fold scores: the same folds, columns and budget for every loss."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lossmith.choosing.aims import Aim, best_constant
from lossmith.choosing.candidates import Candidate
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.errors import plain
from lossmith.choosing.folds import Fold
from lossmith.choosing.learners import Rowset, train
from lossmith.choosing.scores import Score
from lossmith.choosing.tables import Floats, Table
from lossmith.choosing.verdict import Key

CONSTANT = "constant"
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

    def exposures(self) -> Floats | None:
        return None if self.exposure is None else self.table.column(self.exposure).values


@dataclass(eq=False)
class Race:
    """scores: one number per fold; predictions: (repeats, rows[, classes]), by models that never saw the row."""

    folds: Sequence[Fold]
    scores: dict[Key, Floats] = field(default_factory=dict)
    predictions: dict[Key, Floats] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    gaps: dict[Key, float] = field(default_factory=dict)  # the worst fold's proven distance from its optimum, relative
    remarks: list[str] = field(default_factory=list)  # what the trainers warned of
    constant: Floats = field(default_factory=lambda: np.array([np.nan]))

    @property
    def test_share(self) -> float:
        return float(np.mean([len(fold.test) / len(fold.train) for fold in self.folds]))


def race(
    problem: Problem,
    entrants: Sequence[Candidate],
    models: Sequence[str],
    folds: Sequence[Fold],
    jobs: int = 1,
    progress: Progress | None = None,
) -> Race:
    from joblib import Parallel, delayed

    found = Race(folds)
    shape = (folds[-1].repeat + 1, len(problem.y)) + ((problem.classes,) if problem.classes > 2 else ())
    keys: list[Key] = [(CONSTANT, CONSTANT)] + [(entrant.label, model) for model in models for entrant in entrants]
    held = {key: np.full(shape, np.nan) for key in keys}
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        work = Parallel(n_jobs=jobs, backend="threading", return_as="generator_unordered")(
            delayed(_run_fold)(problem, entrants, models, fold, number) for number, fold in enumerate(folds)
        )
        for done, (number, predictions, failures, gaps) in enumerate(work, start=1):
            for key, values in predictions.items():
                held[key][folds[number].repeat, folds[number].test] = values
            found.failures.update(failures)
            for key, gap in gaps.items():
                found.gaps[key] = max(gap, found.gaps.get(key, 0.0))
            if progress is not None:
                progress(done, len(folds))
    found.remarks = _remarks([str(warning.message) for warning in heard])
    for key in keys:
        if key in found.failures:
            continue
        marks = np.array([_fold_score(problem, held[key][fold.repeat], fold) for fold in folds])
        if not np.isfinite(marks).all():
            found.failures[key] = "it predicted something that is not a number"
        elif key[0] == CONSTANT:
            found.constant = marks
        else:
            found.scores[key], found.predictions[key] = marks, held[key]
    return found


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
) -> tuple[int, dict[Key, Floats], dict[Key, str], dict[Key, float]]:
    """Encoders are fitted here, on the training rows only."""
    y, weight = problem.y[fold.train], None if problem.weight is None else problem.weight[fold.train]
    predictions: dict[Key, Floats] = {(CONSTANT, CONSTANT): _constant(problem, fold, y, weight)}
    failures: dict[Key, str] = {}
    gaps: dict[Key, float] = {}
    whole = _encode(problem, problem.table, fold)
    without = whole
    if problem.exposure is not None:  # the exposure is a plain column, except for a loss that takes it as an offset
        without = _encode(problem, problem.table.without(problem.exposure), fold)
    for model in models:
        for entrant in entrants:
            given, asked = without if entrant.offset else whole
            key, seed = (entrant.label, model), problem.seed + number
            try:
                fitted = train(model, entrant, given, y, weight, problem.classes, seed, problem.score)
                predictions[key] = fitted.predict(asked)
                if fitted.gap is not None:
                    gaps[key] = fitted.gap
            except Exception as error:
                text = str(error).splitlines()
                failures[key] = plain(f"{type(error).__name__}: {text[0] if text else ''}", 160)
    return number, predictions, failures, gaps


def _encode(problem: Problem, table: Table, fold: Fold) -> tuple[Rowset, Rowset]:
    train_rows = table.take(fold.train)
    encoder = Encoder.fit(train_rows)
    exposure = problem.exposures()
    return (
        Rowset(encoder.transform(train_rows), None if exposure is None else exposure[fold.train]),
        Rowset(encoder.transform(table.take(fold.test)), None if exposure is None else exposure[fold.test]),
    )


def _constant(problem: Problem, fold: Fold, y: Floats, weight: Floats | None) -> Floats:
    exposure = problem.exposures()
    if exposure is not None:
        units = exposure[fold.train]
        rate = best_constant(problem.aim, y / units, units if weight is None else units * weight)
        return rate * exposure[fold.test]
    value = best_constant(problem.aim, y, weight, problem.classes)
    return np.broadcast_to(value, (len(fold.test), *value.shape)).astype(np.float64)
