"""Every open real table: facts and candidates for two aims, and the traps that are laid in them."""

import numpy as np
import pytest

from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidates import candidates
from lossmith.choosing.consistency import consistent
from lossmith.choosing.errors import ChoiceError
from lossmith.choosing.prepare import prepare
from lossmith.choosing.profile import profile

from .loaders import TABLES

SUPPORT = {
    "real": "Animals2",
    "positive": "phones hills salinity delivery coleman diabetes concrete penguins Sacramento HousePrices ames CPS1985 "
    "check_times injury_durat Journals EquationCitations engel Mammals deliveries",
    "semicontinuous": "RandHIE_med seattle_rain",
    "nonnegative": "mroz_hours",
    "count": "stackloss Duncan azpro NMES1988 DoctorVisits mdvis RecreationDemand bioChemists quine ShipAccidents "
    "Affairs",
    "proportion": "k401k GasolineYield star98",
    "ordinal": "WVS",
    "multiclass": "wine_ord BankWages fgl digits wine",
    "binary": "Caravan credit_data email HMDA kyphosis vaso birthwt_low CreditCard_card breast_cancer",
}
KEYS = {key: support for support, keys in SUPPORT.items() for key in keys.split()}
CLASSES = ("probability", "label")
AIMS = {"regression": ("mean", "median"), "classification": CLASSES, "ordinal": CLASSES}
COVERING = {"Animals2", "engel", "mroz_hours", "quine", "k401k", "ShipAccidents", "WVS", "fgl", "birthwt_low", "vaso"}


def studied(frame, target, aim):
    ready = prepare(frame, target, parse_aim(aim), None, None)
    found = profile(ready.table, ready.target, ready.exposure, 0, ready.weight, ready.grouped_by, ready.timed_by)
    return ready, found, (*ready.notes, *ready.warnings, *found.warnings)


def every_run():
    for key in KEYS:
        marks = [] if key in COVERING else [pytest.mark.full]
        for aim in AIMS[TABLES[key]["task"]]:
            yield pytest.param(key, aim, marks=marks, id=f"{key}-{aim}")


def test_no_table_is_forgotten():
    assert set(KEYS) == {key for key, table in TABLES.items() if table["task"] != "survival"}


@pytest.mark.parametrize(("key", "aim"), list(every_run()))
def test_facts_and_candidates(key, aim):
    table = TABLES[key]
    ready, found, _ = studied(table["load"]().drop(columns=table["drop"], errors="ignore"), table["target"], aim)
    assert found.support == KEYS[key]
    assert all(np.isfinite(fact.value) or fact.name in ("tail index", "separation") for fact in found.list)
    runs = candidates(ready.target.aim, found)
    assert 2 <= len(runs.racing) <= 8
    serious = [c for c in runs.racing if c.role in ("default", "challenger")]
    assert all(consistent(c, ready.target.aim) or c.condition for c in serious)
    if found.residuals is not None:
        scale = next((c.params["delta"] for c in runs.racing if c.name == "huber"), None)
        assert scale is None or scale == pytest.approx(1.345 * found.residuals.scale, rel=1e-3)


TRAPS = [
    ("birthwt_low", "low", None, ("'bwt' all but determines",)),
    ("CreditCard_card", "card", None, ("'expenditure' all but determines", "'share' all but determines")),
    ("DoctorVisits", "visits", "median", ("the best median is 0 almost everywhere",)),
    ("Affairs", "affairs", "median", ("the best median is 0 almost everywhere",)),
    ("ShipAccidents", "incidents", "mean", ("'service' may be the exposure", "rows are few")),
    ("recid", "durat", "mean", ("with the flag 'cens'", "'ldurat' determines")),
    ("rossi", "week", "mean", ("with the flag 'arrest'",)),
    ("gbsg2", "time", "median", ("with the flag 'cens'",)),
    ("lung", "time", "mean", ("with the flag 'status'",)),
    ("dd", "duration", "mean", ("with the flag 'observed'",)),
    ("leukemia", "t", "mean", ("with the flag 'status'", "rows are few")),
    ("veterans", "time", "mean", ("with the flag 'event'",)),
    ("wine_ord", "rating", None, ("'judge' is called like the name of a group", "fewer than 10")),
    ("RandHIE_med", "meddol", "mean", ("'zper' repeats like the name of a group",)),
    ("seattle_rain", "precipitation", "mean", ("kept in the order of 'date'",)),
    ("k401k", "prate", "mean", ("of 'prate' is exactly 1, its largest value",)),
    ("fgl", "type", None, ("fewer than 10",)),
    ("coleman", "Y", "median", ("rows are few",)),
    ("salinity", "Y", "median", ("far out in the columns", "data row 16")),
    ("RecreationDemand", "trips", "mean", ("1% of the rows hold",)),
]
SLOW = {"RandHIE_med", "dd"}


@pytest.mark.parametrize(
    ("key", "target", "aim", "words"),
    [pytest.param(*trap, marks=[pytest.mark.full] if trap[0] in SLOW else [], id=trap[0]) for trap in TRAPS],
)
def test_traps_are_named(key, target, aim, words):
    """In the table as it came, with its leaks and identifiers."""
    _, _, said = studied(TABLES[key]["load"](), target, aim or "probability")
    for word in words:
        assert any(word in line for line in said), said


def test_a_text_with_an_order_needs_an_aim_of_classes():
    with pytest.raises(ChoiceError, match="--aim probability"):
        studied(TABLES["WVS"]["load"](), "poverty", "mean")
