"""The reference: the Python interface by subject, the language of formulas, and the command line."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, get_origin

import typer
from typer.cli import get_docs_for_click

import lossmith as lm
import lossmith.formula
from gallery import may_be
from lossmith.cli import app
from lossmith.formula.domains import CutsMark, Domain

# a page for each module that defines public names: its file, its title, and what it is about
SUBJECTS = {
    "loss": ("losses", "Losses", "What every loss can do. [The gallery](../gallery/index.md) shows each."),
    "training": ("training", "Training", "Linear models under any convex loss; the same model under several losses."),
    "choosing": ("choosing", "Choosing", "From a table to the loss that it should train with, with the proof."),
    "translation": ("translation", "Translation", "Losses of other libraries, by their names or from their objects."),
    "threads": ("threads", "Threads", "How many threads a call may use."),
}
_RETURNED = {
    "choosing": ["lossmith.choosing.result.Result", "lossmith.choosing.final.FinalModel"],
    "translation": ["lossmith.translation.Translation"],
}
_SAME_PAGE = {"engine": "loss", "registry": "loss", "specs": "loss", "linear": "training"}


def pages() -> dict[str, str]:
    """Markdown by path."""
    named: dict[str, list[str]] = {subject: [] for subject in SUBJECTS}
    for name, module in lm._WHERE.items():
        part = module.partition(".")[0]
        named[_SAME_PAGE.get(part, part)].append(f"lossmith.{module}.{name}")
    found = {"reference/index.md": _index(named)}
    for subject, (file, title, about) in SUBJECTS.items():
        lines = [f"# {title}", "", about, ""]
        for name in named[subject] + _RETURNED.get(subject, []):
            lines += [f"::: {name}", ""]
        found[f"reference/{file}.md"] = "\n".join(lines)
    return found | {"reference/formulas.md": _language(), "reference/command-line.md": _command_line()}


def _index(named: dict[str, list[str]]) -> str:
    lines = ["# Reference", "", "The public names of `import lossmith as lm`. Every loss of"]
    lines += ["[the gallery](../gallery/index.md) is one too: `lm.huber(delta=1.345)`.", ""]
    lines += ["| name | what it is |", "|---|---|"]
    for subject, (file, _, _) in SUBJECTS.items():
        for full in named[subject]:
            short = full.rpartition(".")[2]
            lines.append(f"| [`lm.{short}`]({file}.md#{full}) | {_sentence(getattr(lm, short))} |")
    lines += ["", "Beside these: [the language of formulas](formulas.md), `lossmith.formula`, and"]
    return "\n".join([*lines, "[the command line](command-line.md)."])


def _sentence(thing: object) -> str:
    """The first sentence of a docstring, in one line."""
    return " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split()).replace("|", "\\|")


def _language() -> str:
    words = {name: getattr(lossmith.formula, name) for name in lossmith.formula.__all__}
    domains = {name: word for name, word in words.items() if _domain(word)}
    functions = {name: word for name, word in words.items() if inspect.isfunction(word)}
    lines = ["# The language of formulas", ""]
    lines += [
        "`from lossmith.formula import ...` gives what a formula of your own is written with: domains annotate its"
    ]
    lines += ["arguments, functions and operators make its value.", "", "## Domains", ""]
    lines += ["| annotation | what the argument may be |", "|---|---|"]
    lines += [f"| `{name}` | {_meaning(word)} |" for name, word in sorted(domains.items())]
    lines += ["", "## Functions", "", "| function | |", "|---|---|"]
    lines += [f"| `{name}{_arguments(word)}` | {_sentence(word)} |" for name, word in sorted(functions.items())]
    return "\n".join([*lines, ""])


def _domain(word: object) -> Domain | None:
    marks = getattr(word, "__metadata__", ()) if get_origin(word) is Annotated else ()
    return next((mark for mark in marks if isinstance(mark, Domain)), None)


def _meaning(word: Any) -> str:
    if any(isinstance(mark, CutsMark) for mark in word.__metadata__):
        return "numbers in increasing order"
    return may_be(next(mark for mark in word.__metadata__ if isinstance(mark, Domain)))


def _arguments(function: object) -> str:
    parameters = inspect.signature(function).parameters.values()
    return f"({', '.join(str(p.replace(annotation=p.empty)) for p in parameters)})"


def _command_line() -> str:
    command = typer.main.get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="lossmith", title="The command line")
    status = "0 when done; 2 for what the user can put right, told in one line; 1 for what is our fault."
    return f"{text}\n## Exit status\n\n{status}\n"
