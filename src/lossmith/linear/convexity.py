"""Is the loss convex in the score? Tried out, along lines, far beyond the scores a fit will meet.

The certificate of an optimum rests on convexity. One falling slope disproves it; finding none is evidence, not proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

TARGETS = 24
SEEN = 10_000
STEPS = np.concatenate([-np.geomspace(1e3, 1e-2, 60), [0.0], np.geomspace(1e-2, 1e3, 60)])
_EVERY = 5  # steps: enough to tell how large slopes are
CLASS_STEPS = np.linspace(-30.0, 30.0, 121)


def looks_convex(loss: Loss, y: NDArray[Any], start: Array, unit: float) -> bool:
    """Whether the loss's slope along lines through the start never falls, for targets picked across those of y."""
    some = y[np.linspace(0, len(y) - 1, min(len(y), SEEN)).astype(np.intp)]
    if y.ndim == 1:
        some = np.sort(np.append(some, [y.min(), y.max()]))
    picked = some[np.unique(np.linspace(0, len(some) - 1, TARGETS).astype(np.intp))]
    steps = unit * STEPS if loss.target_kind == "real" and loss.link.name == "identity" else CLASS_STEPS
    one = not loss.wide
    if one:
        picked = picked[np.append(True, picked[1:] != picked[:-1])]  # of a score alone the line is the same
        domain = loss.formula.predictions[0].domain
        steps = steps[(start[0] + steps > domain.low) & (start[0] + steps < domain.high)]
        directions = np.ones((len(picked), 1))
    else:
        directions = np.random.default_rng(0).normal(size=(len(picked), len(start)))
    f = start + steps[:, None, None] * directions
    rows = np.broadcast_to(picked, (len(steps), *picked.shape)).reshape(-1, *picked.shape[1:])
    flat = f.reshape(-1) if one else f.reshape(-1, len(start))
    try:
        with np.errstate(all="ignore"):
            gradient = np.asarray(loss.gradient(rows, flat, reduction="none"), dtype=np.float64)
            parts = gradient.reshape(f.shape) * directions
            slope, size = (np.einsum("stk->st", each) for each in (parts, np.abs(parts)))
            noise = 1e-9 * np.maximum(size[:-1], size[1:]) + 1e-12 * _middle(size[::_EVERY])
            return not bool((slope[:-1] - slope[1:] > noise).any())
    except ValueError:  # scores so far out are not for this loss
        return True


def _middle(size: Array) -> float:
    """The median of those that are numbers."""
    known = np.sort(size, axis=None)
    known = known[: np.searchsorted(known, np.nan)]
    return float(known[len(known) // 2]) if len(known) else 0.0
