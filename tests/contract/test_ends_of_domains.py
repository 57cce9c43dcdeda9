"""Where a domain or the floats end: limits that a product hides behind infinity times 0, and squares that overflow."""

import numpy as np
import pytest

import lossmith as lm

INF = np.inf
# at probabilities 1, 0 of the label 1: the loss is -(1 - p)^gamma log p = w^(gamma + 1) (1 + w / 2 + ...), w = 1 - p
SLOPES = {0.0: (-1.0, 1.0), 0.25: (0.0, INF), 0.5: (0.0, INF), 1.0: (0.0, 2.0), 1.5: (0.0, 0.0), 2.0: (0.0, 0.0)}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("gamma", SLOPES)
def test_focal_loss_of_certain_probabilities(gamma, dtype):
    slope, bend = SLOPES[gamma]
    y, f = np.array([1, 1, 0, 0], dtype), np.array([1, 0, 0, 1], dtype)
    loss = lm.focal(gamma=gamma, from_logits=False)
    np.testing.assert_array_equal(loss(y, f, reduction="none"), [0, INF, 0, INF])
    np.testing.assert_array_equal(loss.gradient(y, f, reduction="none"), [slope, -INF, -slope, INF])
    np.testing.assert_array_equal(loss.hessian(y, f), [bend, INF, bend, INF])
    rows = np.array([[1, 0], [0, 1]], dtype)
    several = lm.focal_cross_entropy(gamma=gamma, from_logits=False)
    np.testing.assert_array_equal(several([0, 0], rows, reduction="none"), [0, INF])
    np.testing.assert_array_equal(several.gradient([0, 0], rows, reduction="none"), [[slope, 0], [-INF, 0]])


def test_focal_loss_of_probabilities_near_certainty_goes_on_to_its_end():
    wrong = 2.0 ** -np.array([10.0, 26.0, 40.0, 50.0])
    loss = lm.focal(gamma=0.5, from_logits=False)
    np.testing.assert_allclose(loss(np.ones(4), 1 - wrong, reduction="none"), wrong**1.5 * (1 + wrong / 2), rtol=1e-6)
    gradient = loss.gradient(np.ones(4), 1 - wrong, reduction="none")
    np.testing.assert_allclose(gradient, -1.5 * wrong**0.5 * (1 + 5 / 6 * wrong), rtol=1e-5)


# (loss, method, target, prediction, truth): a factor alone overflows or fades away, their product does not
APART = [
    (lm.focal(gamma=0.5, from_logits=False), "hessian", 0, 1e-37, 2.3717082451e18),
    (lm.binary_cross_entropy(pos_weight=1e-3, from_logits=False), "gradient", 1, 7e-40, -1.428569550e36),
    (lm.binary_cross_entropy(pos_weight=1e-3, from_logits=False), "hessian", 1, 3e-20, 1.1111111111e36),
    (lm.binary_cross_entropy(pos_weight=1e6), "hessian", 1e-6, -100.0, 7.4401519520e-44),
    (lm.binary_cross_entropy(pos_weight=0.0, from_logits=False), "__call__", 1, 0.0, 0.0),
    (lm.smooth_l1(beta=1e-20), "__call__", 0, 1.5e-30, 1.125e-40),
    (lm.pseudo_huber(delta=1e20), "gradient", 0, 1e-26, 1e-26),
    (lm.pseudo_huber(delta=1e-20), "curvature", 0, 0.0, 1.0),
    (lm.poisson(full=True), "__call__", 1e38, 37.5, INF),
    (lm.poisson(full=True, log_input=False), "__call__", 1e38, 1e38, 44.668055),
]


@pytest.mark.parametrize("engine", ["llvm", "arrays"])
@pytest.mark.parametrize(("loss", "method", "y", "f", "truth"), APART, ids=str)
def test_a_product_is_right_where_a_factor_is_not(loss, method, y, f, truth, engine, monkeypatch):
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    got = getattr(loss, method)(np.array([y], np.float32), np.array([f], np.float32), reduction="none")
    np.testing.assert_allclose(got, [truth], rtol=1e-6, atol=2e-45)


_HALF = {"class_weight": [0.0, 1.0]}
_SMOOTHED = {"label_smoothing": 0.1, "from_logits": False}
# (loss, target, prediction): of infinite loss, but for its weight
WEIGHTLESS = [
    (lm.focal(alpha=0.0), 1, -INF), (lm.focal(alpha=1.0), 0, INF), (lm.focal(alpha=0.0, gamma=0.0), 1, -INF),
    (lm.focal(alpha=0.0, from_logits=False), 1, 0.0), (lm.focal(alpha=0.0, gamma=1e-10, from_logits=False), 1, 1e-300),
    (lm.focal_cross_entropy(**_HALF), 0, [-INF, 0.0]), (lm.focal_cross_entropy(**_HALF, from_logits=False), 0, [0, 1]),
    (lm.cross_entropy(**_HALF), 0, [-INF, 0.0]), (lm.cross_entropy(**_HALF, from_logits=False), 0, [0, 1]),
    (lm.cross_entropy(**_HALF, **_SMOOTHED, weighting="target"), 0, [0, 1]),
    (lm.cross_entropy(**_HALF, **_SMOOTHED, weighting="target"), [1, 0], [0, 1]),
    (lm.cross_entropy(**_HALF, **_SMOOTHED, weighting="target"), 0, [1e-200, 1]),  # whose square overflows
    (lm.cross_entropy(**_SMOOTHED).class_weighted({0: 0, 1: 1}), 0, [0, 1]),
    (lm.cross_entropy(**_SMOOTHED).class_weighted({0: 0, 1: 1}), [1, 0], [0, 1]),
    (lm.bce(pos_weight=0.0), 1, -INF), (lm.bce(pos_weight=0.0, from_logits=False), 1, 0.0),
    (lm.translate("lightgbm:binary", sigmoid=2.0, scale_pos_weight=0.0).loss, 1, -INF),
    (lm.exponential().class_weighted({0: 1, 1: 0}), 1, -INF), (0 * lm.hinge(), 1, -INF),
]  # fmt: skip


@pytest.mark.parametrize("engine", ["llvm", "arrays"])
@pytest.mark.parametrize(("loss", "y", "f"), WEIGHTLESS, ids=str)
def test_an_infinite_loss_of_no_weight_is_0(loss, y, f, engine, monkeypatch):
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    for method in ("__call__", "gradient", "hessian"):
        got = getattr(loss, method)(np.array([y]), np.array([f], float), reduction="none")
        np.testing.assert_array_equal(got, np.zeros_like(got), method)


@pytest.mark.parametrize(("dtype", "large"), [(np.float64, 1.2e308), (np.float32, 3e38)])
def test_expectile_overflows_only_where_its_own_number_does(dtype, large):
    loss = lm.expectile(q=0.1)
    share = float(dtype(0.1))
    gradient = loss.gradient(np.array([large], dtype), np.zeros(1, dtype), reduction="none")
    np.testing.assert_allclose(gradient.astype(float), [-2 * share * float(dtype(large))], rtol=1e-6)
    root = 1.2 * np.sqrt(float(np.finfo(dtype).max))
    value = loss(np.array([root], dtype), np.zeros(1, dtype), reduction="none")
    np.testing.assert_allclose(value.astype(float), [share * root * root], rtol=1e-5)
