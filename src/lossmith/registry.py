"""Names: the catalogue read from ``lossmith.losses``, aliases, constructors. No list of losses exists but the files."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

import lossmith.losses
from lossmith.formula.recipe import Decorator, Recipe, read
from lossmith.formula.recipe import pointwise as _pointwise
from lossmith.formula.recipe import rowwise as _rowwise
from lossmith.loss import Loss
from lossmith.parameters import did_you_mean


class Constructor:
    """What makes a loss: ``huber(delta=1.345)``. Its signature and docstring are those of the formula."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.__name__ = self.__qualname__ = recipe.name
        self.__doc__ = recipe.doc + (f"\n\nSource: {recipe.source}" if recipe.source else "")
        self.__signature__ = _signature(recipe)

    def __call__(self, *values: Any, labels: Any = None, **params: Any) -> Loss:
        if values:
            name = self.__name__
            first = next((f"{parameter}=..." for parameter in self.recipe.parameters), "")
            raise TypeError(
                f"{name} takes its parameters by name, {name}({first}), and makes a loss, which takes targets and "
                f"predictions: {name}()(y_true, y_pred)"
            )
        return Loss.from_recipe(self.recipe, labels, **params)

    def variant(self, **settings: Any) -> Callable[[Callable[..., Any]], Constructor]:
        """Another formula of the same loss, for rows instead of class ids or for ``option=value``."""

        def decorate(function: Callable[..., Any]) -> Constructor:
            read(function)  # its signature: a variant that cannot be read is not kept
            self.recipe.variant(**settings)(function)
            self.__signature__ = _signature(self.recipe)
            return self

        return decorate

    def __repr__(self) -> str:
        return f"<loss {self.__name__}{self.__signature__}>"


def _signature(recipe: Recipe) -> inspect.Signature:
    found = [
        inspect.Parameter(
            p.name, inspect.Parameter.KEYWORD_ONLY, default=inspect.Parameter.empty if p.required else p.default
        )
        for p in recipe.parameters.values()
    ]
    return inspect.Signature([*found, inspect.Parameter("labels", inspect.Parameter.KEYWORD_ONLY, default=None)])


def _decorated(kind: Callable[..., Decorator], function: Callable[..., Any] | None, settings: dict[str, Any]) -> Any:
    """With or without brackets: ``@pointwise`` and ``@pointwise(source=...)``."""
    decorate = kind(**settings)
    return Constructor(decorate(function)) if function is not None else lambda f: Constructor(decorate(f))


def pointwise(function: Callable[..., Any] | None = None, **settings: Any) -> Any:
    """Make a loss of a formula of numbers per sample.

    ``f(target, prediction, ..., *, hyper-parameters)``, annotated with domains of ``lossmith.formula``. Settings:
    ``source``, ``aliases``, ``link``, ``elicits``, ``curvature``, ``class_factor``. Raises FormulaError, here or when
    the loss is made, for what the language does not know; ValueError for a link of other predictions.
    """
    return _decorated(_pointwise, function, settings)


def rowwise(function: Callable[..., Any] | None = None, **settings: Any) -> Any:
    """Make a loss of a formula of a row of K scores per sample; see ``pointwise``."""
    return _decorated(_rowwise, function, settings)


@cache
def catalogue() -> dict[str, Recipe]:
    """Every loss by name, in the order of files and of each file."""
    found: dict[str, Recipe] = {}
    taken: set[str] = set()
    for module_info in sorted(pkgutil.iter_modules(lossmith.losses.__path__), key=lambda m: m.name):
        module = importlib.import_module(f"lossmith.losses.{module_info.name}")
        for recipe in vars(module).values():
            if isinstance(recipe, Recipe) and recipe.family == module_info.name:
                for name in (recipe.name, *recipe.aliases):
                    if name in taken:
                        raise ValueError(f"two losses are called {name!r}")
                    taken.add(name)
                found[recipe.name] = recipe
    return found


@cache
def _by_any_name() -> dict[str, Recipe]:
    return {name: recipe for recipe in catalogue().values() for name in (recipe.name, *recipe.aliases)}


def constructor(name: str) -> Constructor:
    """The constructor of a catalogue loss, by name or alias; KeyError where there is none."""
    return Constructor(_by_any_name()[name])


def get(name: str, **params: Any) -> Loss:
    """A loss by name or alias: ``get("huber", delta=1.345)``, ``get("mse")``; asked for again, the same object."""
    key = str(name).lower().replace("-", "_").replace(" ", "_")
    if key not in _by_any_name():
        raise ValueError(f"there is no loss called {name!r}{did_you_mean(key, _by_any_name())} (lm.names() lists all)")
    return constructor(key)(**params)


def names(family: str | None = None) -> list[str]:
    """The names of all losses, or of one family (the file they are written in)."""
    recipes = catalogue().values()
    families = sorted({recipe.family for recipe in recipes})
    if family is not None and family not in families:
        raise ValueError(f"there is no family {family!r}; families are {', '.join(families)}")
    return [recipe.name for recipe in recipes if family in (None, recipe.family)]


def describe() -> list[dict[str, Any]]:
    """What there is to say of every loss, one dictionary each: the data of docs and lists."""
    return [
        {
            "name": recipe.name,
            "family": recipe.family,
            "aliases": list(recipe.aliases),
            "sentence": recipe.doc.partition("\n\n")[0],
            "source": recipe.source,
            "parameters": {p.name: p.default for p in recipe.parameters.values()},
            "target": loss.formula.target.domain.describe(),
            "elicits": loss.elicits,
            "link": loss.link.name,
            "formula": str(loss.formula),
            "latex": loss.latex,
        }
        for recipe in catalogue().values()
        for loss in [get(recipe.name)]
    ]
