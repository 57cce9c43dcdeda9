"""Calls that went wrong once: what is removed, traced, differentiated twice or three times, added up, or reserved."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

import lossmith as lm
from lossmith.formula import FormulaError, PerSample, Positive, Real, Scores, exp, softmax, where
from lossmith.formula import sum as row_sum
from lossmith.kinks import has_kink

from . import samples

SQUARED = lm.squared_error()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_what_stands_where_a_sample_is_removed_does_not_count(bad):
    data = {"weight": [bad, 1.0], "where": [False, True]}
    assert SQUARED([1.0, 1.0], [0.0, 0.0], **data) == 1.0
    assert SQUARED([1.0, 1.0], [0.0, 0.0], reduction="none", **data).tolist() == [0.0, 1.0]
    assert SQUARED.gradient([1.0, 1.0], [0.0, 0.0], **data).tolist() == [0.0, -2.0]
    assert SQUARED.total([1.0, 1.0], [0.0, 0.0], **data) == lm.Total(1.0, 1.0)


def test_the_label_of_a_removed_sample_is_not_checked_even_if_it_is_missing():
    loss = lm.binary_cross_entropy(labels=("no", "yes"))
    assert loss(["no", None, "yes"], [0.0, 9.0, 0.0], weight=[1, 0, 1]) == pytest.approx(math.log(2))


@pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
def test_numpy_may_be_set_to_raise(sample):
    loss, y, f = 2 * sample.loss, sample.y, sample.f
    with np.errstate(all="raise"):
        for method in ("__call__", "gradient", "hessian", "curvature", "total"):
            getattr(loss, method)(y, f, weight=np.full(len(y), 1e-300))
        loss.best_constant(y)
        has_kink.__wrapped__(loss)  # what was found out before is kept


def test_labels_must_be_as_many_as_classes():
    with pytest.raises(ValueError, match="2 labels, but y_pred has 5 classes"):
        lm.cross_entropy(labels=("a", "b"))(["a", "b"], np.zeros((2, 5)))


@lm.pointwise
def exposed(y: Real, f: Real, *, exposure: PerSample[Positive]):
    return exposure * (f - y) ** 2


def test_out_may_be_no_input_of_any_kind():
    torch = pytest.importorskip("torch")
    y, f = torch.zeros(3), torch.ones(3)
    for out in (y, f):
        with pytest.raises(ValueError, match="shares memory"):
            SQUARED.gradient(y, f, out=out)
    exposure = np.ones(3)
    with pytest.raises(ValueError, match="shares memory"):
        exposed().gradient(np.zeros(3), np.ones(3), exposure=exposure, out=exposure)
    raw = np.zeros(3)
    with pytest.raises(ValueError, match="shares memory"):
        SQUARED.gradient(memoryview(raw), np.ones(3), out=raw)


def test_traced_weights_and_rows_give_nan_where_illegal():
    jax = pytest.importorskip("jax")
    y, f = jax.numpy.array([0.2, 0.5, 1.0]), jax.numpy.array([0.0, 1.0, 2.0])
    assert math.isnan(jax.jit(lambda w: SQUARED(y, f, weight=w))(jax.numpy.array([-1.0, 1.0, 1.0])))
    rows = jax.numpy.array([[0.5, 0.9]]), jax.numpy.array([[0.5, 0.5]])
    assert math.isnan(jax.jit(lm.kl_divergence())(*rows))
    each = jax.vmap(jax.grad(lambda p, w: SQUARED(y, p, weight=w)), (None, 0))(f, jax.numpy.ones((2, 3)))
    assert np.allclose(each, 2 * (f - y) / 3)


def test_gradients_in_the_target_are_right_or_refused():
    jax, torch = pytest.importorskip("jax"), pytest.importorskip("torch")
    with pytest.raises(TypeError, match="in the predictions only"):
        jax.grad(lambda z: SQUARED(z, 2 * z))(jax.numpy.ones(2))
    z = torch.ones(2, requires_grad=True)
    SQUARED(z, 2 * z).backward()
    assert torch.equal(z.grad, torch.ones(2))  # of the mean of z^2
    stopped = jax.grad(lambda z: SQUARED(jax.lax.stop_gradient(z), 2 * z))(jax.numpy.ones(2))
    assert np.allclose(stopped, 2.0)


def test_third_derivatives_are_right_or_refused():
    jax, torch = pytest.importorskip("jax"), pytest.importorskip("torch")
    third = jax.grad(jax.grad(jax.grad(lambda p: lm.log_cosh()(jax.numpy.array([0.0]), p[None]))))
    with pytest.raises(TypeError, match="third derivatives are not available"):
        third(0.3)
    f = torch.tensor([0.3, 0.5], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(lm.log_cosh()(torch.zeros(2, dtype=torch.float64), f), f, create_graph=True)
    (second,) = torch.autograd.grad((first**2).sum(), f, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(second.sum(), f)


def test_many_totals_add_up_as_exactly_as_two():
    total = sum((lm.Total(0.1, 1.0) for _ in range(300_000)), lm.Total(0.0, 0.0))
    assert abs(total.sum - 30_000 - 300_000 * (0.1 - 1 / 10)) <= 1e-14 * 30_000
    y = np.full(20_000, 0.1)
    parts = sum((SQUARED.total(y[i : i + 1], np.zeros(1)) for i in range(20_000)), lm.Total(0.0, 0.0))
    whole = SQUARED.total(y, np.zeros(20_000))
    assert abs(parts.sum - whole.sum) <= 1e-14 * whole.sum


def test_best_constant_of_rows_and_of_classes_never_seen():
    loss = lm.cross_entropy()
    assert loss.best_constant([[0, 1, 0], [1, 0, 0]]).tolist() == [0.0, 0.0, -math.inf]
    focal = lm.focal_cross_entropy().best_constant([0, 0, 2])
    assert focal[1] == -math.inf
    assert focal[0] == pytest.approx(-focal[2])
    weighted = loss.class_weighted({0: 1, 1: 2, 2: 3}).best_constant([0, 0, 1])
    assert weighted[2] == -math.inf
    assert weighted[0] == pytest.approx(0.0, abs=1e-7)


@lm.pointwise(source="a paper", link="log")
def mine(y: Real, f: Real, *, k: Positive = 2.0, flag: bool = False):
    """A sentence about it."""
    return k * (exp(f) - y) ** 2 if flag else k * (f - y) ** 2


def test_a_spec_keeps_what_was_said_of_a_users_loss():
    loss = mine(k=3.0)
    read = lm.from_spec(json.loads(json.dumps(loss.spec())))
    for again in (read, pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert (again.doc, again.source, again.link.name) == ("A sentence about it.", "a paper", "log")
        assert again == loss


def test_a_formula_too_large_to_save_is_refused_when_it_is_made():
    def endless(y: Real, f: Real):
        for _ in range(6000):
            f = f * 1.5 + y
        return f

    with pytest.raises(FormulaError, match="at most 10,000 operations"):
        lm.pointwise(endless)()


def test_row_maps_nested_beyond_reason_are_refused():
    @lm.rowwise
    def nested(y: Scores, f: Scores):
        for _ in range(30):
            f = softmax(f * softmax(f))
        return row_sum(f * y)

    with pytest.raises(FormulaError, match="nested too deeply"):
        nested().gradient([[0.5, 0.5]], [[0.1, 0.2]])


@pytest.mark.parametrize("name", ["weight", "where", "width", "labels", "out"])
def test_names_that_every_call_takes_are_reserved(name):
    namespace = {"Real": Real, "Positive": Positive}
    exec(f"def formula(y: Real, f: Real, *, {name}: Positive = 1.0): return {name} * (f - y) ** 2", namespace)
    with pytest.raises(FormulaError, match=name):
        lm.pointwise(namespace["formula"])()


@pytest.mark.parametrize(
    "name", ["self", "loss", "y_true", "y_pred", "input", "target", "predictions", "targets"]
)
def test_names_that_some_call_takes_cannot_be_further_inputs(name):
    namespace = {"Real": Real, "PerSample": PerSample}
    exec(f"def formula(y: Real, f: Real, *, {name}: PerSample[Real]): return {name} * (f - y) ** 2", namespace)
    with pytest.raises(FormulaError, match=f"'{name}' of formula: every loss takes"):
        lm.pointwise(namespace["formula"])
    spec = exposed().spec()
    with pytest.raises(ValueError, match=f"'{name}' cannot name"):
        lm.from_spec(json.loads(json.dumps(spec).replace('"exposure"', f'"{name}"')))


def test_target_and_prediction_may_be_called_as_in_calls():
    def formula(y_true: Real, y_pred: Real, *, target: Positive = 2.0):
        return target * (y_pred - y_true) ** 2

    assert lm.pointwise(formula)()([1.0], [3.0]) == 8.0


@pytest.mark.parametrize(("annotation", "default"), [(PerSample[Real], 1.0), (PerSample[Real] | None, None)])
def test_a_further_input_has_no_default(annotation, default):
    def formula(y: Real, f: Real, *, rate: annotation = default):
        return rate * (f - y) ** 2

    with pytest.raises(FormulaError, match="'rate' of formula: a per-sample input has no default"):
        lm.pointwise(formula)


def test_a_default_without_a_star_is_explained():
    def formula(y: Real, f: Real, c: Positive = 1.0):
        return c * (f - y) ** 2

    with pytest.raises(FormulaError, match=r"after a `\*`"):
        lm.pointwise(formula)


def test_a_row_formula_needs_a_row():
    def formula(y: Real, f: Real):
        return where(f > y, f, y)

    with pytest.raises(FormulaError, match="predicts a row"):
        lm.rowwise(formula)()


def test_poisson_curvature_never_asks_for_a_step_longer_than_one():
    y, f = np.array([0.0, 990.0, 3.0]), np.array([5.0, -4.0, 1.0])
    g, h = lm.poisson().gradient_and_curvature(y, f)
    assert (np.abs(g) <= h).all()
