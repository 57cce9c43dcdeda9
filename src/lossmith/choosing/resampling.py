"""What drawing the rows again says: which losses cannot be excluded, and how much of the winner's lead is luck.

No model is trained: out-of-fold predictions are judged on samples of rows, of whole groups, or of stretches of time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lossmith.choosing.folds import Order
from lossmith.choosing.scores import Score
from lossmith.choosing.tables import Floats, Rows
from lossmith.choosing.verdict import Key, Optimism

DRAWS = 1000
MOST_PARTS = 1000  # rows beyond this are drawn in bunches, put together at random
LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class Drawn:
    """Scores of every key: on all rows, on the rows drawn (draws, keys), and on those that were not."""

    keys: Sequence[Key]
    whole: Floats
    inside: Floats
    outside: Floats
    parts: int  # that were drawn

    def error(self, key: Key, base: Key) -> float:
        """The standard error of what one score lies below another, by the rows that happen to be there."""
        i, j = self.keys.index(key), self.keys.index(base)
        return float(np.std(self.inside[:, i] - self.inside[:, j]))


def parts_of(n: int, order: Order, seed: int) -> Rows:
    """What is drawn together: a group, a stretch of time of about the root of n rows, whichever are fewer, or a row."""
    whole = np.arange(n) if order.groups is None else np.unique(order.groups, return_inverse=True)[1]
    length = max(1, round(np.sqrt(n)))
    if order.time is not None and n // length < whole.max():
        whole = np.empty(n, dtype=np.intp)
        whole[np.argsort(order.time, kind="stable")] = np.arange(n) // length
    count = int(whole.max()) + 1
    if count <= MOST_PARTS:
        return whole
    return (np.random.default_rng(seed).permutation(count) % MOST_PARTS)[whole]


def draw(
    score: Score, y: Floats, weight: Floats | None, predictions: Mapping[Key, Floats], part: Rows, seed: int
) -> Drawn:
    """predictions: (repeats, rows[, ...]) of the judged rows; the repeats of a key are put together."""
    count = int(part.max()) + 1
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1.0 / count), size=DRAWS).astype(np.float64)
    w = np.ones(len(y)) if weight is None else weight
    left = (times == 0).astype(np.float64)
    columns: list[tuple[Floats, Floats, Floats]] = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for repeats in predictions.values():
            sums = np.sum([score.sums(y, each, w, part, count) for each in repeats], axis=0)
            columns.append((score.of(sums.sum(axis=0)), score.of(times @ sums), score.of(left @ sums)))
    whole, inside, outside = (np.stack(each, axis=-1) for each in zip(*columns, strict=True))
    sound = np.isfinite(inside).all(axis=1) & np.isfinite(outside).all(axis=1)
    return Drawn(list(predictions), whole, inside[sound], outside[sound], count)


def confidence_set(drawn: Drawn) -> tuple[Key, ...]:
    """The losses that cannot be told from the best at 5% (Hansen, Lunde & Nason 2011): the worst is taken out as long
    as the largest standardised distance from the mean of those left is more than chance gives."""
    left = list(range(len(drawn.keys)))
    while len(left) > 1 and len(drawn.inside):
        whole, inside = drawn.whole[left], drawn.inside[:, left]
        distance = whole - whole.mean()
        noise = inside - inside.mean(axis=1, keepdims=True) - distance
        spread = np.sqrt(np.mean(np.square(noise), axis=0))
        sure = spread > 1e-12 * np.abs(whole).max()  # equal predictions differ by nothing, and never by chance
        if not sure.any():
            break
        scale = np.where(sure, spread, np.inf)
        t = distance / scale
        if float(np.mean((noise / scale).max(axis=1) >= t.max())) >= LEVEL:
            break
        del left[int(np.argmax(t))]
    return tuple(drawn.keys[i] for i in left)


def optimism(drawn: Drawn, rivals: Sequence[Key], default: Key) -> Optimism | None:
    """The score of the whole procedure: the winner is picked on the rows drawn and judged on the others (Tsamardinos,
    Greasidou & Borboudakis 2018). Rivals holds the default too."""
    if not len(drawn.outside):
        return None
    places = [drawn.keys.index(key) for key in rivals]
    base = drawn.keys.index(default)
    picked = np.array(places)[np.argmin(drawn.inside[:, places], axis=1)]
    scores = drawn.outside[np.arange(len(picked)), picked]
    gains = drawn.outside[:, base] - scores
    low, high = np.quantile(gains, [0.025, 0.975])
    best = min(places, key=lambda i: drawn.whole[i])
    shares = {key: float(np.mean(picked == i)) for key, i in zip(rivals, places, strict=True)}
    return Optimism(
        score=float(scores.mean()),
        gain=float(gains.mean()),
        interval=(float(low), float(high)),
        apparent=float(drawn.whole[best]),
        apparent_gain=float(drawn.whole[base] - drawn.whole[best]),
        picked=shares,
    )
