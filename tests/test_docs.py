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


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/linear.md"])
def test_links_lead_somewhere(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target


@pytest.mark.slow
def test_the_readme_runs():
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
def test_the_page_of_linear_models_runs():
    """Its code stands alone, and warns of nothing."""
    page = ROOT / "docs" / "linear.md"
    assert all(word in page.read_text(encoding="utf-8") for word in ("plot_history", "partial_fit"))
    pages.run(page)


def test_the_page_of_losses_is_current():
    assert make_losses.PAGE.read_text(encoding="utf-8") == make_losses.page(), "run python docs/make_losses.py"
    assert all(f"### {name}\n" in make_losses.page() for name in lm.names())


def test_the_makefile_names_a_table_that_is_there():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    table, column = (re.search(rf"^{name}\s*= (\S+)$", text, flags=re.MULTILINE) for name in ("TABLE", "COLUMN"))
    assert table and column
    header = (ROOT / table.group(1)).read_text(encoding="utf-8").split("\n", 1)[0]
    assert column.group(1) in header.split(",")
