"""A formula as plain text and as LaTeX, both from one walk; shared parts of a large formula are named once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from lossmith.formula.expr import Expr, leaf, substitute, walk
from lossmith.formula.primitives import PRIMITIVES

LIMIT = 4000  # characters: a graph with shared parts can be exponentially long when written out

_TIGHTNESS = {
    "where": 0,
    "or": 1,
    "and": 2,
    "lt": 3,
    "le": 3,
    "eq": 3,
    "add": 4,
    "sub": 4,
    "mul": 5,
    "div": 5,
    "neg": 4,
    "power": 7,
}
_LATEX_TIGHTNESS = {"abs": 9, "sqrt": 9, "div": 7, "exp": 7}  # 7: what takes brackets under an exponent only
_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "lt": "<",
    "le": "<=",
    "eq": "==",
    "and": "&",
    "or": "|",
    "power": "**",
}
_LETTERS = "abcde"  # of what a formula names
_CASES = r"\begin{cases}", r"\end{cases}"
_GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "lambda", "mu", "nu", "sigma", "tau", "theta", "kappa", "rho",
    "omega", "phi", "pi",
}  # fmt: skip


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _plain_leaf(node: Expr) -> str:
    if node.op == "const":
        infinite = {float("inf"): "inf", float("-inf"): "-inf"}
        return infinite.get(node.data) or ("nan" if node.data != node.data else _number(node.data))
    return {"index": "class_index", "n_classes": "n_classes", "pi": "pi"}.get(node.op) or str(node.data)


def _plain(node: Expr, args: list[tuple[str, int]]) -> tuple[str, int]:
    op = node.op
    level = _TIGHTNESS.get(op, 9)
    if _is_square(node):
        return f"{_wrap(*args[0], 8)}**2", _TIGHTNESS["power"]
    if op in _INFIX:
        left, right = (_wrap(text, inner, level + side) for side, (text, inner) in enumerate(args))
        space = "" if op == "power" else " "
        return f"{left}{space}{_INFIX[op]}{space}{right}", level
    if op in ("neg", "not"):
        return ("-" if op == "neg" else "~") + _wrap(*args[0], 5 if op == "neg" else 8), level
    return f"{op}({', '.join(text for text, _ in args)})", 9


def _is_square(node: Expr) -> bool:
    return node.op == "mul" and node.args[0] is node.args[1]


def _wrap(text: str, inner: int, outer: int, brackets: tuple[str, str] = ("(", ")")) -> str:
    return text if inner >= outer else brackets[0] + text + brackets[1]


def _latex_leaf(node: Expr) -> str:
    if node.op == "const":
        text = {"inf": r"\infty", "-inf": r"-\infty"}.get(_plain_leaf(node), _plain_leaf(node))
        return re.sub(r"^1?e([+-]?)0?(\d+)$", r"10^{\1\2}", text)
    if node.op in ("index", "n_classes", "pi"):
        return {"index": "c", "n_classes": "K", "pi": r"\pi"}[node.op]
    name, _, place = str(node.data).rpartition("_")
    if not (name and place.isdecimal()):
        name, place = str(node.data), ""
    symbol = "\\" + name if name in _GREEK else name if len(name) == 1 else rf"\text{{{name.replace('_', ' ')}}}"
    return symbol + ("_c" if node.row else f"_{{{place}}}" if place else "")


def _latex(node: Expr, args: list[tuple[str, int]]) -> tuple[str, int]:
    op = node.op
    brackets = (r"\left(", r"\right)")
    level = _TIGHTNESS.get(op, 9)
    if op == "where":
        condition, a, b = (text for text, _ in args)
        if node.args[2].op == "where" and b.startswith(_CASES[0]):  # one list of cases, not a list in a list
            return rf"{_CASES[0]} {a} & {condition} \\{b.removeprefix(_CASES[0])}", 7
        return rf"{_CASES[0]} {a} & {condition} \\ {b} & \text{{otherwise}} {_CASES[1]}", 7
    if _is_square(node):
        return f"{_wrap(*args[0], 8, brackets)}^2", _TIGHTNESS["power"]
    template = PRIMITIVES[op].latex
    if op == "log1p" and node.args[0].op == "neg":
        template = template.replace("+ {0}", "{0}")
    if op in ("div", "sqrt", "abs", "exp", "per_class") or "(" in template or "|" in template:
        texts = [text for text, _ in args]
    elif op in ("power", "scaled_exp"):  # the exponent stands by itself
        texts = [_wrap(*args[0], 8 if op == "power" else level, brackets), args[1][0]]
    elif op in _INFIX:
        texts = [
            _wrap(text, inner, level + (side if op != "mul" else 0), brackets)
            for side, (text, inner) in enumerate(args)
        ]
    else:
        texts = [_wrap(text, inner, 5 if op in ("neg", "sum") else 7, brackets) for text, inner in args]
    closed = template.startswith(("(", r"\operatorname")) and template.endswith(")")
    level = _LATEX_TIGHTNESS.get(op, level if op in _TIGHTNESS else 9 if closed else 6)
    return template.format(*texts), level


def _render(root: Expr, leaf: Callable[[Expr], str], node_text: Callable[..., tuple[str, int]]) -> str:
    done: dict[Expr, tuple[str, int]] = {}
    for node in walk((root,)):
        args = [done[arg] for arg in node.args]
        if node.args:
            text, level = node_text(node, args)
        else:
            text = leaf(node)
            level = 4 if text.startswith("-") else 9
        done[node] = (text, level) if len(text) <= LIMIT else ("...", 9)
    return done[root][0]


def to_text(root: Expr) -> str:
    """The expression as one would type it."""
    return _render(root, _plain_leaf, _plain)


def to_latex(root: Expr) -> str:
    """The expression as LaTeX (without surrounding dollar signs); lists of cases that it takes twice have a letter."""
    named = _repeated_lists(root)
    replacement = {node: leaf("param", letter, row=node.row) for node, letter in zip(named, _LETTERS, strict=False)}
    body, *lists = (_render(part, _latex_leaf, _latex) for part in (*substitute((root,), replacement), *named))
    where = [rf"{letter} = {text}" for letter, text in zip(_LETTERS, lists, strict=False)]
    return r",\quad ".join([body, *where])


def _repeated_lists(root: Expr) -> list[Expr]:
    """Lists of three cases and more with several users; none where a letter is taken."""
    nodes = list(walk((root,)))
    users = Counter(arg for node in nodes for arg in set(node.args))
    found = [node for node in nodes if node.op == "where" and node.args[2].op == "where" and users[node] > 1]
    inputs = {node.data for node in nodes if node.op in ("input", "param")}
    return [] if inputs & set(_LETTERS) or len(found) > len(_LETTERS) else found
