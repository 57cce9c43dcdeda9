"""What the documentation says is true: its code runs, its lists are current, its files exist."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/linear.md", "docs/choosing.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target


@pytest.fixture
def raced_once(monkeypatch):
    """Whether the code runs does not depend on how often the folds are drawn."""
    monkeypatch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)


@pytest.mark.slow
def test_the_readme_runs(raced_once):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = X[:, 0] + rng.standard_t(3, size=80)
    names = {
        "X": X, "y": y, "X_new": X[:5], "y_true": y, "y_pred": y + 0.3, "score": 0.5,
    }  # fmt: skip
    code = "\n".join(blocks(README))
    assert "lm.choose(X, y" in code and "@lm.pointwise" in code
    exec(compile(code, "README.md", "exec"), names)


@pytest.mark.slow
def test_the_page_of_choosing_runs(raced_once, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    code = "\n".join(blocks(page))
    assert "lm.load_model" in code and "by_hand(result)" in code
    exec(compile(code, "choosing.md", "exec"), {})
    assert (tmp_path / "report.html").exists() and (tmp_path / "visits.lossmith").exists()


@pytest.mark.slow
def test_the_page_of_choosing_shows_what_explain_says():
    from typer.testing import CliRunner

    from lossmith.cli import app

    def words(text):
        return re.sub(r"[\d.,]+", "#", re.sub(r"(?m)^[\s\d.,%]+$|-{3,}| +", " ", text)).split()

    page = (ROOT / "docs" / "choosing.md").read_text(encoding="utf-8")
    command, shown = re.search(r"\$ lossmith (explain [^\n]+)\n(.*?)```", page, re.DOTALL).groups()
    arguments = command.replace("examples/", f"{ROOT}/examples/").split()
    assert words(CliRunner().invoke(app, arguments).stdout) == words(shown)


@pytest.mark.slow
def test_the_page_of_linear_models_runs():
    """Its code stands alone, and warns of nothing."""
    code = "\n".join(blocks((ROOT / "docs" / "linear.md").read_text(encoding="utf-8")))
    assert "plot_history" in code and "partial_fit" in code
    exec(compile(code, "linear.md", "exec"), {})


def test_the_page_of_losses_is_current():
    spec = importlib.util.spec_from_file_location("make_losses", ROOT / "docs" / "make_losses.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/make_losses.py"
    assert all(f"### {name}\n" in module.page() for name in lm.names())


def test_the_makefile_names_a_table_that_is_there():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    table, column = (re.search(rf"^{name}\s*= (\S+)$", text, flags=re.MULTILINE) for name in ("TABLE", "COLUMN"))
    assert table and column
    header = (ROOT / table.group(1)).read_text(encoding="utf-8").split("\n", 1)[0]
    assert column.group(1) in header.split(",")
