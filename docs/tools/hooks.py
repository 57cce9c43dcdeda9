"""What MkDocs calls while it builds the site: pages are made and run, formulas drawn, and the navigation filled in."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.append(str(Path(__file__).parents[1]))  # while this file loads: for the tools that make the pages kept in docs

import formulas
import gallery
import pages
import reference
import rules
from lossmith.registry import describe

DOCS = Path(__file__).parents[1]


def on_config(config: Any) -> Any:
    """Sections that name a folder get its pages; pages beside the first that no section names are instructions."""
    made = {"guide": _guide, "gallery": _gallery, "reference": _reference}
    for section in config.nav:
        ((name, where),) = section.items()
        if isinstance(where, str) and where.rstrip("/") in made:
            section[name] = made[where.rstrip("/")]()
    config.nav = [section for section in config.nav if all(section.values())]
    how_to = next(section["How-to"] for section in config.nav if "How-to" in section)
    how_to[:0] = [file.name for file in sorted(DOCS.glob("*.md")) if repr(file.name) not in str(config.nav)]
    return config


def _guide() -> list[str]:
    chapters = sorted((DOCS / "guide").glob("*.md"), key=lambda file: (file.stem != "index", file.stem))
    return [file.relative_to(DOCS).as_posix() for file in chapters]


def _gallery() -> list[Any]:
    families: dict[str, list[str]] = {}
    for entry in describe():
        families.setdefault(gallery.title(entry["family"]), []).append(f"gallery/{entry['name']}.md")
    order = list(gallery.FAMILIES.values())
    return ["gallery/index.md", *({name: families[name]} for name in sorted(families, key=order.index))]


def _reference() -> list[str]:
    return list(reference.pages())


def on_files(files: Files, config: Any) -> Files:
    """Pages that exist only in the site."""
    for path, text in {"which-loss.md": rules.page(), **gallery.pages(), **reference.pages()}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Run what is to be run; chapters of the guide are only shown where LOSSMITH_DOCS=quick asks for that."""
    source = page.file.abs_src_path
    if page.url == "losses.html":
        page.meta["search"] = {"exclude": True}  # the gallery says the same, and more
    if not source or not pages.executes(markdown):
        return markdown
    quick = os.environ.get("LOSSMITH_DOCS") == "quick" and page.url.startswith("guide/")
    return pages.unexecuted(markdown) if quick else pages.cached(markdown, Path(source))


def on_page_content(html: str, **_: Any) -> str:
    """Draw formulas, and let wide tables scroll by themselves."""
    html = re.sub(r"(<table>.*?</table>)", r'<div class="wide">\1</div>', html, flags=re.DOTALL)
    return formulas.drawn(html)
