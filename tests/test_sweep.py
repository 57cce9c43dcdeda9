"""Every loss at every hard point, within 4 ULP x max(1, condition) of the 50-digit truth, in every array library."""

import numpy as np
import pytest
from mpmath import mp

import lossmith as lm
from judges import libraries
from judges.points import Case, cases, points
from judges.sweep import OUTPUTS, call, measure, truth
from lossmith.formula import Real, UnitInterval, exp, log, sigmoid, softplus

CASES = cases()
DTYPES = ("float64", "float32")
EVERY_FIFTH = {str(case) for case in CASES[::5]} | {"cross_entropy()", "binary_cross_entropy()", "huber()"}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("engine", ["llvm", "arrays"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_host_arrays(case, dtype, engine, monkeypatch):
    """By machine code, and by NumPy's functions."""
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    for output in OUTPUTS:
        miss = measure(case, output, dtype, np.asarray)
        assert miss.ulps <= libraries.BY_NAME["numpy"].bound, (
            f"{output}: {miss.ulps:.3g} ULP x condition at {miss.where}"
        )


def elsewhere(case: Case, dtype: str, library) -> None:
    for output in OUTPUTS:
        miss = measure(case, output, dtype, library.make, flush=library.flushes)
        assert miss.ulps <= library.bound, f"{output}: {miss.ulps:.3g} ULP x condition at {miss.where}"


@pytest.mark.parametrize("library", libraries.FOREIGN, ids=str)
@pytest.mark.parametrize("case", [c for c in CASES if str(c) in EVERY_FIFTH], ids=str)
def test_other_libraries(case, library):
    for dtype in DTYPES:
        elsewhere(case, dtype, library)


@pytest.mark.full
@pytest.mark.parametrize("library", libraries.FOREIGN, ids=str)
@pytest.mark.parametrize("case", [c for c in CASES if str(c) not in EVERY_FIFTH], ids=str)
def test_other_libraries_full(case, library):
    for dtype in DTYPES:
        elsewhere(case, dtype, library)


@pytest.mark.parametrize("engine", ["llvm", "arrays"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_where_there_is_no_limit_there_is_an_error(case, engine, monkeypatch):
    monkeypatch.setenv("LOSSMITH_ENGINE", engine)
    found = truth(case, "value", "float64")
    for (y, f), number in zip(found.pairs, found.numbers, strict=True):
        if mp.isnan(number[0]):
            with pytest.raises(ValueError, match="no limit"):
                call(case.loss, "value", np.asarray([y]), np.asarray([f]))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients_against_finite_differences(case):
    """A coarse judge that knows nothing of formulas: the values of the engine itself, stepped."""
    loss, domain = case.loss, case.formula.predictions[0].domain
    count = 0
    for y, f in points(case, "float64"):
        if np.max(y) > 1e4:  # beside it no step of a prediction is seen
            continue
        numbers = np.ravel(f)
        if not (
            np.abs(numbers).max() < 30 and (numbers > domain.low + 1e-2).all() and (numbers < domain.high - 1e-2).all()
        ):
            continue
        if case.kind == "real" and 0 < np.abs(numbers - y).min() < 1e-3:  # a power of the residual bends within a step
            continue
        checked = differences_agree(loss, y, np.asarray(f, dtype=float), loss.gradient)
        count += checked
    assert count >= 3


def differences_agree(loss, y, f, gradient) -> int:
    """1 where the point was smooth enough to judge and agreed; raises where it disagrees."""
    h = 1e-5
    target = np.asarray(y)[None]
    found = np.ravel(gradient(target, f[None], reduction="none"))
    checked = 0
    for i in range(found.size):
        step = np.zeros(found.size)
        step[i] = h
        at = [
            float(loss(target, (f + s * step.reshape(np.shape(f)))[None], reduction="none")[0])
            for s in (-2, -1, 0, 1, 2)
        ]
        left, right = (at[2] - at[0]) / (2 * h), (at[4] - at[2]) / (2 * h)
        scale = 1.0 + abs(left) + abs(right)
        if not np.isfinite(left + right) or abs(left - right) > 1e-2 * scale:  # a kink, or too steep for this step
            continue
        middle = (at[0] - 8 * at[1] + 8 * at[3] - at[4]) / (12 * h)
        assert abs(found[i] - middle) <= 1e-4 * scale, f"y = {y}, f = {f}: {found[i]} against {middle}"
        checked = 1
    return checked


# the judges themselves ------------------------------------------------------------------------------------------------


@lm.pointwise
def sign_flipped(y: UnitInterval, f: Real):
    return y * softplus(f) + (1 - y) * softplus(-f)


@lm.pointwise
def term_dropped(y: UnitInterval, f: Real):
    return y * softplus(-f)


@lm.pointwise
def constant_changed(y: UnitInterval, f: Real):
    return y * softplus(-f) + (1.000001 - y) * softplus(f)


@lm.pointwise
def cancelling(y: UnitInterval, f: Real):
    return softplus(f) - y * f


@lm.pointwise
def overflowing(y: UnitInterval, f: Real):
    return log(1 + exp(f)) - y * f


@lm.pointwise
def through_the_probability(y: UnitInterval, f: Real):
    return -(y * log(sigmoid(f)) + (1 - y) * log(1 - sigmoid(f)))


BCE = Case("binary_cross_entropy", (), "real")
WRONG = (sign_flipped, term_dropped, constant_changed, cancelling, overflowing, through_the_probability)


def misses(loss, dtype="float64") -> bool:
    try:
        return not measure(BCE, "value", dtype, np.asarray, loss=loss).ulps <= libraries.BY_NAME["numpy"].bound
    except ValueError:  # a NaN where the truth is a number
        return True


@pytest.mark.parametrize("wrong", WRONG, ids=lambda w: w.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_sweep_notices_a_wrong_or_unstable_formula(wrong, dtype):
    assert misses(wrong(), dtype)
    assert not misses(lm.binary_cross_entropy(), dtype)


@pytest.mark.parametrize(
    "change", [lambda g: -g, lambda g: g * 1.001, lambda g: g + 0.001], ids=["sign", "factor", "offset"]
)
def test_finite_differences_notice_a_wrong_gradient(change):
    loss = lm.huber()

    def wrong(*args, **kwargs):
        return change(loss.gradient(*args, **kwargs))

    assert differences_agree(loss, 0.0, np.asarray(0.3), loss.gradient) == 1
    with pytest.raises(AssertionError):
        differences_agree(loss, 0.0, np.asarray(0.3), wrong)


def test_the_seed_losses_are_in_the_sweep():
    seeds = {
        "squared_error",
        "absolute_error",
        "huber",
        "binary_cross_entropy",
        "cross_entropy",
        "hinge",
        "kl_divergence",
    }
    assert seeds <= {case.name for case in CASES}


def test_confident_correct_predictions_keep_their_digits():
    """PyTorch's own loss gives 0 for the second of these; the truth is 1.8e-35."""
    torch = pytest.importorskip("torch")
    f = np.array([37.5, 80.0, 300.0, 700.0])
    assert np.allclose(lm.binary_cross_entropy()(np.ones(4), f, reduction="none"), np.exp(-f), rtol=1e-15, atol=0)
    assert np.allclose(lm.binary_cross_entropy()(np.zeros(4), -f, reduction="none"), np.exp(-f), rtol=1e-15, atol=0)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(-80.0), torch.tensor(0.0))
    assert float(theirs) == 0.0
