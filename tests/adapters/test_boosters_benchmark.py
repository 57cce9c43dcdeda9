"""The NumPy objectives that the benchmarks compare with compute the same."""

import importlib
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_the_peers_compute_the_same(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("boosters")
    rng = np.random.default_rng(0)
    for name, peer in module.NUMPY.items():
        loss, f = lm.get(name), 2 * rng.standard_normal(200)
        if name == "cross_entropy":
            f, y = 2 * rng.standard_normal((200, module.CLASSES)), rng.integers(0, module.CLASSES, 200)
            gradient, curvature = peer(f, y)  # the booster's multiple of the second derivative
            np.testing.assert_allclose(gradient, loss.gradient(y, f, reduction="none"), rtol=1e-9, atol=1e-14)
            np.testing.assert_allclose(curvature, loss.curvature(y, f), rtol=1e-9)
            continue
        y = (rng.random(200) < 0.4).astype(float) if loss.formula.target.domain.high == 1 else rng.gamma(2.0, size=200)
        gradient, hessian = peer(f, y)
        np.testing.assert_allclose(gradient, loss.gradient(y, f, reduction="none"), rtol=1e-9, err_msg=name)
        # 1 - tanh^2 loses digits far out, as written by hand
        np.testing.assert_allclose(hessian, loss.hessian(y, f), rtol=1e-9, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("booster", ["lightgbm", "xgboost", "catboost"])
@pytest.mark.parametrize("name", ["squared_error", "binary_cross_entropy"])
def test_both_sides_of_a_contest_learn_the_same(booster, name, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("boosters")
    X, y = module.problem(name, 500)
    ours, theirs = (run() for run in module.trainings(booster, name, X, y, 3).values())
    raw = {"lightgbm": {"raw_score": True}, "catboost": {"prediction_type": "RawFormulaVal"}}.get(booster, {})
    if booster == "xgboost":
        library = importlib.import_module("xgboost")
        zero, start = np.zeros(500), np.full(500, lm.get(name).to("xgboost").start(y)[0])
        a = ours.predict(library.DMatrix(X, base_margin=zero), output_margin=True)
        b = theirs.predict(library.DMatrix(X, base_margin=start), output_margin=True) - start
    else:
        a, b = ours.predict(X, **raw), theirs.predict(X, **raw)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
