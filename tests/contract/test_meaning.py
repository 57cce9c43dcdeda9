"""The exact meaning of the first losses: the table of the contract, in plain arithmetic."""

import math

import numpy as np
import pytest

import lossmith as lm

from . import samples


def sp(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def s(x):
    return 1 / (1 + math.exp(-x))


def xlog(t, x):
    return t * math.log(x) if t else 0.0


def log_p(f):
    top = max(f)
    return [v - top - math.log(sum(math.exp(u - top) for u in f)) for v in f]


def smoothed(y, k, e=0.0):
    row = list(y) if np.ndim(y) else [float(c == y) for c in range(k)]
    return [(1 - e) * t + e / k for t in row]


def margin(y, f):
    return f if y else -f


def others(y, f):
    return [v for c, v in enumerate(f) if c != y]


def kl(t, f):
    return sum(xlog(a, a / b) for a, b in zip(t, f, strict=True))


def js(t, f):
    middle = [(a + b) / 2 for a, b in zip(t, f, strict=True)]
    return (kl(t, middle) + kl(f, middle)) / 2


def cross_entropy(y, f, e=0.0, w=(1.0, 1.0, 1.0), weighting="term"):
    row, logs = smoothed(y, len(f), e), log_p(f)
    if weighting == "term":
        return -sum(a * b * c for a, b, c in zip(w, row, logs, strict=True))
    of_class = sum(a * b for a, b in zip(w, smoothed(y, len(f)), strict=True))
    return -of_class * sum(a * b for a, b in zip(row, logs, strict=True))


def focal(y, f, gamma, alpha=None):
    a = margin(y, f)
    return (1.0 if alpha is None else alpha if y else 1 - alpha) * s(-a) ** gamma * sp(-a)


def bce(y, f, w=1.0, e=0.0):
    y = (1 - e) * y + e / 2
    return w * y * sp(-f) + (1 - y) * sp(f)


def tweedie(y, f, p):
    return -y * math.exp((1 - p) * f) / (1 - p) + math.exp((2 - p) * f) / (2 - p)


W = samples.CLASS_WEIGHT
REAL, LABEL, COUNT = samples.REAL, samples.LABEL, samples.COUNT
ROWS, DIVERGENCE = (samples.IDS, samples.SCORES), (samples.SHARES, samples.PROBABILITIES)
SOFT = (samples.SHARES, samples.SCORES)

MEANING = [
    (lm.squared_error(), REAL, lambda y, f: (f - y) ** 2),
    (lm.absolute_error(), REAL, lambda y, f: abs(f - y)),
    (lm.huber(delta=0.3), REAL, lambda y, f: (f - y) ** 2 / 2 if abs(f - y) <= 0.3 else 0.3 * (abs(f - y) - 0.15)),
    (lm.smooth_l1(beta=0.3), REAL, lambda y, f: (f - y) ** 2 / 0.6 if abs(f - y) < 0.3 else abs(f - y) - 0.15),
    (lm.smooth_l1(beta=0.0), REAL, lambda y, f: abs(f - y)),
    (lm.pseudo_huber(delta=0.7), REAL, lambda y, f: 0.49 * (math.sqrt(1 + ((f - y) / 0.7) ** 2) - 1)),
    (lm.log_cosh(), REAL, lambda y, f: math.log(math.cosh(f - y))),
    (lm.quantile(q=0.8), REAL, lambda y, f: 0.8 * (y - f) if y >= f else 0.2 * (f - y)),
    (lm.expectile(q=0.8), REAL, lambda y, f: (0.8 if y >= f else 0.2) * (f - y) ** 2),
    (lm.lq(q=1.5), REAL, lambda y, f: abs(f - y) ** 1.5),
    (lm.epsilon_insensitive(epsilon=0.1), REAL, lambda y, f: max(0.0, abs(f - y) - 0.1)),
    (lm.squared_log_error(), (COUNT[0], COUNT[0][::-1]), lambda y, f: (math.log1p(f) - math.log1p(y)) ** 2),
    (lm.absolute_percentage_error(), REAL, lambda y, f: abs(f - y) / abs(y)),
    (lm.binary_cross_entropy(), samples.SHARE, bce),
    (lm.binary_cross_entropy(pos_weight=3.0), samples.SHARE, lambda y, f: bce(y, f, 3.0)),
    (lm.binary_cross_entropy(label_smoothing=0.2), samples.SHARE, lambda y, f: bce(y, f, e=0.2)),
    (
        lm.binary_cross_entropy(from_logits=False, pos_weight=3.0),
        samples.PROBABILITY,
        lambda y, f: -3 * xlog(y, f) - xlog(1 - y, 1 - f),
    ),
    (lm.hinge(), LABEL, lambda y, f: max(0.0, 1 - margin(y, f))),
    (lm.squared_hinge(), LABEL, lambda y, f: max(0.0, 1 - margin(y, f)) ** 2),
    (
        lm.modified_huber(),
        LABEL,
        lambda y, f: max(0.0, 1 - margin(y, f)) ** 2 if margin(y, f) >= -1 else -4 * margin(y, f),
    ),
    (lm.exponential(), LABEL, lambda y, f: math.exp(-margin(y, f))),
    (lm.focal(), LABEL, lambda y, f: focal(y, f, 2.0)),
    (lm.focal(gamma=0.5, alpha=0.3), LABEL, lambda y, f: focal(y, f, 0.5, 0.3)),
    (lm.focal(from_logits=False), samples.PROBABILITY, lambda y, p: focal(y, math.log(p / (1 - p)), 2.0)),
    (lm.brier(), samples.SHARE, lambda y, f: (s(f) - y) ** 2),
    (lm.brier(from_logits=False), samples.PROBABILITY, lambda y, f: (f - y) ** 2),
    (lm.cross_entropy(), ROWS, cross_entropy),
    (lm.cross_entropy(), SOFT, cross_entropy),
    (lm.cross_entropy(label_smoothing=0.2), ROWS, lambda y, f: cross_entropy(y, f, 0.2)),
    (lm.cross_entropy(label_smoothing=0.2), SOFT, lambda y, f: cross_entropy(y, f, 0.2)),
    (lm.cross_entropy(label_smoothing=0.2, class_weight=W), ROWS, lambda y, f: cross_entropy(y, f, 0.2, W)),
    (lm.cross_entropy(label_smoothing=0.2, class_weight=W), SOFT, lambda y, f: cross_entropy(y, f, 0.2, W)),
    (
        lm.cross_entropy(label_smoothing=0.2, class_weight=W, weighting="target"),
        ROWS,
        lambda y, f: cross_entropy(y, f, 0.2, W, "target"),
    ),
    (
        lm.cross_entropy(label_smoothing=0.2, class_weight=W, weighting="target"),
        SOFT,
        lambda y, f: cross_entropy(y, f, 0.2, W, "target"),
    ),
    (lm.cross_entropy(from_logits=False), (samples.IDS, samples.PROBABILITIES), lambda y, f: -math.log(f[y])),
    (
        lm.focal_cross_entropy(gamma=1.5, class_weight=W),
        ROWS,
        lambda y, f: -W[y] * (1 - math.exp(log_p(f)[y])) ** 1.5 * log_p(f)[y],
    ),
    (lm.multiclass_hinge(), ROWS, lambda y, f: max(0.0, 1 + max(others(y, f)) - f[y])),
    (lm.multi_margin(), ROWS, lambda y, f: sum(max(0.0, 1 - f[y] + v) for v in others(y, f)) / 3),
    (
        lm.multi_margin(margin=0.5, p=2),
        ROWS,
        lambda y, f: sum(max(0.0, 0.5 - f[y] + v) ** 2 for v in others(y, f)) / 3,
    ),
    (
        lm.cumulative_logit(),
        (samples.IDS, samples.LABEL[1]),
        lambda y, f: -math.log([s(-1 - f), s(1 - f) - s(-1 - f), 1 - s(1 - f)][y]),
    ),
    (
        lm.cumulative_logit(thresholds=(-0.5, 0.0, 2.0)),
        (samples.IDS, samples.LABEL[1]),
        lambda y, f: -math.log([s(-0.5 - f), s(-f) - s(-0.5 - f), s(2 - f) - s(-f)][y]),
    ),
    (lm.kl_divergence(), DIVERGENCE, kl),
    (
        lm.kl_divergence(log_input=True),
        (samples.SHARES, np.log(samples.PROBABILITIES)),
        lambda t, f: kl(t, np.exp(f).tolist()),
    ),
    (
        lm.generalized_kl_divergence(),
        (2 * samples.SHARES, 3 * samples.PROBABILITIES),
        lambda t, f: kl(t, f) - sum(t) + sum(f),
    ),
    (lm.js_divergence(), DIVERGENCE, js),
    (lm.poisson(), COUNT, lambda y, f: math.exp(f) - y * f),
    (lm.poisson(full=True), COUNT, lambda y, f: math.exp(f) - y * f + math.lgamma(y + 1)),
    (lm.poisson(log_input=False), (COUNT[0], samples.MEAN), lambda y, f: f - y * math.log(f)),
    (lm.gamma(), samples.POSITIVE, lambda y, f: y * math.exp(-f) + f),
    (lm.gamma(log_input=False), (samples.POSITIVE[0], samples.MEAN), lambda y, f: y / f + math.log(f)),
    (lm.tweedie(), COUNT, lambda y, f: tweedie(y, f, 1.5)),
    (lm.tweedie(power=1.2, log_input=False), (COUNT[0], samples.MEAN), lambda y, f: tweedie(y, math.log(f), 1.2)),
    (lm.gaussian_nll(), samples.HEADS, lambda y, f: ((y - f[0]) / math.exp(f[1])) ** 2 / 2 + f[1]),
    (
        lm.gaussian_nll(full=True),
        samples.HEADS,
        lambda y, f: ((y - f[0]) / math.exp(f[1])) ** 2 / 2 + f[1] + math.log(2 * math.pi) / 2,
    ),
]


@pytest.mark.parametrize(
    ("loss", "data", "meaning"), MEANING, ids=[f"{i}-{row[0].name}" for i, row in enumerate(MEANING)]
)
def test_the_value_is_that_of_the_table(loss, data, meaning):
    y, f = data
    expected = [meaning(*pair) for pair in zip(y.tolist(), f.tolist(), strict=True)]
    np.testing.assert_allclose(loss(y, f, reduction="none"), expected, rtol=1e-13, atol=1e-16)


def test_every_loss_of_the_table_is_here():
    assert {row[0].name for row in MEANING} == set(samples.TABLE)
