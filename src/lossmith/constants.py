"""The best constant prediction: found by bisection on the sign of the gradient, exact to the last float."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call
from lossmith.formula.domains import Domain
from lossmith.inputs import to_host
from lossmith.turning import boundary, crossing

if TYPE_CHECKING:
    from lossmith.loss import Loss

Floats = NDArray[np.float64]
_TOLERANCE = (
    16 * np.finfo(np.float64).eps
)  # of a sum of gradients that should be zero, relative to the sum of their sizes
_AT_ONCE = 1 << 18  # numbers: so few cost less than the calls, one for each point
_CANDIDATES = 65  # points at which a loss is checked for a lower valley than the one bisection found


def best_constant(loss: Loss, y_true: Any, weight: Any, extras: dict[str, Any]) -> Any:
    """See ``Loss.best_constant``."""
    y, w, extras = _kept(loss, y_true, weight, extras)
    with np.errstate(all="ignore"):  # the ends of the number line overflow
        return _found(loss, y, w, extras)


def _found(loss: Loss, y: Any, w: Floats, extras: dict[str, Any]) -> Any:
    if not loss.wide:
        return _one(loss, y, w, extras)
    if loss.kind == "rowwise" and loss.elicits == "mean" and not extras:
        return _mean_row(loss, y, w)
    return _many(loss, y, w, extras)


def _kept(loss: Loss, y_true: Any, weight: Any, extras: dict[str, Any]) -> tuple[Any, Floats, dict[str, Any]]:
    """Samples flattened to one axis, those without weight dropped."""
    y = to_host(y_true, "y_true")
    rows = "row" in loss.formulas and (len(loss.formulas) == 1 or _looks_like_rows(y))
    y = y.reshape(-1, y.shape[-1]) if rows else y.reshape(-1)
    w = np.ones(len(y)) if weight is None else to_host(weight, "weight").astype(np.float64).reshape(-1)
    if w.shape != y.shape[:1]:
        raise ValueError(f"{loss.name}: weight has {len(w)} numbers, but y_true {len(y)} samples")
    if not (np.isfinite(w) & (w >= 0)).all():
        raise ValueError(
            f"{loss.name}: weight[{int(np.argmin(np.isfinite(w) & (w >= 0)))}] is not a finite number >= 0"
        )
    keep = w > 0
    ignore = loss.params.get("ignore_index")
    if ignore is not None and not rows:
        keep &= y != ignore
    if not keep.any():
        raise ValueError(f"{loss.name}: there is nothing to average: no samples, or a total weight of zero")
    named = {name: to_host(value, name).reshape(-1)[keep] for name, value in extras.items()}
    return y[keep], w[keep], named


def _looks_like_rows(y: Any) -> bool:
    """Target rows rather than a matrix of class ids: each sums to 1."""
    return y.ndim > 1 and y.dtype.kind in "fiub" and bool(np.all(np.abs(y.sum(axis=-1, dtype=np.float64) - 1) < 1e-3))


# one number per sample ------------------------------------------------------------------------------------------------


def _one(loss: Loss, y: Any, w: Floats, extras: dict[str, Any]) -> float:
    if not extras:  # equal targets once, with their weights added
        y, inverse = np.unique(y, return_inverse=True)
        w = np.bincount(inverse, weights=w).astype(np.float64)

    call = Call(loss, y, np.full(len(y), _inside(loss)), None, None, extras)  # checks the targets
    if loss.elicits == "mean":
        return float(loss.link(float(np.average(_numbers(loss, y).astype(np.float64), weights=w))))

    def slope(c: float) -> float:
        """The sign of d(mean loss)/dc, 0 within rounding."""
        g = w * call.moved(np.full(len(y), c)).outputs("gradient", checked=False)[0]
        total = float(np.sum(g))
        if math.isnan(total):  # no slope to be had out there
            return 0.0
        return 0.0 if math.isfinite(total) and abs(total) <= _TOLERANCE * float(np.sum(np.abs(g))) else total

    def value(c: float) -> float:
        return float(w @ call.moved(np.full(len(y), c)).outputs("value", checked=False)[0])

    domain = loss.formula.predictions[0].domain
    hints = y.astype(np.float64) if loss.link.name == "identity" and loss.target_kind == "real" and not extras else None
    found = _midpoint(slope, value, domain, hints)
    if not math.isfinite(found):
        return found

    def values(grid: Floats) -> Floats:
        if extras or len(y) * len(grid) > _AT_ONCE:
            return np.array([value(float(c)) for c in grid])
        all_ = Call(loss, np.tile(y, len(grid)), np.repeat(grid, len(y)), None, None, {})
        return np.asarray(all_.outputs("value", checked=False)[0].reshape(len(grid), len(y)) @ w)

    return _lowest_valley(loss, y, value, values, found)


def _numbers(loss: Loss, y: Any) -> NDArray[Any]:
    """Targets as numbers, whatever the loss calls its classes."""
    return np.asarray(y if loss.labels is None else [loss.labels.index(label) for label in y.tolist()])


def _inside(loss: Loss) -> float:
    """A legal prediction, to check the targets with."""
    low, high = _ends(loss.formula.predictions[0].domain)
    return min(max(0.5, low), high)


def _ends(domain: Domain) -> tuple[float, float]:
    """The smallest and largest finite prediction."""
    low = max(domain.low, -np.finfo(np.float64).max)
    high = min(domain.high, np.finfo(np.float64).max)
    low, high = float(low), float(high)
    return (math.nextafter(low, math.inf) if domain.low_open else low), (
        math.nextafter(high, -math.inf) if domain.high_open else high
    )


def _midpoint(
    slope: Callable[[float], float], value: Callable[[float], float], domain: Domain, hints: Floats | None = None
) -> float:
    """The middle of the set where the slope is zero; an end of the domain, or infinity, if it still falls there."""
    low, high = _ends(domain)
    falling, rising = low, high
    if not (slope(low) < 0 < slope(high)):  # flat tails, or one side only
        grid = _grid(low, high)
        slopes = [slope(c) for c in grid]
        falls, rises = (
            [c for c, s in zip(grid, slopes, strict=True) if s < 0],
            [c for c, s in zip(grid, slopes, strict=True) if s > 0],
        )
        if not falls and not rises:  # every constant is as good
            return 0.0 if low <= 0 <= high else low + (high - low) / 2
        if not rises:
            return high if math.isfinite(domain.high) else math.inf
        if not falls:
            return low if math.isfinite(domain.low) else -math.inf
        falling = max((c for c in falls if c < rises[0]), default=falls[0])
        rising = min(c for c in (*rises, high) if c > falling)
    before, left = boundary(lambda c: slope(c) >= 0, falling, rising, hints, partial(crossing, slope))
    left = before if value(before) <= value(left) else left  # a kink may sit on either side
    right = beyond = left
    if slope(left) <= 0:
        right, beyond = boundary(lambda c: slope(c) > 0, left, rising, hints, math.nextafter)
    right = beyond if value(beyond) <= value(right) else right
    return left + (right - left) / 2


def _grid(low: float, high: float) -> list[float]:
    """Points of every size, and many of the size of log-odds."""
    powers = 2.0 ** np.arange(-64, 1024, 8)
    points = np.concatenate(
        [-powers, powers, np.linspace(-30.0, 30.0, 61), np.linspace(low, high, 65) if high - low < 1e9 else []]
    )
    return sorted({low, high, *(float(p) for p in points if low < p < high)})


def _lowest_valley(
    loss: Loss, y: Any, value: Callable[[float], float], values_at: Callable[[Floats], Floats], found: float
) -> float:
    """Losses that are not convex may have a lower valley elsewhere: look at a grid, refine where it is lower."""
    domain = loss.formula.predictions[0].domain
    low, high = _ends(domain)
    if loss.link.name == "identity" and loss.target_kind == "real":
        grid = np.quantile(np.asarray(y, dtype=np.float64), np.linspace(0, 1, _CANDIDATES))
    else:
        grid = np.linspace(-20.0, 20.0, _CANDIDATES)
    grid = np.unique(np.clip(grid[np.isfinite(grid)], low, high))
    values = values_at(grid)
    best = int(np.argmin(values))
    here = value(found)
    if not values[best] < here - 1e-9 * abs(here):
        return found
    from scipy.optimize import minimize_scalar

    bounds = (float(grid[max(0, best - 1)]), float(grid[min(len(grid) - 1, best + 1)]))
    refined = minimize_scalar(
        value, bounds=bounds, method="bounded", options={"xatol": 1e-12 * max(1.0, abs(bounds[1]))}
    )
    return float(refined.x) if refined.fun <= values[best] else float(grid[best])


# rows and several predictions -----------------------------------------------------------------------------------------


def _classes(loss: Loss, y: Any) -> int:
    """How many classes class ids stand for: as many as labels or class weights say, else as many as were seen."""
    if loss.labels is not None:
        return len(loss.labels)
    sizes = [len(v) for p in loss.formula.params if p.per_class and isinstance(v := loss.numbers[p.name], tuple)]
    return max([*sizes, int(np.max(y)) + 1, 2])


def _mean_row(loss: Loss, y: Any, w: Floats) -> Floats:
    """The link of the class shares; classes never seen get -inf, and the finite scores sum to 0."""
    if y.ndim == 2:
        shares = w @ y / w.sum()
    else:
        k = _classes(loss, y)
        ids = _numbers(loss, y).astype(np.int64)
        loss.total(y, np.full((len(y), k), 1.0 / k), weight=w)  # refuses labels that are not classes
        shares = np.bincount(ids, weights=w, minlength=k) / w.sum()
    if loss.link.name == "identity":
        return np.asarray(shares)
    with np.errstate(divide="ignore"):
        scores = np.log(shares)
    centred: Floats = scores - (scores[np.isfinite(scores)].mean() if loss.link.name == "softmax" else 0.0)
    return centred


_FAR = 700.0  # a score of this size on a log or logit scale is infinite for every purpose


def _many(loss: Loss, y: Any, w: Floats, extras: dict[str, Any]) -> Floats:
    """Minimise over a few numbers by quasi-Newton steps on our gradient, polished by Newton's."""
    from scipy import optimize

    minimize: Any = optimize.minimize
    count = loss.outputs or (y.shape[-1] if y.ndim == 2 else _classes(loss, y))
    shares = loss.kind == "rowwise" and loss.formula.predictions[0].domain.high == 1.0

    unseen = _unseen(loss, y, count)

    def objective(z: Floats) -> tuple[float, Floats]:
        c = _softmax(z) if shares else np.where(unseen, -np.inf, z)
        pred = np.broadcast_to(c, (len(y), count))
        value, slope = Call(loss, y, pred, None, None, extras).outputs("value", "gradient", checked=False)
        g = w @ slope / w.sum()
        return float(w @ value / w.sum()), c * (g - c @ g) if shares else g

    start = np.zeros(count)
    scales = ["softmax"] * count if shares else [link.name for link in getattr(loss.link, "links", [loss.link] * count)]
    if scales[0] == "identity" and loss.kind == "pointwise":
        start[0] = float(np.average(np.asarray(y, dtype=np.float64), weights=w))
    low = loss.formula.predictions[0].domain.low
    bounds = [
        (max(low, 1e-300) if low >= 0 and not shares else None, None) if s == "identity" else (-_FAR, _FAR)
        for s in scales
    ]
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-12}
    found = np.asarray(minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x)
    far = np.array(
        [
            s != "identity" and (abs(c) > 0.99 * _FAR or (abs(c) > 30 and _flat(objective, found, i)))
            for i, (s, c) in enumerate(zip(scales, found, strict=True))
        ]
    )
    if not far.any():
        found = _polished(lambda z: objective(z)[1], found)
    if shares:
        return _softmax(found)
    found = np.where(far, np.copysign(np.inf, found), np.where(unseen, -np.inf, found))
    if loss.kind == "rowwise" and loss.link.name != "identity":
        found = found - found[np.isfinite(found)].mean()
    return found


def _unseen(loss: Loss, y: Any, count: int) -> NDArray[np.bool_]:
    """Classes that no sample has: under a softmax their best score is -infinity."""
    if loss.link.name != "softmax" or y.ndim == 2:
        return np.zeros(count, dtype=bool)
    known = list(loss.labels) if loss.labels is not None else list(range(count))
    seen = set(y.tolist())
    return np.array([label not in seen for label in known])


def _flat(objective: Callable[[Floats], tuple[float, Floats]], c: Floats, i: int) -> bool:
    """Whether going further out in one coordinate still lowers the loss, however little."""
    further = c.copy()
    further[i] *= 2
    return objective(further)[0] <= objective(c)[0]


def _softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max())
    return np.asarray(e / e.sum())


def _polished(gradient: Callable[[Floats], Floats], c: Floats) -> Floats:
    """Newton steps with a differenced Jacobian, kept while they shrink the gradient."""
    for _ in range(20):
        g = gradient(c)
        h = 1e-6 * np.maximum(1.0, np.abs(c))
        jacobian = np.array(
            [(gradient(c + step) - gradient(c - step)) / (2 * h[i]) for i, step in enumerate(np.diag(h))]
        ).T
        step = np.linalg.lstsq(jacobian, -g, rcond=1e-8)[0]
        if not np.isfinite(step).all() or not np.linalg.norm(gradient(c + step)) < np.linalg.norm(g):
            break
        c = c + step
    return c


def elicits(loss: Loss, claim: str | None) -> str | None:
    """The claim about what the loss asks for, if a test on small distributions bears it out.

    Weights in the loss may break it.
    """
    if claim is None or loss.formula.extras:
        return None
    if claim != "mean" or loss.outputs != 1:
        return claim if loss.formula.class_factor is None or _neutral_factor(loss) else None
    low = loss.formula.target.domain.low
    y = (
        np.array([0.25, 0.75])
        if loss.formula.target.domain.high == 1
        else np.array([max(low, 0.0) + 1.0, max(low, 0.0) + 4.0])
    )
    if loss.formula.target.domain.whole:
        y = np.array([0.0, 1.0])
    if loss.labels is not None:
        y = np.array(loss.labels)
    for share in (0.3, 0.8):
        w = np.array([1 - share, share])
        numbers = np.array([0.0, 1.0]) if loss.labels is not None else y
        score = loss.link(float(w @ numbers))
        g = w * loss.gradient(y, np.full(2, score), reduction="none")
        if abs(g.sum()) > 1e-9 * np.abs(g).sum():
            return None
    return claim


def _neutral_factor(loss: Loss) -> bool:
    """Whether the loss's own class weights are all equal, and nothing is smoothed."""
    weights = [v for p in loss.formula.params if p.per_class and (v := loss.numbers[p.name]) is not None]
    return all(len(set(v)) == 1 for v in weights) and not loss.params.get("label_smoothing")
