"""Folds of time or of groups may train on rows that lack a class, or have no other."""

import numpy as np
import pandas as pd
import pytest

from lossmith.choosing import ChoiceError, choose, folds
from lossmith.choosing.aims import best_constant, parse_aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.decisions import Decision
from lossmith.choosing.folds import Order, inner
from lossmith.choosing.learners import MODELS, Rowset, Task, train
from lossmith.choosing.scores import score_for

rng = np.random.default_rng(0)
N = 240
X = rng.normal(size=(N, 3))
PLAIN = Candidate("cross_entropy", "default", "", "")
BINARY = Candidate("binary_cross_entropy", "default", "", "")
UNDONE = Candidate("cross_entropy", "challenger", "", "", class_weight="balanced", undo=True)


def trained(candidate, kind, y, classes):
    score = score_for(parse_aim("probability"), classes)
    task = Task(Rowset(X), y, None, classes, score, inner(y, Order(), 1, 0), 0)
    fitted, held = train(kind, candidate, task)
    return held.prediction, fitted.predict(Rowset(X))


@pytest.mark.parametrize("candidate", [PLAIN, UNDONE], ids=["plain", "undone"])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("absent", [0, 2, 3])
def test_an_absent_class_keeps_its_column_and_a_small_chance(candidate, kind, absent):
    kept = [k for k in range(4) if k != absent]
    y = np.array(kept, dtype=float)[np.digitize(X[:, 0] + 0.3 * rng.normal(size=N), [-0.5, 0.5])]
    for p in trained(candidate, kind, y, 4):
        assert p.shape[1] == 4
        assert p.sum(axis=1) == pytest.approx(1.0)
        assert (p > 0).all()
        assert p[:, absent].max() < 0.05
    assert np.mean(p.argmax(axis=1) == y) > 0.75


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("candidate", "classes"), [(BINARY, 2), (PLAIN, 3)])
def test_of_one_class_the_constant_is_learnt(candidate, classes, kind):
    for p in trained(candidate, kind, np.ones(N), classes):
        chance = p if classes == 2 else p[:, 1]
        assert ((chance > 0.99) & (chance < 1)).all()


def test_the_constant_leaves_room_for_what_it_has_not_seen():
    aim = parse_aim("probability")
    assert best_constant(aim, np.array([0.0, 0.0, 2.0]), None, 3) == pytest.approx(np.array([2, 0.5, 1]) / 3.5)
    assert 0 < best_constant(aim, np.ones(9), None, 2) < 1


def test_a_class_without_rows_is_never_decided_for():
    p = np.array([[0.0, 0.6, 0.4], [0.2, 0.1, 0.7]])
    assert Decision("prior shift", divisors=(0.0, 0.5, 0.5)).labels(p).tolist() == [1, 2]


@pytest.mark.parametrize(("aim", "by"), [("probability", "time"), ("balanced-label", "groups")])
def test_a_race_goes_on_where_a_class_comes_late_or_in_one_group(aim, by, monkeypatch):
    monkeypatch.setattr(folds, "repeats_for", lambda n: 1)
    y = np.array(list("abd"))[rng.integers(0, 3, N)]
    key = np.arange(N) // (1 if by == "time" else 20)
    y[150:170] = "c"  # of four classes the third, so that the columns behind it would move up
    if by == "groups":
        y[key == 7] = "c"
    columns = pd.DataFrame(X, columns=list("uvw"))
    found = choose(columns, y, aim=aim, models="linear", jobs=1, **{by: key})
    assert all(p.shape[2:] == (4,) for p in found.predictions.values())
    assert all(np.isfinite(marks).all() for marks in found.scores.values())
    assert not any("divide" in warning for warning in found.warnings)


@pytest.mark.parametrize("aim", ["metric:auc", "metric:average_precision"])
@pytest.mark.parametrize("by", ["time", "groups"])
def test_a_fold_without_order_is_refused_before_the_race(aim, by):
    y = np.where(rng.random(N) < 0.3, "yes", "no")
    key = np.arange(N) // (1 if by == "time" else 12)
    y[key >= 130 if by == "time" else key > 2] = "no"  # of twenty groups three have both
    columns = pd.DataFrame(X, columns=list("uvw"))
    with pytest.raises(ChoiceError, match=r"\d+ of the \d+ folds would judge rows of one class only \(.*no"):
        choose(columns, y, aim=aim, models="linear", jobs=1, **{by: key})
