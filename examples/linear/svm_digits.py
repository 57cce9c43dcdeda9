"""A linear support vector machine tells threes from eights: hinge loss, and the boundary it draws.

    python examples/linear/svm_digits.py FOLDER

Table: handwritten digits of 8 x 8 pixels (UCI; comes with scikit-learn).
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lossmith as lm

L2 = 0.1


def main(folder: Path) -> dict:
    pixels, digit = load_digits(return_X_y=True)
    chosen = np.isin(digit, (3, 8))
    X, y = pixels[chosen] / 16, digit[chosen]
    train = np.arange(len(y)) % 3 > 0  # every third digit is for the test
    model = lm.LinearClassifier("hinge", l2=L2).fit(X[train], y[train])

    score = model.decision_function(X)
    margin = np.where(y == 8, score, -score)
    supports = train & (margin <= 1 + 1e-6)
    found = {
        "objective": model.objective_, "gap": model.gap_, "accuracy": model.score(X[~train], y[~train]),
        "supports": int(supports.sum()), "train": int(train.sum()), "coef": model.coef_[0],
    }  # fmt: skip
    print(f"{model.stopped_}")
    print(f"of {found['train']} digits {found['supports']} support the boundary: without the others it is the same")
    print(f"{found['accuracy']:.1%} of {(~train).sum()} other digits are told apart")

    # The plane of the picture: across the boundary, and along the direction in it in which digits differ most.
    normal = model.coef_[0] / np.linalg.norm(model.coef_)
    rest = X - X.mean(axis=0) - np.outer((X - X.mean(axis=0)) @ normal, normal)
    along = rest @ np.linalg.svd(rest[train], full_matrices=False)[2][0]
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.8))
    reach = np.abs(model.coef_).max()
    left.imshow(model.coef_[0].reshape(8, 8), cmap="RdBu", vmin=-reach, vmax=reach)
    left.set(title="ink that speaks for 8 (blue)\nor for 3 (red)", xticks=[], yticks=[])
    for label, colour in ((3, "#c2452d"), (8, "#1f5fa8")):
        for part, alpha, name in ((train, 1.0, f"{label}"), (~train, 0.35, f"{label}, not trained on")):
            mine = part & (y == label)
            right.scatter(score[mine], along[mine], s=9, color=colour, alpha=alpha, label=name)
    ring = {"s": 40, "facecolors": "none", "edgecolors": "k", "linewidths": 0.6, "label": "supports the boundary"}
    right.scatter(score[supports], along[supports], **ring)
    right.axvline(0, color="k")
    for edge in (-1, 1):
        right.axvline(edge, color="k", linestyle=":", linewidth=0.8)
    right.set(title="the boundary and its margins", xlabel="score", ylabel="along the boundary")
    right.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    figure.savefig(folder / "svm_digits.png", dpi=130)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
