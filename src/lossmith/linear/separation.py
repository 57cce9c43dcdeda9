"""Is there an optimum at all? Where classes are separated, no: the loss falls for ever along some direction.

A direction in which no sample's loss ever rises, and some fall, proves it (Albert and Anderson 1984,
doi:10.1093/biomet/71.1.1; of Poisson's loss Santos Silva and Tenreyro 2010). Newton's next step from where a solver
stopped points along it: where there is an optimum that step is tiny, here it stays as long as a unit of the scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .directions import Directions
from .problem import Problem

Array = NDArray[np.float64]

_FAR = 5.0  # units from the best constant: no score has to lie further out when a loss seems to have stopped falling
_LONG = 0.1  # units that a step moves some score by, which at an optimum would be none
_TIED = 1e-3  # of the largest move of a score: what the solver left undone in those that do not move
_ENDLESS = 1e3  # units
_NAMED = 0.05  # of the largest part of a direction: what is worth a word


@dataclass(frozen=True)
class Separation:
    """A direction in which the loss of some samples falls for ever, and that of none rises."""

    samples: NDArray[np.intp]  # those whose loss falls
    features: NDArray[np.intp]  # that take part, the most important ones first
    signs: NDArray[np.intp]  # of each: whether its coefficient goes up or down; 0 where classes disagree


def separation(problem: Problem, theta: Array) -> Separation | None:
    """None where there is an optimum, or nothing speaks against it."""
    if problem.l1.any() or problem.l2.any() or problem.loss.kinked or not _may_fall_for_ever(problem):
        return None
    if np.abs(problem.changes(theta - theta[0] * (np.arange(len(theta)) == 0)[:, None])).max() < _FAR * problem.unit:
        return None
    point = problem.at(theta)
    with np.errstate(all="ignore"):
        step, _ = Directions(problem).newton(point)
        move = problem.changes(step).reshape(problem.design.n, -1)
    if move.shape[1] > 1:
        move = move - move.mean(axis=1, keepdims=True)
    each = np.abs(move).max(axis=1)
    longest = float(each.max())
    if not _LONG * problem.unit < longest < np.inf:
        return None
    far = problem.scores_at(point).reshape(move.shape) + _ENDLESS * problem.unit / longest * move
    slope = problem.loss.gradient(problem.y, far if problem.samples is None else far[:, 0], reduction="none")
    rises = np.sum(np.asarray(slope).reshape(move.shape) * move, axis=1) > 0
    moved = each > _TIED * longest
    if (rises & moved).any():
        return None
    return Separation(np.flatnonzero(moved if rises.any() else each > 0), *_directed(step[1:]))


def _directed(step: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    size = np.abs(step).max(axis=1)
    order = np.argsort(-size, kind="stable")
    features = order[size[order] >= _NAMED * max(float(size.max()), np.finfo(float).tiny)]
    signs = np.sign(step[features, 0]) if step.shape[1] == 1 else np.zeros(len(features))
    return features, signs.astype(np.intp)


def _may_fall_for_ever(problem: Problem) -> bool:
    """Whether far out there is a sample that does not pull back."""
    if problem.samples is None:
        return problem.loss.link.name == "softmax"
    y = np.concatenate([problem.y[np.linspace(0, problem.design.n - 1, 99).astype(np.intp)],
                        [problem.y.min(), problem.y.max()]])  # fmt: skip
    domain, far = problem.loss.formula.predictions[0].domain, _ENDLESS * problem.unit
    if domain.low > -far or domain.high < far:
        return False
    with np.errstate(all="ignore"):
        below, above = (np.asarray(problem.loss.gradient(y, np.full(len(y), f), reduction="none")) for f in (-far, far))
    return bool((below >= 0).any() or (above <= 0).any())
