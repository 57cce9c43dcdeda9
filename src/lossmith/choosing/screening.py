"""More columns than a race can carry: those that alone tell most about the target stay."""

from __future__ import annotations

from dataclasses import replace

from lossmith.choosing.leaks import closest
from lossmith.choosing.tables import Floats, Table

MOST_COLUMNS = 300
FEWEST_KEPT = 50


def strongest(table: Table, y: Floats, classes: bool, exposure: str | None) -> tuple[Table, list[str]]:
    """At most 300 columns, and no more than half as many as rows, of a table that has more than 300; and the exposure.
    They are chosen on all rows."""
    if len(table.columns) <= MOST_COLUMNS:
        return table, []
    most = min(MOST_COLUMNS, max(FEWEST_KEPT, table.rows // 2))
    kept = {*closest(table, y, classes, most), exposure}
    columns = tuple(column for column in table.columns if column.name in kept)
    warning = (
        f"the table has {len(table.columns):,} columns; the race uses the {most} that alone tell most about "
        "the target. They were chosen on all rows, which flatters every loss alike"
    )
    return replace(table, columns=columns), [warning]
