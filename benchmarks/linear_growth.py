"""Training linear models from ten thousand rows to ten million: the cost of a row stays."""

from collections.abc import Iterator
from functools import partial

import numpy as np

import lossmith as lm
from growth import power
from lossmith.linear.design import Design
from lossmith.linear.problem import Problem
from measure import Contest, Effort, Rounds, count, paired
from page import Target, nanoseconds, table

TITLE = "Training linear models, row by row"
ABOUT = """Binary cross-entropy, 20 float32 features in rows, one thread on one core, nanoseconds a row: the loss and
its gradient once, and an iteration of `LinearClassifier(l2=1e-4).fit`, all that a fit does divided by its iterations.
"""
SIZES = tuple(10**k for k in range(4, 8))
FEATURES, L2 = 20, 1e-4
PASS, ITERATION = "loss and gradient", "iteration of a fit"
BOUND = 1.1


def contests(effort: Effort) -> Iterator[Contest]:
    for n in (size for size in SIZES if size <= max(effort.largest // FEATURES, SIZES[0])):
        yield Contest({"n": n}, measured(n, effort))


def measured(n: int, effort: Effort) -> Rounds:
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((n, FEATURES), dtype="float32"), rng.standard_normal(FEATURES) * 0.3
    y = rng.random(n) < 1 / (1 + np.exp(-(X @ w)))
    loss = lm.get("binary_cross_entropy")
    problem = Problem(loss, Design(X, None), y, None, L2, 0.0, 1.0)
    model = lm.LinearClassifier(loss, l2=L2).fit(X, y)
    runs = {PASS: partial(problem.at, np.append(0.1, w)[:, None]), ITERATION: partial(model.fit, X, y)}
    found = paired(runs, effort, rounds=5)
    return found | {ITERATION: [seconds / model.n_iter_ for seconds in found[ITERATION]]}


def tables(found: list[Contest]) -> str:
    names = (PASS, ITERATION)
    return table(("rows", *names), ([count(f.case["n"]), *nanoseconds(f, names, f.case["n"])] for f in found))


def targets(found: list[Contest]) -> list[Target]:
    powers = {f"{name}, up to {found[-1]}": power(found, name) for name in (PASS, ITERATION) if len(found) > 1}
    return [Target("linear model: time grows like rows to the power", BOUND, powers)]
