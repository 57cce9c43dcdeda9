"""The 50-digit judge: evaluates a formula's graph with mpmath, sharing no arithmetic with any engine.

It says what the formula means, so it judges the engines; whether that is the right thing is for references.py.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

from lossmith.formula.expr import Expr, walk
from lossmith.formula.model import Formula

DIGITS = 60
Value = Any  # an mpf, a condition, or a list of them along the classes


def _softplus(x: mpf) -> mpf:
    return mp.log1p(mp.exp(x)) if x < 200 else x + mp.log1p(mp.exp(-x))


def _sigmoid(x: mpf) -> mpf:
    return 1 / (1 + mp.exp(-x))


def _power(a: mpf, b: mpf) -> mpf:
    if b == 0:
        return mpf(1)
    if a == 0:
        return mpf(0) if b > 0 else mp.inf
    return mp.power(a, b) if mp.isfinite(a) else (mp.inf if b > 0 else mpf(0))


def _sign(x: mpf) -> mpf:
    return mpf((x > 0) - (x < 0))


def _log(x: mpf) -> mpf:
    return mp.log(x) if x > 0 else (-mp.inf if x == 0 else mp.nan)


def _log1p(x: mpf) -> mpf:
    return mp.log1p(x) if x > -1 else (-mp.inf if x == -1 else mp.nan)


def _log_cosh(x: mpf) -> mpf:
    a = abs(x)
    if a < mpf(10) ** -6:  # cosh of a tiny number rounds to 1 at any fixed precision
        return a**2 / 2 - a**4 / 12 + a**6 / 45 - 17 * a**8 / 2520
    return a + mp.log1p(mp.exp(-2 * a)) - mp.log(2)


def _sqrt1pm1(x: mpf) -> mpf:
    return abs(x) if mp.isinf(x) else x**2 / (1 + mp.sqrt(1 + x**2))


def _unit_slope(x: mpf) -> mpf:
    return _sign(x) if mp.isinf(x) else x / mp.sqrt(1 + x**2)


def _pseudo_huber(r: mpf, delta: mpf) -> mpf:
    return mp.inf if mp.isinf(r) else delta * r * r / (delta + mp.sqrt(r * r + delta * delta))


def _pseudo_huber_slope(r: mpf, delta: mpf) -> mpf:
    return _sign(r) * delta if mp.isinf(r) else r * delta / mp.sqrt(r * r + delta * delta)


def _log_ratio(a: mpf, b: mpf) -> mpf:
    with mp.extradps(60):
        return _log(_divide(a, b))


def _x_minus_log1p(x: mpf) -> mpf:
    if abs(x) < mpf(10) ** -12:
        return x**2 / 2 - x**3 / 3 + x**4 / 4 - x**5 / 5 + x**6 / 6
    return x - _log1p(x)


def _log_factorial(x: mpf) -> mpf:
    if abs(x) < mpf(10) ** -25:
        return -mp.euler * x + mp.zeta(2) * x**2 / 2 - mp.zeta(3) * x**3 / 3
    return mp.loggamma(x + 1)


def _kl_term(y: mpf, f: mpf) -> mpf:
    if y == 0:
        return f
    if mp.isinf(y) or f == 0:
        return mp.inf
    with mp.extradps(60):
        return y * mp.log(y / f) - y + f


def _js_term(y: mpf, f: mpf) -> mpf:
    with mp.extradps(60):
        m = (y + f) / 2
        return (ELEMENTWISE["xlogx"](y) + ELEMENTWISE["xlogx"](f) - 2 * ELEMENTWISE["xlogx"](m)) / 2


def _js_slope(y: mpf, f: mpf) -> mpf:
    if y == 0:
        return mp.log(2) / 2
    with mp.extradps(60):
        return _log(2 * f / (y + f)) / 2


def _power_loss(y: mpf, f: mpf, p: mpf) -> mpf:
    pull = mpf(0) if y == 0 else _divide(y * _power(f, 1 - p), p - 1) if f > 0 else mp.inf
    if f == 0 or mp.isinf(pull):
        return pull
    return pull + (mp.log(f) if p == 2 else _power(f, 2 - p) / (2 - p))


def _power_slope(y: mpf, f: mpf, p: mpf) -> mpf:
    if f == 0:
        return -mp.inf if y > 0 else _power(f, 1 - p)
    return _power(f, 1 - p) if mp.isinf(f) else (f - y) * mp.power(f, -p)


def _power_bend(y: mpf, f: mpf, p: mpf) -> mpf:
    if mp.isinf(f):
        return mpf(0)
    if f == 0:
        return mp.inf if y > 0 else -mp.inf
    return (p * y / f + 1 - p) * mp.power(f, -p)


def _stirling(y: mpf) -> mpf:
    if y > mpf(10) ** 20:  # its series: the terms that cancel have as many digits as y
        return mp.log(2 * mp.pi * y) / 2 + 1 / (12 * y) - 1 / (360 * y**3)
    with mp.extradps(30):
        return mpf(0) if y == 0 else _log_factorial(y) - y * mp.log(y) + y


def _log_normal_cdf_slope(x: mpf) -> mpf:
    if x < -(mpf(10) ** 20):  # its tail's series: both parts of the quotient have the error of a square in the exponent
        return -x - 1 / x
    with mp.extradps(60):
        return mp.exp(-x * x / 2) * mp.sqrt(2 / mp.pi) / mp.erfc(-x / mp.sqrt(2))


def _log_normal_cdf_bend(x: mpf) -> mpf:
    if x < -(mpf(10) ** 20):
        return 1 - 1 / x**2
    with mp.extradps(60):
        slope = _log_normal_cdf_slope(x)
        return mpf(0) if mp.isinf(x) else slope * (x + slope)


def _divide(a: mpf, b: mpf) -> mpf:
    if b == 0:
        return mp.nan if a == 0 or mp.isnan(a) else _sign(a) * mp.inf
    return a / b


ELEMENTWISE: dict[str, Callable[..., Value]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": _divide,
    "neg": lambda a: -a,
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "eq": lambda a, b: a == b,
    "not": lambda a: not a, "and": lambda a, b: a and b, "or": lambda a, b: a or b,
    "where": lambda c, a, b: a if c else b, "per_class": lambda a: a,
    "maximum": max, "minimum": min, "abs": abs, "sign": _sign,
    "power": _power, "absolute_power": lambda x, q: _power(abs(x), q),
    "signed_power": lambda x, q: mpf(0) if x == 0 else _sign(x) * _power(abs(x), q),
    "sqrt": mp.sqrt, "exp": mp.exp, "expm1": mp.expm1, "log": _log, "log1p": _log1p, "sin": mp.sin, "cos": mp.cos,
    "arctan": mp.atan, "tanh": mp.tanh, "softplus": _softplus, "sigmoid": _sigmoid, "log_cosh": _log_cosh,
    "sqrt1pm1": _sqrt1pm1, "unit_slope": _unit_slope, "pseudo_huber": _pseudo_huber,
    "pseudo_huber_slope": _pseudo_huber_slope, "log_ratio": _log_ratio,
    "xlogx": lambda x: mpf(0) if x == 0 else x * mp.log(x),
    "scaled_exp": lambda y, x: mpf(0) if y == 0 else y * mp.exp(x),
    "x_minus_log1p": _x_minus_log1p, "log_factorial": _log_factorial, "lgamma": mp.loggamma,
    "digamma": mp.digamma, "trigamma": lambda x: mp.polygamma(1, x), "tetragamma": lambda x: mp.polygamma(2, x),
    "kl_term": _kl_term, "js_term": _js_term, "js_slope": _js_slope, "power_loss": _power_loss,
    "power_slope": _power_slope, "power_bend": _power_bend, "stirling": _stirling,
    "erf": mp.erf, "normal_cdf": mp.ncdf, "log_normal_cdf": lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2),
    "log_normal_cdf_slope": _log_normal_cdf_slope, "log_normal_cdf_bend": _log_normal_cdf_bend,
}  # fmt: skip


def _exponentials(row: list[mpf]) -> list[mpf]:
    top = max(row)
    return [mpf(1) if x == top else mp.exp(x - top) for x in row]


def _first_max(row: list[mpf]) -> list[mpf]:
    first = row.index(max(row))
    return [mpf(c == first) for c in range(len(row))]


def _others(row: list[mpf]) -> list[mpf]:
    return [mp.fsum(x for i, x in enumerate(row) if i != c) for c in range(len(row))]


def _log_softmax(row: list[mpf]) -> list[mpf]:
    top, e = max(row), _exponentials(row)
    first = row.index(top)
    rest = mp.log1p(mp.fsum(x for i, x in enumerate(e) if i != first))
    return [-((mpf(0) if x == top else top - x) + rest) for x in row]


def _logsumexp(row: list[mpf]) -> mpf:
    e = _exponentials(row)
    first = row.index(max(row))
    return max(row) + mp.log1p(mp.fsum(x for i, x in enumerate(e) if i != first))


ROWS: dict[str, Callable[[list[mpf]], Value]] = {
    "sum": lambda row: mp.inf if mp.inf in row and -mp.inf not in row else mp.fsum(row),
    "max": max,
    "logsumexp": _logsumexp,
    "others": _others,
    "cumsum": lambda row: [mp.fsum(row[: c + 1]) for c in range(len(row))],
    "reverse_cumsum": lambda row: [mp.fsum(row[c:]) for c in range(len(row))],
    "softmax": lambda row: [x / mp.fsum(_exponentials(row)) for x in _exponentials(row)],
    "softmax_others": lambda row: [x / mp.fsum(_exponentials(row)) for x in _others(_exponentials(row))],
    "log_softmax": _log_softmax,
    "first_max": _first_max,
}


def _leaf(node: Expr, env: dict[str, Value], classes: int) -> Value:
    if node.op == "const":
        return mpf(node.data)
    if node.op == "index":
        return [mpf(c) for c in range(classes)]
    if node.op == "pi":
        return +mp.pi
    return mpf(classes) if node.op == "n_classes" else env[node.data]


def evaluate(roots: Sequence[Expr], env: dict[str, Value], classes: int = 0, digits: int = DIGITS) -> list[Value]:
    """The roots at one sample; env maps names to mpf or, per class, to lists of mpf."""
    values: dict[Expr, Value] = {}
    with mp.workdps(digits):
        for node in walk(roots):
            if not node.args:
                values[node] = _leaf(node, env, classes)
                continue
            args = [values[arg] for arg in node.args]
            if node.op in ROWS:
                row = args[0] if isinstance(args[0], list) else [args[0]] * classes
                values[node] = mp.nan if any(mp.isnan(x) for x in row) and node.op != "sum" else ROWS[node.op](row)
                if node.row and not isinstance(values[node], list):
                    values[node] = [values[node]] * classes
            elif node.row:
                rows = [arg if isinstance(arg, list) else [arg] * classes for arg in args]
                values[node] = [ELEMENTWISE[node.op](*column) for column in zip(*rows, strict=True)]
            else:
                values[node] = ELEMENTWISE[node.op](*args)
    return [values[root] for root in roots]


def exact(x: Any) -> Value:
    """Floats as they are, without rounding."""
    if isinstance(x, (list, tuple, np.ndarray)):
        return [exact(item) for item in x]
    return mpf(float(x))


def environment(formula: Formula, params: dict[str, Any], y: Any, f: Any, dtype: Any) -> dict[str, Value]:
    """What one sample's inputs and the (rounded) parameters are called in the formula."""
    env: dict[str, Value] = {formula.target.name: exact(y), "width": mpf(1)}
    if len(formula.predictions) == 1:
        env[formula.predictions[0].name] = exact(f)
    else:
        env |= {p.name: exact(v) for p, v in zip(formula.predictions, f, strict=True)}
    for name, number in formula.numbers(params).items():
        env[name] = exact(np.asarray(number, dtype=dtype).tolist())
    return env


def outputs(formula: Formula, name: str, env: dict[str, Value], classes: int) -> list[mpf]:
    """One output at one sample as a flat list of numbers, in the order of y_pred's last axis."""
    found = evaluate(formula.output(name), env, classes)
    flat: list[mpf] = []
    for value in found:
        per_class = formula.kind == "rowwise" and name != "value" and not isinstance(value, list)
        flat.extend(value if isinstance(value, list) else [value] * (classes if per_class else 1))
    return flat


def stepped(env: dict[str, Value], formula: Formula, steps: tuple[mpf, ...]) -> Iterator[tuple[mpf, dict[str, Value]]]:
    """(step, environment) for each input number moved by each relative step on its own."""
    names = [formula.target.name, *(p.name for p in (*formula.predictions, *formula.params))]
    if formula.target.domain.kind in ("label", "class id", "level"):
        names = names[1:]
    for name in names:
        value = env[name]
        for position in range(len(value) if isinstance(value, list) else 1):
            x = value[position] if isinstance(value, list) else value
            if x == 0 or not mp.isfinite(x):
                continue
            for step in steps:
                moved = x * (1 + step)
                new = [*value[:position], moved, *value[position + 1 :]] if isinstance(value, list) else moved
                yield step, {**env, name: new}


def condition(formula: Formula, name: str, env: dict[str, Value], classes: int, base: list[mpf]) -> list[mpf]:
    """The condition number of each output in target, predictions and parameters: relative change per relative step."""
    total = [mpf(0)] * len(base)
    with mp.workdps(DIGITS):
        h = mpf(10) ** -25
        sides = list(stepped(env, formula, (h, -h)))
        for (_, up), (_, down) in zip(sides[::2], sides[1::2], strict=True):
            changes = [outputs(formula, name, side, classes) for side in (up, down)]
            for i, a in enumerate(base):
                worst = [abs((b[i] - a) / a) / h for b in changes if a != 0 and mp.isfinite(a) and mp.isfinite(b[i])]
                total[i] += max(worst, default=mpf(0))
    return total


def neighbours(formula: Formula, name: str, env: dict[str, Value], classes: int, dtype: Any) -> list[list[mpf]]:
    """The output with one input moved by half a last place: what rounding that input could have made of it."""
    half = mpf(float(np.finfo(dtype).eps)) / 2
    with mp.workdps(DIGITS):
        return [outputs(formula, name, side, classes) for _, side in stepped(env, formula, (half, -half))]


def ulps(got: float, truth: mpf, dtype: Any) -> float:
    """The distance of a float from the truth in units in the truth's last place; 0 where both are the same infinity."""
    info = np.finfo(dtype)
    if mp.isnan(truth):
        return 0.0 if np.isnan(got) else float("inf")
    if abs(truth) > mpf(float(info.max)):
        return (
            0.0
            if (np.isinf(got) and (got > 0) == (truth > 0))
            or (mp.isfinite(truth) and abs(float(got)) == float(info.max))
            else float("inf")
        )
    if not np.isfinite(got):
        return float("inf")
    nearest = np.asarray(float(truth), dtype=dtype)
    spacing = (
        max(mpf(float(np.spacing(np.abs(nearest)))), mpf(float(info.smallest_subnormal)))
        if np.isfinite(nearest)
        else mpf(float(info.max)) * float(info.eps)
    )
    return float(abs(mpf(float(got)) - truth) / spacing)
