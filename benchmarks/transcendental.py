"""Losses made of exponentials and logarithms, against every peer."""

from collections.abc import Iterator

import pointwise
from measure import Contest, Effort
from page import Target

TITLE = "Losses made of exponentials and logarithms"
ABOUT = """Value and gradient, one thread on one core, nanoseconds a sample. "lossmith" returns new memory on every
call, "lossmith, out=" writes where it is told. NumPy is the strongest we can write (`benchmarks/numpy_peers.py`) and
writes into memory made before; so does scikit-learn's `loss_gradient`, whose gradients are not divided by n: these two
are compared with "lossmith, out=". PyTorch is eager with autograd, JAX is jitted (`benchmarks/peers.py`): they return
new memory and are compared with "lossmith". The nearest peer is the one that loses least. The loops read two arrays and
write one at the speed of C, and the faster of the two counts: nobody who reads and writes the same is faster than
memory. Calls on fewer than 1e5 samples are mostly overhead: they are shown, and no target speaks of them.
"""
AT_THE_LOOP = 1.15
NAMES = ("binary_cross_entropy", "poisson", "log_cosh", "focal", "gaussian_nll")


def contests(effort: Effort) -> Iterator[Contest]:
    return pointwise.contests(NAMES, effort)


def tables(found: list[Contest]) -> str:
    return pointwise.times(found)


def targets(found: list[Contest]) -> list[Target]:
    """Of all, and of those that are not as fast as the loop already: from there on nothing can lead by more."""
    claim = "exponentials and logarithms, n ≥ 1e5{}: nearest peer / lossmith"
    free = [contest for contest in found if pointwise.excess(contest).middle > AT_THE_LOOP]
    return [
        Target(claim.format(""), 3, pointwise.leads(found), at_least=True),
        Target(claim.format(f", slower than {AT_THE_LOOP} faster loops"), 3, pointwise.leads(free), at_least=True),
    ]
