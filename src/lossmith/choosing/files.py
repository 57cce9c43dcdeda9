"""Tables from files."""

from __future__ import annotations

import gzip
import re
import zlib
from codecs import BOM_UTF8
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossmith.choosing.errors import ChoiceError, near, plain, quoted
from lossmith.choosing.ragged import ragged
from lossmith.choosing.tables import MISSING, Table, from_any

ENCODINGS = {"utf-8": "UTF-8", "cp1252": "Windows-1252", "latin-1": "Latin-1"}  # the last can read anything
QUOTED = re.compile(r'(?:^|(?<=[,;\t|\r\n]))"(?:[^"]|"")*"')  # a cell in which delimiters and ends of lines are text
OTHER_FORMATS = {".xlsx", ".xls", ".ods", ".json", ".jsonl", ".feather", ".arrow", ".pkl", ".pickle", ".sav", ".dta"}


def read(path: str | Path) -> Table:
    """A CSV (any common delimiter, gzip too) or Parquet file."""
    import pyarrow as pa

    path = Path(path)
    if not path.exists():
        folder = path.parent if path.parent.is_dir() else Path()
        names = [entry.name for entry in folder.iterdir() if entry.is_file()]
        raise ChoiceError(f"no file {quoted(path, 200)}{near(path.name, names)}")
    if path.is_dir():
        raise ChoiceError(f"{quoted(path, 200)} is a folder; name a CSV or Parquet file")
    if path.suffix.lower() in OTHER_FORMATS:
        raise ChoiceError(f"cannot read {path.suffix} files; save {quoted(path.name)} as CSV or Parquet")
    warnings: list[str] = []
    try:
        with path.open("rb") as file:
            head = file.read(65536)
        if head[:4] == b"PAR1":
            from pyarrow import parquet

            frame = parquet.read_table(path)
        else:
            frame = _read_csv(path, head, warnings)
    except (pa.ArrowException, OSError, EOFError, zlib.error) as error:
        reason = plain(str(error).splitlines()[0] if str(error) else type(error).__name__, 200)
        raise ChoiceError(f"cannot read {quoted(path.name)}: {reason}") from error
    table = from_any(frame)
    return replace(table, warnings=(*warnings, *table.warnings))


def _read_csv(path: Path, head: bytes, warnings: list[str]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    zipped = head[:2] == b"\x1f\x8b"
    if zipped:
        with gzip.open(path) as file:
            head = file.read(len(head))
    if not head.strip():
        raise ChoiceError(f"{quoted(path.name)} is empty")
    if b"\x00" in head:
        raise ChoiceError(f"{quoted(path.name)} is not a text table; save it as UTF-8 CSV or Parquet")
    bare = QUOTED.sub("", head.removeprefix(BOM_UTF8).decode("latin-1"))
    first = re.split("[\r\n]", bare.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = max(",;\t|", key=first.count)
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    convert = csv.ConvertOptions(strings_can_be_null=True, null_values=sorted(MISSING))

    def parsed(encoding: str) -> Any:
        with pa.input_stream(path, compression="gzip" if zipped else None) as stream:
            options = csv.ReadOptions(encoding=encoding)
            return csv.read_csv(stream, read_options=options, parse_options=parse, convert_options=convert)

    def explained(error: Exception) -> Exception:
        if "Empty CSV" in str(error):
            return ChoiceError(f"{quoted(path.name)} has one line only: names of columns, and no rows below them")
        wrong = ragged(path, delimiter, zipped)
        return ChoiceError(wrong) if wrong else error

    for encoding in ENCODINGS:
        try:
            found = parsed(encoding)
            _ = found.column_names  # decoded here
        except UnicodeDecodeError:
            continue
        except pa.ArrowInvalid as error:
            if "UTF8" in str(error).replace("-", "").upper():
                continue
            raise explained(error) from None
        if not any(pa.types.is_binary(kind) for kind in found.schema.types):  # Arrow's word for cells not in UTF-8
            break
    if encoding != "utf-8":
        warnings.append(f"the file is not UTF-8; it was read as {ENCODINGS[encoding]}")
    return found
