"""A formula's Triton kernel, made and launched: for tensors on a GPU, where it is asked for by engine="triton"."""

from __future__ import annotations

import importlib.util
import itertools
import linecache
import math
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch

from lossmith.adapters.torch_autograd import TOTAL, Given, Gradient, scaled, widened
from lossmith.adapters.torch_lines import SCALING, NoKernelError
from lossmith.adapters.torch_print import FUSED, STRETCH, Wanted, arguments, own, source
from lossmith.engine.reduce import REDUCTIONS, Total, total_weight
from lossmith.formula.domains import row_tolerance
from lossmith.formula.model import Formula
from lossmith.inputs import Inputs, prepare
from lossmith.namespaces import dtype_name, equals, plain_tensor

if TYPE_CHECKING:
    from lossmith.loss import Loss

Tensor = Any
_SAMPLES = 1024  # per program
_FEWEST = 128  # classes that are work for a program; fewer are left to tensor operations
_PER_WARP = 1024  # numbers of a row: 32 for each thread
_FLOATS = (torch.float16, torch.bfloat16, torch.float32)
_NUMBER = itertools.count()


def value(loss: Loss, y_true: Any, y_pred: Tensor, reduction: str, given: dict[str, Any]) -> Any:
    """The loss and its gradient by one kernel; a Total for TOTAL. None where no kernel serves such a call.

    Values outside a domain give NaN. The weight of a mean stays on the device: nothing waits for it.
    """
    named = {name: x for name, x in given.items() if name != "validate"}
    if reduction not in (*REDUCTIONS, TOTAL) or given["validate"]:  # whoever wants to know has to look
        return None
    if not _served(loss, y_true, y_pred, reduction, named.values()):
        return None
    data = _shapes(loss, y_true, y_pred, named)
    formula, classes = data.formula, y_pred.shape[-1] if data.formula.kind == "rowwise" else None
    if (classes is not None and classes < _FEWEST) or not math.prod(data.shape):
        return None
    keep, weight = _kept(loss, formula, y_true, named["where"]), named["weight"]
    gradient = y_pred.requires_grad and torch.is_grad_enabled()
    wanted = Wanted(
        gradient, summed=classes is None and reduction != "none", weighted=weight is not None, masked=keep is not None,
        tolerance=row_tolerance(dtype_name(y_true.dtype)),
    )  # fmt: skip
    try:
        run = kernel(formula, wanted, classes)
    except NoKernelError:
        return None
    return _launched(loss, run, formula, classes, reduction, y_true, y_pred, keep, given, gradient=gradient)


def _served(loss: Loss, y_true: Any, y_pred: Tensor, reduction: str, others: Any) -> bool:
    tensors = [y_pred, y_true, *(x for x in others if x is not None)]
    return (
        importlib.util.find_spec("triton") is not None
        and (y_pred.is_cuda or os.environ.get("TRITON_INTERPRET") == "1")
        and plain_tensor(torch, y_pred)
        and torch.autograd.forward_ad._current_level < 0
        and all(isinstance(x, torch.Tensor) and x.device == y_pred.device for x in tensors)
        and not any(x.requires_grad for x in tensors[1:])
        and y_pred.dtype in _FLOATS
        and all(x.dtype != torch.float64 for x in tensors)
        and loss.labels is None
        and not (reduction == "weighted_mean" and loss.formula.class_factor is not None)
    )


def _shapes(loss: Loss, y_true: Tensor, y_pred: Tensor, named: dict[str, Any]) -> Inputs:
    """What is wrong with shapes and dtypes is said before anything runs, of tensors without memory."""

    def bare(x: Any) -> Any:
        return None if x is None else torch.empty(x.shape, dtype=x.dtype, device="meta")

    extras = {name: bare(x) for name, x in named.items() if name not in ("weight", "where")}
    return prepare(loss, bare(y_true), bare(y_pred), bare(named["weight"]), bare(named["where"]), extras, False)


def _kept(loss: Loss, formula: Formula, y_true: Tensor, where: Tensor | None) -> Tensor | None:
    ignored = None if formula.target.domain.row else loss.params.get("ignore_index")
    if ignored is None:
        return where
    kept = ~equals(y_true, ignored)
    return kept if where is None else kept & where


def _launched(
    loss: Loss, run: Any, formula: Formula, classes: int | None, reduction: str, y_true: Tensor, y_pred: Tensor,
    keep: Tensor | None, given: dict[str, Any], *, gradient: bool,
) -> Any:  # fmt: skip
    device, weight = y_pred.device, given["weight"]
    like = y_pred if formula.kind == "pointwise" and len(formula.predictions) == 1 else y_pred[..., 0]
    samples, summed = like.numel(), reduction != "none"
    programs = samples if classes is not None else -(-samples // _SAMPLES)
    block = _SAMPLES if classes is None else 1 << (classes - 1).bit_length() if classes <= FUSED else STRETCH
    total = _weight(like, weight, keep)
    means = reduction not in ("none", "sum", TOTAL)
    scale = torch.as_tensor(1.0 / total if means else 1.0, dtype=torch.float32, device=device)
    per_program = summed and classes is None
    values = torch.empty(
        programs if per_program else samples, dtype=torch.float64 if per_program else torch.float32, device=device
    )
    # float16 does not reach as far as what scales it: until then it is float32, which bfloat16 need not be
    kind = torch.float32 if y_pred.dtype == torch.float16 else y_pred.dtype
    slopes = torch.empty(y_pred.shape, dtype=kind, device=device) if gradient else None
    numbers = {f"p_{p.name}": float(loss.numbers[p.name]) for p in formula.params if not p.per_class}
    vectors = {
        p.name: torch.tensor(list(loss.numbers[p.name]), dtype=torch.float32, device=device)
        for p in formula.params
        if p.per_class
    }
    inputs = {formula.target.name: y_true} | {e.name: given[e.name] for e in formula.extras}
    everything = {f"{own(name)}_at": x for name, x in (inputs | vectors).items()} | numbers | {
        "prediction_at": y_pred, "weight_at": weight, "where_at": keep, "scale_at": scale, "value_at": values,
        "gradient_at": slopes, "n": samples,
    }  # fmt: skip
    operands = [_dense(everything[name]) for name in arguments(formula)]
    run[(programs,)](*operands, BLOCK=block, num_warps=max(4, block // _PER_WARP))
    found = values.sum(dtype=torch.float64) if summed else values.reshape(like.shape)
    if means:
        found = (found / total).to(torch.float32)
    elif reduction == "sum":
        found = found.to(torch.float32)
    if slopes is not None:
        call, tensors = Given.of(loss, reduction, {"y_true": y_true, **given})
        found = Ahead.apply(y_pred, (found, slopes), call, *tensors)
    return Total(found, total) if reduction == TOTAL else found


def _weight(like: Tensor, weight: Tensor | None, keep: Tensor | None) -> Any:
    import array_api_compat.torch as xp

    return total_weight(xp, like, weight, keep)


def _dense(x: Any) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    x = x.detach().contiguous()
    return x.view(torch.uint8) if x.dtype == torch.bool else x


class Ahead(torch.autograd.Function):
    """A value whose gradient was written with it. The first backward pass gives that away, scaled where it lies, and
    does not wait for the device to say that the scale is 1; a later one computes the gradient anew."""

    @staticmethod
    def forward(ctx: Any, y_pred: Tensor, known: tuple[Tensor, Tensor], given: Given, *tensors: Tensor) -> Tensor:
        found, ctx.gradient = known
        ctx.given = given
        ctx.save_for_backward(y_pred, *tensors)
        return found

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Any, ...]:
        y_pred, *tensors = ctx.saved_tensors
        gradient, ctx.gradient = ctx.gradient, None
        others = None, None, *(None for _ in tensors)
        if gradient is None or torch.is_grad_enabled():  # create_graph=True
            gradient = Gradient.apply(widened(y_pred), ctx.given, *tensors)
        elif upstream.ndim == 0:
            size = gradient.numel()
            _compiled(SCALING)[(-(-size // _SAMPLES),)](upstream, gradient, size, BLOCK=_SAMPLES)
            return gradient, *others
        return scaled(gradient, upstream), *others


@lru_cache(maxsize=256)
def kernel(formula: Formula, wanted: Wanted, classes: int | None) -> Any:
    """The kernel of a formula, compiled when it is first launched."""
    return _compiled(source(formula, wanted, classes))


@lru_cache(maxsize=256)
def _compiled(text: str) -> Any:
    """Triton reads the source of what it compiles, so the text is put where ``inspect`` looks for it."""
    name = f"<lossmith kernel {next(_NUMBER)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(text, name, "exec"), names)
    return names["kernel"]
