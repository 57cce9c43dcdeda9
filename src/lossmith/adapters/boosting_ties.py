"""Rows that lie on their own targets, as many do at the start where targets repeat: most of a count's are 0.

Where a loss has its kink there, its formula gives the slope of one branch, and all such rows would pull the same way as
hard as those that miss. A sample whose loss is least where it is has 0 among its slopes, and pulls nowhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.compute import Call
from lossmith.start import has_units

if TYPE_CHECKING:
    from lossmith.loss import Loss


def slopes_at_targets(loss: Loss, y: NDArray[Any]) -> bool:
    """Whether any of these targets has a slope (none at all, too) where the score is the target."""
    if not has_units(loss):
        return False
    (slope,) = Call(loss, y, y, None, None, {}).outputs("gradient", checked=False)
    return bool(np.any(slope != 0))


def let_rest(gradient: NDArray[Any], loss: Loss, y: NDArray[Any], f: NDArray[Any]) -> None:
    """Takes their slope, in place, from rows whose loss is least where they are, as near as a start is found."""
    on = np.flatnonzero(np.abs(f - y) <= np.spacing(np.abs(y)))
    on = on[gradient[on] != 0]
    if len(on):
        below, above = (
            np.asarray(loss.gradient(y[on], np.nextafter(y[on], side), reduction="none")) for side in (-np.inf, np.inf)
        )
        gradient[on[(below <= 0) & (above >= 0)]] = 0.0
