"""Where no loss is better, none is used: real training on normal noise, with many columns for the rows."""

import numpy as np
import pytest

from lossmith.choosing import choose

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.full), pytest.param(2, marks=pytest.mark.full)])
def test_the_penalty_is_not_mistaken_for_the_loss(seed):
    """An equal ridge number for r^2 and r^2/2 would make Huber win by 10% here."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(400, 280))
    y = X[:, :5].sum(axis=1) + rng.normal(size=400) * 2
    result = choose(X, y, aim="mean", models="linear", seed=seed)
    assert result.verdict != "USE"
    assert result.loss.name == "squared_error"
    gains = [row.gain for row in result.table if row.loss == "huber"]
    assert all(abs(gain) < 2 for gain in gains)
