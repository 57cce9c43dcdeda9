"""Steps to where numbers overflow: they are shortened, and nobody hears of it."""

import numpy as np
import pytest

import lossmith as lm
from lossmith.linear import LinearClassifier, LinearRegressor
from lossmith.linear.design import Design
from lossmith.linear.line import Line
from lossmith.linear.task import Task

pytestmark = pytest.mark.slow

FAR = {
    "gamma": {"l2": 0.5},
    "poisson": {"l2": 0.5, "l1": 0.1},
    "squared_error": {"l1": 0.1},
}


@pytest.mark.parametrize("seed", [36, 38, 60, 61])
@pytest.mark.parametrize("name", FAR)
@pytest.mark.filterwarnings("ignore::lossmith.linear.ConvergenceWarning")
def test_no_warning_of_numpy_escapes(name, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(6, 12)) * 10.0 ** rng.uniform(-9, 9, 12), rng.gamma(2, 1, 6)
    model = LinearRegressor(name, **FAR[name]).fit(X, y)
    assert np.isfinite(model.objective_)


@pytest.mark.parametrize("size", [1.0, 10.0, 100.0, 1000.0])
@pytest.mark.parametrize("rare", [0.00445, 1.0])
def test_a_first_step_of_any_length_is_shortened(size, rare):
    """Where rounded kinks bend next to nothing, the first step is so long that squares of it overflow."""
    X, y = np.zeros((5, 15)), np.array([0, 2, 1, 1, 0])
    X[0] = size * np.array([-29, 87, -64, 17, -69, -5, 244, 205, -66, 105, 173, -44, 12, 82, -91])
    weight = [rare, 0.00331, 0.151, 2.58, 0.000375]
    model = LinearClassifier("multi_margin", l1=0.024, tol=1e-5).fit(X, y, sample_weight=weight)
    assert model.converged_


def test_steps_whose_squares_overflow_have_a_slope():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(50, 3)), rng.normal(size=50)
    task = Task(lm.get("absolute_error"), Design(X, None), y, None, None, (0.0, 0.1))
    point = task.problem.at(task.constant)
    d = np.zeros_like(task.constant)
    d[1:] = 1e200
    line = Line(task.problem, point, d)
    assert np.isfinite(line.first) and line.last > 0
    assert np.isfinite(task.problem.penalty(d))
