"""Scores -> what is proven: USE this loss, SAME (keep the simplest), or NOT SHOWN (keep the default)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from lossmith.choosing.differences import Difference, difference, holm
from lossmith.choosing.tables import Floats

Word = Literal["USE", "SAME", "NOT SHOWN"]
Role = Literal["default", "library", "challenger", "reference"]
Key = tuple[str, str]  # loss, model

LEVEL = 0.05
SURE = 0.95
ROPE = 0.01  # practically equal: within 1% of the default's score
FEWEST_ROWS = 30


@dataclass(frozen=True)
class Entrant:
    """One loss in the race, the simplest first. Only a default or a challenger can be recommended; the library's own
    default and references are trained to be compared with."""

    name: str
    role: Role


@dataclass(frozen=True)
class Verdict:
    word: Word
    loss: str
    model: str  # the kind of model the decision was made on
    reason: str
    differences: Mapping[Key, Difference]  # every loss against the default, per kind of model
    holm_p: Mapping[Key, float]  # adjusted, for the tests that could lead to USE
    detectable: float | None  # as a share of the default's score
    rows_needed: int | None
    proven_on: tuple[str, ...] = field(default=())  # the kinds of model that carry the proof


def decide(
    entrants: Sequence[Entrant],
    scores: Mapping[Key, Floats],
    *,
    rows: int,
    test_share: float,
    barred: Mapping[Key, str] | None = None,
    undecidable: str | None = None,
) -> Verdict:
    """scores: fold scores per (loss, model), smaller is better, the same folds throughout. barred: (loss, model) that
    may not win, with the reason. undecidable: why nothing can be proven on this table, if so."""
    barred = barred or {}
    default = next(e.name for e in entrants if e.role == "default")
    models = [model for name, model in scores if name == default]
    if not models:
        raise ValueError("the default loss has no scores")
    model = min(models, key=lambda m: float(np.mean(scores[default, m])))
    differences = _differences(entrants, scores, default, models, test_share)
    family = [(e.name, model) for e in entrants if e.role == "challenger" and (e.name, model) in differences]
    family += [(e.name, m) for e in entrants if e.role == "library" for m in models if (e.name, m) in differences]
    holm_p = _family_p(entrants, differences, family)
    mean = float(np.mean(scores[default, model]))
    detectable, rows_needed = _reach(differences, family or list(differences), model, mean, rows)

    def verdict(word: Word, loss: str, reason: str, proven_on: tuple[str, ...] = ()) -> Verdict:
        return Verdict(word, loss, model, reason, differences, holm_p, detectable, rows_needed, proven_on)

    if undecidable is None and rows < FEWEST_ROWS:
        undecidable = f"{rows} rows are too few to prove a difference (at least {FEWEST_ROWS} are needed)"
    if undecidable is not None:
        return verdict("NOT SHOWN", default, f"{undecidable}. Keep {default}.")

    winners = [
        e
        for e in entrants
        if e.role == "challenger"
        and (e.name, model) in differences
        and (e.name, model) not in barred
        and holm_p[e.name, model] < LEVEL
        and differences[e.name, model].p_better >= SURE
    ]
    if winners:
        best = min(float(np.mean(scores[e.name, model])) for e in winners)
        simplest = next(e for e in winners if float(np.mean(scores[e.name, model])) <= best + ROPE * abs(mean))
        gain = differences[simplest.name, model]
        reason = f"{simplest.name} is better than {default} on the {model} model: {_share(gain, mean)}."
        return verdict("USE", simplest.name, reason, (model,))

    proof = _against_library(entrants, differences, holm_p)
    if proof:
        library = next(e.name for e in entrants if e.role == "library")
        parts = [
            f"{_share(_reverse(differences[library, m]), float(np.mean(scores[library, m])))} on the {m} model"
            for m in proof
        ]
        silent = [m for m in models if m not in proof and (library, m) in differences]
        rest = "".join(f"; on the {m} model no difference could be shown" for m in silent)
        reason = f"{default} is better than {library}, which libraries train by default: {'; '.join(parts)}{rest}."
        return verdict("USE", default, reason, tuple(proof))

    compared = [key for key in family if key[1] == model] or [key for key in differences if key[1] == model]
    if compared and all(differences[key].p_equal >= SURE for key in compared):
        names = ", ".join(name for name, _ in compared)
        equal = f"{names}: equal to {default} within {ROPE:.0%} of its score on the {model} model"
        return verdict("SAME", default, f"{equal}. Keep {default}, the simplest.")
    return verdict(
        "NOT SHOWN", default, _nothing_shown(default, model, compared, differences, barred, detectable, rows_needed)
    )


def _differences(
    entrants: Sequence[Entrant], scores: Mapping[Key, Floats], default: str, models: Sequence[str], test_share: float
) -> dict[Key, Difference]:
    found = {}
    for model in models:
        base = scores[default, model]
        rope = ROPE * abs(float(np.mean(base)))
        for entrant in entrants:
            if entrant.role != "default" and (entrant.name, model) in scores:
                challenger = scores[entrant.name, model]
                found[entrant.name, model] = difference(base, challenger, test_share=test_share, rope=rope)
    return found


def _family_p(
    entrants: Sequence[Entrant], differences: Mapping[Key, Difference], family: Sequence[Key]
) -> dict[Key, float]:
    return dict(zip(family, holm([differences[key].p for key in family]), strict=True))


def _against_library(
    entrants: Sequence[Entrant], differences: Mapping[Key, Difference], holm_p: Mapping[Key, float]
) -> list[str]:
    """Kinds of model on which the default is proven better than the library's own, unless one says the opposite."""
    library = [e.name for e in entrants if e.role == "library"]
    keys = [key for key in differences if key[0] in library]
    if any(differences[key].p_better >= SURE for key in keys):
        return []
    return [model for name, model in keys if holm_p[name, model] < LEVEL and differences[name, model].p_worse >= SURE]


def _reach(
    differences: Mapping[Key, Difference], family: Sequence[Key], model: str, mean: float, rows: int
) -> tuple[float | None, int | None]:
    """The smallest gain this table could have shown (for the rival it could judge best), and the rows needed for 1%."""
    errors = [differences[key] for key in family if key[1] == model and differences[key].error > 0.0]
    if not errors or mean <= 0.0:
        return None, None
    detectable = min(d.detectable for d in errors) / mean
    return detectable, max(rows, int(np.ceil(rows * (detectable / ROPE) ** 2)))


def _reverse(d: Difference) -> Difference:
    return Difference(-d.gain, d.error, d.degrees, d.rope)


def _share(d: Difference, mean: float) -> str:
    low, high = d.interval
    if mean <= 0.0:
        return f"its score is lower by {d.gain:.4g}"
    return f"{100 * d.gain / mean:.1f}% lower score (95% interval {100 * low / mean:.1f}% to {100 * high / mean:.1f}%)"


def _nothing_shown(
    default: str,
    model: str,
    compared: Sequence[Key],
    differences: Mapping[Key, Difference],
    barred: Mapping[Key, str],
    detectable: float | None,
    rows_needed: int | None,
) -> str:
    worse = [name for name, m in compared if differences[name, m].p_worse >= SURE]
    open_ = [name for name, m in compared if (name, m) not in barred and name not in worse]
    parts = []
    if open_:
        parts.append(f"{', '.join(open_)} could not be shown to be better than {default} on the {model} model")
    if worse:
        parts.append(f"{', '.join(worse)} {'is' if len(worse) == 1 else 'are'} worse than {default}")
    parts += [f"{name} may not win: {why}" for (name, m), why in barred.items() if m == model and name not in worse]
    if not compared:
        parts.append(f"nothing could be compared with {default}")
    text = "; ".join(parts) + f". Keep {default}."
    if detectable is not None and rows_needed is not None:
        text += f" The smallest gain this table could show is about {100 * detectable:.2g}%"
        text += "." if detectable <= ROPE else f"; about {rows_needed:,} rows would show {ROPE:.0%}."
    return text
