"""What a translation says of another library's loss is what that library computes. Keras has a process of its own."""

import pytest

from lossmith.translation import Row, entries, peers
from translation.cases import cases, fewer
from translation.departures import DEPARTURES
from translation.judge import agree, depart_as_said, notice_a_wrong_factor, notice_wrong_parameters
from translation.optima import OPTIMA, gap
from translation.runners import RUNNERS

CASES = [case for name in RUNNERS if name != "keras" for case in cases(name)]
BY_OPTIMUM = [case for case in CASES if case.name in OPTIMA]
BY_CALL = [case for case in CASES if case.name not in OPTIMA]
FIRST = [case for case in BY_CALL if case.is_first]


@pytest.mark.parametrize("case", fewer(BY_CALL), ids=str)
def test_the_peer_computes_what_the_translation_says(case):
    agree(case, case.translation)


@pytest.mark.parametrize("case", fewer(BY_OPTIMUM), ids=str)
def test_the_peer_minimises_what_the_translation_says(case):
    assert gap(case) < 1e-6


@pytest.mark.parametrize("case", fewer(FIRST), ids=str)
def test_a_wrong_factor_is_noticed(case):
    notice_a_wrong_factor(case)


@pytest.mark.parametrize("case", fewer([case for case in FIRST if case.changes]), ids=str)
def test_a_wrong_parameter_is_noticed(case):
    notice_wrong_parameters(case)


@pytest.mark.parametrize("name", [name for name in DEPARTURES if not name.startswith("keras")])
def test_a_peer_departs_from_its_definition_as_said(name):
    depart_as_said(name, CASES)


def test_every_row_is_tried():
    names = {p.full(n) for p, row in entries() if isinstance(row, Row) for n in row.names.split()}
    assert {case.full for name in RUNNERS for case in cases(name)} == names
    assert set(RUNNERS) == {p.name for p in peers()}


def test_every_departure_is_shown():
    said = {p.full(row.names.split()[0]) for p, row in entries() if isinstance(row, Row) and row.differs}
    assert set(DEPARTURES) == said
