"""How far to go along a direction: the sign of the slope decides, which convexity makes safe, and no values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .problem import Point, Problem

Array = NDArray[np.float64]

_NOISE = 1e-13  # of an objective: what rounding explains
_LOST = 1e-15
_RISE, _RISE_IN_WINDOW = 0.5, 0.1  # of the slope at the beginning: at a whole step's end less is not worth another read


class Line:
    """The objective from a point along d.

    Of one score per sample the scores at both ends tell slopes and values between them. Scores of several are not kept:
    there every length that is tried is another read of the features, and known from then on.
    """

    def __init__(self, problem: Problem, point: Point, d: Array) -> None:
        self.problem, self.point, self.d = problem, point, d
        with np.errstate(all="ignore"):  # a whole step may lead to where the loss overflows
            ahead = problem.at(point.theta + d, point.mu)
            self._tried, self._ahead = {1.0: ahead}, ahead.f
            self.first = self._slope(0.0, float((point.v * d).sum()))
            self.last = self._slope(1.0, float((ahead.v * d).sum()))

    def end(self, t: float) -> Point:
        """The point at t. Scores that were kept are forgotten."""
        if t not in self._tried:
            self._tried.clear()
            self._ahead = None
            self._tried[t] = self.problem.at(self.point.theta + t * self.d, self.point.mu)
        return self._tried[t]

    def slope(self, t: float) -> float:
        """Derivative at t (from the right at 0, from the left elsewhere); inf where the loss is not defined."""
        problem, point = self.problem, self.point
        try:
            with np.errstate(all="ignore"):
                if problem.samples is None or point.f is None or self._ahead is None:
                    loss = float((self.end(t).v * self.d).sum())
                else:
                    slope = problem.view(point.mu).slope
                    loss = problem.samples.along(slope, point.f, self._ahead, t, point.mu)
                return self._slope(t, loss)
        except ValueError:  # out of the loss's domain
            return np.inf

    def _slope(self, t: float, loss: float) -> float:
        """Of the objective, from that of the loss; inf where it is no number."""
        total, (l2, l1), at = loss, self.problem.penalties, self.point.theta + t * self.d
        if l2:  # without one there is nothing to add of steps whose squares overflow
            total += float((self.problem.l2[1:] @ (at[1:] * self.d[1:])).sum())
        if l1:
            sign = np.where(at != 0, np.sign(at), np.sign(self.d) * (1.0 if t == 0 else -1.0))
            total += float((self.problem.l1 @ (sign * self.d)).sum())
        return total if np.isfinite(total) else np.inf

    def length(self) -> float:
        """To about where the objective stops falling; 0 where it does not fall."""
        first = self.first
        if not first < 0:
            return 0.0
        if self._is_lost(first):
            return self._inside(1.0)
        low, slope_low, high, slope_high, t, slope = 0.0, first, np.inf, np.inf, 1.0, self.last
        rise = _RISE if self.point.mu == 0 else _RISE_IN_WINDOW
        for _ in range(60):
            if -0.5 * abs(first) <= slope <= rise * abs(first) and (t == 1.0 or slope >= -0.1 * abs(first)):
                break
            if slope < 0:
                low, slope_low = t, slope
                if high == np.inf:
                    if t >= 1e6:
                        break
                    t *= 4.0
                    slope = self.slope(t)
                    continue
            else:
                high, slope_high = t, slope
            share = slope_low / (slope_low - slope_high) if np.isfinite(slope_high) else 0.1
            t = low + (high - low) * min(max(share, 0.1), 0.9)
            slope = self.slope(t)
        return self._inside(self._shorter(t) if self.point.mu == 0 else t)

    def _inside(self, t: float) -> float:
        """Less than t, if a score there lies outside its domain, where only rounding can have put it."""
        for _ in range(40):
            if self.end(t).is_finite:
                return t
            t /= 2
        return 0.0

    def _is_lost(self, first: float) -> bool:
        """Whether all that the whole step changes is rounding of the objective: slopes would say nothing of lengths."""
        here, there = (self.problem.penalised(p) for p in (self.point, self.end(1.0)))
        return self.point.mu == 0 and -first <= _LOST * abs(here) and there <= here + _NOISE * abs(here)

    def _shorter(self, t: float) -> float:
        """Less than t, if the objective at t is higher than here by more than rounding explains."""
        problem, point = self.problem, self.point
        here = problem.penalised(point)
        for _ in range(40):
            try:
                with np.errstate(all="ignore"):
                    there = self._value(t) + problem.penalty(point.theta + t * self.d)
            except ValueError:  # out of the loss's domain
                there = np.inf
            if there <= here + _NOISE * abs(here):
                return t
            t /= 2
        return 0.0

    def _value(self, t: float) -> float:
        problem, point = self.problem, self.point
        if t in self._tried or problem.samples is None or point.f is None or self._ahead is None:
            return self.end(t).support
        return problem.samples.between(problem.view(0.0).support, point.f, self._ahead, t)
