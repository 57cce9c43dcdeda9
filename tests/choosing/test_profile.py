"""Facts of tables whose law is known, and the traps that they are warned of."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from lossmith.choosing.aims import parse_aim
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.leverage import leverages
from lossmith.choosing.pilot import pilot, within_reach
from lossmith.choosing.prepare import prepare
from lossmith.choosing.profile import profile, undecidable
from lossmith.choosing.residuals import TWO_MODES, describe, held_by_the_largest, separation
from lossmith.choosing.support import SUPPORTS, support_of
from lossmith.choosing.tables import column_from_any, from_any
from lossmith.choosing.targets import make_target
from lossmith.choosing.variance import park_slope

JARGON = re.compile(
    r"residual|dispersion|\bmodes?\b|convex|rmse|\bfolds?\b|leverage|pilot|gradient|kurtosis|deviance|tail index",
    re.IGNORECASE,
)


def facts(X, y, aim="mean", exposure=None, weight=None, **ties):
    """What is found; whatever it warns of is said in plain words, terms of statistics in brackets at most."""
    ready = prepare(X, y, None if aim is None else parse_aim(aim), weight, exposure, **ties)
    found = profile(ready.table, ready.target, ready.exposure, 0, ready.weight, ready.grouped_by, ready.timed_by)
    assert not [said for said in found.warnings if JARGON.search(re.sub(r"\([^()]*\)", "", said))]
    return dataclasses.replace(found, warnings=(*ready.notes, *ready.warnings, *found.warnings))


def named(found, name):
    return next(fact for fact in found.list if fact.name == name)


def warned(found, *words):
    return any(all(word in warning for word in words) for warning in found.warnings)


def law(kind, n=2000, seed=0):
    """A log-linear mean under noise of a known law."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    mean = np.exp(1.5 + 0.5 * X["a"] - 0.3 * X["b"])
    draw = {
        "normal": lambda: mean + rng.normal(size=n) * 0.3,
        "poisson": lambda: rng.poisson(mean),
        "gamma": lambda: rng.gamma(2.0, mean / 2.0),
        "inverse gaussian": lambda: rng.wald(mean, 3.0),
        "negative binomial": lambda: rng.poisson(mean * rng.gamma(1.0, 1.0, n)),
        "binomial": lambda: rng.binomial(6, np.clip(mean / 12.0, 0.0, 1.0)),
    }
    return X, pd.Series(np.asarray(draw[kind]()), name="y")


@pytest.mark.parametrize("kind", ["normal", "poisson", "gamma", "inverse gaussian"])
def test_the_growth_of_the_noise_names_the_law(kind):
    X, y = law(kind)
    found = facts(X, y.clip(lower=0.01) if kind == "normal" else y)
    assert found.growth.law == kind
    slope = named(found, "Park slope")
    low, high = slope.band
    assert low < {"normal": 0.0, "poisson": 1.0, "gamma": 2.0, "inverse gaussian": 3.0}[kind] + 0.1 < high + 0.2
    assert "weighs the rows rightly" in slope.meaning or kind == "inverse gaussian"


def test_the_park_slope_is_that_of_a_gamma_regression():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(size=1500) * 0.8)
    left = rng.gamma(2.0, mean / 2.0) - mean
    judge = sm.GLM(
        left**2, sm.add_constant(np.log(mean)), family=sm.families.Gamma(sm.families.links.Log())
    ).fit(cov_type="HC0")  # fmt: skip
    slope, band = park_slope(left, mean)
    assert slope == pytest.approx(judge.params[1], abs=1e-6)
    assert band[1] - slope == pytest.approx(1.96 * judge.bse[1], rel=0.15)


def test_counts_are_compared_with_a_poisson_law():
    plain, spread, narrow = (facts(*law(kind)) for kind in ("poisson", "negative binomial", "binomial"))
    assert named(plain, "dispersion").value == pytest.approx(1.0, abs=0.15)
    assert "about a Poisson" in named(plain, "dispersion").meaning
    assert "as many as there are" in named(plain, "zeros expected").meaning
    assert spread.growth.dispersion > 1.5
    assert "there are more" in named(spread, "zeros expected").meaning
    assert narrow.growth.underdispersed
    assert warned(narrow, "varies less than counts")
    assert not warned(plain, "varies less than counts")


def test_leverages_are_those_of_statsmodels():
    import statsmodels.api as sm

    X = np.random.default_rng(0).normal(size=(60, 4))
    judge = sm.OLS(X[:, 0], sm.add_constant(X)).fit().get_influence().hat_matrix_diag
    np.testing.assert_allclose(leverages(X), judge, atol=1e-12)
    twice = np.column_stack([X, X[:, :1]])  # a column that stands there twice moves nothing
    np.testing.assert_allclose(leverages(twice), judge, atol=1e-12)


def test_a_row_far_out_is_named():
    rng = np.random.default_rng(0)
    x = rng.normal(size=100)
    y = x + 0.1 * rng.normal(size=100)
    x[41], y[41] = 15.0, -15.0
    found = facts(pd.DataFrame({"x": x, "z": rng.normal(size=100)}), pd.Series(y, name="y"))
    assert named(found, "outlying leverage").rows == (42,)
    assert warned(found, "far out in the columns", "data row 42")
    assert 42 in named(found, "gradient of the top 1%").rows


def test_a_missing_value_is_not_far_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    y = 2 * x + 0.1 * rng.normal(size=300)
    x[:5] = np.nan
    found = facts(pd.DataFrame({"x": x, "z": rng.normal(size=300)}), pd.Series(y, name="y"))
    assert named(found, "outlying leverage").value == 0 and not warned(found, "far out in the columns")


@pytest.mark.parametrize(("base", "slip"), [(0.0, 1e7), (50.0, 5e5), (50.0, 5e-3)])
def test_one_slip_of_the_decimal_point_leads_no_pilot(base, slip):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 4))
    y = base + X @ [1.0, 2.0, 0.0, 0.0] + rng.normal(size=600)
    clean = facts(pd.DataFrame(X), pd.Series(y, name="y")).residuals.scale
    y[17] = slip
    found = facts(pd.DataFrame(X), pd.Series(y, name="y"))
    assert found.residuals.scale == pytest.approx(clean, rel=0.05)
    assert named(found, "gradient of the top 1%").rows[0] == 18


def test_targets_with_long_tails_are_all_within_reach():
    rng = np.random.default_rng(0)
    for y in (rng.normal(size=5000), np.exp(2 * rng.normal(size=5000)), rng.poisson(0.1, 5000), rng.laplace(size=5000)):
        assert within_reach(y) is y or np.array_equal(within_reach(y), y)


def test_that_a_few_rows_decide_is_said_once_and_where():
    X, _, rng = plain(2000)
    heavy = pd.Series(rng.standard_t(1.5, 2000), name="y")
    found = facts(X, heavy)
    (said,) = (warning for warning in found.warnings if "the squared misses" in warning)
    share = held_by_the_largest(found.pilot.residual**2)
    assert f"1% of the rows hold {share:.0%} of the squared misses" in said and share > 0.3
    worst = [int(row) + 1 for row in found.pilot.rows[np.argsort(-np.abs(found.pilot.residual))[:10]]]
    assert f"(data rows {', '.join(map(str, worst))} and 10 more)" in said
    assert found.led_by_few and not facts(X, heavy, "median").led_by_few
    assert not facts(X, pd.Series(rng.normal(size=2000), name="y")).led_by_few


def test_one_row_with_most_of_the_weight_is_named():
    X, y, _ = plain(300)
    weight = np.ones(300)
    weight[16] = 1e5
    assert warned(facts(X, y, weight=weight), "data row 17 alone carries 100% of the weight")
    assert not warned(facts(X, y, weight=np.ones(300)), "of the weight")


def test_two_modes_are_told_from_flat_skewed_and_heavy_noise():
    rng = np.random.default_rng(0)
    for noise in (rng.normal(size=2000), rng.uniform(size=2000), rng.exponential(size=2000), rng.standard_t(2, 2000)):
        assert separation(noise) < TWO_MODES
    two = np.where(rng.random(2000) < 0.4, -3.0, 3.0) + rng.normal(size=2000)
    assert describe(two).two_modes
    X = pd.DataFrame({"x": rng.normal(size=2000)})
    assert warned(facts(X, pd.Series(two, name="y")), "in two heaps")


def test_heavy_tails_are_seen_in_every_measure():
    rng = np.random.default_rng(0)
    light, heavy = describe(rng.normal(size=2000)), describe(rng.standard_t(2, 2000))
    assert not light.heavy
    assert heavy.heavy
    assert light.l_kurtosis == pytest.approx(0.1226, abs=0.02)
    assert heavy.l_kurtosis > 0.3
    assert heavy.top_share > 2 * light.top_share
    assert np.isinf(describe(rng.normal(size=100)).tail_index)  # too few rows in the tail


@pytest.mark.parametrize(
    ("values", "name", "aim", "support"),
    [
        (np.linspace(-1, 1, 60), "y", "mean", "real"),
        (np.linspace(1, 99, 60), "y", "mean", "positive"),
        (np.linspace(1, 99, 60), "share in %", "mean", "percent"),
        (np.linspace(0, 1, 60), "y", "mean", "proportion"),
        (np.repeat([0.0, 1.5, 2.5, 7.25], 15), "y", "mean", "semicontinuous"),
        (np.repeat([0, 100, 200, 700], 15), "y", "mean", "nonnegative"),
        (np.repeat([0, 1, 2, 7], 15), "y", "mean", "count"),
        (["a", "b"] * 30, "y", None, "binary"),
        (["a", "b", "c"] * 20, "y", None, "multiclass"),
        (["Too Little", "About Right", "Too Much"] * 20, "y", None, "ordinal"),
        (pd.Categorical(["u", "b", "m"] * 20, categories=["u", "m", "b"], ordered=True), "y", "label", "ordinal"),
    ],
)
def test_supports(values, name, aim, support):
    found = make_target(column_from_any(pd.Series(values), name), None if aim is None else parse_aim(aim))
    assert support_of(found) == support
    assert support in SUPPORTS


def test_ordered_categories_keep_their_order():
    values = pd.Series(pd.Categorical(["u", "b", "m"] * 20, categories=["u", "m", "b"], ordered=True))
    assert make_target(column_from_any(values, "y"), None).classes == ("u", "m", "b")


def test_the_pilot_follows_what_is_there():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    steps = np.where(X[:, 0] * X[:, 1] > 0, 5.0, -5.0)
    straight = X @ [2.0, -1.0]
    table = from_any(X)
    rows = np.arange(600)
    assert pilot(table, straight + rng.normal(size=600), None, 0, rows).model == "ridge"
    assert pilot(table, steps + rng.normal(size=600), None, 0, rows).model == "trees"
    counts = pilot(table, rng.poisson(np.exp(straight * 0.5)).astype(float), None, 0, rows)
    assert counts.model == "log-linear"
    np.testing.assert_allclose(counts.residual, counts.y - counts.prediction)
    assert counts.prediction.min() > 0


def test_an_exposure_scales_the_pilot():
    rng = np.random.default_rng(0)
    exposure = rng.uniform(0.1, 10.0, 800)
    X = pd.DataFrame({"x": rng.normal(size=800), "exposure": exposure})
    y = pd.Series(rng.poisson(exposure * np.exp(0.5 * X["x"])), name="claims")
    found = facts(X, y)
    assert (found.support, found.exposure) == ("rate", "exposure")
    assert found.growth.dispersion == pytest.approx(1.0, abs=0.2)
    assert found.pilot.prediction.sum() == pytest.approx(y.sum(), rel=0.05)
    renamed = facts(X.rename(columns={"exposure": "service"}), y)
    assert warned(renamed, "'service' may be the exposure")


@pytest.mark.parametrize("none", ["none", "None"])
def test_an_exposure_that_was_guessed_can_be_declined(none):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=300), "exposure": rng.uniform(0.1, 10.0, 300)})
    y = pd.Series(rng.poisson(np.exp(0.5 * X["x"])), name="claims")
    assert facts(X, y).exposure == "exposure"
    declined = prepare(X, y, parse_aim("mean"), none, none)
    assert (declined.exposure, declined.weight, declined.weighted_by) == (None, None, None)
    assert "exposure" in declined.table.names and not any("exposure" in note for note in declined.notes)


def test_the_same_seed_gives_the_same_facts():
    X, y = law("gamma", n=400)
    assert facts(X, y).facts() == facts(X, y).facts()


def plain(n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    return X, pd.Series(X["x"] + rng.normal(size=n), name="y"), rng


def test_no_aim_is_explained_in_the_units_of_the_user():
    X, y = law("gamma", n=300)
    assert warned(facts(X, y, aim=None), "mean was assumed", f"{y.mean():,.5g}", f"{y.median():,.5g}")


def test_groups_are_found_and_explain_nothing():
    X, y, rng = plain()
    subject = np.repeat(np.arange(60), 5)
    found = facts(X.assign(subject=subject), y)
    assert found.groups == "subject"
    assert found.columns == 2
    assert facts(X.assign(subject=subject), y, groups="none").groups is None
    per_person = {name: rng.normal(size=60)[subject] for name in ("age", "height", "income")}
    assert facts(X.assign(**per_person, k=subject), y).groups == "k"
    assert facts(X.assign(k=rng.integers(0, 60, 300)), y).groups is None
    assert facts(X.assign(individual=subject), y).groups == "individual"
    with pytest.raises(ChoiceError, match="2 groups; at least 5"):
        facts(X.assign(side=np.arange(300) % 2), y, groups="side")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("household", [1, 2, 3, 4, 5, 6, 7]),
        ("animal", ["cat", "dog", "horse", "cow", "pig", "hen"]),
        ("plan_id", ["a", "b", "c", "d", "e", "f"]),
        ("child", np.repeat(np.arange(12), [90, 70, 40, 20, 10, 8, 6, 5, 4, 3, 2, 2])),
    ],
)
def test_a_few_kinds_or_sizes_are_no_groups_whatever_they_are_called(name, values):
    X, y, rng = plain()
    kinds = np.sort(rng.choice(values, 300))
    found = facts(X.assign(**{name: kinds}), y)
    assert (found.groups, found.columns) == (None, 3)
    assert warned(found, f"{name!r} is called like the name of a group", "name it as groups")
    assert facts(X.assign(**{name: kinds}), y, groups="none").warnings == facts(X, y).warnings


@pytest.mark.parametrize("count", [10, 12, 60])
def test_groups_that_are_taken_out_of_the_models_are_warned_of(count):
    X, y, _ = plain()
    ready = prepare(X.assign(subject=np.arange(300) % count), y, None, None, None)
    assert ready.grouped_by == "subject" and "subject" not in ready.table.names
    assert any("'subject' repeats like the name of a group" in warning for warning in ready.warnings)


@pytest.mark.parametrize("name", ["id", "index", "PassengerId", "customer_id", "userID"])
def test_a_number_of_its_own_for_every_row_is_no_explanation(name):
    X, y, rng = plain()
    said = f"{name!r} looks like a row number or another id"
    assert warned(facts(X.assign(**{name: rng.permutation(300) + 10_000}), y), said)
    assert not warned(facts(X.assign(**{name: rng.integers(0, 200, 300)}), y, groups="none"), said)
    assert not warned(facts(X.assign(amount=rng.permutation(300), paid=rng.permutation(300)), y), "another id")


def test_groups_may_be_named_in_one_word():
    X, y, _ = plain()
    assert facts(X.assign(patientId=np.arange(300) % 60), y).groups == "patientId"


def test_numbered_blocks_of_rows_are_groups_where_they_fix_a_column():
    X, y, rng = plain()
    block, income = np.repeat(np.arange(1, 61), 5), rng.normal(size=60)
    blocks = X.assign(k=block, option=np.tile(np.arange(5), 60), income=income[block - 1])
    assert facts(blocks, y).groups == "k"
    assert facts(blocks.drop(columns="income"), y).groups is None  # an age beside a sex is as regular
    assert facts(blocks.assign(k=block + 1899), y).groups is None  # years
    assert facts(blocks.rename(columns={"k": "week"}), y).groups is None
    assert facts(blocks.assign(k=rng.permutation(block)), y).groups is None
    assert facts(blocks.assign(k=np.tile(np.arange(60), 5)), y).groups is None
    assert facts(X.assign(k=np.sort(rng.poisson(30, 300)), z=X["x"] > 0), y).groups is None


def twice(X, y, times=2):
    """Every row several times, in a random order."""
    rows = np.random.default_rng(1).permutation(np.repeat(np.arange(len(y)), times))
    return X.iloc[rows].reset_index(drop=True), y.iloc[rows].reset_index(drop=True), rows


@pytest.mark.parametrize("times", [2, 5])
@pytest.mark.parametrize("classes", [False, True])
def test_copies_of_rows_stay_together_and_are_no_leaks(times, classes):
    X, y, rng = plain()
    y = pd.Series(rng.normal(size=300), name="y")
    y = y.gt(0).map({True: "yes", False: "no"}) if classes else y
    X, y, origin = twice(X, y, times)
    ready = prepare(X, y, None, None, None)
    assert len(np.unique(np.column_stack([origin, ready.groups]), axis=0)) == ready.groups.max() + 1 == 300
    assert any(f"{300 * (times - 1):,} of {300 * times:,} rows" in warning for warning in ready.warnings)
    assert not any("determines" in warning for warning in ready.warnings)
    for ties in ({"groups": "none"}, {"groups": np.arange(len(y)) % 50}, {"time": np.arange(len(y))}):
        assert not warned(facts(X, y, None, **ties), "copies of earlier ones")


def test_copies_are_told_by_the_rows_of_the_users_table():
    X, y, _ = plain()
    X, y = pd.concat([X, X[5:15]], ignore_index=True), pd.concat([y, y[5:15]], ignore_index=True)
    y[0] = None
    assert warned(facts(X, y), "10 of 309 rows (3%) are copies", "as data row 301 of data row 6:")
    assert not warned(facts(X[:302], y[:302]), "copies of earlier ones")


def test_rows_that_are_alike_by_chance_are_no_copies():
    _, y, rng = plain()
    few = pd.DataFrame({"a": rng.integers(0, 4, 300), "b": rng.choice(["p", "q"], 300)})
    for table, target in [
        (few, pd.Series(rng.integers(0, 5, 300), name="y")),
        (few.assign(age=rng.integers(20, 60, 300)), pd.Series(rng.choice(["yes", "no"], 300), name="y")),
        (few[["b"]], y.round(1)),
        (few[["b"]], pd.Series(rng.choice(np.arange(30.5, 80), 300), name="y")),
    ]:
        assert not warned(facts(table, target, None), "copies of earlier ones")


def test_columns_may_be_named_by_numbers():
    X, y, rng = plain()
    frame = pd.DataFrame({0: y, 1: X["x"], 2: rng.integers(1, 4, 300), 3: rng.uniform(1, 2, 300), 4: np.arange(300)})
    for number in (0, np.int64(0)):
        ready = prepare(frame, number, parse_aim("mean"), 2, None, groups="none", time=4)
        assert ready.target.name == "0" and ready.weighted_by == "2" and ready.timed_by == "4"
        assert ready.table.names == ["1", "3", "4"]
    with pytest.raises(ChoiceError, match="no column '7'"):
        prepare(frame, 7, None, None, None)


def test_time_is_found_where_the_table_is_kept_in_its_order():
    X, y, rng = plain()
    days = pd.date_range("2024-01-01", periods=300)
    assert facts(X.assign(day=days), y).time == "day"
    assert facts(X.assign(year=np.arange(300)), y).time == "year"
    shuffled = facts(X.assign(day=rng.permutation(days)), y)
    assert shuffled.time is None
    assert warned(shuffled, "'day' holds dates")
    assert facts(X.assign(day=days), y, time="none").time is None
    with pytest.raises(ChoiceError, match="must be numbers or dates"):
        facts(X.assign(day=["monday"] * 300), y, time="day")


def test_neighbours_that_miss_alike_are_told():
    X, y, rng = plain()
    drift = np.cumsum(rng.normal(size=300))
    assert warned(facts(X, y + drift), "neighbouring rows miss alike")
    assert not warned(facts(X, y), "neighbouring rows miss alike")
    assert not warned(facts(X.assign(day=pd.date_range("2024-01-01", periods=300)), y + drift), "neighbouring rows")


def test_what_columns_may_be_besides_explanations():
    X, y, rng = plain()
    assert warned(facts(X.assign(fnlwgt=rng.uniform(1, 9, 300)), y), "'fnlwgt' is called like a weight")
    flags = X.assign(status=rng.integers(0, 2, 300))
    assert warned(facts(flags, pd.Series(np.exp(y), name="time")), "not always seen to its end", "'status'")
    survival = pd.Series(np.exp(y), name="survival")
    for name in ("censors", "censoring", "uncensored", "is_censored", "right_censored", "cens_flag", "Deleted", "died"):
        assert warned(facts(flags.rename(columns={"status": name}), survival), "not always seen", repr(name)), name
    for name in ("census", "center", "sensor", "failsafe", "married"):
        assert not warned(facts(flags.rename(columns={"status": name}), survival), "not always seen"), name
    assert not warned(facts(flags, y), "not always seen to its end")
    relevance = pd.Series(rng.integers(0, 4, 300), name="relevance")
    assert warned(facts(X.assign(qid=np.repeat(range(30), 10)), relevance, groups="none"), "looks like a ranking")


def test_facts_of_the_target_count_rows_by_their_weight():
    X, y, _ = plain()
    y = pd.Series(np.where(y < 0, 0.0, y), name="y")
    weight = np.where(y > 0, 1.0, 9.0)
    found = facts(X, y, weight=weight)
    assert named(found, "mean").value == pytest.approx(np.average(y, weights=weight))
    assert named(found, "median").value == 0.0
    assert named(found, "share of zeros").value == pytest.approx(np.average(y == 0, weights=weight))
    assert warned(facts(X, y, "quantile:0.6", weight=weight), "ask for the mean")
    assert not warned(facts(X, y, "quantile:0.6"), "ask for the mean")


def test_a_few_rows_have_no_hundredth():
    X, y, _ = plain(60)
    assert "held by one row" in named(facts(X, y), "gradient of the top row").meaning
    slip = y.where(y.index != 5, 1e4)
    assert warned(facts(X, slip), "one row holds", "of the squared misses (data row 6)")


def test_traps_of_the_target():
    X, y, rng = plain()
    capped = np.minimum(np.exp(y), 2.0)
    assert warned(facts(X, capped), "is exactly 2, its largest value")
    assert facts(X, capped).bound > 0.05
    assert facts(X[:20], pd.Series(np.arange(20) + 0.5, name="y")).bound == 0.0  # one row is no bound
    zeros = pd.Series(np.where(rng.random(300) < 0.8, 0.0, np.exp(y)), name="y")
    assert warned(facts(X, zeros, "median"), "ask for the mean")
    assert warned(facts(X, zeros, "quantile:0.6"), "ask for the mean")
    assert not warned(facts(X, zeros, "quantile:0.95"), "ask for the mean")
    assert warned(facts(X, y, "quantile:0.99"), "of 300 rows only about 3 lie above the 0.99 quantile")
    assert warned(facts(X, y, "interval:0.98"), "only about 3 lie")
    assert not warned(facts(X, y, "quantile:0.95"), "too few to learn")
    one = np.exp(y)
    one[7] = one.sum()
    assert warned(facts(X, one), "data row 8 alone carries 50%")
    assert warned(facts(X[:40], y[:40]), "40 rows are few: only large differences")
    assert warned(facts(X[:29], y[:29]), "29 rows are few: no difference is proven")


def test_what_no_comparison_can_settle():
    X, _, rng = plain(2000)
    y = pd.Series(X["x"] + rng.standard_cauchy(2000), name="y")
    for aim, reason in (("mean", "below 2"), ("median", None), ("metric:poisson_deviance", None)):
        kept = y if reason or aim == "median" else y.abs()
        ready = prepare(X, kept, parse_aim(aim), None, None)
        found = undecidable(ready.target, profile(ready.table, ready.target, None, 0))
        assert found is None if reason is None else reason in found


def test_leaks_that_all_but_determine():
    X, y, rng = plain()
    label = np.where(y > 0, "yes", "no")
    near = np.where(rng.random(300) < 0.02, -y, y)
    assert warned(facts(X.assign(near=near), pd.Series(label, name="t"), None), "'near' all but determines")
    assert not warned(facts(X, pd.Series(label, name="t"), None), "determines")
    assert warned(facts(X.assign(near=np.exp(y) + 1e-4 * rng.normal(size=300)), y), "'near' all but determines")


@pytest.mark.parametrize("wrong", [0.0, 0.01])
@pytest.mark.parametrize(
    ("form", "classes"),
    [("number", 2), ("number", 3), ("number with gaps", 2), ("number with gaps", 3), ("text", 2), ("text", 3),
     ("gap", 2), ("flag", 2)],
)  # fmt: skip
def test_leaks_of_classes_are_named_in_whatever_form_they_come(classes, wrong, form):
    X, _, rng = plain(1000)
    truth = rng.integers(0, classes, 1000)
    seen = np.where(rng.random(1000) < wrong, (truth + 1) % classes, truth)
    noisy = 10.0 * (seen * 2 % 3) + rng.normal(size=1000)
    leak = {
        "number": noisy,
        "number with gaps": np.where(rng.random(1000) < 0.3, np.nan, noisy),
        "text": np.array(["approved", "refused", "open"])[seen],
        "gap": np.where(seen == 0, np.nan, rng.normal(size=1000)),
        "flag": seen == 1,
    }[form]
    target = pd.Series(np.array(["yes", "no", "later"])[truth], name="t")
    found = facts(X.assign(leak=leak), target, None)
    assert warned(found, "'leak'", "determines the target 't'")
    assert warned(found, "'leak' by its gaps alone") == (form == "gap")
    assert not warned(facts(X, target, None), "determines")


def test_what_tells_much_of_a_class_is_no_leak():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True, as_frame=True)
    species = y.map(dict(enumerate(load_iris().target_names)))
    assert not warned(facts(X, species, None), "determines")
    X, y, rng = plain(1000)
    label = pd.Series(np.where(y > 0, "yes", "no"), name="t")
    often = rng.random(1000) < 0.15
    seen = (y > 0) ^ often
    for column in (np.where(often, -y, y), np.where(seen, "p", "q"), np.where(seen, np.nan, rng.normal(size=1000))):
        assert not warned(facts(X.assign(column=column), label, None), "determines")


def test_every_fact_is_a_number_with_a_meaning():
    for X, y in (law("gamma", 300), law("poisson", 300), plain()[:2]):
        found = facts(X, y)
        assert len({fact.name for fact in found.list}) == len(found.list) >= 15
        assert all(isinstance(fact.value, float) and len(fact.meaning) > 5 for fact in found.list)
    classes = facts(plain()[0], pd.Series(["a", "b", "b"] * 100, name="y"), None)
    assert named(classes, "share of the rarest class").value == pytest.approx(1 / 3)
