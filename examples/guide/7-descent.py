"""Made from docs/guide/7-descent.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 7. Gradient descent, and what the loss does to its steps
#
# Gradient descent steps against the gradient, by `rate` times its size. The gradient comes from the loss, so the loss
# decides not only where the walk ends but how it goes. "The larger the loss, the larger the step", one often hears. It is
# true of squared error. Of many others it is not, and where it fails, training behaves in ways that look like bugs.
#
# ## The size of the pull
#
# How hard does one prediction pull? First of a number, where the truth is 0; then of a class, where the truth is 1 and
# the prediction is a logit. (`brier` is the squared error of the probability.)

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np

import lossmith as lm

def pull(loss, truth, prediction):
    return abs(loss.gradient([truth], [prediction])[0])

def table(losses, truth, predictions):
    print(" " * 11, *(f"{loss.name:>21s}" for loss in losses))
    print("prediction ", *(f"{'loss':>14s}{'pull':>7s}" for _ in losses))
    for f in predictions:
        pairs = [(loss([truth], [f]), pull(loss, truth, f)) for loss in losses]
        print(f"{f:10.1f} ", *(f"{value:14.2f}{slope:7.3f}" for value, slope in pairs))

numbers = lm.squared_error(), lm.huber(), lm.absolute_error()
classes = lm.binary_cross_entropy(), lm.hinge(), lm.brier()
table(numbers, truth=0.0, predictions=(0.1, 1.0, 10.0))
print()
table(classes, truth=1, predictions=(4.0, 0.0, -4.0, -8.0))

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.3))
error, logit = np.linspace(0.02, 4, 400), np.linspace(6, -9, 600)
SHOWN = [(left, 0.0, error, lm.squared_error(), "squared error", RED, (2.15, 2.45)),
         (left, 0.0, error, lm.huber(), "Huber", GREEN, (2.6, 1.12)),
         (left, 0.0, error, lm.absolute_error(), "absolute error", BLUE, (2.2, 0.76)),
         (right, 1.0, logit, lm.binary_cross_entropy(), "cross-entropy", PURPLE, (2.3, 0.81)),
         (right, 1.0, logit, lm.hinge(), "hinge", AMBER, (0.3, 1.03)),
         (right, 1.0, logit, lm.brier(), "squared error of the probability", RED, (1.12, 0.04))]
for axis, truth, prediction, loss, name, colour, place in SHOWN:
    truths = np.full(len(prediction), truth)
    value = loss(truths, prediction, reduction="none")
    strength = np.abs(loss.gradient(truths, prediction, reduction="none"))
    if colour == AMBER:
        strength[value == 0] = np.nan
        axis.plot(0, 0, "o", color=AMBER, markersize=5)
    axis.plot(value, strength, color=colour, linewidth=2)
    axis.text(*place, name, color=colour, fontsize=9)
left.set(title="numbers", xlabel="loss of a prediction", ylabel="how hard it pulls", xlim=(0, 4), ylim=(0, 4.2))
right.set(title="classes", xlabel="loss of a prediction", xlim=(-0.05, 4), ylim=(-0.04, 1.15))
show(figure, alt="How hard a prediction pulls over its loss. For numbers: squared error pulls ever harder, Huber up to delta, "
                 "absolute error always alike. For classes: cross-entropy pulls harder up to 1, hinge alike wherever it is not "
                 "satisfied, squared error of the probability less and less as its loss nears 1.")

# %% [markdown]
# If "larger loss, larger step" were a law, every curve would rise all the way. Squared error does. Huber and
# cross-entropy rise and level off. Absolute error and hinge are flat: a sample far away pulls no harder than one nearby.
# And squared error of a probability falls back to zero where its loss is largest.
#
# ## A race of two losses
#
# The households of [chapter 2](2-outliers.py), in thousands of francs: two coefficients, `a` and `b`, and the line `a + b
# * income`. Two losses start at the same place with the same rate.

# %%
import statsmodels.api as sm

table = sm.datasets.engel.load_pandas().data
income, food = table["income"].to_numpy() / 1000, table["foodexp"].to_numpy() / 1000

def walk(loss, rate, steps=80):
    a, b = 1.0, -0.5
    path = [(a, b)]
    for step in range(steps):
        gradient = loss.gradient(food, a + b * income)
        r = rate(step) if callable(rate) else rate
        a, b = a - r * gradient.sum(), b - r * (gradient @ income)
        path.append((a, b))
    return np.array(path)

losses = {"squared": lm.squared_error(), "absolute": lm.absolute_error()}
walks, goals, left = {}, {}, {}
for name, loss in losses.items():
    best = lm.LinearRegressor(loss).fit(income[:, None], food)
    goals[name] = np.array([best.intercept_, best.coef_[0]])
    walks[name] = walk(loss, rate=0.2)
    left[name] = np.hypot(*(walks[name] - goals[name]).T)
print("way left to the optimum")
print("step      ", *(f"{step:6d}" for step in range(0, 81, 10)))
for name in losses:
    print(f"{name:10s}", *(f"{left[name][step]:6.3f}" for step in range(0, 81, 10)))

# %%
from race import show_race

figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.3), width_ratios=[1, 1, 1.05])
aa, bb = np.meshgrid(np.linspace(-0.15, 1.12, 90), np.linspace(-0.62, 0.9, 90))
for axis, name, colour in ((axes[0], "squared", RED), (axes[1], "absolute", BLUE)):
    predictions = aa.reshape(-1, 1) + bb.reshape(-1, 1) * income
    surface = losses[name](np.broadcast_to(food, predictions.shape), predictions, reduction="none").mean(1).reshape(aa.shape)
    low = losses[name](food, goals[name][0] + goals[name][1] * income)
    levels = low + (surface.max() - low) * np.linspace(0.02, 1, 13) ** 2
    axis.contour(aa, bb, surface, levels=levels, colors=GREY, linewidths=0.6, alpha=0.7)
    axis.plot(*walks[name].T, color=colour, linewidth=1, alpha=0.4)
    axis.plot(*goals[name], "+", color=GREY, markersize=11, markeredgewidth=2)
    axis.set(title=f"{name} error", xlabel="a", xlim=(-0.15, 1.12), ylim=(-0.62, 0.9))
    axes[2].plot(left[name], color=colour, linewidth=1, alpha=0.4)
    axes[2].text(80, left[name][-1] + 0.06, name, color=colour, ha="right", fontsize=9)
axes[0].set_ylabel("b")
axes[2].set(title="way left", xlabel="step", ylim=(0, None))
time = np.arange(81)
show_race(figure, [(axes[0], RED, walks["squared"]), (axes[1], BLUE, walks["absolute"]),
                   (axes[2], RED, np.column_stack([time, left["squared"]])),
                   (axes[2], BLUE, np.column_stack([time, left["absolute"]]))],
          alt="Two dots walk over the contours of their losses, from the same start. Squared error takes large steps first and "
              "ever smaller ones, into the optimum. Absolute error walks down its valley at an even speed and "
              "then jumps to and fro across it, without coming nearer.")

# %% [markdown]
# Under absolute error every household pulls with the same force, near or far, so the speed is even as long as the same
# households lie above the line and the same below. It starts further from its optimum, and after 30 steps it is nearer.
# But it cannot stop: with this rate it jumps to and fro across the valley for ever. Squared error takes its largest steps
# first. As the errors shrink the pulls shrink with them, so it slows down by itself and comes to rest at the optimum.
# Here "larger loss, larger step" is what makes a *fixed* rate work.
#
# A walk whose pull does not fade needs a rate that does. With `rate / sqrt(step)` it settles, slowly (Shor 1985; Nesterov
# 2018). The same is needed where gradients are noisy, of a few samples at a time (Robbins and Monro 1951).

# %%
def fading(step):
    return 0.4 / (step + 1) ** 0.5

print("way left         after 200 steps   after 2000")
rates = {"fixed, 0.2": 0.2, "fixed, 0.02": 0.02, "0.4 / sqrt(step)": fading}
for name, rate in rates.items():
    way = np.hypot(*(walk(losses["absolute"], rate, steps=2000) - goals["absolute"]).T)
    print(f"{name:16s} {way[200]:15.3f}   {way[2000]:10.4f}")

# %% [markdown]
# (The solver of `lm.LinearRegressor` does neither: it smooths the kink, less and less, and proves how near it came.)
#
# ## Where the largest loss gives the smallest step
#
# One prediction, certain and wrong: a logit of -8 where the truth is 1, and a rate of 1.

# %%
needed = {}
for loss in (lm.hinge(), lm.binary_cross_entropy(), lm.brier()):
    logit, steps = -8.0, 0
    while logit <= 0:
        logit -= loss.gradient([1], [logit])[0]
        steps += 1
    needed[loss.name] = steps
    print(f"{loss.name:22s} {steps:5d} steps until the prediction is right")

# %% [markdown]
# Squared error of the probability charges almost the most it can, and sees almost no slope: a plateau. This is the
# [fourth chapter's](4-cross-entropy.py) reason for cross-entropy. It is also why a loss that *forgets* far samples (a
# redescending one) must start from a good place: a sample on the plateau no longer says where to go.
#
# ## Try it
#
# Give both the rate 0.05, then 0.5: one of them diverges, the other only jumps wider. Why? Then let `lm.huber(delta=0.3)
# / 0.3` run in the place of absolute error: the same even speed far away, and a soft landing. What happens with a smaller
# `delta`?
#
# ## Sources
#
# * N. Z. Shor, *Minimization methods for non-differentiable functions* (1985),
#   [doi:10.1007/978-3-642-82118-9](https://doi.org/10.1007/978-3-642-82118-9).
# * Y. Nesterov, *Lectures on convex optimization* (2018),
#   [doi:10.1007/978-3-319-91578-4](https://doi.org/10.1007/978-3-319-91578-4).
# * H. Robbins, S. Monro, *A stochastic approximation method*, Annals of Mathematical Statistics 22 (1951),
#   [doi:10.1214/aoms/1177729586](https://doi.org/10.1214/aoms/1177729586).
