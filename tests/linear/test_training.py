"""The same linear model under several losses."""

import numpy as np
import pytest

import lossmith as lm

pytestmark = pytest.mark.slow


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    return X, X @ [1.0, 2.0] + rng.standard_t(2, size=200)


def test_each_loss_is_the_best_judge_of_itself(table):
    losses = ["squared_error", lm.get("absolute_error"), lm.get("quantile", q=0.9), lm.get("quantile", q=0.1)]
    result = lm.compare(losses, *table)
    labels = [fitted.label for fitted in result]
    assert labels == ["squared_error", "absolute_error", "quantile(q=0.9)", "quantile(q=0.1)"]
    for label in labels:
        column = {other: scores[label] for other, scores in result.scores.items()}
        assert min(column, key=column.get) == label
    assert result["squared_error"].scores["mse"] == pytest.approx(result["squared_error"].scores["squared_error"])
    assert result["absolute_error"].coef.shape == (2,)


def test_tables_are_readable(table):
    result = lm.compare(["squared_error", "huber"], *table)
    text, page = repr(result), result._repr_html_()
    assert "trained with" in text.splitlines()[0]
    assert len({line.index("intercept") for line in text.splitlines()[:1]}) == 1
    assert sum(line.count("*") for line in text.splitlines()[2:4]) == 4  # the lowest of each judge
    assert page.count("<tr>") == 3
    assert page.count("<b>") == 4


def test_links_are_crossed(table):
    X, y = table
    counts = np.random.default_rng(1).poisson(np.exp(y.clip(-2, 2) / 2))
    result = lm.compare(["poisson", "squared_error"], X, counts)
    assert result["poisson"].scores["poisson"] < lm.poisson()(counts, np.full(200, np.log(counts.mean())))
    assert np.isnan(result["squared_error"].scores["poisson"])  # its predictions are not all positive


def test_classes(table):
    X, y = table
    result = lm.compare(["binary_cross_entropy", "hinge", "brier"], X, np.where(y > 0, "up", "down"))
    assert all(0 < fitted.scores["error rate"] < 0.4 for fitted in result)
    assert result.scores["hinge"]["hinge"] <= result.scores["binary_cross_entropy"]["hinge"]


def test_held_out_rows(table):
    X, y = table
    result = lm.compare(["squared_error", "absolute_error"], X[:100], y[:100], test=(X[100:], y[100:]))
    model = result["squared_error"].model
    assert result["squared_error"].scores["mse"] == pytest.approx(np.mean((model.predict(X[100:]) - y[100:]) ** 2))
    assert "test rows" in repr(result)


def test_refusals(table):
    with pytest.raises(ValueError, match="different kinds of targets"):
        lm.compare(["squared_error", "hinge"], *table)
    for alone in ("squared_error", lm.squared_error()):
        with pytest.raises(TypeError, match=r"losses is .*must hold several losses"):
            lm.compare(alone, *table)
    with pytest.raises(TypeError, match="call it, for a loss with its default parameters"):
        lm.compare([lm.squared_error], *table)
    with pytest.raises(ValueError, match="nothing to compare"):
        lm.compare([], *table)
    with pytest.raises(KeyError, match="was not compared"):
        lm.compare(["squared_error"], *table)["huber"]
