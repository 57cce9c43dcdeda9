"""Derivatives of a formula, by one rule: push a tangent through the graph.

In a sample with one number per named prediction the tangent is an expression. In a row of K scores the derivative of a
per-class value h_c in the score f_j is a matrix; it is kept as a few structured terms ``shape(c, j) * p_c * q_j`` with
shape one of: ``one`` (c = j), ``others`` (c != j), ``all``, ``lower`` (c >= j), ``upper`` (c <= j). Elementwise
operations act on p; reductions over c collapse p; the running sums stay inside this set. So gradients and Hessian
diagonals of row formulas are again row formulas, and nothing of size K^2 is ever built.
"""

from __future__ import annotations

from lossmith.formula.expr import ONE, ZERO, Expr, FormulaError, add, apply, is_const, mul, neg, sub, walk
from lossmith.formula.primitives import PRIMITIVES

Term = tuple[str, Expr]  # shape, q
Terms = dict[Term, Expr]  # -> p

POINT: Term = ("point", ONE)  # the single term of a formula without rows
ONE_TERM: Term = ("one", ONE)


MAX_TERMS = 64  # a formula of the literature needs a handful; nested row maps double them


def _collect(terms: Terms, key: Term, p: Expr) -> None:
    if not is_const(p, 0.0) and not is_const(key[1], 0.0):
        terms[key] = add(terms[key], p) if key in terms else p
    if len(terms) > MAX_TERMS:
        raise FormulaError("row maps (softmax, cumsum, others ...) are nested too deeply in this formula")


def tangents(roots: tuple[Expr, ...], variable: Expr) -> dict[Expr, Terms]:
    """The derivative of every node below the roots in the variable."""
    of: dict[Expr, Terms] = {}
    for node in walk(roots):
        terms: Terms = {}
        if node is variable:
            terms = {(ONE_TERM if node.row else POINT): ONE}
        elif node.op in PRIMITIVES and any(of[arg] for arg in node.args):
            kind = PRIMITIVES[node.op].kind
            if kind == "elementwise":
                terms = _elementwise(node, of)
            elif kind == "reduction":
                terms = _reduction(node, of[node.args[0]])
            elif kind == "map":
                terms = _map(node, of[node.args[0]])
        of[node] = terms
    return of


def _elementwise(node: Expr, of: dict[Expr, Terms]) -> Terms:
    terms: Terms = {}
    for place, (push, arg) in enumerate(zip(PRIMITIVES[node.op].push, node.args, strict=True)):
        if not of[arg]:
            continue
        if push is None:
            raise FormulaError(
                f"argument {place + 1} of {node.op} depends on what is differentiated, and its derivative there is not "
                "known: keep the prediction out of that argument, or write it with other words, such as exp and log"
            )
        for (shape, q), p in of[arg].items():
            # a number per sample seen from a row: its derivative in f_j is q_j for every class c
            whole = is_const(q, 1.0) or node.row  # else a q, which may be infinite, is left out with p
            _collect(terms, (shape, q), p if whole and _fades(node, place, p) else push(node, p))
    return terms


def _fades(node: Expr, place: int, p: Expr) -> bool:
    """Whether p is 0 by itself where it is left out, like the slope y of "y f, but 0 where y is 0"."""
    return node.op == "where" and place == 2 and node.args[0] is apply("eq", p, ZERO)


def _reduction(node: Expr, inner: Terms) -> Terms:
    (x,) = node.args
    weight = {"sum": ONE, "max": apply("first_max", x), "logsumexp": apply("softmax", x)}[node.op]
    terms: Terms = {}
    for (shape, q), p in inner.items():
        _collect(terms, ("all", mul(_summed(shape, mul(weight, p)), q)), ONE)
    return _merged(terms)


def _merged(terms: Terms) -> Terms:
    """Terms all(1, q1) + all(1, q2) as all(1, q1 + q2)."""
    q_total = ZERO
    rest: Terms = {}
    for (shape, q), p in terms.items():
        if shape == "all" and is_const(p, 1.0):
            q_total = add(q_total, q)
        else:
            rest[shape, q] = p
    _collect(rest, ("all", q_total), ONE)
    return rest


def _row_of(p: Expr) -> Expr:
    return p if p.row else apply("per_class", p)


def _summed(shape: str, p: Expr) -> Expr:
    """sum over c of shape(c, j) * p_c, as a function of j."""
    if shape == "one":
        return p
    name = {"others": "others", "all": "sum", "lower": "reverse_cumsum", "upper": "cumsum"}[shape]
    return apply(name, _row_of(p))


def _map(node: Expr, inner: Terms) -> Terms:
    if node.op == "first_max":
        return {}
    terms: Terms = {}
    if node.op in ("softmax", "softmax_others", "log_softmax"):
        return _softmax_family(node, inner)
    for (shape, q), p in inner.items():
        p = _row_of(p)
        for new_shape, new_p, new_q in _RUNNING[node.op](shape, p, q):
            _collect(terms, (new_shape, new_q), new_p)
    return terms


def _softmax_family(node: Expr, inner: Terms) -> Terms:
    """d softmax_c = s_c (1 - s_c) for c = j, - s_c s_j otherwise; d log softmax_c = 1 - s_c, - s_j.

    Only the direct dependence on the score's own class keeps the cancellation-free form; all else goes through sums.
    """
    (x,) = node.args
    s, rest = apply("softmax", x), apply("softmax_others", x)
    scale = {"softmax": s, "softmax_others": neg(s), "log_softmax": ONE}[node.op]
    terms: Terms = {}
    for (shape, q), p in inner.items():
        if shape == "one":
            # p may differ between classes (a mask, a temperature): it belongs to class j here
            _collect(terms, ("one", q), mul(mul(scale, rest), p))
            _collect(terms, ("others", mul(mul(s, p), q)), neg(scale))
        else:
            _collect(terms, (shape, q), mul(scale, p))
            mean = apply("sum", _row_of(mul(s, p))) if shape == "all" else _summed(shape, mul(s, p))
            _collect(terms, ("all", mul(mean, q)), neg(scale))
    return terms


def _others_map(shape: str, p: Expr, q: Expr) -> list[tuple[str, Expr, Expr]]:
    if shape == "one":
        return [("others", ONE, mul(p, q))]
    if shape == "others":
        return [("all", apply("others", p), q), ("others", neg(ONE), mul(p, q))]
    if shape == "all":
        return [("all", apply("others", p), q)]
    return [("all", ONE, mul(_summed(shape, p), q)), (shape, neg(p), q)]


def _cumsum_map(shape: str, p: Expr, q: Expr) -> list[tuple[str, Expr, Expr]]:
    running = apply("cumsum", p)
    if shape == "one":
        return [("lower", ONE, mul(p, q))]
    if shape == "others":
        return [("all", running, q), ("lower", neg(ONE), mul(p, q))]
    if shape == "all":
        return [("all", running, q)]
    if shape == "lower":  # sum of p_i over j <= i <= c
        return [("lower", running, q), ("lower", neg(ONE), mul(sub(running, p), q))]
    # upper: sum of p_i over i <= min(c, j)
    return [("upper", running, q), ("lower", ONE, mul(running, q)), ("one", neg(running), q)]


def _reverse_cumsum_map(shape: str, p: Expr, q: Expr) -> list[tuple[str, Expr, Expr]]:
    running = apply("reverse_cumsum", p)
    if shape == "one":
        return [("upper", ONE, mul(p, q))]
    if shape == "others":
        return [("all", running, q), ("upper", neg(ONE), mul(p, q))]
    if shape == "all":
        return [("all", running, q)]
    if shape == "upper":  # sum of p_i over c <= i <= j
        return [("upper", running, q), ("upper", neg(ONE), mul(sub(running, p), q))]
    # lower: sum of p_i over i >= max(c, j)
    return [("lower", running, q), ("upper", ONE, mul(running, q)), ("one", neg(running), q)]


_RUNNING = {"others": _others_map, "cumsum": _cumsum_map, "reverse_cumsum": _reverse_cumsum_map}


def gradient(root: Expr, variable: Expr) -> Expr:
    """d root / d variable; for a row of scores one value per class."""
    terms = tangents((root,), variable)[root]
    if not variable.row:
        return terms.get(POINT, ZERO)
    total = ZERO
    for (_, q), p in terms.items():  # the root is one number per sample, so every term is all(p, q)
        total = add(total, mul(p, q))
    return total


def own_derivative(root: Expr, variable: Expr) -> Expr:
    """d root / d variable, for a row: of each class's value in its own score (the diagonal)."""
    terms = tangents((root,), variable)[root]
    if not variable.row:
        return terms.get(POINT, ZERO)
    total = ZERO
    for (shape, q), p in terms.items():
        if shape != "others":
            total = add(total, mul(p, q))
    return total


def directional(root: Expr, variable: Expr, tangent: Expr) -> Expr:
    """The derivative of root along a tangent of the variable: for a row, the whole Jacobian times the tangent."""
    terms = tangents((root,), variable)[root]
    if not variable.row:
        return mul(terms.get(POINT, ZERO), tangent)
    total = ZERO
    for (shape, q), p in terms.items():
        along = mul(q, tangent)
        total = add(total, mul(p, along if shape == "one" else apply(OVER_CLASSES[shape], _row_of(along))))
    return total


# what sums a term's q times a tangent over j; of the shape "one" there is nothing to sum
OVER_CLASSES = {"others": "others", "all": "sum", "lower": "cumsum", "upper": "reverse_cumsum"}
