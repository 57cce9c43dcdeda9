"""Scores against scikit-learn's metrics, and what adding their columns up again gives."""

import numpy as np
import pytest
from sklearn import metrics

from lossmith.choosing.aims import Aim, parse_aim
from lossmith.choosing.scores import score_for

rng = np.random.default_rng(0)
N = 400
Y = rng.gamma(2.0, 1.0, N)
F = Y * np.exp(0.3 * rng.normal(size=N))
W = rng.uniform(0.2, 2.0, N)
BINARY = (rng.random(N) < 0.3).astype(float)
P = np.round(np.clip(0.3 + 0.2 * BINARY + 0.2 * rng.normal(size=N), 0.01, 0.99), 2)  # with ties
THREE = rng.choice(3, N, p=[0.6, 0.3, 0.1]).astype(float)
ROWS = rng.dirichlet([1, 1, 1], N) + 0.5 * (THREE[:, None] == np.arange(3))
ROWS /= ROWS.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("aim", "judge"),
    [
        ("mean", metrics.mean_squared_error),
        ("median", metrics.mean_absolute_error),
        ("quantile:0.9", lambda y, f, sample_weight: metrics.mean_pinball_loss(y, f, alpha=0.9, sample_weight=W)),
        ("metric:mape", metrics.mean_absolute_percentage_error),
        ("metric:rmsle", metrics.mean_squared_log_error),
        ("metric:poisson_deviance", metrics.mean_poisson_deviance),
        ("metric:gamma_deviance", metrics.mean_gamma_deviance),
        ("metric:tweedie_deviance", lambda y, f, sample_weight: metrics.mean_tweedie_deviance(
            y, f, power=1.5, sample_weight=W)),
    ],
)  # fmt: skip
def test_of_numbers(aim, judge):
    assert score_for(parse_aim(aim)).mean(Y, F, W) == pytest.approx(judge(Y, F, sample_weight=W))


@pytest.mark.parametrize(
    ("metric", "judge"),
    [
        ("", lambda y, p, w: metrics.log_loss(y, p, sample_weight=w)),
        ("brier", lambda y, p, w: metrics.brier_score_loss(y, p, sample_weight=w)),
        ("auc", lambda y, p, w: 1 - metrics.roc_auc_score(y, p, sample_weight=w)),
        ("average_precision", lambda y, p, w: 1 - metrics.average_precision_score(y, p, sample_weight=w)),
    ],
)
def test_of_probabilities(metric, judge):
    score = score_for(Aim("probability", metric=metric), 2)
    assert score.mean(BINARY, P, W) == pytest.approx(judge(BINARY, P, W))


def test_of_rows_of_probabilities():
    assert score_for(Aim("probability"), 3).mean(THREE, ROWS) == pytest.approx(metrics.log_loss(THREE, ROWS))
    auc = metrics.roc_auc_score(THREE, ROWS, multi_class="ovr")
    assert score_for(Aim("probability", metric="auc"), 3).mean(THREE, ROWS) == pytest.approx(1 - auc)


@pytest.mark.parametrize(
    ("metric", "judge"),
    [
        ("", metrics.zero_one_loss),
        ("balanced_error", lambda y, f, sample_weight: 1 - metrics.balanced_accuracy_score(y, f, sample_weight=W)),
        ("f1", lambda y, f, sample_weight: 1 - metrics.f1_score(
            y, f, average="binary" if y.max() == 1 else "macro", sample_weight=W)),
        ("f1_macro", lambda y, f, sample_weight: 1 - metrics.f1_score(y, f, average="macro", sample_weight=W)),
        ("mcc", lambda y, f, sample_weight: 1 - metrics.matthews_corrcoef(y, f, sample_weight=W)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("classes", [2, 3])
def test_of_labels(metric, judge, classes):
    y, label = (BINARY, (P > 0.4) * 1.0) if classes == 2 else (THREE, ROWS.argmax(axis=1).astype(float))
    score = score_for(Aim("label", metric=metric), classes)
    assert score.mean(y, label, W) == pytest.approx(judge(y, label, sample_weight=W))


def test_an_interval_pays_for_width_and_for_misses():
    score = score_for(parse_aim("interval:0.8"))
    y, f = np.array([1.0, 5.0]), np.array([[0.0, 2.0], [0.0, 4.0]])
    assert score.mean(y, f) == pytest.approx((2.0 + 4.0 + 2 / 0.2 * 1.0) / 2)


def test_costs_are_read_from_their_table():
    aim = Aim("label", metric="cost", costs=((0.0, 1.0), (5.0, 0.0)))
    assert score_for(aim, 2).mean(np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 1.0])) == pytest.approx(2.0)


@pytest.mark.parametrize("metric", ["", "brier", "auc", "average_precision"])
def test_parts_add_up_to_the_whole(metric):
    score = score_for(Aim("probability", metric=metric), 2)
    sums = score.sums(BINARY, P, W, np.arange(N) % 7, 7)
    assert float(score.of(sums.sum(axis=0))) == pytest.approx(score.mean(BINARY, P, W))


def test_auc_of_rows_drawn_again_is_near_what_it_would_be():
    """The columns are exact on all rows and right to first order elsewhere."""
    score = score_for(Aim("probability", metric="auc"), 2)
    sums = score.sums(BINARY, P, np.ones(N), np.arange(N), N)
    whole, errors, moves = score.mean(BINARY, P), [], []
    for _ in range(50):
        times = rng.multinomial(N, np.full(N, 1 / N)).astype(float)
        true = score.mean(BINARY, P, times)
        errors.append(float(score.of(times @ sums)) - true)
        moves.append(true - whole)
    assert np.std(errors) < 0.2 * np.std(moves)
