"""From what the user hands over to columns, target, weight and exposure that a race can use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from numbers import Integral
from typing import Any

import numpy as np

from lossmith.choosing.aims import Aim, mean_and_median
from lossmith.choosing.class_names import FEW_NUMBERS
from lossmith.choosing.copies import copies, told
from lossmith.choosing.encoding import LEVELS
from lossmith.choosing.errors import ChoiceError, plain, quoted
from lossmith.choosing.exposure import check_exposure, find_exposure
from lossmith.choosing.facts import infinite
from lossmith.choosing.leaks import leaks
from lossmith.choosing.lookalikes import look_like
from lossmith.choosing.screening import screened
from lossmith.choosing.structure import find_groups, find_time, group_codes, names_rows, perhaps_groups
from lossmith.choosing.tables import Column, Floats, Rows, Table, column_from_any, from_any
from lossmith.choosing.targets import LARGEST, Target, make_target, perhaps_classes

MANY_LEVELS = 50
ROW_NUMBERS = ("index", "rownames", "unnamed: 0", "")
GROUPED = (
    "repeats like the name of a group: its rows stay together in every fold, and no model sees it (say groups none if "
    "it explains the target)"
)
PERHAPS_GROUPED = (
    "is called like the name of a group, but has few values and explains like any other column: if rows of one value "
    "belong together, name it as groups"
)
ORDERED = (
    "every fold is judged on rows that come after those it was trained on (say time none if the order means nothing)"
)


@dataclass(frozen=True, eq=False)
class Prepared:
    table: Table  # the explaining columns, the exposure among them
    target: Target
    weight: Floats | None
    exposure: str | None
    groups: Rows | None  # a code for every row; rows of one code belong together
    time: Floats | None  # when each row came
    grouped_by: str | None
    timed_by: str | None
    weighted_by: str | None  # a column of X; weights that came beside X have no name
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare(
    X: Any, y: Any, aim: Aim | None, weight: Any, exposure: Any, groups: Any = None, time: Any = None
) -> Prepared:
    """groups, time, weight and exposure are columns or their names in X; "none" says that there are none, and nothing
    guesses them."""
    table = from_any(X)
    y, weight, exposure, groups, time = (_name(each) for each in (y, weight, exposure, groups, time))
    if not table.rows:
        raise ChoiceError("the table has no rows")
    _check_roles(target=y, groups=groups, time=time, weight=weight, exposure=exposure)
    table, column = _split(table, y)
    table, weights = _weights(table, weight)
    if exposure is not None and not isinstance(exposure, str):
        taken = _same_length(column_from_any(exposure, "exposure"), table, "exposure")
        table = replace(table, columns=(*table.without("exposure").columns, taken))
        exposure = "exposure"
    table, family = _taken(table, groups, "groups")
    clock = None if time is None or _none(time) else _taken(table, time, "time")[1]  # it may explain, too
    target = make_target(column, aim, weights)
    notes = [*_assumed(target, weights), *target.aim.assumptions]
    if len(target.rows) < table.rows:
        table = table.take(target.rows)
        weights = None if weights is None else weights[target.rows]
        family, clock = (None if each is None else each.take(target.rows) for each in (family, clock))
    if exposure is not None and not _none(exposure):
        check_exposure(table.column(exposure))
    usable, dropped = _usable(table, target.rows, exposure)
    copied = copies(usable, target.y)
    suspects, table = leaks(table, target, copied), usable
    guessed = []
    if family is None and groups is None:
        if (name := find_groups(table)) is not None:
            family, table = table.column(name), table.without(name)
            guessed = [f"column {quoted(name)} {GROUPED}"]
        else:
            notes += [f"column {quoted(name)} {PERHAPS_GROUPED}" for name in perhaps_groups(table)]
    if clock is None and time is None and (name := find_time(table)) is not None:
        clock = table.column(name)
        notes.append(f"the table is kept in the order of {quoted(name)}: {ORDERED}")
    together = None if family is None else group_codes(family)
    if copied is not None and family is None and groups is None and clock is None:
        together = copied
        guessed.append(told(copied, target.rows))
    found, note = (None, None) if _none(exposure) else find_exposure(table, target, exposure)
    notes += [note] if note else []
    notes += _treated(table)
    if not [c for c in table.columns if c.name != found]:
        why = f": {dropped[0]}" if dropped else ""
        raise ChoiceError(f"no column is left to predict from{why}")
    return Prepared(
        table,
        target,
        weights,
        found,
        together,
        None if clock is None else _moments(clock),
        None if family is None else family.name,
        None if clock is None else clock.name,
        weight if isinstance(weight, str) and not _none(weight) else None,
        tuple(notes),
        (*suspects, *guessed, *table.warnings, *dropped, *screened(table), *target.warnings),
    )


def _check_roles(**named: Any) -> None:
    """A column is one thing."""
    roles: dict[str, str] = {}
    for role, name in named.items():
        if isinstance(name, str) and not _none(name) and roles.setdefault(name, role) != role:
            raise ChoiceError(f"column {quoted(name)} is named as {roles[name]} and as {role}; it can be one of them")


def _name(value: Any) -> Any:
    """Names of columns may be numbers, as in a frame without names; columns know them as texts."""
    return str(value) if isinstance(value, Integral) else value


def _none(value: Any) -> bool:
    return isinstance(value, str) and value.lower() == "none"


def _taken(table: Table, value: Any, what: str) -> tuple[Table, Column | None]:
    """The column that was named or handed over, and the table without it."""
    if value is None or _none(value):
        return table, None
    if isinstance(value, str):
        return table.without(value), table.column(value)
    return table, _same_length(column_from_any(value, what), table, what)


def _moments(column: Column) -> Floats:
    if column.kind not in ("number", "date") or not np.isfinite(column.values).all():
        name = quoted(column.name)
        raise ChoiceError(f"the times in {name} must be numbers or dates, such as 2026-01-31, without gaps")
    return column.values


def _assumed(target: Target, weights: Floats | None) -> list[str]:
    """What was taken for granted, in the units of the user."""
    if not target.aim.assumed:
        return []
    name = quoted(target.name)
    if target.classes:
        return [f"no aim was given: {target.aim} was assumed, because {name} holds classes"]
    mean, median = mean_and_median(target.y, None if weights is None else weights[target.rows])
    note = (
        f"no aim was given: mean was assumed, because {name} holds numbers. Its mean is {mean:,.5g}, its median "
        f"{median:,.5g}: ask for the mean if totals must come out right, for the median if you want the middle value, "
        "with as many cases above as below"
    )
    names = perhaps_classes(target.y)
    return [note, f"if {names} are names of classes, not amounts, ask for the aim probability"] if names else [note]


def _split(table: Table, y: Any) -> tuple[Table, Column]:
    if isinstance(y, str):
        if y in table.repeated:
            raise ChoiceError(f"two columns are named {quoted(y)}, the target; rename one of them or leave it out")
        return table.without(y), table.column(y)
    name = str(getattr(y, "name", None) or "y")
    return table, _same_length(column_from_any(y, name), table, "y")


def _same_length(column: Column, table: Table, what: str) -> Column:
    if len(column.values) != table.rows:
        raise ChoiceError(f"{what} has {len(column.values)} rows, X has {table.rows}")
    return column


def _weights(table: Table, weight: Any) -> tuple[Table, Floats | None]:
    if weight is None or _none(weight):
        return table, None
    if isinstance(weight, str):
        column, table = table.column(weight), table.without(weight)
    else:
        column = _same_length(column_from_any(weight, "weight"), table, "weight")
    values = column.values
    if column.kind not in ("number", "boolean") or not np.isfinite(values).all() or (values < 0).any():
        raise ChoiceError(f"the weights in {quoted(column.name)} must be numbers of zero or more, without gaps")
    if not values.any():
        raise ChoiceError(f"the weights in {quoted(column.name)} are all zero")
    return table, values


def _usable(table: Table, rows: Rows, exposure: str | None) -> tuple[Table, list[str]]:
    """Of the data rows `rows`, counted from 0."""
    kept: list[Column] = []
    warnings = []
    seen: dict[tuple[str, bytes, tuple[str, ...]], str] = {}
    for column in table.columns:
        gaps = np.isnan(column.values)
        name = quoted(column.name)
        if column.strays:
            warnings.append(f"column {name} holds numbers, but {column.strays}; read as missing")
        if wrong := infinite(column.values, rows):
            raise ChoiceError(f"column {name} has {wrong}; correct them or leave the column out")
        largest = float(np.abs(column.values[~gaps]).max(initial=0.0))
        if largest > LARGEST:
            raise ChoiceError(
                f"column {name} goes up to {largest:.3g} in size, whose square a computer cannot hold: correct it, or "
                "measure it in other units"
            )
        if column.kind == "category" and len(column.levels) > FEW_NUMBERS and (said := look_like(column)):
            warnings.append(f"most values of column {name} {said}; as they stand they are texts, without size or order")
        digest = blake2b(column.values.tobytes(), digest_size=16).digest()
        first = seen.setdefault((column.kind, digest, column.levels), column.name)
        if gaps.all():
            warnings.append(f"column {name} is empty; it was left out")
        elif not gaps.any() and np.ptp(column.values) == 0:
            warnings.append(f"column {name} is constant; it was left out")
        elif first != column.name and column.name != exposure:
            warnings.append(f"column {name} is a copy of {quoted(first)}; it was left out")
        elif column.kind == "category" and len(column.levels) > max(MANY_LEVELS, 0.5 * table.rows):
            warnings.append(
                f"column {name} has a different text in most rows, like a name or a record number; it was left out"
            )
        else:
            kept.append(column)
    warnings += [
        f"column {quoted(c.name)} looks like a row number or another id; if it is, leave it out of the table"
        for c in kept
        if (plain(c.name).lower() in ROW_NUMBERS or names_rows(c))
        and c.whole
        and len(np.unique(c.values)) == table.rows
    ]
    return replace(table, columns=tuple(kept)), warnings


def _treated(table: Table) -> list[str]:
    """What encoding does to gaps and to long lists of categories."""
    gaps = [c.name for c in table.columns if c.kind != "category" and np.isnan(c.values).any()]
    long = [c for c in table.columns if c.kind == "category" and len(c.levels) > MANY_LEVELS]
    notes = []
    if gaps:
        notes.append(
            f"gaps in {len(gaps)} column{'s' if len(gaps) > 1 else ''} ({_listed(gaps)}) count as the median of the "
            "training rows, and a column of its own says where they were"
        )
    if long:
        notes.append(
            f"{_listed([c.name for c in long])}: of more than {MANY_LEVELS} categories the {LEVELS} commonest count "
            "each, the others together"
        )
    return notes


def _listed(names: list[str]) -> str:
    return ", ".join(quoted(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
