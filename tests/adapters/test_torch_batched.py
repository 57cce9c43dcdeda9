"""Several gradients at once, as autograd's own batches ask for them: what each of them is by itself."""

import pytest

from contract import samples

torch = pytest.importorskip("torch")

from torch.autograd import functional, grad, gradcheck, gradgradcheck  # noqa: E402

EVERY = pytest.mark.parametrize("sample", samples.everything(), ids=lambda sample: sample.id)
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "none"])
SMOOTH = ("squared_error", "pseudo_huber", "binary_cross_entropy", "cross_entropy", "poisson", "gaussian_nll")


def problem(sample, reduction):
    y, f = torch.tensor(sample.y), torch.tensor(sample.f).to(torch.float64).requires_grad_()
    y = y.to(torch.float64) if y.is_floating_point() else y
    return (lambda scores: sample.loss.to("torch", reduction=reduction)(scores, y)), f


def one_by_one(output, f, upstream):
    return torch.stack([grad(output, f, part, retain_graph=True)[0] for part in upstream])


@EVERY
@REDUCTIONS
def test_a_batch_of_gradients_is_the_gradients(sample, reduction):
    call, f = problem(sample, reduction)
    value = call(f)
    upstream = torch.linspace(-1, 1, 3 * value.numel(), dtype=value.dtype).reshape(3, *value.shape)
    upstream[0] = 1.0  # by which nothing is multiplied, where that can be seen
    (batch,) = grad(value, f, upstream, is_grads_batched=True, retain_graph=True)
    torch.testing.assert_close(batch, one_by_one(value, f, upstream))
    (slope,) = grad(call(f).sum(), f, create_graph=True)
    if slope.requires_grad:
        upstream = torch.linspace(-1, 1, 3 * f.numel(), dtype=f.dtype).reshape(3, *f.shape)
        (batch,) = grad(slope, f, upstream, is_grads_batched=True, retain_graph=True)
        torch.testing.assert_close(batch, one_by_one(slope, f, upstream))


@pytest.mark.parametrize("name", SMOOTH)
def test_whole_jacobians_and_hessians_in_one_go(name):
    sample = samples.of(name)[0]
    for reduction in ("mean", "sum", "none"):
        call, f = problem(sample, reduction)
        torch.testing.assert_close(functional.jacobian(call, f, vectorize=True), functional.jacobian(call, f))
        if reduction != "none":
            torch.testing.assert_close(functional.hessian(call, f, vectorize=True), functional.hessian(call, f))


@pytest.mark.parametrize("name", SMOOTH)
@REDUCTIONS
def test_autograds_own_checks_of_batches(name, reduction):
    call, f = problem(samples.of(name)[0], reduction)
    assert gradcheck(call, (f,), check_batched_grad=True)
    assert gradgradcheck(call, (f,), check_batched_grad=True)
