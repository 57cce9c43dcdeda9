"""The largest errors of both engines at the hard points of the tests, per array library: docs/accuracy.md.

The machine-code engine is asked in a process of its own, as LOSSMITH_ENGINE is for a whole process.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from judges import libraries  # noqa: E402  (the judges live with the tests)
from judges.points import Case, cases, points  # noqa: E402
from judges.sweep import OUTPUTS, measure  # noqa: E402

PACKAGES = ("numpy", "scipy", "torch", "jax", "array-api-strict", "llvmlite", "mpmath")
DTYPES = ("float64", "float32")
# per engine: the name of a row, and whose arrays it was given
ENGINES = {
    "llvm": {"machine code": libraries.BY_NAME["numpy"]},
    "arrays": libraries.BY_NAME,
}
QUICK = 20  # a case of so many


def rows(engine: str, chosen: list[Case]) -> list[list[str]]:
    """One row per library and dtype: the largest error of value, gradient and Hessian, and which loss makes it."""
    return [
        [name, dtype, *(worst(library, dtype, output, chosen) for output in OUTPUTS)]
        for name, library in ENGINES[engine].items()
        for dtype in DTYPES
    ]


def worst(library: libraries.Library, dtype: str, output: str, chosen: list[Case]) -> str:
    misses = [
        (measure(case, output, dtype, library.make, flush=library.flushes).ulps, str(case)) for case in chosen
    ]  # fmt: skip
    ulps, loss = max(misses)
    return f"{ulps:.2f} ({loss})"


def page(table: list[list[str]], chosen: list[Case]) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    count = sum(len(points(case, "float64")) for case in chosen)
    day = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    lines = [
        "# How exact the engines are",
        "",
        "The largest distance from the 50-digit truth, in units in the last place (ULP) divided by max(1, k), where k",
        "is the condition number of the formula in its inputs and parameters at that point. Measured at",
        f"{count:,} hard points of {len(chosen)} losses and options: zeros, denormals, kinks and one step to their",
        "sides, ±37.5, ±88, ±745, ±1e4, ±1e35, up to the ends of the floats, ±infinity, confident correct predictions,",
        "labels at the ends of their domains.",
        "The contract of the machine-code engine is 4; the other rows are the array engine in each library.",
        "",
        "| engine or library | dtype | value | gradient | Hessian |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(cells) + " |" for cells in table),
        "",
        "JAX on a CPU has no denormal numbers: points with denormal inputs are left out there, and an absolute error",
        "of 1000 times the smallest normal number is not counted. At a jump of a derivative, within one last place of",
        "the inputs, either side is right.",
        "",
        f"Made by `make bench` on {day}, {platform.machine()}, Python {platform.python_version()}, {versions}.",
    ]
    return "\n".join(lines) + "\n"


def in_a_process_of_its_own(engine: str, quick: bool) -> list[list[str]]:
    command = [sys.executable, __file__, "--engine", engine, *(["--quick"] if quick else [])]
    environment = os.environ | {"LOSSMITH_ENGINE": engine}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"a case of {QUICK}")
    parser.add_argument("--to", type=Path, default=ROOT / "docs", metavar="FOLDER", help="where the page goes")
    parser.add_argument("--engine", choices=ENGINES, help="print the rows of this engine as JSON, and write no page")
    given = parser.parse_args()
    chosen = cases()[:: QUICK if given.quick else 1]
    if given.engine:
        print(json.dumps(rows(given.engine, chosen)))
        return
    table = [row for engine in ENGINES for row in in_a_process_of_its_own(engine, given.quick)]
    text = page(table, chosen)
    (given.to / "accuracy.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
