"""What a choice gives back: the verdict, the loss, the evidence, and the predictions it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate, LeftOut
from lossmith.choosing.profile import SUPPORTS, Profile
from lossmith.choosing.race import Problem
from lossmith.choosing.scores import Score
from lossmith.choosing.tables import Floats, Rows
from lossmith.choosing.targets import perhaps_classes
from lossmith.choosing.verdict import Key, Verdict, Word
from lossmith.lazy import cached_property

if TYPE_CHECKING:
    from lossmith.choosing.final import FinalModel
    from lossmith.loss import Loss


@dataclass(frozen=True)
class Row:
    """One loss under one kind of model. Gains are percent of the default's score on the kind of model that is named in
    `against`; above zero is better."""

    label: str
    loss: str
    params: Mapping[str, Any]
    model: str
    role: str
    outcome: str
    reason: str
    source: str
    score: float | None = None
    skill: float | None = None  # 1 - score / score of the best constant
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    holm_p: float | None = None
    p_better: float | None = None
    p_equal: float | None = None
    p_worse: float | None = None
    gap: float | None = None  # of a linear model: how far its objective can be from the optimum, as a share of it
    failure: str | None = None
    against: str = ""

    @property
    def interval(self) -> tuple[float, float, float] | None:
        """Low end, gain, high end, where they are known."""
        if self.low is None or self.gain is None or self.high is None:
            return None
        found = (self.low, self.gain, self.high)
        return found if all(map(math.isfinite, found)) else None


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    verdict: Word
    loss: Loss
    aim: Aim
    score: Score
    table: Sequence[Row]
    reason: str
    warnings: Sequence[str]
    candidates: Sequence[Candidate]
    profile: Profile
    evidence: Verdict
    default: str
    chosen: Candidate
    protocol: Sequence[str]
    target: str
    kind: str  # of model: the one whose default scored better
    predictions: Mapping[Key, Floats] = field(repr=False)
    problem: Problem = field(repr=False)  # the table as it was raced
    whole: Problem = field(repr=False)  # with all rows that have a target and a weight: the final model's
    scores: Mapping[Key, Floats] = field(repr=False)  # of each fold
    settings: Mapping[Key, Sequence[Sequence[float]]] = field(repr=False)  # what was tuned, for each fold
    judged: Rows = field(repr=False)  # the rows that predictions are for
    rows: Rows = field(repr=False)  # where in the user's table the raced rows stand
    classes: tuple[str, ...]  # their names, in the order of the ids; none of numbers
    left_out: Sequence[LeftOut] = ()  # losses that one might expect, and why they did not run
    notes: Sequence[str] = ()
    weighted_by: str | None = None  # the column of weights, where it has a name

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        name = self.chosen.label
        if self.verdict == "USE":
            return f"USE {name}"
        if self.verdict == "SAME":
            return f"SAME: keep {name}"
        return f"NOT SHOWN: no loss was shown to be better; keep {name}"

    @property
    def perhaps_classes(self) -> str:
        """The target's numbers, if they were taken for amounts and are so few that they may be names of classes."""
        return "" if self.classes else perhaps_classes(self.problem.y)

    @property
    def final_kind(self) -> str:
        """The kind of model that carries the verdict: of a proven challenger, where it was proven."""
        return self.evidence.final_kind

    @property
    def final_row(self) -> Row | None:
        """What the table says of the chosen loss on the kind of model that carries the verdict."""
        return next((row for row in self.table if (row.label, row.model) == (self.chosen.label, self.final_kind)), None)

    @cached_property
    def model(self) -> FinalModel:
        """The chosen loss trained on every row, when first asked for: `predict`, `save`, `card`."""
        from lossmith.choosing.final import train_final

        return train_final(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the predictions, as JSON can hold it."""
        labels = {} if self.loss.labels is None else {"labels": list(self.loss.labels)}
        content = {
            "verdict": self.verdict,
            "loss": {"name": self.chosen.name, "params": dict(self.chosen.params), **labels},
            "aim": str(self.aim),
            "aim_assumed": self.aim.assumed,
            "score": self.score.name,
            "score_in_table": self.score.shown_name,
            "table": [asdict(row) for row in self.table],
            "reason": self.reason,
            "target": self.target,
            "support": self.profile.support,
            "default": self.default,
            "model": self.kind,
            "exposure": self.profile.exposure,
            "smallest_detectable_gain": self.evidence.detectable,
            "rows_needed": self.evidence.rows_needed,
            "confidence_set": [list(key) for key in self.evidence.confidence_set],
            "luck": self.evidence.optimism
            and {k: v for k, v in asdict(self.evidence.optimism).items() if k != "picked"},
            "decision": self.evidence.decision and self.evidence.decision.describe(self.classes),
            "left_out": [asdict(one) for one in self.left_out],
            "facts": self.profile.facts(),
            "protocol": list(self.protocol),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }
        clean = _finite(content)
        assert isinstance(clean, dict)
        return clean

    def report(self, path: str | Path, table: str | Path | None = None) -> Path:
        """Write one self-contained HTML file; `table` is the file that its code to copy reads, else a made-up name."""
        from lossmith.choosing.reading import FILE
        from lossmith.choosing.report import write_report

        return write_report(self, Path(path), FILE if table is None else table)

    def __str__(self) -> str:
        from lossmith.choosing.text import as_text

        return as_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from lossmith.choosing.report import fragment

        return fragment(self)

    @property
    def support(self) -> str:
        return SUPPORTS[self.profile.support]


def _finite(value: Any) -> Any:
    """JSON has no infinity and no NaN: both become null."""
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
