"""Made from docs/guide/5-hinge.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 5. Hinge, and the linear support vector machine
#
# Cross-entropy is never satisfied: however right a prediction is, it can be righter. The **hinge loss** is satisfied as
# soon as a prediction is right by a margin of 1, and from then on asks nothing more of it. So a model trained by it is
# made by the difficult samples alone, the *support vectors*.
#
# With $a$ the score in the direction of the truth (positive: right, negative: wrong), the hinge is $\max(0, 1 - a)$.

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np

import lossmith as lm

hinge, entropy = lm.hinge(), lm.binary_cross_entropy()
print("            hinge         cross-entropy")
print("margin   loss   pull      loss    pull")
for margin in (-2.0, 0.0, 0.5, 1.5, 5.0):
    a, pull = hinge.value_and_gradient([1], [margin])
    b, soft = entropy.value_and_gradient([1], [margin])
    print(f"{margin:6.1f}   {a:4.2f}   {abs(pull[0]):4.2f}     {b:5.3f}   {abs(soft[0]):5.3f}")

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
margin = np.linspace(-3, 4, 701)
ones = np.ones(701)
figure, (value, pull) = plt.subplots(1, 2, figsize=(8.4, 3.1))
for name, loss, colour in (("hinge", hinge, AMBER), ("cross-entropy", entropy, PURPLE)):
    value.plot(margin, loss(ones, margin, reduction="none"), color=colour, label=name, linewidth=1.8)
    gradient = -loss.gradient(ones, margin, reduction="none")
    if loss is hinge:
        gradient[400] = np.nan                                                # it jumps at 1
    pull.plot(margin, gradient, color=colour, linewidth=1.8)
value.step([-3, 0, 4], [1, 1, 0], where="pre", color=GREY, linewidth=1, linestyle="--", label="a mistake")
value.set(title="the loss", xlabel="margin: the score in the direction of the truth")
pull.set(title="how hard it pulls", xlabel="margin", ylim=(-0.05, 1.15))
value.legend(loc="upper right", fontsize=9)
show(figure, alt="The hinge falls in a straight line to 0 at a margin of 1 and stays there; its pull is 1 below and 0 above. "
                 "Cross-entropy and its pull fall smoothly and never reach 0. Both lie above the step that counts mistakes "
                 "where the score is wrong.")

# %% [markdown]
# The hinge never lies below the step that counts mistakes. So its mean is at least the share of mistakes, and making it
# small makes mistakes few.
#
# ## Threes and eights
#
# Among scikit-learn's handwritten digits, of 8 by 8 pixels, 3 and 8 are easily confused. A linear model under the hinge
# loss, with a small penalty on its coefficients, *is* the linear support vector machine.

# %%
from sklearn.datasets import load_digits

images, digit = load_digits(return_X_y=True)
chosen = np.isin(digit, (3, 8))
X, y = images[chosen] / 16, (digit[chosen] == 8).astype(int)     # 1: an eight
order = np.random.default_rng(0).permutation(len(y))
train, test = order[:200], order[200:]

machine = lm.LinearClassifier(hinge, l2=0.01).fit(X[train], y[train])
margins = np.where(y == 1, 1, -1) * machine.decision_function(X)
support = train[margins[train] < 1 + 1e-6]
print(f"right on {(margins[test] > 0).mean():.1%} of {len(test)} digits never seen")
print(f"{len(support)} of {len(train)} training digits are support vectors")

# %% [markdown]
# Throw all the other training digits away and train again on the support vectors alone. The sum of their losses, and the
# penalty beside it, are what they were, so the machine must be the same:

# %%
share = len(support) / len(train)
again = lm.LinearClassifier(hinge, l2=0.01 / share).fit(X[support], y[support])
change = np.abs(machine.coef_ - again.coef_).max()
print(f"coefficients up to {np.abs(machine.coef_).max():.2f}, largest change {change:.6f}")

# %%
figure, axes = plt.subplots(1, 6, figsize=(8.4, 1.75), width_ratios=[1.25, 1, 1, 1, 1, 1])
limit = np.abs(machine.coef_).max()
axes[0].imshow(machine.coef_.reshape(8, 8), cmap="PuOr", vmin=-limit, vmax=limit)
axes[0].set_title("coefficients", fontsize=9)
for axis, i in zip(axes[1:], test[np.argsort(margins[test])[:5]], strict=True):
    axis.imshow(X[i].reshape(8, 8), cmap="gray_r")
    axis.set_title(f"{'38'[y[i]]}, margin {margins[i]:.1f}", fontsize=9)
for axis in axes:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
show(figure, alt="The coefficients as an image: the pixels that an eight fills and a three leaves white count for the eight. "
                 "Beside it the five test digits with the smallest margins, all narrow eights.")

# %% [markdown]
# On the left the coefficients as an image: ink on the purple pixels, where an eight is closed and a three is open, speaks
# for an eight, ink on the orange ones for a three. On the right are the five unseen digits with the smallest margins.

# %% [markdown]
# ## What the hinge does not tell
#
# The score of a support vector machine is not a probability; to make one of it takes a second fit, to other data (Platt
# 1999). If 70 % of cases like this one are eights, cross-entropy wants the score that stands for 70 %. The hinge wants 1,
# for 70 % as for 99 %: what it asks for is the *more likely class*, nothing else (Lin 2002).

# %%
for eights in (60, 70, 99):
    cases = np.repeat([1, 0], [eights, 100 - eights])
    hard, soft = hinge.best_constant(cases), entropy.best_constant(cases)
    print(f"{eights} of 100 are eights. Best score by hinge: {hard:.0f}, "
          f"by cross-entropy: {soft:.2f}, which means {entropy.link.inverse(soft):.0%}")

# %% [markdown]
# If all that you do with the answer is to pick a class, and both mistakes cost the same, the hinge is enough. If costs
# differ or may change, train for probabilities and choose the threshold afterwards, as [chapter 8](8-imbalance.py) does.
#
# ## All ten digits
#
# Ten such machines, each for one digit against all others, make a classifier of ten classes: the highest score wins.

# %%
order = np.random.default_rng(0).permutation(len(digit))
train, test = order[:1000], order[1000:]
X = images / 16

scores = []
for k in range(10):
    one = lm.LinearClassifier(hinge, l2=0.001, tol=1e-4).fit(X[train], digit[train] == k)
    scores.append(one.decision_function(X[test]))
highest = np.argmax(scores, axis=0)
softmax = lm.LinearClassifier("cross_entropy", l2=0.001).fit(X[train], digit[train])
print(f"of {len(test)} unseen digits")
print(f"ten machines get  {(highest == digit[test]).mean():.1%} right")
print(f"cross-entropy gets {(softmax.predict(X[test]) == digit[test]).mean():.1%}")

# %% [markdown]
# This works because digits are clear cases. Each machine only learns whether its digit is more likely than all others
# *together*; where no class is, the highest score means little (Lee, Lin and Wahba 2004), while the highest probability
# still does.
#
# ## Try it
#
# Change `l2` in the machine of threes and eights to 1 and to 0.0001. How does the number of support vectors move, and how
# do the coefficients look? Then use `lm.squared_hinge()`: it still has support vectors, but its gradient no longer jumps.
#
# ## Sources
#
# * C. Cortes, V. Vapnik, *Support-vector networks*, Machine Learning 20 (1995),
#   [doi:10.1007/BF00994018](https://doi.org/10.1007/BF00994018).
# * What the hinge asks for: Y. Lin, *Support vector machines and the Bayes rule in classification*, Data Mining and
#   Knowledge Discovery 6 (2002), [doi:10.1023/A:1015469627679](https://doi.org/10.1023/A:1015469627679); P. L. Bartlett,
#   M. I. Jordan, J. D. McAuliffe, *Convexity, classification, and risk bounds*, JASA 101 (2006),
#   [doi:10.1198/016214505000000907](https://doi.org/10.1198/016214505000000907).
# * Several classes: Y. Lee, Y. Lin, G. Wahba, *Multicategory support vector machines*, JASA 99 (2004),
#   [doi:10.1198/016214504000000098](https://doi.org/10.1198/016214504000000098).
# * J. Platt, *Probabilistic outputs for support vector machines*, in *Advances in Large Margin Classifiers* (1999).
# * The data: E. Alpaydin, C. Kaynak, *Optical recognition of handwritten digits* (1998),
#   [doi:10.24432/C50P49](https://doi.org/10.24432/C50P49).
