"""Totals add up: batches, partitions, machines."""

import pickle
from functools import reduce
from operator import add

import numpy as np
import pytest

import lossmith as lm

from . import samples

EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)


@EVERY
def test_a_total_is_the_weighted_sum_and_the_weight(sample):
    total = sample.loss.total(sample.y, sample.f, weight=sample.weight)
    assert total.sum == pytest.approx(sample.loss(sample.y, sample.f, weight=sample.weight, reduction="sum"), rel=1e-15)
    assert total.weight == pytest.approx(sample.weight.sum(), rel=1e-15)
    assert total.sum / total.weight == pytest.approx(sample.loss(sample.y, sample.f, weight=sample.weight), rel=1e-15)


@EVERY
def test_totals_of_batches_add_up_to_the_total_of_all(sample):
    y, f, w = sample.y, sample.f, sample.weight
    whole = sample.loss.total(y, f, weight=w)
    parts = [sample.loss.total(y[rows], f[rows], weight=w[rows]) for rows in (slice(0, 1), slice(1, 4), slice(4, None))]
    both = reduce(add, parts)
    scale = np.abs(w * sample.loss(y, f, reduction="none")).sum()
    assert abs(both.sum - whole.sum) <= 1e-14 * scale
    assert both.weight == pytest.approx(whole.weight, rel=1e-14)


def test_the_weight_counts_the_weights_of_kept_samples():
    y, f = np.zeros(4), np.ones(4)
    loss = lm.squared_error()
    assert loss.total(y, f).weight == 4.0
    assert loss.total(y, f, where=[True, False, True, True]).weight == 3.0
    assert loss.total(y, f, weight=[1.0, 2.0, 0.0, 3.0]).weight == 6.0
    weighted = lm.binary_cross_entropy().class_weighted({0: 1.0, 1: 9.0})
    assert weighted.total([0, 1], [0.0, 0.0]).weight == 2.0
    ignoring = lm.cross_entropy(ignore_index=-1, class_weight=[2.0, 3.0])
    assert ignoring.total([0, -1, 1], np.zeros((3, 2))).weight == 2.0


def test_an_empty_batch_adds_nothing():
    y, f = samples.REAL
    loss = lm.huber()
    whole = loss.total(y, f)
    again = whole + loss.total(y[:0], f[:0]) + loss.total(y, f, where=np.zeros(6, bool))
    assert (again.sum, again.weight) == (whole.sum, whole.weight)


def parted(loss, y, f, w, edges):
    parts = zip([0, *edges], [*edges, len(y)], strict=True)
    return reduce(add, [loss.total(y[a:b], f[a:b], weight=w[a:b]) for a, b in parts])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_partition_in_the_same_order_has_the_same_bits_and_others_agree(dtype):
    random = np.random.default_rng(1)
    y, f, w = random.normal(size=20000).astype(dtype), random.normal(size=20000).astype(dtype), random.random(20000)
    loss = lm.log_cosh()
    scale = np.abs(w * loss(y, f, reduction="none")).sum()
    edges = [17, 4000, 4001, 15555]
    first, again = parted(loss, y, f, w, edges), parted(loss, y.copy(), f.copy(), w.copy(), edges)
    assert (first.sum, first.weight) == (again.sum, again.weight)
    for other in ([10000], [1, 2, 3], list(range(100, 20000, 100))):
        assert abs(parted(loss, y, f, w, other).sum - first.sum) <= 1e-14 * scale


def test_a_hundred_thousand_totals_add_up_as_exactly_as_two():
    tenth = lm.Total(0.1, 0.1)
    total = reduce(add, [tenth] * 100_000)
    assert (total.sum, total.weight) == (10_000.0, 10_000.0)
    assert total + 0 == 0 + total == total == sum([total])
    sent = pickle.loads(pickle.dumps(total))
    assert (sent + tenth).weight == (total + tenth).weight


def test_a_loss_with_a_sign_still_agrees_to_the_absolute_sum():
    """Poisson terms of both signs cancel; what is promised is relative to the sum of their sizes."""
    random = np.random.default_rng(2)
    y, f = random.poisson(3, 9000).astype(float), random.normal(1.0, 0.3, 9000)
    loss, w = lm.poisson(), np.ones(9000)
    scale = np.abs(loss(y, f, reduction="none")).sum()
    assert abs(parted(loss, y, f, w, [3000]).sum - loss.total(y, f).sum) <= 1e-14 * scale


def test_totals_are_plain_numbers_that_travel():
    total = lm.huber().total(*samples.REAL)
    assert type(total.sum) is float and type(total.weight) is float
    sent = pickle.loads(pickle.dumps(total))
    assert (sent.sum, sent.weight) == (total.sum, total.weight)
    assert sent == total
