"""A loss as JSON data and back. Reading runs no code and bounds what it accepts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from lossmith.formula.data import (
    MAX_NODES,
    formula_from_data,
    formula_to_data,
    number_from_data,
    number_to_data,
    shown,
)
from lossmith.formula.expr import FormulaError
from lossmith.formula.model import Formula
from lossmith.formula.recipe import check_claim
from lossmith.links import check_link, get_link
from lossmith.loss import Loss
from lossmith.parameters import checked_labels
from lossmith.registry import catalogue, get

VERSION = 1
_KEYS = {"lossmith", "name", "params", "labels", "link", "formulas", "elicits", "doc", "source"}
MAX_TEXT = 100_000
MAX_ITEMS = 1_000_000  # numbers of a class weight, labels


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [number_to_data(v) for v in value]
        if isinstance(value, tuple)
        else number_to_data(value)
        if isinstance(value, float)
        else value
        for name, value in params.items()
    }


def _from_catalogue(loss: Loss) -> bool:
    return loss.recipe is not None and catalogue().get(loss.recipe.name) is loss.recipe


def to_spec(loss: Loss) -> dict[str, Any]:
    """``{"lossmith": 1, "name": ..., "params": ...}``; losses that are not in the catalogue carry their formulas."""
    spec: dict[str, Any] = {"lossmith": VERSION, "name": loss.name, "params": _plain(loss.params)}
    if loss.labels is not None:
        spec["labels"] = list(loss.labels)
    if not _from_catalogue(loss):
        spec |= {"link": loss.link.name, "elicits": loss.claim, "doc": loss.doc, "source": loss.source}
        spec["formulas"] = {kind: formula_to_data(formula) for kind, formula in loss.formulas.items()}
    return spec


def identity(loss: Loss) -> str:
    """One text for equal losses: formulas, the parameters they use, link, labels and ignored label."""
    used = set().union(*(formula.used_params() for formula in loss.formulas.values())) | {"ignore_index"}
    every = _plain({**loss.params, **loss.numbers})
    params = {name: value for name, value in every.items() if name in used and value is not None}
    formulas = {kind: formula_to_data(formula) for kind, formula in loss.formulas.items()}
    labels = None if loss.labels is None else list(loss.labels)
    return json.dumps([formulas, params, loss.link.name, labels], sort_keys=True)


def from_spec(spec: Any) -> Loss:
    """The loss that ``loss.spec()`` described. Raises ValueError for anything else."""
    if not isinstance(spec, dict) or not all(isinstance(key, str) for key in spec):
        raise ValueError(f"a spec is a dictionary as made by loss.spec(), not {type(spec).__name__}")
    version = spec.get("lossmith")
    if not (type(version) is int and version == VERSION):
        raise ValueError(f"spec: this reads version {VERSION}, which a spec says as 'lossmith': {VERSION}")
    unknown = set(spec) - _KEYS
    if unknown:
        raise ValueError(f"spec: unknown key {min(unknown)[:50]!r}")
    name, params, labels = spec.get("name"), spec.get("params", {}), spec.get("labels")
    if not (isinstance(name, str) and 0 < len(name) <= MAX_TEXT):
        raise ValueError("spec: a loss needs a name")
    if not (isinstance(params, dict) and len(params) <= MAX_NODES and all(isinstance(key, str) for key in params)):
        raise ValueError(f"spec: params must be a dictionary of at most {MAX_NODES} parameters")
    if labels is not None and not (isinstance(labels, (list, tuple)) and len(labels) <= MAX_ITEMS):
        raise ValueError("spec: labels must be a list")
    try:
        values = {key: _param(key, value) for key, value in params.items()}
        loss = _composed(name, values, spec) if "formulas" in spec else _listed(name, values)
        return loss if labels is None else loss.replaced(labels=checked_labels(loss, labels))
    except (FormulaError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"spec: {error}") from None


def _listed(name: str, values: dict[str, Any]) -> Loss:
    if name not in catalogue():
        raise ValueError(f"spec: there is no loss called {name[:50]!r}")
    return get(name, **values)


def _param(name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)) and len(value) <= MAX_ITEMS:
        return tuple(number_from_data(item) for item in value)
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str) and value not in ("inf", "-inf", "nan") and len(value) <= 200:
        return value  # a choice, such as weighting
    return number_from_data(value)


def _composed(name: str, params: dict[str, Any], spec: dict[str, Any]) -> Loss:
    formulas, link, elicits = spec["formulas"], spec.get("link", "identity"), spec.get("elicits")
    if not (isinstance(formulas, dict) and 1 <= len(formulas) <= 2 and isinstance(link, str) and len(link) <= MAX_TEXT):
        raise ValueError("spec: formulas must be a dictionary by kind of target, and link a name")
    check_claim(elicits)
    found: dict[str, Formula] = {}
    for kind, data in formulas.items():
        formula = formula_from_data(data)
        if formula.target.domain.kind != kind:
            raise ValueError(f"spec: the formula for {shown(kind)} has another kind of target")
        numbers_of = formula.numbers(params)
        for argument in formula.params:
            value = numbers_of[argument.name]
            numbers = value if argument.per_class and isinstance(value, tuple) else (value,)
            for number in numbers:
                if (
                    isinstance(number, (str, bool))
                    or number is None
                    or not math.isfinite(number)
                    or not argument.domain.contains(number)
                ):
                    wanted = argument.domain.describe(finite=True)
                    raise ValueError(f"spec: {argument.name} must be {wanted}, not {shown(number)}")
        found[kind] = formula
    chosen = get_link(link)
    for formula in found.values():
        check_link("spec", chosen, formula)
    about = [spec.get(key, "") for key in ("doc", "source")]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in about):
        raise ValueError("spec: doc and source must be texts")
    return Loss(name, found, params, chosen, claim=elicits, doc=about[0], source=about[1])
