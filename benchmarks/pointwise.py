"""One pointwise loss, its peers and the plain loop, at one size: a contest for the parts that compare them."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

import lossmith as lm
from measure import Contest, Effort, Rounds, Run, Spread, count, paired
from numpy_peers import QUANTILE
from page import nanoseconds, table
from peers import PEERS, contestants

Array = np.ndarray

PARAMETERS = {"quantile": {"q": QUANTILE}}
PLAIN, REUSING = "lossmith", "lossmith, out="
LOOPS: dict[str, Callable[..., Array]] = {"np.subtract": np.subtract, "np.add": np.add}  # two reads and one write
DTYPES = ("float32", "float64")
SIZES = (10**3, 10**5, 10**6, 10**7)
LARGE = 10**5  # calls on fewer are mostly overhead: they are shown, and no target speaks of them


def problem(name: str, dtype: str, n: int) -> tuple[Array, Array]:
    """Targets and predictions."""
    rng = np.random.default_rng(n)
    f = rng.standard_normal((n, 2) if name == "gaussian_nll" else n, dtype=dtype)
    if name == "poisson":
        return rng.poisson(2.0, n).astype(dtype), f
    if lm.get(name).formula.target.domain.high == 1:
        return (rng.random(n, dtype="float32") < 0.4).astype(dtype), f
    return rng.standard_normal(n, dtype=dtype), f


def ours(loss: lm.Loss, y: Array, f: Array, out: Array | None = None) -> dict[str, Run]:
    out = np.empty_like(f) if out is None else out
    return {
        PLAIN: lambda: loss.value_and_gradient(y, f),
        REUSING: lambda: loss.value_and_gradient(y, f, out=out),
    }


def loops(y: Array, f: Array, out: Array) -> dict[str, Run]:
    return {name: lambda loop=loop: loop(f, y, out=out) for name, loop in LOOPS.items()}


def contests(names: Iterable[str], effort: Effort, *, beside_loops: bool = False) -> Iterator[Contest]:
    for name in names:
        for dtype in DTYPES:
            for n in (size for size in SIZES if size <= effort.largest):
                yield Contest({"loss": name, "dtype": dtype, "n": n}, _rounds(name, dtype, n, effort, beside_loops))


def _rounds(name: str, dtype: str, n: int, effort: Effort, beside_loops: bool) -> Rounds:
    y, f = problem(name, dtype, n)
    out = np.empty_like(f)  # the same for all who write where they are told
    runs = ours(lm.get(name, **PARAMETERS.get(name, {})), y, f, out) | contestants(name, y, f)
    return paired(runs | (loops(y, f, out) if beside_loops else {}), effort)


def large(found: Iterable[Contest]) -> list[Contest]:
    return [contest for contest in found if contest.case["n"] >= LARGE]


def lead(contest: Contest, name: str) -> Spread:
    """How many times as long the fastest peer takes."""
    return contest.ratio(contest.fastest(PEERS), name)


def excess(contest: Contest) -> Spread:
    """How many times as long as the faster loop we take."""
    return contest.ratio(REUSING, contest.fastest(LOOPS))


def leads(found: Iterable[Contest], name: str) -> dict[str, Spread]:
    return {f"{contest}, {contest.fastest(PEERS)}": lead(contest, name) for contest in large(found)}


def times(found: Iterable[Contest], *, beside_loops: bool = False) -> str:
    names = (PLAIN, REUSING, *(LOOPS if beside_loops else ()), *PEERS)
    ratios = {f"fastest peer / {name}": lambda contest, name=name: lead(contest, name) for name in (PLAIN, REUSING)}
    if beside_loops:
        ratios[f"{REUSING} / faster loop"] = excess
    head = ["loss", "dtype", "n", *names, *ratios]
    rows = [
        [contest.case["loss"], contest.case["dtype"], count(contest.case["n"])]
        + nanoseconds(contest, names, contest.case["n"])
        + [str(ratio(contest)) for ratio in ratios.values()]
        for contest in found
    ]
    return table(head, rows)
