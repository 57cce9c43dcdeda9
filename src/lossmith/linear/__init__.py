"""Linear models under any convex loss: `LinearRegressor`, `LinearClassifier`."""

from .base import ConvergenceWarning
from .estimators import LinearClassifier, LinearRegressor

__all__ = ["ConvergenceWarning", "LinearClassifier", "LinearRegressor"]
