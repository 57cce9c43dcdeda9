"""Thresholds of ordered levels that a loss leaves open: what the levels' shares say, and what goes best with scores.

Of all thresholds a sample's loss sees those at the ends of its level. So it is a loss of three levels with thresholds
of its own: the lowest level, the highest, and any other as the one between. Its derivatives in both are those of the
formula.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from lossmith.engine import evaluate
from lossmith.formula.derive import gradient
from lossmith.formula.expr import Expr, leaf, substitute

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]

# names with spaces, which no formula of a user has
_SCORE, _FIRST, _SECOND = leaf("input", "its score"), leaf("input", "first cut"), leaf("input", "second cut")
_STEPS, _HALVINGS = 50, 30
_STILL = 1e-10  # a slope in a threshold, of a mean loss that curves by about 1/4: it has arrived
_RIDGE = 1e-12


def to_be_learned(loss: Loss) -> str | None:
    """The name of the parameter that parts the levels, where it is left open; else None."""
    known = {} if loss.recipe is None else loss.recipe.parameters
    return next((name for name, p in known.items() if p.cuts and loss.params[name] is None), None)


def thresholds(loss: Loss) -> tuple[float, ...]:
    """What parts the levels of a loss; nothing where its recipe is not known."""
    return () if loss.recipe is None else loss.recipe.cuts(loss.params)


def parted(loss: Loss, cuts: Array) -> Loss:
    """The loss with these thresholds in the place of those that were left open."""
    assert loss.recipe is not None
    name = cast("str", to_be_learned(loss))
    found = type(loss).from_recipe(loss.recipe, loss.labels, **{**loss.params, name: cuts.tolist()})
    vars(found)["kinked"] = loss.kinked  # wherever the thresholds lie: looking for kinks costs more than a fit
    return found


def first_cuts(y: NDArray[Any], weight: Array | None, add: float = 0.0, levels: int = 0) -> Array:
    """Thresholds without features: the log-odds of a level at or below each, if each had so many samples more.

    ``levels``: at least so many."""
    counts = np.bincount(y, weights=weight, minlength=levels).astype(np.float64) + add
    below = np.cumsum(counts)[:-1]
    return np.asarray(np.log(below) - np.log(np.cumsum(counts[::-1])[-2::-1]))


def best_cuts(loss: Loss, y: NDArray[Any], scores: Array, weight: Array | None, begin: Array | None = None) -> Array:
    """The thresholds of smallest mean loss for samples with these scores, by Newton's steps."""
    ends = Ends(loss, y, weight)
    cuts = first_cuts(ends.y, weight) + float(np.average(scores, weights=weight)) if begin is None else begin
    each = ends.at(cuts, scores)
    for _ in range(_STEPS):
        slope, height = ends.slope(each), float(ends.share @ each["value"])
        if np.abs(slope).max() <= _STILL:
            break
        H = ends.bend(each)
        step = np.linalg.solve(H + _RIDGE * (1.0 + np.trace(H)) * np.eye(len(H)), -slope)
        for length in 0.5 ** np.arange(_HALVINGS):
            moved = cuts + length * step
            if (np.diff(moved) > 0).all():
                there = ends.at(moved, scores)
                if float(ends.share @ there["value"]) < height:
                    break
        else:
            break
        cuts, each = moved, there
    return cuts


class Ends:
    """Samples of a loss of levels, each with the thresholds at the ends of its level. ``share``: what a sample counts
    for in the mean."""

    def __init__(self, loss: Loss, y: NDArray[Any], weight: Array | None) -> None:
        self.y = y = y.astype(np.intp)
        self.share = np.full(len(y), 1.0 / len(y)) if weight is None else weight / weight.sum()
        self.k = k = int(y.max())  # thresholds
        self.places = {"first": np.maximum(y - 1, 0), "second": np.minimum(y, k - 1)}
        self._level = np.where(y == 0, 0.0, np.where(y == k, 2.0, 1.0))
        self._target, self._roots, self._params = _of_three(loss)

    def at(self, cuts: Array, scores: Array) -> dict[str, Array]:
        """Of each sample the value and first and second derivatives, in the score "f", the "first" cut and the
        "second"."""
        inputs = {self._target: self._level, "its score": scores, "first cut": cuts[self.places["first"]],
                  "second cut": cuts[self.places["second"]]}  # fmt: skip
        (found,) = evaluate([list(self._roots.values())], inputs, self._params, np, rows=False, like=scores)
        return dict(zip(self._roots, found, strict=True))

    def slope(self, each: dict[str, Array]) -> Array:
        """Derivatives of the mean in the thresholds."""
        parts = [np.bincount(at, self.share * each[name], minlength=self.k) for name, at in self.places.items()]
        return np.asarray(sum(parts))

    def bend(self, each: dict[str, Array]) -> Array:
        """Second derivatives of the mean in two thresholds."""
        H = np.zeros((self.k, self.k))
        for one, other in (("first", "first"), ("second", "second"), ("first", "second"), ("second", "first")):
            pair = " ".join(sorted((one, other)))
            np.add.at(H, (self.places[one], self.places[other]), self.share * each[pair])
        return H

    def crossed(self, each: dict[str, Array]) -> Array:
        """Second derivatives of each sample's share in its score and in every threshold, (samples, thresholds)."""
        rows, found = np.arange(len(self.y)), np.zeros((len(self.y), self.k))
        for name, at in self.places.items():
            found[rows, at] += self.share * each[f"f {name}"]
        return found


@lru_cache(maxsize=64)
def _of_three(loss: Loss) -> tuple[str, dict[str, Expr], dict[str, float]]:
    """(the target's name; the loss of three levels and its derivatives in the score and in both thresholds; what its
    other parameters are)."""
    three = parted(loss.replaced(labels=None), np.array([0.0, 1.0]))
    formula, cuts = three.formula, to_be_learned(loss)
    (prediction,) = formula.predictions
    low, high = (p for p in formula.params if p.name in (f"{cuts}_0", f"{cuts}_1"))
    replacement = {prediction.as_input: _SCORE, low.as_param: _FIRST, high.as_param: _SECOND}
    (value,) = substitute((formula.value,), replacement)
    variables = {"f": _SCORE, "first": _FIRST, "second": _SECOND}
    slopes = {name: gradient(value, variable) for name, variable in variables.items()}
    pairs = ("f f", "f first", "f second", "first first", "first second", "second second")
    bends = {pair: gradient(slopes[pair.split()[0]], variables[pair.split()[1]]) for pair in pairs}
    params = {name: float(x) for name, x in three.numbers.items() if name not in (low.name, high.name)}
    return formula.target.name, {"value": value, **slopes, **bends}, params
