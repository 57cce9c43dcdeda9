"""What a winner must pass beside the score: unbiased, calibrated, never far behind, better than the constant."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lossmith.choosing.candidate import Candidate
from lossmith.choosing.isotonic import recalibrated
from lossmith.choosing.race import Problem, Race
from lossmith.choosing.tables import Floats
from lossmith.choosing.verdict import Guard, Key

NOISE = 3.0  # standard errors that chance may explain
OFF = 0.02  # of the size of y: what a mean may be off, whatever the number of rows
WORST = 1.5  # times the default's cost, in any fold
UNSEEN = 0.005  # of the rows: a share that is off by less is the one asked for, as it is printed
MISCALIBRATED = 0.02  # of the constant's squared error: what recalibration may win back, beyond the default's
OF_NOISE = 4.0
"""Times n^(-2/3), the rate of monotone regression: the most that it wins back by chance of calibrated predictions, in
99 of 100 simulated tables of 50 to 1,000 rows."""


def guards(problem: Problem, runners: Sequence[Candidate], found: Race, default: str) -> dict[Key, list[Guard]]:
    """For each loss on each kind of model, against the default on the same one."""
    by_label = {c.label: c for c in runners}
    rows = found.judged
    checked: dict[Key, list[Guard]] = {}
    for key in found.scores:
        base = (default, key[1])
        checked[key] = [_skill(found, key), *_worst_fold(found, key, base)]
        middle, plain = (_mean_prediction(found, k, rows) for k in (key, base))
        excuse = "the default" if key == base else "no further than the default"
        checked[key] += _bias(problem, by_label[key[0]], rows, middle, plain, excuse)
        checked[key] += _calibration(problem, rows, middle, plain, excuse)
    return checked


def _mean_prediction(found: Race, key: Key, rows: np.ndarray) -> Floats | None:
    """Over the repeats."""
    return found.predictions[key][:, rows].mean(axis=0) if key in found.predictions else None


def _skill(found: Race, key: Key) -> Guard:
    mean, constant = float(found.scores[key].mean()), float(found.constant.mean())
    skill = 1.0 - mean / constant if constant > 0 else 0.0
    meaning = f"{skill:.1%} better than the best constant" if skill >= 0 else "it is worse than the best constant"
    return Guard("skill", mean <= constant, skill, meaning)


def _worst_fold(found: Race, key: Key, base: Key) -> list[Guard]:
    if base not in found.scores or key == base:
        return []
    theirs = found.scores[base]
    if not (theirs > 0).all():
        return []
    worst = float((found.scores[key] / theirs).max())
    meaning = f"in its worst fold it costs {worst:.2f} times what {base[0]} costs"
    return [Guard("worst fold", worst <= WORST, worst, meaning)]


def _bias(
    problem: Problem, runner: Candidate, rows: np.ndarray, f: Floats | None, base: Floats | None, excuse: str
) -> list[Guard]:
    """Within what chance explains; excused where the default is as far off. A loss that aims right under a condition
    only must be within chance: else the condition has failed."""
    if f is None or problem.classes or problem.aim.metric in ("mape", "rmsle"):
        return []
    y = problem.y[rows]
    weight = np.ones(len(y)) if problem.weight is None else problem.weight[rows]
    effective = float(weight.sum() ** 2 / np.square(weight).sum())
    found = []
    for j, level in enumerate(problem.aim.levels or (None,)):
        mine, theirs = (None if each is None else each[:, j] if each.ndim == 2 else each for each in (f, base))
        assert mine is not None
        if level is None:
            if problem.aim.functional != "mean":
                return []
            off = _off_centre(y, mine, weight)
            error = float(np.sqrt(np.average(np.square(y - mine - off), weights=weight) / effective))
            plain = None if theirs is None else abs(_off_centre(y, theirs, weight))
            error = max(error, OFF / NOISE * float(np.average(np.abs(y), weights=weight)))
            by = f"{off:,.0f}" if abs(off) >= 1000 else f"{off:.3g}"
            meaning = f"its predictions miss the mean of y by {by}"
        else:
            off = float(np.average(y > mine, weights=weight)) - (1.0 - level)
            error = max(float(np.sqrt(level * (1.0 - level) / effective)), UNSEEN / NOISE)
            plain = None if theirs is None else abs(float(np.average(y > theirs, weights=weight)) - (1.0 - level))
            meaning = f"{1.0 - level + off:.0%} of y lies above its predictions, {1.0 - level:.0%} was asked for"
        excused = plain is not None and runner.condition is None and abs(off) <= plain
        found.append(Guard("bias", abs(off) <= NOISE * error, off, meaning, excuse * excused))
    return found


def _off_centre(y: Floats, f: Floats, weight: Floats) -> float:
    return float(np.average(y - f, weights=weight))


def _calibration(
    problem: Problem, rows: np.ndarray, f: Floats | None, base: Floats | None, excuse: str
) -> list[Guard]:
    """What isotonic recalibration would win back (MCB; Dimitriadis, Gneiting & Jordan 2021), as a share of the
    constant's squared error: at most 2% more than chance explains, and than the default's."""
    asks = problem.aim.functional == "probability" or problem.aim.functional == "mean"
    if f is None or not asks or problem.aim.metric in ("rmsle", "auc", "average_precision"):
        return []
    y, weight = problem.y[rows], None if problem.weight is None else problem.weight[rows]
    mine = _miscalibration(y, f, weight)
    plain = 0.0 if base is None else _miscalibration(y, base, weight)
    effective = len(y) if weight is None else float(weight.sum() ** 2 / np.square(weight).sum())
    chance = OF_NOISE * effective ** (-2 / 3)
    meaning = f"recalibration would win back {mine:.1%} of the constant's squared error; chance may do {chance:.1%}"
    no_worse = mine <= plain + MISCALIBRATED
    return [Guard("calibration", no_worse and mine <= chance + MISCALIBRATED, mine, meaning, excuse * no_worse)]


def _miscalibration(y: Floats, f: Floats, weight: Floats | None) -> float:
    columns = [(y, f)] if f.ndim == 1 else [((y == k).astype(np.float64), f[:, k]) for k in range(f.shape[1])]
    won = constant = 0.0
    for target, chance in columns:
        fit = recalibrated(target, chance, weight)
        won += float(np.average(np.square(target - chance) - np.square(target - fit), weights=weight))
        constant += float(np.average(np.square(target - np.average(target, weights=weight)), weights=weight))
    return won / constant if constant > 0 else 0.0
