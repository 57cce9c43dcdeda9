"""The Triton kernels, printed from formulas and run program by program without a GPU: their numbers against NumPy's."""

import numpy as np
import pytest

import lossmith as lm
from adapters import triton_stand_in
from contract import samples

torch = pytest.importorskip("torch")

# asks for Triton when it is first imported, and would meet the stand-in
pytest.importorskip("torch._dynamo")

from torch.autograd import forward_ad  # noqa: E402

from lossmith.adapters import torch_print, torch_triton  # noqa: E402
from lossmith.adapters.torch_lines import NoKernelError  # noqa: E402
from lossmith.formula import ClassId, PerClass, PerSample, Real, Scores, lgamma, pick, sum  # noqa: E402

NO_KERNEL = {"poisson,full=True"}  # log y! is not in Triton's language
SERVED = [sample for sample in samples.everything() if sample.id not in NO_KERNEL]
EVERY = pytest.mark.parametrize("sample", SERVED, ids=lambda sample: sample.id)
ROWS = [sample for sample in samples.plain() if sample.loss.kind == "rowwise"]


@pytest.fixture(autouse=True)
def triton(monkeypatch):
    triton_stand_in.installed(monkeypatch)
    monkeypatch.setattr(torch_triton, "_FEWEST", 1)
    torch_triton.kernel.cache_clear()
    torch_triton._compiled.cache_clear()
    yield
    torch_triton.kernel.cache_clear()
    torch_triton._compiled.cache_clear()


@pytest.fixture(params=["in registers", "in stretches"])
def rows(request, monkeypatch):
    """Short rows treated as short ones and as long ones."""
    if request.param == "in stretches":
        for module in (torch_print, torch_triton):
            monkeypatch.setattr(module, "FUSED", 0)
        monkeypatch.setattr(torch_triton, "STRETCH", 2)


def tensors(sample, dtype):
    y, f = torch.tensor(sample.y), torch.tensor(sample.f).to(dtype)
    if sample.loss.formula.predictions[0].domain.high == 1.0:
        f = f.clamp(max=1)
    y = y.to(torch.float32) if y.is_floating_point() else y
    return y, f.requires_grad_()


def kernel(loss, f, y, reduction="mean", **given):
    """What the kernel gives; nothing else may serve the call."""
    found = torch_triton.value(loss, y, f, reduction, {"weight": None, "where": None, "validate": None, **given})
    assert found is not None
    return found


def host(x):
    return x.detach().double().numpy() if isinstance(x, torch.Tensor) and x.is_floating_point() else np.asarray(x)


def near(found, wanted, ulps=32, eps=2.0**-24):
    """To some units in the last place of the largest number: these functions are a GPU's, not the last digit's."""
    wanted = np.asarray(wanted)
    np.testing.assert_allclose(host(found), wanted, rtol=ulps * eps, atol=ulps * eps * np.max(np.abs(wanted)))


# numbers --------------------------------------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_the_numbers_are_numpys(sample, reduction, rows):
    y, f = tensors(sample, torch.float32)
    value = kernel(sample.loss, f, y, reduction)
    expected, gradient = sample.loss.value_and_gradient(host(y), host(f), reduction=reduction)
    near(value, expected)
    value.sum().backward()
    near(f.grad, gradient)


@EVERY
def test_weights_and_masks(sample, rows):
    y, f = tensors(sample, torch.float32)
    weight, where = torch.tensor(sample.weight).float(), torch.arange(len(f)) != 2
    weight[1] = 0.0
    value = kernel(sample.loss, f, y, weight=weight, where=where)
    given = {"weight": host(weight), "where": where.numpy()}
    expected, gradient = sample.loss.value_and_gradient(host(y), host(f), **given)
    near(value, expected)
    value.backward()
    near(f.grad, gradient)
    assert not f.grad[1].any() and not f.grad[2].any()


@pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_read_and_written_and_computed_wider(sample, dtype, rows):
    y, f = tensors(sample, dtype)
    total = kernel(sample.loss, f, y, "total")
    expected = sample.loss.total(host(y), host(f), validate=False)
    near(total.sum, expected.sum)
    assert total.weight == expected.weight and total.sum.dtype == torch.float64
    total.sum.backward()
    assert f.grad.dtype == dtype
    near(f.grad, sample.loss.gradient(host(y), host(f), reduction="sum", validate=False), 1, torch.finfo(dtype).eps)


@pytest.mark.parametrize("classes", [1000, 20_000, 70_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_rows_as_long_as_a_vocabulary(classes, dtype):
    """Within one program, one stretch, three stretches."""
    torch.manual_seed(0)
    f = (10 * torch.randn(3, classes)).to(dtype).requires_grad_()
    y = torch.tensor([0, classes // 2, classes - 1])
    with torch.no_grad():
        f[0, 0] = 60.0  # confident and right
        f[1, 7] = float("-inf")
        f[2, :] = torch.arange(classes) // -7  # many equal ones, the largest first
    for loss in (lm.cross_entropy(), lm.cross_entropy(label_smoothing=0.1, ignore_index=classes // 2)):
        f.grad = None
        if loss.params["label_smoothing"]:
            f = f.detach().clamp(min=-1e4).requires_grad_()
        value = kernel(loss, f, y)
        expected, gradient = loss.value_and_gradient(y.numpy(), host(f))
        near(value, expected)
        value.backward()
        near(f.grad, gradient, 4, torch.finfo(dtype).eps)
    each = kernel(lm.cross_entropy(), f, y, "none")
    wanted = lm.cross_entropy()(y.numpy(), host(f), reduction="none")
    assert wanted[0] < 1e-5
    np.testing.assert_allclose(host(each), wanted, rtol=1e-5)


def test_a_maximum_that_moves_from_stretch_to_stretch(monkeypatch):
    """Rising, falling, infinite and equal scores: what was added before shrinks, and nothing becomes NaN."""
    for module in (torch_print, torch_triton):
        monkeypatch.setattr(module, "FUSED", 0)
    monkeypatch.setattr(torch_triton, "STRETCH", 4)
    low = float("-inf")
    rising = torch.arange(19.0)
    rows = [rising, -rising, 9 * rising, 0 * rising]
    rows += [torch.where(rising < 11, low, rising), torch.where(rising > 4, low, 1)]
    f, y = torch.stack(rows).requires_grad_(), torch.tensor([18, 18, 0, 5, 12, 2])
    each = kernel(lm.cross_entropy(), f, y, "none")
    expected, gradient = lm.cross_entropy().value_and_gradient(y.numpy(), host(f), reduction="none")
    near(each, expected)
    each.sum().backward()
    near(f.grad, gradient)


# what it refuses, and what it leaves to others ------------------------------------------------------------------------


def test_values_outside_a_domain_give_nan_never_a_plausible_number(rows):
    y, f = torch.tensor([1.0, -1.0, float("nan"), 2.0]), torch.tensor([0.0, 0.0, 0.0, float("nan")]).requires_grad_()
    each = kernel(lm.poisson(), f, y, "none")
    each.sum().backward()
    assert each.isnan().tolist() == f.grad.isnan().tolist() == [False, True, True, True]
    ids, scores = torch.tensor([0, 3, -1, 2]), torch.zeros(4, 3)
    scores[3, 1] = float("nan")
    assert kernel(lm.cross_entropy(), scores, ids, "none").isnan().tolist() == [False, True, True, True]
    shares = torch.tensor([[0.5, 0.5], [0.5, 0.7]])
    assert kernel(lm.cross_entropy(), torch.zeros(2, 2), shares, "none").isnan().tolist() == [False, True]
    weight = torch.tensor([1.0, -1.0])
    assert kernel(lm.huber(), torch.zeros(2), torch.ones(2), "none", weight=weight).isnan().tolist() == [False, True]


def test_a_formula_may_call_its_numbers_as_a_kernel_calls_its_own():
    @lm.pointwise
    def own(value: Real, f: Real, *, prediction: PerSample[Real], scale: PerSample[Real]):
        return scale * (f - value) ** 2 + prediction * f

    @lm.rowwise
    def own_rows(value: ClassId, f: Scores, *, gradient: PerClass[Real], prediction: PerSample[Real]):
        return prediction * pick(gradient, value) * sum(f**2)

    y, f = torch.tensor([1.0, 2.0]), torch.tensor([4.0, -2.0]).requires_grad_()
    further = {"prediction": torch.tensor([10.0, 100.0]), "scale": torch.tensor([2.0, 3.0])}
    kernel(own(), f, y, "sum", **further).backward()
    assert f.grad.tolist() == [22.0, 76.0]
    ids, scores = torch.tensor([1, 0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]).requires_grad_()
    kernel(own_rows(gradient=(2.0, 3.0)), scores, ids, "sum", prediction=torch.tensor([1.0, 5.0])).backward()
    assert scores.grad.tolist() == [[6.0, 12.0], [60.0, 80.0]]


def test_ignored_labels_are_not_looked_at(rows):
    scores, ids = torch.randn(4, 3, requires_grad=True), torch.tensor([0, -100, 2, -100])
    value = kernel(lm.cross_entropy(ignore_index=-100), scores, ids)
    assert value.item() == pytest.approx(torch.nn.functional.cross_entropy(scores, ids).item(), rel=1e-6)
    value.backward()
    assert not scores.grad[1].any() and not scores.grad[3].any()


@pytest.mark.parametrize(
    ("loss", "f", "given"),
    [
        (lm.huber(), torch.zeros(2, dtype=torch.float64), {}),
        (lm.huber(), torch.zeros(2), {"validate": True}),
        (lm.hinge(labels=(-1, 1)), torch.zeros(2), {}),
        (lm.poisson(full=True), torch.zeros(2), {}),
        (lm.huber(), torch.zeros(0), {}),
    ],
    ids=["float64", "checked", "labels", "log y!", "empty"],
)
def test_other_calls_are_left_to_tensor_operations(loss, f, given):
    everything = {"weight": None, "where": None, "validate": None, **given}
    assert torch_triton.value(loss, torch.ones_like(f), f, "sum", everything) is None


def test_derivatives_that_no_kernel_knows_are_left_to_tensor_operations():
    y, f = torch.tensor([0.5, -1.0], requires_grad=True), torch.tensor([2.0, 0.5])
    module = lm.squared_error().to("torch", reduction="sum", engine="triton")
    near(torch.autograd.grad(module(f, y), y)[0], 2 * host(y - f))
    with forward_ad.dual_level():
        dual = module(forward_ad.make_dual(f, torch.ones(2)), y.detach())
        near(forward_ad.unpack_dual(dual).tangent, 2 * host(f - y).sum())
    with pytest.raises(ValueError, match="weight requires a gradient"):
        module(f, y.detach(), weight=torch.ones(2, requires_grad=True))


def test_shapes_and_dtypes_are_refused_before_anything_runs():
    module = lm.huber().to("torch", engine="triton")
    with pytest.raises(ValueError, match="shapes must be equal"):
        module(torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(TypeError, match="where must be an array of booleans"):
        module(torch.zeros(3), torch.zeros(3), where=torch.ones(3))


def test_a_formula_that_triton_cannot_say_has_no_kernel():
    @lm.rowwise
    def odd(y: Real, f: Scores):
        """Not in Triton's language."""
        return sum(lgamma(f * f + 1)) + y

    with pytest.raises(NoKernelError, match="no Triton kernel"):
        torch_print.source(odd().formula, torch_print.Wanted(False, False), 8)


# backward -------------------------------------------------------------------------------------------------------------


def test_the_backward_pass_scales_and_may_be_repeated():
    y, f = torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.3, -2.0, 7.0], requires_grad=True)
    module = lm.binary_cross_entropy().to("torch", engine="triton")
    gradient = lm.binary_cross_entropy().gradient(y.numpy(), host(f))
    for factor in (1.0, 3.0):
        value = module(f, y) * factor
        for _ in range(2):  # the first gives the kernel's gradient away, the second computes it anew
            (found,) = torch.autograd.grad(value, f, retain_graph=True)
            near(found, factor * gradient)
    (slope,) = torch.autograd.grad(module(f, y), f, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum(), f)
    near(bend, lm.binary_cross_entropy().hessian(y.numpy(), host(f), reduction="mean"))
    each = lm.binary_cross_entropy().to("torch", engine="triton", reduction="none")(f, y)
    upstream = torch.tensor([0.0, 2.0, -1.0])
    near(torch.autograd.grad(each, f, upstream)[0], 3 * gradient * upstream.numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_scaled_before_it_is_rounded(dtype):
    y, f = torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.3, -2.0, 7.0], dtype=dtype, requires_grad=True)
    value = lm.binary_cross_entropy().to("torch", engine="triton")(f, y) * 2.0**16  # no number of float16
    for _ in range(2):
        (found,) = torch.autograd.grad(value, f, retain_graph=True)
        expected = 2.0**16 * lm.binary_cross_entropy().gradient(y.numpy(), host(f))
        assert found.dtype == dtype
        near(found, expected, 1, torch.finfo(dtype).eps)


# bytes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ROWS, ids=lambda sample: sample.id)
def test_a_short_row_is_read_once(sample):
    formula = sample.loss.formula
    text = torch_print.source(formula, torch_print.Wanted(True, False), torch_print.FUSED)
    assert "for start" not in text
    assert text.count("prediction_at + row * 16384 + c") == 1
    assert text.count("gradient_at + row * 16384 + c") == 1


@pytest.mark.parametrize("name", ["cross_entropy", "focal_cross_entropy"])
def test_a_long_row_is_read_twice(name):
    """Once for the maximum and the sum of a softmax together, once for the gradient."""
    text = torch_print.source(lm.get(name).formula, torch_print.Wanted(True, False), 128_256)
    assert text.count("prediction_at + row * 128256 + c") == 2
    assert text.count("gradient_at + row * 128256 + c") == 1
    assert text.count("evict_last") == 1 and text.count("evict_first") == 2
