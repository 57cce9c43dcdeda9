"""What an estimator is made with: its loss and its other parameters. They are looked at when it is fitted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from numbers import Real
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lossmith.parameters import with_parameters

from .descent import SOLVERS
from .smoothing import can_round

if TYPE_CHECKING:
    from lossmith.loss import Loss


def check_parameters(model: Any) -> None:
    for name in ("l2", "l1", "tol", "max_iter", "batch_size", "learning_rate"):
        value = getattr(model, name)
        optional = name == "learning_rate"
        if not (isinstance(value, Real) or (optional and value is None)):
            raise TypeError(f"{name} is {value!r}: it must be a number{' or None' if optional else ''}")
    for name in ("l2", "l1"):
        value = getattr(model, name)
        if not (np.isfinite(value) and value >= 0):
            raise ValueError(f"{name} is {value!r}: a penalty must be finite and not negative")
    if not model.tol > 0:
        raise ValueError(f"tol is {model.tol!r}: it must be positive")
    for name in ("max_iter", "batch_size"):
        value = getattr(model, name)
        if not (1 <= value < np.inf and value == int(value)):
            raise ValueError(f"{name} is {value!r}: it must be a whole number, and at least 1")
    if model.learning_rate is not None and not 0 < model.learning_rate < np.inf:
        raise ValueError(f"learning_rate is {model.learning_rate!r}: it must be positive and finite, or None")
    for name, known in (("solver", SOLVERS), ("scale", (None, "mad"))):
        value = getattr(model, name)
        if not (value is None or isinstance(value, str)) or value not in known:
            raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(map(str, known))}")
    if model.random_state is not None:
        try:
            np.random.default_rng(model.random_state)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"random_state is {model.random_state!r}: it must be None, a whole number that is not negative, or a "
                "generator of NumPy"
            ) from error


def check_loss(loss: Loss) -> None:
    if loss.target_kind == "row":
        raise ValueError(f"{loss.name} takes a row of numbers per sample as target: linear models do not support that")
    _check_range(loss)
    if loss.kinked and loss.wide and not can_round(loss):
        raise ValueError(
            f"{loss.name} takes several scores per sample and has kinks, and is no sum of max, maximum or abs of what "
            "is linear in the scores: linear models do not support that"
        )


def _check_range(loss: Loss) -> None:
    """Refuses a loss of probabilities: linear scores are any numbers, and classes are told by their signs. What is
    bounded on one side, such as a positive mean, can be trained as it is: the loss keeps scores inside."""
    for prediction in loss.formula.predictions:
        if np.isfinite([prediction.domain.low, prediction.domain.high]).all():
            link = "softmax" if prediction.domain.row else "logit"
            logits = loss.params.get("from_logits") is False
            use = f"{loss.name}(from_logits=True)" if logits else f'its with_link("{link}")'
            raise ValueError(
                f"{loss.name} takes {prediction.domain.describe()} as prediction, but the score of a linear model is "
                f"any number: use {use}, whose scores are made such by its link"
            )


def named(loss: Any) -> Loss:
    """A loss, of its name or of itself."""
    if isinstance(loss, str):
        return _of_name(loss)
    if not hasattr(loss, "target_kind"):
        called = "; call it, for a loss with its default parameters" if callable(loss) else ""
        raise TypeError(f"loss is {loss!r}: it must be the name of a loss, or a loss such as lossmith.huber(){called}")
    return cast("Loss", loss)


def known_or_none(loss: Any) -> Loss | None:
    """None of what `fit` will refuse: whoever only describes an estimator does not."""
    try:
        return named(loss)
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=256)
def _of_name(name: str) -> Loss:
    """The same object every time: what it has learned of itself serves the next fit."""
    from lossmith.registry import get

    return get(name)


def reparametrised(loss: Any, params: Mapping[str, Any]) -> Loss:
    """The same loss with other parameters."""
    if loss is None:
        raise ValueError(f"loss__{next(iter(params))}: the loss None has no parameters to set")
    return with_parameters(named(loss), params)
