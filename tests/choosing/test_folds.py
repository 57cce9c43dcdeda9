"""Who trains and who judges."""

import numpy as np
import pytest

from lossmith.choosing import ChoiceError
from lossmith.choosing.folds import MOST_TRAINED, Order, folds, inner


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


def test_nobody_is_judged_by_the_future():
    time = np.random.default_rng(0).permutation(np.repeat(np.arange(300.0), 2))
    found = folds(600, 0, Order(time=time))
    assert len(found) == 10
    for fold in found:
        assert time[fold.train].max() < time[fold.test].min()
    assert sum(len(fold.test) for fold in found) == 300
    ((train, held),) = inner(time, Order(time=time), 3, 0)
    assert time[train].max() <= time[held].min()


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
