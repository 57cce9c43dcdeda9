"""The first call in a fresh process, with an empty disk cache and with the kernel in it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from measure import WARM_UP, Contest, Effort, number
from page import Target, table

TITLE = "The first call"
ABOUT = """Milliseconds in a fresh process from the end of `import lossmith` (and NumPy) to the result of the first
`value_and_gradient` of ten samples. "cold" starts with an empty cache directory (`LOSSMITH_CACHE`), "warm" with the one
that the process before has filled. Making the loss loads the catalogue and traces the formula; the call compiles the
kernel, or reads it. The next call shows what the first one has left to do.
"""
CALLS = {  # and what they are called with
    "squared_error": "y, f",
    "binary_cross_entropy": "y, f",
    "cross_entropy": "y.astype(int), np.tile(f, (10, 1))",
}
STATES, STAGES = ("cold", "warm"), ("make the loss", "call", "both", "next call")
BOUND = 80.0
CHILD = """
import time
import numpy as np
import lossmith as lm

y, f = np.arange(10.0) % 2, np.linspace(-1.0, 1.0, 10)
y, f = {data}
start = time.perf_counter()
loss = lm.{name}()
made = time.perf_counter()
loss.value_and_gradient(y, f)
called = time.perf_counter()
loss.value_and_gradient(y, f)
again = time.perf_counter()
print(made - start, called - made, called - start, again - called)
"""


def first_call(name: str, cache: str) -> list[float]:
    """Seconds of each stage, in a process of its own."""
    command = [sys.executable, "-c", CHILD.format(name=name, data=CALLS[name])]
    environment = os.environ | {"LOSSMITH_CACHE": cache}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [round(float(word), 6) for word in done.stdout.split()]


def contests(effort: Effort) -> Iterator[Contest]:
    for name in CALLS:
        figures = []
        for _ in range(WARM_UP + effort.rounds):
            with tempfile.TemporaryDirectory() as cache:
                figures.append([second for _ in STATES for second in first_call(name, cache)])
        stages = [f"{state}, {stage}" for state in STATES for stage in STAGES]
        columns = zip(*figures[WARM_UP:], strict=True)
        yield Contest({"loss": name}, dict(zip(stages, map(list, columns), strict=True)))


def tables(found: list[Contest]) -> str:
    head = ["loss", *found[0].rounds]
    return table(head, ([f, *(number(1e3 * f.median(stage)) for stage in f.rounds)] for f in found))


def targets(found: list[Contest]) -> list[Target]:
    spreads = {f"{contest}, {state}": contest.spread(f"{state}, both", 1e3) for contest in found for state in STATES}
    return [Target("the first call in a fresh process, above import", BOUND, spreads, unit=" ms")]
