"""float16, bfloat16, integers and booleans are read exactly as they are; halves are written rounded once, to even."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import lossmith as lm
from engine.calls import DTYPES, PLAIN, bits, data, fresh, outcome
from lossmith.formula import Real

BRAIN = np.dtype(ml_dtypes.bfloat16)
HALVES = {"float16": np.dtype("float16"), "bfloat16": BRAIN}
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")


@lm.pointwise
def product(y: Real, f: Real):
    """No loss at all: its gradient is y, so that any number can be read and written."""
    return y * f


@lm.pointwise
def shifted(y: Real, f: Real):
    """Its value shows f, and its gradient y."""
    return y * f + (f - f)


def every(kind):
    """All numbers of a half type, from the bits."""
    return patterns(kind, nan=False)


def patterns(kind, *, nan):
    bits = np.arange(1 << 16, dtype=np.uint16)
    infinite = {"float16": 0x7C00, "bfloat16": 0x7F80}[kind]
    return bits[((bits & 0x7FFF) > infinite) == nan].view(HALVES[kind])


def same(a, b):
    """Equal in every bit, and of one dtype."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


# reading --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strided", [False, True])
@pytest.mark.parametrize("beside", DTYPES)
@pytest.mark.parametrize("kind", HALVES)
def test_every_half_is_read_exactly_and_written_back(kind, beside, strided):
    numbers = every(kind)
    if strided:
        numbers = np.repeat(numbers, 2)[::2]
    loss, one = product(), np.ones(numbers.shape, beside)
    wide = numbers.astype(beside)
    assert np.isfinite(wide).sum() > 60_000
    gradient = loss.gradient(numbers, one, reduction="none")
    assert same(gradient, wide)  # infinities too
    value = loss(numbers, one, reduction="none")
    assert same(value, wide)
    for written in HALVES.values():
        out = np.empty(numbers.shape, written)
        loss.gradient(numbers, one, reduction="none", out=out)
        with np.errstate(over="ignore"):
            assert same(out, wide.astype(written))
    finite = np.isfinite(wide)
    some = fresh(lm.absolute_error())  # as prediction
    assert same(some(np.zeros(finite.sum(), beside), numbers[finite], reduction="none"), np.abs(wide[finite]))


@pytest.mark.parametrize("kind", HALVES)
def test_every_nan_of_a_half_is_nan(kind):
    nans = patterns(kind, nan=True)
    assert len(nans) > 200
    fine = np.zeros(3, HALVES[kind])
    loss = lm.squared_error()
    assert loss(fine, fine) == 0.0
    for number, nan in enumerate(nans[:: len(nans) // 100]):
        place, bad = number % 3, fine.copy()
        bad[place] = nan
        for y, f, shown in ((bad, fine, "y_true"), (fine, bad, "y_pred")):
            with pytest.raises(ValueError, match=rf"{shown}\[{place}\] = nan"):
                loss(y, f)
    shown = loss.gradient(np.zeros(len(nans), nans.dtype), nans, reduction="none", where=np.zeros(len(nans), bool))
    assert not shown.any()


@pytest.mark.parametrize("beside", DTYPES)
@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_are_converted_once(kind, beside):
    """To the nearest, as NumPy does, also where the integer has more digits than the float."""
    random = np.random.default_rng(1)
    if kind == "bool":
        numbers = random.random(1000) < 0.5
    else:
        info = np.iinfo(kind)
        numbers = random.integers(info.min, info.max, 4000, dtype=kind, endpoint=True)
        numbers[:1000] >>= random.integers(0, 8 * numbers.itemsize - 1, 1000).astype(kind)
        edges = [(1 << k) + d for k in range(64) for d in (-1, 0, 1)]
        edges += [
            (1 << k) + (1 << (k - m)) + d for k in range(30, 64) for m in (24, 25, 53, 54) for d in (-1, 0, 1) if k > m
        ]
        edges += [-e for e in edges]
        numbers = np.concatenate([numbers, np.array([e for e in edges if info.min <= e <= info.max], dtype=kind)])
    loss, one = product(), np.ones(len(numbers), beside)
    for given in (numbers, np.repeat(numbers, 3)[::3], numbers.astype(numbers.dtype.newbyteorder())):
        assert same(loss.gradient(given, one, reduction="none"), numbers.astype(beside))
    # as prediction: the result is float64, computed in the float that is there
    found = lm.absolute_error()(np.zeros(len(numbers), beside), numbers, reduction="none")
    assert same(found, np.abs(numbers.astype(beside)))
    assert lm.absolute_error().gradient(np.zeros(len(numbers), beside), numbers).dtype == np.float64
    found = lm.absolute_error()(np.zeros(len(numbers), numbers.dtype), numbers, reduction="none")
    assert same(found, np.abs(numbers.astype(np.float64)))


@pytest.mark.parametrize("kind", INTEGERS)
def test_targets_of_any_integer_dtype_are_those_of_floats(kind):
    random = np.random.default_rng(2)
    label = random.integers(0, 2, 50)
    f = random.normal(size=50)
    ids, scores = random.integers(0, 2, 50), random.normal(size=(50, 2))
    for loss, y, x in (
        (lm.binary_cross_entropy(), label, f),
        (lm.hinge(), label, f),
        (lm.cross_entropy(), ids, scores),
    ):
        for method in ("value_and_gradient", "hessian"):
            assert bits(getattr(loss, method)(y.astype(kind), x)) == bits(getattr(loss, method)(y.astype("float64"), x))
    weight = random.integers(0, 2, 50)
    assert bits(lm.huber().value_and_gradient(f, f + 1, weight=weight.astype(kind))) == bits(
        lm.huber().value_and_gradient(f, f + 1, weight=weight.astype("float64"))
    )


# writing --------------------------------------------------------------------------------------------------------------


def between(kind):
    """float64 numbers around every half and around the middle of every two, where rounding is decided."""
    numbers = every(kind).astype(np.float64)
    numbers = np.unique(numbers[np.isfinite(numbers)])
    middle = (numbers[1:] + numbers[:-1]) / 2
    beyond = numbers[-1] + (numbers[-1] - numbers[-2]) * np.array([0.25, 0.5, 0.75, 1.0, 100.0])
    places = np.concatenate([numbers, middle, beyond, -beyond, [5e-324, -5e-324, 1e-46, 1e300, -1e300]])
    down, up = np.nextafter(places, -np.inf), np.nextafter(places, np.inf)
    far = [places * (1 + s * 2.0**-k) for s in (1, -1) for k in (24, 25, 26, 30, 45)]
    return np.concatenate([places, down, up, *far])


def nearest(numbers, kind):
    """float64 to the nearest half, in case of a tie to the even one, through whole numbers of its spacing.

    (ml_dtypes rounds float64 through float32, that is twice.)
    """
    digits, least, most = {"float16": (11, -24, 65504.0), "bfloat16": (8, -133, 3.3895313892515355e38)}[kind]
    _, exponent = np.frexp(numbers)
    spacing = np.ldexp(1.0, np.maximum(exponent - digits, least).astype(np.int64).clip(-1000, 1000))
    with np.errstate(all="ignore"):
        found = np.rint(numbers / spacing) * spacing
    found = np.where(np.abs(found) > most, np.copysign(np.inf, numbers), found)
    return np.copysign(found, numbers).astype(np.float32).astype(HALVES[kind])


@pytest.mark.parametrize("compute", DTYPES)
@pytest.mark.parametrize("kind", HALVES)
def test_halves_are_rounded_once_to_the_nearest_even(kind, compute):
    with np.errstate(all="ignore"):
        numbers = between(kind).astype(compute)
    numbers = numbers[numbers == numbers]
    one, out = np.ones(len(numbers), compute), np.empty(len(numbers), HALVES[kind])
    product().gradient(numbers, one, reduction="none", out=out)
    expected = nearest(numbers.astype(np.float64), kind)
    assert same(out, expected)
    if compute == "float32" or kind == "float16":
        with np.errstate(all="ignore"):
            assert same(out, numbers.astype(HALVES[kind]))  # what the library does


def test_the_reference_of_rounding_can_differ():
    """The test above sees a half that was rounded through float32."""
    numbers = between("bfloat16")
    with np.errstate(all="ignore"):
        twice = numbers.astype(np.float32).astype(BRAIN)
    assert not same(twice, nearest(numbers, "bfloat16"))


@pytest.mark.parametrize("kind", HALVES)
@pytest.mark.parametrize("case", PLAIN, ids=str)
def test_halves_are_computed_in_float32(case, kind):
    """The results of half inputs are those of the same numbers in float32, rounded where they are halves."""
    random, half = np.random.default_rng(3), HALVES[kind]
    for n, classes in ((1, 3), (37, 3), (20, 60)):
        y, f = data(case, random, n, "float32", classes)
        f = (f * 0.9).astype(half)
        if case.kind not in ("class id", "row"):
            y = y.astype(half)
        for reduction in ("mean", "none"):
            found = outcome(lambda: fresh(case.loss).value_and_gradient(y, f, reduction=reduction))  # noqa: B023
            wide = y.astype("float32"), f.astype("float32")
            expected = outcome(lambda: fresh(case.loss).value_and_gradient(*wide, reduction=reduction))  # noqa: B023
            assert expected[0] is not ValueError, expected
            assert bits(found[0]) == bits(expected[0])
            with np.errstate(all="ignore"):
                assert same(found[1], expected[1].astype(half))


MIXED = ("float16", "bfloat16", "float32", "float64", "int32")


@pytest.mark.parametrize(("y_kind", "f_kind"), list(itertools.product(MIXED, repeat=2)))
def test_mixed_dtypes_are_computed_in_the_wider_float(y_kind, f_kind):
    kinds = {**HALVES, **{k: np.dtype(k) for k in ("float32", "float64", "int32")}}
    random = np.random.default_rng(4)
    y = random.integers(0, 2, 40).astype(kinds[y_kind])
    f = (random.normal(size=40) * 3).astype(kinds[f_kind])
    floats = {k for k in (y_kind, f_kind) if k != "int32"}
    compute = "float64" if "float64" in floats or not floats else "float32"
    written = kinds[f_kind] if f_kind != "int32" else np.dtype("float64")
    for loss in (lm.binary_cross_entropy(), lm.huber(), lm.hinge()):
        value, gradient = loss.value_and_gradient(y, f)
        expected, wide = loss.value_and_gradient(y.astype(compute), f.astype(compute))
        assert bits(value) == bits(expected)
        assert same(gradient, wide.astype(written))
    scores = (random.normal(size=(40, 4)) * 3).astype(kinds[f_kind])
    for x, loss in ((scores, lm.cross_entropy()), (scores, lm.multiclass_hinge())):
        value, gradient = loss.value_and_gradient(y, x)
        expected, wide = loss.value_and_gradient(y.astype(compute), x.astype(compute))
        assert bits(value) == bits(expected)
        assert same(gradient, wide.astype(written))
