"""More rows than race: which are drawn, and that the final model is of all of them."""

import inspect

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import lossmith as lm
from lossmith import cli
from lossmith.choosing import ChoiceError, by_hand, choose, folds
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.folds import Order
from lossmith.choosing.models import RATE, RIDGES, unit_penalty
from lossmith.choosing.race import fit_final
from lossmith.choosing.sampling import FEWEST_WHOLE_GROUPS, SAMPLE, parse_sample, sampled
from lossmith.choosing.tables import from_any

N, DRAWN = 2000, 200
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    monkeypatch.setattr(folds, "repeats_for", lambda n: 1)


# which rows race


def test_all_rows_race_where_they_fit():
    for most in (None, N, N + 1):
        rows, how = sampled(Order(), N, most, 0)
        assert rows.tolist() == list(range(N)) and how == ""


ORDERS = {"none": Order(), "labels": Order(RNG.integers(0, 3, N).astype(float)), "time": Order(time=RNG.random(N))}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_as_many_rows_as_asked_for_are_drawn_once(order):
    rows, _ = sampled(order, N, DRAWN, 0)
    assert len(set(rows)) == len(rows) == DRAWN and (np.diff(rows) > 0).all()
    again, other = (sampled(order, N, DRAWN, seed)[0] for seed in (0, 1))
    assert again.tolist() == rows.tolist() != other.tolist()


def test_time_is_covered_evenly_and_no_rhythm_is_followed():
    hour = np.arange(24.0 * 300)
    rows, how = sampled(Order(time=hour), len(hour), 300, 0)
    assert how == "at random, evenly over time"
    assert (rows // 24).tolist() == list(range(300))  # a row of each day
    assert len(set(rows % 24)) == 24  # at every hour


def test_classes_keep_their_share_and_none_is_lost():
    labels = np.zeros(100_000)
    labels[:30_000], labels[-12:], labels[-15:-12] = 1, 2, 3
    rows, how = sampled(Order(labels=labels), len(labels), 1000, 0)
    assert "of each class at least 10" in how
    counts = np.bincount(labels[rows].astype(int))
    assert abs(counts[1] - 300) <= 1 and counts[2:].tolist() == [10, 3]
    assert len(rows) <= 1000 + 13


def test_a_giant_group_does_not_end_the_sample_early():
    """Wherever in the random order it comes: the others fit, and so many that whole groups would be drawn."""
    groups = np.concatenate([np.zeros(5000, dtype=np.intp), np.arange(1, 1001)])
    drawn = [sampled(Order(groups=groups), len(groups), 900, seed) for seed in range(20)]
    assert all(450 <= len(rows) <= 900 for rows, _ in drawn)
    assert len({how for _, how in drawn}) == 2  # both ways came up


def test_groups_stay_whole():
    groups = RNG.permutation(np.arange(N) // 2)
    labels = np.zeros(N)
    labels[np.isin(groups, [3, 7])] = 1
    rows, how = sampled(Order(labels=labels, groups=groups), N, DRAWN, 0)
    assert how.startswith("as whole groups")
    assert (np.bincount(groups[rows], minlength=N // 2) % 2 == 0).all()
    assert labels[rows].sum() == 4  # all that there are
    assert DRAWN <= len(rows) <= DRAWN + 4


def test_of_few_large_groups_each_gives_its_share():
    groups = np.repeat(np.arange(20), 100)
    assert len(np.unique(groups)) < FEWEST_WHOLE_GROUPS
    rows, how = sampled(Order(groups=groups), N, 1000, 0)
    assert how == "at random from all groups" and len(rows) == 1000
    assert (abs(np.bincount(groups[rows]) - 50) < 20).all()


@pytest.mark.parametrize(("given", "found"), [(None, None), ("all", None), ("5000", 5000), (np.int64(100), 100)])
def test_what_a_sample_may_be(given, found):
    assert parse_sample(given) == found


@pytest.mark.parametrize("wrong", ["most", "", 99, -1, 1e5, "1.5", True, [200]])
def test_what_is_no_sample(wrong):
    with pytest.raises(ChoiceError, match="sample must be"):
        parse_sample(wrong)


def test_the_command_line_says_the_same():
    assert parse_sample(inspect.signature(cli.choose).parameters["sample"].default) == SAMPLE


# what is trained in the end

X = pd.DataFrame({"x": RNG.normal(size=N), "z": RNG.normal(size=N), "c": RNG.choice(list("abc"), N)})
MEAN = np.exp(0.4 * X["x"] + 0.5 * (X["c"] == "b"))
Y = pd.Series(MEAN * RNG.gamma(1.0, size=N), name="y")
WEIGHT = RNG.uniform(0.5, 2.0, N)
EXPOSURE = RNG.uniform(0.5, 2.0, N)
PLAIN = {"groups": "none", "time": "none"}


def encoded():
    table = from_any(X)
    return Encoder.fit(table).transform(table)


def directly(result, y, weight=None):
    """The linear model of all rows, by the estimator: the loss in units of y, the penalty a number of times 1/n."""
    model, setting = result.model, result.model.fitted.settings[0]
    assert setting in RIDGES
    scale, loss = model.fitted.scale, model.fitted.losses[0]
    target = (y - scale.shift) / scale.unit
    l2 = setting * unit_penalty(loss, target, weight, 0)
    found = lm.LinearRegressor(loss=loss, l2=l2, tol=1e-6).fit(encoded(), target, sample_weight=weight)
    return scale.shift + scale.unit * found.predict(encoded())


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_the_final_linear_model_is_of_all_rows(weight):
    result = choose(X, Y, aim="mean", models="linear", weight=weight, sample=DRAWN, jobs=1, **PLAIN)
    assert len(result.problem.y) == DRAWN and len(result.whole.y) == N
    np.testing.assert_array_equal(Y.to_numpy()[result.rows], result.problem.y)
    np.testing.assert_allclose(result.model.predict(X), directly(result, Y.to_numpy(), weight), rtol=1e-9)
    said = f"{DRAWN:,} of the {N:,} rows race, drawn at random"
    assert said in result.protocol
    card = result.model.card()
    needed = min(result.evidence.rows_needed, N)
    enough = f"{needed:,} of the 2,000 rows, say, or all" if needed < N else "all 2,000 rows, say"
    larger = f"a larger sample could show more: {enough}"
    assert needed > DRAWN and larger in result.notes
    assert f"{said}; the final model is trained on all." in card and f"{N:,} rows, 3 columns" in card
    assert f"l2={_penalty_shown(result, weight):.6g}" in _code(result)


def _penalty_shown(result, weight):
    """In the code to copy y has its own units and all rows."""
    return result.model.fitted.settings[0] * unit_penalty(result.chosen.loss(), Y.to_numpy(), weight, 0)


def _code(result):
    return next(recipe.code for recipe in by_hand.by_hand(result) if recipe.library == "scikit-learn, linear")


def test_a_rate_of_all_rows():
    counts = RNG.poisson(MEAN * EXPOSURE).astype(float)
    result = choose(X, counts, aim="mean", models="linear", exposure=EXPOSURE, sample=DRAWN, jobs=1)
    poisson = next(c for c in result.candidates if c.name == "poisson")
    fitted, encoder = fit_final(result.problem, poisson, "linear", result.whole)
    l2 = fitted.settings[0] * unit_penalty(fitted.losses[0], counts / EXPOSURE / fitted.scale.unit, EXPOSURE, 0)
    peer = lm.LinearRegressor(loss=lm.poisson(), l2=l2, tol=1e-6)
    peer.fit(encoded(), counts / EXPOSURE / fitted.scale.unit, sample_weight=EXPOSURE)
    found = fitted.parts[0].predict(encoder.transform(result.whole.table.without("exposure")))
    np.testing.assert_allclose(found, peer.predict(encoded()), rtol=1e-9)


def test_the_final_trees_are_of_all_rows():
    result = choose(X, Y, aim="median", models="lightgbm", sample=DRAWN, jobs=1, **PLAIN)
    fitted = result.model.fitted
    rounds, scale = fitted.settings[0], fitted.scale
    params = {"learning_rate": RATE, "num_leaves": 31, "max_bin": 63, "min_data_in_leaf": 20, "num_threads": 1,
              "seed": 0, "deterministic": True, "force_row_wise": True, "verbosity": -1}  # fmt: skip
    target = (Y.to_numpy() - scale.shift) / scale.unit
    peer = fitted.losses[0].to("lightgbm").fit(encoded(), target, params=params, rounds=rounds)
    found = scale.shift + scale.unit * peer.predict(encoded(), num_threads=1)
    np.testing.assert_array_equal(result.model.predict(X), found)


def test_classes_of_all_rows_decide_by_the_shares_of_all():
    """A class that the sample holds more often than the table: the rule of the final model knows the table's share."""
    label = np.where(np.arange(N) < 12, "rare", np.where(X["x"] > 0, "up", "down"))
    rows = RNG.permutation(N)
    table, label = X.iloc[rows].reset_index(drop=True), label[rows]
    result = choose(table, label, aim="balanced-label", models="linear", sample=DRAWN, jobs=1, **PLAIN)
    rare = result.classes.index("rare")
    assert (result.problem.y == rare).sum() == 10
    decision = result.evidence.decision
    shares = np.bincount(result.whole.y.astype(int)) / N
    np.testing.assert_allclose(decision.divisors, shares**decision.power)
    np.testing.assert_allclose(result.model.predict(table).mean(axis=0), shares, atol=1e-3)


def test_a_value_that_the_sample_lacks_still_counts():
    """One negative amount among thousands rules the log links out, whether it was drawn or not."""
    y = Y.copy()
    missed = np.setdiff1d(np.arange(N), sampled(Order(), N, DRAWN, 0)[0])[0]
    y[missed] = -1.0
    result = choose(X, y, aim="mean", models="linear", sample=DRAWN, jobs=1, **PLAIN)
    assert result.problem.y.min() > 0 > result.whole.y.min()
    assert result.profile.support == "real" and "poisson" not in [c.name for c in result.candidates]
    assert np.isfinite(result.model.predict(X)).all()


def test_a_sample_by_the_command_line(tmp_path):
    X.assign(y=Y).to_csv(tmp_path / "t.csv", index=False)

    def call(*more):
        return CliRunner().invoke(cli.app, ["choose", str(tmp_path / "t.csv"), "--target", "y", *more])

    done = call("--models", "linear", "--jobs", "1", "--sample", "200", "--model-out", str(tmp_path / "m"))
    assert done.exit_code == 0, done.output
    assert "200 of the 2,000 rows race, drawn at random; the final model is trained on all" in done.stdout
    assert "2,000 rows" in lm.load_model(tmp_path / "m").card()
    refused = call("--sample", "few")
    assert refused.exit_code == 2
    assert refused.stderr == "lossmith: sample must be a number of rows, or all; it is 'few'\n"
