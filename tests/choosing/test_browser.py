"""The report in a real browser: wide and phone, light and dark."""

import pytest

from browser import opened

from .quick import result

pytestmark = pytest.mark.slow

REPORTS = {
    "median": {"aim": "median", "hostile": True},
    "chances": {"aim": "probability", "classes": 2, "hostile": True},
    "interval": {"aim": "interval:0.8"},
    "classes": {"aim": "balanced-label", "classes": 3},
}
SCREENS = {"wide": {"width": 1280, "height": 900}, "phone": {"width": 360, "height": 740}}

# Every text that is drawn, with its colour and the colours behind it, from the text outwards to the first opaque one.
CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                       return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parse = text => { const n = text.match(/[\\d.]+/g).map(Number);
                          return [n.slice(0, 3), n.length > 3 ? n[3] : 1]; };
  const mixed = (over, part, under) => over.map((v, i) => v * part + under[i] * (1 - part));
  const low = [];
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, owner = node.parentElement;
    if (!node.data.trim() || ["SCRIPT", "STYLE"].includes(owner.tagName)) continue;
    const range = document.createRange(); range.selectNodeContents(node);
    if (!range.getClientRects().length) continue;
    seen += 1;
    const style = getComputedStyle(owner);
    let [colour, part] = parse(owner instanceof SVGElement ? style.fill : style.color);
    const layers = [];
    for (let e = owner; e; e = e.parentElement) {
      part *= e === owner || !(e instanceof SVGElement) ? 1 : Number(getComputedStyle(e).opacity);
      const [ground, opaque] = parse(getComputedStyle(e).backgroundColor);
      if (opaque > 0) layers.push([ground, opaque]);
      if (opaque === 1) break;
    }
    if (!layers.length || layers.at(-1)[1] < 1) throw Error("nothing opaque behind " + node.data);
    const ground = layers.reverse().reduce((under, [over, opaque]) => mixed(over, opaque, under), [255, 255, 255]);
    const ends = [light(mixed(colour, part, ground)), light(ground)].sort((a, b) => a - b);
    const ratio = (ends[1] + 0.05) / (ends[0] + 0.05);
    if (ratio < 4.5) low.push([node.data.trim().slice(0, 40), ratio]);
  }
  return [seen, low];
}"""

OVERFLOW = """() => [...document.querySelectorAll("body *")].filter(e =>
  e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre, svg")
).map(e => e.outerHTML.slice(0, 80))"""


# Texts of pictures that leave their picture, or lie on each other; tables that are wider than their frames.
CUT = """() => {
  const found = [];
  for (const svg of document.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    const all = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()]);
    const texts = all.filter(([, box]) => box.width);
    texts.forEach(([text, box], i) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1) found.push(text);
      for (const [other, its] of texts.slice(i + 1)) {
        const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left);
        const high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
        if (wide > 1 && high > Math.min(box.height, its.height) / 4) found.push(text + " on " + other);
      }
    });
  }
  for (const frame of document.querySelectorAll(".scroll"))
    if (frame.scrollWidth > frame.clientWidth + 1) found.push(frame.textContent.trim().slice(0, 60));
  return found;
}"""


# Pixels of the smallest text in a picture.
SMALLEST = """() => Math.min(...[...document.querySelectorAll("figure svg text")].map(text => {
  const { a, b } = text.getScreenCTM();
  return parseFloat(getComputedStyle(text).fontSize) * Math.hypot(a, b);
}))"""

# Names in the picture of all gains that a line at 0 runs through.
CROSSED = """() => {
  const boxes = what => [...document.querySelectorAll("#forest " + what)].map(e => [e, e.getBoundingClientRect()]);
  const lines = boxes("path").filter(([path]) => path.style.stroke === "var(--ink)");
  if (!lines.length) throw Error("no line at 0");
  return boxes("text").filter(([, box]) => lines.some(([, line]) => line.left > box.left && line.left < box.right
    && line.top < box.bottom - 1 && line.bottom > box.top + 1)).map(([text]) => text.textContent);
}"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    return {name: result(**made).report(folder / f"{name}.html") for name, made in REPORTS.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("screen", list(SCREENS))
@pytest.mark.parametrize("name", list(REPORTS))
def test_it_can_be_read(browser, files, name, screen, scheme):
    home = files[name].as_uri()
    with opened(browser, home, **SCREENS[screen], scheme=scheme) as (page, wrong):
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(home)
        page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
        seen, low = page.evaluate(CONTRAST)
        assert seen > 100 and not low
        assert page.evaluate("document.documentElement.scrollWidth") <= SCREENS[screen]["width"]
        assert not page.evaluate(OVERFLOW)
        assert not page.evaluate(CUT)
        assert page.evaluate(SMALLEST) >= 12
        assert not page.evaluate(CROSSED)
        assert not wrong
    assert files[name].stat().st_size < 3_000_000


@pytest.mark.parametrize("screen", list(SCREENS))
def test_the_verdict_fits_on_the_first_screen(browser, files, screen):
    with opened(browser, files["median"].as_uri(), **SCREENS[screen]) as (page, _):
        page.goto(files["median"].as_uri())
        for part in ("h1", ".why"):
            box = page.locator(part).bounding_box()
            assert box["y"] + box["height"] < SCREENS[screen]["height"]


@pytest.mark.parametrize("name", list(REPORTS))
def test_pictures_fill_the_page(browser, files, name):
    """Each as low as the one beside it; on a common phone none has to be moved sideways."""
    with opened(browser, files[name].as_uri(), width=1280, height=900) as (page, _):
        page.goto(files[name].as_uri())
        rows = {}
        for figure in page.locator("figure").all():
            box = figure.bounding_box()
            rows.setdefault(round(box["y"]), set()).add(round(box["height"]))
        assert all(len(found) == 1 for found in rows.values())
        page.set_viewport_size({"width": 390, "height": 844})
        beyond = "[...document.querySelectorAll('.plot')].map(e => e.scrollWidth - e.clientWidth)"
        assert set(page.evaluate(beyond)) == {0}


@pytest.mark.parametrize("name", list(REPORTS))
def test_paper_shows_all_of_it(browser, files, name):
    """On a page of A4: light whatever the screen, tables within the page, what was folded open."""
    with opened(browser, files[name].as_uri(), width=718, height=1040, scheme="dark") as (page, _):
        page.goto(files[name].as_uri())
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("[...document.querySelectorAll('details')].every(part => part.open)")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        assert not page.evaluate(CUT)


def test_sliders_change_picture_and_words(browser, files):
    with opened(browser, files["median"].as_uri()) as (page, _):
        page.goto(files["median"].as_uri())
        slider, words = page.locator("#answers input"), page.locator("#answers output")
        before = words.inner_text()
        shown = page.locator("#answers .layer:not([hidden])").first.get_attribute("data-step")
        slider.focus()
        page.keyboard.press("ArrowLeft")
        assert words.inner_text() != before
        now = {layer.get_attribute("data-step") for layer in page.locator("#answers .layer:not([hidden])").all()}
        assert now == {str(int(shown) - 1)}
