"""No loss can be recommended that does not aim at what was asked for."""

from dataclasses import replace

import numpy as np
import pytest

import lossmith as lm
from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidates import Candidate, candidates
from lossmith.choosing.catalogue import elicits, listing
from lossmith.choosing.consistency import consistent
from lossmith.choosing.profile import SUPPORTS, Profile
from lossmith.choosing.residuals import describe
from lossmith.choosing.variance import Growth

RNG = np.random.default_rng(0)
SYMMETRIC, SKEWED = describe(RNG.standard_t(3, 2000)), describe(RNG.exponential(size=2000))
FACTS = Profile(
    rows=2000,
    columns=5,
    support="real",
    zeros=0.1,
    skew=3.0,
    spread=100.0,
    residuals=SYMMETRIC,
    exposure=None,
    class_rows=(),
    warnings=(),
)


NUMBERS = ("real", "positive", "nonnegative", "semicontinuous", "count", "rate", "proportion", "percent")
OF_NUMBERS = (
    *("mean", "median", "quantile:0.9", "expectile:0.8", "interval:0.8", "cost:5,1", "metric:mape", "metric:rmsle"),
    *("metric:poisson_deviance", "metric:gamma_deviance", "metric:tweedie_deviance"),
)
OF_CLASSES = ("probability", "label", "balanced-label", "metric:brier", "metric:auc", "metric:f1", "metric:mcc")


def every_case():
    for aim in OF_NUMBERS:
        for support in NUMBERS:
            if aim.startswith("metric") and support == "real":
                continue  # such a target is refused before
            for residuals in (SYMMETRIC, SKEWED):
                exposure = "exposure" if support == "rate" and aim == "mean" else None
                yield aim, replace(FACTS, support=support, residuals=residuals, exposure=exposure)
    for aim in OF_CLASSES:
        for support, rows in (("binary", (90, 10)), ("multiclass", (50, 50, 10)), ("ordinal", (30, 30, 30))):
            counts = tuple((f"c{i}", n) for i, n in enumerate(rows))
            yield aim, replace(FACTS, support=support, residuals=None, class_rows=counts)


def test_every_support_is_tried():
    assert {facts.support for _, facts in every_case()} == set(SUPPORTS)


@pytest.mark.parametrize(("aim", "facts"), list(every_case()))
def test_what_may_be_recommended_is_consistent(aim, facts):
    aim = parse_aim(aim)
    found = candidates(aim, facts)
    racing = found.racing
    assert 2 <= len(racing) <= 8
    assert len({c.label for c in racing}) == len(racing)
    assert [c.role for c in racing].count("default") == 1
    assert racing[0].role == "default"
    assert racing[0].condition is None
    for c in racing:
        assert c.reason
        assert c.source
        assert c.levels == (aim.levels if aim.functional == "interval" else ())
        if c.role not in ("default", "challenger"):
            continue
        assert consistent(c, aim) or c.condition, f"{c.label} does not aim at {aim}"
        if c.condition and not aim.wants_classes:
            assert c.role == "challenger"
            assert facts.residuals.symmetric
            assert facts.support == "real"
        if c.name == "gamma":
            assert facts.support == "positive" or aim.metric == "gamma_deviance"
        if c.transform == "log":
            assert facts.support == "positive" or aim.metric == "mape"
    names = {c.name for c in racing}
    assert found.left_out
    for left in found.left_out:
        assert left.label not in names
        assert len(left.why) > 10
        assert "{" not in left.why


@pytest.mark.parametrize(
    ("aim", "support", "name", "why"),
    [
        ("mean", "real", "lq", "a centre of its own"),
        ("mean", "real", "gaussian_nll", "which the mean does not need"),
        ("interval:0.8", "real", "gaussian_nll", "which an interval that holds 80% of what comes does not need"),
        ("probability", "binary", "hinge", "no probability can be read off its scores"),
        ("probability", "binary", "squared_hinge", "twice the probability minus 1"),
        ("probability", "binary", "exponential", "half the log-odds"),
        ("label", "binary", "hinge", "the class is taken from probabilities"),
        ("balanced-label", "binary", "exponential", "the class is taken from probabilities"),
        ("label", "multiclass", "multi_margin", "the class is taken from probabilities"),
    ],
)
def test_what_does_not_race_has_a_reason_of_its_aim(aim, support, name, why):
    facts = replace(FACTS, support=support, class_rows=(("a", 50), ("b", 50)))
    found = {left.label: left.why for left in candidates(parse_aim(aim), facts).left_out}
    assert why in found[name]


def one(name, params=None, **how):
    return Candidate(name, "default", "", "", params or {}, **how)


@pytest.mark.parametrize(
    ("aim", "candidate", "expected"),
    [
        ("median", one("absolute_error"), True),
        ("median", one("absolute_error", transform="log"), True),
        ("median", one("absolute_error", row_weight="1/y"), False),
        ("metric:mape", one("absolute_error", row_weight="1/y"), True),
        ("metric:mape", one("absolute_error"), False),
        ("mean", one("absolute_error"), False),
        ("mean", one("squared_error"), True),
        ("mean", one("squared_error", transform="log"), False),
        ("metric:rmsle", one("squared_error"), False),
        ("metric:rmsle", one("squared_error", transform="log1p"), True),
        ("metric:rmsle", one("poisson", transform="log1p"), False),
        ("expectile:0.8", one("expectile", {"q": 0.8}), True),
        ("expectile:0.8", one("quantile", {"q": 0.8}), False),
        ("quantile:0.8", one("quantile", {"q": 0.8}), True),
        ("quantile:0.8", one("quantile", {"q": 0.2}), False),
        ("interval:0.8", one("quantile", levels=(0.1, 0.9)), True),
        ("interval:0.8", one("quantile", levels=(0.05, 0.95)), False),
        ("interval:0.8", one("squared_error", levels=(0.1, 0.9), band=True), False),
        ("probability", one("brier"), True),
        ("probability", one("brier", class_weight="balanced"), False),
        ("probability", one("brier", class_weight="balanced", undo=True), True),
        ("probability", one("binary_cross_entropy", {"label_smoothing": 0.1}), False),
        ("probability", one("focal"), False),
        ("label", one("squared_error"), False),
    ],
)
def test_what_is_consistent_and_what_is_not(aim, candidate, expected):
    assert consistent(candidate, parse_aim(aim)) is expected


def test_the_same_table_needs_different_losses_for_its_mean_and_its_median():
    defaults = {aim: candidates(parse_aim(aim), FACTS).racing[0].name for aim in ("mean", "median", "quantile:0.9")}
    assert defaults == {"mean": "squared_error", "median": "absolute_error", "quantile:0.9": "quantile"}


def test_huber_needs_symmetric_noise():
    for aim in ("mean", "median"):
        roles = {c.name: c.role for c in candidates(parse_aim(aim), FACTS).racing}
        assert roles["huber"] == "challenger"
        skewed = {c.name: c.role for c in candidates(parse_aim(aim), replace(FACTS, residuals=SKEWED)).racing}
        assert skewed["huber"] == "reference"


def test_scales_are_in_units_of_y():
    huber = next(c for c in candidates(parse_aim("median"), FACTS).racing if c.name == "huber")
    assert huber.params["delta"] == pytest.approx(1.345 * SYMMETRIC.scale, rel=1e-3)
    assert huber.loss(10.0).params["delta"] == pytest.approx(huber.params["delta"] / 10)


def roles(aim, **changes):
    return {c.label: c.role for c in candidates(parse_aim(aim), replace(FACTS, **changes)).racing}


def test_what_is_not_calibrated_is_a_reference():
    rare = {"support": "binary", "residuals": None, "class_rows": (("a", 95), ("b", 5))}
    found = roles("probability", **rare)
    assert found["focal(gamma=2)"] == "reference"
    assert found["binary_cross_entropy(label_smoothing=0.1)"] == "reference"
    assert found["binary_cross_entropy(class weights)"] == "reference"
    assert found["brier"] == "challenger"
    labels = roles("label", **rare)
    assert labels["binary_cross_entropy(class weights undone)"] == labels["focal(gamma=2)"] == "challenger"
    assert roles("balanced-label", **rare)["focal(gamma=2)"] == "reference"
    even = {**rare, "class_rows": (("a", 50), ("b", 50))}
    assert not any("class weights" in label for label in (*roles("probability", **even), *roles("label", **even)))


def test_parameters_come_from_the_data():
    growth = Growth(1.73, (1.6, 1.8), None, None, None, None, 2000)
    assert roles("mean", support="semicontinuous", growth=growth)["tweedie(power=1.7)"] == "challenger"
    steep = replace(growth, slope=2.6)
    assert roles("mean", support="semicontinuous", growth=steep)["tweedie(power=1.9)"] == "challenger"
    assert roles("metric:tweedie_deviance", support="count", growth=growth)["tweedie(power=1.5)"] == "default"
    assert roles("cost:3,1", support="real")["quantile(q=0.75)"] == "default"
    percent = candidates(parse_aim("mean"), replace(FACTS, support="percent")).racing
    assert {c.name: c.unit for c in percent}["binary_cross_entropy"] == 100.0


def test_the_judge_itself_leads_where_a_deviance_judges():
    assert roles("metric:poisson_deviance", support="count")["poisson"] == "default"
    assert roles("metric:gamma_deviance", support="positive", spread=3.0, skew=0.1)["gamma"] == "default"
    assert roles("metric:rmsle", support="count")["squared_error(on log1p y)"] == "default"
    assert roles("metric:mape", support="positive")["absolute_error(weight=1/y)"] == "default"
    assert roles("interval:0.8", support="positive") == {
        "quantile(q=0.1 and 0.9)": "default",
        "squared_error(normal band)": "library",
        "quantile(q=0.1 and 0.9, on log y)": "challenger",
    }


def test_huber_says_what_it_can_gain():
    light = describe(RNG.normal(size=5000))
    for residuals, words in ((SYMMETRIC, "tails are heavy"), (light, "tails are light")):
        huber = candidates(parse_aim("mean"), replace(FACTS, residuals=residuals)).racing[1]
        assert huber.name == "huber"
        assert words in huber.reason


def test_a_candidate_trains_on_what_it_says():
    y, ids = np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0, 1.0])
    for transform in ("", "log", "log1p"):
        c = one("absolute_error", transform=transform)
        np.testing.assert_allclose(c.restored(c.transformed(y)), y)
    percent = one("binary_cross_entropy", unit=100.0)
    np.testing.assert_allclose(percent.transformed(np.array([0.0, 50.0])), [0.0, 0.5])
    np.testing.assert_allclose(percent.restored(np.array([0.5])), [50.0])
    weighted = one("absolute_error", row_weight="1/y").row_weights(y, None)
    np.testing.assert_allclose(weighted / weighted[0], 1 / y)
    assert weighted.mean() == pytest.approx(1.0)
    balanced = one("brier", class_weight="balanced")
    for weight in (None, np.array([2.0, 1.0, 1.0, 2.0])):
        rows = balanced.row_weights(ids, weight, 2)
        assert rows[ids == 0].sum() == pytest.approx(rows[ids == 1].sum())
    pair = one("quantile", levels=(0.1, 0.9))
    assert [pair.at(q).loss().params["q"] for q in pair.levels] == [0.1, 0.9]
    assert pair.loss().params["q"] == 0.1


def test_a_quantile_loss_aims_at_its_own_level_only():
    assert elicits(lm.get("quantile", q=0.9), parse_aim("quantile:0.9"))
    assert not elicits(lm.get("quantile", q=0.1), parse_aim("quantile:0.9"))
    assert elicits(lm.get("quantile", q=0.5), parse_aim("median"))
    for aim, name in (("quantile:0.9", "quantile"), ("expectile:0.8", "expectile"), ("interval:0.8", "quantile"),
                      ("metric:mape", "absolute_percentage_error"), ("metric:rmsle", "squared_log_error")):  # fmt: skip
        assert [line.split()[0] for line in listing(aim=aim)[2:]] == [name]


def test_the_loss_of_a_result_says_all_or_what_it_does_not():
    over_y = Candidate("absolute_error", "challenger", "", "", row_weight="1/y")
    assert over_y.whole(None) == lm.absolute_percentage_error() and over_y.beside is None
    logs = replace(over_y, transform="log")
    assert logs.whole(None) == lm.absolute_error() and logs.beside == "on log y and with rows weighing 1/y"
    pair = Candidate("quantile", "default", "", "", levels=(0.1, 0.9))
    assert pair.whole(None) == lm.quantile(q=0.1) and pair.beside == "at 2 levels side by side"
    assert Candidate("huber", "default", "", "").beside is None
