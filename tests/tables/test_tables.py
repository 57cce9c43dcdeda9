"""Every open real table through the whole job: no error, no loss against the aim, no proof from too little data."""

import math

import pytest

import lossmith as lm

from .loaders import TABLES, load

RUNS = [(key, aim) for key, table in TABLES.items() if table["task"] == "regression" for aim in ("mean", "median")] + [
    (key, "probability") for key, table in TABLES.items() if table["task"] == "classification"
]
# what the best prediction of an aim's losses must be; Huber stands for both only where residuals are symmetric
ELICITS = {"mean": {"mean"}, "median": {"median", "quantile"}, "probability": {"mean"}}
TOO_SMALL = 50
DEFAULTS = {"squared_error", "absolute_error", "binary_cross_entropy", "cross_entropy"}


@pytest.mark.full
@pytest.mark.parametrize(("key", "aim"), RUNS)
def test_open_table(key, aim):
    X, y = load(key, max_rows=1500)
    result = lm.choose(X, y, aim=aim)
    assert result.verdict in ("USE", "SAME", "NOT SHOWN")
    assert result.loss.elicits in ELICITS[aim] or (result.loss.name == "huber" and result.verdict == "USE")
    if len(y) <= TOO_SMALL and result.loss.name not in DEFAULTS:
        pytest.fail(f"{result.sentence} from {len(y)} rows")
    scores = [row.score for row in result.table if row.score is not None]
    assert len(scores) >= 4
    assert all(math.isfinite(score) for score in scores)
    assert str(result)
    assert result.to_dict()["verdict"] == result.verdict
