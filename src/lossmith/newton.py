"""The lowest point of a smooth function of a few numbers, by Newton's steps that go downhill whatever the function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
EPS = float(np.finfo(np.float64).eps)
_STEPS = 200
_REACH = 8.0  # no coordinate moves by much more than this, or than its own size, in one step
_FLOOR = 1e-12  # of the largest second derivative: where it bends less, the step is as if it bent so much
_SHORTEST = 2.0**-40
_KEPT = 1e-4  # of what the slope promises (Armijo)
_SMALLER = 0.9  # what a step at the bottom has to leave of the slope at most, where rounding hides what it gains


class Height(NamedTuple):
    """A function at a point."""

    value: float
    slope: Floats
    size: float  # of what the value is a sum of: its rounding error is in proportion


def lowest(
    function: Callable[[Floats], Height], bends: Callable[[Floats], Floats], start: Floats, enough: float = 0.0
) -> Floats:
    """The point that Newton's steps lead to from ``start``; ``bends`` are the second derivatives, a square matrix.

    A step that promises to gain less than ``enough`` is not taken, and a gain that rounding hides is not sought.
    Coordinates may have any scale: each is measured by its own second derivative.
    """
    point, here = start, function(start)
    for _ in range(_STEPS):
        step, scale = _downhill(point, here.slope, bends(point))
        promised = float(here.slope @ step)
        if -promised < enough:
            break
        noise, length = 4 * EPS * here.size, 1.0
        while True:
            there = function(point + length * step)
            steady = there.value <= here.value + noise and _norm(there, scale) < _SMALLER * _norm(here, scale)
            if there.value <= here.value + _KEPT * length * promised - noise or steady:
                break
            length /= 2
            if length < _SHORTEST or -promised * length < noise:
                return point
        point, here = point + length * step, there
    return point


def _norm(height: Height, scale: Floats) -> float:
    return float(np.linalg.norm(height.slope / scale))


def _downhill(point: Floats, slope: Floats, bends: Floats) -> tuple[Floats, Floats]:
    """Newton's step with every curvature taken for positive, and the scales of the coordinates."""
    bends = np.where(np.isfinite(bends), bends, 0.0)
    reach = np.maximum(_REACH, np.abs(point))
    scale = np.sqrt(np.maximum(np.abs(np.diag(bends)), np.abs(slope) / reach))
    scale[scale == 0] = 1.0
    values, vectors = np.linalg.eigh(bends / scale / scale[:, None])
    values = np.maximum(np.abs(values), _FLOOR * max(1.0, float(np.abs(values).max())))
    step = -(vectors @ ((slope / scale) @ vectors / values)) / scale
    longest = float((np.abs(step) / reach).max())
    return step / max(1.0, longest), scale
