"""Coefficients over a list of penalties."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import as_floats, spelled

if TYPE_CHECKING:
    from .estimators import LinearModel

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Path:
    """Models by penalty, in the order in which the penalties were given."""

    vary: str  # "l1" or "l2"
    penalties: Array
    names: tuple[str, ...]  # of the features
    outputs: tuple[str, ...]  # what the scores are for; one empty name where there is one
    coefficients: Array  # (penalties, features), or (penalties, outputs, features)
    intercepts: Array
    objectives: Array
    gaps: Array  # how far each objective can be from the optimum
    models: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.penalties)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.models)

    def __getitem__(self, name: str) -> Array:
        """The coefficients of one feature, by penalty."""
        if name not in self.names:
            raise KeyError(f"{name!r} is not a feature; there are {', '.join(self.names[:20])}")
        return np.asarray(self.coefficients[..., self.names.index(name)])

    def __repr__(self) -> str:
        low, high = self.penalties.min(), self.penalties.max()
        return f"Path of {len(self)} models, {self.vary} from {low:g} to {high:g}, {len(self.names)} features"

    def plot(self, *, ax: Any = None) -> Any:
        """A matplotlib figure: every coefficient over the penalty."""
        from .drawing import draw_path

        return draw_path(self, ax)


def follow(
    model: LinearModel, X: Any, y: Any, penalties: Sequence[float], vary: str, **given: Any
) -> Path:
    """From the largest penalty to the smallest, each fit starting where the one before ended."""
    if vary not in ("l1", "l2"):
        raise ValueError(f"vary is {vary!r}: it must be 'l1' or 'l2'")
    chosen = as_floats(penalties, "penalties")
    if chosen.ndim != 1 or not len(chosen):
        raise ValueError(f"penalties has shape {chosen.shape}: it must be a list of at least one number")
    bad = np.flatnonzero(~(np.isfinite(chosen) & (chosen >= 0)))
    if len(bad):
        value = spelled(float(chosen[bad[0]]))
        raise ValueError(f"penalties[{bad[0]}] is {value}: a penalty must be finite and not negative")
    models: list[Any] = [None] * len(chosen)
    before: LinearModel | None = None
    for i in np.argsort(-chosen, kind="stable").tolist():
        made = type(model)(**{**model.get_params(deep=False), vary: float(chosen[i]), "warm_start": True})
        if before is not None:
            made.__dict__.update({name: value for name, value in vars(before).items() if name.endswith("_")})
        models[i] = before = made.fit(X, y, **given)
    names = tuple(models[0]._feature_names())
    coefficients, intercepts, objectives, gaps = (
        np.array([getattr(made, name) for made in models]) for name in ("coef_", "intercept_", "objective_", "gap_")
    )
    outputs = tuple(str(name) for name in models[0]._output_names()) if coefficients[0].size > len(names) else ("",)
    return Path(vary, chosen, names, outputs, coefficients, intercepts, objectives, gaps, tuple(models))
