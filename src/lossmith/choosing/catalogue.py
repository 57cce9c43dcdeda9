"""The catalogue as text: the list of losses, and one loss explained."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.aims import Aim, parse_aim
from lossmith.choosing.drawing import curve
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.tables import Floats
from lossmith.choosing.text import grid

if TYPE_CHECKING:
    from lossmith.loss import Loss

CLASSES = 3  # of the rows that are drawn


def listing(family: str | None = None, aim: str | None = None) -> list[str]:
    """One line per loss: name, family, what its minimiser is, the sentence about it."""
    import lossmith as lm

    losses = {name: lm.get(name) for name in lm.names()}
    families = sorted({loss.family for loss in losses.values()})
    if family is not None and family not in families:
        raise ChoiceError(f"unknown family {quoted(family)}; it is one of {', '.join(families)}")
    wanted = None if aim is None else parse_aim(aim)
    rows = [
        [name, loss.family, loss.elicits or "", first_sentence(loss.doc)]
        for name, loss in losses.items()
        if (family is None or loss.family == family) and (wanted is None or elicits(loss, wanted))
    ]
    if not rows:
        return ["no loss fits"]
    return grid([["loss", "family", "aims at", "in a sentence"], *rows], left=(0, 1, 2, 3))


def first_sentence(doc: str) -> str:
    return doc.strip().split("\n")[0]


def elicits(loss: Loss, aim: Aim) -> bool:
    """Whether the minimiser of the expected loss is what the aim asks for, whatever the noise."""
    classes = loss.link.name in ("logit", "softmax")
    if aim.functional == "probability":
        return loss.elicits == "mean" and classes
    if aim.functional == "mean":
        return loss.elicits == "mean" and loss.link.name != "softmax"
    if aim.functional == "median":
        return loss.elicits == "median" or (loss.elicits == "quantile" and loss.params.get("q") == 0.5)
    return loss.elicits == "quantile"


def find(name: str) -> Loss:
    import lossmith as lm

    try:
        loss: Loss = lm.get(name)
    except (KeyError, ValueError) as error:
        near = get_close_matches(name.lower(), lm.names(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(quoted(n) for n in near)}?" if near else "; `lossmith losses` lists them"
        raise ChoiceError(f"no loss is called {quoted(name)}{hint}") from error
    return loss


def card(name: str) -> str:
    loss = find(name)
    lines = [loss.name, loss.doc.strip(), "", f"formula     {loss.formula}"]
    for title, entries in (("parameters", _parameters(loss)), ("domain", _domain(loss))):
        lines += [f"{title if i == 0 else '':<12}{entry}" for i, entry in enumerate(entries)]
    lines.append(f"link        {loss.link.name}")
    lines.append(f"aims at     {loss.elicits or 'no single property of y'}")
    lines.append(f"family      {loss.family}")
    lines.append(f"source      {loss.source}")
    what, x, values = sample_curve(loss)
    return "\n".join([*lines, "", what, *curve(x, values)])


def _parameters(loss: Loss) -> list[str]:
    if not loss.params or loss.recipe is None:
        return ["none"]
    found = []
    for name, value in loss.params.items():
        parameter = loss.recipe.parameters.get(name)
        domain = parameter.domain.describe() if parameter and parameter.domain else ""
        choices = " or ".join(map(repr, parameter.choices)) if parameter and parameter.choices else ""
        meaning = domain or choices
        found.append(f"{name} = {value!r}{f' ({meaning})' if meaning else ''}")
    return found


def _domain(loss: Loss) -> list[str]:
    lines = []
    for formula in loss.formulas.values():
        arguments = (formula.target, *formula.predictions)
        lines.append("; ".join(f"{argument.name}: {argument.domain.describe()}" for argument in arguments))
    return lines


def sample_curve(loss: Loss, points: int = 241) -> tuple[str, Floats, Floats]:
    """What is drawn, the predictions, and the loss there: one target, the prediction varied over its domain."""
    formula = loss.formula
    target, prediction = formula.target, formula.predictions[0]
    if loss.kind == "rowwise":
        return _row_curve(loss, points)
    y = next(value for value in (0.0, 1.0, 0.5) if target.domain.contains(value))
    if target.domain.kind == "label" or target.domain.high == 1.0:
        y = 1.0
    x = _grid(prediction.domain, points)
    f = (
        x
        if len(formula.predictions) == 1
        else np.column_stack([x] + [np.zeros(points)] * (len(formula.predictions) - 1))
    )
    others = "".join(f", {p.name} = 0" for p in formula.predictions[1:])
    values = loss(np.full(points, y), f, reduction="none")
    return f"loss over {prediction.name}, at {target.name} = {y:g}{others}", x, np.asarray(values, dtype=np.float64)


def _row_curve(loss: Loss, points: int) -> tuple[str, Floats, Floats]:
    """A row of three: the first entry varies, the others share what is left (probabilities) or stay 0 (scores)."""
    target, prediction = loss.formula.target, loss.formula.predictions[0]
    ids = target.domain.kind == "class id"
    y: Any = np.zeros(points, dtype=np.intp) if ids else np.tile([0.6, 0.3, 0.1], (points, 1))
    at = f"{target.name} = 0" if ids else f"{target.name} = (0.6, 0.3, 0.1)"
    x = _grid(prediction.domain, points)
    if prediction.domain.high == 1.0:
        f = np.column_stack([x, (1 - x) / 2, (1 - x) / 2])
        what = "of the first class, the others equal"
    elif prediction.domain.low == 0.0:
        f = np.column_stack([x, np.full(points, 0.3), np.full(points, 0.1)])
        what = "first entry, the others right"
    else:
        f = np.column_stack([x, np.zeros(points), np.zeros(points)])
        what = "of the first of three classes, the others 0"
    values = loss(y, f, reduction="none")
    return f"loss over {prediction.name} {what}, at {at}", x, np.asarray(values, dtype=np.float64)


def _grid(domain: Any, points: int) -> Floats:
    low, high = max(domain.low, -3.0), min(domain.high, 3.0)
    edge = 1e-3 * (high - low)
    return np.linspace(low + edge * (domain.low > -3.0), high - edge * (domain.high < 3.0), points)


def draw(name: str, path: Path) -> None:
    """The loss and its gradient, as a .png or .svg file."""
    from lossmith.choosing.report import check_path

    if path.suffix.lower() not in (".png", ".svg"):
        raise ChoiceError(f"cannot draw to {quoted(path.name)}: write a .png or .svg file")
    check_path(path)
    figure = find(name).plot()
    figure.savefig(path, bbox_inches="tight")
