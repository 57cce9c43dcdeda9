"""The numbers behind the pictures, against what they are by definition."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import lossmith as lm
from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.pictures.answers import answers
from lossmith.choosing.pictures.canvas import ACROSS, PALETTE, round_numbers, short, tick
from lossmith.choosing.pictures.costs import _per_unit, costs
from lossmith.choosing.pictures.data import Seen
from lossmith.choosing.pictures.forest import _reach, forest
from lossmith.choosing.pictures.murphy import _gain, _sentence, elementary
from lossmith.choosing.pictures.owners import owners, shares, top_share
from lossmith.choosing.pictures.pull import ENDS, pull
from lossmith.choosing.pictures.reliability import Curve, decompose, isotonic, reliability, shifted
from lossmith.choosing.pictures.spread import few_ticks
from lossmith.choosing.residuals import describe, held_by_the_largest, in_share
from lossmith.choosing.result import Row
from lossmith.choosing.run import _costs

from .quick import result, table

RNG = np.random.default_rng(0)
Y, F = RNG.normal(size=(2, 200))


@pytest.mark.parametrize(
    ("aim", "loss", "factor"),
    [
        ("mean", lm.squared_error(), 0.5),
        ("median", lm.absolute_error(), 0.5),
        ("quantile:0.9", lm.quantile(q=0.9), 1.0),
        ("expectile:0.7", lm.expectile(q=0.7), 0.5),
    ],
)
def test_elementary_scores_add_up_to_the_aims_own_loss(aim, loss, factor):
    """Ehm et al. 2016: a consistent score is a mixture of elementary ones, here with the same weight everywhere."""
    thresholds = np.linspace(-5, 5, 20001)
    step = thresholds[1] - thresholds[0]
    total = sum(elementary(parse_aim(aim), Y, F, t) for t in thresholds) * step
    np.testing.assert_allclose(total, factor * loss(Y, F, reduction="none"), atol=2e-3)


@pytest.mark.parametrize(
    ("low", "high"), [(-4.5e6, 4.5e6), (0, 1.5e7), (1e4, 7e5), (-3e9, 2e9), (-1, 1), (0, 5e13), (2e15, 9e15)]
)
def test_numbers_along_an_axis_have_room_and_one_unit(low, high):
    seen = [v for v in round_numbers(low, high, ACROSS).tick_values(low, high) if low <= v <= high]
    names = [tick(value, max(abs(low), abs(high))) for value in seen]
    assert len(names) >= 2 and len("  ".join(names)) <= ACROSS
    assert len({name.partition(" ")[2] for name in names if name != "0"}) == 1
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("aim", "level"), [("cost:5,1", 5 / 6), ("quantile:0.83", 0.83), ("median", 0.9)])
def test_the_slider_begins_at_the_level_asked_for(aim, level):
    found = result(aim)
    slider = answers(replace(found, predictions=_flat(found))).slider
    reached = np.mean(found.whole.y <= np.quantile(found.whole.y, level, method="inverted_cdf"))
    assert slider.says[slider.start].startswith(f"{reached:.0%} of these cases")


def test_calibration_parts_add_up_to_the_score():
    off, sharp, unknown = decompose(Y, F)
    assert off - sharp + unknown == pytest.approx(np.mean((Y - F) ** 2))
    assert unknown == pytest.approx(Y.var())
    assert off >= 0 and sharp >= 0
    assert decompose(Y, Y)[0] == pytest.approx(0) and decompose(Y, Y)[1] == pytest.approx(Y.var())


def test_a_shifted_prior_is_what_even_classes_would_have_given():
    """Bayes: densities of two normal laws, 1 apart, at 10% and at even shares."""
    x = np.linspace(-3, 3, 50)
    odds = np.exp(x - 0.5)
    np.testing.assert_allclose(shifted(0.1 * odds / (0.1 * odds + 0.9), 0.1), odds / (1 + odds))


def test_isotonic_lines_rise_and_keep_the_mean():
    x, line = isotonic(Y, F)
    assert (np.diff(x) >= 0).all() and (np.diff(line) >= 0).all()
    np.testing.assert_array_equal(isotonic(np.sort(Y), np.sort(Y))[1], np.sort(Y))


def test_the_share_of_the_hardest_rows():
    assert top_share(np.ones(100)) == pytest.approx(0.01)
    assert top_share(np.r_[99.0, np.ones(99)]) == pytest.approx(0.5)
    np.testing.assert_allclose(shares(np.array([1.0, 3.0])), [0, 0.75, 1])
    assert shares(np.zeros(3))[-1] == 0


def test_pulls_are_gradients():
    def pull(name, y, f, **options):
        return Seen(Candidate(name, "default", "", "", **options), y, f).pull()

    np.testing.assert_allclose(pull("squared_error", Y, F), 2 * np.abs(Y - F))
    np.testing.assert_allclose(pull("absolute_error", Y, F), 1)
    label, chance = (Y > 0).astype(float), 1 / (1 + np.exp(-F))
    np.testing.assert_allclose(pull("binary_cross_entropy", label, chance), np.abs(chance - label))
    rows = RNG.dirichlet(np.ones(3), 50)
    ids = RNG.integers(0, 3, 50).astype(float)
    missing = 1 - rows[np.arange(50), ids.astype(int)]
    np.testing.assert_allclose(pull("cross_entropy", ids, rows), 2 * missing)
    ends = np.sort(RNG.normal(size=(200, 2)), axis=1)
    both = np.where(ends[:, 0] < Y, 0.1, 0.9) + np.where(ends[:, 1] < Y, 0.9, 0.1)
    np.testing.assert_allclose(pull("quantile", Y, ends, levels=(0.1, 0.9)), both)
    amounts, means = np.exp(Y), np.exp(F)
    np.testing.assert_allclose(pull("poisson", amounts, means, positive=True), np.abs(means - amounts))
    np.testing.assert_allclose(pull("squared_error", amounts, means, transform="log"), 2 * np.abs(Y - F))


def test_a_row_of_weight_three_is_three_rows():
    weight = RNG.integers(1, 4, 200)
    y, f, w = np.repeat(Y, weight), np.repeat(F, weight), weight.astype(float)
    np.testing.assert_allclose(decompose(Y, F, w), decompose(y, f))
    for ours, whole in zip(isotonic(Y, F, w), isotonic(y, f), strict=True):
        np.testing.assert_allclose(np.unique(ours), np.unique(whole))
    np.testing.assert_allclose(Curve("", Y, F, w).means, Curve("", y, f).means)
    plain = Candidate("absolute_error", "default", "", "")
    assert top_share(Seen(plain, Y, F, 1 + 99.0 * (np.arange(200) == 7)).pull()) == pytest.approx(101 / 299)
    aim, thresholds = parse_aim("median"), np.linspace(-2, 2, 9)
    gain, error, _ = _gain(aim, Seen(plain, Y, F, w), Seen(plain, Y, -F, w), thresholds)
    whole, less, _ = _gain(aim, Seen(plain, y, f), Seen(plain, y, -f), thresholds)
    np.testing.assert_allclose(gain, whole, atol=1e-12)
    assert (error >= less).all()  # for they are not three independent rows


def test_what_is_said_of_a_weighted_table_is_weighted():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300))
    weight = np.where(y > 0, 9.0, 1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        found = lm.choose({"x": x}, y, weight=weight, models="linear", jobs=1)
    assert any(f"Its mean is {np.average(y, weights=weight):,.5g}" in note for note in found.notes)
    rows = reliability(found).rows
    assert {row[2] for row in rows[1:]} == {short(np.average(y, weights=weight))}
    heavy = np.where(np.arange(300) < 3, 1000.0, 1.0)
    problem = replace(found.problem, y=np.ones(300), weight=heavy)
    costs = _costs(problem, np.zeros((1, 300)), np.arange(300))
    assert held_by_the_largest(costs) == pytest.approx(3000 / 3297)


def test_colours_can_be_read():
    """Text and lines on paper, cards and bands, light and dark: 4.5 to 1 (WCAG 2.2, 1.4.3)."""

    def light(colour):
        channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    grounds = ("paper", "card", "band")
    for name in set(PALETTE) - {*grounds, "grid"}:
        for mode in (0, 1):
            for ground in grounds:
                ends = sorted((light(PALETTE[name][mode]), light(PALETTE[ground][mode])))
                assert (ends[1] + 0.05) / (ends[0] + 0.05) >= 4.5, (name, ground, mode)


@pytest.mark.slow
def test_costs_are_in_the_users_own_unit():
    """1,000 cases at 9 for a unit too little and 1 for a unit too much, counted one by one; a level says its odds."""
    assert _per_unit(parse_aim("cost:9,1"))[:2] == (9, 1)
    assert _per_unit(parse_aim("quantile:0.75"))[:2] == pytest.approx((3, 1))
    asked, level = result("cost:9,1"), result("quantile:0.9")
    row = asked.candidates[0]
    f, y = asked.predictions[row.label, asked.kind].mean(axis=0), asked.problem.y
    cost = 1000 * np.mean(np.where(y > f, 9 * (y - f), f - y))
    assert "too little costs 9, a unit too much 1, as you said." in costs(asked).see
    assert f"(90%, the dot) 1,000 cases then cost {short(cost)};" in costs(asked).see
    assert f"then cost {short(cost)};" in costs(level).see


@pytest.mark.slow
def test_what_leaves_the_scale_has_an_arrow_that_is_explained():
    rows = [Row("a", "a", {}, "m", "challenger", "not shown", "", "", low=-8.0, gain=1.0, high=10.0),
            Row("b", "b", {}, "m", "reference", "worse", "", "", low=-150.0, gain=-130.0, high=-110.0)]  # fmt: skip
    left, right = _reach(rows)
    assert -20 < left < -8 and 10 < right < 20
    left, right = _reach(rows[1:])
    assert left < -150 and right > 0
    found = replace(result("median"), table=rows)
    assert "arrow" in forest(found).note
    assert "arrow" not in forest(replace(found, table=rows[:1])).note


@pytest.mark.slow
def test_shares_that_are_said_of_counts_are_those_that_are_there():
    """A third of the rows are 0: no share below it can be had, and nothing lies below 0."""
    found = result("quantile:0.9")
    y = np.repeat([0.0, 1.0, 2.0], 80)
    picture = answers(replace(found, problem=replace(found.problem, y=y), predictions=_flat(found)))
    says = picture.slider.says
    assert says[0] == "33% of these cases are 0 or less"
    assert says[-1] == "100% of these cases are 2 or less"
    assert len(set(says)) == 3 and says[picture.slider.start] == says[-1]
    assert "100% are 2 or less" in picture.svg and "stay below" not in picture.svg + picture.slider.label


def _flat(found):
    """Predictions that are all the same: every row is a middling case."""
    return {key: np.ones_like(value) for key, value in found.predictions.items()}


@pytest.mark.slow
def test_the_tall_bars_at_the_ends_are_explained_where_there_are_any():
    found = result("median")
    rows = replace(found.profile.pilot, residual=np.r_[np.linspace(-1, 1, 200), 50.0])
    near = replace(rows, residual=np.linspace(-1, 1, 200))
    said = [pull(replace(found, profile=replace(found.profile, pilot=one))).see for one in (rows, near)]
    assert ENDS in said[0] and ENDS not in said[1]


@pytest.mark.slow
def test_what_is_not_a_matter_of_the_chance_alone_is_not_drawn_over_it():
    """Ordered classes have thresholds between them, weighted ones weights: the same chance pulls differently."""
    X, y = table()
    names = np.array(["low", "middle", "high"])
    codes = pd.Categorical(names[np.digitize(y, [1.0, 3.5])], names, ordered=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        found = lm.choose(X, pd.Series(codes, name="level"), aim="probability", models="linear", jobs=1)
    picture = pull(found)
    left_out = ("cumulative_logit", "cross_entropy(class weights)")
    assert {c.label for c in found.candidates} > set(left_out)
    assert not any(f">{label}<" in picture.svg for label in left_out) and ">cross_entropy<" in picture.svg
    assert all(label in picture.note for label in left_out)
    assert not pull(result("probability", classes=2)).note


@pytest.mark.slow
def test_what_was_not_shown_is_not_called_harmless():
    """Better for one limit is not better over all of them; that is said unless the table proves it."""
    found = result("mean")
    label = found.table[1].label
    gain, error, enough = np.array([9.0, -0.1]), np.ones(2), np.ones(2, dtype=bool)

    def said(outcome, sign=1):
        rows = [replace(found.table[1], outcome=outcome, model=found.kind)]
        return _sentence(replace(found, table=rows), label, sign * gain, error, enough)

    for outcome in ("not shown", "same", "worse (reference only)"):
        assert said(outcome).endswith("Over all limits together it was not shown to be better.")
    for outcome in ("USE", "better (reference only)"):
        assert said(outcome) == f"{label} is better for some limits; at no other could a difference be shown."
    assert said("worse", -1) == f"{label} is worse for some limits; at no other could a difference be shown."


@pytest.mark.slow
def test_usual_cases_are_all_rows_where_few_were_judged_and_count_by_their_weight():
    found = result("median")
    weight = np.where(found.whole.y > np.median(found.whole.y), 9.0, 1.0)
    weighed = replace(found, problem=replace(found.problem, weight=weight), whole=replace(found.whole, weight=weight))
    see = answers(replace(weighed, judged=found.judged[:50])).see
    assert see.startswith("What came in all rows. Rows count by their weight.")
    assert f"({short(np.average(found.whole.y, weights=weight))})" in see
    assert "Rows count by their weight." in answers(weighed).see and answers(weighed).svg != answers(found).svg
    assert "weight" not in answers(found).see


@pytest.mark.slow
def test_misses_count_from_their_middle():
    """Predictions that all lie too low are off, and no row of theirs lies far from the others for it."""
    found = result("mean")
    pilot = found.profile.pilot
    off = replace(pilot, prediction=pilot.prediction - 1000, residual=pilot.residual + 1000)
    noise = describe(off.residual)
    assert noise.scale == pytest.approx(found.profile.residuals.scale)
    see = pull(replace(found, profile=replace(found.profile, pilot=off, residuals=noise))).see
    assert f"{found.profile.residuals.outliers:.1%} of the misses lie more than 3.5 times their spread" in see


def test_few_rows_have_no_hundredth():
    assert in_share(100) == ("1% of the rows", "") and in_share(99) == ("one row", "s")
    assert in_share(20, 0.05) == ("5% of the rows", "")


@pytest.mark.slow
@pytest.mark.parametrize(("aim", "classes"), [("mean", 0), ("quantile:0.9", 0), ("probability", 2)])
def test_pictures_speak_of_the_loss_that_is_recommended(aim, classes):
    found = result(aim, classes=classes)
    other = next(c for c in found.candidates if c.label != found.default and (c.label, found.kind) in found.predictions)
    for one in (found, replace(found, chosen=other)):
        assert f"{one.chosen.label} " in reliability(one).see.partition(". ")[0]
        assert f"Under {one.chosen.label} the 1% of the rows that pull" in owners(one).see


@pytest.mark.slow
def test_predictions_are_compared_with_what_came_in_numbers():
    found = result("probability", classes=2)
    rows = np.stack([np.full(240, 0.25)])
    y = np.r_[np.ones(24), np.zeros(216)]
    named = replace(found, problem=replace(found.problem, y=y), classes=("rest", "Tabl"))
    right = dict.fromkeys(found.predictions, rows * 0.4)
    mine = replace(named, predictions={**right, (found.default, found.kind): rows})
    assert reliability(mine).see.endswith(f"what comes: {found.default} gives Tabl 25% on average, 10% came.")
    other = next(key for key in found.predictions if key[0] != found.default)
    off = replace(named, predictions={**right, other: rows})
    assert reliability(off).see.endswith(f"10% on average, 10% came. {other[0]} predicts 2.50 times what came.")
    assert reliability(replace(named, predictions=right)).see.endswith("10% came.")


@pytest.mark.parametrize(("low", "high"), [(9e4, 4.5e5), (0.9, 3.2), (1.0, 1.3), (1e-3, 1e9), (2.1, 2.9)])
def test_names_of_numbers_on_a_logarithmic_scale_have_room(low, high):
    ticks = np.array(few_ticks(low, high))
    assert 2 <= len(ticks) <= 6 and low <= ticks[0] and ticks[-1] <= high
    assert (np.diff(np.log(ticks)) >= 0.199 * np.log(high / low)).all()


def test_large_numbers_are_said_in_words():
    assert [short(x) for x in (0.1234, 1234.5, 12_345_678, -3.21e9, 4e13)] == [
        "0.123", "1,234", "12.3 million", "-3.21 billion", "40 trillion"
    ]  # fmt: skip
