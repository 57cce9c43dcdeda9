"""The report: what stands in it, for whom, and that nothing in it is anyone else's code."""

import base64
import hashlib
import html
import re
from importlib.resources import files

import pytest

import lossmith as lm
from lossmith.choosing.words import RULES, called

from .quick import HOSTILE, result

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
def test_the_pictures_that_apply_are_there_with_a_sentence_each(pages, key):
    found = re.findall(r'<figure id="(\w+)">\s*<figcaption><h3>([^<]+)</h3><p>([^<]+)</p>', pages[key])
    assert [name for name, _, _ in found] == PICTURES[key]
    assert all(see.strip()[-1] in ".?" and "nan" not in see for _, _, see in found)


@pytest.mark.parametrize("key", list(PICTURES))
def test_the_first_screen_uses_no_term_that_it_does_not_explain(pages, key):
    first = re.search(r"<header>(.*?)</header>", pages[key], re.DOTALL).group(1)
    words = text_of(first).lower()
    assert "a loss is the rule by which" in words
    assert re.search(r"<h1>(Train with|Keep) [^<]+\.</h1>", first)
    assert not [term for term in TERMS if term in words]
    assert called(result(key[0], classes=key[1]).chosen.name) in words.split("makes that count small.")[1]


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
