"""Tables to boost on, and how to do it on each booster."""

import numpy as np

BOOSTERS = ("lightgbm", "xgboost", "catboost")
ONE_THREAD = {"lightgbm": {"num_threads": 1}, "xgboost": {"nthread": 1}, "catboost": {"thread_count": 1}}
# the same trees from the same rows, however often they are written
PLAIN = {
    "lightgbm": {
        "num_threads": 1, "num_leaves": 7, "min_data_in_leaf": 1, "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0,
        "deterministic": True, "seed": 0,
    },
    "xgboost": {"nthread": 1, "max_depth": 3, "min_child_weight": 0, "reg_lambda": 0, "seed": 0},
    "catboost": {
        "thread_count": 1, "depth": 3, "bootstrap_type": "No", "random_strength": 0, "l2_leaf_reg": 0,
        "boosting_type": "Plain", "random_seed": 0,
    },
}  # fmt: skip


def table(n=800, seed=0):
    """Columns, a signal made of them, and a source of noise."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, X[:, 0] + np.abs(X[:, 1]) + 0.5 * X[:, 2] * X[:, 0], rng


def every_target(n=800, seed=0):
    """Columns, and targets of every kind that depend on them."""
    X, signal, rng = table(n, seed)
    return X, {
        "real": signal + 0.5 * rng.standard_t(3, size=n),
        "positive": np.exp(signal / 2) * rng.gamma(3.0, 1 / 3.0, size=n),
        "count": rng.poisson(np.exp(signal / 2)),
        "label": rng.random(n) < 1 / (1 + np.exp(-2 * signal + 1)),
        "class": np.digitize(signal + 0.3 * rng.normal(size=n), [0.0, 1.0, 2.0]),
    }


def target_for(loss, signal, rng, classes=4, share=0.4):
    """A target of the kind that a loss takes, which depends on the signal."""
    n, domain = len(signal), loss.formula.target.domain
    if loss.target_kind == "class id":
        hidden = signal + 0.1 * rng.normal(size=n)
        return np.digitize(hidden, np.quantile(hidden, np.arange(1, classes) / classes))
    if loss.target_kind == "level":
        hidden = signal + 0.1 * rng.normal(size=n)
        return np.digitize(hidden, np.quantile(hidden, [0.2, 0.7]))
    if domain.row:
        amounts = np.exp(signal[:, None] * np.linspace(-1, 1, classes) + 0.3 * rng.normal(size=(n, classes)))
        return amounts / amounts.sum(axis=1, keepdims=True) if domain.high == 1 else amounts
    if domain.high == 1:
        hidden = 6 * signal + rng.logistic(size=n)
        return (hidden > np.quantile(hidden, 1 - share)).astype(float)
    if domain.low > -np.inf or domain.excluded is not None:
        return np.exp(signal / 2) * rng.gamma(10.0, 0.1, size=n)
    return signal + 0.3 * rng.standard_t(4, size=n)


def at_the_start(model, n):
    """The predictions of the best constant, as the loss takes them."""
    several = len(model.units.start) > 1
    constant = type(model)(model.booster, model.loss, model.units)
    constant._trees = lambda X: np.zeros((n, len(model.units.start)) if several else n)
    return constant.raw(None)
