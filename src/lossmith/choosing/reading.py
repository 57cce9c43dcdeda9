"""Code that makes X and y of a table as the final model saw them, for the code to copy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lossmith.choosing.result import Result

FILE = "data.csv"  # where nobody says which file the table came from
UNNAMED = ("y", "exposure")  # what an array is called that came beside the table: the file may have no such column


def reading(result: Result, table: str | Path = FILE) -> str:
    """By our own reader and encoder: a gap, a number, a date, a rare category are then what they were in the race."""
    problem, offset = result.problem, result.chosen.offset
    names = ["Encoder", *(["class_names"] if result.classes else []), "read"]
    goal = "class_names({})" if result.classes else "{}.values"
    parts = {"y": _column(result.target, "classes" if result.classes else "values", goal)}
    kept = 'y != ""' if result.classes else "~np.isnan(y)"
    if problem.weight is not None:
        own = result.weighted_by
        parts["weight"] = _put_in("...", "weights") if own is None else _column(own, "weights")
        kept = f"({kept}) & (weight > 0)"
    if offset and problem.exposure is not None:
        parts["exposure"] = _column(problem.exposure, "exposures")
    lines = [
        "import numpy as np",
        f"from lossmith.choosing import {', '.join(names)}",
        "",
        f"table = read({str(table)!r})",
        *(f"{part} = {code}" for part, code in parts.items()),
        f"rows = np.flatnonzero({kept})",
        f"table, {', '.join(parts)} = table.take(rows), {', '.join(f'{part}[rows]' for part in parts)}",
    ]
    shown = "".join(f"\n    {plan['name']!r}," for plan in result.model.encoder.plans)
    lines += [
        f"encoder = Encoder.fit(table, [{shown}\n])",
        "X = encoder.transform(table)  # numbers have mean 0 and variance 1, categories are columns of 0 and 1",
        "X_new = X[:5]  # rows to predict; of another table: encoder.transform(read(...))",
    ]
    return "\n".join([*lines, "exposure_new = exposure[:5]"] if offset else lines)


def _column(name: str, what: str, code: str = "{}.values") -> str:
    found = code.format(f"table.column({name!r})")
    return _put_in(f"{found} if {name!r} in table.names else ...", what) if name in UNNAMED else found


def _put_in(code: str, what: str) -> str:
    return f"{code}  # put in: the {what} of the rows"
