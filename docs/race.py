"""Descent as a moving picture: dots that walk over a matplotlib figure, step by step.

The page shows all of every path and works without JavaScript; with it, the walk plays once when it comes into view,
unless the reader asked for reduced motion, and again by its button; a slider goes to any step.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np

import figures

MILLISECONDS = 110  # a step

SCRIPT = """
(() => {
  const root = document.getElementById("ID"), walks = DATA;
  const slider = root.querySelector("input"), button = root.querySelector("button");
  const told = root.querySelector("output");
  const dots = root.querySelectorAll("circle.walker"), trails = root.querySelectorAll("polyline.trail");
  const draw = () => {
    const step = Number(slider.value);
    walks.forEach((points, i) => {
      const [x, y] = points[step];
      dots[i].setAttribute("cx", x);
      dots[i].setAttribute("cy", y);
      trails[i].setAttribute("points", points.slice(0, step + 1).join(" "));
    });
    told.textContent = "step " + step;
  };
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
  const play = () => {
    if (slider.value === slider.max) slider.value = 0;
    button.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      draw();
      if (slider.value === slider.max) stop();
    }, PACE);
  };
  button.onclick = () => timer ? stop() : play();
  slider.oninput = () => { stop(); draw(); };
  root.querySelector(".controls").hidden = false;
  draw();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const seen = new IntersectionObserver(entries => {
    if (entries.some(entry => entry.isIntersecting)) { seen.disconnect(); play(); }
  }, { threshold: 0.6 });
  seen.observe(root);
})();
"""


def show_race(figure: Any, walks: list[tuple[Any, str, Any]], alt: str) -> None:
    """Show the figure with dots that walk on it: for each, its axes, colour and points, an array (steps, 2)."""
    figure.set_dpi(72)  # an SVG's units are points
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the axes stay where they are now
    tall = figure.bbox.height
    marks, data = [], []
    for axes, colour, points in walks:
        places = axes.transData.transform(np.asarray(points, dtype=float))
        places[:, 1] = tall - places[:, 1]
        data.append(np.round(places, 1).tolist())
        x, y = data[-1][-1]
        marks.append(
            f'<polyline class="trail" fill="none" stroke="{colour}" stroke-width="2" points=""></polyline>'
            f'<circle class="walker" cx="{x}" cy="{y}" r="4.5" fill="{colour}"></circle>'
        )
    picture = figures.as_html(figure, alt).replace("</svg>", "".join(marks) + "</svg>")
    last = len(data[0]) - 1
    name = "race-" + hashlib.sha256(picture.encode()).hexdigest()[:8]
    script = SCRIPT.replace("ID", name).replace("DATA", json.dumps(data)).replace("PACE", str(MILLISECONDS))
    figures.put(
        f'<div class="race" id="{name}">{picture}<div class="controls" hidden><button type="button">Play</button> '
        f'<input type="range" min="0" max="{last}" value="{last}" aria-label="step"> <output></output></div>'
        f"<script>{' '.join(script.split())}</script></div>",
        alt,
    )
