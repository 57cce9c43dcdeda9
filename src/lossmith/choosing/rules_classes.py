"""Which losses race for a target of classes, the simplest first.

Weights, focal and smoothing are shown for what they do to probabilities. Where a class is asked for, they are
challengers that must prove themselves against plain training and a moved decision.
"""

from __future__ import annotations

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.profile import Profile
from lossmith.choosing.verdict import Role

PULLED = "shown beside the others: smoothing pulls probabilities to the middle"
IMPROPER = "shown beside the others: not strictly proper, so it does not give probabilities as it is"
WEIGHTED = (
    "shown beside the others: class weights multiply the odds of rare classes, whose probabilities come out too high"
)
ORDERED = (
    "uses the order of the classes without pretending that the steps between them are equal: one score instead of one "
    "for each class, and thresholds on it"
)
PROPORTIONAL = "proportional odds: what moves a row past one threshold moves it past the others alike"
EVEN = 0.6  # of an even share of the rows: a class below it is rare enough for weights to change something


def of_classes(aim: Aim, facts: Profile) -> list[Candidate]:
    two = facts.support == "binary"
    plain = _plain("binary_cross_entropy" if two else "cross_entropy", two)
    found = [plain]
    if facts.support == "ordinal":
        found.append(Candidate("cumulative_logit", "challenger", ORDERED, "McCullagh 1980", condition=PROPORTIONAL))
    if two:
        reason = "strictly proper too, and bounded: one confident mistake costs little"
        found.append(Candidate("brier", "challenger", reason, "Brier 1950"))
    if aim.functional == "label":
        return found + _for_labels(aim, plain.name, two, unbalanced(facts))
    found.append(Candidate(plain.name, "reference", PULLED, "Szegedy et al. 2016", {"label_smoothing": 0.1}))
    found.append(_focal(two, "reference", IMPROPER))
    if unbalanced(facts):
        found.append(
            Candidate(plain.name, "reference", WEIGHTED, "van den Goorbergh et al. 2022", class_weight="balanced")
        )
    return found


def unbalanced(facts: Profile) -> bool:
    """Whether the rarest class is clearly rarer than an even share."""
    counts = np.array([rows for _, rows in facts.class_rows] or [1])
    return bool(counts.min() < EVEN * counts.mean())


def _plain(name: str, two: bool) -> Candidate:
    what = "the probability" if two else "the probability of each class"
    return Candidate(name, "default", f"strictly proper: its minimiser is {what}", "Gneiting & Raftery 2007")


def _for_labels(aim: Aim, name: str, two: bool, weights: bool) -> list[Candidate]:
    found = []
    if weights:
        reason = "rare classes lead the training; the odds are moved back before the decision is made"
        found.append(Candidate(name, "challenger", reason, "Elkan 2001", class_weight="balanced", undo=True))
    if aim.metric == "":
        reason = "easy rows count less, so that rows near the border lead; its likeliest class is right all the same"
        return [*found, _focal(two, "challenger", reason, "classes alone: its scores do not give probabilities")]
    return [*found, _focal(two, "reference", IMPROPER)]


def _focal(two: bool, role: Role, reason: str, condition: str | None = None) -> Candidate:
    name, source = "focal" if two else "focal_cross_entropy", "Charoenphakdee et al. 2021"
    return Candidate(name, role, reason, source, {"gamma": 2.0}, condition)
