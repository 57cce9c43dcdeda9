"""The elementary functions of the LLVM engine: digits, special numbers, the same bits everywhere, vector code."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mpmath import mpf

from engine.accuracy import condition, distance, edges, numbers, worst, worst_of_floats
from engine.machine import Machine, levels, listing
from lossmith.engine import functions
from lossmith.engine.llvm import elementary, nodes, polynomials, power, shapes
from lossmith.engine.llvm.emit import FLOATS

INTERNAL = {"exp_nonpositive"}  # not primitives of the language
# ULP, float32 and float64; for functions of more numbers than one in units of max(1, condition), but for the powers
BOUNDS = {
    "exp": (1.0, 0.8),
    "scaled_exp": (1.8, 1.5),
    "expm1": (1.6, 1.8),
    "log": (0.9, 0.9),
    "log1p": (0.9, 0.9),
    "x_minus_log1p": (3.1, 3.1),
    "softplus": (2.1, 1.6),
    "sigmoid": (2.2, 2.2),
    "tanh": (2.5, 2.5),
    "log_cosh": (1.7, 1.7),
    "sqrt1pm1": (1.9, 1.9),
    "unit_slope": (2.0, 2.0),
    "pseudo_huber": (2.5, 2.5),
    "pseudo_huber_slope": (3.0, 3.0),
    "log_ratio": (1.2, 1.2),
    "sin": (0.501, 1.1),
    "cos": (0.501, 1.1),
    "arctan": (1.4, 1.4),
    "power": (0.501, 1.2),
    "absolute_power": (0.501, 1.2),
    "signed_power": (0.501, 1.2),
    "xlogx": (1.7, 1.7),
    "kl_term": (3.0, 3.0),
    "js_term": (4.0, 4.0),
    "js_slope": (3.0, 3.0),
    "power_loss": (3.0, 3.0),
    "power_slope": (3.0, 3.0),
    "power_bend": (3.0, 3.0),
    "sign": (0.0, 0.0),
    "maximum": (0.0, 0.0),
    "minimum": (0.0, 0.0),
}
BASIC = {name: nodes.function(name) for name in ("sign", "maximum", "minimum")}
FUNCTIONS = elementary.FUNCTIONS | power.FUNCTIONS | shapes.FUNCTIONS | BASIC
DTYPES = ("float32", "float64")
UNCONDITIONAL = ("power", "absolute_power", "signed_power", "scaled_exp")
AMOUNTS = ("log_ratio", "kl_term", "js_term", "js_slope", "power_loss", "power_slope", "power_bend")  # of numbers >= 0
MILLION = 1_000_000
SWEEP = [pytest.param(20_000, id="subset"), pytest.param(MILLION, id="million", marks=pytest.mark.full)]
TABLES = {
    "EXP": "expm1", "EXP_STEP": "exp", "LOG": "log", "LOG_LOW": "power", "LOG1P_UNIT": "softplus",
    "LOG1P_STEP": "softplus", "LOG1P_SMALL": "log_cosh", "LOG_COSH": "log_cosh", "SIN": "sin", "COS": "cos",
    "ARCTAN": "arctan", "JENSEN_SHANNON": "js_term",
}  # fmt: skip
NUMBERS = {"POWERS": "exp", "POWERS_LOST": "exp", "RECIPROCALS": "softplus", "LOGS": "softplus"}


def arity(name):
    return 3 if name in ("power_loss", "power_slope", "power_bend") else 2 if name in _PAIRS else 1


def bound(name, dtype):
    return BOUNDS[name][DTYPES.index(dtype)]


def _pairs(dtype, count, seed):
    """Numbers >= 0 side by side: close to each other, some factors apart, anywhere."""
    y, rng = np.abs(numbers(dtype, count, seed)), np.random.default_rng(seed)
    close = np.ldexp(rng.normal(size=len(y)), -rng.integers(0, np.finfo(dtype).nmant + 2, len(y)))
    apart = np.exp(3 * rng.normal(size=len(y)))
    with np.errstate(over="ignore"):
        f = np.choose(rng.integers(0, 3, len(y)), [y * np.abs(1 + close), y * apart, rng.permutation(y)]).astype(dtype)
    return y[np.isfinite(f)], f[np.isfinite(f)]


def _probabilities(dtype, count, seed):
    y, f = _pairs(dtype, 2 * count, seed)
    inside = (y <= 1) & (f <= 1) & ((y > 0) | (f > 0))
    return y[inside], f[inside]


def _with_power(dtype, count, seed):
    """Amounts, means that are normal numbers, and powers from 1 (Poisson) to 2 (gamma)."""
    y, f = _pairs(dtype, count, seed)
    rng = np.random.default_rng(seed)
    p = rng.choice([1.001, 1.5, 1.999, 2.0, *rng.uniform(1, 2, 20)], len(y)).astype(dtype)
    normal = f >= np.finfo(dtype).tiny
    return y[normal], f[normal], p[normal]


def _bases_and_exponents(dtype, count, seed):
    """Exponents that make finite numbers of every size, small whole ones, ordinary ones."""
    x, rng = numbers(dtype, count, seed), np.random.default_rng(seed)
    reach = -float(np.log(np.finfo(dtype).smallest_subnormal))
    with np.errstate(divide="ignore"):
        logs = np.log(np.abs(x.astype(float)))
    steep = rng.uniform(-reach, reach, len(x)) / np.where(logs == 0, 1.0, logs)
    y = np.choose(rng.integers(0, 3, len(x)), [steep, rng.integers(-9, 10, len(x)), 2 * rng.normal(size=len(x))])
    defined = (x > 0) | ((x < 0) & (y == np.round(y)))
    return x[defined], y[defined].astype(dtype)


def points(name, dtype, count, seed=0):
    """Finite arguments in the domain of a function."""
    if name in _PAIRS:
        return _PAIRS[name](dtype, count, seed)
    if arity(name) == 3:
        return _with_power(dtype, count, seed)
    x = numbers(dtype, count, seed)
    if name in ("log", "xlogx"):
        x = np.abs(x)
    elif name in ("log1p", "x_minus_log1p"):
        x = np.where(x < -1, -x, x)
    elif name in ("sin", "cos"):
        x = x[np.abs(x) < 2.0**45]
    return (x,)


def _amounts_and_exponents(dtype, count, seed):
    """Amounts of every size and sign, and exponents that keep their products in reach, or just beyond it."""
    y, rng = numbers(dtype, count, seed), np.random.default_rng(seed)
    with np.errstate(divide="ignore"):
        size = np.clip(np.log(np.abs(y.astype(float))), -2000.0, 2000.0)
    lowest, highest = np.log(np.finfo(dtype).smallest_subnormal), np.log(np.finfo(dtype).max)
    wanted = rng.uniform(lowest - 5, highest + 5, len(y)) - size
    return y, np.choose(rng.integers(0, 2, len(y)), [wanted, 3 * rng.normal(size=len(y))]).astype(dtype)


def _errors_and_scales(dtype, count, seed):
    """Errors of either sign and scales above 0, a few factors apart or anywhere."""
    r, delta = _pairs(dtype, count, seed)
    return np.where(np.random.default_rng(seed).integers(0, 2, len(r)), r, -r)[delta > 0], delta[delta > 0]


_PAIRS = {
    "scaled_exp": _amounts_and_exponents,
    "maximum": _pairs,
    "minimum": _pairs,
    "power": _bases_and_exponents,
    "absolute_power": _bases_and_exponents,
    "signed_power": _bases_and_exponents,
    "pseudo_huber": _errors_and_scales,
    "pseudo_huber_slope": _errors_and_scales,
    "log_ratio": _pairs,
    "kl_term": _pairs,
    "js_term": _probabilities,
    "js_slope": _probabilities,
}


def at_least(count, name, dtype):
    """So many points of a function, or a few more."""
    parts = []
    while sum(len(part[0]) for part in parts) < count:
        parts.append(points(name, dtype, count // 4, seed=len(parts)))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@pytest.fixture(scope="module")
def machines():
    made = {}

    def machine(name, dtype, **options):
        key = (name, dtype, *options.items())
        if key not in made:
            made[key] = Machine(FUNCTIONS[name], dtype, arity(name), **options)
        return made[key]

    return machine


@pytest.mark.slow
@pytest.mark.parametrize("count", SWEEP)
@pytest.mark.parametrize("name", BOUNDS)
def test_doubles_keep_their_digits(name, count, machines):
    error, place = worst(name, machines(name, "float64"), at_least(count, name, "float64"), bound(name, "float64"))
    assert error <= bound(name, "float64"), place


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDS)
def test_floats_keep_their_digits(name, machines):
    error, place = worst(name, machines(name, "float32"), points(name, "float32", 2_000), bound(name, "float32"))
    assert error <= bound(name, "float32"), place


@pytest.mark.parametrize("name", [name for name in BOUNDS if arity(name) == 1 or name in UNCONDITIONAL])
def test_a_million_floats_keep_their_digits(name, machines):
    narrow, wide = machines(name, "float32"), machines(name, "float64")
    error, place = worst_of_floats(narrow, wide, at_least(MILLION, name, "float32"))
    assert error <= bound(name, "float32"), place


_FITTED = [(table, dtype) for table in TABLES for dtype in DTYPES if FLOATS[dtype].name in getattr(polynomials, table)]


@pytest.mark.parametrize(("table", "dtype"), _FITTED)
def test_a_wrong_coefficient_is_found(table, dtype, monkeypatch):
    coefficients, type_ = getattr(polynomials, table), FLOATS[dtype].name
    *others, constant = coefficients[type_]
    monkeypatch.setitem(coefficients, type_, (*others, constant * (1 + 2.0**-10)))
    name = TABLES[table]
    wrong = Machine(FUNCTIONS[name], dtype, arity(name))
    error, _ = worst(name, wrong, points(name, dtype, 2_000), bound(name, dtype))
    assert error > bound(name, dtype)


@pytest.mark.parametrize("place", range(16))
@pytest.mark.parametrize("table", NUMBERS)
def test_a_wrong_number_of_a_table_is_found(table, place, monkeypatch):
    name, numbers = NUMBERS[table], [*getattr(polynomials, table)]
    numbers[place] += 2.0**-46
    monkeypatch.setattr(polynomials, table, tuple(numbers))
    wrong = Machine(FUNCTIONS[name], "float64", 1)
    error, _ = worst(name, wrong, (np.linspace(-5, 5, 2_000),), bound(name, "float64"))
    assert error > bound(name, "float64")


def test_the_judge_sees_one_unit():
    assert distance(np.nextafter(1.0, 2.0), mpf(1), "float64") == 1.0
    assert distance(np.nextafter(1.0, 0.0), mpf(1), "float64") == 0.5
    assert distance(5e-324, mpf(0), "float64") == 1.0
    assert distance(np.inf, mpf(2) ** 1024, "float64") == distance(1.0, mpf(1), "float32") == 0.0
    assert distance(np.nan, mpf(1), "float32") == np.inf
    assert condition("exp", 3.0) == pytest.approx(3)
    assert condition("power", 2.0, 5.0) == pytest.approx(5 + 5 * np.log(2))


def _special(name, dtype):
    """Arguments, all pairs of special numbers, where the array engine has the limit."""
    places = [edges(dtype)] * arity(name)
    if name in AMOUNTS:
        places = [place[(place == 0) | (abs(abs(place) - 4) < 4) | ~(abs(place) < np.inf)] for place in places]
    if arity(name) == 3:
        places[0] = places[0][~(places[0] < 0)]  # below 0 a target leaves nothing but rounding for some means
        places[2] = np.array([1.5, 2.0], dtype=dtype)
    if name in ("sin", "cos"):
        places = [place[~(np.abs(place) > 1e9) | np.isinf(place)] for place in places]
    return np.array(list(itertools.product(*places)), dtype=dtype).T


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(FUNCTIONS.keys() - INTERNAL))
def test_special_numbers(name, dtype, machines):
    """NaN, infinities and zeros are those of the array engine."""
    grid = _special(name, dtype)
    with np.errstate(all="ignore"):
        expected = functions.FUNCTIONS[name](np, *grid)
    got = machines(name, dtype)(*grid)
    either = [np.where(np.isfinite(x) & (x != 0), 1, x) for x in (got, expected)]
    np.testing.assert_array_equal(*either)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["log", "xlogx", "kl_term", "power_loss", "power_slope", "power_bend"])
def test_a_negative_number_is_no_amount(name, dtype, machines):
    one = np.ones(1, dtype)
    amounts = [one, -2 * one, 1.5 * one][: arity(name)] if arity(name) > 1 else [-one]
    assert np.isnan(machines(name, dtype)(*amounts)).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_exp_of_what_is_not_positive(dtype, machines):
    x = -np.abs(np.concatenate([numbers(dtype, 100_000), edges(dtype)]))
    np.testing.assert_array_equal(machines("exp_nonpositive", dtype)(x), machines("exp", dtype)(x))


def test_infinity_less_its_logarithm_is_infinite(machines):
    assert machines("x_minus_log1p", "float64")(np.array([np.inf])).tolist() == [np.inf]


def test_the_logarithm_of_a_finite_share_of_infinity_is_infinite(machines):
    assert machines("log_ratio", "float64")(np.array([1e300]), np.array([np.inf])).tolist() == [-np.inf]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "unit_slope", "sin", "arctan", "sign"])
def test_zero_keeps_its_sign(name, dtype, machines):
    zeros = np.array([0.0, -0.0], dtype=dtype)
    assert np.signbit(machines(name, dtype)(zeros)).tolist() == [False, True]


@pytest.mark.parametrize("dtype", DTYPES)
def test_powers_are_those_of_c(dtype, machines):
    x, y = np.array(list(itertools.product(edges(dtype), edges(dtype))), dtype=dtype).T
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    got = machines("power", dtype)(x, y)
    np.testing.assert_array_max_ulp(got[np.isfinite(expected)], expected[np.isfinite(expected)], 1)
    special = ~np.isfinite(expected) | (expected == 0)
    np.testing.assert_array_equal(got[special], expected[special])
    defined = special & ~np.isnan(expected)
    assert np.signbit(got[defined]).tolist() == np.signbit(expected[defined]).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_circular_functions_of_huge_numbers_stay_in_range(name, dtype, machines):
    x = numbers(dtype, 20_000)
    x = x[np.abs(x) >= 2.0**45]
    assert np.all(np.abs(machines(name, dtype)(x)) <= 1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_on_every_level(name, dtype, machines):
    arguments = [np.concatenate([x, np.resize(edges(dtype), 100)]) for x in points(name, dtype, 5_000, seed=2)]
    if name == "exp_nonpositive":
        arguments = [-np.abs(x) for x in arguments]
    expected = machines(name, dtype)(*arguments)
    for level in levels():
        got = machines(name, dtype, level=level)(*arguments)
        np.testing.assert_array_equal(got, expected)
        assert np.signbit(got[got == 0]).tolist() == np.signbit(expected[expected == 0]).tolist()


@pytest.mark.parametrize("name", ["exp", "scaled_exp", "expm1", "softplus", "sigmoid", "tanh", "log_cosh"])
def test_coarse_doubles_have_the_digits_of_floats(name, machines):
    """Where results are written as float32: half an ULP of that, and the same bits on every level."""
    arguments = [np.concatenate([x, np.resize(edges("float64"), 100)]) for x in points(name, "float64", 20_000, seed=4)]
    full = machines(name, "float64")(*arguments)
    coarse = [Machine(FUNCTIONS[name], "float64", arity(name), level, coarse=True)(*arguments) for level in levels()]
    np.testing.assert_allclose(coarse[0], full, rtol=2.0**-25, atol=np.finfo(np.float64).smallest_subnormal)
    assert (coarse[0] != full).any()
    for other in coarse[1:]:
        np.testing.assert_array_equal(other, coarse[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_bits_in_kernels_of_floats(name, machines):
    arguments = points(name, "float64", 5_000, seed=3)
    wide = machines(name, "float64", lanes_of="float32")(*arguments)
    np.testing.assert_array_equal(wide, machines(name, "float64")(*arguments))


@pytest.mark.parametrize("level", [level for level in levels() if level != "baseline"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_code_is_of_vectors(name, dtype, level):
    code = listing(FUNCTIONS[name], dtype, arity(name), level)
    assert not re.search(r"\bcall", code)
    if "avx2" in levels():
        assert re.search(r"%[yz]mm", code)


@pytest.mark.parametrize("dtype", DTYPES)
def test_of_both_signs_share_their_work(dtype):
    """softplus and sigmoid of x and -x: one exponential, and the division of sigmoid."""

    def four(e, x):
        return (shape(e, sign) for shape in (elementary.softplus, elementary.sigmoid) for sign in (x, -x))

    def all_of_them(e, x):
        a, b, c, d = four(e, x)
        return (a + b) + (c + d)

    if "avx2" not in levels():
        pytest.skip("reads the code of x86-64")
    together, apart = listing(all_of_them, dtype), listing(elementary.softplus, dtype)
    assert together.count("vdiv") == 1
    assert together.count("fmadd") <= apart.count("fmadd") + 1


@pytest.mark.full
def test_the_polynomials_are_those_of_the_tool():
    root = Path(__file__).parents[2]
    printed = subprocess.run(
        [sys.executable, root / "tools" / "fit_polynomials.py"], capture_output=True, text=True, check=True
    )
    assert Path(polynomials.__file__).read_text(encoding="utf-8") == printed.stdout
