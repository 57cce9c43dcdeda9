"""Every row of every table, with each of its parameters away from its default, and points to try them on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from lossmith.translation import Peer, Row, Translation, entries, translate

Array = np.ndarray

# what each parameter is tried at; by row where the same word means different things
VALUES: dict[str, tuple[Any, ...]] = {
    "delta": (0.3, 2.0), "beta": (0.0, 0.4), "alpha": (0.2, 0.7), "gamma": (0.5, 3.0), "epsilon": (0.05, 1.2),
    "margin": (0.3, 2.0), "p": (2,), "f_scale": (0.3, 2.0), "t": (0.5, 2.0), "a": (0.5, 1.7), "b": (3.0,), "c": (5.0,),
    "k": (2, 6), "df": (1.5, 9), "q": (0.2, 0.8), "base_norm": ("LeastSquares", "HuberT"), "weight": ([0.3, 2.0, 1.0],),
    "pos_weight": (3.0, [0.5]), "label_smoothing": (0.2,), "ignore_index": (1,), "ignore_class": (1,),
    "from_logits": (True, False), "log_input": (False,), "full": (True,), "eps": (1e-9,), "log_target": (True,),
    "apply_class_balancing": (True,), "axis": (-1,), "huber_slope": (0.3, 2.0), "quantile_alpha": (0.2, [0.7]),
    "expectile_alpha": (0.2,), "scale_pos_weight": (3.0,), "max_delta_step": (0.3,), "reg_sqrt": (True,),
    "tweedie_variance_power": (1.2, 1.8, 1.0), "fair_c": (0.3, 2.0), "poisson_max_delta_step": (0.3,),
    "sigmoid": (0.5, 2.0), "is_unbalance": (False,), "variance_power": (1.2, 1.8), "focal_alpha": (0.25,),
    "focal_gamma": (0.5, 2.0), "smoothness": (0.3, 2.0), "quantile": (0.2, 0.8), "scale": (0.5, 2.0),
    "power": (0, 1, 2, 1.3), "link": ("log", "identity"), "classes": ([-1, 1], ["no", "yes"]), "n_classes": (3,),
    "num_class": (3,), "n_outputs": (3,), "out_activation": ("softmax",), "multi_class": ("crammer_singer",),
}  # fmt: skip
OTHERS: dict[tuple[str, str], tuple[Any, ...]] = {
    ("optax", "alpha"): (None, 0.3),
    ("keras", "alpha"): (0.3, [0.5, 1.0, 2.0]),
    ("Lq", "q"): (1.0, 1.5, 3.0),
    ("StudentT", "c"): (0.7, 5.0),
    ("Quantile", "delta"): (1e-7,),
    ("BinaryFocalCrossentropy", "alpha"): (0.3,),
    ("BCE", "weight"): (None,),
    ("MultiLabelSoftMarginLoss", "weight"): (None,),
    ("Focal", "label_smoothing"): (0.0,),
}


@dataclass(frozen=True)
class Case:
    """One name of a peer with parameters."""

    peer: Peer
    row: Row
    name: str
    params: dict[str, Any]

    @property
    def full(self) -> str:
        return self.peer.full(self.name)

    @property
    def translation(self) -> Translation:
        return translate(self.full, **self.params)

    @property
    def is_first(self) -> bool:
        """Whether it has the row's first name; others are the same loss."""
        return self.name == self.row.names.split()[0]

    @property
    def settings(self) -> dict[str, Any]:
        """All parameters, those left at the peer's defaults too."""
        return {key: self.params.get(key, p.default) for key, p in self.row.parameters.items()}

    @property
    def with_defaults(self) -> "Case":
        """The same name with no more parameters than it needs."""
        needed = {key for key, p in self.row.parameters.items() if p.default is p.empty}
        return Case(self.peer, self.row, self.name, {key: self.params[key] for key in needed})

    @property
    def changes(self) -> bool:
        """Whether the parameters change the loss or the factor."""
        found, usual = self.translation, self.with_defaults.translation
        return (found.loss, found.factor) != (usual.loss, usual.factor)

    def __str__(self) -> str:
        return f"{self.full}({', '.join(f'{k}={v}' for k, v in self.params.items())})"


def tried(full: str, parameter: str) -> tuple[Any, ...]:
    """The values for one parameter of one loss: KeyError for a parameter that nobody has thought of."""
    special = [values for (part, name), values in OTHERS.items() if name == parameter and part in full]
    return special[-1] if special else VALUES[parameter]


def _with(peer: Peer, row: Row, name: str) -> Iterator[Case]:
    known = row.parameters
    needed = {key: tried(peer.full(name), key)[0] for key, p in known.items() if p.default is p.empty}
    yield Case(peer, row, name, needed)
    if name == row.names.split()[0]:  # other names of the same loss are tried with its defaults
        for key in known:
            for value in tried(peer.full(name), key):
                yield Case(peer, row, name, needed | {key: value})


def cases(peer: str) -> list[Case]:
    return [
        case
        for table, row in entries()
        if table.name == peer and isinstance(row, Row)
        for name in row.names.split()
        for case in _with(table, row, name)
    ]


def fewer(cases: Iterable[Case]) -> list[Any]:
    """Where the peer compiles for each case, other names of a loss and second values are left to the full sweep."""
    found: list[Any] = []
    tried: set[tuple[str, tuple[str, ...]]] = set()
    for case in cases:
        key = (case.full, tuple(case.params))
        full = case.peer.name in ("keras", "optax") and (not case.is_first or key in tried)
        found.append(pytest.param(case, marks=pytest.mark.full) if full else case)
        tried.add(key)
    return found


def numbers(translation: Translation) -> list[float]:
    """The loss's own parameters: where its kinks may be."""
    return [v for v in translation.loss.params.values() if isinstance(v, float)]


def points(translation: Translation, *, hard: bool, seed: int = 5, size: int = 60) -> tuple[Array, Array]:
    """Targets and predictions of the loss's domain: random ones and, if hard, exact fits, kinks and large errors."""
    rng = np.random.default_rng(seed)
    loss = translation.loss
    target, prediction = loss.formula.target.domain, loss.formula.predictions[0].domain
    if loss.kind == "rowwise":
        return _rows(rng, loss, size, hard)
    if len(loss.formula.predictions) == 2:
        return rng.normal(size=size) * 2, rng.normal(size=(size, 2))
    if target.kind == "label" or (target.low, target.high) == (0.0, 1.0):
        labels = np.asarray(loss.labels if loss.labels is not None else [0.0, 1.0])
        y = labels[rng.integers(0, 2, size)]
        f = rng.uniform(0.02, 0.98, size) if prediction.high == 1.0 else rng.normal(size=size) * 3
        if hard and prediction.high != 1.0:
            extra = np.asarray([0.0, 1.0, -1.0, 30.0, -30.0, *numbers(translation)])
            y, f = np.r_[y, np.repeat(labels, len(extra))], np.r_[f, np.tile(extra, 2)]
        return y, f
    if target.low == 0.0:
        y = rng.gamma(2.0, 1.5, size) + 0.01
        y = y if target.low_open else np.where(np.arange(size) % 4 == 0, 0.0, y)
        f = rng.normal(size=size)
        f = np.exp(f) if prediction.low == 0.0 else f
        if hard and prediction.low != 0.0:
            y, f = np.r_[y, 1.0, 3.0, 3.0, 1e-3], np.r_[f, 0.0, 5.0, -8.0, 0.0]
        return y, f
    if target.low == -1.0:
        return rng.gamma(2.0, 1.5, size), rng.gamma(2.0, 1.5, size)
    y = rng.normal(size=size) * 3
    y = y if target.excluded is None else y + 0.5 * np.sign(y)
    f = y + rng.standard_t(2, size) * 2
    if hard:
        kinks = [s * v for v in numbers(translation) for s in (1.0, -1.0)]
        extra = np.asarray([0.0, 1e-4, -1e-4, 1e4, -1e4, *kinks])
        y, f = np.r_[y, np.full(len(extra), 2.0)], np.r_[f, 2.0 + extra]
    return y, np.clip(f, -5, 5) if loss.link.name == "log" else f  # of logarithms


def _rows(rng: np.random.Generator, loss: Any, size: int, hard: bool) -> tuple[Array, Array]:
    f = rng.normal(size=(size, 3)) * 2
    if hard:
        f = np.r_[f, [[0.0, 0.0, 0.0], [30.0, 0.0, -30.0], [1.0, 2.0, 3.0], [-40.0, 40.0, 0.0]]]
    shares = np.exp(f - np.log(np.exp(f).sum(-1, keepdims=True)))
    if loss.formula.predictions[0].domain.high == 1.0:
        f = 0.02 + 0.94 * shares  # away from 0 and 1, adding up to 1
    elif loss.params.get("log_input") or loss.link.name == "log":
        f = np.log(shares)
    if "class id" in loss.formulas:
        return rng.integers(0, 3, len(f)), f
    y = rng.dirichlet(np.ones(3), len(f))
    y[0] = [1.0, 0.0, 0.0] if hard else y[0]
    return y, f


def smooth(translation: Translation, y: Array, f: Array) -> Array:
    """Where the loss has one derivative: half a step to either side the gradient is nearly the same."""
    loss = translation.loss
    step = 1e-7 * (np.linspace(1, -1, f.shape[-1]) if f.ndim == 2 else 1.0)
    above, below = (loss.gradient(y, f + s, reduction="none") for s in (step, -step))
    with np.errstate(invalid="ignore"):  # infinite on both sides
        apart = np.abs(above - below) / (1 + np.abs(above))
    return (apart if apart.ndim == 1 or f.ndim == 1 else apart.max(-1)) < 1e-3
