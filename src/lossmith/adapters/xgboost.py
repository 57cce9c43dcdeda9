"""XGBoost: a loss as objective, as metric, and as a model that predicts on the natural scale.

* order: natively (prediction, DMatrix), in the scikit-learn interface (y_true, prediction, sample_weight=);
* sign: the gradient goes downhill as it is;
* start: a custom objective starts at a margin of 0.5 in every class, unless `base_score` or a `base_margin` says else;
  XGBClassifier of two classes reads `base_score` as a probability, and starts at its logit;
* weights: native training does not apply them, the scikit-learn interface hands them over;
* layout: several scores arrive and leave as (n, k), where `num_class` was told or y has several columns;
* link: natively `predict` of a custom objective is the margin, of several classes the number of the largest; a saved
  model forgets its objective.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from weakref import ref

import numpy as np
from numpy.typing import NDArray

from lossmith.adapters.boosting import Convention
from lossmith.adapters.boosting_checks import OF_CLASSES, OF_THE_LOSS, check_offset
from lossmith.adapters.boosting_model import BoostedModel
from lossmith.adapters.boosting_objective import Objective
from lossmith.adapters.boosting_rows import Rows, power_of_two, rows_of


def _noted(data: Any, rows: Rows) -> Any:
    """The matrix that knows its rows, and whose slices, such as the folds of `xgboost.cv`, know theirs."""
    known = ref(data)  # nothing that a matrix holds is to keep it alive

    def slice_(rindex: Any, allow_groups: bool = False) -> Any:
        whole: Any = known()
        return _noted(type(whole).slice(whole, rindex, allow_groups), rows.part(np.asarray(rindex)))

    data._lossmith, data.slice = rows, slice_
    return data


_MISSING = "missing"
"""The booster's attribute, kept in its file, that says which number stands for a missing one in new rows as well."""


class XGBoostObjective(Objective):
    """A loss for XGBoost; see `Objective`."""

    FRAMEWORK = "xgboost"
    CONVENTIONS: ClassVar[Mapping[str, Convention]] = {
        "squared_error": Convention("curvature", multiple=2.0),
        "binary_cross_entropy": Convention("curvature"),
        "poisson": Convention(lambda loss, y, f: loss.hessian(y, f + 0.7), params={"max_delta_step": 0.7}),
        "gamma": Convention(),
        "tweedie": Convention(),
        "cross_entropy": Convention(lambda loss, y, f: 2.0 * loss.hessian(y, f)),
        "pseudo_huber": Convention(),
    }
    RESERVED = ("objective", "base_score", "num_class", "eval_metric", "disable_default_eval_metric")
    UNHEARD: ClassVar[Mapping[str, str]] = {
        "scale_pos_weight": OF_CLASSES,
        **dict.fromkeys(("tweedie_variance_power", "huber_slope", "quantile_alpha", "expectile_alpha"), OF_THE_LOSS),
    }
    ROUNDS = 10
    LEAST: ClassVar[Mapping[str, float]] = {"min_child_weight": 1.0}
    START = "base_score (of XGBClassifier, its probability) or base_margin"
    TARGETS = True

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and curvature, float32: (prediction, DMatrix) natively, (y_true, prediction) from scikit-learn."""
        u, rows = self._given(first, second, sample_weight)
        return self._derivatives(rows, u)

    @property
    def metric(self) -> Metric:
        """The weighted mean loss as `custom_metric`, or as `eval_metric` of the scikit-learn interface."""
        return Metric(self)

    def dataset(self, X: Any, y: Any, weight: Any = None, reference: Any = None, **options: Any) -> Any:
        """An `xgboost.DMatrix` that knows its start and scale; for `reference` see `Objective`."""
        import xgboost

        check_offset(options)
        rows = self._rows(y, weight, reference, X)
        options["base_margin"] = np.zeros_like(rows.start())  # the units carry the start, whatever base_score says
        options.setdefault("enable_categorical", True)  # columns of categories are such, here and in new rows
        data = xgboost.DMatrix(X, label=self._shown(rows), weight=rows.weight, **options)
        return _noted(data, rows)

    def _told(self, rows: Rows) -> dict[str, Any]:
        outputs = len(rows.setting.units.start)
        several = {"num_class": outputs} if outputs > 1 and not rows.setting.targets else {}
        return {"base_score": 0.0, "disable_default_eval_metric": True, **several}

    def _train(self, params: dict[str, Any], train: Any, rounds: int, valid: Any, patience: int | None) -> Any:
        import xgboost

        stop = [] if patience is None else [xgboost.callback.EarlyStopping(rounds=patience, maximize=False)]
        zoom = 1.0 if valid is None else _zoom(rows_of(valid))
        booster = xgboost.train(
            params, train, num_boost_round=rounds, obj=self, evals=() if valid is None else [(valid, "valid")],
            custom_metric=None if valid is None else Metric(self, zoom), callbacks=stop, verbose_eval=False,
        )  # fmt: skip
        if patience is None:
            return booster
        best = booster.best_iteration + 1
        if params.get("booster") in ("gblinear", "dart"):  # which change, each round, what they had learnt before it
            return self._train(params, train, best, None, None)
        return booster[:best]

    def _model(self, booster: Any, train: Any) -> XGBoostModel:
        setting = rows_of(train).setting
        booster.set_attr(**{_MISSING: repr(float(train.missing))})
        return XGBoostModel(booster, setting.stated, setting.units)


adapt = XGBoostObjective.of  # the options are those of every booster


class Metric:
    """The mean of an objective's loss: natively its name and value, in the scikit-learn interface the value."""

    def __init__(self, objective: XGBoostObjective, zoom: float = 1.0) -> None:
        self.objective, self.zoom, self.__name__ = objective, zoom, _metric_name(objective.loss.name)

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> Any:
        value = self.zoom * self.objective._mean_loss(first, second, sample_weight)
        return (self.__name__, value) if hasattr(second, "get_label") else value


def _zoom(rows: Rows) -> float:
    """What a mean loss is multiplied by, as XGBoost reads six decimals of it: of small ones nothing would be left."""
    return 2.0**30 / power_of_two(abs(rows.mean_loss(rows.setting.loss, rows.start())))


def _metric_name(name: str) -> str:
    """The loss's name without what XGBoost reads into it: where it ends, and that more of it would be better."""
    plain = re.sub(r"[\s:]+", "_", name)
    return f"loss_{plain}" if plain.startswith(("auc", "map", "ndcg", "pre")) else plain


class XGBoostModel(BoostedModel):
    """An XGBoost booster with its loss; `save` writes XGBoost's UBJSON format."""

    FRAMEWORK, SUFFIX = "xgboost", ".ubj"
    KINDS = ("output_margin", "pred_leaf", "pred_contribs", "approx_contribs", "pred_interactions")

    def _trees(self, X: Any, **options: Any) -> NDArray[Any]:
        import xgboost

        if not isinstance(X, xgboost.DMatrix):
            missing = float(self.booster.attr(_MISSING) or "nan")
            X = xgboost.DMatrix(X, missing=missing, enable_categorical=True)
            outputs = len(self.units.start)
            X.set_base_margin(np.zeros((X.num_row(), outputs) if outputs > 1 else X.num_row()))
        elif X.get_base_margin().any():
            check_offset({"base_margin": X})
        return np.asarray(self.booster.predict(X, output_margin=True, **options))

    def _write(self, path: Path) -> None:
        self.booster.save_model(path)

    @classmethod
    def _read(cls, path: Path) -> Any:
        import xgboost

        return xgboost.Booster(model_file=path)
