"""Which loss for my problem: the chooser's rules, run on a small table of every kind and written down."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidates import Candidate, candidates
from lossmith.choosing.prepare import prepare
from lossmith.choosing.profile import profile

ROWS = 400
AIMS = {
    "mean": "totals and averages have to come out right",
    "median": "a typical case; a miss costs the same per unit in either direction",
    "quantile:0.9": "a level that 90 % stay below; too little costs nine times too much",
    "probability": "how probable each class is",
}
ROLES = {
    "default": "the place to start",
    "library": "what libraries train by default, for comparison",
    "challenger": "raced against the default",
    "reference": "trained for comparison, never recommended",
}


@dataclass(frozen=True)
class Opinion:
    """What the rules say of one loss, for an aim and some kinds of target."""

    aim: str
    kinds: str
    role: str
    reason: str
    source: str


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
        "numbers of both signs with symmetric noise": (X, x + rng.normal(size=ROWS), None),
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
def raced(aim: str, kind: str) -> tuple[Candidate, ...]:
    """The losses that the rules send into the race."""
    X, y, exposure = _tables()[kind]
    ready = prepare(X, pd.Series(y, name="y"), parse_aim(aim), None, exposure, seed=0)
    facts = profile(ready.table, ready.target, ready.exposure, seed=0)
    return tuple(candidates(ready.target.aim, facts))


def cases(aim: str) -> list[str]:
    """The kinds of target that an aim is for: probabilities of classes, everything else of numbers."""
    return [
        kind for kind in _tables()
        if (aim == "probability") == kind.endswith("classes") and (aim == "mean" or "exposure" not in kind)
    ]  # fmt: skip


def _named(kinds: list[str], aim: str) -> str:
    """Some of an aim's kinds of target, in few words."""
    missing = [kind for kind in cases(aim) if kind not in kinds]
    if missing and len(kinds) > 3 * len(missing):
        return f"anything but {' and '.join(missing)}"
    return ", ".join(kinds) if missing or len(kinds) < 3 else "any numbers"


@cache
def opinions() -> dict[str, list[Opinion]]:
    """By loss, every reason once."""
    found: dict[str, list[Opinion]] = defaultdict(list)
    for aim in AIMS:
        said: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for kind in cases(aim):
            for candidate in raced(aim, kind):
                said[candidate.name, candidate.role, candidate.reason, candidate.source].append(kind)
        for (name, role, reason, source), kinds in said.items():
            found[name].append(Opinion(aim, _named(kinds, aim), ROLES[role], reason, source))
    return found


def page() -> str:
    """The page as Markdown."""
    lines = [
        "---",
        "hide: [navigation]",
        "---",
        "",
        "# Which loss for my problem?",
        "",
        "Two questions decide: **what do you want to know of the target**, and **what values can it take**? These",
        "tables are the rules of `lossmith choose`, run on a small table of every kind when this page was built. The",
        "chooser then trains all of them on your own table and says what is proven; for a mean the usual answer is",
        "that the plain loss is as good as any.",
        "",
    ]
    for aim, meaning in AIMS.items():
        lines += [f"## Aim `{aim}`", "", f"{meaning[0].upper()}{meaning[1:]}.", ""]
        lines += ["| the target holds | start with | race it against | for comparison only |", "|---|---|---|---|"]
        rows: dict[str, list[str]] = defaultdict(list)
        reasons: dict[str, None] = {}
        for kind in cases(aim):
            found = raced(aim, kind)
            cells = [_links(found, roles) for roles in (("default",), ("challenger",), ("library", "reference"))]
            rows[" | ".join(cells)].append(kind)
            for candidate in found:
                if candidate.role in ("default", "challenger"):
                    why = f"{candidate.reason} ({candidate.source})"
                    reasons[f"* [`{candidate.name}`](gallery/{candidate.name}.md): {why}"] = None
        lines += [f"| {_named(kinds, aim)} | {cells} |" for cells, kinds in rows.items()]
        lines += ["", "Why:", "", *reasons, ""]
    return "\n".join(lines)


def _links(found: tuple[Candidate, ...], roles: tuple[str, ...]) -> str:
    shown = []
    for candidate in found:
        if candidate.role in roles:
            params = {k: v for k, v in candidate.params.items() if k not in candidate.in_units_of_y}
            text = candidate.name + (f"({', '.join(f'{k}={v:g}' for k, v in params.items())})" if params else "")
            shown.append(f"[`{text}`](gallery/{candidate.name}.md)")
    return ", ".join(shown) or "–"
