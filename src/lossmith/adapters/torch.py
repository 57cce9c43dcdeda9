"""Results on PyTorch tensors that autograd can differentiate. Gradients come from the formula, never through ``where``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from lossmith.loss import Loss


class _Value(torch.autograd.Function):
    """The loss, with the formula's gradient as its backward."""

    @staticmethod
    def forward(ctx: Any, y_pred: Any, loss: Loss, y_true: Any, reduction: str, arguments: dict[str, Any]) -> Any:
        ctx.save_for_backward(y_pred)
        ctx.rest = (loss, y_true, reduction, arguments)
        return loss._value(y_true, y_pred.detach(), reduction, **arguments)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        (y_pred,) = ctx.saved_tensors
        gradient = _Gradient.apply(y_pred, *ctx.rest)
        return _scaled(gradient, upstream), None, None, None, None


class _Gradient(torch.autograd.Function):
    """The gradient, with the Hessian as its backward where predictions do not interact, plain autograd where they do."""

    @staticmethod
    def forward(ctx: Any, y_pred: Any, loss: Loss, y_true: Any, reduction: str, arguments: dict[str, Any]) -> Any:
        ctx.save_for_backward(y_pred)
        ctx.rest = (loss, y_true, reduction, arguments)
        return loss.gradient(y_true, y_pred.detach(), reduction=reduction, **arguments)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Any) -> Any:
        (y_pred,) = ctx.saved_tensors
        loss, y_true, reduction, arguments = ctx.rest
        if loss.outputs == 1:
            product = upstream * loss.hessian(y_true, y_pred.detach(), reduction=reduction, **arguments)
        else:
            from lossmith.compute import Call

            names = ("weight", "where", "validate")
            extras = {name: value for name, value in arguments.items() if name not in names}
            call = Call(loss, y_true, y_pred, *(arguments[name] for name in names[:2]), extras, arguments["validate"])
            product = call.hessian_product(upstream, reduction)
        return product, None, None, None, None


def _scaled(gradient: Any, upstream: Any) -> Any:
    """Upstream has one number per reduced loss: per sample, or a single one."""
    return gradient * upstream.reshape(upstream.shape + (1,) * (gradient.ndim - upstream.ndim)).to(gradient.dtype)


def value(loss: Loss, y_true: Any, y_pred: Any, reduction: str, **arguments: Any) -> Any:
    """``loss(y_true, y_pred)`` as a tensor that is differentiable (twice) in y_pred."""
    return _Value.apply(y_pred, loss, y_true, reduction, arguments)
