"""A race that is stopped goes on where it was, and ends as if it had not been."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from lossmith.choosing import ChoiceError, choose, folds, read
from lossmith.choosing.store import Finished, Store
from lossmith.cli import app

from .simulated import normal_noise


@pytest.fixture(scope="module", autouse=True)
def fewer_folds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folds, "repeats_for", lambda n: 2)
        yield


TABLE = normal_noise(4, n=60, p=2)


class StoppedError(Exception):
    pass


def stop_at(count):
    def progress(done, total):
        if done == count:
            raise StoppedError

    return progress


def run(**more):
    return choose(*TABLE, aim="mean", models="linear", **{"jobs": 1, **more})


@pytest.fixture(scope="module")
def straight():
    return run()


def test_a_stopped_race_ends_equal(straight, tmp_path):
    folder = tmp_path / "race"
    with pytest.raises(StoppedError):
        run(resume=folder, progress=stop_at(7))
    kept = sorted(path.name for path in folder.glob("*.parquet"))
    assert len(kept) == 7
    (folder / kept[0]).write_bytes(b"PAR1 half a file")  # what a full disk leaves is trained again
    (folder / ".fold-020.parquet.77").write_bytes(b"what a killed process leaves")
    seen = []
    again = run(resume=folder, progress=lambda done, total: seen.append(done), jobs=2)
    assert seen[0] == 6
    assert again.to_dict() == straight.to_dict()
    for key, predictions in straight.predictions.items():
        np.testing.assert_array_equal(predictions, again.predictions[key])
    untouched = run(resume=folder)  # nothing left to train
    assert untouched.to_dict() == straight.to_dict()


def test_what_was_found_is_told(tmp_path):
    folder, path = tmp_path / "race", tmp_path / "t.csv"
    X, y = TABLE
    X.assign(y=y).to_csv(path, index=False)
    arguments = ["choose", str(path), "--target", "y", "--models", "linear", "--jobs", "1", "--resume", str(folder)]
    with pytest.raises(StoppedError):
        choose(read(path), "y", models="linear", jobs=1, resume=folder, progress=stop_at(8))
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0 and done.stderr == f"race     8 of 10 folds found in {folder}, 2 to train\n"
    again = CliRunner().invoke(app, arguments)
    assert again.stderr == f"race     10 of 10 folds found in {folder}, 0 to train\n"
    assert again.stdout == done.stdout


def test_a_folder_of_another_race_is_refused(tmp_path):
    folder = tmp_path / "race"
    with pytest.raises(StoppedError):
        run(resume=folder, progress=stop_at(1))
    with pytest.raises(ChoiceError, match=r"another race \(different: .*folds\)"):
        run(resume=folder, seed=1)
    with pytest.raises(ChoiceError, match="aim, candidates"):
        choose(*TABLE, aim="median", models="linear", resume=folder)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ChoiceError, match="other files"):
        run(resume=tmp_path)
    with pytest.raises(ChoiceError, match="is a file"):
        run(resume=tmp_path / "notes.txt")


def test_who_was_stopped_before_the_first_fold_goes_on(tmp_path):
    folder, marks = tmp_path / "race", {"table": "x"}
    folder.mkdir()
    (folder / ".race.json.4711").write_text('{"tab')  # half of the head
    Store(folder, marks)
    assert json.loads((folder / "race.json").read_text()) == marks
    (folder / "race.json").write_text("{")
    with pytest.raises(ChoiceError, match=r"race.json in the folder .* is damaged .*; delete it to start anew"):
        Store(folder, marks)


def test_a_fold_is_kept_to_the_last_digit(tmp_path):
    rng = np.random.default_rng(0)
    key, rows = ("quantile(q=0.1 and 0.9)", "linear"), np.array([3, 1, 4])
    done = Finished(
        2, {key: rng.normal(size=(3, 2)), ("a", "b"): rng.normal(size=3)}, {("a", "b"): np.array([0.0, 1.0, 1.0])},
        {("c", "d"): "it failed"}, {key: 1e-300}, {key: [1, 100]}, ["a warning"],
    )  # fmt: skip
    store = Store(tmp_path / "new", {"table": "x"})
    store.save(done, rows)
    again = store.load(2, rows)
    assert json.dumps([again.failures[("c", "d")], again.gaps[key], again.settings[key], again.remarks]) == json.dumps(
        ["it failed", 1e-300, [1, 100], ["a warning"]]
    )
    for what in ("predictions", "labels"):
        for name, values in getattr(done, what).items():
            np.testing.assert_array_equal(getattr(again, what)[name], values)
    assert store.load(3, rows) is None
    assert store.load(2, rows + 1) is None


@pytest.mark.parametrize("metadata", [None, {"other": "{}"}, {"lossmith": "[]"}, {"lossmith": "{}"}])
@pytest.mark.parametrize("column", ["row", "line"])
def test_a_parquet_of_someone_else_is_not_a_fold(metadata, column, tmp_path):
    store = Store(tmp_path / "new", {"table": "x"})
    table = pa.table({column: [1, 2]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "new" / "fold-000.parquet")
    assert store.load(0, np.array([1, 2])) is None
