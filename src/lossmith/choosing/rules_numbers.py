"""Which losses race for a target of numbers, the simplest first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.profile import Profile
from lossmith.choosing.verdict import Role

LIBRARY = "what libraries train by default"
HUBER_EFFICIENCY = 1.345  # times the scale: 95% of the efficiency of the mean under normal noise
WIDE_RANGE, SKEWED = 10.0, 1.0  # largest / smallest y, skewness: beyond either, effects are likely to multiply
FEWEST_ZEROS = 0.02

LOG_LINK = "the mean multiplies and the variance grows with it; it needs only the mean to be right"
GNEITING = "Gneiting 2011"
KOENKER = "Koenker & Bassett 1978"


def of_numbers(aim: Aim, facts: Profile) -> list[Candidate]:
    if aim.metric == "rmsle":
        return _log_mean(facts)
    if aim.metric == "mape":
        return _percentage()
    return {
        "mean": _mean,
        "median": _median,
        "quantile": _quantile,
        "expectile": _expectile,
        "interval": _interval,
    }[aim.functional](aim, facts)


def multiplies(facts: Profile) -> bool:
    """Positive values over a wide range: effects are likely to multiply."""
    return facts.support == "positive" and (facts.spread > WIDE_RANGE or facts.skew > SKEWED)


# ------------------------------------------------------------------------------------------------ the mean


def _mean(aim: Aim, facts: Profile) -> list[Candidate]:
    found = [squared("default"), *_log_links(aim, facts)]
    if facts.support in ("proportion", "percent"):
        found.append(_fractional(100.0 if facts.support == "percent" else 1.0))
    if facts.support in ("real", "proportion", "percent") or len(found) < 3:
        found.append(huber(facts, "the mean"))
    if len(found) < 3:
        found.append(absolute("reference", "shown beside the others: it aims at the median, not at the mean"))
    return _led_by(aim, found)


def _log_links(aim: Aim, facts: Profile) -> list[Candidate]:
    if facts.exposure is not None:
        return [
            _poisson("counts scale with exposure: its log is added to the log rate", "McCullagh & Nelder 1989", True)
        ]
    if facts.support not in ("count", "rate", "positive", "semicontinuous", "nonnegative"):
        return []
    found = [_poisson(LOG_LINK, "Santos Silva & Tenreyro 2006")]
    if multiplies(facts) or aim.metric == "gamma_deviance":
        found.append(
            Candidate(
                "gamma",
                "challenger",
                "the standard deviation grows in step with the mean" + _slope(facts),
                "Manning & Mullahy 2001",
                positive=True,
            )
        )
    zeros = facts.support != "positive" and facts.zeros >= FEWEST_ZEROS
    if zeros or aim.metric == "tweedie_deviance":
        found.append(
            Candidate(
                "tweedie",
                "challenger",
                "exact zeros and a long positive tail under one mean" + _slope(facts),
                "Kurz 2017",
                {"power": tweedie_power(aim, facts)},
                positive=True,
            )
        )
    return found


def tweedie_power(aim: Aim, facts: Profile) -> float:
    """The power of the mean with which the variance grows, on a grid of tenths inside (1, 2); 1.5 if unknown, or if
    that is the judge's."""
    if facts.growth is None or aim.metric == "tweedie_deviance":
        return 1.5
    return float(np.round(np.clip(facts.growth.slope, 1.1, 1.9), 1))


def _slope(facts: Profile) -> str:
    if facts.growth is None:
        return ""
    return f" (here the variance grows as the mean to the power {facts.growth.slope:.1f})"


def _poisson(reason: str, source: str, offset: bool = False) -> Candidate:
    return Candidate("poisson", "challenger", reason, source, positive=True, offset=offset)


def _fractional(unit: float) -> Candidate:
    reason = "a mean between 0 and 1; consistent for shares with exact 0 and 1 too"
    return Candidate("binary_cross_entropy", "challenger", reason, "Papke & Wooldridge 1996", unit=unit)


def _led_by(aim: Aim, found: list[Candidate]) -> list[Candidate]:
    """A deviance that judges is the plain loss of its aim; squared error is then what libraries train."""
    own = aim.metric.removesuffix("_deviance")
    if own not in [c.name for c in found]:
        return found
    plain = [
        replace(c, role="default", reason=f"it is the judge itself: {c.reason}") for c in found if c.name == own
    ]  # fmt: skip
    others = [squared("library", f"{LIBRARY}; it aims at the mean too") if c.role == "default" else c for c in found]
    return [*plain, *(c for c in others if c.name != own)]


def _log_mean(facts: Profile) -> list[Candidate]:
    """RMSLE: squared error of log(1 + y)."""
    reason = "it is the judge itself: squared error of log(1 + y)"
    found = [
        Candidate("squared_error", "default", reason, GNEITING, transform="log1p"),
        squared("library", f"{LIBRARY}; it aims at the mean, above what RMSLE asks for"),
    ]
    noted = "shown beside the others: it aims at the median of log(1 + y)"
    return [*found, Candidate("absolute_error", "reference", noted, GNEITING, transform="log1p")]


# ------------------------------------------------------------------------------- the median and other quantiles


def _median(aim: Aim, facts: Profile) -> list[Candidate]:
    found = [absolute("default"), squared("library", f"{LIBRARY}; it aims at the mean"), huber(facts, "the median")]
    return found + _on_the_log_scale(absolute("challenger"), facts)


def _percentage() -> list[Candidate]:
    reason = "it is the judge itself: each row weighs 1/y"
    noted = "shown beside the others: it aims at the median, above what MAPE asks for"
    weighted = Candidate("absolute_error", "challenger", "the same minimiser, and effects that multiply",
                         GNEITING, row_weight="1/y")  # fmt: skip
    return [
        replace(weighted, role="default", reason=reason),
        squared("library", f"{LIBRARY}; it aims at the mean"),
        replace(weighted, transform="log"),
        absolute("reference", noted),
    ]


def _quantile(aim: Aim, facts: Profile) -> list[Candidate]:
    own = Candidate(
        "quantile", "default", f"its minimiser is the {aim.level:.4g} quantile, whatever the noise", KOENKER,
        {"q": aim.level},
    )  # fmt: skip
    return [
        own,
        squared("library", f"{LIBRARY}; it aims at the mean"),
        *_on_the_log_scale(own, facts),
        absolute("reference", "shown beside the others: it aims at the median"),
    ]


def _interval(aim: Aim, facts: Profile) -> list[Candidate]:
    low, high = aim.levels
    reason = f"its two minimisers are the {low:.4g} and the {high:.4g} quantile, whatever the noise"
    pair = Candidate("quantile", "default", reason, KOENKER, levels=aim.levels)
    band = Candidate(
        "squared_error", "library", "what is usually done: the mean, and as many standard deviations of the residuals "
        "to each side as normal noise of one width would need", "Gauss 1823", levels=aim.levels, band=True,
    )  # fmt: skip
    return [pair, band, *_on_the_log_scale(pair, facts)]


def _on_the_log_scale(plain: Candidate, facts: Profile) -> list[Candidate]:
    """A quantile of log y, turned back, is the quantile of y: so effects may multiply."""
    if not multiplies(facts) or facts.exposure is not None:
        return []
    reason = "quantiles survive the logarithm, on which effects that multiply become sums"
    return [replace(plain, role="challenger", reason=reason, source="Koenker 2005", transform="log")]


def _expectile(aim: Aim, facts: Profile) -> list[Candidate]:
    reason = f"its minimiser is the {aim.level:.4g} expectile, whatever the noise"
    q = {"q": aim.level}
    return [
        Candidate("expectile", "default", reason, "Newey & Powell 1987", q),
        squared("library", f"{LIBRARY}; it aims at the mean"),
        Candidate("quantile", "reference", "shown beside the others: the quantile of that level", KOENKER, q),
    ]


# ------------------------------------------------------------------------------------------- used by several aims


def squared(role: Role, reason: str = "its minimiser is the mean, whatever the noise") -> Candidate:
    return Candidate("squared_error", role, reason, GNEITING)


def absolute(role: Role, reason: str = "its minimiser is the median, whatever the noise") -> Candidate:
    return Candidate("absolute_error", role, reason, GNEITING)


def huber(facts: Profile, functional: str) -> Candidate:
    """Huber aims at neither mean nor median, unless the noise is symmetric: then the three agree."""
    assert facts.residuals is not None
    if facts.residuals.symmetric and facts.support == "real":
        role: Role = "challenger"
        reason = f"the noise is symmetric, so its centre is {functional}; " + (
            "its tails are heavy, and outliers pull less"
            if facts.residuals.heavy
            else "its tails are light, so little can be gained"
        )
        condition = f"symmetric residuals (skewness {facts.residuals.asymmetry:.2f}, below 0.2)"
    else:
        role, condition = "reference", None
        reason = f"shown beside the others: symmetric noise is not established, so it may miss {functional}"
    params = {"delta": _round(HUBER_EFFICIENCY * facts.residuals.scale)}
    return Candidate("huber", role, reason, "Huber 1964", params, condition, ("delta",))


def _round(x: float) -> float:
    """Four digits: a scale estimated from data has no more."""
    return float(f"{x:.4g}")
