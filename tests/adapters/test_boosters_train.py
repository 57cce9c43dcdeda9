"""Every loss trains on every booster: wherever the target lies, whatever its size, however rare the positives."""

import numpy as np
import pytest

import lossmith as lm
from adapters.boosters import BOOSTERS, ONE_THREAD, at_the_start, table, target_for
from lossmith.start import scale_parameters

pytestmark = pytest.mark.slow

CASES = ("plain", "shifted", "tiny", "rare", "weighted", "ten classes")
# the default run: each loss once, each booster and each case with several losses
COVERING = {
    "lightgbm": {"plain": ("tweedie", "quantile", "hinge", "kl_divergence"), "shifted": ("lq", "huber", "gaussian_nll"),
                 "tiny": ("epsilon_insensitive", "gamma"), "rare": ("focal", "brier"), "weighted": ("log_cosh",),
                 "ten classes": ("multiclass_hinge", "cross_entropy")},
    "xgboost": {"plain": ("exponential", "js_divergence"), "shifted": ("absolute_error", "pseudo_huber"),
                "tiny": ("squared_log_error", "poisson", "gaussian_nll"), "rare": ("binary_cross_entropy", "hinge"),
                "weighted": ("expectile", "absolute_percentage_error", "cumulative_logit"),
                "ten classes": ("focal_cross_entropy",)},
    "catboost": {"plain": ("gamma", "generalized_kl_divergence"), "shifted": ("squared_error", "gaussian_nll"),
                 "tiny": ("huber", "smooth_l1"), "rare": ("modified_huber",), "weighted": ("squared_hinge",),
                 "ten classes": ("multi_margin", "cross_entropy")},
}  # fmt: skip


def applies(loss, case):
    domain = loss.formula.target.domain
    numbers = loss.target_kind == "real" and domain.high > 1
    if case == "shifted":
        return numbers and domain.low == -np.inf
    return {"tiny": numbers, "rare": not domain.row and domain.high == 1,
            "ten classes": domain.row or loss.target_kind == "class id"}.get(case, True)  # fmt: skip


PRODUCT = [
    pytest.param(name, booster, case, marks=() if name in COVERING[booster].get(case, ()) else pytest.mark.full)
    for name in lm.names() for booster in BOOSTERS for case in CASES if applies(lm.get(name), case)
]  # fmt: skip


@pytest.mark.parametrize(("name", "booster", "case"), PRODUCT)
def test_beats_the_best_constant_on_held_out_rows(name, booster, case):
    loss = lm.get(name, **({"thresholds": (-2.0, 1.5)} if (name, booster) == ("cumulative_logit", "catboost") else {}))
    row_by_row = booster == "catboost" and loss.outputs != 1
    # as many rows as the booster's default trees can learn from without learning them by heart
    X, signal, rng = table(800 if row_by_row else 12000 if case == "rare" else 4000 if booster == "catboost" else 8000)
    half = len(signal) // 2
    y = target_for(loss, signal, rng, 10 if case == "ten classes" else 4, 0.01 if case == "rare" else 0.4)
    y = {"shifted": y + 1e6, "tiny": y * 1e-6}.get(case, y) if case in ("shifted", "tiny") else y
    weight = rng.uniform(0, 2, size=len(y)) if case == "weighted" else None
    w, v = (None, None) if weight is None else (weight[:half], weight[half:])
    options = {"in_mads": True} if case == "tiny" and scale_parameters(loss) else {}
    rounds = {"rounds": 60} if row_by_row else {}
    judged = slice(half, None)

    model = loss.to(booster, **options).fit(X[:half], y[:half], w, params=ONE_THREAD[booster], **rounds)
    raw = model.raw(X[judged])
    assert np.isfinite(raw).all() and np.isfinite(model.predict(X[judged])).all()
    assert np.ptp(raw, axis=0).max() > 0, "no splits"
    constant = at_the_start(model, len(raw))
    assert model.loss(y[judged], raw, weight=v) < model.loss(y[judged], constant, weight=v)


def test_the_default_run_covers_every_loss_booster_and_case():
    chosen = [
        (name, booster, case) for booster, cases in COVERING.items() for case, names in cases.items() for name in names
    ]
    assert {name for name, _, _ in chosen} == set(lm.names())
    assert {(booster, case) for _, booster, case in chosen} == {(b, c) for b in BOOSTERS for c in CASES}
    assert all(applies(lm.get(name), case) for name, _, case in chosen)
