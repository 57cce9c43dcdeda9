"""What a fit has to say of its result: how far the solver came, and what no solver could reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lossmith.start import sees_residuals

from .separation import Separation
from .solver import Solution
from .task import Task

_VANISHED = 1e-6  # of the loss of the best constant: no loss at all
_EXACT = 1e-6  # of the unit of scores: residuals that are as good as none
_FAR = 1e3  # times tol,
_DIGITS = 1e-5  # of the objective: more is not worth a word
_ROUNDING = 1e-15  # of the loss of the best constant
_NAMED = 5  # features that a message names


def says_little(solution: Solution, tol: float, task: Task) -> bool:
    """Whether far less is proven than tol, for the loss there is: high powers of a good fit vanish beside those of the
    best constant. A fit that is as good as exact leaves no digits to prove, and a gap that is rounding none to gain."""
    share, height = max(_FAR * tol, _DIGITS), abs(solution.objective)
    if not solution.gap > share * height or not sees_residuals(task.problem.loss):
        return False
    if height == 0 or solution.gap <= _ROUNDING * max(height, task.size) or task.size <= height:
        return False
    residuals = np.abs(task.problem.scores(solution.theta) - task.problem.y)
    return float(residuals.mean()) > _EXACT * task.problem.unit


def has_no_loss(solution: Solution, task: Task) -> bool:
    """Whether classes are separated, where no optimum is missing: as under hinges."""
    free = not any(task.problem.penalties) and solution.convex and task.classes is not None
    return free and solution.objective <= _VANISHED * task.size


def separated(
    found: Separation, task: Task, kept: NDArray[np.intp] | None, names: Sequence[str], outputs: Sequence[object]
) -> str:
    """Which samples, and along which features."""
    if found.absent is not None:
        return (
            f"class {outputs[found.absent]!r} has no samples of positive weight: its best intercept is infinite, and "
            "this one is as large as tol asked for"
        )
    parts = [
        f"{'-' if sign < 0 else ''}{names[j]}"
        for j, sign in zip(found.features[:_NAMED].tolist(), found.signs.tolist(), strict=False)
    ]
    more = len(found.features) - len(parts)
    along = ", ".join(parts) + (f" and {more} more" if more else "")
    count, n = len(found.samples), task.design.n
    if count == n and task.classes is not None:
        what = "the classes are separated perfectly"
    else:
        first = int(found.samples[0] if kept is None else kept[found.samples[0]])
        what = f"{count} of {n} samples, the first of them in row {first}, can be fitted ever better"
    if not along:
        return f"{what}, along the intercept: the best one is infinite, and this one is as large as tol asked for"
    return (
        f"{what}, along {along}: without a penalty the best coefficients are infinite, and these are as large as "
        "tol asked for; set l2"
    )


def _at_edge(solution: Solution, task: Task) -> str:
    """What to do where the loss is least at the edge of what it is defined for, and a solver can only run into it."""
    problem, loss = task.problem, task.problem.loss
    if not problem.inwards:
        return ""
    domain = loss.formula.predictions[0].domain
    f = problem.scores(solution.theta)
    count = np.count_nonzero(np.minimum(f - domain.low, domain.high - f) <= _EXACT * problem.unit)
    use = f"{loss.name}(log_input=True)" if loss.params.get("log_input") is False else "a link (with_link)"
    where = f"{count} of {len(f)} predictions are at the edge of {domain.describe()}"
    return f"{where}: {use} keeps them inside" if count else ""


def _no_spread(solution: Solution, task: Task) -> bool:
    """Whether the first of several predictions hits every number: what is learned of their spread has no optimum."""
    y, loss = task.problem.y, task.problem.loss
    if not loss.wide or loss.target_kind != "real":
        return False
    residuals = np.abs(task.problem.scores(solution.theta)[:, 0] - y)
    return bool((residuals <= _EXACT * np.ptp(y)).all())


def unfinished(solution: Solution, tol: float, max_iter: int, task: Task, solver: str) -> str:
    """How far the solver came, and what to do."""
    if solution.gap == np.inf:
        state = f"the objective is {solution.objective:.9g}"
    elif solution.convex:
        state = (
            f"the objective, {solution.objective:.9g}, is proven to lie within {solution.gap:.3g} of the optimum"
        )
    else:
        state = f"the loss is not convex; the objective is {solution.objective:.9g}"
    if _no_spread(solution, task):
        advice = (
            "every sample is fitted exactly, so the spread about the fit has no optimum, whatever the penalty: use a "
            "loss of the prediction alone"
        )
    elif solution.reason == f"max_iter={max_iter} was reached":  # whatever all the fits of a scale took together
        advice = "increase max_iter"
    elif not solution.convex and (at_edge := _at_edge(solution, task)):
        advice = at_edge
    elif any(task.problem.penalties):
        advice = "increase tol, or the penalty"
    else:
        advice = "add a penalty" if solution.gap == np.inf else "increase tol, or add a penalty"
    if solver != "newton":
        advice += ", or let solver='newton' find the optimum"
    return (
        f"stopped after {solution.n_iter} iterations before reaching tol={tol:g} ({solution.reason}): "
        f"{state}; {advice}"
    )
