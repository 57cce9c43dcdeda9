"""Training that goes on from trees: they are read in the units in which they learnt, or not at all."""

import pickle
import subprocess
import sys

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost

import lossmith as lm
from adapters.boosters import BOOSTERS, PLAIN

ROUNDS = 30


def rows(seed, shift=0.0, n=500):
    """Of the same process, elsewhere."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    X[:, 0] += shift
    return X, 100 + 30 * X[:, 0] + rng.normal(size=n)


def grown(booster, objective, data, before=None):
    """A booster with this many more trees."""
    params = objective.params(data, PLAIN[booster])
    if booster == "lightgbm":
        return lightgbm.train({**params, "verbosity": -1}, data, ROUNDS, init_model=before)
    if booster == "xgboost":
        return xgboost.train(params, data, ROUNDS, obj=objective, xgb_model=before)
    quiet = {"allow_writing_files": False, "logging_level": "Silent", "iterations": ROUNDS}
    return catboost.CatBoost({**params, **quiet}).fit(data, init_model=before)


@pytest.fixture(params=BOOSTERS)
def first(request):
    """Which booster, an objective, the first rows and what was trained on them."""
    objective = lm.squared_error().to(request.param)
    data = objective.dataset(*rows(1))
    return request.param, objective, data, grown(request.param, objective, data)


def error(model, X, y):
    return np.sqrt(np.mean((model.predict(X) - y) ** 2))


def test_it_goes_on_in_the_units_of_the_first_rows(first):
    booster, objective, data, trees = first
    more = objective.dataset(*rows(2, shift=2.0), reference=data)
    found = objective.model(grown(booster, objective, more, trees), more)
    assert found.units == objective.model(trees, data).units
    assert error(found, *rows(3, shift=2.0)) < error(objective.model(trees, data), *rows(3, shift=2.0))
    assert error(found, *rows(4)) < 15  # half the spread of y, which what was learnt before has to explain


def test_it_goes_on_with_the_first_rows_too(first):
    booster, objective, data, trees = first
    again = objective.dataset(*rows(1))
    found = objective.model(grown(booster, objective, again, trees), again)
    assert error(found, *rows(1)) < error(objective.model(trees, data), *rows(1))


def test_in_units_of_its_own_it_is_refused(first):
    booster, objective, _, trees = first
    other = objective.dataset(*rows(5, shift=2.0))
    with pytest.raises((ValueError, catboost.CatBoostError), match=r"squared_error: .*reference=first"):
        grown(booster, objective, other, trees)


def test_a_booster_is_not_read_in_units_in_which_nothing_was_trained(first):
    _, objective, data, trees = first
    other = objective.dataset(*rows(6, shift=2.0))
    with pytest.raises(ValueError, match="squared_error: no booster was trained on this dataset"):
        objective.model(trees, other)
    held_out = objective.dataset(*rows(6, shift=2.0), reference=data)
    assert objective.model(trees, held_out).units == objective.model(trees, data).units


def test_a_booster_that_was_trained_elsewhere_is_read_where_one_says_so(first):
    _, objective, _, trees = first
    anew = objective.dataset(*rows(7, shift=1.0))
    assert objective.model(trees, objective.dataset(*rows(7, shift=1.0), reference=anew)).units


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
def test_scores_of_ones_own_are_no_trees(booster):
    objective = lm.squared_error().to(booster)
    X, y = rows(8)
    data, u = objective.dataset(X, y), np.linspace(-1, 1, len(y))
    gradient, _ = objective(u, data)
    assert gradient[-1] - gradient[0] == pytest.approx(2 - (y[-1] - y[0]) / objective._settled(y, None).units.scale[0])


ELSEWHERE = """
import pickle, sys
import lossmith as lm
booster, X, y, trees = pickle.load(sys.stdin.buffer)
objective = lm.squared_error().to(booster)
print(objective.model(trees, objective.dataset(X, y)).units)
"""


def test_another_process_reads_a_booster_with_its_rows(first):
    booster, objective, data, trees = first
    sent = pickle.dumps((booster, *rows(1), trees))
    found = subprocess.run([sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, check=True)
    assert found.stdout.decode().strip() == str(objective.model(trees, data).units)
