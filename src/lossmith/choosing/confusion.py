"""Scores of labels, as functions of the weighted table of true (rows) against predicted (columns) classes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lossmith.choosing.tables import Floats

OfTable = Callable[[Floats], Floats]


def error_rate(table: Floats) -> Floats:
    right = np.trace(table, axis1=-2, axis2=-1)
    return np.asarray(1.0 - right / table.sum(axis=(-2, -1)))


def balanced_error(table: Floats) -> Floats:
    """The error of each class that occurs, averaged over those classes."""
    rows = table.sum(axis=-1)
    wrong = rows - np.diagonal(table, axis1=-2, axis2=-1)
    occurs = rows > 0
    return np.asarray((np.where(occurs, wrong, 0.0) / np.where(occurs, rows, 1.0)).sum(axis=-1) / occurs.sum(axis=-1))


def f1_loss(table: Floats) -> Floats:
    """1 - F1: of the second class where there are two, else of each class, averaged."""
    return np.asarray(1.0 - _f1(table)[..., 1]) if table.shape[-1] == 2 else f1_macro_loss(table)


def f1_macro_loss(table: Floats) -> Floats:
    """1 - F1 of each class, averaged."""
    return np.asarray(1.0 - _f1(table).mean(axis=-1))


def _f1(table: Floats) -> Floats:
    """Of each class; 0 of one that neither came nor was said."""
    right = np.diagonal(table, axis1=-2, axis2=-1)
    said, true = table.sum(axis=-2), table.sum(axis=-1)
    return np.asarray(2.0 * right / np.where(said + true > 0, said + true, 1.0))


def mcc_loss(table: Floats) -> Floats:
    """1 - Matthews' correlation, which is 0 where one class only is predicted."""
    right, all_ = np.trace(table, axis1=-2, axis2=-1), table.sum(axis=(-2, -1))
    said, true = table.sum(axis=-2), table.sum(axis=-1)
    up = right * all_ - (said * true).sum(axis=-1)
    down = (all_**2 - (said**2).sum(axis=-1)) * (all_**2 - (true**2).sum(axis=-1))
    return np.asarray(1.0 - np.where(down > 0, up / np.sqrt(np.where(down > 0, down, 1.0)), 0.0))


# metric: name, what is shown, function, reason; where what is shown has another name, it is 1 - score
CONFUSIONS: dict[str, tuple[str, str, OfTable, str]] = {
    "error_rate": ("error rate", "error rate", error_rate, "it is the share of wrong labels"),
    "balanced_error": ("balanced error", "balanced error", balanced_error, "it counts every class alike, rare or not"),
    "f1": ("1 - F1", "F1", f1_loss, "it weighs misses against false alarms of one class"),
    "f1_macro": ("1 - macro F1", "macro F1", f1_macro_loss, "it weighs misses against false alarms, every class alike"),
    "mcc": ("1 - MCC", "MCC", mcc_loss, "it is the correlation of true and predicted labels"),
}


def cost_of(costs: Floats) -> Callable[[Floats, Floats], Floats]:
    """costs[true, predicted] of each row."""

    def per_row(y: Floats, label: Floats) -> Floats:
        return np.asarray(costs[y.astype(np.intp), label.astype(np.intp)])

    return per_row
