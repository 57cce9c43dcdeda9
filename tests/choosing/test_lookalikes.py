"""Texts that are meant as numbers, dates or times are named, with how to write them."""

import datetime as dt

import pandas as pd
import pyarrow as pa
import pytest

from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.files import read
from lossmith.choosing.lookalikes import look_like
from lossmith.choosing.prepare import prepare
from lossmith.choosing.tables import column_from_any, from_any


def said(cells):
    return look_like(column_from_any(cells, "x"))


AMOUNTS = {
    "two marks": (["1,010", "5,000", "1,050,000"], "numbers with thousands separators", "1050000 for 1,050,000"),
    "a point beside": (["1,010", "5,000.5"], "numbers with thousands separators", "5000.5 for 5,000.5"),
    "a plain point": (["1,010", "5,000", "10.5"], "numbers with thousands separators", "1010 for 1,010"),
    "Indian": (["10,50,000", "2,000"], "numbers with thousands separators", "1050000 for 10,50,000"),
    "Swiss": (["1'010.50", "2'000"], "numbers with thousands separators", "1010.50 for 1'010.50"),
    "a nought in front": (["0,126", "1,010"], "numbers with decimal commas", "0.126 for 0,126"),
    "two decimals": (["-1,25", "1,010"], "numbers with decimal commas", "-1.25 for -1,25"),
    "continental": (["1.234,50", "2.000,00"], "numbers with decimal commas", "1234.50 for 1.234,50"),
    "with blanks": (["1\u202f234,5", "7,5"], "numbers with decimal commas", "1234.5 for 1"),
    "points in thousands": (["1.050.000", "2.000"], "numbers with thousands separators", "1050000 for 1.050.000"),
    "euros": (["16.990,00 €", "5,00 €"], "amounts of money", "16990.00 for 16.990,00 €"),
    "euros in front": (["€ 1.234,50", "€ 3,00"], "amounts of money", "1234.50 for € 1.234,50"),
    "dollars": (["$1,010.00", "-$5"], "amounts of money", "1010.00 for $1,010.00"),
    "codes": (["USD 5", "USD 1,000.5"], "amounts of money", "1000.5 for USD 1,000.5"),
    "percent": (["5.9%", "6 %"], "numbers with a percent sign", "5.9 for 5.9%"),
    "percent with a comma": (["5,9 %", "6 %"], "numbers with a percent sign", "5.9 for 5,9 %"),
}


@pytest.mark.parametrize("case", AMOUNTS)
def test_amounts_are_named_and_written(case):
    cells, looks, written = AMOUNTS[case]
    assert said(cells).startswith(f"look like {looks}, such as")
    assert f": write {written}" in said(cells)
    assert " if " not in said(cells)


@pytest.mark.parametrize("cells", [["1,010", "5,000"], ["500", "1,010"], ["1,010", "-2,500", "700"]])
def test_what_may_be_thousands_or_decimals_is_said_as_both(cells):
    assert "numbers with thousands separators or decimal commas, such as '1,010'" in said(cells)
    assert said(cells).endswith("write 1010 for 1,010 if its mark parts thousands, 1.010 if it parts decimals")


def test_a_point_may_part_thousands_too():
    assert said(["1.234 €", "5.678 €"]).endswith("write 1234 for 1.234 € if its mark parts thousands, 1.234 if it "
                                                 "parts decimals")  # fmt: skip


@pytest.mark.parametrize("cell", ["Jan 1 2000", "01 January 1960", "1-Jan-2000", "01JAN2000", "Jan-00", "3 Sept. 1999",
                                  "January 1st, 2000", "Mon, 3 Jan 2000 10:00", "31.12.1999", "1/2/2000",
                                  "12/31/99", "2000/1/31"])  # fmt: skip
def test_dates(cell):
    assert said([cell]).startswith("look like dates, such as")


@pytest.mark.parametrize("cell", ["18:30", "7:05:30", "6:30 PM", "18:30:00.25", "30:15"])
def test_times(cell):
    assert said([cell]) == f"look like times, such as '{cell}' in data row 1: write 18.5 for 18:30"


@pytest.mark.parametrize("cell", ["marble 3", "3 maypoles", "10.0.0.1", "12:75", "1,2,3", "ABC", "$", "%", "A1",
                                  "SKU000", "AND 1", "1.10.0", "50-01-1", "123-45-0000", "0-1-99", "1/2-2000",
                                  "32/1/2000", "2000-13-01"])  # fmt: skip
def test_other_texts(cell):
    assert said([cell]) == ""


def test_the_first_cell_that_is_something_else_is_named():
    assert said(["5%", "6%", "unknown"]) == (
        "look like numbers with a percent sign, 'unknown' in data row 3 is not: write 5 for 5%"
    )
    assert said([None, "1/2/2000", "3/4/2000", "unknown"]).startswith("look like dates, 'unknown' in data row 4 is not")


def test_times_of_day_are_treated_alike_whatever_they_came_in(tmp_path):
    times = [dt.time(i // 60, i % 60) for i in range(60, 300)]
    (tmp_path / "t.csv").write_text("\n".join(["t", *(f"{time:%H:%M}" for time in times)]) + "\n")
    frames = ({"t": times}, pd.DataFrame({"t": times}), pa.table({"t": times}), pd.DataFrame({"t": map(str, times)}))
    for table in (read(tmp_path / "t.csv"), *map(from_any, frames)):
        column = table.column("t")
        assert (column.kind, column.levels[:2]) == ("category", ("01:00:00", "01:01:00"))
        assert "look like times, such as '01:00:00'" in look_like(column)


def test_columns_and_targets_say_it():
    prices, y = [f"{i // 10 + 1}.{i:03},50 €" for i in range(120)], [float(i % 7) for i in range(120)]
    warned = prepare({"price": prices, "n": list(range(120))}, y, None, None, None).warnings
    assert any("most values of column 'price' look like amounts of money" in warning for warning in warned)
    with pytest.raises(ChoiceError, match=r"the target 'y' look like amounts .* write 1000\.50 for 1\.000,50"):
        prepare({"n": list(range(120))}, prices, None, None, None)


def test_numbers_too_long_to_hold_are_to_be_shortened():
    assert said([2**60 + i for i in range(60)]).endswith("in data row 1: store them as numbers of up to 15 digits")
