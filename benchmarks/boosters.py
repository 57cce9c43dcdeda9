"""Training with our objective beside the built-in of the same loss, and the objective alone beside NumPy."""

import ctypes
import importlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import lossmith as lm
from measure import Case, Contest, Effort, Run, Spread, count, number, paired
from page import Target, table

TITLE = "In boosters"
ABOUT = """Training: 200,000 rows, 50 columns, 200 rounds, one thread on one core, seconds; `loss.to(booster)` with the
booster's own convention, on a dataset with its start, beside the built-in objective from the same start, everything
else as the booster has it by default. Datasets are made before. The objective alone: gradient and second-order weight
of 200,000 predictions (of cross-entropy, for ten classes), from the scores as LightGBM hands them over to the float32
numbers in its order that it goes on with, milliseconds. lossmith checks them and gives its curvature; NumPy gives the
second derivative, written so that nothing overflows and as few arrays as possible are made, of scores that contain the
start, and checks nothing. Memory that was freed stays with the process, as it does beside a booster at work: new pages
would cost NumPy's arrays several times what is computed.
"""
ROWS, COLUMNS, TREES = 200_000, 50, 200
BUILT_IN = {
    "lightgbm": {"squared_error": "regression", "binary_cross_entropy": "binary"},
    "xgboost": {"squared_error": "reg:squarederror", "binary_cross_entropy": "binary:logistic"},
    "catboost": {"squared_error": "RMSE", "binary_cross_entropy": "Logloss"},
}
BOUND = {"lightgbm": 1.1, "xgboost": 1.1, "catboost": 5.0}
LEAD = 3.0
CLASSES = 10
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
ITSELF = "objective alone"
OURS, THEIRS, ALONE = "lossmith", "built-in", "NumPy"
LONG = 3  # rounds of a training that takes minutes

Array = np.ndarray


def problem(name: str, rows: int) -> tuple[Array, Array]:
    """A table, and a target that depends on five of its columns."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, COLUMNS), dtype="float32")
    signal = X[:, 0] + np.abs(X[:, 1]) + X[:, 2] * X[:, 3] + np.sin(3 * X[:, 4])
    if name == "binary_cross_entropy":
        return X, (signal + rng.logistic(size=rows) > 1).astype("float32")
    return X, (signal + rng.standard_normal(rows)).astype("float32")


def trainings(booster: str, name: str, X: Array, y: Array, trees: int) -> dict[str, Run]:
    objective = lm.get(name).to(booster, hessian="booster")
    runs: Callable[..., dict[str, Run]] = {"lightgbm": lightgbm, "xgboost": xgboost, "catboost": catboost}[booster]
    return runs(objective, objective.dataset(X, y), objective.start(y)[0], BUILT_IN[booster][name], X, y, trees)


def lightgbm(objective: Any, train: Any, start: float, peer: str, X: Array, y: Array, trees: int) -> dict[str, Run]:
    library = importlib.import_module("lightgbm")
    params = {"num_threads": 1, "verbosity": -1, "force_row_wise": True}
    theirs = library.Dataset(X, y, init_score=np.full(len(y), start), free_raw_data=False)
    told = objective.params(train, params)
    return {
        OURS: lambda: library.train(told, train, trees),
        THEIRS: lambda: library.train({**params, "objective": peer}, theirs, trees),
    }


def xgboost(objective: Any, train: Any, start: float, peer: str, X: Array, y: Array, trees: int) -> dict[str, Run]:
    library = importlib.import_module("xgboost")
    params = {"nthread": 1}
    theirs = library.DMatrix(X, y, base_margin=np.full(len(y), start))
    told = objective.params(train, params)
    return {
        OURS: lambda: library.train(told, train, trees, obj=objective),
        THEIRS: lambda: library.train({**params, "objective": peer}, theirs, trees),
    }


def catboost(objective: Any, train: Any, start: float, peer: str, X: Array, y: Array, trees: int) -> dict[str, Run]:
    library = importlib.import_module("catboost")
    params = {
        "thread_count": 1, "iterations": trees, "allow_writing_files": False, "verbose": False, "learning_rate": 0.03,
        "leaf_estimation_method": "Newton", "leaf_estimation_iterations": 1,
    }  # fmt: skip
    theirs = library.Pool(X, y, baseline=np.full(len(y), start))
    told = objective.params(train, params)
    return {
        OURS: lambda: library.CatBoost(told).fit(train),
        THEIRS: lambda: library.CatBoost({**params, "loss_function": peer}).fit(theirs),
    }


def binary_cross_entropy(f: Array, y: Array) -> tuple[Array, Array]:
    e = np.abs(f)
    np.exp(np.negative(e, out=e), out=e)  # never overflows
    larger = e + 1
    np.reciprocal(larger, out=larger)
    e *= larger
    gradient = np.where(f > 0, larger, e)
    gradient -= y
    e *= larger
    return gradient, e


def poisson(f: Array, y: Array) -> tuple[Array, Array]:
    mean = np.exp(f)
    return mean - y, mean


def gamma(f: Array, y: Array) -> tuple[Array, Array]:
    ratio = np.negative(f)
    np.exp(ratio, out=ratio)
    ratio *= y
    return 1 - ratio, ratio


def log_cosh(f: Array, y: Array) -> tuple[Array, Array]:
    slope = f - y
    np.tanh(slope, out=slope)
    curvature = slope * slope
    return slope, np.subtract(1, curvature, out=curvature)


def focal(f: Array, y: Array) -> tuple[Array, Array]:
    sign = 2 * y - 1
    a = sign * f
    e = np.exp(-np.abs(a))
    surprise = np.log1p(e) + np.maximum(-a, 0)
    right = np.where(a > 0, 1.0, e) / (1 + e)
    wrong = np.where(a > 0, e, 1.0) / (1 + e)
    pull = 2 * right * surprise + wrong
    change = right * wrong * (2 * surprise - 3)
    return -sign * wrong**2 * pull, wrong**2 * (2 * right * pull - change)


def cross_entropy(f: Array, y: Array) -> tuple[Array, Array]:
    p = f - f.max(axis=1, keepdims=True)
    np.exp(p, out=p)
    p /= p.sum(axis=1, keepdims=True)
    curvature = 1 - p
    curvature *= p
    curvature *= CLASSES / (CLASSES - 1)
    p[np.arange(len(y)), y] -= 1
    return p, curvature


NUMPY = {f.__name__: f for f in (binary_cross_entropy, poisson, gamma, log_cosh, focal, cross_entropy)}


def objectives(name: str, rows: int) -> dict[str, Run]:
    """What LightGBM does each round: the call, and the derivatives as float32 numbers, those of a class together."""
    rng = np.random.default_rng(0)
    f = rng.standard_normal((CLASSES, rows)).T if name == "cross_entropy" else rng.standard_normal(rows)
    if name == "cross_entropy":
        y = rng.integers(0, CLASSES, rows)
    elif lm.get(name).formula.target.domain.high == 1:
        y = (rng.random(rows) < 0.4).astype(float)
    else:
        y = rng.standard_normal(rows) if name == "log_cosh" else rng.poisson(2.0, rows) + 1.0
    objective = lm.get(name).to("lightgbm", scale=1.0)
    data = objective.dataset(np.zeros((rows, 1)), y)
    begun = f + objective.start(y)
    return {OURS: lambda: taken(objective(f, data)), ALONE: lambda: taken(NUMPY[name](begun, y))}


def taken(derivatives: tuple[Array, Array]) -> list[Array]:
    """As LightGBM's Booster takes what an objective returns."""
    return [np.asarray(derivative.ravel(order="F"), dtype=np.float32) for derivative in derivatives]


def keep_memory() -> None:
    """Have the C library neither give freed memory back nor map large arrays apart, where it can be told."""
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is not None:
        for name in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            tell(name, 1 << 30)


def cases(effort: Effort) -> Iterator[Case]:
    rows = ROWS if effort.largest >= ROWS else 2_000
    for name in NUMPY:
        yield {"booster": ITSELF, "loss": name, "rows": rows}
    for name in ("squared_error", "binary_cross_entropy"):
        for booster in BUILT_IN:
            yield {"booster": booster, "loss": name, "rows": rows}


def contest(case: Case, effort: Effort) -> Contest:
    booster, name, rows = case["booster"], case["loss"], case["rows"]
    if booster == ITSELF:
        keep_memory()
        return Contest(case, paired(objectives(name, rows), effort))
    runs = trainings(booster, name, *problem(name, rows), TREES if rows == ROWS else 5)
    return Contest(case, paired(runs, effort, rounds=LONG))


def _alone(found: list[Contest]) -> list[Contest]:
    return [contest for contest in found if ALONE in contest.rounds]


def _trained(found: list[Contest], booster: str | None = None) -> list[Contest]:
    return [contest for contest in found if THEIRS in contest.rounds and booster in (None, contest.case["booster"])]


def tables(found: list[Contest]) -> str:
    training = table(
        ("booster", "loss", "rows", OURS, THEIRS, f"{OURS} / {THEIRS}"),
        (
            [*(f.case[key] for key in ("booster", "loss")), count(f.case["rows"]), number(f.median(OURS)),
             number(f.median(THEIRS)), str(f.ratio(OURS, THEIRS))]
            for f in _trained(found)
        ),
    )  # fmt: skip
    alone = table(
        ("objective alone", "rows", OURS, ALONE, f"{ALONE} / {OURS}"),
        (
            [f.case["loss"], count(f.case["rows"]), number(1e3 * f.median(OURS)), number(1e3 * f.median(ALONE)),
             str(f.ratio(ALONE, OURS))]
            for f in _alone(found)
        ),
    )  # fmt: skip
    return f"{training}\n{alone}"


def targets(found: list[Contest]) -> list[Target]:
    def ratios(booster: str) -> dict[str, Spread]:
        return {f.case["loss"]: f.ratio(OURS, THEIRS) for f in _trained(found, booster)}

    leads = {f.case["loss"]: f.ratio(ALONE, OURS) for f in _alone(found)}
    return [
        *(Target(f"{booster}: training, lossmith / built-in", BOUND[booster], ratios(booster)) for booster in BUILT_IN),
        Target("boosters' objective alone: NumPy / lossmith", LEAD, leads, at_least=True),
    ]
