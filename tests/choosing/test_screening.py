"""Tables with more columns than a race can carry."""

import numpy as np
import pytest

from lossmith.choosing import choose, folds
from lossmith.choosing.screening import MOST_COLUMNS, closest, strongest
from lossmith.choosing.tables import from_any

RNG = np.random.default_rng(0)
N = 200
WIDE = {f"v{j}": RNG.normal(size=N) for j in range(800)}
Y = RNG.normal(size=N)


@pytest.fixture(autouse=True)
def few_folds(monkeypatch):
    monkeypatch.setattr(folds, "repeats_for", lambda n: 1)


@pytest.mark.parametrize("classes", [False, True])
def test_columns_of_noise_show_no_skill(classes):
    """Chosen on all rows, the strongest of many would predict the rows that judge them."""
    result = choose(WIDE, np.where(Y > 0, "yes", "no") if classes else Y, models="linear", jobs=1)
    assert all(row.skill is None or row.skill < 0.05 for row in result.table), [row.skill for row in result.table]
    assert any("the table has 800 columns" in warning for warning in result.warnings)


def test_what_tells_is_found_among_the_noise():
    result = choose({**WIDE, "x": Y + 0.5 * RNG.normal(size=N)}, Y, aim="mean", models="linear", jobs=1)
    assert max(row.skill for row in result.table if row.skill is not None) > 0.3
    model = result.model
    assert "x" in model.kinds and len(model.kinds) == N // 2
    assert model.predict({name: WIDE.get(name, Y) for name in model.kinds}).shape == (N,)
    from lossmith.choosing.reading import reading

    assert reading(result).count("\n    'v") == N // 2 - 1


def test_a_table_that_is_not_wide_is_left_alone():
    table = from_any({f"v{j}": Y for j in range(MOST_COLUMNS)})
    assert strongest(table, Y, classes=False) is table


def test_the_exposure_always_stays():
    table = from_any({**WIDE, "size": np.ones(N)})
    assert "size" in strongest(table, Y, False, "size").names
    assert "size" not in strongest(table, Y, False).names


def test_many_levels_tell_nothing_by_chance():
    columns = {
        "codes": RNG.permutation(np.repeat([f"c{i}" for i in range(80)], 3))[:N],
        "gaps": np.where(RNG.random(N) < 0.5, np.nan, Y),
        "sign": np.where(Y > 0, "+", "-"),
        "near": 0.6 * Y + 0.8 * RNG.normal(size=N),
    }
    assert closest(from_any(columns), Y, False, 4) == ["sign", "gaps", "near", "codes"]


def test_blocks_of_columns_change_nothing(monkeypatch):
    table = from_any(WIDE)
    whole = closest(table, Y, False, 20)
    monkeypatch.setattr("lossmith.choosing.screening.CELLS", 3 * N)
    assert closest(table, Y, False, 20) == whole
