"""The benchmarks run, compare like with like, and say what they found."""

import importlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lossmith as lm

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.slow


@pytest.fixture
def module(monkeypatch):
    """Imports a file of the benchmarks, which are scripts and no package."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def run(*arguments):
    return subprocess.run(
        [sys.executable, BENCHMARKS / "run.py", *arguments], capture_output=True, text=True, check=False
    )


def test_every_part(tmp_path, module):
    done = run("--quick", "--to", tmp_path)
    assert done.returncode == 0, done.stderr
    parts = {name: module(name) for name in module("run").PARTS}
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    for name, part in parts.items():
        record = json.loads((tmp_path / "results" / f"{name}.json").read_text(encoding="utf-8"))
        contests = [module("measure").Contest(**contest) for contest in record["contests"]]
        assert contests and f"\n## {part.TITLE}\n" in page
        assert part.tables(contests) in page
        assert all(f"| {target.claim} |" in page for target in part.targets(contests))
    assert not re.search(r"\bnan\b", page)
    assert "| machine code | float32 |" in (tmp_path / "accuracy.md").read_text(encoding="utf-8")

    (tmp_path / "results" / "calls.json").unlink()  # a part alone leaves the others on the page
    assert run("--quick", "--page", "--to", tmp_path).returncode == 0
    assert parts["calls"].TITLE not in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert run("--quick", "--to", tmp_path, "calls").returncode == 0
    again = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert all(part.TITLE in again for part in parts.values())
    assert run("--quick", "--to", tmp_path, "calls", "--on", "elsewhere").returncode == 0
    assert (tmp_path / "results" / "elsewhere" / "calls.json").exists()
    found = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "\n## The same targets on elsewhere\n" in found and all(part.TITLE in found for part in parts.values())
    (tmp_path / "results" / "nowhere").mkdir()
    assert run("--quick", "--page", "--to", tmp_path).returncode == 0
    assert "nowhere" not in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")


def test_a_part_that_is_not_there(tmp_path):
    done = run("--quick", "--to", tmp_path, "calls", "colour")
    assert done.returncode == 2 and "no such part: colour" in done.stderr


def test_who_was_measured_once_is_compared_with_every_round(module):
    contest = module("measure").Contest({}, {"slow": [6.0], "ours": [1.0, 2.0, 3.0]})
    assert contest.ratio("slow", "ours").middle == 3.0
    with pytest.raises(ValueError, match="zip"):
        module("measure").Contest({}, {"slow": [6.0, 6.0], "ours": [1.0, 2.0, 3.0]}).ratio("slow", "ours")


def test_a_verdict_is_computed(module):
    spread = module("measure").Spread.of([2.0, 3.0, 4.0])
    assert str(spread) == "3.00 (2.50–3.50)"
    target = module("page").Target
    for bound, at_least, verdict in ((3.0, True, "met"), (3.1, True, "**not met**"), (2.9, False, "**not met**")):
        assert target("claim", bound, {"here": spread}, at_least=at_least).cells()[-1] == verdict
    assert target("claim", 1.0, {}).cells()[-1] == "not measured"


POINTWISE = (
    "squared_error", "absolute_error", "huber", "quantile", "hinge",
    "binary_cross_entropy", "poisson", "log_cosh", "focal", "gaussian_nll",
)  # fmt: skip


@pytest.mark.parametrize("name", POINTWISE)
def test_the_peers_compute_the_same(name, module):
    pointwise, n = module("pointwise"), 1000
    y, f = pointwise.problem(name, "float64", n)
    value, gradient = lm.get(name, **pointwise.PARAMETERS.get(name, {})).value_and_gradient(y, f)
    runs = module("peers").contestants(name, y, f)
    assert len(runs) >= 3
    for library, call in runs.items():
        found, slope = call()
        half = 0.5 if (library, name) == ("scikit-learn", "squared_error") else 1.0
        share = n if library == "scikit-learn" else 1  # each sample's own gradient
        np.testing.assert_allclose(float(found), half * value, rtol=1e-9, err_msg=library)
        np.testing.assert_allclose(
            np.asarray(slope) / share, half * gradient, rtol=1e-9, atol=1e-12 / n, err_msg=library
        )


def test_the_peers_compute_the_same_cross_entropy(module):
    rng = np.random.default_rng(0)
    y, f = rng.integers(0, 7, 50), rng.normal(size=(50, 7))
    value, gradient = lm.get("cross_entropy").value_and_gradient(y, f)
    for maker in (module("peers").with_torch, module("peers").with_jax):
        found, slope = maker("cross_entropy", y, f)()
        np.testing.assert_allclose(float(found), value, rtol=1e-12)
        np.testing.assert_allclose(np.asarray(slope), gradient, rtol=1e-9, atol=1e-15)


def test_what_a_user_writes_is_the_same_loss(module):
    user_defined = module("user_defined")
    for name, write in user_defined.PAIRS.items():
        y, f = module("pointwise").problem(name, "float64", 100)
        mine, theirs = write().value_and_gradient(y, f), lm.get(name).value_and_gradient(y, f)
        assert mine[0] == theirs[0] and (mine[1] == theirs[1]).all(), name


X = pd.DataFrame({"x": np.random.default_rng(0).normal(size=150)})
NOISE = np.random.default_rng(1).normal(size=150)
EVEN = np.random.default_rng(0).uniform(-2.0, 2.0, 400)  # no few counts decide what mean is better
SIZE = np.random.default_rng(2).uniform(0.2, 5.0, 400)
EXPOSED = pd.DataFrame({"x": EVEN, "exposure": SIZE})
COUNTS = np.random.default_rng(3).poisson(SIZE * np.exp(EVEN))
SIGN = np.where(X["x"] + NOISE > 0, "yes", "no")
FAR = {"name": "quantile", "role": "challenger", "reason": "", "source": "", "params": {"q": 0.02}}


@pytest.mark.parametrize(
    ("X", "y", "aim", "advice", "low", "high"),
    [
        pytest.param(X, X["x"] + NOISE, "median", "absolute_error", 0.0, 0.0, marks=pytest.mark.full),  # the default
        (X, X["x"] + NOISE, "median", FAR, 0.99, 1.0),
        (EXPOSED, COUNTS, "mean", "poisson", 0.0, 0.1),  # right, if it is told the exposure
        pytest.param(X, SIGN, "balanced-label", "binary_cross_entropy", 0.0, 0.0, marks=pytest.mark.full),
    ],
)
def test_the_chance_of_harm_on_outer_folds(module, monkeypatch, X, y, aim, advice, low, high):
    from lossmith.choosing import choose, folds
    from lossmith.choosing.candidate import Candidate

    def advised(*given, **more):
        found = choose(*given, **more)
        chosen = Candidate(**advice) if advice is FAR else next(c for c in found.candidates if c.label == advice)
        return replace(found, chosen=chosen)

    choices = module("choices")
    monkeypatch.setattr(folds, "repeats_for", lambda n: 1)
    monkeypatch.setattr(choices, "choose", advised)
    assert low <= choices.harm(X, pd.Series(y, name="y"), aim, "linear") <= high


def test_no_outer_fold_holds_a_rare_class(module):
    rare = pd.Series(np.where(np.arange(60) < 5, "rare", "usual"), name="y")
    assert module("choices").harm(X.iloc[:60], rare, "probability", "linear") is None
