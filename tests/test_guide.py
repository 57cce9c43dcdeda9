"""The guide: every chapter runs, says what its code computed, and is the same as its script and notebook."""

import ast
import importlib
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "docs" / "guide").glob("[0-9]-*.md"))
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


@pytest.fixture(autouse=True)
def found(monkeypatch):
    """The documentation's own modules can be imported."""
    for folder in ("docs", "docs/tools"):
        monkeypatch.syspath_prepend(str(ROOT / folder))


def numbers(text: str) -> set[float]:
    return {float(number.replace(",", "")) for number in NUMBER.findall(text)}


def prose(chapter: str) -> str:
    """What the chapter says in words: no code, formulas, links, sources, chapters or years."""
    text = chapter[: chapter.index("## Try it")]
    for left_out in (r"```.*?```", r"\$\$.*?\$\$", r"\$.*?\$", r"`[^`\n]*`", r"\[[^\]]*\]\([^)]*\)", r"^#.*?$",
                     r"\b1[89]\d\d\b|\b20[0-3]\d\b"):  # fmt: skip
        text = re.sub(left_out, " ", text, flags=re.DOTALL | re.MULTILINE)
    return text


def described(code: str) -> list[str]:
    """What stands word for word in the descriptions of pictures."""
    alts = [word.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)
            for word in node.keywords if word.arg == "alt"]  # fmt: skip
    return [node.value for alt in alts for node in ast.walk(alt)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)]  # fmt: skip


def test_there_are_eight():
    assert [chapter.name[0] for chapter in CHAPTERS] == list("12345678")


@pytest.mark.slow
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_and_says_what_it_computed(path):
    """Its own assertions hold; no number stands in the text that is not in its code or its output."""
    pages = importlib.import_module("pages")
    chapter = path.read_text(encoding="utf-8")
    page = pages.executed(chapter, path)
    code = "\n".join(pages.blocks(chapter))
    outputs = re.findall(r"``` \{ \.text \.result \}\n(.*?)```", page, flags=re.DOTALL)
    figures = re.findall(r'<figure class="plot" role="img" aria-label="([^"]*)"><svg', page)
    assert figures and all(len(alt) > 60 for alt in figures)
    assert outputs and not re.search(r"\b(nan|inf)\b", "".join(outputs))
    constants = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    known = {float(value) for value in constants if isinstance(value, int | float)} | numbers("".join(outputs))
    known |= {round(100 * number, 9) for number in known}  # 0.05 may be said as 5 %
    assert numbers(prose(chapter)) - known == set()
    assert numbers(" ".join(described(code))) - known == set()
    assert re.search(r"^\s*assert ", code, flags=re.MULTILINE)
    assert "## Try it" in chapter and "https://doi.org/10." in chapter


def test_scripts_and_notebooks_are_current():
    made = importlib.import_module("make_examples")
    wanted = made.examples()
    assert {file for file in made.EXAMPLES.iterdir() if file.is_file()} == set(wanted)
    for file, content in wanted.items():
        assert file.read_text(encoding="utf-8") == content, "run python docs/make_examples.py"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_has_the_code_of_its_script_and_page(path):
    pages = importlib.import_module("pages")
    examples = importlib.import_module("make_examples")
    book = nbformat.read(examples.EXAMPLES / f"{path.stem}.ipynb", as_version=4)
    nbformat.validate(book)
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    blocks = [block.strip("\n") for block in pages.blocks(path.read_text(encoding="utf-8"))]
    assert code == [examples.FIGURES.strip("\n"), *blocks]
    script = (examples.EXAMPLES / f"{path.stem}.py").read_text(encoding="utf-8")
    cells = [cell.strip("\n") for cell in re.split(r"^# %%(?: \[markdown\])?$", script, flags=re.MULTILINE)[1:]]
    assert [cell for cell in cells if not all(line.startswith("#") for line in cell.split("\n"))] == code


@pytest.mark.slow
def test_a_script_runs_from_anywhere(tmp_path):
    examples = importlib.import_module("make_examples")
    command = [sys.executable, "-W", "error", str(examples.EXAMPLES / "1-loss.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mean loss" in done.stdout
    file = ROOT / re.search(r"\[(build/figures/1-loss-1\.html): Left: the data", done.stdout).group(1)
    assert "<svg" in file.read_text(encoding="utf-8")


def test_the_race_walks_where_it_was_told():
    """The dots go through the places of the points on the drawn axes, and nothing is fetched."""
    race = importlib.import_module("race")
    pyplot = importlib.import_module("matplotlib.pyplot")
    figure, axes = pyplot.subplots(figsize=(4, 3))
    (line,) = axes.plot([0, 1, 2], [0, 4, 1], gid="walked")
    output = io.StringIO()
    with redirect_stdout(output):
        race.show_race(figure, [(axes, "#123456", np.column_stack([line.get_xdata(), line.get_ydata()]))], "A walk.")
    pyplot.close(figure)
    page = output.getvalue()
    (walk,) = json.loads(re.search(r"walks = (\[.*?\]);", page).group(1))
    drawn = re.search(r'<g id="[\w-]*walked">\s*<path d="([^"]*)"', page).group(1)
    assert np.allclose(walk, np.array(re.findall(r"[\d.]+", drawn), dtype=float).reshape(-1, 2), atol=0.06)
    assert "prefers-reduced-motion" in page and "src=" not in page and "fetch" not in page
