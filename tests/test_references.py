"""The references against losses worked out by hand, and the hand points against wrong references."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mpmath import mp, mpf

from judges import references
from judges.hand_points import HAND_POINTS, HandPoint
from judges.references import REFERENCES, derivative, truth

NAMES = [
    *("squared_error", "absolute_error", "huber", "smooth_l1", "pseudo_huber", "log_cosh"),
    *("quantile", "expectile", "lq", "epsilon_insensitive", "squared_log_error", "absolute_percentage_error"),
    *("binary_cross_entropy", "hinge", "squared_hinge", "modified_huber", "exponential", "focal", "brier"),
    *("cross_entropy", "focal_cross_entropy", "multiclass_hinge", "multi_margin"),
    *("kl_divergence", "generalized_kl_divergence", "js_divergence"),
    *("poisson", "gamma", "tweedie", "gaussian_nll", "cumulative_logit"),
]
REGRESSION, BINARY, CLASSES, DIVERGENCES, COUNTS = NAMES[:12], NAMES[12:19], NAMES[19:23], NAMES[23:26], NAMES[26:29]


def agrees(value: mpf, literal: str, digits: int = 30) -> bool:
    expected = mpf(literal)
    both_nan = mp.isnan(value) and mp.isnan(expected)
    near = mp.isfinite(expected) and abs(value - expected) <= abs(expected) * mpf(10) ** -digits
    return both_nan or value == expected or near


# What the references say.


@pytest.mark.parametrize("point", HAND_POINTS, ids=lambda point: f"{point[0]}-{point[-1]}")
def test_hand_point(point: HandPoint):
    name, params, y, f, value, _ = point
    with mp.workdps(60):
        assert agrees(REFERENCES[name](y, f, **params), value)
        assert agrees(truth(name, y, f, **params), value)


def test_one_reference_and_a_hand_point_for_each_loss():
    assert sorted(REFERENCES) == sorted(NAMES)
    assert {point[0] for point in HAND_POINTS} == set(NAMES)
    assert all(reference.__doc__ for reference in REFERENCES.values())


# Ordinary points: away from kinks and from the edges of the domain.
ROW, PROBABILITIES, TARGET = [0.3, -1.2, 2.1], [0.5, 0.2, 0.3], [0.25, 0.6, 0.15]
ORDINARY: list[tuple[str, Any, Any, dict[str, Any]]] = [
    *((name, 1.3, 0.4, {}) for name in REGRESSION),
    *((name, 1.3, 4.7, {}) for name in REGRESSION),
    *((name, y, f, {}) for name in BINARY for y in (0, 1) for f in (0.4, -3.7)),
    *((name, 2, ROW, {}) for name in CLASSES),
    *((name, 0, ROW, {}) for name in CLASSES),
    *((name, TARGET, PROBABILITIES, {}) for name in DIVERGENCES),
    *((name, 1.3, f, {}) for name in COUNTS for f in (0.4, -3.7)),
    ("gaussian_nll", 1.3, [0.4, -0.7], {"full": True}),
    *(("cumulative_logit", y, f, {}) for y in (0, 1, 2) for f in (0.4, -3.7)),
    ("smooth_l1", 1.3, 0.4, {"beta": 0}),
    ("lq", 1.3, 0.4, {"q": 1.1}),
    ("binary_cross_entropy", 0.3, 0.4, {"label_smoothing": 0.1, "pos_weight": 3.3}),
    ("binary_cross_entropy", 0.3, 0.4, {"from_logits": False}),
    ("focal", 1, 0.4, {"gamma": 1.7, "alpha": 0.3, "from_logits": False}),
    ("brier", 0.3, 0.4, {"from_logits": False}),
    ("cross_entropy", TARGET, ROW, {"label_smoothing": 0.1, "class_weight": [1, 2.2, 0.7]}),
    ("cross_entropy", 1, PROBABILITIES, {"from_logits": False, "label_smoothing": 0.1, "weighting": "target"}),
    ("focal_cross_entropy", 1, PROBABILITIES, {"from_logits": False, "gamma": 1.7, "class_weight": [1, 2.2, 0.7]}),
    ("multi_margin", 0, ROW, {"margin": 0.7, "p": 2}),
    ("kl_divergence", TARGET, ROW, {"log_input": True}),
    *((name, 1.3, 0.4, {"log_input": False}) for name in COUNTS),
    ("poisson", 1.3, 0.4, {"full": True}),
]
ordinary = pytest.mark.parametrize(("name", "y", "f", "params"), ORDINARY)


@ordinary
def test_finite(name: str, y: Any, f: Any, params: dict[str, Any]):
    with mp.workdps(50):
        assert mp.isfinite(REFERENCES[name](y, f, **params))
    assert mp.isfinite(truth(name, y, f, **params))


# The judge.


@ordinary
@pytest.mark.parametrize("order", [1, 2])
def test_derivative_is_that_of_mpmath(name: str, y: Any, f: Any, params: dict[str, Any], order: int):
    for index in range(len(f)) if isinstance(f, list) else [None]:

        def loss(at: mpf, index: int | None = index) -> mpf:
            return REFERENCES[name](y, at if index is None else [*f[:index], at, *f[index + 1 :]], **params)

        slope = derivative(name, y, f, index, order, **params)
        with mp.workdps(60):
            expected = mp.diff(loss, f if index is None else f[index], order)
            assert abs(slope - expected) <= mpf(10) ** -30 * (1 + abs(expected))


def test_derivative_in_closed_form():
    with mp.workdps(60):
        fades, s = mp.exp(-10_000), 1 / (1 + mp.exp(-0.5))
        cases = [
            (derivative("binary_cross_entropy", 0, 0.5), s),
            (derivative("binary_cross_entropy", 0, 0.5, order=2), s * (1 - s)),
            (derivative("binary_cross_entropy", 0, 0.5, order=3), s * (1 - s) * (1 - 2 * s)),
            (derivative("binary_cross_entropy", 1, 1e4), -fades),
            (derivative("binary_cross_entropy", 0, 1e4, order=2), fades),
            (derivative("cross_entropy", 0, [0.0, -1e4], index=1), fades),
            (derivative("binary_cross_entropy", 1, 1e-300, from_logits=False), -1 / mpf(1e-300)),
            (derivative("squared_error", 1.0, 1 + 2.0**-52), mpf(2) ** -51),
            (derivative("squared_error", 0, 1e300, order=2), mpf(2)),
            (derivative("gaussian_nll", 1, [3, 1], index=1, order=2), 8 * mp.exp(-2)),
        ]
        for slope, expected in cases:
            assert abs(slope - expected) <= mpf(10) ** -45 * abs(expected)


def test_derivative_at_a_kink_is_the_mean_of_the_sides():
    assert derivative("absolute_error", 1, 1) == 0
    assert agrees(derivative("quantile", 1, 1, q=0.25), "0.25")
    assert agrees(derivative("hinge", 1, 1), "-0.5")


@pytest.mark.parametrize(("name", "y", "f", "params"), [
    ("binary_cross_entropy", 1, float("inf"), {}),
    ("binary_cross_entropy", 1, 0.0, {"from_logits": False}),
    ("cross_entropy", 1, [0.0, 1.0], {}),
])  # fmt: skip
def test_derivative_refuses(name: str, y: Any, f: Any, params: dict[str, Any]):
    with pytest.raises(ValueError, match=name):
        derivative(name, y, f, **params)


@pytest.mark.parametrize("f", [745, 1e4])
def test_truth_sees_what_is_tiny_next_to_1(f: float):
    value = truth("binary_cross_entropy", 1, f)
    with mp.workdps(9000):  # the textbook form, with enough digits to see e^-f and its square
        assert agrees(value, mp.log(1 + mp.exp(-mpf(f))), 50)
    with mp.workdps(60):
        assert agrees(value, mp.exp(-mpf(f)), 50)
        assert value > 0


def test_truth_sees_small_differences():
    with mp.workdps(60):
        tiny = mpf(1e-300)
        assert agrees(truth("log_cosh", 0, 1e-300), tiny**2 / 2, 49)
        assert agrees(truth("pseudo_huber", 0, 1e-300, delta=1e300), tiny**2 / 2, 49)
        assert agrees(truth("squared_error", 1, 1 + 2.0**-52), mpf(2) ** -104, 49)
    step = mpf(2) ** -60
    with mp.workdps(120):
        assert agrees(truth("generalized_kl_divergence", [1], [1 + step]), step - mp.log1p(step), 49)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_rows_have_one_length(name: str):
    with pytest.raises(ValueError, match="zip"):
        REFERENCES[name]([0.5, 0.5], [0.5, 0.25, 0.25])


def test_parameters_are_not_rounded():
    with mp.workdps(60):
        assert REFERENCES["quantile"](0, 1, q=0.1) == 1 - mpf(0.1)


# Who judges the judge: a reference with one sign, operation, function, comparison, constant or option changed is wrong.

# fmt: off
OPPOSITE: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.USub: ast.UAdd,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.LtE: ast.Gt, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.In: ast.NotIn,
}
OTHER_WORD = {  # `_exact` changes no number
    "log": "log1p", "log1p": "log", "exp": "expm1", "cosh": "sinh", "sqrt": "exp", "loggamma": "gamma", "pi": "e",
    "abs": "_exact", "_positive": "_exact", "max": "min", "sum": "max", "_softplus": "_sigmoid", "term": "target",
}
# fmt: on


def mutate(node: ast.AST) -> bool:
    """Change the node in place; False where there is nothing to change."""
    match node:
        case ast.BinOp() | ast.UnaryOp():
            node.op = OPPOSITE[type(node.op)]()
        case ast.Compare(ops=[op]) if type(op) in OPPOSITE:
            node.ops = [OPPOSITE[type(op)]()]
        case ast.Attribute(attr=word) if word in OTHER_WORD:
            node.attr = OTHER_WORD[word]
        case ast.Name(id=word) if word in OTHER_WORD:
            node.id = OTHER_WORD[word]
        case ast.Constant(value=str(word)) if word in OTHER_WORD:
            node.value = OTHER_WORD[word]
        case ast.Constant(value=bool()):
            node.value = not node.value
        case ast.Constant(value=int() | float()):
            node.value += 1
        case _:
            return False
    return True


def formulas(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """The nodes of the references and of the words they are written in, with the name of their function."""
    for function in module.body:
        if isinstance(function, ast.FunctionDef):
            if function.name == references._exact.__name__:
                return
            for part in (*function.args.defaults, *function.body):
                # zip(strict=True) is no arithmetic; it has a test of its own.
                words = [node for node in ast.walk(part) if isinstance(node, ast.keyword)]
                strict = [word.value for word in words if word.arg == "strict"]
                yield from ((function.name, node) for node in ast.walk(part) if node not in strict)


def run(module: ast.Module) -> dict[str, Callable[..., mpf]]:
    """The references of a changed module."""
    namespace: dict[str, Any] = {"__name__": "mutant"}
    exec(compile(module, "mutant", "exec"), namespace)
    return namespace["REFERENCES"]


def noticed(functions: dict[str, Callable[..., mpf]]) -> bool:
    for name, params, y, f, value, _ in HAND_POINTS:
        try:
            if not agrees(functions[name](y, f, **params), value):
                return True
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return True
    return False


def test_wrong_references_are_noticed():
    module = ast.parse(Path(references.__file__).read_text(encoding="utf-8"))
    survivors, tried = [], 0
    with mp.workdps(50):
        assert not noticed(run(module))
        for name, node in list(formulas(module)):
            right, text = dict(vars(node)), ast.unparse(node)
            if mutate(node):
                tried += 1
                if not noticed(run(module)):
                    survivors.append(f"{name}: {text} -> {ast.unparse(node)}")
                vars(node).update(right)
        assert not noticed(run(module))
    assert tried > 200
    assert not survivors, "\n".join(survivors)
