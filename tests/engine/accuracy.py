"""Errors of the LLVM engine's functions in units in the last place, and the points to look for them."""

import numpy as np
from mpmath import mp, mpf

from judges.oracle import ELEMENTWISE

DIGITS = 40
_PLACES = (1, -1, 0.5, -0.5, 2, 0.29, -0.29, 0.41, 0.55, np.pi / 2, np.pi, 88.72, -87.34, -103.97, 709.78, -745.13)
_STEP = mpf(10) ** -20


def edges(dtype):
    """Every kind of special number, with both signs, and neighbours of 1."""
    info = np.finfo(dtype)
    sizes = [0, info.smallest_subnormal, info.tiny / 4, info.tiny, info.eps / 2, 0.5, 1 - info.epsneg, 1, 1 + info.eps]
    sizes += [2, 3, 7.5, 1e9, info.max / 2, info.max, np.inf]
    return np.array([*sizes, *(-size for size in map(float, sizes)), np.nan], dtype=dtype)


def numbers(dtype, count, seed=0):
    """About ``count`` finite numbers: all bit patterns alike, every size, where e^x is finite, near special places."""
    rng, info, share = np.random.default_rng(seed), np.finfo(dtype), count // 5 + 1
    bits = rng.integers(0, 256, (share, info.dtype.itemsize), dtype=np.uint8)
    reach = -float(np.log(info.smallest_subnormal)) * 1.05
    close = np.ldexp(rng.normal(size=share), -rng.integers(0, info.nmant + 2, share))
    parts = (
        bits.view(dtype)[:, 0],
        np.exp(rng.uniform(-20, 20, share)) * rng.choice([-1, 1], share),
        rng.uniform(-reach, reach, share),
        rng.uniform(-2, 2, share),
        rng.choice(_PLACES, share) * (1 + close),
        edges(dtype),
    )
    found = np.concatenate([np.asarray(part, dtype=dtype) for part in parts])
    return found[np.isfinite(found)]


def truth(name, *arguments):
    """The primitive at one point, many digits."""
    return ELEMENTWISE[name](*map(mpf, arguments))


def distance(got, exact, dtype):
    """|got - exact| in units in the last place of exact; an infinity counts as the first power of two too large."""
    info = np.finfo(dtype)
    if mp.isnan(exact) or np.isnan(got):
        return 0.0 if mp.isnan(exact) and np.isnan(got) else np.inf
    top = mp.ldexp(1, info.maxexp)
    got, exact = (max(-top, min(top, mpf(x))) for x in (got, exact))
    _, exponent = mp.frexp(exact)
    least = info.minexp - info.nmant
    place = max(exponent - info.nmant - 1, least) if exact else least
    return float(mp.ldexp(abs(got - exact), -int(place)))


def condition(name, *arguments):
    """How many times larger the relative change of the result is than those of the arguments."""
    with mp.workdps(3 * DIGITS):
        base = truth(name, *arguments)
        moved = [[mpf(x) * (1 + _STEP * (i == j)) for j, x in enumerate(arguments)] for i in range(len(arguments))]
        return float(sum(abs(truth(name, *there) - base) for there in moved) / (abs(base) * _STEP)) if base else np.inf


def worst(name, machine, arguments, bound):
    """The largest error and its place; in units of max(1, condition) for functions of more numbers than one."""
    found = (0.0, ())
    with mp.workdps(DIGITS):
        results = machine(*arguments).tolist()
        for got, *point in zip(results, *(argument.tolist() for argument in arguments), strict=True):
            error = distance(got, truth(name, *point), machine.dtype)
            if error > bound and len(point) > 1:
                error /= max(1.0, condition(name, *point))
            if error > found[0]:
                found = (error, tuple(point))
    return found


def worst_of_floats(narrow, wide, arguments):
    """The largest error of the float32 function, taking the float64 one for the truth."""
    got, exact = narrow(*arguments).astype(float), wide(*(argument.astype(float) for argument in arguments))
    top = 2.0**128
    got, exact = (np.clip(x, -top, top) for x in (got, exact))
    _, exponent = np.frexp(exact)
    errors = np.abs(got - exact) * np.exp2(-np.maximum(exponent - 24.0, -149.0))
    errors[np.isnan(got) & np.isnan(exact)] = 0.0
    place = int(np.argmax(errors))  # NaN, where only one is, counts as the largest
    return errors[place], tuple(argument[place] for argument in arguments)
