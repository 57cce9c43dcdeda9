"""Measures, and writes docs/benchmarks.md and docs/accuracy.md.

    python benchmarks/run.py                     every part
    python benchmarks/run.py calls threads       these parts; the page keeps the others as they were
    python benchmarks/run.py linear_models --only quantile   its cases with this word; the others stay as they were
    python benchmarks/run.py linear_models --missing         its cases without figures
    python benchmarks/run.py --page              measure nothing, write the page again
    python benchmarks/run.py bandwidth --on zen4             on a second machine: its targets get a table of their own
    python benchmarks/run.py --quick             tiny sizes, into build/quick-benchmarks: the figures mean nothing

Figures are kept in benchmarks/results, a file a part. A part that says what its cases are, for being long, is written
after every one of them, and can be gone on with. Parts run under LOSSMITH_ENGINE=llvm, where a fallback is an
error, unless LOSSMITH_ENGINE says otherwise.
"""

import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import lossmith as lm
from measure import FULL, ONE_THREAD, QUICK, Contest, machine, pin
from page import page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PARTS = (
    "transcendental", "bandwidth", "user_defined", "cross_entropy", "threads",
    "calls", "first_call", "memory", "growth", "torch_adapter", "jax_adapter", "boosters",
    "linear_pass", "linear_growth", "linear_models", "linear_threads", "choices",
)  # fmt: skip
ACCURACY = "accuracy"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join((*PARTS, ACCURACY)))
    parser.add_argument("--quick", action="store_true", help="tiny sizes")
    parser.add_argument("--only", metavar="WORD", help="cases with this word, of parts that can be gone on with")
    parser.add_argument("--missing", action="store_true", help="cases without figures, of such parts")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="where figures and pages go instead")
    parser.add_argument("--on", metavar="NAME", help="keep figures apart, as those of another machine")
    parser.add_argument("--here", action="store_true", help="measure one part in this process, and write no page")
    given = parser.parse_args()
    unknown = set(given.parts) - {*PARTS, ACCURACY}
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if given.quick and not given.to:
        given.to = ROOT / "build" / "quick-benchmarks"
    return given


def in_a_process_of_its_own(name: str, given: argparse.Namespace) -> bool:
    """Whether it went well."""
    print(f"{datetime.datetime.now():%H:%M:%S} {name}", flush=True)
    options = [*(["--to", str(given.to)] if given.to else []), *(["--quick"] if given.quick else [])]
    options += ["--on", given.on] if given.on else []
    options += [*(["--only", given.only] if given.only else []), *(["--missing"] if given.missing else [])]
    if name == ACCURACY:
        command = [sys.executable, str(HERE / "accuracy.py"), *options[: 2 * bool(given.to) + given.quick]]
        return subprocess.run(command, check=False).returncode == 0
    inherited = {word: value for word, value in os.environ.items() if word not in ONE_THREAD}
    environment = {"LOSSMITH_ENGINE": "llvm"} | inherited | (ONE_THREAD if one_thread(name) else {})
    environment |= getattr(importlib.import_module(name), "ENVIRONMENT", {})
    command = [sys.executable, __file__, name, "--here", *options]
    return subprocess.run(command, env=environment, check=False).returncode == 0


def one_thread(name: str) -> bool:
    """A part measures one thread on one core unless it says otherwise."""
    return getattr(importlib.import_module(name), "PINNED", True)


def measure(name: str, results: Path, given: argparse.Namespace) -> None:
    """One part, here and now."""
    part, effort, file = importlib.import_module(name), QUICK if given.quick else FULL, results / f"{name}.json"
    load = f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"
    if one_thread(name):
        pin()
        lm.set_threads(1)
    if not hasattr(part, "cases"):
        write(file, list(part.contests(effort)), load)
        return
    cases = list(part.cases(effort))
    old = json.loads(file.read_text(encoding="utf-8"))["contests"] if file.exists() else []
    known = [Contest(**contest) for contest in old if contest["case"] in cases]
    for case in cases:
        wanted = given.only is None or given.only in str(Contest(case, {})).split()
        if not wanted or (given.missing and any(contest.case == case for contest in known)):
            continue
        print(f"{datetime.datetime.now():%H:%M:%S} {name}: {Contest(case, {})}", flush=True)
        known = [*(contest for contest in known if contest.case != case), part.contest(case, effort)]
        write(file, sorted(known, key=lambda contest: cases.index(contest.case)), load)


def write(file: Path, contests: list[Contest], load: str) -> None:
    """A contest a line."""
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    head = json.dumps({"date": day, "load": load, "machine": machine()})
    lines = ",\n".join(json.dumps(vars(contest)) for contest in contests)
    file.write_text(f'{head[:-1]}, "contests": [\n{lines}\n]}}\n', encoding="utf-8")


def records(results: Path) -> list[tuple[ModuleType, dict[str, Any]]]:
    """Of the parts that have figures."""
    files = {name: results / f"{name}.json" for name in PARTS}
    return [
        (importlib.import_module(name), json.loads(file.read_text(encoding="utf-8")))
        for name, file in files.items()
        if file.exists()
    ]


def write_page(results: Path, pages: Path) -> None:
    others = {folder.name: records(folder) for folder in sorted(results.iterdir()) if folder.is_dir()}
    others = {name: found for name, found in others.items() if found}
    if found := records(results):
        (pages / "benchmarks.md").write_text(page(found, others), encoding="utf-8")


def main() -> int:
    given = arguments()
    pages = given.to or ROOT / "docs"
    results = given.to / "results" if given.to else HERE / "results"
    place = results / given.on if given.on else results
    place.mkdir(parents=True, exist_ok=True)
    if given.here:
        (name,) = given.parts
        measure(name, place, given)
        return 0
    every = PARTS if given.on else (*PARTS, ACCURACY)  # accuracy is the same on every machine
    wanted = () if given.page else given.parts or every
    failed = [name for name in wanted if not in_a_process_of_its_own(name, given)]
    write_page(results, pages)
    if failed:
        print(f"failed, with the figures before it kept: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
