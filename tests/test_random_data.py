"""What must hold for any data: hypothesis looks for the counterexample."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import lossmith as lm
from lossmith.formula.data import formula_from_data, formula_to_data
from lossmith.formula.domains import Real
from lossmith.formula.expr import apply, const, leaf, where
from lossmith.formula.model import Argument, Formula

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)
LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "log_cosh", "pseudo_huber", "smooth_l1", "expectile")
REAL = Real.__metadata__[0]


@st.composite
def samples(draw):
    n = draw(st.integers(1, 12))
    y, f = (draw(arrays.arrays(np.float64, n, elements=FINITE)) for _ in range(2))
    weight = draw(arrays.arrays(np.int64, n, elements=st.integers(0, 4)))
    return y, f, weight


@FAST
@given(samples(), st.sampled_from(LOSSES))
def test_a_whole_weight_is_a_repetition(data, name):
    y, f, weight = data
    loss = lm.get(name)
    repeated = loss.total(np.repeat(y, weight), np.repeat(f, weight))
    weighted = loss.total(y, f, weight=weight)
    assert weighted.weight == repeated.weight
    assert weighted.sum == pytest.approx(repeated.sum, rel=1e-12, abs=1e-300)


@FAST
@given(samples(), st.sampled_from(LOSSES), st.integers(0, 12))
def test_totals_of_parts_add_up(data, name, cut):
    y, f, weight = data
    loss = lm.get(name)
    parts = loss.total(y[:cut], f[:cut], weight=weight[:cut]) + loss.total(y[cut:], f[cut:], weight=weight[cut:])
    whole = loss.total(y, f, weight=weight)
    each = np.abs(loss(y, f, weight=weight, reduction="none")).sum()
    assert abs(parts.sum - whole.sum) <= 1e-14 * each
    assert parts.weight == whole.weight


@FAST
@given(samples(), st.sampled_from(LOSSES))
def test_a_sample_does_not_see_the_others(data, name):
    y, f, _ = data
    loss = lm.get(name)
    together = loss.gradient(y, f, reduction="none")
    alone = np.array([loss.gradient(y[i : i + 1], f[i : i + 1], reduction="none")[0] for i in range(len(y))])
    assert np.array_equal(together, alone)


@FAST
@given(samples(), st.sampled_from(LOSSES))
def test_no_constant_is_better_than_the_best(data, name):
    y, f, weight = data
    if not weight.any():
        return
    loss = lm.get(name)
    best = loss.best_constant(y, weight)
    at_best = loss(y, np.full(len(y), best), weight=weight)
    for other in f:
        there = loss(y, np.full(len(y), other), weight=weight)
        assert at_best <= there + 1e-12 * (1 + abs(there))


UNARY = ("neg", "abs", "exp", "log1p", "tanh", "softplus", "sigmoid", "log_cosh", "sqrt1pm1", "sin", "arctan")
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum")


@st.composite
def expressions(draw, depth=4):
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([leaf("input", "y"), leaf("input", "f"), const(0.5), const(-2.0), const(1.0)]))
    kind = draw(st.sampled_from(("unary", "binary", "where")))
    a = draw(expressions(depth - 1))
    if kind == "unary":
        return apply(draw(st.sampled_from(UNARY)), a)
    b = draw(expressions(depth - 1))
    if kind == "binary":
        return apply(draw(st.sampled_from(BINARY)), a, b)
    return where(a < b, draw(expressions(depth - 1)), b)


# apart by more than a step of the differences, so that no branch lies between the numbers of one
STEPS = st.integers(-192, 192)


@FAST
@given(expressions(), STEPS.map(lambda k: k / 64), STEPS.map(lambda k: k / 64 + 0.005))
def test_any_formula_survives_json_and_differentiates(value, y, f):
    formula = Formula("pointwise", value, Argument("y", REAL), (Argument("f", REAL),))
    again = formula_from_data(json.loads(json.dumps(formula_to_data(formula))))
    assert formula_to_data(again) == formula_to_data(formula)
    assert str(again) == str(formula)
    loss = lm.Loss("random", {"real": formula}, {}, lm.get("mse").link)

    def at(x):
        try:
            return float(loss([y], [x]))
        except ValueError:  # no limit there
            return np.nan

    h = 1e-5
    values = np.array([at(f + k * h) for k in (-2, -1, 0, 1, 2)])
    if not np.isfinite(values).all() or np.abs(values).max() > 1e6:
        return
    left, right = (values[2] - values[0]) / (2 * h), (values[4] - values[2]) / (2 * h)
    if abs(left - right) > 1e-3 * (1 + abs(left)):  # a kink, or too steep to tell
        return
    slope = (values[0] - 8 * values[1] + 8 * values[3] - values[4]) / (12 * h)
    try:
        found = float(loss.gradient([y], [f])[0])
    except ValueError:
        return
    assert found == pytest.approx(slope, rel=1e-4, abs=1e-4)
