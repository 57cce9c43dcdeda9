"""Aim + facts -> the losses that race, the simplest first, each with a reason and a source.

Every default and challenger is consistent for the aim (its minimiser is what was asked for), or holds under a condition
that the facts were checked for. A reference is trained to be compared with and never recommended.
"""

from __future__ import annotations

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate, Candidates, LeftOut
from lossmith.choosing.profile import Profile
from lossmith.choosing.verdict import Role

__all__ = ["Candidate", "Candidates", "LeftOut", "candidates"]

LIBRARY = "what libraries train by default"
PULLED = "shown beside the others: smoothing pulls probabilities to the middle"
UNCALIBRATED = "shown beside the others: not calibrated, so it cannot give probabilities as it is"
HUBER_EFFICIENCY = 1.345  # times the scale: 95% of the efficiency of the mean under normal noise


def candidates(aim: Aim, facts: Profile) -> list[Candidate]:
    if aim.wants_classes:
        return _binary() if facts.support == "binary" else _multiclass()
    if aim.functional == "mean":
        return _mean(facts)
    if aim.functional == "median":
        return _median(facts)
    return _quantile(aim)


def _squared(role: Role) -> Candidate:
    return Candidate("squared_error", role, "its minimiser is the mean, whatever the noise", "Gneiting 2011")


def _absolute(role: Role, reason: str = "its minimiser is the median, whatever the noise") -> Candidate:
    return Candidate("absolute_error", role, reason, "Gneiting 2011")


def _mean(facts: Profile) -> list[Candidate]:
    found = [_squared("default")]
    if facts.exposure is not None:
        found.append(
            Candidate(
                "poisson",
                "challenger",
                "counts scale with exposure: its log is added to the log rate",
                "McCullagh & Nelder 1989",
                positive=True,
                offset=True,
            )
        )
    elif facts.support in ("count", "positive", "semicontinuous", "nonnegative"):
        found.append(
            Candidate(
                "poisson",
                "challenger",
                "the mean multiplies and the variance grows with it; it needs only the mean to be right",
                "Santos Silva & Tenreyro 2006",
                positive=True,
            )
        )
    if facts.support == "proportion":
        found.append(
            Candidate(
                "binary_cross_entropy",
                "challenger",
                "a mean between 0 and 1; consistent for shares with exact 0 and 1 too",
                "Papke & Wooldridge 1996",
            )
        )
    if facts.exposure is None and facts.support == "positive" and (facts.spread > 10 or facts.skew > 1):
        found.append(
            Candidate(
                "gamma",
                "challenger",
                "the standard deviation grows in step with the mean",
                "Manning & Mullahy 2001",
                positive=True,
            )
        )
    if facts.exposure is None and facts.support in ("semicontinuous", "count", "nonnegative") and facts.zeros >= 0.02:
        found.append(
            Candidate(
                "tweedie",
                "challenger",
                "exact zeros and a long positive tail under one mean",
                "Kurz 2017",
                {"power": 1.5},
                positive=True,
            )
        )
    if facts.support in ("real", "proportion") or len(found) < 3:
        found.append(_huber(facts, "the mean"))
    if len(found) < 3:
        found.append(_absolute("reference", "shown beside the others: it aims at the median, not at the mean"))
    return found


def _median(facts: Profile) -> list[Candidate]:
    library = Candidate("squared_error", "library", f"{LIBRARY}; it aims at the mean", "Gneiting 2011")
    return [_absolute("default"), library, _huber(facts, "the median")]


def _huber(facts: Profile, functional: str) -> Candidate:
    """Huber aims at neither mean nor median, unless the noise is symmetric: then the three agree."""
    assert facts.residuals is not None
    if facts.residuals.symmetric and facts.support == "real":
        role: Role = "challenger"
        reason = f"the noise is symmetric, so its centre is {functional}; outliers pull less, the middle is averaged"
        condition = f"symmetric residuals (skewness {facts.residuals.asymmetry:.2f}, below 0.2)"
    else:
        role, condition = "reference", None
        reason = f"shown beside the others: symmetric noise is not established, so it may miss {functional}"
    params = {"delta": _round(HUBER_EFFICIENCY * facts.residuals.scale)}
    return Candidate("huber", role, reason, "Huber 1964", params, condition, ("delta",))


def _quantile(aim: Aim) -> list[Candidate]:
    return [
        Candidate(
            "quantile",
            "default",
            f"its minimiser is the {aim.level:g} quantile, whatever the noise",
            "Koenker & Bassett 1978",
            {"q": aim.level},
        ),
        Candidate("squared_error", "library", f"{LIBRARY}; it aims at the mean", "Gneiting 2011"),
        _absolute("reference", "shown beside the others: it aims at the median"),
    ]


def _binary() -> list[Candidate]:
    return [
        Candidate(
            "binary_cross_entropy",
            "default",
            "strictly proper: its minimiser is the probability",
            "Gneiting & Raftery 2007",
        ),
        Candidate(
            "brier", "challenger", "strictly proper too, and bounded: one confident mistake costs little", "Brier 1950"
        ),
        Candidate("binary_cross_entropy", "reference", PULLED, "Szegedy et al. 2016", {"label_smoothing": 0.1}),
        Candidate("focal", "reference", UNCALIBRATED, "Charoenphakdee et al. 2021", {"gamma": 2.0}),
    ]


def _multiclass() -> list[Candidate]:
    return [
        Candidate(
            "cross_entropy",
            "default",
            "strictly proper: its minimiser is the probability of each class",
            "Gneiting & Raftery 2007",
        ),
        Candidate("cross_entropy", "reference", PULLED, "Szegedy et al. 2016", {"label_smoothing": 0.1}),
        Candidate("focal_cross_entropy", "reference", UNCALIBRATED, "Charoenphakdee et al. 2021", {"gamma": 2.0}),
    ]


def _round(x: float) -> float:
    """Four digits: a scale estimated from data has no more."""
    return float(f"{x:.4g}")
