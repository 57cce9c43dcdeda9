"""PyTorch: ``loss.to("torch")`` is a module whose forward takes (input, target), as torch's own losses do.

Tensors in host memory are read by the loss's kernel where they lie, value and gradient in one pass; the backward pass
only scales. Everywhere else (other devices, torch.compile, torch.export, torch.func, double backward) the loss and its
derivatives are plain tensor operations.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType, MethodType, NoneType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lossmith import __version__
from lossmith.adapters import torch_host, torch_triton
from lossmith.adapters.torch_autograd import TOTAL, Given, Value, differentiable_in_target
from lossmith.adapters.torch_total import gathered, mean_gradients
from lossmith.engine.reduce import REDUCTIONS, Total
from lossmith.namespaces import equals, odd_layout
from lossmith.record import Record, fields
from lossmith.specs import from_spec, identity

if TYPE_CHECKING:
    from lossmith.loss import Loss

__all__ = ["LossModule", "adapt", "functional", "gathered", "mean_gradients", "value"]

Tensor = Any
_COUNTS: dict[str, Callable[[Tensor], int]] = {  # torch's means that count no weights
    "batchmean": lambda y_pred: y_pred.shape[0] if y_pred.ndim else 1,
    "elementwise_mean": lambda y_pred: y_pred.numel(),
}


class Options(Record):
    """What a module adds to its loss; see ``adapt``."""

    reduction: str = "mean"
    ignore_index: float | None = None
    class_dim: int = -1
    validate: bool | None = None
    engine: str = "auto"


def adapt(
    loss: Loss, *, reduction: str = "mean", ignore_index: float | None = None, class_dim: int = -1,
    validate: bool | None = None, engine: str = "auto",
) -> LossModule:  # fmt: skip
    """A ``torch.nn.Module`` of the loss.

    ``reduction`` is "mean" (the weighted mean, as everywhere in lossmith), "weighted_mean" (torch's "mean" of a
    cross-entropy with class weights), "sum", "none", "batchmean" (sum / length of the first axis, as in torch's
    KLDivLoss) or "elementwise_mean" (sum / number of elements of the input: torch's "mean", whatever the weights).
    Samples whose target is ``ignore_index`` do not count. ``class_dim`` is the axis of the classes in the input: 1 for
    torch's layout of images, (N, C, H, W). ``validate=True`` looks at the values of tensors on other devices too.
    ``engine="triton"`` serves tensors on a GPU by a Triton kernel printed from the formula, where it has one.
    """
    return LossModule(loss, Options(reduction, ignore_index, class_dim, validate, engine))


class LossModule(torch.nn.Module):
    """A loss as a module: ``module(input, target, weight=..., where=...)``.

    ``input`` holds the raw scores. The module's state is its loss's spec and its options, as JSON: a checkpoint says
    what was trained with, and gives it back.
    """

    def __init__(self, loss: Loss, options: Options) -> None:
        super().__init__()
        self._choose(loss, options)

    def _choose(self, loss: Loss, options: Options) -> None:
        for name, known in (("reduction", (*REDUCTIONS, *_COUNTS)), ("engine", ("auto", "triton"))):
            if getattr(options, name) not in known:
                raise ValueError(
                    f"{loss.name}: {name} must be one of {', '.join(known)}, not {getattr(options, name)!r}"
                )
        for name, kinds, what in (
            ("class_dim", int, "a whole number"), ("ignore_index", (int, float, NoneType), "a number or None"),
        ):  # fmt: skip
            if not isinstance(getattr(options, name), kinds):
                raise TypeError(f"{loss.name}: {name} must be {what}, not {getattr(options, name)!r}")
        if options.class_dim != -1 and loss.outputs == 1:
            raise ValueError(f"{loss.name} has one prediction per sample, so class_dim has no meaning")
        self.loss, self.options, self._text = loss, options, _text_of(loss)
        # The compiler gives up on a function that it has compiled eight times, whatever for: each loss has its own.
        self.__dict__["forward"] = MethodType(_copied(type(self).forward), self)

    def forward(self, input: Tensor, target: Any, *, weight: Any = None, where: Any = None, **extras: Any) -> Tensor:
        """The loss of raw scores and their targets; raises what the loss raises."""
        reduction, (input, target, where) = self.options.reduction, self._arranged(input, target, where)
        if torch.compiler.is_dynamo_compiling() or torch.compiler.is_exporting():
            return _operator(self._text, reduction, input, target, weight, where, extras)
        arguments = {"weight": weight, "where": where, "validate": self.options.validate, **extras}
        return self._found(reduction, input, target, arguments)

    def total(self, input: Tensor, target: Any, *, weight: Any = None, where: Any = None, **extras: Any) -> Total:
        """Sum of weight * loss, differentiable, and what the criterion's mean divides that by, as a rule the sum of
        weights: both add up over micro-batches and processes."""
        mean, (input, target, where) = self.options.reduction, self._arranged(input, target, where)
        if torch.compiler.is_dynamo_compiling() or torch.compiler.is_exporting():
            return Total(*torch.ops.lossmith.total(*_operands(self._text, input, target, weight, where, extras), mean))
        arguments = {"weight": weight, "where": where, "validate": self.options.validate, **extras}
        found: Total = self._found(TOTAL, input, target, arguments)
        return _of_mean(found, self.loss, mean, input, {"y_true": target, **arguments})

    def _found(self, reduction: str, input: Tensor, target: Any, arguments: dict[str, Any]) -> Any:
        if self.options.engine == "triton":
            found = torch_triton.value(self.loss, target, input, reduction, arguments)
            if found is not None:
                return found
        return _value(self.loss, target, input, reduction, arguments)

    def _arranged(self, input: Tensor, target: Any, where: Any) -> tuple[Tensor, Any, Any]:
        axis, ignored = self.options.class_dim, self.options.ignore_index
        if axis == -1 and ignored is None:
            return input, target, where
        _refuse_other(self.loss, input)
        target = torch.as_tensor(target, device=input.device)
        for x, name in ((input, "y_pred"), (target, "y_true")):
            if odd := odd_layout(x):
                raise TypeError(f"{self.loss.name}: {name} is {odd}")
        if axis != -1:
            if not -input.ndim <= axis < input.ndim:
                raise ValueError(
                    f"{self.loss.name}: class_dim is {axis}, but the input has {input.ndim} axes: "
                    f"shape {tuple(input.shape)}"
                )
            input = input.movedim(axis, -1)
            if target.ndim == input.ndim:
                target = target.movedim(axis, -1)
        if ignored is not None:
            kept = ~equals(target, ignored)
            where = kept if where is None else where & kept
        return input, target, where

    def extra_repr(self) -> str:
        return ", ".join([repr(self.loss), *(f"{name}={x!r}" for name, x in fields(self.options).items())])

    # what is saved

    def get_extra_state(self) -> str:
        return json.dumps({"loss": self.loss.spec(), "options": fields(self.options)})

    def set_extra_state(self, state: str) -> None:
        """Raises ValueError if this is not what ``get_extra_state`` gave."""
        try:
            content = json.loads(state)
            spec, options = content["loss"], Options(**content["options"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is not the saved state of a loss, but {state!r:.80}") from error
        self._choose(from_spec(spec), options)


def _copied(function: Any) -> FunctionType:
    """The same function with code of its own."""
    own = FunctionType(
        function.__code__.replace(), function.__globals__, function.__name__, function.__defaults__,
        function.__closure__,
    )  # fmt: skip
    own.__kwdefaults__, own.__doc__ = function.__kwdefaults__, function.__doc__
    return own


def functional(
    loss: Loss, input: Tensor, target: Any, *, reduction: str = "mean", weight: Any = None, where: Any = None,
    **extras: Any,
) -> Tensor:  # fmt: skip
    """``loss.to("torch", reduction=...)(input, target, ...)`` without a module, as in torch.nn.functional."""
    if torch.compiler.is_dynamo_compiling() or torch.compiler.is_exporting():
        return _operator(_text_of(loss), reduction, input, target, weight, where, extras)
    return value(loss, target, input, reduction, weight=weight, where=where, validate=None, **extras)


def value(loss: Loss, y_true: Any, y_pred: Any, reduction: str, **arguments: Any) -> Tensor:
    """``loss(y_true, y_pred)`` as a tensor, differentiable in y_pred and, where that is known, in y_true."""
    return _value(loss, y_true, y_pred, reduction, arguments)


def _refuse_other(loss: Loss, input: Any) -> None:
    if not isinstance(input, torch.Tensor):
        raise TypeError(f"{loss.name}: the input must be a tensor, not {type(input).__name__}")


def _value(loss: Loss, y_true: Any, y_pred: Any, reduction: str, arguments: dict[str, Any]) -> Any:
    _refuse_other(loss, y_pred)
    if torch.jit.is_tracing():
        raise RuntimeError(
            f"{loss.name}: torch.jit.trace would fix the number of samples and lose the gradient: "
            "use torch.export.export"
        )
    if reduction in _COUNTS:
        found, count = _value(loss, y_true, y_pred, "sum", arguments), _COUNTS[reduction](y_pred)
        if not count:
            raise ValueError(f'{loss.name}: there is nothing to average (no samples); reduction="sum" gives 0')
        return found / count
    named = {"y_true": y_true, **arguments}
    for name, x in named.items():
        if getattr(x, "requires_grad", False) and not (name == "y_true" and differentiable_in_target(loss, reduction)):
            raise ValueError(
                f"{loss.name}: {name} requires a gradient, but the loss is not differentiable in it: detach it"
            )
    if torch_host.in_reach(y_pred, named.values()):
        return torch_host.value(loss, y_true, y_pred, reduction, arguments)
    given, tensors = Given.of(loss, reduction, named)
    found = Value.apply(y_pred, given, *tensors)
    return Total(found, _behind(loss, "mean", y_pred, named)) if reduction == TOTAL else found


def _of_mean(total: Total, loss: Loss, mean: str, y_pred: Tensor, named: dict[str, Any]) -> Total:
    """The total with what this mean divides by."""
    if mean in _COUNTS:
        return Total(total.sum, float(_COUNTS[mean](y_pred)))
    if mean == "weighted_mean" and loss.formula.class_factor is not None:
        return Total(total.sum, _behind(loss, mean, y_pred, named))
    return total


def _behind(loss: Loss, reduction: str, y_pred: Tensor, arguments: dict[str, Any]) -> Any:
    """What a mean divides by."""
    given, tensors = Given.of(loss, reduction, arguments)
    found = given.call(y_pred, tensors).behind(reduction)
    return found if isinstance(found, torch.Tensor) else float(found)


# torch.compile -------------------------------------------------------------------------------------------------------

# The compiler and the exporter meet one operator, which they then trace as the plain tensor operations that it is made
# of. The loss is an argument: a text that holds all of it, because compiled code is kept on disk under the texts of its
# graph, and an exported program is read elsewhere.
_LIBRARY = torch.library.Library("lossmith", "FRAGMENT")
_ARGUMENTS = "Tensor input, Tensor target, Tensor? weight, Tensor? where, Tensor[] extras, str[] names, str loss"


def _text_of(loss: Loss) -> str:
    formulas = hashlib.sha256(identity(loss).encode()).hexdigest()
    return json.dumps({"lossmith": __version__, "formulas": formulas, "spec": loss.spec()})


# torch.compiler.assume_constant_result, without its import of two seconds: the compiler runs this and guards the loss
vars(_text_of)["_dynamo_marked_constant"] = True


def _operator(
    text: str, reduction: str, input: Tensor, target: Any, weight: Any, where: Any, extras: dict[str, Any]
) -> Any:
    return torch.ops.lossmith.value(*_operands(text, input, target, weight, where, extras), reduction)


def _operands(
    text: str, input: Tensor, target: Any, weight: Any, where: Any, extras: dict[str, Any]
) -> tuple[Any, ...]:
    def tensor(x: Any) -> Tensor:
        return x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x), device=input.device)

    weight, where = (None if x is None else tensor(x) for x in (weight, where))
    return input, tensor(target), weight, where, [tensor(x) for x in extras.values()], list(extras), text


@lru_cache(maxsize=256)
def _loss_of(text: str) -> Loss:
    return from_spec(json.loads(text)["spec"])


def _traced_value(
    input: Tensor, target: Tensor, weight: Tensor, where: Tensor, extras: list[Tensor], names: list[str], loss: str,
    reduction: str,
) -> Any:  # fmt: skip
    arguments = {"weight": weight, "where": where, "validate": False, **dict(zip(names, extras, strict=True))}
    return _value(_loss_of(loss), target, input, reduction, arguments)


def _traced_total(*operands: Any) -> tuple[Tensor, Tensor]:
    input, target, weight, where, extras, names, loss, mean = operands
    found = _traced_value(input, target, weight, where, extras, names, loss, TOTAL)
    named = {"y_true": target, "weight": weight, "where": where, "validate": False}
    found = _of_mean(found, _loss_of(loss), mean, input, named | dict(zip(names, extras, strict=True)))
    return found.sum, torch.as_tensor(found.weight, dtype=torch.float64, device=input.device)


_LIBRARY.define(f"value({_ARGUMENTS}, str reduction) -> Tensor")
_LIBRARY.define(f"total({_ARGUMENTS}, str mean) -> (Tensor, Tensor)")
for _key in ("CompositeImplicitAutograd", "FuncTorchDynamicLayerFrontMode"):  # the latter: under torch.func, before it
    _LIBRARY.impl("value", _traced_value, _key)  # takes the operator for one step, which it has no derivative of
    _LIBRARY.impl("total", _traced_total, _key)
