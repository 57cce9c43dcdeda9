"""The documentation's site: it builds without a warning, its links lead somewhere, its pages work in a browser."""

import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import pytest
from filelock import FileLock

import gallery
import lossmith as lm
from advice import ADVICE
from browser import opened
from drawing import Drawing
from formulas import readable, textbook
from lossmith.engine.arrays import evaluate_block
from lossmith.formula import Positive, Real, lgamma
from lossmith.kinks import example_target
from lossmith.plotting import along, stretch
from reference import pages as reference_pages
from script import OUTPUTS, NoScriptError, printed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LOOKS = {
    "wide-light": {"scheme": "light"},
    "wide-dark": {"scheme": "dark"},
    "phone-light": {"width": 390, "height": 844, "scheme": "light"},
    "phone-dark": {"width": 390, "height": 844, "scheme": "dark"},
}
COVERING = (  # a page of each kind, in the look that is most likely to go wrong
    "index.html", "gallery/index.html", "gallery/focal.html", "gallery/cross_entropy.html", "which-loss.html",
    "reference/losses.html", "reference/command-line.html", "frameworks/translation.html", "losses.html",
    "design/machine-code.html",
)  # fmt: skip


def built(folder, **environment):
    """The site in a folder; a build that warns fails."""
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1"} | environment
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    found = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert found.returncode == 0 and not found.stderr, found.stderr
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The site without the guide's computations, built once for all workers."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own
    with FileLock(shared / "site.lock"):
        if not (shared / "site" / "index.html").exists():
            built(shared / "site", LOSSMITH_DOCS="quick")
    return shared / "site"


class _Page(HTMLParser):
    """What a page links to, what it loads, and the places in it that can be linked to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.loads, self.places = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.places.update(filter(None, (given.get("id"), given.get("name"))))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        self.loads += [given[key] for key in ("src", "data") if given.get(key)]
        if tag == "link" and given.get("rel") not in ("canonical", "edit"):
            self.loads.append(given["href"])


@cache
def read(path):
    return _Page(path.read_text(encoding="utf-8"))


def test_links_lead_somewhere(site):
    files = sorted(site.rglob("*.html"))
    assert len(files) > len(lm.names()) + 20
    for file in files:
        if file.name == "404.html":  # it stands for any address, so its links are of the server's root
            continue
        page = read(file)
        assert not [url for url in page.loads if urlsplit(url).scheme not in ("", "data")], file
        for link in (*page.links, *page.loads):
            url = urlsplit(link)
            if url.scheme:
                assert url.scheme in ("https", "http", "mailto", "data"), (file, link)
                continue
            target = (file.parent / unquote(url.path)).resolve() if url.path else file
            assert target.is_file() or (target / "index.html").is_file(), (file, link)
            if url.fragment and target.suffix == ".html" and not url.fragment.startswith("__"):
                assert unquote(url.fragment) in read(target).places, (file, link)


def sound(browser, site, path, look):
    """Open a page and find nothing wrong."""
    home = f"{site.as_uri()}/"
    with opened(browser, home, **LOOKS[look]) as (page, wrong):
        page.goto(home + path)
        page.wait_for_function("document.readyState === 'complete'")
        assert not wrong, (path, look, wrong)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (path, look)
        wanted = "slate" if LOOKS[look]["scheme"] == "dark" else "default"
        assert page.get_attribute("body", "data-md-color-scheme") == wanted


def test_what_goes_wrong_is_seen(browser):
    """A request to elsewhere, an error in a script: were they not seen, no page could fail."""
    with opened(browser, "file:///") as (page, wrong):
        page.set_content('<script src="http://127.0.0.1:9/elsewhere.js"></script><script>missing()</script>')
        page.wait_for_timeout(200)
    assert any("elsewhere.js" in one for one in wrong) and any("missing is not defined" in one for one in wrong)


@pytest.mark.parametrize("path", COVERING)
def test_a_page_opens(browser, site, path):
    for look in ("wide-light", "phone-dark"):
        sound(browser, site, path, look)


@pytest.mark.full
def test_every_page_opens(browser, tmp_path):
    site = built(tmp_path / "site")
    for file in sorted(site.rglob("*.html")):
        for look in LOOKS:
            if file.name != "404.html":
                sound(browser, site, file.relative_to(site).as_posix(), look)


KNOBS = {"huber": "delta", "tweedie": "y", "cross_entropy": "label_smoothing", "gaussian_nll": "log_scale"}


@pytest.mark.parametrize(("name", "knob"), KNOBS.items())
def test_a_knob_moves_the_curves(browser, site, name, knob):
    home = f"{site.as_uri()}/"
    curves = "[...document.querySelectorAll('.panel .curve')].map(path => path.getAttribute('d'))"
    turn = """([knob, share]) => {
        const input = document.querySelector(`.knobs input[name=${knob}]`);
        input.value = share === null ? input.value : Number(input.min) + share * (input.max - input.min);
        input.dispatchEvent(new Event("input", { bubbles: true }));
    }"""
    with opened(browser, home) as (page, wrong):
        page.goto(f"{home}gallery/{name}.html")
        drawn = page.evaluate(curves)
        page.evaluate(turn, [knob, None])
        redrawn = page.evaluate(curves)
        assert all(map(same_path, drawn, redrawn)), "the page's script draws other curves than NumPy drew"
        page.evaluate(turn, [knob, 0.8])
        turned = page.evaluate(curves)
        assert not any(map(same_path, drawn[:1], turned[:1]))
        page.click(".knobs button")
        page.wait_for_function(f"{curves}[0] === {redrawn[0]!r}")
        assert not wrong


def same_path(one, other):
    """The same points up to the last digit that is written."""
    numbers = [np.array([float(n) for n in path.replace("M", " ").replace("L", " ").replace(",", " ").split()])
               for path in (one, other)]  # fmt: skip
    inside = [(n > 0) & (n < 400) for n in numbers]
    return len(numbers[0]) == len(numbers[1]) and np.allclose(numbers[0][inside[0]], numbers[1][inside[0]], atol=0.11)


@pytest.mark.parametrize("name", lm.names())
def test_the_printed_javascript_computes_what_numpy_computes(browser, name):
    """Every output, at parameters at, below and above their defaults."""
    drawing = Drawing(name)
    with opened(browser, "about:") as (page, wrong):
        for share in (None, 0.15, 0.85):
            turned = {k.name: k.value if share is None else k.low + share * (k.high - k.low) for k in drawing.knobs}
            named = {k.name: turned[k.name] for k in drawing.knobs if k.meaning == "parameter"}
            loss = lm.get(name, **named)
            for y in example_target(loss):
                x = stretch(loss, y, 3.0, 23)
                target, pred = along(loss, y, x)
                for column, p in enumerate(loss.formula.predictions[1:], start=1):
                    pred[:, column] = turned[p.name]
                asked = {"x": x.tolist(), "y": np.asarray(y).tolist(), "p": turned}
                found = page.evaluate(f"({{x, y, p}}) => x.map(x => {{ {drawing.script} }})", asked)
                for k, output in enumerate(OUTPUTS):
                    method = loss if output == "value" else getattr(loss, output)
                    wanted = np.asarray(method(target, pred, reduction="none")).reshape(len(x), -1)[:, 0]
                    np.testing.assert_allclose([row[k] for row in found], wanted, 1e-9, 1e-12, err_msg=output)
        assert not wrong


def test_what_javascript_lacks_is_drawn_without_knobs():
    @lm.pointwise
    def own(y: Positive, f: Real):
        return lgamma(y) * f

    with pytest.raises(NoScriptError):
        printed(own())


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_search_finds(browser, site, scheme, served):
    home = f"{site.as_uri()}/" if scheme == "file" else served
    with opened(browser, home) as (page, wrong):
        page.goto(f"{home}gallery/hinge.html")
        page.click(".md-search__input")
        page.keyboard.type("charbonnier", delay=5)
        page.wait_for_selector(".md-search-result__link[href*=pseudo_huber]", timeout=20_000)
        assert not wrong


@pytest.fixture
def served(site):
    """The site's address at a server of its own."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=site)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("name", [name for name in lm.names() if lm.get(name).kind == "pointwise"])
def test_the_formula_of_the_textbook_is_the_formula(name):
    """What the gallery shows is what is computed, without what is there for the digits only."""
    formula = lm.get(name).formula
    plain = textbook(formula.value, {})
    inputs = (formula.target, *formula.predictions)
    values = [0.7, 0.3, 0.2] if formula.target.domain.kind not in ("label", "level") else [1.0, 0.3]
    env = {given.name: np.array([value]) for given, value in zip(inputs, values, strict=False)}
    env |= {p.name: float(lm.get(name).numbers[p.name]) for p in formula.params}
    found, wanted = evaluate_block([plain, formula.value], env, np, np.zeros(1), None)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_formula_of_rows_is_written_as_in_textbooks():
    lines = readable(lm.cross_entropy().formula)
    assert lines == [
        r"\ell(y,\, f) = \operatorname{sp}(\log\sum_{c \ne y} e^{f_c} - f_y)",
        r"\operatorname{sp}(x) = \log(1 + e^x)",
    ]


def test_every_loss_has_advice():
    assert set(ADVICE) == set(lm.names())
    for name, advice in ADVICE.items():
        assert advice.predicts or lm.get(name).elicits, name


def test_only_a_loss_that_asks_for_the_mean_has_scores_that_mean_something():
    for name in lm.names():
        told = gallery.pages()[f"gallery/{name}.md"].partition("## When to use it")[0]
        if not lm.get(name).elicits:
            assert "The model's raw score" not in told, name


CENTRES = {  # losses whose minimiser lies on neither side alone of what they are said to be near
    "huber": ({}, [-4, 4, 4, 7, 7]),
    "smooth_l1": ({}, [-4, 4, 4, 7, 7]),
    "pseudo_huber": ({}, [-4, 4, 4, 7, 7]),
    "log_cosh": ({}, [-4, 4, 4, 7, 7]),
    "lq": ({"q": 3.0}, [-10, -8, -8, -7, 10]),
}


@pytest.mark.parametrize("name", CENTRES)
def test_a_centre_is_not_said_to_lie_between_mean_and_median(name):
    params, y = CENTRES[name]
    found = lm.get(name, **params).best_constant(y)
    assert found > max(np.mean(y), np.median(y))
    assert "between" not in ADVICE[name].predicts


def test_a_doi_is_linked_to_its_end():
    doi = "10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"
    assert f"https://doi.org/{quote(doi)})" in gallery.linked(f"Brier 1950, doi:{doi}; Cox 1958, doi:{doi}.")
    assert gallery.linked(f"doi:{doi}; Cox 1958, doi:{doi}.").count(f"{quote(doi)})") == 2


def test_the_reference_tells_attributes_from_methods(site):
    text = (site / "reference" / "losses.html").read_text(encoding="utf-8")
    headings = dict(re.findall(r'<h3 id="lossmith\.loss\.Loss\.(\w+)"(.*?)</h3>', text, flags=re.DOTALL))
    for name in ("elicits", "kinked", "numbers", "latex", "name", "params", "link", "labels", "source"):
        assert "property" in headings[name] or "attribute" in headings[name], name


def test_every_function_of_formulas_has_a_sentence():
    page = reference_pages()["reference/formulas.md"]
    assert "| `erf(x)` |" in page and "|  |" not in page.partition("## Functions")[2].partition("|---|---|")[2]
    assert "| `Cuts` | numbers in increasing order |" in page


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("focal", "| prediction, with `from_logits=False` | `f` | a probability in [0, 1] |"),
        ("poisson", "| prediction, with `log_input=False` | `f` | a number >= 0 [0, inf] |"),
        ("kl_divergence", "| prediction | `f` | a row of probabilities [0, 1]; that it sums to 1 is not checked |"),
        ("cumulative_logit", "| parameter | `thresholds` = `None` | numbers in increasing order, or `None` |"),
    ],
)
def test_a_page_says_what_each_argument_may_be(name, row):
    assert row in gallery.pages()[f"gallery/{name}.md"]
