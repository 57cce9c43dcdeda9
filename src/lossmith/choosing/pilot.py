"""The pilot model: what a plain model, fitted without each row's fold, predicts for it, and what it leaves unexplained.

Three pilots are tried: a ridge regression, boosted trees, and for targets of zero or more a log-linear model too. The
one that predicts best out of fold speaks, so that what a straight line cannot follow is not taken for noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lossmith.choosing.encoding import Encoder
from lossmith.choosing.facts import PilotRows
from lossmith.choosing.folds import SPLITS
from lossmith.choosing.screening import MOST_COLUMNS, strongest
from lossmith.choosing.tables import Floats, Table
from lossmith.start import MAD_TO_SIGMA

MOST_ROWS = 10_000
MOST_CELLS = 2_000_000  # of the encoded matrix: a wide table speaks through fewer rows
FEWEST_FOR_TREES = 300
TREES = {"num_leaves": 15, "learning_rate": 0.1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
ROUNDS = 60
FLOOR = 1e-3  # of the mean: a mean of zero or less is none for a target of zero or more
FAR = 15.0
"""Robust standard deviations from the median. What can be learned and noise reach that far together in very long tails
only, a decimal point in the wrong place does at once; and it alone would lead every pilot: all of them take means."""

Fit = Callable[[Floats, Floats, Floats, int], Callable[[Floats], Floats]]


def pilot_rows(n: int, columns: int, seed: int) -> Any:
    most = min(MOST_ROWS, max(2000, MOST_CELLS // max(1, min(columns, MOST_COLUMNS))))
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def pilot(table: Table, y: Floats, weight: Floats | None, seed: int, rows: Any) -> PilotRows:
    """`table`, `y` and `weight` are of the rows named in `rows`."""
    w, seen = np.ones(len(y)) if weight is None else weight, within_reach(y)
    fold = np.random.default_rng(seed).permutation(len(y)) % SPLITS
    pilots = {"ridge": _ridge}
    if seen.min() >= 0 and seen.max() > 0:
        pilots["log-linear"] = _log_linear
    if len(y) >= FEWEST_FOR_TREES:
        pilots["trees"] = _trees
    found = {name: np.empty(len(y)) for name in pilots}
    for k in range(SPLITS):
        train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        part = strongest(table.take(train), seen[train], classes=False)
        encoder = Encoder.fit(part)
        X, new = encoder.transform(part), encoder.transform(table.take(test))
        for name, fit in pilots.items():
            if X.shape[1] == 0 or np.ptp(seen[train]) == 0:
                found[name][test] = np.average(seen[train], weights=w[train])
            else:
                found[name][test] = fit(X, seen[train], w[train], seed)(new)
    judged = {name: _cost(seen, _possible(seen, f), w) for name, f in found.items()}
    best = min((name for name in judged if np.isfinite(judged[name])), key=lambda name: judged[name])
    prediction = _possible(seen, found[best])
    return PilotRows(rows, y, prediction, y - prediction, best)


def within_reach(y: Floats) -> Floats:
    """The targets, none of them farther from the median than ``FAR`` says; of positive ones by their logarithms."""
    positive = bool(y.min() > 0)
    x = np.log(y) if positive else y
    middle = np.median(x)
    reach = FAR * MAD_TO_SIGMA * np.median(np.abs(x - middle))
    if reach == 0:
        return y
    with np.errstate(over="ignore"):
        low, high = np.exp([middle - reach, middle + reach]) if positive else (middle - reach, middle + reach)
    return np.clip(y, low, high)


def _possible(y: Floats, f: Floats) -> Floats:
    return np.maximum(f, FLOOR * y.mean()) if y.min() >= 0 else f


def _cost(y: Floats, f: Floats, w: Floats) -> float:
    """Squared error, or for targets of zero or more the Poisson deviance, in which no few rows decide."""
    from scipy.special import xlogy

    if not np.isfinite(f).all():
        return float("inf")
    if y.min() >= 0 and y.max() > 0:
        return float(np.average(xlogy(y, y / f) - y + f, weights=w))
    return float(np.average((y - f) ** 2, weights=w))


def _ridge(X: Floats, y: Floats, w: Floats, seed: int) -> Callable[[Floats], Floats]:
    centre, middle = float(np.average(y, weights=w)), np.average(X, axis=0, weights=w)
    root = np.sqrt(w / w.mean())[:, None]
    scaled, left = (X - middle) * root, (y - centre) * root[:, 0]
    if X.shape[1] > len(y):  # the same solution, through the smaller of the two matrices
        dual = np.linalg.lstsq(scaled @ scaled.T + np.eye(len(y)), left, rcond=None)[0]
        slope = scaled.T @ dual
    else:
        slope = np.linalg.lstsq(scaled.T @ scaled + np.eye(X.shape[1]), scaled.T @ left, rcond=None)[0]
    return lambda new: np.asarray(centre + (new - middle) @ slope)


def _log_linear(X: Floats, y: Floats, w: Floats, seed: int) -> Callable[[Floats], Floats]:
    import lossmith as lm

    unit = float(np.average(y, weights=w))
    model = lm.LinearRegressor(loss=lm.poisson(), l2=1.0 / len(y)).fit(X, y / unit, sample_weight=w)
    return lambda new: unit * np.asarray(model.predict(new), dtype=np.float64)


def _trees(X: Floats, y: Floats, w: Floats, seed: int) -> Callable[[Floats], Floats]:
    import lossmith as lm

    unit = float(np.abs(y).mean())
    loss = lm.poisson() if y.min() >= 0 else lm.squared_error()
    params = {**TREES, "seed": seed, "verbosity": -1}
    model = loss.to("lightgbm").fit(X, y / unit, weight=w, params=params, rounds=ROUNDS)
    return lambda new: unit * np.asarray(model.predict(new, num_threads=1), dtype=np.float64)
