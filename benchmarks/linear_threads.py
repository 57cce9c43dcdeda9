"""Training linear models on two threads, beside one and beside peers on two."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from threadpoolctl import threadpool_limits

import lossmith as lm
from linear_models import Found, ours, peers, race
from measure import Case, Contest, Effort, Spread, count
from page import Target, table

TITLE = "Training linear models on two threads"
ABOUT = """As above; nothing is pinned, and whoever can use two threads may: so may the matrix products of all.
"""
PINNED = False
ROWS = 200_000
NAMES = ("binary_cross_entropy", "poisson", "cross_entropy", "hinge", "quantile")
ONE, TWO = "one thread", "two threads"


def on(threads: int, name: str, X: Any, y: Any, tol: float) -> Found:
    lm.set_threads(threads)
    with threadpool_limits(threads, user_api="blas"):
        return ours(name, X, y, tol)


def cases(effort: Effort) -> Iterator[Case]:
    for name in NAMES:
        yield {"loss": name, "samples": max(2_000, min(ROWS, effort.largest // 50))}


def contest(case: Case, effort: Effort) -> Contest:
    return race(case, effort, {ONE: partial(on, 1, case["loss"]), TWO: partial(on, 2, case["loss"])})


def tables(found: list[Contest]) -> str:
    rows = []
    for contest in found:
        peer = contest.fastest(peers(contest))
        rows.append([
            contest.case["loss"], count(contest.case["samples"]), contest.spread(ONE, 1.0), contest.spread(TWO, 1.0),
            contest.ratio(ONE, TWO), peer or "–", contest.ratio(peer, TWO) if peer else "–",
        ])  # fmt: skip
    return table(("loss", "samples", ONE, TWO, f"{ONE} / {TWO}", "fastest peer", f"it / {TWO}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    leads: dict[str, Spread] = {str(c): c.ratio(peer, TWO) for c in found if (peer := c.fastest(peers(c))) is not None}
    return [Target("training linear models: fastest peer / lossmith, both on two threads", 2, leads, at_least=True)]
