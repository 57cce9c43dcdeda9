"""Made from docs/guide/4-cross-entropy.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 4. Cross-entropy, and why not squared error for classes
#
# A classifier should say how likely each class is. **Cross-entropy** charges it the surprise of what then happened: minus
# the logarithm of the probability that it gave to the true class. Certain and right costs nothing; an even guess between
# two costs $\log 2$; certain and wrong costs without limit.

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np

import lossmith as lm

happened = lm.binary_cross_entropy(from_logits=False)
for probability in (0.99, 0.9, 0.5, 0.1, 0.01):
    loss = happened([1], [probability])
    print(f"it happens, and you said {probability:4.0%}: loss {loss:.3f}")

# %% [markdown]
# It is *strictly proper*: whoever believes 30 % fares best on average by saying 30 %, neither more nor less (Good 1952).

# %%
said = np.linspace(0.01, 0.99, 99)
yes, no = (happened(np.full(99, y), said, reduction="none") for y in (1, 0))
expected = 0.3 * yes + 0.7 * no
print(f"of a 30% chance, the expected loss is least at {said[expected.argmin()]:.0%}")

# %% [markdown]
# ## From scores to probabilities
#
# A model emits a **logit**, any real number; the logistic function makes a probability of it. Taken together with
# cross-entropy, the gradient on the logit is as simple as it could be: *predicted probability minus truth*.

# %%
entropy, square = lm.binary_cross_entropy(), lm.brier()   # Brier: squared error
print("logit   probability   pull by cross-entropy   pull by squared error")
for logit in (4.0, 0.0, -4.0, -10.0):
    p = entropy.link.inverse(logit)
    pulls = [loss.gradient([1], [logit])[0] for loss in (entropy, square)]
    print(f"{logit:5.0f}   {p:11.5f}   {pulls[0]:21.5f}   {pulls[1]:21.5f}")

# %% [markdown]
# The truth is 1. Read the last line. The model is almost certain, and wrong. Cross-entropy pulls with all its force;
# squared error, at its most expensive prediction, hardly pulls at all, because there the logistic function is flat. The
# more wrong, the less it learns.

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
logit = np.linspace(-8, 5, 521)
ones = np.ones(521)
figure, (value, pull) = plt.subplots(1, 2, figsize=(8.4, 3.2))
for name, loss, colour in (("cross-entropy", entropy, PURPLE), ("squared error of the probability", square, RED)):
    value.plot(logit, loss(ones, logit, reduction="none"), color=colour, label=name, linewidth=1.8)
    pull.plot(logit, -loss.gradient(ones, logit, reduction="none"), color=colour, linewidth=1.8)
value.set(title="the loss where the truth is 1", xlabel="logit", ylim=(0, 6))
pull.set(title="how hard it pulls towards the truth", xlabel="logit", ylim=(0, 1.1))
pull.annotate("wrong, and hardly pulled", (-7, 0.01), xytext=(-8, 0.42), arrowprops={"arrowstyle": "->", "color": GREY},
              fontsize=9)
value.legend(loc="upper right", fontsize=9)
show(figure, alt="Left: cross-entropy rises in a straight line as the logit becomes more wrong, squared error levels off at 1. "
                 "Right: the pull of cross-entropy rises to 1, that of squared error peaks in the middle and returns to 0.")

# %% [markdown]
# What that does to training: the Wisconsin breast cancer table, 569 tumours, half of them for training. The model starts
# out confident and wrong, as an unlucky initial value would have it.

# %%
from sklearn.datasets import load_breast_cancer

table = load_breast_cancer()
X = (table.data - table.data.mean(0)) / table.data.std(0)
y = 1 - table.target                                            # 1: malignant
order = np.random.default_rng(0).permutation(len(y))
train, test = order[:284], order[284:]
rate_of_ones = y[train].mean()

def descend(loss, steps, rate=0.1):
    a, b = 0.0, -2 * X[train].T @ (y[train] - rate_of_ones) / len(train)
    for _ in range(steps):
        pull = loss.gradient(y[train], a + X[train] @ b)
        a, b = a - rate * pull.sum(), b - rate * (X[train].T @ pull)
    return ((a + X[test] @ b > 0) == (y[test] == 1)).mean()

print("steps   right by cross-entropy   right by squared error")
for steps in (0, 10, 30, 100, 300):
    right = [descend(loss, steps) for loss in (entropy, square)]
    print(f"{steps:5d}   {right[0]:22.0%}   {right[1]:22.0%}")

# %% [markdown]
# Squared error of a probability is not *wrong*. It is strictly proper too, known as the Brier score (1950), and one of
# the best ways to *judge* probabilities; given patience and a lucky start it trains as well. It is a poor guide from a
# bad start, because seen from the logit it is not convex and flat where the model is most wrong.
#
# ## More than two classes
#
# With several classes the model emits a row of scores, softmax makes probabilities of them, and the loss is again the
# surprise at the true class. With two classes, only the difference of the scores counts, and it is the same loss.

# %%
categorical = lm.cross_entropy()
scores = np.array([[2.0, 0.5, -1.0]])
print("probabilities:", np.round(categorical.link.inverse(scores)[0], 3))
for k in range(3):
    print(f"loss if class {k} is true: {categorical([k], scores):.3f}")
two = np.array([[0.3, 1.5]])
print("two classes:", categorical([1], two), "=", entropy([1], [1.5 - 0.3]))

# %% [markdown]
# What must never be done with classes that have no order is to call them 0, 1, 2, ... and predict that number. It says
# that a 7 lies between a 6 and an 8, and that mistaking a 1 for a 9 is 64 times as bad as mistaking a 1 for a 2.
# Handwritten digits know nothing of this (classes that do have an order, such as *poor* to *excellent*, are numbers just as little, for
# nobody says that the steps are equal: `lm.cumulative_logit` takes the order and leaves the distances to be learned):

# %%
from sklearn.datasets import load_digits

images, digit = load_digits(return_X_y=True)
images = images / 16
order = np.random.default_rng(0).permutation(len(digit))
train, test = order[:1200], order[1200:]

number = lm.LinearRegressor("squared_error", l2=1e-3).fit(images[train], digit[train])
rounded = np.clip(np.round(number.predict(images[test])), 0, 9)
classes = lm.LinearClassifier(l2=1e-3).fit(images[train], digit[train])
chosen = classes.predict(images[test])
print(f"the class as a number, squared error: {(rounded == digit[test]).mean():.0%} right")
print(f"a score per class, cross-entropy:     {(chosen == digit[test]).mean():.0%} right")

# %% [markdown]
# ## Try it
#
# Let the cancer model start from zero weights instead: how much of the difference remains? Then give it
# `label_smoothing=0.1` (`lm.binary_cross_entropy(label_smoothing=0.1)`), which never lets it be certain, and compare the
# probabilities on `test`.
#
# ## Sources
#
# * I. J. Good, *Rational decisions*, JRSS B 14 (1952),
#   [doi:10.1111/j.2517-6161.1952.tb00104.x](https://doi.org/10.1111/j.2517-6161.1952.tb00104.x); T. Gneiting, A. E.
#   Raftery, *Strictly proper scoring rules, prediction, and estimation*, JASA 102 (2007),
#   [doi:10.1198/016214506000001437](https://doi.org/10.1198/016214506000001437).
# * G. W. Brier, *Verification of forecasts expressed in terms of probability*, Monthly Weather Review 78 (1950),
#   [doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2](https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2).
# * In deep networks, with care, squared error on scores can do as well: L. Hui, M. Belkin, *Evaluation of neural
#   architectures trained with square loss vs cross-entropy in classification tasks* (2021),
#   [doi:10.48550/arXiv.2006.07322](https://doi.org/10.48550/arXiv.2006.07322).
# * The data: W. N. Street, W. H. Wolberg, O. L. Mangasarian (1993),
#   [doi:10.1117/12.148698](https://doi.org/10.1117/12.148698); E. Alpaydin, C. Kaynak, *Optical recognition of
#   handwritten digits* (1998), [doi:10.24432/C50P49](https://doi.org/10.24432/C50P49).
