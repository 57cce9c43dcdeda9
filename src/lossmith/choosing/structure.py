"""What the rows are to each other, and what columns are besides explanations: groups, time, weights, censoring."""

from __future__ import annotations

import re

import numpy as np

from lossmith.choosing.errors import ChoiceError, quoted
from lossmith.choosing.folds import SPLITS
from lossmith.choosing.tables import Column, Rows, Table
from lossmith.choosing.targets import Target
from lossmith.choosing.verdict import FEWEST_GROUPS

FEWEST_TIMES = 50
SORTED = 0.98  # of neighbouring rows in one order: the table is kept in that order
MANY_GROUPS = 20  # a column that names groups without being called so has at least so many
EVEN = 3.0  # times the rows of the middle group: fewer groups are of one size; sizes and kinds of something hardly are
MOST_COLUMNS = 60  # that are looked at for being constant inside groups


def _name(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


ID = _name(
    r"^(.*[_. ])?(id|ids|subject|patient|person|participant|respondent|customer|client|user|member|household|hh|"
    r"family|judge|rater|student|pupil|child|animal|individual|indiv|worker|employee|voter|donor|driver|player)"
    r"([_. ]?(id|no|nr|num|number|key|code))?$"
)
CAMEL_ID = re.compile(r"[a-z](Id|ID)$")
CLOCK = _name(r"^(t|time|date|day|week|month|quarter|year|period|hour|timestamp)([_. ]?(no|nr|index))?$")
SURVEY = _name(r"^((survey|case|sample)_?)?(weights?|wts?|[pfs]weight|fnl_?wgt|expan(sion)?_?fac(tor)?|samp_?wt)$")
FLAG = _name(
    r"^((is|was|has|not|non|right|left)[_. ]?)*((un)?cens(or(s|ed|ing)?)?|deleted?|events?|(vital[_. ]?)?status|"
    r"observed|d(ied|ies|ead|eaths?|eceased)|arrest(s|ed)?|fail(s|ed|ing|ures?)?|relaps(es?|ed|ing)|recur(s|red|rences?)?|"
    r"churn(s|ed|ing)?|delta)([_. ]?(flag|ind(icator)?|code))?$"
)
DURATION = _name(r"(^|[_. ])(t|time|dur(at|ation)?|days?|weeks?|months?|years?|surv(ival)?|tenure|los|stop)([_. ]|$)")
QUERY = _name(r"^(q|qid|query|query_?id|search_?id|session_?id|srch_?id)$")
GRADE = _name(r"^(rel|relevance|relevancy|grade|rank|label)$")
AT_RISK = _name(
    r"exposure|service|population|^pop$|person_?(years|days)|at_?risk|vehicle_?years|insured|policies|miles|"
    r"^trials$|^offset$"
)


def names_rows(column: Column) -> bool:
    """Called like the name of a case or a group of them."""
    return bool(ID.search(column.name) or CAMEL_ID.search(column.name))


def find_groups(table: Table) -> str | None:
    """A column whose values repeat and that is called like one, or fixes most of the other columns, or numbers blocks
    of rows and fixes another column. A few values are no groups whatever they are called: taken out of the models, a
    household's size would be missed more than a few households, of which nothing could be proven anyway."""
    for column in table.columns:
        sizes = _sizes(column)
        many = len(sizes) >= MANY_GROUPS
        if names_rows(column):
            taken = many or (len(sizes) >= FEWEST_GROUPS and sizes.max() <= EVEN * float(np.median(sizes)))
        else:
            taken = many and _groups_others(column, table)
        if taken:
            return column.name
    return None


def perhaps_groups(table: Table) -> list[str]:
    """Columns that are called like the name of a group and have enough values for folds of whole groups."""
    return [c.name for c in table.columns if names_rows(c) and len(_sizes(c)) >= SPLITS]


def _sizes(column: Column) -> Rows:
    """How many rows each value of a column has whose values repeat; of another nothing."""
    none = np.empty(0, dtype=np.intp)
    if column.kind not in ("category", "number") or np.isnan(column.values).any():
        return none
    if column.kind == "number" and not np.array_equal(column.values, np.round(column.values)):
        return none
    sizes = np.unique(column.values, return_counts=True)[1]
    return sizes if len(sizes) <= len(column.values) / 2 and float(np.median(sizes)) >= 2 else none


def _groups_others(column: Column, table: Table) -> bool:
    """At least three other columns, and half of them, never change while this one stays; of numbered blocks it is one,
    for no count or year of the rows would do that by chance."""
    others = [c for c in table.columns if c.name != column.name][:MOST_COLUMNS]
    order = np.argsort(column.values, kind="stable")
    same_group = np.diff(column.values[order]) == 0
    fixed = 0
    for other in others:
        values = np.nan_to_num(other.values[order], nan=np.inf)
        fixed += bool(np.all(values[1:][same_group] == values[:-1][same_group]))
    most = fixed >= 3 and 2 * fixed >= len(others)
    return (most or (fixed >= 1 and _numbers_blocks(column))) and fixed < len(others)


def _numbers_blocks(column: Column) -> bool:
    """Blocks of as many rows each, one below the other, that are numbered from 0 or 1 and not called like times."""
    values, counts = np.unique(column.values, return_counts=True)
    return (
        column.kind == "number"
        and not CLOCK.search(column.name)
        and values[0] in (0, 1)
        and np.array_equal(column.values, np.repeat(values[0] + np.arange(len(values)), counts[0]))
    )


def group_codes(column: Column) -> Rows:
    codes = np.unique(column.values, return_inverse=True)[1].astype(np.intp)  # all gaps are one group
    if codes.max() + 1 < SPLITS:
        raise ChoiceError(
            f"{quoted(column.name)} names {codes.max() + 1} groups; at least {SPLITS} are needed, one for each fold"
        )
    return codes


def find_time(table: Table) -> str | None:
    """A date, or a number that is called like one, in whose order the table is kept."""
    if table.rows < FEWEST_TIMES:
        return None
    for column in table.columns:
        if column.kind == "date" or (column.kind == "number" and CLOCK.search(column.name)):
            steps = np.diff(column.values)
            distinct = len(np.unique(column.values))
            if np.isnan(steps).any() or distinct < max(FEWEST_TIMES, 0.2 * table.rows):
                continue
            if max(np.mean(steps >= 0), np.mean(steps <= 0)) >= SORTED:
                return column.name
    return None


def roles(table: Table, target: Target, weighted: bool) -> list[str]:
    """What some columns seem to be besides explanations, as warnings."""
    found = []
    for column in table.columns:
        values = column.values[~np.isnan(column.values)]
        positive = column.kind == "number" and values.size == table.rows and bool((values > 0).all())
        if not weighted and positive and SURVEY.search(column.name) and np.ptp(values) > 0:
            found.append(
                f"column {quoted(column.name)} is called like a weight of the rows: if it says how many cases a row "
                "stands for, name it as the weight"
            )
        if QUERY.search(column.name) and GRADE.search(target.name):
            found.append(_ranking(column, target))
        if target.classes:
            continue
        if FLAG.search(column.name) and DURATION.search(target.name) and len(np.unique(values)) == 2:
            found.append(_censoring(column, target))
        counts = target.whole and target.y.min() >= 0
        if counts and positive and AT_RISK.search(column.name) and column.name.lower() != "exposure":
            found.append(
                f"column {quoted(column.name)} may be the exposure of {quoted(target.name)} (how long or how many were "
                "at risk): if so, name it as the exposure"
            )
    return found


def _censoring(column: Column, target: Target) -> str:
    return (
        f"{quoted(target.name)} with the flag {quoted(column.name)} looks like a duration that was not always seen to "
        "its end: no loss here knows of censoring, so every answer comes out too short; use a survival model (Cox), "
        f"and check which value of {quoted(column.name)} means that the end was seen"
    )


def _ranking(column: Column, target: Target) -> str:
    return (
        f"{quoted(target.name)} inside groups of {quoted(column.name)} looks like a ranking: losses that judge the "
        "order inside a group are not raced here; these losses judge every row alone"
    )
