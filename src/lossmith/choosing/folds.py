"""Who trains and who judges: the same folds for every loss.

Rows of one group are never on both sides, and no row is judged by a model that has seen later ones: random folds there
would manufacture proofs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.tables import Floats, Rows

SPLITS = 5
STEPS = 10  # of forward chaining; half as many below 400 rows
JUDGED_GROUPS = 3  # of groups that go on through time, one in so many is judged in each step
MOST_BALANCED = 2_000  # groups that are shared out one by one, so that classes keep their shares: it takes seconds
MOST_TRAINED = 40_000  # rows that one model learns from; the losses' order hardly moves beyond

Pair = tuple[Rows, Rows]  # train, test


@dataclass(frozen=True, eq=False)
class Fold:
    repeat: int
    train: Rows
    test: Rows


@dataclass(frozen=True, eq=False)
class Order:
    """What ties rows together: class ids, groups (as codes), time; each None where there is none."""

    labels: Floats | None = None
    groups: Rows | None = None
    time: Floats | None = None

    def take(self, rows: Rows) -> Order:
        return Order(
            None if self.labels is None else self.labels[rows],
            None if self.groups is None else self.groups[rows],
            None if self.time is None else self.time[rows],
        )

    @property
    def drawn_groups(self) -> int | None:
        """How many groups are drawn into folds; None where it is rows."""
        return None if self.groups is None else len(np.unique(self.groups))

    @property
    def described(self) -> str:
        if self.time is not None:
            others = "" if self.groups is None else ", in other groups"
            return f"forward in time: trained on what came before{others}, judged on what came next"
        how = "each class in its share" if self.labels is not None else "drawn at random"
        return how if self.groups is None else f"{how}, all rows of a group on one side"


def repeats_for(n: int) -> int:
    """Small tables are split more often: 10 x 5 below 500 rows, 5 x 5 up to 20,000, 2 x 5 above."""
    return 10 if n < 500 else 5 if n <= 20_000 else 2


def folds(n: int, seed: int, order: Order | None = None) -> list[Fold]:
    """Repeated five-fold cross-validation; in time, one walk forward over the second half of the rows. Few groups can
    be parted in few ways: a repeat that parts them as one before it is left out."""
    order = order or Order()
    if order.time is not None:
        found = [Fold(0, *pair) for pair in _ahead(order.time, order.groups, seed)]
    else:
        seeds = [seed + 1000 * r for r in range(repeats_for(n))]
        ways = {frozenset(t.tobytes() for _, t in p): p for p in (shuffled(n, SPLITS, order, s) for s in seeds)}
        found = [Fold(r, *pair) for r, pairs in enumerate(ways.values()) for pair in pairs]
    return [Fold(f.repeat, _thinned(f.train, seed + i), f.test) for i, f in enumerate(found)]


def _thinned(train: Rows, seed: int) -> Rows:
    if len(train) <= MOST_TRAINED:
        return train
    return np.sort(np.random.default_rng(seed).permutation(train)[:MOST_TRAINED])


def shuffled(n: int, splits: int, order: Order, seed: int) -> list[Pair]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    if order.groups is not None and order.labels is not None:
        _, first, member = np.unique(order.groups, return_index=True, return_inverse=True)
        labels = order.labels[first]
        if len(first) > MOST_BALANCED and np.array_equal(labels[member], order.labels):  # each of one class: like rows
            drawn = shuffled(len(first), splits, Order(labels), seed)
            return [(np.flatnonzero(np.isin(member, a)), np.flatnonzero(np.isin(member, b))) for a, b in drawn]
    if order.groups is None:
        kind = KFold if order.labels is None else StratifiedKFold
    else:
        kind = GroupKFold if order.labels is None else StratifiedGroupKFold
        count = len(np.unique(order.groups))
        if count < splits:
            raise ChoiceError(f"groups has {count} different value(s); at least {splits} are needed, one for each fold")
    splitter = kind(n_splits=splits, shuffle=True, random_state=seed)
    pairs = splitter.split(np.zeros((n, 1)), order.labels, order.groups)
    return [(np.asarray(train), np.asarray(test)) for train, test in pairs]


def _ahead(time: Floats, groups: Rows | None, seed: int) -> list[Pair]:
    if groups is None:
        return forward(time)
    found = [apart(*pair, groups, seed + i) for i, pair in enumerate(forward(time))]
    empty = sum(not len(train) for train, _ in found)
    if empty:
        raise ChoiceError(
            f"{empty} of the {len(found)} steps in time would be judged on groups that all earlier rows belong to; ask "
            "for folds without groups or without time"
        )
    return found


def apart(train: Rows, test: Rows, groups: Rows, seed: int) -> Pair:
    """The training rows of groups that are not judged. Where groups go on through time and few rows would be left, one
    group in three is judged and the others train."""
    alone = train[~np.isin(groups[train], groups[test])]
    if 2 * len(alone) >= len(train):
        return alone, test
    found = np.random.default_rng(seed).permutation(np.unique(groups[test]))
    judged = found[: -(-len(found) // JUDGED_GROUPS)]
    return train[~np.isin(groups[train], judged)], test[np.isin(groups[test], judged)]


def forward(time: Floats) -> list[Pair]:
    """Steps through the second half of the rows; rows of one moment stay together."""
    n = len(time)
    steps = STEPS if n >= 400 else STEPS // 2
    by_time = np.argsort(time, kind="stable")
    moments = np.append(np.flatnonzero(np.diff(time[by_time])) + 1, n)  # where one moment ends and the next begins
    wanted = np.round(np.linspace(n / 2, n, steps + 1))
    cuts = np.unique(moments[np.minimum(np.searchsorted(moments, wanted), len(moments) - 1)])
    if len(cuts) < 4:
        raise ChoiceError(
            f"time has {len(moments)} different moment(s), too few to train on what came before and judge what came "
            "next"
        )
    return [(np.sort(by_time[:a]), np.sort(by_time[a:b])) for a, b in pairwise(cuts)]


def inner(y: Floats, order: Order, splits: int, seed: int) -> list[Pair]:
    """Splits of training rows, for what is tuned inside them: a fifth held out once, or each of `splits` parts in turn.

    Groups stay whole, so that there are no more parts than groups; in time, the last fifth is held out, cut between two
    moments, and groups of it do not train; else, or within one moment or group, y is spread evenly, so that a small
    part is like the whole.
    """
    n = len(y)
    if order.time is not None:
        by_time = np.argsort(order.time, kind="stable")
        cuts = np.flatnonzero(np.diff(order.time[by_time])) + 1
        if len(cuts):
            cut = cuts[np.argmin(np.abs(cuts - (n - n // 5)))]
            earlier, later = np.sort(by_time[:cut]), np.sort(by_time[cut:])
            pair = (earlier, later) if order.groups is None else apart(earlier, later, order.groups, seed)
            if len(pair[0]):
                return [pair]
    parts = splits if splits > 1 else SPLITS
    count = order.drawn_groups or 0
    if count > 1:
        pairs = shuffled(n, min(parts, count), Order(groups=order.groups), seed)
    else:
        rng = np.random.default_rng(seed)
        part = np.empty(n, dtype=np.intp)
        shuffle = rng.permutation(n)
        by_y = shuffle[np.argsort(y[shuffle], kind="stable")]
        part[by_y] = np.arange(n) % parts
        pairs = [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(parts)]
    return pairs[:splits]
