"""A loss that a user writes, against the one of the catalogue with the same formula."""

from collections.abc import Iterator

import numpy as np

import lossmith as lm
from lossmith.formula import (
    Expr,
    NonNegative,
    OpenUnitInterval,
    Positive,
    Real,
    UnitInterval,
    exp,
    softplus,
    where,
    zero_times,
)
from measure import Contest, Effort, paired
from page import Target, nanoseconds, table
from pointwise import DTYPES, REUSING, ours, problem

TITLE = "Losses that you write"
ABOUT = """The same formula under `@lm.pointwise` and in the catalogue: value and gradient, out= given, one thread on
one core, nanoseconds a sample. The built-in loss takes part twice, to show how far equals differ.
"""
BUILT_IN, AGAIN, WRITTEN = NAMES = ("built-in", "built-in again", "user-defined")
SIZES = (10**5, 10**6)
INFINITE = float("inf")
MORE_ROUNDS = 3  # times as many, for a difference this small


@lm.pointwise
def my_squared_error(y: Real, f: Real) -> Expr:
    """As squared_error."""
    return (f - y) ** 2


@lm.pointwise
def my_huber(y: Real, f: Real, *, delta: Positive = 1.0) -> Expr:
    """As huber."""
    r = f - y
    return where(abs(r) <= delta, r**2 / 2, delta * (abs(r) - delta / 2))


@lm.pointwise
def my_quantile(y: Real, f: Real, *, q: OpenUnitInterval = 0.5) -> Expr:
    """As quantile."""
    return where(y >= f, q * (y - f), (1 - q) * (f - y))


@lm.pointwise
def my_binary_cross_entropy(y: UnitInterval, f: Real, *, pos_weight: NonNegative = 1.0) -> Expr:
    """As binary_cross_entropy."""
    return pos_weight * zero_times(y, softplus(-f)) + zero_times(1 - y, softplus(f))


@lm.pointwise
def my_poisson(y: NonNegative, f: Real) -> Expr:
    """As poisson."""
    mean = exp(f)
    return where(mean == INFINITE, mean, mean - zero_times(y, f))


@lm.pointwise
def my_gaussian_nll(y: Real, mean: Real, log_scale: Real) -> Expr:
    """As gaussian_nll."""
    return ((y - mean) * exp(-log_scale)) ** 2 / 2 + log_scale


PAIRS = {
    "squared_error": my_squared_error,
    "huber": my_huber,
    "quantile": my_quantile,
    "binary_cross_entropy": my_binary_cross_entropy,
    "poisson": my_poisson,
    "gaussian_nll": my_gaussian_nll,
}


def contests(effort: Effort) -> Iterator[Contest]:
    for name, write in PAIRS.items():
        for dtype in DTYPES:
            for n in (size for size in SIZES if size <= effort.largest):
                data = problem(name, dtype, n)
                out = np.empty_like(data[1])
                losses = {BUILT_IN: lm.get(name), AGAIN: lm.get(name), WRITTEN: write()}
                runs = {who: ours(loss, *data, out)[REUSING] for who, loss in losses.items()}
                rounds = paired(runs, effort, rounds=MORE_ROUNDS * effort.rounds)
                yield Contest({"loss": name, "dtype": dtype, "n": n}, rounds)


def tables(found: list[Contest]) -> str:
    rows = [
        [
            contest,
            *nanoseconds(contest, NAMES, contest.case["n"]),
            *(contest.ratio(other, BUILT_IN) for other in (AGAIN, WRITTEN)),
        ]
        for contest in found
    ]
    return table(("loss, dtype, n", *NAMES, f"{AGAIN} / {BUILT_IN}", f"{WRITTEN} / {BUILT_IN}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    ratios = {str(contest): contest.ratio(WRITTEN, BUILT_IN) for contest in found}
    return [Target(f"{WRITTEN} / {BUILT_IN}", 1.03, ratios)]
