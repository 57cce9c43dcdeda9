"""Results on PyTorch tensors that autograd can differentiate.

Gradients come from the formula, never through ``where``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lossmith.compute import Call

if TYPE_CHECKING:
    from lossmith.loss import Loss


def _arguments(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.rest = inputs[1:]


class _Value(torch.autograd.Function):
    """The loss, with the formula's gradient as its backward."""

    generate_vmap_rule = True
    setup_context = staticmethod(_arguments)

    @staticmethod
    def forward(y_pred: Any, loss: Loss, y_true: Any, reduction: str, arguments: dict[str, Any]) -> Any:
        return loss._value(y_true, y_pred.detach(), reduction, **arguments)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        (y_pred,) = ctx.saved_tensors
        return _scaled(_Gradient.apply(y_pred, *ctx.rest), upstream), None, None, None, None


class _Gradient(torch.autograd.Function):
    """The gradient, with the full Hessian's product as its backward."""

    generate_vmap_rule = True
    setup_context = staticmethod(_arguments)

    @staticmethod
    def forward(y_pred: Any, loss: Loss, y_true: Any, reduction: str, arguments: dict[str, Any]) -> Any:
        return loss.gradient(y_true, y_pred.detach(), reduction=reduction, **arguments)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, upstream: Any) -> Any:
        (y_pred,) = ctx.saved_tensors
        loss, y_true, reduction, arguments = ctx.rest
        extras = {name: value for name, value in arguments.items() if name not in ("weight", "where", "validate")}
        call = Call(loss, y_true, y_pred, arguments["weight"], arguments["where"], extras, arguments["validate"])
        return call.hessian_product(upstream, reduction), None, None, None, None


def _scaled(gradient: Any, upstream: Any) -> Any:
    """Upstream has one number per reduced loss: per sample, or a single one."""
    return gradient * upstream.reshape(upstream.shape + (1,) * (gradient.ndim - upstream.ndim)).to(gradient.dtype)


def value(loss: Loss, y_true: Any, y_pred: Any, reduction: str, **arguments: Any) -> Any:
    """``loss(y_true, y_pred)`` as a tensor that is differentiable (twice) in y_pred, and in nothing else."""
    for name, x in (("y_true", y_true), *arguments.items()):
        if getattr(x, "requires_grad", False):
            raise ValueError(
                f"{loss.name}: {name} requires a gradient, but a loss is differentiable in y_pred only: detach it"
            )
    return _Value.apply(y_pred, loss, y_true, reduction, arguments)
