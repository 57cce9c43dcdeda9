"""Recalibration, where many rows have the same prediction."""

import numpy as np
import pytest

from lossmith.choosing.guards import _miscalibration
from lossmith.choosing.isotonic import recalibrated
from lossmith.choosing.pictures.reliability import decompose, isotonic

EVEN = np.repeat([0.0, 1.0], 500)


def test_a_constant_that_is_right_wins_nothing_back():
    half = np.full(1000, 0.5)
    assert _miscalibration(EVEN, half, None) == pytest.approx(0.0, abs=1e-12)
    assert decompose(EVEN, half) == pytest.approx((0.0, 0.0, 0.25))
    assert isotonic(EVEN, half)[1].tolist() == [0.5, 0.5]


def test_equal_predictions_get_equal_values():
    rng = np.random.default_rng(0)
    p = rng.choice([0.1, 0.3, 0.5, 0.7, 0.9], 5000)
    y = (rng.random(5000) < p).astype(float)
    found = recalibrated(y, p)
    for value in np.unique(p):
        assert found[p == value] == pytest.approx(y[p == value].mean())
    assert _miscalibration(y, p, None) < 0.01


def test_a_weight_is_so_many_rows():
    rng = np.random.default_rng(1)
    p, y, times = rng.choice(20, 200) / 20, rng.normal(size=200), rng.integers(1, 4, 200)
    again = recalibrated(*(np.repeat(each, times) for each in (y, p)))
    assert np.repeat(recalibrated(y, p, times.astype(float)), times) == pytest.approx(again)
    assert _miscalibration(y, p, times.astype(float)) == pytest.approx(
        _miscalibration(np.repeat(y, times), np.repeat(p, times), None)
    )


def test_it_is_isotonic_regression_where_predictions_differ():
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(2)
    f = rng.normal(size=300)
    y, w = f + rng.normal(size=300), rng.uniform(0.5, 2.0, 300)
    assert recalibrated(y, f, w) == pytest.approx(IsotonicRegression().fit(f, y, w).predict(f))
