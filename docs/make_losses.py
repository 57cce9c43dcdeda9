"""docs/losses.md: the catalogue as a page, made from the formulas themselves."""

from itertools import groupby
from pathlib import Path

from lossmith.choosing.catalogue import NAMELESS
from lossmith.registry import describe
from symbols import SYMBOLS

PAGE = Path(__file__).with_name("losses.md")


def _code(value: object) -> str:
    return f"`{value}`"


def page() -> str:
    """The whole page as Markdown."""
    lines = ["# The losses", "", "Made by `python docs/make_losses.py` from the formulas in `src/lossmith/losses`."]
    lines += ["", "What is not written the same everywhere:", ""]
    lines += [f"* ${meaning}$" for meaning in SYMBOLS.values()]
    for family, entries in groupby(describe(), key=lambda entry: entry["family"]):
        lines += ["", f"## {family.capitalize()}"]
        for entry in entries:
            parameters = ", ".join(f"{name}={value!r}" for name, value in entry["parameters"].items())
            lines += ["", f"### {entry['name']}", "", entry["sentence"], "", f"$${entry['latex']}$$", ""]
            lines += [f"* call: {_code(entry['name'] + '(' + parameters + ')')}"]
            if entry["aliases"]:
                lines += [f"* also called: {', '.join(map(_code, entry['aliases']))}"]
            aims_at = entry["elicits"] or NAMELESS
            lines += [f"* target: {entry['target']}; link: {entry['link']}; aims at: {aims_at}"]
            lines += [f"* source: {entry['source']}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
