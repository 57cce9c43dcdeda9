"""On a GPU: value and gradient beside a copy of the same memory. (Not named `cuda`: PyTorch imports that name itself.)

    python benchmarks/on_cuda.py             prints a table; needs PyTorch with CUDA, and Triton
    python benchmarks/on_cuda.py --quick     tiny sizes

Contestants: lossmith compiled by torch.compile, lossmith's Triton kernel, torch's own loss eager and compiled, and
Liger-Kernel where it is installed. The figure is the share of the copy's bandwidth: bytes that have to move (scores and
targets read, gradients written) by time, over those of a copy of the scores by its time.
"""

import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional

import lossmith as lm

Run = Callable[[], Any]
DTYPES = (torch.bfloat16, torch.float32)
POINTWISE = {
    "squared_error": functional.mse_loss,
    "huber": functional.huber_loss,
    "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    "poisson": functional.poisson_nll_loss,
}
SAMPLES = 1 << 26
ROWS = ((8192, 32_000), (2048, 128_256))  # rows, vocabulary
WANTED = {"lossmith, compiled": 0.6, "lossmith, Triton": 0.8}
REPEATS = 30


def seconds(run: Run) -> float:
    """The median of single calls on the device's own clock, the caches filled with other things before each."""
    other = torch.empty(1 << 26, dtype=torch.int32, device="cuda")
    for _ in range(5):
        run()
    found = []
    for _ in range(REPEATS):
        other.zero_()
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        stop.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(stop) / 1e3)
    return statistics.median(found)


def step(criterion: Callable[..., Any], f: Any, y: Any) -> Run:
    def run() -> None:
        f.grad = None
        criterion(f, y).backward()

    return run


def contestants(name: str, theirs: Callable[..., Any], f: Any, y: Any) -> dict[str, Run]:
    loss = lm.get(name)
    runs = {
        "lossmith, compiled": step(torch.compile(loss.to("torch"), fullgraph=True), f, y),
        "lossmith, Triton": step(loss.to("torch", engine="triton"), f, y),
        "PyTorch": step(theirs, f, y),
        "PyTorch, compiled": step(torch.compile(theirs), f, y),
    }
    if name == "cross_entropy":
        try:
            from liger_kernel.transformers.functional import liger_cross_entropy
        except ImportError:
            return runs
        # it writes the gradient over the scores: each call gets a copy, which is not timed against it elsewhere
        runs["Liger-Kernel (and a copy)"] = step(lambda f, y: liger_cross_entropy(f.clone(), y), f, y)
    return runs


def problems(quick: bool) -> Iterator[tuple[str, Callable[..., Any], Any, Any]]:
    for dtype in DTYPES:
        n = 1 << 16 if quick else SAMPLES
        for name, theirs in POINTWISE.items():
            f = torch.randn(n, device="cuda").to(dtype).requires_grad_()
            yield name, theirs, f, torch.randint(0, 2, (n,), device="cuda").to(dtype)
        for rows, classes in ROWS:
            rows = 16 if quick else rows
            f = torch.randn(rows, classes, device="cuda").to(dtype).requires_grad_()
            yield "cross_entropy", functional.cross_entropy, f, torch.randint(0, classes, (rows,), device="cuda")


def agree(runs: dict[str, Run], f: Any) -> None:
    """All contestants compute the same, to the digits of the dtype."""
    gradients = {}
    for who, run in runs.items():
        run()
        gradients[who] = f.grad.float()
    truth = gradients["PyTorch"]
    for who, gradient in gradients.items():
        error = float((gradient - truth).abs().max() / truth.abs().max())
        if error > 4 * torch.finfo(f.dtype).eps:
            sys.exit(f"{who} disagrees with PyTorch: {error:.2g} of the largest gradient")


def main() -> int:
    if not torch.cuda.is_available():
        print("no CUDA device: nothing was measured")
        return 0
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}")
    print("| loss | dtype | shape | contestant | ms | share of copy | wanted |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, theirs, f, y in problems("--quick" in sys.argv[1:]):
        runs = contestants(name, theirs, f, y)
        agree(runs, f)
        size = f.numel() * f.element_size()
        source, copy = f.detach(), torch.empty_like(f)
        copied = 2 * size / seconds(lambda copy=copy, source=source: copy.copy_(source))
        for who, run in runs.items():
            took = seconds(run)
            share = (2 * size + y.numel() * y.element_size()) / took / copied
            bound = WANTED.get(who)
            verdict = "" if bound is None else f"≥ {bound}: {'met' if share >= bound else 'not met'}"
            dtype = str(f.dtype).removeprefix("torch.")
            print(f"| {name} | {dtype} | {tuple(f.shape)} | {who} | {1e3 * took:.3f} | {share:.2f} | {verdict} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
