"""Tables as they come, through the command line: a clear message or a documented treatment, never a traceback."""

import datetime as dt
import gzip
import os

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from lossmith.choosing.aims import parse_aim
from lossmith.choosing.files import read
from lossmith.choosing.prepare import prepare
from lossmith.choosing.profile import profile
from lossmith.choosing.screening import MOST_COLUMNS, strongest
from lossmith.cli import app

N = 5001  # more rows than 5,000 are split least often
RNG = np.random.default_rng(0)
X = RNG.normal(size=N).round(3)
Y = (2 * X + RNG.normal(size=N)).round(3)
DAYS = [(dt.date(2015, 1, 1) + dt.timedelta(int(i))).isoformat() for i in RNG.integers(0, 3000, N)]
MANY = [f"c{i}" for i in RNG.integers(0, 2000, N)]


def some(values, every, instead):
    return [instead if i % every == 3 else value for i, value in enumerate(values)]


def csv(path, *columns, encoding="utf-8"):
    """Columns as (name, values): names may repeat."""
    lines = [",".join(name for name, _ in columns)]
    lines += [",".join(map(str, row)) for row in zip(*(values for _, values in columns), strict=True)]
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def nested(path):
    columns = {
        "x": X,
        "y": Y,
        "lists": [[1, 2]] * N,
        "records": [{"a": 1}] * N,
        "long": pa.array([2**63] * N, pa.uint64()),
    }
    parquet.write_table(pa.table(columns), path)
    return path


TREATED = {
    "missing values": (lambda p: csv(p, ("x", some(X, 7, "")), ("y", some(Y, 9, "NA"))),
                       ("gaps in 1 column ('x')", "rows without a target were left out")),
    "mixed types": (lambda p: csv(p, ("x", some(X, N, "oops")), ("z", X[::-1]), ("y", Y)),
                    ("1 cell does not (first: 'oops' in data row 4)",)),
    "repeated names": (lambda p: csv(p, ("x", X), ("x", X[::-1]), ("y", Y)), ("the later one is called 'x.2'",)),
    "copies": (lambda p: csv(p, ("x", X), ("x2", X), ("y", Y)), ("'x2' is a copy of 'x'",)),
    "dates": (lambda p: csv(p, ("day", DAYS), ("x", X), ("y", Y)), ("column 'day' holds dates",)),
    "many categories": (lambda p: csv(p, ("c", MANY), ("x", X), ("y", Y)), ("of more than 50 categories",)),
    "not UTF-8": (lambda p: csv(p, ("größe", X), ("y", Y), encoding="latin-1"), ("read as Windows-1252",)),
    "of Windows": (lambda p: csv(p, ("preis €", X), ("y", Y), encoding="cp1252"), ("read as Windows-1252",)),
    "of no known code": (lambda p: csv(p, ("x\x81", X), ("y", Y), encoding="latin-1"), ("read as Latin-1",)),
    "nested Parquet": (nested, ("'lists' holds neither numbers", "'records' holds neither numbers",
                                "'long' is constant")),
    "names that differ by case": (lambda p: csv(p, ("Y", X), ("y", Y), ("y ", X[::-1])), ()),
    "a rare class": (lambda p: csv(p, ("x", X), ("y", ["rare" if i < 8 else "usual" for i in range(N)])),
                     ("'rare' has 8 rows, fewer than 10: too few to show which loss is better",)),
    "decimal commas": (lambda p: csv(p, ("x", [f'"{v}"'.replace(".", ",") for v in X]), ("z", X[::-1]), ("y", Y)),
                       ("column 'x' look like numbers with decimal commas, such as '0,126' in data row 1",)),
    "percent": (lambda p: csv(p, ("x", [f"{v}%" for v in X]), ("z", X[::-1]), ("y", Y)),
                ("column 'x' look like numbers with a percent sign", "write 0.126 for 0.126%")),
    "dates of another kind": (lambda p: csv(p, ("x", X), ("d", [f"{d[8:]}.{d[5:7]}.{d[:4]}" for d in DAYS]), ("y", Y)),
                              ("column 'd' look like dates, such as", "write 2026-01-31")),
    "a column of nothing": (lambda p: csv(p, ("x", X), ("e", [""] * N), ("k", [1] * N), ("y", Y)),
                            ("'e' is empty", "'k' is constant")),
}  # fmt: skip


@pytest.mark.parametrize("case", TREATED)
def test_what_is_treated_is_told(tmp_path, case):
    write, words = TREATED[case]
    ready = prepare(read(write(tmp_path / "t.csv")), "y", None, None, None)
    facts = profile(ready.table, ready.target, ready.exposure, 0, ready.weight, ready.grouped_by, ready.timed_by)
    said = "\n".join((*ready.notes, *ready.warnings, *facts.warnings))
    for word in words:
        assert word in said, said


def call(path, *arguments):
    return CliRunner().invoke(app, ["choose", str(path), "--target", "y", "--models", "linear", *arguments])


@pytest.mark.full
@pytest.mark.parametrize("case", TREATED)
def test_each_treatment_goes_through_the_command_line(tmp_path, case):
    write, words = TREATED[case]
    done = call(write(tmp_path / "t.csv"))
    assert done.exit_code == 0, done.output
    assert "Traceback" not in done.output
    shown = " ".join(done.stdout.split())  # where its lines end is no matter
    for word in words:
        assert word in shown


@pytest.mark.slow
def test_a_table_with_everything_wrong_is_raced_all_the_same(tmp_path):
    path = csv(
        tmp_path / "t.csv",
        *(("größe", some(X, 7, "")), ("m", some(X[::-1], N, "oops")), ("m", some(Y, 2, "")), ("day", DAYS)),
        *(("c", MANY), ("c2", MANY), ("e", [""] * N), ("y", some(Y, 9, "NA"))),
        encoding="latin-1",
    )
    done = call(path)
    assert done.exit_code == 0, done.output
    for word in (
        "Windows-1252",
        "gaps in",
        "'oops'",
        "'m.2'",
        "holds dates",
        "'c2' is a copy",
        "more than 50",
        "'e' is empty",
    ):
        assert word in done.stdout


def rare(count):
    return ("y", ["rare" if i < count else "usual" for i in range(N)])


REFUSED = {
    "an infinite value": (lambda p: csv(p, ("x", some(X, N, "inf")), ("y", Y)), "'x' has 1 infinite value (data row "),
    "an infinite target": (lambda p: csv(p, ("x", X), ("y", some(Y, N, "-inf"))), "target 'y' has 1 infinite"),
    "texts in the target": (lambda p: csv(p, ("x", X), ("y", some(Y, N, "oops"))), "first: 'oops' in data row 4"),
    "two targets": (lambda p: csv(p, ("y", X), ("y", Y)), "two columns are named 'y'"),
    "a constant target": (lambda p: csv(p, ("x", X), ("y", [7] * N)), "is constant ('7')"),
    "a class of two rows": (lambda p: csv(p, ("x", X), rare(2)), "class 'rare' of the target 'y' has 2 rows"),
    "dates as a target": (lambda p: csv(p, ("x", X), ("y", DAYS)), "holds dates; turn them into a number"),
    "too many classes": (lambda p: csv(p, ("x", X), ("y", MANY)), "classes; at most 50 can be raced"),
    "two rows": (lambda p: csv(p, ("x", X[:2]), ("y", Y[:2])), "2 rows with a target are too few"),
    "no column": (lambda p: csv(p, ("y", Y)), "no column is left to predict from"),
    "a constant column": (lambda p: csv(p, ("x", [1] * N), ("y", Y)), "predict from: column 'x' is constant"),
    "a huge value": (lambda p: csv(p, ("x", some(X, N, "1e300")), ("y", Y)), "column 'x' goes up to 1e+300 in size"),
    "huge numbers": (lambda p: csv(p, ("x", X), ("y", Y * 1e200)), "measure it in other units"),
    "tiny numbers": (lambda p: csv(p, ("x", X), ("y", [f"{v * 1e-200:.5e}" for v in Y])), "measure it in other units"),
    "UTF-16": (lambda p: csv(p, ("x", X), ("y", Y), encoding="utf-16"), "save it as UTF-8 CSV or Parquet"),
}


def lines(path, *changed, zipped=False, encoding="utf-8"):
    """The table with some lines put in the place of others, counted from 1."""
    text = ["x,y", *(f"{a},{b}" for a, b in zip(X, Y, strict=True))]
    for number, line in changed:
        text[number - 1] = line
    with (gzip.open if zipped else open)(path, "wt", encoding=encoding) as file:
        file.write("\n".join(text) + "\n")
    return path


REFUSED |= {
    "a line too long": (lambda p: lines(p, (50, "1,2,3")), "line 50 of 't.csv' has 3 cells, its first line 2: 1,2,3"),
    "a line too short": (lambda p: lines(p, (5002, "1")), "line 5,002 of 't.csv' has 1 cell, its first line 2: 1"),
    "after empty lines": (lambda p: lines(p, (3, ""), (4, ""), (9, "1,2,3")), "line 9 of 't.csv' has 3 cells"),
    "after a cell of two lines": (lambda p: lines(p, (3, '"a\nb",1'), (9, "1,2,3")), "line 10 of 't.csv' has 3 cells"),
    "inside gzip": (lambda p: lines(p, (50, "1,2,3"), zipped=True), "line 50 of 't.csv' has 3 cells"),
    "not UTF-8 and too long": (
        lambda p: lines(p, (2, "\xf6,1"), (50, "1,2,3"), encoding="latin-1"), "line 50 of 't.csv' has 3 cells"
    ),
    "an open quote": (lambda p: lines(p, (50, '"1,2')), "that opens in line 50 of 't.csv' is never closed: \"1,2"),
    "one line": (lambda p: (p.write_text("x,y"), p)[1], "'t.csv' has one line only"),
    "blanks in names": (lambda p: csv(p, ("x", X), (" y", Y)), "did you mean ' y'?"),
    "no names": (lambda p: csv(p, ("1.5", X), ("2", Y)), "these look like data, so its first line may lack names"),
}  # fmt: skip


def one_line(done, says):
    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("lossmith: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_one_line(tmp_path, case):
    write, says = REFUSED[case]
    one_line(call(write(tmp_path / "t.csv")), says)


ROLES = {
    "groups y": "column 'y' is named as target and as groups",
    "time y": "as target and as time",
    "weight y": "as target and as weight",
    "exposure y": "as target and as exposure",
    "groups x time x": "as groups and as time",
    "groups x weight x": "as groups and as weight",
    "exposure same": "is 1 in every row, which changes nothing",
    "exposure words": "must hold positive numbers without gaps",
    "exposure gone": "must hold positive numbers without gaps",
    "groups same": "names 1 groups; at least 5 are needed",
}


@pytest.mark.parametrize("options", ROLES)
def test_roles_that_a_column_cannot_have(tmp_path, options):
    others = ("same", [1] * N), ("words", [f"w{i}" for i in range(N)]), ("gone", [""] * N)
    named = [f"--{word}" if i % 2 == 0 else word for i, word in enumerate(options.split())]
    one_line(call(csv(tmp_path / "t.csv", ("x", X), ("y", Y), *others), *named), ROLES[options])


WEIGHED = {
    "negative": ([-1, *[1] * 19], "the weights in 'w' must be numbers of zero or more"),
    "a gap": (["", *[1] * 19], "the weights in 'w' must be numbers of zero or more"),
    "nothing": ([0] * 20, "the weights in 'w' are all zero"),
    "few rows": ([1] * 9 + [0] * 11, "9 rows with a target and a weight above zero are too few"),
    "one class": ([1, 0] * 10, "has one class only ('a') where the weight is above zero"),
}


@pytest.mark.parametrize("case", WEIGHED)
def test_weights_that_leave_nothing_to_learn(tmp_path, case):
    weights, says = WEIGHED[case]
    path = csv(tmp_path / "t.csv", ("x", X[:20]), ("w", weights), ("y", ["a", "b"] * 10))
    one_line(call(path, "--weight", "w"), says)


def test_where_nothing_may_be_written_is_said_before_the_race(tmp_path, monkeypatch):
    path = csv(tmp_path / "t.csv", ("x", X), ("y", Y))
    monkeypatch.setattr(os, "access", lambda place, mode: place != tmp_path)  # whoever runs this may be root
    for option, name in (("--report", "new.html"), ("--model-out", "new.lossmith")):
        one_line(call(path, option, str(tmp_path / name)), f"{name}': permission denied")


def test_a_report_is_not_called_what_it_is_not(tmp_path):
    path = csv(tmp_path / "t.csv", ("x", X), ("y", Y))
    says = "cannot write r.pdf: the report needs the name of a .html or .htm file"
    one_line(call(path, "--report", str(tmp_path / "r.pdf")), says)


def test_an_exposure_may_be_a_copy():
    ready = prepare({"x": X, "size": np.abs(X) + 1}, np.round(np.abs(Y)), None, None, np.abs(X) + 1)
    assert ready.table.names == ["x", "size", "exposure"]


def test_folders_are_called_folders(tmp_path):
    one_line(call(tmp_path), "is a folder; name a CSV or Parquet file")
    one_line(CliRunner().invoke(app, ["predict", str(tmp_path), "t.csv"]), "is a folder; name a saved model")


AIMS = {
    "metric:mape": "metric:mape needs positive values",
    "metric:gamma_deviance": "needs positive values",
    "metric:rmsle": "needs values of zero or more",
    "metric:ndcg": "ranks rows inside groups",
    "metric:variance": "not elicitable",
    "label": "needs classes",
    "cost:1": "cost:UNDER,OVER",
    "cost-matrix:nowhere.csv": "cannot read the costs",
    "interval:2": "interval:0.8",
}


@pytest.mark.parametrize("aim", AIMS)
def test_aims_that_do_not_fit_are_one_line(tmp_path, aim):
    one_line(call(csv(tmp_path / "t.csv", ("x", X[:200]), ("y", Y[:200])), "--aim", aim), AIMS[aim])


def test_a_target_that_holds_lists_is_named_as_such(tmp_path):
    done = CliRunner().invoke(app, ["choose", str(nested(tmp_path / "t.parquet")), "--target", "lists"])
    one_line(done, "column 'lists' holds neither numbers, dates nor text")


@pytest.mark.parametrize("columns", [1000, pytest.param(20_000, marks=pytest.mark.full)])
def test_wide_tables_are_cut(tmp_path, columns):
    n = 200
    wide = RNG.normal(size=(n, columns)).round(2)
    path = csv(tmp_path / "t.csv", ("y", Y[:n]), ("x", X[:n]), *((f"v{j}", wide[:, j]) for j in range(columns)))
    ready = prepare(read(path), "y", parse_aim("mean"), None, None)
    assert any(f"the table has {columns + 1:,} columns" in warning for warning in ready.warnings)
    kept = strongest(ready.table, ready.target.y, classes=False)
    assert "x" in kept.names and len(kept.columns) == n // 2 < MOST_COLUMNS
