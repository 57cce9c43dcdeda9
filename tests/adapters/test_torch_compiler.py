"""torch.compile of as many losses as one likes, in one process."""

import copy
import pickle

import pytest

import lossmith as lm

torch = pytest.importorskip("torch")

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
