"""What one small call costs, on the fast road and on the checked one."""

from collections.abc import Iterator

import numpy as np

import lossmith as lm
from measure import Contest, Effort, number, paired
from page import Target, table
from pointwise import problem

TITLE = "One small call"
ABOUT = """Binary cross-entropy, float64, microseconds a call, one thread on one core. Plain contiguous arrays take
the fast road; everything else takes the one that checks and converts.
"""
SIZES = (1, 100)
BOUNDS = {"fast": 1.5, "checked": 10.0}
ROADS = {
    "loss(y, f)": "fast",
    "loss.value_and_gradient(y, f)": "fast",
    "loss.value_and_gradient(y, f, out=out)": "fast",
    "loss.value_and_gradient(y, f, weight=weight)": "checked",
    "loss(y, f, weight=weight)": "checked",
    'loss(y, f, reduction="none")': "checked",
    "loss.value_and_gradient(list_y, list_f)": "checked",
}


def contests(effort: Effort) -> Iterator[Contest]:
    loss = lm.get("binary_cross_entropy")
    for n in SIZES:
        y, f = problem(loss.name, "float64", n)
        names = {"loss": loss, "y": y, "f": f, "weight": np.ones(n), "out": np.empty(n)}
        names |= {"list_y": y.tolist(), "list_f": f.tolist()}
        yield Contest({"n": n}, paired({call: eval(f"lambda: {call}", names) for call in ROADS}, effort))


def tables(found: list[Contest]) -> str:
    rows = [
        [f"`{call}`", road, *(number(1e6 * contest.median(call)) for contest in found)] for call, road in ROADS.items()
    ]
    return table(("call", "road", *(f"n = {contest.case['n']}" for contest in found)), rows)


def targets(found: list[Contest]) -> list[Target]:
    return [
        Target(
            f"small calls on the {road} road", bound,
            {
                f"`{call}`, n = {contest.case['n']}": contest.spread(call, 1e6)
                for contest in found
                for call in ROADS
                if ROADS[call] == road
            },
            unit=" µs",
        )
        for road, bound in BOUNDS.items()
    ]  # fmt: skip
