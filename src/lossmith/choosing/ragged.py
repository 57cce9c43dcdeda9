"""Where a CSV file is no table: the first line with more or fewer cells than the others."""

from __future__ import annotations

import csv
import gzip
from contextlib import suppress
from pathlib import Path
from typing import Any

from lossmith.choosing.errors import plain, quoted


def ragged(path: Path, delimiter: str, zipped: bool) -> str | None:
    """What is wrong with which line; None if every line has as many cells as the first."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    found: list[Any] = []

    def take(row: Any) -> str:
        found.append(row)
        return "error"

    options = arrow.ReadOptions(use_threads=False, encoding="latin-1")  # without threads, rows are counted
    parse = arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=take)
    with suppress(pa.ArrowException), pa.input_stream(path, compression="gzip" if zipped else None) as stream:
        arrow.read_csv(stream, read_options=options, parse_options=parse)
    if not found:
        return None
    row, name, text = found[0], quoted(path.name), found[0].text
    with suppress(UnicodeDecodeError):  # Latin-1 reads any line; most are UTF-8
        text = text.encode("latin-1").decode()
    line = _line(path, delimiter, zipped, row.number)
    if "\n" in text and text.count('"') % 2:
        return f"a quote that opens in line {line:,} of {name} is never closed: {plain(text.splitlines()[0], 80)}"
    cells = f"{row.actual_columns} cell{'' if row.actual_columns == 1 else 's'}"
    return f"line {line:,} of {name} has {cells}, its first line {row.expected_columns}: {plain(text, 80)}"


def _line(path: Path, delimiter: str, zipped: bool, number: int) -> int:
    """Where the row of this number begins: a row may go over several lines, and empty lines are none."""
    before = 0
    with (gzip.open if zipped else open)(path, "rt", encoding="latin-1", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            for row in reader:
                number -= bool(row)
                if number == 0:
                    break
                before = reader.line_num
        except csv.Error:  # the row itself: an open quote runs on beyond what is read
            pass
    return before + 1
