"""Where a function of a number turns: between neighbouring floats, found in few looks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_ONE_ORDER = 1 << 53  # floats between a number and twice that
_SECANTS = 12  # steps after which a slope is taken not to be smooth


def _ordinal(x: float) -> int:
    """Floats in order as whole numbers, so that bisection halves the number of floats and not a distance."""
    bits = int(np.float64(x).view(np.int64))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def _float(ordinal: int) -> float:
    return float(np.int64(abs(ordinal)).view(np.float64)) * (1 if ordinal >= 0 else -1)


def boundary(
    after: Callable[[float], bool], low: float, high: float, hints: Floats | None = None,
    guess: Callable[[float, float], float] | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Neighbouring floats (a, b) with not after(a) and after(b); after turns from False to True between the ends.

    It often turns at one of the sorted `hints`, next to an end, or near a `guess`: that is looked at first, and saves
    most bisections.
    """
    if hints is not None:
        inside = hints[(hints > low) & (hints < high)]
        turn = bisect_left(inside, True, key=lambda c: after(float(c)))
        low, high = (float(inside[turn - 1]) if turn else low), (float(inside[turn]) if turn < len(inside) else high)
    a, b = _ordinal(low), _ordinal(high)
    if b - a > 1:
        a, b = (a, a + 1) if after(_float(a + 1)) else (a + 1, b)
    if b - a > 1:
        a, b = (a, b - 1) if after(_float(b - 1)) else (b - 1, b)
    if b - a > 1 and guess is not None:
        a, b = _closed_in(after, a, b, _ordinal(guess(_float(a), _float(b))))
    while b - a > 1:
        middle = (a + b) // 2
        a, b = (a, middle) if after(_float(middle)) else (middle, b)
    return _float(a), _float(b)


def _closed_in(after: Callable[[float], bool], a: int, b: int, near: int) -> tuple[int, int]:
    """An interval inside (a, b) that holds the turn: steps away from a place near it, each far longer than the last."""
    if not a < near < b:
        return a, b
    turned, step = after(_float(near)), 1
    while True:
        a, b = (a, near) if turned else (near, b)
        near, step = near + (-step if turned else step), step * (step + 1)
        if not a < near < b:
            return a, b
        if after(_float(near)) != turned:
            return (near, b) if turned else (a, near)


def crossing(slope: Callable[[float], float], low: float, high: float) -> float:
    """Where a slope is about zero if it changes smoothly from below zero to above: halved down to one order of
    magnitude, then the secant through both ends, the end that stays counting half (the Illinois rule)."""
    a, b = _ordinal(low), _ordinal(high)
    while b - a > _ONE_ORDER:
        middle = (a + b) // 2
        a, b = (a, middle) if slope(_float(middle)) >= 0 else (middle, b)
    stays, moves = _float(a), _float(b)
    before, here = slope(stays), slope(moves)
    for _ in range(_SECANTS):
        if here in (0.0, before):
            break
        new = moves - here * (moves - stays) / (here - before)
        there = slope(new)
        stays, before = (moves, here) if there * here < 0 else (stays, before / 2)
        moves, here = new, there
    return moves
