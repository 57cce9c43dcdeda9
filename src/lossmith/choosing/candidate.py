"""One loss as it enters a race: its parameters, how it is trained, and why it is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lossmith.choosing.errors import figure
from lossmith.choosing.tables import Floats
from lossmith.choosing.verdict import Entrant, Role

if TYPE_CHECKING:
    from lossmith.loss import Loss

RowWeight = Literal["", "1/y"]
Transform = Literal["", "log", "log1p"]


@dataclass(frozen=True)
class Candidate:
    """What is trained is the loss at ``transformed(y)``, with the row's weight times ``row_weight`` times the class's;
    predictions are turned back by ``restored``. Medians and quantiles keep their meaning under a transform."""

    name: str
    role: Role
    reason: str
    source: str
    params: dict[str, Any] = field(default_factory=dict)
    condition: str | None = None  # what the consistency rests on, when the loss alone does not give it
    in_units_of_y: tuple[str, ...] = ()  # parameters that scale with y
    positive: bool = False  # a log link: y is divided by its mean in training, never shifted
    offset: bool = False  # models y per unit of exposure
    levels: tuple[float, ...] = ()  # quantiles that are predicted side by side, one column each, sorted in every row
    band: bool = False  # its levels are its prediction plus normal quantiles times the residuals' standard deviation
    row_weight: RowWeight = ""
    transform: Transform = ""
    class_weight: Literal["", "balanced"] = ""  # every class weighs the same in training
    undo: bool = False  # the odds that class weights moved are moved back in the predictions
    unit: float = 1.0  # y is divided by it in training: 100 for a share in percent

    @property
    def label(self) -> str:
        shown = [f"{k}={figure(v)}" if isinstance(v, float) else f"{k}={v}" for k, v in self.params.items()]
        if self.levels and not self.band:
            shown.append(f"q={' and '.join(map(figure, self.levels))}")
        if self.class_weight:
            shown.append("class weights undone" if self.undo else "class weights")
        if self.row_weight:
            shown.append(f"weight={self.row_weight}")
        if self.transform:
            shown.append(f"on {self.transform} y")
        if self.band:
            shown.append("normal band")
        return f"{self.name}({', '.join(shown)})" if shown else self.name

    @property
    def entrant(self) -> Entrant:
        return Entrant(self.label, self.role)

    def at(self, level: float) -> Candidate:
        """One of its quantiles alone."""
        return replace(self, levels=(), params={**self.params, "q": level})

    def loss(self, unit: float = 1.0, labels: tuple[Any, ...] | None = None) -> Loss:
        """The loss, for y measured in units of `unit`, or for classes that are called `labels`; of several quantiles,
        the first."""
        params = {k: v / unit if k in self.in_units_of_y else v for k, v in self.params.items()}
        if self.levels and not self.band:
            params["q"] = self.levels[0]
        return _made(self.name, labels, **params)

    def whole(self, labels: tuple[Any, ...] | None) -> Loss:
        """As one loss, where the catalogue has it: misses over y are the absolute percentage error's."""
        if self.name == "absolute_error" and self.row_weight == "1/y" and not self.transform:
            return _made("absolute_percentage_error", labels)
        return self.loss(labels=labels)

    @property
    def beside(self) -> str | None:
        """What its training takes that no loss alone says."""
        weight = self.row_weight if self.transform else ""
        parts = [f"on {self.transform} y"] if self.transform else []
        parts += [f"with rows weighing {weight}"] if weight else []
        parts += ["with every class weighing the same"] if self.class_weight else []
        parts += ["with the spread of its misses added and taken off"] if self.band else []
        parts += [f"at {len(self.levels)} levels side by side"] if len(self.levels) > 1 and not self.band else []
        return " and ".join(parts) or None

    def transformed(self, y: Floats) -> Floats:
        if self.transform == "log":
            return np.log(y)
        return np.log1p(y) if self.transform == "log1p" else y / self.unit

    def restored(self, prediction: Floats) -> Floats:
        return turned_back(prediction, self.transform, self.unit)

    def row_weights(self, y: Floats, weight: Floats | None, classes: int = 0) -> Floats | None:
        """What the rows weigh in training: their own weights, times 1/y or 1/(share of their class); the mean stays."""
        factor: Floats | None = None
        if self.row_weight == "1/y":
            factor = 1.0 / np.abs(y)
        elif self.class_weight:
            factor = balancing_weights(y, weight, classes)[y.astype(np.intp)]
        if factor is None:
            return weight
        whole = factor if weight is None else factor * weight
        mean = 1.0 if weight is None else float(np.mean(weight))
        return np.asarray(whole * (mean / float(whole.mean())))


def turned_back(prediction: Floats, transform: Transform, unit: float) -> Floats:
    """Infinite where the exponential overflows: the race then says that this loss failed."""
    with np.errstate(over="ignore"):
        if transform == "log":
            return np.exp(prediction)
        return np.expm1(prediction) if transform == "log1p" else prediction * unit


def class_shares(y: Floats, weight: Floats | None, classes: int) -> Floats:
    shares = np.bincount(y.astype(np.intp), weights=weight, minlength=classes).astype(np.float64)
    return np.asarray(shares / shares.sum())


def balancing_weights(y: Floats, weight: Floats | None, classes: int) -> Floats:
    """Under which every class counts the same; a class that no row has keeps 1."""
    shares = class_shares(y, weight, classes)
    return np.asarray(1.0 / np.where(shares > 0, shares, 1.0))


@lru_cache(maxsize=256)
def _made(name: str, labels: tuple[Any, ...] | None, **params: Any) -> Loss:
    """One object for equal losses: what is found out about a loss is kept in it."""
    import lossmith as lm

    loss: Loss = lm.get(name, labels=labels, **params)
    return loss


@dataclass(frozen=True)
class LeftOut:
    """A loss that one might expect, and why it does not race."""

    label: str
    why: str


@dataclass(frozen=True)
class Candidates:
    racing: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
