"""Two threads against one, on a quiet machine and beside a process that burns a core."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import lossmith as lm
from measure import Contest, Effort, Spread, paired
from page import Target, nanoseconds, table
from pointwise import REUSING, ours, problem

TITLE = "Two threads"
ABOUT = """Binary cross-entropy, float32, value and gradient, out= given, nanoseconds a sample, after
`lm.set_threads(1)` and `lm.set_threads(2)`; nothing is pinned. A busy neighbour is another process that burns a core
all the time.
"""
PINNED = False
SIZES = (10**5, 10**6, 10**7)
QUIET, BUSY = NEIGHBOURS = ("no neighbour", "busy neighbour")
ONE, TWO = "one thread", "two threads"
JUDGED = 10**6  # smaller calls stay on one thread where two would not pay


@contextmanager
def neighbour(kind: str) -> Iterator[None]:
    """A process that never rests, if wanted."""
    if kind == QUIET:
        yield
        return
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        busy.kill()
        busy.wait()


def contest(kind: str, n: int, effort: Effort) -> Contest:
    run = ours(lm.get("binary_cross_entropy"), *problem("binary_cross_entropy", "float32", n))[REUSING]

    def prepare(threads: int) -> None:
        lm.set_threads(threads)
        run()  # wakes them

    before = {ONE: partial(prepare, 1), TWO: partial(prepare, 2)}
    with neighbour(kind):
        return Contest({"neighbour": kind, "n": n}, paired(dict.fromkeys(before, run), effort, before=before))


def contests(effort: Effort) -> Iterator[Contest]:
    for kind in NEIGHBOURS:
        for n in SIZES:
            if n <= effort.largest:
                yield contest(kind, n, effort)


def tables(found: list[Contest]) -> str:
    rows = [
        [contest, *nanoseconds(contest, (ONE, TWO), contest.case["n"]), contest.ratio(ONE, TWO)] for contest in found
    ]
    return table(("neighbour, n", ONE, TWO, f"{ONE} / {TWO}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    def ratios(kind: str, above: str, below: str, least: int) -> dict[str, Spread]:
        chosen = [c for c in found if c.case["neighbour"] == kind and c.case["n"] >= least]
        return {str(contest): contest.ratio(above, below) for contest in chosen}

    return [
        Target("two threads, n ≥ 1e6: one thread / two threads", 1.6, ratios(QUIET, ONE, TWO, JUDGED), at_least=True),
        Target("two threads beside a busy neighbour: two threads / one thread", 1.1, ratios(BUSY, TWO, ONE, 0)),
    ]
