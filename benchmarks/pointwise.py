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
IN_PLACE = ("NumPy", "scikit-learn")  # peers that write to memory made before; the others return new memory, as PLAIN
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
    other = y if y.shape == f.shape else f.copy()  # for several predictions a sample, as many other numbers
    return {name: lambda loop=loop: loop(f, other, out=out) for name, loop in LOOPS.items()}


def contests(names: Iterable[str], effort: Effort) -> Iterator[Contest]:
    for name in names:
        for dtype in DTYPES:
            for n in (size for size in SIZES if size <= effort.largest):
                yield Contest({"loss": name, "dtype": dtype, "n": n}, _rounds(name, dtype, n, effort))


def _rounds(name: str, dtype: str, n: int, effort: Effort) -> Rounds:
    y, f = problem(name, dtype, n)
    out = np.empty_like(f)  # the same for all who write where they are told
    runs = ours(lm.get(name, **PARAMETERS.get(name, {})), y, f, out) | contestants(name, y, f)
    return paired(runs | loops(y, f, out), effort)


def large(found: Iterable[Contest]) -> list[Contest]:
    return [contest for contest in found if contest.case["n"] >= LARGE]


def leads_over(contest: Contest) -> dict[str, Spread]:
    """How many times as long each peer takes as we do, where we write to as they do."""
    pairs = {peer: REUSING if peer in IN_PLACE else PLAIN for peer in PEERS if peer in contest.rounds}
    return {peer: contest.ratio(peer, ours) for peer, ours in pairs.items()}


def lead(contest: Contest) -> tuple[str, Spread]:
    """The peer that comes nearest, and how many times as long it takes."""
    return min(leads_over(contest).items(), key=lambda item: item[1].middle)


def excess(contest: Contest) -> Spread:
    """How many times as long as the faster loop we take."""
    return contest.ratio(REUSING, contest.fastest(LOOPS))


def leads(found: Iterable[Contest]) -> dict[str, Spread]:
    nearest = ((contest, *lead(contest)) for contest in large(found))
    return {f"{contest}, {peer}": ratio for contest, peer, ratio in nearest}


def times(found: Iterable[Contest]) -> str:
    names = (PLAIN, REUSING, *LOOPS, *PEERS)
    head = ["loss", "dtype", "n", *names, "nearest peer / lossmith", f"{REUSING} / faster loop"]
    rows = [
        [
            contest.case["loss"],
            contest.case["dtype"],
            count(contest.case["n"]),
            *nanoseconds(contest, names, contest.case["n"]),
            str(lead(contest)[1]),
            str(excess(contest)),
        ]
        for contest in found
    ]
    return table(head, rows)
