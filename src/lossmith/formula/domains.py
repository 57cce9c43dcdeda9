"""Domains: what a target, a prediction or a parameter may be. They are the annotations of a formula's arguments."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeVar

from lossmith.record import Record

Kind = str  # "real", "label", "class id", "level", "row"


class Domain(Record):
    """An interval of numbers, perhaps whole, perhaps a row of them per sample.

    ``name`` is what errors and docs say; ``simplex`` rows sum to 1; ``kind`` tells pointwise numbers from class ids and
    rows.
    """

    name: str
    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False
    whole: bool = False
    excluded: float | None = None
    row: bool = False
    simplex: bool = False
    kind: Kind = "real"

    @property
    def any_number(self) -> bool:
        """Whether NaN alone is outside."""
        bounded = math.isfinite(self.low) or math.isfinite(self.high) or self.low_open or self.high_open
        return not (bounded or self.whole or self.simplex) and self.excluded is None

    def describe(self, *, finite: bool = False) -> str:
        """What errors and docs call the domain: its name, and its bounds where the name does not say them.

        ``finite``: of a parameter, which is never infinite.
        """
        if self.kind == "label":
            return self.name
        if self.kind == "level" and math.isfinite(self.high):
            return f"{self.name} from {self.low:g} to {self.high:g}"
        left = "(" if self.low_open or (finite and self.low == -math.inf) else "["
        right = ")" if self.high_open or (finite and self.high == math.inf) else "]"
        interval = f"{left}{self.low:g}, {self.high:g}{right}"
        return f"{self.name} {interval}" if math.isfinite(self.low) or math.isfinite(self.high) else self.name

    def contains(self, value: float) -> bool:
        """Whether one finite or infinite number is in the domain (NaN never is)."""
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below and value != self.excluded and (not self.whole or value == math.floor(value))


def row_tolerance(dtype: str) -> float:
    """How far from 1 the sum of a row of probabilities may be, stored in this dtype.

    The rounding of a softmax computed in half precision (four units in the last place) and of columns of decimals is
    forgiven, a missing class is not.
    """
    return {"bfloat16": 2.0**-6, "float16": 2.0**-9}.get(dtype, 1e-3)


class PerSampleMark(Record):
    """Marks a keyword argument that is an array with one number per sample, such as exposure."""


class PerClassMark(Record):
    """Marks a parameter that is a vector with one number per class, such as class weights."""


class CutsMark(Record):
    """Marks a parameter of numbers in increasing order that part the levels of the target, one fewer than levels; None
    leaves them open."""


T = TypeVar("T")
PerSample = Annotated[T, PerSampleMark()]
PerClass = Annotated[T, PerClassMark()]

Real = Annotated[Any, Domain("a real number")]
NonZero = Annotated[Any, Domain("a number other than 0", excluded=0.0)]
Positive = Annotated[Any, Domain("a positive number", low=0.0, low_open=True)]
NonNegative = Annotated[Any, Domain("a number >= 0", low=0.0)]
AboveMinusOne = Annotated[Any, Domain("a number > -1", low=-1.0, low_open=True)]
AtLeastOne = Annotated[Any, Domain("a number >= 1", low=1.0)]
BetweenOneAndTwo = Annotated[Any, Domain("a number between 1 and 2", low=1.0, high=2.0, low_open=True, high_open=True)]
UnitInterval = Annotated[Any, Domain("a number in", low=0.0, high=1.0)]
OpenUnitInterval = Annotated[Any, Domain("a number inside", low=0.0, high=1.0, low_open=True, high_open=True)]
Probability = Annotated[Any, Domain("a probability in", low=0.0, high=1.0)]
Count = Annotated[Any, Domain("a whole number >= 0", low=0.0, whole=True)]
Label = Annotated[Any, Domain("a label 0 or 1", low=0.0, high=1.0, whole=True, kind="label")]
ClassId = Annotated[Any, Domain("a class id", low=0.0, whole=True, kind="class id")]
Level = Annotated[Any, Domain("a level", low=0.0, whole=True, kind="level")]  # up to as many as the loss's Cuts part
Cuts = Annotated[Any, Domain("a real number"), CutsMark()]
Scores = Annotated[Any, Domain("a row of scores", row=True, kind="row")]
Probabilities = Annotated[Any, Domain("a row of probabilities", low=0.0, high=1.0, row=True, kind="row")]
Distribution = Annotated[
    Any, Domain("a row of probabilities that sums to 1", low=0.0, high=1.0, row=True, simplex=True, kind="row")
]
NonNegativeRow = Annotated[Any, Domain("a row of numbers >= 0", low=0.0, row=True, kind="row")]
NonPositiveRow = Annotated[Any, Domain("a row of log-probabilities", high=0.0, row=True, kind="row")]
