"""The model card: what the model is, what it is for, how it was judged, and what to be careful about."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossmith.choosing.encoding import LEVELS
from lossmith.choosing.errors import listed, plain

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

Card = dict[str, list[str]]  # a title, and what it says


def card_of(result: Result) -> Card:
    from lossmith.choosing.report import versions

    row = result.final_row
    judged = [f"Judged by {result.score.name}, on rows that the models had not seen: {result.sentence}.", result.reason]
    if row is not None and row.score is not None:
        judged.append(f"{result.score.shown_name} {row.score:,.5g}, of models trained on parts of these rows.")
        if row.skill is not None:
            apart = f"{abs(row.skill):.1%} {'below' if row.skill >= 0 else 'above'}"
            judged.append(f"Its {result.score.name} is {apart} that of the same answer for every row.")
    uses = [
        f"Predicts {plain(result.target)} ({result.support}): {result.aim.title}.",
        f"Answers for rows like the {len(result.whole.y):,} it was trained on; nothing is known about others.",
    ]
    if result.evidence.decision is not None:
        uses.append(f"To decide: {result.evidence.decision.describe(result.classes)}.")
    columns = [plain(name, 40) for name in result.problem.table.names]
    shown = listed(columns)
    if len(columns) > MOST_NAMES:
        shown = f"{', '.join(columns[:MOST_NAMES])} and {len(columns) - MOST_NAMES} more"
    return {
        "What it is": [
            f"A {result.final_kind} model trained with the loss {result.chosen.label}, chosen by lossmith.",
            f"{result.chosen.reason[0].upper()}{result.chosen.reason[1:]} ({result.chosen.source}).",
        ],
        "What it is for": uses,
        "How it was judged": judged,
        "What it was trained on": [
            f"{len(result.whole.y):,} rows, {len(columns)} columns: {shown}.",
            f"Gaps are filled with the median. {UNSEEN}",
            *(f"{note[0].upper()}{note[1:]}." for note in result.notes),
        ],
        "Be careful": list(result.warnings)
        or ["No warnings were found; that is no proof that there is nothing to find."],
        "Made with": [versions() + f", seed {result.problem.seed}."],
    }


MOST_NAMES = 30
UNSEEN = (
    "A category that training did not see counts with the rare ones of its column, or as the commonest one where there "
    f"are none: in columns of {LEVELS} categories or fewer."
)


def as_markdown(card: Card) -> str:
    """Text that came with the table is kept from being read as Markdown or HTML."""
    parts = ["# Model card"]
    for title, lines in card.items():
        parts += ["", f"## {title}", "", *(f"- {_escaped(line)}" for line in lines)]
    return "\n".join(parts) + "\n"


def _escaped(line: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*[]<>#|" else c for c in line)
