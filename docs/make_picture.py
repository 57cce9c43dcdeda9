"""docs/images/losses.svg, the picture of the README: three losses, how hard each pulls, what a model then learns."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

import lossmith as lm

IMAGE = Path(__file__).parent / "images" / "losses.svg"
SHOWN = {
    "squared error": (lm.get("squared_error"), "#d0603a"),
    "Huber": (lm.get("huber", delta=1.345), "#3a9a63"),
    "absolute error": (lm.get("absolute_error"), "#3f7fd0"),
}


def draw() -> Figure:
    error = np.linspace(-4, 4, 801)
    figure = Figure(figsize=(10.5, 3.4), layout="constrained")
    value, pull, fit = figure.subplots(1, 3)
    rng = np.random.default_rng(1)
    x = np.linspace(0, 10, 40)
    y = 1 + 0.5 * x + rng.normal(scale=0.4, size=40)
    y[[31, 35, 38]] += [14, 18, 16]  # three wild values
    fit.plot(x, y, "o", color="#7d8590", markersize=3)
    for name, (loss, colour) in SHOWN.items():
        value.plot(error, loss(np.zeros(801), error, reduction="none"), color=colour, label=name)
        pull.plot(error, loss.gradient(np.zeros(801), error, reduction="none"), color=colour)
        model = lm.LinearRegressor(loss=loss).fit(x[:, None], y)
        fit.plot(x, model.predict(x[:, None]), color=colour)
    value.set(title="the loss of an error", xlabel="prediction - truth", ylim=(0, 8))
    pull.set(title="how hard it pulls (gradient)", xlabel="prediction - truth", ylim=(-5, 5))
    fit.set(title="what the model then learns", xlabel="three of forty values are wrong")
    value.legend(frameon=False, loc="upper center")
    for axes in (value, pull, fit):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    with rc_context({"svg.hashsalt": "lossmith", "svg.fonttype": "path"}):
        draw().savefig(IMAGE, metadata={"Date": None, "Creator": None})
