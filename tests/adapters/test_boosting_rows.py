"""What the rows of a training keep from round to round: memory, and the loss in the trees' own units."""

import copy
import pickle

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import table, target_for
from lossmith.adapters.boosting_rows import Rows, Scratch, unbounded
from lossmith.formula import Real

POINTWISE = [name for name in lm.names() if lm.get(name).outputs == 1]


def test_memory_is_lent_again_when_nobody_holds_any_of_it():
    scratch, five = Scratch(), np.empty(5)
    first = scratch.array(five)
    place = first.ctypes.data
    assert scratch.array(five).ctypes.data != place
    part = first[1:3]
    part[:] = 7.0
    del first
    others = [scratch.array(five) for _ in range(4)]
    assert place not in [other.ctypes.data for other in others] and (part == 7.0).all()
    del part, others
    assert place in [again.ctypes.data for again in [scratch.array(five) for _ in range(3)]]
    assert scratch.array(np.empty((2, 4)).T, np.float32).flags.f_contiguous
    assert not any(scratch.array(np.empty(size)).ctypes.data % 64 for size in (0, 3, 5, 1000))
    assert not pickle.loads(pickle.dumps(scratch))._free and not copy.deepcopy(scratch)._free


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("name", ["squared_error", "cross_entropy"])
def test_what_an_objective_has_returned_is_not_overwritten(name, booster):
    X, signal, rng = table(200)
    loss = lm.get(name)
    objective = loss.to(booster)
    data = objective.dataset(X, target_for(loss, signal, rng))
    u = rng.normal(size=(200, 4) if name == "cross_entropy" else 200)
    first = objective(u, data)
    kept = [part.copy() for part in first]
    objective(2 * u, data)
    for now, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(now, before)


def test_one_objective_in_two_threads_keeps_their_rows_apart(monkeypatch):
    _, signal, rng = table(200)
    objective, u = lm.huber().to("lightgbm"), rng.normal(size=200)
    others = lm.huber().to("lightgbm")
    others(signal + 5.0, u)
    expected, same_as = objective(signal, u), Rows.same_as

    def while_the_other_trains(rows, y, weight):
        objective._known = others._known
        return same_as(rows, y, weight)

    monkeypatch.setattr(Rows, "same_as", while_the_other_trains)
    for found, right in zip(objective(signal, u), expected, strict=True):
        np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", POINTWISE)
def test_the_short_road_gives_the_numbers_of_the_long_one(name, weighted):
    _, signal, rng = table(300)
    loss = lm.get(name)
    if loss.target_kind == "level":  # where thresholds are learned there is no short road
        loss = lm.get(name, thresholds=(-2.0, 1.5))
    objective = loss.to("xgboost")
    weight = rng.uniform(size=300) if weighted else None
    rows = objective._rows(target_for(loss, signal, rng), weight, None)
    if rows.setting.residual is not None:  # steps follow the residuals, which takes the scores
        assert rows.setting.of_u is None
        return
    u = rng.normal(size=300).astype("float32")
    f = rows.setting.units.scores(u)
    expected = rows.setting.descent.gradient_and_curvature(rows.y, f, weight=rows.weight)
    bend = np.array(rows.setting.loss.hessian(rows.y, f, weight=rows.weight))
    rows.setting.units.to_u(*expected)
    rows.setting.units.to_u(bend, bend)
    for part, wanted in zip(objective._derivatives(rows, u, np.float64), expected, strict=True):
        np.testing.assert_array_equal(part, wanted)
    for part, wanted in zip(objective._derivatives(rows, u), expected, strict=True):
        as_float32(part, wanted, bend)


def as_float32(part, wanted, bend):
    """Rounded once, but for what exponentials to float32's digits leave: as of a score that is 1e-8 away."""
    assert part.dtype == np.float32
    assert (np.abs(part - wanted) <= 0.75 * np.spacing(np.abs(wanted).astype(np.float32)) + 1e-8 * np.abs(bend)).all()


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("name", ["cross_entropy", "focal_cross_entropy", "multi_margin"])
def test_classes_are_read_and_written_as_the_booster_lays_them(name, booster):
    loss, rng = lm.get(name), np.random.default_rng(0)
    y, weight = rng.integers(0, 10, 2000), rng.uniform(size=2000) * (rng.random(2000) < 0.9)
    objective = loss.to(booster)
    rows = objective._rows(y, weight, None)
    by_class = booster == "lightgbm"
    u = rng.normal(size=(10, 2000)).T if by_class else rng.normal(size=(2000, 10)).astype("float32")
    found = objective._derivatives(rows, u)
    f = rows.setting.units.scores(u)
    expected = loss.gradient_and_curvature(y, np.ascontiguousarray(f), weight=weight)
    bend = np.array(loss.hessian(y, np.ascontiguousarray(f), weight=weight))
    rows.setting.units.to_u(*expected)
    rows.setting.units.to_u(bend, bend)
    for part, wanted in zip(found, expected, strict=True):
        assert part.flags.f_contiguous == by_class
        as_float32(part, wanted, bend)


@pytest.mark.parametrize("rows", [1, 7, 8, 15, 16, 17, 31, 100])
@pytest.mark.parametrize("classes", [3, 10])
def test_however_few_rows_there_are_either_layout_has_the_same_bits(rows, classes):
    """By class, rows are worked on sixteen at once, or eight; a row's numbers are its own."""
    random, objective = np.random.default_rng(rows), lm.cross_entropy().to("lightgbm", classes=classes)
    known = objective._rows(np.arange(rows) % classes, random.uniform(size=rows), None)
    u = random.normal(size=(classes, rows)).T
    for by_class, by_row in zip(
        objective._derivatives(known, u), objective._derivatives(known, np.ascontiguousarray(u)), strict=True
    ):
        np.testing.assert_array_equal(by_class, by_row)


def test_targets_are_read_in_float32_where_it_holds_them():
    objective, rng = lm.poisson().to("lightgbm"), np.random.default_rng(0)
    counts, shares = rng.poisson(2.0, 500), rng.uniform(size=500)
    rows = [objective._rows(y, None, None) for y in (counts, shares, counts + 2.0**24)]
    assert [one.compact.dtype.name for one in rows] == ["float32", "float64", "float64"]
    u = rng.normal(size=500)
    read = objective._derivatives(rows[0], u)
    rows[0].__dict__["compact"] = rows[0].y
    for part, wanted in zip(read, objective._derivatives(rows[0], u), strict=True):
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.parametrize("name", POINTWISE)
def test_a_score_that_is_no_number_is_seen_wherever_it_stands(name):
    _, signal, rng = table(300)
    loss = lm.get(name)
    if loss.target_kind == "level":
        loss = lm.get(name, thresholds=(-2.0, 1.5))
    objective = loss.to("lightgbm")
    data = objective.dataset(np.zeros((300, 1)), target_for(loss, signal, rng))
    for row in (0, 131, 299):
        u = rng.normal(size=300)
        u[row] = np.nan
        with pytest.raises(ValueError, match=f"{name}.*{row}"):
            objective(u, data)


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost", "catboost"])
def test_what_a_booster_cannot_hold_is_an_error(booster):
    @lm.pointwise
    def steep(y: Real, f: Real):
        return 1e200 * (f - y) ** 2

    rows = np.zeros((8, 1))
    objective = steep().to(booster, scale=1.0)
    y = np.array([0.0, 1.0] * 4)
    if booster == "catboost":  # which holds float64
        assert np.isfinite(objective._derivatives(objective._rows(y, None, None), np.ones(8))).all()
        return
    data = objective.dataset(rows, y)
    with pytest.raises(ValueError, match="steep: the gradient at row 0 is not finite"):
        objective(np.ones(8), data)


NATURAL = [
    (name, option) for name in lm.names() for option in ("from_logits", "log_input")
    if option in lm.get(name).params and lm.get(name).target_kind != "row"
]  # fmt: skip


@pytest.mark.parametrize(("name", "option"), NATURAL)
def test_a_loss_of_means_or_probabilities_has_the_curvature_of_its_form_for_scores(name, option):
    default = lm.get(name)
    other = lm.get(name, **{option: not default.params[option]})
    _, signal, rng = table(50)
    y, scores = target_for(default, signal, rng), rng.normal(size=(50, 4) if default.outputs != 1 else 50)
    found = [unbounded(loss).gradient_and_curvature(y, scores, reduction="none") for loss in (default, other)]
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", ["absolute_error", "huber", "cross_entropy"])
def test_a_start_may_be_written_to(name):
    loss, y = lm.get(name), np.arange(9) % 3
    objective = loss.to("lightgbm", **({"classes": 3} if name == "cross_entropy" else {}))
    first = objective.start(y)
    kept = first.copy()
    first += 100.0
    np.testing.assert_array_equal(objective.start(y), kept)
