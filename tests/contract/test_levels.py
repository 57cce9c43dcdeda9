"""A loss of ordered levels: its thresholds, its labels, its link, and what is made of it."""

import json
import pickle

import numpy as np
import pytest
from scipy.special import expit

import lossmith as lm

CUTS = (-1.0, 0.5, 2.0)
LOSS = lm.cumulative_logit(thresholds=CUTS)
Y, F = np.array([0, 1, 2, 3, 1, 3]), np.array([-3.0, 0.2, 5.0, 1.0, -0.25, 40.0])


def chances(f):
    return np.diff(expit(np.concatenate([[-np.inf], CUTS, [np.inf]]) - f[:, None]), axis=1)


def test_the_link_gives_a_chance_for_each_level():
    p = LOSS.link.inverse(F)
    np.testing.assert_allclose(p, chances(F), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(-np.log(p[np.arange(6), Y]), LOSS(Y, F, reduction="none"), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(LOSS.link(p), F, rtol=1e-9)
    assert LOSS.link.inverse(np.array([-np.inf, np.inf])).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert LOSS.link.inverse(0.3).shape == (4,) and LOSS.link(LOSS.link.inverse(0.3)) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="4 probabilities, one per level, not \\(6, 3\\)"):
        LOSS.link(p[:, :3])


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ([1.0, 1.0], r"thresholds\[1\] must be above thresholds\[0\] = 1.0, not 1.0"),
        ([0.0, 2.0, 1.0], r"thresholds\[2\] must be above thresholds\[1\] = 2.0, not 1.0"),
        ([], "thresholds must be numbers in increasing order"),
        (3.0, "thresholds must be numbers in increasing order"),
        ([0.0, np.nan], r"thresholds\[1\] must be a real number, not nan"),
        (["a"], "thresholds must be numbers in increasing order"),
    ],
)
def test_bad_thresholds_are_named(thresholds, message):
    with pytest.raises(ValueError, match=message):
        lm.cumulative_logit(thresholds=thresholds)


@pytest.mark.parametrize(("y", "shown"), [([0, 4], "4"), ([0, 1.5], "1.5"), ([0, -1], "-1"), ([0, np.nan], "nan")])
def test_what_is_no_level_is_named(y, shown):
    with pytest.raises(ValueError, match=rf"y_true\[1\] = {shown} is not a level from 0 to 3"):
        LOSS(y, [0.0, 1.0])


def test_labels_are_as_many_as_levels():
    named = lm.cumulative_logit(thresholds=(0.0, 1.0), labels=("low", "middle", "high"))
    plain = lm.cumulative_logit(thresholds=(0.0, 1.0))
    assert named(["low", "high", "middle"], F[:3]) == plain([0, 2, 1], F[:3])
    with pytest.raises(ValueError, match="must be those of 3 levels"):
        lm.cumulative_logit(thresholds=(0.0, 1.0), labels=("low", "high"))
    with pytest.raises(ValueError, match=r"y_true\[1\] = none is not one of"):
        named(["low", "none"], F[:2])


def test_what_is_made_of_it_is_kept():
    double, both, weighted = 2 * LOSS, LOSS + LOSS, LOSS.class_weighted({0: 1, 1: 2, 2: 3, 3: 4})
    value = LOSS(Y, F, reduction="none")
    np.testing.assert_allclose(both(Y, F, reduction="none"), 2 * value)
    np.testing.assert_allclose(weighted(Y, F, reduction="none"), (1 + Y) * value)
    for loss in (LOSS, double, both, weighted, lm.cumulative_logit()):
        again = lm.from_spec(json.loads(json.dumps(loss.spec())))
        assert again == loss == pickle.loads(pickle.dumps(loss)) and again.link.name == loss.link.name
    assert lm.cumulative_logit(thresholds=(-1.0, 0.5, 2.1)) != LOSS != lm.cumulative_logit()
    with pytest.raises(ValueError, match="has 4 classes, not 2"):
        LOSS.class_weighted({0: 1, 1: 2})
    spec = double.spec()
    for link in ("levels 1.0", "levels 2.0 1.0 3.0", "levels", "levels x"):
        with pytest.raises(ValueError):
            lm.from_spec({**spec, "link": link})


def test_the_best_constant():
    best = LOSS.best_constant(Y)
    assert LOSS.gradient(Y, np.full(6, best)).sum() == pytest.approx(0, abs=1e-12)
    assert LOSS.best_constant([0, 0]) == -np.inf and LOSS.best_constant([3]) == np.inf
    assert LOSS.best_constant([1, 1]) == pytest.approx(-0.25)  # the middle of its level
