"""The race as a table: one row for each loss on each kind of model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lossmith.choosing.candidate import Candidate
from lossmith.choosing.race import CONSTANT, Race
from lossmith.choosing.result import Row
from lossmith.choosing.scores import Score
from lossmith.choosing.verdict import SURE, Key, Verdict


def evidence_rows(
    runners: Sequence[Candidate], kinds: Sequence[str], found: Race, evidence: Verdict, score: Score, default: str
) -> list[Row]:
    """The deciding kind of model first, the constant last."""
    constant = float(found.constant.mean())
    rows = []
    for model in sorted(kinds, key=lambda kind: kind != evidence.model):
        for c in runners:
            key = (c.label, model)
            row = Row(c.label, c.name, c.params, model, c.role, "failed", c.reason, c.source)
            if key not in found.scores:
                rows.append(replace(row, failure=found.failures.get(key, "not trained")))
                continue
            mean = float(found.scores[key].mean())
            skill = 1 - mean / constant if constant else None
            row = replace(row, score=score.shown(mean), skill=skill, gap=found.gaps.get(key))
            won = evidence.proof is not None and key == (evidence.loss, *evidence.proven_on)
            row = replace(row, against=evidence.model if won else model)
            base = float(found.scores.get((default, row.against), np.zeros(1)).mean())
            rows.append(_judged(row, key, evidence, 100 / base if base > 0 else float("nan")))
    reason = "the best prediction that ignores every column"
    outcome = "no columns used"
    rows.append(Row(CONSTANT, CONSTANT, {}, "", CONSTANT, outcome, reason, "", score.shown(constant), 0.0))
    return rows


def _judged(row: Row, key: Key, evidence: Verdict, percent: float) -> Row:
    """percent: what one unit of the score is, in percent of the default's."""
    used = evidence.word == "USE" and key[0] == evidence.loss and key[1] in evidence.proven_on
    if key not in evidence.differences:
        outcome = "USE" if used else "default" if row.role == "default" else "not compared"
        return replace(row, outcome=outcome)
    d = evidence.differences[key] if row.against == row.model or evidence.proof is None else evidence.proof
    if used:
        outcome = "USE"
    elif d.p_better >= SURE:
        outcome = "better"
    elif d.p_worse >= SURE:
        outcome = "worse"
    elif d.p_equal >= SURE:
        outcome = "same"
    else:
        outcome = "not shown"
    if row.against != row.model:
        outcome += f" (against {evidence.model})"
    if row.role in ("library", "reference"):
        outcome += f" ({'library default' if row.role == 'library' else 'reference only'})"
    low, high = d.interval
    same_base = row.role == "library" or row.against == evidence.model  # the p is of the very difference shown
    return replace(
        row,
        outcome=outcome,
        gain=percent * d.gain,
        low=percent * low,
        high=percent * high,
        p=d.p,
        holm_p=evidence.holm_p.get(key) if same_base else None,
        p_better=d.p_better,
        p_equal=d.p_equal,
        p_worse=d.p_worse,
    )
