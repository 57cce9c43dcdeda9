"""Scores whose verdict is known."""

import numpy as np
import pytest
from scipy import stats

from lossmith.choosing.differences import Luck, difference, holm
from lossmith.choosing.errors import listed
from lossmith.choosing.verdict import Entrant, Guard, Optimism, decide

from .simulated import correlated_gains

FOLDS = 25
D, L, C, R = (Entrant("plain", "default"), Entrant("usual", "library"), Entrant("rival", "challenger"),
              Entrant("shown", "reference"))  # fmt: skip


def around(mean, spread=0.002, seed=0):
    return mean + spread * np.random.default_rng(seed).normal(size=FOLDS)


def judge(entrants, scores, **options):
    return decide(entrants, scores, **{"rows": 2000, "test_share": 0.25, "optimism": luck(0.1), **options})


def luck(gain):
    """What is left of the winner's gain."""
    return Optimism(score=0.9, gain=gain, interval=(0.0, 0.2), apparent=0.9, apparent_gain=0.1, picked={})


def test_a_clear_winner_is_used():
    v = judge([D, C], {("plain", "m"): around(1.0), ("rival", "m"): around(0.9, seed=1)})
    assert (v.word, v.loss) == ("USE", "rival")
    assert "10.0%" in v.reason


@pytest.mark.parametrize(("optimism", "says"), [(None, "cannot be told"), (luck(0.0), "no more than the luck")])
def test_a_challenger_must_gain_more_than_luck(optimism, says):
    v = judge([D, C], {("plain", "m"): around(1.0), ("rival", "m"): around(0.9, seed=1)}, optimism=optimism)
    assert (v.word, v.loss) == ("NOT SHOWN", "plain")
    assert says in v.reason


def test_few_groups_prove_nothing():
    scores = {("plain", "m"): around(1.0), ("rival", "m"): around(0.9, seed=1)}
    v = judge([D, C], scores, groups=9)
    assert (v.word, v.loss) == ("NOT SHOWN", "plain")
    assert "9 groups are too few" in v.reason
    v = judge([D, C], scores, groups=10)
    assert (v.word, v.differences["rival", "m"].degrees) == ("USE", 9)


def test_parting_groups_again_tells_no_more_than_there_are():
    """Row by row nothing is better; what groups have in common is told once for each, however often it is parted."""
    alarms = {10: 0, None: 0}
    tables = 300
    for seed in range(tables):
        gains = correlated_gains(np.random.default_rng(seed), repeats=10, n=10)  # ten groups, a gain for each
        for groups in alarms:
            d = difference(10 + gains, np.full(50, 10.0), test_share=0.25, rope=0.0, groups=groups)
            alarms[groups] += d.p < 0.05
    assert alarms[10] <= 0.05 * tables < alarms[None]


def test_what_rows_do_is_counted_once_where_it_is_known():
    """Two repeats of the same rows, whose difference is nothing but rows: the right number of false alarms, and more
    true ones than where all that folds differ by is taken for training."""
    tables, n = 400, 2000
    found = {(center, known): 0 for center in (0.0, 3.0) for known in (True, False)}
    for seed in range(tables):
        for center, known in found:
            gains = correlated_gains(np.random.default_rng(seed), repeats=2, n=n, center=center / np.sqrt(n))
            luck = Luck(1.0 / np.sqrt(n), n - 1, 5) if known else None
            d = difference(10 + gains, np.full(10, 10.0), test_share=0.25, rope=0.0, luck=luck)
            found[center, known] += d.p < 0.05
    assert found[0.0, True] <= 0.06 * tables
    assert found[3.0, True] > found[3.0, False] + 0.1 * tables


def test_what_folds_differ_by_beyond_rows_is_training():
    gains = 0.1 * np.random.default_rng(0).normal(size=10)
    plain = difference(10 + gains, np.full(10, 10.0), test_share=0.25, rope=0.0)
    for error in (1e-9, 0.02, 0.1):  # standard errors of the rows: none to speak of, some, and more than folds show
        d = difference(10 + gains, np.full(10, 10.0), test_share=0.25, rope=0.0, luck=Luck(error, 999, 5))
        beyond = max(0.0, gains.var(ddof=1) - 5 * error**2)
        assert d.error == pytest.approx(np.sqrt(error**2 + beyond * (0.1 + 0.25)), rel=1e-9)
        assert d.degrees + 1e-9 >= 9
        assert d.degrees <= 999 + 1e-9
    assert d.degrees == pytest.approx(999)
    assert plain.degrees == pytest.approx(9)


def test_equal_losses_are_the_same():
    v = judge([D, C], {("plain", "m"): around(1.0), ("rival", "m"): around(1.0, seed=1)})
    assert (v.word, v.loss) == ("SAME", "plain")


def test_a_loss_under_another_name_is_the_same():
    v = judge([D, C], {("plain", "m"): around(1.0), ("rival", "m"): around(1.0)})
    assert (v.word, v.loss) == ("SAME", "plain")
    assert v.differences["rival", "m"].p == 1.0


def test_noise_shows_nothing_and_says_what_could_have_been_shown():
    scores = {("plain", "m"): around(1.0, 0.1), ("rival", "m"): around(0.99, 0.1, seed=1)}
    v = judge([D, C], scores)
    assert (v.word, v.loss) == ("NOT SHOWN", "plain")
    assert v.detectable > 0.1
    d = v.differences["rival", "m"]
    error, power = d.error / scores["plain", "m"].mean(), stats.t.ppf(0.8, d.degrees)
    found, sure = ((stats.t.ppf(p, d.degrees) + power) * error for p in (0.975, 0.95))  # as not 0; as more than 1%
    assert v.detectable == pytest.approx(max(found, 0.01 + sure))
    assert v.rows_needed == int(np.ceil(2000 * (sure / 0.01) ** 2))  # 2% is 1% more than that
    assert "rows would show" in v.reason


def test_a_significant_gain_below_the_margin_is_not_a_reason_to_change():
    v = judge([D, C], {("plain", "m"): around(1.0, 1e-4), ("rival", "m"): around(0.995, 1e-4, seed=1)})
    assert v.holm_p["rival", "m"] < 1e-6
    assert v.word == "SAME"


def test_the_consistent_default_is_used_when_it_beats_the_library():
    scores = {("plain", "m"): around(0.9), ("usual", "m"): around(1.0, seed=1), ("rival", "m"): around(0.9, seed=2)}
    v = judge([D, L, C], scores)
    assert (v.word, v.loss, v.proven_on) == ("USE", "plain", ("m",))


def test_the_proof_may_come_from_the_other_model():
    scores = {("plain", "a"): around(0.9), ("usual", "a"): around(0.901, seed=1),
              ("plain", "b"): around(1.0), ("usual", "b"): around(1.2, seed=1)}  # fmt: skip
    v = judge([D, L], scores)
    assert (v.word, v.loss, v.model, v.proven_on) == ("USE", "plain", "a", ("b",))
    assert "on the a model no difference could be shown" in v.reason


def test_where_the_default_may_not_win_no_proof_is_said_to_be_missing():
    scores = {("plain", "a"): around(0.9), ("usual", "a"): around(1.0, seed=1),
              ("plain", "b"): around(1.0), ("usual", "b"): around(1.2, seed=1)}  # fmt: skip
    v = judge([D, L], scores, guards={("plain", "b"): [Guard("skill", False, -0.1, "it is worse than the constant")]})
    assert (v.word, v.loss, v.proven_on) == ("USE", "plain", ("a",))
    assert "on the b model plain proves nothing (it is worse than the constant)" in v.reason


def test_a_proven_gain_over_the_library_counts_unless_it_is_negligible():
    small = {("plain", "m"): around(1.0, 2e-3), ("usual", "m"): around(1.008, 2e-3, seed=1)}
    assert judge([D, L], small).word == "USE"
    negligible = {("plain", "m"): around(1.0, 1e-3), ("usual", "m"): around(1.003, 1e-3, seed=1)}
    assert judge([D, L], negligible).word == "SAME"


def test_no_proof_against_the_library_where_the_models_disagree():
    scores = {("plain", "a"): around(1.0), ("usual", "a"): around(0.9, seed=1),
              ("plain", "b"): around(1.1), ("usual", "b"): around(1.3, seed=1)}  # fmt: skip
    assert judge([D, L], scores).word == "NOT SHOWN"


@pytest.mark.parametrize("role", [L, R], ids=["library", "reference"])
def test_what_is_not_consistent_is_never_used(role):
    v = judge([D, role], {("plain", "m"): around(1.0), (role.name, "m"): around(0.5, seed=1)})
    assert v.word != "USE"
    assert v.loss == "plain"


@pytest.mark.parametrize("score", [0.9, 1.0, 1.1])
def test_of_a_reference_no_row_more_could_show_anything(score):
    rng = np.random.default_rng(0)
    v = judge([D, R], {("plain", "m"): around(1.0), (R.name, "m"): score + 0.3 * rng.normal(size=25)})
    assert (v.word, v.detectable, v.rows_needed) == ("NOT SHOWN", None, None)
    assert v.reason == "no other loss that fits the question could be compared with plain. Keep plain."


def test_who_was_not_shown_to_be_better_is_not_called_barred():
    noise = np.random.default_rng(0).normal(size=(2, 25))
    scores = {("plain", "m"): 1.0 + 0.3 * noise[0], ("rival", "m"): 0.97 + 0.3 * noise[1]}
    v = judge([D, C], scores, guards={("rival", "m"): [Guard("bias", False, 1.0, "its predictions are biased")]})
    assert v.word == "NOT SHOWN" and "biased" not in v.reason
    assert "rival could not be shown to be better than plain" in v.reason


def test_what_a_table_can_show_is_asked_of_those_that_are_open():
    rng = np.random.default_rng(0)
    scores = {("plain", "m"): np.full(25, 1.0), ("rival", "m"): 1.1 + 1e-3 * rng.normal(size=25),
              ("other", "m"): 1.0 + 0.3 * rng.normal(size=25)}  # fmt: skip
    v = judge([D, C, Entrant("other", "challenger")], scores)
    assert "other could not be shown" in v.reason and v.detectable > 0.3


def test_a_library_loss_that_came_out_better_is_not_denied():
    scores = {("plain", "m"): around(1.0), ("usual", "m"): around(0.9, seed=1)}
    v = judge([D, L], scores)
    assert (v.word, v.loss) == ("NOT SHOWN", "plain")
    assert "usual, which libraries train by default, came out better on the m model, but plain fits the aim" in v.reason
    assert "could not be shown" not in v.reason


def test_a_barred_winner_does_not_win():
    scores = {("plain", "m"): around(1.0), ("rival", "m"): around(0.9, seed=1)}
    v = judge([D, C], scores, guards={("rival", "m"): [Guard("bias", False, 1.0, "its predictions are biased")]})
    assert (v.word, v.loss) == ("NOT SHOWN", "plain")
    assert "biased" in v.reason


def test_a_win_over_the_default_on_its_worse_model_is_no_win():
    scores = {("plain", "a"): around(1.0), ("rival", "a"): around(1.0, seed=1),
              ("plain", "b"): around(2.0), ("rival", "b"): around(1.5, seed=1)}  # fmt: skip
    v = judge([D, C], scores)
    assert (v.word, v.model) == ("SAME", "a")


def test_a_challenger_may_win_on_the_other_model():
    scores = {("plain", "a"): around(1.0), ("rival", "a"): around(0.99, 0.1, seed=1),
              ("plain", "b"): around(2.0), ("rival", "b"): around(0.7, seed=1)}  # fmt: skip
    v = judge([D, C], scores)
    assert (v.word, v.loss, v.proven_on) == ("USE", "rival", ("b",))
    assert "30.0%" in v.reason


def test_of_several_winners_the_simplest_within_the_margin():
    other = Entrant("other", "challenger")
    scores = {("plain", "m"): around(1.0), ("rival", "m"): around(0.9, seed=1), ("other", "m"): around(0.897, seed=2)}
    assert judge([D, C, other], scores).loss == "rival"
    scores["other", "m"] = around(0.8, seed=2)
    assert judge([D, C, other], scores).loss == "other"


def test_few_rows_prove_nothing():
    v = judge([D, C], {("plain", "m"): around(1.0), ("rival", "m"): around(0.9, seed=1)}, rows=21)
    assert v.word == "NOT SHOWN"
    assert "21 rows" in v.reason


def test_a_failed_model_is_left_out():
    v = judge([D, C], {("plain", "m"): around(1.0), ("plain", "n"): around(2.0), ("rival", "m"): around(0.9, seed=1)})
    assert v.word == "USE"


def test_without_rivals_nothing_is_shown():
    v = judge([D], {("plain", "m"): around(1.0)})
    assert (v.word, v.detectable) == ("NOT SHOWN", None)


def test_perfect_scores_divide_by_nothing():
    zero = np.zeros(FOLDS)
    assert judge([D, C], {("plain", "m"): zero, ("rival", "m"): zero}).word == "SAME"
    assert judge([D, C], {("plain", "m"): zero, ("rival", "m"): around(1.0)}).word == "NOT SHOWN"


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_difference_by_hand():
    from scipy import stats

    d = difference(np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 1.0, 2.5, 3.0]), test_share=0.25, rope=0.1)
    gains = np.array([0.5, 1.0, 0.5, 1.0])
    error = np.sqrt(gains.var(ddof=1) * (1 / 4 + 0.25))
    assert d.gain == 0.75
    assert d.error == pytest.approx(error)
    assert d.p == pytest.approx(2 * stats.t.sf(0.75 / error, 3))
    assert d.p_better == pytest.approx(stats.t.sf((0.1 - 0.75) / error, 3))
    assert d.p_better + d.p_equal + d.p_worse == pytest.approx(1.0)
    low, high = d.interval
    assert (low + high) / 2 == pytest.approx(0.75)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 3) * error)


def test_exchangeable_losses_are_rarely_told_apart():
    """Two learners that differ by chance only: no more false alarms than the test allows; the naive test has many."""
    rng = np.random.default_rng(7)
    corrected, naive, uses, trials = 0, 0, 0, 400
    from scipy import stats

    for _ in range(trials):
        gains = correlated_gains(rng)
        base = np.full(len(gains), 10.0)
        corrected += difference(base, base - gains, test_share=0.25, rope=0.0).p < 0.05
        naive += stats.ttest_1samp(gains, 0.0).pvalue < 0.05
        uses += judge([D, C], {("plain", "m"): base, ("rival", "m"): base - gains}).word == "USE"
    assert corrected / trials < 0.05
    assert uses / trials < 0.05
    assert naive / trials > 0.2


def test_many_exchangeable_challengers_together():
    rng = np.random.default_rng(8)
    rivals = [L, *(Entrant(f"rival {i}", "challenger") for i in range(4))]
    uses = 0
    for _ in range(100):
        scores = {(rival.name, m): 10.0 - correlated_gains(rng) for rival in rivals for m in "ab"}
        scores |= {("plain", m): 10.0 - correlated_gains(rng) for m in "ab"}
        uses += judge([D, *rivals], scores).word == "USE"
    assert uses < 5


def test_a_real_gain_is_found():
    rng = np.random.default_rng(9)
    found = 0
    for _ in range(50):
        base = np.full(FOLDS, 10.0)
        scores = {("plain", "m"): base, ("rival", "m"): base - correlated_gains(rng, center=0.5)}
        found += judge([D, C], scores).word == "USE"
    assert found > 45


def test_when_all_others_are_worse_the_reason_says_so():
    v = judge([D, C], {("plain", "m"): around(1.0), ("rival", "m"): around(1.3, seed=1)})
    assert v.word == "NOT SHOWN"
    assert v.reason == "Keep plain: the other is worse (rival on the m model)."


def test_what_is_clear_needs_no_more_rows():
    other = Entrant("other", "challenger")
    scores = {("plain", "m"): around(1.0), ("rival", "m"): around(1.3, seed=1), ("other", "m"): around(1.0, seed=2)}
    v = judge([D, C, other], scores)
    assert "other: equal to plain" in v.reason
    assert "rows would show" not in v.reason


def test_absurd_numbers_of_rows_are_not_written_out():
    v = judge([D, C], {("plain", "m"): around(1.0, 0.3), ("rival", "m"): around(1.0, 0.9, seed=1)})
    assert "more than a million rows" in v.reason


def test_percentages_are_of_the_defaults_score_whatever_is_said():
    """A gain of the rival and a loss of the library's are shares of the same number: the table's."""
    scores = {("plain", "m"): around(0.8, 1e-4), ("usual", "m"): around(1.0, 1e-4, seed=1)}
    v = judge([D, L], scores)
    assert "the score of usual is 25.0% higher (95% interval 2" in v.reason
    assert "25.0% higher" in v.over_library
    rival = judge([D, L, C], scores | {("rival", "m"): around(0.6, 1e-4, seed=2)})
    assert rival.loss == "rival" and "its score is 25.0% lower" in rival.reason
    assert "25.0% higher" in rival.over_library


def test_names_that_hold_a_comma_are_told_apart():
    others = [Entrant("rival(a=1, b=2)", "challenger"), Entrant("other", "challenger")]
    scores = {("plain", "m"): around(1.0)} | {(e.name, "m"): around(1.0, seed=i) for i, e in enumerate(others, 1)}
    assert judge([D, *others], scores).reason.startswith("'rival(a=1, b=2)' and 'other': equal to plain")
    assert [listed(names) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert listed(["q=0.1 and 0.9"]) == "q=0.1 and 0.9"
