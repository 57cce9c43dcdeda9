"""Losses made of losses: sums, multiples, other links, class weights. Each is again one formula."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from lossmith.formula import NonNegative, Real, is_class, pick, where
from lossmith.formula import sum as row_sum
from lossmith.formula.data import check
from lossmith.formula.domains import Domain
from lossmith.formula.expr import ONE, Expr, const, mul, substitute
from lossmith.formula.model import Argument, Formula
from lossmith.links import AnyLink, Link
from lossmith.loss import Loss
from lossmith.parameters import by_class
from lossmith.record import replace

_NON_NEGATIVE: Domain = NonNegative.__metadata__[0]
_REAL: Domain = Real.__metadata__[0]
_OF_SCORES = {"from_logits", "log_input"}


def _number(value: Any, what: str) -> float:
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"a loss can be {what} a number or added to a loss, not {type(value).__name__}") from None
    if not (math.isfinite(result) and result >= 0):
        raise ValueError(f"a loss can be {what} a finite number >= 0, not {value!r}")
    return result


def scaled(loss: Loss, factor: Any) -> Loss:
    """factor * loss."""
    c = const(_number(factor, "multiplied by"))
    formulas = {}
    for kind, f in loss.formulas.items():
        declared = tuple(mul(c, e) for e in f.declared) if f.declared is not None else None
        formulas[kind] = f.replaced({}, value=mul(c, f.value), declare=declared)
    return loss.replaced(name=f"{c.data:g} * {_bracketed(loss.name)}", formulas=formulas, recipe=None)


def _bracketed(name: str) -> str:
    return f"({name})" if " + " in name else name


def added(first: Loss, second: Any) -> Loss:
    """first + second: losses of the same target and the same predictions, on the same scale.

    Parameters that share a name get a number (delta, delta_2); a further input of both is one and the same.
    """
    if not isinstance(second, Loss):
        if isinstance(second, (int, float)) and second == 0:
            return first
        raise TypeError(f"a loss can be added to a loss, not to {type(second).__name__}")
    if first.link.name != second.link.name:
        raise ValueError(
            f"{first.name} takes a score with link {first.link.name}, {second.name} one with link {second.link.name}: "
            "bring them to one scale first with with_link"
        )
    if first.labels != second.labels:
        raise ValueError(f"{first.name} and {second.name} have different labels")
    ignored = [loss.params.get("ignore_index") for loss in (first, second)]
    if ignored[0] != ignored[1]:
        raise ValueError(
            f"{first.name} has ignore_index={ignored[0]}, {second.name} ignore_index={ignored[1]}: a sample is left "
            "out of a sum or it is not, so give both one"
        )
    same = first.claim == second.claim and first.params.get("q") == second.params.get("q")  # of one level
    claim = first.claim if same else None
    first, second = _renamed(_apart(first), _apart(second))
    kinds = [kind for kind in first.formulas if kind in second.formulas]
    pairs = {kind: (first.formulas[kind], second.formulas[kind]) for kind in kinds} or _across(first, second)
    formulas = {kind: _sum(a, b) for kind, (a, b) in pairs.items()}
    name = f"{first.name} + {second.name}"
    params = {**first.params, **second.params}
    return Loss(
        name, formulas, params, first.link, first.labels, claim=claim, doc=f"Sum of {first.name} and {second.name}."
    )


def _across(first: Loss, second: Loss) -> dict[str, tuple[Formula, Formula]]:
    """A 0/1 label is also a number in [0, 1]: the stricter of the two targets rules."""
    a, b = first.formula, second.formula
    if a.kind == b.kind == "pointwise":
        kind = "label" if "label" in (a.target.domain.kind, b.target.domain.kind) else "real"
        return {kind: (a, b)}
    raise ValueError(
        f"{first.name} and {second.name} have different targets: "
        f"{a.target.domain.describe()}, {b.target.domain.describe()}"
    )


def _apart(loss: Loss) -> Loss:
    """Each number that a formula takes by itself as a parameter by itself: in a sum, none belongs to a whole."""
    single = {name: x for name, x in loss.params.items() if name in loss.numbers or not isinstance(x, tuple)}
    return loss.replaced(params=single | loss.numbers)


def _renamed(first: Loss, second: Loss) -> tuple[Loss, Loss]:
    """Both, each parameter under a name of its own, which is no further input's either: users know those by name."""
    taken = {e.name for loss in (first, second) for f in loss.formulas.values() for e in f.extras}
    renamed = []
    for loss in (first, second):
        names: dict[str, str] = {}
        for name in loss.params:
            names[name] = _free(name, taken)
            taken.add(names[name])
        formulas = {}
        for kind, f in loss.formulas.items():
            new = tuple(replace(p, name=names[p.name]) for p in f.params)
            mapping = {old.as_param: n.as_param for old, n in zip(f.params, new, strict=True)}
            formulas[kind] = _substituted(f, mapping, params=new)
        renamed.append(loss.replaced(formulas=formulas, params={names[n]: v for n, v in loss.params.items()}))
    return renamed[0], renamed[1]


def _free(name: str, taken: Collection[str]) -> str:
    """The name, with a number where it is taken."""
    fresh, k = name, 2
    while fresh in taken:
        fresh, k = f"{name}_{k}", k + 1
    return fresh


def _substituted(f: Formula, mapping: dict[Expr, Expr], **changes: Any) -> Formula:
    """The formula with nodes replaced everywhere, in declarations too."""
    mapping = {old: new for old, new in mapping.items() if old is not new}
    if not mapping:  # so that a sum of many is not rebuilt with each
        return replace(f, **changes)
    declared = substitute(f.declared, mapping) if f.declared is not None else None
    factor = substitute((f.class_factor,), mapping)[0] if f.class_factor is not None else None
    return f.replaced(mapping, declare=declared, class_factor=factor, **changes)


def _of_inputs(f: Formula, inputs: tuple[Argument, ...]) -> Formula:
    """The formula of this target and these predictions."""
    mapping = {old.as_input: new.as_input for old, new in zip((f.target, *f.predictions), inputs, strict=True)}
    return _substituted(f, mapping, target=inputs[0], predictions=inputs[1:])


def _sum(a: Formula, b: Formula) -> Formula:
    if len(a.predictions) != len(b.predictions) or a.kind != b.kind:
        raise ValueError("losses with different predictions cannot be added")
    extras = {e.name: e for e in b.extras}
    extras |= {e.name: Argument(e.name, _both(e.domain, extras.get(e.name, e).domain)) for e in a.extras}
    # target and predictions are given by their places: their names make way for those that users write
    taken = {*extras, *(p.name for p in (*a.params, *b.params))}
    inputs: tuple[Argument, ...] = ()
    for x, y in zip((a.target, *a.predictions), (b.target, *b.predictions), strict=True):
        inputs += (Argument(_free(x.name, taken), _both(x.domain, y.domain)),)
        taken.add(inputs[-1].name)
    a, b = _of_inputs(a, inputs), _of_inputs(b, inputs)
    total = Formula(
        a.kind,
        a.value + b.value,
        inputs[0],
        inputs[1:],
        tuple(extras.values()),
        a.params + b.params,
        _common(a.class_factor, b.class_factor),
        tuple(x + y for x, y in zip(a.curvature, b.curvature, strict=True)),
    )
    check(total)
    return total


def _common(a: Expr | None, b: Expr | None) -> Expr | None:
    """The weight that both give to a sample's class; undefined where they differ, as is a mean weighted by it."""
    if a is b:
        return a
    a, b = (ONE if factor is None else factor for factor in (a, b))
    return where(a == b, a, math.nan)


def _both(a: Domain, b: Domain) -> Domain:
    """What is legal for both."""
    if a == b:
        return a
    low, high = max(a.low, b.low), min(a.high, b.high)
    both = Domain(
        f"{a.name} and {b.name}", low, high,
        low_open=any(d.low == low and d.low_open for d in (a, b)),
        high_open=any(d.high == high and d.high_open for d in (a, b)),
        whole=a.whole or b.whole, excluded=a.excluded if a.excluded is not None else b.excluded, row=a.row or b.row,
        simplex=a.simplex or b.simplex, kind=a.kind if a.kind != "real" else b.kind,
    )  # fmt: skip
    return next((d for d in (a, b) if replace(both, name=d.name) == d), both)  # the one that lies in the other


def linked(loss: Loss, link: AnyLink) -> Loss:
    """The loss of a raw score that the link turns into the old prediction."""
    if loss.link.name != "identity" or len(loss.formula.predictions) != 1:
        raise ValueError(
            f"{loss.name} already has the link {loss.link.name}; "
            "a link can be set on a loss of natural-scale predictions"
        )
    if not isinstance(link, Link) or (link.row and loss.kind != "rowwise"):
        raise ValueError(f"{loss.name} has one prediction per sample; the link {link.name} is for another kind")
    if known := _of_scores(loss, link):
        return known
    formulas = {}
    for kind, f in loss.formulas.items():
        (p,) = f.predictions
        new = Argument(p.name, replace(_REAL, name="a row of scores", row=True, kind="row") if p.domain.row else _REAL)
        formulas[kind] = f.replaced({p.as_input: link.to_mean(new.as_input)}, predictions=(new,))
    return loss.replaced(
        name=f"{loss.name} with {link.name} link", formulas=formulas, link=link, recipe=None, claim=loss.claim
    )


def _of_scores(loss: Loss, link: AnyLink) -> Loss | None:
    """The author's own formula for scores of this link, where there is one: log(sigmoid(f)) has no digits far out."""
    if loss.recipe is None:
        return None
    for option in _OF_SCORES & set(loss.recipe.option_defaults):
        found = Loss.from_recipe(loss.recipe, loss.labels, **{**loss.params, option: True})
        if found.link == link:
            return found
    return None


def class_weighted(loss: Loss, weights: Mapping[Any, float]) -> Loss:
    """The loss times the weight of the sample's class; soft targets take the mean of the classes' weights."""
    weights = by_class(weights)
    if not (hasattr(weights, "keys") and len(weights)):
        raise TypeError("class weights are a dictionary from class to weight, such as {0: 1, 1: 9}")
    order = (
        list(loss.labels)
        if loss.labels is not None
        else list(range(max(2, 1 + max((int(k) for k in weights if _is_whole(k)), default=1))))
    )
    unknown = [k for k in weights if k not in order]
    missing = [k for k in order if k not in weights]
    if unknown or missing:
        problem = f"{unknown[0]!r} is not a class" if unknown else f"class {missing[0]!r} has no weight"
        raise ValueError(f"{loss.name}: class weights: {problem}")
    numbers = tuple(_number(weights[k], "class-weighted by") for k in order)
    formulas = {kind: _with_class_weight(loss, f, numbers) for kind, f in loss.formulas.items()}
    params = dict(loss.params)
    if loss.kind == "rowwise":
        params[_weights(loss)] = numbers
    return loss.replaced(
        name=f"class-weighted {_bracketed(loss.name)}", formulas=formulas, params=params, recipe=None, claim=None
    )


def _is_whole(key: Any) -> bool:
    return isinstance(key, (int, float)) and not isinstance(key, bool) and key == int(key) and key >= 0


def _weights(loss: Loss) -> str:
    """A name for the class weights beside those that the loss may already have."""
    inputs = {x.name for f in loss.formulas.values() for x in (f.target, *f.predictions, *f.extras)}
    return _free("class_weights", {*loss.params, *inputs})


def _with_class_weight(loss: Loss, f: Formula, numbers: tuple[float, ...]) -> Formula:
    y = f.target.as_input
    params = f.params
    if f.target.domain.kind == "level":
        if len(numbers) != f.target.domain.high + 1:
            raise ValueError(f"{loss.name} has {f.target.domain.high + 1:g} classes, not {len(numbers)}")
        factor = pick(numbers, y)
    elif f.kind == "pointwise":
        domain = f.target.domain
        if (domain.low, domain.high) != (0.0, 1.0):
            raise ValueError(f"{loss.name} has no classes: its target is {domain.describe()}")
        if len(numbers) != 2:
            raise ValueError(f"{loss.name} has two classes, not {len(numbers)}")
        factor = numbers[1] * y + numbers[0] * (1 - y)
    else:
        weights = Argument(_weights(loss), _NON_NEGATIVE, per_class=True)
        params = (*params, weights)
        factor = row_sum(y * weights.as_param) if y.row else row_sum(weights.as_param, where=is_class(y))
    declared = None if f.declared is None else tuple(factor * e for e in f.declared)
    total = factor if f.class_factor is None else factor * f.class_factor
    weighted = where(factor == 0, 0.0, factor * f.value)
    return f.replaced({}, value=weighted, params=params, class_factor=total, declare=declared)
