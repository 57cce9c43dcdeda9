"""What a formula is: the language a loss is written in. Standard library only."""

from lossmith.formula import functions
from lossmith.formula.domains import (
    AboveMinusOne,
    AtLeastOne,
    BetweenOneAndTwo,
    ClassId,
    Count,
    Cuts,
    Distribution,
    Domain,
    Label,
    Level,
    NonNegative,
    NonNegativeRow,
    NonPositiveRow,
    NonZero,
    OpenUnitInterval,
    PerClass,
    PerSample,
    Positive,
    Probabilities,
    Probability,
    Real,
    Scores,
    UnitInterval,
)
from lossmith.formula.expr import Expr, FormulaError
from lossmith.formula.functions import *  # noqa: F403  (the words of the language: functions.__all__ is their one list)
from lossmith.formula.recipe import IgnoredLabel, OffAtZero, pointwise, rowwise

__all__ = [
    "AboveMinusOne", "AtLeastOne", "BetweenOneAndTwo", "ClassId", "Count", "Cuts", "Distribution", "Domain",
    "Expr", "FormulaError", "IgnoredLabel", "Label", "Level", "NonNegative", "NonNegativeRow", "NonPositiveRow",
    "NonZero", "OffAtZero", "OpenUnitInterval", "PerClass", "PerSample", "Positive", "Probabilities", "Probability",
    "Real", "Scores", "UnitInterval", "pointwise", "rowwise",
]  # fmt: skip
__all__ += functions.__all__
