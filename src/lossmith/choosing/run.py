"""The whole job: aim, facts, candidates, race, verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lossmith.choosing.aims import Aim, parse_aim
from lossmith.choosing.candidates import Candidate, candidates
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.folds import SPLITS, folds, repeats_for
from lossmith.choosing.leaks import closest
from lossmith.choosing.learners import MODELS, PROTOCOL, parse_models
from lossmith.choosing.prepare import prepare
from lossmith.choosing.profile import profile, undecidable
from lossmith.choosing.race import CONSTANT, Problem, Progress, Race, race
from lossmith.choosing.result import Result, Row
from lossmith.choosing.scores import Score, score_for
from lossmith.choosing.tables import Floats
from lossmith.choosing.verdict import ROPE, SURE, Key, Verdict, decide

TOO_GOOD = 0.999  # skill that real columns hardly ever have


def choose(
    X: Any,
    y: Any,
    *,
    aim: str | Aim | None = None,
    weight: Any = None,
    exposure: Any = None,
    models: str | Sequence[str] = MODELS,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Which loss should a model of this table train with, and what is proven about it?

    X is a data frame or a matrix, y a column or its name in X; weight and exposure likewise. aim is "mean", "median",
    "quantile:0.9" or "probability"; without one, numbers ask for the mean and labels for probabilities.
    """
    wanted = None if aim is None else parse_aim(aim)
    kinds = parse_models(models if isinstance(models, str) else ",".join(models))
    ready = prepare(X, y, wanted, weight, exposure, seed, groups="none", time="none")
    target = ready.target
    facts = profile(ready.table, target, ready.exposure, seed, ready.weight)
    runners = candidates(target.aim, facts).racing
    score = score_for(target.aim)
    problem = Problem(ready.table, target.y, target.aim, score, len(target.classes), ready.weight, ready.exposure, seed)
    splits = folds(len(target.y), seed, target.y if target.classes else None)
    found = race(problem, runners, kinds, splits, jobs or available_cores(), progress)
    default = next(c for c in runners if c.role == "default")
    if not any((default.label, kind) in found.scores for kind in kinds):
        first = next(iter(found.failures.values()), "no reason given")
        raise ChoiceError(f"{default.label} could not be trained on this table: {first}")
    evidence = decide(
        [c.entrant for c in runners],
        found.scores,
        rows=len(target.y),
        test_share=found.test_share,
        barred=_barred(problem, runners, found),
        undecidable=undecidable(target, facts),
    )
    chosen = next(c for c in runners if c.label == evidence.loss)
    warnings = [*ready.warnings, *facts.warnings]
    warnings += [*_disguise(problem, default, evidence, found), *_race_warnings(problem, default, evidence, found)]
    return Result(
        verdict=evidence.word,
        loss=chosen.loss(labels=target.labels),
        aim=target.aim,
        score=score,
        table=_rows(runners, kinds, found, evidence, score, default.label),
        reason=evidence.reason,
        warnings=tuple(dict.fromkeys(warnings)),
        candidates=tuple(runners),
        profile=facts,
        evidence=evidence,
        default=default.label,
        chosen=chosen,
        protocol=[*_protocol(score, len(target.y), kinds, bool(target.classes), seed), *_gap_in_words(found)],
        target=target.name,
        model=evidence.model,
        predictions=found.predictions,
        notes=ready.notes,
    )


def _gap_in_words(found: Race) -> list[str]:
    """How well the linear models were trained, in the worst fold."""
    gaps = [f"{label} {gap:.0e}" for (label, _), gap in found.gaps.items()]
    return [f"proven gap to the optimum, worst fold, as a share of the objective: {', '.join(gaps)}"] if gaps else []


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _barred(problem: Problem, runners: Sequence[Candidate], found: Race) -> dict[Key, str]:
    """What may not win: a loss that predicts worse than the best constant, and one that aims right under a condition
    only, if its predictions show that the condition fails."""
    constant = float(found.constant.mean())
    barred = {
        key: "it is worse than the best constant" for key, marks in found.scores.items() if marks.mean() > constant
    }
    for (label, model), predictions in found.predictions.items():
        runner = next(c for c in runners if c.label == label)
        if problem.classes or runner.condition is None or runner.role != "challenger":
            continue
        left = problem.y - predictions.mean(axis=0)
        if problem.aim.functional == "mean":
            off, error = abs(float(left.mean())), float(left.std() / np.sqrt(len(left)))
            if off > 3 * error:
                barred[label, model] = "its predictions are biased"
        elif abs(float(np.mean(left > 0)) - problem.aim.level) > 1.5 / np.sqrt(len(left)):
            barred[label, model] = f"{np.mean(left > 0):.0%} of y lies above its predictions"
    return barred


def _race_warnings(problem: Problem, default: Candidate, evidence: Verdict, found: Race) -> list[str]:
    warnings = [
        f"{label} could not be trained on the {model} model ({why})" for (label, model), why in found.failures.items()
    ]
    warnings += found.remarks
    constant = float(found.constant.mean())
    warnings += [
        f"the {model} model is worse than the best constant: {label} costs {mean / constant - 1:.1%} more than it"
        for (label, model), scores in found.scores.items()
        if label == default.label and model != evidence.model and (mean := float(scores.mean())) > constant > 0
    ]
    key = (evidence.loss, evidence.model)
    if key in found.scores and not float(found.scores[key].mean()) < constant:
        warnings.append(
            f"{key[0]} predicts no better than the best constant: the columns say nothing about the "
            "target, and no loss can change that"
        )
    if default.label in (label for label, _ in found.predictions):
        share = _worst_rows(problem, found.predictions[default.label, evidence.model])
        if share > 0.5:
            warnings.append(f"the worst 1% of the rows carry {share:.0%} of the {problem.score.name}")
    return warnings


def _disguise(problem: Problem, default: Candidate, evidence: Verdict, found: Race) -> list[str]:
    constant = float(found.constant.mean())
    left = float(found.scores[default.label, evidence.model].mean())
    if not left < (1 - TOO_GOOD) * constant:
        return []
    names = " and ".join(quoted(name) for name in closest(problem.table, problem.y, bool(problem.classes)))
    skill = f"{default.label} has a skill of {1 - left / constant:.3%}"
    return [f"{skill}: is one of the columns the target in disguise? Look at {names}"]


def _worst_rows(problem: Problem, predictions: Floats) -> float:
    cost = np.mean([problem.score.per_row(problem.y, repeat) for repeat in predictions], axis=0)
    if not cost.sum() > 0:
        return 0.0
    return float(np.sort(cost)[::-1][: max(1, len(cost) // 100)].sum() / cost.sum())


def _rows(
    runners: Sequence[Candidate], kinds: Sequence[str], found: Race, evidence: Verdict, score: Score, default: str
) -> list[Row]:
    """The deciding kind of model first, the constant last."""
    constant = float(found.constant.mean())
    rows = []
    for model in sorted(kinds, key=lambda kind: kind != evidence.model):
        for c in runners:
            key = (c.label, model)
            row = Row(c.label, c.name, c.params, model, c.role, "failed", c.reason, c.source)
            if key not in found.scores:
                rows.append(replace(row, failure=found.failures.get(key, "not trained")))
                continue
            mean = float(found.scores[key].mean())
            skill = 1 - mean / constant if constant else None
            row = replace(row, score=score.shown(mean), skill=skill, gap=found.gaps.get(key))
            base = float(found.scores[default, model].mean()) if (default, model) in found.scores else 0.0
            rows.append(_judged(row, key, evidence, 100 / base if base > 0 else float("nan")))
    reason = "the best prediction that ignores every column"
    outcome = "no columns used"
    rows.append(Row(CONSTANT, CONSTANT, {}, "", CONSTANT, outcome, reason, "", score.shown(constant), 0.0))
    return rows


def _judged(row: Row, key: Key, evidence: Verdict, percent: float) -> Row:
    """percent: what one unit of the score is, in percent of the default's."""
    used = evidence.word == "USE" and key[0] == evidence.loss and key[1] in evidence.proven_on
    if key not in evidence.differences:
        outcome = "USE" if used else "default" if row.role == "default" else "not compared"
        return replace(row, outcome=outcome)
    d = evidence.differences[key]
    if used:
        outcome = "USE"
    elif d.p_better >= SURE:
        outcome = "better"
    elif d.p_worse >= SURE:
        outcome = "worse"
    elif d.p_equal >= SURE:
        outcome = "same"
    else:
        outcome = "not shown"
    if row.role in ("library", "reference"):
        outcome += f" ({'library default' if row.role == 'library' else 'reference only'})"
    low, high = d.interval
    same_base = row.role == "library" or key[1] == evidence.model  # the p is of the very difference shown
    return replace(
        row,
        outcome=outcome,
        gain=percent * d.gain,
        low=percent * low,
        high=percent * high,
        p=d.p,
        holm_p=evidence.holm_p.get(key) if same_base else None,
        p_better=d.p_better,
        p_equal=d.p_equal,
        p_worse=d.p_worse,
    )


def _protocol(score: Score, n: int, kinds: Sequence[str], stratified: bool, seed: int) -> list[str]:
    how = "each class in its share" if stratified else "drawn at random"
    return [
        f"score, fixed before training: {score.name}",
        f"{repeats_for(n)} times {SPLITS}-fold cross-validation, {how}, seed {seed}, the same folds for every loss",
        "columns encoded on the training rows of each fold",
        *(PROTOCOL[kind] for kind in kinds),
        "differences: corrected resampled t-test (Nadeau & Bengio 2003)",
        "p-values: Holm's, over the challengers, and over the comparisons with the library's default",
        f"practically equal: within {ROPE:.0%} of the default's score; sure: {SURE:.0%} of the posterior",
        "a challenger must beat the default on the kind of model where the default scores better",
        "scales inside a loss, such as Huber's delta, come from cross-fitted residuals of all rows",
    ]
