"""Other libraries' losses, with the factor and shift by which their number differs from ours."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn._loss as sk
import torch
from scipy import special, stats
from torch.nn import functional

Array = np.ndarray


@dataclass(frozen=True)
class Peer:
    """``value(y, f)`` per sample equals factor * ours + a constant in f; gradients follow where the peer has them."""

    library: str
    name: str
    params: dict[str, Any]
    data: str
    value: Callable[[Array, Array], Array]
    gradient: Callable[[Array, Array], Array] | None = None
    factor: float = 1.0

    def __str__(self) -> str:
        return f"{self.library}-{self.name}"


def _sklearn(name: str, loss: Any, data: str, factor: float, **params: Any) -> Peer:
    def gradient(y: Array, f: Array) -> Array:
        return np.asarray(loss.gradient(np.ascontiguousarray(y, dtype=np.float64), np.ascontiguousarray(f)))

    def value(y: Array, f: Array) -> Array:
        return np.asarray(loss.loss(np.ascontiguousarray(y, dtype=np.float64), np.ascontiguousarray(f)))

    return Peer("scikit-learn", name, params, data, value, gradient, factor)


def _torch(name: str, function: Callable[..., torch.Tensor], data: str, factor: float = 1.0, **params: Any) -> Peer:
    def run(y: Array, f: Array) -> tuple[torch.Tensor, torch.Tensor]:
        prediction = torch.tensor(f, requires_grad=True)
        return prediction, function(prediction, torch.tensor(y))

    def value(y: Array, f: Array) -> Array:
        return run(y, f)[1].detach().numpy()

    def gradient(y: Array, f: Array) -> Array:
        prediction, loss = run(y, f)
        loss.sum().backward()
        assert prediction.grad is not None
        return prediction.grad.numpy()

    return Peer("torch", name, params, data, value, gradient, factor)


def _none(function: Callable[..., torch.Tensor], **options: Any) -> Callable[..., torch.Tensor]:
    return lambda f, y: function(f, y, reduction="none", **options)


PEERS = (
    _sklearn("squared_error", sk.HalfSquaredError(), "real", 0.5),
    _sklearn("absolute_error", sk.AbsoluteError(), "real", 1.0),
    _sklearn("quantile", sk.PinballLoss(quantile=0.8), "real", 1.0, q=0.8),
    _sklearn("huber", sk.HuberLoss(delta=0.7), "real", 1.0, delta=0.7),
    _sklearn("poisson", sk.HalfPoissonLoss(), "count", 1.0),
    _sklearn("gamma", sk.HalfGammaLoss(), "positive", 1.0),
    _sklearn("tweedie", sk.HalfTweedieLoss(power=1.3), "count", 1.0, power=1.3),
    _sklearn("binary_cross_entropy", sk.HalfBinomialLoss(), "label", 1.0),
    _sklearn("cross_entropy", sk.HalfMultinomialLoss(n_classes=3), "class", 1.0),
    _torch("squared_error", _none(functional.mse_loss), "real"),
    _torch("absolute_error", _none(functional.l1_loss), "real"),
    _torch("huber", _none(functional.huber_loss, delta=0.7), "real", delta=0.7),
    _torch("smooth_l1", _none(functional.smooth_l1_loss, beta=0.7), "real", beta=0.7),
    _torch("binary_cross_entropy", _none(functional.binary_cross_entropy_with_logits), "label"),
    _torch("cross_entropy", _none(functional.cross_entropy, label_smoothing=0.2), "class", label_smoothing=0.2),
    _torch("multi_margin", _none(functional.multi_margin_loss, p=2, margin=0.5), "class", p=2, margin=0.5),
    _torch("kl_divergence", lambda f, y: functional.kl_div(f, y, reduction="none").sum(-1), "row", log_input=True),
    _torch("poisson", _none(functional.poisson_nll_loss), "count"),
    Peer("scipy", "huber", {"delta": 0.7}, "real", lambda y, f: special.huber(0.7, f - y)),
    Peer("scipy", "pseudo_huber", {"delta": 0.7}, "real", lambda y, f: special.pseudo_huber(0.7, f - y)),
    Peer("scipy", "kl_divergence", {}, "probability row", lambda y, f: special.rel_entr(y, f).sum(-1)),
    Peer("scipy", "generalized_kl_divergence", {}, "probability row", lambda y, f: special.kl_div(y, f).sum(-1)),
    Peer(
        "scipy", "gaussian_nll", {"full": True}, "normal", lambda y, f: -stats.norm.logpdf(y, f[:, 0], np.exp(f[:, 1]))
    ),
    Peer("scipy", "poisson", {"full": True}, "count", lambda y, f: -stats.poisson.logpmf(y, np.exp(f))),
    Peer("scipy", "cross_entropy", {}, "class", lambda y, f: -special.log_softmax(f, axis=1)[np.arange(len(y)), y]),
)


def data(kind: str, rng: np.random.Generator, n: int = 400) -> tuple[Array, Array]:
    """Ordinary samples of a kind, where every library is exact to a few ULP times the loss's condition."""
    f = rng.normal(size=n) * 2
    rows = rng.normal(size=(n, 3)) * 2
    shares = special.softmax(rng.normal(size=(n, 3)), axis=1)
    return {
        "real": (rng.normal(size=n) * 2, f),
        "normal": (rng.normal(size=n), rng.normal(size=(n, 2))),
        "count": (rng.poisson(3, n).astype(float), f / 2),
        "positive": (rng.gamma(2, 1, n) + 0.01, f / 2),
        "label": (rng.integers(0, 2, n).astype(float), f),
        "class": (rng.integers(0, 3, n), rows),
        "row": (shares, special.log_softmax(rows, axis=1)),
        "probability row": (shares, special.softmax(rows, axis=1)),
    }[kind]


def mismatch(peer: Peer, loss: Any, rng: np.random.Generator) -> float:
    """The largest relative difference of values (up to one constant per target) and gradients."""
    y, f = data(peer.data, rng)
    theirs, ours = peer.value(y, f), peer.factor * loss(y, f, reduction="none")
    shift = theirs - ours
    same_target = y if y.ndim == 1 and peer.data in ("count", "positive") else np.zeros(len(f))
    for value in np.unique(same_target):  # a term that holds only y may be left out by either side
        shift[same_target == value] -= np.median(shift[same_target == value]) if peer.library != "scipy" else 0.0
    worst = float(np.max(np.abs(shift) / (1 + np.abs(theirs))))
    if peer.gradient is not None:
        slopes = peer.factor * loss.gradient(y, f, reduction="none")
        worst = max(worst, float(np.max(np.abs(peer.gradient(y, f) - slopes) / (1 + np.abs(slopes)))))
    return worst
