"""The size of a class loss, measured by cross-entropy: least leaf weights and penalties are meant for its curvature.

Cross-entropy stays as it is. Any other loss of classes or shares is divided by a power of two, so that its mean
curvature at the start is about that of cross-entropy at the same scores: a multiple of a loss then trains as the loss,
and the Brier score, whose curvature falls with the square of a rare class's share, still makes leaves. Weights are left
alone, those of classes too, as a weight of two is two rows.
"""

from __future__ import annotations

import numpy as np

from lossmith.adapters.boosting_rows import Rows, power_of_two

_MEASURES = ("binary_cross_entropy", "cross_entropy")


def size_of_class_loss(rows: Rows) -> float:
    """What to divide the loss by, of rows that start at its best constant."""
    loss, start = rows.setting.loss, np.asarray(rows.setting.units.start)
    if loss.recipe is not None and loss.recipe.name in _MEASURES:
        return 1.0
    descent = rows.setting.descent
    mean = "weighted_mean"  # which divides by weights of rows and, as they are to act as those do, of classes
    _, curvature = descent.gradient_and_curvature(rows.y, rows.start(), weight=rows.weight, reduction=mean)
    scores = start if len(start) > 1 else np.array([start[0], 0.0])
    p = np.exp(scores - scores.max())
    p /= p.sum()
    measure = (p * (1 - p)).mean() * (1.0 if len(start) == 1 else len(p) / (len(p) - 1))
    outputs = curvature.size / len(rows.y)
    return power_of_two(float(curvature.sum()) / (outputs * measure))
