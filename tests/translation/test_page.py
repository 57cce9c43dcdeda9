"""The page of translations runs, and is what the tables say."""

import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "frameworks" / "translation.md"


def test_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) > 3
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {})


def test_the_page_is_current():
    spec = importlib.util.spec_from_file_location("make_translation", DOCS / "make_translation.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert PAGE.read_text(encoding="utf-8") == module.page(), "run python docs/make_translation.py"
