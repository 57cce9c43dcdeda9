"""Results of small tables, raced once over five folds: enough for what is made of a result."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from lossmith.choosing import choose

HOSTILE = {
    "x": "<script>alert(1)</script>",
    "colour": "\"quoted\" 'twice' {{ 7 * 7 }}",
    "size": "\u05d0\u05d1\u05d2 \u202e" + "long " * 60,
    "target": '<b>spend</b> & "more" $x^2$ \u05e9\u05dc\u05d5\u05dd',
}  # markup, quotes, a template, right-to-left letters, 300 characters


def table(rows=240, seed=0):
    """Amounts of 0 and more, whose mean and median differ, and what explains them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {"x": rng.normal(size=rows), "colour": rng.choice(["red", "blue"], rows), "size": rng.normal(size=rows)}
    )
    mean = np.exp(0.5 * X["x"] + 0.6 * (X["colour"] == "red"))
    return X, pd.Series(mean * rng.gamma(1.0, size=rows), name="spend")


@cache
def result(aim, models="linear", hostile=False, classes=0):
    X, y = table()
    if classes:
        cuts = [1.0] if classes == 2 else [0.5, 1.5]
        names = ["<i>no</i>", 'yes "&" more', "high"] if hostile else ["no", "yes", "more"]
        y = pd.Series(np.array(names)[np.digitize(y, cuts)], name=y.name)
    if hostile:
        X, y = X.rename(columns=HOSTILE), y.rename(HOSTILE["target"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        return choose(X, y, aim=aim, models=models, jobs=1)
