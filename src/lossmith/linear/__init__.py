"""Linear models under any convex loss: `LinearRegressor`, `LinearClassifier`."""

from .base import ConvergenceWarning, LocalOptimumWarning
from .classifier import LinearClassifier
from .regressor import LinearRegressor

__all__ = ["ConvergenceWarning", "LinearClassifier", "LinearRegressor", "LocalOptimumWarning"]
