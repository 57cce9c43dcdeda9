"""The other libraries, called as their users call them: mean loss and its gradient with respect to the predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_peers import QUANTILE
from numpy_peers import contestant as with_numpy

Run = Callable[[], tuple[Any, Any]]
Array = np.ndarray

PEERS = ("NumPy", "scikit-learn", "PyTorch", "JAX")
LOG_2 = float(np.log(2.0))


def torch_losses() -> dict[str, Callable[[Any, Any], Any]]:
    import torch
    from torch.nn import functional

    def focal(f: Any, y: Any) -> Any:  # as in torchvision
        p = torch.sigmoid(f)
        surprise = functional.binary_cross_entropy_with_logits(f, y, reduction="none")
        p_y = p * y + (1 - p) * (1 - y)
        return (surprise * (1 - p_y) ** 2).mean()

    def log_cosh(f: Any, y: Any) -> Any:
        r = f - y
        return (r + functional.softplus(-2 * r) - LOG_2).mean()

    def quantile(f: Any, y: Any) -> Any:
        r = y - f
        return torch.maximum(QUANTILE * r, (QUANTILE - 1) * r).mean()

    def gaussian_nll(f: Any, y: Any) -> Any:
        mean, log_scale = f.unbind(-1)
        return functional.gaussian_nll_loss(mean, y, var=torch.exp(2 * log_scale))

    return {
        "squared_error": functional.mse_loss,
        "absolute_error": functional.l1_loss,
        "huber": functional.huber_loss,
        "quantile": quantile,
        "hinge": lambda f, sign: torch.clamp(1 - sign * f, min=0).mean(),
        "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
        "poisson": functional.poisson_nll_loss,
        "log_cosh": log_cosh,
        "focal": focal,
        "gaussian_nll": gaussian_nll,
        "cross_entropy": functional.cross_entropy,
    }


def jax_losses() -> dict[str, Callable[[Any, Any], Any]]:
    import jax
    from jax import numpy as jnp

    softplus = jax.nn.softplus

    def huber(f: Any, y: Any) -> Any:
        size = jnp.abs(f - y)
        return jnp.mean(jnp.where(size <= 1, size**2 / 2, size - 0.5))

    def focal(f: Any, y: Any) -> Any:  # as in optax
        p = jax.nn.sigmoid(f)
        p_y = p * y + (1 - p) * (1 - y)
        return jnp.mean((softplus(f) - y * f) * (1 - p_y) ** 2)

    def gaussian_nll(f: Any, y: Any) -> Any:
        mean, log_scale = f[:, 0], f[:, 1]
        return jnp.mean(((y - mean) * jnp.exp(-log_scale)) ** 2 / 2 + log_scale)

    def cross_entropy(f: Any, y: Any) -> Any:
        return jnp.mean(jax.nn.logsumexp(f, axis=1) - jnp.take_along_axis(f, y[:, None], 1)[:, 0])

    return {
        "squared_error": lambda f, y: jnp.mean((f - y) ** 2),
        "absolute_error": lambda f, y: jnp.mean(jnp.abs(f - y)),
        "huber": huber,
        "quantile": lambda f, y: jnp.mean(jnp.maximum(QUANTILE * (y - f), (QUANTILE - 1) * (y - f))),
        "hinge": lambda f, sign: jnp.mean(jnp.maximum(0, 1 - sign * f)),
        "binary_cross_entropy": lambda f, y: jnp.mean(softplus(f) - y * f),
        "poisson": lambda f, y: jnp.mean(jnp.exp(f) - y * f),
        "log_cosh": lambda f, y: jnp.mean(f - y + softplus(-2 * (f - y)) - LOG_2),
        "focal": focal,
        "gaussian_nll": gaussian_nll,
        "cross_entropy": cross_entropy,
    }


def sklearn_losses() -> dict[str, Any]:
    from sklearn import _loss as losses

    return {
        "squared_error": losses.HalfSquaredError(),
        "absolute_error": losses.AbsoluteError(),
        "huber": losses.HuberLoss(delta=1.0),
        "quantile": losses.PinballLoss(quantile=QUANTILE),
        "binary_cross_entropy": losses.HalfBinomialLoss(),
        "poisson": losses.HalfPoissonLoss(),
    }


def with_torch(name: str, y: Array, f: Array) -> Run:
    import torch

    torch.set_num_threads(1)
    loss = torch_losses()[name]
    target, prediction = torch.from_numpy(y), torch.from_numpy(f).requires_grad_()

    def run() -> tuple[Any, Any]:
        prediction.grad = None
        value = loss(prediction, target)
        value.backward()
        return value.item(), prediction.grad

    return run


def with_jax(name: str, y: Array, f: Array) -> Run:
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(jax.value_and_grad(jax_losses()[name]))
    prediction, target = jnp.asarray(f), jnp.asarray(y)
    return lambda: jax.block_until_ready(compiled(prediction, target))


def with_sklearn(name: str, y: Array, f: Array) -> Run:
    """Each sample's own gradient; the mean of the losses is taken as its estimators take it."""
    loss = sklearn_losses()[name]
    values, gradients = np.empty_like(f), np.empty_like(f)

    def run() -> tuple[Any, Any]:
        loss.loss_gradient(y, f, loss_out=values, gradient_out=gradients, n_threads=1)
        return values.mean(), gradients

    return run


def contestants(name: str, y: Array, f: Array) -> dict[str, Run]:
    """All the libraries that have this loss."""
    written = 2 * y - 1 if name == "hinge" else y  # labels -1 and 1, as who writes it by hand would have them
    runs = {"NumPy": with_numpy(name, y, f), "PyTorch": with_torch(name, written, f), "JAX": with_jax(name, written, f)}
    return runs | ({"scikit-learn": with_sklearn(name, y, f)} if name in sklearn_losses() else {})
