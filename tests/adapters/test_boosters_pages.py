"""The boosters' pages say what is so: their code runs, and trains."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import lossmith as lm
import pages
from adapters.boosters import BOOSTERS, table

pytestmark = pytest.mark.slow

PAGES = Path(__file__).parents[2] / "docs" / "frameworks"


@pytest.mark.parametrize("booster", BOOSTERS)
def test_the_page_runs(booster, tmp_path):
    X, signal, rng = table(900)
    y = rng.poisson(np.exp(signal / 2)).astype(float)
    label = (signal > 0.5).astype(int)
    names = {
        "X": X[:500], "y": y[:500], "X_valid": X[500:800], "y_valid": y[500:800], "X_new": X[800:],
        "weight": rng.uniform(0.5, 2, size=500), "folder": tmp_path, "label": label[:500],
        "answers": np.asarray(["stays", "leaves"])[label[:500]],
    }  # fmt: skip
    text = (PAGES / f"{booster}.md").read_text(encoding="utf-8")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")  # scikit-learn about LightGBM
        names = pages.run(PAGES / f"{booster}.md", names)
    model = names["model"]
    assert lm.absolute_error()(y[800:], model.predict(X[800:])) < lm.absolute_error()(y[800:], np.full(100, y.mean()))
    assert type(names["again"]) is type(model)
    for name in re.findall(r"`(\w+)`", text.split('`"booster"`')[1].split(";")[0]):
        lm.get(name).to(booster, hessian="booster")


def test_the_pages_point_to_what_is_there():
    for booster in BOOSTERS:
        text = (PAGES / f"{booster}.md").read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (PAGES / target).exists(), target
