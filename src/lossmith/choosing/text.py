"""A result as plain text, for terminals and logs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from lossmith.choosing.errors import listed, plain
from lossmith.choosing.verdict import ROPE, SURE

if TYPE_CHECKING:
    from lossmith.choosing.result import Result, Row

WIDTH = 120
INITIALS = {"mean squared error": "MSE", "mean squared log error": "MSLE"}  # of what is judged, shown as its root
IN_UNITS = ("RMSE", "MAE")  # of the target, whatever that is


def as_text(result: Result, aim_option: str = "aim=...") -> str:
    assumed = f" (assumed; say {aim_option} to change it{_or_classes(result)})" if result.aim.assumed else ""
    facts = [
        f"target   {plain(result.target)}: {result.support}, {result.profile.rows:,} rows",
        f"aim      {result.aim}{assumed}",
        f"score    {result.score.name} ({result.score.reason}); the same folds for every loss",
    ]
    remarks = [*legend(result), *beside(result)]
    gaps = [row.gap for row in result.table if row.gap is not None]
    if gaps:
        remarks.append(f"gap: every linear model is proven to lie within {max(gaps):.0e} of the best its loss allows")
    remarks += [f"note: {note}" for note in result.notes]
    remarks += [f"warning: {warning}" for warning in result.warnings]
    said = [result.sentence, *wrap(result.reason, WIDTH)]
    folded = [line for remark in remarks for line in wrap(remark, WIDTH, subsequent_indent="  ")]
    return "\n".join([*said, "", *facts, "", *evidence_table(result), "", *folded])


def _or_classes(result: Result) -> str:
    names = result.perhaps_classes
    return names and f": probability, if {names} are names of classes"


def header(result: Result) -> tuple[str, ...]:
    judged = "" if result.score.shown_as_judged else f" in {INITIALS.get(result.score.name, result.score.name)}"
    return (
        "loss", "model", result.score.shown_name, f"skill{judged}", f"gain{judged}", "95% interval", "Holm p", "outcome"
    )  # fmt: skip


def legend(result: Result) -> list[str]:
    """What the columns of the table mean."""
    score, default = result.score, result.default
    lines = [
        f"gain: in percent, how far the {score.name} falls below that of the default, {default}, on the same model",
        "skill: the same against the best constant, one answer for every row",
        f"better, worse: by more than {ROPE:.0%} with {SURE:.0%} probability; same: within it; not shown: neither",
        "the interval leaves out 2.5% on each side, better and worse 5% on one: theirs may reach a little beyond 0",
    ]
    units = f", in units of {plain(result.target, 40)}" if score.shown_name in IN_UNITS else ""
    if score.name in INITIALS:
        lines.insert(0, f"{score.shown_name}: the root of the {score.name} ({INITIALS[score.name]}){units}")
    elif units:
        lines.insert(0, f"{score.shown_name}: {score.name}{units}")
    if any(row.holm_p is not None for row in result.table):
        lines.append(
            "Holm p: the chance of so large a difference between equal losses, raised because several were compared"
        )
    roles = {row.role for row in result.table}
    named = {
        "default": "default: the plain loss that fits the aim",
        "library": "library default: what libraries train unless told otherwise",
        "reference": "reference only: shown beside the others, and never recommended",
    }
    return [*lines, "; ".join(meaning for role, meaning in named.items() if role in roles)]


def beside(result: Result) -> list[str]:
    """What goes with the verdict: how much of it was luck, what cannot be told apart, how to decide."""
    evidence = result.evidence
    told = result.verdict == "USE" and result.chosen.label == result.default  # the verdict itself says it
    lines = [f"against the library's default: {evidence.over_library}"] if evidence.over_library and not told else []
    luck = evidence.optimism
    if luck is not None and luck.apparent_gain > 0:
        unit = 100 / (luck.apparent + luck.apparent_gain)
        low, high = (unit * end for end in luck.interval)
        size = f"{unit * abs(luck.gain):.1f}% {'better' if luck.gain > 0 else 'worse'} than {result.default}"
        lines.append(
            f"luck: what looked best on some of the rows, by {unit * luck.apparent_gain:.1f}%, was on the others "
            f"{size} (95% interval {low:+.1f} to {high:+.1f}%)"
        )
    worse = {(row.label, row.model) for row in result.table if row.role == "reference" or row.outcome == "worse"}
    tied = [f"{label} on {model}" for label, model in evidence.confidence_set if (label, model) not in worse]
    if len(tied) > 1:
        lines.append(f"none of these can be ruled out as the best (model confidence set, 95%): {listed(tied)}")
    if evidence.decision is not None:
        lines.append(f"to decide: {evidence.decision.describe(result.classes)}")
    return lines


def evidence_table(result: Result) -> list[str]:
    return grid([header(result), *(cells(row) for row in result.table)], left=(0, 1, 7))


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
