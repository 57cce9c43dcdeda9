"""The same linear model under several losses, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from lossmith.linear import LinearClassifier, LinearRegressor
from lossmith.linear.classes import is_binary, unlabelled
from lossmith.linear.options import named

if TYPE_CHECKING:
    from lossmith.loss import Loss


@dataclass(frozen=True)
class Fitted:
    """One loss, the model it made, and what every judge says of the model."""

    loss: Loss
    label: str
    model: LinearRegressor | LinearClassifier
    scores: dict[str, float]

    @property
    def coef(self) -> Any:
        return self.model.coef_

    @property
    def intercept(self) -> Any:
        return self.model.intercept_


@dataclass(frozen=True)
class Comparison:
    """Models by loss. `scores` holds, for each, plain measures and the mean of every loss compared: lower is better.

    The diagonal is where each loss judges its own model: on the rows it was trained on, no other can be lower.
    """

    fitted: tuple[Fitted, ...]
    judged_on: str

    def __getitem__(self, label: str) -> Fitted:
        for fitted in self.fitted:
            if label in (fitted.label, fitted.loss.name):
                return fitted
        raise KeyError(f"{label!r} was not compared; there are {', '.join(f.label for f in self.fitted)}")

    def __iter__(self) -> Any:
        return iter(self.fitted)

    def __len__(self) -> int:
        return len(self.fitted)

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        return {fitted.label: dict(fitted.scores) for fitted in self.fitted}

    def _cells(self) -> tuple[list[str], list[list[str]], list[list[bool]]]:
        judges = list(self.fitted[0].scores)
        header = ["trained with", *judges, "intercept", "coefficients"]
        best = {judge: min(f.scores[judge] for f in self.fitted) for judge in judges}
        rows, marks = [], []
        for f in self.fitted:
            rows.append([f.label, *(_short(f.scores[j]) for j in judges), _shorts(f.intercept, 3), _shorts(f.coef, 6)])
            marks.append([False, *(f.scores[j] == best[j] for j in judges), False, False])
        return header, rows, marks

    def __repr__(self) -> str:
        header, rows, marks = self._cells()
        starred = [
            [cell + ("*" if mark else " ") for cell, mark in zip(r, m, strict=True)]
            for r, m in zip(rows, marks, strict=True)
        ]
        table = [[cell + " " for cell in header], *starred]
        widths = [max(len(row[i]) for row in table) for i in range(len(header))]
        last = len(header) - 1
        lines = [
            " ".join(
                cell.ljust(width) if i in (0, last) else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        lines.insert(1, "-" * max(len(line) for line in lines))
        return "\n".join([*lines, f"{self.judged_on}; lower is better, * the lowest"])

    def _repr_html_(self) -> str:
        header, rows, marks = self._cells()
        head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td><b>{escape(cell)}</b></td>" if mark else f"<td>{escape(cell)}</td>"
                for cell, mark in zip(r, m, strict=True)
            )
            + "</tr>"
            for r, m in zip(rows, marks, strict=True)
        )
        note = f"{escape(self.judged_on)}; lower is better, the lowest in bold"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{note}</p>"


def compare(
    losses: Iterable[Loss | str],
    X: Any,
    y: Any,
    *,
    sample_weight: Any = None,
    test: tuple[Any, Any] | None = None,
    l2: float = 0.0,
    l1: float = 0.0,
) -> Comparison:
    """Fit one linear model per loss on (X, y), and let every loss and the plain measures judge every model.

    Judged on `test=(X, y)`, or, without it, on the training rows. Losses of numbers are compared with losses of numbers
    (measures: mean squared and mean absolute error of the prediction), losses of classes with losses of classes
    (measure: share of wrong answers).
    """
    if isinstance(losses, str) or not isinstance(losses, Iterable):
        raise TypeError(f"losses is {losses!r}: it must hold several losses or their names, as [{losses!r}] holds one")
    chosen = [named(loss) for loss in losses]
    if not chosen:
        raise ValueError("losses is empty: there is nothing to compare")
    classes = np.unique(np.asarray(y))
    real = [loss.target_kind == "real" and not (is_binary(loss) and len(classes) == 2) for loss in chosen]
    if any(real) and not all(real):
        odd = chosen[real.index(not real[0])]
        raise ValueError(f"{chosen[0].name} and {odd.name} have different kinds of targets and cannot be compared")
    make = LinearRegressor if all(real) else LinearClassifier
    models = [make(loss=loss, l2=l2, l1=l1).fit(X, y, sample_weight=sample_weight) for loss in chosen]
    X_judge, y_judge = (X, y) if test is None else test
    weight = sample_weight if test is None else None
    labels = _labels(chosen)
    fitted = tuple(
        Fitted(loss, label, model, _scores(model, chosen, labels, X_judge, y_judge, weight))
        for loss, label, model in zip(chosen, labels, models, strict=True)
    )
    return Comparison(fitted, "judged on the training rows" if test is None else "judged on the test rows")


def _scores(model: Any, losses: list[Loss], labels: list[str], X: Any, y: Any, weight: Any) -> dict[str, float]:
    target = np.asarray(y)
    if isinstance(model, LinearRegressor):
        error = model.predict(X) - target
        scores = {
            "mse": float(np.average(error**2, weights=weight)),
            "mae": float(np.average(np.abs(error), weights=weight)),
        }
    else:
        scores = {"error rate": 1.0 - model.score(X, y, sample_weight=weight)}
    for loss, label in zip(losses, labels, strict=True):
        scores[label] = _judged(model, loss, X, y, weight)
    return scores


def _judged(model: Any, loss: Loss, X: Any, y: Any, weight: Any) -> float:
    """The mean of a loss over a model that another may have trained; NaN where the predictions make no sense to it."""
    own = model.loss_
    if own.kind != loss.kind or own.outputs != loss.outputs:
        return float("nan")
    if isinstance(model, LinearRegressor) and own.link.name != loss.link.name:
        with np.errstate(all="ignore"):
            raw = np.asarray(loss.link(model.predict(X)))
    else:
        raw = model.raw_scores(X)
    try:
        return float(unlabelled(loss)(model.encoded(loss, y), raw, weight=weight))
    except ValueError:  # a prediction outside the loss's domain
        return float("nan")




def _labels(losses: list[Loss]) -> list[str]:
    """The names; where one occurs twice, with its parameters."""
    names = [loss.name for loss in losses]
    labels = [
        loss.name
        if names.count(loss.name) == 1
        else f"{loss.name}({', '.join(f'{key}={value}' for key, value in loss.params.items())})"
        for loss in losses
    ]
    return [label if labels.count(label) == 1 else f"{label} #{i + 1}" for i, label in enumerate(labels)]


def _short(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.5g}"


def _shorts(values: Any, most: int) -> str:
    flat = np.ravel(np.asarray(values, dtype=np.float64))
    return " ".join(f"{v:.4g}" for v in flat[:most]) + (" ..." if len(flat) > most else "")
