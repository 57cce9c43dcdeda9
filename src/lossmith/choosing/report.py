"""A result as one self-contained HTML file: the verdict in words, the pictures, the evidence, what to do next."""

from __future__ import annotations

import base64
import hashlib
import platform
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.choosing.by_hand import by_hand
from lossmith.choosing.cards import card_of
from lossmith.choosing.errors import ChoiceError, plain, quoted
from lossmith.choosing.paths import REPORTS, check_path
from lossmith.choosing.pictures import PALETTE, forest, pictures
from lossmith.choosing.pictures.canvas import NARROWEST, short
from lossmith.choosing.reading import FILE, reading
from lossmith.choosing.text import beside, cells, header, legend
from lossmith.choosing.words import in_words

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

WIDE = ("forest", "costs")
MADE_WITH = ("lossmith", "numpy", "scipy", "scikit-learn", "lightgbm")


@cache
def _pages() -> Any:
    """The templates. What a user may have written is text wherever it stands."""
    from jinja2 import DictLoader, Environment, StrictUndefined

    sources = {
        page.name: page.read_text(encoding="utf-8") for page in files("lossmith.choosing").joinpath("pages").iterdir()
        if page.name.endswith((".j2", ".js"))
    }  # fmt: skip
    pages = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["short"] = short
    return pages


def _about(result: Result) -> dict[str, Any]:
    return {
        "result": result,
        "words": in_words(result),
        "palette": PALETTE,
        "header": header(result),
        "rows": [(row, cells(row)) for row in result.table],
    }


def render(result: Result, table: str | Path = FILE) -> str:
    from markupsafe import Markup

    drawn = pictures(result)
    script = _pages().loader.get_source(_pages(), "slider.js")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return str(
        _pages().get_template("report.html.j2").render(
            **_about(result),
            target=plain(result.target),
            legend=legend(result),
            beside=beside(result),
            card=card_of(result),
            reading=reading(result, table),
            recipes=by_hand(result),
            pictures=drawn,
            narrowest=NARROWEST,
            wide=spanning([picture.name for picture in drawn]),
            formula=str(result.loss.formula).partition(" -> ")[2],
            script=Markup(script),  # our own file, as it is: its hash is all that the page may run
            script_hash=f"sha256-{digest}",
            versions=versions(),
        )
    )  # fmt: skip


def spanning(names: Sequence[str]) -> set[str]:
    """Pictures as wide as the page: those of long lines, and between such the last that has none beside it."""
    runs = [list(run) for _, run in groupby(names, key=lambda name: name in WIDE)]
    alone = {run[-1] for run in runs if len(run) % 2}
    return alone | {name for name in names if name in WIDE}


def fragment(result: Result) -> str:
    """For notebooks: the verdict, the proof as a picture and as a table."""
    from markupsafe import Markup

    proof = forest(result)
    return str(
        _pages().get_template("fragment.html.j2").render(**_about(result), proof=Markup(proof.svg if proof else ""))
    )


def versions() -> str:
    """What the result was made with, for who wants to make it again."""
    found = [f"Python {platform.python_version()}"]
    for name in MADE_WITH:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def write_report(result: Result, path: Path, table: str | Path) -> Path:
    check_path(path, "report", "report.html", endings=REPORTS)
    try:
        path.write_text(render(result, table), encoding="utf-8")
    except OSError as error:
        raise ChoiceError(f"cannot write {quoted(path, 200)}: {error.strerror}") from error
    return path
