"""A loss as pictures: value, gradient, Hessian and curvature over the prediction, and knobs that move them.

The pictures are drawn here, with NumPy's numbers; a page's knobs draw the same curves again with the formula printed as
JavaScript (script.py, assets/knobs.js).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import lossmith as lm
from lossmith.formula.domains import Domain
from lossmith.loss import Loss
from lossmith.plotting import along, moved, stretch, targets
from script import OUTPUTS, NoScriptError, printed

TITLES = {"value": "Loss", "gradient": "Gradient", "hessian": "Hessian", "curvature": "Curvature"}
POINTS = 241
WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 28, 30


@dataclass(frozen=True)
class Knob:
    """A number that a reader may turn: a parameter, the target, or a prediction that does not move."""

    name: str
    meaning: str
    value: float
    low: float
    high: float
    step: float


@dataclass(frozen=True)
class Drawing:
    """The curves of a loss as it is without arguments."""

    name: str

    @cached_property
    def loss(self) -> Loss:
        return lm.get(self.name)

    @cached_property
    def open(self) -> Loss:
        """The same loss with every number that may be turned still a symbol in its formula."""
        recipe = self.loss.recipe
        assert recipe is not None
        return lm.get(self.name, **{p.name: 0.5 for p in recipe.parameters.values() if p.off_at_zero})

    @cached_property
    def script(self) -> str | None:
        """The curves as JavaScript, None where the formula cannot be said in it."""
        try:
            return printed(self.open)
        except NoScriptError:
            return None

    @cached_property
    def knobs(self) -> list[Knob]:
        if self.script is None:
            return []
        formula = self.open.formula
        found = [
            _knob(p.name, "parameter", p.domain, float(self.loss.params[p.name]))
            for p in formula.params if not p.per_class
        ]  # fmt: skip
        if self.kept_apart:
            found.append(_knob(formula.target.name, "target", formula.target.domain, 1.0))
        return found + [_knob(p.name, "prediction", p.domain, 0.0) for p in formula.predictions[1:]]

    @property
    def kept_apart(self) -> bool:
        """Whether the target is a number on a scale of its own, not only the other end of an error."""
        domain = self.loss.formula.target.domain
        alone = self.loss.link.name == "identity" and domain.any_number
        return self.loss.outputs == 1 and domain.kind == "real" and domain.high > 1 and not alone

    @cached_property
    def targets(self) -> list[Any]:
        return [1.0] if self.kept_apart else [_plain(y) for y in targets(self.loss)]

    @cached_property
    def x(self) -> Any:
        return stretch(self.loss, self.targets[0], 3.0, POINTS)

    def label(self, y: Any) -> str:
        """What a curve is for, in words."""
        if self.loss.target_kind == "class id":
            return "the true class is the one whose score moves" if y == 0 else "the true class is another one"
        shown = f"{y:g}" if np.ndim(y) == 0 else f"({', '.join(f'{part:.2g}' for part in y)})"
        return f"{self.loss.formula.target.name} = {shown}"

    def values(self, y: Any, output: str, **params: float) -> Any:
        """An output in the prediction that moves, at every x."""
        loss = lm.get(self.name, **params) if params else self.loss
        target, pred = along(loss, y, self.x)
        method = loss if output == "value" else getattr(loss, output)
        return np.asarray(method(target, pred, reduction="none"), dtype=float).reshape(len(self.x), -1)[:, 0]

    def scale(self, output: str) -> tuple[float, float]:
        """The heights that a picture shows: all of the curves but their steepest ends, and room for turned knobs."""
        low, high = _extent([self.values(y, output) for y in self.targets])
        for knob in self.knobs:
            if knob.meaning == "parameter":
                ends = [knob.low + share * (knob.high - knob.low) for share in (0.25, 0.75)]
                turned = [self.values(y, output, **{knob.name: end}) for y in self.targets for end in ends]
                lowest, highest = _extent(turned)
                size = high - low
                low, high = max(min(low, lowest), low - size), min(max(high, highest), high + size)
        return _roomy(low, high)

    def picture(self, output: str) -> str:
        """One output as an SVG element with axes."""
        low, high = self.scale(output)
        frame = _Frame(float(self.x[0]), float(self.x[-1]), low, high)
        curves = "".join(frame.curve(self.x, self.values(y, output), k) for k, y in enumerate(self.targets))
        scale = " ".join(f'data-{key}="{value:.6g}"' for key, value in vars(frame).items())
        title = f"{TITLES[output]} of {self.name} over {moved(self.loss)}"
        return (
            f'<svg class="panel" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}" '
            f'data-output="{OUTPUTS.index(output)}" {scale}>'
            f'<text class="title" x="{LEFT}" y="16">{TITLES[output]}</text>{frame.grid()}'
            f"<svg {frame.area}>{curves}</svg></svg>"
        )

    def thumbnail(self) -> str:
        """The value, small and without axes."""
        low, high = _roomy(*_extent([self.values(y, "value") for y in self.targets]))
        frame = _Frame(float(self.x[0]), float(self.x[-1]), low, high)
        marks = "".join(frame.curve(self.x, self.values(y, "value"), k) for k, y in enumerate(self.targets))
        return f'<svg class="thumbnail" {frame.area} aria-hidden="true">{frame.zero()}{marks}</svg>'

    def panel(self) -> str:
        """Knobs, legend and the four pictures as HTML, with what redraws them."""
        legend = "".join(f'<span class="key c{k}">{self.label(y)}</span>' for k, y in enumerate(self.targets))
        knobs = "".join(_slider(knob) for knob in self.knobs)
        pictures = "".join(self.picture(output) for output in OUTPUTS)
        parts = [f'<div class="legend">{legend}<span>over {moved(self.loss)}</span></div>' if legend else ""]
        parts += [f'<form class="knobs">{knobs}<button type="reset">Reset</button></form>' if knobs else ""]
        parts += [f'<div class="panels">{pictures}</div>']
        if knobs:
            turned = self.loss.formula.target.name if self.kept_apart else None
            data = json.dumps({"targets": self.targets, "knob": turned, "points": POINTS})
            formula = f"(x, y, p) => {{\n{self.script}\n}}"
            parts.append(f"<script>(window.drawings ??= []).push([{data}, {formula}]);</script>")
        return f'<div class="drawing">{"".join(parts)}</div>'


@dataclass
class _Frame:
    """A picture's coordinates."""

    x0: float
    x1: float
    y0: float
    y1: float

    @property
    def area(self) -> str:
        """Where the curves are: an inner SVG element that shows nothing beyond its edges."""
        box = LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        names = zip(("x", "y", "width", "height"), box, strict=True)
        return f'viewBox="{" ".join(map(str, box))}" ' + " ".join(f'{name}="{value}"' for name, value in names)

    def across(self, x: Any) -> Any:
        return LEFT + (x - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def up(self, y: Any) -> Any:
        return HEIGHT - BOTTOM - (y - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> str:
        lines = []
        for tick in _ticks(self.y0, self.y1, 5):
            at = self.up(tick)
            lines.append(f'<path class="grid" d="M{LEFT},{at:.1f}H{WIDTH - RIGHT}"/>')
            lines.append(
                f'<text class="tick" x="{LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{_shown(tick)}</text>'
            )
        for tick in _ticks(self.x0, self.x1, 7):
            at = self.across(tick)
            lines.append(f'<path class="grid" d="M{at:.1f},{TOP}V{HEIGHT - BOTTOM}"/>')
            lines.append(
                f'<text class="tick" x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_shown(tick)}</text>'
            )
        return "".join(lines) + self.zero()

    def zero(self) -> str:
        return f'<path class="zero" d="M{LEFT},{self.up(0.0):.1f}H{WIDTH - RIGHT}"/>'

    def curve(self, x: Any, y: Any, number: int) -> str:
        """A curve as a path; far outside the picture it may go where it likes (assets/knobs.js draws the same)."""
        across, up = self.across(x), np.clip(self.up(y), -HEIGHT, 3 * HEIGHT)
        points, pen = [], "M"
        for a, u in zip(across, up, strict=True):
            points.append(f"{pen}{a:.1f},{u:.1f}" if math.isfinite(u) else "")
            pen = "L" if math.isfinite(u) else "M"
        return f'<path class="curve c{number}" data-curve="{number}" d="{"".join(points)}"/>'


def _extent(curves: list[Any]) -> tuple[float, float]:
    """The lowest and the highest point of curves, and 0; but not their steepest ends, nor a pole of theirs."""
    values = np.concatenate(curves)
    low, first, middle, third, high = np.percentile(values[np.isfinite(values)], [3, 25, 50, 75, 97])
    if third > first:
        far = 8 * (third - first)
        low, high = max(low, middle - far), min(high, middle + far)
    return min(0.0, float(low)), max(0.0, float(high))


def _roomy(low: float, high: float) -> tuple[float, float]:
    """Heights with some room below and above."""
    room = 0.08 * (high - low) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers inside an interval."""
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _shown(tick: float) -> str:
    return f"{tick:.6g}".replace("-", "−")


def _knob(name: str, meaning: str, domain: Domain, value: float) -> Knob:
    """How far a number may be turned: over its domain, where that is bounded, else a few times its default."""
    high = domain.high if math.isfinite(domain.high) else max(5.0 * value, domain.low + 3.0, 2.0)
    low = domain.low if math.isfinite(domain.low) else -high
    step = float(f"{(high - low) / 100:.1g}")
    low, high = low + step * domain.low_open, high - step * domain.high_open
    return Knob(name, meaning, value, low, high, step)


def _slider(knob: Knob) -> str:
    numbers = f'min="{knob.low:g}" max="{knob.high:g}" step="{knob.step:g}" value="{knob.value:g}"'
    entry = f'<input type="range" name="{knob.name}" {numbers} data-meaning="{knob.meaning}">'
    return f"<label><span>{knob.name}</span>{entry}<output>{knob.value:g}</output></label>"


def _plain(y: Any) -> Any:
    return y.tolist() if hasattr(y, "tolist") else y
