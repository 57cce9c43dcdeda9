"""A curve as text: two by four dots in every character."""

from __future__ import annotations

import numpy as np

from lossmith.choosing.tables import Floats

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # Braille patterns, by row and column of the dot
BLANK = 0x2800


def curve(x: Floats, y: Floats, width: int = 60, height: int = 12) -> list[str]:
    """The curve through (x, y), with its extreme values beside the axis; what is not finite is left out."""
    finite = np.isfinite(y)
    if not finite.any():
        return ["(no finite value to draw)"]
    low, high = float(y[finite].min()), float(y[finite].max())
    span = high - low or 1.0
    wide, tall = 2 * width, 4 * height
    cells = [[BLANK] * width for _ in range(height)]
    columns = np.linspace(x[0], x[-1], 8 * wide)  # dense enough to leave no gap in a steep part
    values = np.interp(columns, x[finite], y[finite])
    across = np.minimum((np.arange(len(columns)) * wide) // len(columns), wide - 1)
    down = np.clip(np.round((high - values) / span * (tall - 1)).astype(int), 0, tall - 1)
    for i, j in zip(down.tolist(), across.tolist(), strict=True):
        cells[i // 4][j // 2] |= DOTS[i % 4][j % 2]
    labels = [f"{high:.3g}", *[""] * (height - 2), f"{low:.3g}"]
    margin = max(len(label) for label in labels)
    lines = [
        f"{label.rjust(margin)} |{''.join(map(chr, row)).rstrip(chr(BLANK))}"
        for label, row in zip(labels, cells, strict=True)
    ]
    ends = f"{x[0]:.3g}".ljust(width // 2) + f"{x[-1]:.3g}".rjust(width - width // 2)
    return [*lines, " " * margin + " +" + "-" * width, " " * (margin + 2) + ends]
