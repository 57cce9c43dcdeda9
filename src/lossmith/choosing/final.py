"""The chosen loss trained on every row: what a user puts to work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lossmith.choosing.class_names import as_known, dated, reads_as
from lossmith.choosing.encoding import Encoder
from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.facts import infinite
from lossmith.choosing.learners import Fitted, Rowset
from lossmith.choosing.tables import Column, Floats, Kind, Table, from_any

if TYPE_CHECKING:
    from lossmith.choosing.cards import Card
    from lossmith.choosing.decisions import Decision
    from lossmith.choosing.result import Result
    from lossmith.loss import Loss

PLURALS = {"number": "numbers", "boolean": "true and false", "date": "dates", "category": "texts"}


@dataclass(frozen=True, eq=False)
class FinalModel:
    """A model of table columns, in the user's units. `kinds` are the columns it needs, by name."""

    target: str
    aim: str
    loss: Loss
    encoder: Encoder
    kinds: Mapping[str, Kind]
    fitted: Fitted
    classes: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()  # of several quantiles: what each column of a prediction is
    exposure: str | None = None
    decision: Decision | None = None
    about: Card = field(default_factory=dict, repr=False)

    def predict(self, X: Any) -> Floats:
        """Numbers in the user's units, shape (rows,), or (rows, levels) for several quantiles; for classes the chance
        of each, shape (rows, classes). X is a table with the model's columns, by name; others are ignored.

        A gap is filled as in training; a category that training never saw counts with the rare ones, or as the
        commonest where training saw so few that none was rare. Raises ChoiceError for a column that is missing,
        is there twice, or holds something else than in training."""
        return self._of(self._checked(X))

    def predict_label(self, X: Any) -> list[str]:
        """The class that the decision takes for each row; without a decision, the likeliest."""
        if not self.classes:
            raise ChoiceError(f"this model predicts numbers, no labels: {quoted(self.target)} has no classes")
        return self._labels(self.predict(X))

    def table(self, X: Any) -> dict[str, list[Any]]:
        """What `lossmith predict` writes: named columns, a value for each row."""
        found = self.predict(X)
        if self.classes:
            chances = {f"probability of {name}": found[:, i].tolist() for i, name in enumerate(self.classes)}
            return {**chances, "label": self._labels(found)}
        if found.ndim == 1:
            return {"prediction": found.tolist()}
        return {f"quantile {level:g}": found[:, i].tolist() for i, level in enumerate(self.levels)}

    def card(self) -> str:
        """The model card, as Markdown."""
        from lossmith.choosing.cards import as_markdown

        return as_markdown(self.about)

    def save(self, path: str | Path) -> Path:
        """One file without pickle: JSON, trees in LightGBM's text format, the card. `lossmith.load_model` reads it."""
        from lossmith.choosing.storage import save

        return save(self, Path(path))

    def __repr__(self) -> str:
        return f"<{self.fitted.kind} model of {quoted(self.target)}: {self.loss!r}, {len(self.kinds)} columns>"

    def _of(self, table: Table) -> Floats:
        exposure = None if self.exposure is None else table.column(self.exposure).values
        found = self.fitted.predict(Rowset(self.encoder.transform(table), exposure))
        return np.column_stack([1 - found, found]) if self.classes and found.ndim == 1 else found

    def _labels(self, chances: Floats) -> list[str]:
        if self.decision is None:
            ids = chances.argmax(axis=1).astype(np.float64)
        else:
            ids = self.decision.labels(chances[:, 1] if len(self.classes) == 2 else chances)
        return [self.classes[int(i)] for i in ids]

    def _checked(self, X: Any) -> Table:
        given = from_any(X)
        missing = [name for name in self.kinds if name not in given.names]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise ChoiceError(
                f"the table has no column {quoted(missing[0])}{more}, which the model needs; it has {given.listing(8)}"
            )
        twice = [name for name in self.kinds if name in given.repeated and f"{name}.2" not in self.kinds]
        if twice:  # training saw one column of that name
            raise ChoiceError(
                f"two columns are named {quoted(twice[0])}, which the model needs; rename one of them or leave it out"
            )
        known = self.encoder.levels
        columns = tuple(
            _as_in_training(given.column(name), kind, known.get(name, ())) for name, kind in self.kinds.items()
        )
        if self.exposure is not None:
            _check_exposure(next(column for column in columns if column.name == self.exposure))
        return Table(columns, given.rows)


def _as_in_training(column: Column, kind: Kind, known: Sequence[str]) -> Column:
    """The column as the kind that training saw, where it had the `known` levels if it was a category. What is read as
    numbers, dates, or true and false then stands for the levels that mean the same: of such codes one may be "A3",
    which new rows need not hold."""
    name, gaps = quoted(column.name), np.isnan(column.values)
    told = column.kind != "date" or column.texts is not None or reads_as("date", known)
    if kind == "category" and told and not gaps.all():
        return as_known(column, known)
    if column.strays:
        raise ChoiceError(f"column {name} held numbers in training; here {column.strays}")
    if far := infinite(column.values, np.arange(len(column.values))):
        raise ChoiceError(f"column {name} has {far}; correct or remove them")
    if gaps.all():
        return Column(column.name, kind, column.values)
    wrong = ~gaps
    if kind == "boolean":
        truths = _truths(column)
        wrong &= np.isnan(truths)
        if not wrong.any():
            return Column(column.name, kind, truths)
    elif kind == column.kind or (kind, column.kind) == ("number", "boolean"):
        return column
    first = int(np.flatnonzero(wrong)[0])
    raise ChoiceError(
        f"column {name} held {PLURALS[kind]} in training, here it holds {PLURALS[column.kind]} "
        f"(first: {quoted(_shown(column, first), 20)} in data row {first + 1})"
    )


def _truths(column: Column) -> Floats:
    """1 for true and 0 for false, which files and frames also say in words; NaN for anything else."""
    if column.kind == "category":
        words = {"true": 1.0, "false": 0.0}
        said = np.array([words.get(level.strip().lower(), np.nan) for level in column.levels])
        present = ~np.isnan(column.values)
        found = np.full(len(column.values), np.nan)
        found[present] = said[column.values[present].astype(np.intp)]
        return found
    known = np.isin(column.values, (0.0, 1.0)) & (column.kind != "date")
    return np.where(known, column.values, np.nan)


def _shown(column: Column, row: int) -> str:
    value = column.values[row]
    if column.levels:
        return column.levels[int(value)]
    return dated(value) if column.kind == "date" else f"{value:g}"


def _check_exposure(column: Column) -> None:
    bad = np.flatnonzero(~(column.values > 0))
    if bad.size:
        raise ChoiceError(
            f"the exposure {quoted(column.name)} must be above zero, without gaps; data row {int(bad[0]) + 1} is not"
        )


def train_final(result: Result) -> FinalModel:
    """The chosen loss on the kind of model that carries the verdict, tuned on the raced rows and fitted on all."""
    from lossmith.choosing.cards import card_of
    from lossmith.choosing.race import fit_final

    whole, chosen = result.whole, result.chosen
    fitted, encoder = fit_final(result.problem, chosen, result.final_kind, whole)
    exposure = whole.exposure if chosen.offset else None
    needed = dict.fromkeys([plan["name"] for plan in encoder.plans] + [exposure] * (exposure is not None))
    return FinalModel(
        target=result.target,
        aim=str(result.aim),
        loss=result.loss,
        encoder=encoder,
        kinds={name: whole.table.column(cast(str, name)).kind for name in needed},
        fitted=fitted,
        classes=result.classes,
        levels=chosen.levels,
        exposure=exposure,
        decision=result.evidence.decision,
        about=card_of(result),
    )
