"""Fits the polynomials of the LLVM engine's functions and prints them as a module:

python tools/fit_polynomials.py > src/lossmith/engine/llvm/polynomials.py
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from mpmath import mp, mpf

DIGITS = 100
TYPES = {"float": "float32", "double": "float64"}
Function = Callable[[mpf], mpf]


def fit(
    f: Function, a: float, b: float, degree: int, dtype: str, fixed: Sequence[float] = ()
) -> tuple[tuple[float, ...], float]:
    """Coefficients of the powers from ``degree`` down to ``len(fixed)``, and the largest relative error on [a, b].

    ``fixed`` are the lowest coefficients. Least squares of the relative error on Chebyshev's nodes, which is within a
    small factor of the best. The lowest free coefficient is rounded to the type, then the others are fitted again, and
    so on: each rounding is made up for by the later ones.
    """
    with mp.workdps(DIGITS):
        middle, half = (mpf(a) + mpf(b)) / 2, (mpf(b) - mpf(a)) / 2
        count = 6 * (degree + 2)
        nodes = [middle + half * mp.cospi(mpf(2 * i + 1) / (2 * count)) for i in range(count)]
        rows = mp.matrix([[x**k / y for k in range(degree + 1)] for x, y in zip(nodes, map(f, nodes), strict=True)])
        gram, right = rows.T * rows, rows.T * mp.ones(count, 1)
        known = [mpf(c) for c in fixed]
        while (start := len(known)) <= degree:
            free = range(start, degree + 1)
            target = [right[i] - mp.fdot((gram[i, j], known[j]) for j in range(start)) for i in free]
            best = mp.lu_solve(mp.matrix([[gram[i, j] for j in free] for i in free]), mp.matrix(target))
            known.append(mpf(float(np.dtype(dtype).type(float(best[0])))))
        places = [middle + half * mpf(2 * i + 1 - 1000) / 1000 for i in range(1000)]
        error = max(abs(mp.polyval(known[::-1], x) / f(x) - 1) for x in places)
        return tuple(float(c) for c in known[len(fixed) :][::-1]), float(error)


class Table(NamedTuple):
    """One function to fit: degrees for float and double."""

    name: str
    what: str
    f: Function
    a: float
    b: float
    degrees: dict[str, int]
    fixed: tuple[float, ...] = ()


def of_square(f: Function) -> Function:
    """An even function of x as one of x^2."""
    return lambda z: f(mp.sqrt(z))


def _atanh_rest(s: mpf) -> mpf:
    return (mp.atanh(s) / s - 1) / s**2


def _log1p_rest(t: mpf) -> mpf:
    return (mp.log1p(t) - t) / t**2


def _js(d: mpf) -> mpf:
    return ((1 + d) * mp.log1p(d) + (1 - d) * mp.log1p(-d)) / d**2


def _far(f: Function) -> Function:
    """A function of large x as one of 1/x^2."""
    return lambda w: f(1 / mp.sqrt(w))


def _lgamma_rest(x: mpf) -> mpf:
    return x * (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2)


def _cotangent_bend(t: mpf) -> mpf:
    return 2 * mp.pi**3 * mp.cospi(t) / mp.sinpi(t) ** 3


def _scaled_erfc(q: mpf) -> mpf:
    x = mpf("3.75") * (1 + q) / (1 - q)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


def _bend(q: mpf) -> mpf:
    x = mpf("0.5") - mpf("3.75") * (1 + q) / (1 - q)
    slope = mp.sqrt(2 / mp.pi) / (mp.exp(x * x / 2) * mp.erfc(-x / mp.sqrt(2)))
    return slope * (x + slope)


with mp.workdps(DIGITS):
    _S = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
    _QUARTER = (mp.pi / 4) ** 2
    _FAR = 1 / mpf(6.5) ** 2
    TABLES = (
        Table("EXP", "e^r: 1 + r + r^2 p(r), |r| <= log(2)/2", mp.exp, -mp.log(2) / 2, mp.log(2) / 2,
              {"float": 6, "double": 11}, (1, 1)),
        Table("EXP_STEP", "the same, |r| <= log(2)/32", mp.exp, -mp.log(2) / 32, mp.log(2) / 32, {"double": 6}, (1, 1)),
        Table("LOG", "2 atanh(s): 2 s + s^3 p(s^2), |s| <= tanh(log(2)/4)", of_square(lambda s: 2 * _atanh_rest(s)),
              0, _S, {"float": 2, "double": 6}),
        Table("LOG_LOW", "2 atanh(s): 2 s + (2/3) s^3 + s^5 p(s^2), the same interval",
              of_square(lambda s: (2 * _atanh_rest(s) - mpf(2) / 3) / s**2), 0, _S, {"double": 7}),
        Table("LOG1P_UNIT", "log(1 + t): t + t^2 p(t), 0 <= t <= 1", _log1p_rest, 0, 1, {"float": 8}),
        Table("LOG1P_STEP", "the same, -1/32 <= t <= 1/30", lambda t: mp.log1p(t) / t, -mpf(1) / 32, mpf(1) / 30,
              {"double": 8}, (1,)),
        Table("LOG1P_SMALL", "the same, t <= e^-2, for what is added to more than 0.3", _log1p_rest, 0, mp.exp(-2),
              {"float": 3, "double": 9}),
        Table("LOG_COSH", "log(cosh(x)): x^2/2 + x^4 p(x^2), |x| <= 1",
              of_square(lambda x: mp.log(mp.cosh(x)) / x**2), 0, 1, {"float": 6, "double": 14}, (0.5,)),
        Table("SIN", "sin(x): x + x^3 p(x^2), |x| <= pi/4", of_square(lambda x: mp.sin(x) / x), 0, _QUARTER,
              {"double": 6}, (1,)),
        Table("COS", "cos(x): 1 - x^2/2 + x^4 p(x^2), |x| <= pi/4", of_square(mp.cos), 0, _QUARTER,
              {"double": 7}, (1, -0.5)),
        Table("ARCTAN", "arctan(x): x + x^3 p(x^2), |x| <= 1", of_square(lambda x: mp.atan(x) / x), 0, 1,
              {"float": 9, "double": 21}, (1,)),
        Table("JENSEN_SHANNON", "(1 + d) log(1 + d) + (1 - d) log(1 - d): d^2 p(d^2), |d| <= 1/2", of_square(_js),
              0, 0.25, {"float": 7, "double": 15}),
        # special functions: in double only
        Table("LGAMMA", "log Gamma(2 + t): psi(2) t + t^2 p(t), |t| <= 1/2",
              lambda t: (mp.loggamma(2 + t) / t - mp.digamma(2)) / t, -0.5, 0.5, {"double": 17}),
        Table("LGAMMA_SERIES", "log Gamma(x): (x - 1/2) log(x) - x + log(2 pi)/2 + p(1/x^2)/x, x >= 6.5",
              _far(_lgamma_rest), 0, _FAR, {"double": 6}),
        Table("DIGAMMA", "psi(2 + t): p(t), |t| <= 1/2", lambda t: mp.digamma(2 + t), -0.5, 0.5, {"double": 19}),
        Table("DIGAMMA_SERIES", "psi(x): log(x) - 1/(2 x) - p(1/x^2)/x^2, x >= 6.5",
              _far(lambda x: (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) * x**2), 0, _FAR, {"double": 6}),
        Table("TRIGAMMA_SERIES", "psi'(x): 1/x + 1/(2 x^2) + p(1/x^2)/x^3, x >= 6.5",
              _far(lambda x: (mp.psi(1, x) - 1 / x - 1 / (2 * x**2)) * x**3), 0, _FAR, {"double": 7}),
        Table("TETRAGAMMA_SERIES", "-psi''(x): 1/x^2 + 1/x^3 + p(1/x^2)/x^4, x >= 6.5",
              _far(lambda x: (-mp.psi(2, x) - 1 / x**2 - 1 / x**3) * x**4), 0, _FAR, {"double": 8}),
        Table("SIN_PI", "sin(pi t): pi t (1 + t^2 p(t^2)), |t| <= 1/2", of_square(lambda t: mp.sinpi(t) / (mp.pi * t)),
              0, 0.25, {"double": 8}, (1,)),
        Table("COT_PI", "pi cot(pi t): 1/t + t p(t^2), |t| <= 1/2",
              of_square(lambda t: (mp.pi * mp.cospi(t) / mp.sinpi(t) - 1 / t) / t), 0, 0.25, {"double": 13}),
        Table("COT_PI_SLOPE", "pi^2 / sin(pi t)^2: 1/t^2 + p(t^2), |t| <= 1/2",
              of_square(lambda t: (mp.pi / mp.sinpi(t)) ** 2 - 1 / t**2), 0, 0.25, {"double": 15}),
        Table("COT_PI_BEND", "2 pi^3 cos(pi t) / sin(pi t)^3: 2/t^3 + t p(t^2), |t| <= 1/2",
              of_square(lambda t: (_cotangent_bend(t) - 2 / t**3) / t), 0, 0.25, {"double": 16}),
        Table("ERF", "erf(x): 2/sqrt(pi) x + x^3 p(x^2), |x| <= 0.9",
              of_square(lambda x: (mp.erf(x) / x - 2 / mp.sqrt(mp.pi)) / x**2), 0, mpf("0.81"), {"double": 11}),
        Table("ERFC", "(1 + 2 x) e^(x^2) erfc(x): 1.5 + p((x - 3.75) / (x + 3.75)), x >= 0",
              lambda q: _scaled_erfc(q) - 1.5, -1, 1, {"double": 26}),
        Table("NORMAL_BEND", "h (x + h), h = phi(x) / Phi(x): p((t - 3.75) / (t + 3.75)), t = 0.5 - x >= 0",
              _bend, -1, 1, {"double": 32}),
    )  # fmt: skip


def reciprocals(count: int) -> tuple[list[float], list[float]]:
    """For each k < count a number c near 1 / (1 + k / (count - 1)), and -log(c), which rounding hardly changes.

    Of the numbers close by, the first whose logarithm is 500 times closer to a double than doubles are to each other
    (S. Gal, An accurate elementary mathematical library for the IEEE floating point standard, 1991).
    """
    found, logs = [1.0], [0.0]
    with mp.workdps(DIGITS):
        for k in range(1, count):
            c = 1 / (1 + k / (count - 1))
            while abs((exact := -mp.log(c)) - float(exact)) > math.ulp(float(exact)) / 1000:
                c += 2.0**-40
            found.append(c)
            logs.append(float(exact))
    return found, logs


def powers(count: int) -> tuple[list[float], list[float]]:
    """2^(k / count) for each k < count, and what rounding loses of it, as a part of it."""
    with mp.workdps(DIGITS):
        exact = [mpf(2) ** (mpf(k) / count) for k in range(count)]
        return [float(x) for x in exact], [float(x / float(x) - 1) for x in exact]


def printed_numbers(name: str, what: str, numbers: Sequence[float]) -> str:
    lines = textwrap.fill(", ".join(map(repr, numbers)), 114)
    return f"# {what}\n{name} = (\n{textwrap.indent(lines, ' ' * 4)},\n)\n"


def printed(table: Table) -> str:
    """A table as Python, with what it was fitted to and how well."""
    parts, errors = [], []
    for type_, degree in table.degrees.items():
        numbers, error = fit(table.f, table.a, table.b, degree, TYPES[type_], table.fixed)
        errors.append(f"{error:.1e}")
        lines = textwrap.fill(", ".join(map(repr, numbers)), 110)
        parts.append(f'    "{type_}": (\n{textwrap.indent(lines, " " * 8)},\n    ),\n')
    return f"# {table.what}; relative error {', '.join(errors)}\n{table.name} = {{\n{''.join(parts)}}}\n"


if __name__ == "__main__":
    print('"""Polynomials, highest power first, by type, and tables. Written by tools/fit_polynomials.py."""\n')
    print("# fmt: off")
    print("".join(printed(table) for table in TABLES), end="")
    rounded, lost = powers(16)
    print(printed_numbers("POWERS", "2^(k/16)", rounded), end="")
    print(printed_numbers("POWERS_LOST", "what that loses by rounding, as a part of it", lost), end="")
    near, logs = reciprocals(16)
    print(printed_numbers("RECIPROCALS", "about 1 / (1 + k / 15)", near), end="")
    print(printed_numbers("LOGS", "their logarithms, but for the sign", logs), end="")
