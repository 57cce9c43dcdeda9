"""The pictures of a result, in the order of the decision; each says in one sentence what to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lossmith.choosing.pictures.answers import answers
from lossmith.choosing.pictures.canvas import PALETTE, Picture, Slider
from lossmith.choosing.pictures.costs import costs
from lossmith.choosing.pictures.forest import forest
from lossmith.choosing.pictures.murphy import murphy
from lossmith.choosing.pictures.owners import owners
from lossmith.choosing.pictures.pull import pull
from lossmith.choosing.pictures.reliability import reliability
from lossmith.choosing.pictures.spread import spread

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

__all__ = ["PALETTE", "Picture", "Slider", "forest", "pictures"]


def pictures(result: Result) -> list[Picture]:
    """Those that apply to the aim."""
    found = (draw(result) for draw in (answers, pull, owners, spread, forest, murphy, reliability, costs))
    return [picture for picture in found if picture is not None]
