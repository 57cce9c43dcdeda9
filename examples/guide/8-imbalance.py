"""Made from docs/guide/8-imbalance.md by docs/make_examples.py: change that."""

# %% [markdown]
# # 8. Rare classes: weights, thresholds, calibration
#
# When one class is rare, a classifier seems to ignore it: it answers "no" to everybody and is right most of the time. The
# usual reflex is to weigh the rare class more while training. It is usually the wrong place. **A weight multiplies the
# predicted odds; what was to be changed is the decision.** And a decision is changed after training, by a threshold.
#
# The table is a sample of 5,000 person-years of the RAND Health Insurance Experiment: who sees a doctor ten times a year
# or more?

# %%
# Pictures are drawn by docs/figures.py: here they go below the cell or, of a script, into build/figures.
import sys
from pathlib import Path

place = Path(globals().get("__file__", "notebook")).resolve()
sys.path.insert(0, str(next(folder for folder in place.parents if (folder / "docs").exists()) / "docs"))

# %%
import numpy as np
from figures import ROOT                                 # the folder of the repository

import lossmith as lm

file = ROOT / "examples" / "data" / "doctor_visits.csv"
table = np.genfromtxt(file, delimiter=",", names=True)
y = (table["mdvis"] >= 10).astype(int)
features = table.dtype.names[1:]                         # insurance and health
X = np.column_stack([table[name] for name in features])
order = np.random.default_rng(0).permutation(len(y))
train, test = order[:3000], order[3000:]

rate = y[train].mean()
weight = (1 - rate) / rate                               # makes both classes weigh the same
print(f"{rate:.1%} of the training rows are ones: a one gets the weight {weight:.1f}")

# %%
entropy = lm.binary_cross_entropy()
plain = lm.LinearClassifier(entropy).fit(X[train], y[train])
balancing = lm.binary_cross_entropy(pos_weight=weight)
weighted = lm.LinearClassifier(balancing).fit(X[train], y[train])
models = {"plain": plain, "weighted": weighted}
scores = {name: model.decision_function(X[test]) for name, model in models.items()}
risk = {name: entropy.link.inverse(score) for name, score in scores.items()}

print("              said     was  log loss")
for name, p in risk.items():
    log_loss = entropy(y[test], scores[name])
    print(f"{name:10s}{p.mean():8.1%}{y[test].mean():8.1%}{log_loss:10.3f}")

# %% [markdown]
# The weighted model says that nearly half the people are frequent patients. It did what it was told: it was trained on a
# world in which ones are as common as zeros. As a *probability* in this world its answer is useless.
#
# ## Does the weight find more of them?
#
# Ranking is what the area under the ROC curve (AUC) measures: how often a one is ranked above a zero. And where both
# classes count the same (balanced accuracy), the right threshold for a plain probability is not one half but the share of
# ones.

# %%
from sklearn.metrics import roc_auc_score

def balanced(answer):
    ones = y[test] == 1
    return (answer[ones].mean() + (~answer[~ones]).mean()) / 2

print("           threshold     AUC   balanced accuracy")
for name, threshold in (("plain", 0.5), ("plain", rate), ("weighted", 0.5)):
    auc, right = roc_auc_score(y[test], risk[name]), balanced(risk[name] >= threshold)
    print(f"{name:10s} {threshold:9.1%}   {auc:.3f}   {right:17.3f}")
found = (risk["plain"] >= rate)[y[test] == 1]
uncertain = np.sqrt(found.mean() * (1 - found.mean()) / len(found)) / 2
print(f"standard error of balanced accuracy, with {len(found)} ones: {uncertain:.3f}")

# %% [markdown]
# With the threshold in the right place the plain model decides as well as the weighted one, as far as these data can
# tell, and it ranks as well. The weight bought nothing that the threshold does not give, and it cost the probabilities.
# So it was found in study after study of risk models (van den Goorbergh 2022, Carriero 2025).
#
# ## Undoing a weight
#
# Sometimes the weighted model is all you have. In theory a weight `w` on the ones multiplies the odds by `w`, which adds
# `log(w)` to the score; so subtract it.

# %%
scores["undone"] = scores["weighted"] - np.log(weight)
risk["undone"] = entropy.link.inverse(scores["undone"])
squares = lm.brier(from_logits=False)
print("              said     was  log loss   Brier")
for name, p in risk.items():
    log_loss, brier = entropy(y[test], scores[name]), squares(y[test], p)
    print(f"{name:10s}{p.mean():8.1%}{y[test].mean():8.1%}{log_loss:10.3f}{brier:8.3f}")

# %%
import matplotlib.pyplot as plt
from figures import COLOURS, show
from matplotlib.ticker import PercentFormatter

BLUE, RED, GREEN, PURPLE, AMBER, GREY = COLOURS
figure, (before, after) = plt.subplots(1, 2, figsize=(8.4, 3.7))
for axis, name, colour, title, top in ((before, "weighted", RED, "trained with weights", 0.9),
                                       (after, "undone", GREEN, "the weight undone", 0.2)):
    axis.plot([0, top], [0, top], color=GREY, linewidth=1, linestyle=":")
    for shown, marker, shade in ((name, "o", colour), ("plain", "s", PURPLE)):
        if axis is before and shown == "plain":
            continue
        parts = np.array_split(np.argsort(risk[shown]), 8)
        said = np.array([risk[shown][part].mean() for part in parts])
        was = np.array([y[test][part].mean() for part in parts])
        size = np.array([len(part) for part in parts])
        axis.errorbar(said, was, yerr=np.sqrt(was * (1 - was) / size), color=shade, marker=marker, markersize=5, linewidth=1.4,
                      elinewidth=1, label={"plain": "trained without weights"}.get(shown, title))
    ticks = np.linspace(0, top, 4 if top > 0.5 else 5)
    axis.set(title=title, xlabel="what the model said", xlim=(0, top), ylim=(0, top), xticks=ticks, yticks=ticks)
    axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axis.legend(loc="upper left", fontsize=9)
before.set_ylabel("what then happened")
show(figure, alt="Reliability diagrams of groups of people by predicted risk. With weights all groups lie far below the "
                 "diagonal: the model says several times what then happens. With the weight undone they lie near the "
                 "diagonal, as those of the model trained without weights do.")

# %% [markdown]
# Each dot is an eighth of the held-out people, by predicted risk, with its standard error. On the dotted line, what was
# said happens.

# %% [markdown]
# The same holds for "balanced" class weights, for repeating rare rows and for dropping frequent ones: all three change
# the share of ones that the model believes in, and all three are undone by the ratio of the odds (King and Zeng 2001;
# Saerens 2002). That is exact only if the model is: after flexible learners the correction can be incomplete (Carriero
# 2025), one more reason not to need it.
#
# ## From probability to decision
#
# If missing a one costs `missed` and a false alarm costs `alarm`, the right answer is "yes" wherever the probability is
# at least `alarm / (alarm + missed)` (Elkan 2001). When the costs change, the threshold changes, and the model stays.

# %%
def cost(p, threshold, missed, alarm):
    answer, one = p >= threshold, y[test] == 1
    return (missed * (one & ~answer) + alarm * (~one & answer)).mean()

print("                                cost of 1000 people by")
print("missing one costs   threshold    rule   always no   always yes")
for missed in (5, 10, 20):
    best = 1 / (1 + missed)
    rule, no, yes = (1000 * cost(risk["plain"], at, missed, 1) for at in (best, 2.0, 0.0))
    print(f"{missed:17d}   {best:9.1%}   {rule:5.0f}   {no:9.0f}   {yes:10.0f}")

# %% [markdown]
# Weights have their place: where a row stands for several people; where mistakes differ in cost from row to row and the
# model is too simple to be right everywhere; with weak learners whose threshold cannot be moved (Elor and Averbuch-Elor
# 2022). Deep networks that fit the training data completely hardly heed them in the end (Byrd and Lipton 2019); there,
# adjusting the scores by the shares of the classes is the better founded tool (Menon 2021). Either way a weight is a
# challenger, which must show on unseen data that it beats the plain loss with a good threshold.
#
# ## Try it
#
# Ask for fifteen visits (`table["mdvis"] >= 15`), about one in fifty. What does the weighted model say now, and how well
# does undoing work with so few ones? Then let `balancing` be `lm.focal(gamma=2.0)`, another loss that is offered for rare
# classes. It is not strictly proper (Charoenphakdee 2021): which risks does it say, and what happens?
#
# ## Sources
#
# * R. van den Goorbergh and others, *The harm of class imbalance corrections for risk prediction models*, JAMIA 29
#   (2022), [doi:10.1093/jamia/ocac093](https://doi.org/10.1093/jamia/ocac093); A. Carriero and others, *The harms of
#   class imbalance corrections for machine learning based prediction models*, Statistics in Medicine 44 (2025),
#   [doi:10.1002/sim.10320](https://doi.org/10.1002/sim.10320).
# * Undoing: G. King, L. Zeng, *Logistic regression in rare events data*, Political Analysis 9 (2001),
#   [doi:10.1093/oxfordjournals.pan.a004868](https://doi.org/10.1093/oxfordjournals.pan.a004868); M. Saerens, P. Latinne,
#   C. Decaestecker, *Adjusting the outputs of a classifier to new a priori probabilities*, Neural Computation 14 (2002),
#   [doi:10.1162/089976602753284446](https://doi.org/10.1162/089976602753284446).
# * Costs: C. Elkan, *The foundations of cost-sensitive learning*, IJCAI 2001. Weak learners: Y. Elor, H. Averbuch-Elor,
#   *To SMOTE, or not to SMOTE?* (2022), [doi:10.48550/arXiv.2201.08528](https://doi.org/10.48550/arXiv.2201.08528). Deep
#   networks: J. Byrd, Z. C. Lipton, *What is the effect of importance weighting in deep learning?* ICML 2019,
#   [doi:10.48550/arXiv.1812.03372](https://doi.org/10.48550/arXiv.1812.03372); A. K. Menon and others, *Long-tail
#   learning via logit adjustment* (2021), [doi:10.48550/arXiv.2007.07314](https://doi.org/10.48550/arXiv.2007.07314).
# * N. Charoenphakdee and others, *On focal loss for class-posterior probability estimation*, CVPR 2021,
#   [doi:10.1109/CVPR46437.2021.00516](https://doi.org/10.1109/CVPR46437.2021.00516).
# * The data: W. G. Manning and others, *Health insurance and the demand for medical care*, American Economic Review 77
#   (1987); the file and its origin are described in `examples/data/README.md`.
