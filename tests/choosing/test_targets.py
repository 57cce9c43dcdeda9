"""What a target may be asked for, and what the facts of a table say."""

import numpy as np
import pytest

from lossmith.choosing.aims import Aim, best_constant, parse_aim
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.exposure import check_exposure, find_exposure
from lossmith.choosing.leaks import leaks
from lossmith.choosing.profile import support_of
from lossmith.choosing.residuals import describe, hill, medcouple
from lossmith.choosing.scores import score_for
from lossmith.choosing.screening import closest
from lossmith.choosing.tables import column_from_any, from_any
from lossmith.choosing.targets import make_target

RNG = np.random.default_rng(0)


def target(values, aim=None):
    return make_target(column_from_any(values, "y"), None if aim is None else parse_aim(aim))


def test_aims():
    assert parse_aim("Median") == Aim("median")
    assert parse_aim("quantile:0.9").q == 0.9
    assert parse_aim("quantile:0.5") == Aim("median")
    assert str(parse_aim("quantile:0.9")) == "quantile:0.9"
    for wrong in ("mode", "quantile", "quantile:1.5", "quantile:x", "quantile:nan", "mean:3", ""):
        with pytest.raises(ChoiceError):
            parse_aim(wrong)


@pytest.mark.parametrize(
    ("codes", "names"),
    [
        ([20240101, 20240102], ("20240101", "20240102")),
        ([1000001.0, 1000002.0], ("1000001", "1000002")),
        ([-0.0, 1.0], ("0", "1")),
        ([0.1, 0.25], ("0.1", "0.25")),
        ([1.00000001, 1.00000002], ("1.00000001", "1.00000002")),
    ],
)
def test_no_two_classes_have_one_name(codes, names):
    assert target(codes * 10, "probability").classes == names


@pytest.mark.parametrize(
    ("values", "judged"),
    [
        (["low"] * 8 + ["normal"] * 12, "low"),
        (["low"] * 12 + ["normal"] * 8, "normal"),
        (["a", "b"] * 10, "b"),
        (["Yes"] * 12 + ["No"] * 8, "Yes"),
        (["Positive"] * 12 + ["negative"] * 8, "Positive"),
        ([True] * 12 + [False] * 8, "true"),
        ([1] * 12 + [0] * 8, "1"),
        ([1] * 12 + [-1] * 8, "1"),
        (["2"] * 12 + ["1"] * 8, "2"),
        (["01"] * 8 + ["02"] * 12, "02"),
    ],
)
@pytest.mark.parametrize("metric", ["f1", "jaccard", "average_precision"])
def test_a_metric_of_one_class_judges_the_one_that_is_looked_for(values, judged, metric):
    found = target(values, f"metric:{metric}")
    assert (found.classes[1], found.aim.looked_for) == (judged, judged)
    names = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    assert [found.classes[int(i)] for i in found.y] == names
    assert f"'{judged}'" in found.aim.assumptions[-1]
    assert f"'{judged}'" in found.aim.title
    assert f"'{judged}'" in score_for(found.aim, 2).name
    assert target(values, "metric:f1_macro").classes == target(values, "probability").classes  # in their own order


def test_assumed_aims():
    assert target(np.arange(20.0)).aim == Aim("mean", assumed=True)
    assert target(["a", "b"] * 10).aim == Aim("probability", assumed=True)
    assert target([True, False] * 10).aim == Aim("probability", assumed=True)
    assert target([0, 1] * 10).aim == Aim("probability", assumed=True)
    assert target([1, 2] * 10).aim == Aim("mean", assumed=True)


def test_class_ids():
    t = target(["yes", "no", None] * 10)
    assert t.classes == ("no", "yes")
    assert t.y.tolist() == [1.0, 0.0] * 10
    assert t.rows.tolist() == [i for i in range(30) if i % 3 != 2]
    assert "10 rows without a target" in t.warnings[0]
    assert target([3, 5, 7] * 10, "probability").classes == ("3", "5", "7")


@pytest.mark.parametrize(
    ("values", "aim", "says"),
    [
        ([None] * 20, "mean", "every value is missing"),
        ([1.0, np.inf] * 10, "mean", r"10 infinite values \(data rows 2, 4, 6 and 7 more\)"),
        ([1.0, 2.0] * 4, "mean", "8 rows"),
        ([7.0] * 20, "mean", "is constant"),
        (["a"] * 20, None, "one class only"),
        (["a", "b"] * 10, "mean", "--aim probability"),
        (np.linspace(0, 1, 50), "probability", "needs classes"),
        (np.arange(50), "probability", "needs classes"),
        (["a"] * 20 + ["b"] * 2, None, "'b' of the target 'y' has 2 rows"),
        ([f"name {i}" for i in range(40)], None, "has 1 row;"),
        (np.arange("2024-01-01", "2024-02-01", dtype="M8[D]"), "mean", "holds dates"),
        (["2024-01-01", "2024-01-02"] * 10, "probability", "holds dates; turn them into a number"),
    ],
)
def test_targets_that_cannot_be(values, aim, says):
    with pytest.raises(ChoiceError, match=says):
        target(values, aim)


def test_a_rare_class_is_run_but_proves_nothing():
    t = target(["a"] * 40 + ["b"] * 7)
    assert "fewer than 10" in t.undecidable


@pytest.mark.parametrize(
    ("values", "aim", "support"),
    [
        (RNG.normal(size=50), "mean", "real"),
        (RNG.poisson(2.0, 50), "mean", "count"),
        (RNG.gamma(2.0, 1.0, 50), "mean", "positive"),
        (np.where(RNG.random(50) < 0.4, 0.0, RNG.gamma(2.0, 1.0, 50)), "mean", "semicontinuous"),
        (RNG.uniform(0.1, 0.9, 50), "mean", "proportion"),
        (["a", "b"] * 25, None, "binary"),
        (["a", "b", "c"] * 20, None, "multiclass"),
    ],
)
def test_supports(values, aim, support):
    assert support_of(target(values, aim)) == support


def test_constants():
    y = np.array([1.0, 2.0, 10.0, 20.0])
    assert best_constant(Aim("mean"), y, None) == 8.25
    assert best_constant(Aim("median"), y, None) == 6.0
    assert best_constant(Aim("median"), y, np.array([1.0, 1.0, 1.0, 5.0])) == 20.0
    assert best_constant(Aim("quantile", 0.9), y, None) == 20.0
    ids = np.array([0.0, 1.0, 1.0, 2.0])
    np.testing.assert_array_equal(best_constant(Aim("probability"), ids, None, 3), [0.25, 0.5, 0.25])
    assert best_constant(Aim("probability"), np.minimum(ids, 1), None, 2) == 0.75


def test_medcouple_against_statsmodels():
    from statsmodels.stats.stattools import medcouple as judge

    for x in (RNG.normal(size=101), RNG.exponential(size=200), np.round(RNG.gamma(2.0, 2.0, 150)), np.arange(11.0)):
        assert medcouple(x) == pytest.approx(float(judge(x)), abs=1e-12)
    assert medcouple(RNG.exponential(size=20_000)) == pytest.approx(0.33, abs=0.05)


def test_shapes_of_noise():
    normal, heavy, skewed = (
        describe(x) for x in (RNG.normal(size=2000), RNG.standard_t(2, 2000), RNG.exponential(size=2000))
    )
    assert normal.symmetric
    assert heavy.symmetric
    assert not skewed.symmetric
    assert normal.scale == pytest.approx(1.0, abs=0.1)
    assert heavy.spread_ratio > 1.3 > normal.spread_ratio
    assert not describe(RNG.normal(size=30)).symmetric  # too few to know


def test_hill():
    alpha, (low, high) = hill(RNG.pareto(2.0, 20_000) + 1)
    assert low < 2.0 < high
    assert alpha == pytest.approx(2.0, abs=0.25)


@pytest.mark.parametrize("rare", [12, 60, 140, 400])
def test_a_gap_in_the_misses_is_no_tail(rare):
    """Misses of many zeros, by their small means, and of rare ones; a law with that tail is told as ever."""
    rng = np.random.default_rng(rare)
    means = 0.03 * np.exp(1.2 * rng.normal(size=3000 - rare))
    alpha, (low, _) = hill(np.append(means.clip(max=0.5), 1 - 0.1 * rng.random(rare)))
    assert alpha > 4 and low > 2
    seen = [hill(rng.standard_cauchy(3000)) for _ in range(40)]
    assert sum(high < 2 for _, (_, high) in seen) >= 39


def test_exposure():
    counts = make_target(column_from_any([0, 1, 2, 3] * 5, "claims"), parse_aim("mean"))
    table = from_any({"x": np.arange(20.0), "Exposure": np.linspace(1, 2, 20), "gaps": [None] + [1.0] * 19})
    name, note = find_exposure(table, counts, None)
    assert name == "Exposure"
    assert "taken as the exposure" in note
    assert find_exposure(table, target(RNG.normal(size=20), "mean"), None) == (None, None)
    assert find_exposure(table, counts, "Exposure") == ("Exposure", None)
    for column in table.columns:
        if column.name != "Exposure":
            with pytest.raises(ChoiceError, match="positive numbers"):
                check_exposure(column)
    for aim in ("median", "metric:rmsle"):
        with pytest.raises(ChoiceError, match="goes with --aim mean"):
            find_exposure(table, make_target(column_from_any([0, 1, 2, 3] * 5, "y"), parse_aim(aim)), "Exposure")


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([f"{i / 7:.3f}" for i in range(199)] + ["unknown"], "1 cell does not .first: 'unknown' in data row 200"),
        (["n.a."] + [f"{i / 7:.3f}" for i in range(9)] * 22, "data row 1"),
        (
            [f"{i / 7:.3f}" if i % 10 else "unknown" for i in range(200)],
            "look like numbers, 'unknown' in data row 1 is",
        ),
        ([f"${1000 + i:,.2f}" for i in range(200)], "amounts of money.*such as '.1,000.00' in data row 1"),
        ([f"-0,0{i}" for i in range(10, 90)], "decimal commas, such as '-0,010' in data row 1"),
    ],
)
def test_texts_that_are_meant_as_numbers(cells, says):
    with pytest.raises(ChoiceError, match=says):
        target(cells, "mean")


def test_classes_whose_names_look_like_something_else_are_raced_with_a_warning():
    names = [f"{i} EUR" for i in range(30)] * 10
    t = target(names, "probability")
    assert len(t.classes) == 30
    assert "look like amounts of money" in t.warnings[0] and "taken as names of classes" in t.warnings[0]
    with pytest.raises(ChoiceError, match=r"amounts of money.* if they are names of classes, use --aim probability"):
        target(names)
    with pytest.raises(ChoiceError, match=r"write 0 for 0 EUR$"):
        target([f"{i} EUR" for i in range(60)] * 10, "probability")
    assert target([f"SKU{i:03}" for i in range(30)] * 10).warnings == ()


def test_a_few_texts_that_are_numbers_may_be_classes():
    t = target(["1", "2", "3"] * 10)
    assert (t.aim.functional, t.classes, t.labels) == ("probability", ("1", "2", "3"), ("1", "2", "3"))
    assert target(["1", "2", "3"] * 10, "mean").y.tolist() == [1.0, 2.0, 3.0] * 10


def test_labels_are_the_classes_as_they_came():
    assert target(["yes", "no"] * 10).labels == ("no", "yes")
    assert target([1, 2] * 10, "probability").labels == (1, 2)
    assert target([0, 1] * 10).labels is None
    assert target([True, False] * 10).labels is None


def suspects(column, y, aim=None):
    t = target(y, aim)
    return leaks(from_any({"x": column}).take(t.rows), t)


def test_leaks():
    rng = np.random.default_rng(0)
    y, label = rng.normal(size=200), rng.choice(["a", "b"], 200)
    assert "is a copy of" in suspects(y, y)[0]
    for function in (lambda y: 3 - 2 * y, np.exp, lambda y: -np.exp(y), lambda y: np.round(2 * y + 1, 6)):
        assert "determines" in suspects(function(y), y)[0]
    assert "inside its texts" in suspects([f"about {v:.6f} EUR" for v in y], y)[0]
    assert "determines" in suspects(np.where(label == "a", "x", "z"), label)[0]
    assert "determines" in suspects(np.where(label == "a", 7, 9), label)[0]
    for innocent in (rng.normal(size=200), y + 0.1 * rng.normal(size=200), label, [f"person {i}" for i in range(200)]):
        assert suspects(innocent, y) == []
    assert suspects(rng.normal(size=200), label) == []
    assert suspects(rng.choice(list("abcdef"), 200), label) == []


def test_the_closest_columns_come_first():
    y = np.random.default_rng(0).normal(size=200)
    table = from_any({"noise": y[::-1], "near": y + 0.1, "sign": np.where(y > 0, "+", "-")})
    assert closest(table, y, False) == ["near", "sign"]
    assert closest(table, (y > 0).astype(float), True)[0] == "sign"
