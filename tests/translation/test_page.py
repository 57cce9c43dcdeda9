"""The page of translations runs, and is what the tables say."""

from pathlib import Path

import make_translation
import pages

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "frameworks" / "translation.md"


def test_the_page_runs():
    assert len(pages.blocks(PAGE.read_text(encoding="utf-8"))) > 3
    pages.run(PAGE)


def test_the_page_is_current():
    assert PAGE.read_text(encoding="utf-8") == make_translation.page(), "run python docs/make_translation.py"
