"""Results on JAX arrays that JAX can differentiate. Gradients come from the formula, never through ``where``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

if TYPE_CHECKING:
    from lossmith.loss import Loss


def value(loss: Loss, y_true: Any, y_pred: Any, reduction: str, **arguments: Any) -> Any:
    """``loss(y_true, y_pred)`` with a forward rule in y_pred, so that grad, jvp, hessian, vmap and jit work."""
    # what JAX may trace is an argument of the rule, what it cannot hold (labels, lists, switches) stays outside
    inputs = {"y_true": y_true, **arguments}
    traceable = {name: x for name, x in inputs.items() if isinstance(x, jax.Array)}
    fixed = {name: x for name, x in inputs.items() if name not in traceable}

    @jax.custom_jvp
    def compute(pred: Any, rest: dict[str, Any]) -> Any:
        given = {**fixed, **rest}
        return loss._value(given.pop("y_true"), pred, reduction, **given)

    def rule(primals: Any, tangents: Any) -> Any:
        (pred, rest), (tangent, others) = primals, tangents
        if not all(isinstance(t, SymbolicZero) or t.dtype == jax.dtypes.float0 for t in others.values()):
            raise TypeError(f"{loss.name} is differentiable in y_pred only: put jax.lax.stop_gradient around the rest")
        result = compute(pred, rest)
        if isinstance(tangent, SymbolicZero):
            return result, jnp.zeros_like(result)
        given = {**fixed, **rest}
        product = loss.gradient(given.pop("y_true"), pred, reduction=reduction, **given) * tangent
        slope = jnp.sum(product, axis=tuple(range(result.ndim, product.ndim)))
        return result, slope.astype(result.dtype)

    compute.defjvp(rule, symbolic_zeros=True)
    return compute(y_pred, traceable)
