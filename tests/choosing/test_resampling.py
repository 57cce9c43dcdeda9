"""Confidence sets and the luck of the winner, where the truth is known."""

import numpy as np
import pytest

from lossmith.choosing.aims import Aim
from lossmith.choosing.folds import Order
from lossmith.choosing.resampling import confidence_set, draw, optimism, parts_of
from lossmith.choosing.scores import score_for

SCORE = score_for(Aim("mean"))


def drawn(errors, part=None, seed=0):
    """From a column of errors for each key."""
    n = errors.shape[1]
    predictions = {(f"loss {i}", "m"): row[None, :] for i, row in enumerate(errors)}
    return draw(SCORE, np.zeros(n), None, predictions, np.arange(n) if part is None else part, seed)


def test_only_the_worse_is_excluded():
    rng = np.random.default_rng(0)
    base = rng.normal(size=500)
    errors = np.stack([base + 0.05 * rng.normal(size=500), base + 0.05 * rng.normal(size=500), 1.3 * base])
    assert confidence_set(drawn(errors)) == (("loss 0", "m"), ("loss 1", "m"))


def test_how_far_a_gain_moves_with_the_rows():
    errors = np.random.default_rng(3).normal(size=(2, 4000))
    found = drawn(errors, parts_of(4000, Order(), 0))
    gap = np.square(errors[0]) - np.square(errors[1])
    assert found.parts == 1000
    assert found.error(*found.keys) == pytest.approx(gap.std() / np.sqrt(4000), rel=0.1)
    assert found.error(found.keys[0], found.keys[0]) == 0.0


def test_equal_predictions_are_both_kept():
    errors = np.tile(np.random.default_rng(0).normal(size=200), (3, 1))
    assert len(confidence_set(drawn(errors))) == 3


def test_the_best_is_nearly_always_in_the_set():
    rng = np.random.default_rng(1)
    kept = 0
    for trial in range(60):
        errors = rng.normal(size=(4, 200))
        kept += len(confidence_set(drawn(errors, seed=trial))) == 4
    assert kept >= 54


def test_groups_widen_the_set():
    """A lead that one group makes is no lead over groups."""
    rng = np.random.default_rng(2)
    base = rng.normal(size=1000)
    better = base.copy()
    better[:100] *= 0.3
    errors = np.stack([base, better])
    groups = np.repeat(np.arange(10), 100)
    assert len(confidence_set(drawn(errors))) == 1
    assert len(confidence_set(drawn(errors, parts_of(1000, Order(groups=groups), 0)))) == 2


def test_what_is_drawn_together():
    time = np.random.default_rng(0).permutation(400).astype(float)
    part = parts_of(400, Order(time=time), 0)
    assert np.ptp(time[part == 3]) == np.sum(part == 3) - 1 == 19
    assert parts_of(5000, Order(), 0).max() == 999
    assert parts_of(50, Order(), 0).tolist() == list(range(50))


def test_the_luck_of_the_winner_is_taken_out():
    rng = np.random.default_rng(3)
    gains, apparent = [], []
    for trial in range(30):
        found = drawn(rng.normal(size=(6, 100)), seed=trial)
        o = optimism(found, found.keys, found.keys[0])
        gains.append(o.gain)
        apparent.append(o.apparent_gain)
        assert sum(o.picked.values()) == pytest.approx(1.0)
    assert np.mean(apparent) > 0.1
    assert abs(np.mean(gains)) < 0.1
    better = drawn(np.stack([1.2 * (e := rng.normal(size=300)), e]))
    o = optimism(better, better.keys, better.keys[0])
    assert o.gain > 0
    assert o.interval[0] > 0


@pytest.mark.parametrize(("groups", "parts"), [(5, 5), (100, 20)])
def test_of_groups_and_stretches_of_time_the_fewer_are_drawn(groups, parts):
    part = parts_of(400, Order(groups=np.arange(400) % groups, time=np.arange(400.0)), 0)
    assert len(np.unique(part)) == parts
