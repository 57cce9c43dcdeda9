"""What the documentation says is true: its code runs, its lists are current, its files exist."""

import re
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm
import make_losses
import pages

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    code = "\n".join(pages.blocks(README))
    assert "lm.choose(X, y" in code and "@lm.pointwise" in code
    pages.run(ROOT / "README.md", names)


@pytest.mark.slow
def test_the_page_of_choosing_runs(raced_once, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "choosing.md"
    code = "\n".join(pages.blocks(page.read_text(encoding="utf-8")))
    assert "lm.load_model" in code and "by_hand(result)" in code
    pages.run(page, {})
    assert (tmp_path / "report.html").exists() and (tmp_path / "visits.lossmith").exists()


@pytest.mark.slow
def test_the_page_of_choosing_shows_what_explain_says():
    """Its file in about the same words, the site in the same numbers too."""

    def words(text):
        return re.sub(r"[\d.,]+", "#", re.sub(r"(?m)^[\s\d.,%]+$|-{3,}| +", " ", text)).split()

    page = ROOT / "docs" / "choosing.md"
    text = page.read_text(encoding="utf-8")
    command = re.search(r"\$ lossmith explain [^\n]+\n", text).group()
    stale = re.sub(r"delta=[\d.]+\) on", "delta=0.0) on", text)
    assert pages.executes(text) and pages.executed(stale, page) == pages.executed(text, page)
    shown, told = (each.partition(command)[2].partition("```")[0] for each in (text, pages.executed(text, page)))
    assert words(shown) == words(told)


@pytest.mark.slow
def test_the_page_of_linear_models_runs():
    """Its code stands alone, and warns of nothing."""
    page = ROOT / "docs" / "linear.md"
    assert all(word in page.read_text(encoding="utf-8") for word in ("plot_history", "partial_fit"))
    pages.run(page)


def test_the_page_of_losses_is_current():
    assert make_losses.PAGE.read_text(encoding="utf-8") == make_losses.page(), "run python docs/make_losses.py"
    assert all(f"### {name}\n" in make_losses.page() for name in lm.names())
    for symbol in (r"\operatorname{sp}(x) =", r"\operatorname{js}(y, f) =", r"\sigma(x) ="):
        assert symbol in make_losses.page()


PAGE = """# A page

```python exec="on" source="above" result="text"
from figures import show
from matplotlib.figure import Figure
print("before", number)
show(Figure(figsize=(2, 1)), alt="nothing to see")
print("after")
```

```python
never = run
```

```python exec="on" source="none" html="on"
print(f"<b>{number + 1}</b>")
```
"""


def test_a_page_shows_what_its_blocks_print_and_draw():
    shown = pages.executed(PAGE, ROOT / "docs" / "page.md", {"number": 41})
    first, second, third = re.split(r"never = run|<b>42</b>", shown)
    assert shown.index("print(") < shown.index("``` { .text .result }\nbefore 41\n```") < shown.index("<figure")
    assert 'aria-label="nothing to see"' in first and first.index("</figure>") < first.index(".result }\nafter\n```")
    assert "exec=" not in shown and "number + 1" not in second + third


def test_a_page_that_fails_names_its_own_line():
    with pytest.raises(NameError) as caught:
        pages.executed(PAGE, ROOT / "docs" / "page.md")
    assert caught.traceback[-1].lineno + 1 == PAGE[: PAGE.index("print(")].count("\n") + 1


def test_a_page_that_warns_fails():
    with pytest.raises(UserWarning, match="beware"):
        pages.executed('```python exec="on"\nimport warnings\nwarnings.warn("beware")\n```', ROOT / "docs" / "page.md")


def test_the_makefile_names_a_table_that_is_there():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    table, column = (re.search(rf"^{name}\s*= (\S+)$", text, flags=re.MULTILINE) for name in ("TABLE", "COLUMN"))
    assert table and column
    header = (ROOT / table.group(1)).read_text(encoding="utf-8").split("\n", 1)[0]
    assert column.group(1) in header.split(",")
