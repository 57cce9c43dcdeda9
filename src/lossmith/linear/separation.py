"""Is there an optimum at all? Where classes are separated, no: the loss falls for ever along some direction.

A direction in which no sample's loss ever rises, and some fall, proves it (Albert and Anderson 1984,
doi:10.1093/biomet/71.1.1; of Poisson's loss Santos Silva and Tenreyro 2010). Newton's next step from where a solver
stopped points along it: where there is an optimum that step is tiny, here it stays as long as a unit of the scores. Of
several classes, some apart and some not, it points along what is left to do as well: of few samples a linear program
finds the direction then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array, hstack

from .design import parts
from .directions import Directions
from .problem import Problem

Array = NDArray[np.float64]

_FAR = 5.0  # units from the best constant: no score has to lie further out when a loss seems to have stopped falling
_LONG = 0.1  # units that a step moves some score by, which at an optimum would be none
_TIED = 1e-3  # of the largest move of a score: what the solver left undone in those that do not move
_ENDLESS = 1e3  # units
_TURNED = 30.0  # units: so far out slopes have the sign they have for ever, and are not yet rounded to 0
_STEEP = 1e4  # of a direction that moves samples by 1: a steeper one is told from none by rounding alone
_POSED = 30_000_000  # numbers of a linear program that is solved in about a second
_NAMED = 0.05  # of the largest part of a direction: what is worth a word


@dataclass(frozen=True)
class Separation:
    """A direction in which the loss of some samples falls for ever, and that of none rises."""

    samples: NDArray[np.intp]  # those whose loss falls
    features: NDArray[np.intp]  # that take part, the most important ones first
    signs: NDArray[np.intp]  # of each: whether its coefficient goes up or down; 0 where classes disagree
    absent: int | None = None  # a class without samples, whose intercept alone is the direction


def separation(problem: Problem, theta: Array, constant: Array, *, convex: bool) -> Separation | None:
    """None where there is an optimum, or nothing speaks against it. ``constant``: the best one.

    A loss that is not convex has none if every sample is fitted ever better; of some of them nothing follows.
    """
    if problem.loss.kinked or not _may_fall_for_ever(problem):
        return None
    found = _along_intercept(problem, theta)
    if found is not None or problem.l1.any() or problem.l2.any():
        return found
    if np.abs(problem.changes(theta - constant)).max() < _FAR * problem.unit:
        return None
    if not convex:
        found = _by_program(problem, theta - constant)
        return found if found is not None and len(found.samples) == problem.design.n else None
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
    slope = _slopes(problem, problem.y, far if problem.samples is None else far[:, 0])
    rises = ~(np.sum(slope.reshape(move.shape) * move, axis=1) <= 0)
    moved = each > _TIED * longest
    if (rises & moved).any():
        return _by_program(problem, theta - constant)
    return Separation(np.flatnonzero(moved if rises.any() else each > 0), *_directed(step))


def _along_intercept(problem: Problem, theta: Array) -> Separation | None:
    """Along an intercept alone, which no penalty holds: of counts that are all zero, of a class without samples."""
    absent, way = None, np.zeros_like(theta)
    if problem.samples is None:
        if problem.loss.target_kind != "class id":
            return None
        empty = np.ones(theta.shape[1], dtype=bool)
        for part in parts(problem.design.n, 1):
            empty[problem.y[part].astype(np.intp)] = False
        if not empty.any():
            return None
        absent = int(empty.argmax())
        way[0, absent] = -1.0
    else:
        ends = np.array([problem.y.min(), problem.y.max()])
        below, above = (_slopes(problem, ends, np.full(2, side * _ENDLESS * problem.unit)) for side in (-1.0, 1.0))
        way[0] = -1.0 if (below >= 0).all() else 1.0 if (above <= 0).all() else 0.0
    if not way.any():
        return None
    far = problem.scores(theta + _TURNED * problem.unit * way)
    slope = _slopes(problem, problem.y, far).reshape(problem.design.n, -1) @ way[0]
    falls, nothing = np.flatnonzero(slope < 0), np.array([], dtype=np.intp)
    return Separation(falls, nothing, nothing, absent) if len(falls) and (slope <= 0).all() else None


def levels_apart(problem: Problem, theta: Array) -> Separation | None:
    """The same of a loss of levels whose thresholds are learned: they move away from each other as scores do.

    A sample's loss falls for ever where its score leaves both ends of its level behind.
    """
    if problem.l1.any() or problem.l2.any() or problem.loss.kinked:
        return None
    gone = theta.copy()
    gone[0] = 0.0  # there is no intercept beside thresholds
    if np.abs(problem.changes(gone)).max() < _FAR * problem.unit:
        return None
    return _by_program(problem, gone, int(problem.y.max()))


def _by_program(problem: Problem, gone: Array, thresholds: int = 0) -> Separation | None:
    """By the direction that moves samples in as many ways as it can to where their loss falls, and in none to where it
    rises. ``gone``: how far the solver went along it, which names the features better than one of many such directions.
    """
    from scipy.optimize import linprog  # takes long to import, and is seldom needed

    n, outputs = problem.design.n, gone.shape[1]
    count = gone.size + max(thresholds - 1, 0)
    if n * outputs * count > _POSED or problem.y.ndim > 1:
        return None
    Z = problem.design.rows(np.arange(n))
    if thresholds:
        sample, ways, still = _of_levels(problem, Z, thresholds)
    else:
        sample, ways, still = _of_score(problem, Z) if outputs == 1 else _of_classes(problem, Z, outputs)
    ahead: Any = hstack([csr_array(-ways), eye_array(len(sample))])  # what SciPy's stubs do not know it takes
    held: Any = hstack([csr_array(still), csr_array((len(still), len(sample)))]) if len(still) else None
    found = linprog(
        np.append(np.zeros(count), -np.ones(len(sample))),  # each way counts 1 at most
        A_ub=ahead, b_ub=np.zeros(len(sample)), A_eq=held, b_eq=np.zeros(len(still)) if len(still) else None,
        bounds=[(-_STEEP, _STEEP)] * count + [(0.0, 1.0)] * len(sample),
    )  # fmt: skip
    if found.status != 0 or found.x is None:
        return None
    gained = np.bincount(sample[found.x[count:] > 0.5], minlength=n)
    whole = (gained > 0) & (gained == np.bincount(sample, minlength=n))
    moved = np.flatnonzero(whole if whole.any() else gained > 0)
    return Separation(moved, *_directed(gone)) if len(moved) else None


def _of_score(problem: Problem, Z: Array) -> tuple[NDArray[np.intp], Array, Array]:
    """(samples whose loss falls one way, the change of their score that way by coefficients, that of those whose loss
    rises either way)."""
    far = np.full(len(Z), _TURNED * problem.unit)
    below, above = (_slopes(problem, problem.y, f) for f in (-far, far))
    up, down = (above <= 0) & (below < 0), (below >= 0) & (above > 0)  # flat on both sides, it does not fall
    way = np.where(up, 1.0, np.where(down, -1.0, 0.0))
    falls = np.flatnonzero(way)
    return falls, Z[falls] * way[falls, None], Z[way == 0]


def _of_classes(problem: Problem, Z: Array, outputs: int) -> tuple[NDArray[np.intp], Array, Array]:
    """The same of a score per class: that of a sample's own must not fall behind any other."""
    samples, others = np.nonzero((np.arange(outputs) != problem.y[:, None]) & (problem.y >= 0)[:, None])
    ways = np.zeros((len(samples), outputs, Z.shape[1]))
    each = np.arange(len(samples))
    ways[each, problem.y[samples].astype(np.intp)] = Z[samples]
    ways[each, others] = -Z[samples]
    return samples, ways.reshape(len(samples), -1), np.empty((0, outputs * Z.shape[1]))


def _of_levels(problem: Problem, Z: Array, thresholds: int) -> tuple[NDArray[np.intp], Array, Array]:
    """The same of a score and thresholds, which stand before the coefficients: it must fall behind neither end."""
    y = problem.y.astype(np.intp)
    lower, upper = np.flatnonzero(y > 0), np.flatnonzero(y < thresholds)
    samples, ends = np.concatenate([lower, upper]), np.concatenate([y[lower] - 1, y[upper]])
    ways = np.zeros((len(samples), thresholds + Z.shape[1] - 1))
    up = np.where(np.arange(len(samples)) < len(lower), 1.0, -1.0)
    ways[np.arange(len(samples)), ends] = -up
    ways[:, thresholds:] = Z[samples, 1:] * up[:, None]
    return samples, ways, np.empty((0, ways.shape[1]))


def _directed(step: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    largest, step = float(np.abs(step).max()), step[1:]
    size = np.abs(step).max(axis=1)
    order = np.argsort(-size, kind="stable")
    features = order[size[order] >= _NAMED * max(largest, np.finfo(float).tiny)]
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
    below, above = (_slopes(problem, y, np.full(len(y), f)) for f in (-far, far))
    return bool((below >= 0).any() or (above <= 0).any())


def _slopes(problem: Problem, y: NDArray[Any], far: Array) -> Array:
    """At scores that no fit will meet; NaN where they are too far out for the loss to tell."""
    with np.errstate(all="ignore"):
        return np.asarray(problem.loss.gradient(y, far, reduction="none", validate=False))
