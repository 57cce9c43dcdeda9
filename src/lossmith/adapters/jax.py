"""JAX: losses that it differentiates twice, by the formula, under any of its transformations; and as pure functions.

Nothing here is differentiated through ``where``: value, gradient and the Hessian's products each have the next one as
their rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from lossmith.compute import Call, check_reduction
from lossmith.engine.arrays import evaluate
from lossmith.engine.functions import FUNCTIONS
from lossmith.engine.reduce import apply_weight
from lossmith.formula.derive import OVER_CLASSES, tangents
from lossmith.formula.expr import Expr
from lossmith.formula.model import Formula
from lossmith.namespaces import stacked

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = Any
_OF_A_CALL = ("y_true", "weight", "where", "validate")


def adapt(loss: Loss, *, convention: Literal["optax", "lossmith"] = "optax", reduction: str | None = None) -> JaxLoss:
    """A pure function of JAX arrays, for grad, hessian, jvp, vmap, jit and sharded arrays.

    "optax" is what optax and most JAX code expects: ``function(predictions, targets)``, one loss per sample. "lossmith"
    is ``function(y_true, y_pred)``, the mean. ``reduction`` ("none", "mean", "sum", "weighted_mean") overrules either.
    Equal losses give equal functions, so jit compiles once. Raises ValueError for other conventions and reductions.
    """
    kinds: dict[str, tuple[type[JaxLoss], str]] = {
        "optax": (PredictionsFirst, "none"), "lossmith": (TargetsFirst, "mean"),
    }  # fmt: skip
    if convention not in kinds:
        raise ValueError(f"convention is {convention!r}: expected one of {', '.join(map(repr, kinds))}")
    kind, usual = kinds[convention]
    chosen = usual if reduction is None else reduction
    check_reduction(loss, chosen)
    return kind(loss, chosen)


@dataclass(frozen=True)
class JaxLoss:
    """A loss as a function of arrays alone."""

    loss: Loss
    reduction: str

    def _call(self, y_true: Array | None, y_pred: Array, weight: Array | None, where: Array | None,
              extras: Mapping[str, Array]) -> Array:  # fmt: skip
        y_pred = jnp.asarray(y_pred)
        y_true = jnp.zeros_like(y_pred) if y_true is None else y_true
        result: Array = self.loss(y_true, y_pred, weight=weight, where=where, reduction=self.reduction, **extras)
        return result


class PredictionsFirst(JaxLoss):
    """``function(predictions, targets)``, as in optax."""

    def __call__(self, predictions: Array, targets: Array | None = None, *, weight: Array | None = None,
                 where: Array | None = None, **extras: Array) -> Array:  # fmt: skip
        """The loss of predictions of shape (...), or (..., K) for row losses; targets left out are zeros.

        ``weight`` and ``where`` have the shape of the per-sample loss. Concrete values outside a domain raise
        ValueError; where they are traced the result is NaN.
        """
        return self._call(targets, predictions, weight, where, extras)


class TargetsFirst(JaxLoss):
    """``function(y_true, y_pred)``, as everywhere else in lossmith."""

    def __call__(self, y_true: Array, y_pred: Array, *, weight: Array | None = None, where: Array | None = None,
                 **extras: Array) -> Array:  # fmt: skip
        """The loss of y_pred of shape (...), or (..., K) for row losses; differentiate it with ``argnums=1``.

        ``weight`` and ``where`` have the shape of the per-sample loss. Concrete values outside a domain raise
        ValueError; where they are traced the result is NaN.
        """
        return self._call(y_true, y_pred, weight, where, extras)


# what JAX differentiates ----------------------------------------------------------------------------------------------


def value(loss: Loss, y_true: Any, y_pred: Array, reduction: str, **arguments: Any) -> Array:
    """``loss(y_true, y_pred)``, differentiable twice in y_pred and in nothing else."""
    if jnp.issubdtype(y_pred.dtype, jnp.floating) and jnp.finfo(y_pred.dtype).bits < 32:
        y_pred = y_pred.astype(jnp.float32)  # so that JAX scales the gradient as such, and rounds it once
    # what JAX may trace is an argument of the rules, what it cannot hold (labels, lists, switches) stays outside
    inputs = {"y_true": y_true, **arguments}
    traceable = {name: x for name, x in inputs.items() if isinstance(x, jax.Array)}
    fixed = {name: x for name, x in inputs.items() if name not in traceable}

    def call(pred: Array, rest: Mapping[str, Array]) -> Call:
        # a NumPy array that JAX was asked to differentiate in arrives as it is
        given = {**fixed, **{name: jnp.asarray(x) for name, x in rest.items()}}
        extras = {name: x for name, x in given.items() if name not in _OF_A_CALL}
        return Call(
            loss, given["y_true"], jnp.asarray(pred), given["weight"], given["where"], extras, given["validate"]
        )

    @jax.custom_jvp
    def reduced(pred: Array, rest: dict[str, Array]) -> Array:
        this = call(pred, rest)
        return this.value(this.outputs("value")[0], reduction)

    @jax.custom_jvp
    def both(pred: Array, rest: dict[str, Array]) -> tuple[Array, Array]:
        """Value and gradient from one evaluation: what they share is there once, whatever a compiler finds out."""
        this = call(pred, rest)
        return this.value_and_gradient(reduction)

    def product(pred: Array, vector: Array, rest: dict[str, Array]) -> Array:
        this = call(*_last(loss.name, pred, rest))
        result = _hessian_product(this, vector, reduction)
        valid = this.data.sound()
        if valid is None:
            return result
        # linear in the vector, so that the transposed product says it too
        illegal = jnp.where(valid, 0.0, jnp.nan).astype(vector.dtype)
        return result + vector * illegal.reshape(illegal.shape + (1,) * (vector.ndim - illegal.ndim))

    def along(primals: Any, tangents: Any) -> tuple[Array, Array]:
        (pred, rest), (tangent, others) = primals, tangents
        _refuse(loss, others)
        if _still(tangent):
            result = reduced(pred, rest)
            return result, jnp.zeros_like(result)
        result, slope = both(pred, rest)
        return result, _change(result, slope, tangent)

    def both_along(primals: Any, tangents: Any) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        (pred, rest), (tangent, others) = primals, tangents
        _refuse(loss, others)
        result, slope = both(pred, rest)
        if _still(tangent):
            return (result, slope), (jnp.zeros_like(result), jnp.zeros_like(slope))
        return (result, slope), (_change(result, slope, tangent), product(pred, tangent, rest))

    reduced.defjvp(along, symbolic_zeros=True)
    both.defjvp(both_along, symbolic_zeros=True)
    return reduced(y_pred, traceable)


def _change(result: Array, slope: Array, tangent: Array) -> Array:
    """Of the result along the tangent: the sum of slope times tangent over what belongs to each of its numbers."""
    change = slope * tangent
    return jnp.sum(change, axis=tuple(range(result.ndim, change.ndim))).astype(result.dtype)


def _hessian_product(call: Call, vector: Array, reduction: str) -> Array:
    """The full Hessian of the reduced loss times a vector, which goes through multiplications and sums alone.

    A ``where`` with the vector inside would be NaN where JAX transposes it.
    """
    data = call.data
    formula, rows = data.formula, data.formula.kind == "rowwise"
    terms = _hessian_terms(formula)
    factors = evaluate(
        [(term.p, term.q) for term in terms], data.arrays, call._params(data.like), jnp, rows=rows, like=data.like
    )
    vectors, products = call._parts(vector), [jnp.zeros_like(data.like) for _ in formula.predictions]
    for term, factors_ in zip(terms, factors, strict=True):
        # what is left out may be NaN, which 0 times the vector would be too
        p, q = (apply_weight(jnp, x, None, data.keep) for x in factors_)
        if rows:
            p, q = (x if root.row else x[..., None] for x, root in ((p, term.p), (q, term.q)))
        along = q * vectors[term.column]
        products[term.row] += p * (
            FUNCTIONS[OVER_CLASSES[term.shape]](jnp, along) if term.shape in OVER_CLASSES else along
        )
    return call.derivative(stacked(jnp, products), reduction)


class _Term(NamedTuple):
    """p times a sum over classes (or none) of q times the vector: a part of one row and column of the Hessian."""

    row: int
    column: int
    shape: str
    p: Expr
    q: Expr


@lru_cache(maxsize=256)
def _hessian_terms(formula: Formula) -> list[_Term]:
    return [
        _Term(i, j, shape, p, q)
        for i, slope in enumerate(formula.gradient)
        for j, prediction in enumerate(formula.predictions)
        for (shape, q), p in tangents((slope,), prediction.as_input)[slope].items()
    ]


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _last(name: str, pred: Array, rest: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """The same arrays, where no further derivative is to be had."""
    return pred, rest


def _refuse_further(name: str, primals: Any, tangents: Any) -> NoReturn:
    raise TypeError(f"{name}: third derivatives are not available, and second ones in the predictions only")


_last.defjvp(_refuse_further, symbolic_zeros=True)


def _still(tangent: Any) -> bool:
    """Whether an input does not move."""
    return isinstance(tangent, SymbolicZero) or tangent.dtype == jax.dtypes.float0


def _refuse(loss: Loss, tangents: Mapping[str, Any]) -> None:
    for name, tangent in tangents.items():
        if not _still(tangent):
            raise TypeError(
                f"{loss.name} is differentiable in the predictions only, not in {name}: "
                "put jax.lax.stop_gradient around it"
            )
