"""From a table to a verdict, with real training."""

import json
import re
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from lossmith.choosing import ChoiceError, choose
from lossmith.choosing.catalogue import elicits

from .simulated import counts_with_exposure, heavy_tails, normal_noise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def plain():
    return choose(*normal_noise(0, n=500), aim="median", models="linear", jobs=1)


def heavy_tails_are_seen(seed):
    """Whatever is proven, squared error is never kept for a median. With lighter tails than these, a squared error
    whose penalty and rounds are chosen by the median's own score comes within 1%, and nothing is to be proven."""
    result = choose(*heavy_tails(seed, df=1.5, n=1000), aim="median", seed=seed)
    assert result.loss.name in ("absolute_error", "huber")
    return result.verdict == "USE"


def exposure_is_seen(seed):
    result = choose(*counts_with_exposure(seed), aim="mean", seed=seed)
    assert any("exposure" in note for note in result.notes)
    return result.sentence == "USE poisson"


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("seen", [heavy_tails_are_seen, exposure_is_seen])
def test_the_right_loss_is_proven(seen, seed):
    assert seen(seed)


def promised_loss(df, n, p):
    """By how many percent the mean absolute error of a linear model trained with squared error lies above that of one
    trained with absolute error, under Student-t noise of density d at 0: coefficients of covariance V/n (p + 1 of them)
    cost d (p + 1) V / n, and V is the variance of the noise, or 1/(2d)^2 (Koenker & Bassett 1978)."""
    noise = scipy.stats.t(df)
    d = noise.pdf(0.0)
    cost = d * (p + 1) * (noise.var() - 1 / (2 * d) ** 2) / n
    return 100 * cost / noise.expect(abs)


def of_squared_error(result, model="linear"):
    return next(row for row in result.table if (row.label, row.model) == ("squared_error", model))


def test_with_many_rows_all_consistent_centres_are_proven_equal():
    """Where the noise is symmetric, mean and median are one; the price of squared error vanishes like 1/n."""
    assert promised_loss(2.5, 16_000, 4) < 0.05
    result = choose(*heavy_tails(0, df=2.5, n=20_000, p=4), aim="median", models="linear", jobs=1)
    assert (result.verdict, result.loss.name) == ("SAME", "absolute_error")
    assert -0.2 < of_squared_error(result).gain < 0.1


@pytest.mark.parametrize("aim", ["mean", "median"])
def test_columns_that_are_nearly_the_same_prove_nothing_against_squared_error(aim):
    """The noise is normal, so squared error is as good as any; shrunk by one row's worth it would be twice as bad."""
    rng = np.random.default_rng(1)
    a = rng.normal(size=300)
    X = pd.DataFrame({"a": a, "b": a + 0.1 * rng.normal(size=300), "c": rng.normal(size=300)})
    y = pd.Series(10 * X.a - 10 * X.b + X.c + 0.3 * rng.normal(size=300), name="y")
    result = choose(X, y, aim=aim, models="linear", jobs=1)
    assert result.verdict in ("SAME", "NOT SHOWN")
    design = np.column_stack([np.ones(300), X])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    of_least_squares = {"mean": np.sqrt(np.mean(left**2)), "median": np.mean(np.abs(left))}[aim]
    assert of_squared_error(result).score == pytest.approx(of_least_squares, rel=0.05)


def test_rare_counts_have_no_heavy_tail():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 3000))
    y = pd.Series(np.minimum(rng.poisson(0.05 * np.exp(1.2 * x - 0.72)), 2), name="claims")
    result = choose(pd.DataFrame({"x": x, "z": z}), y, aim="mean", models="linear", jobs=1)
    assert (result.verdict, result.loss.name) == ("USE", "poisson")


def test_squared_error_costs_a_median_what_theory_says():
    """Half a percent: too little to be proven more than equal, and never a gain."""
    promised = promised_loss(2.5, 1600, 8)
    assert 0.5 < promised < 0.55
    result = choose(*heavy_tails(0, df=2.5, n=2000), aim="median", models="linear", jobs=1)
    found = of_squared_error(result)
    assert result.loss.name == "absolute_error"
    assert found.low < -promised < found.high and found.p_better < 0.05 and found.p_worse < 0.95
    assert found.gain == pytest.approx(-promised, abs=0.3)


@pytest.mark.full
@pytest.mark.parametrize("df", [2.0, 2.5])
def test_squared_error_is_never_better_for_a_median(df):
    result = choose(*heavy_tails(0, df=df, n=2000), aim="median")
    assert result.loss.name in ("absolute_error", "huber")
    assert all(row.p_better < 0.05 for row in result.table if row.label == "squared_error")


@pytest.mark.full
def test_with_many_columns_squared_error_is_proven_worse_for_a_median():
    """Five rows a column: several percent, which most tables can show."""
    found = [choose(*heavy_tails(seed, df=2.5, n=500, p=100), aim="median", models="linear") for seed in range(3)]
    assert all(of_squared_error(result).gain < -2 for result in found)
    assert sum((result.verdict, result.loss.name) == ("USE", "absolute_error") for result in found) >= 2


@pytest.mark.full
@pytest.mark.parametrize("seen", [heavy_tails_are_seen, exposure_is_seen])
def test_the_right_loss_is_proven_on_nine_seeds_of_ten(seen):
    assert sum(seen(seed) for seed in range(10)) >= 9


def test_a_result_holds_its_evidence(plain):
    X, y = normal_noise(0, n=500)
    assert plain.verdict in ("SAME", "NOT SHOWN")
    assert plain.loss.name == plain.default == "absolute_error"
    assert {row.label for row in plain.table} >= {"absolute_error", "squared_error", "constant"}
    for key, predictions in plain.predictions.items():
        assert predictions.shape == (5, len(y))
        assert np.isfinite(predictions).all(), key
    shown = next(row for row in plain.table if row.label == "absolute_error")
    errors = np.abs(plain.predictions["absolute_error", "linear"] - y.to_numpy())
    assert shown.score == pytest.approx(errors.mean())
    assert shown.skill > 0.2
    assert len(X) == plain.profile.rows


def test_json_and_text(plain):
    content = json.loads(json.dumps(plain.to_dict(), allow_nan=False))
    assert content["verdict"] == plain.verdict
    assert content["loss"] == {"name": "absolute_error", "params": {}}
    assert content["aim"] == "median"
    assert {"table", "score", "reason", "support", "default", "warnings"} <= set(content)
    assert str(plain).splitlines()[0] == plain.sentence
    assert max(map(len, str(plain).splitlines()[6:])) < 140


def test_same_seed_same_result(plain):
    again = choose(*normal_noise(0, n=500), aim="median", models="linear", jobs=2)
    assert again.to_dict() == plain.to_dict()
    for key, predictions in plain.predictions.items():
        np.testing.assert_array_equal(predictions, again.predictions[key])


def test_report_is_one_file_without_links(plain, tmp_path):
    path = plain.report(tmp_path / "r.html")
    text = path.read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    assert re.sub(r"<[^>]*>", "", body).strip().startswith(plain.sentence)
    assert "<svg" in text
    assert not re.search(r"(?:src|href)\s*=\s*[\"'](?!#)", text)
    assert not re.search(r"url\((?!#)", text)
    assert "squared_error" in text
    assert plain.sentence in plain._repr_html_()


OWN_SCRIPT = files("lossmith.choosing").joinpath("pages", "slider.js").read_text(encoding="utf-8")


def test_hostile_names_stay_text(tmp_path):
    X, y = normal_noise(3, n=500, p=2)
    X.columns = ["<script>alert(1)</script>", "{{ 7 * 7 }}"]
    name = "<b>y</b> $x^2$ \x1b[31m"
    result = choose(X, y.rename(name), aim="mean", models="linear", jobs=1)
    text = result.report(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<b>y" not in text
    assert "&lt;b&gt;y" in text
    assert text.count("<script") == text.count(f"<script>{OWN_SCRIPT}</script>") == 1
    assert "\x1b" not in text + str(result)


BOTH = pytest.param("linear,lightgbm", marks=pytest.mark.full)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("aim", "models"), [("mean", "linear,lightgbm"), pytest.param("median", "linear", marks=pytest.mark.full)]
)
def test_diabetes(aim, models):
    from sklearn.datasets import load_diabetes

    table = load_diabetes(as_frame=True).frame
    result = choose(table, "target", aim=aim, models=models)
    assert elicits(result.loss, result.aim)
    assert not [row.failure for row in result.table if row.failure]
    assert all(row.skill > 0.15 for row in result.table if row.model == result.kind)


@pytest.mark.slow
@pytest.mark.parametrize("models", ["linear", BOTH])
def test_breast_cancer(models):
    from sklearn.datasets import load_breast_cancer

    table = load_breast_cancer(as_frame=True).frame
    result = choose(table, "target", models=models)
    assert result.aim.functional == "probability"
    assert result.aim.assumed
    assert elicits(result.loss, result.aim)
    assert not [row.failure for row in result.table if row.failure]
    default = next(row for row in result.table if row.role == "default")
    assert default.score < 0.12


@pytest.mark.slow
@pytest.mark.parametrize("models", ["linear", BOTH])
def test_wine_has_three_classes(models):
    from sklearn.datasets import load_wine

    X, y = load_wine(return_X_y=True)
    result = choose(X, y, aim="probability", models=models)
    assert result.default == "cross_entropy"
    assert not [row.failure for row in result.table if row.failure]
    predictions = result.predictions["cross_entropy", "linear"]
    np.testing.assert_allclose(predictions.sum(axis=-1), 1.0)
    assert next(row for row in result.table if row.role == "default").score < 0.2


@pytest.mark.slow
def test_two_classes_under_boosting():
    rng = np.random.default_rng(0)
    x = rng.normal(size=600)
    label = np.where(rng.random(600) < 1 / (1 + np.exp(-2 * x)), "yes", "no")
    result = choose({"x": x}, label, models="lightgbm")
    assert result.default == "binary_cross_entropy"
    assert not [row.failure for row in result.table if row.failure]
    assert next(row for row in result.table if row.role == "default").skill > 0.2


@pytest.mark.slow
def test_quantile():
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 3, 600)
    result = choose({"x": x}, x * rng.exponential(size=600), aim="quantile:0.9", models="linear")
    assert result.verdict == "USE"
    assert result.loss.name == "quantile"
    below = np.mean(x * rng.exponential(size=600) <= result.predictions["quantile(q=0.9)", "linear"].mean(axis=0))
    assert 0.85 < below < 0.95


def test_weights_count():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    y = np.where(np.arange(1000) % 2, x, -x) + 0.1 * rng.normal(size=1000)
    weight = np.where(np.arange(1000) % 2, 1.0, 0.0)
    result = choose({"x": x, "w": weight}, y, weight="w", aim="mean", models="linear")
    assert result.profile.rows == 500
    assert next(row for row in result.table if row.role == "default").skill > 0.9


def test_small_tables_prove_nothing():
    result = choose(*normal_noise(0, n=25, p=2), aim="mean", models="linear")
    assert result.verdict == "NOT SHOWN"
    assert "25 rows" in result.reason


def test_one_wrong_cell_proves_nothing():
    """Neither that one loss is better, nor that all are the same."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    y = np.exp(0.3 * x) + 0.1 * rng.normal(size=1000)
    for wrong in (-999.0, 1e6):
        y[413] = wrong
        result = choose({"x": x}, y, aim="mean", models="linear")
        assert result.verdict == "NOT SHOWN"
        assert "one miss, in data row 414, makes up" in result.reason
        assert not any("next to nothing" in warning for warning in result.warnings)


def test_a_wrong_cell_that_does_not_count_settles_nothing():
    """One of next to no weight, or one that was not drawn."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    y = x + 0.3 * rng.normal(size=1000)
    y[413] = 1e4
    weight = np.ones(1000)
    weight[413] = 1e-12
    result = choose({"x": x}, y, aim="mean", models="linear", weight=weight)
    assert not result.evidence.undecidable
    drawn = choose({"x": x}, y, aim="mean", models="linear", sample=300)
    assert bool(drawn.evidence.undecidable) == (413 in drawn.rows)


def test_a_target_that_two_columns_give_away_is_named():
    rng = np.random.default_rng(0)
    a, b = np.round(rng.normal(size=(2, 300)), 2)
    result = choose({"a": a, "b": b, "c": rng.normal(size=300)}, a - b, aim="median", models="linear")
    assert any("too good to be true" in warning and "'a'" in warning for warning in result.warnings)


def test_a_target_without_signal_warns():
    rng = np.random.default_rng(1)
    result = choose({"x": rng.normal(size=500)}, rng.normal(size=500), aim="mean", models="linear")
    assert result.verdict != "USE"
    assert any(re.search("(no|hardly) better than the best constant", warning) for warning in result.warnings)


def test_mostly_zero_warns_about_the_median():
    rng = np.random.default_rng(1)
    y = np.where(rng.random(500) < 0.7, 0.0, rng.gamma(2.0, size=500))
    result = choose({"x": rng.normal(size=500)}, y, aim="median", models="linear")
    assert any("the best median is 0" in warning for warning in result.warnings)


def test_dirty_columns():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({
        "x": np.where(rng.random(500) < 0.2, np.nan, rng.normal(size=500)), "c": rng.choice(["a", "b", None], 500),
        "name": [f"person {i}" for i in range(500)], "empty": np.nan, "when": pd.date_range("2024-01-01", periods=500),
        "y": rng.normal(size=500),
    })  # fmt: skip
    result = choose(table, "y", aim="mean", models="linear")
    text = " ".join(result.warnings)
    assert "'empty' is empty" in text
    assert "'name' has a different text" in text
    assert any("kept in the order of 'when'" in note for note in result.notes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"x": np.inf}, "column 'x' has 1 infinite"),
        ({"aim": "mode"}, "unknown aim"),
        ({"seed": 1.5}, "seed must be a whole number of 0 or more; it is 1.5"),
        ({"jobs": 0}, "jobs must be a whole number of 1 or more; it is 0"),
        ({"aim": "cost:1e300,1"}, "one of these costs is nothing beside the other"),
        ({"aim": "total"}, "unknown aim 'total'; did you mean 'mean'"),
        ({"aim": "quantile:90"}, "between 0 and 1, such as quantile:0.9"),
        ({"models": "forest"}, "unknown model 'forest'"),
        ({"weight": "nothing"}, "no column 'nothing'"),
        ({"weight": [-1.0] * 40}, "weights in 'weight' must be"),
        ({"weight": [0.0] * 40}, "all zero"),
        ({"weight": [1.0] * 3}, "weight has 3 rows, X has 40"),
        ({"y": [1.0, 2.0]}, "y has 2 rows, X has 40"),
        ({"y": [[1.0], [2.0]]}, "y must be one column of values; it has 2 dimensions"),
        ({"y": None}, "y must be one column of values"),
        ({"seed": -1}, "seed must be a whole number of 0 or more; it is -1"),
        ({"sample": 99}, "sample must be 100 rows or more, or all; it is 99"),
        ({"models": ["linear", 3]}, "unknown model '3'"),
        ({"only": True}, "no column is left"),
    ],
)
def test_what_a_user_can_put_right(change, says):
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    x[0] = change.pop("x", x[0])
    y = change.pop("y", rng.normal(size=40))
    X = {"gone": [None] * 40} if change.pop("only", False) else {"x": x}
    with pytest.raises(ChoiceError, match=says):
        choose(X, y, **{"aim": "mean", "models": "linear", **change})


def test_the_gap_of_kinked_losses_is_reported():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(120, 2))
    result = choose(X, X[:, 0] + rng.standard_t(3, size=120), aim="median", models="linear")
    gaps = {row.label: row.gap for row in result.table}
    assert gaps["absolute_error"] is not None
    assert 0 <= gaps["absolute_error"] < 1e-5
    assert "gap: every linear model is proven" in str(result)
    assert any("proven gap to the optimum" in line for line in result.protocol)


def test_a_result_shows_itself_as_text(plain):
    assert repr(plain) == str(plain)
    assert "in percent" in str(plain)
    assert "mean absolute error falls below" in str(plain)
    assert "better, worse: by more than 1% with 95% probability" in str(plain)


def test_the_winner_is_labelled_and_a_p_stands_beside_its_own_interval():
    result = choose(*heavy_tails(0), aim="median")
    assert result.verdict == "USE"
    assert {row.outcome for row in result.table if row.label == result.loss.name} >= {"USE"}
    shown = [row for row in result.table if row.holm_p is not None]
    assert shown
    assert all(row.model == result.kind or row.role == "library" for row in shown)
    assert "Holm p: the chance" in str(result)


def test_the_loss_trains_on_y_as_it_came(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = np.where(X[:, 0] + rng.normal(size=200) > 0, "yes", "no")
    result = choose(X, y, models="linear")
    assert result.loss.labels == ("no", "yes")
    assert result.to_dict()["loss"]["labels"] == ["no", "yes"]
    chances = result.loss.to("lightgbm").fit(X, y).predict(X)
    assert chances[y == "yes"].mean() > chances[y == "no"].mean()
    assert "say aim=..." in str(result)
    assert "overflow-x" in result.report(tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_target_in_disguise():
    rng = np.random.default_rng(0)
    y = rng.normal(size=200)
    result = choose({"x": rng.normal(size=200), "secret": y}, y, models="linear")
    text = " ".join(result.warnings)
    assert "'secret' is a copy of the target" in text
    assert "is one of the columns the target in disguise? Look at 'secret'" in text


def test_strays_in_a_column_are_warned_of():
    rng = np.random.default_rng(0)
    cells = [f"{v:.3f}" for v in rng.normal(size=99)] + ["broken"]
    result = choose({"x": cells}, rng.normal(size=100), models="linear")
    assert any("'x' holds numbers, but 1 cell does not (first: 'broken' in data row 100" in w for w in result.warnings)


def test_a_model_worse_than_the_constant_is_warned_of():
    rng = np.random.default_rng(0)
    result = choose({"x": rng.normal(size=300)}, rng.normal(size=300), aim="mean")
    assert any("the lightgbm model is worse than the best constant" in warning for warning in result.warnings)
