"""Every formula means what the literature says: 50-digit values and slopes against the independent references."""

import random

import pytest
from mpmath import mp

import lossmith as lm
from judges import oracle, references
from judges.agreement import SLOPE_DIGITS, VALUE_DIGITS, distance, formula_value, reference_params, reference_value
from judges.mutants import mutant
from judges.points import Case, cases, points

CASES = cases()
# a parameter at the end of its domain switches half of a formula off, and mistakes there change nothing
DEGENERATE = ("q=0.5", "beta=0.0", "gamma=0.0", "label_smoothing=1.0", "q=1.0", "epsilon=0.0")
TELLING = [
    case
    for case in CASES
    if not any(d in str(case) for d in DEGENERATE) and str(case) not in ("quantile()", "expectile()")
]
MUTANTS, MUST_DIE = 100, 95

pytestmark = pytest.mark.slow


def test_every_loss_has_a_reference():
    assert set(lm.names()) <= set(references.REFERENCES)


def disagreement(case: Case, y, f, value=None):
    """How far a formula is from the reference at a point; infinitely far where only one of them has a limit."""
    return distance(formula_value(case, y, f, value), reference_value(case, y, f))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values(case):
    pairs = points(case, "float64")
    assert len(pairs) >= 15
    for y, f in pairs:
        assert disagreement(case, y, f) < VALUE_DIGITS, f"y = {y}, f = {f}"


def ordinary(case: Case):
    """Points of moderate size away from kinks, where the reference can be differentiated."""
    kept = []
    for y, f in points(case, "float64"):
        numbers = [abs(x) for part in (y, f) for x in (part if isinstance(part, tuple) else (part,))]
        if all(x == 0 or 1e-9 < x < 100 for x in numbers):
            kept.append((y, f))
    return kept


def on_a_kink(case: Case, y, f) -> bool:
    """Where a step of 1e-9 changes the slope by much more than the slope's own slope says."""
    formula = case.formula
    classes = len(f) if formula.kind == "rowwise" else 0
    sides = []
    for h in (-1e-9, 1e-9):
        moved = tuple(x + h * (i + 1) for i, x in enumerate(f)) if isinstance(f, tuple) else f + h
        env = oracle.environment(formula, case.loss.params, y, moved, "float64")
        sides.append(
            [
                *oracle.outputs(formula, "gradient", env, classes),
                *oracle.outputs(formula, "hessian", env, classes),
            ]
        )
    return any(not (abs(a - b) <= 1e-6 * (1 + abs(a) + abs(b))) for a, b in zip(*sides, strict=True))


def inside(case: Case, f) -> bool:
    domain = case.formula.predictions[0].domain
    return all(domain.low + 1e-6 < x < domain.high - 1e-6 for x in (f if isinstance(f, tuple) else (f,)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_and_hessians(case):
    formula, checked = case.formula, 0
    chosen = ordinary(case)
    for y, f in chosen[:: max(1, len(chosen) // 40)]:
        if not inside(case, f) or on_a_kink(case, y, f):
            continue
        classes = len(f) if formula.kind == "rowwise" else 0
        env = oracle.environment(formula, case.loss.params, y, f, "float64")
        for order, output in ((1, "gradient"), (2, "hessian")):
            for index, found in enumerate(oracle.outputs(formula, output, env, classes)):
                vector = isinstance(f, tuple)
                expected = references.derivative(
                    case.name, y, list(f) if vector else f, index if vector else None, order, **reference_params(case)
                )
                assert distance(found, expected) < SLOPE_DIGITS or abs(found - expected) < SLOPE_DIGITS, (
                    f"{output} y={y}, f={f}"
                )
        checked += 1
    assert checked >= 2


# the judge itself -----------------------------------------------------------------------------------------------------


def wrong(case: Case, value) -> bool:
    """Whether the reference notices an expression that stands in for the formula."""
    return any(not disagreement(case, y, f, value) < mp.mpf(10) ** -12 for y, f in points(case, "float64"))


@pytest.mark.parametrize("change", ["sign flipped", "term dropped", "constant changed"])
def test_a_wrong_formula_is_noticed(change):
    case = Case("poisson", (), "real")
    value = case.formula.value
    _condition, _infinite, finite = value.args
    exponential, product = finite.args
    forms = {
        "sign flipped": exponential + product,
        "term dropped": exponential,
        "constant changed": exponential - product * 1.0001,
    }
    assert not wrong(case, value)
    assert wrong(case, forms[change])


def differs_anywhere(case: Case, value, rng: random.Random) -> bool:
    """Whether a mutant is another function at all: -r in abs(r) is not, nor the border between two right branches."""
    formula, first = case.formula, case.formula.predictions[0].domain
    for y, f in points(case, "float64"):
        size = len(f) if isinstance(f, tuple) else 0
        drawn = tuple(rng.gauss(0, 3) for _ in range(size or 1))
        if first.high <= 1:
            drawn = tuple(abs(x) for x in drawn)
            drawn = tuple(x / (sum(drawn) + (0 if formula.kind == "rowwise" else 1)) for x in drawn)
        elif first.low >= 0:
            drawn = tuple(abs(x) for x in drawn)
        elsewhere = drawn if size else drawn[0]
        pair = formula_value(case, y, elsewhere), formula_value(case, y, elsewhere, value)
        if all(first.contains(x) for x in drawn) and not distance(*pair) < mp.mpf(10) ** -12:
            return True
    return False


def test_mutants_die_by_the_reference_alone():
    rng = random.Random(20261121)
    survivors, tried = [], 0
    while tried < MUTANTS:
        case = rng.choice(TELLING)
        bad = mutant(case.formula.value, rng)
        if wrong(case, bad):
            tried += 1
        elif differs_anywhere(case, bad, rng):
            tried += 1
            survivors.append(f"{case}: {bad}")
    assert len(survivors) <= MUTANTS - MUST_DIE, "\n".join(survivors)
