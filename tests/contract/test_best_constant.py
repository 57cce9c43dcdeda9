"""The constant prediction that is best, on the scale of the raw score."""

import numpy as np
import pytest

import lossmith as lm

from . import samples

Y = np.array([1.0, 2.0, 3.0, 10.0])
COUNTS = np.array([0.0, 1.0, 4.0, 7.0])
W = np.array([1.0, 2.0, 3.0, 4.0])
BITS = np.array([0, 1, 1, 1])


@pytest.mark.parametrize("weight", [None, W, W * 1e-300, W * 1e300], ids=["none", "w", "tiny", "huge"])
@pytest.mark.parametrize(
    ("name", "params", "y", "truth"),
    [
        ("squared_error", {}, Y, lambda mean: mean),
        ("expectile", {"q": 0.5}, Y, lambda mean: mean),
        ("lq", {"q": 2.0}, Y, lambda mean: mean),
        ("poisson", {}, COUNTS, np.log),
        ("poisson", {"full": True}, COUNTS, np.log),
        ("poisson", {"log_input": False}, COUNTS, lambda mean: mean),
        ("gamma", {}, Y, np.log),
        ("gamma", {"log_input": False}, Y, lambda mean: mean),
        ("tweedie", {}, COUNTS, np.log),
        ("tweedie", {"power": 1.2, "log_input": False}, COUNTS, lambda mean: mean),
        ("binary_cross_entropy", {}, BITS, lambda mean: np.log(mean / (1 - mean))),
        ("binary_cross_entropy", {"from_logits": False}, BITS, lambda mean: mean),
        ("brier", {}, BITS, lambda mean: np.log(mean / (1 - mean))),
        ("brier", {"from_logits": False}, BITS, lambda mean: mean),
        ("exponential", {}, BITS, lambda mean: np.log(mean / (1 - mean)) / 2),
        ("squared_hinge", {}, BITS, lambda mean: 2 * mean - 1),
        ("modified_huber", {}, BITS, lambda mean: 2 * mean - 1),
    ],
)
def test_the_mean_through_the_link(name, params, y, truth, weight):
    mean = y.mean() if weight is None else (W * y).sum() / W.sum()
    got = lm.get(name, **params).best_constant(y, weight=weight)
    assert type(got) is float
    assert got == pytest.approx(truth(mean), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "params", "y", "weight", "truth"),
    [
        ("absolute_error", {}, [1.0, 2.0, 3.0, 10.0], None, 2.5),
        ("absolute_error", {}, [1.0, 2.0, 10.0], None, 2.0),
        ("absolute_error", {}, [1.0, 2.0, 10.0], [1.0, 1.0, 2.0], 6.0),
        ("absolute_error", {}, [1.0, 2.0, 10.0], [1.0, 1.0, 5.0], 10.0),
        ("absolute_error", {}, [10.0, 1.0, 7.0, 2.0], [1.0, 1.0, 0.0, 2.0], 2.0),
        ("quantile", {"q": 0.25}, [1.0, 2.0, 3.0, 10.0], None, 1.5),
        ("quantile", {"q": 0.9}, [1.0, 2.0, 3.0, 10.0], None, 10.0),
        ("quantile", {"q": 0.75}, [1.0, 2.0, 5.0], [2.0, 1.0, 1.0], 3.5),
        ("quantile", {"q": 0.1}, list(np.arange(10.0)), None, 0.5),
        ("smooth_l1", {"beta": 0.0}, [1.0, 2.0, 3.0, 10.0], None, 2.5),
        ("lq", {"q": 1.0}, [1.0, 2.0, 3.0, 10.0], None, 2.5),
        ("epsilon_insensitive", {"epsilon": 0.1}, [0.0, 1.0], None, 0.5),
        ("epsilon_insensitive", {"epsilon": 0.1}, [0.0, 0.05], None, 0.025),
        ("epsilon_insensitive", {"epsilon": 5.0}, [0.0, 1.0, 2.0], None, 1.0),
        ("huber", {"delta": 1.0}, [0.0, 10.0], None, 5.0),
        ("huber", {"delta": 1.0}, [0.0, 0.0, 9.0], None, 0.5),
        ("huber", {"delta": 100.0}, [1.0, 2.0, 6.0], None, 3.0),
        ("absolute_percentage_error", {}, [1.0, 2.0, 4.0], None, 1.0),
        ("absolute_percentage_error", {}, [1.0, 2.0, 4.0], [1.0, 2.0, 4.0], 2.0),
        ("squared_log_error", {}, [0.0, 3.0], None, 1.0),
        ("hinge", {}, [0, 1, 1, 1], None, 1.0),
        ("hinge", {}, [0, 0, 1], None, -1.0),
        ("hinge", {}, [0, 1], None, 0.0),
        ("hinge", {}, [0, 1], [1.0, 3.0], 1.0),
        ("squared_error", {}, [3.0], None, 3.0),
    ],
)
def test_the_midpoint_of_the_set_of_minimisers(name, params, y, weight, truth):
    assert lm.get(name, **params).best_constant(y, weight=weight) == pytest.approx(truth, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "exponential", "brier"])
def test_infinite_where_the_truth_is(name):
    loss = lm.get(name)
    assert loss.best_constant([1, 1, 1]) == np.inf
    assert loss.best_constant([0, 0]) == -np.inf
    assert loss.best_constant([0, 1, 1], weight=[0.0, 1.0, 1.0]) == np.inf


def test_infinite_for_counts_that_are_all_zero():
    assert lm.poisson().best_constant([0.0, 0.0]) == -np.inf
    assert lm.tweedie().best_constant([0.0, 0.0]) == -np.inf


@pytest.mark.parametrize("weight", [None, np.linspace(1.0, 3.0, 6)])
def test_softmax_scores_sum_to_0(weight):
    w = np.ones(6) if weight is None else weight
    share = np.bincount(samples.IDS, w) / w.sum()
    got = lm.cross_entropy().best_constant(samples.IDS, weight=weight)
    assert got.shape == (3,)
    np.testing.assert_allclose(got, np.log(share) - np.log(share).mean(), rtol=1e-9, atol=1e-12)
    assert got.sum() == pytest.approx(0.0, abs=1e-12)


def test_infinite_for_a_normal_without_spread():
    mean, log_scale = lm.gaussian_nll().best_constant([2.0, 2.0])
    assert (mean, log_scale) == (2.0, -np.inf)


def test_a_class_without_samples_is_infinitely_unlikely():
    got = lm.cross_entropy().best_constant([0, 0, 2])
    assert got[1] == -np.inf
    np.testing.assert_allclose(got[0] - got[2], np.log(2.0), rtol=1e-12)


@pytest.mark.parametrize(
    "loss", [lm.cross_entropy(), lm.multiclass_hinge(), lm.multi_margin(), 2 * lm.multi_margin(p=2)], ids=str
)
@pytest.mark.parametrize(("y", "weight"), [([0, 0], None), ([0, 1, 0], [1.0, 0.0, 2.0])])
def test_of_one_class_alone_the_other_is_infinitely_unlikely(loss, y, weight):
    assert loss.best_constant(y, weight=weight).tolist() == [0.0, -np.inf]


def test_softmax_scores_of_soft_rows():
    got = lm.cross_entropy().best_constant(samples.SHARES)
    share = samples.SHARES.mean(axis=0)
    np.testing.assert_allclose(got, np.log(share) - np.log(share).mean(), rtol=1e-9)


def test_smoothing_keeps_the_constant_of_one_class_finite():
    smooth = lm.binary_cross_entropy(label_smoothing=0.1)
    assert smooth.best_constant([1, 1]) == pytest.approx(np.log(0.95 / 0.05), rel=1e-9)


def test_class_weights_move_the_constant():
    loss = lm.binary_cross_entropy().class_weighted({0: 1.0, 1: 9.0})
    assert loss.best_constant([0, 0, 0, 1]) == pytest.approx(np.log(3.0), rel=1e-9)
    assert lm.binary_cross_entropy(pos_weight=9.0).best_constant([0, 0, 0, 1]) == pytest.approx(np.log(3.0), rel=1e-9)
    by_row = lm.cross_entropy(class_weight=[1.0, 2.0, 4.0]).best_constant([0, 1, 2])
    np.testing.assert_allclose(by_row, np.log([1.0, 2.0, 4.0]) - np.log(2.0), atol=1e-9)


def test_a_normal_is_fitted_by_its_mean_and_log_standard_deviation():
    y, w = np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 2.0])
    mean, log_scale = lm.gaussian_nll().best_constant(y, weight=w)
    assert mean == pytest.approx(3.75, rel=1e-9)
    assert log_scale == pytest.approx(np.log(np.sqrt((w * (y - 3.75) ** 2).sum() / 4)), rel=1e-9)


CE = lm.cross_entropy()


@pytest.mark.parametrize(
    ("loss", "claim"),
    [
        (CE + CE, "mean"),
        (lm.cross_entropy(class_weight=[2.0, 2.0]), "mean"),
        (CE + lm.cross_entropy(class_weight=[5.0, 1.0]), None),
        (CE + lm.cross_entropy(label_smoothing=0.5), None),
        (lm.cross_entropy(from_logits=False) + lm.cross_entropy(from_logits=False, label_smoothing=0.5), None),
        (lm.quantile(q=0.1) + lm.quantile(q=0.1), "quantile"),
        (lm.quantile(q=0.1) + lm.quantile(q=0.9), None),
        (lm.expectile(q=0.1) + lm.expectile(q=0.9), None),
        (lm.gaussian_nll() + 2 * lm.gaussian_nll(), "mean"),
        (lm.squared_error().with_link("logit"), "mean"),
    ],
    ids=str,
)
def test_a_sum_asks_for_what_both_ask_for(loss, claim):
    assert loss.elicits == claim


HUGE = np.full(3, 1e308)


@pytest.mark.parametrize(
    ("loss", "y", "weight", "truth"),
    [
        *((getattr(lm, name)(), [0.0, 1.0, 5.0], HUGE, truth) for name, truth in [
            ("squared_error", 2.0), ("absolute_error", 1.0), ("huber", 1.0), ("log_cosh", 1.1749571670169767),
            ("epsilon_insensitive", 1.0),
        ]),
        (lm.binary_cross_entropy(), [0, 1, 1], HUGE, np.log(2.0)),
        (CE, [0, 1, 1], HUGE, np.log(2.0) * np.array([-0.5, 0.5])),
        *((getattr(lm, name)(), [1e308, 1.5e308], None, 1.25e308) for name in ("squared_error", "absolute_error")),
        *((getattr(lm, name)(), [1e308, 1.5e308], None, np.log(1.25) + 308 * np.log(10))
          for name in ("gamma", "poisson", "tweedie")),
        (lm.generalized_kl_divergence(), [[1e308, 1.0], [1.5e308, 3.0]], None, [1.25e308, 2.0]),
    ],
    ids=str,
)  # fmt: skip
def test_no_sum_overflows(loss, y, weight, truth):
    np.testing.assert_allclose(loss.best_constant(y, weight=weight), truth, rtol=1e-9)


def test_a_mean_that_no_score_gives():
    squared = lm.squared_error().with_link("logit")
    assert squared.best_constant([0.2, 0.4]) == pytest.approx(np.log(0.3 / 0.7), rel=1e-9)
    assert squared.best_constant([0.2, 4.0]) == np.inf


@pytest.mark.parametrize(
    ("loss", "y", "weight", "message"),
    [
        (lm.kl_divergence(), [[0.5, 0.6]], None, r"y_true\[0\] sums to 1.1"),
        (lm.kl_divergence(), [[0.5, 0.5], [-0.5, 1.5]], None, r"y_true\[1, 0\] = -0.5"),
        (lm.kl_divergence(), [[np.nan, 0.6]], None, r"y_true\[0, 0\] = nan"),
        (lm.kl_divergence(log_input=True), [[-0.5, 1.5]], None, r"y_true\[0, 0\] = -0.5"),
        (lm.kl_divergence(), [["a", "b"]], None, "y_true holds texts"),
        (lm.generalized_kl_divergence(), [[0.5, -0.5]], None, r"y_true\[0, 1\] = -0.5"),
        (lm.js_divergence(), [[-0.5, 1.5]], None, r"y_true\[0, 0\] = -0.5"),
        (CE, [[-0.5, 1.5]], None, r"y_true\[0, 0\] = -0.5"),
        (CE, [[np.nan, 0.5], [0.5, 0.5]], None, r"y_true\[0, 0\] = nan"),
        (CE, [np.nan, 1.0], None, r"y_true\[0\] = nan"),
        (CE, ["a", "b"], None, "y_true holds texts"),
        (lm.squared_error(), [5.0, np.nan, 2.0], None, r"y_true\[1\] = nan"),
        (lm.squared_error(), [[5.0, 2.0], [np.nan, 2.0]], None, r"y_true\[1, 0\] = nan"),
        (lm.poisson(), [5.0, 3.0, -1.0], None, r"y_true\[2\] = -1"),
        (lm.poisson(), [-5.0, 3.0, -1.0], [0.0, 1.0, 1.0], r"y_true\[2\] = -1"),
        (lm.gaussian_nll(), [5.0, np.nan], None, r"y_true\[1\] = nan"),
        (lm.gaussian_nll(), [5.0, np.inf], None, "y_true holds inf"),
        (lm.squared_error(), [1.0, 2.0], [1.0, -1.0], r"weight\[1\] = -1"),
        (lm.squared_error(), [1.0, 2.0], [1.0, np.nan], r"weight\[1\] = nan"),
        (lm.squared_error(), [1.0, 2.0], [[1.0], [2.0]], "weight has shape"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_where_the_user_has_it(loss, y, weight, message):
    with pytest.raises((ValueError, TypeError), match=message):
        loss.best_constant(y, weight=weight)


@pytest.mark.parametrize("given", [{"where": [True]}, {"reduction": "sum"}, {"exposure": [1.0]}], ids=str)
def test_what_the_formula_does_not_take_is_refused_by_name(given):
    (name,) = given
    for call in (lm.huber().best_constant, lambda y, **more: lm.gaussian_nll().best_constant(y, weight=[1.0], **more)):
        with pytest.raises(TypeError, match=f"takes no argument '{name}'"):
            call([1.0], **given)


def test_unequal_pandas_indexes_are_refused():
    pandas = pytest.importorskip("pandas")
    y, weight = pandas.Series([1.0, 2.0]), pandas.Series([1.0, 2.0], index=[1, 0])
    with pytest.raises(ValueError, match="unequal pandas indexes"):
        lm.squared_error().best_constant(y, weight=weight)


def test_targets_of_another_library_on_the_host():
    torch = pytest.importorskip("torch")
    assert lm.squared_error().best_constant(torch.tensor([1.0, 5.0]), weight=torch.tensor([3.0, 1.0])) == 2.0


def test_a_column_of_class_ids_is_no_row_of_one_class():
    np.testing.assert_array_equal(CE.best_constant([[1], [1]]), [-np.inf, 0.0])


def test_nothing_has_no_best_constant():
    for y, weight in (([], None), ([1.0, 2.0], [0.0, 0.0])):
        with pytest.raises(ValueError):
            lm.squared_error().best_constant(y, weight=weight)


def test_labels_outside_the_domain_are_refused():
    with pytest.raises(ValueError, match="poisson"):
        lm.poisson().best_constant([1.0, -2.0])
    with pytest.raises(ValueError):
        lm.squared_error().best_constant([1.0, np.nan])
    assert lm.squared_error().best_constant([1.0, np.nan], weight=[1.0, 0.0]) == 1.0


def spread(constant, sample):
    return np.broadcast_to(np.asarray(constant, dtype=np.float64), sample.f.shape)


@pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
def test_no_constant_nearby_is_better(sample):
    loss, y, w = sample.loss, sample.y, sample.weight
    best = loss.best_constant(y, weight=w)
    assert np.shape(best) == sample.f.shape[1:]
    assert np.all(np.isfinite(best))
    lowest = loss(y, spread(best, sample), weight=w)
    random = np.random.default_rng(3)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(4):
            step = size * random.normal(size=np.shape(best))
            other = np.asarray(best) + step
            if "y_pred sums to 1" in bounds(sample):
                other = np.abs(best + step) / np.abs(best + step).sum()
            elif "log" in bounds(sample):
                other = best + step - np.log(np.exp(best + step).sum())
            try:
                value = loss(y, spread(other, sample), weight=w)
            except ValueError:
                continue  # outside what a prediction may be
            assert value >= lowest - 1e-9 * max(1.0, abs(lowest))


def bounds(sample):
    """Rows of probabilities are only compared with other such rows."""
    if not sample.row:
        return ""
    sums = sample.f.sum(axis=-1)
    if np.allclose(sums, 1.0):
        return "y_pred sums to 1"
    return "log" if np.allclose(np.exp(sample.f).sum(axis=-1), 1.0) else ""
