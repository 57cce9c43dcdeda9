"""docs/frameworks/translation.md: the second half, all names of all tables, made from the tables themselves."""

import inspect
from pathlib import Path

from lossmith.translation import Missing, Peer, Row, peers, translate

PAGE = Path(__file__).parent / "frameworks" / "translation.md"
HEADING = "## All names"


def _parameter(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is parameter.empty else f"{parameter.name}={parameter.default!r}"


def needed(row: Row) -> dict[str, object]:
    """Something for parameters without a default, to print the loss with."""
    examples: dict[str, object] = {"base_norm": "HuberT", "variance_power": 1.5, "q": 1.5 if row.names == "Lq" else 0.5}
    return {name: examples.get(name, 0.5) for name, p in row.parameters.items() if p.default is p.empty}


def _line(peer: Peer, row: Row) -> str:
    first, *others = row.names.split()
    found = translate(peer.full(first), **needed(row))
    factor = "" if found.factor == 1 else f"{found.factor:g} × "
    shift = "" if found.shift == 0 else f" + {found.shift}"
    ours = f"{factor}`{found.loss!r}`{shift}" + ("" if found.listed else " (own formula)")
    names = f"`{first}`" + (f", also {', '.join(f'`{name}`' for name in others)}" if others else "")
    parameters = ", ".join(f"`{_parameter(p)}`" for p in row.parameters.values())
    return f"| {names} | {parameters} | {ours} | {' '.join(filter(None, (row.notes, row.differs)))} |"


def tables() -> list[str]:
    """The generated half, line by line."""
    lines = [HEADING, "", "Made by `python docs/make_translation.py` from `src/lossmith/peers`.", ""]
    lines += [
        "Parameters without a default have an example's value in the third column. An own formula is one that the"
    ]
    lines += ["catalogue lacks: it was written for the translation."]
    for peer in peers():
        lines += ["", f"### {peer.name}", "", peer.notes, "", "| name | parameters | in lossmith | what to know |"]
        lines += ["|---|---|---|---|", *(_line(peer, row) for row in peer.rows if isinstance(row, Row))]
        missing = [row for row in peer.rows if isinstance(row, Missing)]
        if missing:
            lines += ["", "lossmith has none of these:", ""]
        for row in missing:
            near = f"; nearest: {', '.join(f'`{n}`' for n in row.near.split())}" if row.near else ""
            lines += [f"* {', '.join(f'`{n}`' for n in row.names.split())}: {row.why}{near}"]
    lines += ["", "## Where a peer's number is not what its definition says", ""]
    for peer in peers():
        shown = [row for row in peer.rows if isinstance(row, Row) and row.differs]
        lines += [f"* `{peer.full(row.names.split()[0])}`: {row.differs}" for row in shown]
    return lines


def page() -> str:
    """The page with its second half made anew."""
    written = PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
    return written + "\n".join(tables()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
