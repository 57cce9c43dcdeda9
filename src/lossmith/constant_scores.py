"""The best constant of several scores: one for each class, or for each named prediction."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call
from lossmith.formula.domains import Domain, Real, Scores
from lossmith.formula.model import Argument, Formula
from lossmith.formula.rounding import WIDTH_OF_KINKS, rounded
from lossmith.links import LINKS, Link
from lossmith.newton import EPS, Height, lowest

if TYPE_CHECKING:
    from lossmith.loss import Loss

Floats = NDArray[np.float64]
_NARROWER = 0.1
_WIDTHS = _NARROWER ** np.arange(13.0)  # of kinks, in units of scores
_SHARE = 1e-4  # of what a width adds to the loss: how well all but the last are solved
_SWEEPS = 2
_TOLD = 1 << 12  # targets that tell which start is best
_INTERVALS = {(0.0, 1.0): "logit", (0.0, math.inf): "log", (-1.0, math.inf): "log1p"}
_REAL: Domain = Real.__metadata__[0]
_SCORES: Domain = Scores.__metadata__[0]


def best_scores(loss: Loss, y: NDArray[Any], w: Floats, extras: dict[str, Any], count: int) -> Floats:
    """The scores of smallest mean loss, infinite where the truth is; (count,).

    By Newton's steps; of a kinked loss on ever narrower roundings of its kinks, where the gradient points nowhere.
    """
    links = [_link(loss, p.domain) for p in loss.formula.predictions]
    mean = _Mean(_of_any_numbers(loss, links), y, w, extras)
    found = _descended(mean, _start(mean, count))
    ended = _with_ends(mean, found, _open(loss, links, count))
    if 0 < np.isfinite(ended).sum() < count and np.isfinite(mean.at(ended).value):
        ended = _descended(mean, ended)  # the others, now that these are out of the way
    if loss.kind == "pointwise":
        return np.array([link.inverse(score) for link, score in zip(links, ended, strict=True)])
    (link,) = links
    return np.asarray(_centred(mean, ended) if link.name == "identity" else link.inverse(ended))


def is_lowest(loss: Loss, y: NDArray[Any], w: Floats, scores: Floats) -> bool:
    """Whether the mean loss of a row has no slope at these scores."""
    link = _link(loss, loss.formula.predictions[0].domain)
    each = _Mean(_of_any_numbers(loss, [link]), y, w, {}).slopes(link(scores))
    return bool(np.abs(each.sum(axis=0)).max() <= 1e-9 * np.abs(each).sum())


class _Mean:
    """The mean loss of a constant."""

    def __init__(self, loss: Loss, y: NDArray[Any], w: Floats, extras: dict[str, Any]) -> None:
        self.loss, self.y, self.share, self.extras = loss, y, w / w.sum(), extras

    def _call(self, c: Floats) -> Call:
        return Call(self.loss, self.y, np.broadcast_to(c, (len(self.y), len(c))), None, None, self.extras)

    def at(self, c: Floats) -> Height:
        value, slope = self._call(c).outputs("value", "gradient", checked=False)
        return Height(float(self.share @ value), self.share @ slope, float(self.share @ np.abs(value)))

    def bends(self, c: Floats) -> Floats:
        call, columns = self._call(c), []
        for direction in np.eye(len(c)):
            tangent = np.broadcast_to(direction, (len(self.y), len(c)))
            columns.append(self.share @ call.hessian_product(tangent, "none"))
        return np.stack(columns)

    def rounded(self, width: float) -> _Mean:
        formulas = {kind: rounded(formula) for kind, formula in self.loss.formulas.items()}
        params = {**self.loss.params, WIDTH_OF_KINKS.name: width}
        loss = self.loss.replaced(formulas=formulas, params=params, recipe=None)
        return _Mean(loss, self.y, self.share, self.extras)

    def of(self, some: slice) -> _Mean:
        extras = {name: each[some] for name, each in self.extras.items()}
        return _Mean(self.loss, self.y[some], self.share[some], extras)

    def slopes(self, c: Floats) -> Floats:
        """Each target's part in the slope."""
        (slope,) = self._call(c).outputs("gradient", checked=False)
        return np.asarray(self.share[:, None] * slope)

    def unit(self, c: Floats) -> float:
        """About how far kinks lie from these scores."""
        if self.loss.kind == "pointwise":
            return moments(self.numbers(), self.share)[1] or 1.0
        size, steep = self.at(c).size, float(np.abs(self.slopes(c)).sum())
        return size / steep if size and steep else 1.0

    def numbers(self) -> Floats:
        """The targets, whatever the loss calls its classes."""
        data = self._call(np.zeros(len(self.loss.formula.predictions))).data
        return np.asarray(data.arrays[data.formula.target.name], dtype=np.float64)


# scores that may be any number ----------------------------------------------------------------------------------------


def _link(loss: Loss, domain: Domain) -> Link:
    """Any number as score, of a prediction that must lie in this domain."""
    if domain.row and domain.high == 1:
        return LINKS["softmax"]
    if domain.row and (domain.high == 0 or loss.link.name == "log"):  # log-probabilities
        return LINKS["log_softmax"]
    return LINKS[_INTERVALS.get((domain.low, domain.high), "identity")]


def _of_any_numbers(loss: Loss, links: list[Link]) -> Loss:
    """The loss as a function of such scores."""
    if all(link.name == "identity" for link in links):
        return loss
    formulas = {kind: _through(formula, tuple(links)) for kind, formula in loss.formulas.items()}
    return loss.replaced(formulas=formulas, recipe=None)


@lru_cache(maxsize=64)
def _through(formula: Formula, links: tuple[Link, ...]) -> Formula:
    new = tuple(Argument(p.name, _SCORES if p.domain.row else _REAL) for p in formula.predictions)
    pairs = zip(formula.predictions, new, links, strict=True)
    return formula.replaced({old.as_input: link.to_mean(p.as_input) for old, p, link in pairs}, predictions=new)


def _open(loss: Loss, links: list[Link], count: int) -> list[bool]:
    """Which scores say something where they are infinite, such as a probability of 0, or a class that nothing is."""
    if loss.target_kind == "class id":
        return [True] * count
    own = getattr(loss.link, "links", [loss.link] * count)
    each = links * count if loss.kind == "rowwise" else links
    return [a.name != "identity" or b.name != "identity" for a, b in zip(own, each, strict=True)]


# the search -----------------------------------------------------------------------------------------------------------


def _start(mean: _Mean, count: int) -> Floats:
    """Scores of about the right size, whatever the unit of the target: mean and spread of it, or their logarithms."""
    if mean.loss.kind == "rowwise":
        return np.zeros(count)
    middle, spread = moments(mean.numbers(), mean.share)
    if math.isnan(spread):
        raise ValueError(f"{mean.loss.name}: y_true holds inf or -inf, of which no constant is best: give it weight 0")
    some = mean.of(slice(None, None, -(-len(mean.y) // _TOLD)))
    sizes = [middle, np.log(spread), 0.0, spread, np.log(np.abs(middle))]
    found = np.zeros(count)
    for place in [*range(count)] * _SWEEPS:
        tried = [np.where(np.arange(count) == place, size, found) for size in sizes if np.isfinite(size)]
        found = min(tried, key=lambda c: np.nan_to_num(some.at(c).value, nan=np.inf))
    return found


def _descended(mean: _Mean, start: Floats) -> Floats:
    """Of the points that the searches find, the one of the smallest loss."""
    best = there = before = start
    for smooth, enough in _smoothed(mean, start):
        # what is left of the way shrinks as the width does
        ahead = np.where(np.isfinite(there), there + _NARROWER * (there - before), there)
        nearer = ahead if smooth.at(ahead).value < smooth.at(there).value else there
        before, there = there, _lowered(smooth, nearer, enough)
        best = there if mean.at(there).value <= mean.at(best).value else best
    return best


def _lowered(mean: _Mean, start: Floats, enough: float) -> Floats:
    """Where Newton's steps lead to; scores that are infinite stay so."""
    moving = np.isfinite(start)

    def whole(part: Floats) -> Floats:
        c = start.copy()
        c[moving] = part
        return c

    def height(part: Floats) -> Height:
        here = mean.at(whole(part))
        return Height(here.value, here.slope[moving], here.size)

    def bends(part: Floats) -> Floats:
        return np.asarray(mean.bends(whole(part))[np.ix_(moving, moving)])

    return whole(lowest(height, bends, start[moving], enough))


def _smoothed(mean: _Mean, start: Floats) -> Iterator[tuple[_Mean, float]]:
    """The loss itself, or the ones to go through on the way to it, each with what is little beside its rounding."""
    if not (mean.loss.kinked or mean.loss.formula.extras):  # in these no kink is looked for
        yield mean, 0.0
        return
    unit, size = mean.unit(start), mean.at(start).size
    for width in map(float, _WIDTHS):
        yield mean.rounded(unit * width), _SHARE * width * size if width > _WIDTHS[-1] else 0.0


def _with_ends(mean: _Mean, found: Floats, may_end: list[bool]) -> Floats:
    """With those scores infinite that are better so: an unseen class has no smallest one that is finite."""
    here = mean.at(found)
    rows = mean.loss.kind == "rowwise"
    ends = (-np.inf,) if rows else (-np.inf, np.inf)
    for place, may in enumerate(may_end):
        for end in ends:
            trial = np.where(np.arange(len(found)) == place, end, found)
            if rows and not np.isfinite(trial).any():  # a row's scores are told from one that is finite
                break
            there = mean.at(trial).value
            if there == -np.inf or (may and there <= here.value + EPS * here.size):
                found = trial
                break
    return found


def _centred(mean: _Mean, c: Floats) -> Floats:
    """Scores that sum to 0, where a common level says nothing."""
    level = c - c[np.isfinite(c)].mean()
    here = mean.at(c)
    return level if mean.at(level).value <= here.value + 16 * EPS * here.size else c


def moments(y: Floats, w: Floats) -> tuple[float, float]:
    """Weighted mean and standard deviation, of numbers of any size; of equal numbers exactly."""
    exponent = int(np.frexp(np.abs(y).max())[1])
    scaled = np.ldexp(y, -exponent)
    low = scaled.min()
    above = np.average(scaled - low, weights=w)
    spread = np.sqrt(np.average((scaled - low - above) ** 2, weights=w))
    return float(np.ldexp(low + above, exponent)), float(np.ldexp(spread, exponent))
