"""Loss and gradient of a linear model: one read of the features against two."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import lossmith as lm
from lossmith.linear.design import Design
from lossmith.linear.problem import Problem
from measure import Contest, Effort, Run, Spread, count, paired
from page import Target, table

TITLE = "Loss and gradient of a linear model"
ABOUT = """Weighted mean of the loss of X w + b and its gradient in w and b, features in rows, one thread on one core,
milliseconds. lossmith also writes scores; "by columns" reads the same features in column-major order. NumPy takes two
matrix products with the formula between them, computed in place; scikit-learn's is `LinearModelLoss.loss_gradient`.
Reading X alone: `X.sum()`, and `numpy.dot(X, X)` of all its numbers.
"""
SHAPES = ((1_000_000, 20), (1_000_000, 50), (100_000, 500))
OURS, NUMPY, SKLEARN, SUM, DOT = "lossmith", "NumPy", "scikit-learn", "X.sum()", "dot(X, X)"
COLUMNS = "lossmith, by columns"
JUDGED = {"samples": 1_000_000, "features": 50, "dtype": "float64"}


def squared_by_hand(X: Any, y: Any, w: Any, room: Any) -> Run:
    def run() -> tuple[float, Any]:
        np.dot(X, w, out=room)
        np.subtract(room, y, out=room)
        return float(room @ room), X.T @ room

    return run


def logistic_by_hand(X: Any, y: Any, w: Any, room: Any) -> Run:
    other = np.empty_like(room)

    def run() -> tuple[float, Any]:
        np.dot(X, w, out=room)
        np.abs(room, out=other)
        np.negative(other, out=other)
        np.exp(other, out=other)
        value = float(np.log1p(other).sum() + np.maximum(room, 0).sum() - y @ room)
        np.divide(np.where(room >= 0, 1.0, other), 1.0 + other, out=room)
        np.subtract(room, y, out=room)
        return value, X.T @ room

    return run


def by_sklearn(X: Any, y: Any, w: Any, name: str) -> Run:
    from sklearn._loss.loss import HalfBinomialLoss, HalfSquaredError
    from sklearn.linear_model._linear_loss import LinearModelLoss

    base = HalfSquaredError() if name == "squared_error" else HalfBinomialLoss()
    theirs = LinearModelLoss(base_loss=base, fit_intercept=True)
    theta = np.append(w, 0.1).astype(X.dtype)
    y = y.astype(X.dtype)
    return lambda: theirs.loss_gradient(theta, X, y, l2_reg_strength=0.0, n_threads=1)


def contests(effort: Effort) -> Iterator[Contest]:
    rng = np.random.default_rng(0)
    for samples, features in SHAPES:
        n = max(1_000, min(samples, effort.largest // features))
        for dtype in ("float64", "float32"):
            X = rng.standard_normal((n, features), dtype=dtype)
            XF, w = np.asfortranarray(X), rng.standard_normal(features) * 0.2
            y, room = (rng.random(n) < 0.4).astype("float64"), np.empty(n, dtype)
            theta = np.append(0.1, w)[:, None]
            for name, hand in (("squared_error", squared_by_hand), ("binary_cross_entropy", logistic_by_hand)):
                problem, by_columns = (
                    Problem(lm.get(name), Design(features_, None), y, None, 0.0, 0.0, 1.0) for features_ in (X, XF)
                )
                runs: dict[str, Run] = {
                    OURS: partial(problem.at, theta),
                    COLUMNS: partial(by_columns.at, theta),
                    NUMPY: hand(X, y.astype(dtype), w.astype(dtype), room),
                    SKLEARN: by_sklearn(X, y, w, name),
                    SUM: X.sum,
                    DOT: partial(np.dot, X.ravel(), X.ravel()),
                }
                case = {"loss": name, "dtype": dtype, "samples": n, "features": features}
                yield Contest(case, paired(runs, effort, rounds=9))


def _shape(contest: Contest) -> str:
    case = contest.case
    return f"{case['loss']} {case['dtype']} {count(case['samples'])} x {case['features']}"


def tables(found: list[Contest]) -> str:
    names = (OURS, COLUMNS, NUMPY, SKLEARN, SUM, DOT)
    rows = [
        [
            _shape(contest),
            *(contest.spread(name, 1e3) if name in contest.rounds else "–" for name in names),
            *(contest.ratio(name, OURS) for name in (NUMPY, SKLEARN)),
        ]
        for contest in found
    ]
    return table(("loss, dtype, samples x features", *names, f"{NUMPY} / {OURS}", f"{SKLEARN} / {OURS}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    judged = [c for c in found if all(c.case[key] == value for key, value in JUDGED.items())]

    def spreads(above: str, below: str) -> dict[str, Spread]:
        return {_shape(contest): contest.ratio(above, below) for contest in judged}

    where = "linear model, 1e6 x 50 float64"
    return [
        Target(f"{where}: NumPy in two passes / lossmith", 2.2, spreads(NUMPY, OURS), at_least=True),
        Target(f"{where}: scikit-learn / lossmith", 4, spreads(SKLEARN, OURS), at_least=True),
        Target(f"{where}: lossmith / X.sum()", 1, spreads(OURS, SUM)),
        Target(f"{where}: lossmith / dot(X, X), as fast as memory gives X", 1.15, spreads(OURS, DOT)),
    ]
