"""What kernels are spared: turning conditions round, inputs whose NaN a result shows, bounds that hold anyway."""

import operator

import numpy as np
import pytest

from engine.accuracy import edges
from engine.machine import Machine, levels
from lossmith.engine.llvm.domains import is_kept_above, shows_nan
from lossmith.formula import exp, maximum, minimum, sign, where
from lossmith.formula.expr import const, leaf

X, Y = leaf("input", "x"), leaf("input", "y")
COMPARISONS = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": lambda a, b: a.eq(b),
    "ne": lambda a, b: a.ne(b), "not_less": lambda a, b: a.not_less(b), "ordered": lambda a, b: a.ordered(b),
    "apart": lambda a, b: a.apart(b), "and": lambda a, b: (a < b) & b.ne(0.0), "or": lambda a, b: (a < b) | b.eq(0.0),
}  # fmt: skip


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("name", COMPARISONS)
def test_a_condition_holds_or_its_opposite(name, level):
    a, b = (x.ravel() for x in np.meshgrid(edges("float64"), edges("float64")))
    holds = COMPARISONS[name]
    plain = Machine(lambda e, x, y: e.where(holds(x, y), 1.0, 0.0), "float64", 2, level)(a, b)
    opposite = Machine(lambda e, x, y: e.where(~holds(x, y), 1.0, 0.0), "float64", 2, level)(a, b)
    assert 0 < plain.sum() < len(a)
    np.testing.assert_array_equal(plain + opposite, np.ones(len(a)))


@pytest.mark.parametrize(
    ("root", "shown"),
    [
        (exp(X) - Y, True), (where(Y > 0, X, -X), True), (maximum(X, Y), True), (minimum(X, const(1.0)), True),
        (where(Y > 0, X, Y), False), (where(X > 0, Y, -Y), False), (maximum(Y, X), False), (sign(X), False),
        (exp(Y), False),
    ],
    ids=str,
)  # fmt: skip
def test_whether_a_result_shows_what_is_no_number(root, shown):
    assert shows_nan(root, X) is shown


def test_a_bound_is_known_by_the_last_operation():
    assert is_kept_above(maximum(X, const(1e-30)), 0.0)
    assert not any(is_kept_above(root, 0.0) for root in (maximum(X, const(0.0)), maximum(X, Y), exp(X), X))
