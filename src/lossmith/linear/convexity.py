"""Is the loss convex in the score? Tried out, along lines, far beyond the scores a fit will meet.

The certificate of an optimum rests on convexity. One falling slope disproves it, or a chord steeper or less steep than
the slopes at both of its ends, as over a jump; finding none is evidence, not proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.formula.running_error import running_error

from .samples import Samples

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

TARGETS = 24
SEEN = 10_000
STEPS = np.concatenate([-np.geomspace(1e3, 1e-2, 60), [0.0], np.geomspace(1e-2, 1e3, 60)])
_EVERY = 5  # steps: enough to tell how large slopes are
NEAR = np.geomspace(1e-9, 1e-2, 36)  # a basin may be as narrow as its own constants are, whatever the targets' spread
NEAR = np.concatenate([-NEAR[::-1], NEAR])
_ROUNDING = 4 * np.finfo(float).eps  # of scores and targets
CLASS_STEPS = np.linspace(-30.0, 30.0, 121)


def looks_convex(loss: Loss, y: NDArray[Any], start: Array, unit: float) -> bool:
    """Whether the loss's slope along lines through the start never falls, for targets picked across those of y."""
    some = y[np.linspace(0, len(y) - 1, min(len(y), SEEN)).astype(np.intp)]
    if y.ndim == 1:
        some = np.sort(np.append(some, [y.min(), y.max()]))
    picked = some[np.unique(np.linspace(0, len(some) - 1, TARGETS).astype(np.intp))]
    units = loss.target_kind == "real" and loss.link.name == "identity"
    steps = unit * STEPS if units else CLASS_STEPS
    if loss.wide:
        directions = np.random.default_rng(0).normal(size=(len(picked), len(start)))
        return _rises(loss, picked, start + steps[:, None, None] * directions, steps[:, None], directions)
    picked = picked[np.append(True, picked[1:] != picked[:-1])]  # of a score alone the line is the same
    f = np.repeat((start[0] + steps)[:, None], len(picked), axis=1)
    if units:  # also where residuals, and where scores, are small
        scales = unit * np.concatenate([STEPS[:60], NEAR, STEPS[61:]])
        beside = np.broadcast_to(scales[:, None], (len(scales), len(picked)))
        f = np.sort(np.concatenate([f, beside, picked + beside]), axis=0)
    domain = loss.formula.predictions[0].domain
    f = f[((f > domain.low) & (f < domain.high)).all(axis=1)]
    return _rises(loss, picked, f[:, :, None], f, np.ones((len(picked), 1)))


def _rises(loss: Loss, y: NDArray[Any], f: Array, places: Array, directions: Array) -> bool:
    """Whether slopes rise along lines: ``places`` on them (steps, targets or 1), where scores are f (steps, targets,
    outputs)."""
    rows = np.broadcast_to(y, (len(f), *y.shape)).reshape(-1, *y.shape[1:])
    flat = f.reshape(-1, f.shape[2]) if loss.wide else f.reshape(-1)
    far = np.abs(y).reshape(len(y), -1).max(axis=1)[:, None]
    with np.errstate(all="ignore"):
        height, gradient = _seen(loss, rows, flat)
        gradient = gradient.reshape(f.shape)
        parts = gradient * directions
        slope, size = _sum(parts), _sum(np.abs(parts, out=parts))
        height, length = height.reshape(slope.shape), np.diff(places, axis=0)
        chord = np.diff(height, axis=0) / length
        noise = 1e-9 * np.maximum(size[:-1], size[1:]) + 1e-12 * _middle(size[::_EVERY])
        # Heights are known as well as they, and the scores and targets that they are made of, can be said.
        away = np.add(np.abs(f, out=parts), far, out=parts)
        known = 1e-12 * np.abs(height) + _ROUNDING * _sum(np.abs(np.multiply(away, gradient, out=away), out=away))

        def falls(known: Array, noise: Array) -> bool:
            """Whether somewhere a slope does, or a chord leaves those at its ends."""
            if (slope[:-1] - slope[1:] > noise).any():
                return True
            wide = noise + (known[:-1] + known[1:]) / length
            outside = (slope[:-1] - chord > wide) | (chord - slope[1:] > wide)
            return bool((outside & np.isfinite(chord)).any())

        if not falls(known, noise):
            return True
        if loss.wide:
            return False
        # Or no better than the terms that cancel in them: of formulas that are written as in a textbook.
        roots = [running_error(root) for root in (loss.formula.value, loss.formula.gradient[0])]
        of_height, of_slope = (_ROUNDING * x.reshape(slope.shape) for x in Samples(loss, rows, None).each(roots, flat))
        return not falls(known + of_height, noise + of_slope[:-1] + of_slope[1:])


def _seen(loss: Loss, y: NDArray[Any], f: Array) -> tuple[Array, Array]:
    """Heights and slopes; NaN where scores are so far out that there is no telling."""
    try:
        found = loss.value_and_gradient(y, f, reduction="none")
    except ValueError:
        found = loss.value_and_gradient(y, f, reduction="none", validate=False)
    height, gradient = (np.asarray(each, dtype=np.float64) for each in found)
    return height, gradient


def _sum(parts: Array) -> Array:
    """Over the outputs."""
    return np.asarray(np.einsum("stk->st", parts))


def _middle(size: Array) -> float:
    """The median of those that are numbers."""
    known = np.sort(size, axis=None)
    known = known[: np.searchsorted(known, np.nan)]
    return float(known[len(known) // 2]) if len(known) else 0.0
