"""A result as plain text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from lossmith.choosing.errors import plain
from lossmith.choosing.verdict import ROPE, SURE

if TYPE_CHECKING:
    from lossmith.choosing.result import Result, Row

WIDTH = 120
HEADER = ("loss", "model", "{score}", "skill", "gain", "95% interval", "Holm p", "outcome")


def as_text(result: Result, aim_option: str = "aim=...") -> str:
    aim = f"{result.aim}{f' (assumed; say {aim_option} to change it)' if result.aim.assumed else ''}"
    lines = [
        result.sentence,
        result.reason,
        "",
        f"target   {plain(result.target)}: {result.support}, {result.profile.rows:,} rows",
        f"aim      {aim}",
        f"score    {result.score.name} ({result.score.reason}); the same folds for every loss",
        "",
        *evidence_table(result),
        "",
        *legend(result),
    ]
    lines += [line for long in beside(result) for line in wrap(long, WIDTH, subsequent_indent="  ")]
    gaps = [row.gap for row in result.table if row.gap is not None]
    if gaps:
        lines.append(f"gap: every linear model is proven to be within {max(gaps):.0e} of its best possible objective")
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"warning: {warning}" for warning in result.warnings]
    return "\n".join(lines)


def legend(result: Result) -> list[str]:
    """What the columns of the table mean."""
    lines = [
        f"gain: how far the {result.score.name} falls below the default's on the same model, in percent of it",
        "skill: the same against the best constant",
        f"better, worse: by more than {ROPE:.0%} with {SURE:.0%} probability; same: within it; not shown: neither",
        "the interval leaves out chances on both sides, so that of a better or worse loss may reach a little beyond 0",
    ]
    if any(row.holm_p is not None for row in result.table):
        lines.append(
            "Holm p: the chance of so large a difference between equal losses, raised because several were compared"
        )
    return lines


def beside(result: Result) -> list[str]:
    """What goes with the verdict: how much of it was luck, what cannot be told apart, how to decide."""
    evidence = result.evidence
    told = result.verdict == "USE" and result.chosen.label == result.default  # the verdict itself says it
    lines = [f"against the library's default: {evidence.over_library}"] if evidence.over_library and not told else []
    luck = evidence.optimism
    if luck is not None and luck.apparent_gain > 0:
        unit = 100 / (luck.apparent + luck.apparent_gain)
        low, high = luck.interval
        lines.append(
            f"luck: always taking the best would seem to gain {unit * luck.apparent_gain:.1f}% over {result.default}; "
            f"without the luck of the winner {unit * luck.gain:.1f}% (95% {unit * low:.1f}% to {unit * high:.1f}%)"
        )
    tied = [f"{label} ({model})" for label, model in evidence.confidence_set]
    if len(tied) > 1:
        lines.append(f"cannot be told from the best, at 95%: {', '.join(tied)}")
    if evidence.decision is not None:
        lines.append(f"to decide: {evidence.decision.describe(result.classes)}")
    return lines


def evidence_table(result: Result) -> list[str]:
    header = [title.format(score=result.score.shown_name) for title in HEADER]
    return grid([header, *(cells(row) for row in result.table)], left=(0, 1, 7))


def cells(row: Row) -> list[str]:
    return [
        row.label,
        row.model,
        _number(row.score),
        "" if row.skill is None else f"{row.skill:.1%}",
        "" if row.gain is None else f"{row.gain:+.1f}%",
        "" if row.low is None or row.high is None else f"{row.low:+.1f} to {row.high:+.1f}%",
        "" if row.holm_p is None else f"{row.holm_p:.3f}" if row.holm_p >= 0.001 else "<0.001",
        row.outcome if row.failure is None else f"{row.outcome}: {row.failure}",
    ]


def grid(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    """Aligned columns; those in `left` start at the left, numbers end at the right."""
    widths = [max(len(row[j]) for row in rows) for j in range(len(rows[0]))]
    lines = []
    for row in rows:
        pairs = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(cell.ljust(w) if j in left else cell.rjust(w) for j, (cell, w) in pairs).rstrip())
    return [lines[0], "-" * max(len(line) for line in lines), *lines[1:]]


def _number(x: float | None) -> str:
    return "" if x is None else f"{x:,.4g}" if abs(x) < 10000 else f"{x:,.0f}"
