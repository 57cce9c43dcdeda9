"""The odds against the true class, from the softmax of all classes.

Formulas say ``logsumexp(f, where=~is_class(y)) - pick(f, y)``, which keeps the digits of a right prediction. So does
what is made of it here, with one maximum, one exponential a class and one sum: with e_j = e^(f_j - max), and rest their
sum but for class y, the odds are rest / e_y. It pays where a library reads and writes one class a sample by its number.
"""

from __future__ import annotations

import math
from functools import lru_cache, reduce
from typing import NamedTuple

from lossmith.engine.llvm.lower import INDEX, at_class
from lossmith.formula.expr import ONE, ZERO, Expr, add, apply, const, div, leaf, mul, rebuild, sub, walk
from lossmith.formula.expr import where as choose

_LEAST = const(-math.inf)
SHARE = leaf("input", "share of a sample")


class _Against(NamedTuple):
    """The scores and the class whose odds are meant."""

    f: Expr
    y: Expr

    @property
    def _top(self) -> Expr:
        return apply("max", self.f)

    @property
    def others(self) -> Expr:
        """e_j, and 0 at class y."""
        e = apply("exp", choose(apply("eq", self.f, self._top), ZERO, sub(self.f, self._top)))
        return Expr("but_class", (e, self.y), row=True, boolean=False)

    @property
    def rest(self) -> Expr:
        return apply("sum", self.others)

    @property
    def gap(self) -> Expr:
        """log e_y; NaN where infinities leave no limit."""
        own = at_class(self.f, self.y)
        behind_or_tied = apply("or", apply("lt", own, self._top), apply("le", ONE, self.rest))
        return choose(behind_or_tied, sub(own, self._top), ZERO)

    @property
    def own(self) -> Expr:
        return apply("exp", self.gap)

    @property
    def all(self) -> Expr:
        return add(self.rest, self.own)

    @property
    def surprise(self) -> Expr:
        """log(1 + odds). Both parts are >= 0, and the sum of all is about 1 only where the gap is wide."""
        beyond_one = choose(apply("eq", self.gap, ZERO), self.rest, sub(self.all, ONE))
        return sub(apply("log1p", beyond_one), self.gap)


@lru_cache(maxsize=256)
def shared(root: Expr) -> Expr:
    """A number per class times the sample's share, which is nearer to what else a sample has one of."""
    if root.op == "where" and root.args[0].row:
        condition, *branches = root.args
        return choose(condition, *(shared(branch) for branch in branches))
    return mul(root, SHARE)


@lru_cache(maxsize=1024)
def by_class(roots: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """The same numbers, wherever softplus or sigmoid of such odds is asked for."""
    new: dict[Expr, Expr] = {}
    for node in walk(roots):
        found = _rewritten(node, new)
        new[node] = rebuild(node, tuple(new[arg] for arg in node.args)) if found is None else found
    return tuple(new[root] for root in roots)


def _rewritten(node: Expr, new: dict[Expr, Expr]) -> Expr | None:
    if node.op == "softplus" and (odds := _against(node.args[0])):
        return odds.surprise
    if node.op == "sigmoid":
        (x,) = node.args
        if odds := _against(x):
            return div(odds.rest, odds.all)
        if x.op == "neg" and (odds := _against(x.args[0])):
            return div(odds.own, odds.all)
    if node.op == "mul" and node.row:
        return _product(list(_factors(node)), new)
    if node.op == "where" and node.args[0].op == "eq" and node.args[0].args[0] is INDEX:
        y, right, wrong = node.args[0].args[1], node.args[1], node.args[2]
        if not (y.row or right.row) and wrong.row:
            return Expr("with_class", (new[wrong], y, new[right]), row=True, boolean=False)
    return None


def _product(factors: list[Expr], new: dict[Expr, Expr]) -> Expr | None:
    """rest / all times e_j / rest, which may be 0 / 0, is e_j / all."""
    for share in factors:
        for wrong in factors:
            odds = _against(wrong.args[0]) if wrong.op == "sigmoid" and share.op == "softmax" else None
            if odds and share.args[0] is _masked(odds):
                rest = [new[factor] for factor in factors if factor is not share and factor is not wrong]
                return mul(odds.others, div(reduce(mul, rest, ONE), odds.all))
    return None


def _factors(node: Expr) -> list[Expr]:
    return [factor for arg in node.args for factor in _factors(arg)] if node.op == "mul" else [node]


def _masked(odds: _Against) -> Expr:
    return choose(apply("eq", INDEX, odds.y), _LEAST, odds.f)


def _against(x: Expr) -> _Against | None:
    """What logsumexp(f, where=~is_class(y)) - pick(f, y) is about."""
    if x.op != "sub" or [arg.op for arg in x.args] != ["logsumexp", "sum"]:
        return None
    others, picked = (arg.args[0] for arg in x.args)
    if others.op != "where" or others.args[0].op != "eq" or others.args[0].args[0] is not INDEX:
        return None
    odds = _Against(others.args[2], others.args[0].args[1])
    picked_right = picked is choose(others.args[0], odds.f, ZERO)
    return odds if others is _masked(odds) and picked_right and not odds.y.row else None
