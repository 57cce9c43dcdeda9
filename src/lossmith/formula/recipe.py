"""From a plain Python function to formulas: the decorators ``pointwise`` and ``rowwise``.

The function is traced, not run on data: annotations are the domains of its arguments, keyword-only arguments are its
hyper-parameters, the docstring is its sentence in the docs. A parameter that is a switch (a bool, a Literal, or an
optional one left at None) is decided when tracing, every other stays a symbol.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

from lossmith.formula.data import RESERVED, TAKEN, check
from lossmith.formula.domains import CutsMark, Domain, PerClassMark, PerSampleMark
from lossmith.formula.expr import Expr, FormulaError, as_expr
from lossmith.formula.model import WIDTH, Argument, Formula
from lossmith.lazy import cached_property
from lossmith.record import Record, replace

Function = Callable[..., Any]
_ELSEWHERE = "every loss takes an argument of that name, so a formula cannot"
LEVELS = (-1.0, 1.0)
"""What parts the levels of a target where nothing is said: levels 0, 1 and 2."""


class OffAtZeroMark(Record):
    """Marks a parameter whose 0 removes it from the formula; the function then receives None."""


class IgnoredLabelMark(Record):
    """Marks the parameter that names a label whose rows are left out. It is never part of the formula."""


T = typing.TypeVar("T")
OffAtZero = Annotated[T, OffAtZeroMark()]
IgnoredLabel = Annotated[Any, IgnoredLabelMark()]


class Parameter(Record):
    """A keyword argument of a loss's constructor: its default, and what it may be."""

    name: str
    default: Any
    domain: Domain | None = None  # None for switches
    choices: tuple[Any, ...] = ()  # of a switch
    per_class: bool = False
    per_sample: bool = False
    cuts: bool = False  # increasing numbers that part the levels of the target
    optional: bool = False  # None is allowed, and is a switch
    off_at_zero: bool = False
    ignored_label: bool = False
    required: bool = False  # it has no default

    def describe(self) -> str:
        """What docs say that it may be."""
        if self.cuts:
            return "numbers in increasing order"
        if self.ignored_label:
            return "a label whose rows are left out"
        if self.domain is None:
            return " or ".join(map(repr, self.choices))
        return f"{'per class, ' if self.per_class else ''}{self.domain.describe(finite=True)}"

    def decided(self, value: Any) -> Any:
        """What of a value is known when tracing: a switch, or that a parameter is off."""
        if self.domain is None:
            return None if self.ignored_label else value
        if self.cuts:
            return None if value is None else len(value)
        return value is None or (self.off_at_zero and value == 0)


class Variant(Record):
    """One formula of a loss, for some kinds of target and prediction."""

    function: Function
    options: Mapping[str, bool]
    settings: Settings

    @cached_property
    def _arguments(self) -> tuple[tuple[Argument, ...], tuple[Parameter, ...]]:
        return read(self.function)  # when first asked for: of all the catalogue a program uses one loss or two

    @property
    def target(self) -> Argument:
        return self._arguments[0][0]

    @property
    def predictions(self) -> tuple[Argument, ...]:
        return self._arguments[0][1:]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self._arguments[1]

    @cached_property
    def _traced(self) -> dict[tuple[Any, ...], Formula]:
        return {}

    def formula(self, kind: Literal["pointwise", "rowwise"], values: Mapping[str, Any]) -> Formula:
        """The traced formula: once for each setting of the switches."""
        switches = tuple(p.decided(values.get(p.name, p.default)) for p in self.parameters)
        if switches not in self._traced:
            self._traced[switches] = trace(self, kind, values)
        return self._traced[switches]


class Settings(Record):
    """What cannot be derived from the formula and so is declared beside it.

    ``link`` names how a raw score becomes what the user reads (one per prediction, or one for all), ``elicits`` the
    property of y that minimises the expected loss, ``curvature`` and ``class_factor`` are functions of any of the
    formula's arguments and of ``width`` (curvature also of ``gradient`` and ``hessian``, each a tuple where there are
    several predictions, of which it then gives one each). Raises FormulaError for what is none of these.
    """

    link: str | tuple[str, ...] = "identity"
    elicits: str | None = None
    curvature: Function | None = None
    class_factor: Function | None = None

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        check_claim(self.elicits)
        for name in ("curvature", "class_factor"):
            if not (getattr(self, name) is None or callable(getattr(self, name))):
                raise FormulaError(f"{name} is a function of the formula's arguments, not {getattr(self, name)!r:.80}")


def check_claim(elicits: Any) -> None:
    """Raises FormulaError for what no loss can be said to elicit."""
    if elicits not in (None, "mean", "median", "quantile", "expectile"):
        raise FormulaError(f"elicits must be mean, median, quantile or expectile, not {elicits!r:.80}")


def _unpack(annotation: Any, where_: str) -> tuple[Any, tuple[Any, ...], bool]:
    """(base type, metadata, optional) of an annotation."""
    optional = False
    if get_origin(annotation) in (typing.Union, type(int | None)):
        kept = [a for a in get_args(annotation) if a is not type(None)]
        if len(kept) != 1:
            raise FormulaError(f"{where_}: only `Domain | None` is a union the language knows")
        annotation, optional = kept[0], True
    metadata: tuple[Any, ...] = ()
    while get_origin(annotation) is Annotated:
        metadata += annotation.__metadata__
        annotation = get_args(annotation)[0]
    return annotation, metadata, optional


def _domain(metadata: tuple[Any, ...], where_: str, annotation: Any) -> Domain:
    for item in metadata:
        if isinstance(item, Domain):
            return item
    raise FormulaError(
        f"{where_} has the annotation {annotation!r}, which is no domain of the language: "
        "use Real, Positive, NonNegative, UnitInterval, Label, ClassId, Scores, Distribution ... of lossmith.formula"
    )


def _parameter(p: inspect.Parameter, where_: str) -> Parameter:
    base, metadata, optional = _unpack(p.annotation, where_)
    default = None if p.default is p.empty else p.default
    if any(isinstance(m, IgnoredLabelMark) for m in metadata):
        return Parameter(p.name, default, ignored_label=True, optional=True)
    if base is bool or get_origin(base) is Literal:
        return Parameter(p.name, default, choices=(True, False) if base is bool else get_args(base))
    marks = (PerClassMark, PerSampleMark, OffAtZeroMark, CutsMark)
    has = {mark: any(isinstance(m, mark) for m in metadata) for mark in marks}
    domain = _domain(metadata, where_, p.annotation)
    if has[PerSampleMark] and p.name in TAKEN:
        raise FormulaError(f"{where_}: {_ELSEWHERE}")
    if has[PerSampleMark] and (optional or p.default is not p.empty):
        raise FormulaError(f"{where_}: a per-sample input has no default and is never None: every call passes it")
    return Parameter(
        p.name, default, domain, required=p.default is p.empty and not has[PerSampleMark],
        per_class=has[PerClassMark], per_sample=has[PerSampleMark], optional=optional, off_at_zero=has[OffAtZeroMark],
        cuts=has[CutsMark],
    )  # fmt: skip


def _name(function: Function) -> str:
    return getattr(function, "__name__", "the formula")


def read(function: Function) -> tuple[tuple[Argument, ...], tuple[Parameter, ...]]:
    """Target and predictions, and the parameters, of a formula."""
    name = _name(function)
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise FormulaError(f"{name}: an annotation is not defined: {error}") from None
    arguments: list[Argument] = []
    parameters: list[Parameter] = []
    for p in signature.parameters.values():
        where_ = f"argument {p.name!r} of {name}"
        if p.name in RESERVED:
            raise FormulaError(f"{where_}: {_ELSEWHERE}")
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise FormulaError(f"{where_}: a formula names all its arguments")
        if p.kind is p.KEYWORD_ONLY:
            parameters.append(_parameter(p, where_))
        elif p.default is not p.empty:
            raise FormulaError(
                f"{where_} has a default value: parameters of the loss stand after a `*` in the signature"
            )
        elif p.annotation is p.empty:
            raise FormulaError(
                f"{where_} needs a domain as its annotation, such as Real, Positive or ClassId of lossmith.formula"
            )
        else:
            arguments.append(Argument(p.name, _domain(_unpack(p.annotation, where_)[1], where_, p.annotation)))
    if len(arguments) < 2:
        raise FormulaError(f"{name}: a loss takes the target and at least one prediction, as (y, f)")
    return tuple(arguments), tuple(parameters)


class Recipe(Record):
    """A loss of the catalogue (or of a user) before its parameters are chosen: formulas and what is said of them."""

    name: str
    kind: Literal["pointwise", "rowwise"]
    doc: str
    source: str
    aliases: tuple[str, ...]
    family: str
    variants: list[Variant]

    __eq__, __hash__ = object.__eq__, object.__hash__  # each is itself

    def variant(self, *, link: str | tuple[str, ...] | None = None, elicits: str | None = None,
                curvature: Function | None = None, class_factor: Function | None = None,
                **options: bool) -> Callable[[Function], Function]:  # fmt: skip
        """Another formula of the same loss: for rows instead of class ids, or for an option (``from_logits=False``)."""
        first = self.variants[0].settings

        def decorate(function: Function) -> Function:
            settings = Settings(
                first.link if link is None else link,
                elicits or first.elicits,
                curvature,
                class_factor or first.class_factor,
            )
            self.variants.append(Variant(function, options, settings))
            return function

        return decorate

    @property
    def option_defaults(self) -> dict[str, bool]:
        """Options that choose a variant; the first formula is the default."""
        first = dict(self.variants[0].options)
        return {name: first.get(name, not value) for v in self.variants for name, value in v.options.items()}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """Everything the constructor takes, in the order of the signature."""
        found: dict[str, Parameter] = {}
        for variant in self.variants:
            for parameter in variant.parameters:
                if not parameter.per_sample:
                    found.setdefault(parameter.name, parameter)
        options = {name: Parameter(name, value, choices=(True, False)) for name, value in self.option_defaults.items()}
        return options | found

    def chosen(self, values: Mapping[str, Any]) -> list[Variant]:
        """The variants that the options select: one per kind of target."""
        options = self.option_defaults | {name: values[name] for name in self.option_defaults if name in values}
        found = [
            v
            for v in self.variants
            if all(v.options.get(n, self.option_defaults[n]) == value for n, value in options.items())
        ]
        if not found:
            asked = " together with ".join(f"{n}={value}" for n, value in options.items())
            raise ValueError(f"{self.name} has no formula for {asked}: change one of these options")
        return found

    def cuts(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        """The numbers that part the levels of the target; none where it has no levels."""
        return next((values[p.name] or LEVELS for p in self.parameters.values() if p.cuts), ())

    def formulas(self, values: Mapping[str, Any]) -> dict[str, tuple[Formula, Settings]]:
        """Kind of target -> traced formula, for these parameter values."""
        return {v.target.domain.kind: (v.formula(self.kind, values), v.settings) for v in self.chosen(values)}


def trace(variant: Variant, kind: Literal["pointwise", "rowwise"], values: Mapping[str, Any]) -> Formula:
    """Run the function once on symbols."""
    symbols: dict[str, Any] = {}
    extras: list[Argument] = []
    params: list[Argument] = []
    target = variant.target
    for parameter in variant.parameters:
        value = values.get(parameter.name, parameter.default)
        if parameter.domain is None:
            symbols[parameter.name] = parameter.decided(value)
        elif parameter.per_sample:
            extras.append(Argument(parameter.name, parameter.domain))
            symbols[parameter.name] = extras[-1].as_input
        elif parameter.cuts:
            cuts = _cuts(parameter, value)
            params += cuts
            symbols[parameter.name] = tuple(a.as_param for a in cuts) or tuple(map(as_expr, LEVELS))
            last = float(len(symbols[parameter.name]))
            target = replace(target, domain=replace(target.domain, high=last))
        elif parameter.decided(value):
            symbols[parameter.name] = None
        else:
            params.append(Argument(parameter.name, parameter.domain, parameter.per_class))
            symbols[parameter.name] = params[-1].as_param
    inputs = {a.name: a.as_input for a in (variant.target, *variant.predictions)}
    value_ = as_expr(variant.function(*inputs.values(), **symbols))
    everything = symbols | inputs | {"width": WIDTH}
    factor, curvature = _called(variant, "class_factor", everything), variant.settings.curvature

    def declared(formula: Formula) -> tuple[Expr, ...]:
        derived = {"hessian": formula.hessian, "gradient": formula.gradient}
        one = len(formula.predictions) == 1
        given = _called(variant, "curvature", everything | {n: d[0] if one else d for n, d in derived.items()})
        found = tuple(map(as_expr, given if isinstance(given, tuple) else (given,)))
        check(replace(formula, declare=found))
        for part in found:
            if part.op == "const" and not part.data > 0:
                raise FormulaError(f"{_name(variant.function)}: curvature must be positive, not {part.data:g}")
        return found

    formula = Formula(
        kind=kind, value=value_, target=target, predictions=variant.predictions, extras=tuple(extras),
        params=tuple(params), class_factor=None if factor is None else as_expr(factor),
        declare=None if curvature is None else declared,
    )  # fmt: skip
    check(formula)
    return formula


def _cuts(parameter: Parameter, value: tuple[float, ...] | None) -> list[Argument]:
    """A parameter for each of them: so a loss of levels is one of plain numbers, whoever computes it.

    Up to a score of levels, comparing with each is also faster than fetching the number of one.
    """
    assert parameter.domain is not None
    return [Argument(f"{parameter.name}_{i}", parameter.domain) for i in range(len(value or ()))]


def _called(variant: Variant, declaration: str, known: Mapping[str, Any]) -> Any:
    """Call a declaration with the arguments it names."""
    function = getattr(variant.settings, declaration)
    if function is None:
        return None
    names = inspect.signature(function).parameters
    for name in names:
        if name not in known:
            raise FormulaError(
                f"{_name(variant.function)}: {declaration} asks for {name!r}, but may ask for {', '.join(known)} only"
            )
    return function(**{name: known[name] for name in names})


Decorator = Callable[[Function], Recipe]


def _decorator(
    kind: Literal["pointwise", "rowwise"], source: str, aliases: tuple[str, ...], settings: dict[str, Any]
) -> Decorator:
    def decorate(function: Function) -> Recipe:
        if not hasattr(function, "__name__") or not callable(function):
            what = type(function).__name__
            raise FormulaError(f"{kind} decorates a function, after which the loss is called, not {what}: write a def")
        family = (getattr(function, "__module__", None) or "").rpartition(".")[2]
        first = Variant(function, {}, Settings(**settings))
        return Recipe(function.__name__, kind, inspect.getdoc(function) or "", source, aliases, family, [first])

    return decorate


def pointwise(*, source: str = "", aliases: tuple[str, ...] = (), **settings: Any) -> Decorator:
    """A loss of numbers per sample: f(target, prediction, ..., *, hyper-parameters). See Settings for the rest."""
    return _decorator("pointwise", source, aliases, settings)


def rowwise(*, source: str = "", aliases: tuple[str, ...] = (), **settings: Any) -> Decorator:
    """A loss of a row of K scores per sample, classes on the last axis. See Settings for the rest."""
    return _decorator("rowwise", source, aliases, settings)
