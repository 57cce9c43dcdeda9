"""What can only be said by hand of each loss: when it serves, when not, and what it predicts where no word says it.

The rest of a loss's page is computed. Statements about what minimises the expected loss follow Gneiting 2011
(doi:10.1198/jasa.2011.r10138) and, for classes, Bartlett, Jordan and McAuliffe 2006 (doi:10.1198/016214505000000907).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    use: str
    avoid: str
    predicts: str = ""  # where the formula does not say it


_CENTRE = "a centre of its own; the mean and the median, where the noise is symmetric"
_CLASS = "the more probable class, by the sign of the score; not how probable it is"

ADVICE = {
    "binary_cross_entropy": Advice(
        "Two classes, or shares between 0 and 1, when the probability itself matters. It is the place to start.",
        "When many labels are wrong: one confident mistake costs without bound. When only the order or the "
        "decision counts, it still serves; move the threshold rather than the weights.",
    ),
    "hinge": Advice(
        "Linear classifiers whose decision alone counts, such as the support vector machine: samples beyond the "
        "margin have no pull, so the solution rests on few of them.",
        "When you need probabilities, or a smooth objective for second-order steps.",
        _CLASS,
    ),
    "squared_hinge": Advice(
        "A margin with a smooth objective: second-order solvers work on it as it is.",
        "When labels are wrong: a sample far on the wrong side counts with the square of its distance.",
        "twice the probability minus 1: its sign is the more probable class",
    ),
    "modified_huber": Advice(
        "Margin classification with some wrong labels: linear for samples far on the wrong side.",
        "When you need calibrated probabilities in the tails: the score saturates at -1 and 1.",
        "twice the probability minus 1: its sign is the more probable class",
    ),
    "exponential": Advice(
        "Boosting by re-weighting, as AdaBoost does, on clean labels.",
        "When labels are wrong: weights grow exponentially with the margin of the mistake, where "
        "binary_cross_entropy's grow to 1 at most.",
        "half the log-odds of the class",
    ),
    "focal": Advice(
        "Detection with a flood of easy negatives, when the ranking or the decision is what is judged.",
        "When you read the output as a probability: it is not one for gamma above 0, and has to be mapped to one.",
        "the more probable class, by the sign of the score (an alpha moves that border); no probability, for the score "
        "is nearer to 0 than the log-odds",
    ),
    "brier": Advice(
        "Probabilities when some labels may be wrong: a confident mistake costs 1 at most.",
        "As the training loss of a model that starts confidently wrong: the gradient vanishes there, and learning"
        " stalls.",
    ),
    "cumulative_logit": Advice(
        "Ordered answers, such as grades, stages or poor to excellent: one set of coefficients for all levels, and no "
        "pretence that steps between levels are equal. LinearClassifier learns the thresholds with it.",
        "When a feature moves some levels and not others, so that one score cannot serve all thresholds: cross_entropy "
        "has a score for each class. When the distances between levels are known, they are numbers: squared_error.",
        "a score along the thresholds; link.inverse makes the probability of each level of it",
    ),
    "poisson": Advice(
        "Counts, rates with an exposure, and any target of zero or more whose mean multiplies: the counts need "
        "not be Poisson, only the mean has to be right.",
        "When the target may be negative, or when the typical value is asked for instead of the mean.",
    ),
    "gamma": Advice(
        "Positive amounts whose spread grows in step with their mean: claims, durations, prices.",
        "When there are exact zeros: they have no likelihood here; tweedie takes them.",
    ),
    "tweedie": Advice(
        "Amounts that are exactly 0 for many and spread widely for the rest: claims per policy, rain per day.",
        "When there are no zeros (gamma is simpler) or only whole numbers (poisson is).",
    ),
    "gaussian_nll": Advice(
        "When the model has to say how sure it is: a mean and a spread for every sample.",
        "When outliers decide: the mean pays for them with the square, and the spread grows to excuse them. "
        "Samples believed noisy pull less on the mean, so a poor start may last.",
        "the mean, and the log of the standard deviation",
    ),
    "kl_divergence": Advice(
        "Targets that are distributions: soft labels, a teacher's probabilities (distillation).",
        "When targets are class ids: cross_entropy is the same up to a constant, and takes raw scores.",
    ),
    "generalized_kl_divergence": Advice(
        "Rows of non-negative amounts that need not sum to 1: non-negative matrix factorisation, spectra.",
        "When rows are distributions already: kl_divergence says the same.",
    ),
    "js_divergence": Advice(
        "Comparing two distributions symmetrically, with a value that stays finite where one of them is 0.",
        "Estimating probabilities from labels: it is not proper, its minimiser is not the expected row.",
        "the target row itself where it is certain; of random rows, not their mean",
    ),
    "cross_entropy": Advice(
        "Several classes, one true: the place to start.",
        "When classes are ordered: cumulative_logit uses that. When many labels are wrong.",
    ),
    "focal_cross_entropy": Advice(
        "Several classes, most samples easy, and the decision is what is judged.",
        "When you read the outputs as probabilities: they are not, for gamma above 0.",
        "the most probable class, by the largest score; their softmax is not its probability",
    ),
    "multiclass_hinge": Advice(
        "Linear classifiers of several classes whose decision alone counts.",
        "When no class holds more than half of the probability: its minimiser may then be the same score for all "
        "classes. When you need probabilities.",
        "the most probable class, where that has a probability above one half",
    ),
    "multi_margin": Advice(
        "Several classes with a margin against each of the others, as in torch's MultiMarginLoss.",
        "When you need probabilities; and with p = 1 when no class holds most of the probability.",
        "scores whose largest is a likely class; no probabilities",
    ),
    "squared_error": Advice(
        "When the mean is asked for: totals, averages, expected cost. The place to start for numbers.",
        "When a few wild values are errors and not part of what you want to predict: each pulls in proportion to "
        "its distance.",
    ),
    "absolute_error": Advice(
        "When a typical value is asked for, or when a miss costs the same per unit in either direction.",
        "When totals have to come out right: for skewed targets the median lies below the mean.",
    ),
    "log_cosh": Advice(
        "A smooth loss between squared and absolute error, in units in which 1 is a usual error.",
        "When the target's scale is arbitrary: it has no threshold to set; huber and pseudo_huber have. When "
        "exactly the mean or the median is asked for and the noise is skewed.",
        _CENTRE,
    ),
    "quantile": Advice(
        "A level that a share q stays below: stock, capacity, intervals from two levels, unequal costs of too "
        "much and too little (q is the cost of too little over the sum of both).",
        "When q is extreme for the number of samples: few lie beyond it.",
    ),
    "expectile": Advice(
        "An asymmetric mean: smooth where quantile has a kink, and sensitive to how far the tail reaches.",
        "When a share of cases has to be kept: an expectile says nothing about shares.",
    ),
    "lq": Advice(
        "A chosen power between absolute (1) and squared error (2), or beyond it for the largest errors.",
        "When a well-known centre is asked for: but for 1 and 2 it is neither median nor mean.",
        "the centre of order q: the median for q = 1, the mean for q = 2, the mid-range as q grows",
    ),
    "epsilon_insensitive": Advice(
        "When errors below a tolerance do not count: support vector regression.",
        "When the tolerance is not known in units of the target, or is large beside the noise: inside it nothing "
        "is learned.",
        "the middle of a band 2 epsilon wide that leaves as many targets above as below; the median as epsilon "
        "goes to 0",
    ),
    "squared_log_error": Advice(
        "When the competition's or contract's measure is RMSLE: relative errors of amounts from 0 upwards.",
        "When the mean is asked for: what it predicts lies below it.",
        "the geometric mean of 1 + y, minus 1: exp(mean of log(1 + y)) - 1",
    ),
    "absolute_percentage_error": Advice(
        "When the measure is MAPE and nothing else will do.",
        "When too low and too high should count alike: small targets weigh most, so of positive "
        "ones it predicts below the median. With targets near 0, which then decide everything.",
        "a median in which y weighs 1/abs(y): nearer to 0 than the plain one, where targets have one sign",
    ),
    "huber": Advice(
        "Numbers with some wild values, when errors within delta should be averaged. A delta of 1.345 times the "
        "noise's scale keeps 95 % of the efficiency of squared error under normal noise.",
        "When exactly the mean (or the median) is asked for and the noise is skewed. When delta cannot be set in "
        "units of the target.",
        _CENTRE,
    ),
    "smooth_l1": Advice(
        "Bounding boxes and other targets scaled to about 1, as detection networks have it: huber over its threshold.",
        "Where huber is not the right loss either. Its gradient levels off at 1 whatever beta is, huber's at "
        "delta: a learning rate does not carry over from one to the other.",
        _CENTRE,
    ),
    "pseudo_huber": Advice(
        "Where huber serves and a second derivative that is never 0 helps: Newton steps, optical flow, bundle "
        "adjustment. The charbonnier loss of image restoration, sqrt(r² + eps²), is this one with delta = eps, divided "
        "by eps, plus eps.",
        "When exactly the mean or the median is asked for and the noise is skewed.",
        _CENTRE,
    ),
}
