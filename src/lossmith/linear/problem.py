"""The problem: weighted mean of a loss over a linear model, plus a penalty, and a certificate of how good a point is.

A solver sees features that are centred and scaled, so that every direction has a similar size; the penalty is carried
over, so that the objective is the stated one, in the coefficients of the features as given. Coefficients ``theta`` have
shape (1 + features, outputs): the intercept of the centred features first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.formula.expr import apply
from lossmith.lazy import cached_property

from .classes import distinct
from .design import Design
from .penalty import Bound, Penalty
from .reach import Reach, moves, rounding
from .samples import Samples, can_read
from .several import Several
from .views import View, barrier, tangent, window

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

NOISE = 1e-12  # of the largest second derivative: what rounding makes of one that is 0
_PART = 1 << 13  # samples whose scores are made at a time, where they are not kept
_KEPT = 1 << 15  # samples whose scores are; of more they take room beside the features, and are seldom asked for

@dataclass(frozen=True)
class Point:
    """Coefficients, and what one read of the features tells of them."""

    theta: Array
    mu: float  # the window over which the loss is averaged, or the weight of its barrier; 0: the loss itself
    f: Array | None  # scores, (n,); None where they are not kept
    support: float  # weighted mean of the heights of the supporting lines: of the loss itself where mu is 0
    v: Array  # derivative of the weighted mean in theta, the penalty left out
    size: float | None = None  # weighted mean of the size of the loss; None: it has to be asked for

    @property
    def is_finite(self) -> bool:
        """Whether all scores are inside their domain, and so that slopes there are numbers."""
        return bool(np.isfinite(self.v).all())


class Problem:
    """Minimise mean of loss(y, X w + b), weighted, + l2/2 |w|^2 + l1 |w|_1 over w and b.

    ``weight``: None, or a positive number per sample. ``unit``: a typical size of the scores' deviations, and
    ``spread``: that of their root mean square, which is the unit where it is not known. ``offset``: None, or what is
    added to each sample's score, or scores. ``sharp``: slopes change fast where kinks were rounded.
    ``reach``: where it is known.
    """

    def __init__(
        self, loss: Loss, design: Design, y: NDArray[Any], weight: Array | None, l2: float, l1: float, unit: float,
        offset: Array | None = None, *, spread: float | None = None, sharp: bool = False, reach: Reach | None = None,
    ) -> None:  # fmt: skip
        self.sharp = sharp
        self.loss, self.design, self.y, self.weight, self.offset = loss, design, y, weight, offset
        self.penalties, self.unit, self.spread = (l2, l1), unit, unit if spread is None else spread
        self.l2 = np.concatenate([[0.0], l2 / design.spread**2])
        self.l1 = np.concatenate([[0.0], l1 / design.spread])
        self._penalty, self._reach = Penalty(self.l2, self.l1), reach
        self.total = float(len(y) if weight is None else weight.sum())
        single = not loss.wide
        self.samples = Samples(loss, y, weight, offset) if single else None
        self._constant: tuple[bytes, tuple[float, float]] | None = None
        self._several = None if single else Several(loss, y, weight, offset)

    def part(self, chosen: NDArray[np.intp]) -> Problem:
        """The same problem on some of the samples."""
        weight, offset = (None if x is None else x[chosen] for x in (self.weight, self.offset))
        return Problem(
            self.loss, self.design.part(chosen), self.y[chosen], weight, *self.penalties, self.unit, offset,
            spread=self.spread, sharp=self.sharp,
        )  # fmt: skip

    def rounded(self, loss: Loss, unit: float) -> Problem:
        """The same samples, under a loss that rounds the kinks of this one."""
        return Problem(
            loss, self.design, self.y, self.weight, *self.penalties, unit, self.offset, sharp=True,
            reach=self.reach.of(unit),
        )  # fmt: skip

    def view(self, mu: float) -> View:
        if mu == 0:
            return tangent(self.loss.formula)
        return (barrier if self.inwards else window)(self.loss.formula)

    @cached_property
    def inwards(self) -> float:
        """Which way leads from the edge of the scores' domain, up to which the loss is smooth; 0 where it has none."""
        domain = self.loss.formula.predictions[0].domain
        way = float(np.isfinite(domain.low)) - float(np.isfinite(domain.high))
        return way if way and self.samples is not None and not self.loss.kinked else 0.0

    # one read of the features -----------------------------------------------------------------------------------------

    def at(self, theta: Array, mu: float = 0.0) -> Point:
        if self.samples is None:
            return self._at_several(theta)
        if can_read(self.design.X) and (found := self._at_once(theta, mu)) is not None:
            return found
        view, samples, design = self.view(mu), self.samples, self.design
        f = np.empty(design.n)

        def slopes(part: slice, scores: Array) -> Array:
            f[part] = scores[:, 0] if self.offset is None else scores[:, 0] + self.offset[part]
            (slope,) = samples.each((view.slope,), f[part], mu, part)
            return self._weighted(slope, part)[:, None]

        v = design.passed(theta, slopes) / self.total
        return Point(theta, mu, f, samples.sum(view.support, f, mu), v)

    def _at_once(self, theta: Array, mu: float) -> Point | None:
        """By a kernel; None where the formula is too long for that."""
        view, samples, design = self.view(mu), self.samples, self.design
        assert samples is not None
        kept = mu > 0 or design.n <= _KEPT
        f, roots = (np.empty(design.n), [samples.score]) if kept else (None, [])
        summed = [view.support] if mu > 0 else [view.support, apply("abs", view.support)]
        coefficients = theta[1:, 0] / design.spread
        every = []
        for chunk in design.chunks():
            made = [] if f is None else [f[chunk.samples]]
            found = samples.passed(
                roots, view.slope, summed, chunk, coefficients, design.centre, float(theta[0, 0]), mu, made
            )
            if found is None:
                return None
            every.append(found)
        (support, *size), pulled, total = (np.sum(each, axis=0) for each in zip(*every, strict=True))
        v = self._scaled(np.array([total]), pulled[:, None])
        return Point(theta, mu, f, float(support), v, float(size[0]) if size else None)

    def _scaled(self, total: Array, pulled: Array) -> Array:
        """A derivative in theta, from one in the intercepts and in the coefficients of the features as given."""
        design = self.design
        return np.vstack([total, np.where(design.constant[:, None], 0.0, pulled / design.spread[:, None])])

    def _at_several(self, theta: Array) -> Point:
        """Of a loss of several scores: of many samples they take as much room as the features, and are not kept."""
        design = self.design
        if self._several and self._several.can_pass(design.X, theta.shape[1]):
            coefficients = theta[1:] / design.spread[:, None]
            every = [self._several.passed(chunk, coefficients, design.centre, theta[0]) for chunk in design.chunks()]
            loss, size, pulled, total = (sum(each) for each in zip(*every, strict=True))
            return Point(theta, 0.0, None, loss, self._scaled(total, pulled), size)
        support = size = 0.0

        def slopes(part: slice, scores: Array) -> Array:
            nonlocal support, size
            f = scores if self.offset is None else scores + self.offset[part]
            height, slope = self.loss.value_and_gradient(self.y[part], f, reduction="none")
            each, slope = self._weighted(np.asarray(height), part), self._weighted(np.asarray(slope), part)
            support, size = support + float(each.sum()), size + float(np.abs(each).sum())
            return slope

        v = self.design.passed(theta, slopes) / self.total
        return Point(theta, 0.0, None, support / self.total, v, size / self.total)

    def scores(self, theta: Array) -> Array:
        """The raw scores: shape (n,) for one output, (n, outputs) for several."""
        f = self.changes(theta)
        if self.offset is not None:
            f += self.offset
        return f

    def scores_of(self, rows: NDArray[np.intp], theta: Array, Z: Array | None = None) -> Array:
        """Those of some of the samples, of a loss of several; ``Z``: their rows of the design."""
        f = (self.design.rows(rows) if Z is None else Z) @ theta
        if self.offset is not None:
            f += self.offset[rows]
        return f

    def scores_at(self, point: Point) -> Array:
        return self.scores(point.theta) if point.f is None else point.f

    def changes(self, step: Array) -> Array:
        """What a step adds to the raw scores."""
        f = self.design.scores(step)
        return f if self.samples is None else f[:, 0]

    def pull(self, each: Array) -> Array:
        """Derivative in theta of the weighted mean, from one in the scores of each sample."""
        return self.design.pull(self._weighted(each.reshape(self.design.n, -1))) / self.total

    def mean(self, each: Array) -> float:
        """The weighted mean of a number per sample."""
        return float(each.mean() if self.weight is None else self.weight @ each / self.total)

    # from the scores alone --------------------------------------------------------------------------------------------

    def bends(self, f: Array, mu: float = 0.0, rows: Any = slice(None)) -> tuple[Array, bool]:
        """Second derivatives of some of the samples, at their scores, that are never negative; and whether the loss
        curves upwards at every one. Where the exact one is negative or not finite, the loss's curvature."""
        y = self.y[rows]
        if self.samples is None:
            exact = np.asarray(self.loss.hessian(y, f, reduction="none"), dtype=np.float64)
        else:
            (exact,) = self.samples.each((self.view(mu).bend,), f, mu, rows)
        with np.errstate(invalid="ignore"):
            if exact.min() >= 0 and exact.max() < np.inf:  # neither where one is NaN
                return exact, True
        usable = (exact >= 0) & (exact < np.inf)
        curvature = np.asarray(self.loss.curvature(y, f, reduction="none"), dtype=np.float64)
        noise = NOISE * np.abs(exact[np.isfinite(exact)]).max(initial=0.0)
        return np.where(usable, exact, curvature), not bool((exact < -noise).any())

    def kinks(self, point: Point) -> Array | None:
        """How far each sample's score is from the kink in its window, NaN where there is none; or from the edge."""
        kink = self.view(point.mu).kink
        if kink is None or self.samples is None or point.f is None:
            return None
        return self.samples.each((kink,), point.f, point.mu)[0]

    def slopes(self, point: Point, rows: NDArray[np.intp]) -> list[Array]:
        """Of some samples, in a window: that of the averaged loss, and those of the loss at the window's ends."""
        assert self.samples is not None
        assert point.f is not None
        view = self.view(point.mu)
        return self.samples.each((view.slope, *view.ends), point.f[rows], point.mu, rows)

    def size(self, point: Point) -> float:
        """The weighted mean of the size of the loss."""
        if point.size is not None:
            return point.size
        assert self.samples is not None
        assert point.f is not None
        return self.samples.sum(apply("abs", self.view(0.0).support), point.f)

    def constant(self, scores: Array) -> tuple[float, float]:
        """The weighted means of the loss and of its size where every sample has the same scores, shape (outputs,)."""
        key = scores.tobytes()
        if self._constant is None or self._constant[0] != key:
            self._constant = key, self._heights(scores)
        return self._constant[1]

    def _heights(self, scores: Array) -> tuple[float, float]:
        if self.offset is None and self.y.itemsize == 1:  # few targets, each many times
            y, weight = distinct(self.y, self.weight)
            height = np.asarray(self.loss(y, self._alike(scores, len(y)), reduction="none"))
            return float(weight @ height) / self.total, float(weight @ np.abs(height)) / self.total
        if self.samples is not None:
            samples, score, support = self.samples, float(scores[0]), self.view(0.0).support
            return samples.everywhere(support, score), samples.everywhere(apply("abs", support), score)
        mean = size = 0.0
        for first in range(0, self.design.n, _PART):
            part = slice(first, min(first + _PART, self.design.n))
            f = self._alike(scores, part.stop - first)
            if self.offset is not None:
                f += self.offset[part]
            each = self._weighted(np.asarray(self.loss(self.y[part], f, reduction="none")), part)
            mean, size = mean + float(each.sum()), size + float(np.abs(each).sum())
        return mean / self.total, size / self.total

    def _alike(self, scores: Array, count: int) -> Array:
        return np.full(count, scores[0]) if self.samples else np.tile(scores, (count, 1))

    # second derivatives of the whole ----------------------------------------------------------------------------------

    def gram(self, bend: Array, columns: NDArray[np.intp] | None = None) -> Array:
        """Second derivatives in theta, or in some of its rows, the penalty left out."""
        return self.design.gram(lambda part: self._weighted(bend[part], part), columns) / self.total

    def curved(self, f: Array, mu: float) -> tuple[Array, bool]:
        """The same from scores, and whether the loss curves upwards at every sample: ``bends``, a part at a time."""
        every = []

        def weighted(part: slice) -> Array:
            bend, upwards = self.bends(f[part], mu, part)
            every.append(upwards)
            return self._weighted(bend, part)

        return self.design.gram(weighted) / self.total, all(every)

    def squares(self, bend: Array) -> Array:
        """The diagonal of ``gram``."""
        return self.design.squares(self._weighted(bend)) / self.total

    def _weighted(self, each: Array, part: Any = slice(None)) -> Array:
        return each if self.weight is None else each * self.weight[part].reshape(-1, *[1] * (each.ndim - 1))

    def share(self, part: Any) -> Any:
        """What the mean counts some of the samples for: a number for each, or for all of them."""
        return (1.0 if self.weight is None else self.weight[part]) / self.total

    # the penalty and the certificate ----------------------------------------------------------------------------------

    def penalty(self, theta: Array) -> float:
        return self._penalty.of(theta)

    def penalised(self, point: Point) -> float:
        """The objective, or for a window the height of its supporting lines and the penalty."""
        return point.support + self.penalty(point.theta)

    def objective(self, theta: Array, f: Array | None = None) -> float:
        """``f``: the scores, where they are known."""
        if self.samples is None or f is None:
            return self.penalised(self.at(theta))
        return self.samples.sum(self.view(0.0).support, f) + self.penalty(theta)

    def bound(self, point: Point) -> Bound:
        """A lower bound of the objective from one supporting line per sample (a dual feasible point)."""
        return self._penalty.bound(point.support, point.theta, point.v, self.reach)

    def steepest(self, point: Point) -> float:
        """The largest entry of the smallest subgradient, for which no bound is needed."""
        return float(np.abs(self.subgradient(point)).max())

    def subgradient(self, point: Point) -> Array:
        """The smallest one."""
        return self._penalty.subgradient(point.theta, point.v)

    @property
    def reach(self) -> Reach:
        """Of these bounds: which models they speak of."""
        if self._reach is None:  # a while's work, and not every problem is asked for a bound
            self._reach = Reach(moves(self.design, self.weight), rounding(self.design), self.spread)
        return self._reach
