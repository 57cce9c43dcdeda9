"""The rows that race, of a table with more rows than a race needs."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.folds import Order
from lossmith.choosing.tables import Rows
from lossmith.choosing.targets import FEW_OF_A_CLASS

SAMPLE = 100_000
SMALLEST_SAMPLE = 100
FEWEST_WHOLE_GROUPS = 50  # where fewer fit into the sample, every group gives some of its rows instead


def parse_sample(sample: int | str | None) -> int | None:
    """How many rows may race; None for all of them."""
    if sample is None or (isinstance(sample, str) and sample.strip().lower() == "all"):
        return None
    try:
        count = int(sample) if isinstance(sample, str) else index(sample)
    except (TypeError, ValueError):
        raise ChoiceError(f"sample must be a number of rows, or all; it is {quoted(sample)}") from None
    if count < SMALLEST_SAMPLE:
        raise ChoiceError(f"sample must be {SMALLEST_SAMPLE} rows or more, or all; it is {count}")
    return count


def sampled(order: Order, n: int, most: int | None, seed: int) -> tuple[Rows, str]:
    """At most `most` of n rows (a few more where a class would be lost), sorted, and how they were drawn."""
    if most is None or n <= most:
        return np.arange(n), ""
    rng = np.random.default_rng(seed)
    unit = np.arange(n) if order.groups is None else order.groups  # what is drawn as a whole
    drawn = None if order.groups is None else _whole_groups(order.groups, most, rng)
    how = "as whole groups, at random"
    if drawn is None:
        unit, drawn, how = np.arange(n), *_evenly(order, n, most, rng)
    if order.labels is not None:
        drawn = _with_rare_classes(order.labels, unit, drawn, rng)
        how += f", and of each class at least {FEW_OF_A_CLASS} where there are so many"
    return np.sort(drawn), how


def _whole_groups(groups: Rows, most: int, rng: Any) -> Rows | None:
    """Groups in a random order, as long as they fit; None where these are too few to be told apart from their table, or
    a giant among them ends the sample before it is half full."""
    shuffle = rng.permutation(int(groups.max()) + 1)
    held = np.cumsum(np.bincount(groups)[shuffle])
    fit = int(np.searchsorted(held, most, side="right"))
    if fit < min(FEWEST_WHOLE_GROUPS, len(shuffle)) or 2 * held[fit - 1] < most:
        return None
    return np.flatnonzero(np.isin(groups, shuffle[:fit]))


def _evenly(order: Order, n: int, most: int, rng: Any) -> tuple[Rows, str]:
    """By class, within it by time, one row at random from each of as many stretches as rows are wanted."""
    at_random = "at random" if order.groups is None else "at random from all groups"
    if order.labels is None and order.time is None:
        return rng.permutation(n)[:most], at_random
    keys = [key for key in (order.time, order.labels) if key is not None]
    by = np.lexsort([rng.random(n), *keys])
    edges = np.arange(most + 1) * n // most
    places = edges[:-1] + (rng.random(most) * np.diff(edges)).astype(np.intp)
    how = ["each class in its share"] * (order.labels is not None) + ["evenly over time"] * (order.time is not None)
    return by[places], ", ".join([at_random, *how])


def _with_rare_classes(labels: Any, unit: Rows, drawn: Rows, rng: Any) -> Rows:
    """More units, until each class has as many rows as any statement about it needs, or all that it has."""
    counts = np.bincount(labels.astype(np.intp))
    for k in np.flatnonzero(counts):
        wanted = min(FEW_OF_A_CLASS, int(counts[k]))
        rest = rng.permutation(np.setdiff1d(np.flatnonzero(labels == k), drawn))
        while np.count_nonzero(labels[drawn] == k) < wanted:
            whole = np.flatnonzero(unit == unit[rest[0]])
            drawn = np.concatenate([drawn, whole])
            rest = np.setdiff1d(rest, whole, assume_unique=True)
    return drawn
