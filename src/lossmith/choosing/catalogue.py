"""The catalogue as text: the list of losses, and one loss explained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lossmith.choosing.aims import Aim, parse_aim
from lossmith.choosing.drawing import curve
from lossmith.choosing.errors import ChoiceError, near, quoted
from lossmith.choosing.text import grid
from lossmith.plotting import curves, moved

if TYPE_CHECKING:
    from lossmith.loss import Loss

ITSELF = {
    "mape": "absolute_percentage_error",
    "rmsle": "squared_log_error",
}  # metrics that are a loss, not a functional
NAMELESS = "nothing that has a name here"  # it elicits no mean, median, quantile or expectile


def listing(family: str | None = None, aim: str | None = None) -> list[str]:
    """One line per loss: name, family, what its minimiser is, the sentence about it."""
    import lossmith as lm

    wanted = None if aim is None else parse_aim(aim)
    losses = {name: _at_level(lm.get(name), wanted) for name in lm.names()}
    families = sorted({loss.family for loss in losses.values()})
    if family is not None and family not in families:
        raise ChoiceError(f"unknown family {quoted(family)}; it is one of {', '.join(families)}")
    rows = [
        [name, loss.family, loss.elicits or "", first_sentence(loss.doc)]
        for name, loss in losses.items()
        if (family is None or loss.family == family) and (wanted is None or _fits(loss, wanted))
    ]
    if not rows:
        return ["no loss fits"]
    return grid([["loss", "family", "aims at", "in a sentence"], *rows], left=(0, 1, 2, 3))


def _at_level(loss: Loss, aim: Aim | None) -> Loss:
    """A quantile or expectile loss at the level that is asked for; for an interval, at its lower end."""
    if aim is None or aim.q is None or loss.recipe is None:
        return loss
    level = aim.levels[0] if aim.functional == "interval" else aim.q
    wanted = "quantile" if aim.functional == "interval" else aim.functional
    return loss.from_recipe(loss.recipe, q=level) if loss.elicits == wanted else loss


def first_sentence(doc: str) -> str:
    return doc.strip().split("\n")[0]


def _fits(loss: Loss, aim: Aim) -> bool:
    """By itself, without row weights or a transformed target."""
    return loss.name == ITSELF[aim.metric] if aim.metric in ITSELF else elicits(loss, aim)


def elicits(loss: Loss, aim: Aim) -> bool:
    """Whether the minimiser of the expected loss is what the aim asks for, whatever the noise: for an interval one of
    its ends, for a label the probabilities that the decision rests on."""
    if aim.wants_classes:
        return loss.elicits == "mean" and loss.link.name in ("logit", "softmax")
    if aim.functional == "mean":
        return loss.elicits == "mean" and loss.link.name != "softmax"
    if aim.functional == "expectile":
        return loss.elicits == "expectile" and loss.params.get("q") == aim.level
    at_level = loss.elicits == "quantile" and loss.params.get("q") in aim.levels
    return at_level or (aim.functional == "median" and loss.elicits == "median")


def find(name: str) -> Loss:
    import lossmith as lm

    try:
        loss: Loss = lm.get(name)
    except (KeyError, ValueError) as error:
        hint = near(name, lm.names()) or "; `lossmith losses` lists them"
        raise ChoiceError(f"no loss is called {quoted(name)}{hint}") from error
    return loss


def card(name: str) -> str:
    loss = find(name)
    lines = [loss.name, loss.doc.strip(), "", f"formula     {loss.formula}"]
    for title, entries in (("parameters", _parameters(loss)), ("domain", _domain(loss))):
        lines += [f"{title if i == 0 else '':<12}{entry}" for i, entry in enumerate(entries)]
    lines.append(f"link        {loss.link.name}")
    lines.append(f"aims at     {loss.elicits or NAMELESS}")
    lines.append(f"family      {loss.family}")
    lines.append(f"source      {loss.source}")
    at, x, values, _ = curves(loss)[-1]
    return "\n".join([*lines, "", f"loss over {moved(loss)}, at {at}", *curve(x, values)])


def _parameters(loss: Loss) -> list[str]:
    if not loss.params or loss.recipe is None:
        return ["none"]
    found = []
    for name, value in loss.params.items():
        found.append(f"{name} = {value!r} ({loss.recipe.parameters[name].describe()})")
    return found


def _domain(loss: Loss) -> list[str]:
    lines = []
    for formula in loss.formulas.values():
        arguments = (formula.target, *formula.predictions)
        lines.append("; ".join(f"{argument.name}: {argument.domain.describe()}" for argument in arguments))
    return lines


def draw(name: str, path: Path) -> None:
    """The loss and its gradient, as a .png or .svg file."""
    from lossmith.choosing.paths import DRAWN, check_path

    check_path(path, "drawing", "loss.png", endings=DRAWN)
    figure = find(name).plot()
    figure.savefig(path, bbox_inches="tight")
