"""Real tables through `choose`, two aims each: verdict, choice, scores, time; and how long 10,000 rows take.

    python benchmarks/run.py choices            goes on where it was stopped: build/choosing/tables.jsonl
    python benchmarks/choices.py --pieces 10    ten more tables, then a summary
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.choosing import ChoiceError, Result, choose
from lossmith.choosing.consistency import consistent
from lossmith.choosing.differences import difference
from lossmith.choosing.folds import SPLITS, shuffled
from lossmith.choosing.learners import Rowset
from lossmith.choosing.race import final_decision, fit_final
from lossmith.choosing.run import pose
from lossmith.choosing.tables import from_any
from measure import Contest, Effort, Spread, count, number
from page import Target, table

TITLE = "Choosing a loss"
ABOUT = """Every open table of the tests under two aims, with the default protocol: folds, both kinds of model, every
candidate tuned. Skill is 1 - score / score of the best constant. Gain is over what libraries train by default, on the
same kind of model. Where a challenger is used, the whole advice is repeated inside five outer folds, and compared with
the default there.
"""
PINNED = False  # folds run side by side
ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "choosing" / "tables.jsonl"
AIMS = {"regression": ("mean", "median"), "ordinal": ("probability", "label"),
        "classification": ("probability", "balanced-label")}  # fmt: skip
QUICK_TABLES = ("stackloss",)
OUTER_ROWS = 3000
LEVEL = 0.05
SIZES = {10_000: 60.0, 1_000_000: 300.0}  # rows of 20 columns, and the seconds wanted on two cores
MEMORY = 4.0  # GB, of the larger


def loaded(key: str, rows: int | None = None) -> tuple[Any, Any]:
    sys.path.insert(0, str(ROOT / "tests"))
    from tables.loaders import load

    return load(key, max_rows=rows)


def tasks(quick: bool) -> list[tuple[str, str]]:
    sys.path.insert(0, str(ROOT / "tests"))
    from tables.loaders import TABLES

    keys = QUICK_TABLES if quick else [key for key, found in TABLES.items() if found["task"] in AIMS]
    return [(key, aim) for key in keys for aim in AIMS[TABLES[key]["task"]]]


def one_table(key: str, aim: str, quick: bool) -> dict[str, Any]:
    X, y = loaded(key)
    models = "linear" if quick else "linear,lightgbm"
    start = time.perf_counter()
    try:
        result = choose(X, y, aim=aim, models=models)
    except ChoiceError as refusal:
        return {"table": key, "aim": aim, "rows": len(y), "verdict": "refused", "choice": str(refusal)}
    seconds = time.perf_counter() - start
    deciding = next(row for row in result.table if row.label == result.chosen.label and row.model in _kinds(result))
    library = [-d.gain / s for d, s in _over_library(result)]
    return {
        "table": key,
        "aim": aim,
        "rows": result.profile.rows,
        "verdict": result.verdict,
        "choice": result.chosen.label,
        "model": deciding.model,
        "consistent": result.chosen.condition is not None or consistent(result.chosen, result.aim),
        "score": deciding.score,
        "skill": deciding.skill,
        "gain": max(library, default=None),
        "warnings": len(result.warnings),
        "outer": harm(X, y, aim, models) if result.chosen.role == "challenger" and not quick else None,
        "seconds": seconds,
    }


def _kinds(result: Result) -> tuple[str, ...]:
    return result.evidence.proven_on or (result.evidence.model,)


def _over_library(result: Result) -> list[tuple[Any, float]]:
    """Differences of the library's default from the aim's, and the library's score on that model."""
    roles = {c.label: c.role for c in result.candidates}
    return [(d, d.rope / 0.01 - d.gain) for (label, _), d in result.evidence.differences.items()
            if roles[label] == "library"]  # fmt: skip


def harm(X: Any, y: Any, aim: str, models: str) -> float | None:
    """The chance that following the advice is worse than the plain default, on outer folds that it has not seen; None
    where their training rows are refused, because a class is rare."""
    X, y = X.iloc[:OUTER_ROWS].reset_index(drop=True), y.iloc[:OUTER_ROWS].reset_index(drop=True)
    advised, plain = [], []
    ready, _, _, whole = pose(X, y, aim, "none", "none", None, None, 0)
    rows = ready.target.rows
    for train, test in shuffled(len(rows), SPLITS, whole.order, 0):
        Xi, yi = (each.iloc[rows[train]].reset_index(drop=True) for each in (X, y))
        try:
            result = choose(Xi, yi, aim=aim, groups="none", time="none", models=models)
        except ChoiceError:
            return None
        default = next(c for c in result.candidates if c.label == result.default)
        asked = from_any(X.iloc[rows[test]].reset_index(drop=True))
        exposure = result.problem.exposure and asked.column(result.problem.exposure).values
        for marks, candidate, kind in (
            (advised, result.chosen, _kinds(result)[0]), (plain, default, result.evidence.model),
        ):  # fmt: skip
            fitted, encoder = fit_final(result.problem, candidate, kind)
            found = fitted.predict(Rowset(encoder.transform(asked), exposure))
            decision = final_decision(result.problem, result, (candidate.label, kind))
            marks.append(whole.score.mean(whole.y[test], found if decision is None else decision.labels(found)))
    d = difference(np.array(plain), np.array(advised), test_share=1 / (SPLITS - 1), rope=0.0)
    return float(d.p_worse)


def kept() -> dict[tuple[str, str], dict[str, Any]]:
    lines = KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else []
    return {(found["table"], found["aim"]): found for found in map(json.loads, lines)}


def of_tables(quick: bool = False, pieces: int | None = None) -> Iterator[dict[str, Any]]:
    done, fresh = ({} if quick else kept()), 0
    for key, aim in tasks(quick):
        if (key, aim) in done:
            yield done[key, aim]
        elif pieces is None or fresh < pieces:
            found = one_table(key, aim, quick)
            fresh += 1
            if not quick:
                KEPT.parent.mkdir(parents=True, exist_ok=True)
                with KEPT.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(found) + "\n")
            yield found


def large(n: int) -> tuple[float, float]:
    """Seconds, and the most memory that the process held, in GB: counts with zeros."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 20)).astype(np.float32)
    mean = np.exp(0.25 * X[:, :5].sum(axis=1) + 0.3 * np.sin(2 * X[:, 5]))
    y = rng.poisson(mean).astype(np.float64)
    start = time.perf_counter()
    _ = choose(X, y, aim="mean", groups="none", time="none").model  # trained when asked for
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def contests(effort: Effort) -> Iterator[Contest]:
    quick = effort.largest < max(SIZES)
    for found in of_tables(quick):
        seconds = found.pop("seconds", 0.0)
        yield Contest(found, {"seconds": [seconds, seconds]})
    for n in [60] if quick else SIZES:
        seconds, memory = large(n)
        yield Contest({"n": n}, {"seconds": [seconds, seconds], "memory": [memory, memory]})


def _of_tables(found: list[Contest]) -> list[Contest]:
    return [contest for contest in found if "table" in contest.case]


def tables(found: list[Contest]) -> str:
    head = ("table", "aim", "rows", "verdict", "choice", "model", "skill", "gain", "chance of harm", "seconds")
    rows = [
        [c.case["table"], c.case["aim"], c.case["rows"], c.case["verdict"], c.case["choice"], c.case.get("model", ""),
         _percent(c.case.get("skill")), _percent(c.case.get("gain")),
         "" if c.case.get("outer") is None else f"{c.case['outer']:.3f}", number(c.median("seconds"))]
        for c in _of_tables(found)
    ]  # fmt: skip
    sizes = [
        [count(c.case["n"]), number(c.median("seconds")), f"{c.median('memory'):.1f}"]
        for c in found if "n" in c.case
    ]  # fmt: skip
    return table(head, rows) + "\n" + table(("rows x 20", "seconds", "GB"), sizes)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def targets(found: list[Contest]) -> list[Target]:
    judged = [c for c in _of_tables(found) if c.case["verdict"] != "refused"]
    aims = {f"{c.case['table']}, {c.case['aim']}": Spread.of([float(c.case["consistent"])] * 2) for c in judged}
    outer = {
        f"{c.case['table']}, {c.case['aim']}": Spread.of([c.case["outer"]] * 2)
        for c in judged if c.case.get("outer") is not None
    }  # fmt: skip
    made = [
        Target("the choice is consistent with aim and support", 1.0, aims, at_least=True),
        Target("chance that following the advice is worse, on outer folds", 1 - LEVEL, outer),
    ]
    for c in found:
        if c.case.get("n") in SIZES:
            n = c.case["n"]
            made.append(Target(f"seconds, {count(n)} x 20", SIZES[n], {"mean": c.spread("seconds", 1.0)}, unit=" s"))
            if n == max(SIZES):
                made.append(Target("memory", MEMORY, {count(n): c.spread("memory", 1.0)}, unit=" GB"))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pieces", type=int, help="how many tables to add, at most")
    parser.add_argument("--large", type=int, metavar="ROWS", help="time one made-up table of so many rows instead")
    given = parser.parse_args()
    if given.large:
        seconds, memory = large(given.large)
        print(f"{seconds:.1f} s, {memory:.2f} GB")
        return
    found = []
    for line in of_tables(pieces=given.pieces):
        print(line, flush=True)
        found.append(line)
    words = [line["verdict"] for line in found]
    print({word: words.count(word) for word in sorted(set(words))}, f"{sum(x.get('seconds', 0) for x in found):.0f} s")


if __name__ == "__main__":
    main()
