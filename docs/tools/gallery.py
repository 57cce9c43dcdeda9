"""The gallery: a page for every loss of the catalogue, made from its formula, and an index with small pictures."""

from __future__ import annotations

import html
import re
from collections import defaultdict
from functools import cache
from itertools import groupby
from urllib.parse import quote

import lossmith as lm
from advice import ADVICE
from drawing import Drawing
from formulas import mathml, readable
from lossmith.formula.domains import Domain
from lossmith.loss import Loss
from lossmith.registry import describe
from lossmith.translation import Row, Translation, entries, translate
from make_translation import needed
from rules import ROLES, opinions

FAMILIES = {
    "regression": "Numbers",
    "robust": "Numbers with wild values",
    "counts": "Counts and amounts",
    "distributions": "Distributions of numbers",
    "binary": "Two classes",
    "multiclass": "Several classes",
    "ordinal": "Classes in an order",
    "divergences": "Rows of probabilities",
}
_ELICITS = {
    "mean": "the mean of y",
    "median": "the median of y",
    "quantile": "the q quantile of y: the level that a share q of the targets stays below",
    "expectile": "the q expectile of y; the mean, for q = 0.5",
}


def pages() -> dict[str, str]:
    """Markdown by path."""
    entries = describe()
    families = {entry["family"] for entry in entries}
    order = sorted(families, key=lambda family: list(FAMILIES).index(family) if family in FAMILIES else len(FAMILIES))
    entries.sort(key=lambda entry: order.index(entry["family"]))
    found = {"gallery/index.md": _index(entries)}
    return found | {f"gallery/{entry['name']}.md": _page(entry) for entry in entries}


def title(family: str) -> str:
    return FAMILIES.get(family, family.capitalize())


def _index(entries: list[dict]) -> str:
    lines = ["---", "hide: [navigation, toc]", "---", "", "# Gallery", ""]
    lines += [
        "Every loss of the catalogue, drawn from its formula. A page each says what it predicts, when it serves, and"
    ]
    lines += ["what other libraries call it.", ""]
    for family, members in groupby(entries, key=lambda entry: entry["family"]):
        lines += [f"## {title(family)}", "", '<div class="gallery">']
        for entry in members:
            name = entry["name"]
            breakable = name.replace("_", "_<wbr>")
            lines.append(
                f'<a class="card" href="{name}.html">{Drawing(name).thumbnail()}<strong>{breakable}</strong>'
                f"<span>{html.escape(entry['sentence'])}</span></a>"
            )
        lines += ["</div>", ""]
    return "\n".join(lines)


def _page(entry: dict) -> str:
    name, loss, advice = entry["name"], lm.get(entry["name"]), ADVICE[entry["name"]]
    lines = ["---", f"title: {name}", f"description: {_yaml(entry['sentence'])}", "---", ""]
    lines += [f"# {name}", "", entry["sentence"], "", *_formula(loss), "", Drawing(name).panel(), ""]
    lines += ["## What it predicts", "", _predicts(loss, advice.predicts), ""]
    lines += ["## When to use it", "", advice.use, "", *_raced(name, "default", "challenger")]
    lines += ["## When not", "", advice.avoid, "", *_raced(name, "library", "reference", "left out")]
    lines += ["## How to call it", "", *_call(entry, loss), ""]
    lines += _elsewhere(name)
    lines += ["## Source", "", linked(entry["source"]), ""]
    return "\n".join(lines)


def _yaml(text: str) -> str:
    return '"' + text.replace('"', "'") + '"'


def _formula(loss: Loss) -> list[str]:
    shown = [mathml(line, block=True) for line in readable(loss.formula)]
    code = html.escape(str(loss.formula))
    summary = "As it is computed, so that no digit is lost"
    return [
        f'<div class="formulas">{"".join(shown)}</div>',
        "",
        f'<details class="exact"><summary>{summary}</summary><code>{code}</code></details>',
    ]


def _predicts(loss: Loss, by_hand: str) -> str:
    what = by_hand or _ELICITS[loss.elicits or ""]
    if loss.link.name == "logit" and loss.elicits == "mean":
        what = "the probability of class 1"
    if loss.link.name == "softmax" and loss.elicits == "mean":
        what = "the probability of each class"
    scale = {  # where the loss asks for a mean: else a link tells nothing of y
        "log": " The model's raw score is its logarithm: `loss.link.inverse(score)` is `exp(score)`.",
        "logit": " The model's raw score is the log-odds: `loss.link.inverse(score)` is `1 / (1 + exp(-score))`.",
        "softmax": " The model's raw scores are logits: `loss.link.inverse(scores)` is their softmax.",
    }.get(loss.link.name if loss.elicits else "", "")
    return f"{what[0].upper()}{what[1:]}.{scale}"


def _raced(name: str, *roles: str) -> list[str]:
    """What the chooser's rules say of a loss in some roles."""
    found = [opinion for opinion in opinions().get(name, []) if opinion.role in roles]
    said = [f"    * {ROLES[o.role]}, with {o.where}.<br>*{o.reason}*" for o in found]
    return ['??? note "In `lossmith choose`"', "", *said, ""] if found else []


def _call(entry: dict, loss: Loss) -> list[str]:
    name, recipe = entry["name"], loss.recipe
    assert recipe is not None
    shown = ", ".join(f"{key}={value!r}" for key, value in entry["parameters"].items())
    lines = ["```python", "import lossmith as lm", "", f"loss = lm.{name}({shown})", "```", ""]
    lines += ["| | name | may be |", "|---|---|---|"]
    for kind, formula in loss.formulas.items():
        extra = f" ({kind})" if len(loss.formulas) > 1 else ""
        lines.append(f"| target{extra} | `{formula.target.name}` | {formula.target.domain.describe()} |")
    lines += [f"| prediction | `{p.name}` | {may_be(p.domain)} |" for p in loss.formula.predictions]
    for option, default in recipe.option_defaults.items():
        for p in lm.get(name, **{option: not default}).formula.predictions:
            lines.append(f"| prediction, with `{option}={not default}` | `{p.name}` | {may_be(p.domain)} |")
    for p in recipe.parameters.values():
        optional = ", or `None`" if p.optional or p.cuts else ""
        lines.append(f"| parameter | `{p.name}` = `{p.default!r}` | {p.describe()}{optional} |")
    if entry["aliases"]:
        lines += ["", f"`lm.get` also knows it as {', '.join(f'`{alias}`' for alias in entry['aliases'])}."]
    return lines


def may_be(domain: Domain) -> str:
    """What an argument may be; of a predicted row also what nobody looks at."""
    free = domain.row and domain.high == 1 and not domain.simplex
    return domain.describe() + ("; that it sums to 1 is not checked" if free else "")


@cache
def _translations() -> dict[str, list[Translation]]:
    """The losses of other libraries, by ours."""
    found: dict[str, list[Translation]] = defaultdict(list)
    for peer, row in entries():
        if isinstance(row, Row):
            for name in row.names.split()[:1]:
                said = translate(peer.full(name), **needed(row))
                if said.listed and said.loss.recipe is not None:
                    found[said.loss.recipe.name].append(said)
    return found


def _elsewhere(name: str) -> list[str]:
    found = _translations()[name]
    if not found:
        return []
    lines = ["## Names elsewhere", "", "| there | here |", "|---|---|"]
    for said in found:
        factor = "" if said.factor == 1 else f"{said.factor:g} × "
        shift = "" if said.shift == 0 else f" + {said.shift}"
        lines.append(f"| `{said.peer}` | {factor}`{said.loss!r}`{shift} |")
    more = "Parameters, reductions and what else differs: [translation](../frameworks/translation.md)."
    return [*lines, "", more, ""]


def linked(source: str) -> str:
    """A source with its DOIs and arXiv numbers as links."""
    source = re.sub(r"doi:(\S*[^\s;.,])", _doi, source)
    return re.sub(r"arXiv:([\d.]+\d)", r"[arXiv:\1](https://arxiv.org/abs/\1)", source)


def _doi(found: re.Match[str]) -> str:
    return f"[doi:{html.escape(found[1])}](https://doi.org/{quote(found[1])})"
