"""A loss as a solver sees it: slopes, curvatures and supporting lines, as expressions of the loss's own formula.

A kinked loss L is averaged over the window [f - mu, f + mu]. Of that average, everything a solver needs is at hand
for any formula: the derivative is (L(f + mu) - L(f - mu)) / (2 mu), the second (L'(f + mu) - L'(f - mu)) / (2 mu).

The same numbers certify an optimum of the loss itself. A convex L has, somewhere in the window, a tangent of that
very slope; it lies on or above the point where the tangents at the window's two ends meet. So the line through that
point, `support + slope * (t - f)`, runs below L everywhere, and touches it when L is two straight pieces in the window.

A smooth loss of scores on one side of an edge, such as of positive means, may be least where some scores are at the
edge. It gets a barrier there, -mu log(distance), which is lowered (Fiacco and McCormick 1968,
doi:10.1137/1.9781611971316). The slope with the barrier is again that of a line below the loss, wherever scores may be:
beside the tangent it falls by mu / distance per unit, mu at the score itself, and meets the tangent at the edge.
"""

from __future__ import annotations

import math
from functools import lru_cache

from lossmith.formula.domains import Domain
from lossmith.formula.expr import ZERO, Expr, apply, const, leaf, substitute, where
from lossmith.formula.model import Formula
from lossmith.record import Record

MU = leaf("param", "half width of the window, or weight of the barrier")
_NAN = const(math.nan)


class View(Record):
    """What is wanted of each sample at its score, as expressions."""

    slope: Expr  # derivative of the averaged loss, or of the loss
    support: Expr  # height at the score of a line with that slope that runs below the loss everywhere
    bend: Expr  # second derivative of either
    kink: Expr | None = None  # where two tangents meet, relative to the score; NaN where the loss is straight
    ends: tuple[Expr, ...] = ()  # the slopes at the window's two ends


@lru_cache(maxsize=64)
def tangent(formula: Formula) -> View:
    """The loss itself: its gradient, and the tangent as supporting line."""
    (prediction,), (slope,), (bend,) = formula.predictions, formula.gradient, formula.hessian
    value, slope = (_legal(x, prediction.domain, prediction.as_input) for x in (formula.value, slope))
    return View(slope, value, bend)


@lru_cache(maxsize=64)
def window(formula: Formula) -> View:
    """The loss averaged over [f - mu, f + mu]."""
    (prediction,), (slope,) = formula.predictions, formula.gradient
    f, domain = prediction.as_input, prediction.domain
    below, above = f - MU, f + MU
    ends = [substitute((_legal(formula.value, domain, f), slope), {f: end}) for end in (below, above)]
    (value_below, slope_below), (value_above, slope_above) = ends
    width = above - below  # as rounded: near a large f the two differ from 2 mu
    turn = slope_above - slope_below
    bent = turn > 0
    # Where the loss is straight its slope is known without dividing a small difference.
    steep = apply("minimum", apply("maximum", (value_above - value_below) / width, slope_below), slope_above)
    mean = where(bent, steep, slope_below)
    to_kink = width * (slope_above - mean) / where(bent, turn, const(1.0))  # from the window's left end
    dip = where(bent, (mean - slope_below) * to_kink, ZERO)
    support = value_below + mean * (f - below) - dip
    bend, kink = where(bent, turn / width, ZERO), where(bent, to_kink - (f - below), _NAN)
    return View(mean, support, bend, kink, (slope_below, slope_above))


@lru_cache(maxsize=64)
def barrier(formula: Formula) -> View:
    """The loss, and a barrier at the edge of its scores' domain; the edge takes the place of a kink."""
    view, domain = tangent(formula), formula.predictions[0].domain
    edge = const(domain.low if math.isfinite(domain.low) else domain.high) - formula.predictions[0].as_input
    return View(view.slope + MU / edge, view.support - MU, view.bend + MU / edge**2, edge)


def _legal(x: Expr, domain: Domain, f: Expr) -> Expr:
    """x where the score is in its domain, else NaN."""
    for bound, inside in ((domain.low, f > domain.low if domain.low_open else f >= domain.low),
                          (domain.high, f < domain.high if domain.high_open else f <= domain.high)):  # fmt: skip
        if math.isfinite(bound):
            x = where(inside, x, _NAN)
    return x
