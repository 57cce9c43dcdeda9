"""Columns -> a matrix of numbers. What was learned on the training rows is plain data that JSON can hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.tables import Column, Floats, Rows, Table

LEVELS = 15  # one indicator for each of the commonest levels; the rest share "other"
ROUNDING = 1e-14  # of its size: a column that varies by no more is constant
VERSION = 1


@dataclass(frozen=True)
class Encoder:
    """Fitted on training rows only. Numbers, dates and booleans: gaps become the median, with an indicator of the gap,
    then mean 0 and variance 1. Categories (a gap is a level too): one indicator a level, none for the commonest one."""

    plans: tuple[dict[str, Any], ...]

    @classmethod
    def fit(cls, table: Table, names: Sequence[str] | None = None) -> Encoder:
        """Of every column, or of those with these names."""
        plans = []
        for column in table.columns if names is None else map(table.column, names):
            plan = _category_plan(column) if column.kind == "category" else _number_plan(column)
            if plan is not None:
                plans.append(plan)
        return cls(tuple(plans))

    def transform(self, table: Table) -> Floats:
        widths = [_width(plan) for plan in self.plans]
        ends = np.cumsum(widths, dtype=np.intp)
        matrix = np.zeros((table.rows, sum(widths)))
        for plan, end, width in zip(self.plans, ends, widths, strict=True):
            _write(plan, table.column(plan["name"]), matrix[:, end - width : end])
        return matrix

    @property
    def names(self) -> list[str]:
        """One name per column of the matrix."""
        names = []
        for plan in self.plans:
            if plan["kind"] == "number":
                names += [plan["name"]] + [f"{plan['name']} is missing"] * plan["indicator"]
            else:
                names += [f"{plan['name']} = {'(missing)' if x is None else x}" for x in plan["levels"]]
                names += [f"{plan['name']} = (other)"] * plan["other"]
        return names

    @property
    def levels(self) -> dict[str, list[str]]:
        """Of each column of categories, the levels that are told apart."""
        return {
            plan["name"]: [level for level in (plan["base"], *plan["levels"]) if level is not None]
            for plan in self.plans
            if plan["kind"] == "category"
        }

    def state(self) -> dict[str, Any]:
        return {"version": VERSION, "plans": [dict(plan) for plan in self.plans]}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Encoder:
        if state.get("version") != VERSION:
            raise ChoiceError(f"the encoder's state has version {state.get('version')!r}; this one reads {VERSION}")
        return cls(tuple(dict(plan) for plan in state["plans"]))


def _number_plan(column: Column) -> dict[str, Any] | None:
    gaps = np.isnan(column.values)
    present = column.values[~gaps]
    if present.size == 0:
        return None
    median = float(np.median(present))
    filled = np.where(gaps, median, column.values)
    size = float(np.abs(filled).max()) or 1.0  # squares of huge numbers overflow
    mean, scale = float(filled.mean()), size * float((filled / size).std())
    if scale <= ROUNDING * size:
        if not gaps.any():
            return None  # constant: nothing to learn from
        scale = 1.0
    indicator = bool(gaps.any())
    return {
        "name": column.name,
        "kind": "number",
        "median": median,
        "mean": mean,
        "scale": scale,
        "indicator": indicator,
    }


def _category_plan(column: Column) -> dict[str, Any] | None:
    levels = _levels(column)
    counts = np.bincount(_codes(column), minlength=len(levels))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i] > 0]
    if len(order) < 2:
        return None
    kept = [levels[i] for i in order[:LEVELS]]
    # the commonest level is the base line: it gets no indicator, so that the matrix keeps its full rank
    return {"name": column.name, "kind": "category", "base": kept[0], "levels": kept[1:], "other": len(order) > LEVELS}


def _levels(column: Column) -> list[str | None]:
    """The column's levels, and last the gap, which is a level of its own."""
    return [*column.levels, None]


def _codes(column: Column) -> Rows:
    gaps = np.isnan(column.values)
    return np.where(gaps, len(column.levels), np.nan_to_num(column.values)).astype(np.intp)


def _width(plan: dict[str, Any]) -> int:
    return int(1 + plan["indicator"] if plan["kind"] == "number" else len(plan["levels"]) + plan["other"])


def _write(plan: dict[str, Any], column: Column, matrix: Floats) -> None:
    """Into the plan's columns of the matrix, which are zero."""
    if plan["kind"] == "number":
        gaps = np.isnan(column.values)
        matrix[:, 0] = (np.where(gaps, plan["median"], column.values) - plan["mean"]) / plan["scale"]
        if plan["indicator"]:
            matrix[:, 1] = gaps
        return
    position = {level: j for j, level in enumerate(plan["levels"])}
    # without "other", what training never saw stands with the base line
    unseen = len(position) if plan["other"] else -1
    place = [-1 if level == plan["base"] else position.get(level, unseen) for level in _levels(column)]
    placed = np.array(place, dtype=np.intp)[_codes(column)]
    rows = np.flatnonzero(placed >= 0)
    matrix[rows, placed[rows]] = 1.0
