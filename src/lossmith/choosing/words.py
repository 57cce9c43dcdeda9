"""The verdict in words for a reader without statistics: what to do and why, with no term left unexplained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.errors import plain
from lossmith.choosing.verdict import ROPE

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

WHAT_A_LOSS_IS = (
    "A loss is the rule by which a model's mistakes are counted while it is trained; a model learns whatever makes "
    "that count small."
)
UNSEEN = "On cases that the models had not seen before,"
PEOPLE = ("huber", "poisson", "tweedie", "brier", "bernoulli", "student")
METRICS = {
    "mape": "a prediction of {} whose misses are counted as a share of the real value.",
    "rmsle": "a prediction of {} whose misses are counted as ratios: twice too much is as bad as half.",
    "auc": "probabilities for {} that put the cases in the right order.",
    "average_precision": "probabilities for {} that put the cases in the right order, the likeliest first.",
    "balanced_error": "{} itself, one answer a case, where every answer counts the same, however rare it is.",
    "f1": "{} itself, one answer a case, with misses weighed against false alarms.",
    "mcc": "{} itself, one answer a case, with misses weighed against false alarms.",
    "cost": "the answer for {} that costs least, by the costs that you gave.",
}
CHANCE = "counts how small a chance the model had given to what then happened"
SIZE = "counts a miss the less, the larger the case is, and never answers below zero"
RULES = {  # what a loss that may be recommended does, in plain words
    "squared_error": "counts the square of each miss, so that large misses weigh most; its best answer is the average",
    "absolute_error": "counts each miss as it is, so that a few large ones do not take over; its best answer is the "
    "middling case",
    "quantile": "makes a miss to one side dearer than to the other, so that just the share asked for stays below",
    "expectile": "squares each miss, and makes it dearer to one side than to the other",
    "huber": "squares small misses and counts large ones as they are, so that a few large ones do not take over",
    "poisson": SIZE,
    "gamma": SIZE,
    "tweedie": SIZE,
    "binary_cross_entropy": CHANCE,
    "cross_entropy": CHANCE,
    "brier": "counts the square of the distance between the chance given and what happened",
}
SAYS_LOSS = ("error", "entropy", "loss", "divergence", "nll")


@dataclass(frozen=True)
class Words:
    headline: str
    why: str
    question: str  # what was asked for, and what a loss is
    figures: tuple[tuple[str, str], ...]  # a number, and what it is


def in_words(result: Result) -> Words:
    return Words(_headline(result), _why(result), _question(result), _figures(result))


def called(label: str) -> str:
    """The loss as a person says it, without its parameters: quantile loss, Huber loss, squared error."""
    words = label.partition("(")[0].split("_")
    words += [] if words[-1] in SAYS_LOSS else ["loss"]
    return " ".join(word.capitalize() if word in PEOPLE else word for word in words)


def _headline(result: Result) -> str:
    name = called(result.chosen.name)
    if result.verdict == "USE":
        settings = result.chosen.label.partition("(")[2].removesuffix(")").replace("=", " = ")
        return f"Train with {name}{f' ({settings})' if settings else ''}."
    if result.verdict == "SAME":
        return f"Keep {name}: the other losses do the job equally well."
    return f"Keep {name}: no other loss was shown to do better."


def _gain(result: Result) -> tuple[str, float] | None:
    """The loss that was beaten, and by how much of its score: the library's usual one, or the default."""
    library = next((c.label for c in result.candidates if c.role == "library"), None)
    base = library if result.chosen.label == result.default else result.default
    mine = result.scores.get((result.chosen.label, result.final_kind))
    other = result.scores.get((base, result.kind)) if base is not None else None
    if base is None or mine is None or other is None or not other.mean() > 0:
        return None
    return base, float(1 - mine.mean() / other.mean())


def _why(result: Result) -> str:
    beaten, reach = _gain(result), result.evidence.detectable
    if result.verdict == "USE" and beaten is not None:
        name, gain = beaten
        usual = ", which most tools use unless told otherwise," if name != result.default else ""
        return (
            f"Trained this way, the model was {gain:.1%} less wrong than one trained with {called(name)}{usual} on "
            "cases that neither had seen before. So large a difference is hardly ever luck."
        )
    if result.verdict == "SAME":
        return (
            f"{UNSEEN} all losses that fit your question came out within {ROPE:.0%} of each other. The simplest one is "
            "then the one to keep."
        )
    if result.verdict == "USE" or reach is None:
        return result.reason
    if reach < ROPE:
        return (
            f"{UNSEEN} none of the others came out better. This table is large enough to have shown an improvement of "
            f"{reach:.1%}."
        )
    return (
        f"{UNSEEN} none of the others came out better by more than luck explains. With this many rows, an improvement "
        f"smaller than about {min(reach, 1.0):.0%} cannot be told from luck."
    )


def _question(result: Result) -> str:
    assumed = (
        "You did not say what you want to know, so it was taken to be " if result.aim.assumed else "You asked for "
    )
    name = result.chosen.name
    rule = f" {_capital(called(name))} {RULES[name]}." if name in RULES else ""
    return f"{assumed}{_aim(result, plain(result.target))} {WHAT_A_LOSS_IS}{rule}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _aim(result: Result, target: str) -> str:
    """What was asked for; a metric or a cost is said as what it really asks for."""
    aim = result.aim
    if aim.metric in METRICS:
        return METRICS[aim.metric].format(target)
    level = "" if aim.q is None else f"{aim.q:.3g}"
    share = "" if aim.q is None else f"{aim.q:.0%}"
    return {
        "mean": f"the mean of {target}: the average of cases like the one at hand, so that predictions add up to the "
        "right total.",
        "median": f"the median of {target}: a middling case, with half of such cases above it and half below.",
        "quantile": f"a level of {target} that {share} of such cases stay below.",
        "expectile": f"the {level} expectile of {target}: a level at which what lies above, weighed {level}, balances "
        "what lies below, weighed by the rest.",
        "interval": f"an interval for {target} that holds {share} of what comes, and is no wider than it needs to be.",
        "probability": f"probabilities for {target}: how likely each answer is, so that of all cases given 30%, three "
        "in ten come true.",
        "label": f"{target} itself, one answer a case: the model gives probabilities, from which the answer follows.",
    }[aim.functional]


def _figures(result: Result) -> tuple[tuple[str, str], ...]:
    found = []
    beaten = _gain(result)
    if beaten is not None and result.verdict == "USE":
        found.append((f"{beaten[1]:.1%}", f"less wrong than with {called(beaten[0])}"))
    row = next((r for r in result.table if (r.label, r.model) == (result.chosen.label, result.final_kind)), None)
    if row is not None and row.skill is not None and np.isfinite(row.skill) and row.skill > 0:
        found.append((f"{row.skill:.0%}", "less wrong than the same answer for every case"))
    rounds = max(marks.size for marks in result.scores.values())
    found.append((f"{result.profile.rows:,}", "rows in the table"))
    found.append((f"{rounds} times", "trained on one part of the rows and judged on the rest"))
    return tuple(found)
