"""Made from docs/guide/2-outliers.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 2. Squared and absolute error, and one outlier
#
# Squared error asks for the **mean**. Absolute error asks for the **median**. Most of what people say about the two
# follows from this, including what a single wrong value does to each.
#
# The table is one of the oldest of economics: what 235 Belgian working-class households earned and what they spent on
# food, in francs a year. Ernst Engel published them in 1857.

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np
import statsmodels.api as sm

import lossmith as lm

table = sm.datasets.engel.load_pandas().data
income, food = table["income"].to_numpy(), table["foodexp"].to_numpy()

squared, absolute = lm.squared_error(), lm.absolute_error()
for loss, name, value in ((squared, "mean", food.mean()), (absolute, "median", np.median(food))):
    print(f"best by {loss.name:14s}  {loss.best_constant(food):.1f}   {name:6s} {value:.1f}")

# %% [markdown]
# The mean is what you need when totals matter: the sum of its predictions is the sum of the data. The median is the
# household in the middle: half spend less, half spend more. Where the target is skewed, as here, they differ, and
# *neither is wrong*. They answer different questions.
#
# ## How hard an error pulls
#
# Under squared error the pull of a sample, the gradient, grows with its error. Under absolute error every sample pulls
# equally hard, up or down, however far away it is.

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
SHOWN = {"squared error": (squared, RED), "absolute error": (absolute, BLUE)}
error = np.linspace(-3, 3, 601)
figure, (value, pull) = plt.subplots(1, 2, figsize=(8.4, 3.1))
for name, (loss, colour) in SHOWN.items():
    value.plot(error, loss(np.zeros(601), error, reduction="none"), color=colour, label=name, linewidth=1.8)
    gradient = loss.gradient(np.zeros(601), error, reduction="none")
    gradient[300] = np.nan if loss is absolute else 0.0                        # absolute error jumps at 0
    pull.plot(error, gradient, color=colour, linewidth=1.8)
value.set(title="the loss of an error", xlabel="prediction - truth", ylim=(0, 6))
pull.set(title="how hard it pulls (gradient)", xlabel="prediction - truth")
pull.axhline(0, color=GREY, linewidth=0.8)
value.legend(loc="upper center")
show(figure, alt="Left: squared error is a parabola, absolute error a V. Right: the gradient of squared error is a straight "
                 "line through zero, that of absolute error is minus one on the left and plus one on the right.")

# %% [markdown]
# At the best prediction the pulls are in balance. Equal pulls balance where as many samples lie above as below: the
# median. Pulls in proportion to the distance balance at the centre of gravity: the mean.
#
# ## One typing error
#
# Now somebody types one household's food expenditure with the decimal point in the wrong place, a hundred times too
# large.

# %%
typo = food.copy()
wrong = np.argsort(income)[215]                  # one of the better earning households
typo[wrong] *= 100

for name, loss in {"squared": squared, "absolute": absolute}.items():
    before, after = loss.best_constant(food), loss.best_constant(typo)
    print(f"{name:8s}  {before:.1f} -> {after:.1f}")

# %%
print("of one more franc of income, spent on food")
lines = {}
for name, loss in {"squared": squared, "absolute": absolute}.items():
    for data, target in {"clean": food, "one typing error": typo}.items():
        line = lm.LinearRegressor(loss).fit(income[:, None], target)
        lines[name, data] = line
        print(f"{name:8s}  {data:16s}  {line.coef_[0]:5.3f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.5), sharey=True)
ends = np.array([300.0, 2200.0])
for axis, data, target in zip(axes, ("clean", "one typing error"), (food, typo), strict=True):
    axis.plot(income, target, "o", color=GREY, markersize=3, alpha=0.6)
    for name, colour in (("squared", RED), ("absolute", BLUE)):
        axis.plot(ends, lines[name, data].predict(ends[:, None]), color=colour, linewidth=2, label=f"{name} error")
    axis.set(title=data, xlabel="income (francs a year)", xlim=(300, 2200), ylim=(0, 1900))
axes[0].set_ylabel("food (francs a year)")
axes[0].legend(loc="upper left")
axes[1].text(350, 1780, f"the wrong value lies\nfar above, at {typo[wrong]:,.0f}", fontsize=9, va="top")
show(figure, alt="Food expenditure over income with the lines of squared and absolute error. On clean data both lie close "
                 "together; with one wrong value far above the picture the line of squared error moves far away, that of "
                 "absolute error stays.")

# %% [markdown]
# The mean moves by the error divided by the number of samples, and there is no end to it: a value a million times too
# large moves it about ten thousand times further. The median moves at most to the next household, whatever was typed. One
# value in 235 is enough to ruin the first line; the second hardly notices it.

# %% [markdown]
# ## Where absolute error does not help
#
# It resists wrong *targets*. It does not resist wrong *features*: a household whose income is typed a hundred times too
# large lies so far to the right that it turns the line like a lever, and one row is enough.

# %%
wrong_income = income.copy()
wrong_income[wrong] *= 100
for name, loss in {"squared": squared, "absolute": absolute}.items():
    model = lm.LinearRegressor(loss).fit(wrong_income[:, None], food)
    print(f"{name:8s}  one wrong income: {model.coef_[0]:5.3f}")

# %% [markdown]
# No convex loss of the residuals is safe against such rows (Rousseeuw and Leroy 1987); look at the features before you
# train. And an outlier may be true. If the rare large values are real and the total is what you pay for, a loss that does
# not hear them gives a total that is too low:

# %%
short = 1 - absolute.best_constant(food) * len(food) / food.sum()
print(f"235 times the median is {short:.1%} less than was spent on food in all")

# %% [markdown]
# ## Try it
#
# Let the wrong value be a hundred times too *small* instead. Which of the two lines notices now, and why is the answer
# not simply the mirror image? Then spoil 20, 60, 110 and 120 households upwards and watch `absolute.best_constant`: where
# does the median give way?
#
# ## Sources
#
# * What each loss asks for: T. Gneiting, *Making and evaluating point forecasts*, JASA 106 (2011),
#   [doi:10.1198/jasa.2011.r10138](https://doi.org/10.1198/jasa.2011.r10138).
# * What one sample can do: F. R. Hampel, *The influence curve and its role in robust estimation*, JASA 69 (1974),
#   [doi:10.1080/01621459.1974.10482962](https://doi.org/10.1080/01621459.1974.10482962); P. J. Rousseeuw, A. M. Leroy,
#   *Robust regression and outlier detection* (1987), [doi:10.1002/0471725382](https://doi.org/10.1002/0471725382).
# * Lines by absolute error, and this table: R. Koenker, G. Bassett, *Robust tests for heteroscedasticity based on
#   regression quantiles*, Econometrica 50 (1982), [doi:10.2307/1912528](https://doi.org/10.2307/1912528).
