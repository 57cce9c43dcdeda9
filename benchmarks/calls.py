"""What one small call costs: of plain arrays, and of whatever else may be passed."""

from collections.abc import Iterator

import numpy as np

import lossmith as lm
from measure import Contest, Effort, number, paired
from page import Target, table
from pointwise import problem

TITLE = "One small call"
ABOUT = """Microseconds a call, one thread on one core: binary cross-entropy of a number per sample, cross-entropy
of ten scores; float64, but for one call of integers and float32.
"""
SIZES = (1, 100)
BOUNDS = {"plain": 1.5, "other": 10.0}
CALLS = {
    "loss(y, f)": "plain",
    "loss.value_and_gradient(y, f)": "plain",
    "loss.value_and_gradient(y, f, out=out)": "plain",
    "loss.value_and_gradient(y, f, weight=weight)": "other",
    "loss(y, f, weight=weight)": "other",
    "loss(y, f, where=where)": "other",
    'loss(y, f, reduction="none")': "other",
    "loss.gradient_and_curvature(y, f)": "other",
    "loss.value_and_gradient(whole_y, narrow_f)": "other",  # integers, float32
    "loss.value_and_gradient(list_y, list_f)": "other",
    "loss(y, swapped_f)": "other",
    "rows.value_and_gradient(ids, scores)": "other",
    "rows.value_and_gradient(ids, scores, weight=weight)": "other",
}


def contests(effort: Effort) -> Iterator[Contest]:
    loss = lm.get("binary_cross_entropy")
    for n in SIZES:
        y, f = problem(loss.name, "float64", n)
        rng = np.random.default_rng(n)
        ids, scores = rng.integers(0, 10, n), rng.standard_normal((n, 10))
        names = {"loss": loss, "y": y, "f": f, "weight": np.ones(n), "where": np.ones(n, bool), "out": np.empty(n)}
        names |= {"list_y": y.tolist(), "list_f": f.tolist(), "swapped_f": f.astype(">f8")}
        names |= {"whole_y": y.astype(int), "narrow_f": f.astype("f4")}
        names |= {"rows": lm.get("cross_entropy"), "ids": ids, "scores": scores}
        yield Contest({"n": n}, paired({call: eval(f"lambda: {call}", names) for call in CALLS}, effort))


def tables(found: list[Contest]) -> str:
    rows = [
        [f"`{call}`", kind, *(number(1e6 * contest.median(call)) for contest in found)] for call, kind in CALLS.items()
    ]
    return table(("call", "kind", *(f"n = {contest.case['n']}" for contest in found)), rows)


def targets(found: list[Contest]) -> list[Target]:
    (one,) = (contest for contest in found if contest.case["n"] == 1)
    return [
        Target(
            f"one call on one sample, {kind}", bound,
            {f"`{call}`": one.spread(call, 1e6) for call in CALLS if CALLS[call] == kind},
            unit=" µs",
        )
        for kind, bound in BOUNDS.items()
    ]  # fmt: skip
