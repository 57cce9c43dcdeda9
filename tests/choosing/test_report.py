"""The report: what stands in it, for whom, and that nothing in it is anyone else's code."""

import base64
import hashlib
import html
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

import lossmith as lm
from lossmith.choosing import choose
from lossmith.choosing.aims import parse_aim
from lossmith.choosing.candidate import Candidate
from lossmith.choosing.evidence_rows import evidence_rows
from lossmith.choosing.race import Race
from lossmith.choosing.report import spanning
from lossmith.choosing.scores import METRICS, score_for
from lossmith.choosing.targets import perhaps_classes
from lossmith.choosing.text import as_text, beside, header, legend
from lossmith.choosing.verdict import Optimism, decide
from lossmith.choosing.words import MEASURES, RULES, SETTINGS, called, in_words

from .quick import HOSTILE, result, table

pytestmark = pytest.mark.slow

NUMBERS = ["answers", "pull", "owners", "spread", "forest", "murphy", "reliability"]
PICTURES = {
    ("median", 0): NUMBERS,
    ("quantile:0.9", 0): [*NUMBERS, "costs"],
    ("interval:0.8", 0): NUMBERS,
    ("probability", 2): ["pull", "owners", "forest", "murphy", "reliability", "costs"],
    ("balanced-label", 3): ["pull", "owners", "forest", "reliability"],
}
TERMS = (
    "typical", "fold", "loss function", "rmse", "interval score", "functional", "guard", "tail index", "bootstrap",
    "residual", "p-value", "holm", "cross-validation", "out-of-fold", "pinball", "log-loss", "gradient", "posterior",
    "regression", "estimator", "statistic", "significan", "hyper", "ridge", "deviance", "calibrat",
)  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return {
        key: result(key[0], classes=key[1]).report(folder / f"{i}.html").read_text(encoding="utf-8")
        for i, key in enumerate(PICTURES)
    }


def text_of(page):
    return html.unescape(re.sub(r"<[^>]*>", " ", page))


@pytest.mark.parametrize("key", list(PICTURES))
def test_the_pictures_that_apply_are_there_with_a_sentence_or_two_each(pages, key):
    found = re.findall(r'<figure id="(\w+)">\s*<figcaption><h3>([^<]+)</h3><p>([^<]+)</p>', pages[key])
    assert [name for name, _, _ in found] == PICTURES[key]
    assert all(see.strip()[-1] in ".?" and "nan" not in see for _, _, see in found)
    assert all(len(re.findall(r"[.?](?= |$)", see.strip())) <= 2 for _, _, see in found)


@pytest.mark.parametrize("key", list(PICTURES))
def test_the_first_screen_uses_no_term_that_it_does_not_explain(pages, key):
    first = re.search(r"<header>(.*?)</header>", pages[key], re.DOTALL).group(1)
    words = text_of(first).lower()
    assert "a loss is the rule by which" in words
    assert re.search(r"<h1>(Train with|Keep) [^<]+\.</h1>", first)
    assert not [term for term in TERMS if term in words]
    assert called(result(key[0], classes=key[1]).chosen.name) in words.split("makes that count small.")[1]


@pytest.mark.parametrize("key", list(PICTURES))
def test_what_wrong_means_is_said_beside_it(key):
    words = in_words(result(key[0], classes=key[1]))
    assert re.match(r"How wrong a model is was measured by [^{}]+\.$", words.terms[-1])
    assert ("a miss is how far" in words.terms[-1]) == (not key[1])


def test_there_are_words_for_whatever_judges_and_for_every_setting():
    assert set(MEASURES) == set(METRICS)
    assert len(SETTINGS) == len({text.format("3") for text in SETTINGS.values()})


def test_one_fact_has_one_percentage():
    """The headline's, the figure's, the reason's, the report's, the terminal's and JSON's are the table's."""
    found = result("quantile:0.9")
    assert found.verdict == "USE"
    row = next(r for r in found.table if r.role == "library" and r.model == found.kind)
    mine, theirs = (float(found.scores[label, found.kind].mean()) for label in (found.default, row.label))
    assert row.gain == pytest.approx(100 * (mine - theirs) / mine)
    said, words = f"{-row.gain:.1f}%", in_words(found)
    assert f"was {said} more wrong" in words.why
    assert words.figures[0] == (said, f"more wrong with {called(row.label)}")
    assert f"{said} higher" in found.reason and f"{said} higher" in found.evidence.over_library
    assert f"-{said}" in str(found)
    assert set(re.findall(r"([\d.]+%) (?:more|less) wrong", words.why)) == {said}
    assert next(r["gain"] for r in found.to_dict()["table"] if r["loss"] == row.loss) == row.gain


def test_who_wins_on_another_kind_of_model_is_compared_with_the_default_on_its_better_one():
    """In the table as in the verdict: what was tested is what is shown, and the first screen says between which two."""
    noise = 1e-3 * np.random.default_rng(0).normal(size=(4, 25))
    means = {("squared_error", "lightgbm"): 1.0, ("poisson", "lightgbm"): 1.2,
             ("squared_error", "linear"): 2.0, ("poisson", "linear"): 0.8}  # fmt: skip
    scores = {key: mean + noise[i] for i, (key, mean) in enumerate(means.items())}
    runners = [Candidate("squared_error", "default", "", ""), Candidate("poisson", "challenger", "", "", positive=True)]
    left = Optimism(score=0.8, gain=0.2, interval=(0.1, 0.3), apparent=0.8, apparent_gain=0.2, picked={})
    evidence = decide([c.entrant for c in runners], scores, rows=2000, test_share=0.25, optimism=left)
    score = score_for(parse_aim("mean"))
    race = Race([], scores, constant=np.full(25, 4.0))
    rows = evidence_rows(runners, ["linear", "lightgbm"], race, evidence, score, "squared_error")
    by_key = {(row.label, row.model): row for row in rows}
    won, other = by_key["poisson", "linear"], by_key["poisson", "lightgbm"]
    assert (won.against, won.outcome, other.against) == ("lightgbm", "USE (against lightgbm)", "lightgbm")
    assert won.gain == pytest.approx(20, abs=0.1) and other.gain == pytest.approx(-20, abs=0.1)
    assert f"{won.gain:.1f}% lower" in evidence.reason and won.holm_p == evidence.holm_p["poisson", "linear"]
    found = replace(
        result("mean"), verdict="USE", evidence=evidence, table=rows, chosen=runners[1], scores=scores, kind="lightgbm"
    )
    assert in_words(found).why.startswith(
        f"A linear model trained this way was {won.gain:.1f}% less wrong than a model of decision trees trained with "
        "squared error, on cases"
    )


def test_a_gain_over_the_librarys_loss_is_said_of_the_model_that_shows_it():
    found = result("quantile:0.9")
    row = next(r for r in found.table if r.role == "library")
    band = "trained instead with squared error and a band of one width around it, which most tools use"
    assert band in in_words(result("interval:0.8")).why
    assert row.model == "linear" and "only" not in in_words(found).why
    said = in_words(replace(found, kind="lightgbm")).why
    assert f"{-row.gain:.1f}% more wrong" in said and said.count("(Shown for a linear model only.)") == 1


def test_what_cannot_be_proven_is_said_without_terms():
    found = result("median")

    def why(**changes):
        changed = replace(found.evidence, word="NOT SHOWN", undecidable="", **changes)
        return in_words(replace(found, verdict="NOT SHOWN", evidence=changed, table=rows)).why

    rows = [replace(row, p_better=0.1, p_worse=0.1, model=found.kind) for row in found.table[1:2]]
    assert "too few rows to notice an improvement of less than about 12%" in why(detectable=0.12)
    assert "no improvement, however large, could have been told from luck" in why(detectable=1.2)
    assert "large enough to have shown an improvement of 0.5%" in why(detectable=0.005)
    rows = [replace(rows[0], p_worse=0.99)]
    assert "all other losses that were tried came out worse" in why()
    rows = [*rows, replace(rows[0], role="reference", p_worse=0.1)]  # which is never recommended
    assert "all other losses that were tried came out worse" in why()
    rows = [replace(rows[0], role="challenger", p_worse=0.0, p_better=0.99)]
    assert "another loss came out better, but failed what a winner must pass" in why()
    rows = []
    assert "nothing to compare it with" in why()
    rows = [replace(found.table[1], role="reference", p_worse=0.1, model=found.kind)]
    assert "trained as references are shown beside it, but could not win" in why()
    few = replace(found.evidence, undecidable="21 rows are too few to prove a difference (at least 30 are needed)")
    said = in_words(replace(found, verdict="NOT SHOWN", evidence=few)).why
    assert said.startswith("21 rows are too few to prove a difference. Without a proof, the plain loss")


def test_who_is_to_change_something_is_told_so():
    found = result("median")
    changed = replace(found, verdict="NOT SHOWN", evidence=replace(found.evidence, word="NOT SHOWN"))
    assert in_words(changed).headline == (
        "Train with absolute error, not with squared error as most tools do: it fits your question, and no other loss "
        "was shown to do better."
    )
    plain = result("mean")
    changed = replace(plain, verdict="NOT SHOWN", evidence=replace(plain.evidence, word="NOT SHOWN"))
    assert in_words(changed).headline == "Keep squared error: no other loss was shown to do better."


def test_a_median_that_is_nearly_everywhere_is_not_recommended():
    found = result("mean")
    found = replace(found, aim=replace(found.aim, assumed=True))
    middle = f"{np.median(found.whole.y):,.5g}"
    assert f"50% of them are {middle} or less. If you would rather know this middle value" in in_words(found).question
    y = np.where(np.arange(len(found.whole.y)) % 3, 0.0, found.whole.y)
    said = in_words(replace(found, whole=replace(found.whole, y=y))).question
    assert "more than half of them are exactly 0, which --aim median would answer nearly everywhere" in said


def test_luck_is_said_as_what_came_of_it():
    found = result("mean")
    left = Optimism(score=1.2, gain=-0.2, interval=(-0.3, -0.1), apparent=0.9, apparent_gain=0.1, picked={})
    tied = [(row.label, row.model) for row in found.table if row.role in ("default", "challenger")][:2]
    table = [replace(row, outcome="worse") if (row.label, row.model) == tied[1] else row for row in found.table]
    for rows, named in ((found.table, True), (table, False)):
        evidence = replace(found.evidence, optimism=left, confidence_set=tuple(tied))
        lines = beside(replace(found, evidence=evidence, table=rows))
        assert any(
            "by 10.0%, was on the others 20.0% worse than squared_error (95% interval -30.0 to -10.0%)" in line
            for line in lines
        )
        assert any("ruled out" in line for line in lines) == named


def test_gains_in_another_scale_than_the_score_that_is_shown_say_so():
    found = result("mean")
    assert header(found)[2:5] == ("RMSE", "skill in MSE", "gain in MSE")
    assert "RMSE: the root of the mean squared error (MSE), in units of spend" in legend(found)
    base, other = found.table[:2]
    assert other.gain == pytest.approx(100 * (1 - (other.score / base.score) ** 2))
    assert header(result("median"))[2:5] == ("MAE", "skill", "gain")


def test_few_whole_numbers_may_be_names_of_classes(monkeypatch):
    """Who named no aim is told how to say so, in the terminal and on the first screen; others are not."""
    monkeypatch.setattr("lossmith.choosing.folds.repeats_for", lambda n: 1)
    X, y = table(60)
    codes = np.digitize(y, [0.5, 1.5])
    found = choose(X, pd.Series(codes, name="kind"), models="linear", jobs=1)
    assert "probability, if 0, 1 and 2 are names of classes" in as_text(found, "--aim")
    assert "If 0, 1 and 2 are names of classes" in in_words(found).question
    assert "if 0, 1 and 2 are names of classes, not amounts, ask for the aim probability" in found.notes
    assert not perhaps_classes(y.to_numpy()) and not perhaps_classes(np.arange(20.0))
    assert "names of classes" not in str(result("mean")) + in_words(result("mean")).question


def test_every_loss_that_may_be_recommended_is_said_in_plain_words():
    for key in PICTURES:
        found = result(key[0], classes=key[1])
        assert {c.name for c in found.candidates if c.role in ("default", "challenger")} <= set(RULES)
    assert set(RULES) <= set(lm.names())


@pytest.mark.parametrize("key", list(PICTURES))
def test_only_our_own_script_may_run_and_nothing_is_fetched(pages, key):
    page = pages[key]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == page.lower().count("<script") == 1
    assert scripts[0] == files("lossmith.choosing").joinpath("pages", "slider.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html.unescape(page)
    assert "default-src 'none'" in page
    assert not re.search(r"\s(?:src|href)\s*=\s*[\"'](?!#)", page)
    assert not re.search(r"url\((?!#)|@import", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert len(page) < 3_000_000


def test_no_picture_stands_alone_in_half_a_page():
    assert spanning(NUMBERS) == {"forest"}
    assert spanning(["pull", "owners", "forest", "reliability"]) == {"forest", "reliability"}
    assert spanning(["answers", "pull", "owners", "forest", "costs"]) == {"owners", "forest", "costs"}


def test_everything_that_a_result_knows_is_told(pages):
    found = result("median")
    words = re.sub(r"\s+", " ", text_of(pages["median", 0]))
    for part in (found.sentence, found.reason, *found.warnings, *found.protocol, *(c.reason for c in found.candidates)):
        assert re.sub(r"\s+", " ", part) in words, part
    assert all(one.why in words for one in found.left_out)
    assert all(fact.meaning in words for fact in found.profile.list)
    assert "HistGradientBoostingRegressor(loss='absolute_error', max_iter=" in words
    assert "Python" in words and "seed 0" in words


def test_hostile_names_stay_text(tmp_path):
    for classes in (0, 2):
        found = result("probability" if classes else "median", hostile=True, classes=classes)
        page = found.report(tmp_path / "r.html").read_text(encoding="utf-8") + found._repr_html_()
        assert page.count("<script") == 1
        assert "<b>spend" not in page and "<i>no</i>" not in page
        assert html.escape(HOSTILE["x"]) in page
        assert "{{ 7 * 7 }}" in page


def test_a_notebook_shows_the_verdict_and_the_proof():
    found = result("median")
    shown = found._repr_html_()
    assert found.sentence in shown and "<svg" in shown and "absolute_error" in shown
    assert "<script" not in shown
