"""Races of every kind of candidate: what is trained, tuned, turned back, decided and written down."""

import json
from contextlib import contextmanager

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lossmith.choosing import choose, folds
from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.folds import Order, inner
from lossmith.choosing.learners import MODELS, Fitted, Rowset, Task, train
from lossmith.choosing.race import fit_final
from lossmith.choosing.report import render
from lossmith.choosing.run import pose
from lossmith.choosing.scores import score_for

from .simulated import normal_noise


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    """What is asked here is whether a race runs, not what it proves."""
    monkeypatch.setattr(folds, "repeats_for", lambda n: 1)


rng = np.random.default_rng(0)
N = 300
X = rng.normal(size=(N, 3))
Y = np.exp(0.5 * X[:, 0]) * rng.gamma(2.0, 0.5, N)
BINARY = (rng.random(N) < 1 / (1 + np.exp(2 - 2 * X[:, 0]))).astype(float)


def trained(candidate, aim, kind, y=Y, classes=0, exposure=None):
    task = Task(Rowset(X, exposure), y, None, classes, score_for(parse_aim(aim), classes), inner(y, Order(), 1, 0), 0)
    fitted, held = train(kind, candidate, task)
    return fitted, held, fitted.predict(Rowset(X, exposure))


CASES = {
    "pair": (Candidate("quantile", "default", "", "", levels=(0.1, 0.9)), "interval:0.8", Y, 0),
    "band": (Candidate("squared_error", "library", "", "", levels=(0.1, 0.9), band=True), "interval:0.8", Y, 0),
    "mape": (Candidate("absolute_error", "default", "", "", row_weight="1/y"), "metric:mape", Y, 0),
    "log": (Candidate("absolute_error", "default", "", "", transform="log"), "median", Y, 0),
    "percent": (Candidate("binary_cross_entropy", "default", "", "", unit=100.0), "mean", 100 * Y / Y.max(), 0),
    "poisson": (Candidate("poisson", "default", "", "", positive=True, offset=True), "mean", Y, 0),
    "classes": (Candidate("binary_cross_entropy", "default", "", ""), "probability", BINARY, 2),
    "undone": (
        Candidate("binary_cross_entropy", "default", "", "", class_weight="balanced", undo=True), "label", BINARY, 2
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", CASES)
def test_a_model_survives_json(name, kind):
    candidate, aim, y, classes = CASES[name]
    exposure = rng.uniform(0.5, 2.0, N) if candidate.offset else None
    fitted, held, found = trained(candidate, aim, kind, y, classes, exposure)
    assert np.isfinite(found).all()
    assert held.prediction.shape == (len(held.rows), *found.shape[1:])
    again = Fitted.from_state(json.loads(json.dumps(fitted.state())))
    np.testing.assert_array_equal(again.predict(Rowset(X, exposure)), found)
    if found.ndim == 2:
        assert (found[:, 0] <= found[:, 1]).all()
        assert 0.6 < np.mean((y >= found[:, 0]) & (y <= found[:, 1])) < 0.97


def test_class_weights_raise_the_rare_class_unless_undone():
    weighted = Candidate("binary_cross_entropy", "default", "", "", class_weight="balanced")
    plain = trained(CASES["classes"][0], "probability", "linear", BINARY, 2)[2]
    raised = trained(weighted, "label", "linear", BINARY, 2)[2]
    undone = trained(CASES["undone"][0], "label", "linear", BINARY, 2)[2]
    assert raised.mean() > plain.mean() + 0.1
    assert undone.mean() == pytest.approx(plain.mean(), abs=0.03)


def test_the_penalty_is_tuned():
    """Many columns of noise ask for more shrinkage than a strong signal in few."""
    noise = rng.normal(size=(80, 60))
    settings = []
    for y in (rng.normal(size=80), noise[:, 0] * 10):
        task = Task(Rowset(noise), y, None, 0, score_for(parse_aim("mean")), inner(y, Order(), 1, 0), 0)
        settings.append(train("linear", Candidate("squared_error", "default", "", ""), task)[0].settings[0])
    assert settings[0] > settings[1]


def test_few_rows_are_all_held_out_where_a_penalty_is_chosen():
    def splits(aim, y, rows):
        return pose(X, y, aim, None, None, None, None, 0)[3].take(np.arange(rows)).inner_splits

    assert [splits("mean", Y, N), splits("mean", Y, N - 1), splits("label", BINARY, N)] == [1, 3, 3]


@pytest.mark.slow
def test_iris_gets_a_penalty_as_good_as_others_find():
    iris = load_iris()
    found = choose(iris.data, iris.target_names[iris.target], models="linear", jobs=1)
    peer = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=2000))
    theirs = -cross_val_score(peer, iris.data, iris.target, scoring="neg_log_loss").mean()
    assert found.scores["cross_entropy", "linear"].mean() < 2 * theirs


@pytest.mark.parametrize("aim", ["balanced-label", "metric:f1", "interval:0.8", "metric:auc"])
def test_every_end_of_an_aim(aim):
    wants_numbers = aim.startswith("interval")
    result = choose(X, Y if wants_numbers else BINARY, aim=aim, models="linear", jobs=1)
    assert not [row.failure for row in result.table if row.failure]
    assert all(np.isfinite(row.score) for row in result.table)
    decision = result.evidence.decision
    assert (decision is not None) == result.score.judges_labels
    assert result.evidence.confidence_set
    assert set(result.evidence.guards) == set(result.predictions)
    assert result.evidence.over_library


def test_a_constant_without_a_score_is_no_rival(monkeypatch):
    monkeypatch.setattr("lossmith.choosing.race._constant", lambda given, exposure, rows: np.full(rows, np.inf))
    result = choose(X, Y, aim="mean", models="linear", jobs=1)
    assert all(g.passed for checked in result.evidence.guards.values() for g in checked if g.name == "skill")
    assert not [w for w in result.warnings if "constant" in w or "disguise" in w]


def test_what_the_default_misses_is_said_though_it_may_win():
    """Of a target that grows for ever the past holds too few such high values, and no column says when it is."""
    time = np.arange(N)
    result = choose(X, Y + time, aim="quantile:0.9", time=time, models="linear", jobs=1)
    (bias,) = (g for g in result.evidence.guards[result.default, "linear"] if g.name == "bias")
    assert not bias.passed and not bias.bars and bias.excuse == "the default"
    assert any(w.startswith("what is handed over") and bias.meaning in w for w in result.warnings)
    assert "failed (the default)" in render(result)
    calm = choose(X, Y, aim="mean", models="linear", jobs=1)
    assert all(g.passed for g in calm.evidence.guards[calm.default, "linear"])
    assert not [w for w in calm.warnings if "handed over" in w]


def test_time_goes_forward_and_the_past_is_not_judged():
    time = np.arange(N)
    result = choose(X, Y, aim="mean", time=time, models="linear", jobs=1)
    predictions = result.predictions["squared_error", "linear"]
    assert predictions.shape == (1, N)
    assert np.isnan(predictions[0, : N // 2]).all()
    assert np.isfinite(predictions[0, N // 2 :]).all()


def test_groups_unlearn_what_only_they_know():
    """A column that tells groups apart predicts their level within them, and nothing of other groups."""
    groups = np.repeat(np.arange(30), 10)
    level = rng.normal(size=30)
    table = {"marker": level[groups] ** 3 + groups * 1e-3, "x": rng.normal(size=300)}
    y = rng.normal(size=30)[groups] + 0.1 * rng.normal(size=300)
    skill = {}
    for how in (groups, "none"):
        result = choose(table, y, aim="mean", groups=how, models="lightgbm", jobs=1)
        skill[str(how)[:4]] = next(row.skill for row in result.table if row.role == "default")
    assert skill["none"] > 0.5
    assert min(skill.values()) < 0.1


@contextmanager
def backend(name):
    """Two workers of a joblib backend; Dask's are processes of its own."""
    if name == "dask":
        from distributed import Client, LocalCluster

        made = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        with made as cluster, Client(cluster), joblib.parallel_config(backend="dask"):
            yield
    else:
        with joblib.parallel_config(backend=name, n_jobs=2):
            yield


@pytest.mark.slow
@pytest.mark.parametrize("name", ["threading", "loky", pytest.param("dask", marks=pytest.mark.full)])
@pytest.mark.parametrize("models", ["linear", pytest.param("linear,lightgbm", marks=pytest.mark.full)])
def test_other_backends_of_joblib_take_over(name, models):
    table = normal_noise(5, n=60, p=2)
    straight = choose(*table, aim="mean", models=models, jobs=1)
    with backend(name):
        elsewhere = choose(*table, aim="mean", models=models, jobs=2)
    assert elsewhere.to_dict() == straight.to_dict()
    for key, predictions in straight.predictions.items():
        np.testing.assert_array_equal(elsewhere.predictions[key], predictions)


def test_the_final_model_is_of_all_rows_and_of_the_users_units():
    _, _, runners, problem = pose(X, Y, "mean", None, None, None, None, 0)
    fitted, encoder = fit_final(problem, runners[0], "linear")
    found = fitted.predict(Rowset(encoder.transform(problem.table)))
    assert found.mean() == pytest.approx(Y.mean(), rel=0.01)
