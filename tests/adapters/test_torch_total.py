"""Means over micro-batches and processes, exact with unequal counts."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm

torch = pytest.importorskip("torch")

from lossmith.adapters.torch import gathered, mean_gradients  # noqa: E402

SCRIPT = Path(__file__).with_name("data_parallel.py")


def gradients(model):
    return [p.grad.clone() for p in model.parameters()]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("split", [[24], [1, 23], [10, 0, 9, 5], [1] * 24])
def test_micro_batches_are_one_batch(split, weighted):
    torch.manual_seed(0)
    model, criterion = torch.nn.Linear(4, 3).double(), lm.cross_entropy(ignore_index=-100).to("torch")
    x, y, weight = torch.randn(24, 4).double(), torch.randint(0, 3, (24,)), torch.rand(24).double()
    y[::5] = -100
    weights = weight if weighted else None
    value = criterion(model(x), y, weight=weights)
    value.backward()
    expected = gradients(model)
    model.zero_grad()
    seen, start = lm.Total(0.0, 0.0), 0
    for count in split:
        rows = slice(start, start + count)
        part = criterion.total(model(x[rows]), y[rows], weight=weight[rows] if weighted else None)
        part.sum.backward()
        seen, start = seen + part, start + count
    whole = mean_gradients(model.parameters(), seen)
    assert whole.mean == pytest.approx(value.item(), rel=1e-14)
    for found, wanted in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["huber", "cross_entropy"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_total_has_the_bits_of_numpys_and_its_gradient(name, dtype):
    torch.manual_seed(1)
    f = torch.randn(50, 3, dtype=dtype) if name == "cross_entropy" else torch.randn(50, dtype=dtype)
    y, weight = torch.randint(0, 3, (50,)), torch.rand(50, dtype=dtype)
    f.requires_grad_()
    loss = lm.get(name)
    found = loss.to("torch").total(f, y, weight=weight)
    wanted = loss.total(y.numpy(), f.detach().numpy(), weight=weight.numpy())
    assert (found.sum.item(), found.weight) == (wanted.sum, wanted.weight) and found.sum.dtype == torch.float64
    found.sum.backward()
    gradient = loss.gradient(y.numpy(), f.detach().numpy(), weight=weight.numpy(), reduction="sum")
    np.testing.assert_array_equal(f.grad.numpy(), gradient)
    with torch.no_grad():
        assert loss.to("torch").total(f, y, weight=weight).sum.item() == wanted.sum


@pytest.mark.parametrize("reduction", ["mean", "weighted_mean", "batchmean", "elementwise_mean"])
@pytest.mark.parametrize("left_out", [None, "weight", "where"])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_totals_mean_is_the_criterions(compiled, left_out, reduction):
    torch.manual_seed(2)
    criterion = lm.cross_entropy(class_weight=[1.0, 10.0]).to("torch", reduction=reduction)
    f, y = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    options = {} if left_out is None else {left_out: torch.tensor([1.0, 0.0, 2.0, 1.0, 1.0, 1.0])}
    if left_out == "where":
        options["where"] = options["where"] > 0
    torch.compiler.reset()
    total = torch.compile(criterion.total, backend="eager", fullgraph=True) if compiled else criterion.total
    split = [(f[rows], y[rows], {name: x[rows] for name, x in options.items()}) for rows in (slice(2), slice(2, 6))]
    parts = [total(scores, ids, **given) for scores, ids, given in split]
    assert float(sum(parts).mean) == pytest.approx(criterion(f, y, **options).item(), rel=1e-6)


def test_totals_outside_the_kernels_reach():
    f, y = torch.randn(6, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 2, 1, -1])
    loss = lm.cross_entropy(ignore_index=-1)

    def total(rows, ids):
        found = loss.to("torch").total(rows, ids)
        return found.sum, found.weight

    value, weight = torch.func.vmap(total)(f.reshape(2, 3, 3), y.reshape(2, 3))
    assert weight.tolist() == [3.0, 2.0]
    wanted = loss.total(y.numpy(), f.numpy())
    assert value.sum().item() == pytest.approx(wanted.sum, rel=1e-14)


def test_nothing_to_average():
    model = torch.nn.Linear(1, 1)
    with pytest.raises(ValueError, match="nothing to average"):
        mean_gradients(model.parameters(), lm.Total(0.0, 0.0))


def test_alone_a_total_is_its_own():
    assert gathered(lm.Total(2.0, 3.0)) == lm.Total(2.0, 3.0)


@pytest.mark.slow
def test_two_processes_are_one(tmp_path):
    """Unequal counts, weights of zero, an empty micro-batch, gradients averaged by DistributedDataParallel."""
    shared = runpy.run_path(str(SCRIPT))
    processes = [
        subprocess.Popen([sys.executable, SCRIPT, str(rank), "2", str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    finally:
        for process in processes:  # of a pair that failed neither is left to wait for the other
            process.kill()
            process.communicate()
    one, other = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert one == other  # to the last bit
    model, x, y, weight = shared["problem"]()
    value = lm.cross_entropy().to("torch")(model(x), y, weight=weight)
    value.backward()
    assert one["mean"] == pytest.approx(value.item(), rel=1e-14)
    assert float.fromhex(one["weight"]) == pytest.approx(weight.sum().item(), rel=1e-15)
    for found, parameter in zip(one["gradients"], model.parameters(), strict=True):
        np.testing.assert_allclose(found, parameter.grad.reshape(-1).numpy(), rtol=1e-12, atol=1e-16)
    # what a mean of means would have given is far off
    start, means = 0, []
    for parts in shared["PARTS"]:
        rows = slice(start, start + sum(parts))
        start = rows.stop
        means.append(lm.cross_entropy().to("torch")(model(x[rows]), y[rows], weight=weight[rows]).item())
    assert abs(np.mean(means) - value.item()) > 1e-3
