"""One reference per loss of the catalogue, in plain arithmetic from the literature: it judges every formula.

`REFERENCES[name](y, f, **params)` evaluates at mpmath's working precision. `truth` chooses the precision itself and is
right to 50 digits; `derivative` differentiates numerically, without knowing the formula. Labels are 0/1, a class id or
a row; f is a number, a row of scores, or [mean, log_scale]; parameters have the constructors' names and defaults.

An infinite prediction gives the limit with everything else held fixed, and nan where there is none.
"""

import functools
import inspect
from collections.abc import Callable, Iterable
from math import comb
from typing import Any

from mpmath import mp, mpf


def _times(weight: mpf, value: mpf) -> mpf:
    """A term of weight 0 is no term: 0 log 0 = 0, and 0 times infinity too."""
    return mp.zero if weight == 0 else weight * value


def _positive(x: mpf) -> mpf:
    """max(0, x); nan stays nan."""
    return mp.zero if x <= 0 else x


def _sum(terms: Iterable[mpf]) -> mpf:
    """Sum of terms >= 0: infinite as soon as one is, whatever a term without limit would have added."""
    terms = list(terms)
    return mp.inf if mp.inf in terms else sum(terms, mp.zero)


def _sigmoid(x: mpf) -> mpf:
    return 1 / (1 + mp.exp(-x))


def _softplus(x: mpf) -> mpf:
    """log(1 + e^x); log1p sees an e^x of any size next to the 1."""
    return mp.log1p(mp.exp(x))


def _others(row: list[mpf], y: mpf) -> list[mpf]:
    return [score for j, score in enumerate(row) if j != y]


def _odds_against(f: list[mpf], y: mpf) -> mpf:
    """(1 - p_y) / p_y for p = softmax(f)."""
    return _sum(mp.exp(score - f[int(y)]) for score in _others(f, y))


def _margin(y: mpf, f: mpf) -> mpf:
    """a = f for y = 1 and -f for y = 0."""
    return f if y == 1 else -f


# Regression.


def squared_error(y: mpf, f: mpf) -> mpf:
    """Legendre 1805, Nouvelles méthodes pour la détermination des orbites des comètes."""
    return (f - y) ** 2


def absolute_error(y: mpf, f: mpf) -> mpf:
    """Boscovich 1757; Bloomfield and Steiger 1983, Least Absolute Deviations."""
    return abs(f - y)


def huber(y: mpf, f: mpf, delta: mpf = 1.0) -> mpf:
    """Huber 1964, doi:10.1214/aoms/1177703732."""
    r = abs(f - y)
    return r**2 / 2 if r <= delta else delta * (r - delta / 2)


def smooth_l1(y: mpf, f: mpf, beta: mpf = 1.0) -> mpf:
    """Girshick 2015, Fast R-CNN, doi:10.1109/ICCV.2015.169, with the width beta."""
    r = abs(f - y)
    return r**2 / (2 * beta) if r < beta else r - beta / 2


def pseudo_huber(y: mpf, f: mpf, delta: mpf = 1.0) -> mpf:
    """Charbonnier et al. 1997, doi:10.1109/83.551699; Hartley and Zisserman 2003, Multiple View Geometry, app. 6."""
    return delta**2 * (mp.sqrt(1 + ((f - y) / delta) ** 2) - 1)


def log_cosh(y: mpf, f: mpf) -> mpf:
    """Green 1990, Bayesian reconstructions from emission tomography data, IEEE Trans. Medical Imaging 9."""
    return mp.log(mp.cosh(f - y))


def quantile(y: mpf, f: mpf, q: mpf = 0.5) -> mpf:
    """Koenker and Bassett 1978, doi:10.2307/1913643."""
    return q * (y - f) if y >= f else (1 - q) * (f - y)


def expectile(y: mpf, f: mpf, q: mpf = 0.5) -> mpf:
    """Newey and Powell 1987, doi:10.2307/1911031."""
    return (q if y >= f else 1 - q) * (f - y) ** 2


def lq(y: mpf, f: mpf, q: mpf = 1.5) -> mpf:
    """Gonin and Money 1989, Nonlinear Lp-Norm Estimation."""
    return abs(f - y) ** q


def epsilon_insensitive(y: mpf, f: mpf, epsilon: mpf = 0.1) -> mpf:
    """Vapnik 1995, The Nature of Statistical Learning Theory."""
    return _positive(abs(f - y) - epsilon)


def squared_log_error(y: mpf, f: mpf) -> mpf:
    """Tofallis 2015, doi:10.1057/jors.2014.103 (squared log of the accuracy ratio), with 1 added to both sides."""
    return (mp.log1p(f) - mp.log1p(y)) ** 2


def absolute_percentage_error(y: mpf, f: mpf) -> mpf:
    """De Myttenaere et al. 2016, doi:10.1016/j.neucom.2015.12.114."""
    return abs(f - y) / abs(y)


# Two classes.


def binary_cross_entropy(
    y: mpf, f: mpf, from_logits: bool = True, label_smoothing: mpf = 0.0, pos_weight: mpf = 1.0
) -> mpf:
    """Cox 1958, The regression analysis of binary sequences; smoothing: Szegedy 2016, doi:10.1109/CVPR.2016.308."""
    y = (1 - label_smoothing) * y + label_smoothing / 2
    surprise_1 = _softplus(-f) if from_logits else -mp.log(f)
    surprise_0 = _softplus(f) if from_logits else -mp.log(1 - f)
    return _times(pos_weight * y, surprise_1) + _times(1 - y, surprise_0)


def hinge(y: mpf, f: mpf) -> mpf:
    """Cortes and Vapnik 1995, doi:10.1007/BF00994018."""
    return _positive(1 - _margin(y, f))


def squared_hinge(y: mpf, f: mpf) -> mpf:
    """Chang, Hsieh and Lin 2008, Coordinate descent method for large-scale L2-loss linear SVM, JMLR 9."""
    return _positive(1 - _margin(y, f)) ** 2


def modified_huber(y: mpf, f: mpf) -> mpf:
    """Zhang 2004, doi:10.1145/1015330.1015332."""
    a = _margin(y, f)
    return _positive(1 - a) ** 2 if a >= -1 else -4 * a


def exponential(y: mpf, f: mpf) -> mpf:
    """Freund and Schapire 1997, doi:10.1006/jcss.1997.1504; Friedman et al. 2000, doi:10.1214/aos/1016218223."""
    return mp.exp(-_margin(y, f))


def focal(y: mpf, f: mpf, gamma: mpf = 2.0, alpha: mpf | None = None, from_logits: bool = True) -> mpf:
    """Lin et al. 2017, doi:10.1109/ICCV.2017.324: - alpha_t (1 - p_t)^gamma log p_t."""
    weight = mp.one if alpha is None else alpha if y == 1 else 1 - alpha
    if from_logits:
        missing, surprise = _sigmoid(-_margin(y, f)), _softplus(-_margin(y, f))
    else:
        missing, surprise = (1 - f, -mp.log(f)) if y == 1 else (f, -mp.log(1 - f))
    return _times(weight, missing**gamma * surprise)


def brier(y: mpf, f: mpf, from_logits: bool = True) -> mpf:
    """Brier 1950, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78."""
    # s(f) - y, split by s(f) + s(-f) = 1: no number of digits shows s(f) next to a label of 1 for every f.
    return ((1 - y) * _sigmoid(f) - y * _sigmoid(-f)) ** 2 if from_logits else (f - y) ** 2


# A row of classes.


def cross_entropy(
    y: mpf | list[mpf],
    f: list[mpf],
    from_logits: bool = True,
    label_smoothing: mpf = 0.0,
    class_weight: list[mpf] | None = None,
    weighting: str = "term",
    ignore_index: mpf | None = None,
) -> mpf:
    """Bridle 1990, doi:10.1007/978-3-642-76153-9_28; smoothing: Szegedy et al. 2016, doi:10.1109/CVPR.2016.308."""
    if y == ignore_index:
        return mp.zero
    classes = range(len(f))
    weight = class_weight or [mp.one for _ in classes]
    target = y if isinstance(y, list) else [mpf(c == y) for c in classes]
    smooth = [(1 - label_smoothing) * t + label_smoothing / len(f) for t in target]
    if weighting == "target":
        # A row has the mean weight of its classes, which for a class id is that class's weight.
        of_target = sum(w * t for w, t in zip(weight, target, strict=True))
        coefficient = [of_target * t for t in smooth]
    else:
        coefficient = [w * t for w, t in zip(weight, smooth, strict=True)]
    return _sum(
        coefficient[c] * (mp.log1p(_odds_against(f, c)) if from_logits else -mp.log(f[c]))
        for c in classes
        if coefficient[c] != 0
    )


def focal_cross_entropy(
    y: mpf, f: list[mpf], gamma: mpf = 2.0, class_weight: list[mpf] | None = None, from_logits: bool = True
) -> mpf:
    """Lin et al. 2017, doi:10.1109/ICCV.2017.324, with the softmax."""
    weight = class_weight[int(y)] if class_weight else mp.one
    if from_logits:
        odds = _odds_against(f, y)
        missing, surprise = 1 / (1 + 1 / odds) if odds else mp.zero, mp.log1p(odds)
    else:
        missing, surprise = 1 - f[int(y)], -mp.log(f[int(y)])
    return _times(weight, missing**gamma * surprise)


def multiclass_hinge(y: mpf, f: list[mpf]) -> mpf:
    """Crammer and Singer 2001, On the algorithmic implementation of multiclass kernel-based vector machines, JMLR 2."""
    return _positive(1 + max(_others(f, y), default=-mp.inf) - f[int(y)])


def multi_margin(y: mpf, f: list[mpf], margin: mpf = 1.0, p: mpf = 1) -> mpf:
    """Weston and Watkins 1999, Support vector machines for multi-class pattern recognition, ESANN; divided by K."""
    return _sum(_positive(margin - f[int(y)] + score) ** p for score in _others(f, y)) / len(f)


# Ordered levels.


def cumulative_logit(y: mpf, f: mpf, thresholds: tuple[mpf, ...] = (-1.0, 1.0)) -> mpf:
    """McCullagh 1980, doi:10.1111/j.2517-6161.1980.tb01109.x: logit P(Y <= k) = t_k - f.

    The chance of a level is what other levels leave of 1; where that is little, the difference of two such, or of two
    of their complements, whichever are small.
    """
    ends = [-mp.inf, *thresholds, mp.inf]
    below, above = ends[int(y)], ends[int(y) + 1]
    elsewhere = _risen(f, above) + _risen(below, f)
    if elsewhere < 0.5:
        return -mp.log1p(-elsewhere)
    if f < below:
        return -_log_of(_risen(f, below) - _risen(f, above))
    return -_log_of(_risen(above, f) - _risen(below, f))


def _risen(x: mpf, t: mpf) -> mpf:
    """The logistic function of x - t, where an end of the line is further out than any number."""
    return mp.zero if t == mp.inf or x == -mp.inf else _sigmoid(x - t)


def _log_of(p: mpf) -> mpf:
    return mp.log(p) if p > 0 else -mp.inf


def kl_divergence(y: list[mpf], f: list[mpf], log_input: bool = False) -> mpf:
    """Kullback and Leibler 1951, doi:10.1214/aoms/1177729694."""
    return sum(_times(t, mp.log(t) - (p if log_input else mp.log(p))) for t, p in zip(y, f, strict=True))


def generalized_kl_divergence(y: list[mpf], f: list[mpf]) -> mpf:
    """Csiszár 1991, doi:10.1214/aos/1176348385."""
    # f outgrows log f.
    return _sum(mp.inf if p == mp.inf else _times(t, mp.log(t) - mp.log(p)) - t + p for t, p in zip(y, f, strict=True))


def js_divergence(y: list[mpf], f: list[mpf]) -> mpf:
    """Lin 1991, doi:10.1109/18.61115."""
    middle = [(t + p) / 2 for t, p in zip(y, f, strict=True)]
    return (kl_divergence(y, middle) + kl_divergence(f, middle)) / 2


# Counts and amounts.


def poisson(y: mpf, f: mpf, log_input: bool = True, full: bool = False) -> mpf:
    """McCullagh and Nelder 1989, Generalized Linear Models, chapter 6."""
    if f == mp.inf:  # the mean outgrows its logarithm
        return mp.inf
    mean, log_mean = (mp.exp(f), f) if log_input else (f, mp.log(f))
    return mean - _times(y, log_mean) + (mp.loggamma(y + 1) if full else 0)


def gamma(y: mpf, f: mpf, log_input: bool = True) -> mpf:
    """McCullagh and Nelder 1989, Generalized Linear Models, chapter 8."""
    if f == (-mp.inf if log_input else 0):  # 1 / mean outgrows log mean
        return mp.inf
    return y * mp.exp(-f) + f if log_input else y / f + mp.log(f)


def tweedie(y: mpf, f: mpf, power: mpf = 1.5, log_input: bool = True) -> mpf:
    """Jørgensen 1987, Exponential dispersion models, Journal of the Royal Statistical Society B 49."""
    log_mean = f if log_input else mp.log(f)
    fit = _times(y, mp.exp((1 - power) * log_mean)) / (1 - power)
    return -fit + mp.exp((2 - power) * log_mean) / (2 - power)


def gaussian_nll(y: mpf, f: list[mpf], full: bool = False) -> mpf:
    """Nix and Weigend 1994, doi:10.1109/ICNN.1994.374138."""
    mean, log_scale = f
    if log_scale == -mp.inf and y != mean:  # 1 / scale outgrows log scale
        return mp.inf
    square = (_times(y - mean, mp.exp(-log_scale))) ** 2
    return square / 2 + log_scale + (mp.log(2 * mp.pi) / 2 if full else 0)


# The judge.


def _exact(value: Any) -> Any:
    """Numbers as mpf without rounding, rows as lists of them."""
    if value is None or isinstance(value, (bool, str)):
        return value
    return [_exact(each) for each in value] if isinstance(value, Iterable) else mp.convert(value)


def exact_arguments(function: Callable[..., mpf]) -> Callable[..., mpf]:
    """The same function for arguments of any type of number: `1 - q` of a Python float would already be rounded."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(y: Any, f: Any, **params: Any) -> mpf:
        bound = signature.bind(y, f, **params)
        bound.apply_defaults()
        return function(**{name: _exact(value) for name, value in bound.arguments.items()})

    return wrapper


REFERENCES: dict[str, Callable[..., mpf]] = {
    function.__name__: exact_arguments(function)
    for function in (
        *(squared_error, absolute_error, huber, smooth_l1, pseudo_huber, log_cosh, quantile, expectile, lq),
        *(epsilon_insensitive, squared_log_error, absolute_percentage_error),
        *(binary_cross_entropy, hinge, squared_hinge, modified_huber, exponential, focal, brier),
        *(cross_entropy, focal_cross_entropy, multiclass_hinge, multi_margin),
        cumulative_logit,
        *(kl_divergence, generalized_kl_divergence, js_divergence, poisson, gamma, tweedie, gaussian_nll),
    )
}


DIGITS = 50  # that `truth` promises
STEP_BITS = 100  # a difference quotient is off by a few times 4^-STEP_BITS, which is 6e-61
RESOLUTION = 9000  # digits spent at most on seeing e^(-2 |f|) next to 1 in a derivative: enough for |f| = 1e4
# Where a derivative may be the small difference of a loss that grows and an exponential that fades.
FADING = {
    *("log_cosh", "binary_cross_entropy", "brier", "focal", "cross_entropy", "focal_cross_entropy"),
    *("poisson", "gamma", "tweedie", "gaussian_nll", "cumulative_logit"),
}


def truth(name: str, y: Any, f: Any, **params: Any) -> mpf:
    """The loss to 50 digits: computed with more and more digits until two results in a row agree on them.

    The first attempt already sees every input next to every other: otherwise log cosh 1e-300 would twice be exactly 0.
    """
    digits, previous = _digits(y, f, params), None
    for _ in range(6):
        with mp.workdps(digits):
            value = REFERENCES[name](y, f, **params)
            if previous is not None and _agree(value, previous):
                break
            previous, digits = value, 2 * digits
    else:
        raise ArithmeticError(f"{name}: y = {y}, f = {f}, {params} has no {DIGITS} digits in {digits}")
    with mp.workdps(DIGITS + 10):
        return +value


def derivative(name: str, y: Any, f: Any, index: int | None = None, order: int = 1, **params: Any) -> mpf:
    """d^order loss / d f^order, or / d f[index]^order for a row or [mean, log_scale], from central differences.

    The step is far smaller than the last bit of any input, so no kink is crossed by accident. AT a kink order 1 gives
    the mean of the two sides and order 2 a number of the size of 1 / step: stay away from kinks. f is finite and inside
    the domain, not on its edge. What is below 10^-9000 of the loss may come out as noise of that size.
    """
    f = _exact(f)
    point = f if index is None else f[index]
    if isinstance(point, list) or not mp.isfinite(point):
        raise ValueError(f"{name}: a derivative needs one finite prediction, not {point}")
    last_bit = min(number._mpf_[2] for number in _numbers([y, f, *params.values()]))
    step_bits = STEP_BITS - min(0, last_bit)

    def loss(at: mpf) -> mpf:
        value = REFERENCES[name](y, at if index is None else [*f[:index], at, *f[index + 1 :]], **params)
        if not isinstance(value, mpf):  # the logarithm of a negative number
            raise ValueError(f"{name}: {mp.nstr(point)} is on the edge of the domain")
        return value

    with mp.workdps(_digits(y, f, params) + int(0.302 * (order + 1) * step_bits) + _fading_digits(name, y, f, params)):
        step = mp.ldexp(1, -step_bits)
        difference = sum((-1) ** k * comb(order, k) * loss(point + (order - 2 * k) * step) for k in range(order + 1))
        slope = difference / (2 * step) ** order
    with mp.workdps(DIGITS + 10):
        return +slope


def _agree(a: mpf, b: mpf) -> bool:
    return a == b or (mp.isnan(a) and mp.isnan(b)) or abs(a - b) <= abs(a) * mpf(10) ** -DIGITS


def _numbers(value: Any) -> list[mpf]:
    """Every finite number in the arguments."""
    value = _exact(value)
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, mpf) and mp.isfinite(value) else []


def _digits(y: Any, f: Any, params: dict[str, Any]) -> int:
    """Digits that leave DIGITS of them after seeing the square of the smallest product of the arguments next to 1."""

    def bits(x: mpf) -> int:
        _, _, last, length = x._mpf_
        return max(abs(last), abs(last + length))

    span = sum(max(map(bits, _numbers(argument)), default=0) for argument in (y, f, *params.values()))
    return DIGITS + 15 + int(0.61 * span)


def _fading_digits(name: str, y: Any, f: Any, params: dict[str, Any]) -> int:
    """Digits that show e^(-2 |f|) next to 1."""
    if name not in FADING or False in (params.get("from_logits"), params.get("log_input")):
        return 0
    reach = max(map(abs, _numbers(f))) + (abs(_exact(y)) if name == "log_cosh" else 0)
    return int(min(RESOLUTION, mp.ceil(0.87 * reach)))
