"""LightGBM: a loss as objective, as metric, and as a model that predicts on the natural scale.

* order: natively (prediction, Dataset), in the scikit-learn interface (y_true, prediction, weight);
* sign: the gradient goes downhill as it is;
* start: a custom objective starts at 0, whatever `boost_from_average` says, and `predict` never adds `init_score` back;
* weights: native training does not apply them;
* layout: several scores arrive as (n, k) in Fortran order and must leave as (n, k);
* link: `predict` of a custom objective is the raw score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lossmith.adapters.boosting import Convention
from lossmith.adapters.boosting_checks import OF_CLASSES, OF_THE_LOSS, check_offset
from lossmith.adapters.boosting_model import BoostedModel
from lossmith.adapters.boosting_objective import Objective
from lossmith.adapters.boosting_rows import Array, Rows, Units, rows_of


class LightGBMObjective(Objective):
    """A loss for LightGBM; see `Objective`."""

    FRAMEWORK = "lightgbm"
    CONVENTIONS: ClassVar[Mapping[str, Convention]] = {
        "squared_error": Convention("curvature", multiple=2.0),
        "binary_cross_entropy": Convention("curvature"),
        "poisson": Convention(lambda loss, y, f: loss.hessian(y, f + 0.7), params={"poisson_max_delta_step": 0.7}),
        "gamma": Convention(),
        "tweedie": Convention(),
        "cross_entropy": Convention("curvature"),  # k / (k - 1) of the Hessian
        "huber": Convention(lambda loss, y, f: np.ones_like(f)),
    }
    RESERVED = (
        "objective", "objective_type", "app", "application", "loss", "metric", "metrics", "metric_types", "num_class",
        "num_classes", "boost_from_average",
    )  # fmt: skip
    UNHEARD: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("scale_pos_weight", "is_unbalance", "unbalance", "unbalanced_sets", "class_weight"), OF_CLASSES
        ),
        **dict.fromkeys(
            (
                "pos_bagging_fraction", "pos_subsample", "pos_sub_row", "pos_bagging",
                "neg_bagging_fraction", "neg_subsample", "neg_sub_row", "neg_bagging",
            ),
            "LightGBM draws each class by itself for a binary objective of its own only: use bagging_fraction, and "
            "weight classes in the loss",
        ),
        **dict.fromkeys(
            (
                "alpha", "fair_c", "tweedie_variance_power", "sigmoid", "reg_sqrt", "label_gain", "lambdarank_norm",
                "lambdarank_truncation_level", "lambdarank_position_bias_regularization",
            ),
            OF_THE_LOSS,
        ),
        "poisson_max_delta_step": "the second-order weight has it: hessian=lambda y, f: loss.hessian(y, f + step)",
    }
    ROUNDS = 100
    LEAST: ClassVar[Mapping[str, float]] = dict.fromkeys(
        ("min_sum_hessian_in_leaf", "min_sum_hessian_per_leaf", "min_sum_hessian", "min_hessian", "min_child_weight"),
        1e-3,
    )
    START = "init_score"

    def __call__(self, first: Any, second: Any, weight: Any = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Gradient and curvature, float32: (prediction, Dataset) natively, (y_true, prediction, weight) in sklearn."""
        u, rows = self._given(first, second, weight)
        return self._derivatives(rows, u)

    def metric(self, first: Any, second: Any, weight: Any = None) -> tuple[str, float, bool]:
        """The weighted mean loss as an evaluation function: its name, its value, and that higher is not better."""
        return self.loss.name, self._mean_loss(first, second, weight), False

    def dataset(self, X: Any, y: Any, weight: Any = None, reference: Any = None, **options: Any) -> Any:
        """A `lightgbm.Dataset` that knows its start and scale; for `reference` see `Objective`."""
        import lightgbm

        check_offset(options)
        rows = self._rows(y, weight, reference, X)
        if options.setdefault("free_raw_data", False) and rows.setting.cuts is not None:
            raise ValueError(
                f"free_raw_data is {options['free_raw_data']!r}: {self.loss.name} learns its thresholds from the rows' "
                "scores, in the end too: leave it False, or give the thresholds"
            )
        data = lightgbm.Dataset(X, label=self._shown(rows), weight=rows.weight, reference=reference, **options)
        data._lossmith = rows
        return data

    def _told(self, rows: Rows) -> dict[str, Any]:
        outputs = len(rows.setting.units.start)
        several = {"num_class": outputs} if outputs > 1 else {}
        return {"objective": self, "metric": "None", **several}

    def _train(self, params: dict[str, Any], train: Any, rounds: int, valid: Any, patience: int | None) -> Any:
        import lightgbm

        for name in ("boosting", "boosting_type", "boost"):
            if patience is not None and params.get(name) == "dart":
                raise ValueError(
                    f"early_stopping is {patience}, but with params[{name!r}] = 'dart' LightGBM never stops early: "
                    "leave early_stopping out, and choose rounds by hand"
                )
        least = params.get("early_stopping_min_delta", 0.0)
        stop = [] if patience is None else [lightgbm.early_stopping(patience, verbose=False, min_delta=least)]
        quiet = {} if {"verbose", "verbosity"} & set(params) else {"verbosity": -1}  # which of the two it would obey
        return lightgbm.train(
            {**quiet, **params}, train, num_boost_round=rounds, valid_sets=None if valid is None else [valid],
            feval=None if valid is None else self.metric, callbacks=stop,
        )  # fmt: skip

    def _model(self, booster: Any, train: Any) -> LightGBMModel:
        setting = rows_of(train).setting
        return LightGBMModel(booster, setting.stated, setting.units)

    def _features(self, train: Any) -> Any:
        return train.construct().get_data()

    def restored(self, state: Mapping[str, Any]) -> LightGBMModel:
        """The model whose `state` this is, and whose loss is this one."""
        import lightgbm

        units = {name: tuple(map(float, numbers)) for name, numbers in state["units"].items()}
        return LightGBMModel(lightgbm.Booster(model_str=state["trees"]), self.loss, Units(**units))

    def init_score(self, y: Any, weight: Any = None) -> Array:
        """The start, once per row: the `init_score` of a Dataset made by hand, and what to add to its predictions."""
        start = self.start(y, weight)
        return np.full(len(y), start[0]) if len(start) == 1 else np.asfortranarray(np.tile(start, (len(y), 1)))


adapt = LightGBMObjective.of  # the options are those of every booster


class LightGBMModel(BoostedModel):
    """A LightGBM booster with its loss; `save` writes LightGBM's text format."""

    FRAMEWORK, SUFFIX = "lightgbm", ".txt"
    KINDS = ("raw_score", "pred_leaf", "pred_contrib")

    def _trees(self, X: Any, **options: Any) -> NDArray[Any]:
        return np.asarray(self.booster.predict(X, raw_score=True, **options))

    def state(self) -> dict[str, Any]:
        """Trees in LightGBM's text format, and units: what JSON can hold of the model beside its loss."""
        return {"trees": self.booster.model_to_string(), "units": asdict(self.units)}

    def _write(self, path: Path) -> None:
        self.booster.save_model(str(path))

    @classmethod
    def _read(cls, path: Path) -> Any:
        import lightgbm

        return lightgbm.Booster(model_file=str(path))
