"""Second derivatives of several scores as a product of what is between the scores and what is between the features."""

import numpy as np
import pytest

import lossmith as lm
from lossmith.linear import LinearClassifier, directions
from lossmith.linear.design import Design
from lossmith.linear.problem import Problem
from lossmith.linear.sketch import Apart, Sketch

N, P, K = 400, 5, 4


def table(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, P)) * [1, 10, 0.1, 1, 1] + 3
    y = np.argmax((X - 3) @ (rng.normal(size=(P, K)) / [[1], [10], [0.1], [1], [1]]) + rng.gumbel(size=(N, K)), axis=1)
    return X, y, rng.uniform(0.5, 2, N), rng


def posed(X, l2):
    _, y, weight, _ = table()
    return Problem(lm.cross_entropy(), Design(X, weight), y, weight, l2, 0.0, 1.0)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_it_is_the_truth_where_all_samples_have_the_same_scores(l2):
    X, *_, rng = table()
    problem, theta = posed(X, l2), np.zeros((P + 1, K))
    theta[0] = rng.normal(size=K)
    H, upwards = Sketch(problem, np.arange(N)).matrix(problem.at(theta))
    H += np.diag(np.tile(problem.l2, K))
    g = rng.normal(size=(P + 1, K))
    g -= g.mean(axis=1, keepdims=True)  # as of every softmax: scores that all rise alike change nothing
    apart = Apart(problem, theta)
    assert upwards and apart.is_regular
    np.testing.assert_allclose(H @ apart(g.ravel("F")), g.ravel("F"), atol=1e-7)


def test_it_says_where_features_are_collinear():
    X, *_ = table()
    twice = np.column_stack([X, X[:, 0] - X[:, 1]])
    for l2, regular in ((0.0, False), (0.1, True)):
        problem = posed(twice, l2)
        assert Apart(problem, np.zeros((P + 2, K))).is_regular is regular


@pytest.mark.parametrize("quick", [0.0, 1e12], ids=["steps alone", "with a matrix"])
@pytest.mark.parametrize("penalty", [{}, {"l2": 0.01}], ids=str)
def test_every_way_leads_to_the_same_optimum(quick, penalty, monkeypatch):
    X, y, weight, _ = table()
    monkeypatch.setattr(directions, "_PATIENCE", 0)  # Newton's steps
    newton = LinearClassifier(**penalty).fit(X, y, weight)
    monkeypatch.undo()
    monkeypatch.setattr(directions, "_QUICK", quick)
    found = LinearClassifier(**penalty).fit(X, y, weight)
    assert found.converged_ and newton.converged_
    assert found.objective_ == pytest.approx(newton.objective_, rel=1e-8)
    assert found.objective_ - found.gap_ <= newton.objective_ + 1e-13
    np.testing.assert_allclose(found.predict_proba(X), newton.predict_proba(X), atol=1e-3)
