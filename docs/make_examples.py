"""examples/guide: the chapters of the guide as scripts and notebooks, made from docs/guide/*.md and nothing else.

Blocks marked check="on" assert what the text says. They stay behind: who changes a number should see what happens.

Run it after a change of a chapter: python docs/make_examples.py
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import v4

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "docs" / "guide").glob("[0-9]-*.md"))
EXAMPLES = ROOT / "examples" / "guide"
_BLOCK = re.compile(r'^```python (?P<marks>[^\n]*exec="on"[^\n]*)\n(?P<code>.*?)^```$', flags=re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\((\d-[\w-]+)\.md")
FIGURES = """\
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))
"""


def cells(chapter: str) -> list[tuple[str, str, bool]]:
    """The chapter as ("text" | "code", content, whether the page shows it), in order."""
    found, end = [("code", FIGURES, False)], 0
    for block in _BLOCK.finditer(chapter):
        found.append(("text", chapter[end : block.start()], True))
        if 'check="on"' not in block["marks"]:
            found.append(("code", block["code"], 'source="none"' not in block["marks"]))
        end = block.end()
    found.append(("text", chapter[end:], True))
    found[0], found[1] = found[1], found[0]  # the title comes first
    return [(kind, content.strip("\n"), shown) for kind, content, shown in found if content.strip()]


def script(chapter: Path) -> str:
    """The chapter as a Python script, its text as comments, in the cells that editors know."""
    parts = [f'"""Made from docs/guide/{chapter.name} by docs/make_examples.py: change that."""\n']
    for kind, content, _ in cells(_linked(chapter, ".py")):
        if kind == "text":
            lines = (f"# {line}".rstrip() for line in content.split("\n"))
            parts.append("\n".join(["# %% [markdown]", *lines]) + "\n")
        else:
            parts.append(f"# %%\n{content}\n")
    return "\n".join(parts)


def notebook(chapter: Path) -> str:
    """The chapter as a Jupyter notebook without output; the code of pictures and checks is folded."""
    made = []
    for number, (kind, content, shown) in enumerate(cells(_linked(chapter, ".ipynb"))):
        cell = v4.new_markdown_cell(content) if kind == "text" else v4.new_code_cell(content)
        cell["id"] = f"cell-{number}"
        if not shown:
            cell["metadata"]["jupyter"] = {"source_hidden": True}
        made.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return nbformat.writes(v4.new_notebook(cells=made, metadata={"kernelspec": kernel})) + "\n"


def examples() -> dict[Path, str]:
    """Every file of examples/guide and what it has to say."""
    return {
        EXAMPLES / f"{chapter.stem}{suffix}": make(chapter)
        for chapter in CHAPTERS
        for suffix, make in ((".py", script), (".ipynb", notebook))
    }


def _linked(chapter: Path, suffix: str) -> str:
    return _LINK.sub(rf"](\g<1>{suffix}", chapter.read_text(encoding="utf-8"))


if __name__ == "__main__":
    EXAMPLES.mkdir(parents=True, exist_ok=True)
    wanted = examples()
    for file in EXAMPLES.iterdir():
        if file not in wanted:
            file.unlink()
    for file, content in wanted.items():
        file.write_text(content, encoding="utf-8")
