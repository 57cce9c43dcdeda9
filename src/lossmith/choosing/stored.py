"""From the JSON of a saved model to the model: every text, number and size in it is checked before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lossmith.choosing.candidate import Transform
from lossmith.choosing.decisions import Decision, Rule
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.learners import Fitted, Scale
from lossmith.choosing.tables import Column, Kind, Table
from lossmith.choosing.trees import checked_trees

if TYPE_CHECKING:
    from lossmith.choosing.final import FinalModel
    from lossmith.loss import Loss


def restored(content: Mapping[str, Any], trees: Callable[[int], str]) -> FinalModel:
    """The model; `trees` gives the text of a part's trees. Raises some exception for anything that is not a model."""
    import lossmith as lm
    from lossmith.choosing.final import FinalModel

    encoder = _encoder(content["encoder"])
    classes = tuple(_text(name) for name in content["classes"])
    levels = tuple(_numbers(content["levels"], "levels"))
    kinds = {_text(name): kind for name, kind in content["columns"].items()}
    needed = {plan["name"] for plan in encoder.plans}
    if any(kind not in get_args(Kind) for kind in kinds.values()) or not needed <= set(kinds):
        raise ValueError("its columns do not fit its encoder")
    if len(classes) == 1 or (classes and levels) or any(not 0 < level < 1 for level in levels):
        raise ValueError("its classes or levels are not those of a model")
    state, exposure, decision = content["fitted"], content["exposure"], content["decision"]
    loss = lm.from_spec(content["loss"])
    width = outputs(loss, len(classes))
    _check_scale(state["scale"], len(classes), len(levels))
    if len(state["parts"]) != (len(levels) if levels and not state["scale"]["band"] else 1):
        raise ValueError(f"{len(state['parts'])} parts for {len(levels)} levels")
    for number, part in enumerate(state["parts"]):
        _check_part(part, len(encoder.names), len(classes), width)
        if state["kind"] == "lightgbm":
            part["trees"] = checked_trees(trees(number), len(encoder.names), width)
    if exposure is not None and kinds.get(exposure) not in ("number", "boolean"):
        raise ValueError("its exposure is none of its columns")
    model = FinalModel(
        target=_text(content["target"]),
        aim=_text(content["aim"]),
        loss=loss,
        encoder=encoder,
        kinds=kinds,
        fitted=Fitted.from_state(state),
        classes=classes,
        levels=levels,
        exposure=exposure,
        decision=None if decision is None else _decision(decision, len(classes)),
        about={_text(title): [_text(line) for line in lines] for title, lines in content["card"].items()},
    )
    _try(model)
    return model


def outputs(loss: Loss, classes: int) -> int:
    """How many numbers a part of the model computes for a row."""
    return classes if classes > 2 and loss.target_kind != "level" else 1


def _try(model: FinalModel) -> None:
    """A row of gaps must get an answer of the right shape: a loss of another kind of target gives none."""
    columns = [
        Column(name, kind, np.array([1.0 if name == model.exposure else np.nan])) for name, kind in model.kinds.items()
    ]
    with np.errstate(all="ignore"):
        found = model._of(Table(tuple(columns), 1))
    width = len(model.classes) or len(model.levels)
    if found.shape != ((1, width) if width else (1,)):
        raise ValueError(f"it predicts an array of shape {found.shape} for a row")


def _encoder(state: Mapping[str, Any]) -> Encoder:
    """Plans hold a name, finite numbers, or levels; anything else is refused before a table meets it."""
    for plan in state["plans"]:
        _text(plan["name"])
        if plan["kind"] == "number":
            _numbers([plan[name] for name in ("median", "mean", "scale")], plan["name"])
            if not plan["scale"] > 0 or not isinstance(plan["indicator"], bool):
                raise ValueError("a column's scale is not above zero")
        elif plan["kind"] == "category":
            levels = [plan["base"], *plan["levels"]]
            if not isinstance(plan["other"], bool) or not all(isinstance(v, str | None) for v in levels):
                raise ValueError("a column's levels are not texts")
        else:
            raise ValueError("a column of another kind")
    return Encoder.from_state(dict(state))


def _check_scale(state: Mapping[str, Any], classes: int, levels: int) -> None:
    scale = Scale(**state)
    _numbers([scale.shift, scale.unit, scale.percent, *scale.undo, *scale.band], "scale")
    if scale.unit <= 0 or scale.percent <= 0 or any(weight <= 0 for weight in scale.undo):
        raise ValueError("its unit is not above zero")
    if not isinstance(state["offset"], bool) or scale.transform not in get_args(Transform):
        raise ValueError("its target is transformed in another way")
    if len(scale.undo) not in (0, classes) or len(scale.band) not in (0, levels):
        raise ValueError("its scale does not fit its classes or levels")


def _check_part(part: Mapping[str, Any], columns: int, classes: int, width: int) -> None:
    if part["classes"] != classes:
        raise ValueError(f"a part of {part['classes']!r:.20} classes in a model of {classes}")
    cuts = part.get("thresholds")
    if cuts is not None and len(_numbers(cuts, "thresholds")) != classes - 1:
        raise ValueError("its thresholds do not fit its classes")
    if "coef" in part:
        coefficients, intercept = [_numbers(row, "coef") for row in part["coef"]], part["intercept"]
        if len(coefficients) != width or any(len(row) != columns for row in coefficients):
            raise ValueError("its coefficients do not fit its columns")
        if len(_numbers(intercept, "intercept")) != width:
            raise ValueError("its intercepts do not fit its classes")
    elif any(len(_numbers(units, name)) not in (1, width) for name, units in part["units"].items()):
        raise ValueError("the units of its trees do not fit its classes")


def _decision(state: dict[str, Any], classes: int) -> Decision:
    found = Decision.from_state(state)
    if state["rule"] not in get_args(Rule) or not isinstance(state["power"], float | int | None):
        raise ValueError("its decision follows another rule")
    _numbers([*found.divisors, *(cost for row in found.costs for cost in row)], "decision")
    if found.threshold is not None and (classes != 2 or not np.isfinite(found.threshold)):
        raise ValueError("its threshold is not that of two classes")
    sizes = [len(found.costs), *map(len, found.costs)] if found.costs else []
    if not classes or len(found.divisors) not in (0, classes) or any(size != classes for size in sizes):
        raise ValueError("its decision does not fit its classes")
    return found


def _numbers(values: Sequence[Any], name: str) -> list[float]:
    if not all(isinstance(v, float | int) and not isinstance(v, bool) and np.isfinite(v) for v in values):
        raise ValueError(f"{name} is not finite")
    return [float(value) for value in values]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a text")
    return value
