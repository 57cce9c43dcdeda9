"""Results on JAX arrays that JAX can differentiate. Gradients come from the formula, never through ``where``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

if TYPE_CHECKING:
    from lossmith.loss import Loss


def value(loss: Loss, y_true: Any, y_pred: Any, reduction: str, **arguments: Any) -> Any:
    """``loss(y_true, y_pred)`` with a forward rule, so that grad, jvp, hessian, vmap and jit work."""

    @jax.custom_jvp
    def compute(pred: Any) -> Any:
        return loss._value(y_true, pred, reduction, **arguments)

    @compute.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        (pred,), (tangent,) = primals, tangents
        gradient = loss.gradient(y_true, pred, reduction=reduction, **arguments)
        product = gradient * tangent
        result = compute(pred)
        slope = jnp.sum(product, axis=tuple(range(result.ndim, product.ndim)))
        return result, slope.astype(result.dtype)

    return compute(y_pred)
