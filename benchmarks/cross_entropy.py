"""Softmax cross-entropy with class ids, from two classes to a large vocabulary, and up to a gigabyte of scores."""

from collections.abc import Callable, Iterator

import numpy as np

import lossmith as lm
from measure import Contest, Effort, Spread, count, paired
from page import Target, nanoseconds, table
from peers import with_jax, with_torch

TITLE = "Cross-entropy"
ABOUT = """Value and gradient of float32 scores with int64 class ids, out= given, one thread on one core, nanoseconds a
score. The copy is `np.copyto` of the scores.
"""
SHAPES = (  # rows, classes
    (1_000_000, 2), (1_000_000, 10), (400_000, 32), (65_536, 100), (8_192, 1_000), (1_024, 32_000), (256, 128_256),
    (25_000_000, 10), (2_000, 128_256),
)  # fmt: skip
LEADS = {2: 3, 10: 3, 32: 3, 100: 1.2, 1_000: 1.2, 32_000: 4, 128_256: 4}  # over the fastest peer, wanted
COPIES = {32_000: 1.6, 128_256: 1.6}
OURS, COPY, PEERS = "lossmith, out=", "copy", ("PyTorch", "JAX")
Ratio = Callable[[Contest], Spread]


def contest(rows: int, classes: int, effort: Effort) -> Contest:
    loss, rng = lm.get("cross_entropy"), np.random.default_rng(0)
    f = rng.standard_normal((rows, classes), dtype="float32")
    f *= 3
    y, out = rng.integers(0, classes, rows), np.empty_like(f)
    runs = {
        OURS: lambda: loss.value_and_gradient(y, f, out=out),
        COPY: lambda: np.copyto(out, f),
        "PyTorch": with_torch("cross_entropy", y, f),
        "JAX": with_jax("cross_entropy", y, f),
    }
    return Contest({"rows": rows, "classes": classes}, paired(runs, effort))


def contests(effort: Effort) -> Iterator[Contest]:
    for rows, classes in SHAPES:
        yield contest(max(1, min(rows, effort.largest // classes)), classes, effort)


def _shape(contest: Contest) -> str:
    return f"{count(contest.case['rows'])} x {contest.case['classes']}"


def _lead(contest: Contest) -> Spread:
    return contest.ratio(contest.fastest(PEERS), OURS)


def _copies(contest: Contest) -> Spread:
    return contest.ratio(OURS, COPY)


def tables(found: list[Contest]) -> str:
    names = (OURS, *PEERS, COPY)
    rows = [
        [
            _shape(contest),
            *nanoseconds(contest, names, contest.case["rows"] * contest.case["classes"]),
            _lead(contest),
            _copies(contest),
        ]
        for contest in found
    ]
    return table(("rows x classes", *names, f"fastest peer / {OURS}", f"{OURS} / {COPY}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    def by_bound(bounds: dict[int, float], words: str, ratio: Ratio, **options: bool) -> Iterator[Target]:
        for bound in dict.fromkeys(bounds.values()):
            classes = [k for k, wanted in bounds.items() if wanted == bound]
            spreads = {_shape(contest): ratio(contest) for contest in found if contest.case["classes"] in classes}
            yield Target(f"cross-entropy, K = {', '.join(map(str, classes))}: {words}", bound, spreads, **options)

    return [
        *by_bound(LEADS, f"fastest peer / {OURS}", _lead, at_least=True),
        *by_bound(COPIES, f"{OURS} / {COPY}", _copies),
    ]
