"""The losses that one might expect in a race and that do not run, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate, LeftOut
from lossmith.choosing.profile import Profile

OWN_CENTRE = "its minimiser is a centre of its own: neither mean nor median, unless the noise is symmetric"
NO_CHANCES = "it separates classes, and no probability can be read off its scores"
UNBOUNDED = "its score is twice the probability minus 1, and nothing keeps a model's scores between -1 and 1"
DECIDED = "here the class is taken from probabilities, which serve any metric and any costs; its scores are none"
ELSEWHERE = {
    "absolute_error": "it aims at the median, not at {aim}",
    "quantile": "it aims at a quantile, not at {aim}",
    "expectile": "it aims at an expectile, not at {aim}",
    "poisson": "it aims at the mean, not at {aim}",
    "gamma": "it aims at the mean, not at {aim}",
    "tweedie": "it aims at the mean, not at {aim}",
    "squared_log_error": "it aims at the mean of log(1 + y), which lies below the mean",
    "absolute_percentage_error": "it aims at a median in which a row weighs 1/abs(y)",
    "gaussian_nll": "it supposes a whole normal law, mean and spread, which {aim} does not need",
    "huber": OWN_CENTRE,
    "lq": OWN_CENTRE,
    "epsilon_insensitive": "it does not see small errors; it aims at the median only if the noise is symmetric",
    "hinge": NO_CHANCES,
    "squared_hinge": UNBOUNDED,
    "modified_huber": UNBOUNDED,
    "exponential": "its score is half the log-odds, which the log-loss finds without an exponential weight on outliers",
    "cumulative_logit": "it is for classes in an order, and these show none: an ordered category or a scale would",
    "multiclass_hinge": NO_CHANCES,
    "multi_margin": NO_CHANCES,
}
TWINS = {
    "smooth_l1": ("huber", "it is Huber's loss in other units"),
    "pseudo_huber": ("huber", "a smooth twin of Huber's loss, which races"),
    "log_cosh": ("huber", "a smooth twin of Huber's loss with a fixed scale"),
}
NUMBERS = (
    *("absolute_error", "quantile", "expectile", "huber", "smooth_l1", "pseudo_huber", "log_cosh", "lq"),
    *("epsilon_insensitive", "squared_log_error", "absolute_percentage_error", "poisson", "gamma", "tweedie"),
    "gaussian_nll",
)
MARGINS = ("hinge", "squared_hinge", "modified_huber", "exponential")
MARGINS_OF_SEVERAL = ("multiclass_hinge", "multi_margin")
BEYOND = {
    "Tukey's biweight": "its objective has many minima, and it aims at the mean only if the noise is symmetric",
    "negative binomial": "overdispersion harms intervals; the mean needs the Poisson deviance only",
    "zero-inflated, hurdle": "more zeros than Poisson's matter for whole distributions, not for the mean",
    "two-part model": "two models of one target; Poisson and Tweedie aim at the same mean with one",
    "squared error of log y": "turned back it aims below the mean; a smearing factor repairs that only if the noise "
    "has one width on the log scale",
    "beta": "it cannot take exact 0 and 1, and the mean does not need it",
    "Tobit": "it assumes normal noise behind the bound, which no table can show",
    "logit-adjusted loss, balanced softmax": "moving the prior after training is the same rule, and needs no other "
    "loss (Menon et al. 2021)",
    "pairwise logistic": "it orders pairs of rows; log-loss is consistent for the same order",
    "brier of several classes": "the catalogue's is for two",
}  # what textbooks name and the catalogue has not


def left_out(aim: Aim, facts: Profile, racing: Sequence[Candidate]) -> tuple[LeftOut, ...]:
    runs = {candidate.name for candidate in racing}
    names: Sequence[str] = NUMBERS
    if aim.wants_classes:
        names = MARGINS if facts.support == "binary" else ("cumulative_logit", *MARGINS_OF_SEVERAL)
        beyond = _classes_beyond(aim, facts)
    else:
        beyond = _numbers_beyond(aim, facts)
    found = [LeftOut(name, _why(name, aim, facts, runs)) for name in names if name not in runs]
    return (*found, *(LeftOut(label, BEYOND[label]) for label in beyond))


def _why(name: str, aim: Aim, facts: Profile, runs: set[str]) -> str:
    wanted = aim.title.partition(" (")[0]
    if name in TWINS:
        twin, reason = TWINS[name]
        return reason if twin in runs else OWN_CENTRE
    if aim.functional == "label" and name in (*MARGINS, *MARGINS_OF_SEVERAL):
        return DECIDED
    if aim.functional == "mean" and name in ("poisson", "gamma", "tweedie"):
        return _no_log_link(name, aim, facts)
    return ELSEWHERE[name].format(aim=wanted)


def _no_log_link(name: str, aim: Aim, facts: Profile) -> str:
    if aim.metric == "rmsle":
        return "it aims at the mean of y, above what RMSLE asks for"
    if facts.support == "real":
        return "y has negative values, and its predictions are positive"
    if facts.support in ("proportion", "percent"):
        return "its predictions have no upper bound, shares have one"
    if facts.exposure is not None:
        return "with an exposure, the Poisson deviance alone keeps the rate's weights right"
    if name == "gamma":
        return "y has zeros" if facts.support != "positive" else "y spans a narrow range: Poisson's log link covers it"
    return "y has no zeros beside its amounts"


def _numbers_beyond(aim: Aim, facts: Profile) -> list[str]:
    found = []
    if facts.residuals is not None and facts.residuals.heavy:
        found.append("Tukey's biweight")
    if aim.functional == "mean":
        found += {
            "count": ["negative binomial", "zero-inflated, hurdle"],
            "rate": ["negative binomial", "zero-inflated, hurdle"],
            "semicontinuous": ["two-part model"],
            "positive": ["squared error of log y"],
            "proportion": ["beta"],
            "percent": ["beta"],
        }.get(facts.support, [])
    if facts.bound or facts.support == "semicontinuous":
        found.append("Tobit")
    return found


def _classes_beyond(aim: Aim, facts: Profile) -> list[str]:
    found = []
    if aim.functional == "label":
        found.append("logit-adjusted loss, balanced softmax")
    if aim.metric in ("auc", "average_precision"):
        found.append("pairwise logistic")
    if facts.support != "binary":
        found.append("brier of several classes")
    return found
