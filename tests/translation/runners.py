"""How each peer computes: its own loss per sample and, where it gives one, the gradient, for y and f in our terms."""

import json
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.optimize
import statsmodels.robust.norms
import torch
from sklearn.linear_model._huber import _huber_loss_and_gradient
from sklearn.neural_network._base import LOSS_FUNCTIONS
from torch import nn

from translation.cases import Array, Case

Result = tuple[Array | None, Array | None]  # values and gradients per sample; None where the peer does not give them


def one_hot(y: Array, classes: int = 3) -> Array:
    return np.eye(classes)[np.asarray(y, dtype=int)]


# PyTorch --------------------------------------------------------------------------------------------------------------


def run_torch(case: Case, y: Array, f: Array) -> Result:
    name = case.name.rpartition(".")[2]
    tensors = {k for k, v in case.params.items() if isinstance(v, list) or k == "pos_weight"}
    params = {k: torch.tensor(v, dtype=torch.float64) if k in tensors else v for k, v in case.params.items()}
    if case.name.startswith("nn.functional."):
        call: Callable[..., Any] = lambda *a: getattr(nn.functional, name)(*a, reduction="none", **params)  # noqa: E731
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of NLLLoss2d, an older name
            call = getattr(nn, name)(reduction="none", **params)
    x, t = torch.tensor(f, requires_grad=True), torch.tensor(y)
    if "Gaussian" in name or "gaussian" in name:
        values = call(x[:, 0], t, torch.exp(2 * x[:, 1]))
    elif "MultiLabelSoft" in name or "multilabel_soft" in name:
        values = call(x[:, None], t[:, None])
    elif name in ("KLDivLoss", "kl_div"):
        values = call(x, t.log() if params.get("log_target") else t).sum(-1)
    else:
        values = call(x, t)
    (slopes,) = torch.autograd.grad(values.sum(), x)
    return values.detach().numpy(), slopes.numpy()


# JAX ------------------------------------------------------------------------------------------------------------------


def _with_gradient(call: Callable[[Any], Any], f: Array) -> tuple[Array, Array]:
    """Values and gradients per sample, compiled once."""
    import jax

    def both(x: Any) -> tuple[Any, Any]:
        values, back = jax.vjp(call, x)
        return values, back(jax.numpy.ones_like(values))[0]

    values, slopes = jax.jit(both)(f)
    return np.asarray(values), np.asarray(slopes)


# Keras ----------------------------------------------------------------------------------------------------------------


def run_keras(case: Case, y: Array, f: Array) -> Result:
    """In a process of on_keras.py."""
    import keras

    assert (keras.config.backend(), keras.config.floatx()) == ("jax", "float64")
    name = case.name.rpartition(".")[2]
    rows = f.ndim == 2
    if rows and y.ndim == 1 and name.lower().startswith("categorical") and "eneralized" not in name:
        y = one_hot(y)
    y, f = (y, f) if rows else (y[:, None], f[:, None])
    found = getattr(keras.losses, name, None) or keras.losses.get(name)  # mse, MSE and other short names
    if isinstance(found, type):
        call = found(reduction="none", dtype="float64", **case.params)
    else:
        call = lambda a, b: found(a, b, **case.params)  # noqa: E731
    values, slopes = _with_gradient(lambda x: call(y, x), f)
    return values.reshape(len(f)), slopes if rows else slopes[:, 0]


# optax ----------------------------------------------------------------------------------------------------------------


def run_optax(case: Case, y: Array, f: Array) -> Result:
    import jax
    import optax

    name = case.name.rpartition(".")[2]
    y = one_hot(y) if name in ("softmax_cross_entropy", "safe_softmax_cross_entropy", "poly_loss_cross_entropy") else y
    if name == "kl_divergence_with_log_targets":
        with np.errstate(divide="ignore"):
            y = np.log(y)
    y = y.astype(int) if name.startswith("multiclass") else y
    call = lambda x: getattr(optax.losses, name)(x, y, **case.params)  # noqa: E731
    with jax.enable_x64(True), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of convex_kl_divergence, an older name
        return _with_gradient(call, f)


# scikit-learn ---------------------------------------------------------------------------------------------------------


def run_sklearn(case: Case, y: Array, f: Array) -> Result:
    place, _, loss = case.name.rpartition(":")
    name = (place or loss).rpartition(".")[2]
    params = {k: v for k, v in case.params.items() if k not in ("classes", "scale")}
    if isinstance(case.params.get("classes"), list):
        y = (y == case.params["classes"][1]).astype(float)
    if name == "HuberRegressor":
        return _each(y, f, lambda a, b: _sklearn_huber(a, b, **{"epsilon": 1.35, "scale": 1.0} | case.params))
    if name.startswith("MLP"):
        return _each(y, f, lambda a, b: (_mlp(name, loss, a, b), None))
    peer = _sklearn_loss(name, loss if place else "", params)
    if hasattr(peer, "py_loss"):
        signs = 2 * y - 1 if "Classifier" in name or name == "Perceptron" else y
        if case.translation.loss.target_kind != "label":
            signs = y
        return _each(signs, f, lambda a, b: (peer.py_loss(b, a), peer.py_dloss(b, a)))
    y, f = np.ascontiguousarray(y, dtype=float), np.ascontiguousarray(f)
    return np.asarray(peer.loss(y, f)), np.asarray(peer.gradient(y, f))


def _each(y: Array, f: Array, call: Callable[[float, float], tuple[Any, Any]]) -> Result:
    values, slopes = zip(*(call(float(a), float(b)) for a, b in zip(y, f, strict=True)), strict=True)
    return np.asarray(values), None if slopes[0] is None else np.asarray(slopes)


def _sklearn_huber(y: float, f: float, epsilon: float, scale: float) -> tuple[float, float]:
    one = np.ones(1)
    value, slope = _huber_loss_and_gradient(np.array([f, scale]), one[:, None], np.array([y]), epsilon, 0.0, one)
    return value, slope[0]


def _mlp(name: str, loss: str, y: float, f: float) -> float:
    if name == "MLPRegressor":
        prediction = np.exp(f) if loss == "poisson" else f
        return float(LOSS_FUNCTIONS[loss](np.array([[y]]), np.array([[prediction]])))
    return float(LOSS_FUNCTIONS["binary_log_loss"](np.array([[y]]), np.array([[1 / (1 + np.exp(-f))]])))


def _sklearn_loss(name: str, loss: str, params: dict[str, Any]) -> Any:
    """The object that computes the loss inside the estimator."""
    import sklearn._loss.loss
    from sklearn import ensemble, linear_model

    if hasattr(sklearn._loss.loss, name):
        return getattr(sklearn._loss.loss, name)(**params)
    if loss == "quantile" and "Hist" in name:
        params = {"quantile": 0.5} | params  # it has no default of its own there
    module = ensemble if hasattr(ensemble, name) else linear_model
    given = params | ({"loss": loss} if loss else {})
    estimator = getattr(module, name)(**given)
    if name.startswith("SGD") or name == "Perceptron":
        kind, *arguments = estimator.loss_functions[estimator.loss]
        if estimator.loss in ("huber", "epsilon_insensitive", "squared_epsilon_insensitive"):
            arguments = [estimator.epsilon]
        made = kind(*arguments)
        return made if hasattr(made, "py_loss") else _Cython(made)
    if "Classifier" in name:
        estimator.n_trees_per_iteration_, estimator.n_classes_ = 1, 2
    return estimator._get_loss(None) if module is ensemble else estimator._get_loss()


class _Cython:
    """scikit-learn's compiled losses that have no Python form of their own."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def loss(self, y: Array, f: Array) -> Array:
        out = np.empty_like(f)
        self.made.loss(y, f, None, out, 1)
        return out

    def gradient(self, y: Array, f: Array) -> Array:
        out = np.empty_like(f)
        self.made.gradient(y, f, None, out, 1)
        return out


# SciPy, statsmodels ---------------------------------------------------------------------------------------------------


def run_scipy(case: Case, y: Array, f: Array) -> Result:
    kind = case.name.rpartition(":")[2]

    def one(a: float, b: float) -> tuple[float, float]:
        found = scipy.optimize.least_squares(
            lambda x: x - a, [b], jac=lambda x: np.ones((1, 1)), loss=kind, max_nfev=1, **case.params
        )
        assert found.x[0] == b
        return found.cost, found.grad[0]

    return _each(y, f, one)


def run_statsmodels(case: Case, y: Array, f: Array) -> Result:
    norms = statsmodels.robust.norms
    params = dict(case.params)
    if "base_norm" in params:
        params["base_norm"] = getattr(norms, params["base_norm"])()
    norm = getattr(norms, case.name.rpartition(".")[2])(**params)
    return np.asarray(norm.rho(y - f)), -np.asarray(norm.psi(y - f))


# XGBoost --------------------------------------------------------------------------------------------------------------

XGBOOST_METRICS: dict[str, tuple[str, Callable[[float], float]]] = {
    "reg:squarederror": ("rmse", lambda m: m**2 / 2),
    "reg:squaredlogerror": ("rmsle", lambda m: m**2 / 2),
    "reg:absoluteerror": ("mae", float),
    "reg:pseudohubererror": ("mphe", float),
    "reg:quantileerror": ("quantile", float),
    "reg:gamma": ("gamma-nloglik", float),
}
RENEWED = ("reg:absoluteerror", "reg:quantileerror", "regression_l1", "l1", "mae", "quantile", "mape")


def run_xgboost(case: Case, y: Array, f: Array) -> Result:
    import xgboost as xgb

    metric, convert = XGBOOST_METRICS.get(case.name, ("", float))
    if case.params.get("scale_pos_weight"):
        metric = ""  # the metric leaves it out
    power = case.params.get("tweedie_variance_power", 1.5)
    if case.name == "reg:tweedie" and power != 1:  # of which it is infinite
        metric, convert = f"tweedie-nloglik@{power}", float
    base = {"objective": case.name, "base_score": 0.5, "disable_default_eval_metric": 1, "verbosity": 0, "nthread": 1}
    base |= {"tree_method": "exact", "min_child_weight": 0, "eta": 1.0, "max_depth": 1} | case.params
    base |= {"num_class": f.shape[1]} if f.ndim == 2 else {}
    values, slopes = [], []
    for a, b in zip(y, f, strict=True):
        data = xgb.DMatrix(np.zeros((1, 1)), label=[a], base_margin=np.atleast_2d(b) if f.ndim == 2 else [b])
        if metric:
            line = xgb.train(base | {"eval_metric": metric}, data, 0).eval(data)
            values.append(convert(float(line.rpartition(":")[2])))
        if case.name not in RENEWED:
            few, many = (_leaves(xgb.train(base | {"lambda": size}, data, 1)) for size in (1e4, 1e6))
            slopes.append([(1e6 - 1e4) / (1 / u - 1 / v) if u else 0.0 for u, v in zip(few, many, strict=True)])
    slope = np.asarray(slopes) if slopes else None
    return (np.asarray(values) if values else None), slope if slope is None or f.ndim == 2 else slope[:, 0]


def _leaves(model: Any) -> list[float]:
    """The one leaf of each tree: -gradient / (Hessian + lambda)."""
    trees = json.loads(bytes(model.save_raw("json")))["learner"]["gradient_booster"]["model"]["trees"]
    return [tree["base_weights"][0] for tree in trees]


# LightGBM -------------------------------------------------------------------------------------------------------------

LIGHTGBM_METRICS: dict[str, tuple[str, float]] = {
    "regression": ("l2", 0.5), "regression_l1": ("l1", 1.0), "huber": ("huber", 1.0), "fair": ("fair", 1.0),
    "poisson": ("poisson", 1.0), "quantile": ("quantile", 1.0), "mape": ("mape", 1.0), "gamma": ("gamma", 1.0),
    "tweedie": ("tweedie", 1.0),
}  # fmt: skip


def run_lightgbm(case: Case, y: Array, f: Array) -> Result:
    import lightgbm as lgb

    if case.row.names.startswith("multiclassova"):  # our one score, and another
        y, f = np.where(y == 1, 0, 1), np.stack([f, np.zeros_like(f)], axis=-1)
    classes = f.shape[1] if f.ndim == 2 else 1
    n = len(y)
    X = np.arange(n, dtype=float)[:, None]
    params = {"objective": case.name, "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1, "min_data_in_bin": 1,
              "min_sum_hessian_in_leaf": 0.0, "num_leaves": n + 1, "max_bin": 4 * n, "learning_rate": 1.0,
              "boost_from_average": False, "metric": "none", "num_class": classes} | case.params  # fmt: skip
    start = f.reshape(-1, order="F")
    values = slopes = None
    metric, factor = LIGHTGBM_METRICS.get(case.row.names.split()[0], ("", 1.0))
    infinite = case.params.get("tweedie_variance_power") == 1
    if metric and not infinite and not {"scale_pos_weight", "reg_sqrt"} & set(case.params):
        whole = lgb.Dataset(X, y, init_score=start, params=params).construct()
        model = lgb.Booster(params | {"metric": metric}, whole)
        for i in range(n):
            row = lgb.Dataset(X[[i]], y[[i]], init_score=f[[i]].ravel(), reference=whole, params=params)
            model.add_valid(row, str(i))
        values = np.asarray([value for *_, value, _ in model.eval_valid()]) * factor
    if case.name not in RENEWED and case.row.names.split()[0] not in RENEWED:
        # a tree with a leaf for each row, from another objective; refitted, leaves are -gradient / (Hessian + lambda)
        apart = lambda pred, data: (np.tile(X - n / 3, classes).reshape(pred.shape), np.ones(pred.shape))  # noqa: E731
        shape = lgb.train(params | {"objective": apart}, lgb.Dataset(X, y, params=params), 1)
        shape = lgb.Booster(model_str=shape.model_to_string())  # that forgets its objective
        shape.params = params | {"lambda_l2": 1e10}
        assert all(len(set(leaves)) == n for leaves in shape.predict(X, pred_leaf=True).reshape(n, classes).T)
        refit = shape.refit(X, y, decay_rate=0.0, init_score=start)
        slopes = -1e10 * refit.predict(X, raw_score=True)
        slopes = slopes[:, 0] if case.row.names.startswith("multiclassova") else slopes
    return values, slopes


# CatBoost -------------------------------------------------------------------------------------------------------------


CATBOOST_METRICS: dict[str, Callable[[Array], Array]] = {  # what it reports, as what it trains with
    "RMSE": lambda v: v**2 / 2, "MultiRMSE": lambda v: v**2 / 2, "RMSPE": lambda v: v**2 / 2, "MAE": lambda v: v / 2,
    "MultiClassOneVsAll": lambda v: 2 * v - np.log(2),
}  # fmt: skip
UNTRAINED = ("MSLE", "FairLoss", "HingeLoss", "BrierScore", "RMSEWithUncertainty")  # metrics; no start of two numbers


def run_catboost(case: Case, y: Array, f: Array) -> Result:
    from catboost.utils import eval_metric

    given = ";".join(f"{key}={value}" for key, value in case.params.items())
    name = f"{case.name}:{given}" if given else case.name
    if case.name == "MultiClassOneVsAll":  # our one score, and another that always costs log 2
        y, f = np.where(y == 1, 0, 1), np.stack([f, np.zeros_like(f)], axis=-1)
    values = [eval_metric([a], [b], name, thread_count=1)[0] for a, b in zip(y.tolist(), f.tolist(), strict=True)]
    values = CATBOOST_METRICS.get(case.name, np.asarray)(np.asarray(values))
    slopes = None if case.name in UNTRAINED or len(y) < 4 else _catboost_slopes(name, y, f)
    return values, slopes[:, 0] if case.name == "MultiClassOneVsAll" and slopes is not None else slopes


def _catboost_slopes(name: str, y: Array, f: Array) -> Array:
    """From a tree with a leaf for each row, whose value is -gradient."""
    from catboost import CatBoost, Pool

    X = np.asarray([[i >> bit & 1 for bit in range(7)] for i in range(len(y))], dtype=float)
    model = CatBoost(
        {"loss_function": name, "iterations": 1, "depth": 7, "learning_rate": 1.0, "l2_leaf_reg": 1e-9,
         "leaf_estimation_method": "Gradient", "leaf_estimation_iterations": 1, "leaf_estimation_backtracking": "No",
         "boost_from_average": False, "bootstrap_type": "No", "boosting_type": "Plain", "score_function": "L2",
         "random_strength": 0, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    )  # fmt: skip
    model.fit(Pool(X, y, baseline=f))
    assert len(np.unique(model.calc_leaf_indexes(X))) == len(y)
    return -np.asarray(model.predict(X, prediction_type="RawFormulaVal"))


RUNNERS: dict[str, Callable[[Case, Array, Array], Result]] = {
    "torch": run_torch, "keras": run_keras, "optax": run_optax, "sklearn": run_sklearn, "scipy": run_scipy,
    "statsmodels": run_statsmodels, "xgboost": run_xgboost, "lightgbm": run_lightgbm, "catboost": run_catboost,
}  # fmt: skip
