"""Training linear models to the same distance from the optimum, against whoever trains with that loss."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

import lossmith as lm
from measure import Case, Contest, Effort, Spread, count, paired
from page import Target, table

TITLE = "Training linear models"
ABOUT = """The mean of the loss plus l2/2 |w|², the intercept free, the same for all; 50 features, one thread,
seconds. Every solver is asked for the least precision of its own scale (powers of ten) with which its coefficients come
within 1e-8 (kinked losses 1e-6) of the optimum, relative to the objective, as one common function finds; the optimum is
what lossmith finds with tol=1e-11. A dash: that solver is not installed, or did not come so near in a minute. Who takes
five times as long as the fastest peer ran once. SciPy's L-BFGS minimises with lossmith's value and gradient: it is
shown, and is no peer of the last column.
"""
FEATURES, L2 = 50, 1e-4
NEAR = {"hinge": 1e-6, "quantile": 1e-6}
LADDER = tuple(10.0**-k for k in range(2, 13))
OURS = "lossmith"
SLOW = 5.0  # times the fastest peer
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
    """Its intercept is a coefficient of a constant: of one that is large enough for the penalty hardly to count
    intercepts near 0, and not so large that its steps become short."""
    from rehline import plqERM_Ridge

    large = 10.0
    Z, C = np.column_stack([X, np.full(len(X), large)]), 1 / (L2 * len(y))
    loss = {"name": "svm"} if name == "hinge" else {"name": "QR", "qt": 0.5}
    model = plqERM_Ridge(loss=loss, C=C, tol=tol, max_iter=20_000, verbose=0)
    model.fit(X=Z, y=2.0 * y - 1 if name == "hinge" else y)
    return model.coef_[:-1], model.coef_[-1] * large


def by_liblinear(name: str, X: Any, y: Any, tol: float) -> Found:
    """It penalises the intercept, as the coefficient of a constant: of one that is large enough for intercepts near 0,
    and not so large that its steps become short."""
    from sklearn.svm import LinearSVC

    C = 1 / (L2 * len(y))
    if name == "binary_cross_entropy":
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(C=C, solver="liblinear", intercept_scaling=10, tol=tol, max_iter=2000)
    else:
        model = LinearSVC(C=C, loss=name, dual=name == "hinge", intercept_scaling=10, tol=tol, max_iter=2000)
    model.fit(X, y)
    return model.coef_, model.intercept_


def by_skglm(name: str, X: Any, y: Any, tol: float) -> Found:
    """Coordinate descent with an l1 penalty of none; in epochs over columns, which are copied beside each other."""
    from skglm import GeneralizedLinearEstimator, datafits
    from skglm.penalties import L1_plus_L2
    from skglm.solvers import AndersonCD, ProxNewton

    solver = ProxNewton if name in ("Poisson", "Gamma") else AndersonCD
    datafit = datafits.Huber(1.0) if name == "Huber" else getattr(datafits, name)()
    model = GeneralizedLinearEstimator(datafit, L1_plus_L2(L2, 0.0), solver(tol=tol, max_iter=200))
    model.fit(np.asfortranarray(X), np.where(y > 0, 1.0, -1.0) if name == "Logistic" else y)
    return model.coef_, model.intercept_


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
        "liblinear": partial(by_liblinear, "binary_cross_entropy"),
        "glum": partial(by_glum, "binomial"),
        "skglm": partial(by_skglm, "Logistic"),
        LBFGS: partial(by_scipy, "binary_cross_entropy"),
    },
    "poisson": {
        "scikit-learn newton-cholesky": partial(sklearn_means, "PoissonRegressor"),
        "glum": partial(by_glum, "poisson"),
        "skglm": partial(by_skglm, "Poisson"),
        LBFGS: partial(by_scipy, "poisson"),
    },
    "gamma": {
        "scikit-learn newton-cholesky": partial(sklearn_means, "GammaRegressor"),
        "glum": partial(by_glum, "gamma"),
        "skglm": partial(by_skglm, "Gamma"),
        LBFGS: partial(by_scipy, "gamma"),
    },
    "huber": {"skglm": partial(by_skglm, "Huber"), LBFGS: partial(by_scipy, "huber")},
    "squared_hinge": {
        "liblinear": partial(by_liblinear, "squared_hinge"), LBFGS: partial(by_scipy, "squared_hinge"),
    },
    "cross_entropy": {
        "scikit-learn lbfgs": partial(sklearn_classes, "lbfgs"),
        "scikit-learn newton-cholesky": partial(sklearn_classes, "newton-cholesky"),
    },
    "hinge": {"rehline": partial(by_rehline, "hinge"), "liblinear": partial(by_liblinear, "hinge")},
    "quantile": {"rehline": partial(by_rehline, "quantile"), "statsmodels": by_statsmodels},
}
INSTALLED_APART = ("glum", "rehline", "skglm")
SIZES = [*((name, 200_000) for name in PEERS), *((name, 1_000_000) for name in PEERS if name not in NEAR)]
SIZES += [("quantile", 20_000), ("quantile", 1_000_000), ("squared_error", 1_000_000)]
LEADS = {  # over the fastest peer, wanted
    **{(name, n): 2.0 for name, n in SIZES if name in PEERS and name not in NEAR},
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


def near_enough(
    name: str, X: Any, y: Any, solver: Solver, best: float, patience: float
) -> tuple[float, float] | None:
    """The least precision with which a solver comes near enough, and the seconds that it took."""
    begun = time.perf_counter()
    for tol in LADDER:
        start = time.perf_counter()
        found = solver(X, y, tol)
        seconds = time.perf_counter() - start
        if objective(name, X, y, found) <= best + NEAR.get(name, 1e-8) * abs(best):
            return tol, seconds
        if time.perf_counter() - begun > patience:
            return None
    return None


def cases(effort: Effort) -> Iterator[Case]:
    possible = ((name, max(2_000, min(samples, effort.largest // FEATURES))) for name, samples in SIZES)
    for name, samples in dict.fromkeys(possible):
        yield {"loss": name, "samples": samples}


def contest(case: Case, effort: Effort) -> Contest:
    return race(case, effort, {OURS: partial(ours, case["loss"])})


def race(case: Case, effort: Effort, mine: Mapping[str, Solver]) -> Contest:
    """Ways of ours against every peer that is installed."""
    name = case["loss"]
    X, y = data(name, case["samples"])
    rivals = {who: peer for who, peer in PEERS.get(name, {}).items() if who not in INSTALLED_APART or find_spec(who)}
    solvers: dict[str, Solver] = {**mine, **rivals}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        best = objective(name, X, y, ours(name, X, y, 1e-11))
        asked = {who: near_enough(name, X, y, solver, best, effort.patience) for who, solver in solvers.items()}
        able = {who: found for who, found in asked.items() if found is not None}
        quickest = min((seconds for who, (_, seconds) in able.items() if who in rivals and who != LBFGS), default=0.0)
        slow = {who: seconds for who, (_, seconds) in able.items() if who in rivals and seconds > SLOW * quickest}
        runs = {who: partial(solvers[who], X, y, tol) for who, (tol, _) in able.items() if who not in slow}
        once = {who: [float(f"{seconds:.4g}")] for who, seconds in slow.items()}
        return Contest(case, paired(runs, effort, rounds=3) | once)


def peers(contest: Contest) -> list[str]:
    """Those that train by themselves."""
    return [name for name in PEERS.get(contest.case["loss"], ()) if name != LBFGS]


def _lead(contest: Contest) -> Spread | None:
    fastest = contest.fastest(peers(contest))
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
    leads = [
        Target(f"training linear models: fastest peer / {OURS}, wanted {bound:g}", bound, spreads, at_least=True)
        for bound, spreads in wanted.items()
    ]
    return [*leads, Target("quantile / squared_error, 1e6 x 50", 20, _beside_squares(found))]


def _beside_squares(found: list[Contest]) -> dict[str, Spread]:
    ours = {contest.case["loss"]: contest.rounds[OURS] for contest in found if contest.case["samples"] == 1_000_000}
    if not {"quantile", "squared_error"} <= ours.keys():
        return {}
    pairs = zip(ours["quantile"], ours["squared_error"], strict=True)
    return {"quantile 1e6": Spread.of([a / b for a, b in pairs])}
