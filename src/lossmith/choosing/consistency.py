"""Whether what a candidate is trained to predict is what the aim asks for."""

from __future__ import annotations

from lossmith.choosing.aims import Aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.catalogue import elicits


def consistent(candidate: Candidate, aim: Aim) -> bool:
    """With the loss, everything that moves its minimiser counts: transforms, row weights, class weights, levels."""
    if candidate.row_weight != ("1/y" if aim.metric == "mape" else ""):
        return False
    if candidate.class_weight and not candidate.undo:
        return False
    if aim.functional == "interval":
        loss, levels = candidate.loss(), candidate.levels == aim.levels
        return levels and not candidate.band and elicits(loss, aim)
    if aim.functional in ("mean", "expectile") and candidate.transform != ("log1p" if aim.metric == "rmsle" else ""):
        return False
    if aim.metric == "rmsle":
        return candidate.name == "squared_error"  # another loss of the mean would aim at another mean of log(1 + y)
    return elicits(candidate.loss(), aim) and not candidate.params.get("label_smoothing")
