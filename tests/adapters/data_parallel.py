"""One of several processes that train together: ``data_parallel.py rank world folder``, told by test_torch_total."""

import json
import os
import sys
from pathlib import Path

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

import lossmith as lm
from lossmith.adapters.torch import mean_gradients

PARTS = ((5, 3), (0, 11))  # samples of each micro-batch, of each process
ROWS = sum(map(sum, PARTS))


def problem():
    """(model, x, y, weight), the same in every process."""
    torch.manual_seed(3)
    model = torch.nn.Linear(4, 3).double()
    x, weight = torch.randn(ROWS, 4).double(), torch.rand(ROWS).double()
    weight[::4] = 0.0
    return model, x, torch.randint(0, 3, (ROWS,)), weight


def main(rank: int, world: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world)
    model, x, y, weight = problem()
    parallel, criterion = DistributedDataParallel(model), lm.cross_entropy().to("torch")
    start, seen = sum(map(sum, PARTS[:rank])), lm.Total(0.0, 0.0)
    for k, count in enumerate(PARTS[rank]):
        rows = slice(start, start + count)
        start += count
        with parallel.no_sync() if k == 0 else torch.enable_grad():
            part = criterion.total(parallel(x[rows]), y[rows], weight=weight[rows])
            part.sum.backward()
        seen += part
    whole = mean_gradients(model.parameters(), seen)
    found = {
        "sum": whole.sum.hex(), "weight": whole.weight.hex(), "mean": whole.mean,
        "gradients": [p.grad.reshape(-1).tolist() for p in model.parameters()],
    }  # fmt: skip
    (folder / f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()
    # not through the interpreter's end: a thread of gloo's that still holds a tensor asks for its lock there, and
    # aborts the process (pytorch/pytorch#179291); an exception above still ends it with its traceback and status 1
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
