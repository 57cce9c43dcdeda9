"""What each mistake costs: a small CSV file, one row per true class, one column per predicted class."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted

Costs = tuple[tuple[float, ...], ...]
FORMAT = "the first row names the predicted classes, the first column the true ones"


@dataclass(frozen=True)
class CostMatrix:
    """costs[true][predicted]; `classes` are their names, or empty for the target's classes in sorted order."""

    file: str
    costs: Costs
    classes: tuple[str, ...]

    def ordered(self, classes: tuple[str, ...]) -> Costs:
        if len(self.costs) != len(classes):
            raise ChoiceError(
                f"the costs in {quoted(self.file)} are for {len(self.costs)} classes, the target has {len(classes)}"
            )
        if not self.classes:
            return self.costs
        missing = [name for name in classes if name not in self.classes]
        if missing:
            raise ChoiceError(f"the costs in {quoted(self.file)} name no class {quoted(missing[0])} of the target")
        place = [self.classes.index(name) for name in classes]
        return tuple(tuple(self.costs[i][j] for j in place) for i in place)


def read_costs(path: Path) -> CostMatrix:
    """With names (a corner cell, then a name per column and per row), or the bare square of numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = [[cell.strip() for cell in row] for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ChoiceError(f"cannot read the costs in {quoted(path.name)}: {reason}") from error
    size = len(cells)
    if size < 2 or any(len(row) != size for row in cells):
        raise ChoiceError(f"the costs in {quoted(path.name)} must form a square table: {FORMAT}")
    named = not _is_number(cells[0][0])
    columns: list[str] = cells[0][1:] if named else []
    rows = [row[0] for row in cells[1:]] if named else []
    body = [row[1:] for row in cells[1:]] if named else cells
    if len(body) < 2:
        raise ChoiceError(f"the costs in {quoted(path.name)} are for one class; at least two are needed")
    if sorted(rows) != sorted(columns) or len(set(rows)) != len(rows):
        raise ChoiceError(
            f"the rows and columns of {quoted(path.name)} must name the same classes, each once: {FORMAT}"
        )
    for i, row in enumerate(body):
        for j, cell in enumerate(row):
            if not _is_number(cell):
                raise ChoiceError(
                    f"the costs in {quoted(path.name)}: row {i + 1 + named}, column {j + 1 + named} holds "
                    f"{quoted(cell, 20)}, not a number"
                )
    costs = np.array(body, dtype=np.float64)
    costs = costs[:, [columns.index(name) for name in rows]] if named else costs
    for i in range(len(costs)):
        if costs[i, i] > costs[i].min():
            which = quoted(rows[i]) if named else f"number {i + 1}"
            raise ChoiceError(
                f"the costs in {quoted(path.name)}: for class {which} a mistake costs less than being right"
            )
    return CostMatrix(path.name, tuple(tuple(float(c) for c in row) for row in costs), tuple(rows))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
