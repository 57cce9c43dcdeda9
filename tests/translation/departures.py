"""Where a peer's number is not what its definition says: what it is instead, as the translation's words have it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lossmith.loss import Loss
from translation.cases import Array

INF = np.inf
Params = dict[str, Any]
Points = tuple[Array, Array]


def _nowhere(y: Array, f: Array, params: Params) -> Points:
    return y, f


def _ours(loss: Loss, y: Array, f: Array, params: Params) -> Array:
    return np.asarray(loss(y, f, reduction="none"))


@dataclass(frozen=True)
class Departure:
    """The peer computes ``value`` of our loss at points ``moved``: at ``at`` the same number, at ``apart`` another.

    ``everywhere``: not just beyond some limit, but a little at all points.
    """

    at: tuple[Any, Any]
    apart: tuple[Any, Any]
    truth: float  # of the definition, at ``apart``
    moved: Callable[[Array, Array, Params], Points] = _nowhere
    value: Callable[[Loss, Array, Array, Params], Array] = _ours
    params: Params = field(default_factory=dict)
    everywhere: bool = False
    predicted: bool = True  # the words give the peer's number
    by_gradient: bool = False  # it is the gradient that shows it


def _clipped(low: float, high: float) -> Callable[[Array, Array, Params], Points]:
    def move(y: Array, f: Array, params: Params) -> Points:
        return (y, f) if params.get("from_logits") else (y, np.clip(f, low, high))

    return move


def _normalised(y: Array, f: Array, params: Params) -> Points:
    if params.get("from_logits"):
        return y, f
    return y, np.clip(f / f.sum(axis=-1, keepdims=True), 1e-7, 1 - 1e-7)


def _added(default: float) -> dict[str, Any]:
    """eps on top of the mean inside the logarithm only."""
    eps = lambda p: 0.0 if p.get("log_input") else p.get("eps", default)  # noqa: E731
    return {
        "moved": lambda y, f, p: (y, f + eps(p)),
        "value": lambda loss, y, f, p: _ours(loss, y, f, p) - eps(p),
        "everywhere": True,
    }


def _narrowed(y: Array, f: Array, params: Params) -> Points:
    delta = min(params.get("delta", 1e-6), 0.01)
    return y, y + np.sign(f - y) * np.maximum(np.abs(f - y) - delta, 0)


def _nan_at_zero(loss: Loss, y: Array, f: Array, params: Params) -> Array:
    zero = (y == 0).any(axis=-1) & params.get("log_target", True)
    return np.where(zero, np.nan, _ours(loss, y, f, params))


def _soft_margin(loss: Loss, y: Array, f: Array, params: Params) -> Array:
    with np.errstate(over="ignore"):
        return np.log(1 + np.exp(-y * f))


def _soft_l1(loss: Loss, y: Array, f: Array, params: Params) -> Array:
    scale = params.get("f_scale", 1.0)
    return scale**2 * ((1 + ((f - y) / scale) ** 2) ** 0.5 - 1)


def _quartic(loss: Loss, y: Array, f: Array, params: Params) -> Array:
    c, k = params.get("c", 3.61752), params.get("k", 4)
    x = ((y - f) / c) ** k
    outside = c**2 / 2 * (1 - 4 / (k + 2) + 1 / (k + 1))
    return np.where(abs(y - f) <= c, (y - f) ** 2 / 2 * (1 - 4 / (k + 2) * x + x**2 / (k + 1)), outside)


def _mlp(loss: Loss, y: Array, f: Array, params: Params) -> Array:
    tiny = np.finfo(np.float64).eps
    p = np.clip(1 / (1 + np.exp(-f)), tiny, 1 - tiny)
    one = y == (1 if loss.labels is None else loss.labels[1])
    return -np.where(one, np.log(p), np.log(1 - p))


def _logistic_limit(p: float) -> float:
    return float(np.log(p / (1 - p)))


LIMIT = _logistic_limit(1 - 1e-13)
LOWEST = float(np.float32(-1 + 1e-6))  # XGBoost's, in its own precision
LOST = {"at": (0.0, 1.5), "apart": (0.0, 1e-9), "truth": 5e-19}  # digits of small errors
ROWS = {"at": (0, [0.3, 0.3, 0.4]), "apart": (0, [0.0, 0.5, 0.5]), "truth": INF, "moved": _normalised}
BINARY = {"at": (1.0, 0.3), "apart": (1.0, 0.0), "truth": INF, "moved": _clipped(1e-7, 1 - 1e-7)}
MEANS = {"at": (0.0, 0.7), "apart": (2.0, 0.0), "truth": INF}
LOG_ROWS = {"at": ([0.4, 0.6], [-1.0, -0.5]), "apart": ([0.0, 1.0], [-1.0, -0.5]), "truth": 0.5, "value": _nan_at_zero}

DEPARTURES: dict[str, Departure] = {
    "torch.nn.BCELoss": Departure(
        (1.0, 0.3), (1.0, 0.0), INF, value=lambda loss, y, f, p: np.minimum(_ours(loss, y, f, p), 100.0)),
    "torch.nn.SoftMarginLoss": Departure((-1, 3.0), (-1, 800.0), 800.0, value=_soft_margin),
    "torch.nn.PoissonNLLLoss": Departure(**MEANS, **_added(1e-8), params={"log_input": False}),
    "torch.nn.KLDivLoss": Departure(**LOG_ROWS, params={"log_target": True}),
    "torch.nn.GaussianNLLLoss": Departure(
        (0.0, [1.0, -2.0]), (0.0, [1e-4, np.log(1e-4)]), 0.5 + np.log(1e-4),
        moved=lambda y, f, p: (y, np.stack([f[:, 0], np.maximum(f[:, 1], np.log(p.get("eps", 1e-6)) / 2)], axis=-1))),
    "optax.losses.kl_divergence_with_log_targets": Departure(**LOG_ROWS),
    "optax.losses.log_cosh": Departure(
        **LOST, value=lambda loss, y, f, p: np.logaddexp(f - y, y - f) - np.log(2.0)),
    "scipy.optimize.least_squares:soft_l1": Departure(**LOST, value=_soft_l1),
    "statsmodels.robust.norms.TukeyQuartic": Departure(
        (1.0, 0.0), (0.0, 1.0), 0.5 * (1 - 0.8 * 0.125 + 0.25 * 0.125**2), value=_quartic, params={"c": 2.0, "k": 3}),
    "sklearn.neural_network.MLPClassifier": Departure((0.0, 2.0), (0.0, 40.0), 40.0, value=_mlp),
    "xgboost:reg:squaredlogerror": Departure(
        (1.0, 2.0), (-1.0 + 2.0**-23, -1.0 + 2.0**-23), 0.0, by_gradient=True,
        moved=lambda y, f, p: (y, np.maximum(f, LOWEST))),
    "catboost:MAE": Departure((0.0, 0.0), (0.0, 1e-7), 1e-7, moved=_narrowed, everywhere=True),
    "catboost:Quantile": Departure((0.0, 0.0), (0.0, 1e-7), 5e-8, moved=_narrowed, everywhere=True),
    "catboost:LogCosh": Departure((0.0, 100.0), (0.0, 0.5), np.log(np.cosh(0.5)), predicted=False),
    "catboost:Focal": Departure(
        (0.0, 2.0), (0.0, 40.0), 20.0, moved=lambda y, f, p: (y, np.clip(f, -LIMIT, LIMIT)),
        params={"focal_alpha": 0.5, "focal_gamma": 1.0}),
    "catboost:RMSPE": Departure(
        (-4.0, 2.0), (0.25, 0.5), 1.0,
        value=lambda loss, y, f, p: _ours(loss, y, f, p) * np.minimum(1, abs(y)) ** 2, everywhere=True),
    "keras.losses.MeanAbsolutePercentageError": Departure(
        (2.0, 3.0), (1e-9, 3e-9), 2.0, value=lambda loss, y, f, p: abs(f - y) / np.maximum(abs(y), 1e-7)),
    "keras.losses.MeanSquaredLogarithmicError": Departure(
        (0.5, 2.0), (0.0, -0.5), np.log(0.5) ** 2, moved=lambda y, f, p: (np.maximum(y, 1e-7), np.maximum(f, 1e-7))),
    "keras.losses.LogCosh": Departure(
        **LOST, value=lambda loss, y, f, p: (f - y) + np.logaddexp(0, -2 * (f - y)) - np.log(2.0)),
    "keras.losses.BinaryCrossentropy": Departure(**BINARY),
    "keras.losses.BinaryFocalCrossentropy": Departure(**BINARY),
    "keras.losses.CategoricalCrossentropy": Departure(**ROWS),
    "keras.losses.SparseCategoricalCrossentropy": Departure(**ROWS),
    "keras.losses.CategoricalFocalCrossentropy": Departure(**ROWS),
    "keras.losses.KLDivergence": Departure(
        ([0.5, 0.3, 0.2], [0.2, 0.2, 0.6]), ([0.5, 0.5, 0.0], [0.0, 0.5, 0.5]), INF,
        moved=lambda y, f, p: (np.clip(y, 1e-7, 1), np.clip(f, 1e-7, 1))),
    "keras.losses.Poisson": Departure(**MEANS, **_added(1e-7)),
}  # fmt: skip
