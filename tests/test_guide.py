"""The guide: every chapter runs, says what its code computed, and is the same as its script and notebook."""

import ast
import io
import json
import re
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib import pyplot

import make_examples
import pages
from browser import opened
from race import show_race

ROOT = Path(__file__).parents[1]
CHAPTERS = sorted((ROOT / "docs" / "guide").glob("[0-9]-*.md"))
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


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
    chapter = path.read_text(encoding="utf-8")
    began = time.process_time()
    page = pages.executed(chapter, path)
    assert time.process_time() - began < 120  # seconds of one core, the networks of chapter 6 included
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
    wanted = make_examples.examples()
    assert {file for file in make_examples.EXAMPLES.iterdir() if file.is_file()} == set(wanted)
    for file, content in wanted.items():
        assert file.read_text(encoding="utf-8") == content, "run python docs/make_examples.py"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_has_the_code_of_its_script_and_page(path):
    """All but what checks the page."""
    book = nbformat.read(make_examples.EXAMPLES / f"{path.stem}.ipynb", as_version=4)
    nbformat.validate(book)
    code = [cell.source for cell in book.cells if cell.cell_type == "code"]
    chapter = path.read_text(encoding="utf-8")
    unchecked = re.sub(r"^```python [^\n]*check=.*?^```$", "", chapter, flags=re.DOTALL | re.MULTILINE)
    blocks = [block.strip("\n") for block in pages.blocks(unchecked)]
    assert code == [make_examples.FIGURES.strip("\n"), *blocks]
    script = (make_examples.EXAMPLES / f"{path.stem}.py").read_text(encoding="utf-8")
    cells = [cell.strip("\n") for cell in re.split(r"^# %%(?: \[markdown\])?$", script, flags=re.MULTILINE)[1:]]
    assert [cell for cell in cells if not all(line.startswith("#") for line in cell.split("\n"))] == code


def test_scripts_do_not_need_the_checks_that_they_leave_out():
    command = [sys.executable, "-m", "ruff", "check", "--select", "F821", str(make_examples.EXAMPLES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def run_from(folder: Path, code: Path) -> str:
    command = [sys.executable, "-W", "error", str(code)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


every_chapter = pytest.mark.parametrize(  # the first one always, for it is quick
    "path", [pytest.param(path, marks=pytest.mark.full if i else (), id=path.stem) for i, path in enumerate(CHAPTERS)]
)


@pytest.mark.slow
@every_chapter
def test_a_script_runs_from_anywhere_and_prints_what_the_page_shows(path, tmp_path):
    said = run_from(tmp_path, make_examples.EXAMPLES / f"{path.stem}.py")
    page = pages.executed(path.read_text(encoding="utf-8"), path)
    for output in re.findall(r"``` \{ \.text \.result \}\n(.*?)```", page, flags=re.DOTALL):
        assert output.strip() in said
    files = re.findall(rf"\[(build/figures/{path.stem}-\d+\.html): ", said)
    assert files and all("<svg" in (ROOT / file).read_text(encoding="utf-8") for file in files)


@pytest.mark.slow
@every_chapter
def test_the_cells_of_a_notebook_run_in_order(path):
    """In its own folder, where Jupyter runs them, and without a script's name."""
    book = nbformat.read(make_examples.EXAMPLES / f"{path.stem}.ipynb", as_version=4)
    cells = [cell.source for cell in book.cells if cell.cell_type == "code"]
    runner = "import json, sys\nnames = {'__name__': '__main__'}\nfor cell in json.load(sys.stdin): exec(cell, names)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", runner], input=json.dumps(cells), cwd=make_examples.EXAMPLES,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture
def walked():
    """A race on its own, and the line that its dot has to follow as it is drawn."""
    figure, axes = pyplot.subplots(figsize=(4, 3))
    points = np.array([[0, 0], [1, 4], [2, 1], [3, 2]])
    axes.plot(*points.T, gid="walked")
    output = io.StringIO()
    with redirect_stdout(output):
        show_race(figure, [(axes, "#123456", points)], "A walk.")
    pyplot.close(figure)
    drawn = re.search(r'<g id="[\w-]*walked">\s*<path d="([^"]*)"', output.getvalue()).group(1)
    return output.getvalue(), np.array(re.findall(r"[\d.]+", drawn), dtype=float).reshape(-1, 2)


def test_the_race_walks_where_it_was_told(walked):
    page, drawn = walked
    (walk,) = json.loads(re.search(r"walks = (\[.*?\]);", page).group(1))
    assert np.allclose(walk, drawn, atol=0.06)


SEEN = """
window.seen = new Set();
setInterval(() => { const slider = document.querySelector("input"); if (slider) window.seen.add(slider.value); }, 5);
"""


@pytest.mark.slow
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_race_starts_by_itself_unless_motion_is_unwanted(browser, tmp_path, walked, motion):
    """Its button plays and pauses, its slider goes to a step."""
    markup, drawn = walked
    file = tmp_path / "race.html"
    file.write_text(f'<!doctype html><meta charset="utf-8">{markup}', encoding="utf-8")
    with opened(browser, file.as_uri()) as (page, wrong):
        page.emulate_media(reduced_motion=motion)
        page.add_init_script(SEEN)  # a race may be over before anybody asks from outside
        page.goto(file.as_uri())
        slider, button, dot = page.locator("input"), page.locator("button"), page.locator("circle.walker")
        if motion == "reduce":
            page.wait_for_timeout(400)
            assert button.inner_text() == "Play" and slider.input_value() == "3"
            button.click()
        page.wait_for_function("window.seen.has('1') && document.querySelector('input').value == 3")
        assert button.inner_text() == "Play"
        slider.fill("1")
        place = float(dot.get_attribute("cx")), float(dot.get_attribute("cy"))
        assert np.allclose(place, drawn[1], atol=0.06) and page.locator("output").inner_text() == "step 1"
        assert not wrong
