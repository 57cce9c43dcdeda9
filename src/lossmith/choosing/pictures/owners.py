"""Picture 3: who owns the gradient: which share of the pull on the model comes from how few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.errors import plain
from lossmith.choosing.pictures.canvas import Picture, colour, figure, names, series, short, style, to_svg
from lossmith.choosing.pictures.data import Seen, all_seen, of_chosen, picked
from lossmith.choosing.residuals import in_share
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

TOP = 0.01
MOST_CURVES = 5
NAMED = 5  # rows that are shown one by one


def owners(result: Result) -> Picture:
    who, s = in_share(len(picked(result)))
    pulls = {one.label: one.pull() for one in all_seen(result)[:MOST_CURVES]}
    with style():
        drawn, axes = figure(3.6)
        axes.plot([0, 1], [0, 1], color=colour("grid"), lw=1)
        for number, (label, pull) in enumerate(pulls.items()):
            share = shares(pull)
            keep = np.unique(np.linspace(0, len(share) - 1, 200).astype(int))
            text = f"{label}: {top_share(pull):.0%}"
            axes.plot(
                np.arange(len(share))[keep] / (len(share) - 1), share[keep], color=series(number), lw=1.8, label=text
            )
        axes.axvline(TOP, color=colour("muted"), lw=0.8, ls=(0, (2, 2)))
        names(drawn, axes, f"held by the {who} that pull{s} hardest")
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="share of the rows, those that pull hardest first")
        axes.set_ylabel("share of the whole pull")
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
        svg = to_svg(drawn, "owners", "Share of the gradient held by the rows that pull hardest")
    chosen = of_chosen(result)
    pull = chosen.pull()
    return Picture(
        "owners", "Who owns the gradient", _sentence(result, chosen, pull), svg,
        rows=_rows(result, chosen, pull), folded="The rows that pull hardest",
    )  # fmt: skip


def shares(pull: Floats) -> Floats:
    """The Lorenz curve from the strong end: the share held by the first k rows, k = 0 ... n."""
    total = float(pull.sum())
    ordered = np.sort(pull)[::-1] / (total if total > 0 else 1.0)
    return np.concatenate([[0.0], np.cumsum(ordered)])


def top_share(pull: Floats, part: float = TOP) -> float:
    return float(shares(pull)[max(1, round(part * len(pull)))])


def _sentence(result: Result, found: Seen, pull: Floats) -> str:
    who, s = in_share(len(pull))
    head = (
        "While a model is trained every row pulls it towards itself (its gradient). Under "
        f"{found.label} the {who} that pull{s} hardest hold{s} {top_share(pull):.0%} of the whole pull"
    )
    if not result.classes:
        return f"{head}: are they errors in the data, or real?"
    y = found.y
    held = [float(pull[y == i].sum() / max(float(pull.sum()), 1e-300)) for i in range(len(result.classes))]
    rarest = int(np.argmin([(y == i).sum() for i in range(len(result.classes))]))
    return (
        f"{head}; class {plain(result.classes[rarest], 20)}, with {np.mean(y == rarest):.0%} of the rows, holds "
        f"{held[rarest]:.0%} of it."
    )


def _rows(result: Result, found: Seen, pull: Floats) -> tuple[tuple[str, ...], ...]:
    """The rows that pull hardest, by their number in the user's table, counted from 1."""
    places, rows = np.argsort(-pull, kind="stable")[:NAMED], picked(result)
    table = [("data row", "real", "predicted", "share")]
    for i in places:
        if result.classes:
            real = plain(result.classes[int(found.y[i])], 20)
            chance = found.prediction[i] if found.prediction.ndim == 1 else found.prediction[i, int(found.y[i])]
            chance = 1 - chance if found.prediction.ndim == 1 and found.y[i] == 0 else chance
            shown = f"{chance:.1%} for it"
        else:
            real, shown = short(float(found.y[i])), short(float(found.middle[i]))
        table.append((f"{result.rows[rows[i]] + 1:,}", real, shown, f"{pull[i] / pull.sum():.1%}"))
    return tuple(table)
