"""A model as one file: a zip of JSON, LightGBM's own text and the card. Reading runs no code and bounds every size."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted

if TYPE_CHECKING:
    from lossmith.choosing.final import FinalModel

FORMAT = 1
MOST_BYTES = 512 * 2**20  # of all that is inside, unpacked
MOST_PARTS = 200  # quantiles side by side
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same model makes the same file
SPEC, CARD = "model.json", "card.md"
KINDS = ("number", "boolean", "date", "category")


def save(model: FinalModel, path: Path) -> Path:
    from lossmith.choosing.report import check_path

    check_path(path, "model", "model.lossmith")
    fitted = model.fitted.state()
    texts = {}
    for number, part in enumerate(fitted["parts"]):
        if "trees" in part:
            texts[_trees(number)] = part.pop("trees")
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
        raise ChoiceError(f"no file {quoted(path, 200)}")
    try:
        texts = _texts(path)
        content = json.loads(texts[SPEC])
        if not isinstance(content, dict) or content.get("lossmith model") != FORMAT:
            raise ChoiceError(f"{quoted(path.name)} is not a model that this version of lossmith reads")
        return _model(content, texts)
    except ChoiceError:
        raise
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as error:
        raise ChoiceError(f"{quoted(path.name)} is not a saved model: {error}") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, OverflowError) as error:
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


def _model(content: Mapping[str, Any], texts: Mapping[str, str]) -> FinalModel:
    import lossmith as lm
    from lossmith.choosing.decisions import Decision
    from lossmith.choosing.final import FinalModel
    from lossmith.choosing.learners import Fitted

    encoder = _encoder(content["encoder"])
    classes = tuple(_text(name) for name in content["classes"])
    kinds = {_text(name): kind for name, kind in content["columns"].items()}
    needed = {plan["name"] for plan in encoder.plans}
    if any(kind not in KINDS for kind in kinds.values()) or not needed <= set(kinds):
        raise ValueError("its columns do not fit its encoder")
    state = content["fitted"]
    for number, part in enumerate(state["parts"]):
        _check_part(part, len(encoder.names), len(classes))
        if state["kind"] == "lightgbm":
            part["trees"] = _checked_trees(texts[_trees(number)], len(encoder.names), len(classes))
    _check_numbers(state["scale"])
    levels = tuple(float(level) for level in content["levels"])
    exposure, decision, card = content["exposure"], content["decision"], content["card"]
    if exposure is not None and exposure not in kinds:
        raise ValueError("its exposure is none of its columns")
    return FinalModel(
        target=_text(content["target"]),
        aim=_text(content["aim"]),
        loss=lm.from_spec(content["loss"]),
        encoder=encoder,
        kinds=kinds,
        fitted=Fitted.from_state(state),
        classes=classes,
        levels=levels,
        exposure=exposure,
        decision=None if decision is None else Decision.from_state(decision),
        about={_text(title): [_text(line) for line in lines] for title, lines in card.items()},
    )


def _encoder(state: Mapping[str, Any]) -> Any:
    """Plans hold a name, finite numbers, or levels; anything else is refused before a table meets it."""
    from lossmith.choosing.encoding import Encoder

    for plan in state["plans"]:
        _text(plan["name"])
        if plan["kind"] == "number":
            _check_numbers({name: plan[name] for name in ("median", "mean", "scale")})
            if not plan["scale"] > 0 or not isinstance(plan["indicator"], bool):
                raise ValueError("a column's scale is not above zero")
        elif plan["kind"] == "category":
            levels = [plan["base"], *plan["levels"]]
            if not isinstance(plan["other"], bool) or not all(isinstance(v, str | None) for v in levels):
                raise ValueError("a column's levels are not texts")
        else:
            raise ValueError("a column of another kind")
    return Encoder.from_state(dict(state))


def _check_part(part: Mapping[str, Any], columns: int, classes: int) -> None:
    outputs = classes if classes > 2 else 1
    if "coef" in part:
        coefficients, intercept = (
            np.array(part["coef"], dtype=np.float64),
            np.array(part["intercept"], dtype=np.float64),
        )
        if coefficients.shape != (outputs, columns) or intercept.shape != (outputs,):
            raise ValueError("its coefficients do not fit its columns")
        if not (np.isfinite(coefficients).all() and np.isfinite(intercept).all()):
            raise ValueError("its coefficients are not finite")
    else:
        _check_numbers(part["units"])


def _checked_trees(text: str, columns: int, classes: int) -> str:
    from lossmith.choosing.trees import checked_trees

    return checked_trees(text, columns, classes if classes > 2 else 1)


def _check_numbers(numbers: Mapping[str, Any]) -> None:
    for name, value in numbers.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(v, str) or np.isfinite(v) for v in values):
            raise ValueError(f"{name} is not finite")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a text")
    return value


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
