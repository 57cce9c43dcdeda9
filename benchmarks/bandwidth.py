"""Losses that memory bounds, against every peer and against a plain loop; the logistic loss against that loop too."""

from collections.abc import Iterator

import pointwise
from measure import Contest, Effort
from page import Target

TITLE = "Losses that memory bounds"
ABOUT = """As above. Binary cross-entropy is here to be compared with the loops.
"""
NAMES = ("squared_error", "absolute_error", "huber", "quantile", "hinge")
LOGISTIC = "binary_cross_entropy"
AT = {"loss": LOGISTIC, "dtype": "float32", "n": 10**7}


def contests(effort: Effort) -> Iterator[Contest]:
    return pointwise.contests((*NAMES, LOGISTIC), effort)


def tables(found: list[Contest]) -> str:
    return pointwise.times(found)


def targets(found: list[Contest]) -> list[Target]:
    bound = [contest for contest in found if contest.case["loss"] in NAMES]
    beside = {str(contest): pointwise.excess(contest) for contest in pointwise.large(bound)}
    logistic = {str(contest): pointwise.excess(contest) for contest in found if contest.case == AT}
    return [
        Target("bound by memory, n ≥ 1e5, out=: time / faster loop", 1.15, beside),
        Target("bound by memory, n ≥ 1e5: nearest peer / lossmith", 1, pointwise.leads(bound), at_least=True),
        Target("binary cross-entropy, float32, n = 1e7, out=: time / faster loop", 2.2, logistic),
    ]
