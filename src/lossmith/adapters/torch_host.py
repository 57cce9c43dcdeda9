"""PyTorch tensors in host memory as NumPy arrays: the same memory, so that kernels read it where it lies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lossmith.adapters.torch_autograd import TOTAL, Given, Known
from lossmith.direct import served
from lossmith.engine.reduce import Total
from lossmith.namespaces import compute_dtype, plain_tensor
from lossmith.plans import TOTAL as SUM_AND_WEIGHT

try:  # NumPy's name for the numbers of bfloat16 tensors
    import ml_dtypes

    _BFLOAT16: Any = ml_dtypes.bfloat16
except ImportError:
    _BFLOAT16 = None

if TYPE_CHECKING:
    from lossmith.loss import Loss

Tensor = Any
_NUMBERS = {
    torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool,
    torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.uint16, torch.uint32, torch.uint64,
}  # fmt: skip


def in_reach(y_pred: Tensor, others: Iterable[Any]) -> bool:
    """Whether a kernel may read these: plain numbers in host memory that nothing traces or transforms."""
    tensors = [x for x in others if isinstance(x, torch.Tensor)]
    return (
        _readable(y_pred)
        and plain_tensor(torch, y_pred)
        and torch.autograd.forward_ad._current_level < 0
        and all(_readable(x) and not x.requires_grad for x in tensors)
    )


def _readable(x: Tensor) -> bool:
    own = type(x).__torch_dispatch__ is torch._C._disabled_torch_dispatch_impl
    return bool(own and x.is_cpu and x.dtype in _NUMBERS and x.layout is torch.strided and not x.is_nested)


def value(loss: Loss, y_true: Any, y_pred: Tensor, reduction: str, arguments: dict[str, Any]) -> Any:
    """The loss, with its gradient computed in the same pass where one will be wanted; a Total for TOTAL."""
    host = {name: _array(x) for name, x in arguments.items()}
    truth, scores = _array(y_true), _array(y_pred)
    if not (y_pred.requires_grad and torch.is_grad_enabled()):
        found = loss.total(truth, scores, **host) if reduction == TOTAL else loss(
            truth, scores, reduction=reduction, **host
        )  # fmt: skip
        gradient = None
    else:
        dtype = y_pred.dtype if y_pred.dtype == torch.float64 else torch.float32  # until it has been scaled
        gradient = torch.empty_like(
            y_pred, dtype=dtype, requires_grad=False, memory_format=torch.contiguous_format
        )
        run = _total_and_gradient if reduction == TOTAL else _value_and_gradient
        found = run(loss, truth, scores, reduction, gradient.numpy(), host)
    weight = None
    if isinstance(found, Total):
        found, weight = _scalar(found.sum, torch.float64), found.weight
    elif isinstance(found, np.ndarray):
        found = torch.from_numpy(found)
    else:
        found = _scalar(found, _dtype(scores, truth, host))
    if gradient is not None:
        given, tensors = Given.of(loss, reduction, {"y_true": y_true, **arguments})
        found = Known.apply(y_pred, (found, gradient), given, *tensors)
    return found if weight is None else Total(found, weight)


def _scalar(x: float, dtype: Any) -> Tensor:
    """In host memory, whatever torch.set_default_device says: where the tensors are that it was computed from."""
    return torch.scalar_tensor(x, dtype=dtype, device="cpu")


def _value_and_gradient(loss: Loss, y: Any, f: Any, reduction: str, out: Any, host: dict[str, Any]) -> Any:
    return loss.value_and_gradient(y, f, reduction=reduction, out=out, **host)[0]


def _total_and_gradient(loss: Loss, y: Any, f: Any, reduction: str, out: Any, host: dict[str, Any]) -> Total:
    extras = {name: x for name, x in host.items() if name not in ("weight", "where", "validate")}
    found = served(
        loss, ("value", "gradient"), SUM_AND_WEIGHT, y, f, host["weight"], host["where"], out, extras
    )  # fmt: skip
    if found is not None:
        total: Total = found[0]
        return total
    loss.gradient(y, f, reduction="sum", out=out, **host)
    return loss.total(y, f, **host)


def _array(x: Any) -> Any:
    """A tensor's memory as a NumPy array; anything else as it is."""
    if not isinstance(x, torch.Tensor):
        return x
    if x.requires_grad:
        x = x.detach()
    if x.is_neg():
        x = x.resolve_neg()
    if x.dtype is not torch.bfloat16:
        return x.numpy()
    return x.float().numpy() if _BFLOAT16 is None else x.view(torch.int16).numpy().view(_BFLOAT16)


def _dtype(scores: Any, truth: Any, host: dict[str, Any]) -> Any:
    """What the loss was computed in."""
    extras = [x for name, x in host.items() if name not in ("weight", "where", "validate")]
    return (
        torch.float32 if compute_dtype(np, map(np.asarray, (scores, truth, *extras))) is np.float32 else torch.float64
    )
