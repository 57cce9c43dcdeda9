"""Hard points: where loss functions have gone wrong, made from the domains of each formula."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

import lossmith as lm
from lossmith.formula.domains import Domain

TINY = {"float64": 5e-324, "float32": 1e-45}
# Towards the ends of the floats, where a square, a reciprocal or a quotient alone overflows or fades away. Neighbours
# have a normal difference, which JAX needs.
EXTREME = {"float64": (1e-290, 1e-153, 1e153, 1e299), "float32": (1e-30, 1e-24, 1e18, 1e38)}
SCALES = {"float64": (-354.0, -720.0), "float32": (-44.0, -89.0, -90.0)}
SIZES = (1e-8, 0.3, 1.0, 2.5, 37.5, 80.0, 88.0, 700.0, 745.0, 1e4, 1e35)

# beside every loss with its defaults: its options, and parameters at the ends of their domains
MORE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("huber", {"delta": 1.345}), ("huber", {"delta": 1e-3}), ("smooth_l1", {"beta": 0.0}), ("smooth_l1", {"beta": 0.1}),
    ("smooth_l1", {"beta": 1e-20}), ("pseudo_huber", {"delta": 0.1}), ("pseudo_huber", {"delta": 1e-20}),
    ("pseudo_huber", {"delta": 1e20}), ("quantile", {"q": 0.9}), ("quantile", {"q": 0.01}), ("expectile", {"q": 0.1}),
    ("lq", {"q": 1.0}), ("lq", {"q": 2.0}), ("lq", {"q": 3.0}), ("epsilon_insensitive", {"epsilon": 0.0}),
    ("binary_cross_entropy", {"label_smoothing": 0.1}), ("binary_cross_entropy", {"pos_weight": 9.0}),
    ("binary_cross_entropy", {"label_smoothing": 1.0, "pos_weight": 0.5}),
    ("binary_cross_entropy", {"from_logits": False}),
    ("binary_cross_entropy", {"from_logits": False, "label_smoothing": 0.1, "pos_weight": 3.0}),
    ("focal", {"gamma": 0.0}), ("focal", {"gamma": 0.5, "alpha": 0.25}), ("focal", {"gamma": 5.0}),
    ("focal", {"from_logits": False}), ("focal", {"from_logits": False, "gamma": 0.5}),
    ("brier", {"from_logits": False}),
    ("cross_entropy", {"label_smoothing": 0.1}), ("cross_entropy", {"class_weight": (0.2, 1.0, 5.0)}),
    ("cross_entropy", {"class_weight": (0.2, 1.0, 5.0), "label_smoothing": 0.2, "weighting": "target"}),
    ("cross_entropy", {"class_weight": (0.2, 0.0, 5.0), "label_smoothing": 0.2}),
    ("cross_entropy", {"from_logits": False}),
    ("cross_entropy", {"from_logits": False, "label_smoothing": 0.1, "class_weight": (0.2, 1.0, 5.0)}),
    ("focal_cross_entropy", {"gamma": 0.0}), ("focal_cross_entropy", {"gamma": 0.5, "class_weight": (1.0, 2.0, 3.0)}),
    ("focal_cross_entropy", {"from_logits": False}), ("multi_margin", {"p": 2, "margin": 0.5}),
    ("kl_divergence", {"log_input": True}), ("poisson", {"full": True}), ("poisson", {"log_input": False}),
    ("poisson", {"log_input": False, "full": True}), ("gamma", {"log_input": False}), ("tweedie", {"power": 1.1}),
    ("tweedie", {"power": 1.9}), ("tweedie", {"log_input": False}), ("gaussian_nll", {"full": True}),
    ("cumulative_logit", {"thresholds": (0.3,)}), ("cumulative_logit", {"thresholds": (-40.0, 0.1, 0.10001)}),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A loss and the kind of target to try it on."""

    name: str
    params: tuple[tuple[str, Any], ...]
    kind: str

    @property
    def loss(self) -> Any:
        return lm.get(self.name, **dict(self.params))

    @property
    def formula(self) -> Any:
        return self.loss.formulas[self.kind]

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={v}" for k, v in self.params)
        return f"{self.name}({inside}){' on rows' if self.kind == 'row' else ''}"


def cases() -> list[Case]:
    """Every loss of the catalogue, and the options above."""
    listed = [(name, {}) for name in lm.names()] + list(MORE)
    return [
        Case(name, tuple(params.items()), kind) for name, params in listed for kind in lm.get(name, **params).formulas
    ]


def _numbers(domain: Domain, dtype: str) -> list[float]:
    tiny = TINY[dtype]
    sizes = (tiny, *EXTREME[dtype], *SIZES)
    raw = [0.0, *sizes, *(-s for s in sizes), math.inf, -math.inf]
    if domain.high == 1.0:
        eps = float(np.finfo(dtype).epsneg)
        raw += [1 - eps, 0.5, 0.9, 1e-3, 1e-30]
    if domain.whole:
        raw += [3.0, 7.0]
    return [x for x in raw if domain.contains(x)]


def _targets(domain: Domain, dtype: str) -> list[float]:
    if domain.kind == "level":
        return [float(y) for y in range(int(domain.high) + 1)]
    raw = [0.0, 1.0, -2.5, 4.0, 0.3, 1e-8, 1e4, TINY[dtype], 1.0 - float(np.finfo(dtype).epsneg), -0.5]
    raw += [2 * size for size in EXTREME[dtype]]  # so that no error overflows by itself
    return [y for y in raw if domain.contains(y)]


def _kinks(case: Case, y: float, dtype: str) -> list[float]:
    """Predictions one step to either side of, and on, every threshold that a parameter or a margin sets."""
    kind = np.dtype(dtype).type
    places = [*np.ravel(case.loss.params.get("thresholds") or ()), y, 1.0, -1.0] + [
        y + s * float(kind(v)) for _, v in case.params if isinstance(v, (int, float)) for s in (1, -1)
    ]
    if not case.params:
        places += [y + s * v for v in case.loss.params.values() if isinstance(v, float) for s in (1, -1)]
    found = []
    for place in places:
        x = kind(place)
        found += [float(x), float(np.nextafter(x, kind(np.inf))), float(np.nextafter(x, kind(-np.inf)))]
    domain = case.formula.predictions[0].domain
    return [x for x in found if domain.contains(x)]


_ROWS = (
    (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (0.3, -0.2, 0.1), (80.0, 0.0, -5.0), (700.0, 0.0, 1.0), (-700.0, -700.5, -701.0),
    (1e4, 0.0, -1e4), (37.5, 0.0, 88.0), (50.0, 20.0, 1.0), (1e-8, 0.0, -1e-8), (-math.inf, 0.0, 1.0),
    (math.inf, 0.0, 1.0), (2.0, 1.0, 1.0), (1.0, 2.0, 1.0),
)  # fmt: skip
_SHARES = (
    (0.2, 0.3, 0.5),
    (1.0, 0.0, 0.0),
    (0.0, 0.4, 0.6),
    (0.0, 1.0, 0.0),
    (0.25, 0.25, 0.5),
    (1e-30, 0.5, 0.5),
    (0.9, 0.1, 1e-8),
)


def _row_predictions(domain: Domain, dtype: str) -> list[tuple[float, ...]]:
    rows = (*_SHARES, (TINY[dtype], 1.0, 0.0), (0.5, TINY[dtype], 0.5)) if math.isfinite(domain.low) else _ROWS
    return [row for row in rows if all(domain.contains(x) for x in row)]


def points(case: Case, dtype: str) -> list[tuple[Any, Any]]:
    """(target, prediction) pairs, already numbers of the dtype."""
    formula = case.formula
    target, first = formula.target.domain, formula.predictions[0].domain
    if formula.kind == "rowwise":
        targets: list[Any] = [0, 1, 2] if target.kind == "class id" else list(_SHARES)
        pairs = [(y, f) for y in targets for f in _row_predictions(first, dtype)]
        if target.kind == "row" and math.isfinite(first.low):  # predictions very close to the target
            pairs += [(y, tuple(x * (1 + s * 1e-6) for x, s in zip(y, (1, -1, 0.5), strict=True))) for y in _SHARES]
            pairs = [(y, f) for y, f in pairs if all(first.contains(x) for x in f)]
    elif len(formula.predictions) > 1:
        pairs = [
            (y, (m, s))
            for y in _targets(target, dtype)
            for m in (0.0, 1.0, -2.5, 1e4, *EXTREME[dtype])
            for s in (0.0, -1.0, 2.5, 37.5, -37.5, *SCALES[dtype])
        ]
    else:
        pairs = [
            (y, f)
            for y in _targets(target, dtype)
            for f in dict.fromkeys(_numbers(first, dtype) + _kinks(case, y, dtype))
        ]
    kind = np.dtype(dtype).type
    rounded = [(_rounded(y, kind), _rounded(f, kind)) for y, f in pairs]
    return [(y, f) for y, f in rounded if _legal(target, y) and _legal(first, f)]


def _rounded(x: Any, kind: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(float(kind(item)) for item in x)
    return x if isinstance(x, int) else float(kind(x))


def _legal(domain: Domain, x: Any) -> bool:
    return all(domain.contains(item) for item in (x if isinstance(x, tuple) else (x,)))
