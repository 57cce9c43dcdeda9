"""Code that makes X and y of a table as the final model saw them, for the code to copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

FILE = "data.csv"  # where nobody says which file the table came from


def reading(result: Result, table: str | Path = FILE) -> str:
    """By our own reader and encoder: a gap, a number, a date, a rare category are then what they were in the race."""
    problem, offset = result.problem, result.chosen.offset
    names = ["Encoder", *(["class_names"] if result.classes else []), "read"]
    goal = f"table.column({result.target!r})"
    lines = [
        "import numpy as np",
        f"from lossmith.choosing import {', '.join(names)}",
        "",
        f"table = read({str(table)!r})",
        f"y = class_names({goal})" if result.classes else f"y = {goal}.values",
    ]
    kept = 'y != ""' if result.classes else "~np.isnan(y)"
    if problem.weight is not None:
        own = "..." if result.weighted_by is None else f"table.column({result.weighted_by!r}).values"
        lines.append(f"weight = {own}{'' if result.weighted_by else '  # put in: the weights of the rows'}")
        lines.append(f"rows = np.flatnonzero(({kept}) & (weight > 0))")
        lines.append("table, y, weight = table.take(rows), y[rows], weight[rows]")
    else:
        lines.append(f"rows = np.flatnonzero({kept})")
        lines.append("table, y = table.take(rows), y[rows]")
    if offset:
        lines.append(f"exposure = table.column({problem.exposure!r}).values")
    shown = "".join(f"\n    {plan['name']!r}," for plan in result.model.encoder.plans)
    lines += [
        f"encoder = Encoder.fit(table, [{shown}\n])",
        "X = encoder.transform(table)  # numbers have mean 0 and variance 1, categories are columns of 0 and 1",
        "X_new = X[:5]  # rows to predict; of another table: encoder.transform(read(...))",
    ]
    return "\n".join([*lines, "exposure_new = exposure[:5]"] if offset else lines)
