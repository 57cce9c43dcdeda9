"""The PyTorch module: what it returns, what autograd and torch.func make of it, what it refuses."""

import copy
import io
import json
import pickle

import numpy as np
import pytest

import lossmith as lm
from contract import samples

torch = pytest.importorskip("torch")

from torch.autograd import forward_ad, gradcheck, gradgradcheck  # noqa: E402

from lossmith.adapters.torch import LossModule, functional, gathered  # noqa: E402
from lossmith.formula import NonNegative, PerSample, Real, exp  # noqa: E402

EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
PLAIN = pytest.mark.parametrize("sample", samples.plain(), ids=lambda sample: sample.id)
SMOOTH = ("squared_error", "pseudo_huber", "binary_cross_entropy", "cross_entropy", "poisson", "gaussian_nll")
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum", "none", "weighted_mean"])
FLOATS = ("float16", "bfloat16", "float32", "float64")


@pytest.fixture
def fresh():
    """The compiler counts how often one function was compiled, and refuses after a few."""
    torch.compiler.reset()


COMPILES = pytest.mark.usefixtures("fresh")


def tensors(sample, dtype=torch.float64):
    y, f = torch.tensor(sample.y), torch.tensor(sample.f).to(dtype)
    return (y.to(dtype) if y.is_floating_point() else y), f


def given_without_defaults(sample):
    return (torch.from_numpy(x if x.dtype.kind == "i" else x.astype(np.float32)) for x in (sample.y, sample.f))


def bits(x):
    x = x.detach() if isinstance(x, torch.Tensor) else x
    return np.asarray(x).tobytes()


def same(a, b, **tolerance):
    np.testing.assert_allclose(a.detach().numpy(), np.asarray(b), **({"rtol": 1e-11, "atol": 1e-15} | tolerance))


# values and gradients -------------------------------------------------------------------------------------------------


@EVERY
@REDUCTIONS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_bits_are_those_of_numpy(sample, reduction, dtype):
    y, f = tensors(sample, dtype)
    weight = torch.tensor(sample.weight)
    value, gradient = sample.loss.value_and_gradient(
        y.numpy(), f.numpy(), weight=weight.numpy(), reduction=reduction
    )  # fmt: skip
    f.requires_grad_()
    found = sample.loss.to("torch", reduction=reduction)(f, y, weight=weight)
    found.backward(torch.ones_like(found))
    assert bits(f.grad) == bits(gradient)
    assert bits(found) == bits(np.asarray(value, dtype=found.detach().numpy().dtype))
    with torch.no_grad():
        assert bits(sample.loss.to("torch", reduction=reduction)(f, y, weight=weight)) == bits(found)


@pytest.fixture(params=["device", "dtype"])
def unlike_the_tensors(request):
    """What torch makes by default is elsewhere, or of other numbers."""
    dtype = torch.get_default_dtype()
    if request.param == "device":
        with torch.device("meta"):
            yield
    else:
        torch.set_default_dtype(torch.float64)
        yield
        torch.set_default_dtype(dtype)


@pytest.mark.parametrize("name", ["huber", "binary_cross_entropy", "cross_entropy", "gaussian_nll"])
def test_what_is_given_says_where_and_in_what_the_loss_is_computed_not_a_default(name, unlike_the_tensors):
    sample = samples.of(name)[0]
    y, f = (x.detach().clone() for x in given_without_defaults(sample))
    truth = sample.loss(y.numpy(), f.numpy())
    f.requires_grad_()
    for reduction in ("mean", "sum", "none", "weighted_mean", "batchmean", "elementwise_mean"):
        value = sample.loss.to("torch", reduction=reduction)(f, y)
        (gradient,) = torch.autograd.grad(value.sum(), f, create_graph=True)
        (second,) = torch.autograd.grad(gradient.sum(), f)
        assert {x.device.type for x in (value, gradient, second)} == {"cpu"}
        assert {x.dtype for x in (value, gradient, second)} == {torch.float32}
    total = sample.loss.to("torch").total(f, y)
    total.sum.backward()
    assert total.sum.device.type == "cpu" and gathered(total).weight == len(y)
    np.testing.assert_allclose(gathered(total).sum / gathered(total).weight, truth, rtol=1e-6)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "hinge", "cross_entropy"])
def test_labels_are_read_where_the_scores_are(name, unlike_the_tensors):
    labelled, plain = lm.get(name, labels=(3, 7)), lm.get(name)
    ids, f = np.array([0, 1, 1]), np.array([0.5, -2.0, 1.0], np.float32)
    scores = torch.from_numpy(f if plain.kind == "pointwise" else np.stack([f, -f], axis=-1))
    low = -1 if plain.target_kind == "sign" else 0
    truth = plain.value_and_gradient(np.where(ids == 1, 1, low), scores.numpy())
    for y in (np.array([3, 7])[ids], torch.from_numpy(np.array([3, 7])[ids])):
        for found, right in zip((labelled(y, scores), labelled.gradient(y, scores)), truth, strict=True):
            assert found.device.type == "cpu"
            np.testing.assert_allclose(found.numpy(), right, rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["huber", "binary_cross_entropy", "cross_entropy", "gaussian_nll"])
def test_every_float_in_its_own_memory(name, dtype):
    sample = samples.of(name)[0]
    y, f = tensors(sample, getattr(torch, dtype))
    f.requires_grad_()
    value = sample.loss.to("torch")(f, y)
    value.backward()
    assert f.grad.dtype == f.dtype and value.dtype == (torch.float64 if dtype == "float64" else torch.float32)
    exact, gradient = sample.loss.value_and_gradient(y.double().numpy(), f.detach().double().numpy())
    eps = torch.finfo(f.dtype).eps
    assert value.item() == pytest.approx(exact, rel=1e-12 if dtype == "float64" else 2e-6)
    np.testing.assert_allclose(f.grad.double().numpy(), gradient, rtol=4 * eps, atol=1e-7 if eps > 1e-3 else 1e-12)


def ulps_apart(a, b):
    limits = torch.finfo(a.dtype)
    a, b = (x.detach().double().numpy() for x in (a, b))
    size = np.maximum(np.maximum(abs(a), abs(b)), limits.tiny)
    return (abs(a - b) / (2.0 ** np.floor(np.log2(size)) * limits.eps)).max()


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", ["huber", "pseudo_huber", "log_cosh", "binary_cross_entropy"])
def test_kernel_and_tensor_operations_agree_to_four_ulp(name, dtype):
    """Losses that are well-conditioned in their inputs; what is computed wider differs by less."""
    torch.manual_seed(0)
    dtype = getattr(torch, dtype)
    f, y = (3 * torch.randn(3000)).to(dtype).requires_grad_(), torch.randint(0, 2, (3000,)).to(dtype)
    module = lm.get(name).to("torch", reduction="none")
    value = module(f, y)
    (slope,) = torch.autograd.grad(value.sum(), f)
    plain = torch.func.vmap(lambda a, b: module(a[None], b[None])[0])(f.detach(), y)
    gradient = torch.func.grad(lambda scores: module(scores, y).sum())(f.detach())
    assert plain.dtype == value.dtype and gradient.dtype == slope.dtype == dtype
    assert ulps_apart(value, plain) <= 4 and ulps_apart(slope, gradient) <= 4


HALVES = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)


@COMPILES
@HALVES
@pytest.mark.parametrize("way", ["kernel", "differentiable", "compiled", "function"])
@pytest.mark.parametrize("name", ["huber", "binary_cross_entropy", "cross_entropy", "gaussian_nll"])
def test_half_precision_is_rounded_once_after_it_was_scaled(name, dtype, way):
    """By 2 to the 16, where scalers of gradients begin, which is no number of float16."""
    sample, scale = samples.of(name)[0], 2.0**16
    y, f = tensors(sample, dtype)
    module = sample.loss.to("torch")
    y = y.double() if y.is_floating_point() else y  # computed in float64, so that no rounding but the last is seen
    if way == "function":
        found = torch.func.grad(lambda scores: module(scores, y) * scale)(f)
    else:
        called = torch.compile(module, backend="aot_eager", fullgraph=True) if way == "compiled" else module
        f.requires_grad_()
        (found,) = torch.autograd.grad(called(f, y) * scale, f, create_graph=way == "differentiable")
    gradient = sample.loss.gradient(y.numpy(), f.detach().double().numpy())
    expected = torch.tensor(scale * gradient).float().to(dtype)
    assert found.dtype == dtype and found.isfinite().all()
    assert ulps_apart(found, expected) <= 1


@HALVES
def test_scales_of_samples_and_of_targets_are_not_rounded_either(dtype):
    f, y = (torch.tensor([0.3, -2.0, 7.0], dtype=dtype, requires_grad=True) for _ in range(2))
    each = lm.squared_error().to("torch", reduction="none")
    scale = torch.tensor([2.0**16, 1 / 3, 0.0])
    for moved, still in ((f, y.detach() + 0.125), (y, f.detach() + 0.125)):
        value = each(f, still) if moved is f else each(still, y)
        (found,) = torch.autograd.grad(value, moved, scale)
        expected = 2 * (moved - still).detach().float() * scale
        assert torch.equal(found, expected.to(dtype))


def test_bfloat16_without_a_numpy_name_for_it(monkeypatch):
    from lossmith.adapters import torch_host

    y, f = torch.tensor([0.0, 1.0, 1.0]).bfloat16(), torch.tensor([0.3, -2.0, 7.0]).bfloat16()
    found = []
    for known in (torch_host._BFLOAT16, None):
        monkeypatch.setattr(torch_host, "_BFLOAT16", known)
        f = f.detach().requires_grad_()
        value = lm.binary_cross_entropy().to("torch")(f, y)
        value.backward()
        found.append((value.item(), f.grad.tolist()))
    assert found[0] == found[1]


def test_no_copy_is_made(monkeypatch):
    seen = []
    whole = lm.Loss.value_and_gradient

    def watched(self, y, f, **options):
        seen.extend([y.ctypes.data, f.ctypes.data])
        return whole(self, y, f, **options)

    monkeypatch.setattr(lm.Loss, "value_and_gradient", watched)
    y, f = torch.zeros(9), torch.ones(9, requires_grad=True)
    lm.huber().to("torch")(f, y)
    assert seen == [y.data_ptr(), f.data_ptr()]


@PLAIN
@REDUCTIONS
def test_the_backward_pass_scales_by_what_comes_from_above(sample, reduction):
    y, f = tensors(sample)
    f.requires_grad_()
    found = sample.loss.to("torch", reduction=reduction)(f, y)
    upstream = torch.linspace(0.5, 2.0, found.numel(), dtype=found.dtype).reshape(found.shape)
    found.backward(upstream, retain_graph=True)
    gradient = sample.loss.gradient(sample.y, sample.f, reduction=reduction)
    same(f.grad, gradient * upstream.numpy().reshape(found.shape + (1,) * (f.ndim - found.ndim)))
    found.backward(upstream)  # the same again: nothing was scaled in place
    same(f.grad, 2 * gradient * upstream.numpy().reshape(found.shape + (1,) * (f.ndim - found.ndim)))


def test_the_mean_over_the_first_axis_is_torchs():
    scores = torch.randn(4, 5, 3, dtype=torch.float64).log_softmax(-1).requires_grad_()
    rows = torch.rand(4, 5, 3, dtype=torch.float64).softmax(-1)
    ours = lm.kl_divergence(log_input=True).to("torch", reduction="batchmean")(scores, rows)
    theirs = torch.nn.KLDivLoss(reduction="batchmean")(scores, rows)
    same(ours, theirs.item())
    (one,), (other,) = torch.autograd.grad(ours, scores), torch.autograd.grad(theirs, scores)
    same(one, other)


@pytest.mark.parametrize("reduction", [*REDUCTIONS.args[1], "batchmean", "elementwise_mean"])
def test_a_number_without_axes_is_one_sample(reduction):
    module, f, y = lm.huber().to("torch", reduction=reduction), torch.tensor(3.0), torch.tensor(1.0)
    assert module(f, y).item() == 1.5 == module.total(f, y).sum.item() / module.total(f, y).weight
    with pytest.raises(ValueError, match="y_pred needs a row of scores"):
        lm.cross_entropy().to("torch", reduction=reduction)(f, torch.tensor(0))


def test_weight_where_and_ignored_targets():
    y, f = torch.tensor([1.0, 2.0, -100.0, 3.0]), torch.tensor([0.5, 0.0, 7.0, 9.0], requires_grad=True)
    weight, where = torch.tensor([1.0, 2.0, 5.0, 7.0]), torch.tensor([True, True, True, False])
    module = lm.squared_error().to("torch", ignore_index=-100)
    value = module(f, y, weight=weight, where=where)
    assert value.item() == pytest.approx((0.25 + 2 * 4) / 3)
    value.backward()
    assert f.grad.tolist() == pytest.approx([-1 / 3, -8 / 3, 0, 0])
    ids, scores = torch.tensor([0, -100, 2]), torch.randn(3, 4, dtype=torch.float64)
    one = lm.cross_entropy().to("torch", ignore_index=-100)(scores, ids)
    same(one, torch.nn.functional.cross_entropy(scores, ids).item())
    same(lm.cross_entropy(ignore_index=-100).to("torch")(scores, ids), one.item())


def test_targets_in_a_list_may_be_ignored_too():
    scores, ids = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), [0, 1, 2, 1]
    for module in (lm.cross_entropy().to("torch", ignore_index=1), torch.nn.CrossEntropyLoss(ignore_index=1)):
        target = torch.tensor(ids) if isinstance(module, torch.nn.CrossEntropyLoss) else ids
        assert module(scores, target).item() == pytest.approx(lm.cross_entropy()([0, 2], scores[[0, 2]].numpy()))


def test_torchs_axis_of_classes():
    scores, ids = torch.randn(2, 4, 3, 5, dtype=torch.float64), torch.randint(0, 4, (2, 3, 5))
    scores.requires_grad_()
    (ours,) = torch.autograd.grad(lm.cross_entropy().to("torch", class_dim=1)(scores, ids), scores)
    (theirs,) = torch.autograd.grad(torch.nn.functional.cross_entropy(scores, ids), scores)
    same(ours, theirs)
    rows = torch.rand(2, 4, 3, 5, dtype=torch.float64).softmax(1)
    same(
        lm.cross_entropy().to("torch", class_dim=1)(scores, rows),
        torch.nn.functional.cross_entropy(scores, rows).item(),
    )


@COMPILES
def test_further_inputs_of_a_formula():
    @lm.pointwise
    def rate(y: NonNegative, f: Real, *, exposure: PerSample[NonNegative]):
        """Counts under an exposure."""
        return exposure * exp(f) - y * f

    loss = rate()
    y, f, exposure = torch.tensor([1.0, 0.0]), torch.tensor([0.1, 0.2], requires_grad=True), torch.tensor([2.0, 3.0])
    value = loss.to("torch")(f, y, exposure=exposure)
    value.backward()
    same(f.grad, loss.gradient(y.numpy(), f.detach().numpy(), exposure=exposure.numpy()), rtol=1e-6)
    compiled = torch.compile(loss.to("torch"), fullgraph=True, backend="aot_eager")
    assert compiled(f, y, exposure=exposure).item() == pytest.approx(value.item(), rel=1e-6)
    with pytest.raises(TypeError, match="exposure"):
        loss.to("torch")(f, y)


class Doubled(LossModule):
    """What a user makes of a loss's module."""

    def forward(self, input, target, *, factor=2.0, **named):
        return factor * super().forward(input, target, **named)


def test_a_module_derived_from_a_losss_has_the_last_word():
    sample = samples.of("huber")[0]
    y, f = tensors(sample)
    module = lm.huber().to("torch")
    derived = Doubled(module.loss, module.options)
    assert derived(f, y) == 2 * module(f, y) and derived(f, y, factor=3.0) == 3 * module(f, y)
    derived.load_state_dict(derived.state_dict())
    assert copy.deepcopy(derived)(f, y) == derived(f, y) == 2 * module(f, y)


def test_a_function_without_a_module():
    y, f = torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0])
    assert functional(lm.squared_error(), f, y, reduction="sum").item() == 5.0
    assert lm.squared_error()(y, f, reduction="sum").item() == 5.0


def test_targets_of_other_kinds():
    f = torch.tensor([0.3, -0.2], requires_grad=True)
    assert lm.binary_cross_entropy(labels=("no", "yes")).to("torch")(f, ["yes", "no"]).requires_grad
    for y in (np.array([1.0, 0.0]), [1, 0], torch.tensor([True, False]), torch.tensor([1, 0], dtype=torch.uint8)):
        assert lm.binary_cross_entropy().to("torch")(f, y).item() == pytest.approx(0.5762470, rel=1e-6)


def test_autocast_does_not_narrow_the_loss():
    layer, x = torch.nn.Linear(4, 3), torch.randn(6, 4)
    ids = torch.randint(0, 3, (6,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = layer(x)
        value = lm.cross_entropy().to("torch")(scores, ids)
        plain = functional(lm.cross_entropy(), scores, ids, weight=torch.ones(6))
    assert scores.dtype == torch.bfloat16 and value.dtype == torch.float32 == plain.dtype
    assert value.item() == pytest.approx(lm.cross_entropy()(ids.numpy(), scores.detach().double().numpy()), rel=1e-6)
    value.backward()
    assert layer.weight.grad.dtype == torch.float32


# more than first derivatives ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_autograds_own_checks(name, reduction):
    sample = samples.of(name)[0]
    y, f = tensors(sample)
    module = sample.loss.to("torch", reduction=reduction)
    assert gradcheck(lambda scores: module(scores, y), (f.requires_grad_(),), check_forward_ad=True)
    assert gradgradcheck(lambda scores: module(scores, y), (f,))


@EVERY
def test_second_derivatives_are_the_formulas(sample):
    y, f = tensors(sample)
    f.requires_grad_()
    (slope,) = torch.autograd.grad(sample.loss.to("torch", reduction="sum")(f, y), f, create_graph=True)
    same(slope, sample.loss.gradient(sample.y, sample.f, reduction="sum"), rtol=1e-11, atol=1e-13)
    if not slope.requires_grad:
        return
    rows = [torch.autograd.grad(one, f, retain_graph=True)[0].reshape(-1) for one in slope.reshape(-1)]
    own = torch.stack(rows).diagonal().reshape(f.shape)
    same(own, sample.loss.hessian(sample.y, sample.f), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("left_out", ["where", "weight"])
def test_what_is_left_out_may_be_anything_in_every_derivative(left_out):
    f, y = torch.tensor([0.5, float("nan"), 0.2]), torch.tensor([0.0, float("nan"), 0.0])
    keep = torch.tensor([True, False, True])
    options = {left_out: keep if left_out == "where" else keep * 1.0}
    call = lm.huber().to("torch", reduction="sum")
    for outer in (torch.func.jacrev, torch.func.jacfwd):
        whole = outer(torch.func.grad(lambda scores: call(scores, y, **options)))(f)
        torch.testing.assert_close(whole, torch.diag(keep * 1.0))


def test_the_whole_hessian():
    ids, f = torch.tensor([2, 0]), torch.randn(2, 3, dtype=torch.float64)
    ours = torch.func.hessian(lambda scores: functional(lm.cross_entropy(), scores, ids))(f)
    theirs = torch.func.hessian(lambda scores: torch.nn.functional.cross_entropy(scores, ids))(f)
    same(ours, theirs, rtol=1e-9, atol=1e-14)
    reverse = torch.func.jacrev(torch.func.jacrev(lambda scores: functional(lm.cross_entropy(), scores, ids)))(f)
    same(reverse, theirs, rtol=1e-9, atol=1e-14)


@PLAIN
def test_torch_func(sample):
    y, f = tensors(sample)
    module = sample.loss.to("torch")
    gradient = sample.loss.gradient(sample.y, sample.f)
    same(torch.func.grad(lambda scores: module(scores, y))(f), gradient)
    tangent = torch.linspace(-1, 1, f.numel(), dtype=f.dtype).reshape(f.shape)
    value, change = torch.func.jvp(lambda scores: module(scores, y), (f,), (tangent,))
    same(value, sample.loss(sample.y, sample.f))
    same(change, (gradient * tangent.numpy()).sum(), atol=1e-14)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(module(forward_ad.make_dual(f, tangent), y))
    same(dual.tangent, (gradient * tangent.numpy()).sum(), atol=1e-14)
    each = torch.func.vmap(lambda scores, truth: module(scores[None], truth[None]))(f, y)
    same(each, sample.loss(sample.y, sample.f, reduction="none"))
    slopes = torch.func.vmap(torch.func.grad(lambda scores, truth: module(scores[None], truth[None])))(f, y)
    same(slopes, sample.loss.gradient(sample.y, sample.f, reduction="none"))


def test_third_derivatives_are_refused():
    y, f = torch.zeros(2), torch.ones(2, requires_grad=True)
    value = lm.pseudo_huber().to("torch")(f, y)
    (first,) = torch.autograd.grad(value, f, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), f, create_graph=True)
    with pytest.raises(RuntimeError, match="third derivatives"):
        torch.autograd.grad(second.sum(), f)
    single = lambda scores: functional(lm.pseudo_huber(), scores[None], torch.zeros(1), reduction="sum")  # noqa: E731
    with pytest.raises(RuntimeError, match="third derivatives"):
        torch.func.jacfwd(torch.func.jacfwd(torch.func.jacfwd(single)))(torch.tensor(1.0))


def test_the_derivative_in_the_target():
    f, y = torch.rand(5, dtype=torch.float64) + 0.1, torch.rand(5, dtype=torch.float64, requires_grad=True)
    pairs = (
        (lm.squared_error(), torch.nn.functional.mse_loss),
        (lm.generalized_kl_divergence(), lambda a, b: (b * torch.log(b / a) - b + a).sum()),
        (lm.binary_cross_entropy(), torch.nn.functional.binary_cross_entropy_with_logits),
        (lm.huber(delta=0.3), lambda a, b: torch.nn.functional.huber_loss(a, b, delta=0.3)),
    )
    for loss, theirs in pairs:
        (ours,), (expected,) = (torch.autograd.grad(one(f, y), y) for one in (loss.to("torch"), theirs))
        same(ours, expected)
    for loss in (lm.gaussian_nll(), lm.hinge()):
        with pytest.raises(ValueError, match=r"y_true requires a gradient.*detach it"):
            loss.to("torch")(torch.ones(3, 2), torch.ones(3, 2, requires_grad=True))
    with pytest.raises(ValueError, match="weight requires a gradient"):
        lm.huber().to("torch")(f, y.detach(), weight=torch.ones(5, requires_grad=True))
    with pytest.raises(RuntimeError, match="in y_pred only"):
        torch.autograd.grad(lm.squared_error().to("torch")(f, y), y, create_graph=True)


# compilers ------------------------------------------------------------------------------------------------------------


@PLAIN
@COMPILES
@pytest.mark.slow
def test_compiled_in_one_graph(sample):
    y, f = tensors(sample)
    weight = torch.tensor(sample.weight)
    compiled = torch.compile(sample.loss.to("torch"), fullgraph=True, backend="aot_eager")
    f.requires_grad_()
    value = compiled(f, y, weight=weight)
    value.backward()
    expected, gradient = sample.loss.value_and_gradient(sample.y, sample.f, weight=sample.weight)
    same(value, expected)
    same(f.grad, gradient)


@COMPILES
@pytest.mark.slow
def test_a_compiled_training_step_is_one_graph_and_not_mistaken_for_another():
    torch.manual_seed(0)
    model, x, y = torch.nn.Linear(3, 1), torch.randn(8, 3), torch.randn(8)

    def step(criterion):
        return lambda inputs, target: criterion(model(inputs)[:, 0], target)

    for loss in (lm.huber(delta=0.1), lm.huber(delta=2.0), lm.pseudo_huber()):
        model.zero_grad()
        torch.compile(step(loss.to("torch")), fullgraph=True)(x, y).backward()
        compiled = model.weight.grad.clone()
        model.zero_grad()
        step(loss.to("torch"))(x, y).backward()
        same(compiled, model.weight.grad, rtol=1e-5, atol=1e-7)


@COMPILES
def test_the_compiled_function_knows_one_loss_from_another():
    def step(loss, f, y):
        return functional(loss, f, y, reduction="sum")

    f, y, compiled = torch.randn(5), torch.randn(5), torch.compile(step, fullgraph=True, backend="aot_eager")
    for loss in (lm.huber(delta=0.1), lm.huber(delta=2.0), lm.pseudo_huber(), lm.huber(delta=0.1)):
        f.requires_grad_()
        value = compiled(loss, f, y)
        same(value, step(loss, f, y).item(), rtol=1e-6)
        same(torch.autograd.grad(value, f)[0], loss.gradient(y, f.detach(), reduction="sum"), rtol=1e-5, atol=1e-7)


@COMPILES
@pytest.mark.parametrize(
    ("f", "y", "given"),
    [(0.3, 0.1, {}), ([0.1, 2.0], [0.3, 0.1], {}), ([0.1, 2.0], np.array([0.3, 0.1]), {"where": [True, False]}),
     ([0.1, 2.0], [0.3, 0.1], {"weight": [0.1, 0.7]})],
)  # fmt: skip
def test_what_is_no_tensor_is_compiled_too(f, y, given):
    module, f = lm.huber().to("torch"), torch.tensor(f)
    found, expected = torch.compile(module, fullgraph=True, backend="eager")(f, y, **given), module(f, y, **given)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0.0)


@COMPILES
@pytest.mark.slow
def test_a_compiled_total():
    y, f = torch.randn(5), torch.randn(5, requires_grad=True)
    module = lm.huber().to("torch")
    total = torch.compile(module.total, fullgraph=True, backend="aot_eager")(f, y)
    assert float(total.weight) == 5 and total.sum.item() == pytest.approx(lm.huber()(y, f, reduction="sum").item())
    total.sum.backward()
    assert f.grad is not None


class Step(torch.nn.Module):
    def __init__(self, criterion):
        super().__init__()
        self.layer, self.criterion = torch.nn.Linear(3, 4), criterion

    def forward(self, x, y):
        return self.criterion(self.layer(x), y)


@COMPILES
@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True], ids=["followed", "strict"])
def test_exported_with_its_loss_and_decomposed_into_plain_operations(strict):
    step, rows = Step(lm.cross_entropy(label_smoothing=0.1).to("torch")), torch.export.Dim("rows", min=2)
    x, y = torch.randn(6, 3), torch.randint(0, 4, (6,))
    program = torch.export.export(step, (x, y), dynamic_shapes=({0: rows}, {0: rows}), strict=strict)
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    again = torch.export.load(file).module()
    x, y = torch.randn(9, 3), torch.randint(0, 4, (9,))
    expected = step(x, y)
    (slope,) = torch.autograd.grad(expected, step.layer.weight)
    value = again(x, y)
    assert value.item() == expected.item()
    same(torch.autograd.grad(value, again.layer.weight)[0], slope, rtol=1e-6, atol=1e-9)
    plain = program.run_decompositions()
    assert not any("lossmith" in str(node.target) for node in plain.graph.nodes)
    same(plain.module()(x, y), expected.item(), rtol=1e-6)


@pytest.mark.parametrize("criterion", [lm.huber().to("torch"), lm.huber().__call__], ids=["module", "loss"])
def test_a_trace_which_would_fix_the_number_of_samples_is_refused(criterion):
    with pytest.raises(RuntimeError, match=r"huber: torch\.jit\.trace.*use torch\.export"):
        torch.jit.trace(criterion, (torch.randn(3), torch.randn(3)))


@COMPILES
def test_unseen_values_outside_the_domain_give_nan_never_a_plausible_number():
    module = lm.poisson().to("torch", reduction="none")
    y, f = torch.tensor([1.0, -1.0]), torch.zeros(2)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    value = compiled(f.requires_grad_(), y)
    assert torch.isnan(value).tolist() == [False, True]
    value.sum().backward()
    assert torch.isnan(f.grad).tolist() == [False, True]
    each = torch.func.hessian(lambda scores: module(scores, y).sum())(f.detach())
    assert not torch.isnan(each[0, 0]) and torch.isnan(each[1, 1])


# what a module refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize(
    ("loss", "f", "y", "message"),
    [
        (lm.poisson(), [0.0, 0.0], [1.0, -1.0], r"poisson: y_true\[1\] = -1"),
        (lm.binary_cross_entropy(), [0.0, 0.0], [1.0, 2.0], r"binary_cross_entropy: y_true\[1\] = 2"),
        (lm.squared_error(), [0.0, float("nan")], [1.0, 1.0], r"squared_error: y_pred\[1\] = nan"),
        (lm.squared_error(), [[0.0], [0.0]], [1.0, 1.0], r"shapes must be equal"),
        (lm.cross_entropy(), [[0.0, 1.0]], [2], r"cross_entropy: y_true\[0\] = 2 is not a class id from 0 to 1"),
        (lm.squared_error(), [], [], r"nothing to average"),
    ],
)
def test_bad_input_raises_with_the_losss_message(loss, f, y, message, grad):
    with pytest.raises(ValueError, match=message):
        loss.to("torch")(torch.tensor(f, requires_grad=grad), torch.tensor(y))


ODD = {
    "sparse": lambda x: x.to_sparse(),
    "sparse rows": lambda x: x.to_sparse_csr(),
    "oneDNN": lambda x: x.to_mkldnn(),
    "quantized": lambda x: torch.quantize_per_tensor(x, 1.0, 0, torch.quint8),
    "nested": lambda x: torch.nested.nested_tensor(list(x)),
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's own, of some of these
@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_are_no_rectangle_of_plain_numbers_are_refused(kind):
    plain, loss = torch.ones(2, 2), lm.squared_error()
    odd, message = ODD[kind](plain), "is a (sparse|quantized|nested|)( ?tensor).*: pass"
    calls = (
        *(loss.to("torch", **options) for options in ({}, {"ignore_index": 0}, {"reduction": "batchmean"})),
        lambda input, target: loss.to("torch").total(input, target), lm.cross_entropy(), loss, loss.gradient,
    )  # fmt: skip
    for call in calls:
        with pytest.raises(TypeError, match=f"y_pred {message}"):
            call(odd, odd)
    for name in ("weight", "where"):
        with pytest.raises(TypeError, match=f"{name} {message}"):
            loss.to("torch")(plain, plain, **{name: odd})


def test_no_option_is_ignored():
    with pytest.raises(TypeError, match="label_smoothing"):
        lm.cross_entropy().to("torch", label_smoothing=0.1)
    with pytest.raises(TypeError, match="exposure"):
        lm.poisson().to("torch")(torch.zeros(2), torch.ones(2), exposure=torch.ones(2))
    with pytest.raises(ValueError, match="reduction must be one of"):
        lm.huber().to("torch", reduction="average")
    with pytest.raises(ValueError, match="class_dim"):
        lm.huber().to("torch", class_dim=1)
    for options in ({}, {"ignore_index": 0}):
        with pytest.raises(TypeError, match="must be a tensor"):
            lm.huber().to("torch", **options)(np.zeros(2), torch.zeros(2))
    with pytest.raises(TypeError, match="y_true is None"):
        lm.huber().to("torch")(torch.zeros(2), None)
    for options in ({"class_dim": 1.0}, {"class_dim": "1"}, {"ignore_index": "a"}):
        with pytest.raises(TypeError, match="must be a"):
            lm.cross_entropy().to("torch", **options)
    for axis in (2, -3):
        with pytest.raises(ValueError, match=f"class_dim is {axis}, but the input has 2 axes"):
            lm.cross_entropy().to("torch", class_dim=axis)(torch.zeros(4, 3), torch.zeros(4, dtype=int))
    with pytest.raises(ValueError, match=r"no adapter for 'theano'.*torch"):
        lm.huber().to("theano")


def test_tensors_of_derived_classes_stay_differentiable():
    class Mine(torch.Tensor):
        pass

    f = torch.ones(2).as_subclass(Mine).requires_grad_()
    value = lm.squared_error()(torch.zeros(2), f)
    value.backward()
    assert f.grad.tolist() == [1.0, 1.0]


# saving ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [lm.huber(delta=0.3), lm.cross_entropy(class_weight=[1, 2, 3]), lm.hinge(labels=(-1, 1)), 2 * lm.squared_error()],
    ids=lambda loss: loss.name,
)
def test_a_checkpoint_gives_the_loss_back(loss):
    module = loss.to("torch", reduction="sum", ignore_index=-1)
    file = io.BytesIO()
    torch.save(torch.nn.Sequential(module).state_dict(), file)
    file.seek(0)
    other = torch.nn.Sequential(lm.squared_error().to("torch"))
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other[0].loss == loss and other[0].options == module.options
    assert json.loads(module.get_extra_state())["loss"] == loss.spec()
    for again in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert isinstance(again, LossModule) and again.loss == loss and again.options == module.options
    assert loss.name in repr(module) and "reduction='sum'" in repr(module)


@pytest.mark.parametrize("state", ["", "{}", "[]", {}, 3, '{"loss": {}, "options": {"speed": 1}}'])
def test_a_state_of_something_else_is_refused(state):
    with pytest.raises(ValueError, match="not the saved state of a loss"):
        lm.huber().to("torch").load_state_dict({"_extra_state": state})


def test_a_checkpoint_that_is_none_is_refused():
    with pytest.raises(ValueError, match="spec"):
        lm.huber().to("torch").set_extra_state('{"loss": {"lossmith": 1, "name": "__import__"}, "options": {}}')
