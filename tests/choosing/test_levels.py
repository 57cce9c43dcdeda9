"""Ordered classes: raced with their order, stored with their thresholds, code that runs."""

import json

import numpy as np
import pandas as pd
import pytest

import lossmith as lm
from lossmith.choosing import choose, load_model
from lossmith.choosing.by_hand import by_hand
from lossmith.choosing.levels import of_all
from lossmith.choosing.models import KINDS, Lesson
from lossmith.choosing.reading import reading
from lossmith.choosing.scales import SCALES, on_a_scale

pytestmark = pytest.mark.slow

NAMES = ("poor", "fair", "good", "very good", "excellent")


def surveyed(rows=300, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(rows, 10)), columns=list("abcdefghij"))
    hidden = table.to_numpy() @ [1.5, -1.0, 0.7, 0.5, *[0.0] * 6] + rng.logistic(size=rows)
    level = np.digitize(hidden, np.quantile(hidden, [0.1, 0.35, 0.7, 0.9]))
    return table, level


@pytest.fixture(scope="module")
def raced():
    table, level = surveyed(500)
    table["answer"] = np.array(NAMES)[level]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        return choose(table, "answer", aim="probability", models="linear", jobs=1), table, level


def test_the_order_wins_where_there_is_one(raced):
    result, _, _ = raced
    assert result.profile.support == "ordinal" and result.classes == NAMES
    assert (result.verdict, result.chosen.name) == ("USE", "cumulative_logit")
    ours = [row for row in result.table if row.loss == "cumulative_logit"]
    assert [row.model for row in ours] == ["linear"]
    for row in ours:
        plain = next(r for r in result.table if r.label == "cross_entropy" and r.model == row.model)
        assert row.failure is None and row.role == "challenger" and row.score < plain.score
        assert "order" in row.reason
    assert "cumulative logit" not in [one.label for one in result.left_out]


def test_the_final_model_is_saved_with_its_thresholds(raced, tmp_path):
    result, table, level = raced
    model = result.model
    found = model.predict(table)
    assert found.shape == (500, 5) and np.allclose(found.sum(axis=1), 1)
    assert -np.log(found[np.arange(500), level]).mean() < 1.2
    assert np.mean(np.array(NAMES)[level] == model.predict_label(table)) > 0.45
    path = model.save(tmp_path / "model.lossmith")
    again = load_model(path)
    assert np.array_equal(again.predict(table), found) and again.classes == NAMES
    page = result.report(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "lm.LinearClassifier(loss=lm.cumulative_logit()" in page.replace("&#39;", "'")


@pytest.mark.parametrize("kind", ["linear", "lightgbm"])
def test_both_kinds_are_stored_as_numbers(kind):
    table, level = surveyed()
    lesson = Lesson(table.to_numpy(), level.astype(float), None, 5, 0)
    fit = KINDS[kind].train(lm.cumulative_logit(), lesson, KINDS[kind].settings[0])
    again = KINDS[kind].restored(lm.cumulative_logit(), json.loads(json.dumps(fit.state())))
    assert np.array_equal(again.predict(lesson.X), fit.predict(lesson.X))
    with pytest.raises(ValueError, match="must be above"):
        KINDS[kind].restored(lm.cumulative_logit(), {**fit.state(), "thresholds": [0.0, 2.0, 1.0, 3.0]})
    trials = KINDS[kind].trials(lm.cumulative_logit(), lesson, lesson.X[:7])
    assert all(p.shape == (7, 5) and np.allclose(p.sum(axis=1), 1) for p in trials)


@pytest.mark.parametrize("kind", ["linear", "lightgbm"])
@pytest.mark.parametrize("present", [(1, 2, 4), (0, 3), (2,)])
def test_rows_may_lack_levels(kind, present):
    table, level = surveyed()
    kept = np.isin(level, present)
    lesson = Lesson(table.to_numpy()[kept], level[kept].astype(float), None, 5, 0)
    p = KINDS[kind].train(lm.cumulative_logit(), lesson, KINDS[kind].settings[0]).predict(table.to_numpy()[kept])
    assert p.shape == (kept.sum(), 5) and np.allclose(p.sum(axis=1), 1)
    for absent in set(range(5)) - set(present):  # little, but something
        assert 0 < p[:, absent].mean() < 0.03
    shares = np.bincount(level[kept], minlength=5) / kept.sum()
    assert np.abs(p.mean(axis=0) - shares).max() < 0.05


def test_thresholds_of_levels_that_were_not_seen_lie_in_order():
    loss = of_all(lm.cumulative_logit(), np.array([-1.0, 2.0]), np.array([2, 4, 7]), 10, np.linspace(-3, 3, 100))
    cuts = np.array(loss.params["thresholds"])
    assert len(cuts) == 9 and (np.diff(cuts) > 0).all()
    np.testing.assert_allclose([cuts[2:4].mean(), cuts[4:7].mean()], [-1.0, 2.0])


def test_code_by_hand_runs(raced, tmp_path):
    result, table, level = raced
    path = tmp_path / "data.csv"
    table.to_csv(path, index=False)
    found = by_hand(result)
    assert [recipe.library for recipe in found] == ["scikit-learn, linear", "LightGBM", "XGBoost"]
    for recipe in found:
        names = {}
        exec(compile(reading(result, str(path)) + "\n" + recipe.code, recipe.library, "exec"), names)
        p = names["predictions"]
        assert p.shape == (5, 5) and np.allclose(p.sum(axis=1), 1, atol=1e-6)
        assert names["names"].tolist() == list(NAMES)
        assert np.corrcoef(p @ np.arange(5), level[:5])[0, 1] > 0.5, recipe.library


def test_words_of_a_scale_stand_in_its_order():
    assert on_a_scale(["High", "LOW", "medium"]) == [1, 2, 0]
    assert on_a_scale(["About Right", "Too Little", "Too Much"]) == [1, 0, 2]
    assert on_a_scale(["very poor", "poor", "fair", "good", "excellent"]) == [0, 1, 2, 3, 4]
    assert on_a_scale(["low", "high"]) is None and on_a_scale(["low", "high", "blue"]) is None
    assert on_a_scale(["low", "Low", "high"]) is None
    for scale in SCALES:
        assert on_a_scale(sorted(scale)) == [sorted(scale).index(word) for word in scale]
