"""How often a loss is used that is no better, and how often the right one is found, where the truth is known.

    python benchmarks/choices_null.py null                  false USE over 400 tables of exchangeable learners
    python benchmarks/choices_null.py plasmodes             real columns, simulated targets of known law
    python benchmarks/choices_null.py plasmodes --pieces 10 ten more, then stop
    python benchmarks/choices_null.py summary

Every trial is a line of build/choosing/*.jsonl: what is there is not done again.
"""

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lossmith.choosing import choose
from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.folds import SPLITS, Fold, folds, repeats_for, shuffled
from lossmith.choosing.learners import Rowset
from lossmith.choosing.models import KINDS
from lossmith.choosing.race import Problem, Race, fit_final, race
from lossmith.choosing.run import judge, pose
from lossmith.choosing.scores import score_for
from lossmith.choosing.tables import from_any

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "build" / "choosing"
TRIALS = 400
LEARNERS = 5
EQUAL = 0.01  # scores this near are equal

# null ------------------------------------------------------------------------------------------------


def null(trial: int) -> dict[str, Any]:
    """Learners that differ by chance alone: least squares, each on its own sample of the training rows."""
    rng = np.random.default_rng(trial)
    n, p = int(rng.choice([60, 200, 500, 1000, 3000])), int(rng.choice([2, 8]))
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.standard_t(rng.choice([3.0, 30.0]), n)
    aim = parse_aim("mean")
    problem = Problem(from_any(X), y, aim, score_for(aim), seed=trial)
    runners = [Candidate(f"learner_{i}", "default" if i == 0 else "challenger", "", "") for i in range(LEARNERS)]
    found = Race(folds(n, trial))
    shape = (found.folds[-1].repeat + 1, n)
    constant = np.full(shape, np.nan)
    predictions = {(c.label, "linear"): np.full(shape, np.nan) for c in runners}
    for fold in found.folds:
        constant[fold.repeat, fold.test] = y[fold.train].mean()
        for held in predictions.values():
            rows = rng.choice(fold.train, len(fold.train))
            design = np.column_stack([np.ones(n), X])
            slope = np.linalg.lstsq(design[rows], y[rows], rcond=None)[0]
            held[fold.repeat, fold.test] = design[fold.test] @ slope
    found.predictions = predictions
    found.scores = {key: _marks(problem, found, held) for key, held in predictions.items()}
    found.constant = _marks(problem, found, constant)
    verdict = judge(problem, runners, found, None)
    return {"word": verdict.word, "excluded": LEARNERS - len(verdict.confidence_set), "rows": n}


def _marks(problem: Problem, found: Race, held: np.ndarray) -> np.ndarray:
    return np.array([problem.score.mean(problem.y[f.test], held[f.repeat, f.test]) for f in found.folds])


# plasmodes -------------------------------------------------------------------------------------------

Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]  # y from a mean, which for counts and amounts is > 0


def _contaminated(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    return mean + rng.normal(size=len(mean)) * np.where(rng.random(len(mean)) < 0.1, 10.0, 1.0)


def _tweedie(rng: np.random.Generator, mean: np.ndarray) -> np.ndarray:
    """Compound Poisson of gamma amounts: exact zeros and a long tail."""
    count = rng.poisson(mean)
    return np.where(count > 0, rng.gamma(np.maximum(2.0 * count, 1e-9), 0.5), 0.0)


# law: how y is drawn, whether its mean is positive, and by aim the losses that are right
LAWS: dict[str, tuple[Draw, bool, dict[str, set[str]]]] = {
    "normal": (lambda rng, m: m + rng.normal(size=len(m)), False, {"mean": {"squared_error"}}),
    "t2.5": (lambda rng, m: m + rng.standard_t(2.5, len(m)), False, {"median": {"absolute_error", "huber"}}),
    "contaminated": (_contaminated, False, {"median": {"absolute_error", "huber"}}),
    "poisson": (lambda rng, m: rng.poisson(m).astype(float), True, {"mean": {"poisson"}}),
    "negative binomial": (
        lambda rng, m: rng.poisson(m * rng.gamma(2.0, 0.5, len(m))).astype(float), True,
        {"mean": {"poisson", "tweedie"}},
    ),
    "gamma": (lambda rng, m: m * rng.gamma(2.0, 0.5, len(m)), True, {"mean": {"gamma"}}),
    "tweedie": (_tweedie, True, {"mean": {"tweedie", "poisson"}}),
    "log-normal": (
        lambda rng, m: m * np.exp(0.8 * rng.normal(size=len(m))), True,
        {"median": {"absolute_error"}, "quantile:0.9": {"quantile"}},
    ),
}  # fmt: skip
SOURCES = ("concrete", "CPS1985", "diabetes", "penguins", "Sacramento", "NMES1988", "azpro", "k401k")
SIZES = (300, 1000, 3000, 10_000, 30_000)
FRESH = 20_000  # rows that judge what was trained


def plasmode(source: str, law: str, aim: str, n: int) -> dict[str, Any]:
    """The choice, what the chosen, the right and the default loss truly score (on fresh rows of the same law), and
    whether the rows at hand can tell: a reference with four times as many folds, of these losses alone, says so."""
    rng = np.random.default_rng([len(source), len(law), n])
    X, mean = _columns_and_mean(source, LAWS[law][1], n + FRESH, rng)
    y = LAWS[law][0](rng, mean)
    train, test = X.iloc[:n].reset_index(drop=True), X.iloc[n:].reset_index(drop=True)
    result = choose(train, y[:n], aim=aim, groups="none", time="none")
    _, _, runners, problem = pose(train, y[:n], aim, "none", "none", None, None, 0)

    def true_score(candidate: Candidate, kind: str) -> float:
        fitted, encoder = fit_final(problem, candidate, kind)
        return problem.score.mean(y[n:], fitted.predict(Rowset(encoder.transform(from_any(test)))))

    by_role = {c.role: c for c in runners}
    right = [c for c in runners if c.name in LAWS[law][2][aim] and c.role in ("default", "challenger")]
    usual = by_role.get("library", by_role["default"])
    return {
        "sentence": result.sentence,
        "chosen": result.chosen.label,
        "score": true_score(result.chosen, result.final_kind),
        "right": min(true_score(c, kind) for c in right for kind in ("linear", "lightgbm")),
        "usual": min(true_score(usual, kind) for kind in ("linear", "lightgbm")),
        "named": result.chosen.name in LAWS[law][2][aim],
        "telling": _can_tell(problem, [c for c in runners if c in right or c.role in ("default", "library")], right),
    }


def _can_tell(problem: Problem, runners: list[Candidate], right: list[Candidate]) -> bool:
    n = len(problem.y)
    pairs = [(r, pair) for r in range(4 * repeats_for(n)) for pair in shuffled(n, SPLITS, problem.order, 10_000 + r)]
    found = race(problem, runners, tuple(KINDS), [Fold(r, *pair) for r, pair in pairs], 1)
    verdict = judge(problem, runners, found, None, problem)
    return verdict.word == "USE" and any(c.label == verdict.loss for c in right)


def _columns_and_mean(
    source: str, positive: bool, rows: int, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a real table drawn again, and a mean that the columns set: linear, or its exponential."""
    sys.path.insert(0, str(ROOT / "tests"))
    from tables.loaders import load

    X, y = load(source, max_rows=5000)
    X = X.loc[:, X.nunique() > 1].astype(float)
    Z = ((X - X.mean()) / X.std()).clip(-3, 3).to_numpy()
    slope = np.linalg.lstsq(Z.T @ Z + len(Z) * 0.1 * np.eye(Z.shape[1]), Z.T @ (y - y.mean()), rcond=None)[0]
    signal = Z @ slope
    signal = signal / signal.std()
    picked = rng.integers(len(X), size=rows)
    found = X.iloc[picked].reset_index(drop=True)
    mean = np.exp(0.7 * signal[picked] + 0.5) if positive else 1.5 * signal[picked]
    return found, mean


# all -------------------------------------------------------------------------------------------------


def trials(what: str) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    if what == "null":
        for trial in range(TRIALS):
            yield str(trial), lambda trial=trial: null(trial)
    else:
        for n, law, source in product(SIZES, LAWS, SOURCES):
            for aim in LAWS[law][2]:
                yield f"{source} {law} {aim} {n}", lambda a=(source, law, aim, n): plasmode(*a)


def kept(what: str) -> dict[str, dict[str, Any]]:
    path = KEPT / f"{what}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {found["trial"]: found for found in map(json.loads, lines)}


def run(what: str, pieces: int | None) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    done, fresh = kept(what), 0
    every = list(trials(what))
    for name, trial in random.Random(0).sample(every, len(every)):  # so that the first ones speak for all
        if name in done or fresh == pieces:
            continue
        found = {"trial": name, **trial()}
        with (KEPT / f"{what}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
        fresh += 1
        print(found, flush=True)


def summary() -> str:
    lines = []
    if found := list(kept("null").values()):
        used = sum(f["word"] == "USE" for f in found)
        tied = sum(f["excluded"] == 0 for f in found)
        lines.append(
            f"exchangeable learners, {len(found)} tables: false USE {used / len(found):.1%} (wanted below 5%), "
            f"nothing excluded {tied / len(found):.1%}"
        )
    if found := list(kept("plasmodes").values()):
        telling = [f for f in found if f["telling"] and f["right"] < (1 - EQUAL) * f["usual"]]
        good = [f["named"] or f["score"] <= (1 + EQUAL) * f["right"] for f in telling]
        ties = [f for f in found if abs(f["right"] - f["usual"]) <= EQUAL * f["usual"]]
        called = sum(not f["sentence"].startswith("USE") for f in ties)
        worse = sum(f["score"] > (1 + EQUAL) * f["usual"] for f in found)
        lines.append(
            f"plasmodes, {len(found)}: where the reference can tell ({len(telling)}), the right loss or an equal one "
            f"{np.mean(good) if good else float('nan'):.1%} (90% wanted); of {len(ties)} true ties {called} called so; "
            f"truly worse than what libraries train {worse}"
        )
    return "\n".join(lines or ["nothing measured yet"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["null", "plasmodes", "summary"])
    parser.add_argument("--pieces", type=int, help="how many trials to add, at most")
    given = parser.parse_args()
    if given.what != "summary":
        run(given.what, given.pieces)
    print(summary())


if __name__ == "__main__":
    main()
