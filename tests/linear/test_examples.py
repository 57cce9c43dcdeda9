"""The examples run, draw, and find what is known of their tables."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC

EXAMPLES = Path(__file__).parents[2] / "examples" / "linear"

pytestmark = pytest.mark.slow


@pytest.fixture
def found(tmp_path, request, capsys):
    """What the example says, once it has run and drawn."""
    name = request.param
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.main(tmp_path)
    assert len(capsys.readouterr().out.splitlines()) >= 3
    (picture,) = tmp_path.iterdir()
    pixels = np.asarray(Image.open(picture).convert("L"))
    assert picture.name == f"{name}.png" and (pixels < 128).mean() > 0.002
    return result


def example(name):
    return pytest.mark.parametrize("found", [name], indirect=True, ids=[name])


def test_every_example_is_tested():
    source = Path(__file__).read_text(encoding="utf-8")
    assert all(f'@example("{file.stem}")' in source for file in EXAMPLES.glob("*.py"))


def test_on_the_command_line(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "engel_quantiles.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "50% of households spend at most   81.5 + 0.5602 income" in done.stdout


@example("svm_digits")
def test_digits(found):
    """The boundary is that of libsvm, which solves the same problem by its dual."""
    X, digit = load_digits(return_X_y=True)
    X, y = X[np.isin(digit, (3, 8))] / 16, digit[np.isin(digit, (3, 8))]
    train = np.arange(len(y)) % 3 > 0
    theirs = SVC(kernel="linear", C=1 / (0.1 * train.sum()), tol=1e-8).fit(X[train], y[train])
    np.testing.assert_allclose(found["coef"], theirs.coef_[0], atol=1e-6)
    assert found["supports"] == theirs.n_support_.sum()
    assert found["gap"] <= 1e-8 * found["objective"] and found["accuracy"] > 0.95


@example("engel_quantiles")
def test_food(found):
    """The lines of Koenker and Hallock 2001, as R's quantreg prints them."""
    published = {0.1: (110.1416, 0.4018), 0.25: (95.4835, 0.4741), 0.5: (81.4822, 0.5602), 0.75: (62.3966, 0.6440),
                 0.9: (67.3509, 0.6863)}  # fmt: skip
    for q, (intercept, slope) in published.items():
        assert found["intercepts"][q] == pytest.approx(intercept, abs=2e-4)
        assert found["slopes"][q] == pytest.approx(slope, abs=6e-5)
        assert found["below"][q] == pytest.approx(q, abs=0.01)
    assert found["mean slope"] == pytest.approx(0.4852, abs=5e-5)


@example("insurance_claims")
def test_claims(found):
    """The residual deviance of Venables and Ripley's analysis, 51.42; the total is kept."""
    assert found["deviance"] == pytest.approx(51.42, abs=5e-3)
    assert found["total"] == pytest.approx(3151, rel=1e-7)
    assert found["coefficients"]["District_4"] == pytest.approx(0.2342, abs=5e-5)
    ages = [found["coefficients"][f"Age_{age}"] for age in ("25-29", "30-35", ">35")]
    assert 0 > ages[0] > ages[1] > ages[2]


@example("robust_rows")
def test_rows_that_do_not_belong(found):
    """Rousseeuw and Leroy 1987: rows 1, 3, 4 and 21; the years from 1964 to 1969, and in part those beside them."""
    assert found["stackloss"] == [1, 3, 4, 21]
    np.testing.assert_allclose(found["coef"], [0.8319, 0.5739, -0.0609], atol=5e-5)  # least absolute deviations
    assert {64, 65, 66, 67, 68, 69} <= set(found["phones"]) <= set(range(63, 71))
    assert found["slope"] == pytest.approx(1.10, abs=0.01) and found["least squares"] == pytest.approx(5.04, abs=0.005)


@example("rare_buyers")
def test_weights_undone(found):
    assert found["mean"]["weighted"] > 5 * found["rate"]
    assert found["mean"]["undone"] == pytest.approx(found["rate"], abs=0.01)
    assert found["log loss"]["weighted"] > found["constant"] > found["log loss"]["undone"]
    assert found["caught"]["weighted"] > 0.5 > found["caught"]["undone"]
