"""Formula: a traced expression with the meaning of its inputs, and everything derived from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from lossmith.formula.derive import directional, gradient, own_derivative
from lossmith.formula.domains import Domain
from lossmith.formula.expr import ZERO, Expr, leaf, substitute, walk
from lossmith.lazy import cached_property
from lossmith.record import Record, replace

Output = Literal["value", "gradient", "hessian", "curvature", "class_factor"]
WIDTH = leaf("param", "width")  # the smoothing unit of kinked losses' curvature; every engine call carries it


class Argument(Record):
    """A named input or parameter and what it may be. ``per_class`` parameters are vectors of one number per class."""

    name: str
    domain: Domain
    per_class: bool = False

    @cached_property
    def as_input(self) -> Expr:
        return leaf("input", self.name, row=self.domain.row)

    @cached_property
    def as_param(self) -> Expr:
        return leaf("param", self.name, row=self.per_class)


class Formula(Record):
    """One loss per sample.

    ``value`` is a number per sample (or, in a row formula, per row). ``class_factor`` is the weight that the loss
    itself gives to a sample's class; ``declare`` is a curvature given by the author: one expression per prediction,
    or what makes them of the formula when they are asked for, as few programs do.
    """

    kind: Literal["pointwise", "rowwise"]
    value: Expr
    target: Argument
    predictions: tuple[Argument, ...]
    extras: tuple[Argument, ...] = ()
    params: tuple[Argument, ...] = ()
    class_factor: Expr | None = None
    declare: tuple[Expr, ...] | Callable[[Formula], tuple[Expr, ...]] | None = None

    __eq__, __hash__ = object.__eq__, object.__hash__  # each is itself

    @cached_property
    def factors(self) -> tuple[float, ...]:
        """The numbers that multiply its value, or a term of it, as multiples and class weights do: no guards inside."""
        found, left, seen = [], [self.value], {self.value}
        while left:
            node = left.pop()
            inside = node.op in ("add", "sub", "mul", "neg")
            terms = node.args[1:] if node.op == "where" else node.args if inside else ()
            found += [term.data for term in terms if term.op == "const" and node.op == "mul"]
            left += set(terms) - seen
            seen.update(terms)
        return tuple(found)

    @cached_property
    def gradient(self) -> tuple[Expr, ...]:
        """d value / d prediction, one expression per named prediction."""
        return tuple(gradient(self.value, p.as_input) for p in self.predictions)

    @cached_property
    def hessian(self) -> tuple[Expr, ...]:
        """Second derivatives: of each prediction in itself (for a row, of each score in itself)."""
        pairs = zip(self.gradient, self.predictions, strict=True)
        return tuple(own_derivative(g, p.as_input) for g, p in pairs)

    @cached_property
    def products(self) -> tuple[Expr, ...]:
        """The full Hessian times a tangent: the input named "tangent of <prediction>" for each prediction."""
        found = []
        for g in self.gradient:
            total: Expr = ZERO
            for p in self.predictions:
                tangent = leaf("input", f"tangent of {p.name}", row=p.domain.row)
                total = total + directional(g, p.as_input, tangent)
            found.append(total)
        return tuple(found)

    @cached_property
    def declared(self) -> tuple[Expr, ...] | None:
        return self.declare(self) if callable(self.declare) else self.declare

    @cached_property
    def curvature(self) -> tuple[Expr, ...]:
        """A positive second-order weight that trains safely: declared, else derived (see curvature.py)."""
        from lossmith.formula.curvature import default_curvature, positive

        found = self.declared or tuple(
            default_curvature(self.value, g, h, self.target.as_input, p.as_input, WIDTH)
            for g, h, p in zip(self.gradient, self.hessian, self.predictions, strict=True)
        )
        return tuple(positive(curvature) for curvature in found)

    def output(self, name: Output) -> tuple[Expr, ...]:
        if name == "value":
            return (self.value,)
        if name == "class_factor":
            return () if self.class_factor is None else (self.class_factor,)
        found: tuple[Expr, ...] = getattr(self, name)
        return found

    def undefined_with(self, name: Output) -> tuple[str, ...]:
        """The arguments which may be any number and whose NaN makes every part of an output NaN by itself."""
        from lossmith.formula.undefined import hands_on_nan

        arguments = (self.target, *self.predictions, *self.extras)
        return tuple(
            a.name for a in arguments
            if a.domain.any_number and all(hands_on_nan(part, a.as_input) for part in self.output(name))
        )  # fmt: skip

    def replaced(self, replacement: dict[Expr, Expr], **changes: Any) -> Formula:
        """The formula with some nodes replaced, as when a prediction is sent through a link.

        A declared curvature belongs to the old predictions and is dropped unless given anew.
        """
        (value,) = substitute((self.value,), replacement)
        return replace(self, **{"value": value, "declare": None} | changes)

    @property
    def latex(self) -> str:
        from lossmith.formula.text import to_latex

        return to_latex(self.value)

    def __str__(self) -> str:
        from lossmith.formula.text import to_text

        names = ", ".join([self.target.name, *(p.name for p in self.predictions)])
        return f"({names}) -> {to_text(self.value)}"

    def numbers(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What each of its parameters is: of `thresholds` it may take the numbers one by one, as thresholds_0 ..."""
        return {p.name: _number(params, p.name) for p in self.params}

    def used_params(self) -> set[str]:
        roots = (self.value, *(self.declared or ()), *((self.class_factor,) if self.class_factor is not None else ()))
        return {node.data for node in walk(roots) if node.op == "param"}


def _number(params: Mapping[str, Any], name: str) -> Any:
    """None where there is none."""
    vector, _, place = name.rpartition("_")
    if name in params or not place.isdecimal():
        return params.get(name)
    numbers = params.get(vector)
    return numbers[int(place)] if isinstance(numbers, tuple) and int(place) < len(numbers) else None
