"""The special functions of the LLVM engine: digits, poles, the same bits everywhere, vector code."""

import re

import numpy as np
import pytest
from mpmath import mp, mpf

from engine.accuracy import distance, edges, numbers, worst_of_floats
from engine.machine import Machine, levels, listing
from engine.special_truth import BITS, TRUTH, condition
from lossmith.engine.llvm import polynomials
from lossmith.engine.llvm.special import FUNCTIONS

DTYPES = ("float32", "float64")
# ULP in units of max(1, condition), float32 and float64
BOUNDS = {
    "lgamma": (0.501, 2.4),
    "log_factorial": (0.501, 2.4),
    "stirling": (0.501, 1.5),
    "digamma": (0.501, 2.7),
    "trigamma": (0.501, 2.3),
    "tetragamma": (0.501, 2.0),
    "erf": (0.501, 1.3),
    "normal_cdf": (0.501, 1.5),
    "log_normal_cdf": (0.501, 2.5),
    "log_normal_cdf_slope": (0.501, 2.1),
    "log_normal_cdf_bend": (0.501, 3.4),
}
GAMMAS = ("lgamma", "log_factorial", "stirling", "digamma", "trigamma", "tetragamma")
MILLION = 1_000_000
SWEEP = [pytest.param(10_000, id="subset"), pytest.param(MILLION, id="million", marks=pytest.mark.full)]
TABLES = {
    "LGAMMA": "lgamma", "LGAMMA_SERIES": "stirling", "SIN_PI": "log_factorial", "DIGAMMA": "digamma",
    "DIGAMMA_SERIES": "digamma", "COT_PI": "digamma", "TRIGAMMA_SERIES": "trigamma", "COT_PI_SLOPE": "trigamma",
    "TETRAGAMMA_SERIES": "tetragamma", "COT_PI_BEND": "tetragamma", "ERF": "erf", "ERFC": "normal_cdf",
    "NORMAL_BEND": "log_normal_cdf_bend",
}  # fmt: skip
# zeros and extrema of the gamma family, and where one way of computing gives way to another
PLACES = (1, 2, 1.461632144968362, -2.457024738220801, -2.610720868444145, -2.5, -3.5, 6.5, 7.5, 0.5, -0.5, 0.9, -0.9)


def bound(name, dtype):
    return BOUNDS[name][DTYPES.index(dtype)]


def points(name, dtype, count, seed=0):
    """Finite arguments in the domain of a function, but for poles: of every size, ordinary ones, close to integers."""
    rng, share = np.random.default_rng(seed), count // 4 + 1
    close = np.ldexp(rng.normal(size=share), -rng.integers(0, np.finfo(dtype).nmant + 2, share))
    reach = 20 if name in GAMMAS else 40
    parts = (
        numbers(dtype, share, seed),
        rng.uniform(-reach, reach, share),
        rng.integers(-reach, reach, share) + close,
        rng.choice(PLACES, share) * (1 + close),
    )
    x = np.concatenate([np.asarray(part, dtype=dtype) for part in parts])
    if name == "stirling":
        x = np.abs(x)
    return x[(x > 0) | (x != np.round(x))] if name in GAMMAS else x


def worst(name, machine, x, bound):
    """The largest error and its place; those above the bound in units of max(1, condition)."""
    found = (0.0, None)
    with mp.workprec(BITS):
        for got, place in zip(machine(x).tolist(), x.tolist(), strict=True):
            error = distance(got, TRUTH[name](mpf(place)), machine.dtype)
            if error > bound:
                error /= max(1.0, condition(TRUTH[name], mpf(place)))
            found = max(found, (error, place), key=lambda pair: pair[0])
    return found


@pytest.fixture(scope="module")
def machines():
    made = {}

    def machine(name, dtype, **options):
        key = (name, dtype, *options.items())
        if key not in made:
            made[key] = Machine(FUNCTIONS[name], dtype, **options)
        return made[key]

    return machine


@pytest.mark.slow
@pytest.mark.parametrize("count", SWEEP)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_doubles_keep_their_digits(name, count, machines):
    error, place = worst(name, machines(name, "float64"), points(name, "float64", count), bound(name, "float64"))
    assert error <= bound(name, "float64"), place


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_floats_keep_their_digits(name, machines):
    error, place = worst(name, machines(name, "float32"), points(name, "float32", 2_000), bound(name, "float32"))
    assert error <= bound(name, "float32"), place


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_million_floats_keep_their_digits(name, machines):
    narrow, wide = machines(name, "float32"), machines(name, "float64")
    error, place = worst_of_floats(narrow, wide, (points(name, "float32", MILLION, seed=1),))
    assert error <= bound(name, "float32"), place


@pytest.mark.parametrize("table", TABLES)
def test_a_wrong_coefficient_is_found(table, monkeypatch):
    name, coefficients = TABLES[table], getattr(polynomials, table)
    *most, last = coefficients["double"]
    monkeypatch.setitem(coefficients, "double", (*most, last * (1 + 2.0**-40)))
    error, _ = worst(name, Machine(FUNCTIONS[name], "float64"), points(name, "float64", 1_000), bound(name, "float64"))
    assert error > bound(name, "float64")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_few_units_too_many_are_found(name, dtype):
    def wrong(e, x):
        result = FUNCTIONS[name](e, x)
        return result * (1 + 4 * np.finfo(dtype).eps)

    error, _ = worst(name, Machine(wrong, dtype), points(name, dtype, 500), bound(name, dtype))
    assert error > bound(name, dtype)


@pytest.mark.parametrize(
    ("name", "slow"),
    [
        ("lgamma", lambda x: mp.re(mp.loggamma(x))),
        ("log_factorial", lambda x: mp.re(mp.loggamma(1 + x))),
        ("stirling", lambda x: mp.loggamma(1 + x) - x * mp.log(x) + x),
        ("digamma", mp.digamma),
        ("trigamma", lambda x: mp.polygamma(1, x)),
        ("tetragamma", lambda x: mp.polygamma(2, x)),
        ("log_normal_cdf", lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)),
        ("log_normal_cdf_slope", lambda x: mp.npdf(x) / mp.ncdf(x)),
        ("log_normal_cdf_bend", lambda x: mp.npdf(x) / mp.ncdf(x) * (x + mp.npdf(x) / mp.ncdf(x))),
    ],
)
def test_the_judge_agrees_with_mpmath(name, slow):
    negative = () if name == "stirling" else (-0.7, -2.3, -5.3, -30.3)
    positive = (9.0, 33.3, 2e6, 1e12) if "normal" not in name else (-1e3, -9e5, -1.1e6, -1e13, 9.0)
    for place in (*negative, *positive, 1e-20, 3e-13, 0.2, 1.001, 2.7):
        with mp.workprec(BITS + 300):
            expected = slow(mpf(place))
        with mp.workprec(BITS):
            assert abs(TRUTH[name](mpf(place)) / expected - 1) < 2.0**-80, place


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "zero", "minus_zero", "negative_integers", "minus_infinity", "infinity"),
    [
        ("lgamma", INF, INF, INF, INF, INF),
        ("log_factorial", 0.0, 0.0, INF, INF, INF),
        ("stirling", 0.0, 0.0, NAN, NAN, INF),
        ("digamma", -INF, INF, NAN, NAN, INF),
        ("trigamma", INF, INF, INF, INF, 0.0),
        ("tetragamma", -INF, -INF, -INF, -INF, 0.0),
    ],
)
def test_poles(name, zero, minus_zero, negative_integers, minus_infinity, infinity, dtype, machines):
    """Those of SciPy, but log Gamma at -inf: inf, as at every pole on the way."""
    whole = -np.array([1, 2, 3, 4, 5, 8, 100, 2.0**23, 2.0**52 + 1, 1e300 if dtype == "float64" else 1e30])
    x = np.array([NAN, 0.0, -0.0, -INF, INF, *whole], dtype=dtype)
    got = machines(name, dtype)(x)
    expected = np.array([NAN, zero, minus_zero, minus_infinity, infinity, *[negative_integers] * len(whole)])
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exact_results(dtype, machines):
    def at(name, *x):
        return machines(name, dtype)(np.array(x, dtype=dtype)).tolist()

    assert at("lgamma", 1, 2) == at("log_factorial", 0, 1) == at("erf", 0, -0.0) == [0, 0]
    assert np.signbit(at("erf", 0, -0.0)).tolist() == [False, True]
    assert at("stirling", 1) == [1]
    assert at("erf", 7, -7, INF, -INF) == [1, -1, 1, -1]
    assert at("normal_cdf", 0, -0.0, 40, -40, INF, -INF) == [0.5, 0.5, 1, 0, 1, 0]
    assert at("log_normal_cdf", 0, 50, INF, -1e10) == [
        *np.log(np.array([0.5], dtype)),
        0,
        0,
        np.dtype(dtype).type(-5e19),
    ]
    most = float(np.finfo(dtype).max)
    assert at("log_normal_cdf", -INF, -most) == [-INF, -INF]
    assert at("log_normal_cdf_slope", -INF, -most, -1e10, most, INF) == [INF, most, 1e10, 0, 0]
    assert at("log_normal_cdf_bend", -INF, -most, most, INF) == pytest.approx([1, 1, 0, 0], rel=1e-15, abs=0)
    for name in ("erf", "normal_cdf", "log_normal_cdf", "log_normal_cdf_slope", "log_normal_cdf_bend"):
        assert np.isnan(at(name, NAN))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_on_every_level(name, dtype, machines):
    x = np.concatenate([points(name, dtype, 5_000, seed=2), edges(dtype)])
    expected = machines(name, dtype)(x)
    for level in levels():
        got = machines(name, dtype, level=level)(x)
        np.testing.assert_array_equal(got, expected)
        assert np.signbit(got[got == 0]).tolist() == np.signbit(expected[expected == 0]).tolist()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_in_kernels_of_floats(name, machines):
    x = points(name, "float64", 5_000, seed=3)
    wide = machines(name, "float64", lanes_of="float32")(x)
    np.testing.assert_array_equal(wide, machines(name, "float64")(x))


@pytest.mark.parametrize("level", [level for level in levels() if level != "baseline"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_code_is_of_vectors(name, dtype, level):
    code = listing(FUNCTIONS[name], dtype, level=level)
    assert not re.search(r"\bcall", code)
    if "avx2" in levels():
        assert re.search(r"%[yz]mm", code)
