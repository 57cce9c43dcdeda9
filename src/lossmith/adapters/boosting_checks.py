"""What a user passes to a booster's objective, and what goes on to the booster: each error names what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDS = (
    "n_estimators", "num_boost_round", "num_boost_rounds", "iterations", "num_iterations", "num_iteration", "n_iter",
    "num_tree", "num_trees", "num_round", "num_rounds", "nrounds", "max_iter",
)  # fmt: skip
"""What boosters call the number of rounds; some ignore it among the parameters, some obey it against what was said."""

_PATIENCE = ("early_stopping_round", "early_stopping_rounds", "early_stopping", "n_iter_no_change", "od_wait")
"""What they call the rounds to wait; some pass it over among the parameters, some stop and keep the trees since."""

_OFFSETS = ("init_score", "base_margin", "baseline", "offset")
"""What boosters call an offset, which they add to what the trees learn: in units of theirs, and not of the loss."""

OF_CLASSES = "weight classes in the loss: binary_cross_entropy(pos_weight=...), or loss.class_weighted({0: 1, 1: 9})"
OF_THE_LOSS = "it is for objectives of the booster's own: give it to the loss, as a parameter of that"


def check_classes(classes: Any) -> None:
    if classes is not None and not _whole(classes, 1):
        raise ValueError(f"classes is {classes!r}: it must be the number of classes, or None")


def check_scale(scale: Any) -> None:
    if scale is not None and not (isinstance(scale, Real) and 0 < float(scale) < np.inf):
        raise ValueError(f"scale is {scale!r}: it must be a positive number")


def check_training(params: Mapping[str, Any] | None, rounds: Any, valid: Any, early_stopping: Any) -> None:
    """What `fit` is told beside the rows."""
    given: Any = {} if params is None else params
    if not isinstance(given, Mapping):
        raise ValueError(f"params is {given!r}: expected a dictionary from the booster's parameters to their values")
    for ours, names in (("rounds", _ROUNDS), ("early_stopping", _PATIENCE)):
        for name in names:
            if name in given:
                raise ValueError(f"params[{name!r}] is {given[name]!r}: say {ours}={given[name]!r}")
    if rounds is not None and not _whole(rounds, 0):
        raise ValueError(f"rounds is {rounds!r}: it must be a whole number, and not negative")
    if valid is not None and not (isinstance(valid, (tuple, list)) and len(valid) in (2, 3)):
        count = f" with {len(valid)}" if isinstance(valid, (tuple, list)) else ""
        raise ValueError(f"valid is a {type(valid).__name__}{count}: expected (X, y) or (X, y, weight)")
    if early_stopping is None:
        return
    if valid is None:
        raise ValueError(f"early_stopping is {early_stopping}, but there is no validation set: pass valid=(X, y)")
    if not _whole(early_stopping, 1):
        raise ValueError(f"early_stopping is {early_stopping!r}: it must be a whole number of rounds to wait, from 1")


def check_offset(options: Mapping[str, Any]) -> None:
    for name in _OFFSETS:
        if options.get(name) is not None:
            raise ValueError(
                f"{name}: there is no offset here: of counts over an exposure train the rate, y=counts / exposure with "
                "weight=exposure; of a loss of differences, y - offset; or add it to the start in a dataset of your own"
            )


def check_params(
    params: Mapping[str, Any], reserved: Collection[str], unheard: Mapping[str, str], own: Mapping[str, Any]
) -> None:
    """Parameters that come from the loss, or that a booster passes over in silence beside a loss not its own.

    `unheard` says what to do instead; `own` are those that this training is made for.
    """
    for name, value in params.items():
        if name in reserved:
            raise ValueError(
                f"params[{name!r}] is {value!r}: objective, metric, start and classes come from the loss, "
                "targets from y"
            )
        if name in own and value != own[name]:
            raise ValueError(
                f'params[{name!r}] is {value!r}, but hessian="booster" is there for {own[name]}: instead say '
                f"hessian=lambda y, f: loss.hessian(y, f + {value}), scale=1.0"
            )
        if name in unheard and name not in own and not _nothing(value):
            raise ValueError(f"params[{name!r}] is {value!r}, which has no effect: {unheard[name]}")


def _nothing(value: Any) -> bool:
    """Whether it says of a parameter that nothing is wanted: None, False, a weight of 1."""
    return value is None or value is False or (type(value) in (int, float) and bool(value == 1))


def check_y(X: Any, y: Any) -> None:
    """That there is a target for each row; tables that say no shape (files, lists of arrays) are the booster's own."""
    if y is None or np.ndim(y) == 0:
        raise ValueError(f"y is {y!r}: expected the targets, one for each row of X")
    shape = getattr(X, "shape", None)
    if isinstance(shape, tuple) and len(shape) == 2 and shape[0] != len(y):
        raise ValueError(f"y has {len(y)} targets, but X has {shape[0]} rows")


def check_finite(loss: str, y: NDArray[Any]) -> None:
    """That no target is infinite: a loss may take it, but trees would learn its pull, or a scale from it."""
    if y.dtype.kind == "f" and np.isinf(y).any():
        place = np.argwhere(np.isinf(y))[0].tolist()
        raise ValueError(
            f"{loss}: y{place} = {y[tuple(place)]}, but trees need finite targets: leave the row out, or give it "
            "weight 0"
        )


def check_derivatives(loss: str, y: NDArray[Any], f: NDArray[Any], *derivatives: NDArray[Any]) -> None:
    """That the gradient and the second-order weight of each row are numbers which a booster can add up."""
    for what, values in zip(("gradient", "second-order weight"), derivatives, strict=True):
        if np.isfinite(values).all():
            continue
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise ValueError(f"{loss}: the {what} at row {row} is not finite (y = {y[row]}, score = {f[row]})")


def _whole(number: Any, least: int) -> bool:
    return type(number) is not bool and isinstance(number, Integral) and int(number) >= least


def trees_before() -> bool:
    """Whether the training that waits for the answer goes on from trees, which no booster tells an objective."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if str(frame.f_globals.get("__name__")).partition(".")[0] in ("catboost", "lightgbm", "xgboost"):
            given = frame.f_locals
            if any(given.get(name) is not None for name in ("init_model", "xgb_model")):
                return True
    return False
