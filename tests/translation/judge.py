"""Whether a peer computes what a translation says."""

from typing import Any

import numpy as np
import pytest

from lossmith.record import replace
from lossmith.translation import Shift, Translation
from translation.cases import Array, Case, points, smooth
from translation.departures import DEPARTURES, Departure
from translation.runners import RUNNERS, Result

# float32: the means of Keras, all of XGBoost, labels and parameters of CatBoost, gradients of LightGBM
CLOSE = {"keras": 3e-7, "xgboost": 5e-6, "lightgbm": 1e-6, "catboost": 1e-6, "catboost:LogCosh()": 2e-4}
EXACT = 1e-11
SINGLE = ("xgboost", "lightgbm", "catboost")  # these read float32

_measured: dict[str, Any] = {}


def departure(case: Case) -> Departure | None:
    return DEPARTURES.get(case.peer.full(case.row.names.split()[0]))


def closeness(case: Case) -> float:
    return next((CLOSE[key] for key in (str(case), case.peer.name) if key in CLOSE), EXACT)


def run(case: Case, y: Array, f: Array) -> Result:
    pytest.importorskip(case.peer.name)
    values, slopes = RUNNERS[case.peer.name](case, y, f)
    assert values is not None or slopes is not None
    return values, slopes


def measured(case: Case) -> tuple[Array, Array, Array | None, Array | None]:
    """Points in our terms, and the peer's values and gradients there: run once a case."""
    if str(case) not in _measured:
        y, f = points(case.translation, hard=not case.row.differs)
        if case.peer.name in SINGLE:
            f = f.astype(np.float32).astype(np.float64)
            y = y.astype(np.float32).astype(np.float64) if y.dtype.kind == "f" else y
        _measured[str(case)] = (y, f, *run(case, y, f))
    return _measured[str(case)]


def values_of(found: Translation, y: Array, f: Array, case: Case, departs: Departure | None = None) -> Array:
    """The numbers that the translation predicts, with its words on departures or without."""
    if departs is None:
        losses = found.loss(y, f, reduction="none")
    else:
        losses = departs.value(found.loss, *departs.moved(y, f, case.settings), case.settings)
    return found.factor * losses + (found.shift(y) if isinstance(found.shift, Shift) else found.shift)


def slopes_of(found: Translation, y: Array, f: Array, case: Case, departs: Departure | None = None) -> Array:
    y, f = (y, f) if departs is None else departs.moved(y, f, case.settings)
    return found.factor * found.loss.gradient(y, f, reduction="none")


def agree(case: Case, found: Translation) -> None:
    """The peer's values, and gradients where it gives them, are those of the translation."""
    y, f, values, slopes = measured(case)
    close = closeness(case)
    departs = departure(case)
    departs = departs if departs is not None and departs.everywhere else None
    if values is not None:
        np.testing.assert_allclose(values, values_of(found, y, f, case, departs), rtol=close, atol=close)
    if slopes is not None:
        ours = slopes_of(found, y, f, case, departs)
        kept = smooth(found, y, f)
        assert kept.mean() > 0.5
        if "by its sum" in found.differs:  # then only changes that keep the sum are comparable
            slopes, ours = (g - g.mean(axis=-1, keepdims=True) for g in (slopes, ours))
        np.testing.assert_allclose(slopes[kept], ours[kept], rtol=close, atol=close)


def notice_a_wrong_factor(case: Case) -> None:
    found = case.translation
    with pytest.raises(AssertionError):
        agree(case, replace(found, factor=found.factor * 1.001))


def notice_wrong_parameters(case: Case) -> None:
    with pytest.raises((AssertionError, ValueError, TypeError)):
        agree(case, case.with_defaults.translation)


def depart_as_said(name: str, cases: list[Case]) -> None:
    """The peer agrees at one point; at another it does not, and has the number that the translation's words give."""
    departs = DEPARTURES[name]
    first = next(case for case in cases if case.full == name)
    case = Case(first.peer, first.row, first.name, departs.params)
    found = case.translation
    what = slopes_of if departs.by_gradient else values_of
    for (y, f), same in ((departs.at, True), (departs.apart, False)):
        y, f = np.asarray([y]), np.asarray([f])
        theirs = run(case, y, f)[int(departs.by_gradient)]
        assert theirs is not None
        ours, said = what(found, y, f, case), what(found, y, f, case, departs)
        close = closeness(case)
        if same:
            np.testing.assert_allclose(theirs, ours, rtol=close, atol=1e-12)
        else:
            np.testing.assert_allclose(ours, found.factor * departs.truth, rtol=1e-12, atol=0)
            assert not np.allclose(theirs, ours, rtol=1e-4, atol=0)
            if departs.predicted:
                np.testing.assert_allclose(theirs, said, rtol=close, atol=1e-12)
