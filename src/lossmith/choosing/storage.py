"""A model as one file: a zip of JSON, trees in LightGBM's text format and the card.

Reading runs no code and bounds every size."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.stored import outputs, restored
from lossmith.choosing.trees import checked_trees

if TYPE_CHECKING:
    from lossmith.choosing.final import FinalModel

FORMAT = 1
MOST_BYTES = 512 * 2**20  # of all that is inside, unpacked
MOST_PARTS = 200  # quantiles side by side
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same model makes the same file
SPEC, CARD = "model.json", "card.md"


def save(model: FinalModel, path: Path) -> Path:
    from lossmith.choosing.paths import check_path

    check_path(path, "model", "model.lossmith")
    fitted, width = model.fitted.state(), outputs(model.loss, len(model.classes))
    texts = {
        _trees(number): checked_trees(part.pop("trees"), len(model.encoder.names), width)
        for number, part in enumerate(fitted["parts"])
        if "trees" in part
    }
    content = {
        "lossmith model": FORMAT,
        "target": model.target,
        "aim": model.aim,
        "loss": model.loss.spec(),
        "columns": dict(model.kinds),
        "encoder": model.encoder.state(),
        "fitted": fitted,
        "classes": list(model.classes),
        "levels": list(model.levels),
        "exposure": model.exposure,
        "decision": None if model.decision is None else model.decision.state(),
        "card": model.about,
    }
    texts = {SPEC: json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False), CARD: model.card(), **texts}
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, text in texts.items():
                entry = zipfile.ZipInfo(name, EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                file.writestr(entry, text.encode("utf-8", "surrogatepass"))
    except OSError as error:
        raise ChoiceError(f"cannot write {quoted(path, 200)}: {error.strerror}") from error
    return path


def load_model(path: str | Path) -> FinalModel:
    """The model that ``result.model.save(path)`` or ``lossmith choose --model-out`` wrote.

    Raises ValueError for anything else; a file from elsewhere can hold a wrong model, but runs no code."""
    path = Path(path)
    if not path.is_file():
        name = quoted(path, 200)
        raise ChoiceError(f"{name} is a folder; name a saved model" if path.is_dir() else f"no file {name}")
    try:
        texts = _texts(path)
    except ChoiceError:
        raise
    except Exception as error:  # of the zip, of what it is packed with, of a password
        raise ChoiceError(f"{quoted(path.name)} is not a saved model: {error}") from None
    try:
        content = json.loads(texts.pop(SPEC))
        written = content.get("lossmith model") if isinstance(content, dict) else None
        if isinstance(written, int) and written > FORMAT:
            raise ChoiceError(f"{quoted(path.name)} was saved by a newer lossmith (format {written}): update this one")
        if written != FORMAT:
            raise ChoiceError(f"{quoted(path.name)} is not a model that this version of lossmith reads")
        return restored(content, lambda number: texts[_trees(number)])
    except ChoiceError:
        raise
    except Exception as error:  # whatever is wrong inside, LightGBM's own errors too
        raise ChoiceError(f"the model in {quoted(path.name)} is damaged: {type(error).__name__}: {error}") from None


def _trees(number: int) -> str:
    return f"trees-{number}.txt"


def _texts(path: Path) -> dict[str, str]:
    """The entries that a model has, no larger together than MOST_BYTES."""
    with zipfile.ZipFile(path) as file:
        known = {SPEC, CARD, *(_trees(number) for number in range(MOST_PARTS))}
        left, found = MOST_BYTES, {}
        for entry in file.infolist():
            if entry.filename not in known or entry.filename in found:
                raise ChoiceError(f"{quoted(path.name)} is not a saved model: it holds {quoted(entry.filename, 30)}")
            with file.open(entry) as stream:
                content = stream.read(left + 1)
            left -= len(content)
            if left < 0:
                raise ChoiceError(f"{quoted(path.name)} unpacks to more than {MOST_BYTES >> 20} MiB")
            found[entry.filename] = content.decode("utf-8", "surrogatepass")
    if SPEC not in found:
        raise ChoiceError(f"{quoted(path.name)} is not a saved model: it has no {SPEC}")
    return found


# predictions as files


TABLES = (".csv", ".parquet")


def write_table(columns: Mapping[str, list[Any]], out: Path | TextIO) -> None:
    """CSV, or Parquet by the file's name. Numbers keep every digit."""
    if not isinstance(out, Path):
        _write_csv(columns, out)
        return
    try:
        if out.suffix.lower() == ".parquet":
            import pyarrow as pa
            from pyarrow import parquet

            parquet.write_table(pa.table(dict(columns)), out)
        else:
            with out.open("w", encoding="utf-8", newline="") as file:
                _write_csv(columns, file)
    except OSError as error:
        raise ChoiceError(f"cannot write {quoted(out, 200)}: {error.strerror or error}") from error


def _write_csv(columns: Mapping[str, list[Any]], file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
