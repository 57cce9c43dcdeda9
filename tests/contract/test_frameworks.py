"""Arrays of other kinds come back as their own kind, on their own device, differentiable."""

import numpy as np
import pytest

import lossmith as lm

from . import samples

pytestmark = pytest.mark.slow

PLAIN = pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def jax():
    return pytest.importorskip("jax")


@PLAIN
def test_torch_tensors_give_tensors_on_the_same_device(sample, torch):
    y, f = torch.tensor(sample.y), torch.tensor(sample.f)
    for reduction in ("mean", "sum"):
        value = sample.loss(y, f, reduction=reduction)
        assert isinstance(value, torch.Tensor) and value.shape == () and value.device == f.device
        assert value.item() == pytest.approx(sample.loss(sample.y, sample.f, reduction=reduction), rel=1e-12)
    for method in ("__call__", "gradient", "hessian", "curvature"):
        got = getattr(sample.loss, method)(y, f, reduction="none")
        assert isinstance(got, torch.Tensor)
        expected = getattr(sample.loss, method)(sample.y, sample.f, reduction="none")
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-11, atol=1e-15)


@PLAIN
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_torch_results_are_differentiable_where_y_pred_is(sample, torch, reduction):
    y, w = torch.tensor(sample.y), torch.tensor(sample.weight)
    plain = torch.tensor(sample.f)
    assert not sample.loss(y, plain).requires_grad
    f = plain.clone().requires_grad_()
    result = sample.loss(y, f, weight=w, reduction=reduction)
    assert result.requires_grad
    (3 * result).sum().backward()
    expected = 3 * sample.loss.gradient(sample.y, sample.f, weight=sample.weight, reduction=reduction)
    np.testing.assert_allclose(f.grad.numpy(), expected, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_torch_gradients_take_the_dtype_of_y_pred(torch, dtype):
    wanted = getattr(torch, dtype)
    y, f = torch.tensor([0.0, 1.0, 2.0], dtype=wanted), torch.tensor([1.0, 1.5, 0.25], dtype=wanted)
    assert lm.huber().gradient(y, f).dtype == wanted
    assert lm.huber()(torch.tensor([-300.0], dtype=wanted), torch.tensor([300.0], dtype=wanted)).item() > 590
    whole = lm.squared_error().gradient(torch.tensor([1, 2]), torch.tensor([3, 5]))
    assert whole.dtype == torch.float64 and whole.tolist() == [2.0, 3.0]


def test_torch_views_give_the_same_numbers(torch):
    y, f = torch.tensor(samples.REAL[0]), torch.tensor(samples.REAL[1])
    wide = torch.zeros(6, 3, dtype=torch.float64)
    wide[:, 1] = f
    assert lm.huber()(y, wide[:, 1]).item() == lm.huber()(y, f).item()


def test_torch_inputs_are_checked_like_arrays(torch):
    with pytest.raises(ValueError, match="poisson"):
        lm.poisson()(torch.tensor([-1.0]), torch.tensor([0.0]))
    with pytest.raises(ValueError):
        lm.squared_error()(torch.zeros(3), torch.zeros(3, 1))
    with pytest.raises(ValueError):
        lm.squared_error()(torch.zeros(0), torch.zeros(0))


@PLAIN
def test_jax_arrays_give_jax_arrays(sample, jax):
    y, f = jax.numpy.asarray(sample.y), jax.numpy.asarray(sample.f)
    for reduction in ("mean", "sum"):
        value = sample.loss(y, f, reduction=reduction)
        assert isinstance(value, jax.Array) and value.shape == ()
        assert float(value) == pytest.approx(sample.loss(sample.y, sample.f, reduction=reduction), rel=1e-5)
    for method in ("__call__", "gradient", "hessian", "curvature"):
        got = getattr(sample.loss, method)(y, f, reduction="none")
        assert isinstance(got, jax.Array) and got.dtype == f.dtype
        expected = getattr(sample.loss, method)(sample.y, sample.f, reduction="none")
        np.testing.assert_allclose(got, expected, rtol=5e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["huber", "binary_cross_entropy", "cross_entropy", "poisson", "focal"])
def test_jax_results_are_differentiable_and_traceable(jax, name):
    sample = samples.of(name)[0]
    y, f = jax.numpy.asarray(sample.y), jax.numpy.asarray(sample.f)
    expected = sample.loss.gradient(sample.y, sample.f)
    for made in (jax.grad, lambda function: jax.jit(jax.grad(function))):
        np.testing.assert_allclose(made(lambda scores: sample.loss(y, scores))(f), expected, rtol=1e-4, atol=1e-6)
    traced = jax.jit(lambda truth, scores: sample.loss(truth, scores, reduction="none"))(y, f)
    np.testing.assert_allclose(traced, sample.loss(sample.y, sample.f, reduction="none"), rtol=1e-4, atol=1e-6)


def test_traced_arrays_get_the_static_checks(jax):
    with pytest.raises(ValueError):
        jax.jit(lm.squared_error())(np.zeros(3), np.zeros((3, 1)))
    with pytest.raises(ValueError):
        jax.jit(lm.squared_error())(np.zeros(0), np.zeros(0))


@pytest.mark.parametrize(
    ("name", "y", "f"),
    [
        ("poisson", [1.0, -1.0], [0.0, 0.0]),
        ("gamma", [1.0, 0.0], [0.0, 0.0]),
        ("hinge", [1.0, -1.0], [0.0, 0.0]),
        ("binary_cross_entropy", [1.0, 1.5], [0.0, 0.0]),
        ("cross_entropy", [1, 3], [[0.0, 1.0, 2.0]] * 2),
        ("multiclass_hinge", [1, -1], [[0.0, 1.0, 2.0]] * 2),
        ("squared_error", [1.0, np.nan], [0.0, 0.0]),
    ],
)
def test_traced_invalid_values_give_nan_never_a_plausible_number(jax, name, y, f):
    y, f, loss = np.asarray(y), np.asarray(f), lm.get(name)
    each = jax.jit(lambda truth, scores: loss(truth, scores, reduction="none"))(y, f)
    assert np.isfinite(each[0]) and np.isnan(each[1])
    gradient = jax.jit(lambda truth, scores: loss.gradient(truth, scores, reduction="none"))(y, f)
    assert np.all(np.isfinite(gradient[0])) and np.all(np.isnan(gradient[1]))
    assert np.isnan(jax.jit(loss)(y, f))


def test_kinds_are_not_mixed_silently(torch):
    """A host array beside a tensor gives the tensor's kind, or an error; never a detached result."""
    f = torch.tensor(samples.REAL[1], requires_grad=True)
    try:
        value = lm.huber()(samples.REAL[0], f)
    except TypeError:
        return
    assert isinstance(value, torch.Tensor) and value.requires_grad
