"""What MkDocs calls while it builds the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pages


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Run what is to be run."""
    source = page.file.abs_src_path
    return pages.cached(markdown, Path(source)) if source and pages.executes(markdown) else markdown
