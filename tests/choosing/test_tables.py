"""Files and frames -> columns, with names and values as they came."""

import datetime as dt
import gzip
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy import sparse

from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.files import read
from lossmith.choosing.tables import column_from_any, from_any

TEXT = "n,b,d,c\n1,true,2024-01-02,red\n,false,,\n3,true,2024-01-04,blue\n"


def kinds(table):
    return {column.name: column.kind for column in table.columns}


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv(tmp_path):
    table = read(write(tmp_path / "t.csv", TEXT))
    assert kinds(table) == {"n": "number", "b": "boolean", "d": "date", "c": "category"}
    np.testing.assert_array_equal(table.column("n").values, [1, np.nan, 3])
    np.testing.assert_array_equal(table.column("b").values, [1, 0, 1])
    np.testing.assert_array_equal(table.column("d").values, [19724, np.nan, 19726])
    assert table.column("c").levels == ("blue", "red")
    np.testing.assert_array_equal(table.column("c").values, [1, np.nan, 0])


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(tmp_path, delimiter):
    assert kinds(read(write(tmp_path / "t.txt", TEXT.replace(",", delimiter))))["d"] == "date"


def test_gzip_and_other_encodings(tmp_path):
    assert read(write(tmp_path / "t.csv.gz", gzip.compress(TEXT.encode()))).rows == 3
    table = read(write(tmp_path / "l.csv", "größe,x\n1,a\n2,b\n".encode("latin-1")))
    assert table.names == ["größe", "x"]
    assert "Windows-1252" in table.warnings[0]


@pytest.mark.parametrize(
    ("encoding", "called"), [("utf-8", ""), ("cp1252", "Windows-1252"), ("latin-1", "Windows-1252")]
)
@pytest.mark.parametrize("before", [0, 200_000])
def test_umlauts_below_a_plain_header(tmp_path, encoding, called, before):
    rows = "Bonn,1\n" * before + "Köln,2\nUlm,3\n"
    table = read(write(tmp_path / "t.csv", f"Stadt,x\n{rows}".encode(encoding)))
    assert table.column("Stadt").levels == (("Bonn",) if before else ()) + ("Köln", "Ulm")
    assert [called in warning for warning in table.warnings] == ([True] if called else [])


def test_bytes_that_only_latin_1_knows(tmp_path):
    table = read(write(tmp_path / "t.csv", b"Stadt,x\nK\xf6ln,1\nU\x81m,2\n"))
    assert table.column("Stadt").levels == ("Köln", "U\x81m")
    assert "Latin-1" in table.warnings[0]


def test_parquet_holds_the_same(tmp_path):
    frame = pa.table({"n": [1.5, None], "c": ["a", None], "d": [dt.date(1970, 1, 3), None], "s": [[1], [2]],
                      "f": pa.array(["u", "v"]).dictionary_encode()})  # fmt: skip
    parquet.write_table(frame, tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet")
    assert kinds(table) == {"n": "number", "c": "category", "d": "date", "f": "category"}
    assert table.column("d").values[0] == 2
    assert "'s'" in table.warnings[0]


def test_frames_and_matrices_hold_the_same():
    columns = {"n": [1.0, 2.0], "c": ["a", "b"], "when": [dt.datetime(1970, 1, 2, 12), dt.datetime(1970, 1, 3)]}
    tables = [from_any(frame) for frame in (pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns), columns)]
    for table in tables:
        assert kinds(table) == {"n": "number", "c": "category", "when": "date"}
        np.testing.assert_array_equal(table.column("when").values, [1.5, 2.0])
    assert from_any(np.zeros((3, 2))).names == ["x0", "x1"]
    assert from_any([[1, 2], [3, 4]]).column("x1").values.tolist() == [2, 4]


def test_pandas_oddities():
    frame = pd.DataFrame({
        "mixed": ["a", 1, None],
        "flags": pd.array([True, None, False], dtype="boolean"), "ints": pd.array([1, None, 3], "Int64"),
        "objects": pd.Series([1, 2.5, None], dtype=object), "cats": pd.Categorical(["u", None, "v"]),
        "delta": pd.to_timedelta([1, 2, 3], unit="s"),
    })  # fmt: skip
    table = from_any(frame)
    assert kinds(table) == {"mixed": "category", "flags": "boolean", "ints": "number", "objects": "number",
                            "cats": "category", "delta": "number"}  # fmt: skip
    assert np.isnan(table.column("ints").values[1])
    np.testing.assert_array_equal(table.column("delta").values, [1, 2, 3])


def test_the_users_memory_is_not_kept():
    frame = pd.DataFrame({"n": [1.0, 2.0]})
    table = from_any(frame)
    table.column("n").values[0] = 9
    assert frame["n"][0] == 1.0


def test_hostile_names_stay_text(tmp_path):
    names = ["<script>alert(1)</script>", "=cmd()", 'a "quoted", one', "[red]x[/red]", "{{ 7*7 }}", "two\nlines"]
    parquet.write_table(pa.table({name: [1, 2] for name in names}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").names == names
    with pytest.raises(ChoiceError) as error:
        read(tmp_path / "t.parquet").column("two")
    assert "\n" not in str(error.value)


def test_repeated_names_are_told_apart(tmp_path):
    table = read(write(tmp_path / "t.csv", "a,a,b\n1,2,3\n"))
    assert table.names == ["a", "a.2", "b"]
    assert "two columns" in table.warnings[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", "", "is empty"),
        ("blank.csv", "\n \n", "is empty"),
        ("ragged.csv", "a,b\n1,2\n3\n", "line 3 of 'ragged.csv' has 1 cell"),
        ("utf8.csv", "a,b\nKöln,2\nUlm ö\n", "line 3 of 'utf8.csv' has 1 cell, its first line 2: Ulm ö"),
        ("latin.csv", "a,b\nKöln,2\nUlm ö\n".encode("latin-1"), "its first line 2: Ulm ö"),
        ("binary.csv", b"\x89PNG\r\n\x1a\n\x00\x00", "not a text table"),
        ("broken.parquet", b"PAR1 and nothing else", "cannot read"),
        ("book.xlsx", b"PK", "save 'book.xlsx' as CSV or Parquet"),
    ],
)
def test_files_that_are_no_tables(tmp_path, name, content, says):
    with pytest.raises(ChoiceError, match=says) as error:
        read(write(tmp_path / name, content))
    assert "\n" not in str(error.value)


def test_missing_file_and_column_suggest_what_is_near(tmp_path):
    write(tmp_path / "prices.csv", TEXT)
    with pytest.raises(ChoiceError, match=r"did you mean 'prices\.csv'"):
        read(tmp_path / "price.csv")
    with pytest.raises(ChoiceError, match="did you mean 'Income'"):
        from_any({"Income": [1.0], "other": [2.0]}).column("incone")
    with pytest.raises(ChoiceError, match="it has Income, other"):
        from_any({"Income": [1.0], "other": [2.0]}).column("zzz")
    with pytest.raises(ChoiceError, match="folder"):
        read(tmp_path)


@pytest.fixture(params=["csv", "parquet", "pandas", "polars"])
def texts(request, tmp_path):
    """A column of texts, the way each kind of table hands it over."""

    def table(cells):
        columns = {"x": cells, "other": [str(i) for i in range(len(cells))]}
        if request.param == "csv":
            lines = ["x,other", *(",".join(row) for row in zip(*columns.values(), strict=True))]
            return read(write(tmp_path / "t.csv", "\n".join(lines) + "\n"))
        if request.param == "parquet":
            parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
            return read(tmp_path / "t.parquet")
        return from_any({"pandas": pd.DataFrame, "polars": pl.DataFrame}[request.param](columns))

    return table


@pytest.mark.parametrize("gap", ["", " ", "NA", "n/a", "NaN", "null", "?", " ? "])
def test_gaps_in_numbers_are_missing(texts, gap):
    column = texts([" 1.5", gap, "2 ", "-3e2"]).column("x")
    assert column.kind == "number"
    np.testing.assert_array_equal(column.values, [1.5, np.nan, 2, -300])
    assert column.strays == ""


def test_gaps_in_categories_are_missing_but_a_question_mark_is_a_category(texts):
    column = texts(["a", " ", "n/a", "?"]).column("x")
    assert column.levels == ("?", "a")
    assert np.isnan(column.values).tolist() == [False, True, True, False]


def test_a_few_texts_among_numbers_are_told(texts):
    column = texts([str(i) for i in range(98)] + ["many", "few"]).column("x")
    assert column.kind == "number"
    assert np.isnan(column.values).sum() == 2
    assert column.strays == "2 cells do not (first: 'many' in data row 99)"
    assert texts([str(i) for i in range(90)] + ["many"] * 10).column("x").kind == "category"


def test_categories_that_are_called_numbers_stay_categories():
    assert from_any(pd.DataFrame({"x": pd.Categorical(["1", "2"])})).column("x").kind == "category"
    assert from_any({"x": ["1_000", "2_000"]}).column("x").kind == "category"


def test_names_that_are_no_texts_become_texts():
    frame = pd.DataFrame(np.arange(6.0).reshape(2, 3))
    assert from_any(frame).names == ["0", "1", "2"]
    for both in (frame.set_axis([1, "1", "a"], axis=1), {1: [0.0, 3.0], "1": [1.0, 4.0], "a": [2.0, 5.0]}):
        table = from_any(both)
        assert (table.names, table.repeated) == (["1", "1.2", "a"], ("1",))
        assert "two columns are named '1'" in table.warnings[0]
        assert table.column("1.2").values.tolist() == [1, 4]
    levels = pd.MultiIndex.from_tuples([("size", "mean"), ("size", "sum"), ("age", "")])
    assert from_any(frame.set_axis(levels, axis=1)).names == ["size_mean", "size_sum", "age"]


def test_frames_may_repeat_names_as_files_do():
    repeated = pd.DataFrame([[1, 2.0, 3]], columns=["a", "a", "b"])
    for frame in (repeated, pa.Table.from_arrays([pa.array([1]), pa.array([2.0]), pa.array([3])], ["a", "a", "b"])):
        table = from_any(frame)
        assert (table.names, table.repeated) == (["a", "a.2", "b"], ("a",))
        assert table.column("a.2").values.tolist() == [2]


TEXTS = {
    "string": pd.array(["u", pd.NA, "v"], dtype="string"),
    "string of Arrow": pd.array(["u", pd.NA, "v"], dtype="string[pyarrow]"),
    "category over string": pd.Categorical(pd.array(["u", pd.NA, "v"], dtype="string")),
    "objects": pd.Series(["u", pd.NA, "v"], dtype=object),
    "a list": ["u", pd.NA, "v"],
    "mixed": ["u", np.nan, 5],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_gaps_of_every_kind_are_gaps(kind):
    for column in (from_any({"x": TEXTS[kind]}).column("x"), from_any(pd.DataFrame({"x": TEXTS[kind]})).column("x"),
                   column_from_any(TEXTS[kind], "y")):  # fmt: skip
        assert column.kind == "category"
        assert np.isnan(column.values).tolist() == [False, True, False]


def test_converted_frames_hold_the_same():
    frame = pd.DataFrame({"n": [1.5, None], "i": [2**60, None], "b": [True, None], "c": ["a", None]})
    table = from_any(frame.convert_dtypes())
    assert kinds(table) == {"n": "number", "i": "number", "b": "boolean", "c": "category"}
    for column in table.columns:
        assert np.isnan(column.values).tolist() == [False, True]


def test_objects_are_what_they_hold():
    day, moment = dt.date(1970, 1, 3), dt.datetime(1970, 1, 3, 12)
    for values, kind, first in (([day, None], "date", 2), ([moment, pd.NaT], "date", 2.5),
                                ([dt.timedelta(seconds=3), None], "number", 3),
                                ([Decimal("1.5"), 2.0], "number", 1.5), ([2**70, 1], "number", 2.0**70)):  # fmt: skip
        for data in ({"x": values}, pd.DataFrame({"x": pd.Series(values, dtype=object)})):
            column = from_any(data).column("x")
            assert (column.kind, column.values[0]) == (kind, first)


def test_cells_that_hold_lists_are_left_out_and_as_a_target_refused():
    for cell in ([1, 2], np.zeros(2), np.zeros((2, 2)), {"a": 1}, {1}, b"raw"):
        cells = pd.Series([cell, None, cell], dtype=object)
        table = from_any(pd.DataFrame({"lists": cells, "n": [1, 2, 3]}))
        assert (table.names, table.unusable) == (["n"], ("lists",))
        assert "'lists' holds neither numbers" in table.warnings[0]
        with pytest.raises(ChoiceError, match="y holds neither numbers nor labels"):
            column_from_any(cells, "y")
    for wrong, says in (([[1], [1, 2]], "lists that differ in length"), ([[1, 2], [3, 4]], "it has 2 dimensions")):
        with pytest.raises(ChoiceError, match=f"column 'x' .*{says}"):
            from_any({"x": wrong})
        with pytest.raises(ChoiceError, match=f"y .*{says}"):
            column_from_any(wrong, "y")


@pytest.mark.parametrize("kind", [">f8", "f2", "longdouble", ">i4", "u1", "M8[h]", "m8[h]"])
def test_numbers_of_every_layout(kind):
    assert from_any({"x": np.array([1, 2], kind)}).column("x").kind == ("date" if kind[0] == "M" else "number")


def test_dates_beside_moments_lose_no_hours():
    column = from_any({"x": [dt.date(1970, 1, 3), dt.datetime(1970, 1, 3, 12)]}).column("x")
    assert column.kind == "date" and column.values.tolist() == [2.0, 2.5]


def test_sparse_matrices_are_named_and_sparse_frames_read():
    matrix = sparse.csr_matrix([[0.0, 2.0], [1.0, 0.0]])
    with pytest.raises(ChoiceError, match="X is sparse: give a dense array"):
        from_any(matrix)
    with pytest.raises(ChoiceError, match="column 'x' is sparse"):
        from_any({"x": matrix})
    with pytest.raises(ChoiceError, match="y is sparse"):
        column_from_any(matrix[:, [0]], "y")
    table = from_any(pd.DataFrame.sparse.from_spmatrix(matrix, columns=["a", "b"]))
    assert (kinds(table), table.column("b").values.tolist()) == ({"a": "number", "b": "number"}, [2, 0])


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf", b"\n\r\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["price, net, EUR", "a\nb", "a, b\nc, d", 'so "called", all', "a\r\nb,"])
def test_the_delimiter_stands_outside_quotes(tmp_path, mark, end, name):
    cell = name.replace('"', '""')
    table = read(write(tmp_path / "t.csv", mark + end.join([f'"{cell}";y', "1;2", '"3";4', ""]).encode()))
    assert table.names == [name, "y"]
    assert table.column("y").values.tolist() == [2, 4]


def test_a_quote_inside_a_name_is_a_letter(tmp_path):
    table = read(write(tmp_path / "t.csv", 'pipe 5";pipe, 6";y\n1;2;3\n4;5;6\n'))
    assert table.names == ['pipe 5"', 'pipe, 6"', "y"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_that_of_the_first_line(tmp_path, end):
    rows = [f'"{i},{i},{i}";{i},5' for i in range(9)]
    assert read(write(tmp_path / "t.csv", end.join(["Ångström;y", *rows, ""]))).names == ["Ångström", "y"]


@pytest.mark.parametrize("cells", [
    ["2026-01-31", "2025-12-01", "", "1969-12-31"],
    ["2026-01-31 12:30", "2025-12-01T06:00", "2025-12-01 00:00", ""],
    ["2026-01-31 12:30:15.5", "2025-12-01 06:00:00", "2025-12-01 00:00:00", "2025-12-01 00:00:00"],
])  # fmt: skip
def test_dates_that_came_as_texts_are_those_of_the_file(tmp_path, cells):
    path = tmp_path / "t.csv"
    path.write_text("when,x\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)), encoding="utf-8")
    from_file, from_frame = read(path).column("when"), from_any(pd.read_csv(path)).column("when")
    assert from_file.kind == from_frame.kind == "date"
    np.testing.assert_allclose(from_frame.values, from_file.values, rtol=1e-12)


def test_texts_that_only_begin_like_dates_stay_texts():
    for cells in (["2026-01-31", "2026-02-30"], ["2026-01-31", "soon"], ["2026-01-31x", "2026-01-01x"]):
        assert column_from_any(cells, "when").kind == "category"


@pytest.mark.parametrize("last", ["2026-01-31T12", "0000-01-01", "2026-01-31 12:30:15.000123456", "2026-01-31 12:30Z"])
def test_one_reader_decides_what_a_date_is(tmp_path, last):
    cells = ["2026-01-30T09:00Z" if last.endswith("Z") else "2026-01-30", last]
    from_file = read(write(tmp_path / "t.csv", "\n".join(["when,x", *(f"{cell},1" for cell in cells), ""])))
    column = column_from_any(cells, "when")
    assert column.kind == from_file.column("when").kind == "date"
    assert column.values.tolist() == from_file.column("when").values.tolist()
    assert column.texts.levels == tuple(sorted(cells))


def test_microseconds_of_moments_and_spans_are_kept():
    spans = [dt.timedelta(seconds=s) for s in (0.25, 1.75, -0.5)]
    for values in (spans, np.array(spans, "m8[us]"), pd.Series(spans), pl.Series(spans), pa.chunked_array([spans])):
        assert column_from_any(values, "x").values.tolist() == [0.25, 1.75, -0.5]
    moment = column_from_any(np.array(["1970-01-01T00:00:00.000864"], "M8[us]"), "x")
    assert moment.values.tolist() == [1e-8]


BIG = [2**60, 2**60 + 1, 5]


@pytest.mark.parametrize("values", [BIG, np.array(BIG), pd.Series(BIG), pl.Series(BIG), [2**70, 2**70 + 1, 5],
                                    [str(i) for i in BIG], pd.Series([*BIG[:2], None, 5], dtype="Int64")])  # fmt: skip
def test_integers_that_floats_would_merge_are_categories(values):
    column = column_from_any(values, "x")
    assert (column.kind, len(column.levels)) == ("category", 3)
    assert column_from_any([2**60, 5], "x").kind == "number"


def test_masked_cells_are_gaps():
    mask = [False, True, False]
    for values in ([1, 2, 3], [1.5, 2, 3], ["a", "b", "c"], np.array([1, 2, 3], "M8[s]"), np.array([1, 2, 3], "m8[s]")):
        masked = np.ma.masked_array(values, mask=mask)
        assert np.isnan(column_from_any(masked, "x").values).tolist() == mask
    assert np.isnan(from_any(np.ma.masked_array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]])).column("x1").values[0])


def test_complex_numbers_are_refused_and_numbers_out_of_range_are_no_tracebacks():
    for values in ([1 + 2j, 3j], np.array([1 + 2j, 1], dtype=object), np.array([np.complex64(1j), None], dtype=object)):
        with pytest.raises(ChoiceError, match="complex"):
            column_from_any(values, "y")
    assert column_from_any([10**400, 1, -(10**400)], "y").values.tolist() == [np.inf, 1, -np.inf]
    assert np.isnan(column_from_any([Decimal("sNaN"), Decimal(1)], "y").values).tolist() == [True, False]
