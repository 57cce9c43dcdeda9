// Turning a knob draws the curves again, with the formula that the page brought along as JavaScript.
"use strict";

function path({ x0, x1, y0, y1, area }, x, values) {
  let text = "", pen = "M";
  values.forEach((value, i) => {
    const up = area.y + (y1 - value) / (y1 - y0) * area.height;
    if (Number.isNaN(up)) { pen = "M"; return; }
    const across = area.x + (x[i] - x0) / (x1 - x0) * area.width;
    text += `${pen}${across.toFixed(1)},${Math.min(Math.max(up, -area.height), 3 * area.height).toFixed(1)}`;
    pen = "L";
  });
  return text;
}

function attach(drawing, given, formula) {
  const form = drawing.querySelector(".knobs");
  const panels = [...drawing.querySelectorAll("svg.panel")].map((svg) => {
    const numbers = Object.fromEntries(Object.entries(svg.dataset).map(([key, text]) => [key, Number(text)]));
    return { ...numbers, area: svg.querySelector("svg").viewBox.baseVal, curves: [...svg.querySelectorAll(".curve")] };
  });
  const { x0, x1 } = panels[0];
  const x = Array.from({ length: given.points }, (_, i) => x0 + (x1 - x0) * i / (given.points - 1));
  const redraw = () => {
    const settings = {};
    for (const knob of form.querySelectorAll("input")) {
      settings[knob.name] = Number(knob.value);
      knob.nextElementSibling.textContent = knob.value;
    }
    given.targets.forEach((target, k) => {
      const y = given.knob === null ? target : settings[given.knob];
      const columns = x.map((at) => formula(at, y, settings));
      panels.forEach((panel) => {
        panel.curves[k].setAttribute("d", path(panel, x, columns.map((column) => column[panel.output])));
      });
    });
    const key = drawing.querySelector(".legend .key");
    if (given.knob !== null) key.textContent = `${given.knob} = ${settings[given.knob]}`;
  };
  form.addEventListener("input", redraw);
  form.addEventListener("reset", () => setTimeout(redraw));
  form.addEventListener("submit", (event) => event.preventDefault());
}

const drawings = document.querySelectorAll(".drawing:has(.knobs)");
(window.drawings ?? []).forEach(([given, formula], i) => attach(drawings[i], given, formula));
