"""Which loss for my problem: the chooser's rules, run on a small table of every kind and written down."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidates import Candidate, Candidates, candidates
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.metrics import METRICS
from lossmith.choosing.prepare import prepare
from lossmith.choosing.profile import profile
from lossmith.registry import names

ROWS = 300
AIMS = (
    *("mean", "median", "quantile:0.9", "interval:0.8", "expectile:0.9"),
    *("probability", "label", "balanced-label", "metric:rmsle", "metric:mape"),
)
ROLES = {
    "default": "the place to start",
    "library": "trained for comparison",
    "challenger": "raced against the default",
    "reference": "trained for comparison, never recommended",
    "left out": "does not race",
}


@dataclass(frozen=True)
class Opinion:
    """What the rules say of one loss, for some aims and kinds of target."""

    role: str
    reason: str
    where: str


@cache
def _tables() -> dict[str, tuple[Any, Any, str | None]]:
    """(columns, target, exposure) for every kind of target that the rules tell apart."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=ROWS)
    mean = np.exp(0.5 + 0.6 * x)
    amounts = rng.gamma(2.0, mean / 2.0)
    exposure = rng.uniform(0.5, 4.0, ROWS)
    X = pd.DataFrame({"x": x})
    words = np.array(["a", "b", "c"])
    return {
        "numbers of both signs with symmetric noise": (X, x + rng.standard_t(3, ROWS), None),
        "numbers of both signs with skewed noise": (X, x + rng.exponential(size=ROWS) - 1.0, None),
        "positive amounts": (X, amounts, None),
        "amounts with exact zeros": (X, amounts * (rng.random(ROWS) > 0.3), None),
        "counts": (X, rng.poisson(mean), None),
        "counts with an exposure": (X.assign(exposure=exposure), rng.poisson(mean * exposure), "exposure"),
        "shares between 0 and 1": (X, rng.beta(2.0, 3.0, ROWS), None),
        "two classes": (X, words[(x + rng.normal(size=ROWS) > 0).astype(int)], None),
        "several classes": (X, words[np.digitize(x + rng.normal(size=ROWS), [-0.5, 0.5])], None),
    }


@cache
def raced(aim: str, kind: str) -> Candidates | None:
    """The losses that the rules send into the race, and those left out; None where the target rules out the aim."""
    X, y, exposure = _tables()[kind]
    asked = parse_aim(aim)
    if asked.wants_classes != kind.endswith("classes"):
        return None
    try:
        ready = prepare(X, pd.Series(y, name="y"), asked, None, exposure, groups="none", time="none")
    except ChoiceError:
        return None
    return candidates(ready.target.aim, profile(ready.table, ready.target, ready.exposure, seed=0))


def cases(aim: str) -> dict[str, Candidates]:
    """By kind of target, for those that can have the aim."""
    return {kind: found for kind in _tables() if (found := raced(aim, kind)) is not None}


def _named(kinds: Iterable[str], aim: str) -> str:
    """Some of an aim's kinds of target, in few words."""
    kinds = list(kinds)
    missing = [kind for kind in cases(aim) if kind not in kinds]
    if missing and len(kinds) > 3 * len(missing):
        return f"anything but {' and '.join(missing)}"
    return "any numbers" if not missing and any("both signs" in kind for kind in kinds) else ", ".join(kinds)


def _why(candidate: Candidate) -> str:
    """Its reason, without what was measured on the small table."""
    return re.sub(r" \(here [^)]*\)", "", f"{candidate.reason} ({candidate.source})")


@cache
def opinions() -> dict[str, list[Opinion]]:
    """By loss, every reason once."""
    said: dict[tuple[str, str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for aim in AIMS:
        for kind, runners in cases(aim).items():
            for candidate in runners.racing:
                said[candidate.name, candidate.role, _why(candidate)][aim].append(kind)
            for left in runners.left_out:
                said[left.label, "left out", left.why][aim].append(kind)
    found: dict[str, list[Opinion]] = defaultdict(list)
    for (name, role, reason), places in said.items():
        aims: dict[str, list[str]] = defaultdict(list)
        for aim, kinds in places.items():
            aims[_named(kinds, aim)].append(f"`{aim}`")
        where = "; ".join(f"{', '.join(named)}: {kinds}" for kinds, named in aims.items())
        found[name].append(Opinion(role, reason, where))
    return found


def page() -> str:
    """The page as Markdown."""
    lines = ["---", "hide: [navigation]", "---", "", "# Which loss for my problem?", ""]
    lines += [
        "Two questions decide: **what do you want to know of the target**, and **what values can it take**? These",
        "tables are the rules of `lossmith choose`, run on a small table of every kind when this page was built. The",
        "chooser then trains these losses on your own table and says what is proven; for a mean the usual answer is",
        "that the plain loss is as good as any.",
        "",
    ]
    for aim in AIMS:
        lines += _section(aim)
    lines += ["## The measure is given", "", "A measure asks for something, whether or not it says so.", ""]
    lines += ["| measure | what it asks for |", "|---|---|"]
    lines += [
        f"| {', '.join(f'`{name}`' for name in metric.names.split())} | {metric.asks_for} |" for metric in METRICS
    ]
    return "\n".join([*lines, ""])


def _section(aim: str) -> list[str]:
    title = parse_aim(aim).title
    lines = [f"## Aim `{aim}`", "", f"{title[0].upper()}{title[1:]}.", ""]
    lines += ["| the target holds | start with | race it against | for comparison only |", "|---|---|---|---|"]
    rows: dict[str, list[str]] = defaultdict(list)
    reasons: dict[str, None] = {}
    left: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kind, found in cases(aim).items():
        cells = [_links(found.racing, roles) for roles in (("default",), ("challenger",), ("library", "reference"))]
        rows[" | ".join(cells)].append(kind)
        for candidate in found.racing:
            if candidate.role in ("default", "challenger"):
                reasons[f"* {_link(candidate.name, candidate.name)}: {_why(candidate)}"] = None
        for one in found.left_out:
            left[one.label, one.why].append(kind)
    lines += [f"| {_named(kinds, aim)} | {cells} |" for cells, kinds in rows.items()]
    lines += ["", *reasons, "", '??? note "What does not race, and why"', ""]
    alike: dict[str, list[str]] = defaultdict(list)
    for (label, why), kinds in left.items():
        where = "" if len(kinds) == len(cases(aim)) else f" ({_named(kinds, aim)})"
        alike[why + where].append(_link(label, label))
    return [*lines, *(f"    * {', '.join(labels)}: {text}" for text, labels in alike.items()), ""]


def _links(found: Iterable[Candidate], roles: tuple[str, ...]) -> str:
    shown = []
    for candidate in found:
        if candidate.role in roles:
            general = {k: v for k, v in candidate.params.items() if k not in candidate.in_units_of_y}
            shown.append(_link(replace(candidate, params=general).label, candidate.name))
    return ", ".join(shown) or "–"


def _link(text: str, name: str) -> str:
    return f"[`{text}`](gallery/{name}.md)" if name in names() else text
