"""Scores of an order, as sums over rows: exact over all rows, and to first order when rows are drawn again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lossmith.choosing.tables import Floats

Columns = Callable[[Floats, Floats, Floats], Floats]
Of = Callable[[Floats], Floats]


def ranking() -> tuple[Columns, Of]:
    """1 - AUC; of several classes, each against the others, averaged.

    A positive's cost is the share of negatives ranked above it, a negative's the share of positives below (ties count
    half): each averages to 1 - AUC, and half of that is taken from both, so that the two means add up to the score and
    move, when rows are drawn again, as the score does to first order (DeLong 1988).
    """

    def columns(y: Floats, p: Floats, w: Floats) -> Floats:
        found = []
        for positive, chance in _each_class(y, p):
            up, down = w * positive, w * ~positive
            above, below = _share_above(chance, down), 1.0 - _share_above(chance, up)
            half = np.average(above, weights=up) / 2.0
            found += [up * (above - half), up, down * (below - half), down]
        return np.column_stack(found)

    def of(sums: Floats) -> Floats:
        return np.asarray(_ratios(sums, 4).mean(axis=-1) + _ratios(sums[..., 2:], 4).mean(axis=-1))

    return columns, of


def average_precision() -> tuple[Columns, Of]:
    """1 - average precision: the precision at each positive's rank, averaged over the positives."""

    def columns(y: Floats, p: Floats, w: Floats) -> Floats:
        found = []
        for positive, chance in _each_class(y, p):
            up = w * positive
            total, hits = _at_least(chance, w), _at_least(chance, up)
            found += [up * (1.0 - hits / np.where(total > 0, total, 1.0)), up]
        return np.column_stack(found)

    def of(sums: Floats) -> Floats:
        return np.asarray(_ratios(sums, 2).mean(axis=-1))

    return columns, of


def _each_class(y: Floats, p: Floats) -> list[tuple[np.ndarray, Floats]]:
    if p.ndim == 1:
        return [(y == 1, p)]
    return [(y == k, p[:, k]) for k in range(p.shape[1]) if (y == k).any() and (y != k).any()]


def _ratios(sums: Floats, step: int) -> Floats:
    return np.asarray(sums[..., 0::step] / sums[..., 1::step])


def _at_least(chance: Floats, w: Floats) -> Floats:
    """The weight of the rows whose chance is at least each row's."""
    _, place = np.unique(-chance, return_inverse=True)
    return np.asarray(np.cumsum(np.bincount(place, weights=w))[place])


def _share_above(chance: Floats, w: Floats) -> Floats:
    """The share of the weight above each row; ties count half."""
    _, place = np.unique(-chance, return_inverse=True)
    each = np.bincount(place, weights=w)
    return np.asarray(((np.cumsum(each) - each / 2.0) / w.sum())[place])
