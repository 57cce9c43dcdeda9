"""Aim + facts -> the losses that race, the simplest first, each with a reason and a source.

Every default and challenger is consistent for the aim (its minimiser is what was asked for), or holds under a condition
that the facts were checked for. A reference is trained to be compared with and never recommended.
"""

from __future__ import annotations

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate, Candidates, LeftOut
from lossmith.choosing.consistency import consistent
from lossmith.choosing.left_out import left_out
from lossmith.choosing.profile import Profile
from lossmith.choosing.rules_classes import of_classes
from lossmith.choosing.rules_numbers import of_numbers

__all__ = ["MOST", "Candidate", "Candidates", "LeftOut", "candidates"]

MOST = 8


def candidates(aim: Aim, facts: Profile) -> Candidates:
    racing = (of_classes if aim.wants_classes else of_numbers)(aim, facts)
    assert len(racing) <= MOST
    for candidate in racing:  # nothing may be recommended that aims at something else
        serious = candidate.role in ("default", "challenger")
        assert not serious or candidate.condition or consistent(candidate, aim), candidate.label
    return Candidates(tuple(racing), left_out(aim, facts, racing))
