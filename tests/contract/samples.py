"""A few valid samples for every loss, so that a promise made for every loss is tested on every loss.

`TABLE` holds the catalogue. A loss that is not in it needs no row: it is tried on data of each common kind of target.
The points lie away from kinks, so that finite differences mean something.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

import lossmith as lm


@dataclass(frozen=True)
class Sample:
    """A loss and valid arguments for it."""

    loss: Any
    y: np.ndarray = field(repr=False)
    f: np.ndarray = field(repr=False)
    id: str

    @property
    def row(self) -> bool:
        """Whether a sample has several predictions, along the last axis."""
        return self.f.ndim == 2

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the per-sample loss."""
        return self.f.shape[:1]

    @property
    def weight(self) -> np.ndarray:
        return np.linspace(0.5, 2.0, len(self.f))


REAL = np.array([0.5, -1.2, 3.0, 0.1, -2.0, 1.7]), np.array([0.9, -1.0, 1.1, -2.3, -1.85, 1.72])
LABEL = np.array([0, 1, 1, 0, 1, 0]), np.array([-1.3, 0.4, 2.6, 0.7, -1.9, 0.2])
SHARE = np.array([0.0, 1.0, 0.3, 0.8, 1.0, 0.5]), LABEL[1]
PROBABILITY = LABEL[0], np.array([0.2, 0.7, 0.9, 0.4, 0.05, 0.5])
COUNT = np.array([0.0, 1.0, 3.0, 2.5, 7.0, 0.0]), np.array([-0.5, 0.3, 1.2, 0.9, 1.5, -2.0])
POSITIVE = np.array([0.4, 1.0, 3.0, 2.5, 7.0, 0.05]), COUNT[1]
MEAN = np.exp(COUNT[1])
SCORES = np.array(
    [[0.5, -1.0, 2.0], [1.0, 0.2, -0.5], [0.3, 0.7, 0.1], [-2.0, 1.5, 0.4], [0.0, 0.25, 1.75], [3.0, -0.3, 0.6]]
)
IDS = np.array([0, 2, 1, 1, 2, 0])
SHARES = np.array(
    [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1], [0.25, 0.25, 0.5], [0.0, 0.6, 0.4], [0.9, 0.05, 0.05]]
)


def softmax(f: np.ndarray) -> np.ndarray:
    return np.exp(f) / np.exp(f).sum(axis=-1, keepdims=True)


PROBABILITIES = softmax(SCORES)
HEADS = REAL[0], np.stack([REAL[1], np.array([-0.5, 0.2, 0.7, 0.1, -1.0, 0.4])], axis=-1)
CLASS_WEIGHT = [0.5, 2.0, 3.0]

TABLE: dict[str, list[tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]]] = {
    "squared_error": [({}, REAL)],
    "absolute_error": [({}, REAL)],
    "huber": [({}, REAL), ({"delta": 0.3}, REAL)],
    "smooth_l1": [({}, REAL), ({"beta": 0.3}, REAL), ({"beta": 0.0}, REAL)],
    "pseudo_huber": [({"delta": 0.7}, REAL)],
    "log_cosh": [({}, REAL)],
    "quantile": [({}, REAL), ({"q": 0.8}, REAL)],
    "expectile": [({"q": 0.8}, REAL)],
    "lq": [({}, REAL), ({"q": 3.0}, REAL)],
    "epsilon_insensitive": [({}, REAL)],
    "squared_log_error": [({}, (POSITIVE[0] - 0.9, MEAN - 0.9))],
    "absolute_percentage_error": [({}, REAL)],
    "binary_cross_entropy": [
        ({}, SHARE),
        ({"label_smoothing": 0.1, "pos_weight": 3.0}, LABEL),
        ({"from_logits": False}, PROBABILITY),
    ],
    "hinge": [({}, LABEL)],
    "squared_hinge": [({}, LABEL)],
    "modified_huber": [({}, LABEL)],
    "exponential": [({}, LABEL)],
    "focal": [({}, LABEL), ({"gamma": 0.5, "alpha": 0.25}, LABEL), ({"from_logits": False}, PROBABILITY)],
    "brier": [({}, SHARE), ({"from_logits": False}, PROBABILITY)],
    "cross_entropy": [
        ({}, (IDS, SCORES)),
        ({"label_smoothing": 0.2, "class_weight": CLASS_WEIGHT}, (IDS, SCORES)),
        ({"label_smoothing": 0.2, "class_weight": CLASS_WEIGHT, "weighting": "target"}, (IDS, SCORES)),
        ({}, (SHARES, SCORES)),
        ({"from_logits": False}, (IDS, PROBABILITIES)),
    ],
    "focal_cross_entropy": [({}, (IDS, SCORES)), ({"class_weight": CLASS_WEIGHT, "gamma": 1.0}, (IDS, SCORES))],
    "multiclass_hinge": [({}, (IDS, SCORES))],
    "multi_margin": [({}, (IDS, SCORES)), ({"margin": 0.5, "p": 2}, (IDS, SCORES))],
    "cumulative_logit": [
        ({}, (IDS, LABEL[1])),
        ({"thresholds": [-0.5, 0.1, 2.0, 2.5]}, (np.array([0, 4, 1, 3, 2, 4]), LABEL[1])),
    ],
    "kl_divergence": [({}, (SHARES, PROBABILITIES)), ({"log_input": True}, (SHARES, np.log(PROBABILITIES)))],
    "generalized_kl_divergence": [({}, (2 * SHARES, 3 * PROBABILITIES))],
    "js_divergence": [({}, (SHARES, PROBABILITIES))],
    "poisson": [({}, COUNT), ({"full": True}, COUNT), ({"log_input": False}, (COUNT[0], MEAN))],
    "gamma": [({}, POSITIVE), ({"log_input": False}, (POSITIVE[0], MEAN))],
    "tweedie": [({}, COUNT), ({"power": 1.2, "log_input": False}, (COUNT[0], MEAN))],
    "gaussian_nll": [({}, HEADS), ({"full": True}, HEADS)],
}
KINDS = [
    REAL,
    POSITIVE,
    (POSITIVE[0], MEAN),
    LABEL,
    PROBABILITY,
    (IDS, SCORES),
    (SHARES, SCORES),
    (SHARES, PROBABILITIES),
    HEADS,
]


def _works(loss: Any, y: np.ndarray, f: np.ndarray) -> bool:
    try:
        return bool(np.all(np.isfinite(loss(y, f, reduction="none"))))
    except (ValueError, TypeError):
        return False


def _fallback(name: str) -> list[tuple[dict[str, Any], tuple[np.ndarray, np.ndarray]]]:
    loss = lm.get(name)
    return [({}, data) for data in KINDS if _works(loss, *data)][:1]


@cache
def of(name: str) -> tuple[Sample, ...]:
    """The samples of a loss, by its name in the registry."""
    rows = TABLE[name] if name in TABLE else _fallback(name)
    ids = [",".join([name, *(f"{key}={value}" for key, value in params.items())]) for params, _ in rows]
    ids = [f"{each}#{i}" if each in ids[:i] else each for i, each in enumerate(ids)]
    return tuple(Sample(lm.get(name, **params), y, f, each) for (params, (y, f)), each in zip(rows, ids, strict=True))


def everything() -> list[Sample]:
    return [sample for name in lm.names() for sample in of(name)]


def plain() -> list[Sample]:
    """One sample for each loss, its defaults where the table begins with them."""
    return [of(name)[0] for name in lm.names() if of(name)]


def each_loss_at_least_once() -> Any:
    """A parametrisation over everything: one sample a loss in the covering subset, the others in the full sweep."""
    covering = {s.id for s in plain()}
    marked = [pytest.param(s, id=s.id, marks=() if s.id in covering else pytest.mark.full) for s in everything()]
    return pytest.mark.parametrize("sample", marked)
