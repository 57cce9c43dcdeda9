"""Constructor arguments of a loss: known names, legal values, one canonical form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.formula.model import Argument, Formula
from lossmith.formula.recipe import Parameter, Recipe

if TYPE_CHECKING:
    from lossmith.loss import Loss


def did_you_mean(name: str, known: Any) -> str:
    import difflib  # where a name was wrong

    near = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def checked_parameters(recipe: Recipe, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of the recipe, in its order; ValueError names the one that is outside its domain."""
    known = recipe.parameters
    for name in given:
        if name not in known:
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            raise TypeError(f"{recipe.name} has no parameter {name!r} ({takes}){did_you_mean(name, known)}")
    for name, p in known.items():
        if p.required and name not in given:
            raise TypeError(f"{recipe.name} needs {name}=, which has no default")
    values = {name: _checked(recipe.name, p, given.get(name, p.default)) for name, p in known.items()}
    used = {p.name for v in recipe.chosen(values) for p in v.parameters} | set(recipe.option_defaults)
    for name, value in values.items():
        if name not in used and value != known[name].default:
            raise ValueError(f"{recipe.name}: {name} has no meaning together with these options")
    return values


def with_parameters(loss: Loss, given: Mapping[str, Any]) -> Loss:
    """The same loss with other parameters: any, where its recipe is known; else, as of a multiple or of one that was
    read back, the numbers of its formulas. TypeError names what is no parameter or settled in the formulas."""
    if loss.recipe is not None:
        return type(loss).from_recipe(loss.recipe, loss.labels, **{**loss.params, **given})
    numbers = {p.name: p for formula in loss.formulas.values() for p in formula.params if p.name in loss.params}
    known = {} if loss.target_kind == "level" else numbers  # those that part levels are also told by the link
    for name in given:
        if name not in known:
            takes = f"it has {', '.join(known)}" if known else "it has none"
            raise TypeError(
                f"{loss.name} has no parameter {name!r} that can be set ({takes}){did_you_mean(name, known)}: a loss "
                "made of others, or read back, keeps all else as it is; make another one"
            )
    changed = {
        name: _vector(loss.name, known[name], value, "one number per class")
        if known[name].per_class
        else number(f"{loss.name}: {name}", value, known[name])
        for name, value in given.items()
    }
    return loss.replaced(params={**loss.params, **changed})


def stored(loss: Loss, name: str, value: float, dtype: Any) -> float:
    """A parameter as numbers of this dtype hold it; raises ValueError where they hold 0 or infinity instead."""
    with np.errstate(all="ignore"):
        found = float(np.dtype(dtype).type(value))
    if (found == 0) != (value == 0) or math.isinf(found) != math.isinf(value):
        raise ValueError(f"{loss.name}: {name} = {value!r} would be {found} in {np.dtype(dtype)}: pass float64 arrays")
    return found


def check_factors(loss: Loss, formula: Formula, dtype: Any) -> None:
    """The same of the factors that the formula itself holds."""
    for value in formula.factors:
        stored(loss, "a factor", value, dtype)


def stored_vector(loss: Loss, name: str, dtype: Any) -> np.ndarray[Any, Any]:
    """The same of a parameter with a number for each class."""
    return np.array([stored(loss, f"{name}[{k}]", x, dtype) for k, x in enumerate(loss.numbers[name])], dtype)


def _checked(loss: str, p: Parameter, value: Any) -> Any:
    if p.ignored_label:
        return _ignored_label(loss, p, value)
    if p.domain is None:
        if not any(value is choice or (isinstance(value, type(choice)) and value == choice) for choice in p.choices):
            raise ValueError(f"{loss}: {p.name} must be one of {', '.join(map(repr, p.choices))}, not {value!r}")
        return value
    if value is None and (p.optional or p.cuts):
        return None
    if p.cuts:
        return _increasing(loss, p, _vector(loss, p, value, "numbers in increasing order"))
    if p.per_class:
        return _vector(loss, p, value, "one number per class")
    return number(f"{loss}: {p.name}", value, p)


def _ignored_label(loss: str, p: Parameter, value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{loss}: {p.name} must be a whole number or None, not {value!r}")
    return int(value)


def by_class(weights: Any) -> Any:
    """A pandas Series as the dictionary that its index makes of it: there its classes stand, in any order."""
    if not (hasattr(weights, "iloc") and getattr(weights, "ndim", 0) == 1 and hasattr(weights, "items")):
        return weights
    found = dict(weights.items())
    if len(found) != len(weights):
        twice = weights.index[weights.index.duplicated()].tolist()[0]
        raise ValueError(f"a number per class: the index of the Series names the class {twice!r} more than once")
    return found


def _vector(loss: str, p: Parameter | Argument, value: Any, what: str) -> tuple[float, ...]:
    value = by_class(value) if p.per_class else value
    if isinstance(value, Mapping):  # {0: 1.0, 1: 9.0}
        missing = [i for i in range(len(value)) if i not in value]
        if missing:
            raise ValueError(
                f"{loss}: {p.name} must name the classes 0 to {len(value) - 1}, but {missing[0]} is missing; of "
                "classes with other names, pass a list in their order"
            )
        value = [value[i] for i in range(len(value))]
    try:
        items = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        items = np.zeros((0, 0))
    if items.ndim != 1 or not len(items):
        raise ValueError(f"{loss}: {p.name} must be {what}, not {value!r}")
    return tuple(number(f"{loss}: {p.name}[{i}]", item, p) for i, item in enumerate(items.tolist()))


def _increasing(loss: str, p: Parameter, numbers: tuple[float, ...]) -> tuple[float, ...]:
    for i in range(1, len(numbers)):
        if not numbers[i - 1] < numbers[i]:
            raise ValueError(
                f"{loss}: {p.name}[{i}] must be above {p.name}[{i - 1}] = {numbers[i - 1]!r}, not {numbers[i]!r}"
            )
    return numbers


def number(what: str, value: Any, p: Parameter | Argument) -> float:
    """A finite number inside the parameter's domain."""
    assert p.domain is not None
    try:
        result = float(value) if not isinstance(value, (str, bytes)) else math.nan
    except (TypeError, ValueError, OverflowError):
        result = math.nan
    if not (math.isfinite(result) and p.domain.contains(result)):
        raise ValueError(f"{what} must be {p.domain.describe(finite=True)}, not {value!r}")
    return result


def checked_labels(loss: Loss, labels: Any) -> tuple[Any, ...]:
    """The labels in class order: for a two-valued target (negative, positive)."""
    kinds = {f.target.domain.kind for f in loss.formulas.values()}
    binary = kinds == {"label"} or _is_unit(loss)
    if not (binary or kinds & {"class id", "level"}):
        raise ValueError(f"{loss.name} has no class labels: its target is {loss.formula.target.domain.describe()}")
    if isinstance(labels, (str, Set)):
        raise ValueError(f"{loss.name}: labels must list the labels in class order, not {labels!r}")
    try:
        found = tuple(x.item() if isinstance(x, np.generic) else x for x in labels)
    except TypeError:
        raise ValueError(f"{loss.name}: labels must list the labels in class order, not {labels!r}") from None
    if len(set(found)) != len(found) or len(found) < 2 or (binary and len(found) != 2):
        raise ValueError(
            f"{loss.name}: labels must be {'two' if binary else 'at least two'} different values, not {labels!r}"
        )
    levels = loss.formula.target.domain.high + 1
    if loss.target_kind == "level" and loss.formula.params and len(found) != levels:
        raise ValueError(f"{loss.name}: labels must be those of {levels:g} levels, not {labels!r}")
    if not (
        all(isinstance(x, str) for x in found)
        or all(isinstance(x, (bool, int, float)) and math.isfinite(x) for x in found)
    ):
        raise ValueError(f"{loss.name}: labels must be all numbers or all texts, not {labels!r}")
    for i, label in enumerate(found):
        if isinstance(label, str) and label.endswith("\0"):
            raise ValueError(f"{loss.name}: labels[{i}] = {label!r} ends in a NUL, which arrays of texts do not keep")
    return found


def _is_unit(loss: Loss) -> bool:
    domain = loss.formula.target.domain
    return loss.kind == "pointwise" and (domain.low, domain.high) == (0.0, 1.0)
