"""Kinked losses of several scores: each kink rounded over a width, and the widths narrowed step by step.

A maximum becomes the logarithm of a sum of exponentials, whose excess shrinks with the width (Nesterov 2005,
doi:10.1007/s10107-004-0552-5). Its slopes are a mean of those of the parts that it is the maximum of; so are their
heights, and the mean of lines below the loss is one that proves how near the optimum is.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossmith.formula import functions as fn
from lossmith.formula.expr import ZERO, Expr, add, apply, const, mul, neg, rebuild, sub, substitute, walk
from lossmith.formula.model import Formula
from lossmith.formula.primitives import PRIMITIVES
from lossmith.formula.rounding import WIDTH_OF_KINKS, soft_max, soft_maximum
from lossmith.record import replace

from .beginning import SOME
from .convexity import looks_convex
from .design import chosen
from .goal import Goal
from .problem import Point, Problem
from .proof import Proof
from .solver import Solution, Step, arrival, broken_off, minimise

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

_LINEAR = ("add", "sub", "neg", "where", "per_class", "sum", "others", "cumsum", "reverse_cumsum")
_EXTREMES = ("max", "maximum", "abs")
_NARROWER = 0.1
_GAIN = 0.9  # what is left of a gap where a narrower width did nothing
_FLOOR = 1e-12  # of the unit of scores
_SHARE = 0.05  # of the gap that a width leaves: how well the next one is solved


class _Shape(IntEnum):
    """How an expression depends on the predictions."""

    FIXED = 0
    AFFINE = 1
    SMOOTH = 2
    KINKED = 3  # a sum, each term times a positive number, of maxima of what is affine or kinked, and of smooth ones


class _Rounded(NamedTuple):
    shape: _Shape
    value: Expr
    below: Expr = ZERO  # how much lower the mean of the parts' heights is


@lru_cache(maxsize=64)
def _rounded(formula: Formula, numbers: tuple[tuple[str, float], ...]) -> tuple[Formula, Formula] | None:
    """The formula with its kinks rounded, and the height of the lines that prove something of it.

    ``numbers``: its parameters of one number. None where that is not known to be below the loss.
    """
    known = {p.as_param: const(dict(numbers)[p.name]) for p in formula.params if p.name in dict(numbers)}
    (value,) = substitute((formula.value,), known)
    predictions = {p.as_input for p in formula.predictions}
    made: dict[Expr, _Rounded] = {}
    for node in walk((value,)):
        args = [made[arg] for arg in node.args]
        if node in predictions:
            made[node] = _Rounded(_Shape.AFFINE, node)
        elif all(arg.shape is _Shape.FIXED for arg in args):
            made[node] = _Rounded(_Shape.FIXED, node)
        elif (found := _extreme(node.op, args) if node.op in _EXTREMES else _handed_on(node, args)) is not None:
            made[node] = found
        else:
            return None
    _, value, below = made[value]
    rounded = replace(formula, value=value, declare=None, params=(*formula.params, WIDTH_OF_KINKS))
    return rounded, replace(rounded, value=add(value, below))


def _extreme(op: str, args: list[_Rounded], width: Expr = WIDTH_OF_KINKS.as_param) -> _Rounded | None:
    """Of what has kinks: the soft maximum, and how much lower its parts lie, each with its share of the slope."""
    if any(arg.shape is _Shape.SMOOTH for arg in args):
        return None  # it need not be convex
    if op == "max":
        ((_, x, below),) = args
        value, share = soft_max(x), fn.softmax(x / width)
        return _Rounded(_Shape.KINKED, value, sub(fn.sum(fn.zero_times(share, add(x, below))), value))
    if op == "maximum":
        (_, a, below_a), (_, b, below_b) = args
        value = soft_maximum(a, b, width)
        first, second = fn.sigmoid(sub(a, b) / width), fn.sigmoid(sub(b, a) / width)
        height = add(fn.zero_times(first, add(a, below_a)), fn.zero_times(second, add(b, below_b)))
        return _Rounded(_Shape.KINKED, value, sub(height, value))
    (inner,) = args
    if inner.shape is _Shape.KINKED:
        return None
    both = [inner, _Rounded(inner.shape, neg(inner.value))]
    return _extreme("maximum", both, mul(const(2.0), width))  # x and -x move apart twice as fast as x and 0


def _handed_on(node: Expr, args: list[_Rounded]) -> _Rounded | None:
    """Of what has none of its own: lines below its arguments are handed on where it adds them up."""
    op, shapes = node.op, [arg.shape for arg in args]
    if op in ("minimum", "sign") or PRIMITIVES[op].kind in ("comparison", "logic"):
        return None
    if op == "where" and shapes[0] is not _Shape.FIXED:
        return None
    value, shape = rebuild(node, tuple(arg.value for arg in args)), max(shapes)
    scaled = (op == "mul" and _Shape.FIXED in shapes) or (op == "div" and shapes[1] is _Shape.FIXED)
    curved = not scaled and op not in _LINEAR
    if shape is not _Shape.KINKED:
        return _Rounded(_Shape.SMOOTH if curved else shape, value)
    lower = _lower(node, args)
    return None if curved or lower is None else _Rounded(shape, value, lower)


def _lower(node: Expr, args: list[_Rounded]) -> Expr | None:
    """What lies below the arguments adds up to; None where it may lie above."""
    op, below = node.op, [arg.below for arg in args]
    if op == "add":
        return add(*below)
    if op == "sub" and args[1].shape is not _Shape.KINKED:
        return below[0]
    if op == "where":
        return fn.where(node.args[0], below[1], below[2])
    if op in ("sum", "per_class"):
        return apply(op, below[0] if below[0].row or op == "per_class" else apply("per_class", below[0]))
    if op in ("mul", "div") and _is_positive(args[1].value):
        return rebuild(node, (below[0], args[1].value))
    if op == "mul" and _is_positive(args[0].value):
        return mul(args[0].value, below[1])
    return None


def _is_positive(factor: Expr) -> bool:
    return factor.op == "n_classes" or (factor.op == "const" and float(factor.data) > 0)


def can_round(loss: Loss) -> bool:
    """Whether all of its kinks can be rounded, so that lines below the loss are known."""
    formula = _formula(loss)[1]
    return _rounded(formula, _numbers(loss, formula)) is not None and not _of_width(loss, 1.0)[0].kinked


def _formula(loss: Loss) -> tuple[str, Formula]:
    return next((kind, formula) for kind, formula in loss.formulas.items() if kind != "row")


def _numbers(loss: Loss, formula: Formula) -> tuple[tuple[str, float], ...]:
    return tuple((p.name, float(loss.numbers[p.name])) for p in formula.params if not p.per_class)


def _of_width(loss: Loss, width: float) -> tuple[Loss, Loss]:
    """The rounded loss, and the heights of its lines."""
    kind, formula = _formula(loss)
    found = _rounded(formula, _numbers(loss, formula))
    assert found is not None
    params = {**loss.params, WIDTH_OF_KINKS.name: width}
    first, second = (loss.replaced(formulas={kind: each}, params=params, recipe=None) for each in found)
    return first, second


def narrowed(problem: Problem, theta: Array, tol: float, max_iter: int, constant: float) -> Solution:
    """As `minimise`, of a kinked loss of several scores."""
    goal, unit, rough = Goal(problem, problem.at(theta), tol, constant), _unit(problem, theta, constant), _SHARE
    convex = looks_convex(problem.loss, problem.y, theta[0], unit)
    width, best, least, proof = unit, theta, np.inf, Proof()
    steps, before, history = 0, np.inf, list[Step]()
    while True:
        loss, heights = _of_width(problem.loss, width)
        here = problem.rounded(loss, unit)
        found = minimise(here, theta, max(rough, tol * _SHARE), max_iter - steps, constant)
        theta, steps = found.theta, steps + found.n_iter
        exact, bound = problem.at(theta), here.bound(_lines(here, heights, theta))
        objective = problem.penalised(exact)
        if objective <= least:
            best, least = theta, objective
        convex = convex and found.convex
        if convex:
            proof.learn(bound)
        gap = proof.gap(least, goal.size) if convex else np.inf
        history.append(Step(steps, objective, bound.subgradient, found.history[-1].length, gap, width))
        converged = goal.is_reached(gap, exact)
        stuck, before = gap > _GAIN * before, gap
        if converged or steps >= max_iter or stuck or width <= _FLOOR * unit:
            break
        rough = _SHARE * min(tol * gap / goal.target, 1.0) if gap < np.inf else _NARROWER * rough
        width *= _NARROWER
    reason = arrival(gap) if converged else broken_off(steps, max_iter)
    return Solution(best, least, gap if convex else float("nan"), converged, steps, convex, reason, history)


def _unit(problem: Problem, theta: Array, constant: float) -> float:
    """About how far scores have to move to change the loss of the best constant by all that it is."""
    n = problem.design.n
    rows = chosen(n, min(n, SOME))
    slope = np.asarray(problem.loss.gradient(problem.y[rows], problem.scores_of(rows, theta), reduction="none"))
    steep = float(np.abs(slope).sum(axis=1).mean())
    return constant / steep if steep > 0 and constant > 0 else problem.unit


def _lines(problem: Problem, heights: Loss, theta: Array) -> Point:
    """What one read of the features tells of lines below the loss: their mean height here, and their mean slope."""
    height = 0.0

    def slopes(part: slice, scores: Array) -> Array:
        nonlocal height
        f = scores if problem.offset is None else scores + problem.offset[part]
        y, share = problem.y[part], np.reshape(problem.share(part), (-1, 1))
        height += float((np.asarray(heights(y, f, reduction="none")) * share[:, 0]).sum())
        return np.asarray(problem.loss.gradient(y, f, reduction="none")) * share

    v = problem.design.passed(theta, slopes)
    return Point(theta, 0.0, None, height, v)
