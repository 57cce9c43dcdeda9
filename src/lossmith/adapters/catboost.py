"""CatBoost: a loss as objective, as metric, and as a model that predicts on the natural scale.

* order: (approximation, target, weight), a block of a thousand rows at a time, for several scores row by row;
* sign: it wants MINUS the gradient and MINUS the curvature, and trains uphill on anything else without an error;
* start: a custom objective starts at 0, `predict` never adds the `baseline` back;
* weights: a custom objective applies them itself;
* layout: one score as (n, 2), gradient and curvature; several as a vector and a matrix for each row;
* link: `predict` of a custom objective is the raw score.

It needs a metric beside an objective, and keeps 24 bits of a target: what it is shown is the distance from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import catboost
import numpy as np
from numpy.typing import NDArray

from lossmith.adapters.boosting import Convention
from lossmith.adapters.boosting_checks import OF_CLASSES, check_offset
from lossmith.adapters.boosting_model import BoostedModel
from lossmith.adapters.boosting_objective import Objective
from lossmith.adapters.boosting_rows import RAW, Array, Rows, Setting, rows_of, weights
from lossmith.lazy import cached_property
from lossmith.start import residual_scale

if TYPE_CHECKING:
    from lossmith.loss import Loss


class _Kept:
    """CatBoost copies its parameters deeply, and scikit-learn's clone wants the very object that was given."""

    def __deepcopy__(self, memo: Any) -> Self:
        return self


class CatBoostObjective(_Kept, Objective):
    """A loss for CatBoost; see `Objective`.

    Passed as `loss_function`, without a dataset of its own, it sees blocks of rows and cannot measure the targets:
    derivatives are then those of the loss, and penalties act in its units.
    """

    FRAMEWORK = "catboost"
    LEARNS = False
    CONVENTIONS: ClassVar[Mapping[str, Convention]] = {
        "squared_error": Convention("curvature", multiple=2.0),
        "binary_cross_entropy": Convention("curvature"),
        "poisson": Convention(),
        "tweedie": Convention(),
        "log_cosh": Convention(),
    }
    RESERVED = (
        "loss_function", "objective", "eval_metric", "custom_metric", "custom_loss", "classes_count",
        "class_names", "target_border", "boost_from_average",
    )  # fmt: skip
    UNHEARD: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("class_weights", "auto_class_weights", "scale_pos_weight"), OF_CLASSES
    )
    OWN: ClassVar[Mapping[str, Any]] = {"allow_const_label": True}  # equal targets have a best constant, too
    ROUNDS = 1000
    START = "baseline"
    HANDED = np.float64
    no_jit = True  # CatBoost is not to compile these methods with numba

    def calc_ders_range(self, approxes: Array, targets: Any, weights: Any) -> Array:
        """As `loss_function` of one score, on datasets made by hand."""
        if self.loss.outputs != 1:
            raise ValueError(
                f"{self.loss.name} takes several scores, but CatBoost trains one here (of two classes too): train with "
                ".fit, or on a .dataset of this objective"
            )
        return self._by_itself.calc_ders_range(approxes, targets, weights)

    def calc_ders_multi(self, approxes: Array, target: Any, weight: float) -> tuple[Array, Array]:
        """As `loss_function` of classes, with `classes_count`, on datasets made by hand."""
        return self._by_itself.calc_ders_multi(approxes, target, weight)

    @property
    def metric(self) -> MeanLoss:
        """The weighted mean loss as `eval_metric`, on datasets made by hand."""
        return MeanLoss(self._by_itself.block)

    @cached_property
    def _by_itself(self) -> Descent:
        self._refuse_by_hand()
        return Descent(Block(self, Setting(self.loss, self._plain, RAW)))

    def dataset(self, X: Any, y: Any, weight: Any = None, reference: Any = None, **options: Any) -> Any:
        """A `catboost.Pool` that knows its start and scale; for `reference` see `Objective`."""
        check_offset(options)
        if options.get("group_weight") is not None:
            raise ValueError(
                "group_weight: CatBoost tells an objective of one's own none: say weight=, each row's that of its group"
            )
        rows = self._rows(y, weight, reference, X)
        pool = catboost.Pool(X, label=self._label(rows), weight=rows.weight, **options)
        pool._lossmith = rows
        return pool

    def _label(self, rows: Rows) -> NDArray[Any]:
        """Targets as CatBoost is shown them: a column for each score, of equal ones where a target has one number.

        Classes too: of those CatBoost trains as many scores as it sees, and of two a single one.
        """
        label, outputs = rows.y - _origin(rows.setting), len(rows.setting.units.start)
        return np.repeat(label[:, None], outputs, axis=1) if label.ndim == 1 and outputs > 1 else label

    def _told(self, rows: Rows) -> dict[str, Any]:
        outputs, measured = len(rows.setting.units.start), Spread(rows.setting, len(rows.y))
        block = Block(self, rows.setting, _origin(rows.setting), measured, rows.y.ndim == 2)
        if outputs == 1:
            made: dict[str, Any] = {"loss_function": Descent(block), "eval_metric": MeanLoss(block)}
        else:
            made = {"loss_function": DescentOfSeveral(block), "eval_metric": MeanLossOfSeveral(block)}
        return made

    def _train(self, params: dict[str, Any], train: Any, rounds: int, valid: Any, patience: int | None) -> Any:
        quiet = {} if {"verbose", "verbosity", "silent", "logging_level"} & set(params) else {"logging_level": "Silent"}
        params = {"allow_writing_files": False, **quiet, **params, "iterations": rounds}
        if params.setdefault("use_best_model", patience is not None) and valid is None:
            raise ValueError("params['use_best_model'] is True, but there is no validation set: pass valid=(X, y)")
        try:
            return _fitted(params, train, valid, patience)
        except catboost.CatBoostError as error:
            if "Too few sampling units" not in str(error):
                raise
        # it samples rows by their gradients, and none is left that pulls: without sampling that is no trouble
        whole = {name: value for name, value in params.items() if name not in _SAMPLING}
        return _fitted({**whole, "bootstrap_type": "No"}, train, valid, patience)

    def _model(self, booster: Any, train: Any) -> CatBoostModel:
        setting = rows_of(train).setting
        return CatBoostModel(booster, setting.stated, setting.units)


adapt = CatBoostObjective.of  # the options are those of every booster


_SAMPLING = ("bootstrap_type", "subsample", "mvs_reg", "bagging_temperature")


def _fitted(params: Mapping[str, Any], train: Any, valid: Any, patience: int | None) -> Any:
    model = catboost.CatBoost(dict(params))
    try:
        model.fit(train, eval_set=valid, early_stopping_rounds=patience)
    except catboost.CatBoostError as error:
        own = error.__context__  # ours, where CatBoost has made a text of it, else of whoever is handling an error
        if isinstance(own, ValueError) and f"{type(own).__name__}: {own}" in str(error):
            raise own from None
        raise
    return model


def _of_classes(loss: Loss) -> bool:
    return loss.target_kind == "class id"


def _origin(setting: Setting) -> float:
    """What is subtracted from targets that may be any number, so that 24 bits suffice."""
    domain = setting.loss.formula.target.domain
    free = domain.kind == "real" and np.isinf([domain.low, domain.high]).all()
    return setting.units.start[0] if free else 0.0


class Spread:
    """The size of the residuals over as many rows as there are: that of a block would differ from block to block."""

    def __init__(self, setting: Setting, count: int) -> None:
        self.setting, self.count, self.now = setting, count, setting.residual or 1.0
        self.seen: list[tuple[Any, ...]] = []

    def after(self, y: Array, f: Array, weight: Array | None) -> float:
        """The latest that is known; each row is seen once in a pass over the rows."""
        self.seen.append((y, f) if weight is None else (y, f, weight))
        if sum(len(part[0]) for part in self.seen) >= self.count:
            whole = [np.concatenate(column) for column in zip(*self.seen, strict=True)]
            self.now = residual_scale(self.setting.loss, *whole)
            self.seen = []
        return self.now


@dataclass(frozen=True, eq=False)
class Part(Rows):
    """Rows of a block, whose residuals are measured with those of the other blocks."""

    measured: Spread | None = None

    def spread(self, f: Array) -> float:
        return super().spread(f) if self.measured is None else self.measured.after(self.y, f, self.weight)


@dataclass(frozen=True)
class Block:
    """How rows that CatBoost hands over, a few at a time, are read."""

    objective: CatBoostObjective
    setting: Setting
    origin: float = 0.0
    measured: Spread | None = None
    whole: bool = False  # whether a target is a row of numbers, such as the shares of classes

    def rows(self, target: Any, weight: Any) -> Rows:
        """Targets: rows, or numbers, which of several scores come in a column each."""
        y = np.asarray(target, dtype=np.float64)
        if not self.whole:
            y = y[:, 0] if y.ndim == 2 else y
            y = y.astype(np.int64) if _of_classes(self.setting.loss) else y
        return Part(
            y + self.origin if self.origin else y, weights(weight), self.setting, measured=self.measured
        )

    def derivatives(self, u: Array, target: Any, weight: Any) -> tuple[Array, Array]:
        self.setting.begin(u)
        return self.objective._derivatives(self.rows(target, weight), u)

    def total(self, u: Array, target: Any, weight: Any) -> tuple[float, float]:
        rows = self.rows(target, weight)
        found = rows.setting.loss.total(rows.y, rows.setting.units.scores(u), weight=rows.weight)
        return found.sum, found.weight


class Descent:
    """A loss as CatBoost's objective."""

    no_jit = True

    def __init__(self, block: Block) -> None:
        self.block = block

    def calc_ders_range(self, approxes: Array, targets: Any, weights: Any) -> Array:
        """Minus gradient and minus curvature, side by side."""
        found = np.empty((len(approxes), 2))
        for column, derivative in enumerate(self.block.derivatives(approxes, targets, weights)):
            np.negative(derivative, out=found[:, column])
        return found

    def calc_ders_multi(self, approxes: Array, target: Any, weight: float) -> tuple[Array, Array]:
        """Minus gradient and minus curvature, on the diagonal, of one row."""
        one = np.array([weight])
        gradient, curvature = self.block.derivatives(approxes[None], np.asarray(target)[None], one)
        return -gradient[0], np.diag(-curvature[0])


class DescentOfSeveral(Descent, catboost.MultiTargetCustomObjective):
    """A loss of several scores."""


class MeanLoss(_Kept):
    """A loss as CatBoost's metric: sums and weights of blocks, which add up."""

    no_jit = True

    def __init__(self, block: Block) -> None:
        self.block = block

    def is_max_optimal(self) -> bool:
        return False

    def evaluate(self, approxes: tuple[Array, ...], target: Any, weight: Any) -> tuple[float, float]:
        u = approxes[0] if len(approxes) == 1 else np.stack(approxes, axis=1)
        return self.block.total(u, np.stack(target, axis=1) if isinstance(target, tuple) else target, weight)

    def get_final_error(self, error: float, weight: float) -> float:
        return error / weight


class MeanLossOfSeveral(MeanLoss, catboost.MultiTargetCustomMetric):
    """The metric of several scores."""


class CatBoostModel(BoostedModel):
    """A CatBoost booster with its loss; `save` writes CatBoost's own binary format."""

    FRAMEWORK, SUFFIX = "catboost", ".cbm"
    KINDS = ("prediction_type",)

    def _trees(self, X: Any, **options: Any) -> NDArray[Any]:
        if isinstance(X, catboost.Pool) and np.any(X.get_baseline()):
            check_offset({"baseline": X})
        return np.asarray(self.booster.predict(X, prediction_type="RawFormulaVal", **options))

    def _write(self, path: Path) -> None:
        self.booster.save_model(str(path), format="cbm")

    @classmethod
    def _read(cls, path: Path) -> Any:
        return catboost.CatBoost().load_model(str(path), format="cbm")
