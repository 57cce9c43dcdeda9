"""What value and gradient allocate beside the gradient itself."""

import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import lossmith as lm
from measure import Contest, Effort, Run, number
from page import Target, table
from pointwise import PLAIN, REUSING, ours, problem

TITLE = "Memory"
ABOUT = """The highest point during one `value_and_gradient` above what was there before it and above the gradient it
returns, in kB: as Python's allocators are asked for it (traced), and as the system counts the process (resident).
"""
N = 10**7
NAMES = ("squared_error", "binary_cross_entropy")
BOUND = 1000.0
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def traced(run: Run) -> float:
    """Bytes."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    run()
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return highest - before


def resident(run: Run) -> float:
    """Bytes."""
    RESET.write_text("5", encoding="ascii")  # the highest point starts again from here
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def _status(word: str) -> float:
    lines = dict(line.split(":", 1) for line in STATUS.read_text(encoding="ascii").splitlines())
    return 1024.0 * int(lines[word].split()[0])


METERS = {"traced": traced} | ({"resident": resident} if os.access(RESET, os.W_OK) else {})


def contest(name: str, output: str, effort: Effort) -> Contest:
    y, f = problem(name, "float32", min(N, effort.largest))
    run = ours(lm.get(name), y, f)[output]
    run()  # compiles, imports
    returned = f.nbytes if output == PLAIN else 0
    rounds = {
        meter: [max(0.0, measure(run) - returned) for _ in range(effort.rounds)] for meter, measure in METERS.items()
    }
    return Contest({"loss": name, "n": len(y), "output": output}, rounds)


def contests(effort: Effort) -> Iterator[Contest]:
    for name in NAMES:
        for output in (PLAIN, REUSING):
            yield contest(name, output, effort)


def tables(found: list[Contest]) -> str:
    rows = [[f, *(number(f.median(m) / 1e3) if m in f.rounds else "–" for m in METERS)] for f in found]
    return table(("loss, n, call", *METERS), rows)


def targets(found: list[Contest]) -> list[Target]:
    spreads = {f"{contest}, {meter}": contest.spread(meter, 1e-3) for contest in found for meter in contest.rounds}
    return [Target("value and gradient allocate beside their output", BOUND, spreads, unit=" kB")]
