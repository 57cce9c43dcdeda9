"""Pictures of a fit and of a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lossmith.plotting import COLOURS

if TYPE_CHECKING:
    from .path import Path

Array = NDArray[np.float64]

NAMED = 12
"""Up to this many lines are told apart by name."""


def draw_history(model: Any, ax: Any = None) -> Any:
    """The objective by iteration, above what is left to the proven optimum; on one axis, the objective alone."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    steps = np.array([step.iteration for step in model.history_], dtype=np.float64)
    objective = np.array([step.objective for step in model.history_])
    gap = np.array([step.gap for step in model.history_])
    proven = np.isfinite(gap)
    if ax is None:
        figure = Figure(figsize=(6.4, 5.0 if proven.any() else 3.2), layout="constrained")
        axes: Any = figure.subplots(2 if proven.any() else 1, 1, sharex=True, squeeze=False)[:, 0]
    else:
        figure, axes = ax.figure, [ax]
    marker = "o" if len(steps) <= 60 else None
    upper = axes[0]
    upper.plot(steps, objective, color=COLOURS[0], marker=marker, markersize=3.5)
    upper.set_ylabel("objective")
    finite = objective[np.isfinite(objective)]
    if len(finite) and finite.min() > 0 and finite.max() > 20 * finite.min():
        upper.set_yscale("log")
    upper.set_title(f"{type(model).__name__}, {model.loss_.name}, solver={model.solver!r}", fontsize=10)
    if len(axes) == 2:
        least = 1e-17 * max(float(np.abs(finite).max(initial=0.0)), 1e-300)  # a gap of 0 has a place too
        axes[1].semilogy(steps[proven], np.maximum(gap[proven], least), color=COLOURS[1], marker=marker, markersize=3.5)
        axes[1].set_ylabel("proven distance\nto the optimum")
    axes[-1].set_xlabel("iteration")
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    for each in axes:
        each.grid(alpha=0.3)
    return figure


def draw_path(path: Path, ax: Any = None) -> Any:
    """Every coefficient over the penalty; an axis for each output."""
    from matplotlib.figure import Figure

    order = np.argsort(path.penalties)
    by_output = path.coefficients.reshape(len(path), -1, len(path.names))[order]
    outputs = by_output.shape[1]
    if ax is None:
        figure = Figure(figsize=(6.4, 1.2 + 2.8 * outputs), layout="constrained")
        axes: Any = figure.subplots(outputs, 1, sharex=True, squeeze=False)[:, 0]
    elif outputs > 1:
        raise ValueError(f"ax is one axis, but this path has {outputs} outputs: leave it out")
    else:
        figure, axes = ax.figure, [ax]
    x = path.penalties[order]
    for each, coefficients in zip(axes, by_output.transpose(1, 0, 2), strict=True):
        for name, line in zip(path.names, coefficients.T, strict=True):
            each.plot(x, line, label=name, linewidth=1.4)
        if (x > 0).all():
            each.set_xscale("log")
        each.axhline(0.0, color="#888888", linewidth=0.8)
        each.set_ylabel("coefficient")
        each.grid(alpha=0.3)
    if len(path.names) <= NAMED:
        axes[0].legend(frameon=False, fontsize=8, ncols=2)
    axes[-1].set_xlabel(f"{path.vary} penalty")
    return figure
