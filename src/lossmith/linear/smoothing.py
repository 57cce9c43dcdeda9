"""Kinked losses of several scores: each kink rounded over a width, and the widths narrowed step by step.

A maximum becomes the logarithm of a sum of exponentials, whose excess shrinks with the width (Nesterov 2005,
doi:10.1007/s10107-004-0552-5). Its slopes are a mean of those of the parts that it is the maximum of; so are their
heights, and the mean of lines below the loss is one that proves how near the optimum is.
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lossmith.formula import functions as fn
from lossmith.formula.domains import Domain
from lossmith.formula.expr import ZERO, Expr, add, mul, neg, rebuild, sub, walk
from lossmith.formula.model import Argument, Formula
from lossmith.formula.primitives import PRIMITIVES
from lossmith.record import replace

from .convexity import looks_convex
from .goal import Goal
from .problem import Point, Problem
from .solver import Solution, Step, arrival, broken_off, minimise

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

_WIDTH = Argument("width of kinks", Domain("a positive number", low=0.0, low_open=True))
_NARROWER = 0.1
_GAIN = 0.9  # what is left of a gap where a narrower width did nothing
_FLOOR = 1e-12  # of the unit of scores
_ROUNDING = 1e-10
_SHARE = 0.05  # of the gap that a width leaves: how well the next one is solved


class _Rounded(NamedTuple):
    value: Expr
    below: Expr  # how much lower the mean of the parts' heights is


@lru_cache(maxsize=64)
def _rounded(formula: Formula) -> tuple[Formula, Formula] | None:
    """The formula with its kinks rounded, and the height of the lines that prove something of it.

    None where a kink is none of a maximum, or of a size, of the predictions.
    """
    width, predictions = _WIDTH.as_param, {p.as_input for p in formula.predictions}
    made: dict[Expr, _Rounded] = {}
    moving: set[Expr] = set()  # what depends on a prediction
    for node in walk((formula.value,)):
        args = [made[arg] for arg in node.args]
        plain = rebuild(node, tuple(arg.value for arg in args))
        if node in predictions or any(arg in moving for arg in node.args):
            moving.add(node)
        if node not in moving or node in predictions:
            made[node] = _Rounded(plain, ZERO)
            continue
        found = _extreme(node.op, args, width) or _handed_on(node, plain, args, moving)
        if found is None:
            return None
        made[node] = found
    value, below = made[formula.value]
    params = (*formula.params, _WIDTH)
    rounded = replace(formula, value=value, declare=None, params=params)
    return rounded, replace(rounded, value=add(value, below))


def _extreme(op: str, args: list[_Rounded], width: Expr) -> _Rounded | None:
    """Of what has kinks: the soft maximum, and how much lower its parts lie, each with its share of the slope."""
    if op == "max":
        ((x, below),) = args
        value = mul(width, fn.logsumexp(x / width))
        share = fn.softmax(x / width)
        return _Rounded(value, sub(fn.sum(fn.zero_times(share, add(x, below))), value))
    if op == "maximum":
        (a, below_a), (b, below_b) = args
        value = add(a, mul(width, fn.softplus(sub(b, a) / width)))
        first, second = fn.sigmoid(sub(a, b) / width), fn.sigmoid(sub(b, a) / width)
        return _Rounded(value, sub(add(mul(first, add(a, below_a)), mul(second, add(b, below_b))), value))
    if op == "abs":
        ((x, below),) = args
        return _extreme("maximum", [_Rounded(x, below), _Rounded(neg(x), neg(below))], width)
    return None


def _handed_on(node: Expr, plain: Expr, args: list[_Rounded], moving: set[Expr]) -> _Rounded | None:
    """Of what has none: what lies below its arguments, times its slopes in them."""
    kind = PRIMITIVES[node.op].kind
    if node.op in ("minimum", "sign") or kind in ("comparison", "logic"):
        return None
    if node.op == "where" and node.args[0] in moving:
        return None
    if all(arg.below is ZERO for arg in args):
        return _Rounded(plain, ZERO)
    if node.op == "sum":
        return _Rounded(plain, fn.sum(args[0].below))
    if kind != "elementwise" or plain.op != node.op or plain.args != tuple(arg.value for arg in args):
        return None
    below = ZERO
    for push, arg in zip(PRIMITIVES[node.op].push, args, strict=True):
        if push is not None and arg.below is not ZERO:
            below = add(below, push(plain, arg.below))
    return _Rounded(plain, below)


def can_round(loss: Loss) -> bool:
    return _rounded(_formula(loss)[1]) is not None


def _formula(loss: Loss) -> tuple[str, Formula]:
    return next((kind, formula) for kind, formula in loss.formulas.items() if kind != "row")


def _of_width(loss: Loss, width: float) -> tuple[Loss, Loss]:
    """The rounded loss, and the heights of its lines."""
    kind, formula = _formula(loss)
    found = _rounded(formula)
    assert found is not None
    params = {**loss.params, _WIDTH.name: width}
    first, second = (loss.replaced(formulas={kind: each}, params=params, recipe=None) for each in found)
    return first, second


def narrowed(problem: Problem, theta: Array, tol: float, max_iter: int, constant: float) -> Solution:
    """As `minimise`, of a kinked loss of several scores."""
    goal, width, rough = Goal(problem, problem.at(theta), tol, constant), problem.unit, _SHARE
    convex = looks_convex(problem.loss, problem.y, theta[0], problem.unit)
    best, least, lower, steps, before, history = theta, np.inf, -np.inf, 0, np.inf, list[Step]()
    while True:
        loss, heights = _of_width(problem.loss, width)
        here = problem.rounded(loss)
        found = minimise(here, theta, max(rough, tol * _SHARE), max_iter - steps, constant)
        theta, lines = found.theta, _lines(here, heights, found.theta)
        exact, bound = problem.at(theta), here.bound(lines)
        objective = problem.penalised(exact)
        if objective <= least:
            best, least = theta, objective
        convex = convex and found.convex and lines.support <= exact.support + _ROUNDING * problem.size(exact)
        lower = max(lower, bound.lower) if convex else -np.inf
        gap = max(least - lower, 0.0)
        for step in found.history[:-1]:
            history.append(dataclasses.replace(step, iteration=steps + step.iteration, window=width))
        steps += found.n_iter
        history.append(Step(steps, objective, bound.subgradient, found.history[-1].length, gap, width))
        converged = convex and goal.is_reached(gap, exact)
        stuck, before = gap > _GAIN * before, gap
        if converged or steps >= max_iter or stuck or width <= _FLOOR * problem.unit:
            break
        rough, width = _SHARE * tol * min(gap / goal.target, 1 / tol), _NARROWER * width
    reason = arrival(gap) if converged else broken_off(steps, max_iter)
    return Solution(best, least, gap if convex else float("nan"), converged, steps, convex, reason, history)


def _lines(problem: Problem, heights: Loss, theta: Array) -> Point:
    """What one read of the features tells of lines below the loss: their mean height here, and their mean slope."""
    height = 0.0

    def slopes(part: slice, scores: Array) -> Array:
        nonlocal height
        f = scores if problem.offset is None else scores + problem.offset[part]
        y, share = problem.y[part], np.reshape(problem.share(part), (-1, 1))
        each = np.asarray(heights(y, f, reduction="none"))
        height += float((each * share[:, 0]).sum())
        return np.asarray(problem.loss.gradient(y, f, reduction="none")) * share

    v = problem.design.passed(theta, slopes)
    return Point(theta, 0.0, None, height, v)
