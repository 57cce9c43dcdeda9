"""From probabilities to classes."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from lossmith.choosing.aims import Aim
from lossmith.choosing.decisions import Decision, fit_decision, undone
from lossmith.choosing.scores import score_for

rng = np.random.default_rng(0)
N = 20_000
P = rng.beta(1, 8, N)  # calibrated by construction
Y = (rng.random(N) < P).astype(float)
SHARES = np.array([1 - Y.mean(), Y.mean()])


def fitted(aim, p=P, y=Y, shares=SHARES):
    return fit_decision(aim, score_for(aim, len(shares)), y, p, None, shares)


def test_the_best_threshold_of_f1_is_half_the_best_f1():
    """Lipton, Elkan & Naryanaswamy 2014."""
    rule = fitted(Aim("label", metric="f1"))
    assert rule.threshold == pytest.approx(f1_score(Y, rule.labels(P)) / 2, abs=0.02)


def test_balanced_labels_divide_by_the_shares():
    rule = fitted(Aim("label", metric="balanced_error"))
    assert rule.rule == "prior shift"
    assert rule.power in (0.75, 1.0, 1.25)
    border = rule.divisors[1] / sum(rule.divisors)
    np.testing.assert_array_equal(rule.labels(P), border < P)


def test_costs_move_the_border_to_elkans():
    """Elkan 2001: C_FP / (C_FP + C_FN)."""
    rule = fitted(Aim("label", metric="cost", costs=((0.0, 1.0), (4.0, 0.0))))
    np.testing.assert_array_equal(rule.labels(P), P > 0.2)


def test_plain_labels_are_the_likeliest():
    assert fitted(Aim("label")).labels(np.array([0.4, 0.6])).tolist() == [0.0, 1.0]
    assert fitted(Aim("probability")) is None


def test_many_classes_are_shifted_too():
    shares = np.array([0.7, 0.2, 0.1])
    p = rng.dirichlet(10 * shares, 2000)
    y = np.array([rng.choice(3, p=row) for row in p], dtype=float)
    score = score_for(Aim("label", metric="balanced_error"), 3)
    rule = fitted(Aim("label", metric="balanced_error"), p, y, shares)
    assert score.mean(y, rule.labels(p)) < score.mean(y, p.argmax(axis=1).astype(float)) - 0.1


def test_weights_are_taken_out_of_the_odds():
    weights = (1.0, 9.0)
    odds = P / (1 - P) * 9.0
    np.testing.assert_allclose(undone(odds / (1 + odds), weights), P)


@pytest.mark.parametrize(("said", "shares"), [(0, [0.7, 0.3]), (1, [0.3, 0.7])])
def test_where_all_chances_are_equal_macro_f1_says_the_commoner_class(said, shares):
    y = np.repeat([0.0, 1.0], [int(100 * share) for share in shares])
    aim, p = Aim("label", metric="f1_macro"), np.full(100, shares[1])
    rule = fit_decision(aim, score_for(aim, 2), y, p, None, np.array(shares))
    assert (rule.labels(p) == said).all()


@pytest.mark.parametrize("metric", ["f1", "f1_macro", "balanced_error", "mcc", ""])
def test_a_decision_survives_json(metric):
    rule = fitted(Aim("label", metric=metric))
    again = Decision.from_state(json.loads(json.dumps(rule.state())))
    assert again == rule
    np.testing.assert_array_equal(again.labels(P), rule.labels(P))
    assert "class" in rule.describe() or "'1'" in rule.describe()
