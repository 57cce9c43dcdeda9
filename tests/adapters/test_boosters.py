"""What holds on every booster: the six things an adapter carries, bad input, files."""

import copy
import json
import pickle
import warnings

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import BOOSTERS, ONE_THREAD, PLAIN, at_the_start, table, target_for
from lossmith.formula import Positive, Real, exp, log1p
from lossmith.start import redescends, scale_parameters

pytestmark = pytest.mark.slow

on_every_booster = pytest.mark.parametrize("booster", BOOSTERS)


def problem(loss, n=400, seed=0):
    X, signal, rng = table(n, seed)
    return np.round(X, 1), target_for(loss, signal, rng)  # few values: the bins do not depend on counts


def model_class(booster):
    module = __import__(f"lossmith.adapters.{booster}", fromlist=["adapt"])
    return {"lightgbm": "LightGBMModel", "xgboost": "XGBoostModel", "catboost": "CatBoostModel"}[booster], module


# weights, start, units ------------------------------------------------------------------------------------------------

WEIGHED = ("squared_error", "absolute_error", "poisson", "binary_cross_entropy", "cross_entropy", "gaussian_nll")


@on_every_booster
@pytest.mark.parametrize("name", WEIGHED)
def test_weights_of_one_are_none_and_weights_of_two_are_doubled_rows(name, booster):
    loss = lm.get(name)
    X, y = problem(loss, 120 if booster == "catboost" and loss.outputs != 1 else 400)
    several = loss.outputs != 1

    def raw(X_train, y_train, weight=None):
        objective = loss.to(booster)
        return objective.fit(X_train, y_train, weight, params=PLAIN[booster], rounds=4 if several else 10).raw(X)

    alone = raw(X, y)
    np.testing.assert_allclose(raw(X, y, np.ones(len(y))), alone, rtol=1e-6, atol=1e-6 * np.abs(alone).max())
    doubled = raw(np.repeat(X, 2, axis=0), np.repeat(y, 2, axis=0))
    np.testing.assert_allclose(raw(X, y, np.full(len(y), 2.0)), doubled, rtol=1e-5, atol=1e-5 * np.abs(alone).max())
    assert np.abs(raw(X, y, np.where(X[:, 0] > 0, 9.0, 1.0)) - alone).max() > 1e-3  # else they would not count at all


@on_every_booster
def test_units_follow_the_target(booster):
    loss = lm.absolute_error()
    X, y = problem(loss)
    y = np.round(y * 2**12) / 2**12  # so that shifts keep every digit
    plain = loss.to(booster).fit(X, y, params=PLAIN[booster], rounds=10)
    for shift, scale in ((2.0**20, 1.0), (0.0, 2.0**-20), (0.0, 2.0**20)):
        moved = loss.to(booster).fit(X, y * scale + shift, params=PLAIN[booster], rounds=10)
        np.testing.assert_allclose((moved.predict(X) - shift) / scale, plain.predict(X), rtol=1e-6, atol=1e-6)


@on_every_booster
def test_training_starts_at_the_best_constant_whatever_the_booster_thinks(booster):
    for loss in (lm.quantile(q=0.9), lm.focal(), lm.poisson(), lm.cross_entropy(), lm.gaussian_nll()):
        X, y = problem(loss, 100)
        model = loss.to(booster).fit(X, y, params={**PLAIN[booster], "learning_rate": 1e-6}, rounds=1)
        best = np.broadcast_to(loss.best_constant(y), np.shape(model.raw(X)))
        np.testing.assert_allclose(model.raw(X), best, atol=1e-4)
        np.testing.assert_allclose(at_the_start(model, len(X)), best, atol=1e-9)


@on_every_booster
@pytest.mark.parametrize("name", ["binary_cross_entropy", "brier", "cross_entropy", "huber", "cumulative_logit"])
def test_a_multiple_of_a_loss_is_trained_as_the_loss(booster, name):
    loss = lm.get(name, **({"thresholds": (-2.0, 1.5)} if name == "cumulative_logit" else {}))
    X, y = problem(loss, 200)
    plain = loss.to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=5).raw(X)
    assert np.ptp(plain) > 0
    for factor in (2.0**-10, 2.0**10):
        multiple = (factor * loss).to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=5)
        np.testing.assert_allclose(multiple.raw(X), plain, rtol=1e-5, atol=1e-5)


TWO, THREE = {0: 1.0, 1: 5.0}, {0: 1.0, 1: 5.0, 2: 2.0}
SPELLINGS = [  # a loss of two or three classes, and with weights of its own; class_weighted says the same
    (lm.binary_cross_entropy(), lm.binary_cross_entropy(pos_weight=5.0), TWO),
    (lm.cross_entropy(), lm.cross_entropy(class_weight=THREE), THREE),
    (lm.focal_cross_entropy(), lm.focal_cross_entropy(class_weight=THREE), THREE),
    (lm.brier(), None, TWO), (lm.multi_margin(), None, THREE),
    (lm.cumulative_logit(thresholds=(-2.0, 1.5)), None, THREE),
]


@on_every_booster
@pytest.mark.parametrize(("loss", "own", "weights"), SPELLINGS, ids=lambda part: getattr(part, "name", ""))
def test_weights_of_classes_are_weights_of_rows_however_they_are_said(booster, loss, own, weights):
    X, y = problem(loss, 150)
    y = np.minimum(y, len(weights) - 1)
    options, weighted = {"params": ONE_THREAD[booster], "rounds": 5}, loss.class_weighted(weights)
    said = weighted.to(booster).fit(X, y, **options)
    others = [same.to(booster).fit(X, y, **options) for same in (2.0**-7 * weighted, own or weighted)]
    if booster != "catboost":  # which samples rows by their weights
        by_row = np.array(list(weights.values()))[y.astype(int)]
        others.append(loss.to(booster).fit(X, y, by_row, **options))
    for other in others:
        np.testing.assert_allclose(other.raw(X), said.raw(X), rtol=1e-5, atol=1e-5)
    assert other.units.divisor == said.units.divisor


@on_every_booster
def test_the_brier_score_learns_where_positives_are_rare(booster):
    X, signal, _ = table(4000)
    share = 0.01
    y = (signal > np.quantile(signal, 1 - share)).astype(float)
    p = lm.brier().to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=200).predict(X)
    assert lm.brier()(y, lm.brier().link(p)) < 0.9 * share * (1 - share)


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("loss", [lm.binary_cross_entropy(), lm.squared_error()], ids=lambda loss: loss.name)
def test_weights_too_small_for_any_split_are_said_aloud(booster, loss):
    X, y = problem(loss)
    least, small = {"lightgbm": ("min_child_weight", 1e-3), "xgboost": ("min_child_weight", 1.0)}[booster]
    weight = np.full(len(y), small / len(y))
    with pytest.warns(UserWarning, match=rf"{loss.name}: .*{least} is .*no leaf can .*larger weights"):
        none = loss.to(booster).fit(X, y, weight, params={**ONE_THREAD[booster], least: small}, rounds=3)
    assert np.ptp(none.raw(X)) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        some = loss.to(booster).fit(X, y, weight, params={**ONE_THREAD[booster], least: small / 100}, rounds=3)
        loss.to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=3)
    assert np.ptp(some.raw(X)) > 0


@on_every_booster
def test_the_mean_loss_is_the_metric_and_stops_training(booster):
    loss = lm.quantile(q=0.8)
    X, y = problem(loss, 600)
    params = {**PLAIN[booster], "learning_rate": 0.3}
    model = loss.to(booster).fit(
        X[:200], y[:200], params=params, rounds=400, valid=(X[200:], y[200:]), early_stopping=10
    )
    longer = loss.to(booster).fit(X[:200], y[:200], params=params, rounds=400)
    assert loss(y[200:], model.predict(X[200:])) < loss(y[200:], longer.predict(X[200:]))
    with pytest.raises(ValueError, match="no validation set"):
        loss.to(booster).fit(X, y, early_stopping=10)


# robust losses --------------------------------------------------------------------------------------------------------


@lm.pointwise
def welsch(y: Real, f: Real, *, c: Positive = 2.985):
    """Lets go of large errors."""
    return c**2 / 2 * (1 - exp(-(((f - y) / c) ** 2)))


@lm.pointwise
def cauchy(y: Real, f: Real, *, c: Positive = 2.385):
    """Grows like the logarithm."""
    return c**2 / 2 * log1p(((f - y) / c) ** 2)


@lm.pointwise
def straight(y: Real, f: Real):
    """Falls all the way, and never pulls back."""
    return f - y


def test_which_losses_let_go_and_where():
    below, above = redescends(cauchy(c=3.0))
    assert below == pytest.approx(-3, rel=0.02) and above == pytest.approx(3, rel=0.02)
    assert redescends(welsch(c=1e-3))[1] == pytest.approx(1e-3 / np.sqrt(2), rel=0.02)
    for name in lm.names():
        assert redescends(lm.get(name)) is None, name
    assert redescends(straight()) is None


def test_which_parameters_have_the_units_of_the_target():
    found = {name: scale_parameters(lm.get(name)) for name in lm.names()}
    assert {name: known for name, known in found.items() if known} == {
        "huber": ("delta",), "smooth_l1": ("beta",), "pseudo_huber": ("delta",), "epsilon_insensitive": ("epsilon",),
    }  # fmt: skip
    assert scale_parameters(cauchy()) == scale_parameters(2 * welsch()) == ("c",)


@on_every_booster
@pytest.mark.parametrize("loss", [welsch(), cauchy(), lm.huber(delta=1.345)], ids=lambda loss: loss.name)
def test_parameters_in_units_of_the_residuals(booster, loss):
    X, y = problem(loss)
    model = loss.to(booster, in_mads=True).fit(X, 1000 * y, params=PLAIN[booster], rounds=5)
    (name,) = scale_parameters(loss)
    median = model.units.start[0] if loss.name == "huber" else lm.huber(delta=1e-6).best_constant(1000 * y)
    mad = 1.4826 * np.median(np.abs(1000 * y - median))
    assert model.loss.params[name] == pytest.approx(loss.params[name] * mad, rel=0.3)
    with pytest.raises(ValueError, match="no parameter in units"):
        lm.squared_error().to(booster, in_mads=True)


@on_every_booster
def test_redescending_losses_start_from_their_convex_relative(booster):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 3))
    truth = 5 * X[:, 0]
    far = rng.random(1500) < 0.3
    y = np.where(far, 80 + rng.normal(size=1500), truth + 0.3 * rng.normal(size=1500))
    rounds = {"catboost": 300, "xgboost": 30, "lightgbm": 100}[booster]

    def error(loss):
        model = loss.to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=rounds)
        return np.abs(model.predict(X) - truth)[~far].mean()

    loss = welsch(c=1.5)  # most rows are beyond its reach at any constant
    start = loss.to(booster).start(y)[0]
    assert np.abs(np.median(y[~far]) - start) < 5
    assert error(loss) < 0.1 * error(lm.squared_error())
    assert error(loss) < 0.5 * error(lm.huber(delta=1.5))


# curvature ------------------------------------------------------------------------------------------------------------


@on_every_booster
def test_the_exact_hessian_warns_where_it_is_not_positive(booster):
    loss = lm.huber(delta=0.1)
    X, y = problem(loss)
    with pytest.warns(UserWarning, match=r"huber.*not positive.*first: row \d+"):
        loss.to(booster, hessian="exact").fit(X, y, params=ONE_THREAD[booster], rounds=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss.to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=3)
        lm.squared_error().to(booster, hessian="exact").fit(X, y, params=ONE_THREAD[booster], rounds=3)


@on_every_booster
def test_a_function_may_be_the_second_order_weight(booster):
    loss = lm.squared_error()
    X, y = problem(loss)
    weight = np.random.default_rng(0).uniform(1, 2, size=len(y))
    own = loss.to(booster, hessian=lambda y, f: np.full_like(f, 2.0)).fit(X, y, weight, params=PLAIN[booster], rounds=5)
    np.testing.assert_allclose(own.raw(X), loss.to(booster).fit(X, y, weight, params=PLAIN[booster], rounds=5).raw(X))


@on_every_booster
def test_options_that_do_not_exist_are_refused(booster):
    with pytest.raises(ValueError, match="hessian is 'other'"):
        lm.focal().to(booster, hessian="other")
    with pytest.raises(ValueError, match=r"no convention of its own for focal; it has for squared_error"):
        lm.focal().to(booster, hessian="booster")
    with pytest.raises(ValueError, match="scale is -1"):
        lm.squared_error().to(booster, scale=-1)
    with pytest.raises(TypeError, match=rf"{booster} takes no option 'hesian'; it takes hessian, classes, scale"):
        lm.squared_error().to(booster, hesian="exact")
    with pytest.raises(ValueError, match="scale is 'a': it must be a positive number"):
        lm.squared_error().to(booster, scale="a")
    for classes in ("3", 0, 2.5):
        with pytest.raises(ValueError, match=f"classes is {classes!r}: it must be the number of classes"):
            lm.cross_entropy().to(booster, classes=classes)
    reserved = {"lightgbm": "metric", "xgboost": "base_score", "catboost": "loss_function"}[booster]
    X, y = problem(lm.squared_error())
    with pytest.raises(ValueError, match=f"params\\['{reserved}'\\].*come from the loss"):
        lm.squared_error().to(booster).fit(X, y, params={reserved: 0.5})


ROWS = np.zeros((6, 2)), np.arange(6.0)
BAD_ARGUMENTS = [
    ((ROWS[0], None), {}, "y is None: expected the targets"),
    ((ROWS[0], 3.0), {}, "y is 3.0: expected the targets"),
    ((ROWS[0], ROWS[1][1:]), {}, "y has 5 targets, but X has 6 rows"),
    ((*ROWS, 2.0), {}, "weight is 2.0: expected one number for each row"),
    ((*ROWS, np.ones(5)), {}, r"weight has shape \(5,\)"),
    (ROWS, {"valid": ROWS[:1]}, r"valid is a tuple with 1: expected \(X, y\) or \(X, y, weight\)"),
    (ROWS, {"valid": ROWS[0]}, "valid is a ndarray: expected"),
    (ROWS, {"valid": (ROWS[0], None)}, "y is None"),
    (ROWS, {"rounds": -1}, "rounds is -1: it must be a whole number"),
    (ROWS, {"rounds": 2.5}, "rounds is 2.5: it must be a whole number"),
    (ROWS, {"params": 3}, "params is 3: expected a dictionary"),
    (ROWS, {"params": {"n_estimators": 50}}, r"params\['n_estimators'\] is 50: say rounds=50"),
    (ROWS, {"params": {"num_boost_round": 50}}, r"params\['num_boost_round'\] is 50: say rounds=50"),
    (ROWS, {"params": {"iterations": 50}}, r"params\['iterations'\] is 50: say rounds=50"),
    (ROWS, {"params": {"early_stopping_rounds": 5}, "valid": ROWS}, r"rounds'\] is 5: say early_stopping=5"),
    (ROWS, {"params": {"od_wait": 5}, "valid": ROWS}, r"params\['od_wait'\] is 5: say early_stopping=5"),
    (ROWS, {"valid": ROWS, "early_stopping": 0}, "early_stopping is 0: it must be a whole number"),
]


@on_every_booster
@pytest.mark.parametrize(("rows", "named", "message"), BAD_ARGUMENTS, ids=[row[2][:24] for row in BAD_ARGUMENTS])
def test_arguments_are_checked_by_name(booster, rows, named, message):
    with pytest.raises(ValueError, match=message):
        lm.squared_error().to(booster).fit(*rows, **named)


@on_every_booster
def test_a_second_order_weight_of_another_shape_is_refused(booster):
    X, y = problem(lm.squared_error())
    with pytest.raises(ValueError, match=r"hessian returned shape \(\), expected \(400,\)"):
        lm.squared_error().to(booster, hessian=lambda y, f: 2.0).fit(X, y)
    with pytest.raises(ValueError, match=r"hessian returned shape \(400, 1\), expected \(400,\)"):
        lm.squared_error().to(booster, hessian=lambda y, f: np.ones((len(y), 1))).fit(X, y)


# bad input ------------------------------------------------------------------------------------------------------------


@on_every_booster
def test_bad_targets_and_weights_raise_in_the_losss_own_words(booster):
    X, y = problem(lm.squared_error())
    broken = np.where(np.arange(len(y)) == 7, np.nan, y)
    with pytest.raises(ValueError, match=r"squared_error.*\[7\] = nan"):
        lm.squared_error().to(booster).fit(X, broken)
    with pytest.raises(ValueError, match=r"squared_error.*\[7\] = nan"):
        lm.squared_error().to(booster).fit(X, y, valid=(X, broken))
    with pytest.raises(ValueError, match=r"poisson.*is not a number >= 0"):
        lm.poisson().to(booster).fit(X, y)
    with pytest.raises(ValueError, match=r"hinge.*is not a label 0 or 1"):
        lm.hinge().to(booster).fit(X, y)
    with pytest.raises(ValueError, match=r"binary_cross_entropy.*not one of the labels"):
        lm.binary_cross_entropy(labels=("no", "yes")).to(booster).fit(X, np.where(y > 0, "yes", "maybe"))
    with pytest.raises(ValueError, match="weight"):
        lm.squared_error().to(booster).fit(X, y, -np.ones(len(y)))
    with pytest.raises(ValueError, match="shape"):
        lm.squared_error().to(booster).fit(X, y[:, None])
    with pytest.raises(TypeError, match=r"y is a masked array: .* with weight 0"):
        lm.squared_error().to(booster).fit(X, np.ma.masked_array(y, y > 1))
    for loss, target in ((lm.squared_error(), y), (lm.cross_entropy(), np.arange(len(y)) % 3)):
        with pytest.raises(ValueError, match=f"{loss.name}: there is nothing to average"):
            loss.to(booster).fit(X, target, np.zeros(len(y)))
    with pytest.raises(ValueError, match="not made by"):
        lm.squared_error().to(booster).dataset(X, y, reference=object())


@on_every_booster
@pytest.mark.parametrize(
    ("loss", "gap"),
    [(lm.squared_error(), np.nan), (lm.poisson(), -1.0), (lm.binary_cross_entropy(labels=("no", "yes")), "maybe"),
     (lm.cross_entropy(), np.nan)],
    ids=lambda part: getattr(part, "name", ""),
)  # fmt: skip
def test_what_has_no_weight_needs_no_target(booster, loss, gap):
    X, y = problem(loss, 150)
    y = np.asarray(loss.labels)[y.astype(int)] if loss.labels else y
    weight = (np.arange(150) % 5 > 0).astype(float)
    gone = np.where(weight > 0, y, gap)
    options = {"params": ONE_THREAD[booster], "rounds": 5}
    whole = loss.to(booster).fit(X, y, weight, **options)
    with_gaps = loss.to(booster).fit(X, gone, weight, valid=(X, gone, weight), **options)
    np.testing.assert_array_equal(with_gaps.raw(X), whole.raw(X))
    np.testing.assert_array_equal(loss.to(booster).start(gone, weight), loss.to(booster).start(y, weight))
    with pytest.raises(ValueError, match=loss.name):
        loss.to(booster).fit(X, gone)


IGNORING = [  # names of the classes, the label that is ignored, how many classes are learned
    (None, 255, 3), (None, -1, 3), (None, 1, 3), (None, 2, 2), ((10, 20, 30), 99, 3), ((10, 20, 30), 20, 3),
]  # fmt: skip


@on_every_booster
@pytest.mark.parametrize(("labels", "ignored", "classes"), IGNORING)
def test_rows_of_the_ignored_label_have_no_weight_and_make_no_class(booster, labels, ignored, classes):
    X, y = problem(lm.cross_entropy(), 150)
    y = (y % 3 if labels is None else np.asarray(labels)[y % 3]).astype(float)
    y[::5] = ignored
    weight = (y != ignored).astype(float)
    options = {"params": ONE_THREAD[booster], "rounds": 3}
    heeding = lm.cross_entropy(labels=labels, ignore_index=ignored, class_weight=[1.0, 5.0, 2.0][:classes])
    plain = lm.cross_entropy(labels=labels, class_weight=[1.0, 5.0, 2.0][:classes])
    found = heeding.to(booster).fit(X, y, valid=(X, y, weight + 1), **options)
    expected = plain.to(booster).fit(X, y, weight, **options)
    assert found.predict(X).shape == (150, classes)
    assert found.units == expected.units
    np.testing.assert_array_equal(found.raw(X), expected.raw(X))
    np.testing.assert_array_equal(heeding.to(booster).start(y), found.units.start)
    for rows, weights in ((np.full(150, float(ignored)), None), (y, 1 - weight)):
        with pytest.raises(ValueError, match="cross_entropy: there is nothing to average"):
            heeding.to(booster).fit(X, rows, weights, **options)


@on_every_booster
@pytest.mark.parametrize("name", ["huber", "absolute_error", "squared_error"])
def test_nothing_to_learn_is_the_constant(booster, name):
    X = table(200)[0]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*nothing to learn")
        model = lm.get(name).to(booster).fit(X, np.ones(200), params=ONE_THREAD[booster], rounds=20)
    np.testing.assert_allclose(model.raw(X), 1.0, rtol=1e-9)


@on_every_booster
def test_what_is_learned_before_all_errors_are_forgiven_stays(booster):
    X = table(200)[0]
    loss = lm.epsilon_insensitive(epsilon=1.0)
    model = loss.to(booster).fit(X, 2 * X[:, 0], params=ONE_THREAD[booster], rounds=1000)
    assert loss(2 * X[:, 0], model.predict(X)) < 0.01


@on_every_booster
def test_what_goes_wrong_in_mid_training_is_not_trained_on(booster):
    X, y = problem(lm.squared_error())
    seen = []

    def soon_nan(y, f):
        seen.append(len(f))
        curvature = np.full_like(f, 2.0)
        curvature[3] = np.nan if len(seen) > 4 else 2.0
        return curvature

    with pytest.raises(ValueError, match="squared_error: the second-order weight at row 3 is not finite"):
        lm.squared_error().to(booster, hessian=soon_nan).fit(X, y, params=ONE_THREAD[booster], rounds=50)
    assert len(seen) == 5


@on_every_booster
def test_a_loss_that_is_flat_everywhere_says_so(booster):
    loss = lm.epsilon_insensitive()
    X, y = problem(loss)
    y = y * 1e-6
    with pytest.warns(UserWarning, match="nothing to learn; in_mads=True"):
        loss.to(booster).dataset(X, y)
    loss.to(booster, in_mads=True).dataset(X, y)


@on_every_booster
def test_inputs_are_not_written_to(booster):
    loss = lm.poisson()
    X, y = problem(loss)
    weight = np.random.default_rng(0).uniform(size=len(y))
    before = [part.copy() for part in (X, y, weight)]
    loss.to(booster).fit(X, y, weight, params=ONE_THREAD[booster], rounds=3)
    for part, then in zip((X, y, weight), before, strict=True):
        np.testing.assert_array_equal(part, then)


# links, labels, predictions -------------------------------------------------------------------------------------------


@on_every_booster
@pytest.mark.parametrize(
    ("stated", "same_as"),
    [
        (lm.binary_cross_entropy(from_logits=False), lm.binary_cross_entropy()),
        (lm.poisson(log_input=False), lm.poisson()),
        (lm.brier(from_logits=False), lm.brier()),
        (lm.cross_entropy(from_logits=False), lm.cross_entropy()),
    ],
    ids=lambda loss: loss.name,
)
def test_losses_of_means_and_probabilities_are_trained_through_their_link(booster, stated, same_as):
    X, y = problem(stated, 150)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # brier is not convex in the score
        a, b = (
            loss.to(booster, hessian="exact", scale=1.0).fit(X, y, params=PLAIN[booster], rounds=3)
            for loss in (stated, same_as)
        )
    np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=1e-5)
    np.testing.assert_allclose(a.raw(X), a.predict(X))  # the loss takes what one reads
    assert np.isfinite(stated(y, a.raw(X)))


@on_every_booster
def test_labels_by_any_name(booster):
    X, y = problem(lm.binary_cross_entropy())
    plain = lm.binary_cross_entropy().to(booster).fit(X, y, params=PLAIN[booster], rounds=5)
    for labels in ((-1, 1), ("no", "yes")):
        named = np.asarray(labels)[y.astype(int)]
        model = lm.binary_cross_entropy(labels=labels).to(booster).fit(X, named, params=PLAIN[booster], rounds=5)
        np.testing.assert_array_equal(model.predict(X), plain.predict(X))
    classes = np.asarray(["a", "b", "c"])
    y3 = problem(lm.cross_entropy(), 150)[1] % 3
    loss = lm.cross_entropy(labels=tuple(classes.tolist()))
    p = loss.to(booster).fit(X[:150], classes[y3], params=PLAIN[booster], rounds=5).predict(X[:150])
    assert p.shape == (150, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_a_prediction_that_no_link_leads_to_is_refused():
    from lossmith.formula import OpenUnitInterval

    @lm.pointwise
    def odd(y: Real, a: OpenUnitInterval, b: OpenUnitInterval):
        """Two shares."""
        return (y - a * b) ** 2

    for booster in BOOSTERS:
        with pytest.raises(ValueError, match="emits any number"):
            odd().to(booster)


# files and copies -----------------------------------------------------------------------------------------------------

PARAMETERISED = [
    lm.pseudo_huber(delta=0.7), lm.quantile(q=0.8), lm.tweedie(power=1.2), lm.focal(gamma=0.5, alpha=0.25),
    lm.binary_cross_entropy(pos_weight=3.0, label_smoothing=0.1, labels=("no", "yes")), lm.lq(q=1.7),
    lm.cross_entropy(class_weight=(1.0, 2.0, 0.5, 1.0)), lm.gaussian_nll(full=True),
    lm.epsilon_insensitive(epsilon=0.2), lm.poisson(log_input=False), 2 * lm.huber(delta=3.0), welsch(c=9.0),
]  # fmt: skip


@on_every_booster
@pytest.mark.parametrize("loss", PARAMETERISED, ids=lambda loss: loss.name)
def test_bst_08_a_saved_model_comes_back_with_its_loss_and_every_parameter(booster, loss, tmp_path):
    X, y = problem(loss, 150)
    y = np.asarray(loss.labels)[y.astype(int)] if loss.labels else y
    model = loss.to(booster).fit(X, y, params=ONE_THREAD[booster], rounds=3)
    name, module = model_class(booster)
    for place in ("folder/model", f"model{getattr(module, name).SUFFIX}"):
        model.save(tmp_path / place)
        again = getattr(module, name).load(tmp_path / place)
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        np.testing.assert_array_equal(again.raw(X), model.raw(X))
        assert again.loss == loss and dict(again.loss.params) == dict(loss.params) and again.units == model.units
    spec = json.loads((tmp_path / "folder/model/model.json").read_text())
    assert spec["framework"] == booster and spec["format"] == 1 and spec["loss"] == json.loads(json.dumps(loss.spec()))
    for key, value in (("format", 2), ("framework", "abacus")):
        (tmp_path / "folder/model/model.json").write_text(json.dumps({**spec, key: value}))
        with pytest.raises(ValueError, match=str(value)):
            getattr(module, name).load(tmp_path / "folder/model")
    with pytest.raises(ValueError, match=r"\.json is for the loss"):
        model.save(tmp_path / "model.json")


@on_every_booster
def test_objectives_copy_and_pickle(booster):
    X, y = problem(lm.huber(delta=2.0))
    objective = lm.huber(delta=2.0).to(booster)
    expected = objective.fit(X, y, params=PLAIN[booster], rounds=3).predict(X)
    for again in (copy.deepcopy(objective), pickle.loads(pickle.dumps(objective))):
        np.testing.assert_array_equal(again.fit(X, y, params=PLAIN[booster], rounds=3).predict(X), expected)


def test_a_fitted_estimator_is_kept_without_the_rows_of_its_training():
    xgboost = pytest.importorskip("xgboost")
    X, y = problem(lm.squared_error(), 4000)
    model = xgboost.XGBRegressor(objective=lm.squared_error().to("xgboost"), n_estimators=1, max_depth=1, n_jobs=1)
    kept = pickle.dumps(model.fit(X, y, base_margin=np.full(len(y), y.mean())))
    assert len(kept) < y.nbytes and y[:100].tobytes() not in kept
    np.testing.assert_array_equal(pickle.loads(kept).predict(X), model.predict(X))


@on_every_booster
def test_pandas_tables(booster):
    pd = pytest.importorskip("pandas")
    X, y = problem(lm.squared_error())
    frame = pd.DataFrame(X, columns=list("abcd"))
    a = lm.squared_error().to(booster).fit(frame, pd.Series(y), params=PLAIN[booster], rounds=3)
    b = lm.squared_error().to(booster).fit(X, y, params=PLAIN[booster], rounds=3)
    np.testing.assert_array_equal(a.predict(frame), b.predict(X))
    objective = lm.squared_error().to(booster)
    given = {"X": frame, "y": pd.Series(y), "weight": pd.Series(np.ones(400))}
    for first, other in (("X", "y"), ("X", "weight"), ("y", "weight")):
        rows = given if first == "X" else {**given, "X": X}
        rows = {**rows, other: rows[other].iloc[::-1]}
        words = f"{first} and {other} have unequal pandas indexes"
        for call in (objective.fit, objective.dataset):
            with pytest.raises(ValueError, match=words):
                call(**rows)
        with pytest.raises(ValueError, match=words):
            objective.fit(X, y, rounds=1, valid=(rows["X"], rows["y"], rows["weight"]))
    with pytest.raises(ValueError, match="y and weight have unequal"):
        objective.start(rows["y"], rows["weight"])
