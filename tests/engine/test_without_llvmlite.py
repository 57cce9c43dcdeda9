"""Without llvmlite everything works, by the array engine; asked for by name, its absence is an error."""

import os
import subprocess
import sys

import pytest

BLOCKED = """
import importlib.abc, importlib.util, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "llvmlite":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
true = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name.startswith("llvmlite") else true(name, *rest)
"""
COUNTED = """
import lossmith.engine.arrays as engine
calls, true = [], engine.evaluate
engine.evaluate = lambda *a, **k: calls.append(1) or true(*a, **k)
"""
SMOKE = """
import pickle
import numpy as np
import lossmith as lm
from contract import samples

everything = samples.everything() if sys.argv[1:] else samples.plain()
for sample in everything:
    loss, y, f, w = sample.loss, sample.y, sample.f, sample.weight
    each = loss(y, f, reduction="none")
    assert np.isfinite(each).all() and each.shape == sample.shape
    mean = np.average(each, weights=w)
    value, gradient = loss.value_and_gradient(y, f, weight=w)
    assert abs(value - mean) <= 1e-12 * (1 + abs(mean))
    assert abs(loss(y.tolist(), f.tolist(), weight=w) - mean) <= 1e-12 * (1 + abs(mean))
    out = np.empty_like(f)
    assert loss.gradient(y, f, weight=w, out=out) is out and (out == gradient).all()
    step = 1e-6 * (f + 0.5)
    if not loss.kinked:
        slope = (loss(y, f + step, reduction="sum") - loss(y, f - step, reduction="sum")) / 2
        expected = (loss.gradient(y, f, reduction="sum") * step).sum()
        assert abs(slope - expected) <= 1e-4 * abs(expected) + 1e-9, sample.id
    first, second = loss.gradient_and_curvature(y, f)
    assert (second > 0).all() and loss.hessian(y, f).shape == f.shape
    assert loss.total(y, f, weight=w).weight == w.sum()
    best = np.asarray(loss.best_constant(y))
    assert not np.isnan(best).any()
    assert pickle.loads(pickle.dumps(loss)) == loss
    wrong = f.copy()
    wrong.flat[0] = np.nan
    try:
        loss(y, wrong)
    except ValueError as error:
        assert "y_pred[0" in str(error)
    else:
        raise AssertionError(sample.id)
lm.set_threads(2)

from lossmith.formula import Real

@lm.pointwise
def cubic(y: Real, f: Real):
    return abs(f - y) ** 3

assert abs(cubic()(np.zeros(3), np.full(3, 2.0)) - 8.0) < 1e-12
print(len(everything), "llvmlite" in sys.modules, len(calls) > 10 * len(everything))
"""


def python(code, *arguments, **environment):
    """(exit code, what was printed, the last line of the error)."""
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = os.pathsep.join([tests, *filter(None, sys.path)])
    kept = {k: v for k, v in os.environ.items() if k != "LOSSMITH_ENGINE"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import sys\n" + code, *arguments], capture_output=True, text=True,
        check=False, timeout=300, env={**kept, "PYTHONPATH": path, **environment},
    )  # fmt: skip
    return done.returncode, done.stdout.strip(), done.stderr.strip().rpartition("\n")[2] or done.stderr


ENGINES = {  # what is done first, LOSSMITH_ENGINE, whether the array engine computes
    "no llvmlite": (BLOCKED, "", True),
    "no llvmlite, and none wanted": (BLOCKED, "arrays", True),
    "llvmlite, but not wanted": ("", "arrays", True),
    "llvmlite": ("", "", False),  # the tests above can fail
    "llvmlite, by name": ("", "llvm", False),
}


@pytest.mark.slow
@pytest.mark.parametrize("samples", ["plain", pytest.param("everything", marks=pytest.mark.full)])
@pytest.mark.parametrize("kind", ENGINES)
def test_everything_works_with_every_engine(kind, samples):
    before, engine, arrays = ENGINES[kind]
    if samples == "plain" and kind not in ("no llvmlite", "llvmlite"):
        pytest.skip("in the full sweep")
    more = ["everything"] if samples == "everything" else []
    code, printed, error = python(before + COUNTED + SMOKE, *more, LOSSMITH_ENGINE=engine)
    assert code == 0, error
    count, loaded, computed = printed.split()
    assert int(count) > 25
    assert (loaded, computed) == (str(not arrays), str(arrays))


CALLS = {
    "value": "lm.huber()(np.zeros(3), np.ones(3))",
    "lists": "lm.huber()([0.0], [1.0])",
    "gradient": "lm.cross_entropy().gradient(np.zeros(3, int), np.ones((3, 4)))",
    "curvature": "lm.huber().gradient_and_curvature(np.zeros(3), np.ones(3), weight=np.ones(3))",
    "total": "lm.huber().total(np.zeros(3), np.ones(3))",
}


@pytest.mark.parametrize("call", CALLS)
def test_asked_for_by_name_its_absence_is_an_error_that_says_what_to_install(call):
    head = BLOCKED + "import numpy as np\nimport lossmith as lm\nprint('imported')\n"
    code, printed, error = python(head + CALLS[call], LOSSMITH_ENGINE="llvm")
    assert code != 0 and printed == "imported"
    assert error.startswith("ImportError") and "pip install llvmlite" in error


def test_a_broken_llvmlite_is_not_mistaken_for_none():
    """It is there but cannot be loaded: nobody may be left to wonder why everything is slow."""
    broken = """
import importlib.abc, sys

class Broken(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "llvmlite.binding":
            raise OSError("libllvmlite.so: cannot open shared object file")

sys.meta_path.insert(0, Broken())
import numpy as np
import lossmith as lm
try:
    print(lm.huber()(np.zeros(3), np.ones(3)))
except Exception as error:
    print(type(error).__name__, error)
"""
    for engine in ("", "llvm"):
        code, printed, error = python(broken, LOSSMITH_ENGINE=engine)
        told = (
            "cannot open shared object file" in printed if code == 0 else "llvmlite" in error
        )  # a warning is an error here
        assert told or (printed == "0.5" and engine == "")


@pytest.mark.parametrize("engine", ["LLVM", "numpy", "llvm ", "1"])
def test_a_wrong_engine_is_a_clear_error(engine):
    tries = "".join(f"try:\n    {call}\nexcept ValueError as error:\n    print(error)\n" for call in CALLS.values())
    code, printed, error = python(f"import numpy as np\nimport lossmith as lm\n{tries}", LOSSMITH_ENGINE=engine)
    assert code == 0, error
    assert printed.splitlines() == [f"LOSSMITH_ENGINE must be llvm or arrays, not {engine!r}"] * len(CALLS)


def test_llvmlite_is_loaded_with_the_first_kernel_not_before():
    code, printed, error = python(
        "import numpy as np\nimport lossmith as lm\nloss = lm.huber()\nloss.latex, loss.spec(), repr(loss)\n"
        "print('llvmlite' in sys.modules)\nloss(np.zeros(3), np.ones(3))\nprint('llvmlite' in sys.modules)\n"
    )
    assert (code, printed) == (0, "False\nTrue"), error
