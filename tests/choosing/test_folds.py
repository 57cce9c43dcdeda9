"""Who trains and who judges."""

import numpy as np
import pytest

from lossmith.choosing import ChoiceError
from lossmith.choosing.folds import MOST_TRAINED, Order, folds, inner, shuffled

rng = np.random.default_rng(0)


def test_groups_are_never_on_both_sides():
    groups = np.repeat(np.arange(40), 5)
    labels = np.tile([0.0, 1.0], 100)
    for order in (Order(groups=groups), Order(labels=labels, groups=groups)):
        found = folds(200, 0, order)
        for fold in found:
            assert not set(groups[fold.train]) & set(groups[fold.test])
        tested = np.concatenate([fold.test for fold in found if fold.repeat == 0])
        assert sorted(tested) == list(range(200))
        for train, held in inner(labels, order, 1, 0):
            assert not set(groups[train]) & set(groups[held])


def test_very_many_groups_of_one_class_each_are_shared_out_like_rows():
    groups = np.random.default_rng(0).permutation(np.append(np.arange(20_000), np.arange(1_000)))
    labels = (groups % 10 == 0).astype(float)
    for pair in shuffled(len(groups), 5, Order(labels=labels, groups=groups), 0):
        train, test = (groups[rows] for rows in pair)
        assert not set(train) & set(test) and len(train) + len(test) == len(groups)
        assert len(set(test)) == 4_000
        assert np.mean(labels[pair[1]]) == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("count", [2, 4, 5])
@pytest.mark.parametrize("splits", [1, 3])
def test_few_groups_stay_whole_inside_a_fold_too(count, splits):
    groups = np.arange(60) % count
    found = inner(rng.normal(size=60), Order(groups=groups), splits, 0)
    assert len(found) == min(splits, count)
    for train, held in found:
        assert not set(groups[train]) & set(groups[held])


@pytest.mark.parametrize(("count", "ways"), [(5, 1), (6, 10)])
def test_no_partition_of_groups_is_repeated(count, ways):
    found = folds(60, 0, Order(groups=np.arange(60) % count))
    partitions = [frozenset(f.test.tobytes() for f in found if f.repeat == r) for r in range(found[-1].repeat + 1)]
    assert len(set(partitions)) == len(partitions) <= ways
    assert len(found) == 5 * len(partitions)


@pytest.mark.parametrize(("rows", "repeats"), [(499, 10), (500, 5), (20_000, 5), (20_001, 2)])
def test_smaller_tables_are_parted_more_often(rows, repeats):
    found = folds(rows, 0)
    for repeat in range(repeats):
        tested = np.concatenate([fold.test for fold in found if fold.repeat == repeat])
        assert np.array_equal(np.sort(tested), np.arange(rows))
    assert len(found) == 5 * repeats


def test_nobody_is_judged_by_the_future():
    time = np.random.default_rng(0).permutation(np.repeat(np.arange(300.0), 2))
    found = folds(600, 0, Order(time=time))
    assert len(found) == 10
    for fold in found:
        assert time[fold.train].max() < time[fold.test].min()
    assert sum(len(fold.test) for fold in found) == 300
    ((train, held),) = inner(time, Order(time=time), 3, 0)
    assert time[train].max() < time[held].min()


def test_the_last_fifth_is_cut_between_two_moments():
    time = np.repeat([0.0, 1.0, 2.0], [50, 40, 10])  # the last fifth would begin within moment 1
    ((train, held),) = inner(time, Order(time=time), 1, 0)
    assert (set(time[train]), set(time[held])) == ({0.0, 1.0}, {2.0})
    ((train, held),) = inner(np.arange(20.0), Order(time=np.zeros(20)), 1, 0)  # no order within a moment
    assert len(held) == 4


def test_classes_come_in_their_share():
    labels = (np.arange(100) < 20).astype(float)
    assert {labels[fold.test].sum() for fold in folds(100, 0, Order(labels=labels))} == {4.0}
    for train, held in inner(labels, Order(), 3, 0):
        assert abs(labels[held].mean() - 0.2) < 0.05
        assert len(train) + len(held) == 100


def test_large_tables_train_on_a_sample_and_judge_everyone():
    found = folds(60_000, 0)
    assert {len(fold.train) for fold in found} == {MOST_TRAINED}
    assert sum(len(fold.test) for fold in found) == 2 * 60_000


@pytest.mark.parametrize(
    ("order", "says"), [(Order(groups=np.arange(60) % 3), "at least 5"), (Order(time=np.zeros(60)), "too few")]
)
def test_what_cannot_be_folded(order, says):
    with pytest.raises(ChoiceError, match=says):
        folds(60, 0, order)


def both(kind, n=600):
    """Rows in time whose groups come and go, or go on for ever."""
    time = np.arange(float(n))
    return Order(groups=(np.arange(n) // 15 if kind == "short" else rng.integers(0, 10, n)), time=time)


@pytest.mark.parametrize("kind", ["short", "for ever"])
def test_time_and_groups_are_both_kept(kind):
    order = both(kind)
    found = folds(600, 0, order)
    assert len(found) == 10 and "in other groups" in order.described
    pairs = [(fold.train, fold.test) for fold in found]
    for fold in found:
        part = order.take(fold.train)
        pairs += [(fold.train[a], fold.train[b]) for a, b in inner(rng.normal(size=len(fold.train)), part, 3, 0)]
    for train, test in pairs:
        assert len(train) and len(test)
        assert order.time[train].max() < order.time[test].min()
        assert not set(order.groups[train]) & set(order.groups[test])
    tested = sum(len(fold.test) for fold in found)
    assert tested == 300 if kind == "short" else 80 < tested < 130  # of what goes on, a third is judged


def test_groups_that_time_cannot_part():
    with pytest.raises(ChoiceError, match="all earlier rows belong to"):
        folds(600, 0, Order(groups=np.zeros(600, dtype=int), time=np.arange(600.0)))


def test_within_one_moment_groups_stay_whole():
    groups = np.arange(60) % 6
    ((train, held),) = inner(rng.normal(size=60), Order(groups=groups, time=np.zeros(60)), 1, 0)
    assert not set(groups[train]) & set(groups[held])
