"""Figures of the documentation's pages: drawn by a page's own code, shown below it, readable in light and dark.

A page writes ``from figures import show``, draws with matplotlib as usual and calls ``show(figure, alt="...")``.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import sys
from itertools import count
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot

ROOT = Path(__file__).parents[1]
_NUMBER = count(1)  # of a script's figures
INK = "#010203"  # what no curve would choose: the page's own text colour takes its place
COLOURS = ("#3f7fd0", "#d0603a", "#3a9a63", "#a268c4", "#b98d12", "#7d8590")  # told apart on white and on black
STYLE = {
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.titlecolor": INK, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
    "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False, "grid.color": "#8888887f",
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS), "figure.constrained_layout.use": True, "font.size": 10.0,
    "svg.fonttype": "path",
}  # fmt: skip
matplotlib.use("agg")
matplotlib.rcParams.update(STYLE)


def show(figure: Any, alt: str) -> None:
    """Put a matplotlib figure (or axes) below the block; ``alt`` says in a sentence what is to be seen in it."""
    figure = getattr(figure, "figure", None) or figure
    put(as_html(figure, alt), alt)
    pyplot.close(figure)


def put(element: str, alt: str) -> None:
    """Put an HTML element below the block; of a notebook, below the cell; of a script, into a file of its own."""
    ipython, script = sys.modules.get("IPython"), getattr(sys.modules["__main__"], "__file__", None)
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import HTML, display

        display(HTML(element))
    elif script is not None and Path(script).resolve().is_relative_to(ROOT / "examples"):
        file = ROOT / "build" / "figures" / f"{Path(script).stem}-{next(_NUMBER)}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        head = '<!doctype html><meta charset="utf-8"><style>:root { color-scheme: light dark }</style>'
        file.write_text(f"{head}\n{element}\n", encoding="utf-8")
        print(f"[{file.relative_to(ROOT)}: {alt}]")
    else:
        print(element)


def as_html(figure: Any, alt: str) -> str:
    """The figure as an HTML element: the same bytes for the same picture, its ids like no other picture's."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "lossmith"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    # a style inside would rule the whole page
    svg = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>", "", text.getvalue(), flags=re.DOTALL)
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    mark = hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>p{mark}-", svg)
    # its size is its natural one and no larger than the page; on one line, since an empty one would end it in Markdown
    svg = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", svg, count=1, flags=re.DOTALL)
    svg = " ".join(svg.split())
    return f'<figure class="plot" role="img" aria-label="{html.escape(alt, quote=True)}">{svg}</figure>'
