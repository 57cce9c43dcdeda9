"""What PyTorch differentiates: the loss, its gradient and its Hessian's products, each from the formula.

Nothing here is differentiated through ``where``. Every function works under autograd, torch.func (grad, vmap, jvp and
their compositions), torch.compile and torch.export, in plain tensor operations; ``Known`` carries a gradient that was
computed elsewhere, in the same pass as the value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd import forward_ad

from lossmith.compute import Call
from lossmith.formula.expr import Expr, walk
from lossmith.formula.model import Formula
from lossmith.formula.primitives import PRIMITIVES
from lossmith.namespaces import plain_tensor
from lossmith.record import Record, replace

if TYPE_CHECKING:
    from lossmith.loss import Loss

Tensor = Any
TOTAL = "total"  # a reduction of this file: the sum, in float64
_OF_A_CALL = ("y_true", "weight", "where")


class Given(Record):
    """A call but for its tensors. Tensors go through autograd by themselves, in the order of ``names``, y_pred first;
    what is no tensor (lists, labels, switches) stays in ``fixed``."""

    loss: Loss
    reduction: str
    names: tuple[str, ...]
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, loss: Loss, reduction: str, arguments: Mapping[str, Any]) -> tuple[Given, list[Tensor]]:
        tensors = {name: x for name, x in arguments.items() if isinstance(x, torch.Tensor)}
        fixed = {name: x for name, x in arguments.items() if name not in tensors}
        return cls(loss, reduction, tuple(tensors), fixed), list(tensors.values())

    def arguments(self, tensors: Sequence[Tensor]) -> dict[str, Any]:
        return {**self.fixed, **dict(zip(self.names, tensors, strict=True))}

    def call(self, y_pred: Tensor, tensors: Sequence[Tensor]) -> Call:
        given = self.arguments(tensors)
        extras = {name: x for name, x in given.items() if name not in (*_OF_A_CALL, "validate")}
        return Call(
            self.loss, given["y_true"], y_pred.detach(), given["weight"], given["where"], extras, given["validate"]
        )

    def value(self, y_pred: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        call = self.call(y_pred, tensors)
        if self.reduction == TOTAL:
            return call.total().sum
        return call.value(call.outputs("value")[0], self.reduction)

    def derivative(self, name: Any, y_pred: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        call = self.call(y_pred, tensors)
        return call.derivative(call.outputs(name)[0], self._reduction)

    def product(self, y_pred: Tensor, vector: Tensor, tensors: Sequence[Tensor]) -> Tensor:
        call = self.call(y_pred, tensors)
        found, valid = call.hessian_product(vector, self._reduction), call.data.sound()
        if valid is None:
            return found
        return torch.where(valid.reshape(valid.shape + (1,) * (found.ndim - valid.ndim)), found, math.nan)

    @property
    def _reduction(self) -> str:
        return "sum" if self.reduction == TOTAL else self.reduction


class Value(torch.autograd.Function):
    """The loss; differentiable in y_pred, and once in a target of real numbers."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y_pred: Tensor, given: Given, *tensors: Tensor) -> Tensor:
        return given.value(y_pred, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _remember(ctx, inputs)
        ctx.dtype, ctx.ndim = output.dtype, output.ndim

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None) -> tuple[Any, ...]:
        if upstream is None:
            return (None,) * len(ctx.needs_input_grad)
        y_pred, *tensors = ctx.saved_tensors
        given: Given = ctx.given
        slope = None
        if ctx.needs_input_grad[0]:
            slope = scaled(Gradient.apply(widened(y_pred), given, *tensors), upstream)
        others = [
            _in_target(given, y_pred, tensors, name, upstream) if needed else None
            for name, needed in zip(given.names, ctx.needs_input_grad[2:], strict=True)
        ]
        return slope, None, *others

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor | None, _: None, *others: Tensor | None) -> Tensor:
        _refuse_tangents(ctx.given, others)
        with _further(ctx) as (y_pred, *tensors):
            slope = Gradient.apply(widened(y_pred), ctx.given, *tensors)
            product = (slope * tangent).to(ctx.dtype)
            return product.sum(dim=tuple(range(ctx.ndim, product.ndim))) if product.ndim > ctx.ndim else product


class Gradient(torch.autograd.Function):
    """The gradient of the reduced loss; "none": each sample's own."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y_pred: Tensor, given: Given, *tensors: Tensor) -> Tensor:
        return given.derivative("gradient", y_pred, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _remember(ctx, inputs)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None) -> tuple[Any, ...]:
        if upstream is None:
            return (None,) * len(ctx.needs_input_grad)
        y_pred, *tensors = ctx.saved_tensors
        if any(ctx.needs_input_grad[2:]):
            raise RuntimeError(f"{ctx.given.loss.name}: the gradient is differentiable in y_pred only, not in y_true")
        return Product.apply(y_pred, upstream, ctx.given, *tensors), None, *(None for _ in tensors)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor | None, _: None, *others: Tensor | None) -> Tensor:
        _refuse_tangents(ctx.given, others)
        with _further(ctx) as (y_pred, *tensors):
            return Product.apply(y_pred, tangent, ctx.given, *tensors)


class Product(torch.autograd.Function):
    """The Hessian of the reduced loss times a vector; differentiable in the vector."""

    generate_vmap_rule = True

    @staticmethod
    def forward(y_pred: Tensor, vector: Tensor, given: Given, *tensors: Tensor) -> Tensor:
        return given.product(y_pred, vector, tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        y_pred, _, *rest = inputs
        _remember(ctx, (y_pred, *rest))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor | None) -> tuple[Any, ...]:
        if upstream is None:
            return (None,) * len(ctx.needs_input_grad)
        y_pred, *tensors = ctx.saved_tensors
        if ctx.needs_input_grad[0] or any(ctx.needs_input_grad[3:]):
            raise RuntimeError(f"{ctx.given.loss.name}: third derivatives are not available")
        return None, Product.apply(y_pred, upstream, ctx.given, *tensors), None, *(None for _ in tensors)

    @staticmethod
    def jvp(ctx: Any, of_y_pred: Tensor | None, of_vector: Tensor | None, _: None, *others: Tensor | None) -> Tensor:
        if of_y_pred is not None:
            raise RuntimeError(f"{ctx.given.loss.name}: third derivatives are not available")
        with _further(ctx) as (y_pred, *tensors):
            return Product.apply(y_pred, of_vector, ctx.given, *tensors)


class Known(torch.autograd.Function):
    """A value whose gradient came with it: backward only scales it, unless it is to be differentiated again."""

    @staticmethod
    def forward(ctx: Any, y_pred: Tensor, known: tuple[Tensor, Tensor], given: Given, *tensors: Tensor) -> Tensor:
        found, gradient = known
        ctx.given = given
        ctx.save_for_backward(gradient, y_pred, *tensors)
        return found

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        gradient, y_pred, *tensors = ctx.saved_tensors
        if torch.is_grad_enabled():  # create_graph=True
            gradient = Gradient.apply(widened(y_pred), ctx.given, *tensors)
        elif upstream.ndim == 0 and plain_tensor(torch, upstream) and upstream.item() == 1.0:
            return gradient, None, None, *(None for _ in tensors)
        return scaled(gradient, upstream), None, None, *(None for _ in tensors)


def _remember(ctx: Any, inputs: tuple[Any, ...]) -> None:
    y_pred, ctx.given, *tensors = inputs
    ctx.save_for_backward(y_pred, *tensors)
    ctx.save_for_forward(y_pred, *tensors)
    ctx.set_materialize_grads(False)  # None is told from a tangent of zeros


@contextmanager
def _further(ctx: Any) -> Iterator[list[Tensor]]:
    """The tensors of a call, to find its tangent with: without tangents of this level, but with those of outer ones.
    Meanwhile autograd looks away from all, and what an outer ``jvp`` asks for would be 0."""
    with forward_ad._set_fwd_grad_enabled(True):
        yield [_primal(x) for x in ctx.saved_tensors]


def _primal(x: Tensor) -> Tensor:
    """Without the tangent of the innermost level that has any. Batches know no rule for this: they are opened."""
    own = torch._C._functorch
    if not own.is_batchedtensor(x):
        return torch.ops.aten._fw_primal(x, 0)
    return own._add_batch_dim(_primal(own.get_unwrapped(x)), own.maybe_get_bdim(x), own.maybe_get_level(x))


def _refuse_tangents(given: Given, others: Sequence[Tensor | None]) -> None:
    if any(other is not None for other in others):
        raise RuntimeError(f"{given.loss.name}: forward-mode derivatives are those in y_pred only")


def widened(x: Tensor) -> Tensor:
    """Half precision as float32: a gradient is computed and scaled in that, and autograd then rounds it once, to the
    dtype of what it belongs to. Scales that keep float16 from underflow are no float16 numbers themselves."""
    return x.float() if x.dtype.is_floating_point and x.dtype.itemsize < 4 else x


def scaled(gradient: Tensor, upstream: Tensor) -> Tensor:
    """Upstream has one number per reduced loss: per sample, or a single one. Where a sample's is 0 the loss does not
    matter, even if its slope is infinite."""
    gradient = widened(gradient)
    spread = upstream.reshape(upstream.shape + (1,) * (gradient.ndim - upstream.ndim)).to(gradient.dtype)
    if upstream.ndim == 0:
        return gradient * spread
    return torch.where(spread == 0, torch.zeros_like(gradient), gradient * spread)


# derivatives in the target --------------------------------------------------------------------------------------------


def _in_target(given: Given, y_pred: Tensor, tensors: Sequence[Tensor], name: str, upstream: Tensor) -> Tensor:
    """d loss / d target, times what comes from above."""
    if name != "y_true" or not differentiable_in_target(given.loss, given.reduction):
        raise RuntimeError(f"{given.loss.name}: the derivative in {name} is not known: detach it")
    if torch.is_grad_enabled():
        raise RuntimeError(f"{given.loss.name}: the loss is differentiated twice in y_pred only, not in y_true")
    place = given.names.index(name)
    turned = replace(given, loss=_turned(given.loss))
    slope = turned.derivative("gradient", widened(tensors[place]), [*tensors[:place], y_pred, *tensors[place + 1 :]])
    return scaled(slope, upstream)


def differentiable_in_target(loss: Loss, reduction: str) -> bool:
    """Whether the derivative in y_true is known: for real targets of primitives that have it."""
    formula = loss.formula
    moves = reduction == "weighted_mean" and formula.class_factor is not None
    if moves or loss.labels is not None:
        return False
    formula = loss.formulas.get("row", formula)
    if len(formula.predictions) != 1 or formula.target.domain.kind not in ("real", "row"):
        return False
    return not any(_hidden(node, formula.target.as_input) for node in walk((formula.value,)))


def _hidden(node: Expr, target: Expr) -> bool:
    """Whether a primitive keeps its derivative in an argument that holds the target to itself."""
    if not node.args or node.boolean or node.op in ("sign", "first_max"):
        return False
    rules = PRIMITIVES[node.op].push
    if PRIMITIVES[node.op].kind != "elementwise":
        return False
    skipped = 1 if node.op == "where" else 0
    return any(
        (k >= len(rules) or rules[k] is None) and any(n is target for n in walk((arg,)))
        for k, arg in enumerate(node.args)
        if k >= skipped
    )


@lru_cache(maxsize=256)
def _turned(loss: Loss) -> Loss:
    """The loss with target and prediction in each other's place: its gradient is the derivative in the target."""
    formula = loss.formulas.get("row", loss.formula)
    (prediction,) = formula.predictions
    turned: Formula = replace(
        formula, target=prediction, predictions=(formula.target,), class_factor=None, declare=None
    )
    kind = prediction.domain.kind
    return loss.replaced(formulas={kind: turned}, recipe=None)
