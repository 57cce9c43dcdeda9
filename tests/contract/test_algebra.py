"""Losses made of losses; links; what is shown."""

import functools
import operator
import pickle

import numpy as np
import pytest

import lossmith as lm
from lossmith.formula import ClassId, PerSample, Positive, Real, Scores, logsumexp, pick

from . import samples

EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
METHODS = ("__call__", "gradient", "hessian")


@EVERY
def test_a_multiple_is_the_multiple_everywhere(sample):
    factor = 2
    scaled = factor * sample.loss
    for method in METHODS:
        expected = factor * getattr(sample.loss, method)(sample.y, sample.f, reduction="none")
        np.testing.assert_allclose(getattr(scaled, method)(sample.y, sample.f, reduction="none"), expected, rtol=1e-14)
    assert sample.loss * factor == scaled
    best, same = sample.loss.best_constant(sample.y), scaled.best_constant(sample.y)
    np.testing.assert_allclose(same, best, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(scaled.link.inverse(sample.f), sample.loss.link.inverse(sample.f))


SUMS = [
    (2 * lm.huber() + lm.absolute_error(), [(2, lm.huber()), (1, lm.absolute_error())], *samples.REAL),
    (lm.huber(delta=0.5) + 3 * lm.huber(delta=2), [(1, lm.huber(delta=0.5)), (3, lm.huber(delta=2))], *samples.REAL),
    (0.5 * (lm.brier() + lm.focal()), [(0.5, lm.brier()), (0.5, lm.focal())], *samples.LABEL),
    (
        lm.cross_entropy() + 0.1 * lm.focal_cross_entropy(),
        [(1, lm.cross_entropy()), (0.1, lm.focal_cross_entropy())],
        samples.IDS,
        samples.SCORES,
    ),
    (
        lm.squared_error() + lm.quantile(q=0.9) + lm.log_cosh(),
        [(1, lm.squared_error()), (1, lm.quantile(q=0.9)), (1, lm.log_cosh())],
        *samples.REAL,
    ),
]


@pytest.mark.parametrize(("total", "parts", "y", "f"), SUMS, ids=range(len(SUMS)))
def test_a_sum_is_the_sum_everywhere(total, parts, y, f):
    for method in METHODS:
        expected = sum(factor * getattr(part, method)(y, f, reduction="none") for factor, part in parts)
        np.testing.assert_allclose(getattr(total, method)(y, f, reduction="none"), expected, rtol=1e-13, atol=1e-16)
    assert np.all(total.curvature(y, f) > 0)
    assert total(y, f, weight=np.arange(6.0)) == pytest.approx(
        sum(factor * part(y, f, weight=np.arange(6.0)) for factor, part in parts), rel=1e-13
    )
    assert isinstance(total.name, str) and total.latex


def test_the_domain_of_a_sum_is_that_of_its_parts():
    for both in (lm.focal() + lm.binary_cross_entropy(), lm.binary_cross_entropy() + lm.focal()):
        assert both([1], [0.0]) == pytest.approx(1.25 * np.log(2))
        with pytest.raises(ValueError):
            both([0.5], [0.0])
    narrower = lm.squared_error() + lm.absolute_percentage_error()
    with pytest.raises(ValueError):
        narrower([0.0], [0.0])


def test_the_inputs_of_a_sum_are_what_both_of_its_parts_take():
    @lm.pointwise
    def wide(y: Real, f: Real, *, t: PerSample[Real]):
        return t * (f - y) ** 2

    @lm.pointwise
    def narrow(y: Real, f: Real, *, t: PerSample[Positive]):
        return (f - y) ** 2 / t

    for both in (wide() + narrow(), narrow() + wide()):
        assert both([1.0], [3.0], t=[2.0]) == 10.0
        with pytest.raises(ValueError, match=r"t\[0\] = -1 is not"):
            both([1.0], [3.0], t=[-1.0])


@lm.pointwise
def plain(y: Real, f: Real, *, c: Positive = 2.0):
    return c * (f - y) ** 2


@lm.pointwise
def other_names(t: Real, g: Real):
    return (g - t) ** 4


@lm.pointwise
def swapped_names(f: Real, y: Real, *, y_2: Positive = 5.0):
    return y_2 * abs(y - f)


@lm.pointwise
def number_named_as_a_prediction(t: Real, g: Real, *, f: Positive = 3.0):
    return f * abs(g - t)


@lm.pointwise
def input_named_as_a_prediction(y: Real, f: Real, *, g: PerSample[Real]):
    return g * (f - y) ** 2


@lm.pointwise
def input_named_as_a_target(t: Real, g: Real, *, y: PerSample[Positive]):
    return y * abs(g - t)


@lm.pointwise
def input_named_as_a_parameter(y: Real, f: Real, *, c: PerSample[Positive]):
    return c * abs(f - y)


NAMED = [
    plain(), other_names(), swapped_names(), number_named_as_a_prediction(), input_named_as_a_prediction(),
    input_named_as_a_target(), input_named_as_a_parameter(),
]  # fmt: skip


@pytest.mark.parametrize("second", NAMED, ids=lambda loss: loss.name)
@pytest.mark.parametrize("first", NAMED, ids=lambda loss: loss.name)
def test_names_of_one_part_do_not_meddle_with_those_of_the_other(first, second):
    y, f = np.array([1.0, 2.0, 0.5]), np.array([4.0, -2.0, 0.25])
    further = {"g": np.array([10.0, 100.0, 7.0]), "y": np.array([3.0, 0.5, 2.0]), "c": np.array([2.0, 4.0, 9.0])}

    def given(*losses):
        return {e.name: further[e.name] for loss in losses for e in loss.formula.extras}

    both = pickle.loads(pickle.dumps(first + second))
    assert both == first + second
    for method in METHODS:
        parts = [getattr(part, method)(y, f, reduction="none", **given(part)) for part in (first, second)]
        found = getattr(both, method)(y, f, reduction="none", **given(first, second))
        np.testing.assert_allclose(found, sum(parts), rtol=1e-13)
    parts = [part.curvature(y, f, **given(part)) for part in (first, second)]
    np.testing.assert_allclose(both.curvature(y, f, **given(first, second)), sum(parts), rtol=1e-13)


def test_class_weights_make_way_for_what_a_formula_calls_by_that_name():
    @lm.rowwise
    def scaled(y: ClassId, f: Scores, *, class_weights: PerSample[Positive]):
        return class_weights * (logsumexp(f) - pick(f, y))

    weighted = scaled().class_weighted({0: 1, 1: 3})
    y, f, each = [0, 1], np.array([[1.0, 2.0], [0.5, 0.0]]), np.array([2.0, 5.0])
    expected = each * [1, 3] * lm.cross_entropy()(y, f, reduction="none")
    np.testing.assert_allclose(weighted(y, f, class_weights=each, reduction="none"), expected, rtol=1e-13)
    assert pickle.loads(pickle.dumps(weighted)) == weighted


def test_a_sum_of_many_is_read_back():
    many = functools.reduce(operator.add, [lm.huber(delta=1.0 + k) for k in range(101)])
    assert pickle.loads(pickle.dumps(many)) == many and len(many.params) == 101
    turns = functools.reduce(operator.add, [lm.poisson(log_input=False), lm.squared_error()] * 10)
    assert pickle.loads(pickle.dumps(turns)) == turns


PLAIN, LEFT_OUT, OTHERS_OUT = lm.cross_entropy(), lm.cross_entropy(ignore_index=0), lm.cross_entropy(ignore_index=-1)


@pytest.mark.parametrize(
    ("first", "second"),
    [(PLAIN, LEFT_OUT), (LEFT_OUT, PLAIN), (lm.focal_cross_entropy(), LEFT_OUT), (OTHERS_OUT, 2 * LEFT_OUT)],
    ids=repr,
)
def test_losses_that_leave_out_different_labels_are_not_added(first, second):
    with pytest.raises(ValueError, match=r"ignore_index=.*ignore_index=.*give both one"):
        first + second


def test_a_sum_leaves_out_the_label_that_both_leave_out():
    y, f = [0, 1], [[0.0, 1.0], [1.0, 2.0]]
    both = LEFT_OUT + 2 * LEFT_OUT
    np.testing.assert_allclose(both(y, f, reduction="none"), 3 * LEFT_OUT(y, f, reduction="none"), rtol=1e-15)


@pytest.mark.parametrize("factor", [np.nan, np.inf, "two", None, lm.huber()])
def test_a_factor_must_be_a_finite_number(factor):
    with pytest.raises((TypeError, ValueError)):
        factor * lm.huber()


def test_only_losses_of_one_kind_are_added():
    for other in (1.0, "huber", None, lm.cross_entropy(), lm.gaussian_nll(), lm.hinge(labels=(-1, 1))):
        with pytest.raises((TypeError, ValueError)):
            lm.huber() + other


def test_class_weighted_leaves_the_loss_it_came_from():
    plain = lm.hinge()
    weighted = plain.class_weighted({0: 1, 1: 9})
    assert plain == lm.hinge() != weighted
    assert weighted == lm.hinge().class_weighted({1: 9.0, 0: 1.0})
    assert weighted != lm.hinge().class_weighted({0: 1, 1: 8})
    for bad in ({0: 1, 1: -1}, {0: 1, 1: np.nan}, {0: "a", 1: 1}):
        with pytest.raises((ValueError, TypeError)):
            plain.class_weighted(bad)


# links
@EVERY
def test_the_link_and_its_inverse_round_trip(sample):
    f = sample.f
    shown = sample.loss.link.inverse(f)
    levels = (int(sample.loss.formula.target.domain.high) + 1,) if sample.loss.target_kind == "level" else ()
    assert np.shape(shown) == f.shape + levels  # of levels, a chance for each
    back = np.asarray(sample.loss.link(shown))
    if sample.row and not np.allclose(back, f):  # the softmax forgets a shift of the whole row
        f = f - f.mean(axis=-1, keepdims=True)
        back = back - back.mean(axis=-1, keepdims=True)
    np.testing.assert_allclose(back, f, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("loss", "score", "mean"),
    [
        (lm.squared_error(), 3.0, 3.0),
        (lm.absolute_error(), -2.0, -2.0),
        (lm.binary_cross_entropy(), 0.0, 0.5),
        (lm.binary_cross_entropy(), np.log(3.0), 0.75),
        (lm.binary_cross_entropy(from_logits=False), 0.75, 0.75),
        (lm.poisson(), np.log(3.0), 3.0),
        (lm.poisson(log_input=False), 3.0, 3.0),
        (lm.gamma(), np.log(2.0), 2.0),
        (lm.tweedie(), 0.0, 1.0),
        (lm.brier(), 0.0, 0.5),
    ],
    ids=lambda each: getattr(each, "name", None),
)
def test_the_link_leads_from_what_is_read_to_the_score(loss, score, mean):
    assert loss.link.inverse(score) == pytest.approx(mean, rel=1e-15)
    assert loss.link(mean) == pytest.approx(score, rel=1e-15, abs=1e-15)


def test_the_link_of_class_scores_is_the_softmax():
    shown = lm.cross_entropy().link.inverse(samples.SCORES)
    np.testing.assert_allclose(shown, samples.PROBABILITIES, rtol=1e-14)
    extreme = lm.cross_entropy().link.inverse([[1000.0, 0.0, -1000.0]])
    np.testing.assert_allclose(extreme, [[1.0, 0.0, 0.0]], atol=1e-300)


def test_links_survive_extreme_scores():
    shown = lm.binary_cross_entropy().link.inverse(np.array([-800.0, -40.0, 40.0, 800.0]))
    np.testing.assert_allclose(shown, [0.0, np.exp(-40.0), 1.0, 1.0], rtol=1e-15)
    assert lm.binary_cross_entropy().link(1.0) == np.inf and lm.binary_cross_entropy().link(0.0) == -np.inf
    assert lm.poisson().link(0.0) == -np.inf


def test_with_link_is_another_loss_over_the_same_truth():
    """squared_error through a log link reads its prediction as a log-mean."""
    y, f = np.array([0.5, 2.0, 3.0]), np.array([-0.5, 0.25, 1.5])
    plain, linked = lm.squared_error(), lm.squared_error().with_link("log")
    assert linked != plain and plain == lm.squared_error()
    assert linked.link.inverse(0.0) == 1.0
    np.testing.assert_allclose(linked(y, f, reduction="none"), (np.exp(f) - y) ** 2, rtol=1e-14)
    expected = 2 * (np.exp(f) - y) * np.exp(f)
    np.testing.assert_allclose(linked.gradient(y, f, reduction="none"), expected, rtol=1e-13)
    assert linked.best_constant(y) == pytest.approx(np.log(y.mean()), rel=1e-9)
    assert linked == lm.squared_error().with_link("log")
    with pytest.raises(ValueError):
        plain.with_link("no such link")


@pytest.mark.parametrize(
    ("name", "option", "link"),
    [
        *((name, "from_logits", "logit") for name in ("binary_cross_entropy", "focal", "brier")),
        *((name, "from_logits", "softmax") for name in ("cross_entropy", "focal_cross_entropy")),
        *((name, "log_input", "log") for name in ("poisson", "gamma", "tweedie", "kl_divergence")),
    ],
)
def test_a_link_that_a_loss_has_a_form_for_leads_to_that_form(name, option, link):
    assert lm.get(name, **{option: False}).with_link(link) == lm.get(name, **{option: True})


def test_a_probability_by_way_of_its_log_odds_keeps_its_digits():
    linked = lm.binary_cross_entropy(from_logits=False, labels=("a", "b")).with_link("logit")
    assert linked(["b"], [40.0]) == pytest.approx(np.exp(-40.0), rel=1e-15)
    assert linked.gradient(["b"], [-746.0]) == -1.0


# what is shown
@EVERY
def test_every_loss_has_a_formula_to_show(sample):
    latex = sample.loss.latex
    assert isinstance(latex, str) and latex.strip()
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")
    assert sample.loss.formula is not None and str(sample.loss.formula)
