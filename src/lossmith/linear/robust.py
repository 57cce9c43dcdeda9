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


def high_breakdown(make: Make) -> Model:
    """The better of least absolute deviations and least trimmed squares."""
    from lossmith.registry import get

    task = make(get("absolute_error"))
    found = [minimise(task.problem, task.constant, _ROUGH, 200, task.size).theta]
    trimmed = _least_trimmed_squares(task)
    if trimmed is not None:
        found.append(trimmed)
    return task.original(min(found, key=lambda theta: _scale(task, theta)))


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
    for _ in range(ROUNDS):
        task = make(in_units(loss, scale, names))
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
    else:
        trouble = f"the scale of the residuals still changed, from {used:.6g} to {scale:.6g}, after {ROUNDS} rounds"
    solution.history = [replace(step, iteration=i) for i, step in enumerate(history)]
    solution.n_iter = len(history) - 1
    return task, solution, used, trouble


def _scale(task: Task, theta: Array) -> float:
    problem = task.problem
    f = problem.scores(theta)
    return residual_scale(problem.loss, problem.y, f, problem.weight) if (f != problem.y).any() else 0.0


def _vanished(scale: float, task: Task) -> bool:
    return scale <= _VANISHED * task.problem.unit


def _least_trimmed_squares(task: Task) -> Array | None:
    """theta; None where there are too many features, or too few samples, for a search by random subsets."""
    problem, design = task.problem, task.design
    k = 1 + design.p
    rng = np.random.default_rng(0)
    rows = np.sort(rng.permutation(design.n)[:_SAMPLES])
    if is_sparse(design.X) or design.p > _FEATURES or len(rows) < 4 * k:
        return None
    Z = design.rows(rows)
    offset = 0.0 if problem.offset is None else problem.offset[rows]
    y = problem.y[rows] - offset
    half = (len(rows) + k + 1) // 2

    def concentrated(theta: Array, rounds: int) -> tuple[float, Array]:
        for _ in range(rounds):
            best = np.argpartition(np.abs(y - Z @ theta), half - 1)[:half]
            before, theta = theta, np.asarray(np.linalg.lstsq(Z[best], y[best], rcond=None)[0])
            if np.allclose(theta, before, rtol=1e-10, atol=1e-10 * problem.unit):
                break
        squares = np.partition(np.square(y - Z @ theta), half - 1)[:half]
        return float(squares.sum()), theta

    def subset() -> Array:
        some = rng.choice(len(rows), k, replace=False)
        return np.asarray(np.linalg.lstsq(Z[some], y[some], rcond=None)[0])

    found = sorted((concentrated(subset(), 2) for _ in range(_SUBSETS)), key=lambda pair: pair[0])[:_KEPT]
    _, theta = min((concentrated(theta, 50) for _, theta in found), key=lambda pair: pair[0])
    return theta[:, None]
