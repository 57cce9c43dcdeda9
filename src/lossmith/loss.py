"""Loss: what users hold. One formula per kind of target, its parameters, its link, its labels."""

from __future__ import annotations

import importlib
import importlib.util
import math
import pkgutil
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NoReturn, Self

from lossmith.compute import Call, check_out, check_pair, differentiable
from lossmith.direct import served
from lossmith.engine.choice import machine_code
from lossmith.engine.denormals import denormals
from lossmith.engine.reduce import Total
from lossmith.formula.model import Formula
from lossmith.formula.recipe import Recipe
from lossmith.lazy import cached_property
from lossmith.links import AnyLink, check_link, get_link, level_link
from lossmith.parameters import checked_labels, checked_parameters
from lossmith.plans import TOTAL, readable

_VALUE, _BOTH, _NEWTON = ("value",), ("value", "gradient"), ("gradient", "curvature")
_FIELDS = ("name", "formulas", "params", "link", "labels", "recipe", "claim", "doc", "source")


class Loss:
    """A loss function with chosen parameters.

    Called as ``loss(y_true, y_pred)``; y_pred holds raw scores. Immutable, hashable, picklable. ``weight`` and
    ``where`` have the shape of the per-sample loss; weight 0 and where False remove a sample. All methods take further
    named per-sample inputs of the formula (such as ``exposure=``) as keywords.
    """

    name: str
    """What the loss is called; of one made of others, how it is made."""
    formulas: Mapping[str, Formula]  # by kind of target
    params: Mapping[str, Any]
    """The parameters by name, defaults included."""
    link: AnyLink
    """``link(mean)`` is the raw score, ``link.inverse(score)`` what the user reads: a probability, a mean."""
    labels: tuple[Any, ...] | None
    """The labels of the classes in their order; None for 0 and 1, or class ids."""
    recipe: Recipe | None  # None for composed losses
    claim: str | None  # what the author says the loss elicits
    doc: str
    """The sentences about the loss."""
    source: str
    """Where the loss was published."""
    plans: dict[Any, Any]  # how calls were served before, by what they looked like
    roads: dict[Any, Any]  # functions in machine code for ordinary ones, and for less than how many numbers
    wide: bool  # y_pred has a last axis of its own

    def __init__(
        self, name: str, formulas: Mapping[str, Formula], params: Mapping[str, Any], link: AnyLink,
        labels: tuple[Any, ...] | None = None, recipe: Recipe | None = None, claim: str | None = None,
        doc: str = "", source: str = "",
    ) -> None:  # fmt: skip
        frozen = MappingProxyType(dict(formulas)), MappingProxyType(dict(params))
        values = (name, *frozen, link, labels, recipe, claim, doc, source)
        for field, value in zip(_FIELDS, values, strict=True):
            object.__setattr__(self, field, value)
        object.__setattr__(self, "plans", {})
        object.__setattr__(self, "roads", {})
        object.__setattr__(self, "wide", self.outputs != 1)

    @staticmethod
    def from_recipe(recipe: Recipe, labels: tuple[Any, ...] | None = None, **given: Any) -> Loss:
        """A loss of the catalogue, or of a user's decorated function, with these parameters.

        One object stands for all that are alike and have no labels: what was found out about it need not be again.
        """
        params = checked_parameters(recipe, given)
        loss = _made(recipe, len(recipe.variants), tuple(params.items()), machine_code())
        return loss if labels is None else loss.replaced(labels=checked_labels(loss, labels))

    def replaced(self, **changes: Any) -> Loss:
        """A copy with some fields changed."""
        return Loss(**({name: getattr(self, name) for name in _FIELDS} | changes))

    # values and derivatives -------------------------------------------------------------------------------------------

    def __call__(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None, reduction: str = "mean",
                 validate: bool | None = None, **extras: Any) -> Any:  # fmt: skip
        """The loss: sum(weight * loss) / sum(weight) for "mean"; also "sum", "none" (per sample), "weighted_mean".

        y_true and y_pred have equal shapes (row losses: y_pred has a last axis of K classes; several predictions: a
        last axis of those). Returns a float or array. Raises ValueError for what is outside a domain, naming argument,
        index and value.
        """
        found = served(self, _VALUE, reduction, y_true, y_pred, weight, where, None, extras)
        if found is not None:
            return found[0]
        adapter = differentiable(self, y_pred)
        if adapter is not None:
            return adapter.value(
                self, y_true, y_pred, reduction, weight=weight, where=where, validate=validate, **extras
            )
        return self._value(y_true, y_pred, reduction, weight=weight, where=where, validate=validate, **extras)

    def _value(
        self, y_true: Any, y_pred: Any, reduction: str, *, weight: Any, where: Any, validate: bool | None, **extras: Any
    ) -> Any:
        with denormals():
            call = Call(self, y_true, y_pred, weight, where, extras, validate)
            return call.value(call.outputs("value")[0], reduction)

    def gradient(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None, reduction: str = "mean",
                 out: Any = None, validate: bool | None = None, **extras: Any) -> Any:  # fmt: skip
        """d(reduced loss)/d(y_pred), of y_pred's shape and dtype; "none": each sample's own, times its weight.

        At a kink the derivative is that of the branch the formula chose. ``out`` (any float dtype) receives the result.
        """
        return self._derivative("gradient", y_true, y_pred, weight, where, reduction, out, validate, extras)

    def hessian(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None, reduction: str = "none",
                out: Any = None, validate: bool | None = None, **extras: Any) -> Any:  # fmt: skip
        """Exact second derivative of each prediction (the diagonal, for K scores); may be zero or negative."""
        return self._derivative("hessian", y_true, y_pred, weight, where, reduction, out, validate, extras)

    def curvature(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None, reduction: str = "none",
                  out: Any = None, validate: bool | None = None, width: float = 1.0, **extras: Any) -> Any:  # fmt: skip
        """A positive second-order weight that trains safely where the Hessian would not (Newton steps, boosting).

        ``width`` is the smoothing unit of losses with kinks, in units of the prediction: the size of a residual that no
        longer matters.
        """
        width = _checked_width(self, width)
        return self._derivative("curvature", y_true, y_pred, weight, where, reduction, out, validate, extras, width)

    def _derivative(self, which: Any, y_true: Any, y_pred: Any, weight: Any, where: Any, reduction: str, out: Any,
                    validate: bool | None, extras: dict[str, Any], width: float = 1.0) -> Any:  # fmt: skip
        found = served(self, (which,), reduction, y_true, y_pred, weight, where, out, extras, width)
        if found is not None:
            return found[0]
        check_out(self, out, y_pred, y_true, y_pred, weight, where, *extras.values())
        with denormals():
            call = Call(self, y_true, y_pred, weight, where, extras, validate, width)
            return call.derivative(call.outputs(which)[0], reduction, out)

    def value_and_gradient(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None,
                           reduction: str = "mean", out: Any = None, validate: bool | None = None,
                           **extras: Any) -> tuple[Any, Any]:  # fmt: skip
        """(loss, gradient) in one pass."""
        found = served(self, _BOTH, reduction, y_true, y_pred, weight, where, out, extras)
        if found is not None:
            return found[0], found[1]
        check_out(self, out, y_pred, y_true, y_pred, weight, where, *extras.values())
        with denormals():
            call = Call(self, y_true, y_pred, weight, where, extras, validate)
            values, gradients = call.outputs("value", "gradient")
            return call.value(values, reduction), call.derivative(gradients, reduction, out)

    def gradient_and_curvature(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None,
                               reduction: str = "none", out: tuple[Any, Any] | None = None,
                               validate: bool | None = None, width: float = 1.0,
                               **extras: Any) -> tuple[Any, Any]:  # fmt: skip
        """(gradient, curvature) in one pass: what boosters want. ``out``, two arrays of one dtype, receives them."""
        width, given = _checked_width(self, width), (y_true, y_pred, weight, where, *extras.values())
        check_pair(self, out)
        found = served(self, _NEWTON, reduction, y_true, y_pred, weight, where, out, extras, width)
        if found is not None:
            return found[0], found[1]
        places = out or (None, None)
        for place, other in zip(places, reversed(places), strict=True):
            check_out(self, place, y_pred, other, *given)
        with denormals():
            call = Call(self, y_true, y_pred, weight, where, extras, validate, width)
            first, second = call.outputs("gradient", "curvature")
            return call.derivative(first, reduction, places[0]), call.derivative(second, reduction, places[1])

    def total(self, y_true: Any, y_pred: Any, *, weight: Any = None, where: Any = None, validate: bool | None = None,
              **extras: Any) -> Total:  # fmt: skip
        """Sum of weight * loss and sum of weights: totals of batches, partitions or machines add up."""
        found = served(self, _VALUE, TOTAL, y_true, y_pred, weight, where, None, extras)
        if found is not None:
            return found[0]  # type: ignore[no-any-return]
        with denormals():
            return Call(self, y_true, y_pred, weight, where, extras, validate).total()

    def best_constant(self, y_true: Any, weight: Any = None, **extras: Any) -> Any:
        """The constant raw score of smallest mean loss, the midpoint where there are many; infinite where the truth is.

        A float; an array for several predictions or a row of scores (the finite of which then sum to 0). ``weight`` and
        extras have the shape of the per-sample loss. Raises ValueError where there is nothing to average, and what a
        call would raise for values outside a domain, naming argument, index and value.
        """
        from lossmith.constants import best_constant

        return best_constant(self, y_true, weight, extras)

    # what it is -------------------------------------------------------------------------------------------------------

    @property
    def formula(self) -> Formula:
        """The traced formula (of the first kind of target); its text is ``str(loss.formula)``."""
        return next(iter(self.formulas.values()))

    @cached_property
    def numbers(self) -> dict[str, Any]:
        """What each parameter of the formulas is: a number, or one per class."""
        return {name: x for f in self.formulas.values() for name, x in f.numbers(self.params).items()}

    @property
    def latex(self) -> str:
        """The formula in LaTeX."""
        return self.formula.latex

    @property
    def kind(self) -> str:
        """pointwise or rowwise."""
        return self.formula.kind

    @property
    def outputs(self) -> int | None:
        """Named predictions per sample; None for a row of scores."""
        return None if self.kind == "rowwise" else len(self.formula.predictions)

    @property
    def target_kind(self) -> str:
        """real, label, class id, level or row."""
        return self.formula.target.domain.kind

    @property
    def family(self) -> str:
        return self.recipe.family if self.recipe else ""

    @cached_property
    def numbered(self) -> Loss | None:
        """The same loss of the numbers of its labels, where no kernel can read those; else None."""
        plain = self.labels is None or readable(self.labels) or self.formula.target.domain.row
        return None if plain or self.params.get("ignore_index") is not None else self.replaced(labels=None)

    @cached_property
    def elicits(self) -> str | None:
        """What of y the best prediction is, on the natural scale: mean, median, quantile, expectile; else None."""
        from lossmith.constants import elicits

        return elicits(self, self.claim)

    @cached_property
    def kinked(self) -> bool:
        """Whether the gradient jumps somewhere, found by looking for the jump."""
        from lossmith.kinks import has_kink

        return has_kink(self)

    def plot(self, *, ax: Any = None, width: float = 3.0) -> Any:
        """Draw the loss and its gradient over the prediction; returns a matplotlib figure."""
        from lossmith.plotting import plot

        return plot(self, ax=ax, width=width)

    def explain_kernel(self, outputs: tuple[str, ...] = ("value", "gradient"), dtype: str = "float64",
                       classes: int | None = None) -> None:  # fmt: skip
        """Print the LLVM IR and the assembly that compute these outputs for arrays of this dtype.

        ``classes``, of a loss of rows, are as many as its labels or weights by default, or else ten. ValueError names
        an output or dtype that is none.
        """
        from lossmith.explain import explain_kernel

        print(explain_kernel(self, outputs, dtype, classes))

    def spec(self) -> dict[str, Any]:
        """Everything about this loss as JSON data, without any framework; ``lm.from_spec`` reads it back."""
        from lossmith.specs import to_spec

        return to_spec(self)

    # other losses made of it ------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Loss:
        from lossmith.algebra import added

        return added(self, other)

    def __radd__(self, other: Any) -> Loss:
        if isinstance(other, (int, float)) and other == 0:
            return self  # so that sum() works
        return NotImplemented

    def __mul__(self, factor: Any) -> Loss:
        from lossmith.algebra import scaled

        return scaled(self, factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: Any) -> Loss:
        from lossmith.algebra import scaled

        return scaled(self, 1.0 / divisor)

    def with_link(self, link: str | AnyLink) -> Loss:
        """The same loss of a prediction on another scale: ``squared_error().with_link("log")`` takes log-means.

        Of a loss that has a form for such scores, as ``from_logits=True``, it is that form.
        """
        from lossmith.algebra import linked

        return linked(self, get_link(link))

    def class_weighted(self, weights: Mapping[Any, float]) -> Loss:
        """The loss times a weight of the sample's class: ``loss.class_weighted({0: 1, 1: 9})``.

        A pandas Series is read by its index. Raises ValueError for a class without a weight and a weight of no class.
        """
        from lossmith.algebra import class_weighted

        return class_weighted(self, weights)

    def to(self, framework: str, **options: Any) -> Any:
        """This loss as a framework takes it, such as ``loss.to("torch")``; the options are the adapter's."""
        package = importlib.import_module("lossmith.adapters")
        files = [module.name for module in pkgutil.iter_modules(package.__path__)]
        adapter: Any = importlib.import_module(f"lossmith.adapters.{framework}") if framework in files else None
        if not hasattr(adapter, "adapt"):
            known = ", ".join(name for name in files if importlib.util.find_spec(name))
            raise ValueError(f"there is no adapter for {framework!r}; of what is installed, there is one for {known}")
        return adapter.adapt(self, **options)

    # identity ---------------------------------------------------------------------------------------------------------

    @cached_property
    def _identity(self) -> str:
        from lossmith.specs import identity

        return identity(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loss) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(f"a loss is immutable; make another one instead of setting {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a loss is immutable")

    def __copy__(self) -> Self:
        return self  # it never changes

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        from lossmith.specs import from_spec

        return from_spec, (self.spec(),)

    def __repr__(self) -> str:
        shown = {k: v for k, v in self.params.items() if not (self.recipe and self.recipe.parameters[k].default == v)}
        if self.labels is not None:
            shown["labels"] = self.labels
        given = f"({', '.join(f'{k}={v!r}' for k, v in shown.items())})"
        made_of_others = " " in self.name
        return (f"({self.name}){given}" if shown else self.name) if made_of_others else f"{self.name}{given}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def _repr_html_(self) -> str:
        from lossmith.plotting import to_html

        return to_html(self)


@lru_cache(maxsize=256)  # a search over a parameter makes many
def _made(recipe: Recipe, variants: int, parameters: tuple[tuple[str, Any], ...], machine_code: bool) -> Loss:
    """``variants`` and ``machine_code`` tell apart what is not the same any more."""
    params = dict(parameters)
    found = recipe.formulas(params)
    settings = next(iter(found.values()))[1]
    link = level_link(recipe.cuts(params)) if settings.link == "levels" else get_link(settings.link)
    formulas = {kind: formula for kind, (formula, _) in found.items()}
    for formula in formulas.values():
        check_link(recipe.name, link, formula)
    return Loss(recipe.name, formulas, params, link, None, recipe, settings.elicits, recipe.doc, recipe.source)


def _checked_width(loss: Loss, width: float) -> float:
    if not 0 < float(width) < math.inf:
        raise ValueError(f"{loss.name}: width must be a positive number, not {width!r}")
    return float(width)
