"""Columns -> numbers: learned on the training rows, kept as JSON."""

import json

import numpy as np
import pytest

from lossmith.choosing.encoding import LEVELS, Encoder
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.tables import from_any

TABLE = from_any({
    "n": [1.0, None, 3.0, 8.0],
    "c": ["red", "blue", "red", None],
    "b": [True, False, True, True],
    "same": [5, 5, 5, 5],
    "gone": [None, None, None, None],
})  # fmt: skip


def test_what_is_encoded():
    encoder = Encoder.fit(TABLE)
    assert encoder.names == ["n", "n is missing", "c = blue", "c = (missing)", "b"]
    X = encoder.transform(TABLE)
    filled = np.array([1.0, 3.0, 3.0, 8.0])
    np.testing.assert_allclose(X[:, 0], (filled - filled.mean()) / filled.std())
    np.testing.assert_array_equal(X[:, 1:4], [[0, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]])
    assert X[:, 4].mean() == pytest.approx(0.0)


def test_round_trip_through_json():
    encoder = Encoder.fit(TABLE)
    again = Encoder.from_state(json.loads(json.dumps(encoder.state())))
    assert again == encoder
    np.testing.assert_array_equal(again.transform(TABLE), encoder.transform(TABLE))
    with pytest.raises(ChoiceError, match="version"):
        Encoder.from_state({"version": 99, "plans": []})


def test_only_training_rows_are_learned_from():
    table = from_any({"n": [0.0, 2.0, 1000.0], "c": ["a", "b", "c"]})
    encoder = Encoder.fit(table.take(np.array([0, 1])))
    X = encoder.transform(table)
    np.testing.assert_array_equal(X[:2, 0], [-1, 1])
    assert encoder.names == ["n", "c = b"]
    assert X[2, 1] == 0  # a level never seen stands with the base line


def test_many_levels_share_other():
    values = [f"level {i:02d}" for i in range(30) for _ in range(30 - i)]
    encoder = Encoder.fit(from_any({"c": values}))
    assert len(encoder.names) == LEVELS
    assert encoder.names[-1] == "c = (other)"
    X = encoder.transform(from_any({"c": ["level 00", "level 01", "level 29", "never seen", None]}))
    assert X.sum(axis=1).tolist() == [0, 1, 1, 1, 1]
    assert X[2:, -1].tolist() == [1, 1, 1]


def test_matrix_has_full_rank():
    rng = np.random.default_rng(0)
    table = from_any({"c": rng.choice(list("abcd"), 200), "d": rng.choice(list("xyz"), 200), "n": rng.normal(size=200)})
    X = Encoder.fit(table).transform(table)
    assert np.linalg.matrix_rank(np.column_stack([X, np.ones(200)])) == X.shape[1] + 1


def test_nothing_to_learn_from():
    table = from_any({"same": [1, 1], "gone": [None, None]})
    assert Encoder.fit(table).transform(table).shape == (2, 0)


def test_huge_and_tiny_numbers():
    table = from_any({"big": [1e300, 2e300, 3e300], "near": [1e9, 1e9 + 1, 1e9 + 2]})
    assert np.isfinite(Encoder.fit(table).transform(table)).all()


@pytest.mark.parametrize("change", [lambda x: x * 1e-200, lambda x: x * 1e70, lambda x: x + 1e12])
def test_a_column_in_any_units_is_a_column(change):
    """Of small numbers, or far from zero, it varies all the same; what rounding leaves of a constant does not."""
    x = change(np.random.default_rng(0).normal(size=200))
    table = from_any({"x": x, "noise": np.where(np.arange(200) % 2, 0.1 + 0.2, 0.3)})
    encoder = Encoder.fit(table)
    assert encoder.names == ["x"]
    np.testing.assert_allclose(encoder.transform(table)[:, 0].std(), 1.0, rtol=1e-4)  # 1e12 + x keeps four digits of x
