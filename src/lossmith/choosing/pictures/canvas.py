"""Figures as SVG elements for a page: small enough for a phone, in the page's own colours, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import fill
from typing import Any

# name -> light and dark; the page turns these into CSS variables, the figures refer to them
PALETTE = {
    "ink": ("#1a202c", "#e8ecf2"),
    "muted": ("#4a5568", "#a9b4c4"),
    "grid": ("#cbd5e1", "#39424f"),
    "band": ("#e5eaf1", "#262d38"),
    "paper": ("#ffffff", "#14181f"),
    "card": ("#f7f9fb", "#1b212b"),
    "better": ("#0b6e4f", "#5fd3a5"),
    "worse": ("#b3261e", "#ff9a8f"),
    "blue": ("#1f5fa8", "#86b8f5"),
    "orange": ("#9a4a00", "#f5ad5d"),
    "purple": ("#6b3fa0", "#c9a9ff"),
    "teal": ("#00696b", "#5cd0d3"),
    "pink": ("#a3195b", "#ff9ccb"),
}
SERIES = ("blue", "orange", "purple", "teal", "pink", "muted")
WIDTH = 4.0  # inches: on a phone there is room for it with text that can be read
TEXT = 10  # points: nothing is smaller
NARROWEST = round(12 / TEXT * 72 * WIDTH)  # pixels: text is 12 of them high; on still less the picture scrolls
LINE = 44  # characters below a picture
COLUMN = 16  # characters of a name that leaves room for another beside it
ACROSS = 40  # characters of the numbers along a picture, with room between them
MILLIONS = 1e7  # from here on numbers are said in words
WORDS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))


def colour(name: str) -> str:
    return PALETTE[name][0]


def series(number: int) -> str:
    return colour(SERIES[number % len(SERIES)])


@dataclass(frozen=True)
class Slider:
    """A control that shows one of a figure's layers at a time, with what each of them says."""

    label: str
    says: tuple[str, ...]
    start: int


@dataclass(frozen=True)
class Picture:
    """One picture of the report. `see` is the sentence that says what to see."""

    name: str
    title: str
    see: str
    svg: str
    slider: Slider | None = None
    rows: tuple[tuple[str, ...], ...] = ()  # a small table below it, its header first
    note: str = ""  # what its columns mean, and whatever only some want to know
    folded: str = "In numbers"  # the name under which rows and note are found


@contextmanager
def style() -> Iterator[None]:
    from matplotlib import rc_context

    ink, muted, grid = colour("ink"), colour("muted"), colour("grid")
    with rc_context({
        "svg.fonttype": "none", "font.family": "sans-serif", "font.size": TEXT, "legend.fontsize": TEXT,
        "legend.title_fontsize": TEXT, "text.parse_math": False, "text.color": ink, "axes.edgecolor": grid,
        "axes.labelcolor": muted, "xtick.color": grid, "ytick.color": grid, "xtick.labelcolor": muted,
        "ytick.labelcolor": muted, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
        "legend.labelcolor": ink, "axes.formatter.useoffset": False, "lines.solid_capstyle": "round",
        "axes.unicode_minus": True, "figure.facecolor": "none", "axes.facecolor": "none",
    }):  # fmt: skip
        yield


def figure(height: float, rows: int = 1, **options: Any) -> tuple[Any, Any]:
    """A figure of the common width and its axes."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(WIDTH, height), layout="constrained")
    return drawn, drawn.subplots(rows, 1, **options)


def names(drawn: Any, axes: Any, title: str | None = None) -> None:
    """What the curves are called, above them."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels), default=0) > COLUMN else 2
    drawn.legend(handles, labels, loc="outside upper left", ncols=columns, title=title, alignment="left")


def below(axes: Any, text: str) -> None:
    """What the axis across means, in as many lines as it takes."""
    axes.set_xlabel(fill(text, LINE))


def amounts(axes: Any, *which: str) -> None:
    """Thousands with commas, or on the whole axis millions and more in words; few enough not to run into each other."""
    for name in which:
        axis = getattr(axes, f"{name}axis")
        low, high = axis.get_view_interval()
        largest = max(abs(low), abs(high))
        axis.set_major_locator(round_numbers(low, high, ACROSS if name == "x" else None))
        axis.set_major_formatter(lambda v, _, largest=largest: tick(v, largest))


def round_numbers(low: float, high: float, room: int | None) -> Any:
    """Six steps at most, and no more than have room, in characters, beside one another."""
    from matplotlib.ticker import MaxNLocator

    for steps in range(6, 0, -1):
        locator = MaxNLocator(nbins=steps)
        seen = [value for value in locator.tick_values(low, high) if low <= value <= high]
        names = [tick(value, max(abs(low), abs(high))) for value in seen]
        if room is None or sum(len(name) + 2 for name in names) <= room:
            break
    return locator


def tick(value: float, largest: float = 0.0) -> str:
    """As it is said on an axis whose largest number this is: all in one unit."""
    largest = max(largest, abs(value))
    if largest < MILLIONS or value == 0.0:
        text = f"{value:,.10g}"
    elif largest >= 1e15:
        text = f"{value:.3g}"
    else:
        size, name = _unit(largest)
        text = f"{value / size:,.10g} {name}"
    return text.replace("-", "\u2212")


def layer(artists: Any, number: int) -> None:
    """These are seen only while the slider stands at `number`."""
    for place, artist in enumerate(artists):
        artist.set_gid(f"layer-{number}-{place}")


def to_svg(drawn: Any, name: str, says: str, start: int = 0) -> str:
    """The bare element: no prologue, no metadata (which points to other sites), ids of its own, colours of the page."""
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        drawn.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'style="[^"]*"', _in_page_colours, svg)
    svg = re.sub(r'<g id="layer-(\d+)-\d+"', lambda found: _layer_tag(int(found[1]), start), svg)
    svg = re.sub(r'(?:(<\w+) id="|url\(#|xlink:href="#)', lambda found: found[0] + f"{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{_attribute(says)}" ', 1).strip()


def _layer_tag(number: int, start: int) -> str:
    return f'<g class="layer" data-step="{number}"{"" if number == start else " hidden"}'


def _in_page_colours(found: re.Match[str]) -> str:
    style = found[0]
    for name, (light, _) in PALETTE.items():
        style = style.replace(light, f"var(--{name})")
    return re.sub(r" font-family: [^;\"]*;?", "", style)


def _attribute(text: str) -> str:
    from html import escape

    return escape(text, quote=True)


def _unit(value: float) -> tuple[float, str]:
    return next(unit for unit in WORDS if abs(value) >= unit[0])


def short(value: float) -> str:
    """Three digits, thousands with commas, and words for what is larger."""
    if abs(value) >= MILLIONS:
        size, name = _unit(value)
        return f"{value / size:.3g} {name}" if abs(value) < 1e15 else f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
