"""No loss can be recommended that does not aim at what was asked for."""

from dataclasses import replace

import numpy as np
import pytest

import lossmith as lm
from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidates import candidates
from lossmith.choosing.catalogue import elicits, listing
from lossmith.choosing.profile import SUPPORTS, Profile
from lossmith.choosing.residuals import describe

RNG = np.random.default_rng(0)
SYMMETRIC, SKEWED = describe(RNG.standard_t(3, 2000)), describe(RNG.exponential(size=2000))
FACTS = Profile(
    rows=2000,
    columns=5,
    support="real",
    zeros=0.1,
    skew=3.0,
    spread=100.0,
    residuals=SYMMETRIC,
    exposure=None,
    class_rows=(),
    warnings=(),
)


def every_case():
    for aim in ("mean", "median", "quantile:0.9"):
        for support in SUPPORTS:
            if support in ("binary", "multiclass"):
                continue
            for residuals in (SYMMETRIC, SKEWED):
                for exposure in (None, "exposure") if aim == "mean" and support == "count" else (None,):
                    yield aim, replace(FACTS, support=support, residuals=residuals, exposure=exposure)
    for support in ("binary", "multiclass"):
        yield "probability", replace(FACTS, support=support, residuals=None)


@pytest.mark.parametrize(("aim", "facts"), list(every_case()))
def test_what_may_be_recommended_is_consistent(aim, facts):
    aim = parse_aim(aim)
    found = candidates(aim, facts).racing
    assert len(found) >= 3
    assert len(found) <= 8
    assert len({c.label for c in found}) == len(found)
    assert sum(c.role == "default" for c in found) == 1
    assert found[0].role == "default"
    for c in found:
        loss = c.loss()
        assert c.reason
        assert c.source
        if c.role not in ("default", "challenger"):
            continue
        assert elicits(loss, aim) or c.condition, f"{c.label} does not aim at {aim}"
        if loss.elicits == "quantile":
            assert loss.params["q"] == aim.q
        if c.condition:
            assert c.role == "challenger"
            assert facts.residuals.symmetric
            assert facts.support == "real"
        if c.name == "gamma":
            assert facts.support == "positive"


def test_the_same_table_needs_different_losses_for_its_mean_and_its_median():
    defaults = {aim: candidates(parse_aim(aim), FACTS).racing[0].name for aim in ("mean", "median", "quantile:0.9")}
    assert defaults == {"mean": "squared_error", "median": "absolute_error", "quantile:0.9": "quantile"}


def test_huber_needs_symmetric_noise():
    for aim in ("mean", "median"):
        roles = {c.name: c.role for c in candidates(parse_aim(aim), FACTS).racing}
        assert roles["huber"] == "challenger"
        skewed = {c.name: c.role for c in candidates(parse_aim(aim), replace(FACTS, residuals=SKEWED)).racing}
        assert skewed["huber"] == "reference"


def test_scales_are_in_units_of_y():
    huber = next(c for c in candidates(parse_aim("median"), FACTS).racing if c.name == "huber")
    assert huber.params["delta"] == pytest.approx(1.345 * SYMMETRIC.scale, rel=1e-3)
    assert huber.loss(10.0).params["delta"] == pytest.approx(huber.params["delta"] / 10)


def test_what_is_not_calibrated_is_a_reference():
    roles = {
        c.label: c.role for c in candidates(parse_aim("probability"), replace(FACTS, support="binary", residuals=None)).racing
    }
    assert roles["focal(gamma=2)"] == "reference"
    assert roles["binary_cross_entropy(label_smoothing=0.1)"] == "reference"
    assert roles["brier"] == "challenger"


def test_a_quantile_loss_aims_at_its_own_level_only():
    assert elicits(lm.get("quantile", q=0.9), parse_aim("quantile:0.9"))
    assert not elicits(lm.get("quantile", q=0.1), parse_aim("quantile:0.9"))
    assert elicits(lm.get("quantile", q=0.5), parse_aim("median"))
    assert any(line.startswith("quantile ") for line in listing(aim="quantile:0.9"))
