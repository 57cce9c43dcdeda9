"""The losses that each installed peer has, by its own word."""

import inspect
import re
from collections.abc import Callable
from typing import Any


def _public(module: Any, kept: Callable[[Any], bool]) -> list[str]:
    return [name for name, value in vars(module).items() if not name.startswith("_") and kept(value)]


def _subclasses(module: Any, base: type) -> list[str]:
    return _public(module, lambda value: inspect.isclass(value) and issubclass(value, base) and value is not base)


def torch_losses() -> set[str]:
    from torch import nn

    classes = [name for name in _public(nn, inspect.isclass) if "Loss" in name]
    reduces = lambda value: inspect.isfunction(value) and "reduction" in inspect.signature(value).parameters  # noqa: E731
    return {f"nn.{name}" for name in classes} | {f"nn.functional.{name}" for name in _public(nn.functional, reduces)}


def keras_losses() -> set[str]:
    from keras import losses
    from keras.src.losses import ALL_OBJECTS_DICT

    internal = {"Loss", "LossFunctionWrapper", "get", "serialize", "deserialize"}
    return {f"losses.{name}" for name in {*_public(losses, callable), *ALL_OBJECTS_DICT} - internal}


def optax_losses() -> set[str]:
    from optax import losses

    return {f"losses.{name}" for name in _public(losses, callable)}


def sklearn_losses() -> set[str]:
    """The loss objects, and what each estimator takes as loss=."""
    from sklearn._loss import loss
    from sklearn.utils import all_estimators
    from sklearn.utils._param_validation import StrOptions

    objects = [name for name in _subclasses(loss, loss.BaseLoss) if not name.endswith("ArrayAPI")]  # other arrays
    found = {f"_loss.{name}" for name in objects}
    for _, estimator in all_estimators():
        place = f"{estimator.__module__.split('.')[1]}.{estimator.__name__}"
        for allowed in getattr(estimator, "_parameter_constraints", {}).get("loss", ()):
            found |= {f"{place}:{name}" for name in allowed.options} if isinstance(allowed, StrOptions) else set()
    return found


def scipy_losses() -> set[str]:
    from scipy.optimize._lsq.least_squares import IMPLEMENTED_LOSSES

    return {f"optimize.least_squares:{name}" for name in IMPLEMENTED_LOSSES}


def statsmodels_losses() -> set[str]:
    from statsmodels.robust import norms

    return {f"robust.norms.{name}" for name in _subclasses(norms, norms.RobustNorm)}


def xgboost_losses() -> set[str]:
    """It lists them to whoever asks for one that is none."""
    import numpy as np
    import xgboost as xgb

    try:
        xgb.train({"objective": "no such"}, xgb.DMatrix(np.zeros((2, 1)), label=[0, 1]), 1)
    except xgb.core.XGBoostError as error:
        return set(re.findall(r"Objective candidate: (\S+)", str(error)))
    raise AssertionError("XGBoost trained with an objective that it has not")


def catboost_losses() -> set[str]:
    """As XGBoost does, and its metrics among them."""
    from catboost import CatBoost, CatBoostError

    try:
        CatBoost({"loss_function": "NoSuch", "allow_writing_files": False}).fit([[0.0], [1.0]], [0, 1], verbose=False)
    except CatBoostError as error:
        return set(re.findall(r"'(\w+)'", str(error).partition("Valid options are")[2]))
    raise AssertionError("CatBoost trained with a loss that it has not")


OFFERED: dict[str, Callable[[], set[str]]] = {
    "torch": torch_losses, "keras": keras_losses, "optax": optax_losses, "sklearn": sklearn_losses,
    "scipy": scipy_losses, "statsmodels": statsmodels_losses, "xgboost": xgboost_losses, "catboost": catboost_losses,
}  # fmt: skip
