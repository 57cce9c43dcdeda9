"""LightGBM: a loss as objective, as metric, and as a model that predicts on the natural scale.

LightGBM leaves six things to whoever brings an objective, mostly without saying so. Here they are carried:

* order: natively (prediction, Dataset), in the scikit-learn interface (y_true, prediction, weight);
* sign: the gradient goes downhill as it is;
* start: a custom objective starts at 0, whatever `boost_from_average` says, and `predict` never adds `init_score` back;
* weights: native training does not apply them;
* layout: several scores arrive as (n, k) in Fortran order and must leave as (n, k);
* link: `predict` of a custom objective is the raw score.

The trees learn u, where score = start + scale * u. Start is the loss's best constant, scale the size of the residuals
about it, so that targets far from zero, tiny or huge train as well as any. Scale and the divisor that brings the
mean curvature near 1 are powers of two: they change no digit of a gradient.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lossmith.start import finite_start, residual_scale, without_labels

if TYPE_CHECKING:
    from lossmith.loss import Loss

Array = NDArray[np.float64]
Curvature = Literal["curvature", "exact"] | Callable[[Any, Array], Array]

FLOOR = 1e-6
"""Least exact second derivative handed on, in units of the mean curvature; the loss's own curvature needs no floor."""

FORMAT = 1


@dataclass(frozen=True)
class Units:
    """score = start + scale * u, u what the trees learn; gradient and curvature are divided by `divisor` per output."""

    start: tuple[float, ...]
    scale: float = 1.0
    divisor: tuple[float, ...] = (1.0,)

    def scores(self, u: NDArray[Any]) -> Array:
        if u.ndim == 1:
            return np.asarray(self.start[0] + self.scale * u)
        return np.asarray(np.asarray(self.start) + self.scale * u)


@dataclass(frozen=True)
class Rows:
    """What a Dataset made here remembers: targets with all their digits (LightGBM keeps 24 bits), weights, units."""

    y: NDArray[Any]
    weight: Array | None
    units: Units
    residual: float | None = None  # size of the residuals at the start, where that is known


def adapt(
    loss: Loss, *, hessian: Curvature = "curvature", classes: int | None = None, scale: float | None = None
) -> LightGBMObjective:
    """A LightGBM objective from a loss.

    `hessian` is what trees divide by: "curvature", the loss's positive second-order weight, which trains safely;
    "exact", the second derivative, which warns where it is not positive; or a function of (y, scores), such as
    `lambda y, f: np.exp(f + 0.7)`, LightGBM's own choice for Poisson. `classes` is the number of classes where the
    targets may not show them all. `scale` replaces the measured size of the residuals.
    """
    if not (callable(hessian) or hessian in ("curvature", "exact")):
        raise ValueError(f'hessian is {hessian!r}: expected "curvature", "exact" or a function of (y, scores)')
    return LightGBMObjective(loss, hessian, classes, scale)


@dataclass(eq=False)
class LightGBMObjective:
    """A loss for LightGBM: call `fit`, or pass it where LightGBM takes an objective.

    Used with datasets made by `dataset`, start and scale are carried, and `model` turns the booster into predictions.
    Used with any other dataset, or in the scikit-learn interface, it sees LightGBM's raw score as it is: set
    `init_score` to `init_score(y)` and add the start to what `predict` returns.
    """

    loss: Loss
    hessian: Curvature = "curvature"
    classes: int | None = None
    scale: float | None = None
    _warned: bool = field(default=False, repr=False)

    # as LightGBM calls it

    def __call__(self, first: Any, second: Any, weight: Any = None) -> tuple[Array, Array]:
        """Gradient and curvature: (prediction, Dataset) natively, (y_true, prediction, weight) from scikit-learn."""
        u, rows = self._given(first, second, weight)
        f = rows.units.scores(u)
        gradient, curvature = self._derivatives(rows, f)
        factor = rows.units.scale / np.asarray(rows.units.divisor)
        if f.ndim == 1:
            factor = factor[0]
        return gradient * factor, curvature * (factor * rows.units.scale)

    def metric(self, first: Any, second: Any, weight: Any = None) -> tuple[str, float, bool]:
        """The weighted mean loss as an evaluation function: its name, its value, and that higher is not better."""
        u, rows = self._given(first, second, weight)
        return self.loss.name, float(self._plain(rows.y, rows.units.scores(u), weight=rows.weight)), False

    def _given(self, first: Any, second: Any, weight: Any) -> tuple[NDArray[Any], Rows]:
        if hasattr(second, "get_label"):
            u = np.asarray(first)
            rows = getattr(second, "_lossmith", None)
            if rows is not None:
                return u, rows
            y, weight = second.get_label(), second.get_weight()
        else:
            y, u = first, np.asarray(second)
        k = 1 if u.ndim == 1 else u.shape[1]
        kept = None if weight is None or not len(weight) else np.asarray(weight, dtype=np.float64)
        return u, Rows(self._targets(y), kept, Units((0.0,) * k, 1.0, (1.0,) * k))

    def _derivatives(self, rows: Rows, f: Array) -> tuple[Array, Array]:
        y, weight, loss = rows.y, rows.weight, self._plain
        if self.hessian == "curvature":
            width = self._width(rows, f)
            both = loss.gradient_and_curvature(y, f, weight=weight, reduction="none", width=width)
            gradient, curvature = (np.asarray(part) for part in both)
        else:
            gradient = np.asarray(loss.gradient(y, f, weight=weight, reduction="none"))
            if self.hessian == "exact":
                curvature = np.asarray(loss.hessian(y, f, weight=weight, reduction="none"))
            else:
                curvature = np.asarray(self.hessian(y, f))
                curvature = curvature if weight is None else (curvature.T * weight).T
        _check_finite(loss, y, f, gradient, curvature)
        return gradient, self._positive(curvature, weight, rows.units)

    def _width(self, rows: Rows, f: Array) -> float:
        """How near to a kink counts as at it, and how far a step may go: between the residuals' size at first and now.

        With the first alone, training would come to swing about kinks; with the present alone it would be slow.
        """
        now = residual_scale(self._plain, rows.y, f, rows.weight)
        return now if rows.residual is None else float(np.sqrt(now * rows.residual))

    def _positive(self, curvature: Array, weight: Array | None, units: Units) -> Array:
        bad = ~(curvature > 0)
        if weight is not None:
            bad = (bad.T & (weight > 0)).T  # rows without weight are to stay exactly without effect
        if not bad.any():
            return curvature
        if not self._warned:
            self._warned = True
            row = int(np.argwhere(bad)[0][0])
            warnings.warn(
                f"{self.loss.name}: the second-order weight of {int(bad.sum())} predictions is not positive (first: "
                f'row {row}), and raised to {FLOOR:g} of its mean; such training often stalls: use hessian="curvature"',
                stacklevel=3,
            )
        least = FLOOR * np.asarray(units.divisor)[0] / units.scale**2
        return np.where(bad, least, curvature)

    # with start and scale carried

    def dataset(self, X: Any, y: Any, weight: Any = None, reference: Any = None, **options: Any) -> Any:
        """A `lightgbm.Dataset` that knows its start and scale; of a validation set, `reference` is the training set."""
        import lightgbm

        target = self._targets(y)
        kept = None if weight is None else np.asarray(weight, dtype=np.float64)
        if reference is None:
            rows = self._rows(target, kept)
        elif isinstance(getattr(reference, "_lossmith", None), Rows):
            known: Rows = reference._lossmith
            rows = Rows(target, kept, known.units, known.residual)
        else:
            raise ValueError("reference is a Dataset that this objective did not make: start and scale are unknown")
        self._plain(
            target, self._constant(rows.units.start, len(target)), weight=kept
        )  # whatever is wrong with targets or weights is said here
        shown = target if target.ndim == 1 else target.argmax(axis=1)
        options.setdefault("free_raw_data", False)
        data = lightgbm.Dataset(X, label=shown.astype(np.float32), weight=kept, reference=reference, **options)
        data._lossmith = rows
        return data

    def fit(
        self,
        X: Any,
        y: Any,
        weight: Any = None,
        params: Mapping[str, Any] | None = None,
        rounds: int = 100,
        valid: tuple[Any, ...] | None = None,
        early_stopping: int | None = None,
        **options: Any,
    ) -> LightGBMModel:
        """Train; `valid` is (X, y) or (X, y, weight), and `early_stopping` the rounds to wait for its loss to improve.

        `params` are LightGBM's, without objective and metric, which are this loss; further options go to the Dataset.
        """
        import lightgbm

        if early_stopping is not None and valid is None:
            raise ValueError(f"early_stopping is {early_stopping}, but there is no validation set: pass valid=(X, y)")
        train = self.dataset(X, y, weight, **options)
        settings = self._settings(params or {}, train._lossmith.units)
        callbacks = [] if early_stopping is None else [lightgbm.early_stopping(early_stopping, verbose=False)]
        held_out = None if valid is None else [self.dataset(*valid, **{**options, "reference": train})]
        booster = lightgbm.train(
            settings, train, num_boost_round=rounds, valid_sets=held_out,
            feval=None if held_out is None else self.metric, callbacks=callbacks,
        )  # fmt: skip
        return self.model(booster, train)

    def model(self, booster: Any, train: Any) -> LightGBMModel:
        """Predictions from a booster trained on a dataset made by `dataset`."""
        return LightGBMModel(booster, self.loss, train._lossmith.units)

    def init_score(self, y: Any, weight: Any = None) -> Array:
        """The start, once per row: the `init_score` of a Dataset made by hand, and what to add to its predictions."""
        target = self._targets(y)
        start = finite_start(self._plain, target, weight, self.classes)
        if len(start) == 1:
            return np.full(len(target), start[0])
        return np.asfortranarray(np.tile(start, (len(target), 1)))

    @property
    def _one_score(self) -> bool:
        return bool(self.loss.kind == "pointwise" and self.loss.outputs == 1)

    @property
    def _plain(self) -> Loss:
        """The loss without labels: targets are translated once, when they arrive."""
        return self.loss if self.loss.labels is None else self.loss.replaced(labels=None)

    def _targets(self, y: Any) -> NDArray[Any]:
        _, target = without_labels(self.loss, np.asarray(y))
        if (
            target.dtype.kind == "f"
            and self.loss.target_kind == "class id"
            and np.array_equal(target, np.round(target))
        ):
            return target.astype(np.int64)  # LightGBM hands class ids over as floats
        return target.astype(np.float64) if target.dtype.kind in "fiub" and self.loss.target_kind == "real" else target

    def _rows(self, y: NDArray[Any], weight: Array | None) -> Rows:
        start = finite_start(self._plain, y, weight, self.classes)
        residual = residual_scale(self._plain, y, start, weight)
        scale = _power_of_two(residual) if self.scale is None else self.scale
        plain = Rows(y, weight, Units(tuple(start.tolist()), scale, (1.0,) * len(start)), residual)
        if self.loss.target_kind != "real" or self.scale is not None:
            return plain
        total = float(len(y)) if weight is None else float(weight.sum())
        curvature = self._derivatives(plain, self._constant(plain.units.start, len(y)))[1].reshape(len(y), -1)
        divisor = tuple(_power_of_two(float(c) / total * scale**2) for c in curvature.sum(axis=0))
        return replace(plain, units=replace(plain.units, divisor=divisor))

    def _constant(self, start: tuple[float, ...], n: int) -> Array:
        return np.full(n, start[0]) if self._one_score else np.tile(np.asarray(start), (n, 1))

    def _settings(self, params: Mapping[str, Any], units: Units) -> dict[str, Any]:
        for name in ("objective", "objective_type", "app", "application", "loss", "metric", "metrics", "num_class"):
            if name in params:
                raise ValueError(
                    f"params[{name!r}] is {params[name]!r}: objective, metric and classes come from the loss"
                )
        settings = {"verbosity": -1, **params, "objective": self, "metric": "None"}
        if len(units.start) > 1:
            settings["num_class"] = len(units.start)
        return settings


@dataclass(eq=False)
class LightGBMModel:
    """A booster with the loss it was trained on: predictions on the natural scale."""

    booster: Any
    loss: Loss
    units: Units

    def raw(self, X: Any, **options: Any) -> Array:
        """Scores as the loss takes them: (n,), or (n, k) for several."""
        return self.units.scores(np.asarray(self.booster.predict(X, raw_score=True, **options)))

    def predict(self, X: Any, **options: Any) -> Array:
        """Mean, quantile, probability ...: whatever the loss's link turns scores into."""
        return np.asarray(self.loss.link.inverse(self.raw(X, **options)), dtype=np.float64)

    def save(self, path: str | Path) -> None:
        """LightGBM's own text and a JSON of loss and units: in a folder, or, of "m.txt", as m.txt and m.json."""
        model, spec = _files(Path(path), create=True)
        self.booster.save_model(str(model))
        units = {"start": list(self.units.start), "scale": self.units.scale, "divisor": list(self.units.divisor)}
        content = {"format": FORMAT, "loss": self.loss.spec(), "units": units}
        spec.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> LightGBMModel:
        """A model that `save` wrote."""
        import lightgbm

        from lossmith.specs import from_spec

        model, spec = _files(Path(path), create=False)
        content = json.loads(spec.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise ValueError(f"{spec} has format {content.get('format')!r}: this version reads format {FORMAT}")
        units = content["units"]
        return cls(
            lightgbm.Booster(model_file=str(model)),
            from_spec(content["loss"]),
            Units(tuple(units["start"]), float(units["scale"]), tuple(units["divisor"])),
        )


def _files(path: Path, create: bool) -> tuple[Path, Path]:
    if path.suffix:
        return path, path.with_suffix(".json")
    if create:
        path.mkdir(parents=True, exist_ok=True)
    return path / "model.txt", path / "model.json"


def _power_of_two(x: float) -> float:
    return float(2.0 ** np.round(np.log2(x))) if np.isfinite(x) and x > 0 else 1.0


def _check_finite(loss: Loss, y: NDArray[Any], f: Array, *derivatives: Array) -> None:
    for what, values in zip(("gradient", "second-order weight"), derivatives, strict=True):
        if np.isfinite(values).all():
            continue
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise ValueError(f"{loss.name}: the {what} at row {row} is not finite (y = {y[row]}, score = {f[row]})")
