"""Made from docs/guide/1-loss.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 1. What a loss function is
#
# A model makes a prediction, the world answers, and a **loss function** says in one number how bad the prediction was.
# That number is all that training sees. Average it over the data, ask in which direction each coefficient makes the
# average smaller, take a small step that way, and repeat: this is how nearly every model of today learns.
#
# Here is the whole of it on a real table: 442 people with diabetes, their body-mass index, and how far the disease had
# come a year later.
#
# ## A number for every prediction

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np
from sklearn.datasets import load_diabetes

import lossmith as lm

table = load_diabetes()
y = table.target                                # progression of the disease, 25 to 346
bmi = table.data[:, 2]
x = (bmi - bmi.mean()) / bmi.std()              # body-mass index in standard deviations

loss = lm.squared_error()
guess = np.full(len(y), 100.0)                  # one guess for everybody, to begin with
each = loss(y, guess, reduction="none")
for i in range(3):
    print(f"truth {y[i]:5.0f}   guess {guess[i]:5.0f}   loss {each[i]:6.0f}")
print(f"mean loss of all {len(y)} people: {loss(y, guess):.0f}")

# %% [markdown]
# The loss here is the square of the error: being wrong by twice as much costs four times as much. Other losses count
# errors otherwise, and [the next chapter](2-outliers.py) shows what that changes.
#
# ## The direction that makes it smaller
#
# The **gradient** of the loss says how much the loss grows if a prediction grows a little. Where it is negative, the
# prediction should go up. No guesswork is needed: a derivative is as exact as the loss itself. Nudge one prediction, and
# the loss does what the gradient said.

# %%
pull = loss.gradient(y, guess, reduction="none")
nudged = loss(y[:1], guess[:1] + 0.001) - loss(y[:1], guess[:1])
print(f"the gradient says {pull[0] * 0.001:.3f}, the loss changed by {nudged:.3f}")

# %% [markdown]
# A model has fewer knobs than predictions. Ours has two: `prediction = a + b * x`. A change of `a` moves every prediction
# by as much, a change of `b` moves a person's by their `x`. So the gradient of the mean loss with respect to `a` and `b`
# is made of the pulls on the predictions; this is the chain rule, and in a network of a hundred layers it is the same
# rule again and again.
#
# ## Walking downhill

# %%
a, b, rate = 0.0, 0.0, 0.1
path = []
for step in range(41):
    prediction = a + b * x
    path.append((a, b, loss(y, prediction)))
    if step % 10 == 0:
        print(f"step {step:2d}   a = {a:5.1f}   b = {b:4.1f}   loss {path[-1][2]:8.1f}")
    pull = loss.gradient(y, prediction)         # each person's share of the mean's gradient
    a -= rate * pull.sum()
    b -= rate * (pull @ x)

model = lm.LinearRegressor(loss).fit(x[:, None], y)
best = model.intercept_, model.coef_[0], model.objective_
print("optimum   a = {:5.1f}   b = {:4.1f}   loss {:8.1f}".format(*best))

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
figure, (fit, fall) = plt.subplots(1, 2, figsize=(8.4, 3.3), width_ratios=[1.25, 1])
fit.plot(x, y, "o", color=GREY, markersize=2.5, alpha=0.55)
ends = np.array([x.min(), x.max()])
for step, strength in ((0, 0.35), (3, 0.5), (8, 0.7), (40, 1.0)):
    fit.plot(ends, path[step][0] + path[step][1] * ends, color=RED, alpha=strength, linewidth=1.8)
    fit.annotate(f"step {step}", (ends[1], path[step][0] + path[step][1] * ends[1]), xytext=(5, 0),
                 textcoords="offset points", va="center", fontsize=9)
fit.set(xlabel="body-mass index, in standard deviations", ylabel="progression after a year", title="the line it learns")
fit.set_xlim(right=ends[1] + 1.0)
fall.plot([value for _, _, value in path], color=RED, marker="o", markersize=3)
fall.axhline(model.objective_, color=GREY, linewidth=1, linestyle="--")
fall.annotate("the least there is", (40, model.objective_), xytext=(0, -4), textcoords="offset points", ha="right",
              va="top", fontsize=9)
fall.set(xlabel="step", ylabel="mean loss", title="the loss on the way", ylim=(0, None))
show(figure, alt="Left: the data and the fitted line after 0, 3, 8 and 40 steps, rising from flat to the least-squares "
                 "line. Right: the mean loss falls steeply at first, then levels off at its minimum.")

# %% [markdown]
# The two coordinates are measured so that this loss is a round bowl, and at the rate 0.1 every step takes a fifth of the
# way that is left to the bottom. The bottom is not zero: people with the same body-mass index differ, and no line can
# follow them all.

# %% [markdown]
# ## The loss decides what is learned
#
# Nothing in that loop says *what* to learn except the line `loss = lm.squared_error()`. Squared error leads to the
# **mean** of the target among people with the same `x`, as far as the model can follow it; another loss leads to the
# median, to a quantile, to a probability. Which loss leads to which is a theorem, not a matter of taste (Gneiting 2011),
# so the first question is never "which loss is best?" but "what do I want to know?"
#
# ## Try it
#
# Set `rate` to 0.9: each step now overshoots the bottom, and still comes nearer. Set it to 1.01: the loss grows at every
# step, and the run diverges. What is the largest rate that works, and what does the second derivative of the loss,
# `loss.hessian`, have to do with it? Then replace the loss by `lm.absolute_error()` and find a rate that works; [chapter
# 7](7-descent.py) explains why it has to be so different.

# %% [markdown]
# ## Sources
#
# * A.-L. Cauchy proposed gradient descent in 1847; C. Lemaréchal, *Cauchy and the gradient method*, Documenta
#   Mathematica, extra volume ISMP (2012), [doi:10.4171/dms/6/27](https://doi.org/10.4171/dms/6/27).
# * T. Gneiting, *Making and evaluating point forecasts*, JASA 106 (2011),
#   [doi:10.1198/jasa.2011.r10138](https://doi.org/10.1198/jasa.2011.r10138).
# * The data: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, *Least angle regression*, Annals of Statistics 32 (2004),
#   [doi:10.1214/009053604000000067](https://doi.org/10.1214/009053604000000067).
