"""Classes in an order: the words of scales that questionnaires use, each from its low end to its high one."""

from __future__ import annotations

import re
from collections.abc import Sequence

SCALES = tuple(
    words.split()
    for words in (
        "very_low low medium high very_high",
        "very_small small medium large very_large",
        "none mild moderate severe very_severe",
        "never rarely sometimes often always",
        "very_poor poor fair good very_good excellent",
        "very_bad bad ok good very_good",
        "very_unlikely unlikely neutral likely very_likely",
        "strongly_disagree disagree neutral agree strongly_agree",
        "very_dissatisfied dissatisfied neutral satisfied very_satisfied",
        "too_little about_right too_much",
        "worse same better",
        "first second third fourth fifth",
    )
)


def on_a_scale(classes: Sequence[str]) -> list[int] | None:
    """The places of three or more words of one scale, from low to high; None where they are none."""
    found = [re.sub(r"[\s_-]+", "_", name.strip().lower()) for name in classes]
    scale = next((words for words in SCALES if set(found) <= set(words)), None)
    if scale is None or len(set(found)) < 3 or len(set(found)) < len(found):
        return None
    return sorted(range(len(found)), key=lambda i: scale.index(found[i]))
