"""Records: frozen dataclasses in all that the package asks of them."""

import pickle
from dataclasses import dataclass

import pytest

from lossmith.record import Record, fields, replace


class Point(Record):
    x: float
    y: float = 0.0
    _note: str = ""


class Other(Record):
    x: float
    y: float = 0.0


class Empty(Record):
    pass


@dataclass(frozen=True)
class Judge:
    x: float
    y: float = 0.0


@pytest.mark.parametrize(("values", "named"), [((1.0,), {}), ((1.0, 2.0), {}), ((1.0,), {"y": 2.0}), ((), {"x": 1.0})])
def test_fields_are_what_a_dataclass_would_hold(values, named):
    record, judge = Other(*values, **named), Judge(*values, **named)
    assert fields(record) == vars(judge)
    assert repr(record) == repr(judge).replace("Judge", "Other")


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1.0, 2.0, 3.0), {}), ((1.0,), {"z": 2.0}), ((), {"y": 2.0, "z": 3.0})]
)
def test_other_fields_are_an_error(values, named):
    with pytest.raises(TypeError, match="takes x, y"):
        Other(*values, **named)


def test_equal_are_those_of_one_kind_with_equal_fields():
    assert Point(1.0) == Point(1.0, 0.0, "first") != Point(2.0)
    assert hash(Point(1.0)) == hash(Point(1.0, 0.0, "first"))
    assert Point(1.0) != Other(1.0)
    assert Point(1.0) != (1.0, 0.0)
    assert Empty() == Empty()
    assert {Empty(), Empty()} == {Empty()}


def test_a_name_with_an_underscore_is_not_shown():
    assert repr(Point(1.0, 2.0, "first")) == "Point(x=1.0, y=2.0)"


def test_records_never_change():
    point = Point(1.0)
    with pytest.raises(AttributeError, match="never changes"):
        point.x = 2.0
    with pytest.raises(AttributeError, match="never changes"):
        del point.x
    assert replace(point, y=3.0) == Point(1.0, 3.0)
    assert point == Point(1.0)
    with pytest.raises(TypeError, match="takes x, y"):
        replace(point, z=3.0)


def test_records_travel():
    assert pickle.loads(pickle.dumps(Other(1.0, 2.0))) == Other(1.0, 2.0)
