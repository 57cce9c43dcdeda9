"""JAX: a loss as its adapter makes it, beside the formula as one writes it by hand, both under jit."""

from collections.abc import Iterator

import numpy as np

import lossmith as lm
from measure import Contest, Effort, Spread, count, paired
from page import Target, nanoseconds, table
from peers import jax_losses
from pointwise import PARAMETERS, problem

TITLE = "JAX"
ABOUT = """Value and gradient of float32 predictions under `jit`: `loss.to("jax")`, which makes invalid values NaN, and
the loss in plain `jax.numpy`, which does not; one thread on one core, nanoseconds a prediction, results in memory that
was used before. By hand, log-cosh loses digits of small errors, and cross-entropy those of confident correct
predictions.
"""
# glibc keeps what is freed. Else it is chance for whom of two the system has to find new pages, and these take longer
# than most of the losses.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
ROUNDS = 31
SIZE = 1_000_000
CLASSES = (10, 1_000)
OURS, HAND = "lossmith", "by hand"
MOST = 1.1  # times as long as by hand, wanted


def contest(name: str, classes: int, effort: Effort) -> Contest:
    import jax
    from jax import numpy as jnp

    n = min(SIZE, effort.largest)
    if classes:
        rng = np.random.default_rng(0)
        rows = max(1, n // classes)
        f, y = 3 * rng.standard_normal((rows, classes), dtype="float32"), rng.integers(0, classes, rows)
    else:
        y, f = problem(name, "float32", n)
    by_hand = 2 * y - 1 if name == "hinge" else y  # labels -1 and 1, as who writes it by hand would have them
    loss = lm.get(name, **PARAMETERS.get(name, {})).to("jax", reduction="mean")
    prediction = jnp.asarray(f)
    runs = {}
    for who, function, target in ((OURS, loss, y), (HAND, jax_losses()[name], by_hand)):
        compiled, target = jax.jit(jax.value_and_grad(function)), jnp.asarray(target)
        runs[who] = lambda compiled=compiled, target=target: jax.block_until_ready(compiled(prediction, target))
    case = {"loss": name, "predictions": f.size, "classes": classes or "–"}
    return Contest(case, paired(runs, effort, rounds=min(ROUNDS, 3 * effort.rounds)))


def contests(effort: Effort) -> Iterator[Contest]:
    for name in jax_losses():
        for classes in CLASSES if name == "cross_entropy" else (0,):
            yield contest(name, classes, effort)


def _ratio(contest: Contest) -> Spread:
    return contest.ratio(OURS, HAND)


def tables(found: list[Contest]) -> str:
    rows = [
        [c.case["loss"], c.case["classes"], count(c.case["predictions"]),
         *nanoseconds(c, (OURS, HAND), c.case["predictions"]), _ratio(c)]
        for c in found
    ]  # fmt: skip
    return table(("loss", "classes", "predictions", OURS, HAND, f"{OURS} / {HAND}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    return [Target(f"JAX: {OURS} / {HAND}", MOST, {str(c): _ratio(c) for c in found})]
