"""Picture 5: the proof: each loss's gain over the default, with the interval that allows for chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.pictures.canvas import Picture, colour, figure, style, to_svg
from lossmith.choosing.verdict import ROPE

if TYPE_CHECKING:
    from lossmith.choosing.result import Result, Row

LINE = 0.46  # inches a loss


def forest(result: Result) -> Picture | None:
    drawn = [row for row in result.table if row.interval is not None]
    if not drawn:
        return None
    with style():
        figure_, axes = figure(0.75 + LINE * len(drawn))
        axes.axvspan(-100 * ROPE, 100 * ROPE, color=colour("band"), lw=0)
        axes.axvline(0, color=colour("ink"), lw=1)
        axes.set_xlim(_reach(drawn))
        for place, row in enumerate(reversed(drawn)):
            _line(axes, place, row, _dots(result, row))
        axes.set(ylim=(-0.45, len(drawn) - 0.1), yticks=[])
        axes.set_xlabel(f"gain over {result.default}, in percent of its score")
        axes.spines["left"].set_visible(False)
        svg = to_svg(figure_, "forest", "Gain of each loss over the default, with 95% intervals")
    return Picture("forest", "The proof", _sentence(result), svg)


def _reach(rows: list[Row]) -> tuple[float, float]:
    """All intervals, but one that is hopeless may be cut off."""
    intervals = np.array([row.interval for row in rows])
    low, high = max(float(intervals.min()), -60.0), min(float(intervals.max()), 100.0)
    width = max(high - low, 4 * 100 * ROPE)
    return min(low, -1.5) - 0.05 * width, max(high, 1.5) + 0.05 * width


def _dots(result: Result, row: Row) -> Any:
    """The gain in each fold, in percent."""
    mine, base = (result.scores.get((label, row.model)) for label in (row.label, result.default))
    if mine is None or base is None or not base.mean() > 0:
        return np.empty(0)
    return 100 * (base - mine) / base.mean()


def _line(axes: Any, place: int, row: Row, dots: Any) -> None:
    assert row.interval is not None
    low, gain, high = row.interval
    paint = colour("better" if low > 0 else "worse" if high < 0 else "muted")
    axes.plot(dots, np.full(len(dots), place - 0.16), "|", color=colour("grid"), ms=5)
    axes.plot([low, high], [place, place], color=paint, lw=2.5)
    axes.plot([gain], [place], "o", color=paint, ms=6)
    name = f"{row.label} · {row.model}: {row.outcome.partition(' (')[0]} ({gain:+.1f}%)"
    axes.text(0, place + 0.2, name, transform=axes.get_yaxis_transform(), fontsize=9, va="bottom", clip_on=True)
    if high < axes.get_xlim()[0]:
        axes.plot([0], [place], "<", color=paint, ms=6, transform=axes.get_yaxis_transform())


def _sentence(result: Result) -> str:
    see = (
        f"To the right of the line a loss beats {result.default}; only an interval that lies wholly to the right is a "
        f"proof. Within the grey band ({ROPE:.0%}) two losses are as good as equal; small strokes are single folds."
    )
    detectable = result.evidence.detectable
    return see if detectable is None else f"{see} The smallest gain this table could show is about {detectable:.1%}."
