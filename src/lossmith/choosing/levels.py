"""Ordered levels in a race: thresholds that a loss leaves open, for rows that may lack a level, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.choosing.tables import Floats
from lossmith.thresholds import best_cuts, first_cuts, parted, thresholds, to_be_learned

if TYPE_CHECKING:
    from lossmith.loss import Loss

HALF = 0.5  # of a row: what a level that no row has is taken to have had


def is_open(loss: Loss) -> bool:
    return to_be_learned(loss) is not None


def at_shares(loss: Loss, y: Any, weight: Floats | None, classes: int) -> Loss:
    """An open loss with the thresholds that the levels' shares say; any other loss as it is."""
    return parted(loss, first_cuts(y, weight, HALF, classes)) if is_open(loss) else loss


def of_scores(loss: Loss, y: Any, weight: Floats | None, classes: int, scores: Floats) -> Loss:
    """An open loss with the thresholds that go best with the scores of rows."""
    seen, code = np.unique(y, return_inverse=True)
    return of_all(loss, best_cuts(loss, code, scores, weight), seen, classes, scores)


def of_all(loss: Loss, cuts: Floats, seen: Any, classes: int, scores: Floats) -> Loss:
    """An open loss, with thresholds between levels of which rows with these scores show some.

    A level beyond the others begins so far out that half a row in all would be expected there at most; one in a gap has
    room for half a row.
    """
    far, room = np.log(len(scores) / HALF), 4 * HALF / len(scores)  # the logistic density is 1/4 at its highest
    found: list[float] = []
    missing_below, missing_above = int(seen[0]), classes - 1 - int(seen[-1])
    lowest, highest = min(float(cuts[0]), float(scores.min())), max(float(cuts[-1]), float(scores.max()))
    found += [lowest - far - i for i in reversed(range(missing_below))]
    for cut, before, after in zip(cuts, seen[:-1], seen[1:], strict=True):
        missing = int(after - before) - 1
        found += [float(cut) + room * (i - missing / 2) for i in range(missing + 1)]
    found += [highest + far + i for i in range(missing_above)]
    return parted(loss, np.array(found))


def state(loss: Loss) -> dict[str, list[float]]:
    """What was learned beside coefficients or trees."""
    return {"thresholds": list(thresholds(loss))} if loss.target_kind == "level" else {}


def restored(loss: Loss, state: Mapping[str, Any]) -> Loss:
    """The loss of a model whose `state` this is; ValueError where its thresholds are none."""
    return parted(loss, np.array(state["thresholds"], dtype=np.float64)) if is_open(loss) else loss
