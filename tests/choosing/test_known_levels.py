"""What a column of texts is taken for changes with its rows; what its categories mean to the final model does not."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from lossmith.choosing import ChoiceError, choose, read
from lossmith.choosing.class_names import dated

pytestmark = pytest.mark.slow


def written(path, cells):
    path.write_text("c,x\n" + "".join(f"{cell},{i % 7}\n" for i, cell in enumerate(cells)), encoding="utf-8")
    return path


def trained(X, cells):
    """Steps of 3 from one category to the next."""
    places = {cell: i for i, cell in enumerate(dict.fromkeys(cells))}
    y = np.array([3.0 * places[cell] for cell in cells]) + np.random.default_rng(0).normal(size=len(cells))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
        return choose(X, y, aim="mean", models="linear", time="none", jobs=1).model


@pytest.mark.parametrize("levels", [
    ("True", "False", "unknown"), ("true", "FALSE", "unknown"), ("01", "02", "A3"), ("1.0", "2.0", "x"),
    ("1", "2", "A"), ("0x1A", "0x1B", "x"), ("2026-01-31", "2026-02-01", "unknown"),
    ("2026-01-31 10:00", "2026-02-01 00:00", "unknown"), ("2026-01-31T10:00:00.25Z", "2026-02-01T00:00:00Z", "soon"),
], ids=str)  # fmt: skip
def test_rows_without_one_category_predict_as_in_training(levels, tmp_path):
    cells = [levels[i % 3] for i in range(240)]
    X = read(written(tmp_path / "all.csv", cells))
    assert X.column("c").kind == "category"
    model = trained(X, cells)
    kept = np.flatnonzero([cell != levels[2] for cell in cells])
    some = tmp_path / "some.csv"
    lines = (tmp_path / "all.csv").read_text().splitlines()
    some.write_text("\n".join([lines[0], *(lines[i + 1] for i in kept)]) + "\n")
    assert read(some).column("c").kind != "category"
    np.testing.assert_array_equal(model.predict(read(some)), model.predict(X)[kept])
    as_came = pd.read_csv(some, dtype={"c": str})  # texts, whatever they look like
    np.testing.assert_array_equal(model.predict(as_came), model.predict(X)[kept])


def test_what_may_be_two_categories_is_refused(tmp_path):
    cells = [("1", "01", "2", "A")[i % 4] for i in range(240)]
    X = read(written(tmp_path / "t.csv", cells))
    model = trained(X, cells)
    with pytest.raises(ChoiceError, match=r"'c' held '01' and '1' in training, and 1 may be either: give .* as texts"):
        model.predict({"c": [2, 1], "x": [0, 0]})
    found = model.predict({"c": ["1", "01", "2"], "x": [3, 4, 5]})  # as texts, they tell
    np.testing.assert_array_equal(found, model.predict({"c": ["1", "01", "2", "A"], "x": [3, 4, 5, 6]})[:3])
    np.testing.assert_array_equal(model.predict({"c": [2], "x": [5]}), found[2:])  # 2 was one category only


def test_numbers_and_dates_that_training_never_saw_are_unseen(tmp_path):
    for levels, new in (("01", "02", "A3"), 7), (("2026-01-31", "2026-02-01", "unknown"), dt.date(2020, 1, 1)):
        cells = [levels[i % 3] for i in range(240)]
        model = trained(pd.DataFrame({"c": cells}), cells)
        np.testing.assert_array_equal(model.predict({"c": [new]}), model.predict({"c": ["never"]}))


def test_dates_in_a_frame_are_those_of_training():
    cells = [("2026-01-31", "2026-02-01", "unknown")[i % 3] for i in range(240)]
    X = pd.DataFrame({"c": cells})
    model = trained(X, cells)
    expected = model.predict(X)[:2]
    np.testing.assert_array_equal(model.predict(X[:2]), expected)
    np.testing.assert_array_equal(model.predict({"c": pd.to_datetime(cells[:2])}), expected)
    assert len({*np.round(expected, 6)}) == 2


def test_messages_show_a_date_and_no_count_of_days():
    cells = [("red", "blue")[i % 2] for i in range(240)]
    model = trained(pd.DataFrame({"c": cells}), cells)
    with pytest.raises(ChoiceError, match=r"held texts in training, here it holds dates .first: '2024-01-01' in data"):
        model.predict({"c": pd.to_datetime(["2024-01-01"])})
    numbers = trained(pd.DataFrame({"c": np.arange(240) % 3}), cells)
    with pytest.raises(ChoiceError, match=r"here it holds dates .first: '2024-01-01 12:30:00' in data row 1"):
        numbers.predict({"c": ["2024-01-01 12:30"]})
    assert [dated(day) for day in (0.0, -1.0, 19723.25)] == ["1970-01-01", "1969-12-31", "2024-01-01 06:00:00"]
