"""Made from docs/guide/3-huber.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 3. Huber: between the two
#
# Squared error makes the most of well-behaved errors, and is ruined by a few that are not. Absolute error does not mind
# those few, and wastes data when all is well. Peter Huber's answer of 1964 is both: **square the small errors, take the
# large ones as they are**. Its one parameter, `delta`, says where small ends.

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np

import lossmith as lm

loss = lm.huber(delta=1.0)
for error in (0.5, 1.0, 2.0, 10.0):
    value, slope = loss.value_and_gradient([0.0], [error])
    print(f"error {error:4.1f}   loss {value:6.3f}   pull {slope[0]:4.1f}")

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
error = np.linspace(-4, 4, 801)
figure, (value, pull) = plt.subplots(1, 2, figsize=(8.4, 3.1))
for name, loss, colour in (("half the squared error", 0.5 * lm.squared_error(), RED),
                           ("absolute error", lm.absolute_error(), BLUE),
                           ("Huber, delta = 1.345", lm.huber(delta=1.345), GREEN)):
    value.plot(error, loss(np.zeros(801), error, reduction="none"), color=colour, label=name, linewidth=1.8)
    gradient = loss.gradient(np.zeros(801), error, reduction="none")
    if colour == BLUE:
        gradient[400] = np.nan
    pull.plot(error, gradient, color=colour, linewidth=1.8)
value.set(title="the loss of an error", xlabel="prediction - truth", ylim=(0, 6))
pull.set(title="how hard it pulls (gradient)", xlabel="prediction - truth", ylim=(-3, 3))
pull.axhline(0, color=GREY, linewidth=0.8)
value.legend(loc="upper center", fontsize=9)
show(figure, alt="Huber's loss follows the parabola of squared error near zero and then continues as a straight line. Its "
                 "gradient rises in proportion to the error up to delta and stays there.")

# %% [markdown]
# A sample's pull grows with its error up to `delta`, and no further.
#
# ## What the insurance costs
#
# If the errors are normal, the mean is the best there is, and anything else needs more data for the same precision. How
# much more follows from the first two derivatives of the loss, its slope and its bend. With many data and symmetric
# errors, the **efficiency** of an estimate, relative to squared error, is (Huber 1964)
#
# $$\frac{\operatorname{E}[\text{bend}]^2 \cdot \operatorname{Var}[\text{error}]}{\operatorname{E}[\text{slope}^2]}.$$
#
# The library has both derivatives, so a few sums tell.

# %%
from scipy.stats import norm

r = np.sinh(np.linspace(-5.3, 5.3, 200_001))      # errors up to 100, densely near 0
clean = norm.pdf(r)
spoiled = 0.95 * clean + 0.05 * norm.pdf(r, scale=10)   # one in twenty is wild
zero, width = np.zeros_like(r), np.gradient(r)

def efficiency(loss, density):
    mean = lambda values: (values * density) @ width
    slope, bend = loss.gradient(zero, r, reduction="none"), loss.hessian(zero, r)
    return mean(bend) ** 2 * mean(r**2) / mean(slope**2)

print("delta   normal errors   one in twenty ten times as wide")
for delta in (0.05, 0.5, 1.345, 3.0, 30.0):
    loss = lm.huber(delta=delta)
    both = [efficiency(loss, density) for density in (clean, spoiled)]
    print(f"{delta:<5g}   {both[0]:13.2f}   {both[1]:31.2f}")

# %%
deltas = np.geomspace(0.02, 40, 90)
figure, axis = plt.subplots(figsize=(7.2, 3.5))
for name, density, colour in (("normal errors", clean, GREY), ("one in twenty ten times as wide", spoiled, GREEN)):
    axis.semilogx(deltas, [efficiency(lm.huber(delta=d), density) for d in deltas], color=colour, label=name, linewidth=2)
axis.axvline(1.345, color=GREY, linewidth=0.9, linestyle=":")
axis.annotate("1.345", (1.345, 0.12), xytext=(4, 0), textcoords="offset points", fontsize=9)
axis.text(0.022, 0.12, "like absolute error", color=BLUE, fontsize=9)
axis.text(38, 0.12, "like squared error", color=RED, fontsize=9, ha="right")
axis.set(xlabel="delta, in standard deviations of the clean errors", ylabel="efficiency (squared error = 1)", ylim=(0, None))
axis.legend(loc="upper left", fontsize=9)
show(figure, alt="Efficiency over delta. For normal errors it rises from that of the median, about two thirds, to 1. For "
                 "spoiled errors it is highest around delta 1.345, several times that of squared error, and falls to 1.")

# %% [markdown]
# At the left end Huber is absolute error, at the right end squared error. At `delta = 1.345` standard deviations it gives
# up 5 % when all is well, and is nearly 5 times as efficient when one error in twenty is wild. Hence that famous
# constant.

# %% [markdown]
# ## `delta` is in units of your target
#
# This is the commonest mistake. A default of 1 means one degree, one dollar, one second, and nothing about the data. The
# same 21 days of an ammonia plant, the loss of ammonia through the stack in its own units and in units a thousand times
# smaller:

# %%
import statsmodels.api as sm

plant = sm.datasets.stackloss.load_pandas().data
X = plant[["AIRFLOW", "WATERTEMP", "ACIDCONC"]].to_numpy()
y = plant["STACKLOSS"].to_numpy()

huber = lm.huber(delta=1.345)
models = {
    "squared error": lm.LinearRegressor("squared_error"),
    "absolute error": lm.LinearRegressor("absolute_error"),
    "fixed delta": lm.LinearRegressor(huber),
    "delta from the data": lm.LinearRegressor(huber, scale="mad"),
}
slopes = {}
print("                      unit   air flow    water     acid")
for name, model in models.items():
    for unit in (1, 1000):
        slopes[name, unit] = model.fit(X, y * unit).coef_ / unit
        numbers = "".join(f"{slope:9.3f}" for slope in slopes[name, unit])
        print(f"{name:19s} 1/{unit:<4d} {numbers}")

# %% [markdown]
# A fixed `delta` becomes another loss when the unit changes: here, in the smaller unit, it has turned into absolute
# error. With `scale="mad"` the constant is a multiple of the size of the residuals themselves (their median absolute
# deviation, which wild values cannot inflate), and the unit no longer matters.

# %% [markdown]
# ## What it does not estimate
#
# Where errors are symmetric, mean, median and Huber's centre are one and the same; where most errors are normal and a
# few may be anything, Huber's has the smallest variance that can be guaranteed (Huber 1964). Where they are *skewed* they
# are three different numbers, and Huber's has no name.

# %%
food = sm.datasets.engel.load_pandas().data["foodexp"].to_numpy()
size = 1.4826 * np.median(np.abs(food - np.median(food)))
centre = lm.huber(delta=1.345 * size).best_constant(food)
print(f"median {np.median(food):.1f}, Huber {centre:.1f}, mean {food.mean():.1f}")

# %% [markdown]
# So "there are outliers, take Huber" is a wrong rule where you need a total and the large values are real: it will be too
# low. It is the right rule where the target is the centre of symmetric errors, some of them gross.
#
# ## Try it
#
# Set `delta` to 0.001 times `size` and to 1000 times `size` in the last block. Then replace Huber by `lm.pseudo_huber` or
# `lm.log_cosh`, which are smooth everywhere, and use `efficiency` to find the constant at which `pseudo_huber` is 95 %
# efficient for normal errors.
#
# ## Sources
#
# * P. J. Huber, *Robust estimation of a location parameter*, Annals of Mathematical Statistics 35 (1964),
#   [doi:10.1214/aoms/1177703732](https://doi.org/10.1214/aoms/1177703732).
# * The constants: P. W. Holland, R. E. Welsch, *Robust regression using iteratively reweighted least-squares*,
#   Communications in Statistics 6 (1977), [doi:10.1080/03610927708827533](https://doi.org/10.1080/03610927708827533).
# * The data: K. A. Brownlee, *Statistical theory and methodology in science and engineering* (1965), and E. Engel's
#   households of [chapter 2](2-outliers.py).
