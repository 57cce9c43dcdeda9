"""From a thousand samples to a billion: the cost of a sample stays."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import log
from pathlib import Path
from statistics import linear_regression

import numpy as np

import lossmith as lm
from measure import Contest, Effort, Run, Spread, count, paired
from page import Target, nanoseconds, table
from pointwise import LARGE, REUSING, ours, problem

TITLE = "From a thousand samples to a billion"
ABOUT = """Binary cross-entropy, float32, one thread on one core, nanoseconds a sample. From 1e9 samples on, y and f are
memory-mapped files; the gradient goes to memory made before. Sizes for which the machine has no room are left out.
"""
SIZES = tuple(10**k for k in range(3, 10))
VALUE, GRADIENT = "value", "value and gradient, out="
BLOCK = 10**6  # what a file repeats
SPARE = 2 * 2**30  # bytes that stay free
BOUND = 1.1


@contextmanager
def arrays(n: int, mapped: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Targets and predictions, in memory or in files."""
    if not mapped:
        yield problem("binary_cross_entropy", "float32", n)
        return
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for name, block in zip("yf", problem("binary_cross_entropy", "float32", min(n, BLOCK)), strict=True):
            path = Path(folder, name)
            with path.open("wb") as file:
                for _ in range(n // len(block)):
                    block.tofile(file)
            files.append(np.memmap(path, dtype="float32", mode="r"))
        yield files[0], files[1]


def fits(n: int, mapped: bool) -> bool:
    """Whether the machine has room for two inputs and one output."""
    memory, disk = 4 * n * (1 if mapped else 3), 8 * n if mapped else 0
    return memory + SPARE < _free_memory() and disk + SPARE < shutil.disk_usage(tempfile.gettempdir()).free


def _free_memory() -> float:
    known = Path("/proc/meminfo")
    if not known.exists():
        return float("inf")
    lines = dict(line.split(":", 1) for line in known.read_text(encoding="ascii").splitlines())
    return 1024.0 * int(lines["MemAvailable"].split()[0])


def contests(effort: Effort) -> Iterator[Contest]:
    for n in (size for size in SIZES if size <= effort.largest):
        mapped = n >= effort.mapped
        if fits(n, mapped):
            with arrays(n, mapped) as (y, f):
                yield Contest({"n": n}, paired(runs(y, f), effort))


def runs(y: np.ndarray, f: np.ndarray) -> dict[str, Run]:
    loss = lm.get("binary_cross_entropy")
    return {VALUE: lambda: loss(y, f), GRADIENT: ours(loss, y, f)[REUSING]}


def tables(found: list[Contest]) -> str:
    names = (VALUE, GRADIENT)
    return table(("n", *names), ([count(f.case["n"]), *nanoseconds(f, names, f.case["n"])] for f in found))


def power(found: list[Contest], name: str) -> Spread:
    """Of n, that the time grows with."""
    sizes = [log(contest.case["n"]) for contest in found]
    each_round = zip(*(contest.rounds[name] for contest in found), strict=True)
    return Spread.of([linear_regression(sizes, [log(t) for t in times]).slope for times in each_round])


def targets(found: list[Contest]) -> list[Target]:
    large = [contest for contest in found if contest.case["n"] >= LARGE]
    powers = {f"{name}, up to {large[-1]}": power(large, name) for name in (VALUE, GRADIENT) if len(large) > 1}
    return [Target("time grows like n to the power, n ≥ 1e5", BOUND, powers)]
