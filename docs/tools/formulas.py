"""Formulas as MathML, which browsers draw by themselves: no script and no font has to come with the page."""

from __future__ import annotations

import html
import re
from math import inf
from string import ascii_lowercase

import numpy as np
from latex2mathml.converter import convert

from lossmith.engine.arrays import evaluate_block
from lossmith.formula.expr import ONE, ZERO, Expr, apply, is_const, leaf, rebuild, substitute, walk
from lossmith.formula.model import Formula
from lossmith.formula.text import to_latex
from symbols import SYMBOLS

_MARKED = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', flags=re.DOTALL)


def drawn(page: str) -> str:
    """The HTML of a page with the formulas that its Markdown marked."""
    return _MARKED.sub(lambda m: mathml(html.unescape(m[2]), block=m[1] == "div"), page)


def mathml(latex: str, *, block: bool = False) -> str:
    """A formula as a MathML element that keeps its LaTeX for those who copy or hear it."""
    element = convert(latex, display="block" if block else "inline")
    element = element.replace("<math ", f'<math alttext="{html.escape(latex, quote=True)}" ', 1)
    return f'<div class="formula">{element}</div>' if block else element


def readable(formula: Formula) -> list[str]:
    """A loss's value as a textbook has it, in lines of LaTeX: the formula, its named parts, what symbols mean."""
    tokens: dict[str, str] = {}
    root = textbook(formula.value, tokens)
    taken = {formula.target.name, *(p.name for p in (*formula.predictions, *formula.params)), "c", "e", "j", "p"}
    letters = (letter for letter in ascii_lowercase if letter not in taken)
    parts: list[tuple[Expr, Expr]] = []
    while (part := _worth_a_name(root)) is not None:
        name = leaf("input", next(letters), row=part.row)
        parts.append((name, part))
        (root,) = substitute((root,), {part: name})
    signature = ",\\, ".join(to_latex(a.as_input).removesuffix("_c") for a in (formula.target, *formula.predictions))
    lines = [
        rf"\ell({signature}) = {to_latex(root)}",
        *(f"{to_latex(name)} = {to_latex(part)}" for name, part in parts),
    ]
    used = {node.op for node in walk((root, *(part for _, part in parts)))}
    for token, latex in reversed(tokens.items()):
        lines = [line.replace(token, latex) for line in lines]
    return lines + [meaning for op, meaning in SYMBOLS.items() if op in used]


def textbook(root: Expr, tokens: dict[str, str]) -> Expr:
    """The same value without what is there for the digits; ``tokens`` receives how its placeholders are written."""
    done: dict[Expr, Expr] = {}
    for node in walk((root,)):
        done[node] = _plainer(rebuild(node, tuple(done[arg] for arg in node.args)), tokens)
    return done[root]


def _plainer(node: Expr, tokens: dict[str, str]) -> Expr:
    if node.op == "where":
        condition, a, b = node.args
        guard = condition.args[0] if condition.op == "eq" and is_const(condition.args[1], 0.0) else None
        if _of_floats(condition) or (is_const(a, 0.0) and guard is not None and guard in _factors(b)):
            return b  # 0 times infinity is 0, in mathematics without saying so
        alike = _serving_both(condition, a, b)
        if alike:
            return min(alike, key=lambda branch: len(to_latex(branch)))
    if node.op == "mul" and node.args[0] is node.args[1] and node.args[0].op == "exp":
        exponent = node.args[0].args[0]
        half = exponent.args[0] if exponent.op == "neg" else exponent
        if half.op == "div" and is_const(half.args[1], 2.0):
            return apply("exp", rebuild(exponent, half.args[:1]) if exponent is not half else half.args[0])
    if node.op in ("sum", "max", "logsumexp") and node.args[0].op == "where":
        condition, a, b = node.args[0].args
        if condition.op == "eq" and "index" in [arg.op for arg in condition.args]:
            return _of_classes(node, a, b, tokens)
    return node


def _of_classes(node: Expr, own: Expr, other: Expr, tokens: dict[str, str]) -> Expr:
    """A row reduction over the class y alone, or over all others."""
    op = node.op
    if op == "sum" and is_const(other, 0.0):
        latex = to_latex(own).removesuffix("_c") + "_y"
    elif op == "logsumexp":
        latex = rf"\log\sum_{{c \ne y}} e^{{{to_latex(other)}}}"
    elif is_const(own, 0.0) or is_const(own, -inf):
        latex = rf"\{op}_{{c \ne y}} {to_latex(other)}"
    else:
        return node
    token = f"part {len(tokens)}"
    tokens[rf"\text{{{token}}}"] = latex
    return leaf("input", token)


def _serving_both(condition: Expr, a: Expr, b: Expr) -> list[Expr]:
    """Branches that are also the number of the other one where that is chosen, written in another way: by trying."""
    nodes = list(walk((condition, a, b)))
    if any(node.row for node in nodes):
        return []
    rng = np.random.default_rng(0)
    env = {node.data: rng.uniform(0.05, 0.95, _TRIED) for node in nodes if node.op in ("input", "param")}
    for node in nodes:
        if node.op == "eq" and node.args[0].op == "input":  # of levels
            env[node.args[0].data] = rng.integers(0, 3, _TRIED).astype(float)
    one = np.ones(_TRIED)
    with np.errstate(all="ignore"):
        asked, first, second = evaluate_block([apply("where", condition, ONE, ZERO), a, b], env, np, one, None)
        alike = np.isclose(first * one, second * one, rtol=1e-9, atol=0.0)
    chosen = asked * one == 1
    if alike.all():
        return [a, b]
    if not 2 <= chosen.sum() <= _TRIED - 2:
        return []
    return [b] if alike[chosen].all() else [a] if alike[~chosen].all() else []


_TRIED = 32


def _of_floats(condition: Expr) -> bool:
    """Whether it asks about the size of floating-point numbers, which mathematics does not."""
    if condition.op in ("and", "or", "not"):
        return all(map(_of_floats, condition.args))
    constants = [abs(arg.data) for arg in condition.args if arg.op == "const"]
    return any(value >= 500 or 0 < value <= 1e-20 for value in constants)


def _factors(node: Expr) -> set[Expr]:
    if node.op in ("mul", "neg"):
        return set().union(*map(_factors, node.args))
    return _factors(node.args[0]) if node.op == "div" else {node}


def _worth_a_name(root: Expr) -> Expr | None:
    """The innermost part that is long and used twice, or a choice between cases inside an operation."""
    users: dict[Expr, list[Expr]] = {}
    for node in walk((root,)):
        for arg in node.args:
            users.setdefault(arg, []).append(node)
    for node in walk((root,)):
        cases = node.op == "where" and any(user.op != "where" for user in users.get(node, []))
        if cases or (node.args and not node.boolean and len(users.get(node, [])) > 1 and len(to_latex(node)) > 20):
            return node
    return None
