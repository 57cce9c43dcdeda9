"""torch.compile of as many losses as one likes, in one process; what it and torch.export make of them."""

import copy
import pickle

import pytest

import lossmith as lm
from contract import samples

torch = pytest.importorskip("torch")

from lossmith.adapters.torch import functional  # noqa: E402

pytestmark = pytest.mark.slow


def test_more_losses_than_the_compiler_compiles_one_function():
    torch.compiler.reset()
    limit = torch._dynamo.config.recompile_limit
    f, y = torch.tensor([0.5, 3.0]), torch.zeros(2)
    for delta in range(1, limit + 3):
        criterion = lm.huber(delta=delta).to("torch")
        compiled = torch.compile(criterion, fullgraph=True, backend="eager")
        assert torch.equal(compiled(f, y), criterion(f, y))


def test_copies_are_modules_of_their_own():
    criterion = lm.huber(delta=2.0).to("torch")
    other = lm.huber(delta=0.5).to("torch")
    f, y = torch.tensor([0.5, 3.0]), torch.zeros(2)
    for again in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(again(f, y), criterion(f, y))
        again.load_state_dict(other.state_dict())
        assert torch.equal(again(f, y), other(f, y))
        assert criterion.loss == lm.huber(delta=2.0)


def each(call):
    """A loss of one sample, as torch.func maps it over many."""
    return lambda score, truth: call(score[None], truth[None])


func = torch.func
TRANSFORMED = {
    "grad": lambda call, f, y: func.grad(lambda scores: call(scores, y))(f),
    "vmap": lambda call, f, y: func.vmap(each(call))(f, y),
    "vmap of grad": lambda call, f, y: func.vmap(func.grad(each(call)))(f, y),
    "jvp": lambda call, f, y: func.jvp(lambda scores: call(scores, y), (f,), (torch.ones_like(f),)),
    "jacrev": lambda call, f, y: func.jacrev(lambda scores: call(scores, y))(f),
    "hessian": lambda call, f, y: func.hessian(lambda scores: call(scores, y))(f),
}


@pytest.mark.parametrize("transformed", TRANSFORMED.values(), ids=TRANSFORMED)
@pytest.mark.parametrize("name", ["huber", "binary_cross_entropy", "cross_entropy", "gaussian_nll"])
@pytest.mark.parametrize("kind", ["module", "function", "total"])
def test_what_torch_func_makes_of_a_loss_is_compiled_in_one_graph(kind, name, transformed):
    torch.compiler.reset()
    sample = samples.of(name)[0]
    y, f = torch.tensor(sample.y), torch.tensor(sample.f).to(torch.float64)
    module = sample.loss.to("torch")
    call = {
        "module": module,
        "function": lambda scores, truth: functional(sample.loss, scores, truth, weight=torch.ones(len(truth))),
        "total": lambda scores, truth: module.total(scores, truth).sum,
    }[kind]
    compiled = torch.compile(lambda f, y: transformed(call, f, y), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(f, y), transformed(call, f, y))


def test_what_torch_func_makes_of_huber_is_what_it_makes_of_torchs_own():
    huber, f, y = lm.huber().to("torch"), torch.linspace(-3, 3, 16).double(), torch.zeros(16).double()
    for name, transformed in TRANSFORMED.items():
        torch.compiler.reset()
        compiled = torch.compile(
            lambda f, y, of=transformed: of(huber, f, y), fullgraph=True, backend="aot_eager"
        )
        theirs = transformed(torch.nn.functional.huber_loss, f, y)
        torch.testing.assert_close(compiled(f, y), theirs, msg=lambda text, name=name: f"{name}: {text}")


class Weighed(torch.nn.Module):
    def __init__(self, criterion):
        super().__init__()
        self.criterion = criterion

    def forward(self, input, target, weight):
        return self.criterion(input, target, weight=weight)


@pytest.mark.parametrize("how", ["exported", "compiled"])
@pytest.mark.parametrize("reduction", ["mean", "weighted_mean"])
@pytest.mark.parametrize("loss", [lm.huber(), lm.cross_entropy(ignore_index=1)], ids=lambda loss: loss.name)
def test_a_mean_over_nothing_is_nan_where_nobody_looks(loss, reduction, how):
    torch.compiler.reset()
    module = Weighed(loss.to("torch", reduction=reduction))
    f, y = (torch.ones(3), torch.zeros(3)) if loss.outputs == 1 else (torch.ones(3, 2), torch.tensor([0, 1, 0]))
    if how == "exported":
        run = torch.export.export(module, (f, y, torch.ones(3))).module()
    else:
        run = torch.compile(module, backend="eager")
    nothing = [(y, torch.zeros(3))] + ([(torch.ones(3, dtype=torch.int64), torch.ones(3))] if f.ndim == 2 else [])
    for target, weight in nothing:
        scores = f.clone().requires_grad_()
        value = run(scores, target, weight)
        value.backward()
        assert value.isnan() and scores.grad.isnan().all()
    assert run(f, y, torch.ones(3)) == pytest.approx(float(module(f, y, torch.ones(3))))
