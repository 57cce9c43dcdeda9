"""A loss seen along a window: slopes, curvatures and supporting lines, from values and gradients alone.

A kinked loss L is averaged over the window [f - mu, f + mu]. Of that average, everything a solver needs is at hand
for any formula: the derivative is (L(f + mu) - L(f - mu)) / (2 mu), the second (L'(f + mu) - L'(f - mu)) / (2 mu).

The same numbers certify an optimum of the loss itself. A convex L has, somewhere in the window, a tangent of that
very slope; it lies on or above the point where the tangents at the window's two ends meet. So the line through that
point, `support + slope * (t - f)`, runs below L everywhere, and touches it when L is two straight pieces in the window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """What is known of each sample's loss at its score f; arrays have the shape of f, `support` that of the loss."""

    slope: Array  # derivative of the averaged loss (mu > 0) or of the loss (mu = 0)
    support: Array  # height at f of a line with that slope that runs below the loss everywhere
    curvature: Array | None  # second derivative of the averaged loss; None when mu = 0
    kink: Array | None  # where the two tangents meet, relative to f; NaN where the loss is straight


def value(loss: Loss, y: NDArray[Any], f: Array) -> Array:
    """The loss of each sample."""
    return np.asarray(loss(y, f, reduction="none"), dtype=np.float64)


def tangent(loss: Loss, y: NDArray[Any], f: Array) -> View:
    """The loss itself: its gradient, and the tangent as supporting line."""
    height, slope = loss.value_and_gradient(y, f, reduction="none")
    return View(np.asarray(slope, dtype=np.float64), np.asarray(height, dtype=np.float64), None, None)


def window(loss: Loss, y: NDArray[Any], f: Array, mu: float) -> View:
    """The loss averaged over [f - mu, f + mu]; pointwise losses only."""
    below, above = f - mu, f + mu
    value_below, slope_below = (
        np.asarray(a, dtype=np.float64) for a in loss.value_and_gradient(y, below, reduction="none")
    )
    value_above, slope_above = (
        np.asarray(a, dtype=np.float64) for a in loss.value_and_gradient(y, above, reduction="none")
    )
    width = above - below  # as rounded: near a large f the two differ from 2 mu
    turn = slope_above - slope_below
    bent = turn > 0
    # Where the loss is straight its slope is known without dividing a small difference.
    slope = np.where(bent, np.clip((value_above - value_below) / width, slope_below, slope_above), slope_below)
    turn_or_one = np.where(bent, turn, 1.0)
    to_kink = np.where(bent, width * (slope_above - slope) / turn_or_one, np.nan)  # from the window's left end
    dip = np.where(bent, (slope - slope_below) * np.nan_to_num(to_kink), 0.0)
    support = value_below + slope * (f - below) - dip
    return View(slope, support, np.where(bent, turn / width, 0.0), to_kink - (f - below))


def second_derivative(loss: Loss, y: NDArray[Any], f: Array) -> tuple[Array, bool]:
    """Second-order weights that are never negative, and whether the loss curves upwards at every sample.

    The exact second derivative; where it is negative or not finite, the loss's curvature.
    """
    exact = np.asarray(loss.hessian(y, f, reduction="none"), dtype=np.float64)
    finite = np.isfinite(exact)
    usable = finite & (exact >= 0)
    if usable.all():
        return exact, True
    curvature = np.asarray(loss.curvature(y, f, reduction="none"), dtype=np.float64)
    noise = 1e-12 * np.abs(np.where(finite, exact, 0.0)).max()
    return np.where(usable, exact, curvature), not bool((exact < -noise).any())
