"""One text, one result: every processor and every number of threads gives the same bits."""

import itertools
import math
import platform
import re
from unittest.mock import patch

import numpy as np
import pytest

import lossmith as lm
from engine.calls import DTYPES, PLAIN, bits, data, fresh, sized
from judges.points import cases, points
from lossmith.engine import threads
from lossmith.engine.llvm import compile as machine
from lossmith.engine.llvm import pool, run
from lossmith.formula import Real
from lossmith.plans import Request, plan
from lossmith.record import replace

LEVELS = {"baseline": "x86-64", "avx2": "haswell", "avx512": "skylake-avx512", "host": ""}
OUTPUTS = ("value", "gradient", "hessian")
DERIVED = ("value", "gradient", "curvature")


def levels():
    """The processors that this one can pretend to be."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("levels of x86-64")
    features = machine._host()[1]
    needs = {"avx2": "+fma", "avx512": "+avx512vl"}
    return {name: cpu for name, cpu in LEVELS.items() if needs.get(name, "") in features}


def kernel(spec, cpu, change=lambda text: text):
    """The kernel as another processor would get it, or of a changed text."""

    def load(text, names):
        return machine.Library(machine.object_code(change(text), cpu), names)

    wide = "avx512" in cpu or (not cpu and machine.has_avx512())
    with patch.object(run.machine, "load", load), patch.object(run.machine, "has_avx512", lambda: wide):
        return run.Kernel(spec)


def everywhere(made, arrays, change=None):
    """level -> bits of all results of a plan; ``change`` alters the text of the last level."""
    found = {}
    available = levels()
    for name, cpu in available.items():
        last = name == list(available)[-1] and change is not None
        there = replace(made, kernel=kernel(made.kernel.spec, cpu, change if last else lambda text: text))
        results = there.run(arrays, None)
        assert results is not None
        found[name] = bits(*results)
    return found


def unchecked(made):
    """The same plan, but nothing is refused."""
    return replace(made, kernel=run.kernel(replace(made.kernel.spec, checked=False)))


def made_for(loss, outputs, reduction, arrays, **masks):
    weighted, masked = masks.get("weighted", False), masks.get("masked", False)
    found = plan(loss, Request(outputs, reduction), arrays, (), None, weighted=weighted, masked=masked)
    assert found is not None
    return found


def hard(case, dtype):
    """All hard points of a case, where results may be infinite or NaN."""
    pairs = points(case, dtype)
    whole = case.kind == "class id"
    return [np.array([y for y, _ in pairs], np.int64 if whole else dtype), np.array([f for _, f in pairs], dtype)]


def covering():
    """Every loss in one of the types by default; options, and the other type, in the full sweep."""
    listed = list(itertools.product(cases(), DTYPES))
    for number, (case, dtype) in enumerate(listed):
        small = case in PLAIN and (number // 2) % 2 == DTYPES.index(dtype)
        yield pytest.param(case, dtype, marks=() if small else pytest.mark.full, id=f"{case} {dtype}")


@pytest.mark.parametrize(("case", "dtype"), list(covering()))
def test_every_processor_gives_the_same_bits_at_hard_points(case, dtype):
    arrays = hard(case, dtype)
    found = everywhere(unchecked(made_for(case.loss, OUTPUTS, "none", arrays)), arrays)
    assert all(each == found["host"] for each in found.values())


SUMMED = ("huber", "gaussian_nll", "poisson", "binary_cross_entropy", "cross_entropy", "kl_divergence", "multi_margin")


def sums():
    for case, dtype, classes in itertools.product(cases(), DTYPES, (3, 19, 60)):
        rows = case.formula.kind == "rowwise"
        if not rows and classes > 3:
            continue
        small = case in PLAIN and case.name in SUMMED and dtype == DTYPES[classes % 2]
        yield pytest.param(
            case, dtype, classes, marks=() if small else pytest.mark.full, id=f"{case} {dtype} {classes if rows else 1}"
        )


@pytest.mark.parametrize(("case", "dtype", "classes"), list(sums()))
def test_every_processor_gives_the_same_sums_with_weights_and_masks(case, dtype, classes):
    random = np.random.default_rng(3)
    n = 1300 if case.formula.kind == "pointwise" else 150
    loss, (y, f) = sized(case, classes), data(case, random, n, dtype, classes)
    weight = random.uniform(0.0, 2.0, n) * (random.random(n) < 0.9)
    arrays = [y, f, weight.astype(dtype), random.random(n) < 0.8]
    found = everywhere(made_for(loss, DERIVED, "sum", arrays, weighted=True, masked=True), arrays)
    assert all(each == found["host"] for each in found.values())


def test_a_changed_constant_is_noticed():
    """The comparison of processors can fail: one bit of one constant of one text."""
    (case,) = (case for case in PLAIN if case.name == "poisson")
    arrays = list(data(case, np.random.default_rng(4), 999, "float64"))

    def changed(text):
        constants = re.findall(r"splat \(double 0x([0-9A-F]{16})\)", text)
        coefficients = [c for c in constants if c[:3] in ("3FE", "BFE", "3FC") and not c.endswith("00000")]
        chosen = max(coefficients, key=coefficients.count)
        other = f"{int(chosen, 16) ^ (1 << 12):016X}"
        assert chosen != other
        return text.replace(chosen, other)

    made = made_for(case.loss, OUTPUTS, "sum", arrays)
    same, found = everywhere(made, arrays), everywhere(made, arrays, changed)
    assert len(set(map(tuple, same.values()))) == 1
    assert found["host"] != found["avx2"] == same["avx2"]


# threads --------------------------------------------------------------------------------------------------------------

SIZES = (1, 8191, 8192, 8193, 16384, 100_003)
MANY = {
    "binary_cross_entropy": (0, SIZES),
    "gaussian_nll": (0, SIZES),
    "cross_entropy": (10, (1, 799, 800, 801, 1600, 10_007)),  # 800 rows are a block
    "kl_divergence": (3, (2719, 2720, 2721, 12_345)),
    "multi_margin": (100, (79, 80, 81, 160, 2003)),
    "multiclass_hinge": (9000, (1, 2, 37)),  # a row is more than a block
}


@pytest.fixture
def helped(monkeypatch):
    """Threads help from two blocks on; how often they were asked to."""
    asked, true = [], pool.run
    monkeypatch.setattr(run, "_PARALLEL", 0.0)
    monkeypatch.setattr(pool, "run", lambda *args: asked.append(args[2]) or true(*args))
    monkeypatch.setattr(threads, "_chosen", 1)  # and is what it was afterwards
    return asked


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MANY)
def test_any_number_of_threads_gives_the_same_bits(name, dtype, helped):
    random = np.random.default_rng(5)
    classes, sizes = MANY[name]
    case = next(case for case in PLAIN if case.name == name)
    for n in sizes:
        y, f = data(case, random, n, dtype, classes)
        weight, where = random.uniform(0.1, 2.0, n), random.random(n) < 0.9
        where[-1] = True
        for masks in ({}, {"weight": weight}, {"where": where}, {"weight": weight, "where": where}):
            loss, seen = fresh(case.loss), []
            for count in (1, 2, 3, 8, 2):
                lm.set_threads(count)
                seen.append(
                    bits(
                        *loss.value_and_gradient(y, f, **masks),
                        loss(y, f, reduction="sum", **masks),
                        loss(y, f, reduction="none", **masks),
                        loss.gradient_and_curvature(y, f, **masks),
                    )
                )
            assert all(each == seen[0] for each in seen)
    assert {1, 2, 7} & set(helped)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MANY)
def test_value_and_value_with_gradient_are_the_same_bits(name, dtype):
    """However much is computed in one pass."""
    random = np.random.default_rng(6)
    classes, sizes = MANY[name]
    case = next(case for case in PLAIN if case.name == name)
    for n in sizes:
        y, f = data(case, random, n, dtype, classes)
        weight, where = random.uniform(0.1, 2.0, n), random.random(n) < 0.9
        where[-1] = True
        for masks in ({}, {"weight": weight}, {"where": where}, {"weight": weight, "where": where}):
            for reduction in ("mean", "sum", "none"):
                loss = fresh(case.loss)
                value, gradient = loss.value_and_gradient(y, f, reduction=reduction, **masks)
                assert bits(value) == bits(loss(y, f, reduction=reduction, **masks)), (n, reduction, masks.keys())
                assert bits(gradient) == bits(loss.gradient(y, f, reduction=reduction, **masks)), (n, reduction)


@lm.pointwise
def product(y: Real, f: Real):
    """No loss at all, but its sum can cancel."""
    return y * f


def test_the_sums_of_blocks_are_added_with_what_rounding_takes():
    """Added in any order with rounding, 1e16 swallows what is small."""
    y = np.zeros(5 * 8192)
    y[::8192] = [1e16, 3.0, -1e16, 1.25, 1e-3]
    assert product()(y, np.ones_like(y), reduction="sum") == pytest.approx(math.fsum(y), rel=1e-15)
    assert math.fsum(y) != pytest.approx(sum(y), rel=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_processor_gives_the_same_bits_past_the_caches(dtype):
    random = np.random.default_rng(4)
    case = next(case for case in PLAIN if case.name == "cross_entropy")
    arrays = list(data(case, random, 7, dtype, 1029))
    made = made_for(case.loss, ("value", "gradient"), "mean", arrays)
    past = replace(made, kernel=run.kernel(replace(made.kernel.spec, streamed=True)))
    found = everywhere(past, arrays)
    assert all(each == bits(*made.run(arrays, None)) for each in found.values())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence", "multiclass_hinge"])
def test_rows_written_past_the_caches_are_the_same(name, dtype, monkeypatch):
    """Also where they do not lie well for that: there they are written as always, unless lines are found anywhere."""
    random = np.random.default_rng(5)
    case = next(case for case in PLAIN if case.name == name)
    streamed, true = [], run.Kernel._is_streamed

    def seen(kernel, *args):
        found = true(kernel, *args)
        if not kernel.spec.streamed:
            streamed.append(found)
        return found

    for classes in (1028, 2049):
        y, f = data(case, random, 40, dtype, classes)
        room = np.empty(f.size + 8, f.dtype)
        places = [room[k : k + f.size].reshape(f.shape) for k in (0, 1)]
        loss = fresh(case.loss)
        expected = bits(loss.value_and_gradient(y, f))
        with monkeypatch.context() as patched:
            patched.setattr(run, "_STREAMED", 0)
            patched.setattr(run.Kernel, "_is_streamed", seen)
            for out in places:
                loss = fresh(case.loss)
                assert bits(loss.value_and_gradient(y, f, out=out)) == expected
            axes = [x.reshape(10, 4, *x.shape[1:]) for x in (y, f, places[0])]
            value, gradient = fresh(case.loss).value_and_gradient(*axes[:2], out=axes[2])
            assert bits((value, gradient.reshape(f.shape))) == expected
    assert set(streamed) == ({True} if name == "cross_entropy" else {True, False})
