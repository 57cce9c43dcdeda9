"""Scores -> what is proven: USE this loss, SAME (keep the simplest), or NOT SHOWN (keep the default)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from lossmith.choosing.differences import Difference, Luck, difference, holm
from lossmith.choosing.errors import listed
from lossmith.choosing.tables import Floats

if TYPE_CHECKING:
    from lossmith.choosing.decisions import Decision

Word = Literal["USE", "SAME", "NOT SHOWN"]
Role = Literal["default", "library", "challenger", "reference"]
Key = tuple[str, str]  # loss, kind of model

LEVEL = 0.05
SURE = 0.95  # of a gain beyond the rope
ROPE = 0.01  # practically equal: within 1% of the default's score
WANTED = 0.02  # a gain worth the rows that it takes to show it
FEWEST_ROWS = 30
FEWEST_GROUPS = 10  # with fewer, how much groups differ cannot be told
MOST_ROWS = 1_000_000  # beyond this the number of rows needed is no advice


@dataclass(frozen=True)
class Entrant:
    """One loss in the race, the simplest first. Only a default or a challenger can be recommended; the library's own
    default and references are trained to be compared with."""

    name: str
    role: Role


@dataclass(frozen=True)
class Guard:
    """Something a winner must pass beside the score. It may win all the same where there is an excuse."""

    name: str
    passed: bool
    value: float
    meaning: str
    excuse: str = ""

    @property
    def bars(self) -> bool:
        return not self.passed and not self.excuse


@dataclass(frozen=True)
class Optimism:
    """What the whole procedure scores, the luck of picking the best taken out; gains are over the default."""

    score: float
    gain: float
    interval: tuple[float, float]  # of the gain, 95%
    apparent: float  # the best score as it stands
    apparent_gain: float
    picked: Mapping[Key, float]  # how often each loss and kind of model won


@dataclass(frozen=True)
class Verdict:
    word: Word
    loss: str
    model: str  # the kind of model whose default scores better
    reason: str
    differences: Mapping[Key, Difference]  # every loss against the default on the same kind of model
    holm_p: Mapping[Key, float]  # adjusted, for the tests that could lead to USE
    detectable: float | None = None  # as a share of the default's score
    rows_needed: int | None = None
    proven_on: tuple[str, ...] = ()  # the kinds of model that carry the proof
    over_library: str = ""  # what the aim's loss gains over what libraries train by default
    confidence_set: tuple[Key, ...] = ()  # what cannot be told from the best
    optimism: Optimism | None = None
    guards: Mapping[Key, Sequence[Guard]] = field(default_factory=dict)
    decision: Decision | None = None  # of the final model, for aims that end in a class
    undecidable: str = ""  # why nothing can be proven, if so
    proof: Difference | None = None  # a challenger's that won, against the default on its better kind of model
    luck_known: bool = False  # how far gains move with the rows that judge

    @property
    def final_kind(self) -> str:
        """The kind of model to put to work: of a challenger that won, the one where it won."""
        return self.model if self.proof is None else self.proven_on[0]


@dataclass(frozen=True)
class Evidence:
    """The scores, and every comparison that a verdict may rest on."""

    entrants: Sequence[Entrant]
    scores: Mapping[Key, Floats]  # one number per fold, smaller is better, the same folds throughout
    test_share: float  # n_test / n_train
    groups: int | None = None  # that were shuffled into the folds
    luck: Callable[[Key, Key], Luck] | None = None  # of a gain of the first over the second

    @property
    def default(self) -> str:
        return next(e.name for e in self.entrants if e.role == "default")

    @property
    def models(self) -> list[str]:
        return [model for name, model in self.scores if name == self.default]

    @property
    def best_model(self) -> str:
        return min(self.models, key=lambda model: self.mean((self.default, model)))

    def mean(self, key: Key) -> float:
        return float(np.mean(self.scores[key]))

    def keys(self, *roles: Role) -> list[Key]:
        names = [e.name for e in self.entrants if e.role in roles]
        return [(name, model) for model in self.models for name in names if (name, model) in self.scores]

    def against(self, key: Key, base: Key) -> Difference:
        rope = ROPE * abs(self.mean(base))
        luck = None if self.luck is None else self.luck(key, base)
        return difference(
            self.scores[base], self.scores[key], test_share=self.test_share, rope=rope, groups=self.groups, luck=luck
        )

    def on_the_same_model(self) -> dict[Key, Difference]:
        return {
            key: self.against(key, (self.default, key[1])) for key in self.keys("library", "challenger", "reference")
        }

    def against_the_best(self) -> dict[Key, Difference]:
        """Each challenger on each kind of model against the default on its better one: is there anything to win?"""
        return {key: self.against(key, (self.default, self.best_model)) for key in self.keys("challenger")}


def decide(
    entrants: Sequence[Entrant],
    scores: Mapping[Key, Floats],
    *,
    rows: int,
    test_share: float,
    groups: int | None = None,
    luck: Callable[[Key, Key], Luck] | None = None,
    guards: Mapping[Key, Sequence[Guard]] | None = None,
    optimism: Optimism | None = None,
    confidence_set: Sequence[Key] = (),
    undecidable: str | None = None,
) -> Verdict:
    """groups: how many were shuffled into the folds, if rows come in groups. luck: how far the gain of one over another
    moves with the rows that judge, where that is known. guards: what each (loss, model) must pass
    to win. optimism: the gain that is left when the luck of picking the best is taken out; a challenger needs one.
    undecidable: why nothing can be proven, if so.

    USE a challenger that beats the default on the default's better kind of model by more than the rope; or USE the
    default if it is proven better than what libraries train by default (theory has named it already, so any gain counts
    that is not proven negligible); SAME if all are equal within the rope; else NOT SHOWN.
    """
    evidence = Evidence(entrants, scores, test_share, groups, luck)
    barred = {key: g.meaning for key, checked in (guards or {}).items() for g in reversed(checked) if g.bars}
    if not evidence.models:
        raise ValueError("the default loss has no scores")
    default, model = evidence.default, evidence.best_model
    same_model, rivals = evidence.on_the_same_model(), evidence.against_the_best()
    usual = {key: same_model[key] for key in evidence.keys("library")}
    holm_p = _adjusted(rivals) | _adjusted(usual)  # two questions, two families
    mean = evidence.mean((default, model))
    # references cannot win: of them no number of rows could show anything to train with
    compared = {key: d for key, d in (rivals | usual).items() if key[1] == model}
    open_ones = {key: compared[key] for key in _unclear(compared, usual, barred)} or compared
    detectable, rows_needed = _reach(open_ones, rivals, mean, rows)

    def verdict(
        word: Word, loss: str, reason: str, proven_on: tuple[str, ...] = (), proof: Difference | None = None
    ) -> Verdict:
        return Verdict(
            word, loss, model, reason, same_model, holm_p, detectable, rows_needed, proven_on,
            _over_library(evidence, usual), tuple(confidence_set), optimism, guards or {}, proof=proof,
            undecidable=undecidable or "", luck_known=luck is not None,
        )  # fmt: skip

    if undecidable is None and rows < FEWEST_ROWS:
        undecidable = f"{rows} rows are too few to prove a difference (at least {FEWEST_ROWS} are needed)"
    if undecidable is None and groups is not None and groups < FEWEST_GROUPS:
        undecidable = f"{groups} groups are too few to prove a difference (at least {FEWEST_GROUPS} are needed)"
    if undecidable is not None:
        return verdict("NOT SHOWN", default, f"{undecidable}. Keep {default}.")

    # the questions are asked in turn, so that both together err in 5% of cases: challengers come up only where the
    # default has been proven against the library's on every model (or is the library's)
    settled = all(holm_p[k] < LEVEL and d.gain < 0 for k, d in usual.items())
    proven = [k for k, d in rivals.items() if settled and k not in barred and holm_p[k] < LEVEL and d.p_better >= SURE]
    if proven and optimism is not None and optimism.gain > 0:
        name, on = _simplest(evidence, proven, mean)
        base = default if on == model else f"{default} on the {model} model, its better one"
        proof = rivals[name, on]
        reason = f"{name} on the {on} model is better than {base}: its score is {_share(proof, mean)}."
        return verdict("USE", name, reason, (on,), proof)

    overturned = [
        k
        for k, d in usual.items()
        if holm_p[k] < LEVEL and d.gain < 0 and d.p_equal < SURE and (default, k[1]) not in barred
    ]
    if overturned and not any(holm_p[k] < LEVEL and d.gain > 0 for k, d in usual.items()):
        reason = _better_than_usual(evidence, usual, overturned, barred)
        return verdict("USE", default, reason, tuple(model for _, model in overturned))

    if compared and all(d.p_equal >= SURE for d in compared.values()):
        names = listed(name for name, _ in compared)
        equal = f"{names}: equal to {default} within {ROPE:.0%} of its score on the {model} model"
        return verdict("SAME", default, f"{equal}. Keep {default}, the simplest.")
    barred = {key: why for key, why in barred.items() if key in rivals and rivals[key].p_better >= SURE}  # but for it
    reason = _nothing_shown(default, model, compared, usual, barred)
    if proven and optimism is None:
        reason += " How much of the best one's gain is luck cannot be told: rows drawn again have no score."
    elif proven:
        reason += " What the best one gains is no more than the luck of picking it."
    if _unclear(compared, usual, barred):
        reason += _reach_in_words(detectable, rows_needed)
    return verdict("NOT SHOWN", default, reason)


def _adjusted(family: Mapping[Key, Difference]) -> dict[Key, float]:
    return dict(zip(family, holm([d.p for d in family.values()]), strict=True))


def _simplest(evidence: Evidence, proven: Sequence[Key], mean: float) -> Key:
    """Of the winners within the rope of the best, the simplest loss on the model where it does best."""
    best = min(evidence.mean(key) for key in proven)
    close = [key for key in proven if evidence.mean(key) <= best + ROPE * abs(mean)]
    order = [e.name for e in evidence.entrants]
    return min(close, key=lambda key: (order.index(key[0]), evidence.mean(key)))


def _reach(
    compared: Mapping[Key, Difference], rivals: Mapping[Key, Difference], mean: float, rows: int
) -> tuple[float | None, int | None]:
    """The smallest gain this table could have shown (for the loss it could judge best), and the rows that would show
    the gain that is wanted. A challenger must gain more than the rope; the default need only beat the library's."""
    beyond = {key: d.rope if key in rivals else 0.0 for key, d in compared.items() if d.error > 0.0 and mean > 0.0}
    if not beyond:
        return None, None
    reach, key = min((compared[key].detectable(least), key) for key, least in beyond.items())
    times = compared[key].times_the_rows(WANTED * mean, beyond[key])
    return reach / mean, max(rows, int(np.ceil(rows * times)))


def percent(share: float) -> str:
    """Two digits, of which none stands behind the point where the number is large."""
    return f"{100 * share:.0f}%" if share >= 0.095 else f"{100 * share:.2g}%"


def _share(d: Difference, mean: float) -> str:
    """How far a score lies below the default's, whose mean this is, or above it; in percent of it."""
    side, size = ("lower", d) if d.gain >= 0 else ("higher", -d)
    if mean <= 0.0:
        return f"{side} by {size.gain:.4g}"
    low, high = (100 * end / mean for end in size.interval)
    return f"{100 * size.gain / mean:.1f}% {side} (95% interval {low:.1f}% to {high:.1f}%)"


def _shares(evidence: Evidence, usual: Mapping[Key, Difference]) -> list[str]:
    """The library's loss against the default, on each kind of model, as the table has it; the better kind first."""
    models = sorted(usual, key=lambda key: key[1] != evidence.best_model)
    return [f"{_share(usual[k], evidence.mean((evidence.default, k[1])))} on the {k[1]} model" for k in models]


def _over_library(evidence: Evidence, usual: Mapping[Key, Difference]) -> str:
    """Said whatever the verdict: what it is worth to train for the aim at all."""
    if not usual:
        return f"{evidence.default} is what libraries train by default, and it fits the aim."
    name, shares = next(iter(usual))[0], "; ".join(_shares(evidence, usual))
    return f"{name} is what libraries train by default; compared with that of {evidence.default} its score is {shares}."


def _better_than_usual(
    evidence: Evidence, usual: Mapping[Key, Difference], overturned: Sequence[Key], barred: Mapping[Key, str]
) -> str:
    name, default = overturned[0][0], evidence.default
    shares = _shares(evidence, {key: usual[key] for key in overturned})
    for _, model in (key for key in usual if key not in overturned):
        why = barred.get((default, model))
        nothing = f"{default} proves nothing ({why})" if why else "no difference could be shown"
        shares.append(f"on the {model} model {nothing}")
    better = f"{default} is better than {name}, which libraries train by default"
    return f"{better}: the score of {name} is {'; '.join(shares)}."


def _unclear(
    compared: Mapping[Key, Difference], usual: Mapping[Key, Difference], barred: Mapping[Key, str]
) -> list[Key]:
    """The losses of which more rows might still show what they are worth."""
    surely = {key: max(d.p_worse, d.p_equal, d.p_better if key in usual else 0.0) for key, d in compared.items()}
    return [key for key, sure in surely.items() if key not in barred and sure < SURE]


def _nothing_shown(
    default: str, model: str, compared: Mapping[Key, Difference], usual: Mapping[Key, Difference],
    barred: Mapping[Key, str],
) -> str:  # fmt: skip
    worse = [key[0] for key, d in compared.items() if d.p_worse >= SURE]
    equal = [key[0] for key, d in compared.items() if d.p_equal >= SURE and key not in barred]
    unclear = [name for name, _ in _unclear(compared, usual, barred)]
    if compared and len(worse) == len(compared):
        others = "the other is" if len(worse) == 1 else "the others are"
        return f"Keep {default}: {others} worse ({listed(worse)} on the {model} model)."
    parts = []
    if unclear:
        parts.append(f"{listed(unclear)} could not be shown to be better than {default} on the {model} model")
    if equal:
        parts.append(f"{listed(equal)}: equal to {default} within {ROPE:.0%}")
    if worse:
        parts.append(f"{listed(worse)} {'is' if len(worse) == 1 else 'are'} worse than {default}")
    parts += [
        f"{key[0]}, which libraries train by default, came out better on the {model} model, but {default} fits the aim"
        for key in usual if key in compared and compared[key].p_better >= SURE
    ]  # fmt: skip
    parts += [f"{key[0]} may not win: {why}" for key, why in barred.items() if key in compared and key[0] not in worse]
    nothing = f"no other loss that fits the question could be compared with {default}"
    return "; ".join(parts or [nothing]) + f". Keep {default}."


def _reach_in_words(detectable: float | None, rows_needed: int | None) -> str:
    if detectable is None or rows_needed is None:
        return ""
    needed = f"about {float(f'{rows_needed:.2g}'):,.0f} rows would show {WANTED:.0%}"
    if rows_needed > MOST_ROWS:
        needed = f"to show {WANTED:.0%} takes more than a million rows, so more data will hardly settle it"
    if detectable >= 1.0:
        return f" The folds differ so much that this table could show no gain, however large; {needed}."
    text = f" The smallest gain this table could show is about {percent(detectable)}"
    return text + ("." if detectable <= WANTED else f"; {needed}.")
