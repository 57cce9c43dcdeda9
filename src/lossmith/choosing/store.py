"""A race on disk: every finished fold is a Parquet file, so that a race can be stopped, gone on with and read later."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.tables import Floats, Rows
from lossmith.choosing.verdict import Key

PACKAGES = ("lossmith", "numpy", "scipy", "scikit-learn", "lightgbm")
RACE = "race.json"


@dataclass
class Finished:
    """What one fold gave: by loss and kind of model, predictions and labels of its test rows, what failed and why, the
    gap to the optimum, the settings tuned; and what the trainers warned of."""

    number: int
    predictions: dict[Key, Floats] = field(default_factory=dict)
    labels: dict[Key, Floats] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    gaps: dict[Key, float] = field(default_factory=dict)
    settings: dict[Key, list[float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def fingerprint(**parts: Any) -> dict[str, str]:
    """A digest of each thing that a race depends on, and of the versions that it runs under."""
    parts = {**parts, "versions": [(name, _version(name)) for name in PACKAGES]}
    return {name.replace("_", " "): _digest(part) for name, part in parts.items()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _digest(part: Any) -> str:
    digest = hashlib.sha256()
    _feed(digest, part)
    return digest.hexdigest()[:20]


def _feed(digest: Any, part: Any) -> None:
    if isinstance(part, np.ndarray):
        digest.update(f"{part.dtype}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, Mapping):
        _feed(digest, list(part.items()))
    elif isinstance(part, list | tuple):
        digest.update(f"[{len(part)}".encode())
        for each in part:
            _feed(digest, each)
    else:
        digest.update(f"|{part!r}".encode())


class Store:
    """A folder with one race in it."""

    def __init__(self, folder: str | os.PathLike[str], marks: dict[str, str]) -> None:
        self.folder = Path(folder)
        said = quoted(self.folder, 200)
        if self.folder.exists() and not self.folder.is_dir():
            raise ChoiceError(f"{said} is a file; name a folder for the race")
        head = self.folder / RACE
        if not head.exists():
            if self.folder.is_dir() and any(not _is_part(entry.name) for entry in self.folder.iterdir()):
                raise ChoiceError(f"the folder {said} holds other files; name a new or empty folder for the race")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                _write(head, json.dumps(marks, indent=1).encode())
            except OSError as error:
                raise ChoiceError(f"cannot write to the folder {said}: {error.strerror}") from error
            return
        kept = _read_head(head, said)
        other = [name for name in marks if kept.get(name) != marks[name]]
        if other:
            raise ChoiceError(
                f"the folder {said} holds another race (different: {', '.join(other)}); "
                "name another folder, or delete this one to start anew"
            )

    def save(self, done: Finished, rows: Rows) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        names, columns = ["row"], [pa.array(rows)]
        for what, found in (("prediction", done.predictions), ("label", done.labels)):
            for key, values in found.items():
                parts = values[:, None] if values.ndim == 1 else values
                for j in range(parts.shape[1]):
                    names.append(json.dumps([what, *key, j if values.ndim > 1 else None]))
                    columns.append(pa.array(np.ascontiguousarray(parts[:, j])))
        plain = {k: v for k, v in asdict(done).items() if k not in ("predictions", "labels")}
        rest = {k: [[list(key), x] for key, x in v.items()] if isinstance(v, dict) else v for k, v in plain.items()}
        table = pa.table(columns, names=names).replace_schema_metadata({"lossmith": json.dumps(rest)})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        _write(self._file(done.number), sink.getvalue())

    def load(self, number: int, rows: Rows) -> Finished | None:
        """A fold that was finished before; None if it was not, or cannot be read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return _finished(pq.read_table(self._file(number)), rows)
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError, AttributeError):  # not a file of ours
            return None

    def _file(self, number: int) -> Path:
        return self.folder / f"fold-{number:03d}.parquet"


_BY_KEY = ("failures", "gaps", "settings")


def _finished(table: Any, rows: Rows) -> Finished | None:
    """What a table holds, if it is of these rows."""
    rest = json.loads(table.schema.metadata[b"lossmith"])
    if not np.array_equal(table["row"].to_numpy(), rows):
        return None
    told: dict[str, Any] = {k: {tuple(key): x for key, x in v} if k in _BY_KEY else v for k, v in rest.items()}
    done = Finished(**told)
    gathered: dict[tuple[str, Key], list[Floats]] = {}
    for name in table.column_names[1:]:
        what, label, kind, part = json.loads(name)
        values = table[name].to_numpy()
        found = done.predictions if what == "prediction" else done.labels
        if part is None:
            found[label, kind] = values
        else:
            gathered.setdefault((what, (label, kind)), []).append(values)
    for (what, key), parts in gathered.items():
        (done.predictions if what == "prediction" else done.labels)[key] = np.column_stack(parts)
    return done


def _read_head(head: Path, said: str) -> dict[str, str]:
    try:
        kept = json.loads(head.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ChoiceError(f"{RACE} in the folder {said} is damaged ({error}); delete it to start anew") from error
    if not isinstance(kept, dict):
        raise ChoiceError(f"{RACE} in the folder {said} is not of a race; name another folder")
    return kept


def _is_part(name: str) -> bool:
    """Of a file that was being written when a race was stopped."""
    return name.startswith(f".{RACE}.")


def _write(path: Path, content: Any) -> None:
    """All of it or nothing: whoever is stopped midway leaves a file that nobody reads."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
