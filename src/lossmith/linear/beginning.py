"""Where a fit begins: the best constant, of many targets from some of them, and the size of what is left.

A fit needs no more of the best constant than a place to begin, so of a loss of one score it is looked for by the sign
of the mean slope in a few dozen passes, not to the last bit; but where it is a target, it is that target, from which
many others may be no distance away at all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import norm

from lossmith.start import finite_start, has_units, redescends, residual_scale

from .classes import distinct
from .design import chosen
from .samples import Samples
from .views import tangent

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

SOME = 1 << 13
"""Targets that tell a constant well enough to begin with."""

_PART = 1 << 13
_SCORES = 30.0  # where scores have no units, the best constant is looked for up to this size
_NEAR, _STEPS = 1e-9, 100
_TIED = 1e-6  # of the spread: targets that lie this near are tied but for rounding, which is no size of theirs
_MOST = 3.0  # times the spread: no scale of all targets is larger


class Beginning(NamedTuple):
    constant: Array
    """The best constant scores, (outputs,)."""
    unit: float
    """How far targets typically lie from it, whatever a few outliers do; 1 where scores have no units."""
    spread: float
    """The same in the root of the mean square, of all targets: no share of them that are tied makes it small."""


def beginning(loss: Loss, y: NDArray[Any], weight: Array | None, classes: int | None) -> Beginning:
    """Refuses illegal targets."""
    few, share = y, weight
    if len(y) > SOME:
        rows = chosen(len(y), SOME)
        few, share = y[rows], None if weight is None else weight[rows]
    start = _quick_start(loss, few, share)
    checked = start is None and few is y
    if start is None:
        start = finite_start(loss, few, share, classes)
    if not checked:
        look_at_all(loss, y, start)
    unit, spread = residual_scale(loss, few, start, share), _spread(loss, y, start, weight)
    if not spread:
        return Beginning(start, unit, unit)
    return Beginning(start, unit if _TIED * spread < unit < _MOST * spread else spread, spread)


def _spread(loss: Loss, y: NDArray[Any], start: Array, weight: Array | None) -> float:
    """0 where there is none, and where scores have no units."""
    if not has_units(loss):
        return 0.0
    parts = (slice(k, k + _PART) for k in range(0, len(y), _PART))
    sizes = [norm((y[part] - start[0]) * (1.0 if weight is None else np.sqrt(weight[part]))) for part in parts]
    size = float(norm(sizes)) / math.sqrt(len(y) if weight is None else weight.sum())
    return size if size < math.inf else 0.0

def _quick_start(loss: Loss, y: NDArray[Any], weight: Array | None) -> Array | None:
    """About the best constant; None where it has a closed form, or does not lie between slopes of either sign."""
    single = not loss.wide
    if not single or loss.elicits == "mean" or redescends(loss) is not None:
        return None
    samples, slope = Samples(loss, y, weight), tangent(loss.formula).slope
    low, high = (float(y.min()), float(y.max())) if has_units(loss) else (-_SCORES, _SCORES)

    def at(c: float) -> float:
        return samples.everywhere(slope, c)

    below, above = at(low), at(high)
    if not below < 0 < above:
        return None
    enough = _NEAR * (high - low)
    for step in range(_STEPS):
        share = below / (below - above) if step % 3 else 0.5  # halved now and then: slopes may jump
        middle = low + (high - low) * min(max(share, 1e-3), 1 - 1e-3)
        found = at(middle)
        if found == 0:
            return np.array([middle])
        if high - low <= enough:
            break
        if found < 0:
            low, below = middle, found
        elif found > 0:
            high, above = middle, found
        else:  # not defined there
            return None
    between = y[(low <= y) & (y <= high)]
    return np.array([between[0] if len(between) else middle], dtype=np.float64)


def look_at_all(loss: Loss, y: NDArray[Any], start: Array) -> None:
    """Refuses illegal targets."""
    single = not loss.wide

    def scores(count: int) -> Array:
        return np.full(count, start[0]) if single else np.tile(start, (count, 1))

    few = [distinct(y, None)[0]] if y.itemsize == 1 else (y[k : k + _PART] for k in range(0, len(y), _PART))
    try:
        for part in few:
            loss(part, scores(len(part)))
    except ValueError:
        loss(y, scores(len(y)))  # says where in the whole it is
        raise
