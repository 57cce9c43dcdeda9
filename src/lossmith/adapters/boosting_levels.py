"""Thresholds between levels that trees learn beside their scores: after every round those that go best with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lossmith.thresholds import Array, best_cuts, parted

if TYPE_CHECKING:
    from lossmith.adapters.boosting_rows import Rows
    from lossmith.loss import Loss


@dataclass(eq=False)
class Cuts:
    """What one training has learned of the thresholds that its loss leaves open."""

    open: Loss
    now: Array

    @property
    def loss(self) -> Loss:
        """With the thresholds of the latest round."""
        return parted(self.open, self.now)

    def after(self, rows: Rows, scores: Array) -> Array:
        """The thresholds that go best with these scores of the rows."""
        found = best_cuts(self.open, rows.y, scores, rows.weight, self.now)
        self.now = found
        return found
