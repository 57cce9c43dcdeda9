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
    """The objective by iteration, above how far it was from the lowest, and at most from the optimum; on one axis, the
    objective alone."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    lines = [(step.iteration, step.objective, step.gap) for step in model.history_]
    lines.append((model.n_iter_, model.objective_, model.gap_))  # what was kept
    steps, objective, gap = np.array(lines, dtype=np.float64).T
    figure = Figure(figsize=(6.4, 5.4), layout="constrained") if ax is None else ax.figure
    axes: Any = figure.subplots(2, 1, sharex=True) if ax is None else [ax]
    marker = "o" if len(steps) <= 60 else None
    axes[0].plot(steps, objective, color=COLOURS[0], marker=marker, markersize=3.5)
    axes[0].set_ylabel("objective")
    axes[0].set_title(f"{type(model).__name__}, {model.loss_.name}, solver={model.solver!r}", fontsize=10)
    if len(axes) == 2:
        lowest = objective[np.isfinite(objective)].min()
        least = 1e-16 * max(abs(lowest), 1e-300)  # float64 shows nothing less; a gap of 0 has a place too
        for shown, values, colour in (
            ("above the lowest objective", objective - lowest, COLOURS[0]),
            ("above the optimum at most", np.maximum(gap, least), COLOURS[1]),
        ):
            seen = np.isfinite(values) & (values > 0)
            if seen.any():
                axes[1].semilogy(
                    steps[seen], values[seen], color=colour, marker=marker, markersize=3.5, label=shown
                )
        axes[1].set_ylabel("distance")
        if axes[1].lines:  # after one batch of a stream there is nothing to compare with
            axes[1].legend(frameon=False, fontsize=8)
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
    for each, output, coefficients in zip(axes, path.outputs, by_output.transpose(1, 0, 2), strict=True):
        each.set_title(output, fontsize=10)
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
