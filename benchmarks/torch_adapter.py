"""A training step's loss in PyTorch: ours as a module beside torch's own, forward and backward."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lossmith as lm
from measure import Contest, Effort, count, number, paired
from page import Target, table

TITLE = "In PyTorch"
ABOUT = """`loss.to("torch")` beside the loss of torch.nn.functional, eager: forward and backward of the mean, float32,
one thread on one core; microseconds a step. In a small step the way from PyTorch's engine into Python and back, which a
loss written in Python has to go, is most of the time.
"""
CASES = (  # loss, rows, classes (0: a number per sample)
    ("binary_cross_entropy", 1, 0), ("binary_cross_entropy", 1_000, 0), ("binary_cross_entropy", 10_000, 0),
    ("binary_cross_entropy", 1_000_000, 0), ("squared_error", 1_000_000, 0), ("huber", 1_000_000, 0),
    ("cross_entropy", 1, 10), ("cross_entropy", 8_192, 1_000),
)  # fmt: skip
JUDGED = ("binary_cross_entropy", "cross_entropy")  # the others move bytes, and torch does little else
OURS, THEIRS = "lossmith", "PyTorch"
LEAD = 3.0  # from LARGE numbers on, wanted
LARGE = 1_000_000
SMALL = 1_000


def contest(name: str, rows: int, classes: int, effort: Effort) -> Contest:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    shape = (rows, classes) if classes else (rows,)
    f = torch.from_numpy(rng.standard_normal(shape, dtype="float32")).requires_grad_()
    labels = rng.integers(0, classes or 2, rows)
    y = torch.from_numpy(labels if classes else labels.astype("float32"))
    theirs: dict[str, Callable[..., Any]] = {
        "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
        "squared_error": functional.mse_loss,
        "huber": functional.huber_loss,
        "cross_entropy": functional.cross_entropy,
    }

    def step(criterion: Callable[..., Any]) -> Callable[[], None]:
        def run() -> None:
            f.grad = None
            criterion(f, y).backward()

        return run

    runs = {OURS: step(lm.get(name).to("torch")), THEIRS: step(theirs[name])}
    return Contest({"loss": name, "rows": rows, "classes": classes}, paired(runs, effort))


def contests(effort: Effort) -> Iterator[Contest]:
    for name, rows, classes in CASES:
        yield contest(name, max(1, min(rows, effort.largest // (classes or 1))), classes, effort)


def _shape(contest: Contest) -> str:
    rows, classes = contest.case["rows"], contest.case["classes"]
    return f"{count(rows)} x {classes}" if classes else count(rows)


def _numbers(contest: Contest) -> int:
    return contest.case["rows"] * (contest.case["classes"] or 1)


def tables(found: list[Contest]) -> str:
    rows = [
        [
            contest.case["loss"],
            _shape(contest),
            *(number(1e6 * contest.median(name)) for name in (OURS, THEIRS)),
            contest.ratio(THEIRS, OURS),
        ]
        for contest in found
    ]
    return table(("loss", "shape", OURS, THEIRS, f"{THEIRS} / {OURS}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    def of(wanted: Callable[[int], bool]) -> dict[str, Any]:
        return {
            f"{contest.case['loss']} {_shape(contest)}": contest.ratio(THEIRS, OURS)
            for contest in found
            if wanted(_numbers(contest)) and contest.case["loss"] in JUDGED
        }

    return [
        Target(
            "PyTorch, cross-entropies of a million numbers and more: PyTorch / lossmith",
            LEAD,
            of(lambda n: n >= LARGE),
            at_least=True,
        ),
        Target("PyTorch, up to a thousand: PyTorch / lossmith", 1.0, of(lambda n: n <= SMALL), at_least=True),
    ]
