"""Estimators that show their loss only by what they fit: the optimum of penalty + factor * loss, each as documented."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import linear_model, svm

from translation.cases import Array, Case

RNG = np.random.default_rng(11)
X = RNG.normal(size=(80, 2))
REAL = X @ [1.0, -2.0] + RNG.standard_t(3, size=80)
CLASS = np.argmax(X @ [[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]] + RNG.gumbel(size=(80, 3)), axis=1)
LABEL = (X @ [1.0, -1.0] + RNG.logistic(size=80) > 0).astype(float)
TIGHT = {"tol": 1e-10, "max_iter": 1_000_000}

Objective = Callable[[Array, Callable[[Array], Array]], float]  # of the coefficients, and the loss of predictions


def _l2(strength: float, size: float, reduce: Callable[[Array], Any]) -> Objective:
    return lambda w, loss: strength * float((w * w).sum()) + size * float(reduce(loss(X @ w)))


def _l1(strength: float, reduce: Callable[[Array], Any]) -> Objective:
    return lambda w, loss: strength * float(np.abs(w).sum()) + float(reduce(loss(X @ w)))


# estimator (no intercept, so that its penalty is all there is), its objective with the loss left open
OPTIMA: dict[str, tuple[Callable[..., Any], Objective]] = {
    "linear_model.LinearRegression": (lambda: linear_model.LinearRegression(fit_intercept=False), _l2(0, 1, np.sum)),
    "linear_model.Ridge": (
        lambda: linear_model.Ridge(alpha=7.0, fit_intercept=False, tol=1e-12), _l2(7.0, 1, np.sum)),
    "linear_model.Lasso": (
        lambda: linear_model.Lasso(alpha=0.3, fit_intercept=False, **TIGHT), _l1(0.3, np.mean)),
    "linear_model.ElasticNet": (
        lambda: linear_model.ElasticNet(alpha=0.3, l1_ratio=1.0, fit_intercept=False, **TIGHT), _l1(0.3, np.mean)),
    "linear_model.QuantileRegressor": (
        lambda quantile=0.5: linear_model.QuantileRegressor(quantile=quantile, alpha=0.1, fit_intercept=False),
        _l1(0.1, np.mean)),
    "linear_model.LogisticRegression": (
        lambda classes=None: linear_model.LogisticRegression(C=0.3, fit_intercept=False, **TIGHT),
        _l2(0.5, 0.3, np.sum)),
    "svm.LinearSVR:epsilon_insensitive": (
        lambda epsilon=0.0: svm.LinearSVR(epsilon=epsilon, C=0.02, fit_intercept=False, **TIGHT),
        _l2(0.5, 0.02, np.sum)),
    "svm.LinearSVR:squared_epsilon_insensitive": (
        lambda epsilon=0.0: svm.LinearSVR(
            epsilon=epsilon, C=0.02, loss="squared_epsilon_insensitive", fit_intercept=False, **TIGHT),
        _l2(0.5, 0.02, np.sum)),
    "svm.LinearSVC:hinge": (
        lambda classes=None, multi_class="ovr": svm.LinearSVC(
            C=0.02, loss="hinge", multi_class=multi_class, fit_intercept=False, **TIGHT),
        _l2(0.5, 0.02, np.sum)),
    "svm.LinearSVC:squared_hinge": (
        lambda classes=None, multi_class="ovr": svm.LinearSVC(
            C=0.02, multi_class=multi_class, fit_intercept=False, **TIGHT),
        _l2(0.5, 0.02, np.sum)),
    "svm.SVR": (
        lambda epsilon=0.1: svm.SVR(kernel="linear", epsilon=epsilon, C=0.02, tol=1e-8), _l2(0.5, 0.02, np.sum)),
    "svm.SVC": (lambda classes=None: svm.SVC(kernel="linear", C=0.02, tol=1e-8), _l2(0.5, 0.02, np.sum)),
}  # fmt: skip


def gap(case: Case) -> float:
    """By how much of itself some small change of the fitted coefficients lowers the objective with our loss."""
    make, objective = OPTIMA[case.name]
    found = case.translation
    binary = found.loss.target_kind == "label" or found.loss.formula.target.domain.high == 1.0
    y = CLASS if found.loss.kind == "rowwise" else LABEL if binary else REAL
    labels = case.params.get("classes")
    y = np.asarray(labels)[y.astype(int)] if isinstance(labels, list) else y
    model = make(**case.params).fit(X, y)
    w, b = np.squeeze(np.transpose(model.coef_)), np.ravel(model.intercept_)[0]
    kept = lambda f: found.factor * found.loss(y, f + b, reduction="none")  # noqa: E731
    best = objective(w, kept)
    steps = np.random.default_rng(1).normal(size=(400, w.size)) * np.logspace(-4, -1, 400)[:, None]
    return max(0.0, best - min(objective(w + step.reshape(w.shape), kept) for step in steps)) / best
