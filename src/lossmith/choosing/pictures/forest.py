"""Picture 5: is any loss better? Each loss's gain over the default, with the interval that allows for chance."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.pictures.canvas import Picture, below, colour, figure, style, to_svg
from lossmith.choosing.verdict import ROPE, percent

if TYPE_CHECKING:
    from lossmith.choosing.result import Result, Row

TEXT, LINE, GAP = 0.19, 0.2, 0.14  # inches: a line of the name, the interval with its folds, what parts two losses
NAME = 48  # characters in a line
NO_BREAK = "\u00a0"  # what was found stays in one line
HOPELESS = -60.0  # percent: what lies wholly below it may be left beyond the scale
FAR = 400.0
NOTE = (
    "The dot is the gain, the line around it its interval, small strokes are single folds. Within the grey band "
    f"({ROPE:.0%} to each side) two losses are as good as equal."
)
ARROW = " An arrow says that the interval goes on beyond the scale."


def forest(result: Result) -> Picture | None:
    drawn = [row for row in result.table if row.interval is not None]
    if not drawn:
        return None
    names = [wrap(_name(row), NAME) for row in drawn]
    tall = sum(TEXT * len(name) + LINE + GAP for name in names)
    left, right = _reach(drawn)
    with style():
        figure_, axes = figure(0.65 + tall)
        axes.set(xlim=(left, right), ylim=(0, tall), yticks=[])
        place = tall
        for row, name in zip(drawn, names, strict=True):
            place -= TEXT * len(name) + LINE / 2
            _line(axes, place, row, name)
            inside = _dots(result, row)
            axes.plot(inside, np.full(len(inside), place - 0.08), "|", color=colour("muted"), ms=4, alpha=0.6)
            place -= LINE / 2 + GAP
        below(axes, f"gain over {result.default}, in percent of its {result.score.name}")
        axes.spines["left"].set_visible(False)
        svg = to_svg(figure_, "forest", "Gain of each loss over the default, with 95% intervals")
    beyond = any(row.interval[0] < left or row.interval[2] > right for row in drawn if row.interval is not None)
    note = NOTE + (ARROW if beyond else "")
    return Picture("forest", "Is any loss better?", _sentence(result), svg, note=note, folded="How to read it")


def _name(row: Row) -> str:
    found = f"{row.model}: {row.outcome.partition(' (')[0]} ({row.gain:+.1f}%)"
    return f"{row.label} \u00b7 {found.replace(' ', NO_BREAK)}"


def _reach(rows: list[Row]) -> tuple[float, float]:
    """All intervals but those of hopeless losses, unless all are hopeless."""
    intervals = np.array([row.interval for row in rows])
    near = intervals[intervals[:, 2] > HOPELESS] if (intervals[:, 2] > HOPELESS).any() else intervals
    low, high = max(float(near.min()), -FAR), min(float(near.max()), FAR)
    width = max(high - low, 4 * 100 * ROPE)
    return min(low, -1.5) - 0.05 * width, max(high, 1.5) + 0.05 * width


def _dots(result: Result, row: Row) -> Any:
    """The gain in each fold, in percent."""
    mine, base = result.scores.get((row.label, row.model)), result.scores.get((result.default, row.against))
    if mine is None or base is None or not base.mean() > 0:
        return np.empty(0)
    return 100 * (base - mine) / base.mean()


def _line(axes: Any, place: float, row: Row, name: list[str]) -> None:
    assert row.interval is not None
    low, gain, high = row.interval
    left, right = axes.get_xlim()
    word = row.outcome.partition(" ")[0]
    paint = colour({"USE": "better", "better": "better", "worse": "worse"}.get(word, "muted"))
    foot, head = place - LINE, place + LINE / 2  # beside the interval alone: nothing may cross a name
    axes.fill_between([-100 * ROPE, 100 * ROPE], foot, head, color=colour("band"), lw=0)
    axes.plot([0, 0], [foot, head], color=colour("ink"), lw=1)
    axes.plot([low, high], [place, place], color=paint, lw=2.5)
    axes.plot([gain], [place], "o", color=paint, ms=6)
    for end, mark, beyond in ((0, "<", low < left), (1, ">", high > right)):
        if beyond:
            axes.plot([end], [place], mark, color=paint, ms=7, transform=axes.get_yaxis_transform(), clip_on=False)
    axes.text(0, head, "\n".join(name), transform=axes.get_yaxis_transform(), va="bottom", linespacing=1.1)


def _sentence(result: Result) -> str:
    see = f"Right of 0 a loss beats {result.default}; only an interval that lies wholly to the right is a proof."
    detectable = result.evidence.detectable
    if detectable is None or result.evidence.undecidable:
        return see
    if detectable >= 1.0:
        return f"{see} The folds differ so much that this table could show no gain at all, however large."
    return f"{see} The smallest gain this table could show is about {percent(detectable)}."
