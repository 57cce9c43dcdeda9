"""One table under one loss, ready for a solver: where it starts, in which units, and the way back to coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.lazy import cached_property
from lossmith.start import sees_residuals

from .beginning import Beginning, beginning, look_at_all
from .design import Design
from .features import Matrix, is_sparse
from .problem import Problem
from .sparse import SparseDesign

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

_TRIED = 10_000  # targets


def design_of(X: Matrix, weight: Array | None, names: Sequence[str] | None, kept: NDArray[np.intp] | None) -> Design:
    return SparseDesign(X, weight, kept) if is_sparse(X) else Design(X, weight, names, kept)


class Task:
    """Minimise a loss over a design. ``constant`` is the best model without features.

    ``begin``: the best constant scores and the units of scores, where they need not be found again. Illegal targets are
    refused.
    """

    def __init__(
        self, loss: Loss, design: Design, y: NDArray[Any], weight: Array | None, offset: Array | None,
        penalties: tuple[float, float], classes: int | None = None, begin: Beginning | None = None,
    ) -> None:  # fmt: skip
        shifted = offset is not None and sees_residuals(loss)
        seen = y - offset if offset is not None and shifted else y
        if begin is not None:
            look_at_all(loss, seen, begin.constant)
        self.begin = start, unit, spread = begin or beginning(loss, seen, weight, classes)
        self.origin = float(start[0]) if _shiftable(loss, seen, float(start[0]), unit) else 0.0
        if self.origin:
            y, start = y - self.origin, start - self.origin
        if offset is not None and not shifted:
            start = start - np.average(offset, axis=0, weights=weight)
        self.constant = np.zeros((design.p + 1, len(start)))
        self.constant[0] = start
        self.design, self.classes = design, classes
        self.problem = Problem(loss, design, y, weight, *penalties, unit, offset, spread=spread)

    def scaled(self, coefficients: Array, intercepts: Array) -> Array:
        """theta of a model of the features as they were given."""
        rest = np.where(self.design.constant[:, None], 0.0, coefficients.T * self.design.spread[:, None])
        return np.vstack([intercepts - self.origin + coefficients @ self.design.centre, rest])

    def start(self, begin: tuple[Array, Array] | None, *, local: bool) -> Array:
        """theta of a model to go on from, or of the best constant where that is nearer to the optimum: features may be
        others since. ``local``: the optimum is that near the model, however high it is."""
        if begin is None:
            return self.constant
        theta = self.scaled(*begin)
        try:
            with np.errstate(all="ignore"):
                point = self.problem.at(theta)
                height = self.problem.penalised(point)
        except ValueError:  # out of the loss's domain
            return self.constant
        finite = np.isfinite(height) and np.isfinite(point.v).all()
        return theta if finite and (local or height <= self.problem.constant(self.constant[0])[0]) else self.constant

    def original(self, theta: Array) -> tuple[Array, Array]:
        """(coefficients, intercepts) for the features as they were given."""
        coefficients, intercepts = self.design.original(theta)
        return coefficients, intercepts + self.origin

    @cached_property
    def size(self) -> float:
        """The mean size of the loss of the best constant."""
        found = self.problem.constant(self.constant[0])[1]
        if not np.isfinite(found):
            raise ValueError(f"{self.problem.loss.name}: the loss of the best constant overflows; divide the targets")
        return found


def _shiftable(loss: Loss, y: NDArray[Any], origin: float, unit: float) -> bool:
    """Whether targets far from zero can be moved near it: the loss sees only how far scores are from these targets.

    Worth asking only where the distance of the targets from zero would swallow the digits of their differences.
    """
    if loss.target_kind != "real" or loss.outputs != 1 or abs(origin) < 1e2 * unit:
        return False
    y = y[np.linspace(0, len(y) - 1, min(len(y), _TRIED)).astype(np.intp)]
    spread = np.linspace(-3.0, 3.0, len(y)) * unit
    try:
        here = np.stack(loss.value_and_gradient(y, origin + spread, reduction="none"))
        there = np.stack(loss.value_and_gradient(y - origin, spread, reduction="none"))
    except ValueError:  # the loss is not defined near zero
        return False
    return bool(np.allclose(here, there, rtol=1e-6, atol=1e-6 * float(np.abs(there).mean())))
