"""Does the gradient jump? Found by looking: follow the loss on lines through predictions and close in on the jump."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call

if TYPE_CHECKING:
    from lossmith.loss import Loss

Points = NDArray[np.float64]

_STEPS = np.geomspace(1e-6, 1e6, 481)
_HALVINGS = 60
_NOISE = 4096 * np.finfo(np.float64).eps  # of a typical gradient: where terms cancel, what is left jumps by rounding
_BESIDE = np.linspace(1.0, 2.0, 17) * 2.0**-16  # of a step: beyond the jump, and far enough for rounding to show
_JUMP = 1e-3  # of the gradient's size before closing in; a steep root still moves by 1e-5 between floats


def known_classes(loss: Loss) -> int:
    """How many classes labels, or parameters with a number for each, say that there are; 0 where nothing does."""
    sizes = [len(v) for p in loss.formula.params if p.per_class and isinstance(v := loss.numbers[p.name], tuple)]
    return len(loss.labels or ()) or max(sizes, default=0)


def example_target(loss: Loss, classes: int = 3) -> list[Any]:
    """A few legal targets, one per element."""
    domain = loss.formula.target.domain
    if domain.row:
        rows = [np.eye(classes)[0], np.arange(1.0, classes + 1) / np.arange(1.0, classes + 1).sum()]
        return rows
    if domain.kind == "level":  # labels may name more, where the loss leaves its thresholds open
        levels = int(domain.high) + 1
        return list(loss.labels or range(levels))[:levels]
    if loss.labels is not None:
        return list(loss.labels)
    if domain.kind == "class id":
        return [classes - 1, 0]
    candidates = [0.0, 1.0, 0.3] if domain.high <= 1 else [0.0, 1.0, 2.5, -1.5, 4.0]
    return [y for y in candidates if domain.contains(y)]


def _lines(loss: Loss, y: Any, classes: int) -> list[Points]:
    """Predictions along lines: (points, outputs)."""
    bounded = all(
        math.isfinite(b) for b in (loss.formula.predictions[0].domain.low, loss.formula.predictions[0].domain.high)
    )
    count = classes if loss.kind == "rowwise" else loss.outputs or 1
    if bounded:
        t = np.linspace(0.001, 0.999, 999)
        return [np.repeat(t[:, None], count, axis=1) / (count if loss.kind == "rowwise" else 1)]
    t = np.concatenate([-_STEPS[::-1], _STEPS])
    low = loss.formula.predictions[0].domain.low
    centre = np.linspace(0.1, 0.7, count) + (
        y if np.ndim(y) == 0 and not isinstance(y, str) and loss.target_kind == "real" else 0.0
    )
    lines = [centre + t[:, None] * direction for direction in np.eye(count)]
    if count == 1:
        lines = [centre - 0.1 + t[:, None]]
    return [line[(line > low).all(axis=1)] for line in lines]


@lru_cache(maxsize=1024)
@np.errstate(all="ignore")  # far out there may be no limit, and then nothing to compare
def has_kink(loss: Loss) -> bool:
    """Whether some line through ordinary predictions meets a jump of the gradient."""
    if loss.formula.extras:
        return False
    classes = known_classes(loss) or 3
    for y in example_target(loss, classes):
        for line in _lines(loss, y, classes):
            if len(line) > 1 and _jumps(loss, y, line):
                return True
    return False


def _gradient(loss: Loss, y: Any, points: Points) -> Points:
    """NaN where it has no limit: the points are further out than a loss that overflows there may ever be asked for."""
    pred = points[:, 0] if loss.outputs == 1 else points
    target = np.repeat(np.asarray(y)[None], len(points), axis=0)
    (g,) = Call(loss, target, pred, None, None, {}).outputs("gradient", checked=False)
    return np.asarray(g).reshape(len(points), -1)


def _jumps(loss: Loss, y: Any, line: Points) -> bool:
    g = _gradient(loss, y, line)
    finite = np.isfinite(g).all(axis=1)  # where it overflows there is nothing to compare
    line, g = line[finite], g[finite]
    if len(g) < 2:
        return False
    change = np.abs(np.diff(g, axis=0)).max(axis=1)
    # where the gradient grows without bound its largest changes are far out: the largest relative ones are followed too
    size = np.maximum(np.abs(g[:-1]), np.abs(g[1:])).max(axis=1)
    relative = change / np.where(size > 0, size, 1.0)
    chosen = np.array(sorted({*np.argsort(change)[-6:].tolist(), *np.argsort(relative)[-12:].tolist()}))
    a, b, ga, gb = line[chosen], line[chosen + 1], g[chosen], g[chosen + 1]
    for _ in range(_HALVINGS):  # all at once, each towards the half with the larger change
        middle = a + (b - a) / 2
        gm = _gradient(loss, y, middle)
        left = (np.abs(gm - ga).max(axis=1) >= np.abs(gb - gm).max(axis=1))[:, None]
        a, ga = np.where(left, a, middle), np.where(left, ga, gm)
        b, gb = np.where(left, middle, b), np.where(left, gm, gb)
    jump, noise = np.abs(gb - ga).max(axis=1), _NOISE * float(np.median(np.abs(g).max(axis=1)))
    seen = jump > np.maximum(_JUMP * np.maximum(size[chosen], np.finfo(np.float64).tiny), noise)
    step = line[chosen + 1] - line[chosen]
    return any(_lasts(loss, y, (a[k], b[k]), step[k], jump[k]) for k in np.flatnonzero(seen))


def _lasts(loss: Loss, y: Any, ends: tuple[Points, Points], step: Points, jump: float) -> bool:
    """Whether a jump parts two smooth pieces.

    Where terms that grow without bound cancel, rounding makes jumps of any size, but none that lasts, and none alone.
    """
    sides = ends[0] - _BESIDE[:, None] * step, ends[1] + _BESIDE[:, None] * step
    before, after = (_gradient(loss, y, side) for side in sides)
    lasting = np.abs(after.mean(axis=0) - before.mean(axis=0)).max()
    rough = np.abs(np.diff([before, after], n=4, axis=1)).max()  # of what is smooth next to nothing
    return bool(lasting > np.maximum(jump / 2, rough))
