"""Tables whose right loss is known, because the noise was drawn from a known law."""

import numpy as np
import pandas as pd


def heavy_tails(seed, df=2.0, n=2000, p=8):
    """A linear signal under Student-t noise: for the median, absolute error (or Huber) is right."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = X @ rng.normal(size=p) + rng.standard_t(df, n)
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]), pd.Series(y, name="y")


def counts_with_exposure(seed, n=2000):
    """Log-linear rates, exposures of very different size: Poisson with the exposure as an offset is right."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    exposure = rng.uniform(0.1, 5.0, n)
    rate = np.exp(0.3 + X @ np.array([0.5, -0.3, 0.2, 0.0, 0.0]))
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(5)]).assign(exposure=exposure)
    return table, pd.Series(rng.poisson(rate * exposure), name="claims")


def normal_noise(seed, n=400, p=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    return pd.DataFrame(X, columns=[f"x{j}" for j in range(p)]), pd.Series(X @ rng.normal(size=p) + rng.normal(size=n))


def correlated_gains(rng, repeats=5, splits=5, n=500, center=0.0):
    """Fold means of one difference per row, over repeated folds of the same rows: what two exchangeable learners give,
    the folds of one repeat independent, the repeats seeing the same rows again."""
    per_row = rng.normal(center, 1.0, n)
    gains = []
    for _ in range(repeats):
        order = rng.permutation(n)
        gains += [per_row[part].mean() for part in np.array_split(order, splits)]
    return np.array(gains)
