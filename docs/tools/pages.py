"""Pages that run: every block marked ``exec="on"`` is executed, and what it prints and draws stands below it.

The marks are those of markdown-exec: ```` ```python exec="on" source="above" result="text" ````. ``source`` is "above"
(the default) or "none" for code that is not shown; ``result`` is the language of what is printed, and ``html="on"``
puts that into the page as it is. A ```` ```console exec="on" ```` block holds one command of lossmith, and what it
printed once is replaced by what it prints. The blocks of a page share their names, as cells of a notebook do. A warning
is an error. A page that ran before is not run again until its text, the library or what stands beside pages changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build" / "pages"
DOCS = str(ROOT / "docs")  # where pages find figures.py
_FENCE = re.compile(r"^```python (?P<marks>[^\n]*)\n(?P<code>.*?)^```$", flags=re.DOTALL | re.MULTILINE)
_CONSOLE = re.compile(r'(?ms)^```console exec="on"\n\$ lossmith (?P<command>[^\n]*)\n.*?^```$')
_FIGURE = re.compile(r'(<figure class="plot".*?</figure>)', flags=re.DOTALL)


def blocks(text: str) -> list[str]:
    """The code of every Python block of a page, executed or only shown."""
    return re.findall(r"^```python[^\n]*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def run(path: Path, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run every Python block of a page, those that are only shown too; the names that they knew and made."""
    code = "\n".join(blocks(path.read_text(encoding="utf-8")))
    found = dict(names or {})
    exec(compile(code, str(path), "exec"), found)
    return found


def executes(text: str) -> bool:
    """Whether a page has a block to execute."""
    marked = any(_marks(match).get("exec") == "on" for match in _FENCE.finditer(text))
    return marked or _CONSOLE.search(text) is not None


def executed(text: str, path: Path, names: dict[str, Any] | None = None) -> str:
    """The page with the output of its blocks; raises what a block raises.

    ``path`` is where the text lies: a traceback then names the page's own line. ``names`` are known to the first block.
    """
    module = ModuleType(f"page_{path.stem.replace('-', '_')}")
    vars(module).update(names or {}, __file__=str(path))
    sys.modules[module.__name__] = module  # where dataclasses and pickle look for what a page defines

    def replaced(match: re.Match[str]) -> str:
        marks = _marks(match)
        if marks.get("exec") != "on":
            return match.group()
        before = "\n" * text.count("\n", 0, match.start("code"))
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(before + match["code"], str(path), "exec"), vars(module))
        printed = output.getvalue()
        shown = printed if marks.get("html") == "on" else _shown(printed, marks.get("result", "text"))
        return f"{_source(match, marks)}\n\n{shown}"

    try:
        with warnings.catch_warnings(), _style():
            warnings.simplefilter("error")
            return _CONSOLE.sub(_commanded, _FENCE.sub(replaced, text))
    finally:
        del sys.modules[module.__name__]


def _commanded(match: re.Match[str]) -> str:
    """A command, which finds files from the repository's root, and what it prints."""
    from lossmith.cli import app

    with contextlib.chdir(ROOT):
        done = CliRunner().invoke(app, shlex.split(match["command"]), catch_exceptions=False)
    if done.exit_code:
        raise RuntimeError(f"lossmith {match['command']} ends with {done.exit_code}: {done.stderr}")
    return f"```console\n$ lossmith {match['command']}\n{done.stdout}```"


@contextlib.contextmanager
def _style() -> Iterator[None]:
    """The figures' style, for the time that a page runs."""
    import matplotlib

    if DOCS not in sys.path:
        sys.path.append(DOCS)
    with matplotlib.rc_context():
        from figures import STYLE

        matplotlib.rcParams.update(STYLE)
        yield


def unexecuted(text: str) -> str:
    """The page with its code, but without what that prints and draws."""
    return _FENCE.sub(lambda m: _source(m, _marks(m)), text)


def cached(text: str, path: Path) -> str:
    """The executed page, from the last run of the same text by the same code where there is one."""
    key = hashlib.sha256(text.encode() + _code().encode()).hexdigest()[:24]
    kept = CACHE / f"{path.stem}-{key}.md"
    if not kept.exists():
        result = executed(text, path)
        CACHE.mkdir(parents=True, exist_ok=True)
        for old in CACHE.glob(f"{path.stem}-*.md"):
            old.unlink()
        kept.write_text(result, encoding="utf-8")
    return kept.read_text(encoding="utf-8")


def _source(match: re.Match[str], marks: dict[str, str]) -> str:
    return "" if marks.get("source") == "none" else f"```python\n{match['code']}```"


def _marks(match: re.Match[str]) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', match["marks"]))


def _shown(output: str, language: str) -> str:
    parts = []
    for part in _FIGURE.split(output):
        if part.startswith("<figure"):
            parts.append(part)
        elif part.strip():
            parts.append(f"``` {{ .{language} .result }}\n{part.strip(chr(10))}\n```")
    return "\n\n".join(parts) + "\n"


def _code() -> str:
    """A fingerprint of all code that a page's output may depend on."""
    found = hashlib.sha256()
    for file in sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("docs/*.py"), Path(__file__)]):
        found.update(file.read_bytes())
    return found.hexdigest()
