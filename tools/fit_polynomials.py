"""Prints the polynomial coefficients of the LLVM engine's functions: python tools/fit_polynomials.py"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mpmath import mp, mpf

DIGITS = 100
Function = Callable[[mpf], mpf]


def fit(
    f: Function, a: float, b: float, degree: int, dtype: str, fixed: Sequence[float] = ()
) -> tuple[tuple[float, ...], float]:
    """Coefficients of the powers len(fixed) ... degree, highest first, and the largest relative error on [a, b].

    Least squares of the relative error on Chebyshev's nodes, which is within a small factor of the best. The lowest free
    coefficient is rounded to the type, then the rest are fitted again, and so on: later ones absorb earlier roundings.
    """
    with mp.workdps(DIGITS):
        middle, half = (mpf(a) + mpf(b)) / 2, (mpf(b) - mpf(a)) / 2
        count = 6 * (degree + 2)
        nodes = [middle + half * mp.cospi(mpf(2 * i + 1) / (2 * count)) for i in range(count)]
        values = [f(x) for x in nodes]
        rows = mp.matrix([[x**k / y for k in range(degree + 1)] for x, y in zip(nodes, values, strict=True)])
        gram, right = rows.T * rows, rows.T * mp.ones(count, 1)
        known = [mpf(c) for c in fixed]
        while (start := len(known)) <= degree:
            rest = range(start, degree + 1)
            target = [right[i] - mp.fdot((gram[i, j], known[j]) for j in range(start)) for i in rest]
            best = mp.lu_solve(mp.matrix([[gram[i, j] for j in rest] for i in rest]), mp.matrix(target))
            known.append(mpf(float(np.dtype(dtype).type(float(best[0])))))
        places = [middle + half * mpf(2 * i + 1 - 1000) / 1000 for i in range(1000)]
        error = max(abs(mp.polyval(known[::-1], x) / f(x) - 1) for x in places)
        return tuple(float(c) for c in known[len(fixed) :][::-1]), float(error)
