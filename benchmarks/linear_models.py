"""Training linear models to the same distance from the optimum, against whoever trains with that loss."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

import lossmith as lm
from measure import Contest, Effort, Spread, count, paired
from page import Target, table

TITLE = "Training linear models"
ABOUT = """The mean of the loss plus l2/2 |w|², the intercept free, the same for all; 50 features, one thread,
seconds. Every solver is asked for the least precision of its own scale (powers of ten) with which its coefficients come
within 1e-8 (kinked losses 1e-6) of the optimum, relative to the objective, as one common function finds; the optimum is
what lossmith finds with tol=1e-11. A dash: that solver is not installed, or never came so near.
"""
FEATURES, L2 = 50, 1e-4
NEAR = {"hinge": 1e-6, "quantile": 1e-6}
LADDER = tuple(10.0**-k for k in range(2, 13))
OURS = "lossmith"
Found = tuple[Any, float]
Solver = Callable[[Any, Any, float], Found]


def ours(name: str, X: Any, y: Any, tol: float) -> Found:
    Estimator = lm.LinearClassifier if name in CLASSES else lm.LinearRegressor
    model = Estimator(name, l2=L2, tol=tol).fit(X, y)
    return model.coef_, model.intercept_


def sklearn_classes(solver: str, X: Any, y: Any, tol: float) -> Found:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1 / (L2 * len(y)), solver=solver, tol=tol, max_iter=5000).fit(X, y)
    return model.coef_, model.intercept_


def sklearn_means(name: str, X: Any, y: Any, tol: float) -> Found:
    from sklearn import linear_model

    model = getattr(linear_model, name)(alpha=L2, solver="newton-cholesky", tol=tol, max_iter=5000).fit(X, y)
    return model.coef_, model.intercept_


def by_glum(family: str, X: Any, y: Any, tol: float) -> Found:
    from glum import GeneralizedLinearRegressor

    link = "logit" if family == "binomial" else "log"
    model = GeneralizedLinearRegressor(
        family=family, link=link, alpha=L2, l1_ratio=0, gradient_tol=tol, max_iter=5000
    ).fit(X, y.astype(float))
    return model.coef_, model.intercept_


def by_rehline(name: str, X: Any, y: Any, tol: float) -> Found:
    """Its intercept is a coefficient of a large constant, so that the penalty hardly counts it."""
    from rehline import plqERM_Ridge

    large = 1e3
    Z, C = np.column_stack([X, np.full(len(X), large)]), 1 / (L2 * len(y))
    loss = {"name": "svm"} if name == "hinge" else {"name": "QR", "qt": 0.5}
    model = plqERM_Ridge(loss=loss, C=C, tol=tol, max_iter=100_000, verbose=0)
    model.fit(X=Z, y=2.0 * y - 1 if name == "hinge" else y)
    return model.coef_[:-1], model.coef_[-1] * large


def by_statsmodels(X: Any, y: Any, tol: float) -> Found:
    from statsmodels.regression.quantile_regression import QuantReg

    theta = QuantReg(y, np.column_stack([X, np.ones(len(X))])).fit(q=0.5, p_tol=tol, max_iter=5000).params
    return theta[:-1], theta[-1]


def by_scipy(name: str, X: Any, y: Any, tol: float) -> Found:
    """L-BFGS of SciPy with the value and gradient that lossmith computes from scores: two passes over X."""
    from scipy.optimize import minimize

    loss = lm.get(name)

    def objective(theta: Any) -> tuple[float, Any]:
        value, g = loss.value_and_gradient(y, X @ theta[:-1] + theta[-1])
        slope = np.append(X.T @ g + L2 * theta[:-1], g.sum())
        return value + L2 / 2 * theta[:-1] @ theta[:-1], slope

    found = minimize(objective, np.zeros(FEATURES + 1), jac=True, method="L-BFGS-B",
                     options={"ftol": 1e-16, "gtol": tol, "maxiter": 5000, "maxfun": 10_000})  # fmt: skip
    return found.x[:-1], found.x[-1]


CLASSES = ("binary_cross_entropy", "squared_hinge", "hinge", "cross_entropy")
LBFGS = "SciPy L-BFGS"
PEERS: dict[str, dict[str, Solver]] = {
    "binary_cross_entropy": {
        "scikit-learn lbfgs": partial(sklearn_classes, "lbfgs"),
        "scikit-learn newton-cholesky": partial(sklearn_classes, "newton-cholesky"),
        "glum": partial(by_glum, "binomial"),
        LBFGS: partial(by_scipy, "binary_cross_entropy"),
    },
    "poisson": {
        "scikit-learn newton-cholesky": partial(sklearn_means, "PoissonRegressor"),
        "glum": partial(by_glum, "poisson"),
        LBFGS: partial(by_scipy, "poisson"),
    },
    "gamma": {
        "scikit-learn newton-cholesky": partial(sklearn_means, "GammaRegressor"),
        "glum": partial(by_glum, "gamma"),
        LBFGS: partial(by_scipy, "gamma"),
    },
    "huber": {LBFGS: partial(by_scipy, "huber")},
    "squared_hinge": {LBFGS: partial(by_scipy, "squared_hinge")},
    "cross_entropy": {
        "scikit-learn lbfgs": partial(sklearn_classes, "lbfgs"),
        "scikit-learn newton-cholesky": partial(sklearn_classes, "newton-cholesky"),
    },
    "hinge": {"rehline": partial(by_rehline, "hinge")},
    "quantile": {"rehline": partial(by_rehline, "quantile"), "statsmodels": by_statsmodels},
}
CASES = [*((name, 200_000) for name in PEERS), *((name, 1_000_000) for name in PEERS if name not in NEAR)]
CASES.append(("quantile", 20_000))
LEADS = {  # over the fastest peer, wanted
    **{(name, n): 2.0 for name, n in CASES if name not in NEAR},
    ("hinge", 200_000): 3.0, ("quantile", 20_000): 1.5, ("quantile", 200_000): 3.0,
}  # fmt: skip


def data(name: str, n: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    X, w = rng.standard_normal((n, FEATURES)), rng.standard_normal(FEATURES) * 0.3
    f = X @ w
    if name == "cross_entropy":
        return X, np.argmax(X @ (rng.standard_normal((FEATURES, 10)) * 0.3) + rng.gumbel(size=(n, 10)), axis=1)
    if name in CLASSES:
        return X, (rng.random(n) < 1 / (1 + np.exp(-f))).astype(int)
    if name == "poisson":
        return X, rng.poisson(np.exp(0.5 * f)).astype(float)
    if name == "gamma":
        return X, rng.gamma(2.0, np.exp(0.5 * f) / 2)
    return X, f + rng.standard_t(3, n)


def objective(name: str, X: Any, y: Any, found: Found) -> float:
    w, b = np.atleast_2d(found[0]), np.atleast_1d(found[1])
    f = X @ w.T + b
    return float(lm.get(name)(y, f if name == "cross_entropy" else f[:, 0])) + L2 / 2 * float((w**2).sum())


def near_enough(name: str, X: Any, y: Any, solver: Solver, best: float) -> float | None:
    """The least precision with which a solver comes near enough."""
    for tol in LADDER:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if objective(name, X, y, solver(X, y, tol)) <= best + NEAR.get(name, 1e-8) * abs(best):
                return tol
    return None


def contests(effort: Effort) -> Iterator[Contest]:
    for name, samples in CASES:
        n = max(2_000, min(samples, effort.largest // FEATURES))
        X, y = data(name, n)
        solvers: Mapping[str, Solver] = {OURS: partial(ours, name)} | {
            peer: solver for peer, solver in PEERS[name].items() if peer not in ("glum", "rehline") or find_spec(peer)
        }
        best = objective(name, X, y, ours(name, X, y, 1e-11))
        asked = {who: near_enough(name, X, y, solver, best) for who, solver in solvers.items()}
        runs = {who: partial(solvers[who], X, y, tol) for who, tol in asked.items() if tol is not None}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield Contest({"loss": name, "samples": n}, paired(runs, effort, rounds=3))


def _peers(contest: Contest) -> tuple[str, ...]:
    return tuple(PEERS[contest.case["loss"]])


def _lead(contest: Contest) -> Spread | None:
    fastest = contest.fastest(_peers(contest))
    return None if fastest is None else contest.ratio(fastest, OURS)


def tables(found: list[Contest]) -> str:
    names = list(dict.fromkeys(peer for peers in PEERS.values() for peer in peers))
    rows = [
        [
            contest.case["loss"],
            count(contest.case["samples"]),
            *(contest.spread(who, 1.0) if who in contest.rounds else "–" for who in (OURS, *names)),
            _lead(contest) or "–",
        ]
        for contest in found
    ]
    return table(("loss", "samples", OURS, *names, f"fastest peer / {OURS}"), rows)


def targets(found: list[Contest]) -> list[Target]:
    wanted: dict[float, dict[str, Spread]] = {bound: {} for bound in sorted(set(LEADS.values()))}
    for contest in found:
        bound, lead = LEADS.get((contest.case["loss"], contest.case["samples"])), _lead(contest)
        if bound is not None and lead is not None:
            wanted[bound][str(contest)] = lead
    return [
        Target(f"training linear models: fastest peer / {OURS}, wanted {bound:g}", bound, spreads, at_least=True)
        for bound, spreads in wanted.items()
    ]
