"""A result as one self-contained HTML file: the verdict first, then the picture, the evidence, the protocol."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith.choosing.errors import ChoiceError, plain, quoted
from lossmith.choosing.picture import forest
from lossmith.choosing.text import HEADER, cells, legend
from lossmith.choosing.verdict import ROPE

if TYPE_CHECKING:
    from lossmith.choosing.result import Result


def render(result: Result, template: str = "report.html.j2") -> str:
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    here = files("lossmith.choosing")
    sources = {name: here.joinpath(name).read_text(encoding="utf-8") for name in ("report.html.j2", "evidence.html.j2")}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(template).render(
        result=result,
        target=plain(result.target),
        header=[title.format(score=result.score.shown_name) for title in HEADER],
        legend=legend(result),
        rows=[(row, cells(row)) for row in result.table],
        picture=Markup(forest(result.table, 100 * ROPE)),  # drawn here, from losses' names and numbers
        formula=str(result.loss.formula).partition(" -> ")[2],
    )


def fragment(result: Result) -> str:
    """For notebooks: the verdict, the picture and the table."""
    return render(result, "evidence.html.j2")


def check_path(path: Path) -> None:
    """Said before the race, not after it."""
    if path.is_dir():
        raise ChoiceError(f"{quoted(path, 200)} is a folder; name a file such as report.html")
    if not path.parent.is_dir():
        raise ChoiceError(f"no folder {quoted(path.parent, 200)} for the report")


def write_report(result: Result, path: Path) -> Path:
    check_path(path)
    try:
        path.write_text(render(result), encoding="utf-8")
    except OSError as error:
        raise ChoiceError(f"cannot write {quoted(path, 200)}: {error.strerror}") from error
    return path
