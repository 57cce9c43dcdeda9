"""scikit-learn's base classes where it is installed, and the little of them that fitting needs where it is not."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MethodType
from typing import Any

__all__ = [
    "BaseEstimator", "ClassifierMixin", "ConvergenceWarning", "LocalOptimumWarning", "NotFittedError", "RegressorMixin",
    "available_if",
]  # fmt: skip


class LocalOptimumWarning(UserWarning):
    """The loss lets go of far samples: other starts may lead to other optima."""


try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning, NotFittedError
    from sklearn.utils.metaestimators import available_if
except ImportError:

    class ConvergenceWarning(UserWarning):  # type: ignore[no-redef]
        """The solver stopped before the proven gap was small enough."""

    class NotFittedError(ValueError, AttributeError):  # type: ignore[no-redef]
        """Asked for a prediction before `fit`."""

    class BaseEstimator:  # type: ignore[no-redef]
        """Parameters by name, as scikit-learn has them."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

        def set_params(self, **params: Any) -> Any:
            known = self.get_params()
            for name, value in params.items():
                if name not in known:
                    raise ValueError(
                        f"Invalid parameter {name!r} for estimator {self}. Valid parameters: {list(known)}"
                    )
                setattr(self, name, value)
            return self

        def __repr__(self) -> str:
            given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
            return f"{type(self).__name__}({given})"

    class RegressorMixin:  # type: ignore[no-redef]
        """Marks a regressor."""

    class ClassifierMixin:  # type: ignore[no-redef]
        """Marks a classifier."""

    def available_if(check: Callable[[Any], bool]) -> Callable[[Callable[..., Any]], Any]:
        """A method that is there where the check does not raise an AttributeError."""

        def made(method: Callable[..., Any]) -> Any:
            return property(lambda self: check(self) and MethodType(method, self))

        return made
