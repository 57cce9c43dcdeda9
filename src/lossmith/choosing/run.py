"""The whole job: aim, facts, candidates, race, verdict."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np

from lossmith.choosing.aims import Aim, parse_aim
from lossmith.choosing.candidates import Candidate, candidates
from lossmith.choosing.differences import Luck
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.evidence_rows import evidence_rows
from lossmith.choosing.folds import MOST_TRAINED, SPLITS, Fold, Order, folds
from lossmith.choosing.guards import guards
from lossmith.choosing.learners import MODELS, parse_models
from lossmith.choosing.left_out import left_out
from lossmith.choosing.models import KINDS
from lossmith.choosing.prepare import Prepared, prepare
from lossmith.choosing.profile import Profile, profile, undecidable
from lossmith.choosing.race import Problem, Progress, Race, final_decision, race
from lossmith.choosing.resampling import MOST_PARTS, confidence_set, draw, optimism, parts_of
from lossmith.choosing.residuals import held_by_the_largest, in_share
from lossmith.choosing.result import Result
from lossmith.choosing.sampling import SAMPLE, parse_sample, sampled
from lossmith.choosing.scores import Score, score_for, tuning_score
from lossmith.choosing.screening import closest
from lossmith.choosing.store import Store, fingerprint
from lossmith.choosing.tables import Floats, Rows
from lossmith.choosing.verdict import ROPE, SURE, Evidence, Key, Verdict, decide

TOO_GOOD = 0.999  # skill that real columns hardly ever have
ONE_MISS = 0.5  # of all squared misses: no comparison by them settles
NO_SIGNAL = 0.01  # skill below which the columns say next to nothing


def choose(
    X: Any,
    y: Any,
    *,
    aim: str | Aim | None = None,
    groups: Any = None,
    time: Any = None,
    weight: Any = None,
    exposure: Any = None,
    models: str | Sequence[str] = MODELS,
    sample: int | str | None = SAMPLE,
    seed: int = 0,
    jobs: int | None = None,
    progress: Progress | None = None,
    resume: str | os.PathLike[str] | None = None,
) -> Result:
    """Which loss should a model of this table train with, and what is proven about it?

    X is a data frame or a matrix of shape (rows, columns), y a column of `rows` values or its name in X; groups, time,
    weight and exposure likewise, or "none", where nothing is to be guessed. aim is "mean", "median", "quantile:0.9",
    "interval:0.8", "probability", "label", "metric:NAME" and more (`parse_aim`); without one, numbers ask for the mean
    and labels for probabilities.

    Rows of one of the groups are never on both sides of a fold; with a time, folds go forward: no model is judged on
    what came before it. Of a table with more rows than `sample` only so many race (whole groups, evenly over time, each
    class in its share), and the final model is trained on all; "all", or None, lets every row race. resume names a
    folder that keeps every finished fold: a race that was stopped goes on there, and ends as it would have without the
    stop. jobs folds run side by side, by default one for each core, through joblib: `joblib.parallel_config` says
    where. The same seed gives the same verdict to the last digit, whatever the number of jobs. Raises ChoiceError, a
    ValueError, for what a user can put right.
    """
    counts: dict[str, tuple[Any, int]] = {"seed": (seed, 0), "jobs": (jobs, 1)}
    for name, (number, least) in counts.items():
        if number is not None and not (isinstance(number, Integral) and int(number) >= least):
            raise ChoiceError(f"{name} must be a whole number of {least} or more; it is {number!r}")
    kinds = parse_models(models if isinstance(models, str) else ",".join(map(str, models)))
    most = parse_sample(sample)
    ready, facts, runners, whole = pose(X, y, aim, groups, time, weight, exposure, seed)
    target, score = ready.target, whole.score
    rows, drawn = sampled(whole.order, len(whole.y), most, seed)
    problem = whole.take(rows) if drawn else whole
    said = [f"{len(rows):,} of the {len(whole.y):,} rows race, drawn {drawn}"] if drawn else []
    splits = folds(len(rows), seed, problem.order)
    if score.ranks:
        _check_both_kinds(problem, target.classes, splits)
    store = None if resume is None else Store(resume, _marks(problem, runners, kinds, splits))
    found = race(problem, runners, kinds, splits, jobs or available_cores(), progress, store)
    default = next(c for c in runners if c.role == "default")
    if not any((default.label, kind) in found.scores for kind in kinds):
        first = next(iter(found.failures.values()), "no reason given")
        raise ChoiceError(f"{default.label} could not be trained on this table: {first}")
    unsettled = undecidable(target, facts) or _one_miss(problem, runners, found, target.rows[rows])
    evidence = judge(problem, runners, found, unsettled, whole)
    chosen = next(c for c in runners if c.label == evidence.loss)
    warnings = [*ready.warnings, *facts.warnings]
    warnings += _disguise(problem, found)
    warnings += _race_warnings(problem, default, evidence, found, facts)
    return Result(
        verdict=evidence.word,
        loss=chosen.whole(target.labels),
        aim=target.aim,
        score=score,
        table=evidence_rows(runners, kinds, found, evidence, score, default.label),
        reason=evidence.reason,
        warnings=tuple(dict.fromkeys(warnings)),
        candidates=runners,
        profile=facts,
        evidence=evidence,
        default=default.label,
        chosen=chosen,
        protocol=[
            *said, *_protocol(score, splits, problem.order, kinds, seed, evidence.luck_known), *_gap_in_words(found)
        ],
        target=target.name,
        kind=evidence.model,
        predictions=found.predictions,
        problem=problem,
        whole=whole,
        scores=found.scores,
        settings=found.settings,
        judged=found.judged,
        rows=target.rows[rows],
        classes=target.classes,
        left_out=left_out(target.aim, facts, runners),
        weighted_by=ready.weighted_by,
        notes=(
            *ready.notes, *(f"{how}; the final model is trained on all" for how in said),
            *_of_more_rows(evidence, len(rows), len(whole.y)), *_beyond_the_loss(chosen),
        ),
    )


def _of_more_rows(evidence: Verdict, raced: int, rows: int) -> list[str]:
    needed = evidence.rows_needed
    if evidence.word != "NOT SHOWN" or needed is None or not raced < min(needed, rows):
        return []
    enough = f"{needed:,} of the {rows:,} rows, say, or all" if needed < rows else f"all {rows:,} rows, say"
    return [f"a larger sample could show more: {enough}"]


def _beyond_the_loss(chosen: Candidate) -> list[str]:
    if chosen.beside is None:
        return []
    return [f"{chosen.name} is trained {chosen.beside}: the model and the code to copy do so, the loss alone does not"]


def _check_both_kinds(problem: Problem, classes: Sequence[str], splits: Sequence[Fold]) -> None:
    """Classes are shared out evenly among random folds, but time and groups come first."""
    lone = [problem.y[fold.test[0]] for fold in splits if np.ptp(problem.y[fold.test]) == 0]
    if lone:
        only = " or ".join(quoted(classes[int(k)], 30) for k in np.unique(lone))
        raise ChoiceError(
            f"{len(lone)} of the {len(splits)} folds would judge rows of one class only ({only}), of which the "
            f"{problem.score.shown_name} has no value; ask for the aim probability, or for folds without groups or time"
        )


def pose(
    X: Any, y: Any, aim: str | Aim | None, groups: Any, time: Any, weight: Any, exposure: Any, seed: int
) -> tuple[Prepared, Profile, tuple[Candidate, ...], Problem]:
    """What is known before any training: columns and target, facts, the losses that race, and the task of all rows."""
    ready = prepare(X, y, None if aim is None else parse_aim(aim), weight, exposure, groups, time)
    target = ready.target
    facts = profile(
        ready.table, target, ready.exposure, seed, ready.weight, ready.grouped_by, ready.timed_by
    )  # fmt: skip
    classes = len(target.classes)
    problem = Problem(
        ready.table, target.y, target.aim, score_for(target.aim, classes), classes, ready.weight, ready.exposure, seed,
        Order(target.y if classes else None, ready.groups, ready.time),
    )  # fmt: skip
    return ready, facts, candidates(target.aim, facts).racing, problem


def judge(
    problem: Problem, runners: Sequence[Candidate], found: Race, why_undecidable: str | None,
    whole: Problem | None = None,
) -> Verdict:
    """Scores and predictions -> the verdict, with the decision that goes with the model it names."""
    entrants = [c.entrant for c in runners]
    evidence = Evidence(entrants, found.scores, found.test_share)
    rows = found.judged
    weight = None if problem.weight is None else problem.weight[rows]
    judged = found.labels if problem.score.judges_labels else found.predictions
    part = parts_of(len(rows), problem.order.take(rows), problem.seed)
    drawn = draw(
        problem.score, problem.y[rows], weight, {k: judged[k][:, rows] for k in found.scores}, part, problem.seed
    )

    def luck(key: Key, base: Key) -> Luck:
        return Luck(drawn.error(key, base), drawn.parts - 1, found.folds_a_repeat)

    default = (evidence.default, evidence.best_model)
    verdict = decide(
        entrants,
        found.scores,
        rows=len(problem.y),
        test_share=found.test_share,
        groups=problem.order.drawn_groups,
        luck=luck if drawn.parts == MOST_PARTS else None,
        guards=guards(problem, runners, found, evidence.default),
        optimism=optimism(drawn, evidence.keys("default", "challenger"), default),
        confidence_set=confidence_set(drawn),
        undecidable=why_undecidable,
    )
    return replace(verdict, decision=final_decision(problem, found, (verdict.loss, verdict.final_kind), whole))


def _marks(
    problem: Problem, runners: Sequence[Candidate], kinds: Sequence[str], splits: Sequence[Fold]
) -> dict[str, str]:
    """What a race depends on."""
    order = problem.order
    return fingerprint(
        table=[(c.name, c.kind, c.values, c.levels) for c in problem.table.columns],
        target=problem.y,
        weights=problem.weight,
        exposure=problem.exposure,
        groups=order.groups,
        time=order.time,
        aim=(problem.aim, problem.score.name),
        candidates=list(runners),
        protocol=([KINDS[kind].described for kind in kinds], problem.seed),
        folds=[(fold.repeat, fold.train, fold.test) for fold in splits],
    )


def _gap_in_words(found: Race) -> list[str]:
    """How well the linear models were trained, in the worst fold."""
    gaps = [f"{label} {gap:.0e}" for (label, _), gap in found.gaps.items()]
    return [f"proven gap to the optimum, worst fold, as a share of the objective: {'; '.join(gaps)}"] if gaps else []


def available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _race_warnings(
    problem: Problem, default: Candidate, evidence: Verdict, found: Race, facts: Profile
) -> list[str]:
    warnings = [
        f"{label} could not be trained on the {model} model ({why})" for (label, model), why in found.failures.items()
    ]
    warnings += [f"while training, {remark}" for remark in found.remarks]
    warnings += [
        f"what is handed over, {evidence.loss} on the {evidence.final_kind} model, is off: {guard.meaning}"
        for guard in evidence.guards[evidence.loss, evidence.final_kind] if guard.excuse and not guard.passed
    ]
    constant = float(found.constant.mean())
    warnings += [
        f"the {model} model is worse than the best constant, one answer for every row: {label} costs "
        f"{mean / constant - 1:.1%} more"
        for (label, model), scores in found.scores.items()
        if label == default.label and model != evidence.model and (mean := float(scores.mean())) > constant > 0
    ]
    best = min(float(scores.mean()) for scores in found.scores.values())
    if not facts.led_by_few and not best < (1 - NO_SIGNAL) * constant:
        better = "hardly" if best < constant else "no"
        warnings.append(
            f"the best model is {better} better than the best constant, one answer for every row: the columns say next "
            "to nothing about what was asked for, and no loss can change that"
        )
    if not facts.led_by_few and default.label in (label for label, _ in found.predictions):
        costs = _costs(problem, found.predictions[default.label, evidence.model], found.judged)
        share = 0.0 if costs is None else held_by_the_largest(costs)
        if share > 0.5:
            who, s = in_share(len(found.judged))
            warnings.append(f"{who} hold{s} {share:.0%} of the {problem.score.name}: it says little of the others")
    return warnings


def _disguise(problem: Problem, found: Race) -> list[str]:
    constant = float(found.constant.mean())
    left, label = min((float(scores.mean()), label) for (label, _), scores in found.scores.items())
    if not left < (1 - TOO_GOOD) * constant < np.inf:
        return []
    names = " and ".join(quoted(name) for name in closest(problem.table, problem.y, bool(problem.classes)))
    skill = f"{label} leaves {left / constant:.2g} of what one answer for every row leaves"
    return [f"too good to be true, {skill}: is one of the columns the target in disguise? Look at {names}"]


def _one_miss(problem: Problem, runners: Sequence[Candidate], found: Race, data_rows: Rows) -> str | None:
    """Why no comparison by squared misses settles, if one of them is most of their sum. data_rows: the table's rows of
    the race's, counted from 0."""
    if problem.aim.functional != "mean" or problem.aim.metric:
        return None
    evidence = Evidence([c.entrant for c in runners], found.scores, found.test_share)
    costs = _costs(problem, found.predictions[evidence.default, evidence.best_model], found.judged)
    if costs is None or not costs.max() > ONE_MISS * costs.sum():
        return None
    worst = int(costs.argmax())
    return (
        f"one miss, in data row {int(data_rows[found.judged[worst]]) + 1}, makes up {costs[worst] / costs.sum():.0%} "
        "of how wrong a model seems: while it stands, no loss can be shown to be better"
    )


def _costs(problem: Problem, predictions: Floats, rows: Rows) -> Floats | None:
    """What each row adds to the score; None where a score is not made of rows."""
    per_row = problem.score.per_row
    if per_row is None or problem.score.judges_labels:
        return None
    found = np.mean([per_row(problem.y[rows], repeat[rows]) for repeat in predictions], axis=0)
    weighed: Floats = found if problem.weight is None else found * problem.weight[rows]
    return weighed


def _protocol(
    score: Score, splits: Sequence[Fold], order: Order, kinds: Sequence[str], seed: int, luck_known: bool
) -> list[str]:
    repeats = splits[-1].repeat + 1
    how = f"{repeats} times {SPLITS}-fold cross-validation" if order.time is None else f"{len(splits)} folds"
    largest = max(len(fold.train) for fold in splits)
    thinned = [f"each fold trains on {MOST_TRAINED:,} rows drawn at random"] if largest == MOST_TRAINED else []
    groups = order.drawn_groups
    few = f", as of {groups} folds, for there are no more groups" if groups is not None and groups < len(splits) else ""
    known = ["how far a gain moves with the rows that judge: by drawing them again; the test is for the rest"]
    labels = ["the rule from probabilities to classes is fitted on inner splits of each fold's training rows"]
    return [
        f"score, fixed before training: {score.name}",
        f"{how}, {order.described}, seed {seed}, the same folds for every loss",
        *thinned,
        "columns encoded on the training rows of each fold",
        *(KINDS[kind].described for kind in kinds),
        f"penalty and rounds are chosen on inner splits of the training rows, by the {tuning_score(score).name}",
        *(labels if score.judges_labels else []),
        f"differences: corrected resampled t-test (Nadeau & Bengio 2003){few}",
        *(known if luck_known else []),
        "p-values: Holm's, over the challengers, and over the comparisons with the library's default",
        f"practically equal: within {ROPE:.0%} of the default's score; sure: {SURE:.0%} of the posterior",
        "a challenger must beat the default on the kind of model where the default scores better",
        "and still gain when the luck of picking the best is taken out (bootstrap bias-corrected cross-validation)",
        "scales inside a loss, such as Huber's delta, come from cross-fitted residuals of all rows",
    ]
