"""The proof as a picture: one line per loss, its gain over the default with the corrected interval."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from lossmith.choosing.result import Row

BETTER, WORSE, OPEN = "#0b6e4f", "#b3261e", "#4a5568"


def forest(rows: Sequence[Row], rope: float) -> str:
    """An SVG element. rope is in percent of the default's score."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    drawn = [row for row in rows if row.gain is not None and row.low is not None and row.high is not None]
    if not drawn:
        return ""
    with rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "lossmith",
            "font.family": "sans-serif",
            "font.size": 10,
            "text.parse_math": False,
        }
    ):
        figure = Figure(figsize=(8.4, 0.9 + 0.34 * len(drawn)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvspan(-rope, rope, color="#e2e8f0", lw=0, label=f"practically equal (±{rope:g}%)")
        axes.axvline(0, color="#1a202c", lw=1)
        names = [f"{row.label} · {row.model}" for row in drawn]
        for place, row in enumerate(reversed(drawn)):
            assert row.gain is not None
            assert row.low is not None
            assert row.high is not None
            color = BETTER if row.low > 0 else WORSE if row.high < 0 else OPEN
            faint = 0.45 if row.role == "reference" else 1.0
            axes.plot([row.low, row.high], [place, place], color=color, lw=2, alpha=faint, solid_capstyle="butt")
            axes.plot([row.gain], [place], "o", color=color, ms=6, alpha=faint)
        axes.set_yticks(range(len(drawn)), names[::-1])
        axes.set_ylim(-0.6, len(drawn) - 0.4)
        axes.set_xlabel("gain over the default, % of its score (right is better), 95% interval; pale: reference only")
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return inline(buffer.getvalue())


def inline(svg: str) -> str:
    """The bare element: without prologue and metadata, which point to other sites."""
    bare = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    return bare.replace("<svg ", '<svg role="img" aria-label="Gain of each loss over the default" ', 1)
