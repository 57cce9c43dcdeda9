"""What households spend on food: not only on average. Quantile regression of Engel's table.

    python examples/linear/engel_quantiles.py FOLDER

Table: 235 Belgian working-class households of 1857, Belgian francs a year (comes with statsmodels; public domain).
The lines are those of Koenker and Hallock 2001, doi:10.1257/jep.15.4.143.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from statsmodels.datasets import engel

import lossmith as lm

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)


def main(folder: Path) -> dict:
    table = engel.load_pandas().data
    X, y = table[["income"]], table["foodexp"]
    models = {q: lm.LinearRegressor(lm.quantile(q=q)).fit(X, y) for q in LEVELS}
    mean = lm.LinearRegressor("squared_error").fit(X, y)
    found = {
        "slopes": {q: float(model.coef_[0]) for q, model in models.items()},
        "intercepts": {q: model.intercept_ for q, model in models.items()},
        "gaps": {q: model.gap_ for q, model in models.items()},
        "mean slope": float(mean.coef_[0]),
        "below": {q: float(np.mean(y <= model.predict(X) + 1e-9)) for q, model in models.items()},
    }
    for q in LEVELS:
        print(
            f"{q:.0%} of households spend at most {found['intercepts'][q]:6.1f} + {found['slopes'][q]:.4f} income "
            f"(in the table {found['below'][q]:.1%}; gap {found['gaps'][q]:.0e})"
        )
    print(f"the mean: {mean.intercept_:.1f} + {found['mean slope']:.4f} income, pulled down by a few rich households")

    income = np.linspace(X["income"].min(), X["income"].max(), 50)[:, None]
    lines = {q: model.intercept_ + income[:, 0] * model.coef_[0] for q, model in models.items()}
    figure = Figure(figsize=(7.5, 5), layout="constrained")
    axis = figure.subplots()
    axis.fill_between(income[:, 0], lines[0.1], lines[0.9], color="#1f5fa8", alpha=0.12, label="10 % to 90 %")
    axis.fill_between(income[:, 0], lines[0.25], lines[0.75], color="#1f5fa8", alpha=0.22, label="25 % to 75 %")
    axis.plot(income, lines[0.5], color="#1f5fa8", label="median")
    axis.plot(income, mean.intercept_ + income * mean.coef_, color="#c2452d", linestyle="--", label="mean")
    axis.scatter(X, y, s=8, color="k", alpha=0.6)
    axis.set(xlabel="income", ylabel="spent on food", title="The spread of food expenditure grows with income")
    axis.legend(frameon=False)
    figure.savefig(folder / "engel_quantiles.png", dpi=130)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
