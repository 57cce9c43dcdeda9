"""The largest errors of the array engine at the hard points of the tests, per array library: docs/accuracy.md."""

import importlib.metadata
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from judges import libraries  # noqa: E402  (the judges live with the tests)
from judges.points import cases, points  # noqa: E402
from judges.sweep import OUTPUTS, measure  # noqa: E402

PACKAGES = ("numpy", "scipy", "torch", "jax", "array-api-strict", "mpmath")


def rows() -> list[list[str]]:
    """One row per library and dtype: the largest error of value, gradient and Hessian, and which loss makes it."""
    table = []
    for library in libraries.LIBRARIES:
        for dtype in ("float64", "float32"):
            cells = [library.name, dtype]
            for output in OUTPUTS:
                misses = [
                    (measure(case, output, dtype, library.make, flush=library.flushes).ulps, str(case))
                    for case in cases()
                ]
                worst, loss = max(misses)
                cells.append(f"{worst:.2f} ({loss})")
            table.append(cells)
    return table


def page(table: list[list[str]]) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    count = sum(len(points(case, "float64")) for case in cases())
    lines = [
        "# How exact the array engine is",
        "",
        "The largest distance from the 50-digit truth, in units in the last place (ULP) divided by max(1, k), where k",
        "is the condition number of the formula in its inputs and parameters at that point. Measured at",
        f"{count:,} hard points of {len(cases())} losses and options: zeros, denormals, kinks and one step to their",
        "sides, ±37.5, ±88, ±745, ±1e4, ±1e35, ±infinity, confident correct predictions, labels at the ends of their",
        "domains.",
        "The contract of the machine-code engine is 4.",
        "",
        "| library | dtype | value | gradient | Hessian |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(cells) + " |" for cells in table),
        "",
        "JAX on a CPU has no denormal numbers: points with denormal inputs are left out there, and an absolute error",
        "of 1000 times the smallest normal number is not counted. At a jump of a derivative, within one last place of",
        "the inputs, either side is right.",
        "",
        f"Made by `make bench` on {platform.machine()}, Python {platform.python_version()}, {versions}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    text = page(rows())
    (ROOT / "docs" / "accuracy.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
