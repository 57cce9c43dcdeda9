"""The package as a whole: cheap to import, free of frameworks, and with no name in the way of another."""

import importlib
import json
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import lossmith

IMPORT_BUDGET_S = 0.040
HEAVY = {
    "torch",
    "jax",
    "keras",
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "pandas",
    "matplotlib",
    "scipy",
    "llvmlite",
}


def fresh(code: str) -> str:
    """What the code prints in a new interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_cheap():
    # The least of several runs is the cost; the rest is the machine's noise. NumPy is paid for before the clock starts.
    code = "import numpy, time; t = time.perf_counter(); import lossmith; print(time.perf_counter() - t)"
    fresh(code)  # writes the byte code
    best = float("inf")
    for _ in range(21):
        best = min(best, float(fresh(code)))
        if best <= IMPORT_BUDGET_S:
            return
    pytest.fail(f"import lossmith costs {best * 1e3:.0f} ms beyond NumPy")


def test_import_loads_no_framework():
    loaded = json.loads(fresh("import sys, json, lossmith; print(json.dumps(sorted(sys.modules)))"))
    assert not HEAVY & set(loaded)


def test_a_first_call_loads_only_what_it_runs():
    # Each module is a tenth of a millisecond and more of the first call; these serve other calls, or later ones.
    pytest.importorskip("llvmlite")
    call = "lm.cross_entropy().value_and_gradient(np.array([0, 1]), np.zeros((2, 3)))"
    loaded = json.loads(
        fresh(f"import sys, json, numpy as np, lossmith as lm; {call}; print(json.dumps(sorted(sys.modules)))")
    )
    assert "lossmith.engine.llvm.run" in loaded
    idle = ("engine.arrays", "engine.llvm.fast", "engine.llvm.special", "formula.curvature", "formula.text")
    assert not {f"lossmith.{name}" for name in idle} & set(loaded)


def test_no_submodule_hides_a_public_name():
    before = {name: getattr(lossmith, name) for name in lossmith.__all__}
    missing = []
    for module in pkgutil.walk_packages(lossmith.__path__, "lossmith."):
        if module.name.endswith(".__main__"):
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:  # an extra that is not installed
            if (error.name or "").partition(".")[0] == "lossmith":
                raise
            missing.append(module.name)
    assert not [name for name in missing if not name.startswith("lossmith.adapters.")]
    changed = [name for name, value in before.items() if getattr(lossmith, name) is not value]
    assert not changed


def test_every_file_has_a_name_that_was_meant():
    # A redirection gone wrong once left dozens of files named after what a test had printed.
    root = pathlib.Path(__file__).parents[1]
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False)
    if listed.returncode:  # no checkout: what was unpacked is what was meant
        pytest.skip("not a checkout of git")
    names = listed.stdout.rstrip("\0").split("\0")
    assert "pyproject.toml" in names
    assert [name for name in names if not re.fullmatch(r"[\w./-]+", name)] == []
