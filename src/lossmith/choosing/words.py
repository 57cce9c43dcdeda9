"""The verdict in words for a reader without statistics: what to do and why, with no term left unexplained."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lossmith.choosing.aims import mean_and_median
from lossmith.choosing.errors import figure, plain
from lossmith.choosing.verdict import ROPE, SURE, percent

if TYPE_CHECKING:
    from lossmith.choosing.candidate import Candidate
    from lossmith.choosing.result import Result, Row

WHAT_A_LOSS_IS = (
    "A loss is the rule by which a model's mistakes are counted while it is trained; a model learns whatever makes "
    "that count small."
)
UNSEEN = "On cases that the models had not seen before,"
USUAL = "which most tools use unless told otherwise"
HARDLY_LUCK = "So large a difference is hardly ever luck."
PEOPLE = ("huber", "poisson", "tweedie", "brier", "bernoulli", "student")
METRICS = {
    "mape": "a prediction of {} whose misses are counted as a share of the real value.",
    "rmsle": "a prediction of {} whose misses are counted as ratios: twice too much is as bad as half.",
    "auc": "probabilities for {} that put the cases in the right order.",
    "average_precision": "probabilities for {} that put the cases in the right order, the likeliest first.",
    "balanced_error": "{} itself, one answer a case, where every answer counts the same, however rare it is.",
    "f1": "{} itself, one answer a case, with misses weighed against false alarms.",
    "f1_macro": "{} itself, one answer a case, with misses weighed against false alarms for every answer alike.",
    "mcc": "{} itself, one answer a case, with misses weighed against false alarms.",
    "cost": "the answer for {} that costs least, by the costs that you gave.",
}
CHANCE = "counts how small a chance the model had given to what then happened"
FOCAL = "counts how small a chance was given to what then happened, and cases that are clear anyway hardly at all"
SIZE = "counts a miss the less, the larger the case is, and never answers below zero"
RULES = {  # what a loss that may be recommended does, in plain words
    "squared_error": "counts the square of each miss, so that large misses weigh most; it leads a model to the average",
    "absolute_error": "counts each miss as it is, so that a few large ones do not take over; it leads a model to the "
    "middle value, with as many cases above as below",
    "quantile": "makes a miss to one side dearer than to the other, so that just the share asked for stays below its "
    "answer",
    "expectile": "squares each miss, and makes it dearer to one side than to the other",
    "huber": "squares small misses and counts large ones as they are, so that a few large ones do not take over",
    "poisson": SIZE,
    "gamma": SIZE,
    "tweedie": SIZE,
    "binary_cross_entropy": CHANCE,
    "cross_entropy": CHANCE,
    "brier": "counts the square of the distance between the chance given and what happened",
    "focal": FOCAL,
    "focal_cross_entropy": FOCAL,
}
SETTINGS = {  # what a parameter of such a loss says
    "q": "q = {} is that share",
    "delta": "delta = {} is the size up to which a miss is small",
    "power": "power = {} says how fast misses grow with the size of a case: 1 would be in step, 2 with its square",
    "gamma": "gamma = {} says by how much",
}
WAYS = {  # and what else may belong to its training
    "class weights": "class weights make rare answers count as much as common ones",
    "class weights undone": "class weights make rare answers count as much as common ones while the model is trained, "
    "and are taken out of the chances that it gives",
    "weight=1/y": "here each miss is divided by the real value",
    "on log y": "the model learns the logarithm, in which twice as much is the same step everywhere, and its answer is "
    "turned back",
    "on log1p y": "the model learns the logarithm of one more, in which ratios count, and its answer is turned back",
}
MEASURES = {  # what "wrong" means, by the metric or the functional that judges
    "mean": "the average of the squared misses",
    "median": "the average miss",
    "quantile": "the average miss, where a unit too little counts {odds} times a unit too much",
    "expectile": "the average of the squared misses, where too little counts {odds} times too much",
    "interval": "the average width, with a fine for every case outside that grows with its distance",
    "probability": "how small a chance was given to what then happened",
    "label": "the share of wrong answers",
    "mape": "the average miss, as a share of the real value",
    "rmsle": "the average squared miss, where twice too much is as bad as half",
    "poisson_deviance": "the average miss, where that of a large case counts less",
    "tweedie_deviance": "the average miss, where that of a large case counts less",
    "gamma_deviance": "the average miss, as compared with the size of the case",
    "brier": "the squared distance between the chance given and what happened",
    "auc": "the share of pairs of cases that were put in the wrong order",
    "average_precision": "how many wrong cases stand among those called likeliest{of_class}",
    "balanced_error": "the share of wrong answers, taken for each answer apart and averaged",
    "f1": "the wrong answers about what is looked for{of_class}, misses and false alarms, beside the right ones",
    "f1_macro": "the wrong answers about each class, misses and false alarms, beside the right ones, averaged",
    "mcc": "how far the answers are from going together with the truth",
    "cost": "the average cost of an answer",
}
SAME_ANSWER = {  # what an answer that is the same for every case would be; "the same" where that has no name
    "mean": "the average",
    "median": "the middle value",
    "probability": "the share of each answer in the table",
    "label": "the commonest one",
}
SAYS_LOSS = ("error", "entropy", "loss", "divergence", "nll")


@dataclass(frozen=True)
class Words:
    headline: str
    why: str
    question: str  # what was asked for
    terms: tuple[str, ...]  # a sentence for each term: what a loss is, this one, and what wrong means
    figures: tuple[tuple[str, str], ...]  # a number, and what it is


def in_words(result: Result) -> Words:
    return Words(_headline(result), _why(result), _question(result), _terms(result), _figures(result))


def called(label: str) -> str:
    """The loss as a person says it, without its parameters: quantile loss, Huber loss, squared error."""
    words = label.partition("(")[0].split("_")
    words += [] if words[-1] in SAYS_LOSS else ["loss"]
    return " ".join(word.capitalize() if word in PEOPLE else word for word in words)


def _headline(result: Result) -> str:
    name = called(result.chosen.name)
    if result.verdict == "USE":
        settings = result.chosen.label.partition("(")[2].removesuffix(")").replace("=", "\u00a0=\u00a0")
        return f"Train with {name}{f' ({settings})' if settings else ''}."
    usual = _library(result)
    if _library_better(result):
        return f"Train with {name}: it fits your question."
    advice = f"Keep {name}" if usual is None else f"Train with {name}, not with {called(usual.name)} as most tools do"
    if result.verdict == "SAME":
        return f"{advice}: the other losses do the job equally well."
    fits = "" if usual is None else "it fits your question, and "
    return f"{advice}: {fits}no other loss was shown to do better."


def _library(result: Result) -> Candidate | None:
    """What most tools train unless told otherwise; None where that is the default here too."""
    return next((c for c in result.candidates if c.role == "library"), None)


def _library_better(result: Result) -> bool:
    """It may come out better though it answers another question, where rows are few."""
    return any(
        row.role == "library" and row.model == result.kind and row.p_better is not None and row.p_better >= SURE
        for row in result.table
    )


def _proof(result: Result) -> Row | None:
    """The row of the table that carries a USE: of the winner; or of the library's loss, where the default won."""
    if result.verdict != "USE":
        return None
    default_won = result.chosen.label == result.default
    models = result.evidence.proven_on
    found = [
        row
        for row in result.table
        if row.interval is not None
        and row.model in models
        and (row.role == "library" if default_won else row.label == result.chosen.label)
    ]
    return next(iter(found), None)  # the deciding kind of model comes first


def _why(result: Result) -> str:
    proof = _proof(result)
    if proof is not None:
        return f"{_won(result, proof)} {HARDLY_LUCK}"
    if result.verdict == "USE":
        return f"{UNSEEN} it came out better than what it was compared with. {HARDLY_LUCK}"
    if result.verdict == "SAME":
        return (
            f"{UNSEEN} all losses that fit your question came out within {ROPE:.0%} of each other. The simplest one is "
            "then the one to keep."
        )
    return _not_shown(result)


def _won(result: Result, proof: Row) -> str:
    size, other, unseen = _size(proof), _beaten(result, proof), "on cases that neither had seen before."
    if proof.role == "library":
        only = f" (Shown for {_model(proof.model)} only.)" if proof.model != result.kind else ""
        return f"A model trained instead with {other}, {USUAL}, was {size} {unseen}{only}"
    if proof.against == proof.model:
        return f"Trained this way, the model was {size} than one trained with {other}, {unseen}"
    mine, theirs = _model(proof.model), _model(proof.against)
    return f"{_capital(mine)} trained this way was {size} than {theirs} trained with {other}, {unseen}"


def _beaten(result: Result, proof: Row) -> str:
    """The loss that came out worse, by name; without what was added to it, where that is all the difference."""
    name = proof.loss if proof.role == "library" else _default(result).name
    band = " and a band of one width around it" if "normal band" in proof.label else ""
    return f"plain {called(name)}" if name == result.chosen.name else called(name) + band


def _model(kind: str) -> str:
    return "a model of decision trees" if kind == "lightgbm" else f"a {kind} model"


def _size(row: Row) -> str:
    """The gain that the table shows, as a person says it."""
    assert row.gain is not None
    return f"{abs(row.gain):.1f}% {'less' if row.gain > 0 else 'more'} wrong"


def _default(result: Result) -> Candidate:
    return next(c for c in result.candidates if c.label == result.default)


def _not_shown(result: Result) -> str:
    evidence = result.evidence
    if evidence.undecidable:
        why = re.sub(r" [(][^()]*[)]$", "", evidence.undecidable)
        return f"{_capital(why)}. Without a proof, the plain loss that fits your question is the one to keep."
    others = [
        row for row in result.table
        if row.model == result.kind and row.p_worse is not None and row.role in ("library", "challenger")
    ]  # fmt: skip
    if not others:
        none = "No other loss fits your question and this table"
        if any(row.role == "reference" for row in result.table):
            return f"{none}: those that were trained as references are shown beside it, but could not win."
        return f"{none}, so there was nothing to compare it with."
    if all(row.p_worse is not None and row.p_worse >= SURE for row in others):
        return f"{UNSEEN} all other losses that were tried came out worse, and by more than luck explains."
    usual = _library(result)
    if usual is not None and _library_better(result):
        return (
            f"{UNSEEN} {called(usual.name)}, which most tools use, came out better, though it is made for another "
            "question: where misses fall evenly to both sides, both lead to the same answer."
        )
    if any(row.role == "challenger" and row.p_better is not None and row.p_better >= SURE for row in others):
        return f"{UNSEEN} another loss came out better, but failed what a winner must pass: see the evidence below."
    reach = evidence.detectable
    if reach is None:
        return result.reason
    if reach < ROPE:
        return (
            f"{UNSEEN} none of the others came out better. This table is large enough to have shown an improvement of "
            f"{percent(reach)}."
        )
    if reach >= 1.0:
        return (
            f"{UNSEEN} none of the others came out better by more than luck explains. Results differ so much from one "
            "part of these rows to another that no improvement, however large, could have been told from luck."
        )
    return (
        f"{UNSEEN} none of the others came out better by more than luck explains. There are too few rows to notice an "
        f"improvement of less than about {percent(reach)}; a smaller one may be there."
    )


def _question(result: Result) -> str:
    if not result.aim.assumed:
        return f"You asked for {_aim(result, plain(result.target))}"
    asked = f"You did not say what you want to know, so it was taken to be {_aim(result, plain(result.target))}"
    if result.classes:
        return asked
    y, weight = result.whole.y, result.whole.weight
    mean, median = mean_and_median(y, weight)
    asked += f" The average of all rows is {mean:,.5g}; "
    if np.average(y == median, weights=weight) > 0.5:
        asked += f"more than half of them are exactly {median:,.5g}, which --aim median would answer nearly everywhere."
    else:
        asked += (
            f"{np.average(y <= median, weights=weight):.0%} of them are {median:,.5g} or less. If you would rather "
            f"know this middle value, the median, {_again('median')}."
        )
    names = result.perhaps_classes
    return f"{asked} If {names} are names of classes, not amounts, {_again('probability')}." if names else asked


def _again(aim: str) -> str:
    return f'run it again with --aim {aim} (in Python: aim="{aim}")'


def _terms(result: Result) -> tuple[str, ...]:
    aim, chosen = result.aim, result.chosen
    own = [f"{called(chosen.name)} {RULES[chosen.name]}"] if chosen.name in RULES else []
    rule = "; ".join([*own, *_settings(chosen)])
    odds = f"{aim.level / (1 - aim.level):.2g}"
    of_class = aim.looked_for and f" ({plain(aim.looked_for, 30)})"
    measure = MEASURES[aim.metric or aim.functional].format(odds=odds, of_class=of_class)
    unit = "" if result.classes else "; a miss is how far a prediction lies from what really came"
    wrong = f"How wrong a model is was measured by {measure}{unit}."
    code = f"In code its name is {chosen.name}."
    return (WHAT_A_LOSS_IS, *([f"{_capital(rule)}."] if rule else []), code, wrong)


def _settings(chosen: Candidate) -> list[str]:
    """What is written in brackets behind its name, in words."""
    if len(chosen.levels) > 1:
        both = " and ".join(f"{level:.3g}" for level in chosen.levels)
        said = [f"q = {both} are the shares that are to stay below its two ends"]
    elif chosen.name == "expectile":
        said = [f"q = {chosen.params['q']:.3g} is what a case above counts, and one below the rest"]
    else:
        said = [SETTINGS[key].format(figure(v)) for key, v in chosen.params.items() if key in SETTINGS]
    inside = chosen.label.partition("(")[2].removesuffix(")").split(", ")
    return said + [WAYS[part] for part in inside if part in WAYS]


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
        "median": f"the median of {target}: the middle value, with as many of such cases above it as below.",
        "quantile": f"a level of {target} that {share} of cases like the one at hand stay below.",
        "expectile": f"the {level} expectile of {target}: a level at which what lies above, weighed {level}, balances "
        "what lies below, weighed by the rest.",
        "interval": f"an interval for {target} that holds {share} of what comes, and is no wider than it needs to be.",
        "probability": f"probabilities for {target}: how likely each answer is, so that of all cases given 30%, three "
        "in ten come true.",
        "label": f"{target} itself, one answer a case: the model gives probabilities, from which the answer follows.",
    }[aim.functional]


def _figures(result: Result) -> tuple[tuple[str, str], ...]:
    found = []
    proof = _proof(result)
    if proof is not None:
        number, _, wrong = _size(proof).partition(" ")
        found.append((number, f"{wrong} {'' if proof.role == 'library' else 'than '}with {_beaten(result, proof)}"))
    row = result.final_row
    if row is not None and row.skill is not None and np.isfinite(row.skill) and row.skill > 0:
        answer = SAME_ANSWER.get(result.aim.metric or result.aim.functional, "the same")
        found.append((f"{row.skill:.1%}", f"less wrong than always answering {answer} ({_model(row.model)})"))
    rounds = max(marks.size for marks in result.scores.values())
    found.append((f"{result.profile.rows:,}", "cases (rows) in the table"))
    found.append((f"{rounds} times", "trained on one part of the rows and judged on the rest"))
    return tuple(found)
