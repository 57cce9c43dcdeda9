"""Paired rounds: every contestant once a round, in turn, so that a noisy moment hurts all of them alike."""

import importlib.metadata
import os
import platform
import random
import statistics
import timeit
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

Run = Callable[[], object]
Rounds = dict[str, list[float]]  # per contestant one figure a round, as a rule seconds a call

# What a process that measures one thread is started with; a library reads these when it is imported.
ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
PACKAGES = ("numpy", "torch", "jax", "scikit-learn", "llvmlite")
WARM_UP = 2  # rounds that do not count
LONG = 5.0  # seconds: what takes them gains nothing from these


@dataclass(frozen=True)
class Effort:
    """How long to measure. Timings last at least ``least`` seconds; arrays have at most ``largest`` elements."""

    rounds: int
    least: float
    largest: int
    mapped: int  # from this many elements on, arrays are memory-mapped files
    patience: float  # seconds after which a contestant that has not come near enough is given up


FULL = Effort(rounds=11, least=5e-3, largest=10**9, mapped=10**9, patience=60.0)
QUICK = Effort(rounds=3, least=0.0, largest=10**5, mapped=10**5, patience=2.0)


Case = Mapping[str, Any]


@dataclass(frozen=True)
class Contest:
    """What was measured, and the figure of every contestant in every round."""

    case: Case
    rounds: Rounds

    def __str__(self) -> str:
        return " ".join(count(v) if isinstance(v, int) else str(v) for v in self.case.values())

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])

    def spread(self, name: str, unit: float) -> "Spread":
        return Spread.of([figure * unit for figure in self.rounds[name]])

    def fastest(self, names: Iterable[str]) -> str | None:
        """Which of these was there and had the smallest median."""
        return min((name for name in names if name in self.rounds), key=self.median, default=None)

    def ratio(self, above: str, below: str) -> "Spread":
        """Of the figures of one round, over the rounds; who was measured once is compared with every round."""
        first, second = self.rounds[above], self.rounds[below]
        first = first * len(second) if len(first) == 1 else first
        return Spread.of([a / b for a, b in zip(first, second, strict=True)])


@dataclass(frozen=True)
class Spread:
    """A median between its quartiles."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, numbers: list[float]) -> "Spread":
        low, middle, high = statistics.quantiles(numbers * 2 if len(numbers) == 1 else numbers, n=4, method="inclusive")
        return cls(low, middle, high)

    def __str__(self) -> str:
        if self.low == self.high:
            return number(self.middle)
        return f"{number(self.middle)} ({number(self.low)}–{number(self.high)})"


def paired(
    runs: Mapping[str, Run], effort: Effort, *, rounds: int = 0, before: Mapping[str, Run] | None = None
) -> Rounds:
    """Seconds a call. ``before``: what to do, off the clock, before a contestant's timing."""
    before = before or {}
    found: Rounds = {name: [] for name in runs}
    calls = {name: _calls(run, effort.least, before.get(name)) for name, run in runs.items()}
    for number in range(WARM_UP + (rounds or effort.rounds)):
        contestants = [name for name in runs if number >= WARM_UP or calls[name] > 0]
        for name in random.Random(number).sample(contestants, len(contestants)):  # nobody always follows the same one
            if name in before:
                before[name]()
            times = max(1, calls[name])
            seconds = timeit.timeit(runs[name], number=times) / times
            if number >= WARM_UP:
                found[name].append(float(f"{seconds:.4g}"))
    return found


def _calls(run: Run, least: float, before: Run | None) -> int:
    """How many calls last long enough to be timed; 0: one does, so long that it needs no warming up."""
    if before:
        before()
    if timeit.timeit(run, number=1) > LONG:  # compiles, imports, touches memory
        return 0
    few = _enough(least, timeit.timeit(run, number=1))
    return few if few == 1 else _enough(least, timeit.timeit(run, number=few) / few)


def _enough(least: float, seconds: float) -> int:
    return max(1, ceil(least / seconds))


def pin() -> None:
    """Keep this process on one core, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def machine() -> dict[str, str]:
    """What the figures depend on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GB",
        "system": f"{platform.system()} {platform.machine()}",
        "engine": os.environ.get("LOSSMITH_ENGINE", "as chosen"),
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _processor() -> str:
    name = platform.processor() or platform.machine()
    known = Path("/proc/cpuinfo")
    if known.exists():
        lines = (line.split(":", 1) for line in known.read_text(encoding="utf-8").splitlines() if ":" in line)
        name = next((value.strip() for key, value in lines if key.strip() == "model name"), name)
    try:
        from llvmlite import binding
    except ImportError:
        return name
    return f"{name} ({binding.get_host_cpu_name()})"


def number(x: float) -> str:
    """Three digits."""
    return f"{x:.0f}" if x >= 100 else f"{x:#.3g}"


def count(n: int) -> str:
    """1000 -> 1e3; numbers that are not round stay as they are."""
    digits = str(n)
    bare = digits.rstrip("0")
    zeros = len(digits) - len(bare)
    if zeros < 3 or len(bare) > 2:
        return digits
    return f"{bare[0]}{'.' + bare[1:] if bare[1:] else ''}e{len(digits) - 1}"
