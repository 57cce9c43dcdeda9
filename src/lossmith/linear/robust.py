"""Where a redescending loss starts, and the scale of residuals that a robust loss is measured in.

A redescending loss has many minima, and descent ends in the one it starts near: it should start near most of the
samples, however far the others lie (the MM-estimator's idea: Yohai 1987, doi:10.1214/aos/1176350366). Two fits are
made. Least absolute deviations resists any outlier in y. Least trimmed squares, which is fitted to the best half of the
samples, also resists outliers in X; it is searched for by concentration from random subsets (Rousseeuw and Van Driessen
2006, doi:10.1007/s10618-005-0024-4). The one with the smaller median absolute residual is the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lossmith.start import in_units, residual_scale, scale_parameters

from .features import is_sparse
from .solver import Solution, minimise
from .task import Task

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]
Model = tuple[Array, Array]  # coefficients and intercepts, for the features as they were given
Make = Callable[["Loss"], Task]
Solve = Callable[[Task, Array], Solution]

SETTLED = 1e-6
"""The scale has stopped changing when it changes by no more than this share."""
ROUNDS = 50

_VANISHED = 1e-12  # of the targets' spread: residuals this small are rounding
_ROUGH = 1e-6  # tolerance of a start
_SUBSETS, _KEPT = 500, 10  # random subsets; those worth concentrating on to the end
_FEATURES = 30  # with more, hardly any subset is free of outliers
_SAMPLES = 2000  # of more samples, so many are looked at


def high_breakdown(make: Make) -> tuple[Model, str]:
    """The better of least absolute deviations and least trimmed squares, and what to call it."""
    from lossmith.registry import get

    task = make(get("absolute_error"))
    found = [minimise(task.problem, task.constant, _ROUGH, 200, task.size).theta]
    trimmed = _least_trimmed_squares(task)
    if trimmed is not None:
        found.append(trimmed)
        name = "the fit that most samples agree on"
    else:
        name = "the fit of least absolute deviations, which resists outliers in y, but not in X"
    return task.original(min(found, key=lambda theta: _scale(task, theta))), name


def scale_names(loss: Loss) -> tuple[str, ...]:
    """The loss's parameters in units of the target; there must be one."""
    names = scale_parameters(loss)
    if not names:
        raise ValueError(f'scale="mad": {loss.name} has no parameter in units of the target')
    return names


def with_settled_scale(loss: Loss, make: Make, solve: Solve, begin: Model) -> tuple[Task, Solution, float, str]:
    """The loss's parameters as multiples of the residuals' size, refreshed until that stops changing.

    (The last task, its solution, the scale it was solved with, and what is wrong with that scale, if anything is.)
    """
    names, start = scale_names(loss), make(loss)
    scale, history = _scale(start, start.scaled(*begin)), []
    if _vanished(scale, start):
        scale = start.problem.unit
    rounds: list[tuple[float, float]] = []  # scales that were used, and those of the residuals they left
    for _ in range(ROUNDS):
        now = in_units(loss, scale, names)
        vars(now)["kinked"] = loss.kinked  # in every unit: looking for kinks costs more than a fit
        task = make(now)
        solution = solve(task, task.scaled(*begin))
        history += solution.history
        begin = task.original(solution.theta)
        used, scale = scale, _scale(task, solution.theta)
        if _vanished(scale, task):
            trouble = "the model fits the samples exactly, so their residuals have no scale; set l2"
            break
        if abs(scale - used) <= SETTLED * used:
            trouble = ""
            break
        rounds.append((used, scale))
        scale = _between(rounds)
    else:
        scale = rounds[-1][1]
        trouble = f"the scale of the residuals still changed, from {used:.6g} to {scale:.6g}, after {ROUNDS} rounds"
    solution.history = [replace(step, iteration=i) for i, step in enumerate(history)]
    solution.n_iter = len(history) - 1
    return task, solution, used, trouble


def _between(rounds: list[tuple[float, float]]) -> float:
    """The next scale to use: that of the residuals; but as much nearer to the one used as the last two rounds tell that
    they answer each other, who would go to and fro for long (a secant step)."""
    used, found = rounds[-1]
    if len(rounds) == 1:
        return found
    before, answer = rounds[-2]
    ratio = min((found - answer) / (used - before), 0.0) if used != before else 0.0
    return used + (found - used) / (1.0 - ratio)


def _scale(task: Task, theta: Array) -> float:
    problem = task.problem
    f = problem.scores(theta)
    return residual_scale(problem.loss, problem.y, f, problem.weight) if (f != problem.y).any() else 0.0


def _vanished(scale: float, task: Task) -> bool:
    return scale <= _VANISHED * task.problem.unit


def _least_trimmed_squares(task: Task) -> Array | None:
    """theta; None where there are too many features for a search by random subsets, or where half of the samples, which
    weights repeat, determine no fit."""
    problem, design = task.problem, task.design
    k = 1 + design.p
    if is_sparse(design.X) or design.p > _FEATURES:
        return None
    rng = np.random.default_rng(0)
    rows, weight = _looked_at(np.ones(design.n) if problem.weight is None else problem.weight, rng)
    half = float(weight.sum()) * ((len(rows) + k + 1) // 2) / len(rows)
    # Of unequal weights as few samples as are no fit's worth may be half: the more unequal, the more have to be there.
    even = float(weight.sum()) ** 2 / float(weight @ weight) / len(rows)
    if len(rows) * even <= 2 * k * (3.0 - 2.0 * even) or np.sort(weight)[-k:].sum() >= half:
        return None
    Z = design.rows(rows)
    offset = 0.0 if problem.offset is None else problem.offset[rows]
    y, chance = problem.y[rows] - offset, np.log(weight)

    def best(squares: Array) -> Array:
        """How much of each sample is in the half with the smallest residuals."""
        order = np.argsort(squares)
        inside, ahead = np.empty_like(weight), np.cumsum(weight[order])
        inside[order] = np.clip(half - ahead + weight[order], 0.0, weight[order])
        return inside

    def concentrated(theta: Array, rounds: int) -> tuple[float, Array]:
        for _ in range(rounds):
            inside = best(np.square(y - Z @ theta))
            some = np.flatnonzero(inside)
            root = np.sqrt(inside[some])
            before, theta = theta, np.asarray(np.linalg.lstsq(Z[some] * root[:, None], y[some] * root, rcond=None)[0])
            if np.allclose(theta, before, rtol=1e-10, atol=1e-10 * problem.unit):
                break
        squares = np.square(y - Z @ theta)
        return float(best(squares) @ squares), theta

    def subset() -> Array:
        drawn = np.argpartition(chance + rng.gumbel(size=len(rows)), -k)[-k:]  # the likelier, the more they weigh
        return np.asarray(np.linalg.lstsq(Z[drawn], y[drawn], rcond=None)[0])

    found = sorted((concentrated(subset(), 2) for _ in range(_SUBSETS)), key=lambda pair: pair[0])[:_KEPT]
    _, theta = min((concentrated(theta, 50) for _, theta in found), key=lambda pair: pair[0])
    return theta[:, None]


def _looked_at(weight: Array, rng: np.random.Generator) -> tuple[NDArray[np.intp], Array]:
    """Samples and their weights: all, or of many one at random from each of parts that weigh the same."""
    if len(weight) <= _SAMPLES:
        return np.arange(len(weight)), weight
    ahead = np.cumsum(weight)
    places = (np.arange(_SAMPLES) + rng.random(_SAMPLES)) / _SAMPLES * ahead[-1]
    drawn = np.minimum(np.searchsorted(ahead, places, side="right"), len(weight) - 1)  # 1 may be rounded to
    rows, count = np.unique(drawn, return_counts=True)
    return rows, count.astype(np.float64)
