"""The best constant prediction: one score is found by bisection on the gradient's sign, exact to the last float."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call
from lossmith.constant_scores import best_scores, is_lowest
from lossmith.formula.domains import Domain
from lossmith.inputs import check_names, to_host
from lossmith.kinks import known_classes
from lossmith.pairing import check_index
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
    y, w, extras, count = _kept(loss, y_true, weight, extras)
    with np.errstate(all="ignore"):  # the ends of the number line overflow
        return _found(loss, y, w, extras, count)


def _found(loss: Loss, y: Any, w: Floats, extras: dict[str, Any], count: int) -> Any:
    if loss.kind == "rowwise" and loss.elicits == "mean":
        return _mean_row(loss, y, w, count)
    if y.ndim == 1 and not extras:  # equal targets once, with their weights added
        y, inverse = np.unique(y, return_inverse=True)
        w = np.bincount(inverse, weights=w).astype(np.float64)
    return best_scores(loss, y, w, extras, count) if loss.wide else _one(loss, y, w, extras)


def _kept(loss: Loss, y_true: Any, weight: Any, extras: dict[str, Any]) -> tuple[Any, Floats, dict[str, Any], int]:
    """Samples flattened to one axis, those without weight dropped; and how many scores a constant has.

    The largest weight is about 1, so that no sum of them overflows. Raises what a call would.
    """
    check_names(loss, extras)
    check_index(y_true=y_true, weight=weight, **extras)
    y, w = to_host(y_true, "y_true"), None if weight is None else to_host(weight, "weight")
    named = {name: to_host(value, name) for name, value in extras.items()}
    rows = "row" in loss.formulas and (len(loss.formulas) == 1 or _looks_like_rows(y))
    counted = _counted(loss, y, w, rows=rows)
    count = loss.outputs or (y.shape[-1] if rows and y.ndim else _classes(loss, y[counted]))
    shape = (y.shape[:-1] if rows else y.shape) + ((count,) if loss.wide else ())
    inside = [_inside(p.domain) for p in loss.formula.predictions]
    prediction = np.broadcast_to(inside if loss.wide else inside[0], shape)
    Call(loss, y, prediction, w, None, named)  # checks everything, in the places that the user knows
    if not counted.any():
        raise ValueError(f"{loss.name}: there is nothing to average: no samples, or a total weight of zero")
    kept = np.ones(int(counted.sum())) if w is None else w[counted].astype(np.float64)
    return y[counted], np.ldexp(kept, -np.frexp(kept.max())[1]), {n: x[counted] for n, x in named.items()}, count


def _counted(loss: Loss, y: Any, w: Any, *, rows: bool) -> NDArray[np.bool_]:
    """Which samples have a weight, and a label that is not ignored."""
    shape = y.shape[:-1] if rows else y.shape
    counted = np.ones(shape, dtype=bool) if w is None or w.shape != shape else w != 0
    ignore = loss.params.get("ignore_index")
    return counted if ignore is None or rows else counted & (y != ignore)


def _looks_like_rows(y: Any) -> bool:
    """Target rows rather than a matrix of class ids: each sums to 1, or holds what is no class id."""
    if y.ndim < 2 or y.shape[-1] < 2 or y.dtype.kind not in "fiub":
        return False
    whole = y.dtype.kind != "f" or bool((y == np.floor(y)).all())
    return not whole or bool(np.all(np.abs(y.sum(axis=-1, dtype=np.float64) - 1) < 1e-3))


# one number per sample ------------------------------------------------------------------------------------------------


def _one(loss: Loss, y: Any, w: Floats, extras: dict[str, Any]) -> float:
    call = Call(loss, y, np.full(len(y), _inside(loss.formula.predictions[0].domain)), None, None, extras)
    if loss.elicits == "mean":
        score = float(loss.link(float(_average(_numbers(loss, y), w))))
        if not math.isnan(score):  # a mean that the link leads to
            return score

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


def _average(y: NDArray[Any], w: Floats) -> Any:
    """The weighted mean of numbers or of rows, of which no sum overflows."""
    exponent = int(np.frexp(np.abs(y).max())[1])
    return np.ldexp(np.average(np.ldexp(y.astype(np.float64), -exponent), axis=0, weights=w), exponent)


def _inside(domain: Domain) -> float:
    """A legal prediction, to check the targets with."""
    low, high = _ends(domain)
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


# a row of scores ------------------------------------------------------------------------------------------------------


def _classes(loss: Loss, y: Any) -> int:
    """How many classes class ids stand for: as many as labels or class weights say, else as many as were seen."""
    seen = y[np.isfinite(y)] if loss.labels is None and y.dtype.kind in "fiub" else np.zeros(0)
    return max(known_classes(loss), int(seen.max(initial=1)) + 1)


def _mean_row(loss: Loss, y: Any, w: Floats, count: int) -> Floats:
    """The link of the class shares; classes never seen get -inf, and the finite scores sum to 0."""
    if y.ndim == 2:
        shares = _average(y, w)
    else:
        shares = np.bincount(_numbers(loss, y).astype(np.int64), weights=w, minlength=count) / w.sum()
    if loss.link.name == "identity":
        return np.asarray(shares)
    scores = np.log(shares)
    centred: Floats = scores - (scores[np.isfinite(scores)].mean() if loss.link.name == "softmax" else 0.0)
    return centred


# what a loss asks for -------------------------------------------------------------------------------------------------


def elicits(loss: Loss, claim: str | None) -> str | None:
    """The claim about what the loss asks for; of the mean, if a test on small distributions bears it out.

    Weights in the loss may break it, and so may sums.
    """
    if claim is None or loss.formula.extras:
        return None
    if claim != "mean":
        return claim if loss.formula.class_factor is None else None
    with np.errstate(all="ignore"):
        asks = _asks_for_shares if loss.kind == "rowwise" else _asks_for_mean
        return claim if asks(loss) else None


def _asks_for_mean(loss: Loss) -> bool:
    """Whether the best score, or the first of several, is the link of the mean."""
    domain = loss.formula.target.domain
    numbers = np.array([0.25, 0.75])  # which every link takes
    if domain.whole or loss.labels is not None:
        numbers = np.array([0.0, 1.0])
    elif not all(map(domain.contains, numbers)):
        numbers = np.array([max(domain.low, 0.0) + 1.0, max(domain.low, 0.0) + 4.0])
    y = numbers if loss.labels is None else np.array(loss.labels)
    asks = _first_is if loss.wide else _has_no_slope_at
    weights = [np.array([1 - share, share]) for share in (0.3, 0.8)]
    return all(asks(loss, y, w, float(w @ numbers)) for w in weights)


def _first_is(loss: Loss, y: NDArray[Any], w: Floats, mean: float) -> bool:
    first = getattr(loss.link, "links", (loss.link,))[0]
    best = best_scores(loss, y, w, {}, len(loss.formula.predictions))[0]
    return math.isclose(best, first(mean), rel_tol=1e-6, abs_tol=1e-9)


def _has_no_slope_at(loss: Loss, y: NDArray[Any], w: Floats, mean: float) -> bool:
    score = float(loss.link(mean))
    if math.isnan(score):
        return False
    g = w * loss.gradient(y, np.full(len(y), score), reduction="none")
    return bool(abs(g.sum()) <= 1e-9 * np.abs(g).sum())


def _asks_for_shares(loss: Loss) -> bool:
    """Whether the best row of scores is the link of the classes' shares."""
    count = known_classes(loss) or 3
    ids = np.eye(count) if loss.target_kind == "row" else np.array(loss.labels or range(count))
    shares = np.arange(1.0, count + 1)
    return is_lowest(loss, ids, shares, loss.link(shares / shares.sum()))
