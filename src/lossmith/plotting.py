"""Pictures of a loss: value and gradient over the prediction."""

from __future__ import annotations

import html
import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.kinks import example_target, known_classes

if TYPE_CHECKING:
    from lossmith.loss import Loss

COLOURS = ("#1f5fa8", "#c2452d", "#2f7d4f")
_ORDINARY = (1.0, 0.5, 2.0, -1.0)  # further inputs of a sample: the first that is legal


def curves(loss: Loss, width: float = 3.0, points: int = 601) -> list[tuple[str, Any, Any, Any]]:
    """(what is fixed, prediction, loss, gradient) for a few targets; of a row, its first score moves."""
    found = []
    extras = {e.name: next((x for x in _ORDINARY if e.domain.contains(x)), e.domain.high) for e in loss.formula.extras}
    beside: dict[str, Any] = {name: np.full(points, number) for name, number in extras.items()}
    for y in targets(loss):
        x = stretch(loss, y, width, points)
        target, pred = along(loss, y, x)
        gradient = loss.gradient(target, pred, reduction="none", **beside).reshape(points, -1)[:, 0]
        fixed = {"y": np.round(y, 3).tolist() if not isinstance(y, str) else y, **extras}
        label = ", ".join(f"{name} = {value}" for name, value in fixed.items())
        found.append((label, x, loss(target, pred, reduction="none", **beside), gradient))
    return found


def targets(loss: Loss) -> list[Any]:
    """The targets worth a curve each: one where only the difference from the prediction counts, the first levels, else
    two."""
    shown = example_target(loss, _count(loss))
    if loss.target_kind == "level":
        return shown[: len(COLOURS)]
    alike = loss.target_kind == "real" and loss.link.name == "identity" and loss.kind == "pointwise"
    return shown[: 1 if alike else 2]


def stretch(loss: Loss, y: Any, width: float, points: int) -> Any:
    """Where the prediction that moves goes."""
    domain = loss.formula.predictions[0].domain
    centre = float(y) if loss.link.name == "identity" and loss.target_kind == "real" else 0.0
    low = max(domain.low, centre - width) + (1e-3 if math.isfinite(domain.low) else 0.0)
    high = min(domain.high, centre + width) - (1e-3 if math.isfinite(domain.high) else 0.0)
    return np.linspace(low, high, points)


def along(loss: Loss, y: Any, x: Any) -> tuple[Any, Any]:
    """Targets and predictions of samples that differ in the prediction that moves."""
    columns = path(loss, x)
    pred = x if loss.outputs == 1 else np.stack(columns, axis=-1)
    return np.repeat(np.asarray(y)[None], len(x), axis=0), pred


def path(loss: Loss, x: Any) -> list[Any]:
    """The predictions of a sample, one by one, as the first of them moves through x: the way that the curves run.

    The others stay: else the gradient, which is that of the first alone, were not the slope of the loss.
    """
    domain, count = loss.formula.predictions[0].domain, _count(loss)
    still = 1.0 / count if math.isfinite(domain.low) else 0.0  # no preference
    return [x] + [0.0 * x + still] * (count - 1)


def _count(loss: Loss) -> int:
    """The predictions of a sample; of a row that may have any number of classes three."""
    return loss.outputs or known_classes(loss) or 3


def moved(loss: Loss) -> str:
    """The prediction that the curves run over."""
    name = loss.formula.predictions[0].name
    return name if loss.kind == "pointwise" else f"the first of {_count(loss)} numbers of {name}, the others fixed"


def plot(loss: Loss, *, ax: Any = None, width: float = 3.0) -> Any:
    """A matplotlib figure: the loss above, its gradient (the pull on the prediction) below."""
    from matplotlib.figure import Figure

    if ax is None:
        figure = Figure(figsize=(6.0, 5.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
    else:
        figure, upper, lower = ax.figure, ax, None
    for colour, (label, x, value, gradient) in zip(COLOURS, curves(loss, width), strict=False):
        upper.plot(x, value, color=colour, label=label)
        if lower is not None:
            lower.plot(x, gradient, color=colour, label=label)
    upper.set_title(repr(loss))
    upper.set_ylabel("loss")
    upper.legend(frameon=False)
    bottom = upper if lower is None else lower
    if lower is not None:
        lower.axhline(0.0, color="#888888", linewidth=0.8)
        lower.set_ylabel("gradient")
    bottom.set_xlabel(f"prediction: {moved(loss)}")
    return figure


def to_svg(figure: Any) -> str:
    """The figure as an SVG element to put inside a page."""
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    content = text.getvalue()
    return content[content.index("<svg") :]


def to_html(loss: Loss) -> str:
    """Notebook view: name, sentence, formula, and the drawing where matplotlib is installed."""
    head = (
        f"<b>{html.escape(repr(loss))}</b><br>{html.escape(loss.doc)}<br><code>{html.escape(str(loss.formula))}</code>"
    )
    try:
        return f"<div>{head}<br>{to_svg(plot(loss))}</div>"
    except ImportError:
        return f"<div>{head}</div>"
