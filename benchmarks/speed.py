"""Value and gradient in one call beside the libraries that people use today: docs/benchmarks.md.

One thread, medians of paired rounds (every library once a round, in turn), so that noise hits all alike.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import platform  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import sklearn._loss as peers  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402

import lossmith as lm  # noqa: E402

torch.set_num_threads(1)
SIZE, ROUNDS = 1_000_000, 9
Run = Callable[[], object]


def with_torch(loss: Callable[..., torch.Tensor], y: np.ndarray, f: np.ndarray) -> Run:
    target, prediction = torch.from_numpy(y), torch.from_numpy(f.copy()).requires_grad_()

    def run() -> object:
        prediction.grad = None
        loss(prediction, target).backward()
        return prediction.grad

    return run


def contests(rng: np.random.Generator) -> dict[str, dict[str, Run]]:
    f = rng.normal(size=SIZE)
    real = rng.normal(size=SIZE)
    label = (rng.random(SIZE) < 0.4).astype(float)
    count = rng.poisson(2.0, SIZE).astype(float)

    def row(loss: lm.Loss, y: np.ndarray, sk: object, tl: Callable[..., torch.Tensor]) -> dict[str, Run]:
        return {
            "lossmith (NumPy)": lambda: loss.value_and_gradient(y, f),
            "scikit-learn": lambda: sk.loss_gradient(y, f),  # type: ignore[attr-defined]
            "PyTorch": with_torch(tl, y, f),
        }

    return {
        "squared_error": row(lm.get("squared_error"), real, peers.HalfSquaredError(), functional.mse_loss),
        "absolute_error": row(lm.get("absolute_error"), real, peers.AbsoluteError(), functional.l1_loss),
        "huber": row(lm.get("huber"), real, peers.HuberLoss(delta=1.0), functional.huber_loss),
        "binary_cross_entropy": row(
            lm.get("binary_cross_entropy"), label, peers.HalfBinomialLoss(), functional.binary_cross_entropy_with_logits
        ),
        "poisson": row(lm.get("poisson"), count, peers.HalfPoissonLoss(), functional.poisson_nll_loss),
    }


def milliseconds(runs: dict[str, Run]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(ROUNDS + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_number >= 2:  # the first two warm up
                times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def page() -> str:
    lines = [
        "# How fast it is",
        "",
        f"Mean loss and its gradient, {SIZE:,} float64 samples, one thread, medians of {ROUNDS} paired rounds,",
        "milliseconds.",
        "These are the figures of the array engine on NumPy; the machine-code engine comes next.",
        "",
    ]
    head = len(lines)
    for name, runs in contests(np.random.default_rng(0)).items():
        found = milliseconds(runs)
        if len(lines) == head:
            lines += ["| loss | " + " | ".join(found) + " |", "|---" * (len(found) + 1) + "|"]
        lines.append(f"| {name} | " + " | ".join(f"{ms:.1f}" for ms in found.values()) + " |")
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    lines += ["", f"Made by `make bench` on {platform.machine()}, {versions}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    text = page()
    (Path(__file__).parents[1] / "docs" / "benchmarks.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
